//! The fused pass: everything a step needs to know of the residual R = P Q' - F, in one sweep
//! over tiles that are never written to memory.
//!
//! Problem: for factors P (np, r), Q (nq, r) and a level eps, find max |R|, the hinge
//! phi = sum (|R| - eps)_+^2 and both products S Q and S' P of the clipped residual
//! S = R - clip(R, -eps, eps).
//! Method: F is read (or generated) by tiles; a register kernel forms 2 registers x 8 columns
//! of R at a time and compares them with eps; the entries over the level, a few percent, are
//! scattered at once into both products.
//! Cost: 2 np nq r + 4 nnz(S) r flops, one read of F, workspace 8 to 16 copies of P.
//! Guarantee: the sums are taken in an order that depends on the shape only: any number of
//! threads gives the same bits.

use super::source::Source;
use crate::Scalar;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use std::ops::Range;

/// Columns of the register tile.
const NR: usize = 8;
/// Registers per column of the register tile.
const MR: usize = 2;
/// Rows and columns of a tile of F.
const TILE_ROWS: usize = 256;
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
    parts: Vec<Residual<T>>,
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
    let panels = nq.div_ceil(NR);
    let chunks = if nq < 2048 { 8 } else { 16 }.min(panels.max(1));
    parts.resize_with(chunks, Residual::default);
    parts.par_iter_mut().enumerate().for_each(|(c, part)| {
        let cols = c * panels / chunks * NR..((c + 1) * panels / chunks * NR).min(nq);
        clear(&mut part.p, np * stride);
        clear(&mut part.q, cols.len() * stride);
        Arch::new().dispatch(Chunk { source, p: packed_p, q: packed_q, r, stride, eps, cols, part });
    });
    *found = Residual {
        max: parts.iter().fold(T::of(0.0), |a, x| if x.max > a { x.max } else { a }),
        phi: parts.iter().map(|x| x.phi).sum(),
        nnz: parts.iter().map(|x| x.nnz).sum(),
        p: std::mem::take(&mut found.p),
        q: std::mem::take(&mut found.q),
    };
    clear(&mut found.p, np * r);
    found.p.par_chunks_mut(64 * r.max(1)).enumerate().for_each(|(b, out)| {
        for part in parts.iter() {
            for (i, row) in out.chunks_exact_mut(r).enumerate() {
                let at = (64 * b + i) * stride;
                for (s, &x) in row.iter_mut().zip(&part.p[at..at + r]) {
                    *s += x;
                }
            }
        }
    });
    found.q.clear();
    for part in parts.iter() {
        for row in part.q.chunks_exact(stride) {
            found.q.extend_from_slice(&row[..r]);
        }
    }
}

fn clear<T: Scalar>(x: &mut Vec<T>, len: usize) {
    x.clear();
    x.resize(len, T::of(0.0));
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

/// A factor in the two layouts that the kernel reads.
#[derive(Default)]
struct Packed<T> {
    /// Panels of `width` rows: entry (i, k) of panel b at [b r width + k width + i].
    panels: Vec<T>,
    /// Rows padded to a whole number of registers.
    rows: Vec<T>,
}

impl<T: Scalar> Packed<T> {
    fn pack(&mut self, x: &[T], n: usize, r: usize, width: usize, stride: usize) {
        clear(&mut self.panels, n.div_ceil(width) * width * r);
        clear(&mut self.rows, n * stride);
        for (i, row) in x.chunks_exact(r).enumerate() {
            self.rows[i * stride..i * stride + r].copy_from_slice(row);
            let panel = &mut self.panels[i / width * width * r..];
            for (k, &value) in row.iter().enumerate() {
                panel[k * width + i % width] = value;
            }
        }
    }
}

struct Chunk<'a, T: Scalar> {
    source: &'a Source<'a, T>,
    p: &'a Packed<T>,
    q: &'a Packed<T>,
    r: usize,
    stride: usize,
    eps: T,
    cols: Range<usize>,
    part: &'a mut Residual<T>,
}

