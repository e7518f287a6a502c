//! The best low-rank update of a weight.
//!
//! **Problem.** Weights W and W* (m, n) before and after training: B (m, r), A (r, n) with
//! W + B A nearest to W* (the form of LoRA: Hu et al. 2021).
//!
//! **Method.** The truncated singular value decomposition of W* - W = U S V' (Eckart, Young 1936;
//! Mirsky 1960): B = U S^(1/2), A = S^(1/2) V', both halves of the same size.
//!
//! **Cost.** One dense SVD.
//!
//! **Guarantee.** |W* - W - B A|_F = (s_{r+1}^2 + s_{r+2}^2 + ...)^(1/2) and
//! |W* - W - B A|_2 = s_{r+1}, to rounding; nothing of rank r is nearer in either norm.
//!
//! **Deviations.** s_{r+1} bounds the spectral norm, not the Frobenius norm as is sometimes written.

use crate::matrix::{AsMatrix, check_finite, frobenius};
use crate::svd::{Rank, truncated};
use crate::{Error, LowRank, Result, Scalar};
use faer::{Mat, MatRef};

/// A low-rank update of a weight.
#[derive(Debug, Clone)]
pub struct Update<T: Scalar> {
    /// B A: `u` is B (m, r), `v` is A' (n, r).
    pub factors: LowRank<T>,
    /// |W* - W - B A|_F, from the residual.
    pub error: f64,
    /// |W* - W|_F.
    pub norm: f64,
}

impl<T: Scalar> Update<T> {
    /// B, (m, r).
    pub fn b(&self) -> MatRef<'_, T> {
        self.factors.u.as_ref()
    }
    /// A, (r, n).
    pub fn a(&self) -> MatRef<'_, T> {
        self.factors.v.transpose()
    }
    /// W + B A, (m, n).
    ///
    /// # Errors
    /// [`Error::Shape`] for a weight of another shape.
    pub fn merge(&self, w: impl AsMatrix<T>) -> Result<Mat<T>> {
        let w = w.as_matrix();
        same_shape("w", w, self.factors.shape())?;
        Ok(w + self.factors.to_dense())
    }
}

fn same_shape<T: Scalar>(argument: &'static str, w: MatRef<'_, T>, shape: (usize, usize)) -> Result<()> {
    if w.shape() == shape {
        return Ok(());
    }
    let expected = format!("{} x {} is needed", shape.0, shape.1);
    Err(Error::Shape { argument, expected, found: vec![w.nrows(), w.ncols()] })
}

/// The update B A of a wished rank that brings `w` (m, n) nearest to `target` (m, n).
///
/// # Errors
/// [`Error::NonFinite`]; [`Error::Shape`] when the shapes differ; those of [`Rank::choose_for`];
/// [`Error::Parameter`] when the difference of the weights overflows.
///
/// ```
/// use lowrank::{faer::mat, layers::optimal_update, svd::Rank};
/// let w = mat![[1.0_f64, 0.0], [0.0, 1.0]];
/// let target = mat![[5.0, 0.0], [0.0, 2.0]];
/// let update = optimal_update(w.as_ref(), target.as_ref(), Rank::Fixed(1))?;
/// assert!((update.error - 1.0_f64).abs() < 1e-14); // the second singular value of the change
/// assert!((update.merge(w.as_ref())?[(0, 0)] - 5.0).abs() < 1e-14);
/// # lowrank::Result::Ok(())
/// ```
pub fn optimal_update<T: Scalar>(
    w: impl AsMatrix<T>,
    target: impl AsMatrix<T>,
    rank: Rank,
) -> Result<Update<T>> {
    let (w, target) = (w.as_matrix(), target.as_matrix());
    same_shape("target", target, w.shape())?;
    check_finite("w", w)?;
    check_finite("target", target)?;
    let change = target - w; // (m, n)
    if check_finite("target", change.as_ref()).is_err() {
        return Err(Error::Parameter {
            name: "target",
            value: "(weights)".into(),
            remedy: "its difference from `w` exceeds the largest number: scale both down",
        });
    }
    let factors = truncated(change.as_ref(), rank)?.into_low_rank();
    let error = frobenius((&change - factors.to_dense()).as_ref());
    Ok(Update { factors, error, norm: frobenius(change.as_ref()) })
}
