//! Randomized rounding: for ranks so large that orthogonalizing them is the whole cost.
//!
//! # Problem
//! As [`TensorTrain::round`], for a train of large ranks R, or a sum, an entrywise product or an
//! operator applied to a train, whose cores are never formed; the ranks wanted, r, are much smaller.
//! # Method
//! Al Daas, Ballard, Cazeaux, Hallman, Miedlar, Pasha, Reid, Saibaba, Randomized algorithms for
//! rounding in the tensor-train format, SIAM J. Sci. Comput. 45 (2023), Algorithm 3.2, "randomize,
//! then orthogonalize", mirrored: partial contractions with a Gaussian tensor train of rank
//! r + oversampling from left to right, then QR factorizations of sketches (n r, r) from right to
//! left. The train found, of ranks r + oversampling, is rounded by singular values.
//! # Cost
//! O(d n r R (r + R)) for a train of ranks R; for an entrywise product of ranks s each, R = s^2, the
//! factor R falls to s: O(d n r s^2 (r + s)). [`TensorTrain::round`] of R costs O(d n R^3).
//! # Guarantee
//! All cores but the last are left-orthonormal. What the singular values cut is known as in
//! rounding; what the sketch missed is estimated, without bias in its square, by contracting the
//! residual of every step with 16 fresh random trains: no difference of squares, so it is seen down
//! to eps. `error` is the root of the sum of both squares. The estimate of a single residual lies
//! within a factor of 2 nearly always; [`TensorTrain::distance`] is exact, for more time.
//! # Deviations
//! The paper's train of fixed ranks is a first step here, with the estimate and the truncation
//! after it. Where only a tolerance is given the sketch grows until the estimate is half of it.
//! A bond whose rank is no more than the sketch's is orthogonalized without a sketch.

use super::implicit::{Applied, Entrywise, Implicit, Plain, Sum};
use super::rounding::cut;
use super::truncation::{Limit, Truncated, Truncation};
use super::{TensorTrain, core_from, scale};
use crate::random::{fill_gaussian, stream};
use crate::svd::orthonormal_basis;
use crate::{Error, Result, Scalar};
use faer::{Mat, MatMut, MatRef};
use ndarray::Array3;
use rayon::prelude::*;

/// Parameters of randomized rounding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandomizedRounding {
    /// Largest rank and tolerance, which hold together as in [`TensorTrain::round`].
    pub truncation: Truncation,
    /// Columns of the sketch beyond the rank.
    pub oversampling: usize,
    /// Seed of the sketches.
    pub seed: u64,
}

impl Default for RandomizedRounding {
    /// Tolerance 1e-12 without a limit on the ranks, oversampling 10, seed 0.
    fn default() -> Self {
        Self { truncation: Truncation::default(), oversampling: 10, seed: 0 }
    }
}

impl<T: Scalar> TensorTrain<T> {
    /// Randomized rounding of this train; see the head of the file. `error` of the result is partly
    /// estimated. O(d n r R (r + R)).
    ///
    /// # Errors
    /// [`Error::Parameter`] for `max_rank` 0 or a tolerance that is negative or not finite.
    pub fn round_randomized(&self, parameters: RandomizedRounding) -> Result<Truncated<T>> {
        let (cores, j) = self.clone().into_normalized();
        round(&Plain(&cores), j, parameters)
    }

    /// The entrywise product of two trains, rounded without forming it.
    ///
    /// # Errors
    /// [`Error::Shape`] for different shapes; those of [`TensorTrain::round_randomized`].
    ///
    /// # Example
    /// ```
    /// use lowrank::TensorTrain;
    /// use lowrank::tensor::train::{RandomizedRounding, Truncation};
    /// let x = TensorTrain::<f64>::random(&[4; 8], &[3; 7], 1)?;
    /// let truncation = Truncation::tolerance(1e-10);
    /// let square = x.hadamard_rounded(&x, RandomizedRounding { truncation, ..Default::default() })?;
    /// assert!(square.train.distance(&x.hadamard(&x)?)? <= 1e-10 * square.train.norm()?);
    /// # Ok::<(), lowrank::Error>(())
    /// ```
    pub fn hadamard_rounded(&self, other: &Self, parameters: RandomizedRounding) -> Result<Truncated<T>> {
        self.check_same_shape(other)?;
        let ((x, jx), (y, jy)) = (self.clone().into_normalized(), other.clone().into_normalized());
        round(&Entrywise(&x, &y), jx + jy, parameters)
    }

