//! Small steps on row-major matrices that the algorithms on trains share.

use crate::Scalar;
use faer::{MatMut, MatRef};
use ndarray::Array3;

/// A row-major matrix (m, n) of the first m n numbers.
pub(super) fn matrix<T>(data: &[T], m: usize, n: usize) -> MatRef<'_, T> {
    MatRef::from_row_major_slice(&data[..m * n], m, n)
}

/// The entries of a core, row-major.
pub(super) fn entries<T: Scalar>(core: &Array3<T>) -> &[T] {
    core.as_slice().unwrap_or(&[])
}

/// The product of a (m, k) and b (k, n), row-major, on one thread.
pub(super) fn times<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> Vec<T> {
    let mut c = vec![T::of(0.0); a.nrows() * b.ncols()];
    T::product(MatMut::from_row_major_slice_mut(&mut c, a.nrows(), b.ncols()), false, a, b);
    c
}
