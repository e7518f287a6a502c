//! Kronecker products and their relatives, against dense computations in double precision.

mod apply;
#[path = "../support/mod.rs"]
mod support;

use lowrank::faer::{Mat, MatRef};
use lowrank::kronecker::*;
use lowrank::matrix::{frobenius, scaled};
use lowrank::random::gaussian;
use lowrank::{Error, Operator, Scalar};
use support::*;

/// Shapes of factors: one, two, more; wide, tall, square, thin; with sides of 1.
const SHAPES: [&[(usize, usize)]; 10] = [
    &[(5, 3)],
    &[(3, 3), (4, 4)],
    &[(1, 1), (7, 7)],
    &[(2, 5), (6, 1)],
    &[(4, 2), (2, 4)],
    &[(2, 2), (3, 3), (4, 4)],
    &[(3, 2), (1, 4), (5, 5)],
    &[(2, 3), (3, 2), (2, 2), (1, 3)],
    &[(2, 2), (2, 2), (2, 2), (2, 2), (2, 2)],
    &[(17, 9), (8, 13)],
];

/// Gaussian factors.
fn factors<T: Scalar>(shapes: &[(usize, usize)], seed: u64) -> Vec<Mat<T>> {
    shapes.iter().enumerate().map(|(k, &(m, n))| gaussian(m, n, seed + k as u64, "factor")).collect()
}

/// A product of Gaussian factors.
fn product<T: Scalar>(shapes: &[(usize, usize)], seed: u64) -> Kronecker<T> {
    Kronecker::new(factors(shapes, seed)).unwrap()
}

/// The product of the factors in double precision, block by block.
fn kron<T: Scalar>(factors: &[Mat<T>]) -> Mat<f64> {
    factors.iter().fold(Mat::from_fn(1, 1, |_, _| 1.0), |all, f| {
        let (p, q) = f.shape();
        Mat::from_fn(all.nrows() * p, all.ncols() * q, |i, j| {
            all[(i / p, j / q)] * f[(i % p, j % q)].as_f64()
        })
    })
}

/// |A - B|_F <= `slack` eps `size`.
fn close<T: Scalar>(a: MatRef<'_, T>, b: &Mat<f64>, slack: f64, size: f64, case: &str) {
    assert_eq!(a.shape(), b.shape(), "{case}");
    let error = frobenius(wide(a) - b);
    assert!(error <= slack * T::EPS * size, "{case}: {} eps, allowed {slack}", error / (T::EPS * size));
}
