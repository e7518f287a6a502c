//! Entrywise (max-norm) low-rank approximation of matrices and tensors, with lower bounds.
//!
//! Given F and a rank r, [`approximate`] makes |F - X|_max small over the matrices X of rank at
//! most r, and [`approximate_tensor`] over tensor trains of ranks at most r. The truncated SVD,
//! best in the Frobenius norm, is usually several times worse in this norm. The problem is
//! NP-hard already for r = 1, so what is found is a good local solution; a rigorous lower bound
//! of the best possible error comes with it.
//!
//! | method | what it is | when |
//! | --- | --- | --- |
//! | [`Descent`] (default) | accelerated descent of the clipped residual in the factors | always |
//! | [`AlternatingProjections`] | clipping and truncated SVD in turn, with binary search | as a reference |
//!
//! F may be stored ([`faer::MatRef`], [`ndarray::ArrayD`]) or generated tile by tile
//! ([`crate::generated`]); `Descent` never stores a generated matrix.
//!
//! ```
//! use lowrank::entrywise::{Parameters, approximate};
//! use lowrank::faer::Mat;
//!
//! let f = Mat::from_fn(60, 50, |i, j| 1.0 / (1.0 + (i as f64 - j as f64).abs()));
//! let x = approximate(&f, 8, Parameters::default())?;
//! assert!(x.report.error < 0.5 * x.start_error); // half the truncated SVD's, or less
//! assert!(x.lower_bound <= x.report.error);
//! # Ok::<(), lowrank::Error>(())
//! ```

mod cores;
mod descent;
mod kernel;
mod lower_bound;
mod monitor;
mod packed;
mod pass;
mod projections;
pub mod rank_bounds;
mod source;
mod start;

pub use descent::Descent;
pub use lower_bound::{lower_bound, lower_bound_tensor};
pub use projections::{AlternatingProjections, Projector};

use crate::{Entries, Error, LowRank, Progress, Report, Result, Scalar, Status, TensorEntries, TensorTrain};
use cores::Cores;
use descent::Found;
use monitor::Monitor;
use source::Source;
use std::ops::ControlFlow;

/// How to search.
#[derive(Debug, Clone)]
pub enum Method {
    /// Factor descent with a chased level (the default).
    Descent(Descent),
    /// Alternating projections with binary search, by the author's rules.
    AlternatingProjections(AlternatingProjections),
}

impl Default for Method {
    fn default() -> Self {
        Method::Descent(Descent::default())
    }
}

/// Where the search starts.
#[derive(Debug, Clone, Default)]
pub enum Start<X> {
    /// Truncated SVD, TT-SVD (the default).
    #[default]
    Svd,
    /// Gaussian factors divided by sqrt(r), for the reproduction of published numbers (times the
    /// power of two by which an F of extreme size is scaled).
    Random,
    /// Given factors, of rank at most the one asked. The descent may not leave factors near zero:
    /// give some that are better than X = 0.
    Warm(X),
}

/// Parameters of [`approximate`] and [`approximate_tensor`]; `X` is the kind of factors.
pub struct Parameters<'a, X> {
    /// The method.
    pub method: Method,
    /// Where it starts.
    pub start: Start<X>,
    /// Seed of every random choice.
    pub seed: u64,
    /// Largest number of steps.
    pub max_iterations: usize,
    /// Largest number of seconds (wall clock) for start and search; infinite by default. A step
    /// or a start under way is completed. The result then depends on the machine's speed.
    pub max_seconds: f64,
    /// Whether to compute a lower bound of the best possible error (an SVD of a block of F).
    pub lower_bound: bool,
    /// Called after every step; may ask to stop.
    pub callback: Callback<'a>,
}

