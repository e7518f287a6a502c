//! Sparse matrices by compressed rows.

use super::apply::{Operator, check_block};
use super::products::residual_norm;
use crate::matrix::AsMatrix;
use crate::{Error, Result, Scalar};
use faer::{Mat, MatRef};
use rayon::prelude::*;
use std::ops::Range;

/// A sparse matrix (m, n), checked to be finite when made.
///
/// It is kept by rows and by columns, so that the products with A and with A' both run in
/// parallel and give the same bits on any number of threads: 2 nnz numbers and 2 nnz + m + n
/// indices. A product with l columns takes 2 nnz l flops.
///
/// ```
/// use lowrank::{Operator, faer::mat, operator::Csr};
/// let a = Csr::from_triplets(2, 3, &[(0, 2, 5.0), (1, 0, 1.0), (1, 0, 2.0)])?;
/// assert_eq!(a.nonzeros(), 2);
/// assert_eq!(a.apply(mat![[1.0], [1.0], [10.0]].as_ref())?, mat![[50.0], [3.0]]);
/// assert!(Csr::from_triplets(2, 3, &[(0, 2, f64::NAN)]).is_err());
/// # lowrank::Result::Ok(())
/// ```
#[derive(Debug, Clone)]
pub struct Csr<T: Scalar> {
    rows: Lists<T>,
    columns: Lists<T>,
}

/// Lists of (index, value), one after the other; list i is `starts[i]..starts[i + 1]`.
#[derive(Debug, Clone)]
struct Lists<T> {
    starts: Vec<usize>,
    indices: Vec<usize>,
    values: Vec<T>,
}

/// Rows of a product computed by one task.
const PIECE: usize = 256;

impl<T: Scalar> Csr<T> {
    /// The matrix whose row i has the `values[k]` at the columns `columns[k]`, for k in
    /// `starts[i]..starts[i + 1]`; the columns of a row are strictly increasing. O(nnz + m + n).
    ///
    /// # Errors
    /// [`Error::Shape`] when `starts` has not m + 1 numbers or `values` is not as long as
    /// `columns`; [`Error::Parameter`] when `starts` does not increase from 0 to nnz or the
    /// columns of a row are not increasing below n; [`Error::NonFinite`] with (row, column);
    /// [`Error::TooLarge`] when n is too large for a list of columns.
    pub fn new(
        nrows: usize,
        ncols: usize,
        starts: Vec<usize>,
        columns: Vec<usize>,
        values: Vec<T>,
    ) -> Result<Self> {
        let bad = |name, value: String, remedy| Err(Error::Parameter { name, value, remedy });
        if starts.len() != nrows.saturating_add(1) {
            let expected = format!("{} numbers are needed, one a row and one more", nrows.saturating_add(1));
            return Err(Error::Shape { argument: "starts", expected, found: vec![starts.len()] });
        }
        if values.len() != columns.len() {
            let expected = format!("{} numbers are needed, as many as columns", columns.len());
            return Err(Error::Shape { argument: "values", expected, found: vec![values.len()] });
        }
        if starts[0] != 0 || !starts.is_sorted() || starts[nrows] != values.len() {
            let value = format!("{}..{}", starts[0], starts[nrows]);
            return bad("starts", value, "nondecreasing numbers from 0 to the number of values are needed");
        }
        let bytes = (ncols as f64 + 1.0) * size_of::<usize>() as f64;
        if bytes > isize::MAX as f64 {
            return Err(Error::TooLarge {
                what: "the index of columns",
                bytes,
                remedy: "drop empty columns",
            });
        }
        for i in 0..nrows {
            let row = starts[i]..starts[i + 1];
            let found = &columns[row.clone()];
            if !found.is_sorted_by(|x, y| x < y) || found.last().is_some_and(|j| *j >= ncols) {
                let value = format!("those of row {i}");
                return bad("columns", value, "strictly increasing numbers below n are needed in each row");
            }
            if let Some(k) = row.clone().find(|k| !num_traits::Float::is_finite(values[*k])) {
                return Err(Error::NonFinite { argument: "a", index: vec![i, columns[k]] });
            }
        }
        let rows = Lists { starts, indices: columns, values };
        Ok(Self { columns: rows.turned(ncols), rows })
    }

