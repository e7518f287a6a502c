//! The register kernel of the pass: one chunk of the residual R = P Q' - F, tile by tile, in
//! registers, with what of it exceeds the level multiplied at once. See `pass`.

use super::packed::{Aligned, Packed};
use super::source::Source;
use crate::Scalar;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use pulp::{Simd, WithSimd};
use std::ops::Range;

/// Columns of the register tile.
pub(crate) const NR: usize = 8;
/// Registers per column of the register tile.
pub(crate) const MR: usize = 3;
/// Rows and columns of a tile of F; the rows are a multiple of MR registers of any machine.
const TILE_ROWS: usize = 240;
const TILE_COLS: usize = 128;

/// One register tile of R.
#[repr(align(64))]
struct Tile<T>([T; NR * MR * 16]);

/// What one chunk found, rows padded to whole registers.
#[derive(Default)]
pub(crate) struct Part<T> {
    pub max: T,
    pub phi: f64,
    pub nnz: usize,
    pub p: Aligned<T>,
    pub q: Aligned<T>,
}

/// How many scalars a register of this machine holds.
#[derive(Default)]
pub(crate) struct Lanes<T>(std::marker::PhantomData<T>);

impl<T: Scalar> WithSimd for Lanes<T> {
    type Output = usize;
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        size_of::<T::V<S>>() / size_of::<T>()
    }
}

/// One chunk of rows or columns of the pass.
pub(crate) struct Chunk<'a, T: Scalar> {
    pub source: &'a Source<'a, T>,
    pub p: &'a Packed<T>,
    pub q: &'a Packed<T>,
    pub r: usize,
    pub stride: usize,
    pub eps: T,
    /// Whether S is multiplied as a dense matrix.
    pub dense: bool,
    pub rows: Range<usize>,
    pub cols: Range<usize>,
    pub part: &'a mut Part<T>,
}

impl<T: Scalar> WithSimd for Chunk<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        (self.part.phi, self.part.nnz) = (0.0, 0);
        let mut f_tile = Vec::new();
        let mut s_tile = Vec::new();
        let mut largest = T::v_splat(simd, T::of(0.0));
        let (source, rows, cols) = (self.source, self.rows.clone(), self.cols.clone());
        for j0 in cols.clone().step_by(TILE_COLS) {
            let cols = j0..(j0 + TILE_COLS).min(cols.end);
            for i0 in rows.clone().step_by(TILE_ROWS) {
                let rows = i0..(i0 + TILE_ROWS).min(rows.end);
                let height = rows.len();
                if source.columns().is_none() {
                    f_tile.resize(height * cols.len(), T::of(0.0));
                    source.tile(rows.clone(), cols.clone(), &mut f_tile);
                }
                let f = |j: usize| match source.columns() {
                    Some(columns) => &columns[j][rows.clone()],
                    None => &f_tile[(j - j0) * height..][..height],
                };
                if self.dense {
                    s_tile.resize(TILE_ROWS * TILE_COLS, T::of(0.0));
                    self.tile::<S>(simd, &rows, &cols, f, &mut s_tile, &mut largest);
                    self.multiply(&rows, &cols, &s_tile);
                } else {
                    self.tile::<S>(simd, &rows, &cols, f, &mut [], &mut largest);
                }
            }
        }
        self.part.max = T::v_reduce_max(simd, largest);
    }
}

