//! Canonical decompositions of large tensors from samples of their fibres.
//!
//! **Problem.** A (n_1, ..., n_d), stored in any layout or computed entry by entry: X of R terms with
//! |A - X|_F small, from few of A's entries.
//!
//! **Method.** Alternating least squares whose problems, N / n_k equations for each row of factor k, are
//! sampled: rows of the Khatri-Rao product by the product of the leverage scores of the other factors'
//! rows, equal ones combined and weighted (CP-ARLS-LEV: Larsen, Kolda, Practical leverage-based sampling
//! for low-rank tensor decomposition, SIAM J. Matrix Anal. Appl. 43, 2022). It starts at random
//! combinations of fibres. The error is estimated from a fixed uniform sample of entries.
//!
//! **Cost.** A sweep reads at most S sum n_k entries, S the samples: 4 S R sum n_k flops and d S R^2. Memory
//! S (R + the largest n_k). The error at the end reads every entry once: 2 N R flops.
//!
//! **Guarantee.** With S of the order of R^(d-1) max(log R, 1 / (eps delta)) each problem is solved to
//! 1 + eps of its least error, with probability 1 - delta. An exact decomposition is a fixed point. The
//! best factors by the estimate are returned. The same bits for any number of threads.
//!
//! **Deviations.** No row is taken for certain.

use super::Cp;
use super::fibres::{Fibres, Generated, Stored, exact_error};
use crate::matrix::{exponent, frobenius, largest_finite_array, scale_by_power_of_two};
use crate::random::{gaussian, stream};
use crate::separated::SeparationRank;
use crate::svd::{self, Qr, qr};
use crate::tensor::dense::{check_order, limit};
use crate::{Error, Progress, Report, Result, Scalar, Status, TensorEntries};
use faer::Mat;
use ndarray::ArrayViewD;
use rand::Rng;
use std::time::Instant;

/// Sweeps over which progress is judged.
const WINDOW: usize = 5;

/// Parameters of [`cp_sampled`] and [`cp_sampled_entries`].
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// The number of terms, R.
    pub rank: usize,
    /// Fibres drawn for each mode and sweep, S.
    pub samples: usize,
    /// Entries of the fixed sample for the estimate.
    pub check: usize,
    /// The search ends where the estimated error is at most this part of the estimated norm.
    pub tolerance: f64,
    /// It also ends when the least estimate falls by less than this fraction a sweep, over five sweeps.
    pub progress: f64,
    /// Largest number of sweeps.
    pub max_iterations: usize,
    /// Largest number of seconds (wall clock); infinite by default. A sweep under way is completed.
    pub max_seconds: f64,
    /// Whether error and norm are computed from all entries at the end; else they are the estimates.
    pub exact: bool,
    /// Seed of every random choice.
    pub seed: u64,
}

impl Default for Sampled {
    /// Rank 1, 4096 fibres, 16384 entries, tolerance 0 (to rounding errors), progress 1e-3, 200 sweeps,
    /// the exact error, seed 0.
    fn default() -> Self {
        let (samples, check, max_iterations, max_seconds) = (4096, 16_384, 200, f64::INFINITY);
        let (tolerance, progress, exact, seed) = (0.0, 1e-3, true, 0);
        Self { rank: 1, samples, check, tolerance, progress, max_iterations, max_seconds, exact, seed }
    }
}

/// An error known from a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The estimate of |A - X|_F; its square has the right mean.
    pub error: f64,
    /// Its standard error.
    pub standard_error: f64,
}

/// A decomposition found from samples.
#[derive(Debug, Clone)]
pub struct SampledFit<T: Scalar> {
    /// The decomposition, the best one seen by the estimate.
    pub cp: Cp<T>,
    /// How it went. `error` is from the residual of all entries where [`Sampled::exact`] is set, else the
    /// estimate; those in `history` before the last are estimates. `Converged`: the estimate meets the
    /// tolerance, or its progress has ended.
    pub report: Report,
    /// |A|_F, or its estimate.
    pub norm: f64,
    /// The estimate for the factors returned.
    pub estimate: Estimate,
    /// gamma of the decomposition.
    pub condition_number: f64,
}

impl<T: Scalar> SampledFit<T> {
    /// |A - X|_F / |A|_F; 0 for A = 0.
    pub fn relative_error(&self) -> f64 {
        if self.norm > 0.0 { self.report.error / self.norm } else { 0.0 }
    }
}

