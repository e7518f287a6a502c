//! Dense singular value decomposition (placeholder: contract only).

use crate::{Error, Result, Scalar};
use faer::{Mat, MatRef};

/// A thin singular value decomposition `A = U diag(s) V'`.
#[derive(Debug, Clone)]
pub struct Svd<T: Scalar> {
    /// Left singular vectors, (m, k).
    pub u: Mat<T>,
    /// Singular values, nonincreasing, k of them.
    pub s: Vec<T>,
    /// Right singular vectors, (n, k).
    pub v: Mat<T>,
}

/// Thin SVD of a dense matrix, k = min(m, n).
pub fn dense<T: Scalar>(a: MatRef<'_, T>) -> Result<Svd<T>> {
    let svd =
        a.thin_svd().map_err(|_| Error::NoConvergence { what: "SVD", rows: a.nrows(), cols: a.ncols() })?;
    let s = svd.S().column_vector().iter().copied().collect();
    Ok(Svd { u: svd.U().to_owned(), s, v: svd.V().to_owned() })
}

/// Singular values only, nonincreasing.
pub fn singular_values<T: Scalar>(a: MatRef<'_, T>) -> Result<Vec<T>> {
    Ok(dense(a)?.s)
}

impl<T: Scalar> Svd<T> {
    /// X = (U sqrt(s)) (V sqrt(s))'.
    pub fn into_low_rank(self) -> crate::LowRank<T> {
        let root = |k: usize| num_traits::Float::sqrt(self.s[k]);
        crate::LowRank {
            u: Mat::from_fn(self.u.nrows(), self.s.len(), |i, k| self.u[(i, k)] * root(k)),
            v: Mat::from_fn(self.v.nrows(), self.s.len(), |i, k| self.v[(i, k)] * root(k)),
        }
    }
}