impl<T: Scalar> Chunk<'_, T> {
    /// One tile of R: its largest entry, its part of phi, and either its S, column by column with
    /// stride TILE_ROWS, or the products with it.
    #[inline(always)]
    fn tile<'f, S: Simd>(
        &mut self,
        simd: S,
        rows: &Range<usize>,
        cols: &Range<usize>,
        f: impl Fn(usize) -> &'f [T],
        s_tile: &mut [T],
        largest: &mut T::V<S>,
    ) where
        T: 'f,
    {
        let zero = T::of(0.0);
        let lanes = size_of::<T::V<S>>() / size_of::<T>();
        let (width, r) = (MR * lanes, self.r);
        let (level, minus) = (T::v_splat(simd, self.eps), T::v_splat(simd, -self.eps));
        let mut pad = [zero; MR * 16];
        let mut phi = T::v_splat(simd, zero);
        let mut residual = Tile([zero; NR * MR * 16]);
        for j in cols.clone().step_by(NR) {
            let n_cols = (j + NR).min(cols.end) - j;
            let q_panel = &self.q.panels[j / NR * NR * r..][..NR * r];
            for i in rows.clone().step_by(width) {
                let n_rows = (i + width).min(rows.end) - i;
                let p_panel = &self.p.panels[i / width * width * r..][..width * r];
                let product = product::<T, S>(simd, p_panel, q_panel);
                // Bit by bit, which entries of the register tile exceed the level.
                let mut over = [0u64; NR * MR * 16 / 64];
                for c in 0..n_cols {
                    let mut f = &f(j + c)[i - rows.start..];
                    if n_rows < width {
                        pad[..n_rows].copy_from_slice(&f[..n_rows]);
                        f = &pad;
                    }
                    let f = T::v_registers::<S>(&f[..width]);
                    for k in 0..MR {
                        let d = T::v_sub(simd, product[c][k], f[k]);
                        let size = T::v_abs(simd, d);
                        *largest = T::v_max(simd, *largest, size);
                        let at = c * width + k * lanes;
                        over[at / 64] |= (T::v_greater(simd, size, level) as u64) << (at % 64);
                        if self.dense {
                            let s = T::v_sub(simd, d, T::v_max(simd, T::v_min(simd, d, level), minus));
                            phi = T::v_mul_add(simd, s, s, phi);
                            let at = (j - cols.start + c) * TILE_ROWS + i - rows.start + k * lanes;
                            T::v_registers_mut::<S>(&mut s_tile[at..at + lanes])[0] = s;
                        } else {
                            T::v_registers_mut::<S>(&mut residual.0)[c * MR + k] = d;
                        }
                    }
                }
                self.part.nnz += over.iter().map(|bits| bits.count_ones() as usize).sum::<usize>();
                if !self.dense {
                    self.scatter::<S>(simd, i, j, &residual.0, &over);
                }
            }
        }
        self.part.phi += T::v_reduce_sum(simd, phi).as_f64();
    }

    /// Adds the products with the few entries of S in the register tile at (i, j).
    #[inline(always)]
    fn scatter<S: Simd>(&mut self, simd: S, i: usize, j: usize, residual: &[T], over: &[u64]) {
        let Self { part, stride, eps, .. } = self;
        let width = MR * (size_of::<T::V<S>>() / size_of::<T>());
        for (w, &word) in over.iter().enumerate() {
            let mut bits = word;
            while bits != 0 {
                let at = 64 * w + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let d = residual[at];
                let s = if d < T::of(0.0) { d + *eps } else { d - *eps };
                part.phi += s.as_f64() * s.as_f64();
                let s = T::v_splat(simd, s);
                let row = (i + at % width) * *stride;
                let col = (j + at / width) * *stride;
                let (row_here, col_here) = (row - self.rows.start * *stride, col - self.cols.start * *stride);
                let p = T::v_registers::<S>(&self.p.rows[row..row + *stride]);
                let q = T::v_registers::<S>(&self.q.rows[col..col + *stride]);
                let sum_p = T::v_registers_mut::<S>(&mut part.p[row_here..row_here + *stride]);
                let sum_q = T::v_registers_mut::<S>(&mut part.q[col_here..col_here + *stride]);
                for (((sum_p, sum_q), &p), &q) in sum_p.iter_mut().zip(sum_q).zip(p).zip(q) {
                    *sum_p = T::v_mul_add(simd, s, q, *sum_p);
                    *sum_q = T::v_mul_add(simd, s, p, *sum_q);
                }
            }
        }
    }

    /// Adds both products with a dense tile of S.
    fn multiply(&mut self, rows: &Range<usize>, cols: &Range<usize>, s_tile: &[T]) {
        let (height, n_cols, r, stride) = (rows.len(), cols.len(), self.r, self.stride);
        let s = MatRef::from_column_major_slice_with_stride(s_tile, height, n_cols, TILE_ROWS);
        let all = |range: &Range<usize>, from| (range.start - from) * stride..(range.end - from) * stride;
        let view = |x, n| MatRef::from_row_major_slice_with_stride(x, n, r, stride);
        let (p_rows, q_rows) =
            (view(&self.p.rows[all(rows, 0)], height), view(&self.q.rows[all(cols, 0)], n_cols));
        let add = |sum: &mut [T], a: MatRef<'_, T>, b, n| {
            // (faer 0.24's `from_row_major_slice_with_stride_mut` takes the slice by columns.)
            let sum = MatMut::from_column_major_slice_with_stride_mut(sum, r, n, stride).transpose_mut();
            matmul(sum, Accum::Add, a, b, T::of(1.0), Par::Seq);
        };
        add(&mut self.part.p[all(rows, self.rows.start)], s, q_rows, height);
        add(&mut self.part.q[all(cols, self.cols.start)], s.transpose(), p_rows, n_cols);
    }
}

/// One register tile of P Q': MR registers by NR columns, r products each.
#[inline(always)]
fn product<T: Scalar, S: Simd>(simd: S, p: &[T], q: &[T]) -> [[T::V<S>; MR]; NR] {
    let mut acc = [[T::v_splat(simd, T::of(0.0)); MR]; NR];
    for (a, b) in T::v_registers::<S>(p).chunks_exact(MR).zip(q.chunks_exact(NR)) {
        let a: [T::V<S>; MR] = std::array::from_fn(|i| a[i]);
        for j in 0..NR {
            let b = T::v_splat(simd, b[j]);
            for i in 0..MR {
                acc[j][i] = T::v_mul_add(simd, a[i], b, acc[j][i]);
            }
        }
    }
    acc
}