/// Told of every step, may ask to stop.
pub type Callback<'a> = Option<&'a mut (dyn FnMut(&Progress) -> ControlFlow<()> + 'a)>;

impl<X> Default for Parameters<'_, X> {
    fn default() -> Self {
        Self {
            method: Method::default(),
            start: Start::default(),
            seed: 0,
            max_iterations: 20_000,
            max_seconds: f64::INFINITY,
            lower_bound: true,
            callback: None,
        }
    }
}

/// The result of an entrywise approximation.
#[derive(Debug, Clone)]
pub struct Approximation<X> {
    /// The best factors seen.
    pub factors: X,
    /// How the search went; `report.error` is |F - X|_max (absolute).
    pub report: Report,
    /// |F|_max.
    pub max_norm: f64,
    /// |F - X|_max of the start: truncated SVD, TT-SVD, random or warm factors.
    pub start_error: f64,
    /// No X of this rank has a smaller |F - X|_max than this (absolute; 0 when not asked for).
    pub lower_bound: f64,
}

impl<X> Approximation<X> {
    /// |F - X|_max / |F|_max; 0 for F = 0.
    pub fn relative_error(&self) -> f64 {
        if self.max_norm > 0.0 { self.report.error / self.max_norm } else { 0.0 }
    }
}

/// Approximates a matrix F (m, n), stored or generated, by one of rank at most `rank` in the
/// max norm.
///
/// Each step costs 2 m n r + 4 nnz r flops, nnz the 1 to 10 % of the entries over the current
/// level; about 600 steps are usual. Rank 0 and empty matrices give empty factors.
///
/// # Errors
/// [`Error::NonFinite`] (argument `f`) with the position; [`Error::Rank`] for
/// `rank` > min(m, n); [`Error::Shape`] for warm factors that do not fit; [`Error::Parameter`];
/// [`Error::TooLarge`] where alternating projections would need a dense copy of a generated
/// matrix.
pub fn approximate<T: Scalar>(
    f: &dyn Entries<T>,
    rank: usize,
    parameters: Parameters<'_, LowRank<T>>,
) -> Result<Approximation<LowRank<T>>> {
    let Parameters { method, start, seed, max_iterations, max_seconds, lower_bound, callback } = parameters;
    let mut monitor = Monitor::new(max_iterations, max_seconds, callback)?;
    let (m, n) = (f.nrows(), f.ncols());
    if rank > m.min(n) {
        return Err(Error::Rank { rank, largest: m.min(n) });
    }
    let source = Source::new("f", f)?;
    let start = start::of_matrix(start, &source, rank, seed)?;
    let found = search(&source, &[m, n], start, &method, seed, &mut monitor)?;
    let lower = if lower_bound { lower_bound::of_matrix(&source, rank)? } else { 0.0 };
    let (cores, result) = finish(&source, found, lower, monitor);
    Ok(result(cores.to_low_rank()))
}

/// Approximates a tensor F of order d >= 2, stored or generated, by a tensor train of ranks at
/// most `rank` in the max norm.
///
/// A rank above what the shape permits at a bond is lowered to it. Costs are those of
/// [`approximate`] for the most nearly square unfolding, and those of
/// [`tt_svd`](crate::tensor::train::tt_svd()) for the start (a randomized SVD of the first
/// unfolding for a generated tensor of over 2^27 entries).
///
/// # Errors
/// As [`approximate`], the position of a non-finite entry being that in the tensor;
/// [`Error::Shape`] for a tensor of order 0 or 1; [`Error::Parameter`] for `rank` 0.
pub fn approximate_tensor<T: Scalar>(
    f: &dyn TensorEntries<T>,
    rank: usize,
    parameters: Parameters<'_, TensorTrain<T>>,
) -> Result<Approximation<TensorTrain<T>>> {
    let Parameters { method, start, seed, max_iterations, max_seconds, lower_bound, callback } = parameters;
    let mut monitor = Monitor::new(max_iterations, max_seconds, callback)?;
    let shape = f.shape().to_vec();
    if shape.len() < 2 {
        let expected = "a tensor of order 2 or more is needed".into();
        return Err(Error::Shape { argument: "f", expected, found: shape });
    }
    if rank == 0 {
        let remedy = "ask for a rank of at least 1";
        return Err(Error::Parameter { name: "rank", value: "0".into(), remedy });
    }
    let cut = cores::cheapest_cut(&shape);
    let unfolding = f.unfolding(cut)?;
    let source = Source::new("f", &*unfolding).map_err(|e| in_tensor(e, &shape, cut))?;
    let start = start::of_tensor(start, f, &source, &shape, rank, seed)?;
    let found = search(&source, &shape, start, &method, seed, &mut monitor)?;
    let lower = if lower_bound { lower_bound_tensor(f, rank)? } else { 0.0 };
    let (cores, result) = finish(&source, found, lower, monitor);
    Ok(result(cores.to_train()?))
}

