//! Sums over one mode, and over all modes but one, as batches of matrix products on views.
//!
//! Tensors come with the mode in question as their last axis. Axes that lie one beside the other in
//! memory are taken as one; matrices lie along the longest axis, the others count them. Axes are
//! halved until a piece is small, those that count first, and a piece is a batch of products. What is
//! cut depends on shapes and strides alone, and so do the bits.

use crate::Scalar;
use crate::matrix::{view_of_array, view_of_array_mut};
use faer::{Mat, MatMut, MatRef};
use ndarray::{ArrayBase, ArrayViewD, ArrayViewMutD, Axis, Ix2, IxDyn, RawData};

/// Flops of a piece that is not cut further.
const PIECE: f64 = 8e6;

/// The axes in their order, but `mode` last.
pub(super) fn last(order: usize, mode: usize) -> Vec<usize> {
    (0..order).filter(|axis| *axis != mode).chain([mode]).collect()
}

/// `out(.., j) = sum_i m(j, i) a(.., i)`, whatever `out` held; neither is empty.
pub(super) fn expand<T: Scalar>(mut out: ArrayViewMutD<'_, T>, mut a: ArrayViewD<'_, T>, m: MatRef<'_, T>) {
    (out, a) = merged(out, a);
    halve_and_expand(out, a, m);
}

/// The matrix (n, l) of the sums of `a(.., i) b(.., j)` over all places; neither is empty.
pub(super) fn reduce<T: Scalar>(mut a: ArrayViewD<'_, T>, mut b: ArrayViewD<'_, T>) -> Mat<T> {
    (a, b) = merged(a, b);
    halve_and_reduce(a, b)
}

/// Both with the axes but the last merged where both allow it; two axes are left at least.
fn merged<X, Y>(
    mut x: ArrayBase<X, IxDyn>,
    mut y: ArrayBase<Y, IxDyn>,
) -> (ArrayBase<X, IxDyn>, ArrayBase<Y, IxDyn>)
where
    X: RawData,
    Y: RawData,
{
    if x.ndim() == 1 {
        (x, y) = (x.insert_axis(Axis(0)), y.insert_axis(Axis(0)));
    }
    for axis in (0..x.ndim() - 1).rev() {
        let (this, next) = (Axis(axis), Axis(axis + 1));
        let beside = |strides: &[isize]| strides[axis] == strides[axis + 1] * x.len_of(next) as isize;
        if axis + 2 < x.ndim() && beside(x.strides()) && beside(y.strides()) {
            x.merge_axes(this, next);
            y.merge_axes(this, next);
        }
        if x.len_of(this) == 1 && x.ndim() > 2 {
            (x, y) = (x.remove_axis(this), y.remove_axis(this));
        }
    }
    (x, y)
}

/// The longest axis but the last; of equal ones the last.
fn longest<T>(a: &ArrayViewD<'_, T>) -> Axis {
    Axis((0..a.ndim() - 1).max_by_key(|axis| a.shape()[*axis]).unwrap_or(0))
}

/// The axis to halve and the length of the first half, where there is work for two: the longest of
/// those that only count matrices, then the one along which the matrices lie.
pub(super) fn halves<T>(a: &ArrayViewD<'_, T>, flops: f64, piece: f64) -> Option<(Axis, usize)> {
    let matrices = longest(a);
    let others = (0..a.ndim() - 1).filter(|axis| Axis(*axis) != matrices && a.shape()[*axis] > 1);
    let axis = others.max_by_key(|axis| a.shape()[*axis]).map_or(matrices, Axis);
    let length = a.len_of(axis);
    let half = if length >= 64 { (length / 2).next_multiple_of(16) } else { length / 2 };
    (length > 1 && flops > piece).then_some((axis, half))
}

fn halve_and_expand<T: Scalar>(out: ArrayViewMutD<'_, T>, a: ArrayViewD<'_, T>, m: MatRef<'_, T>) {
    let Some((axis, half)) = halves(&a, 2.0 * a.len() as f64 * m.nrows() as f64, PIECE) else {
        return expand_batch(out, a, m);
    };
    let (left, right) = a.split_at(axis, half);
    let (out_left, out_right) = out.split_at(axis, half);
    rayon::join(|| halve_and_expand(out_left, left, m), || halve_and_expand(out_right, right, m));
}

/// One product of matrices for each place on the axes besides the longest and the last.
fn expand_batch<T: Scalar>(out: ArrayViewMutD<'_, T>, a: ArrayViewD<'_, T>, m: MatRef<'_, T>) {
    if a.ndim() > 2 {
        let axis = shorter(&a);
        for (out, a) in out.into_axis_iter_mut(axis).zip(a.into_axis_iter(axis)) {
            expand_batch(out, a, m);
        }
    } else if let (Ok(out), Ok(a)) = (out.into_dimensionality::<Ix2>(), a.into_dimensionality::<Ix2>()) {
        T::product(view_of_array_mut(out), false, view_of_array(a), m.transpose());
    }
}

fn halve_and_reduce<T: Scalar>(a: ArrayViewD<'_, T>, b: ArrayViewD<'_, T>) -> Mat<T> {
    let (n, l) = (a.len_of(Axis(a.ndim() - 1)), b.len_of(Axis(b.ndim() - 1)));
    // Sums cost n l flops: pieces are longer than that.
    let piece = PIECE.max(32.0 * n as f64 * l as f64);
    let Some((axis, half)) = halves(&a, 2.0 * a.len() as f64 * l as f64, piece) else {
        let mut out = Mat::zeros(n, l);
        reduce_batch(out.as_mut(), a, b);
        return out;
    };
    let ((left, right), (b_left, b_right)) = (a.split_at(axis, half), b.split_at(axis, half));
    let (mut sum, other) =
        rayon::join(|| halve_and_reduce(left, b_left), || halve_and_reduce(right, b_right));
    sum += other;
    sum
}

fn reduce_batch<T: Scalar>(mut out: MatMut<'_, T>, a: ArrayViewD<'_, T>, b: ArrayViewD<'_, T>) {
    if a.ndim() > 2 {
        let axis = shorter(&a);
        for (a, b) in a.into_axis_iter(axis).zip(b.into_axis_iter(axis)) {
            reduce_batch(out.as_mut(), a, b);
        }
    } else if let (Ok(a), Ok(b)) = (a.into_dimensionality::<Ix2>(), b.into_dimensionality::<Ix2>()) {
        T::product(out, true, view_of_array(a).transpose(), view_of_array(b));
    }
}

/// An axis besides the longest and the last.
fn shorter<T>(a: &ArrayViewD<'_, T>) -> Axis {
    Axis(if longest(a) == Axis(0) { 1 } else { 0 })
}
