//! Products of a tensor with matrices along its modes.
//!
//! **Problem.** A (n_1, ..., n_d), stored with any strides, and M (p, n_k): the tensor A x_k M of
//! shape (n_1, ..., p, ..., n_d) whose unfolding of mode k is M times that of A; or such products
//! along several modes.
//!
//! **Method.** Kolda, Bader, "Tensor decompositions and applications", SIAM Review 51 (2009),
//! section 2.5, without unfolding: modes that lie one beside the other in memory are taken as one,
//! the tensor is cut into pieces along the longest of what is left, and every piece is a batch of
//! matrix products on views of A and of the result (Li et al., "An input-adaptive and in-place
//! approach to dense tensor-times-matrix multiply", SC 2015). Of several products the one with the
//! largest 1/p - 1/n_k comes first: the order of fewest flops.
//!
//! **Cost.** 2 p N flops for N entries. No memory besides the result; of several products, besides
//! two of the intermediate tensors.
//!
//! **Guarantee.** |computed - exact|_F <= 4 n_k eps |A|_F |M|_F. The cuts depend on the shape and
//! the strides alone: the bits do not depend on the number of threads. Entries near 1e300 or 1e-300
//! are balanced by powers of two on the (small) matrices.
//!
//! **Deviations.** None.

use super::dense::{check_mode, check_order, limit, most, scale_up, size, zeros};
use super::kernel::{expand, last};
use crate::matrix::{AsMatrix, exponent, largest_finite, largest_finite_array, scale_in_place, scaled};
use crate::{Error, Result, Scalar};
use faer::{Mat, MatRef};
use ndarray::{ArrayD, ArrayViewD, Axis};

/// A x_k M for `m` (p, n_k) and `mode` k, counted from 0. O(p N).
///
/// The transpose of a stored matrix is a view: `m.transpose()` or `m.t()`.
///
/// # Errors
/// [`Error::Parameter`] for a mode that is not there and where an entry of the result overflows;
/// [`Error::Shape`] where `m` has not n_k columns; [`Error::NonFinite`] with the position;
/// [`Error::TooLarge`] before the result is allocated.
///
/// ```
/// use lowrank::{faer::mat, ndarray::ArrayD, tensor::mode_product};
/// let a = ArrayD::from_shape_fn(vec![2, 3, 4], |i| (i[0] + i[1] + i[2]) as f64);
/// let sums = mode_product(a.view(), mat![[1.0, 1.0, 1.0]], 1)?;
/// assert_eq!(sums.shape(), [2, 1, 4]);
/// assert_eq!(sums[[1, 0, 3]], 4.0 + 5.0 + 6.0);
/// # lowrank::Result::Ok(())
/// ```
pub fn mode_product<T: Scalar>(a: ArrayViewD<'_, T>, m: impl AsMatrix<T>, mode: usize) -> Result<ArrayD<T>> {
    checked_products(a, &[(mode, m.as_matrix())], "m")
}

