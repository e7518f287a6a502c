//! Orthonormal cores.
//!
//! A core of shape (l, n, r) is left-orthonormal where its unfolding (l n, r) has orthonormal
//! columns, right-orthonormal where that of shape (l, n r) has orthonormal rows.

use super::{TensorTrain, core_from, dense, scale};
use crate::svd::{self, Qr};
use crate::{Result, Scalar};
use faer::{Mat, MatRef};
use ndarray::Array3;

impl<T: Scalar> TensorTrain<T> {
    /// The same tensor with every core but the last left-orthonormal, by QR factorizations from
    /// left to right. Ranks may fall to what the shape permits. O(d n r^3).
    ///
    /// Where the norm of the train is beyond the ends of the floating-point range, cores are
    /// orthonormal up to a power of two.
    ///
    /// # Errors
    /// None for finite cores.
    pub fn orthogonalize_left(self) -> Result<Self> {
        let (mut cores, j) = self.into_normalized();
        let j = j + left_sweep(&mut cores)?;
        let last = cores.len() - 1;
        scale::restore(&mut cores, last, j);
        Ok(Self::from_valid(cores))
    }

    /// The same tensor with every core but the first right-orthonormal, by QR factorizations from
    /// right to left. Cost and limits as [`TensorTrain::orthogonalize_left`].
    ///
    /// # Errors
    /// None for finite cores.
    pub fn orthogonalize_right(self) -> Result<Self> {
        let (mut cores, j) = self.into_normalized();
        let j = j + right_sweep(&mut cores)?;
        scale::restore(&mut cores, 0, j);
        Ok(Self::from_valid(cores))
    }

    /// The cores divided by powers of two, and the sum of the exponents.
    pub(super) fn into_normalized(self) -> (Vec<Array3<T>>, i32) {
        let mut cores = self.cores;
        let j = scale::normalize(&mut cores);
        (cores, j)
    }
}

/// Makes every core but the first right-orthonormal; returns the exponent taken out.
pub(super) fn right_sweep<T: Scalar>(cores: &mut [Array3<T>]) -> Result<i32> {
    let mut taken = 0;
    if cores.iter().any(|core| core.is_empty()) {
        return Ok(taken);
    }
    for k in (1..cores.len()).rev() {
        let (left, n, right) = cores[k].dim();
        let data = cores[k].as_slice().unwrap_or(&[]);
        let Qr { q, r } = svd::qr(MatRef::from_column_major_slice(data, n * right, left))?;
        let rank = q.ncols();
        cores[k] = core_from((rank, n, right), columns(q.as_ref()));
        // G_{k-1} R': (l n, left) times (left, rank)
        let (l, m, _) = cores[k - 1].dim();
        let r_transposed = columns(r.as_ref()); // row-major (left, rank)
        let before = cores[k - 1].as_slice().unwrap_or(&[]);
        let product = dense::product(before, &r_transposed, (l * m, left, rank), "a core")?;
        cores[k - 1] = core_from((l, m, rank), product);
        taken += scale::normalize(&mut cores[k - 1..k]);
    }
    Ok(taken)
}

/// Makes every core but the last left-orthonormal; returns the exponent taken out.
fn left_sweep<T: Scalar>(cores: &mut [Array3<T>]) -> Result<i32> {
    let mut taken = 0;
    if cores.iter().any(|core| core.is_empty()) {
        return Ok(taken);
    }
    for k in 0..cores.len() - 1 {
        shift_right(cores, k)?;
        taken += scale::normalize(&mut cores[k + 1..k + 2]);
    }
    Ok(taken)
}

/// Makes core k left-orthonormal; its R goes to the next one.
pub(super) fn shift_right<T: Scalar>(cores: &mut [Array3<T>], k: usize) -> Result<()> {
    let (left, n, right) = cores[k].dim();
    let data = cores[k].as_slice().unwrap_or(&[]);
    let Qr { q, r } = svd::qr(MatRef::from_row_major_slice(data, left * n, right))?;
    let rank = q.ncols();
    cores[k] = core_from((left, n, rank), rows(q.as_ref()));
    // R G_{k+1}: (rank, right) times (right, m s)
    let (_, m, s) = cores[k + 1].dim();
    let after = cores[k + 1].as_slice().unwrap_or(&[]);
    let product = dense::product(&rows(r.as_ref()), after, (rank, right, m * s), "a core")?;
    cores[k + 1] = core_from((rank, m, s), product);
    Ok(())
}

/// The entries column by column.
pub(super) fn columns<T: Scalar>(a: MatRef<'_, T>) -> Vec<T> {
    a.col_iter().flat_map(|column| column.iter().copied()).collect()
}

/// The entries row by row.
pub(super) fn rows<T: Scalar>(a: MatRef<'_, T>) -> Vec<T> {
    let transposed: Mat<T> = a.transpose().to_owned();
    columns(transposed.as_ref())
}
