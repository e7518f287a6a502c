//! Tensor trains: the container, TT-SVD and rounding, against dense tensors and their unfoldings.

mod algebra;
mod arithmetic;
mod bars;
mod cross;
mod operators;
mod randomized;
mod search;
#[path = "../support/mod.rs"]
mod support;
mod svd;

use lowrank::faer::{Mat, MatRef};
use lowrank::ndarray::{Array3, ArrayD, IxDyn};
use lowrank::{Error, Scalar, TensorEntries, TensorTrain};
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

/// The root of the sum over bonds of the squared tails of the unfoldings of A beyond `ranks`.
fn tail_bound<T: Scalar>(a: &ArrayD<T>, ranks: &[usize]) -> f64 {
    let entries: Vec<f64> = a.iter().map(|x| x.as_f64()).collect();
    let mut sum = 0.0;
    for (k, &rank) in ranks.iter().enumerate() {
        let rows: usize = a.shape()[..=k].iter().product();
        let unfolding = MatRef::from_row_major_slice(&entries, rows, entries.len() / rows);
        let s = unfolding.singular_values().expect("singular values");
        sum += s[rank.min(s.len())..].iter().map(|s| s * s).sum::<f64>();
    }
    sum.sqrt()
}

/// The largest |Q'Q - I|_F / (g eps) of all cores but the last, unfolded to (l n, r).
fn worst_omega<T: Scalar>(train: &TensorTrain<T>) -> f64 {
    let cores = train.cores();
    let of_core = |core: &Array3<T>| {
        let (l, n, r) = core.dim();
        omega(&Mat::from_fn(l * n, r, |i, j| core[(i / n, i % n, j)]), g::<T>(l * n, r))
    };
    cores[..cores.len() - 1].iter().map(of_core).fold(0.0, f64::max)
}

/// Named tensors of a shape.
fn gallery<T: Scalar>(shape: &[usize]) -> Vec<(&'static str, ArrayD<T>)> {
    let make = |f: &dyn Fn(&[usize]) -> f64| {
        ArrayD::from_shape_fn(IxDyn(shape), |index| T::of(f(lowrank::ndarray::Dimension::slice(&index))))
    };
    let random = |rank: usize, seed| {
        let ranks = vec![rank; shape.len() - 1];
        TensorTrain::<f64>::random(shape, &ranks, seed).unwrap().to_dense().unwrap()
    };
    let (thin, full) = (random(2, 1), random(12, 2));
    vec![
        ("zero", make(&|_| 0.0)),
        ("ones", make(&|_| 1.0)),
        ("one entry", make(&|i| if i.iter().all(|&i| i == 0) { 1.0 } else { 0.0 })),
        ("sum", make(&|i| i.iter().sum::<usize>() as f64)),
        ("hilbert", make(&|i| 1.0 / (1.0 + i.iter().sum::<usize>() as f64))),
        ("diagonal", make(&|i| if i.iter().all(|&j| j == i[0]) { 1.0 } else { 0.0 })),
        ("graded", make(&|i| 10f64.powi(-(i.iter().sum::<usize>() as i32)))),
        ("rank 2", make(&|i| thin[i])),
        ("ones plus 1e-12", make(&|i| 1.0 + 1e-12 * full[i])),
        ("rank 2 plus 1e-8", make(&|i| thin[i] + 1e-8 * full[i])),
        ("random", make(&|i| full[i])),
    ]
}
