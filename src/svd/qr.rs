//! Thin QR factorization and orthonormal bases.
//!
//! **Problem.** A (m, n), stored: Q with orthonormal columns and R upper trapezoidal, A = Q R.
//!
//! **Method.** Householder reflectors in recursive panels with blocked updates (Elmroth,
//! Gustavson 2000), on one thread, of A scaled by a power of two to a largest magnitude in
//! [1, 2). No pivoting and no threshold: the diagonal of R is what the reflectors leave.
//!
//! **Cost.** 4 n^2 (m - n/3) flops with Q (m >= n); memory 3 m n numbers.
//!
//! **Guarantee.** |A - Q R|_F <= 5 max(m, n) eps |A|_F, |Q'Q - I|_F <= 10 max(m, n) eps, whatever
//! the rank of A and the scale of its entries (worst seen 1.1 and 9.5, the latter for the lower
//! triangle of ones at n = 600; random matrices stay below 0.5); the diagonal of R is nonnegative.
//! The result does not depend on the number of threads.
//!
//! **Deviations.** None from the textbook; faer's driver is not used, since it drops columns that
//! are nearly dependent, beyond what eps justifies.

use crate::matrix::{AsMatrix, exponent, largest_finite, scale_in_place, scaled};
use crate::{Error, Result, Scalar};
use faer::{Mat, MatRef};

/// A thin QR factorization `A = Q R`.
#[derive(Debug, Clone)]
pub struct Qr<T: Scalar> {
    /// Orthonormal columns, (m, min(m, n)).
    pub q: Mat<T>,
    /// Upper trapezoidal with a nonnegative diagonal, (min(m, n), n).
    pub r: Mat<T>,
}

/// Thin QR factorization of a (m, n).
///
/// # Errors
/// [`Error::NonFinite`] for NaN and infinities; [`Error::Parameter`] when an entry of R exceeds
/// the largest number of the type.
///
/// ```
/// use lowrank::{faer::mat, svd::qr};
/// let f = qr(mat![[3.0, 1.0], [4.0, 2.0]].as_ref())?;
/// assert!((f.r[(0, 0)] - 5.0_f64).abs() < 1e-14);
/// # lowrank::Result::Ok(())
/// ```
pub fn qr<T: Scalar>(a: impl AsMatrix<T>) -> Result<Qr<T>> {
    qr_of(a.as_matrix(), |scaled| Some(T::thin_qr(scaled)))
}

/// The QR by `factorize`, which is given a checked matrix and says Q, R.
pub(super) fn qr_of<T: Scalar>(
    a: MatRef<'_, T>,
    factorize: impl FnOnce(MatRef<'_, T>) -> Option<(Mat<T>, Mat<T>)>,
) -> Result<Qr<T>> {
    let e = exponent(largest_finite("a", a)?);
    let failed = Error::NoConvergence { what: "QR", rows: a.nrows(), cols: a.ncols() };
    let (q, mut r) = factorize(scaled(a, -e).as_ref()).ok_or(failed)?;
    scale_in_place(&mut r, e);
    if largest_finite("r", r.as_ref()).is_err() {
        return Err(Error::Parameter {
            name: "a",
            value: format!("matrix with |entries| up to 2^{}", e + 1),
            remedy: "the norm of a column exceeds the largest number: scale the matrix down",
        });
    }
    Ok(Qr { q, r })
}

/// Orthonormal basis (m, min(m, n)) whose span contains that of the columns of `a`.
///
/// The columns are orthonormal whatever the rank of `a`; those beyond the rank are an arbitrary
/// completion. Cost and guarantee are those of [`qr()`].
///
/// # Errors
/// [`Error::NonFinite`] for NaN and infinities.
pub fn orthonormal_basis<T: Scalar>(a: impl AsMatrix<T>) -> Result<Mat<T>> {
    let a = a.as_matrix();
    let e = exponent(largest_finite("a", a)?);
    Ok(T::thin_qr(scaled(a, -e).as_ref()).0)
}
