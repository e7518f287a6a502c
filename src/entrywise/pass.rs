//! The fused pass: everything a step needs to know of the residual R = P Q' - F, in one sweep
//! over tiles that are never written to memory.
//!
//! Problem: for factors P (np, r), Q (nq, r) and a level eps, find max |R|, the hinge
//! phi = sum (|R| - eps)_+^2 and both products S Q and S' P of the clipped residual
//! S = R - clip(R, -eps, eps).
//! Method: F is read (or generated) by tiles; a register kernel forms 3 registers x 8 columns
//! of R at a time and compares them with eps; the entries over the level, a few percent, are
//! scattered at once into both products. Where they are more, tiles of S are multiplied densely.
//! Cost: 2 np nq r + 4 nnz(S) r flops, one read of F, workspace 8 to 16 copies of the
//! shorter factor.
//! Guarantee: the sums are taken in an order that depends on the shape only: any number of
//! threads gives the same bits.

use super::packed::{Aligned, Packed};
use super::source::Source;
use crate::Scalar;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;

/// Columns of the register tile.
const NR: usize = 8;
/// Registers per column of the register tile.
const MR: usize = 3;
/// Share of entries over the level from which on S is multiplied as a dense matrix (measured: a
/// scattered entry costs about 7 dense ones).
const DENSE: f64 = 0.15;
/// Rows and columns of a tile of F; the rows are a multiple of MR registers of any machine.
const TILE_ROWS: usize = 240;
const TILE_COLS: usize = 128;

/// What one pass found.
#[derive(Default)]
pub(crate) struct Residual<T> {
    /// max |R|.
    pub max: T,
    /// sum (|R| - eps)_+^2.
    pub phi: f64,
    /// Entries over the level.
    pub nnz: usize,
    /// S Q, (np, r) row-major.
    pub p: Vec<T>,
    /// S' P, (nq, r) row-major.
    pub q: Vec<T>,
}

/// The memory of a pass, kept from one to the next (fresh pages cost as much as the flops).
#[derive(Default)]
pub(crate) struct Workspace<T> {
    p: Packed<T>,
    q: Packed<T>,
    parts: Vec<Part<T>>,
    /// What the last pass found.
    pub found: Residual<T>,
}

/// Runs the pass; the result is in `workspace.found`. `p` (np, r) and `q` (nq, r) are row-major.
pub(crate) fn residual<T: Scalar>(
    source: &Source<'_, T>,
    p: &[T],
    q: &[T],
    r: usize,
    eps: T,
    workspace: &mut Workspace<T>,
) {
    let lanes = Arch::new().dispatch(Lanes::<T>(std::marker::PhantomData));
    let (np, nq) = (source.np, source.nq);
    let stride = r.div_ceil(lanes) * lanes;
    let Workspace { p: packed_p, q: packed_q, parts, found } = workspace;
    packed_p.pack(p, np, r, MR * lanes, stride);
    packed_q.pack(q, nq, r, NR, stride);
    // Judged by the last pass: S changes little from one to the next.
    let dense = found.nnz as f64 > DENSE * np as f64 * nq as f64;
    // The longer side is cut, so that the product with the shorter one, which every chunk has of
    // its own, is small.
    let by_rows = np > nq;
    let (long, unit) = if by_rows { (np, MR * lanes) } else { (nq, NR) };
    let panels = long.div_ceil(unit);
    let chunks = if long < 2048 { 8 } else { 16 }.min(panels.max(1));
    parts.resize_with(chunks, Part::default);
    parts.par_iter_mut().enumerate().for_each(|(c, part)| {
        let piece = c * panels / chunks * unit..((c + 1) * panels / chunks * unit).min(long);
        let (rows, cols) = if by_rows { (piece, 0..nq) } else { (0..np, piece) };
        part.p.clear(rows.len() * stride);
        part.q.clear(cols.len() * stride);
        let (p, q) = (&*packed_p, &*packed_q);
        Arch::new().dispatch(Chunk { source, p, q, r, stride, eps, dense, rows, cols, part });
    });
    found.max = parts.iter().fold(T::of(0.0), |a, x| if x.max > a { x.max } else { a });
    found.phi = parts.iter().map(|x| x.phi).sum();
    found.nnz = parts.iter().map(|x| x.nnz).sum();
    let (p, q) = (parts.iter().map(|x| &x.p[..]).collect(), parts.iter().map(|x| &x.q[..]).collect());
    let (joined, summed) = if by_rows { (p, q) } else { (q, p) };
    let (long, short) = if by_rows { (&mut found.p, &mut found.q) } else { (&mut found.q, &mut found.p) };
    join(joined, r, stride, long);
    sum(summed, r, stride, short);
}

/// The rows of all `parts` one after the other, without the padding.
fn join<T: Scalar>(parts: Vec<&[T]>, r: usize, stride: usize, out: &mut Vec<T>) {
    out.clear();
    for row in parts.iter().flat_map(|part| part.chunks_exact(stride)) {
        out.extend_from_slice(&row[..r]);
    }
}

/// The sum of the `parts`, without the padding.
fn sum<T: Scalar>(parts: Vec<&[T]>, r: usize, stride: usize, out: &mut Vec<T>) {
    out.clear();
    out.resize(parts.first().map_or(0, |part| part.len() / stride) * r, T::of(0.0));
    out.par_chunks_mut(64 * r).enumerate().for_each(|(b, out)| {
        for part in &parts {
            for (row, x) in out.chunks_exact_mut(r).zip(part[64 * b * stride..].chunks_exact(stride)) {
                row.iter_mut().zip(x).for_each(|(s, &x)| *s += x);
            }
        }
    });
}

