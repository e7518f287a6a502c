//! Canonical polyadic decompositions against sums over the terms.

mod als;
mod constraints;
mod diagnostics;
mod edges;
mod masked;
mod rank_choice;
mod representation;
mod sampled;
#[path = "../support/mod.rs"]
mod support;

use lowrank::faer::Mat;
use lowrank::ndarray::{ArrayD, Dimension, IxDyn};
use lowrank::random::gaussian;
use lowrank::tensor::Cp;
use lowrank::{Error, Scalar};

/// |A|_F.
fn norm<T: Scalar>(a: &ArrayD<T>) -> f64 {
    a.iter().map(|x| x.as_f64() * x.as_f64()).sum::<f64>().sqrt()
}

/// |A - B|_F.
fn distance<T: Scalar>(a: &ArrayD<T>, b: &ArrayD<T>) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.iter().zip(b).map(|(a, b)| (a.as_f64() - b.as_f64()).powi(2)).sum::<f64>().sqrt()
}

/// Gaussian factors (n_i, rank) of a tensor of this shape.
fn factors<T: Scalar>(shape: &[usize], rank: usize, seed: u64) -> Vec<Mat<T>> {
    let mode = |(i, &n): (usize, &usize)| gaussian::<T>(n, rank, seed, &format!("factor {i}"));
    shape.iter().enumerate().map(mode).collect()
}

/// The tensor of these weights and factors, entry by entry in double precision.
fn dense<T: Scalar>(weights: &[T], factors: &[Mat<T>]) -> ArrayD<T> {
    let shape: Vec<usize> = factors.iter().map(|f| f.nrows()).collect();
    ArrayD::from_shape_fn(IxDyn(&shape), |index| {
        let term = |k: usize| {
            let entries = factors.iter().zip(index.slice()).map(|(f, &i)| f[(i, k)].as_f64());
            entries.fold(weights[k].as_f64(), |x, y| x * y)
        };
        T::of((0..weights.len()).map(term).sum())
    })
}
