//! Products of a stored or generated matrix with a block of vectors, the inner loop of the
//! randomized SVD.
//!
//! The work is cut into pieces whose sizes depend on the shapes alone, each computed on one
//! thread and written to its own rows of the result: the bits do not depend on the number of
//! threads. Tiles of a generated matrix are made, checked, used and forgotten.

use crate::matrix::{exponent, largest_finite, scale_by_power_of_two, scaled};
use crate::{Entries, Error, Result, Scalar};
use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;
use std::ops::Range;

/// Rows and columns of a tile of a generated matrix.
const TILE: usize = 512;
/// Flops below which a product is not cut.
const SMALL: f64 = 2e6;

/// The matrix `2^-shift A`, ready for products: checked, and of moderate size.
pub(super) struct Source<'a, T: Scalar, E: Entries<T> + ?Sized> {
    a: &'a E,
    scaled: Option<Mat<T>>,
    shift: i32,
}

impl<'a, T: Scalar, E: Entries<T> + ?Sized> Source<'a, T, E> {
    /// Checks a stored matrix and scales it (into a copy) only where it is very large or small.
    pub(super) fn new(a: &'a E) -> Result<Self> {
        let mut source = Self { a, scaled: None, shift: 0 };
        if let Some(stored) = a.stored() {
            source.shift = shift_for(largest_finite("a", stored)?);
            if source.shift != 0 {
                source.scaled = Some(scaled(stored, -source.shift));
            }
        }
        Ok(source)
    }

    /// The exponent of the power of two that was divided out.
    pub(super) fn shift(&self) -> i32 {
        self.shift
    }

    /// `A b` for `b` (n, l): (m, l). The first product of a generated matrix finds its scale.
    pub(super) fn first_product(&mut self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        if self.stored().is_some() {
            return self.product(b);
        }
        let (y, largest) = self.generated(b, false)?;
        self.shift = shift_for(largest);
        if self.shift == 0 { Ok(y) } else { self.product(b) }
    }

    /// `A b` for `b` (n, l): (m, l).
    pub(super) fn product(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        match self.stored() {
            Some(a) => Ok(in_pieces(a.nrows(), b, |rows| a.subrows(rows.start, rows.len()))),
            None => Ok(self.generated(b, false)?.0),
        }
    }

    /// `A' b` for `b` (m, l): (n, l).
    pub(super) fn transposed_product(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        match self.stored() {
            Some(a) => Ok(in_pieces(a.ncols(), b, |cols| a.subcols(cols.start, cols.len()).transpose())),
            None => Ok(self.generated(b, true)?.0),
        }
    }

    /// The whole matrix, unscaled: for matrices hardly wider than the sketch.
    pub(super) fn to_dense(&self) -> Mat<T> {
        if let Some(stored) = self.a.stored() {
            return stored.to_owned();
        }
        let (m, n) = (self.a.nrows(), self.a.ncols());
        let mut out = Mat::zeros(m, n);
        let mut tile = Vec::new();
        for j in (0..n).step_by(TILE) {
            let cols = j..(j + TILE).min(n);
            tile.resize(m * cols.len(), T::of(0.0));
            self.a.tile(0..m, cols.clone(), &mut tile);
            out.as_mut().subcols_mut(j, cols.len()).copy_from(MatRef::from_column_major_slice(
                &tile,
                m,
                cols.len(),
            ));
        }
        out
    }

    fn stored(&self) -> Option<MatRef<'_, T>> {
        self.scaled.as_ref().map(|a| a.as_ref()).or_else(|| self.a.stored())
    }

    /// `A b` or `A' b` tile by tile, and the largest magnitude of the entries of A met.
    fn generated(&self, b: MatRef<'_, T>, transposed: bool) -> Result<(Mat<T>, T)> {
        let (m, n) = (self.a.nrows(), self.a.ncols());
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
                let met = self.tile(rows.clone(), cols, tile)?;
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

    /// One checked and scaled tile; gives the largest magnitude before scaling.
    fn tile(&self, rows: Range<usize>, cols: Range<usize>, out: &mut [T]) -> Result<T> {
        let height = rows.len();
        self.a.tile(rows.clone(), cols.clone(), out);
        let whole = MatRef::from_column_major_slice(&*out, height, cols.len());
        let largest = largest_finite("a", whole).map_err(|error| match error {
            Error::NonFinite { argument, index } => {
                Error::NonFinite { argument, index: vec![rows.start + index[0], cols.start + index[1]] }
            }
            other => other,
        })?;
        if self.shift != 0 {
            out.iter_mut().for_each(|x| *x = scale_by_power_of_two(*x, -self.shift));
        }
        Ok(largest)
    }
}

/// No scaling between these exponents: sums of products neither overflow nor lose digits there.
fn shift_for<T: Scalar>(largest: T) -> i32 {
    let e = exponent(largest);
    let limit = if T::NAME == "f32" { 40 } else { 400 };
    if e.abs() <= limit { 0 } else { e }
}

/// Stacks `piece(rows) b` over ranges of the `total` rows of the result.
fn in_pieces<'a, T: Scalar>(
    total: usize,
    b: MatRef<'_, T>,
    piece: impl Fn(Range<usize>) -> MatRef<'a, T> + Sync,
) -> Mat<T> {
    let mut out = Mat::zeros(total, b.ncols());
    if 2.0 * total as f64 * b.nrows() as f64 * (b.ncols() as f64) < SMALL {
        T::product(out.as_mut(), false, piece(0..total), b);
        return out;
    }
    let height = total.div_ceil(8).clamp(16, 512).next_multiple_of(16);
    out.as_mut().par_row_chunks_mut(height).enumerate().for_each(|(k, out)| {
        let rows = k * height..k * height + out.nrows();
        T::product(out, false, piece(rows), b);
    });
    out
}
