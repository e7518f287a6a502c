//! Randomized TT-SVD: the train of a stored tensor for ranks known beforehand.
//!
//! # Problem
//! As [`tt_svd`](super::tt_svd()), but the ranks are given and small.
//! # Method
//! TT-SVD with each singular value decomposition replaced by a randomized one (Halko, Martinsson,
//! Tropp, Finding structure with randomness, SIAM Review 53, 2011), as in Huber, Schneider, Wolf,
//! A randomized tensor train singular value decomposition (2017).
//! # Cost
//! O(N (r + oversampling) (power_iterations + 1)) for N entries; the first unfolding of a
//! row-major tensor is read in place. Memory besides the train: about 5 N (r_1 + oversampling) / n_1 numbers.
//! # Guarantee
//! The error reported is computed from the residual of each unfolding, so it is that of the train
//! returned, to rounding. In the mean it is at most sqrt(1 + r / (oversampling - 1)) times the
//! bound of TT-SVD, less with power iterations. All cores but the last are left-orthonormal.
//! # Deviations
//! Power iterations are allowed, re-orthonormalised at every half-step.

use super::scale;
use super::truncation::{Limit, Truncated};
use super::tt_svd::{Cut, sweep};
use crate::svd::{self, Randomized, Svd};
use crate::{Error, Result, Scalar};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef};
use ndarray::ArrayViewD;

/// Parameters of [`tt_svd_randomized`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandomizedTt {
    /// Extra columns of each sketch.
    pub oversampling: usize,
    /// Power iterations of each sketch.
    pub power_iterations: usize,
    /// Seed; bond k draws from its own stream.
    pub seed: u64,
}

impl Default for RandomizedTt {
    /// Oversampling 10, one power iteration, seed 0.
    fn default() -> Self {
        Self { oversampling: 10, power_iterations: 1, seed: 0 }
    }
}

/// Tensor train of ranks at most `ranks` (d - 1 of them, each at least 1) of a stored tensor.
///
/// A rank above what the shape permits is lowered to it.
///
/// # Errors
/// [`Error::NonFinite`] with the position; [`Error::Shape`] for order 0 or a number of ranks other
/// than d - 1; [`Error::Parameter`] for a rank of 0; [`Error::TooLarge`].
pub fn tt_svd_randomized<T: Scalar>(
    a: ArrayViewD<'_, T>,
    ranks: &[usize],
    parameters: RandomizedTt,
) -> Result<Truncated<T>> {
    if ranks.len() + 1 != a.ndim() {
        let expected = format!("one rank a bond, {} in all, is needed", a.ndim().saturating_sub(1));
        return Err(Error::Shape { argument: "ranks", expected, found: ranks.to_vec() });
    }
    if ranks.contains(&0) {
        let remedy = "ask for ranks of at least 1";
        return Err(Error::Parameter { name: "ranks", value: format!("{ranks:?}"), remedy });
    }
    let RandomizedTt { oversampling, power_iterations, seed } = parameters;
    sweep(a, |bond, c, _| {
        let rank = ranks[bond].min(c.nrows()).min(c.ncols());
        // One stream a bond: the golden ratio spreads neighbouring seeds.
        let seed = seed ^ (bond as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let parameters = Randomized { oversampling, power_iterations, seed, ..Default::default() };
        let svd = svd::randomized(&c, rank, &parameters)?;
        let tail = residual(c, &svd);
        let limit = if tail > 0.0 { Limit::Rank } else { Limit::Nothing };
        Ok(Cut::of(svd, (rank, tail, limit)))
    })
}

/// |C - U diag(s) V'|_F of a row-major C, a block of columns at a time.
fn residual<T: Scalar>(c: MatRef<'_, T>, svd: &Svd<T>) -> f64 {
    let Svd { u, s, v } = svd;
    let us = Mat::from_fn(u.nrows(), u.ncols(), |i, r| u[(i, r)] * s[r]); // (m, r)
    let width = (1usize << 16).div_ceil(c.nrows().max(1)).max(64);
    let mut sum = 0.0;
    for start in (0..c.ncols()).step_by(width) {
        let cols = width.min(c.ncols() - start);
        // Transposed, so that both are column-major: (cols, m).
        let mut block = c.subcols(start, cols).transpose().to_owned();
        let right = v.subrows(start, cols);
        let par = faer::get_global_parallelism();
        matmul(block.as_mut(), Accum::Add, right, us.transpose(), -T::of(1.0), par);
        sum += (0..block.ncols()).map(|i| scale::norm(block.col_as_slice(i)).powi(2)).sum::<f64>();
    }
    sum.sqrt()
}
