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

use super::kernel::{Chunk, Lanes, MR, NR, Part};
use super::packed::Packed;
use super::source::Source;
use crate::Scalar;
use pulp::Arch;
use rayon::prelude::*;

/// Share of entries over the level from which on S is multiplied as a dense matrix (measured: a
/// scattered entry costs about 7 dense ones).
const DENSE: f64 = 0.15;
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
    let lanes = Arch::new().dispatch(Lanes::<T>::default());
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