    /// The sum of trains of one shape, rounded without forming it.
    ///
    /// # Errors
    /// [`Error::Shape`] for no train or different shapes; those of [`TensorTrain::round_randomized`].
    pub fn sum_rounded(trains: &[Self], parameters: RandomizedRounding) -> Result<Truncated<T>> {
        let Some(first) = trains.first() else {
            let expected = "at least one train is needed".into();
            return Err(Error::Shape { argument: "trains", expected, found: vec![0] });
        };
        trains.iter().try_for_each(|x| first.check_same_shape(x))?;
        let normalized: Vec<_> = trains.iter().map(|x| x.clone().into_normalized()).collect();
        let j = normalized.iter().map(|x| x.1).max().unwrap_or(0);
        let aligned = normalized.into_iter().map(|(mut cores, own)| {
            cores[0].as_slice_mut().into_iter().for_each(|data| scale::shift(data, own - j));
            Self::from_valid(cores)
        });
        round(&Sum(&aligned.collect::<Vec<_>>()), j, parameters)
    }
}

/// An operator's cores applied to a train's, rounded; both normalized, with the exponent taken out.
pub(super) fn apply_rounded<T: Scalar>(
    operator: &[Array3<T>],
    x: &[Array3<T>],
    j: i32,
    parameters: RandomizedRounding,
) -> Result<Truncated<T>> {
    round(&Applied(operator, x), j, parameters)
}

/// Random trains that estimate what a sketch missed.
const PROBES: usize = 16;
/// The first rank tried where the tolerance decides.
const FIRST_RANK: usize = 32;

/// Rounds 2^j times a train.
fn round<T: Scalar>(x: &impl Implicit<T>, j: i32, parameters: RandomizedRounding) -> Result<Truncated<T>> {
    let RandomizedRounding { truncation, oversampling, seed } = parameters;
    truncation.check()?;
    let (shape, ranks) = (x.shape(), x.ranks());
    let d = shape.len();
    if shape.contains(&0) {
        return Ok(Truncated::new(TensorTrain::zeros(&shape)?, &vec![(0.0, Limit::Nothing); d - 1], 0.0, 0));
    }
    let enough = ranks.iter().copied().max().unwrap_or(1);
    let most = truncation.max_rank.saturating_add(oversampling).min(enough);
    let probes = sketches(x, &shape, PROBES, seed, "probes of randomized rounding");
    let mut rank = match truncation.tolerance > 0.0 {
        true => most.min(FIRST_RANK + oversampling),
        false => most,
    };
    loop {
        let sketch = sketches(x, &shape, rank, seed, "sketch of randomized rounding");
        let (mut cores, exponent, missed) = orthogonalized(x, &shape, &sketch, rank, &probes)?;
        let norm = scale::norm(cores[0].as_slice().unwrap_or(&[]));
        if rank < most && missed > 0.5 * truncation.tolerance * norm {
            rank = most.min(2 * rank);
            continue;
        }
        let left = (truncation.tolerance.powi(2) - (missed / norm).powi(2)).max(0.0).sqrt();
        let delta = if norm > 0.0 { left * norm / ((d - 1).max(1) as f64).sqrt() } else { 0.0 };
        let mut cuts = cut(&mut cores, truncation, delta)?;
        if missed > truncation.tolerance * norm && rank < enough {
            cuts.iter_mut().for_each(|cut| cut.1 = cut.1.max(Limit::Rank));
        }
        let j = j + exponent;
        scale::restore(&mut cores, d - 1, j);
        let train = TensorTrain::from_valid(cores);
        return Ok(Truncated::new(train, &cuts, norm, j).with_missed(missed, norm, j));
    }
}

/// A sketch of the left part up to a bond, (r_k, width), row-major, times 2^exponent.
struct Sketch<T> {
    data: Vec<T>,
    width: usize,
    exponent: i32,
}

/// The transposed left interfaces contracted with a Gaussian train, for the bonds 0 to d - 1.
fn sketches<T: Scalar>(
    x: &impl Implicit<T>,
    shape: &[usize],
    rank: usize,
    seed: u64,
    purpose: &str,
) -> Vec<Sketch<T>> {
    let ranks = x.ranks();
    let mut all = vec![Sketch { data: vec![T::of(1.0)], width: 1, exponent: 0 }];
    for (k, &n) in shape.iter().enumerate().take(shape.len() - 1) {
        let before = &all[k];
        let (width, z) = (rank, before.width);
        let mut random = vec![T::of(0.0); n * z * width]; // (n, z, width)
        fill_gaussian(&mut stream(seed, purpose, k as u64), &mut random);
        let root = T::of(1.0 / (z as f64).sqrt());
        random.iter_mut().for_each(|x| *x *= root);
        let parts = slices(x, k, true, &before.data, z); // (r, z) for each index
        let mut data = vec![T::of(0.0); ranks[k + 1] * width];
        add_products(&mut data, width, &parts, z, &random);
        let exponent = before.exponent + scale::normalize_slice(&mut data);
        all.push(Sketch { data, width, exponent });
    }
    all
}

