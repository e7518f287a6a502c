//! The unknowns of the search: a chain of cores, of which a matrix U V' is the shortest.
//!
//! Core k is a row-major array (l, n, r) with l the rank to its left and r the one to its
//! right. Cut at a bond, a chain of any order is a product P Q' of its two interfaces, so that
//! one pass over the unfolded F serves matrices and tensors alike; the gradients of the
//! interfaces are then carried back to the cores.

use crate::matrix::scale_by_power_of_two;
use crate::{LowRank, Result, Scalar, TensorTrain};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use ndarray::Array3;
use rayon::prelude::*;

/// A chain of cores.
#[derive(Clone, Debug)]
pub(crate) struct Cores<T> {
    pub shapes: Vec<(usize, usize, usize)>,
    pub data: Vec<Vec<T>>,
}

/// `c` (m, n) = `a` (m, k) `b` (k, n), all row-major.
fn product<T: Scalar>(a: &[T], b: &[T], m: usize, k: usize, n: usize) -> Vec<T> {
    multiply(MatRef::from_row_major_slice(a, m, k), MatRef::from_row_major_slice(b, k, n))
}

/// `c` (m, n) = `a`' `b` for `a` (k, m), `b` (k, n), all row-major.
fn product_at_b<T: Scalar>(a: &[T], b: &[T], m: usize, k: usize, n: usize) -> Vec<T> {
    multiply(MatRef::from_row_major_slice(a, k, m).transpose(), MatRef::from_row_major_slice(b, k, n))
}

/// The product (m, n), row-major. Its rows, its columns or the sums are cut into pieces by the
/// shape alone, so that any number of threads gives the same bits.
pub(crate) fn multiply<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> Vec<T> {
    const PIECES: usize = 8;
    let (m, k, n) = (a.nrows(), a.ncols(), b.ncols());
    let worth = (m * k * n) >> 18; // smaller pieces cost more to hand out than to multiply
    let pieces = |size: usize| PIECES.min(size.div_ceil(64)).min(worth).max(1);
    let mut c = vec![T::of(0.0); m * n];
    let one = |c: MatMut<'_, T>, a, b| matmul(c, Accum::Replace, a, b, T::of(1.0), Par::Seq);
    if k > 16 * m.max(n) && worth > 1 {
        let pieces = pieces(k);
        let part = |i: usize| {
            let ks = i * k / pieces..(i + 1) * k / pieces;
            let mut c = vec![T::of(0.0); m * n];
            let (a, b) = (a.subcols(ks.start, ks.len()), b.subrows(ks.start, ks.len()));
            one(MatMut::from_row_major_slice_mut(&mut c, m, n), a, b);
            c
        };
        let parts: Vec<Vec<T>> = (0..pieces).into_par_iter().map(part).collect();
        for part in parts {
            c.iter_mut().zip(part).for_each(|(c, x)| *c += x);
        }
    } else if m >= n {
        let cs = MatMut::from_row_major_slice_mut(&mut c, m, n).par_row_partition_mut(pieces(m));
        cs.zip(a.par_row_partition(pieces(m))).for_each(|(c, a)| one(c, a, b));
    } else {
        let cs = MatMut::from_row_major_slice_mut(&mut c, m, n).par_col_partition_mut(pieces(n));
        cs.zip(b.par_col_partition(pieces(n))).for_each(|(c, b)| one(c, a, b));
    }
    c
}

/// The transpose (n, m) of `a` (m, n), row-major.
pub(crate) fn transpose<T: Scalar>(a: &[T], m: usize, n: usize) -> Vec<T> {
    const BLOCK: usize = 32; // of both: lines are then read and written whole
    let mut out = vec![T::of(0.0); a.len()];
    out.par_chunks_mut((BLOCK * m).max(1)).enumerate().for_each(|(b, out)| {
        for i0 in (0..m).step_by(BLOCK) {
            for (j, out) in out.chunks_exact_mut(m).enumerate() {
                for i in i0..(i0 + BLOCK).min(m) {
                    out[i] = a[i * n + b * BLOCK + j];
                }
            }
        }
    });
    out
}