/// One register tile of R.
#[repr(align(64))]
struct Tile<T>([T; NR * MR * 16]);

/// What one chunk found, rows padded to whole registers.
#[derive(Default)]
struct Part<T> {
    max: T,
    phi: f64,
    nnz: usize,
    p: Aligned<T>,
    q: Aligned<T>,
}

/// How many scalars a register of this machine holds.
struct Lanes<T>(std::marker::PhantomData<T>);

impl<T: Scalar> WithSimd for Lanes<T> {
    type Output = usize;
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        size_of::<T::V<S>>() / size_of::<T>()
    }
}

/// One chunk of rows or columns of the pass.
struct Chunk<'a, T: Scalar> {
    source: &'a Source<'a, T>,
    p: &'a Packed<T>,
    q: &'a Packed<T>,
    r: usize,
    stride: usize,
    eps: T,
    /// Whether S is multiplied as a dense matrix.
    dense: bool,
    rows: Range<usize>,
    cols: Range<usize>,
    part: &'a mut Part<T>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use faer::Mat;

    fn check<T: Scalar>(m: usize, n: usize, r: usize, eps: f64, row_major: bool, dense: bool) {
        let f = |i: usize, j: usize| T::of(((i * 37 + j * 91) % 101) as f64 / 101.0 - 0.4);
        let p: Vec<T> = (0..m * r).map(|k| T::of(((k * 29) % 83) as f64 / 83.0 - 0.5)).collect();
        let q: Vec<T> = (0..n * r).map(|k| T::of(((k * 53) % 71) as f64 / 71.0 - 0.5)).collect();
        let a = if row_major { Mat::from_fn(n, m, |j, i| f(i, j)) } else { Mat::from_fn(m, n, f) };
        let view = if row_major { a.transpose() } else { a.as_ref() };
        let source = Source::new("f", &view).unwrap();
        assert!(m == 1 || n == 1 || source.transposed == row_major);
        let mut workspace = Workspace::default();
        workspace.found.nnz = if dense { m * n } else { 0 };
        let found = if source.transposed {
            residual(&source, &q, &p, r, T::of(eps), &mut workspace);
            let x = workspace.found;
            Residual { p: x.q, q: x.p, ..x }
        } else {
            residual(&source, &p, &q, r, T::of(eps), &mut workspace);
            workspace.found
        };
        let (mut max, mut phi, mut nnz) = (0f64, 0f64, 0);
        let (mut gp, mut gq) = (vec![0f64; m * r], vec![0f64; n * r]);
        for i in 0..m {
            for j in 0..n {
                let x: f64 = (0..r).map(|k| p[i * r + k].as_f64() * q[j * r + k].as_f64()).sum();
                let d = x - f(i, j).as_f64();
                max = max.max(d.abs());
                let s = d - d.clamp(-eps, eps);
                if s != 0.0 {
                    nnz += 1;
                }
                phi += s * s;
                for k in 0..r {
                    gp[i * r + k] += s * q[j * r + k].as_f64();
                    gq[j * r + k] += s * p[i * r + k].as_f64();
                }
            }
        }
        let tol = 1000.0 * T::EPS * (1 + r + m + n) as f64;
        let case = format!("{} {m}x{n} r={r} eps={eps} row_major={row_major} dense={dense}", T::NAME);
        assert!((found.max.as_f64() - max).abs() <= tol, "max {case}");
        assert!((found.phi - phi).abs() <= tol * (1.0 + phi), "phi {case}: {} {phi}", found.phi);
        assert!(found.nnz.abs_diff(nnz) <= 2, "nnz {case}");
        for (x, y) in found.p.iter().zip(&gp).chain(found.q.iter().zip(&gq)) {
            assert!((x.as_f64() - y).abs() <= tol, "products {case}: {x} {y}");
        }
        assert_eq!((found.p.len(), found.q.len()), (m * r, n * r));
    }

    #[test]
    fn matches_the_dense_formula() {
        for (m, n, r) in [
            (1, 1, 1),
            (1, 7, 1),
            (7, 1, 1),
            (5, 3, 2),
            (33, 65, 7),
            (300, 270, 16),
            (16, 8, 3),
            (64, 2100, 5),
        ] {
            for eps in [0.0, 0.3, 0.7, 10.0] {
                for row_major in [false, true] {
                    for dense in [false, true] {
                        check::<f64>(m, n, r, eps, row_major, dense);
                        check::<f32>(m, n, r, eps, row_major, dense);
                    }
                }
            }
        }
    }

    #[test]
    fn same_bits_for_any_number_of_threads() {
        let (m, n, r) = (300, 500, 9);
        let a = Mat::from_fn(m, n, |i, j| ((i * 37 + j * 91) % 101) as f64 / 101.0);
        let p: Vec<f64> = (0..m * r).map(|k| ((k * 29) % 83) as f64 / 83.0 - 0.5).collect();
        let q: Vec<f64> = (0..n * r).map(|k| ((k * 53) % 71) as f64 / 71.0 - 0.5).collect();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut workspace = Workspace::default();
            pool.install(|| residual(&Source::new("a", &a).unwrap(), &p, &q, r, 0.2, &mut workspace));
            workspace.found
        };
        let one = run(1);
        for threads in [2, 3, 8] {
            let other = run(threads);
            assert_eq!(one.max.to_bits(), other.max.to_bits());
            assert_eq!(one.phi.to_bits(), other.phi.to_bits());
            assert!(one.p == other.p && one.q == other.q);
        }
    }
}