/// The search itself, on the scaled source, from factors of the scaled F.
fn search<T: Scalar>(
    source: &Source<'_, T>,
    shape: &[usize],
    start: Cores<T>,
    method: &Method,
    seed: u64,
    monitor: &mut Monitor<'_>,
) -> Result<Found<T>> {
    let max_norm = crate::matrix::scale_by_power_of_two(source.max_norm, source.exponent);
    monitor.exponent = source.exponent;
    if start.is_empty() {
        monitor.started(max_norm.as_f64());
        return Ok(Found { cores: start, error: max_norm, status: Status::Converged });
    }
    if !(max_norm > T::of(0.0)) {
        // No search: zero is best.
        let mut zero = start;
        zero.data.iter_mut().for_each(|core| core.fill(T::of(0.0)));
        monitor.started(0.0);
        return Ok(Found { cores: zero, error: max_norm, status: Status::Converged });
    }
    let cut = start.cheapest_cut();
    if !start.interfaces(cut).product_is_finite() {
        let value = "(factors)".into();
        let remedy = "their product overflows: give smaller factors";
        return Err(Error::Parameter { name: "start", value, remedy });
    }
    // An error of a few roundings of the largest entry is no error.
    let floor = max_norm * T::of(4.0 * T::EPS);
    match method {
        Method::Descent(constants) => {
            constants.check()?;
            Ok(descent::descend(source, start, floor, constants, monitor))
        }
        Method::AlternatingProjections(constants) => {
            constants.check()?;
            projections::alternate(source, shape, start, floor, constants, seed, monitor)
        }
    }
}

/// Undoes the scaling; the cores and what makes the result of the factors.
fn finish<T: Scalar, X>(
    source: &Source<'_, T>,
    mut found: Found<T>,
    lower: f64,
    monitor: Monitor<'_>,
) -> (Cores<T>, impl FnOnce(X) -> Approximation<X>) {
    found.cores.scale_by_power_of_two(-source.exponent);
    let error = monitor.unscaled(found.error.as_f64());
    let max_norm = source.max_norm.as_f64();
    let result = move |factors| Approximation {
        factors,
        max_norm,
        start_error: monitor.history.first().map_or(error, |first| first.error),
        lower_bound: lower.min(error),
        report: Report {
            status: found.status,
            iterations: monitor.iterations,
            error,
            seconds: monitor.seconds(),
            history: monitor.history,
        },
    };
    (found.cores, result)
}

/// The position of a non-finite entry of an unfolding, in the tensor.
fn in_tensor(e: Error, shape: &[usize], cut: usize) -> Error {
    let Error::NonFinite { argument, index } = e else { return e };
    let unravel = |mut k: usize, shape: &[usize]| {
        let mut index: Vec<usize> = shape.iter().rev().map(|&n| (k % n, k /= n).0).collect();
        index.reverse();
        index
    };
    let index = [unravel(index[0], &shape[..cut]), unravel(index[1], &shape[cut..])].concat();
    Error::NonFinite { argument, index }
}