/// Every slice of core k, or its transpose, applied to x with z columns.
fn slices<T: Scalar>(x: &impl Implicit<T>, k: usize, transposed: bool, m: &[T], z: usize) -> Vec<Vec<T>> {
    let (ranks, n) = (x.ranks(), x.shape()[k]);
    let rows = if transposed { ranks[k + 1] } else { ranks[k] };
    let apply = |i: usize| {
        let mut out = vec![T::of(0.0); rows * z];
        x.apply(k, i, transposed, m, z, &mut out);
        out
    };
    (0..n).into_par_iter().map(apply).collect()
}

/// `out += sum_i a_i b_i`, with a_i (rows, z) and b (n, z, width), strips of rows at once.
fn add_products<T: Scalar>(out: &mut [T], width: usize, a: &[Vec<T>], z: usize, b: &[T]) {
    const STRIP: usize = 64;
    out.par_chunks_mut(STRIP * width).enumerate().for_each(|(strip, out)| {
        let rows = out.len() / width;
        let mut out = MatMut::from_row_major_slice_mut(out, rows, width);
        for (a, b) in a.iter().zip(b.chunks(z * width)) {
            let a = MatRef::from_row_major_slice(&a[strip * STRIP * z..][..rows * z], rows, z);
            T::product(out.as_mut(), true, a, MatRef::from_row_major_slice(b, z, width));
        }
    });
}

/// Right-orthonormal cores of a train of the sketch's ranks, their exponent, and an estimate of its
/// distance to `x` in the same unit.
fn orthogonalized<T: Scalar>(
    x: &impl Implicit<T>,
    shape: &[usize],
    sketch: &[Sketch<T>],
    rank: usize,
    probes: &[Sketch<T>],
) -> Result<(Vec<Array3<T>>, i32, f64)> {
    let (d, ranks) = (shape.len(), x.ranks());
    let (mut cores, mut missed) = (Vec::with_capacity(d), Vec::new());
    let (mut m, mut p, mut taken) = (vec![T::of(1.0)], 1, 0); // m (r_k, p): x right of bond k in the new basis
    for k in (1..d).rev() {
        let (n, l) = (shape[k], ranks[k]);
        let parts = slices(x, k, false, &m, p); // (l, p) for each index
        let sketched = |s: &[T], width: usize| {
            let mut b = Mat::zeros(n * p, width); // rows (index, p)
            let s = MatRef::from_row_major_slice(s, l, width);
            b.as_mut().par_row_chunks_mut(p).zip(&parts).for_each(|(b, part)| {
                T::product(b, false, MatRef::from_row_major_slice(part, l, p).transpose(), s);
            });
            b
        };
        let q = if l <= rank {
            let stacked = Mat::from_fn(n * p, l, |row, a| parts[row / p][a * p + row % p]);
            orthonormal_basis(stacked.as_ref())?
        } else {
            orthonormal_basis(sketched(&sketch[k].data, rank).as_ref())?
        };
        let probe = &probes[k];
        let mut residual = sketched(&probe.data, probe.width);
        let inside = crate::operator::stored_product(q.as_ref(), residual.as_ref(), true);
        residual -= crate::operator::stored_product(q.as_ref(), inside.as_ref(), false);
        let tail = residual.norm_l2().as_f64() / (probe.width as f64).sqrt();
        missed.push((tail, taken + probe.exponent));

        let width = q.ncols();
        cores.push(core_from((width, n, p), super::orthogonal::columns(q.as_ref())));
        let stacked = super::orthogonal::rows(q.as_ref()); // (n, p, width)
        let mut next = vec![T::of(0.0); l * width];
        add_products(&mut next, width, &parts, p, &stacked);
        taken += scale::normalize_slice(&mut next);
        (m, p) = (next, width);
    }
    let first = slices(x, 0, false, &m, p).concat(); // (n, p)
    cores.push(core_from((1, shape[0], p), first));
    cores.reverse();
    taken += scale::normalize(&mut cores[..1]);
    let missed = missed.iter().map(|&(tail, j)| scale::shifted(tail, j - taken));
    Ok((cores, taken, missed.fold(0.0, f64::hypot)))
}
