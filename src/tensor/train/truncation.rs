//! How far ranks are cut, and what was lost: shared by TT-SVD and rounding.

use super::{TensorTrain, scale};
use crate::{Error, Result, Scalar};

/// Parameters of truncation. Both limits hold together; where they conflict the rank wins and
/// [`Truncated::limit`] says so.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truncation {
    /// Largest rank at any bond, at least 1. Values above what the shape permits do no harm.
    pub max_rank: usize,
    /// Relative Frobenius tolerance; 0 keeps everything that `max_rank` allows.
    pub tolerance: f64,
}

impl Default for Truncation {
    /// No limit on the ranks, tolerance 1e-12.
    fn default() -> Self {
        Self { max_rank: usize::MAX, tolerance: 1e-12 }
    }
}

impl Truncation {
    /// Only the rank is limited.
    pub fn rank(max_rank: usize) -> Self {
        Self { max_rank, tolerance: 0.0 }
    }
    /// Only the relative error is limited.
    pub fn tolerance(tolerance: f64) -> Self {
        Self { max_rank: usize::MAX, tolerance }
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.max_rank == 0 {
            let remedy = "ask for a rank of at least 1";
            return Err(Error::Parameter { name: "max_rank", value: "0".into(), remedy });
        }
        if !(self.tolerance >= 0.0 && self.tolerance.is_finite()) {
            let remedy = "give a finite tolerance of at least 0";
            return Err(Error::Parameter { name: "tolerance", value: self.tolerance.to_string(), remedy });
        }
        Ok(())
    }

    /// The rank kept of nonincreasing singular values, the norm of the rest and what decided:
    /// the smallest rank whose tail is at most `delta`, but at most `max_rank` and at least 1.
    pub(super) fn choose<T: Scalar>(&self, s: &[T], delta: f64) -> (usize, f64, Limit) {
        // tails[r] = norm of s[r..]
        let mut tails = vec![0.0; s.len() + 1];
        for (r, s) in s.iter().enumerate().rev() {
            tails[r] = f64::hypot(tails[r + 1], s.as_f64());
        }
        let wanted = (1..s.len()).find(|&r| tails[r] <= delta).unwrap_or(s.len());
        let rank = wanted.min(self.max_rank);
        let limit = match tails[rank] {
            0.0 => Limit::Nothing,
            _ if rank < wanted => Limit::Rank,
            _ => Limit::Tolerance,
        };
        (rank, tails[rank], limit)
    }
}

/// What decided the ranks of a truncated train.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// Nothing was cut but exact zeros.
    Nothing,
    /// Every cut respected the tolerance, which therefore holds.
    Tolerance,
    /// `max_rank` cut at least one bond below what the tolerance asked.
    Rank,
}

/// A truncated tensor train and its error.
///
/// The cuts of one sweep are orthogonal to each other, so the error is the root of the sum of
/// their squares, in exact arithmetic; rounding adds a small multiple of eps |A|_F.
#[derive(Debug, Clone)]
pub struct Truncated<T: Scalar> {
    /// The train.
    pub train: TensorTrain<T>,
    /// |A - X|_F, the root of the sum of the squared tails.
    pub error: f64,
    /// |A - X|_F / |A|_F; 0 for A = 0. Right even where `error` over- or underflows.
    pub relative_error: f64,
    /// The norm cut off at each bond, d - 1 of them.
    pub tails: Vec<f64>,
    /// What decided the ranks.
    pub limit: Limit,
}

impl<T: Scalar> Truncated<T> {
    /// From numbers of the train divided by 2^j.
    pub(super) fn new(train: TensorTrain<T>, cuts: &[(f64, Limit)], norm: f64, j: i32) -> Self {
        let error = cuts.iter().fold(0.0, |sum, cut| f64::hypot(sum, cut.0));
        Self {
            train,
            error: scale::shifted(error, j),
            relative_error: if norm > 0.0 { error / norm } else { 0.0 },
            tails: cuts.iter().map(|cut| scale::shifted(cut.0, j)).collect(),
            limit: cuts.iter().map(|cut| cut.1).max().unwrap_or(Limit::Nothing),
        }
    }

    /// With an error made before the cuts, orthogonal to them; in units of 2^j.
    pub(super) fn with_missed(mut self, missed: f64, norm: f64, j: i32) -> Self {
        self.error = f64::hypot(self.error, scale::shifted(missed, j));
        let relative = if norm > 0.0 { missed / norm } else { 0.0 };
        self.relative_error = f64::hypot(self.relative_error, relative);
        self
    }
}
