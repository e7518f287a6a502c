//! The full product of two stored matrices.
//!
//! **Problem.** A (m, n) and B (n, p), stored: C = A B (m, p).
//!
//! **Method.** faer's blocked product, on strips of C along its longer side, one thread a strip.
//!
//! **Cost.** 2 m n p flops; (m n + n p) numbers read for the check, no memory besides the result
//! (a copy of A or B where its entries are very large or small).
//!
//! **Guarantee.** |C - A B|_F <= 4 n eps |A|_F |B|_F. The strips depend on the shapes alone: the
//! bits do not depend on the number of threads. Entries near 1e300 or 1e-300 are scaled by powers
//! of two on the way.
//!
//! **Deviations.** None.

use crate::matrix::{AsMatrix, Moderate, check_overflow, product_into, scale_view, zeros};
use crate::{Error, Result, Scalar};
use faer::{Mat, MatMut, MatRef};

/// A B for `a` (m, n) and `b` (n, p): (m, p). O(m n p).
///
/// # Errors
/// [`Error::Shape`] when the inner sizes differ; [`Error::NonFinite`] for NaN and infinities;
/// [`Error::TooLarge`] when the result cannot be addressed; [`Error::Parameter`] when an entry of
/// it exceeds the largest number of the type.
///
/// ```
/// use lowrank::{faer::mat, matmul::dense};
/// let c = dense(mat![[1.0, 2.0]].as_ref(), mat![[3.0], [4.0]].as_ref())?;
/// assert_eq!(c, mat![[11.0]]);
/// # lowrank::Result::Ok(())
/// ```
pub fn dense<T: Scalar>(a: impl AsMatrix<T>, b: impl AsMatrix<T>) -> Result<Mat<T>> {
    let (a, b) = (a.as_matrix(), b.as_matrix());
    let mut out = zeros(a.nrows(), b.ncols())?;
    dense_into(out.as_mut(), a, b)?;
    Ok(out)
}

/// Writes A B into `out` (m, p), whatever it held. O(m n p).
///
/// # Errors
/// Those of [`dense`]; [`Error::Shape`] when `out` has another shape. After an error `out` holds
/// nothing of use.
pub fn dense_into<T: Scalar>(out: MatMut<'_, T>, a: impl AsMatrix<T>, b: impl AsMatrix<T>) -> Result<()> {
    let (a, b) = (a.as_matrix(), b.as_matrix());
    same_inner(a, b)?;
    check_out(&out, a.nrows(), b.ncols())?;
    let (a, b) = (Moderate::new("a", a)?, Moderate::new("b", b)?);
    moderate_product(out, &a, &b)
}

/// Checks that `b` has as many rows as `a` has columns.
pub(super) fn same_inner<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> Result<()> {
    if a.ncols() == b.nrows() {
        return Ok(());
    }
    let expected = format!("{} rows are needed, as many as the columns of `a`", a.ncols());
    Err(Error::Shape { argument: "b", expected, found: vec![b.nrows(), b.ncols()] })
}

/// Checks the shape of the memory for a result.
pub(super) fn check_out<T: Scalar>(out: &MatMut<'_, T>, m: usize, p: usize) -> Result<()> {
    if out.nrows() == m && out.ncols() == p {
        return Ok(());
    }
    let expected = format!("the product is ({m}, {p})");
    Err(Error::Shape { argument: "out", expected, found: vec![out.nrows(), out.ncols()] })
}

/// `out = a b` with the powers of two put back.
pub(super) fn moderate_product<T: Scalar>(
    mut out: MatMut<'_, T>,
    a: &Moderate<'_, T>,
    b: &Moderate<'_, T>,
) -> Result<()> {
    let n = a.matrix().ncols();
    product_into(out.as_mut(), a.matrix(), b.matrix());
    let e = a.exponent + b.exponent;
    let largest = if T::NAME == "f32" { 127 } else { 1023 };
    let growth = usize::BITS - n.leading_zeros();
    scale_view(out.as_mut(), e);
    if a.top + b.top + growth as i32 + e < largest {
        return Ok(());
    }
    check_overflow(out.as_ref())
}
