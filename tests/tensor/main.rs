//! Dense tensors: products along modes against sums over the entries, Tucker decompositions against
//! the singular values of unfoldings.

mod edges;
mod nonnegative;
mod products;
#[path = "../support/mod.rs"]
mod support;
mod tucker;

use lowrank::faer::{Mat, MatRef};
use lowrank::ndarray::{ArrayD, ArrayViewD, Axis, Dimension, IxDyn, Slice};
use lowrank::random::gaussian;
use lowrank::{Error, Scalar};
use support::*;

/// |A|_F.
fn norm<T: Scalar>(a: &ArrayD<T>) -> f64 {
    a.iter().map(|x| x.as_f64() * x.as_f64()).sum::<f64>().sqrt()
}

/// |A - B|_F.
fn distance<T: Scalar>(a: &ArrayD<T>, b: &ArrayD<T>) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.iter().zip(b).map(|(a, b)| (a.as_f64() - b.as_f64()).powi(2)).sum::<f64>().sqrt()
}

/// A row-major tensor of Gaussian entries.
fn random<T: Scalar>(shape: &[usize], seed: u64) -> ArrayD<T> {
    let entries = gaussian::<T>(shape.iter().product(), 1, seed, "tensor");
    ArrayD::from_shape_vec(IxDyn(shape), entries.col_as_slice(0).to_vec()).unwrap()
}

/// The tensor of `f` of the index.
fn tensor<T: Scalar>(shape: &[usize], f: impl Fn(&[usize]) -> f64) -> ArrayD<T> {
    ArrayD::from_shape_fn(IxDyn(shape), |index| T::of(f(index.slice())))
}

/// A name, an array, and the view of it that has the entries.
type Layout<T> = (&'static str, ArrayD<T>, fn(&ArrayD<T>) -> ArrayViewD<'_, T>);

/// The same entries in other layouts: by columns, reversed along each axis, every other place of a
/// larger array, axes in another order of memory.
fn layouts<T: Scalar>(a: &ArrayD<T>) -> Vec<Layout<T>> {
    let d = a.ndim();
    let by_columns = a.t().as_standard_layout().into_owned();
    let mut reversed = a.clone();
    (0..d).for_each(|axis| reversed.invert_axis(Axis(axis)));
    let reversed = reversed.as_standard_layout().into_owned();
    let doubled: Vec<usize> = a.shape().iter().map(|n| 2 * n).collect();
    let mut sparse = ArrayD::<T>::from_elem(IxDyn(&doubled), T::of(7.0));
    sparse.slice_each_axis_mut(|_| Slice::from(..).step_by(2)).assign(a);
    let mut turned: Vec<usize> = (1..d).collect();
    turned.push(0);
    let turned = a.view().permuted_axes(IxDyn(&turned)).as_standard_layout().into_owned();
    vec![
        ("row-major", a.clone(), |a| a.view()),
        ("by columns", by_columns, |a| a.t()),
        ("reversed", reversed, |a| {
            let mut view = a.view();
            (0..a.ndim()).for_each(|axis| view.invert_axis(Axis(axis)));
            view
        }),
        ("every other", sparse, |a| a.slice_each_axis(|_| Slice::from(..).step_by(2))),
        ("turned", turned, |a| {
            let mut order = vec![a.ndim() - 1];
            order.extend(0..a.ndim() - 1);
            a.view().permuted_axes(IxDyn(&order))
        }),
    ]
}

/// Sizes that occur: small, one, long and short, of orders one to five.
const SHAPES: [&[usize]; 14] = [
    &[7],
    &[1],
    &[6, 9],
    &[40, 3],
    &[1, 1, 1],
    &[4, 5, 6],
    &[2, 1, 9, 3],
    &[30, 2, 2],
    &[2, 2, 30],
    &[2, 70, 2],
    &[3, 17, 4],
    &[4, 3, 2, 3, 4],
    &[90, 50, 40],
    &[33, 5, 65, 9],
];

/// The largest power of two that leaves products of a few entries of order 2^this in range.
fn far<T: Scalar>() -> i32 {
    if T::NAME == "f32" { 60 } else { 600 }
}

/// Every entry times 2^e.
fn shifted<T: Scalar>(a: &ArrayD<T>, e: i32) -> ArrayD<T> {
    a.mapv(|x| lowrank::matrix::scale_by_power_of_two(x, e))
}
