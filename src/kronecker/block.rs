//! A block of vectors of many modes, worked on one mode after the other.
//!
//! Vectors are in row-major order of their modes, so that mode k of a block (n_1 ... n_d, l) is a
//! list of slabs (n_k, n_{k+1} ... n_d), each contiguous by rows, and nothing is transposed. Slabs
//! are cut into strips whose width depends on the shapes alone and each strip is computed on one
//! thread: the bits do not depend on the number of threads. Powers of two are taken out after each
//! mode, so that nothing overflows on the way.

use super::product::size;
use crate::matrix::{
    Moderate, check_finite, check_memory, exponent, largest_finite, max_norm, scale_by_power_of_two,
    scale_view, scaled,
};
use crate::operator::check_block;
use crate::{Error, Result, Scalar};
use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;

/// Multiplications below which a slab is not cut.
const SMALL: usize = 1 << 20;

/// `2^exponent` times a block (n_1 ... n_d, l).
pub(super) struct Block<T: Scalar> {
    values: Vec<T>,
    sizes: Vec<usize>,
    cols: usize,
    exponent: i32,
}

impl<T: Scalar> Block<T> {
    /// A copy of `b`, which needs as many rows as the product of `sizes`.
    pub(super) fn new(b: MatRef<'_, T>, sizes: Vec<usize>) -> Result<Self> {
        check_block(size(sizes.iter().copied())?, b)?;
        check_finite("b", b)?;
        let mut values = vec![T::of(0.0); b.nrows() * b.ncols()];
        MatMut::from_column_major_slice_mut(&mut values, b.nrows(), b.ncols()).copy_from(b);
        let mut block = Self { values, sizes, cols: b.ncols(), exponent: 0 };
        block.rescale()?;
        Ok(block)
    }

    /// Takes a power of two out, so that the largest magnitude is in [1, 2).
    fn rescale(&mut self) -> Result<()> {
        let rows = self.values.len() / self.cols.max(1);
        let mut view = MatMut::from_column_major_slice_mut(&mut self.values, rows, self.cols);
        let e = exponent(largest_finite("b", view.as_ref()).map_err(|_| overflow())?);
        scale_view(view.as_mut(), -e);
        self.exponent += e;
        Ok(())
    }

    /// Replaces mode k, of size n, by one of size m: `work` is given the old strip (n, w) and the
    /// new one (m, w) to fill.
    pub(super) fn map_mode(
        &mut self,
        k: usize,
        m: usize,
        work: impl Fn(MatRef<'_, T>, MatMut<'_, T>) + Sync,
    ) -> Result<()> {
        let n = std::mem::replace(&mut self.sizes[k], m);
        let right = size(self.sizes[k + 1..].iter().copied())?;
        let numbers = size(self.sizes.iter().copied())? as f64 * self.cols as f64;
        check_memory::<T>("the block", numbers, "take fewer columns at a time")?;
        let mut out = vec![T::of(0.0); numbers as usize];
        strips(&self.values, &mut out, (n, m, right), work);
        self.values = out;
        self.rescale()
    }

    /// Replaces the block by the sum over k of `factors[k]` applied along mode k.
    pub(super) fn multiply_and_add(&mut self, factors: &[MatRef<'_, T>]) -> Result<()> {
        let top = factors.iter().map(|f| exponent(T::of(max_norm(f)))).max().unwrap_or(0);
        let mut out = vec![T::of(0.0); self.values.len()];
        for (k, factor) in factors.iter().enumerate() {
            let (factor, n) = (scaled(factor, -top), factor.nrows());
            let right = size(self.sizes[k + 1..].iter().copied())?;
            strips(&self.values, &mut out, (n, n, right), |x, out| T::product(out, true, factor.as_ref(), x));
        }
        self.values = out;
        self.exponent += top;
        self.rescale()
    }

    /// Applies `a` (m, n_k) along mode k.
    pub(super) fn multiply(&mut self, k: usize, a: MatRef<'_, T>) -> Result<()> {
        let a = Moderate::new("factors", a)?;
        let matrix = a.matrix();
        if matrix.ncols() == 0 {
            return self.map_mode(k, matrix.nrows(), |_, _| ()); // zeros
        }
        self.map_mode(k, matrix.nrows(), |x, out| T::product(out, false, matrix, x))?;
        self.exponent += a.exponent;
        Ok(())
    }

    /// Adds `exponent` to the power of two that is kept apart.
    pub(super) fn shift(&mut self, exponent: i32) {
        self.exponent += exponent;
    }

    /// Multiplies row i of the block by `weights[i]`, finite numbers.
    pub(super) fn weigh(&mut self, weights: &[f64]) -> Result<()> {
        let top = exponent(max_norm(faer::ColRef::from_slice(weights).as_mat()));
        let weights: Vec<T> = weights.iter().map(|w| T::of(scale_by_power_of_two(*w, -top))).collect();
        if !weights.is_empty() {
            let weigh = |column: &mut [T]| column.iter_mut().zip(&weights).for_each(|(x, w)| *x *= *w);
            self.values.par_chunks_mut(weights.len()).for_each(weigh);
        }
        self.exponent += top;
        self.rescale()
    }

    /// The block with its power of two.
    pub(super) fn into_matrix(self) -> Result<Mat<T>> {
        let rows = size(self.sizes.iter().copied())?;
        let mut out = MatRef::from_column_major_slice(&self.values, rows, self.cols).to_owned();
        with_power(&mut out, self.exponent)?;
        Ok(out)
    }
}

/// `work` on every strip of slabs (n, right) of `x` and (m, right) of `out`.
fn strips<T: Scalar>(
    x: &[T],
    out: &mut [T],
    (n, m, right): (usize, usize, usize),
    work: impl Fn(MatRef<'_, T>, MatMut<'_, T>) + Sync,
) {
    if out.is_empty() || x.is_empty() {
        return;
    }
    let slab = |x: MatRef<'_, T>, out: MatMut<'_, T>| {
        let side = x.ncols();
        let small = n * m * side < SMALL;
        let width = if small { side } else { side.div_ceil(16).clamp(8, 1024).next_multiple_of(8) };
        out.par_col_chunks_mut(width).enumerate().for_each(|(j, out)| {
            work(x.subcols(j * width, out.ncols()), out);
        });
    };
    if right == 1 {
        let count = x.len() / n;
        let x = MatRef::from_column_major_slice(x, n, count);
        slab(x, MatMut::from_column_major_slice_mut(out, m, count));
    } else {
        out.par_chunks_mut(m * right).zip(x.par_chunks(n * right)).for_each(|(out, x)| {
            let x = MatRef::from_row_major_slice(x, n, right);
            slab(x, MatMut::from_row_major_slice_mut(out, m, right));
        });
    }
}

/// `out <- 2^e out`.
///
/// # Errors
/// [`Error::Parameter`] where that overflows.
pub(super) fn with_power<T: Scalar>(out: &mut Mat<T>, e: i32) -> Result<()> {
    scale_view(out.as_mut(), e);
    check_finite("product", &*out).map_err(|_| overflow())
}

/// The error for a result of finite numbers that is none.
pub(super) fn overflow() -> Error {
    Error::Parameter {
        name: "factors",
        value: "overflow in the result".to_string(),
        remedy: "an entry of the result exceeds the largest number of the type: scale the factors down",
    }
}
