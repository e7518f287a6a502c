//! What every matrix algorithm needs first: norms that neither overflow nor underflow, a check
//! for NaN and infinities, exact scaling by powers of two, canonical signs, and conversions
//! between faer, ndarray and nalgebra without copies.

mod as_matrix;
mod convert;
mod finite;
mod kernel;
mod norms;
mod product;
mod scaling;
mod signs;
mod square;

pub use as_matrix::AsMatrix;
pub(crate) use convert::view_of_array_mut;
pub use convert::{array_of, array_view, nalgebra_of, nalgebra_view, view_of_array};
pub use finite::{
    check_finite, check_finite_array, check_finite_slice, largest_finite, largest_finite_array,
};
pub(crate) use finite::{check_rows, largest_in_parallel};
#[doc(hidden)]
pub use kernel::Kernel;
pub use norms::{frobenius, max_norm, slice_norm, spectral, two_to_infinity};
pub(crate) use product::{check_memory, check_overflow, product_by_rows, product_into, product_onto, zeros};
pub(crate) use scaling::{Moderate, excess, scale_view};
pub use scaling::{exponent, scale_by_power_of_two, scale_in_place, scaled};
pub use signs::canonical_signs;

use crate::Scalar;
use faer::MatRef;

/// Calls `visit(outer, values)` for each column of `a`, or for each row where the rows are the
/// contiguous direction; `None` for the whole where neither is contiguous.
///
/// Returns whether the values were rows; the order of visits is always that of memory.
pub(crate) fn visit_lanes<T: Scalar>(a: MatRef<'_, T>, mut visit: impl FnMut(usize, &[T])) -> bool {
    let (m, n) = a.shape();
    if let Some(columns) = a.try_as_col_major() {
        for j in 0..n {
            visit(j, columns.col(j).as_slice());
        }
        return false;
    }
    if let Some(rows) = a.transpose().try_as_col_major() {
        for i in 0..m {
            visit(i, rows.col(i).as_slice());
        }
        return true;
    }
    let mut column = vec![T::of(0.0); m];
    for j in 0..n {
        for (i, x) in column.iter_mut().enumerate() {
            *x = a[(i, j)];
        }
        visit(j, &column);
    }
    false
}