/// The bond at which the two interfaces have the fewest rows together.
pub(crate) fn cheapest_cut(shape: &[usize]) -> usize {
    let rows = |s: &[usize]| s.iter().map(|&n| n as f64).product::<f64>();
    let cost = |k: usize| rows(&shape[..k]) + rows(&shape[k..]);
    (1..shape.len()).min_by(|&a, &b| cost(a).total_cmp(&cost(b))).unwrap_or(1)
}

/// For every core, the inverse Gram matrices of the interfaces left and right of it, where it
/// has any.
pub(crate) type InverseGrams<T> = Vec<(Option<Vec<T>>, Option<Vec<T>>)>;

/// The interfaces of a chain cut at a bond, and those further out that lead to them.
pub(crate) struct Interfaces<T> {
    /// `left[k]` (n_1 ... n_{k+1}, r_{k+1}), row-major; the last one is P.
    left: Vec<Vec<T>>,
    /// `right[k]` (n_{d-k} ... n_d, r_{d-k-1}), row-major; the last one is Q.
    right: Vec<Vec<T>>,
}

impl<T: Scalar> Interfaces<T> {
    /// P, the left factor of the unfolding.
    pub fn p(&self) -> &[T] {
        self.left.last().expect("a cut has two sides")
    }
    /// The right interface (n_{bond+1} ... n_d, r_bond) at a bond not left of the cut.
    pub fn right(&self, bond: usize) -> &[T] {
        &self.right[self.left.len() + self.right.len() - 1 - bond]
    }
    /// Q, the right factor of the unfolding.
    pub fn q(&self) -> &[T] {
        self.right.last().expect("a cut has two sides")
    }
    /// Whether P Q' surely has no overflow in it, not even on the way to an entry: NaN cannot
    /// hide in its residual then.
    pub fn product_is_finite(&self) -> bool {
        let sum = |x: &[T]| x.iter().map(|x| x.as_f64().abs()).sum::<f64>();
        sum(self.p()) * sum(self.q()) <= T::max_value().as_f64() // false for NaN
    }
}

impl<T: Scalar> Cores<T> {
    /// A matrix as a chain of two cores.
    pub fn from_low_rank(x: &LowRank<T>) -> Self {
        let (m, n) = x.shape();
        let r = x.rank();
        let u = (0..m * r).map(|k| x.u[(k / r, k % r)]).collect();
        let v = (0..n * r).map(|k| x.v[(k % n, k / n)]).collect();
        Self { shapes: vec![(1, m, r), (r, n, 1)], data: vec![u, v] }
    }

    /// The matrix of a chain of two cores.
    pub fn to_low_rank(&self) -> LowRank<T> {
        let ((_, m, r), (_, n, _)) = (self.shapes[0], self.shapes[1]);
        LowRank {
            u: Mat::from_fn(m, r, |i, k| self.data[0][i * r + k]),
            v: Mat::from_fn(n, r, |j, k| self.data[1][k * n + j]),
        }
    }

    /// The cores of a train.
    pub fn from_train(x: &TensorTrain<T>) -> Self {
        let shapes = x.cores().iter().map(|c| c.dim()).collect();
        let data = x.cores().iter().map(|c| c.iter().copied().collect()).collect();
        Self { shapes, data }
    }

    /// The train with these cores.
    pub fn to_train(&self) -> Result<TensorTrain<T>> {
        let cores = self.shapes.iter().zip(&self.data);
        TensorTrain::new(
            cores
                .map(|(&shape, data)| Array3::from_shape_vec(shape, data.clone()).expect("sizes agree"))
                .collect(),
        )
    }

    /// Entrywise a + t (a - b).
    pub fn extrapolate(a: &Self, b: &Self, t: T) -> Self {
        let data = a
            .data
            .iter()
            .zip(&b.data)
            .map(|(a, b)| a.iter().zip(b).map(|(&a, &b)| a + t * (a - b)).collect())
            .collect();
        Self { shapes: a.shapes.clone(), data }
    }

