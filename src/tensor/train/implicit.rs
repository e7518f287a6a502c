//! Trains known by their parts: what randomized rounding needs of a train, without its cores.
//!
//! Core k of a train is n_k matrices `C_i` (l, r), the slices of its middle index. A sum has
//! block-diagonal slices, an entrywise product Kronecker products `A_i (x) B_i`, an operator applied
//! to a train sums of those: none of them is formed.

use super::TensorTrain;
use super::steps::entries;
use crate::Scalar;
use faer::{MatMut, MatRef};
use ndarray::Array3;

/// A train that can be multiplied slice by slice.
pub(super) trait Implicit<T: Scalar>: Sync {
    /// The sizes of the modes.
    fn shape(&self) -> Vec<usize>;
    /// The ranks r_0 = 1, r_1, ..., r_d = 1.
    fn ranks(&self) -> Vec<usize>;
    /// `out += C_i x`, or `C_i' x`, for slice i of core k; x has z columns, all row-major.
    fn apply(&self, k: usize, i: usize, transposed: bool, x: &[T], z: usize, out: &mut [T]);
}

/// The ranks with both ends.
pub(super) fn all_ranks<T: Scalar>(cores: &[Array3<T>]) -> Vec<usize> {
    std::iter::once(1).chain(cores.iter().map(|core| core.dim().2)).collect()
}

/// Slice i of a core.
fn slice<T: Scalar>(core: &Array3<T>, i: usize, transposed: bool) -> MatRef<'_, T> {
    let (l, n, r) = core.dim();
    let all = MatRef::from_row_major_slice(entries(core), l, n * r);
    let slice = all.subcols(i * r, r); // (l, r)
    if transposed { slice.transpose() } else { slice }
}

/// `out += a x` for row-major x (columns of a, z).
fn add_product<T: Scalar>(a: MatRef<'_, T>, x: &[T], z: usize, out: &mut [T]) {
    let x = MatRef::from_row_major_slice(x, a.ncols(), z);
    T::product(MatMut::from_row_major_slice_mut(out, a.nrows(), z), true, a, x);
}

/// `out += (a (x) b) x`.
fn add_kronecker<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>, x: &[T], z: usize, out: &mut [T]) {
    let mut middle = vec![T::of(0.0); a.nrows() * b.ncols() * z];
    add_product(a, x, b.ncols() * z, &mut middle);
    let (step, width) = (b.ncols() * z, b.nrows() * z);
    for (x, out) in middle.chunks(step).zip(out.chunks_mut(width)) {
        add_product(b, x, z, out);
    }
}

/// A train as it is.
pub(super) struct Plain<'a, T: Scalar>(pub &'a [Array3<T>]);

impl<T: Scalar> Implicit<T> for Plain<'_, T> {
    fn shape(&self) -> Vec<usize> {
        self.0.iter().map(|core| core.dim().1).collect()
    }
    fn ranks(&self) -> Vec<usize> {
        all_ranks(self.0)
    }
    fn apply(&self, k: usize, i: usize, transposed: bool, x: &[T], z: usize, out: &mut [T]) {
        add_product(slice(&self.0[k], i, transposed), x, z, out);
    }
}

/// The entrywise product of two trains of one shape.
pub(super) struct Entrywise<'a, T: Scalar>(pub &'a [Array3<T>], pub &'a [Array3<T>]);

impl<T: Scalar> Implicit<T> for Entrywise<'_, T> {
    fn shape(&self) -> Vec<usize> {
        Plain(self.0).shape()
    }
    fn ranks(&self) -> Vec<usize> {
        all_ranks(self.0).iter().zip(all_ranks(self.1)).map(|(r, s)| r * s).collect()
    }
    fn apply(&self, k: usize, i: usize, transposed: bool, x: &[T], z: usize, out: &mut [T]) {
        add_kronecker(slice(&self.0[k], i, transposed), slice(&self.1[k], i, transposed), x, z, out);
    }
}

/// An operator, its modes (m_k, n_k) row-major in the cores, applied to a train of sizes n_k.
pub(super) struct Applied<'a, T: Scalar>(pub &'a [Array3<T>], pub &'a [Array3<T>]);

impl<T: Scalar> Implicit<T> for Applied<'_, T> {
    fn shape(&self) -> Vec<usize> {
        self.0.iter().zip(self.1).map(|(a, x)| a.dim().1 / x.dim().1.max(1)).collect()
    }
    fn ranks(&self) -> Vec<usize> {
        Entrywise(self.0, self.1).ranks()
    }
    fn apply(&self, k: usize, i: usize, transposed: bool, x: &[T], z: usize, out: &mut [T]) {
        let n = self.1[k].dim().1;
        for j in 0..n {
            let (a, b) = (slice(&self.0[k], i * n + j, transposed), slice(&self.1[k], j, transposed));
            add_kronecker(a, b, x, z, out);
        }
    }
}

/// A sum of trains of one shape.
pub(super) struct Sum<'a, T: Scalar>(pub &'a [TensorTrain<T>]);

impl<T: Scalar> Implicit<T> for Sum<'_, T> {
    fn shape(&self) -> Vec<usize> {
        self.0[0].shape()
    }
    fn ranks(&self) -> Vec<usize> {
        let d = self.0[0].order();
        let rank = |k: usize| self.0.iter().map(|x| x.cores[k - 1].dim().2).sum();
        (0..=d).map(|k| if k == 0 || k == d { 1 } else { rank(k) }).collect()
    }
    fn apply(&self, k: usize, i: usize, transposed: bool, x: &[T], z: usize, out: &mut [T]) {
        let d = self.0[0].order();
        let (left_end, right_end) = (k == 0, k + 1 == d);
        let (from_end, to_end) = if transposed { (left_end, right_end) } else { (right_end, left_end) };
        let (mut from, mut to) = (0, 0);
        for train in self.0 {
            let slice = slice(&train.cores[k], i, transposed);
            let (rows, columns) = slice.shape();
            add_product(slice, &x[from * z..][..columns * z], z, &mut out[to * z..][..rows * z]);
            from += if from_end { 0 } else { columns };
            to += if to_end { 0 } else { rows };
        }
    }
}