impl<T: Scalar> WithSimd for Chunk<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { source, p, q, r, stride, eps, cols, part } = self;
        (part.phi, part.nnz) = (0.0, 0);
        let zero = T::of(0.0);
        let lanes = size_of::<T::V<S>>() / size_of::<T>();
        let width = MR * lanes;
        let mut buffer = Vec::new();
        let mut pad = vec![zero; width];
        // The residual of one register tile and, bit by bit, which of its entries exceed the level.
        let mut tile = [zero; NR * MR * 16];
        let level = T::v_splat(simd, eps);
        let mut largest = T::v_splat(simd, zero);
        for j0 in cols.clone().step_by(TILE_COLS) {
            let tile_cols = j0..(j0 + TILE_COLS).min(cols.end);
            for i0 in (0..source.np).step_by(TILE_ROWS) {
                let tile_rows = i0..(i0 + TILE_ROWS).min(source.np);
                let height = tile_rows.len();
                if source.columns().is_none() {
                    buffer.resize(height * tile_cols.len(), zero);
                    source.tile(tile_rows.clone(), tile_cols.clone(), &mut buffer);
                }
                let column = |j: usize| match source.columns() {
                    Some(columns) => &columns[j][tile_rows.clone()],
                    None => &buffer[(j - tile_cols.start) * height..][..height],
                };
                for j in tile_cols.clone().step_by(NR) {
                    let n_cols = (j + NR).min(tile_cols.end) - j;
                    let q_panel = &q.panels[j / NR * NR * r..][..NR * r];
                    for i in tile_rows.clone().step_by(width) {
                        let n_rows = (i + width).min(tile_rows.end) - i;
                        let p_panel = &p.panels[i / width * width * r..][..width * r];
                        let acc = product::<T, S>(simd, p_panel, q_panel);
                        let mut over = [0u64; NR * MR * 16 / 64];
                        for c in 0..n_cols {
                            let mut f = &column(j + c)[i - i0..];
                            if n_rows < width {
                                pad[..n_rows].copy_from_slice(&f[..n_rows]);
                                f = &pad;
                            }
                            let f = T::v_registers::<S>(&f[..width]);
                            for k in 0..MR {
                                let d = T::v_sub(simd, acc[c][k], f[k]);
                                T::v_registers_mut::<S>(&mut tile)[c * MR + k] = d;
                                let size = T::v_abs(simd, d);
                                largest = T::v_max(simd, largest, size);
                                let at = c * width + k * lanes;
                                over[at / 64] |= (T::v_greater(simd, size, level) as u64) << (at % 64);
                            }
                        }
                        for (w, mut bits) in over.into_iter().enumerate() {
                            part.nnz += bits.count_ones() as usize;
                            while bits != 0 {
                                let at = 64 * w + bits.trailing_zeros() as usize;
                                bits &= bits - 1;
                                let (c, row) = (at / width, at % width);
                                let d = tile[at];
                                let s = if d < zero { d + eps } else { d - eps };
                                part.phi += s.as_f64() * s.as_f64();
                                let s = T::v_splat(simd, s);
                                let (row, col) = ((i + row) * stride, (j + c) * stride);
                                let col_here = col - cols.start * stride;
                                let p_row = T::v_registers::<S>(&p.rows[row..row + stride]);
                                let q_row = T::v_registers::<S>(&q.rows[col..col + stride]);
                                let g_p = T::v_registers_mut::<S>(&mut part.p[row..row + stride]);
                                let g_q = T::v_registers_mut::<S>(&mut part.q[col_here..col_here + stride]);
                                for (((gp, gq), &p), &q) in g_p.iter_mut().zip(g_q).zip(p_row).zip(q_row) {
                                    *gp = T::v_mul_add(simd, s, q, *gp);
                                    *gq = T::v_mul_add(simd, s, p, *gq);
                                }
                            }
                        }
                    }
                }
            }
        }
        part.max = T::v_reduce_max(simd, largest);
    }
}

/// One register tile of P Q': MR registers by NR columns, r products each.
#[inline(always)]
fn product<T: Scalar, S: Simd>(simd: S, p: &[T], q: &[T]) -> [[T::V<S>; MR]; NR] {
    let mut acc = [[T::v_splat(simd, T::of(0.0)); MR]; NR];
    for (a, b) in T::v_registers::<S>(p).chunks_exact(MR).zip(q.chunks_exact(NR)) {
        let a: [T::V<S>; MR] = [a[0], a[1]];
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

    fn check<T: Scalar>(m: usize, n: usize, r: usize, eps: f64, row_major: bool) {
        let f = |i: usize, j: usize| T::of(((i * 37 + j * 91) % 101) as f64 / 101.0 - 0.4);
        let p: Vec<T> = (0..m * r).map(|k| T::of(((k * 29) % 83) as f64 / 83.0 - 0.5)).collect();
        let q: Vec<T> = (0..n * r).map(|k| T::of(((k * 53) % 71) as f64 / 71.0 - 0.5)).collect();
        let a = if row_major { Mat::from_fn(n, m, |j, i| f(i, j)) } else { Mat::from_fn(m, n, f) };
        let view = if row_major { a.transpose() } else { a.as_ref() };
        let source = Source::new("f", &view).unwrap();
        assert!(m == 1 || n == 1 || source.transposed == row_major);
        let mut workspace = Workspace::default();
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
        let case = format!("{} {m}x{n} r={r} eps={eps} row_major={row_major}", T::NAME);
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
                    check::<f64>(m, n, r, eps, row_major);
                    check::<f32>(m, n, r, eps, row_major);
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
