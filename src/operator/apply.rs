//! What can be applied to blocks of vectors, and no more.

use super::products::{residual_norm, stored_product, tiled_product, tiled_to_dense};
use crate::matrix::{Moderate, check_memory, largest_finite, scale_view, scaled};
use crate::{Entries, Error, Result, Scalar};
use faer::{Mat, MatRef};

/// Kind of [`Operator`] that brings its own products.
#[derive(Debug)]
pub enum Applied {}

/// Kind of [`Operator`] whose products come from its [`Entries`].
#[derive(Debug)]
pub enum ByEntries {}

/// A matrix A (m, n) that can be applied to blocks of vectors, from both sides.
///
/// Whatever has [`Entries`] is an operator: stored matrices are read in place, generated ones
/// tile by tile, [`LowRank`](crate::LowRank) ones through their factors. So are [`Csr`](super::Csr),
/// [`Functions`](super::Functions), [`Sum`](super::Sum), [`Product`](super::Product). To make
/// another, give the first three methods; the hidden ones are for those that know their entries.
///
/// ```
/// use lowrank::{Operator, Result, faer::{Mat, MatRef}, svd};
/// /// Differences of neighbours, (n, n).
/// struct Differences(usize);
/// impl Operator<f64> for Differences {
///     fn shape(&self) -> (usize, usize) {
///         (self.0, self.0)
///     }
///     fn apply(&self, b: MatRef<'_, f64>) -> Result<Mat<f64>> {
///         Ok(Mat::from_fn(self.0, b.ncols(), |i, j| b[(i, j)] - if i > 0 { b[(i - 1, j)] } else { 0.0 }))
///     }
///     fn apply_transpose(&self, b: MatRef<'_, f64>) -> Result<Mat<f64>> {
///         let last = self.0 - 1;
///         Ok(Mat::from_fn(self.0, b.ncols(), |i, j| b[(i, j)] - if i < last { b[(i + 1, j)] } else { 0.0 }))
///     }
/// }
/// let svd = svd::randomized(&Differences(100), 3, &svd::Randomized::default())?;
/// assert!(svd.s[0] > 1.95 && svd.s[0] < 2.0);
/// # lowrank::Result::Ok(())
/// ```
///
/// The parameter `K` tells the compiler whether the products come from [`Entries`] or are the
/// type's own; it is found by inference and need not be written, but in generic code:
/// `fn f<T: Scalar, K>(a: &(impl Operator<T, K> + ?Sized))`.
pub trait Operator<T: Scalar, K = Applied>: Sync {
    /// Rows and columns, (m, n).
    fn shape(&self) -> (usize, usize);

    /// `A b` (m, l) for a block of columns `b` (n, l).
    ///
    /// # Errors
    /// Those of the operator; for this crate's own, [`Error::Shape`] when `b` has not n rows and
    /// [`Error::NonFinite`] for entries of A that are NaN or infinite, where they are looked at.
    fn apply(&self, b: MatRef<'_, T>) -> Result<Mat<T>>;

    /// `A' b` (n, l) for a block of columns `b` (m, l).
    ///
    /// # Errors
    /// As for [`Operator::apply`].
    fn apply_transpose(&self, b: MatRef<'_, T>) -> Result<Mat<T>>;

    /// The whole matrix (m, n): A applied to the identity, unless the entries are at hand.
    ///
    /// # Errors
    /// As for [`Operator::apply`].
    fn to_dense(&self) -> Result<Mat<T>> {
        let (m, n) = self.shape();
        check_memory::<T>(
            "the dense matrix",
            (m as f64 + n as f64) * n as f64,
            "apply the operator instead",
        )?;
        self.apply(Mat::identity(n, n).as_ref())
    }

    /// The matrix itself, where it is stored.
    #[doc(hidden)]
    fn stored_matrix(&self) -> Option<MatRef<'_, T>> {
        None
    }

    /// `2^-shift A b`, or with A', and a magnitude that tells the scale of A: the largest entry
    /// of A where entries are looked at, else that of the product returned.
    #[doc(hidden)]
    fn scaled_product(&self, b: MatRef<'_, T>, transposed: bool, shift: i32) -> Result<(Mat<T>, T)> {
        let run = |b: MatRef<'_, T>| {
            let out = if transposed { self.apply_transpose(b) } else { self.apply(b) }?;
            let (m, n) = self.shape();
            let expected = (if transposed { n } else { m }, b.ncols());
            if out.shape() != expected {
                return Err(Error::Shape {
                    argument: "a b",
                    expected: format!("the operator's shape and that of b make it {expected:?}"),
                    found: vec![out.nrows(), out.ncols()],
                });
            }
            Ok(out)
        };
        let out = if shift == 0 { run(b)? } else { run(scaled(b, -shift).as_ref())? };
        let largest = largest_finite("a b", out.as_ref())?;
        Ok((out, largest))
    }

    /// |2^-shift A - L R'|_F from the residual, where the entries are at hand.
    #[doc(hidden)]
    fn residual_norm(&self, _left: MatRef<'_, T>, _right: MatRef<'_, T>, _shift: i32) -> Result<Option<f64>> {
        Ok(None)
    }
}

impl<T: Scalar, E: Entries<T> + ?Sized> Operator<T, ByEntries> for E {
    fn shape(&self) -> (usize, usize) {
        (self.nrows(), self.ncols())
    }
    fn apply(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        check_block(self.ncols(), b)?;
        Ok(self.scaled_product(b, false, 0)?.0)
    }
    fn apply_transpose(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        check_block(self.nrows(), b)?;
        Ok(self.scaled_product(b, true, 0)?.0)
    }
    fn to_dense(&self) -> Result<Mat<T>> {
        Ok(match self.stored() {
            Some(stored) => stored.to_owned(),
            None => tiled_to_dense(self),
        })
    }
    fn stored_matrix(&self) -> Option<MatRef<'_, T>> {
        self.stored()
    }
    fn scaled_product(&self, b: MatRef<'_, T>, transposed: bool, shift: i32) -> Result<(Mat<T>, T)> {
        let copy = (shift != 0).then(|| scaled(b, -shift));
        let moved = copy.as_ref().map_or(b, |copy| copy.as_ref());
        if let Some(a) = self.stored() {
            return Ok((stored_product(a, moved, transposed), largest_finite("a", a)?));
        }
        let Some((u, v)) = self.factors() else {
            return tiled_product(self, b, transposed, shift);
        };
        let (u, v) = (Moderate::new("u", u)?, Moderate::new("v", v)?);
        let (left, right) = if transposed { (&v, &u) } else { (&u, &v) };
        let inner = stored_product(right.matrix(), moved, true); // (rank, l)
        let mut out = stored_product(left.matrix(), inner.as_ref(), false);
        scale_view(out.as_mut(), left.exponent + right.exponent);
        let largest = largest_finite("a b", out.as_ref())?;
        Ok((out, largest))
    }
    fn residual_norm(&self, left: MatRef<'_, T>, right: MatRef<'_, T>, shift: i32) -> Result<Option<f64>> {
        Ok(Some(residual_norm(left, right, shift, |rows, cols, out| self.tile(rows, cols, out))))
    }
}

/// Checks that a block has as many rows as are needed.
pub(crate) fn check_block<T: Scalar>(rows: usize, b: MatRef<'_, T>) -> Result<()> {
    if b.nrows() == rows {
        return Ok(());
    }
    let found = vec![b.nrows(), b.ncols()];
    Err(Error::Shape { argument: "b", expected: format!("{rows} rows are needed"), found })
}