/// Fits a stored tensor, of any strides, in place. It is read once in full to check its entries.
///
/// # Errors
/// [`Error::Shape`] for order 0; [`Error::NonFinite`] with the position; [`Error::Parameter`];
/// [`Error::Rank`] for more terms than any tensor of this shape needs.
///
/// ```
/// use lowrank::{ndarray::ArrayD, tensor::cp::{Sampled, cp_sampled}};
/// let a = ArrayD::from_shape_fn(vec![20, 30, 40], |i| (i[0] + i[1]) as f64 * (1 + i[2]) as f64);
/// let x = cp_sampled(a.view(), &Sampled { rank: 2, samples: 200, ..Default::default() })?;
/// assert!(x.relative_error() < 1e-10);
/// # lowrank::Result::Ok(())
/// ```
pub fn cp_sampled<T: Scalar>(a: ArrayViewD<'_, T>, parameters: &Sampled) -> Result<SampledFit<T>> {
    let started = Instant::now();
    check_order(&a)?;
    let e = exponent(largest_finite_array("a", a.view())?);
    fit(&Stored(a), parameters, e, started)
}

/// Fits a tensor whose entries are computed when they are asked for; only those are checked.
///
/// # Errors
/// As for [`cp_sampled`]; order 2 at least is needed.
pub fn cp_sampled_entries<T: Scalar>(
    f: &dyn TensorEntries<T>,
    parameters: &Sampled,
) -> Result<SampledFit<T>> {
    let started = Instant::now();
    let source = Generated::new(f)?;
    let points = points(f.shape(), parameters.check.max(1), parameters.seed);
    let largest = source.entries(&points)?.into_iter().fold(0.0, |x: f64, y| x.max(y.as_f64().abs()));
    fit(&source, parameters, exponent(largest), started)
}

/// Uniform indices, d a point; none of an empty tensor.
fn points(shape: &[usize], count: usize, seed: u64) -> Vec<usize> {
    if shape.contains(&0) {
        return Vec::new();
    }
    let mut rng = stream(seed, "sampled entries", 0);
    (0..count * shape.len()).map(|at| below(&mut rng, shape[at % shape.len()])).collect()
}