/// The product along several modes, each at most once, in the cheapest order: the pairs are
/// (k, M of shape (p, n_k)). With none of them a row-major copy of A.
///
/// # Errors
/// Those of [`mode_product`]; [`Error::Parameter`] for a mode that is there twice. The position of
/// an entry that is not finite starts with the number of the pair.
///
/// ```
/// use lowrank::{faer::mat, ndarray::ArrayD, tensor::multi_mode_product};
/// let a = ArrayD::from_shape_fn(vec![2, 3, 2], |i| (i[0] + i[1] + i[2]) as f64);
/// let (x, y) = (mat![[1.0, -1.0]], mat![[1.0, 1.0, 1.0]]);
/// let b = multi_mode_product(a.view(), &[(0, x.as_ref()), (1, y.as_ref())])?;
/// assert_eq!(b.into_raw_vec_and_offset().0, [-3.0, -3.0]);
/// # lowrank::Result::Ok(())
/// ```
pub fn multi_mode_product<T: Scalar>(
    a: ArrayViewD<'_, T>,
    matrices: &[(usize, MatRef<'_, T>)],
) -> Result<ArrayD<T>> {
    checked_products(a, matrices, "matrices")
}

fn checked_products<T: Scalar>(
    a: ArrayViewD<'_, T>,
    matrices: &[(usize, MatRef<'_, T>)],
    argument: &'static str,
) -> Result<ArrayD<T>> {
    check_order(&a)?;
    let mut seen = vec![false; a.ndim()];
    let mut exponents = Vec::with_capacity(matrices.len());
    let mut shape = a.shape().to_vec();
    for (k, (mode, m)) in matrices.iter().enumerate() {
        check_mode(*mode, a.ndim())?;
        if std::mem::replace(&mut seen[*mode], true) {
            let remedy = "give each mode once: multiply its matrices first";
            return Err(Error::Parameter { name: "mode", value: mode.to_string(), remedy });
        }
        let n = a.len_of(Axis(*mode));
        if m.ncols() != n {
            let expected = format!("mode {mode} of the tensor needs {n} columns");
            return Err(Error::Shape { argument, expected, found: vec![m.nrows(), m.ncols()] });
        }
        let within = |e: Error| if argument == "m" { e } else { e.within(k) };
        exponents.push(exponent(largest_finite(argument, m).map_err(within)?));
        shape[*mode] = m.nrows();
    }
    size::<T>(&shape, "the product of a tensor and matrices")?;
    let own = exponent(largest_finite_array("a", a.view())?);
    if own.abs() + exponents.iter().map(|e| e.abs()).sum::<i32>() <= limit::<T>() {
        return products_along(a, matrices);
    }
    // Each matrix near 1, the first one also times what brings the tensor near 1.
    let down = own.clamp(-most::<T>(), most::<T>());
    let near_one = |(e, (_, m)): (&i32, &(usize, MatRef<'_, T>))| scaled(m, -e);
    let mut balanced: Vec<Mat<T>> = exponents.iter().zip(matrices).map(near_one).collect();
    let pairs = cheapest(a.shape(), matrices.iter().map(|(mode, m)| (*mode, m.nrows())).collect());
    let Some(first) = pairs.first().and_then(|first| matrices.iter().position(|(mode, _)| mode == first))
    else {
        return products_along(a, matrices);
    };
    scale_in_place(&mut balanced[first], -down);
    let balanced: Vec<_> = matrices.iter().zip(&balanced).map(|((mode, _), m)| (*mode, m.as_ref())).collect();
    let mut out = products_along(a, &balanced)?;
    scale_up(&mut out, down + exponents.iter().sum::<i32>(), "product")?;
    Ok(out)
}

/// The modes in the order of fewest flops, of pairs (mode, rows of its matrix).
///
/// First k and then l costs p_k + p_k p_l / n_k times the size, so k goes first where
/// p_k (1 - p_l / n_l) <= p_l (1 - p_k / n_k): largest 1/p - 1/n first.
pub(super) fn cheapest(shape: &[usize], mut pairs: Vec<(usize, usize)>) -> Vec<usize> {
    let key = |&(mode, p): &(usize, usize)| 1.0 / p as f64 - 1.0 / shape[mode] as f64;
    pairs.sort_by(|x, y| key(y).total_cmp(&key(x)).then(x.0.cmp(&y.0)));
    pairs.into_iter().map(|(mode, _)| mode).collect()
}

/// [`multi_mode_product`] of arguments that are known to fit, to be finite and of moderate size.
pub(super) fn products_along<T: Scalar>(
    a: ArrayViewD<'_, T>,
    matrices: &[(usize, MatRef<'_, T>)],
) -> Result<ArrayD<T>> {
    let mut out: Option<ArrayD<T>> = None;
    for mode in cheapest(a.shape(), matrices.iter().map(|(mode, m)| (*mode, m.nrows())).collect()) {
        let Some((_, m)) = matrices.iter().find(|(other, _)| *other == mode) else { continue };
        let from = out.as_ref().map_or(a.view(), |out| out.view());
        out = Some(product_along(from, *m, mode)?);
    }
    match out {
        Some(out) => Ok(out),
        None => {
            let mut copy = zeros(a.shape(), "a copy of the tensor")?;
            copy.assign(&a);
            Ok(copy)
        }
    }
}

/// [`mode_product`] of arguments that are known to fit, to be finite and of moderate size.
pub(super) fn product_along<T: Scalar>(
    a: ArrayViewD<'_, T>,
    m: MatRef<'_, T>,
    mode: usize,
) -> Result<ArrayD<T>> {
    let mut shape = a.shape().to_vec();
    shape[mode] = m.nrows();
    let mut out = zeros(&shape, "the product of a tensor and a matrix")?;
    if !a.is_empty() && !out.is_empty() {
        let order = last(a.ndim(), mode);
        let (out, a) = (out.view_mut().permuted_axes(&order[..]), a.permuted_axes(&order[..]));
        expand(out, a, m);
    }
    Ok(out)
}
