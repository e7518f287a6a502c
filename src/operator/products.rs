//! Products of a stored or generated matrix with a block of vectors, and residual norms.
//!
//! The work is cut into pieces whose sizes depend on the shapes alone, each computed on one
//! thread and written to its own rows of the result: the bits do not depend on the number of
//! threads. Tiles of a generated matrix are made, checked, used and forgotten.

use crate::matrix::{frobenius, largest_finite, product_by_rows, scale_by_power_of_two, slice_norm};
use crate::{Entries, Error, Result, Scalar};
use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;
use std::ops::Range;

/// Rows and columns of a tile of a generated matrix.
const TILE: usize = 512;

/// `A b` for a stored matrix A (m, n) and `b` (n, l), or `A' b` for `b` (m, l).
pub(crate) fn stored_product<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>, transposed: bool) -> Mat<T> {
    let a = if transposed { a.transpose() } else { a };
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    product_by_rows(out.as_mut(), a, b);
    out
}

/// `2^-shift A b` or `2^-shift A' b` tile by tile, and the largest magnitude of the entries of A.
///
/// # Errors
/// [`Error::NonFinite`] with the position of an entry of A.
pub(crate) fn tiled_product<T: Scalar, E: Entries<T> + ?Sized>(
    a: &E,
    b: MatRef<'_, T>,
    transposed: bool,
    shift: i32,
) -> Result<(Mat<T>, T)> {
    let (m, n) = (a.nrows(), a.ncols());
    let (outer, inner) = if transposed { (n, m) } else { (m, n) };
    let height = outer.div_ceil(8).clamp(32, TILE);
    let mut out = Mat::zeros(outer, b.ncols());
    let work = |(piece, mut out): (usize, MatMut<'_, T>)| -> Result<T> {
        let ours = piece * height..piece * height + out.nrows();
        let mut tile = vec![T::of(0.0); ours.len() * TILE.min(inner)];
        let mut largest = T::of(0.0);
        for k in (0..inner).step_by(TILE) {
            let theirs = k..(k + TILE).min(inner);
            let (rows, cols) =
                if transposed { (theirs.clone(), ours.clone()) } else { (ours.clone(), theirs.clone()) };
            let tile = &mut tile[..rows.len() * cols.len()];
            let met = checked_tile(a, rows.clone(), cols, shift, tile)?;
            largest = if met > largest { met } else { largest };
            let tile = MatRef::from_column_major_slice(tile, rows.len(), tile.len() / rows.len().max(1));
            let tile = if transposed { tile.transpose() } else { tile };
            T::product(out.as_mut(), true, tile, b.subrows(k, theirs.len()));
        }
        Ok(largest)
    };
    let found: Vec<Result<T>> = out.as_mut().par_row_chunks_mut(height).enumerate().map(work).collect();
    let mut largest = T::of(0.0);
    for met in found {
        let met = met?;
        largest = if met > largest { met } else { largest };
    }
    Ok((out, largest))
}

/// One checked tile of `2^-shift A`; gives the largest magnitude before scaling.
fn checked_tile<T: Scalar, E: Entries<T> + ?Sized>(
    a: &E,
    rows: Range<usize>,
    cols: Range<usize>,
    shift: i32,
    out: &mut [T],
) -> Result<T> {
    let height = rows.len();
    a.tile(rows.clone(), cols.clone(), out);
    let whole = MatRef::from_column_major_slice(&*out, height, cols.len());
    let largest = largest_finite("a", whole).map_err(|error| match error {
        Error::NonFinite { argument, index } => {
            Error::NonFinite { argument, index: vec![rows.start + index[0], cols.start + index[1]] }
        }
        other => other,
    })?;
    if shift != 0 {
        out.iter_mut().for_each(|x| *x = scale_by_power_of_two(*x, -shift));
    }
    Ok(largest)
}

/// The whole matrix, unscaled and unchecked.
pub(crate) fn tiled_to_dense<T: Scalar, E: Entries<T> + ?Sized>(a: &E) -> Mat<T> {
    let (m, n) = (a.nrows(), a.ncols());
    let mut out = Mat::zeros(m, n);
    let mut tile = Vec::new();
    for j in (0..n).step_by(TILE) {
        let cols = j..(j + TILE).min(n);
        tile.resize(m * cols.len(), T::of(0.0));
        a.tile(0..m, cols.clone(), &mut tile);
        let tile = MatRef::from_column_major_slice(&tile, m, cols.len());
        out.as_mut().subcols_mut(j, cols.len()).copy_from(tile);
    }
    out
}

/// |2^-shift A - L R'|_F from the residual, for `left` (m, k) and `right` (n, k); `fill` writes a
/// tile of A, column by column. 2 m n k flops, memory a tile a thread.
pub(crate) fn residual_norm<T: Scalar>(
    left: MatRef<'_, T>,
    right: MatRef<'_, T>,
    shift: i32,
    fill: impl Fn(Range<usize>, Range<usize>, &mut [T]) + Sync,
) -> f64 {
    let (m, n) = (left.nrows(), right.nrows());
    let across = n.div_ceil(TILE);
    let norms: Vec<f64> = (0..m.div_ceil(TILE) * across)
        .into_par_iter()
        .map(|piece| {
            let (i, j) = (piece / across * TILE, piece % across * TILE);
            let (rows, cols) = (i..(i + TILE).min(m), j..(j + TILE).min(n));
            let (height, width) = (rows.len(), cols.len());
            let mut tile = vec![T::of(0.0); height * width];
            fill(rows, cols, &mut tile);
            tile.iter_mut().for_each(|x| *x = -scale_by_power_of_two(*x, -shift));
            let mut tile = MatMut::from_column_major_slice_mut(&mut tile, height, width);
            T::product(tile.as_mut(), true, left.subrows(i, height), right.subrows(j, width).transpose());
            frobenius(tile.as_ref())
        })
        .collect();
    slice_norm(&norms)
}
