//! A tensor train from scattered entries, by least squares.
//!
//! # Problem
//! Indices i_1, ..., i_m of a tensor of shape (n_1, ..., n_d) and values y: a train X of given ranks with
//! the sum of (X(i_s) - y_s)^2 small. The entries that are not given play no part.
//! # Method
//! Alternating least squares (Holtz, Rohwedder, Schneider, The alternating linear scheme for tensor
//! optimization in the tensor train format, SIAM J. Sci. Comput. 34, 2012; Grasedyck, Kluge, Kraemer,
//! Variants of alternating least squares tensor completion in the tensor train format, SIAM J. Sci.
//! Comput. 37, 2015): one core at a time, whose slices are independent least-squares problems solved by
//! QR, the cores before it left- and those after it right-orthonormal. Ranks grow from 1 to the rank
//! asked, by small random columns.
//! # Cost
//! O(d m r^4) a sweep, O(m d r) memory; slices on all threads.
//! # Guarantee
//! No step raises the error on the samples. It is a local method: that error can stay above the
//! smallest one, and a small one says nothing of other entries where m is not a good deal more than
//! d n r^2: keep samples back and look at [`TensorTrain::error_at`].
//! # Deviations
//! Every step is damped towards the core before it (proximal term), so that slices with fewer samples
//! than unknowns keep what they had and no problem is singular.

use super::at_points::check_samples;
use super::orthogonal::{right_sweep, shift_right};
use super::steps::{matrix, times};
use super::{TensorTrain, core_from, scale};
use crate::matrix::slice_norm;
use crate::random::{fill_gaussian, stream};
use crate::svd::{Qr, qr};
use crate::{Error, Progress, Report, Result, Scalar, Status};
use faer::{Mat, MatRef};
use ndarray::{Array3, ArrayView2};
use rayon::prelude::*;
use std::time::Instant;

/// Parameters of [`fit_samples`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleFit {
    /// The largest rank at any bond, at least 1.
    pub rank: usize,
    /// The search ends where the error is at most this part of |y|.
    pub tolerance: f64,
    /// Sweeps at the last rank; at each smaller one there are at most 5.
    pub max_sweeps: usize,
    /// Weight of the proximal term, relative to the mean square of a column.
    pub damping: f64,
    /// Seed of the start.
    pub seed: u64,
}

impl Default for SampleFit {
    /// Rank 4, tolerance 1e-10, 100 sweeps, damping 1e-9, seed 0.
    fn default() -> Self {
        Self { rank: 4, tolerance: 1e-10, max_sweeps: 100, damping: 1e-9, seed: 0 }
    }
}

/// A train fitted to samples.
#[derive(Debug, Clone)]
pub struct Fitted<T: Scalar> {
    /// The train.
    pub train: TensorTrain<T>,
    /// How it went; the error is the root of the sum of squares over the samples.
    pub report: Report,
    /// The error over |y|.
    pub relative_error: f64,
}

