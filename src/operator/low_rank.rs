//! A matrix kept as a product of two thin factors.

use super::Entries;
use crate::Scalar;
use crate::matrix::AsMatrix;
use faer::{Mat, MatRef};
use std::ops::Range;

/// The matrix `X = U V'` of rank at most `r`, kept as its factors.
#[derive(Debug, Clone)]
pub struct LowRank<T: Scalar> {
    /// Left factor, (m, r).
    pub u: Mat<T>,
    /// Right factor, (n, r).
    pub v: Mat<T>,
}

impl<T: Scalar> LowRank<T> {
    /// Rows and columns of the product.
    pub fn shape(&self) -> (usize, usize) {
        (self.u.nrows(), self.v.nrows())
    }
    /// Number of columns of the factors: an upper bound of the rank.
    pub fn rank(&self) -> usize {
        self.u.ncols()
    }
    /// How many numbers are stored: (m + n) r.
    pub fn parameters(&self) -> usize {
        (self.u.nrows() + self.v.nrows()) * self.rank()
    }
    /// Entry (i, j), in O(r).
    pub fn entry(&self, i: usize, j: usize) -> T {
        (0..self.rank()).map(|k| self.u[(i, k)] * self.v[(j, k)]).sum()
    }
    /// The whole matrix (m, n), in O(m n r).
    pub fn to_dense(&self) -> Mat<T> {
        &self.u * self.v.transpose()
    }
    /// `X B` for a block of columns `b` (n, k), in O((m + n) r k). Panics where `b` has not n rows;
    /// [`Operator::apply`](crate::Operator::apply) gives an error then.
    pub fn apply(&self, b: impl AsMatrix<T>) -> Mat<T> {
        &self.u * (self.v.transpose() * b.as_matrix())
    }
    /// `X' B` for a block of columns `b` (m, k), in O((m + n) r k). Panics where `b` has not m rows.
    pub fn apply_transpose(&self, b: impl AsMatrix<T>) -> Mat<T> {
        &self.v * (self.u.transpose() * b.as_matrix())
    }
}

impl<T: Scalar> Entries<T> for LowRank<T> {
    fn nrows(&self) -> usize {
        self.u.nrows()
    }
    fn ncols(&self) -> usize {
        self.v.nrows()
    }
    fn tile(&self, rows: Range<usize>, cols: Range<usize>, out: &mut [T]) {
        let (height, width) = (rows.len(), cols.len());
        let product = self.u.subrows(rows.start, height) * self.v.subrows(cols.start, width).transpose();
        Entries::tile(&product.as_ref(), 0..height, 0..width, out);
    }
    fn factors(&self) -> Option<(MatRef<'_, T>, MatRef<'_, T>)> {
        Some((self.u.as_ref(), self.v.as_ref()))
    }
}