    /// The matrix with `x` added at (i, j) for every triplet (i, j, x), in the order given; zeros
    /// stay stored. O(t log t) for t triplets.
    ///
    /// # Errors
    /// [`Error::Parameter`] when a position lies outside; those of [`Csr::new`].
    pub fn from_triplets(nrows: usize, ncols: usize, triplets: &[(usize, usize, T)]) -> Result<Self> {
        if let Some((i, j, _)) = triplets.iter().find(|(i, j, _)| *i >= nrows || *j >= ncols) {
            let remedy = "positions inside the matrix are needed";
            return Err(Error::Parameter { name: "triplets", value: format!("({i}, {j})"), remedy });
        }
        let bytes = (nrows as f64 + 1.0) * size_of::<usize>() as f64;
        if bytes > isize::MAX as f64 {
            return Err(Error::TooLarge { what: "the index of rows", bytes, remedy: "drop empty rows" });
        }
        let mut order: Vec<usize> = (0..triplets.len()).collect();
        order.sort_by_key(|k| (triplets[*k].0, triplets[*k].1));
        let mut starts = vec![0; nrows + 1];
        let (mut columns, mut values) = (Vec::<usize>::new(), Vec::<T>::new());
        let mut last = None;
        for (i, j, x) in order.into_iter().map(|k| triplets[k]) {
            match values.last_mut() {
                Some(value) if last == Some((i, j)) => *value += x,
                _ => {
                    columns.push(j);
                    values.push(x);
                    starts[i + 1] += 1;
                }
            }
            last = Some((i, j));
        }
        (0..nrows).for_each(|i| starts[i + 1] += starts[i]);
        Self::new(nrows, ncols, starts, columns, values)
    }

    /// The entries of a stored matrix that are not zero. O(m n).
    ///
    /// # Errors
    /// Those of [`Csr::new`].
    pub fn from_dense(a: impl AsMatrix<T>) -> Result<Self> {
        let a = a.as_matrix();
        let mut triplets = Vec::new();
        for i in 0..a.nrows() {
            let row = (0..a.ncols()).map(|j| (i, j, a[(i, j)]));
            triplets.extend(row.filter(|(_, _, x)| *x != T::of(0.0)));
        }
        Self::from_triplets(a.nrows(), a.ncols(), &triplets)
    }

    /// How many entries are stored.
    pub fn nonzeros(&self) -> usize {
        self.rows.values.len()
    }

    /// Writes the tile `rows` x `cols`, column by column, over zeros.
    fn tile(&self, rows: Range<usize>, cols: Range<usize>, out: &mut [T]) {
        for (at, i) in rows.clone().enumerate() {
            let (indices, values) = self.rows.list(i);
            let first = indices.partition_point(|j| *j < cols.start);
            for (j, x) in indices[first..].iter().zip(&values[first..]).take_while(|(j, _)| **j < cols.end) {
                out[at + (j - cols.start) * rows.len()] = *x;
            }
        }
    }
}

impl<T: Scalar> Lists<T> {
    fn list(&self, i: usize) -> (&[usize], &[T]) {
        let range = self.starts[i]..self.starts[i + 1];
        (&self.indices[range.clone()], &self.values[range])
    }

    /// The lists of the transpose, `count` of them.
    fn turned(&self, count: usize) -> Self {
        let mut starts = vec![0; count + 1];
        self.indices.iter().for_each(|j| starts[j + 1] += 1);
        (0..count).for_each(|j| starts[j + 1] += starts[j]);
        let mut next = starts.clone();
        let mut indices = vec![0; self.indices.len()];
        let mut values = vec![T::of(0.0); self.values.len()];
        for i in 0..self.starts.len() - 1 {
            let (columns, row) = self.list(i);
            for (j, x) in columns.iter().zip(row) {
                (indices[next[*j]], values[next[*j]]) = (i, *x);
                next[*j] += 1;
            }
        }
        Self { starts, indices, values }
    }

    /// Row i of the product is the sum of x b(j, :) over list i.
    fn product(&self, b: MatRef<'_, T>) -> Mat<T> {
        let flat = b.transpose().to_owned(); // (l, n): the rows of b, each in one piece
        let mut out: Mat<T> = Mat::zeros(b.ncols(), self.starts.len() - 1); // (l, m)
        out.as_mut().par_col_chunks_mut(PIECE).enumerate().for_each(|(piece, mut out)| {
            for k in 0..out.ncols() {
                let Some(column) = out.as_mut().col_mut(k).try_as_col_major_mut() else { continue };
                let sums = column.as_slice_mut();
                let (indices, values) = self.list(piece * PIECE + k);
                for (j, x) in indices.iter().zip(values) {
                    sums.iter_mut().zip(flat.col_as_slice(*j)).for_each(|(sum, b)| *sum += *x * *b);
                }
            }
        });
        out.transpose().to_owned()
    }
}

impl<T: Scalar> Operator<T> for Csr<T> {
    fn shape(&self) -> (usize, usize) {
        (self.rows.starts.len() - 1, self.columns.starts.len() - 1)
    }
    fn apply(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        check_block(self.shape().1, b)?;
        Ok(self.rows.product(b))
    }
    fn apply_transpose(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        check_block(self.shape().0, b)?;
        Ok(self.columns.product(b))
    }
    fn to_dense(&self) -> Result<Mat<T>> {
        let (m, n) = self.shape();
        let mut out = Mat::zeros(m, n);
        for i in 0..m {
            let (indices, values) = self.rows.list(i);
            indices.iter().zip(values).for_each(|(j, x)| out[(i, *j)] = *x);
        }
        Ok(out)
    }
    fn residual_norm(&self, left: MatRef<'_, T>, right: MatRef<'_, T>, shift: i32) -> Result<Option<f64>> {
        Ok(Some(residual_norm(left, right, shift, |rows, cols, out| self.tile(rows, cols, out))))
    }
}
