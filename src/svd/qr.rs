//! QR (placeholder: contract only).

use crate::{Result, Scalar};
use faer::{Mat, MatRef};

/// A thin QR factorization `A = Q R`.
#[derive(Debug, Clone)]
pub struct Qr<T: Scalar> {
    /// Orthonormal columns, (m, min(m, n)).
    pub q: Mat<T>,
    /// Upper trapezoidal, (min(m, n), n).
    pub r: Mat<T>,
}

/// Thin QR factorization.
pub fn qr<T: Scalar>(a: MatRef<'_, T>) -> Result<Qr<T>> {
    let f = a.qr();
    Ok(Qr { q: f.compute_thin_Q(), r: f.thin_R().to_owned() })
}

/// Orthonormal basis (m, min(m, n)) whose span contains that of the columns of `a`.
pub fn orthonormal_basis<T: Scalar>(a: MatRef<'_, T>) -> Result<Mat<T>> {
    Ok(qr(a)?.q)
}
