//! Rounding: a tensor train of smaller ranks near a given one.
//!
//! # Problem
//! For a train X find a train Y of small ranks with |X - Y|_F <= tolerance |X|_F, or of ranks at
//! most `max_rank` with |X - Y|_F nearly least, without writing X out.
//! # Method
//! Oseledets, Tensor-train decomposition, SIAM J. Sci. Comput. 33 (2011), Algorithm 2: QR
//! factorizations from right to left make the cores right-orthonormal; singular value
//! decompositions from left to right then cut each bond. No Gram matrix is formed, so singular
//! values are seen down to eps and not only down to its root.
//! # Cost
//! O(d n r^3) flops and O(d n r^2) memory.
//! # Guarantee
//! |X - Y|_F is the root of the sum of the squared tails and at most sqrt(d - 1) times the least
//! error of these ranks. All cores of Y but the last are left-orthonormal.
//! # Deviations
//! Ranks are at least one. Cores are kept scaled by powers of two during the sweeps, so trains
//! whose cores are huge and tiny in turn are rounded as well as others; the scale goes to the last
//! core at the end, and to others too where that one would over- or underflow.

use super::orthogonal::{right_sweep, rows};
use super::truncation::{Limit, Truncated, Truncation};
use super::{TensorTrain, core_from, dense, scale};
use crate::svd::{self, Svd};
use crate::{Result, Scalar};
use faer::MatRef;
use ndarray::Array3;

impl<T: Scalar> TensorTrain<T> {
    /// A train of smaller ranks near this one, and their distance; see the head of the file for
    /// the method, Oseledets' Algorithm 2. O(d n r^3).
    ///
    /// # Errors
    /// [`crate::Error::Parameter`] for `max_rank` 0 or a negative or non-finite tolerance.
    ///
    /// # Example
    /// ```
    /// use lowrank::TensorTrain;
    /// use lowrank::tensor::train::Truncation;
    /// let x = TensorTrain::<f64>::random(&[6, 7, 8], &[9, 9], 1)?;
    /// let y = x.round(Truncation::rank(3))?;
    /// assert_eq!(y.train.ranks(), [3, 3]);
    /// assert!(y.relative_error < 1.0);
    /// # Ok::<(), lowrank::Error>(())
    /// ```
    pub fn round(&self, truncation: Truncation) -> Result<Truncated<T>> {
        truncation.check()?;
        let d = self.order();
        if self.shape.contains(&0) {
            let train = TensorTrain::zeros(&self.shape)?;
            return Ok(Truncated::new(train, &vec![(0.0, Limit::Nothing); d - 1], 0.0, 0));
        }
        let (mut cores, mut j) = self.clone().into_normalized();
        j += right_sweep(&mut cores)?;
        let norm = scale::norm(cores[0].as_slice().unwrap_or(&[]));
        let delta = truncation.tolerance * norm / ((d - 1).max(1) as f64).sqrt();
        let cuts = cut(&mut cores, truncation, delta)?;
        scale::restore(&mut cores, d - 1, j);
        Ok(Truncated::new(TensorTrain::from_valid(cores), &cuts, norm, j))
    }
}

/// Cuts each bond of right-orthonormal cores, from left to right, by at most `delta` where the rank
/// allows; says what was cut off and why.
pub(super) fn cut<T: Scalar>(
    cores: &mut [Array3<T>],
    truncation: Truncation,
    delta: f64,
) -> Result<Vec<(f64, Limit)>> {
    let d = cores.len();
    let mut cuts = Vec::with_capacity(d - 1);
    for k in 0..d - 1 {
        let (left, n, right) = cores[k].dim();
        let data = cores[k].as_slice().unwrap_or(&[]);
        let Svd { u, s, v } = svd::dense(MatRef::from_row_major_slice(data, left * n, right))?;
        let (rank, tail, limit) = truncation.choose(&s, delta);
        cores[k] = core_from((left, n, rank), rows(u.subcols(0, rank)));
        // diag(s) V' G_{k+1}: (rank, right) times (right, m next)
        let mut sv = Vec::with_capacity(rank * right);
        for (r, &s) in s.iter().enumerate().take(rank) {
            sv.extend(v.col(r).iter().map(|&v| s * v));
        }
        let (_, m, next) = cores[k + 1].dim();
        let after = cores[k + 1].as_slice().unwrap_or(&[]);
        let product = dense::product(&sv, after, (rank, right, m * next), "a core")?;
        cores[k + 1] = core_from((rank, m, next), product);
        cuts.push((tail, limit));
    }
    Ok(cuts)
}
