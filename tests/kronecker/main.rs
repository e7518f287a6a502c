//! Kronecker products and their relatives, against dense computations in double precision.

mod algebra;
mod apply;
mod inputs;
mod khatri_rao;
mod rearrange;
mod solve;
mod spectra;
mod sums;
#[path = "../support/mod.rs"]
mod support;
mod threads;

use lowrank::faer::{Mat, MatRef};
use lowrank::kronecker::*;
use lowrank::matrix::{frobenius, scaled};
use lowrank::random::{gaussian, orthonormal, with_spectrum};
use lowrank::svd::singular_values;
use lowrank::{Error, LowRank, Operator, Scalar};
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

/// The sum over k of I (x) Mk (x) I in double precision.
fn kron_sum<T: Scalar>(factors: &[Mat<T>]) -> Mat<f64> {
    let n: usize = factors.iter().map(|f| f.nrows()).product();
    let mut all = Mat::zeros(n, n);
    for k in 0..factors.len() {
        let one = |l: usize| Mat::<f64>::identity(factors[l].nrows(), factors[l].nrows());
        let term: Vec<Mat<f64>> =
            (0..factors.len()).map(|l| if l == k { wide(factors[k].as_ref()) } else { one(l) }).collect();
        all += kron(&term);
    }
    all
}

/// |A - B|_F <= `slack` eps `size`.
fn close<T: Scalar>(a: MatRef<'_, T>, b: &Mat<f64>, slack: f64, size: f64, case: &str) {
    assert_eq!(a.shape(), b.shape(), "{case}");
    let error = frobenius(wide(a) - b);
    assert!(error <= slack * T::EPS * size, "{case}: {} eps, allowed {slack}", error / (T::EPS * size));
}

/// A symmetric matrix with these eigenvalues.
fn symmetric<T: Scalar>(values: &[f64], seed: u64) -> Mat<T> {
    let n = values.len();
    let v = orthonormal::<f64>(n, n, seed, "eigenvectors");
    let a = Mat::from_fn(n, n, |i, j| (0..n).map(|k| v[(i, k)] * values[k] * v[(j, k)]).sum::<f64>());
    Mat::from_fn(n, n, |i, j| T::of(0.5 * (a[(i, j)] + a[(j, i)])))
}

/// A matrix with condition number near 10.
fn well_conditioned<T: Scalar>(n: usize, seed: u64) -> Mat<T> {
    let s: Vec<f64> = (0..n).map(|k| 10f64.powf(-(k as f64) / (n.max(2) - 1) as f64)).collect();
    with_spectrum(n, n, &s, seed)
}
