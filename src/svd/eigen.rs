//! Eigendecomposition of a symmetric matrix.
//!
//! **Problem.** A (n, n) with A = A', stored: orthonormal V and l_1 <= l_2 <= ... with
//! A = V diag(l) V'.
//!
//! **Method.** Tridiagonalization and divide and conquer (Gu, Eisenstat 1995) by faer on one thread,
//! of A scaled by a power of two to a largest magnitude in [1, 2). The residual A V - V diag(l) and
//! V'V - I are then computed; where they are too large, QR iterations are tried instead.
//!
//! **Cost.** About 9 n^3 flops for the decomposition and 3 n^3 for the check; memory 6 n^2 numbers.
//!
//! **Guarantee.** |A V - V diag(l)|_F <= 10 n eps |A|_F and |V'V - I|_F <= 10 n eps, verified in
//! every call, at every scale of the entries. Values below the smallest normal number carry its
//! absolute precision only. The result does not depend on the number of threads.
//!
//! **Deviations.** A matrix that is symmetric but for rounding is replaced by (A + A') / 2.

use crate::matrix::{
    AsMatrix, canonical_signs, exponent, frobenius, largest_finite, scale_by_power_of_two, scaled,
};
use crate::{Error, Result, Scalar};
use faer::{Mat, MatRef};

/// An eigendecomposition `A = V diag(l) V'` of a symmetric matrix.
///
/// In each column of `vectors` the entry of largest magnitude is positive.
#[derive(Debug, Clone)]
pub struct Eigen<T: Scalar> {
    /// Eigenvalues, nondecreasing, n of them.
    pub values: Vec<T>,
    /// Orthonormal eigenvectors V, (n, n).
    pub vectors: Mat<T>,
}

/// Eigenvalues and eigenvectors of a symmetric `a` (n, n).
///
/// An empty matrix has an empty decomposition.
///
/// # Errors
/// [`Error::Shape`] when `a` is not square; [`Error::NonFinite`] for NaN and infinities;
/// [`Error::Parameter`] when `a` differs from its transpose by more than n eps of its largest entry,
/// or an eigenvalue exceeds the largest number; [`Error::NoConvergence`] is not known to happen.
///
/// ```
/// use lowrank::{faer::mat, svd::symmetric_eigen};
/// let e = symmetric_eigen(mat![[0.0, 2.0], [2.0, 3.0_f64]])?;
/// assert!((e.values[0] + 1.0).abs() < 1e-15 && (e.values[1] - 4.0_f64).abs() < 1e-14);
/// # lowrank::Result::Ok(())
/// ```
pub fn symmetric_eigen<T: Scalar>(a: impl AsMatrix<T>) -> Result<Eigen<T>> {
    eigen_of(a.as_matrix())
}

fn eigen_of<T: Scalar>(a: MatRef<'_, T>) -> Result<Eigen<T>> {
    let n = a.nrows();
    if a.ncols() != n {
        let expected = "a square matrix is needed".to_string();
        return Err(Error::Shape { argument: "a", expected, found: vec![n, a.ncols()] });
    }
    let largest = largest_finite("a", a)?;
    let e = exponent(largest);
    let a = symmetric_part(scaled(a, -e))?;
    if largest == T::of(0.0) {
        return Ok(Eigen { values: vec![largest; n], vectors: Mat::identity(n, n) });
    }
    let found = [false, true].into_iter().find_map(|iterate| {
        T::symmetric_eigen(a.as_ref(), iterate).filter(|(values, v)| verified(&a, values, v))
    });
    let failed = Error::NoConvergence { what: "eigendecomposition", rows: n, cols: n };
    let (mut values, mut vectors) = found.ok_or(failed)?;
    canonical_signs(&mut vectors, &mut Mat::zeros(0, n));
    values.iter_mut().for_each(|x| *x = scale_by_power_of_two(*x, e));
    if values.iter().any(|x| !num_traits::Float::is_finite(*x)) {
        return Err(Error::Parameter {
            name: "a",
            value: format!("matrix with |entries| up to 2^{}", e + 1),
            remedy: "its largest eigenvalue exceeds the largest number: scale the matrix down",
        });
    }
    Ok(Eigen { values, vectors })
}

/// (A + A') / 2 of a matrix of largest magnitude near 1, if that is A but for rounding.
fn symmetric_part<T: Scalar>(a: Mat<T>) -> Result<Mat<T>> {
    let (n, half) = (a.nrows(), T::of(0.5));
    let limit = n as f64 * T::EPS * 2.0;
    for j in 0..n {
        for i in 0..j {
            if !((a[(i, j)] - a[(j, i)]).as_f64().abs() <= limit) {
                return Err(Error::Parameter {
                    name: "a",
                    value: format!("matrix whose entries ({i}, {j}) and ({j}, {i}) differ"),
                    remedy: "pass a symmetric matrix",
                });
            }
        }
    }
    Ok(Mat::from_fn(n, n, |i, j| half * a[(i, j)] + half * a[(j, i)]))
}

/// Whether residual, orthogonality and order are what the head of this file promises.
fn verified<T: Scalar>(a: &Mat<T>, values: &[T], v: &Mat<T>) -> bool {
    let n = a.nrows();
    let unit = 10.0 * n as f64 * T::EPS;
    let mut residual = Mat::zeros(n, n);
    T::product(residual.as_mut(), false, a.as_ref(), v.as_ref());
    for (j, value) in values.iter().enumerate() {
        residual.col_as_slice_mut(j).iter_mut().zip(v.col_as_slice(j)).for_each(|(r, v)| *r -= *value * *v);
    }
    let mut gram = Mat::zeros(n, n);
    T::product(gram.as_mut(), false, v.transpose(), v.as_ref());
    (0..n).for_each(|i| gram[(i, i)] -= T::of(1.0));
    values.is_sorted() && frobenius(&residual) <= unit * frobenius(a) && frobenius(&gram) <= unit
}
