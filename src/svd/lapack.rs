//! Dense SVD and QR by LAPACK: a second back end, to compare the default one with. Exists with the
//! feature `lapack` only, which needs OpenBLAS (Debian: `libopenblas-dev`).
//!
//! **Problem.** Those of [`svd::dense`](super::dense()), [`svd::singular_values`](super::singular_values)
//! and [`svd::qr`](super::qr()), with the same arguments, results and errors.
//!
//! **Method.** `?gesdd` (bidiagonalization, divide and conquer) and `?geqrf` with `?orgqr` of
//! LAPACK (Anderson et al., "LAPACK users' guide", 1999), of A scaled by a power of two to a
//! largest magnitude in [1, 2). A wide matrix is factored through its transpose; a square one
//! and its transpose are factored in one common orientation. Signs are canonical: the largest
//! entry of each left singular vector, the diagonal of R.
//!
//! **Cost.** The flops of the default ones; two copies of A besides LAPACK's workspace.
//!
//! **Guarantee.** That of the default ones: |A - U diag(s) V'|_F <= 5 max(m, n) eps |A|_F and
//! |U'U - I|_F <= 10 max(m, n) eps, at every scale of the entries.
//!
//! **Deviations.** OpenBLAS has threads of its own (`OPENBLAS_NUM_THREADS`): bits may depend on
//! their number and on the processor. LAPACK counts in 32 bits: matrices of 2^28 entries and
//! more are refused.

use super::dense::{decompose, values_of};
use super::qr::qr_of;
use super::{Qr, Svd};
use crate::matrix::AsMatrix;
use crate::{Error, Result, Scalar};
use faer::{Mat, MatRef};
use ndarray::{Array2, ShapeBuilder};
use ndarray_linalg::{JobSvd, Lapack, QRInto, SVDDCInto};

/// Entries of the largest matrix: LAPACK's workspace is then below 2^31 numbers.
const LARGEST: usize = 1 << 28;

/// Thin SVD of a dense matrix, k = min(m, n), as [`svd::dense`](super::dense()).
///
/// # Errors
/// Those of [`svd::dense`](super::dense()), and [`Error::TooLarge`] from 2^28 entries on.
///
/// ```
/// use lowrank::{faer::mat, svd::lapack};
/// let svd = lapack::dense(mat![[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]])?;
/// assert!((svd.s[0] - 4.0_f64).abs() < 1e-14);
/// # lowrank::Result::Ok(())
/// ```
pub fn dense<T: Scalar + Lapack<Real = T>>(a: impl AsMatrix<T>) -> Result<Svd<T>> {
    let a = a.as_matrix();
    check_size(a)?;
    decompose(a, false, |tall| {
        let (u, s, vt) = array(tall).svddc_into(JobSvd::Some).ok()?;
        Some((u?.as_matrix().to_owned(), s.to_vec(), vt?.as_matrix().transpose().to_owned()))
    })
}

/// Singular values only, as [`svd::singular_values`](super::singular_values).
///
/// # Errors
/// Those of [`dense`].
pub fn singular_values<T: Scalar + Lapack<Real = T>>(a: impl AsMatrix<T>) -> Result<Vec<T>> {
    let a = a.as_matrix();
    check_size(a)?;
    values_of(a, |tall| Some(array(tall).svddc_into(JobSvd::None).ok()?.1.to_vec()))
}

/// Thin QR factorization, as [`svd::qr`](super::qr()).
///
/// # Errors
/// Those of [`svd::qr`](super::qr()), and [`Error::TooLarge`] from 2^28 entries on.
pub fn qr<T: Scalar + Lapack<Real = T>>(a: impl AsMatrix<T>) -> Result<Qr<T>> {
    let a = a.as_matrix();
    check_size(a)?;
    qr_of(a, |scaled| {
        let (m, n) = scaled.shape();
        if m == 0 || n == 0 {
            return Some((Mat::zeros(m, 0), Mat::zeros(0, n)));
        }
        let (q, r): (Array2<T>, Array2<T>) = array(scaled).qr_into().ok()?;
        let sign = |k: usize| if r[[k, k]] < T::of(0.0) { T::of(-1.0) } else { T::of(1.0) };
        let q = Mat::from_fn(m, q.ncols(), |i, k| q[[i, k]] * sign(k));
        let r = Mat::from_fn(r.nrows(), n, |k, j| r[[k, j]] * sign(k));
        Some((q, r))
    })
}

fn check_size<T: Scalar>(a: MatRef<'_, T>) -> Result<()> {
    let entries = a.nrows() as f64 * a.ncols() as f64;
    if entries < LARGEST as f64 && a.nrows().max(a.ncols()) < LARGEST {
        return Ok(());
    }
    let bytes = entries * size_of::<T>() as f64;
    Err(Error::TooLarge {
        what: "a matrix for LAPACK's 32-bit sizes",
        bytes,
        remedy: "use the default back end",
    })
}

/// The entries by columns, as LAPACK wants them.
fn array<T: Scalar>(a: MatRef<'_, T>) -> Array2<T> {
    Array2::from_shape_fn(a.shape().f(), |(i, j)| a[(i, j)])
}
