//! Products with a tensor and its mask as matrices, and norms, tile by tile: what is multiplied, the mask as
//! zeros and ones or a residual, is written out in the cache alone.

use super::observed::packed;
use crate::Scalar;
use faer::{Mat, MatMut, MatRef};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;

/// Numbers of a tile.
const TILE: usize = 1 << 13;

/// Products of each two columns.
pub(super) fn pairs<T: Scalar>(columns: MatRef<'_, T>) -> Mat<T> {
    let s = columns.ncols();
    let slice = |k: usize| columns.col(k).try_as_col_major().map_or(&[][..], |c| c.as_slice());
    let mut out = Mat::zeros(columns.nrows(), packed(s, 0));
    for k in 0..s {
        for l in 0..=k {
            let both = slice(k).iter().zip(slice(l));
            out.col_as_slice_mut(packed(k, l)).iter_mut().zip(both).for_each(|(out, (x, y))| *out = *x * *y);
        }
    }
    out
}

/// Entries and mask as matrices of this shape, by columns.
pub(super) struct Grid<'a, T> {
    pub entries: &'a [T],
    pub mask: &'a [bool],
    pub shape: (usize, usize),
}

/// The factors (p, s) and (q, s) of X.
pub(super) type Factors<'a, T> = (&'a Mat<T>, &'a Mat<T>);

impl<T: Scalar> Grid<'_, T> {
    /// Makes of each number x of a tile `of(a, x)` where the entry a is observed, 0 elsewhere.
    pub fn tile(&self, rows: Range<usize>, cols: Range<usize>, tile: &mut [T], of: impl Fn(T, T) -> T) {
        for (tile, column) in tile.chunks_exact_mut(rows.len()).zip(cols) {
            let place = column * self.shape.0 + rows.start;
            let (entries, mask) = (&self.entries[place..][..rows.len()], &self.mask[place..][..rows.len()]);
            Arch::new().dispatch(Column { tile, entries, mask, of: &of });
        }
    }

    /// A tile of W * (A - X), or of W * A.
    pub fn residual(
        &self,
        x: Option<Factors<'_, T>>,
        rows: Range<usize>,
        cols: Range<usize>,
        tile: &mut [T],
    ) {
        let Some((left, right)) = x else { return self.tile(rows, cols, tile, |a, _| a) };
        let out = MatMut::from_column_major_slice_mut(tile, rows.len(), cols.len());
        let left = left.as_ref().subrows(rows.start, rows.len());
        let right = right.as_ref().subrows(cols.start, cols.len());
        T::product(out, false, left, right.transpose());
        self.tile(rows, cols, tile, |a, x| a - x);
    }

    /// |W * (A - X)|_F, or |W * A|_F.
    pub fn norm(&self, x: Option<Factors<'_, T>>) -> f64 {
        let (p, q) = self.shape;
        let width = (TILE / p).clamp(1, q);
        let square = |buffer: &mut Vec<T>, block: usize| {
            let cols = block * width..(block * width + width).min(q);
            buffer.resize(p * cols.len(), T::of(0.0));
            self.residual(x, 0..p, cols, buffer);
            squares(buffer)
        };
        let blocks = (0..q.div_ceil(width)).into_par_iter();
        blocks.map_init(Vec::new, square).collect::<Vec<f64>>().iter().sum::<f64>().sqrt()
    }

    /// The matrix whose tiles `fill` writes, or its transpose, times `right`, or times the products of each
    /// two columns of it where `paired`. What is summed in which order depends on the shapes alone.
    pub fn product(
        &self,
        transposed: bool,
        right: &Mat<T>,
        paired: bool,
        fill: impl Fn(Range<usize>, Range<usize>, &mut [T]) + Sync,
    ) -> Mat<T> {
        let (p, q) = self.shape;
        let (own, sum) = if transposed { (q, p) } else { (p, q) };
        let columns = if paired { packed(right.ncols(), 0) } else { right.ncols() };
        let strip = |start: usize, range: Range<usize>, mut out: MatMut<'_, T>| {
            let height = out.nrows();
            let depth = (TILE / height).clamp(1, range.len());
            let mut tile = vec![T::of(0.0); height * depth];
            for from in range.clone().step_by(depth) {
                let to = (from + depth).min(range.end);
                let (rows, cols) = (start..start + height, from..to);
                let (rows, cols) = if transposed { (cols, rows) } else { (rows, cols) };
                let shape = (rows.len(), cols.len());
                let tile = &mut tile[..shape.0 * shape.1];
                fill(rows, cols, tile);
                let tile = MatRef::from_column_major_slice(tile, shape.0, shape.1);
                let tile = if transposed { tile.transpose() } else { tile };
                let (right, add) = (right.as_ref().subrows(from, to - from), from > range.start);
                if paired {
                    T::product(out.as_mut(), add, tile, pairs(right).as_ref());
                } else {
                    T::product(out.as_mut(), add, tile, right);
                }
            }
        };
        let mut out = Mat::zeros(own, columns);
        let pieces = (sum / (16 * columns)).min(16);
        if own <= 512 && pieces >= 4 {
            // Few rows, long sums: a part of the sum each.
            let width = sum.div_ceil(pieces);
            let part = |piece: usize| {
                let mut part = Mat::zeros(own, columns);
                strip(0, piece * width..(piece * width + width).min(sum), part.as_mut());
                part
            };
            let parts: Vec<Mat<T>> = (0..sum.div_ceil(width)).into_par_iter().map(part).collect();
            parts.iter().for_each(|part| out += part);
        } else {
            let height = own.div_ceil(8).clamp(16, 128).next_multiple_of(16);
            let strips = out.as_mut().par_row_chunks_mut(height).enumerate();
            strips.for_each(|(place, out)| strip(place * height, 0..sum, out));
        }
        out
    }
}

/// A column of a tile, for the vector units.
struct Column<'a, T, F> {
    tile: &'a mut [T],
    entries: &'a [T],
    mask: &'a [bool],
    of: F,
}

impl<T: Scalar, F: Fn(T, T) -> T> WithSimd for Column<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let zero = T::of(0.0);
        for ((x, a), seen) in self.tile.iter_mut().zip(self.entries).zip(self.mask) {
            let value = (self.of)(*a, *x);
            *x = if *seen { value } else { zero };
        }
    }
}

/// The sum of squares, in independent lanes for the vector units.
fn squares<T: Scalar>(x: &[T]) -> f64 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += x.as_f64() * x.as_f64());
    }
    sums.iter_mut().zip(rest).for_each(|(sum, x)| *sum += x.as_f64() * x.as_f64());
    sums.iter().sum()
}
