//! Tensors as matrices and back.
//!
//! The unfolding of mode k of a tensor (n_1, ..., n_d) is the matrix (n_k, N / n_k) whose rows are
//! the values of index k and whose columns are the multi-indices of the other modes in row-major
//! order (last index fastest), as in TensorLy. Kolda and Bader (2009) let the first index be
//! fastest: their columns are a permutation of these.

use super::dense::{check_mode, check_order, size};
use crate::matrix::{AsMatrix, array_view, check_finite, check_finite_array};
use crate::{Error, Result, Scalar};
use ndarray::{ArrayD, ArrayViewD, Axis, CowArray, Ix2, IxDyn};

/// The unfolding of `mode` (counted from 0) as a matrix (n_k, N / n_k).
///
/// A view where the strides allow it, as for the first and the last mode of a row-major tensor; else
/// a row-major copy. O(N) for the check.
///
/// # Errors
/// [`Error::Parameter`] for a mode that is not there; [`Error::NonFinite`] with the position;
/// [`Error::TooLarge`] where a copy cannot be allocated.
///
/// ```
/// use lowrank::ndarray::{ArrayD, array};
/// use lowrank::tensor::{fold, unfold};
/// let a = ArrayD::from_shape_fn(vec![2, 3, 2], |i| (100 * i[0] + 10 * i[1] + i[2]) as f64);
/// let x = unfold(a.view(), 1)?; // (3, 4)
/// assert_eq!(x.row(2), array![20.0, 21.0, 120.0, 121.0]);
/// assert_eq!(fold(&x, 1, &[2, 3, 2])?, a);
/// # lowrank::Result::Ok(())
/// ```
pub fn unfold<T: Scalar>(a: ArrayViewD<'_, T>, mode: usize) -> Result<CowArray<'_, T, Ix2>> {
    check_order(&a)?;
    check_mode(mode, a.ndim())?;
    check_finite_array("a", a.view())?;
    let shape = (a.len_of(Axis(mode)), others(a.shape(), mode)?);
    let mut view = moved_to_front(a.clone(), mode);
    let merged = (1..a.ndim().saturating_sub(1)).all(|axis| view.merge_axes(Axis(axis), Axis(axis + 1)));
    if merged && !a.is_empty() {
        let mut view = view;
        while view.ndim() > 2 {
            view = view.index_axis_move(Axis(1), 0);
        }
        let view = if view.ndim() == 1 { view.insert_axis(Axis(1)) } else { view };
        let view = view.into_dimensionality::<Ix2>().expect("two axes are left");
        return Ok(view.into());
    }
    size::<T>(&[shape.0, shape.1], "an unfolding")?;
    let entries = moved_to_front(a, mode).iter().copied().collect();
    Ok(ndarray::Array2::from_shape_vec(shape, entries).expect("as many entries").into())
}

/// The row-major tensor of this shape whose unfolding of `mode` is `x` (n_k, N / n_k).
///
/// # Errors
/// [`Error::Parameter`] for a mode that is not there; [`Error::Shape`] where `x` has not the shape of
/// that unfolding; [`Error::NonFinite`] with the position in `x`; [`Error::TooLarge`].
pub fn fold<T: Scalar>(x: impl AsMatrix<T>, mode: usize, shape: &[usize]) -> Result<ArrayD<T>> {
    let x = x.as_matrix();
    check_mode(mode, shape.len())?;
    let expected = (shape[mode], others(shape, mode)?);
    if x.shape() != expected {
        let expected = format!("the unfolding of mode {mode} of {shape:?} has shape {expected:?}");
        return Err(Error::Shape { argument: "x", expected, found: vec![x.nrows(), x.ncols()] });
    }
    size::<T>(shape, "the folded tensor")?;
    check_finite("x", x)?;
    let mut out = super::dense::zeros(shape, "the folded tensor")?;
    let mut order: Vec<usize> = (0..shape.len()).filter(|axis| *axis != mode).collect();
    order.insert(0, mode);
    let view = out.view_mut().permuted_axes(IxDyn(&order));
    view.into_iter().zip(array_view(x).iter()).for_each(|(out, x)| *out = *x);
    Ok(out)
}

/// The product of all sizes but that of `mode`.
fn others(shape: &[usize], mode: usize) -> Result<usize> {
    let rest = || shape.iter().enumerate().filter(|(axis, _)| *axis != mode).map(|(_, n)| *n);
    if rest().any(|n| n == 0) {
        return Ok(0);
    }
    rest().try_fold(1usize, |product, n| product.checked_mul(n)).ok_or_else(|| Error::TooLarge {
        what: "an unfolding",
        bytes: rest().fold(size_of::<f64>() as f64, |bytes, n| bytes * n as f64),
        remedy: "ask for fewer or smaller modes",
    })
}

/// The same entries with axis `mode` first.
fn moved_to_front<T: Scalar>(a: ArrayViewD<'_, T>, mode: usize) -> ArrayViewD<'_, T> {
    let mut order: Vec<usize> = (0..a.ndim()).filter(|axis| *axis != mode).collect();
    order.insert(0, mode);
    a.permuted_axes(IxDyn(&order))
}
