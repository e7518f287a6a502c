//! The product of two stored matrices on all threads, and the checks of memory and overflow.
//!
//! The result is cut into strips whose size depends on the shapes alone, each computed on one
//! thread: the bits do not depend on the number of threads.

use super::largest_finite;
use crate::{Error, Result, Scalar};
use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;

/// Flops below which a product is not cut.
const SMALL: f64 = 2e6;

/// `out = lhs rhs`, whatever it held, in strips of the longer side.
pub(crate) fn product_into<T: Scalar>(out: MatMut<'_, T>, lhs: MatRef<'_, T>, rhs: MatRef<'_, T>) {
    product_onto(out, false, lhs, rhs);
}

/// `out = lhs rhs`, or `out += lhs rhs`, in strips of the longer side.
pub(crate) fn product_onto<T: Scalar>(out: MatMut<'_, T>, add: bool, lhs: MatRef<'_, T>, rhs: MatRef<'_, T>) {
    let by_rows = out.nrows() > out.ncols();
    in_strips(out, add, lhs, rhs, by_rows);
}

/// `out = lhs rhs`, whatever it held, in strips of rows: for a `rhs` of few columns.
pub(crate) fn product_by_rows<T: Scalar>(out: MatMut<'_, T>, lhs: MatRef<'_, T>, rhs: MatRef<'_, T>) {
    in_strips(out, false, lhs, rhs, true);
}

fn in_strips<T: Scalar>(
    mut out: MatMut<'_, T>,
    add: bool,
    lhs: MatRef<'_, T>,
    rhs: MatRef<'_, T>,
    by_rows: bool,
) {
    let (m, p) = out.shape();
    let strip = |side: usize| side.div_ceil(8).clamp(16, 512).next_multiple_of(16);
    if lhs.ncols() == 0 {
        if !add {
            out.fill(T::of(0.0));
        }
    } else if 2.0 * m as f64 * p as f64 * (lhs.ncols() as f64) < SMALL {
        T::product(out, add, lhs, rhs);
    } else if by_rows {
        let height = strip(m);
        out.par_row_chunks_mut(height).enumerate().for_each(|(k, out)| {
            let lhs = lhs.subrows(k * height, out.nrows());
            T::product(out, add, lhs, rhs);
        });
    } else {
        let width = strip(p);
        out.par_col_chunks_mut(width).enumerate().for_each(|(k, out)| {
            let rhs = rhs.subcols(k * width, out.ncols());
            T::product(out, add, lhs, rhs);
        });
    }
}

/// A matrix of zeros, or an error where there cannot be so much memory.
pub(crate) fn zeros<T: Scalar>(m: usize, p: usize) -> Result<Mat<T>> {
    check_memory::<T>("the product", m as f64 * p as f64, "keep it factored")?;
    Ok(Mat::zeros(m, p))
}

/// The too-large error, unless the memory for so many numbers can be had.
pub(crate) fn check_memory<T>(what: &'static str, numbers: f64, remedy: &'static str) -> Result<()> {
    let bytes = numbers * size_of::<T>() as f64;
    let fits = bytes < isize::MAX as f64 && Vec::<T>::new().try_reserve_exact(numbers as usize).is_ok();
    if fits { Ok(()) } else { Err(Error::TooLarge { what, bytes, remedy }) }
}

/// The error for a product of finite matrices with entries that are not.
pub(crate) fn check_overflow<T: Scalar>(out: MatRef<'_, T>) -> Result<()> {
    let Err(Error::NonFinite { index, .. }) = largest_finite("product", out) else { return Ok(()) };
    Err(Error::Parameter {
        name: "product",
        value: format!("overflow at {index:?}"),
        remedy: "an entry of the product exceeds the largest number of the type: scale the factors down",
    })
}
