//! Entrywise (max-norm) approximation (contract).

pub mod rank_bounds;

use crate::{Entries, LowRank, Progress, Report, Result, Scalar, TensorEntries, TensorTrain};
use std::ops::ControlFlow;

/// How to search.
#[derive(Debug, Clone)]
pub enum Method {
    /// Factor descent with a chased level (the default).
    Descent(Descent),
    /// Alternating projections with binary search, by the author's rules.
    AlternatingProjections(AlternatingProjections),
}

/// Constants of the descent (see module doc when written).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Descent {}

/// Constants of the alternating projections.
#[derive(Debug, Clone, Default)]
pub struct AlternatingProjections {
    /// How the projection onto rank r is computed.
    pub projector: Projector,
}

/// How alternating projections project onto matrices of rank r (TT ranks r).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Projector {
    /// Full SVD (TT-SVD).
    Full,
    /// Randomized SVD, oversampling 5, one power step (the default).
    #[default]
    Randomized,
    /// One warm-started block power step.
    BlockPower,
}

/// Where the search starts.
#[derive(Debug, Clone, Default)]
pub enum Start<X> {
    /// Truncated SVD, TT-SVD (the default for `Descent`).
    #[default]
    Svd,
    /// Gaussian factors divided by sqrt(r) (the author's, for reproduction).
    Random,
    /// Given factors.
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
    /// Largest number of seconds (wall clock), infinite by default.
    pub max_seconds: f64,
    /// Whether to compute lower bounds of the best possible error.
    pub lower_bounds: bool,
    /// Called now and then with the progress; may ask to stop.
    pub callback: Option<&'a mut (dyn FnMut(&Progress) -> ControlFlow<()> + 'a)>,
}

impl<X> Default for Parameters<'_, X> {
    fn default() -> Self {
        Self {
            method: Method::Descent(Descent::default()),
            start: Start::Svd,
            seed: 0,
            max_iterations: 5000,
            max_seconds: f64::INFINITY,
            lower_bounds: true,
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
    /// |F - X|_max of the start (truncated SVD, TT-SVD, random or warm factors).
    pub start_error: f64,
    /// No X of this rank has a smaller |F - X|_max than this (absolute; 0 when not computed).
    pub lower_bound: f64,
}

impl<X> Approximation<X> {
    /// |F - X|_max / |F|_max; 0 for F = 0.
    pub fn relative_error(&self) -> f64 {
        if self.max_norm > 0.0 { self.report.error / self.max_norm } else { 0.0 }
    }
}

/// Approximates a matrix, stored or generated, by one of rank at most `rank` in the max norm.
pub fn approximate<T: Scalar>(
    _f: &(impl Entries<T> + ?Sized),
    _rank: usize,
    _parameters: Parameters<'_, LowRank<T>>,
) -> Result<Approximation<LowRank<T>>> {
    todo!()
}

/// Approximates a tensor of order >= 2 by a tensor train of ranks at most `rank` in the max norm.
pub fn approximate_tensor<T: Scalar>(
    _f: &(impl TensorEntries<T> + ?Sized),
    _rank: usize,
    _parameters: Parameters<'_, TensorTrain<T>>,
) -> Result<Approximation<TensorTrain<T>>> {
    todo!()
}
