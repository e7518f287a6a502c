//! vec and its inverse, and the Kronecker products that they turn matrix equations into.

use super::product::{Kronecker, size};
use crate::matrix::AsMatrix;
use crate::{Error, Result, Scalar};
use faer::{Mat, MatRef};

/// vec A: the columns of `a` (m, n) below each other, (m n, 1), as a view of the same memory; `None`
/// where the columns do not follow each other without gaps (faer pads those of some matrices).
///
/// ```
/// use lowrank::{faer::MatRef, kronecker::{unvec, vec_view}};
/// let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
/// let a: MatRef<'_, f64> = unvec(&x, 2, 3)?;
/// assert_eq!((a[(1, 0)], a[(0, 2)]), (2.0, 5.0));
/// assert_eq!(vec_view(a).unwrap()[(4, 0)], 5.0);
/// # lowrank::Result::Ok(())
/// ```
pub fn vec_view<'a, T: Scalar>(a: MatRef<'a, T>) -> Option<MatRef<'a, T>> {
    let (m, n) = a.shape();
    if n == 1 && a.row_stride() == 1 {
        return Some(a);
    }
    let gapless = m > 0 && n > 0 && (m == 1 || a.row_stride() == 1) && a.col_stride() == m as isize;
    let whole = gapless.then(|| as_slice(a))?;
    Some(MatRef::from_column_major_slice(whole, m * n, 1))
}

#[allow(unsafe_code)]
fn as_slice<'a, T: Scalar>(a: MatRef<'a, T>) -> &'a [T] {
    // SAFETY: the caller has checked that entry (i, j) lies at i + j m, so that the m n entries of
    // this shared borrow of lifetime 'a are those of one slice.
    unsafe { std::slice::from_raw_parts(a.as_ptr(), a.nrows() * a.ncols()) }
}

/// vec A as a copy, (m n, 1), whatever the layout of `a` (m, n).
pub fn vec_of<T: Scalar>(a: impl AsMatrix<T>) -> Mat<T> {
    let a = a.as_matrix();
    let m = a.nrows().max(1);
    Mat::from_fn(a.nrows() * a.ncols(), 1, |k, _| a[(k % m, k / m)])
}

/// The matrix (m, n) whose vec is `x`, as a view of the same memory.
///
/// # Errors
/// [`Error::Shape`] when `x` has not m n entries; [`Error::TooLarge`] when they cannot be counted.
pub fn unvec<T: Scalar>(x: &[T], m: usize, n: usize) -> Result<MatRef<'_, T>> {
    let count = size([m, n].into_iter())?;
    if x.len() != count {
        let expected = format!("{count} entries are needed for a matrix ({m}, {n})");
        return Err(Error::Shape { argument: "x", expected, found: vec![x.len()] });
    }
    Ok(MatRef::from_column_major_slice(x, m, n))
}

/// The matrix B' (x) A, for which vec(A X B) = (B' (x) A) vec X. With a
/// [`KroneckerSum`](super::KroneckerSum) of (B', A) it is vec(A X + X B) instead, Sylvester's
/// equation.
///
/// # Errors
/// As for [`Kronecker::new`]; factor 0 is B', factor 1 is A.
///
/// ```
/// use lowrank::{faer::mat, kronecker::{two_sided, unvec}};
/// let (a, b) = (mat![[1.0, 2.0], [3.0, 5.0]], mat![[2.0, 0.0], [0.0, 4.0]]);
/// let k = two_sided(&a, &b)?;
/// let x = k.solve(mat![[2.0], [6.0], [8.0], [20.0]])?; // A X B = [2 8; 6 20]
/// let x = unvec(x.col_as_slice(0), 2, 2)?;
/// assert!((&a * x * &b - mat![[2.0, 8.0], [6.0, 20.0]]).norm_max() < 1e-13);
/// # lowrank::Result::Ok(())
/// ```
pub fn two_sided<T: Scalar>(a: impl AsMatrix<T>, b: impl AsMatrix<T>) -> Result<Kronecker<T>> {
    Kronecker::new(vec![b.as_matrix().transpose().to_owned(), a.as_matrix().to_owned()])
}