/// The train of a shape fitted to `values` at the rows of `points` (m, d).
///
/// # Errors
/// [`Error::Shape`] for an empty shape, a row that is no index, no samples, or values that are not one a
/// row; [`Error::NonFinite`] with the position; [`Error::Parameter`].
///
/// # Example
/// ```
/// use lowrank::ndarray::Array2;
/// use lowrank::tensor::train::{SampleFit, fit_samples};
/// let points = Array2::from_shape_fn((600, 3), |(s, k)| (s * s * (k + 3) + 7 * s + s / (k + 5)) % 8);
/// let f = |i: &[usize]| 1.0 + (i[0] * i[1] + i[2]) as f64;
/// let values: Vec<f64> = points.rows().into_iter().map(|i| f(&i.to_vec())).collect();
/// let x = fit_samples(&[8; 3], points.view(), &values, SampleFit { rank: 2, ..Default::default() })?;
/// assert!(x.relative_error < 1e-6);
/// # Ok::<(), lowrank::Error>(())
/// ```
pub fn fit_samples<T: Scalar>(
    shape: &[usize],
    points: ArrayView2<'_, usize>,
    values: &[T],
    parameters: SampleFit,
) -> Result<Fitted<T>> {
    let started = Instant::now();
    check_parameters(&parameters)?;
    check_samples(shape, points, values)?;
    let j = scale::exponent(values);
    let mut y = values.to_vec();
    scale::shift(&mut y, -j);
    let samples = Samples::new(shape, points, y, parameters.damping);
    let norm = slice_norm(&samples.values);
    if norm == 0.0 {
        let (status, seconds) = (Status::Converged, started.elapsed().as_secs_f64());
        let report = Report { status, iterations: 0, error: 0.0, history: Vec::new(), seconds };
        return Ok(Fitted { train: TensorTrain::zeros(shape)?, report, relative_error: 0.0 });
    }
    let mut history = Vec::new();
    let (mut sweeps, mut error, mut status) = (0, norm, Status::IterationLimit);
    let mut cores: Vec<Array3<T>> = shape.iter().map(|&n| Array3::from_elem((1, n, 1), T::of(1.0))).collect();
    for rank in 1..=parameters.rank {
        if rank > 1 {
            widen(&mut cores, rank, parameters.seed);
        }
        let last = rank == parameters.rank;
        let most = if last { parameters.max_sweeps } else { parameters.max_sweeps.min(5) };
        for _ in 0..most {
            let before = error;
            error = samples.sweep(&mut cores)?;
            sweeps += 1;
            let seconds = started.elapsed().as_secs_f64();
            history.push(Progress { iteration: sweeps, seconds, error: scale::shifted(error, j) });
            if error <= parameters.tolerance * norm {
                status = Status::Converged;
                break;
            }
            if error > before * if last { 1.0 - 1e-6 } else { 0.9 } {
                status = if last { Status::Stagnated } else { status };
                break;
            }
        }
        if status == Status::Converged {
            break;
        }
    }
    let last = cores.len() - 1;
    let train = TensorTrain::restored(cores, last, j)?;
    let relative_error = train.error_at(points, values)?;
    let error = relative_error * slice_norm(values);
    let report =
        Report { status, iterations: sweeps, error, history, seconds: started.elapsed().as_secs_f64() };
    Ok(Fitted { train, report, relative_error })
}

fn check_parameters(parameters: &SampleFit) -> Result<()> {
    if parameters.rank == 0 {
        return Err(Error::Parameter { name: "rank", value: "0".into(), remedy: "give at least 1" });
    }
    for (name, value) in [("tolerance", parameters.tolerance), ("damping", parameters.damping)] {
        if !(value >= 0.0 && value.is_finite()) {
            let remedy = "give a finite number of at least 0";
            return Err(Error::Parameter { name, value: value.to_string(), remedy });
        }
    }
    Ok(())
}

/// The samples, sorted by their index in each mode.
struct Samples<T> {
    values: Vec<T>,
    /// members[k][i]: the samples whose index in mode k is i.
    members: Vec<Vec<Vec<usize>>>,
    damping: f64,
}

impl<T: Scalar> Samples<T> {
    fn new(shape: &[usize], points: ArrayView2<'_, usize>, values: Vec<T>, damping: f64) -> Self {
        let mut members: Vec<Vec<Vec<usize>>> = shape.iter().map(|&n| vec![Vec::new(); n]).collect();
        for (s, index) in points.rows().into_iter().enumerate() {
            index.iter().zip(&mut members).for_each(|(&i, members)| members[i].push(s));
        }
        Self { values, members, damping }
    }

    /// Right-orthonormalizes, then improves every core from left to right; the error after it.
    fn sweep(&self, cores: &mut [Array3<T>]) -> Result<f64> {
        let d = cores.len();
        let taken = right_sweep(cores)?;
        if let Some(data) = cores[0].as_slice_mut() {
            scale::shift(data, taken);
        }
        let one = Mat::from_fn(self.values.len(), 1, |_, _| T::of(1.0));
        let mut right = vec![one.clone()]; // the right vectors of the samples, (m, r_k)
        for k in (1..d).rev() {
            let next = self.moved(k, &cores[k], &right[d - 1 - k], false);
            right.push(next);
        }
        let (mut left, mut error) = (one, 0.0);
        for k in 0..d {
            error = self.improve(k, &mut cores[k], &left, &right[d - 1 - k])?;
            if k + 1 < d {
                shift_right(cores, k)?;
                left = self.moved(k, &cores[k], &left, true);
            }
        }
        Ok(error)
    }

    /// The vectors of the samples on the other side of core k.
    fn moved(&self, k: usize, core: &Array3<T>, vectors: &Mat<T>, rightwards: bool) -> Mat<T> {
        let (l, n, r) = core.dim();
        let all = matrix(core.as_slice().unwrap_or(&[]), l, n * r);
        let mut out = Mat::zeros(vectors.nrows(), if rightwards { r } else { l });
        for (i, members) in self.members[k].iter().enumerate() {
            let slice = all.subcols(i * r, r); // (l, r)
            let slice = if rightwards { slice } else { slice.transpose() };
            let own = Mat::from_fn(members.len(), vectors.ncols(), |s, a| vectors[(members[s], a)]);
            let product = times(own.as_ref(), slice);
            for (s, line) in members.iter().zip(product.chunks(out.ncols())) {
                line.iter().enumerate().for_each(|(b, &x)| out[(*s, b)] = x);
            }
        }
        out
    }

