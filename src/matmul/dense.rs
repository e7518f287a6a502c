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

use crate::matrix::{AsMatrix, exponent, largest_finite, scale_in_place, scaled};
use crate::{Error, Result, Scalar};
use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;

/// Flops below which a product is not cut.
const SMALL: f64 = 2e6;

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

/// A matrix of zeros, or an error where it cannot be addressed.
pub(super) fn zeros<T: Scalar>(m: usize, p: usize) -> Result<Mat<T>> {
    let bytes = m as f64 * p as f64 * size_of::<T>() as f64;
    if bytes > isize::MAX as f64 {
        return Err(Error::TooLarge { what: "the product", bytes, remedy: "keep it factored" });
    }
    Ok(Mat::zeros(m, p))
}

/// `out = lhs rhs`, on all threads, with the same bits on any number of them.
pub(super) fn product_into<T: Scalar>(mut out: MatMut<'_, T>, lhs: MatRef<'_, T>, rhs: MatRef<'_, T>) {
    let (m, p) = (out.nrows(), out.ncols());
    if m == 0 || p == 0 {
        return;
    }
    if lhs.ncols() == 0 {
        out.fill(T::of(0.0));
    } else if 2.0 * m as f64 * p as f64 * (lhs.ncols() as f64) < SMALL {
        T::product(out, false, lhs, rhs);
    } else if p >= m {
        let width = strip(p);
        out.par_col_chunks_mut(width).enumerate().for_each(|(k, out)| {
            let rhs = rhs.subcols(k * width, out.ncols());
            T::product(out, false, lhs, rhs);
        });
    } else {
        let height = strip(m);
        out.par_row_chunks_mut(height).enumerate().for_each(|(k, out)| {
            let lhs = lhs.subrows(k * height, out.nrows());
            T::product(out, false, lhs, rhs);
        });
    }
}

/// Width of the strips of a side.
fn strip(side: usize) -> usize {
    side.div_ceil(8).clamp(16, 512).next_multiple_of(16)
}

/// A finite matrix as `2^exponent` times one of moderate size, copied only where it must be.
pub(super) struct Moderate<'a, T: Scalar> {
    kept: Kept<'a, T>,
    pub(super) exponent: i32,
    /// Every entry of the moderate matrix lies below 2^top.
    top: i32,
}

enum Kept<'a, T: Scalar> {
    View(MatRef<'a, T>),
    Owned(Mat<T>),
    /// The transpose of what is stored.
    Transposed(Mat<T>),
}

/// No scaling where the exponent of the largest entry lies within this: products of two such
/// matrices neither overflow nor lose digits.
fn limit<T: Scalar>() -> i32 {
    if T::NAME == "f32" { 20 } else { 200 }
}

impl<'a, T: Scalar> Moderate<'a, T> {
    pub(super) fn new(argument: &'static str, a: MatRef<'a, T>) -> Result<Self> {
        let e = exponent(largest_finite(argument, a)?);
        if e.abs() <= limit::<T>() {
            return Ok(Self { kept: Kept::View(a), exponent: 0, top: e + 1 });
        }
        Ok(Self { kept: Kept::Owned(scaled(a, -e)), exponent: e, top: 1 })
    }

    /// Takes over `2^exponent a`.
    pub(super) fn of(mut a: Mat<T>, exponent_of_a: i32) -> Result<Self> {
        let e = exponent(largest_finite("product", a.as_ref())?);
        if e.abs() <= limit::<T>() {
            return Ok(Self { kept: Kept::Owned(a), exponent: exponent_of_a, top: e + 1 });
        }
        scale_in_place(&mut a, -e);
        Ok(Self { kept: Kept::Owned(a), exponent: exponent_of_a + e, top: 1 })
    }

    pub(super) fn matrix(&self) -> MatRef<'_, T> {
        match &self.kept {
            Kept::View(a) => *a,
            Kept::Owned(a) => a.as_ref(),
            Kept::Transposed(a) => a.transpose(),
        }
    }

    /// The transpose, without a copy.
    pub(super) fn transposed(self) -> Self {
        let kept = match self.kept {
            Kept::View(a) => Kept::View(a.transpose()),
            Kept::Owned(a) => Kept::Transposed(a),
            Kept::Transposed(a) => Kept::Owned(a),
        };
        Self { kept, ..self }
    }

    /// Moves the matrix out and leaves an empty one.
    pub(super) fn take(&mut self) -> Self {
        std::mem::replace(self, Self { kept: Kept::Owned(Mat::new()), exponent: 0, top: 0 })
    }

    /// The moderate matrix, without its power of two.
    pub(super) fn into_owned(self) -> Mat<T> {
        match self.kept {
            Kept::View(a) => a.to_owned(),
            Kept::Owned(a) => a,
            Kept::Transposed(a) => a.transpose().to_owned(),
        }
    }
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

/// `out = 2^e out`.
pub(super) fn scale_view<T: Scalar>(mut out: MatMut<'_, T>, e: i32) {
    if e == 0 {
        return;
    }
    for column in out.as_mut().col_iter_mut() {
        column.iter_mut().for_each(|x| *x = crate::matrix::scale_by_power_of_two(*x, e));
    }
}

/// The error for a product of finite matrices with entries that are not.
pub(super) fn check_overflow<T: Scalar>(out: MatRef<'_, T>) -> Result<()> {
    let Err(Error::NonFinite { index, .. }) = largest_finite("product", out) else { return Ok(()) };
    Err(Error::Parameter {
        name: "product",
        value: format!("overflow at {index:?}"),
        remedy: "an entry of the product exceeds the largest number of the type: scale the factors down",
    })
}
