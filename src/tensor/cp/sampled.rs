//! Canonical decompositions of large tensors from samples of their fibres.
//!
//! **Problem.** A (n_1, ..., n_d), stored in any layout or computed entry by entry: X of R terms with
//! |A - X|_F small, from few of A's entries.
//!
//! **Method.** Alternating least squares whose problems, N / n_k equations for each row of factor k, are
//! sampled: rows of the Khatri-Rao product by the product of the leverage scores of the other factors'
//! rows, equal ones combined and weighted (CP-ARLS-LEV: Larsen, Kolda, Practical leverage-based sampling
//! for low-rank tensor decomposition, SIAM J. Matrix Anal. Appl. 43, 2022). It starts at random
//! combinations of fibres. The error is estimated from a fixed uniform sample of entries. Between sweeps all
//! factors are moved on along their last step, as in [`super::cp_als`]; that begins anew where the estimate
//! did not fall.
//!
//! **Cost.** A sweep reads at most S sum n_k entries, S the samples: 4 S R sum n_k flops and d S R^2. Memory
//! S (R + the largest n_k). The error at the end reads every entry once: 2 N R flops. It pays where N is far
//! above S sum n_k, or entries are computed: of stored tensors with R = 10, S = 4096, two threads,
//! [`super::cp_als`] was faster by 3 to 5 times at 200^3 (N = 3 S sum n_k), and as fast at 400^3 (13 S sum n_k).
//!
//! **Guarantee.** With S of the order of R^(d-1) max(log R, 1 / (eps delta)) each problem is solved to
//! 1 + eps of its least error, with probability 1 - delta. An exact decomposition is a fixed point. The
//! best factors by the estimate are returned. The same bits for any number of threads. The estimate knows
//! its own entries only: a tensor that is zero there (see [`Sampled::check`]) is taken for zero.
//!
//! **Deviations.** No row is taken for certain; the extrapolation is not in the source. Of exact tensors with
//! uncorrelated factors it takes up to twice as many sweeps, of correlated ones a third to a half.

use super::Cp;
use super::als::{check_size, room, too_large_weights};
use super::fibres::{Fibres, Generated, Stored, exact_error};
use super::sampled_sweep::{begin, below, sweep};
use crate::matrix::{exponent, largest_finite_array, scale_by_power_of_two};
use crate::random::stream;
use crate::separated::SeparationRank;
use crate::separated::start::extrapolated;
use crate::separated::target::Terms;
use crate::tensor::dense::{check_order, limit};
use crate::{Error, Progress, Report, Result, Scalar, Status, TensorEntries};
use ndarray::ArrayViewD;
use std::time::Instant;

/// Sweeps over which progress is judged.
const WINDOW: usize = 10;

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
    /// It also ends when the least estimate falls by less than this fraction a sweep, over ten sweeps.
    pub progress: f64,
    /// Largest number of sweeps.
    pub max_iterations: usize,
    /// Largest number of seconds (wall clock); infinite by default. A sweep under way is completed.
    pub max_seconds: f64,
    /// Whether error and norm are computed from all entries at the end; else they are the estimates.
    pub exact: bool,
    /// Seed of every random choice.
    pub seed: u64,
    /// Whether factors are extrapolated between sweeps.
    pub extrapolate: bool,
}

impl Default for Sampled {
    /// Rank 1, 4096 fibres, 16384 entries, tolerance 0 (to rounding errors), progress 1e-4, 200 sweeps,
    /// the exact error, seed 0.
    fn default() -> Self {
        let (samples, check, max_iterations, max_seconds) = (4096, 16_384, 200, f64::INFINITY);
        let (tolerance, progress, exact, seed) = (0.0, 1e-4, true, 0);
        let extrapolate = true;
        Self {
            rank: 1,
            samples,
            check,
            tolerance,
            progress,
            max_iterations,
            max_seconds,
            exact,
            seed,
            extrapolate,
        }
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
/// [`Error::Rank`] for more terms than any tensor of this shape needs; [`Error::TooLarge`].
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
    let nothing = Terms::<T>::zeros(&shape);
    let start = check.estimate(&nothing);
    let goal = parameters.tolerance.max(2.0 * T::EPS) * start.error;
    let note = |iteration, error| {
        let seconds = started.elapsed().as_secs_f64();
        Progress { iteration, seconds, error: scale_by_power_of_two(error, e) }
    };
    let (mut best, mut estimate, mut history) = (nothing, start, vec![note(0, start.error)]);
    let (mut path, mut iterations) = (vec![start.error], 0);
    let (mut terms, mut age) = (None, 0);
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
        terms = Some(if found.error < estimate.error {
            let old = std::mem::replace(&mut best, swept);
            estimate = found;
            history.push(note(iterations, found.error));
            age += 1;
            let step = (age - 1) as f64 / (age + 2) as f64;
            let onwards = parameters.extrapolate && step > 0.0 && old.len() == best.len();
            if onwards { extrapolated(&old, &best, step) } else { best.clone() }
        } else {
            age = 0;
            swept
        });
        path.push(estimate.error);
        let n = path.len();
        let fell = path[n - 1 - WINDOW.min(n - 1)] - estimate.error;
        if n > WINDOW && fell <= WINDOW as f64 * parameters.progress * estimate.error {
            break Status::Converged;
        }
    };
    let back = |x: f64| scale_by_power_of_two(x, e);
    let weights = best.lambda.iter().map(|x| T::of(back(*x))).collect();
    let cp = Cp::new(weights, best.modes).map_err(too_large_weights)?;
    let (error, norm) = match parameters.exact {
        true => exact_error(a, cp.as_separated(), e)?,
        false => (estimate.error, start.error),
    };
    let (error, norm) = (back(error), back(norm));
    check_size(norm)?;
    if let Some(last) = history.last_mut() {
        last.error = error;
    }
    let estimate = Estimate { error: back(estimate.error), standard_error: back(estimate.standard_error) };
    let report = Report { status, iterations, error, history, seconds: started.elapsed().as_secs_f64() };
    Ok(SampledFit { condition_number: cp.condition_number()?, cp, report, norm, estimate })
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

impl Sampled {
    fn check(&self, shape: &[usize]) -> Result<()> {
        let shapes: Vec<(usize, usize)> = shape.iter().map(|&n| (n, 1)).collect();
        SeparationRank::Fixed(self.rank).limit(&shapes)?;
        room(shape, self.rank)?;
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
