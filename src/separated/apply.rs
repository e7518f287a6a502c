//! Products of a separated representation with dense blocks of vectors.
//!
//! **Problem.** M = sum_k lambda_k M_k^(1) (x) ... (x) M_k^(d) (m, n), whose sides can be counted, and b
//! (n, l): M b (m, l), or M' b for b (m, l), without M.
//!
//! **Method.** Term by term, as [`Kronecker`](crate::Kronecker) is applied: factor after factor along its
//! mode, in the order of fewest flops, multiples of the identity left out. The last factor of a term
//! carries lambda and adds to the sum where it lies: there are no copies of the terms.
//!
//! **Cost.** s times that of a Kronecker product, 2 s d n^(1 + 1/d) l flops for square factors of one size;
//! memory for two groups of columns, of about 2^18 numbers or one column each.
//!
//! **Guarantee.** |M b - c|_F <= 4 n eps sum_k lambda_k |b|_F. The bits do not depend on the number of
//! threads; numbers near 1e300 or 1e-300 are scaled by powers of two on the way.
//!
//! **Deviations.** None.

use super::Separated;
use crate::kronecker::Products;
use crate::matrix::{AsMatrix, zeros};
use crate::operator::check_block;
use crate::{Operator, Result, Scalar};
use faer::{Mat, MatRef};

impl<T: Scalar> Separated<T> {
    /// `M b` (m, l) for a block of columns `b` (n, l); 2 s d n^(1 + 1/d) l flops for square factors of one
    /// size.
    ///
    /// # Errors
    /// [`Error::TooLarge`](crate::Error::TooLarge) when the rows or columns of M are too many to be
    /// counted or the product to be stored, before anything is allocated;
    /// [`Error::Shape`](crate::Error::Shape) when `b` has not n rows;
    /// [`Error::NonFinite`](crate::Error::NonFinite) for NaN and infinities in `b`;
    /// [`Error::Parameter`](crate::Error::Parameter) when an entry of the product exceeds the largest
    /// number of the type.
    ///
    /// ```
    /// use lowrank::{faer::Mat, separated::laplacian};
    /// let a = laplacian::<f64>(&[30, 30, 30])?; // (27000, 27000)
    /// let corner = Mat::from_fn(27_000, 1, |i, _| if i == 0 { 1.0 } else { 0.0 });
    /// let image = a.apply(&corner)?;
    /// assert!((image[(0, 0)] - 3.0 * 2.0 * 31.0_f64.powi(2)).abs() < 1e-9);
    /// # lowrank::Result::Ok(())
    /// ```
    pub fn apply(&self, b: impl AsMatrix<T>) -> Result<Mat<T>> {
        self.operator()?.apply(b.as_matrix())
    }

    /// `M' b` (n, l) for a block of columns `b` (m, l), as [`Separated::apply`] gives M b.
    ///
    /// # Errors
    /// As for [`Separated::apply`], with m for n.
    pub fn apply_transpose(&self, b: impl AsMatrix<T>) -> Result<Mat<T>> {
        self.operator()?.apply_transpose(b.as_matrix())
    }

    /// M as an [`Operator`], for a singular value decomposition, say.
    ///
    /// # Errors
    /// [`Error::TooLarge`](crate::Error::TooLarge) when its rows or columns are too many to be counted.
    ///
    /// ```
    /// use lowrank::{faer::mat, separated::Separated, svd};
    /// let (a, b) = (mat![[3.0, 0.0_f64], [0.0, 1.0]], mat![[0.0, 2.0], [1.0, 0.0]]);
    /// let m = Separated::from_terms(vec![vec![a.clone(), b.clone()], vec![b, a]])?;
    /// let svd = svd::lanczos(&m.operator()?, 1, &svd::Lanczos::default())?;
    /// assert!((svd.svd.s[0] - svd::singular_values(&m.to_dense()?)?[0]).abs() < 1e-12);
    /// # lowrank::Result::Ok(())
    /// ```
    pub fn operator(&self) -> Result<SeparatedMatrix<'_, T>> {
        Ok(SeparatedMatrix { terms: self, shape: self.shape()? })
    }
}

/// A [`Separated`] matrix (m, n) whose sides can be counted, to be applied: see [`Separated::operator`].
#[derive(Debug, Clone, Copy)]
pub struct SeparatedMatrix<'a, T: Scalar> {
    terms: &'a Separated<T>,
    shape: (usize, usize),
}

impl<T: Scalar> SeparatedMatrix<'_, T> {
    fn run(&self, b: MatRef<'_, T>, transposed: bool) -> Result<Mat<T>> {
        let (m, n) = if transposed { (self.shape.1, self.shape.0) } else { self.shape };
        check_block(n, b)?;
        let factors = |k: usize| {
            let factor = |i: usize| self.terms.factor(k, i);
            let factors = (0..self.terms.order()).map(factor);
            factors.map(|f| if transposed { f.transpose() } else { f }).collect()
        };
        let terms = self.terms.lambda().iter().enumerate().map(|(k, &lambda)| (lambda, factors(k)));
        let products = Products::new((m, n), terms)?;
        let mut out = zeros(m, b.ncols())?;
        products.run(out.as_mut(), b)?;
        Ok(out)
    }
}

impl<T: Scalar> Operator<T> for SeparatedMatrix<'_, T> {
    fn shape(&self) -> (usize, usize) {
        self.shape
    }
    fn apply(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        self.run(b, false)
    }
    fn apply_transpose(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        self.run(b, true)
    }
    fn to_dense(&self) -> Result<Mat<T>> {
        self.terms.to_dense()
    }
}
