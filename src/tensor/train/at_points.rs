//! A train beside scattered entries: its entries at many indices, and their error.

use super::TensorTrain;
use crate::matrix::{check_finite_slice, slice_norm};
use crate::{Error, Result, Scalar};
use ndarray::ArrayView2;
use rayon::prelude::*;

impl<T: Scalar> TensorTrain<T> {
    /// The entries at the rows of `points` (m, d). O(m d r^2).
    ///
    /// # Errors
    /// [`Error::Shape`] where a row is no index.
    pub fn entries_at(&self, points: ArrayView2<'_, usize>) -> Result<Vec<T>> {
        let lines: Vec<Vec<usize>> = points.rows().into_iter().map(|row| row.to_vec()).collect();
        lines.par_iter().map(|index| self.entry(index)).collect()
    }

    /// The root of the sum of (X(i_s) - y_s)^2, over that of y_s^2 (0 where both are 0).
    ///
    /// # Errors
    /// [`Error::Shape`] where a row is no index or the values are not one a row; [`Error::NonFinite`].
    pub fn error_at(&self, points: ArrayView2<'_, usize>, values: &[T]) -> Result<f64> {
        check_samples(&self.shape, points, values)?;
        let found = self.entries_at(points)?;
        let residual: Vec<T> = found.iter().zip(values).map(|(x, y)| *x - *y).collect();
        let (error, norm) = (slice_norm(&residual), slice_norm(values));
        Ok(if error == 0.0 { 0.0 } else { error / norm })
    }
}

/// Rows that are indices, and a finite value for each.
pub(in crate::tensor) fn check_samples<T: Scalar>(
    shape: &[usize],
    points: ArrayView2<'_, usize>,
    values: &[T],
) -> Result<()> {
    let wrong = |argument, expected: String, found| Err(Error::Shape { argument, expected, found });
    let (m, d) = points.dim();
    if shape.is_empty() || d != shape.len() || m == 0 {
        let expected =
            format!("one row a sample, at least one, with {} indices each, is needed", shape.len());
        return wrong("points", expected, vec![m, d]);
    }
    if values.len() != m {
        return wrong("values", format!("one value a point, {m} in all, is needed"), vec![values.len()]);
    }
    if let Some(row) = points.rows().into_iter().find(|row| row.iter().zip(shape).any(|(i, n)| i >= n)) {
        return wrong("points", format!("each index must be below its size in {shape:?}"), row.to_vec());
    }
    check_finite_slice("values", values)
}