    /// Multiplies the tensor by 2^`exponent`, spread evenly over the cores.
    pub fn scale_by_power_of_two(&mut self, exponent: i32) {
        let d = self.data.len() as i32;
        for (k, core) in self.data.iter_mut().enumerate() {
            let e = exponent.div_euclid(d) + i32::from((k as i32) < exponent.rem_euclid(d));
            core.iter_mut().for_each(|x| *x = scale_by_power_of_two(*x, e));
        }
    }

    /// See [`cheapest_cut`].
    pub fn cheapest_cut(&self) -> usize {
        cheapest_cut(&self.shapes.iter().map(|c| c.1).collect::<Vec<_>>())
    }

    /// Whether there is no number in it: a mode of size or a rank of 0.
    pub fn is_empty(&self) -> bool {
        self.shapes.iter().any(|&(l, n, r)| l * n * r == 0)
    }

    /// The rank at bond `cut`.
    pub fn rank(&self, cut: usize) -> usize {
        self.shapes[cut].0
    }

    /// Both interfaces at bond `cut`, 1 <= `cut` < order.
    pub fn interfaces(&self, cut: usize) -> Interfaces<T> {
        let mut left = vec![self.data[0].clone()];
        for k in 1..cut {
            let (l, n, r) = self.shapes[k];
            let before = left.last().expect("starts with one");
            left.push(product(before, &self.data[k], before.len() / l.max(1), l, n * r));
        }
        let d = self.shapes.len();
        let (l, n, _) = self.shapes[d - 1];
        let mut right = vec![transpose(&self.data[d - 1], l, n)];
        for k in (cut..d - 1).rev() {
            let (l, n, r) = self.shapes[k];
            let after = right.last().expect("starts with one");
            let rows = after.len() / r.max(1);
            let x = product(&self.data[k], &transpose(after, rows, r), l * n, r, rows); // (l, n rows)
            right.push(transpose(&x, l, n * rows));
        }
        Interfaces { left, right }
    }

    /// Gradients of the cores from those of the interfaces, `p` and `q`, at bond `cut`, each
    /// multiplied by the inverse Gram matrices of its own interfaces.
    pub fn preconditioned_gradients(
        &self,
        faces: &Interfaces<T>,
        cut: usize,
        (p, q): (&[T], &[T]),
        inverses: &InverseGrams<T>,
    ) -> Vec<Vec<T>> {
        let d = self.shapes.len();
        let mut gradients = vec![Vec::new(); d];
        let mut g = p.to_vec(); // (n_1 ... n_k, r_k)
        for k in (0..cut).rev() {
            let (l, n, r) = self.shapes[k];
            if k == 0 {
                gradients[0] = std::mem::take(&mut g);
                break;
            }
            let before = &faces.left[k - 1]; // (rows, l)
            let rows = before.len() / l.max(1);
            gradients[k] = product_at_b(before, &g, l, rows, n * r);
            g = product(&g, &transpose(&self.data[k], l, n * r), rows, n * r, l);
        }
        let mut g = q.to_vec(); // (n_k ... n_d, r_{k-1})
        for k in cut..d {
            let (l, n, r) = self.shapes[k];
            let rows = g.len() / (l * n).max(1);
            let gt = transpose(&g, n * rows, l); // (l n, rows)
            if k == d - 1 {
                gradients[k] = gt;
                break;
            }
            let after = &faces.right[d - 2 - k]; // (rows, r)
            gradients[k] = product(&gt, after, l * n, rows, r);
            g = product_at_b(&gt, &self.data[k], rows, l * n, r);
        }
        for (k, g) in gradients.iter_mut().enumerate() {
            let (l, n, r) = self.shapes[k];
            if let Some(right) = &inverses[k].1 {
                *g = product(g, right, l * n, r, r);
            }
            if let Some(left) = &inverses[k].0 {
                *g = product(left, g, l, l, n * r);
            }
        }
        gradients
    }

