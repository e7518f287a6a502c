//! The left singular vectors of an unfolding, to full accuracy and without its copy.
//!
//! **Problem.** A (n_1, ..., n_d) with any strides: the left singular vectors and the singular
//! values of the unfolding of mode k, A_(k) (n_k, M).
//!
//! **Method.** A_(k)' = Q R by a tree of Householder QR factorizations of pieces of rows (TSQR:
//! Demmel, Grigori, Hoemmen, Langou, SIAM J. Sci. Comput. 34 (2012)), Q left out; then the singular
//! value decomposition of the small R. Where M <= n_k the unfolding itself is decomposed.
//!
//! **Cost.** 2 N n_k flops and a fifth more for the tree, level-3 throughout, on all threads; and
//! O(n_k^3). Memory 16 n_k^2 numbers a thread.
//!
//! **Guarantee.** That of the QR and of [`svd::dense`]: singular values within c eps |A|_F, which
//! a Gram matrix loses below sqrt(eps) |A|_F. The tree depends on the shape and the strides alone.
//!
//! **Deviations.** None.

use crate::matrix::{canonical_signs, scale_by_power_of_two, view_of_array};
use crate::svd::{self, Svd};
use crate::tensor::kernel::{halves, last};
use crate::{Result, Scalar};
use faer::{Mat, MatMut};
use ndarray::{ArrayViewD, Axis, Ix2, IxDyn};

/// The left singular vectors (n, min(n, M)) and the singular values of the unfolding of `mode` of
/// 2^-e A, which is not empty.
pub(super) fn left_singular<T: Scalar>(
    a: ArrayViewD<'_, T>,
    mode: usize,
    e: i32,
) -> Result<(Mat<T>, Vec<T>)> {
    let a = a.clone().permuted_axes(IxDyn(&last(a.ndim(), mode)));
    let n = a.len_of(Axis(a.ndim() - 1));
    let r = if a.len() / n > n { triangle(a, e) } else { gathered(a, e) }; // (min(n, M), n)
    let Svd { u: mut right, s, v: mut left } = svd::dense(r)?;
    canonical_signs(&mut left, &mut right);
    Ok((left, s))
}

/// R (n, n) of the QR of the matrix (M, n), M >= n, whose rows are the places of all axes but the
/// last of 2^-e A.
pub(super) fn triangle<T: Scalar>(a: ArrayViewD<'_, T>, e: i32) -> Mat<T> {
    let n = a.len_of(Axis(a.ndim() - 1));
    let rows = (16 * n).max((1 << 16) / n);
    let Some((axis, half)) = halves(&a, (a.len() / n) as f64, rows as f64) else {
        return T::triangle(gathered(a, e));
    };
    let (left, right) = a.split_at(axis, half);
    let (first, second) = rayon::join(|| triangle(left, e), || triangle(right, e));
    let mut both = Mat::zeros(first.nrows() + second.nrows(), n);
    both.as_mut().subrows_mut(0, first.nrows()).copy_from(&first);
    both.as_mut().subrows_mut(first.nrows(), second.nrows()).copy_from(&second);
    drop((first, second));
    T::triangle(both)
}

/// The rows of 2^-e A as a matrix.
fn gathered<T: Scalar>(a: ArrayViewD<'_, T>, e: i32) -> Mat<T> {
    let n = a.len_of(Axis(a.ndim() - 1));
    let rows = a.len() / n;
    let mut out = Mat::zeros(rows, n);
    copy(a, out.as_mut());
    if e != 0 {
        (0..n).for_each(|j| {
            out.col_as_slice_mut(j).iter_mut().for_each(|x| *x = scale_by_power_of_two(*x, -e))
        });
    }
    out
}

/// Copies the rows of a tensor into those of a matrix.
fn copy<T: Scalar>(a: ArrayViewD<'_, T>, mut out: MatMut<'_, T>) {
    if a.ndim() <= 2 {
        let a = if a.ndim() == 1 { a.insert_axis(Axis(0)) } else { a };
        if let Ok(a) = a.into_dimensionality::<Ix2>() {
            out.copy_from(view_of_array(a));
        }
        return;
    }
    let height = out.nrows() / a.len_of(Axis(0));
    for (k, a) in a.into_axis_iter(Axis(0)).enumerate() {
        copy(a, out.as_mut().subrows_mut(k * height, height));
    }
}