    /// Least squares for every slice of core k; the error after it.
    fn improve(&self, k: usize, core: &mut Array3<T>, left: &Mat<T>, right: &Mat<T>) -> Result<f64> {
        let (l, n, r) = core.dim();
        let slice = |i: usize| -> Result<(Vec<T>, f64)> {
            let members = &self.members[k][i];
            let mut x: Vec<T> = (0..l * r).map(|at| core[(at / r, i, at % r)]).collect();
            if members.is_empty() {
                return Ok((x, 0.0));
            }
            let row = |s: usize, at: usize| left[(members[s], at / r)] * right[(members[s], at % r)];
            let design = Mat::from_fn(members.len(), l * r, row);
            let residual = |x: &[T]| -> Vec<T> {
                let found = times(design.as_ref(), matrix(x, l * r, 1));
                members.iter().zip(found).map(|(&s, f)| self.values[s] - f).collect()
            };
            let before = residual(&x);
            let step = damped(&design, &before, self.damping)?;
            let moved: Vec<T> = x.iter().zip(&step).map(|(x, step)| *x + *step).collect();
            let after = residual(&moved);
            let (old, new) = (slice_norm(&before), slice_norm(&after));
            if new < old {
                x = moved;
            }
            Ok((x, old.min(new)))
        };
        let slices: Vec<Result<(Vec<T>, f64)>> = (0..n).into_par_iter().map(slice).collect();
        let mut error = 0.0;
        for (i, found) in slices.into_iter().enumerate() {
            let (x, part) = found?;
            x.into_iter().enumerate().for_each(|(at, x)| core[(at / r, i, at % r)] = x);
            error = f64::hypot(error, part);
        }
        Ok(error)
    }
}

/// The x that minimizes |A x - b|^2 + damping (|A|_F^2 / columns) |x|^2.
fn damped<T: Scalar>(a: &Mat<T>, b: &[T], damping: f64) -> Result<Vec<T>> {
    let (m, n) = a.shape();
    let size = a.norm_l2().as_f64() / (n as f64).sqrt();
    let weight = T::of(
        (damping.sqrt() * size)
            .max(T::EPS * size)
            .max(num_traits::Float::sqrt(T::min_positive_value()).as_f64()),
    );
    let both = Mat::from_fn(m + n, n, |i, j| match i {
        i if i < m => a[(i, j)],
        i if i - m == j => weight,
        _ => T::of(0.0),
    });
    let Qr { q, r } = qr(&both)?;
    let mut x = times(MatRef::from_row_major_slice(b, 1, m), q.subrows(0, m)); // (1, n)
    for i in (0..n).rev() {
        let known: T = (i + 1..n).map(|j| r[(i, j)] * x[j]).sum();
        x[i] = (x[i] - known) / r[(i, i)];
    }
    Ok(x)
}

/// Raises the ranks to `rank` where the shape permits, by small random entries.
fn widen<T: Scalar>(cores: &mut [Array3<T>], rank: usize, seed: u64) {
    let d = cores.len();
    let shape: Vec<usize> = cores.iter().map(|core| core.dim().1).collect();
    let possible = |sizes: &[usize]| sizes.iter().fold(1usize, |all, &n| all.saturating_mul(n));
    let bond = |k: usize| match k {
        0 => 1,
        k if k == d => 1,
        k => rank.min(possible(&shape[..k])).min(possible(&shape[k..])),
    };
    for (k, core) in cores.iter_mut().enumerate() {
        let (l, n, r) = core.dim();
        let dim = (bond(k).max(l), n, bond(k + 1).max(r));
        let mut data = vec![T::of(0.0); dim.0 * dim.1 * dim.2];
        fill_gaussian(&mut stream(seed, "wider cores", (rank * d + k) as u64), &mut data);
        let size = scale::norm(core.as_slice().unwrap_or(&[])) / (core.len().max(1) as f64).sqrt();
        data.iter_mut().for_each(|x| *x *= T::of(0.01 * size));
        let mut wider = core_from(dim, data);
        for ((a, i, b), &x) in core.indexed_iter() {
            wider[(a, i, b)] = x;
        }
        *core = wider;
    }
}