    /// The (regularised) inverse Gram matrices of all interfaces; `None` if one cannot be
    /// inverted.
    pub fn inverse_grams(&self, faces: &Interfaces<T>, cut: usize) -> Option<InverseGrams<T>> {
        let d = self.shapes.len();
        let gram = |x: &[T], r: usize| product_at_b(x, x, r, x.len() / r.max(1), r);
        // Gram matrices of the left interface of each core, then of the right one.
        let mut left: Vec<Vec<T>> = Vec::new();
        for k in 1..d {
            let (l, _, _) = self.shapes[k];
            left.push(if k <= cut {
                gram(&faces.left[k - 1], l)
            } else {
                let (l0, n0, r0) = self.shapes[k - 1];
                let x = product(&left[k - 2], &self.data[k - 1], l0, l0, n0 * r0);
                product_at_b(&self.data[k - 1], &x, r0, l0 * n0, r0)
            });
        }
        let mut right: Vec<Vec<T>> = vec![Vec::new(); d - 1];
        for k in (0..d - 1).rev() {
            let (_, _, r) = self.shapes[k];
            right[k] = if k + 1 >= cut {
                gram(&faces.right[d - 2 - k], r)
            } else {
                let (l1, n1, r1) = self.shapes[k + 1];
                let x = product(&self.data[k + 1], &right[k + 1], l1 * n1, r1, r1); // (l1, n1 r1)
                let (x, y) = (transpose(&x, l1, n1 * r1), transpose(&self.data[k + 1], l1, n1 * r1));
                product_at_b(&x, &y, l1, n1 * r1, l1)
            };
        }
        let invert = |k: usize| {
            let (l, _, r) = self.shapes[k];
            let a = if k > 0 { Some(regularised_inverse(&left[k - 1], l)?) } else { None };
            let b = if k + 1 < d { Some(regularised_inverse(&right[k], r)?) } else { None };
            Some((a, b))
        };
        (0..d).into_par_iter().map(invert).collect()
    }
}

/// (G + delta tr(G)/r I)^-1 for a Gram matrix G (r, r), in double precision throughout.
fn regularised_inverse<T: Scalar>(gram: &[T], r: usize) -> Option<Vec<T>> {
    let trace: f64 = (0..r).map(|k| gram[k * r + k].as_f64()).sum();
    if trace == 0.0 {
        // Nothing there: its gradient is zero too.
        return Some((0..r * r).map(|k| T::of(if k % (r + 1) == 0 { 1.0 } else { 0.0 })).collect());
    }
    if !trace.is_finite() {
        return None;
    }
    let mut delta = if T::EPS > 1e-10 { 1e-6 } else { 1e-7 };
    while delta < 1.0 {
        let g = Mat::<f64>::from_fn(r, r, |i, j| {
            gram[i * r + j].as_f64() + if i == j { delta * trace / r as f64 } else { 0.0 }
        });
        if let Some(inverse) = inverse_of_spd(g) {
            return Some((0..r * r).map(|k| T::of(inverse[(k / r, k % r)])).collect());
        }
        delta *= 100.0;
    }
    None
}

/// The inverse of a symmetric positive definite matrix by Cholesky, on one thread.
fn inverse_of_spd(mut g: Mat<f64>) -> Option<Mat<f64>> {
    use faer::dyn_stack::{MemBuffer, MemStack};
    use faer::linalg::cholesky::llt::{factor, inverse};
    let n = g.nrows();
    let scratch = factor::cholesky_in_place_scratch::<f64>(n, Par::Seq, Default::default());
    let mut memory = MemBuffer::new(scratch.or(inverse::inverse_scratch::<f64>(n, Par::Seq)));
    let stack = MemStack::new(&mut memory);
    factor::cholesky_in_place(g.as_mut(), Default::default(), Par::Seq, stack, Default::default()).ok()?;
    let mut out = Mat::zeros(n, n);
    inverse::inverse(out.as_mut(), g.as_ref(), Par::Seq, stack);
    for j in 0..n {
        for i in 0..j {
            out[(i, j)] = out[(j, i)]; // only the lower half was written
        }
    }
    Some(out)
}