/// A uniform number below n.
fn below(rng: &mut impl Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

fn fit<T: Scalar>(
    a: &dyn Fibres<T>,
    parameters: &Sampled,
    e: i32,
    started: Instant,
) -> Result<SampledFit<T>> {
    parameters.check(a.shape())?;
    let shape = a.shape().to_vec();
    let e = if e.abs() <= limit::<T>() / 4 { 0 } else { e };
    let places = points(&shape, parameters.check, parameters.seed);
    let known: Vec<f64> = a.entries(&places)?.iter().map(|x| scale_by_power_of_two(x.as_f64(), -e)).collect();
    let total = shape.iter().map(|n| *n as f64).product::<f64>();
    let check = Check { places, known, total };
    let nothing = Terms { lambda: Vec::new(), modes: shape.iter().map(|&n| Mat::zeros(n, 0)).collect() };
    let start = check.estimate(&nothing);
    let goal = parameters.tolerance.max(2.0 * T::EPS) * start.error;
    let note = |iteration, error| {
        let seconds = started.elapsed().as_secs_f64();
        Progress { iteration, seconds, error: scale_by_power_of_two(error, e) }
    };
    let (mut best, mut estimate, mut history) = (nothing, start, vec![note(0, start.error)]);
    let (mut path, mut iterations) = (vec![start.error], 0);
    let mut terms = None;
    let status = loop {
        if (terms.is_some() && estimate.error <= goal) || parameters.rank == 0 || total == 0.0 {
            break Status::Converged;
        }
        if iterations >= parameters.max_iterations {
            break Status::IterationLimit;
        }
        if started.elapsed().as_secs_f64() >= parameters.max_seconds {
            break Status::TimeLimit;
        }
        let from = match terms.take() {
            Some(terms) => terms,
            None => begin(a, parameters, e)?,
        };
        let swept = sweep(a, from, parameters, e, iterations)?;
        iterations += 1;
        let found = check.estimate(&swept);
        if found.error < estimate.error {
            (best, estimate) = (swept.clone(), found);
            history.push(note(iterations, found.error));
        }
        terms = Some(swept);
        path.push(estimate.error);
        let n = path.len();
        let fell = path[n - 1 - WINDOW.min(n - 1)] - estimate.error;
        if n > 2 * WINDOW && fell <= WINDOW as f64 * parameters.progress * estimate.error {
            break Status::Converged;
        }
    };
    let back = |x: f64| scale_by_power_of_two(x, e);
    let cp = Cp::new(best.lambda.iter().map(|x| T::of(back(*x))).collect(), best.modes)?;
    let (error, norm) = match parameters.exact {
        true => exact_error(a, cp.as_separated(), e)?,
        false => (estimate.error, start.error),
    };
    let (error, norm) = (back(error), back(norm));
    if let Some(last) = history.last_mut() {
        last.error = error;
    }
    let estimate = Estimate { error: back(estimate.error), standard_error: back(estimate.standard_error) };
    let report = Report { status, iterations, error, history, seconds: started.elapsed().as_secs_f64() };
    Ok(SampledFit { condition_number: cp.condition_number()?, cp, report, norm, estimate })
}

/// Unit factors with weights.
#[derive(Clone)]
struct Terms<T: Scalar> {
    lambda: Vec<f64>,
    modes: Vec<Mat<T>>,
}

/// The fixed sample.
struct Check {
    places: Vec<usize>,
    known: Vec<f64>,
    /// Entries of A.
    total: f64,
}

impl Check {
    fn estimate<T: Scalar>(&self, x: &Terms<T>) -> Estimate {
        let d = x.modes.len();
        let square = |(place, a): (&[usize], &f64)| {
            let term = |k: usize| {
                let rows = x.modes.iter().zip(place);
                rows.fold(x.lambda[k], |z, (mode, &i)| z * mode[(i, k)].as_f64())
            };
            (a - (0..x.lambda.len()).map(term).sum::<f64>()).powi(2)
        };
        let squares: Vec<f64> = self.places.chunks_exact(d).zip(&self.known).map(square).collect();
        let m = squares.len().max(1) as f64;
        let mean = squares.iter().sum::<f64>() / m;
        let variance = squares.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (m - 1.0).max(1.0);
        let error = (self.total * mean).sqrt();
        let spread = self.total * (variance / m).sqrt();
        Estimate { error, standard_error: if error > 0.0 { spread / (2.0 * error) } else { 0.0 } }
    }
}

/// Random combinations of fibres, orthonormal as far as they are independent.
fn begin<T: Scalar>(a: &dyn Fibres<T>, parameters: &Sampled, e: i32) -> Result<Terms<T>> {
    let (shape, s) = (a.shape(), parameters.rank);
    let count = parameters.samples.min(1024);
    let mut modes = Vec::new();
    for (mode, &n) in shape.iter().enumerate() {
        let mut rng = stream(parameters.seed, "fibres of the start", mode as u64);
        let places: Vec<usize> =
            (0..count * shape.len()).map(|at| below(&mut rng, shape[at % shape.len()])).collect();
        let weights = gaussian::<T>(count, s, parameters.seed, &format!("start of mode {mode}"));
        let fibres = a.fibres(mode, &places, e)?; // (n, count)
        let mut sample = Mat::zeros(n, s);
        T::product(sample.as_mut(), false, fibres.as_ref(), weights.as_ref());
        let Qr { q, r } = qr(&sample)?;
        let top = (0..r.nrows()).fold(0.0, |top: f64, k| top.max(r[(k, k)].as_f64()));
        let rank = (0..r.nrows()).take_while(|&k| r[(k, k)].as_f64() > 1e4 * T::EPS * top).count();
        let column = |k: usize| if k < rank { q.col(k) } else { sample.col(k) };
        let other = gaussian::<T>(n, s, parameters.seed, &format!("other start of mode {mode}"));
        let norm = |k: usize| frobenius(column(k).as_mat());
        modes.push(Mat::from_fn(n, s, |i, k| match norm(k) {
            0.0 => other[(i, k)],
            norm => T::of(column(k)[i].as_f64() / norm),
        }));
    }
    Ok(Terms { lambda: vec![0.0; s], modes })
}

/// Updates every mode once.
fn sweep<T: Scalar>(
    a: &dyn Fibres<T>,
    x: Terms<T>,
    parameters: &Sampled,
    e: i32,
    iteration: usize,
) -> Result<Terms<T>> {
    let Terms { mut lambda, mut modes } = x;
    let (d, s) = (modes.len(), lambda.len());
    let mut scores = modes.iter().map(leverage).collect::<Result<Vec<_>>>()?;
    for mode in 0..d {
        let index = (iteration * d + mode) as u64;
        let (places, weights) = draw(&scores, mode, parameters.samples, parameters.seed, index);
        let rows = weights.len();
        let product = |row: usize, k: usize| {
            let others = (0..d).filter(|&j| j != mode);
            others.fold(weights[row], |z, j| z * modes[j][(places[row * d + j], k)].as_f64())
        };
        let design = Mat::from_fn(rows, s, |row, k| T::of(product(row, k)));
        let mut fibres = a.fibres(mode, &places, e)?; // (n, rows)
        for (row, weight) in weights.iter().enumerate() {
            fibres.col_as_slice_mut(row).iter_mut().for_each(|x| *x = T::of(x.as_f64() * weight));
        }
        let Qr { q, r } = qr(&design)?; // (rows, k), (k, s)
        let mut projected = Mat::zeros(fibres.nrows(), q.ncols());
        T::product(projected.as_mut(), false, fibres.as_ref(), q.as_ref());
        // C = P (R^+)', with singular values below rounding errors taken as zero.
        let inner = svd::dense(&r)?;
        let top = inner.s.first().map_or(0.0, |s| s.as_f64());
        let kept = inner.s.iter().take_while(|x| x.as_f64() > 4.0 * s as f64 * T::EPS * top).count();
        let mut rotated = Mat::<T>::zeros(projected.nrows(), kept);
        T::product(rotated.as_mut(), false, projected.as_ref(), inner.u.subcols(0, kept));
        for k in 0..kept {
            let value = inner.s[k].as_f64();
            rotated.col_as_slice_mut(k).iter_mut().for_each(|x| *x = T::of(x.as_f64() / value));
        }
        let mut c = Mat::<T>::zeros(rotated.nrows(), s);
        T::product(c.as_mut(), false, rotated.as_ref(), inner.v.subcols(0, kept).transpose());
        for k in 0..s {
            lambda[k] = frobenius(c.col(k).as_mat());
            if lambda[k] > 0.0 {
                let out = modes[mode].col_as_slice_mut(k).iter_mut();
                out.zip(c.col_as_slice(k)).for_each(|(out, x)| *out = T::of(x.as_f64() / lambda[k]));
            }
        }
        scores[mode] = leverage(&modes[mode])?;
    }
    Ok(Terms { lambda, modes })
}

/// Sums of the leverage scores of the first rows of a factor, the last one 1.
fn leverage<T: Scalar>(mode: &Mat<T>) -> Result<Vec<f64>> {
    let decomposed = svd::dense(mode)?;
    let top = decomposed.s.first().map_or(0.0, |s| s.as_f64());
    let limit = mode.nrows() as f64 * T::EPS * top;
    let rank = decomposed.s.iter().take_while(|s| s.as_f64() > limit).count().max(1);
    let score = |i: usize| (0..rank).map(|k| decomposed.u[(i, k)].as_f64().powi(2)).sum::<f64>();
    let mut sums: Vec<f64> = (0..mode.nrows()).map(score).collect();
    (1..sums.len()).for_each(|i| sums[i] += sums[i - 1]);
    let total = sums.last().copied().unwrap_or(1.0);
    sums.iter_mut().for_each(|x| *x /= total);
    Ok(sums)
}

/// The places drawn (0 in `mode`), each once and in order, and the roots of their weights.
fn draw(scores: &[Vec<f64>], mode: usize, samples: usize, seed: u64, index: u64) -> (Vec<usize>, Vec<f64>) {
    let d = scores.len();
    let mut rng = stream(seed, "sampled fibres", index);
    let mut drawn: Vec<Vec<usize>> = Vec::with_capacity(samples);
    for _ in 0..samples {
        let row = |(j, sums): (usize, &Vec<f64>)| {
            if j == mode {
                return 0;
            }
            let u = (rng.next_u64() >> 11) as f64 / 2f64.powi(53);
            sums.partition_point(|sum| *sum <= u).min(sums.len() - 1)
        };
        drawn.push(scores.iter().enumerate().map(row).collect());
    }
    drawn.sort_unstable();
    let (mut places, mut weights) = (Vec::with_capacity(samples * d), Vec::new());
    for equal in drawn.chunk_by(|x, y| x == y) {
        let share = |(j, &i): (usize, &usize)| match (j == mode, i) {
            (true, _) => 1.0,
            (_, 0) => scores[j][0],
            (_, i) => scores[j][i] - scores[j][i - 1],
        };
        let probability: f64 = equal[0].iter().enumerate().map(share).product();
        places.extend(&equal[0]);
        weights.push((equal.len() as f64 / (samples as f64 * probability.max(f64::MIN_POSITIVE))).sqrt());
    }
    (places, weights)
}

impl Sampled {
    fn check(&self, shape: &[usize]) -> Result<()> {
        let shapes: Vec<(usize, usize)> = shape.iter().map(|&n| (n, 1)).collect();
        SeparationRank::Fixed(self.rank).limit(&shapes)?;
        let wrong = |name, value: String, remedy| Err(Error::Parameter { name, value, remedy });
        for (name, value) in [("samples", self.samples), ("check", self.check)] {
            if !(2..=1 << 28).contains(&value) {
                return wrong(name, value.to_string(), "give a number from 2 to 2^28");
            }
        }
        if !(self.tolerance >= 0.0 && self.tolerance.is_finite()) {
            let remedy = "give a finite number of at least 0";
            return wrong("tolerance", self.tolerance.to_string(), remedy);
        }
        if !(self.progress >= 0.0 && self.progress < 1.0) {
            return wrong("progress", self.progress.to_string(), "pass a number of at least 0 and below 1");
        }
        if !(self.max_seconds >= 0.0) {
            let remedy = "give a number of seconds that is not negative (infinity for no limit)";
            return wrong("max_seconds", self.max_seconds.to_string(), remedy);
        }
        Ok(())
    }
}
