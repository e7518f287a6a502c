//! Blocks of entries of a Kronecker product.
//!
//! **Problem.** The entries of M1 (x) ... (x) Md at a range of rows and a range of columns.
//!
//! **Method.** A column of the product is cut into runs of the m_d rows that differ in their last
//! index alone: a run is a column of Md times one number, the product of an entry of each other factor.
//!
//! **Cost.** One flop an entry and d a run; no memory besides the result.
//!
//! **Guarantee.** Every entry to d eps of itself, or to the smallest positive number of the type times the
//! largest entry. The bits do not depend on the number of threads. Factors with entries near 1e300 or
//! 1e-300 are scaled by powers of two on the way.
//!
//! **Deviations.** None.

use super::Kronecker;
use crate::matrix::{Moderate, check_overflow, scale_view, zeros};
use crate::{Error, Result, Scalar};
use faer::Mat;
use rayon::prelude::*;
use std::ops::Range;

/// Entries computed by one task, about.
const PIECE: usize = 1 << 16;

impl<T: Scalar> Kronecker<T> {
    /// The entries at these rows and columns, a matrix of as many rows and columns.
    ///
    /// # Errors
    /// [`Error::Shape`] when a range ends beyond the matrix; [`Error::TooLarge`] when the result cannot
    /// be addressed; [`Error::Parameter`] when an entry exceeds the largest number of the type.
    ///
    /// ```
    /// use lowrank::{faer::mat, kronecker::Kronecker};
    /// let a = Kronecker::new(vec![mat![[1.0, 2.0]], mat![[1.0, 0.0], [3.0, 1.0]]])?;
    /// assert_eq!(a.block(1..2, 1..4)?, mat![[1.0, 6.0, 2.0]]);
    /// # lowrank::Result::Ok(())
    /// ```
    pub fn block(&self, rows: Range<usize>, cols: Range<usize>) -> Result<Mat<T>> {
        let (m, n) = self.shape();
        for (argument, range, size) in [("rows", &rows, m), ("cols", &cols, n)] {
            if range.end > size {
                let expected = format!("the product has {size} of them");
                return Err(Error::Shape { argument, expected, found: vec![range.start, range.end] });
            }
        }
        let mut out = zeros(rows.len(), cols.len())?; // (rows, cols)
        if rows.is_empty() || cols.is_empty() {
            return Ok(out);
        }
        let count = self.order();
        let factors: Vec<Moderate<'_, T>> = self
            .factors()
            .iter()
            .map(|f| Moderate::one_of(count + 1, "factors", f.as_ref()))
            .collect::<Result<_>>()?;
        let (last, others) = (factors[count - 1].matrix(), &factors[..count - 1]);
        let width = (PIECE / rows.len()).max(1);
        out.as_mut().par_col_chunks_mut(width).enumerate().for_each(|(piece, out)| {
            for (k, column) in out.col_iter_mut().enumerate() {
                let j = cols.start + piece * width + k;
                let (j, last_j) = (j / last.ncols(), j % last.ncols());
                let Some(column) = column.try_as_col_major_mut() else { continue };
                let mut rest = column.as_slice_mut();
                let mut row = rows.start;
                while !rest.is_empty() {
                    let (i, last_i) = (row / last.nrows(), row % last.nrows());
                    let length = rest.len().min(last.nrows() - last_i);
                    let (run, after) = rest.split_at_mut(length);
                    let weight = entry(others, i, j);
                    for (l, x) in run.iter_mut().enumerate() {
                        *x = weight * last[(last_i + l, last_j)];
                    }
                    (rest, row) = (after, row + length);
                }
            }
        });
        scale_view(out.as_mut(), factors.iter().map(|f| f.exponent).sum());
        check_overflow(out.as_ref())?;
        Ok(out)
    }
}

/// Entry (i, j) of the product of some factors.
fn entry<T: Scalar>(factors: &[Moderate<'_, T>], mut i: usize, mut j: usize) -> T {
    let mut x = T::of(1.0);
    for factor in factors.iter().rev() {
        let (m, n) = factor.matrix().shape();
        x *= factor.matrix()[(i % m, j % n)];
        (i, j) = (i / m, j / n);
    }
    x
}
