//! The Laplacian against its eigenvectors, inverses of Kronecker sums against exact solves.

use super::{dense, random, total};
use lowrank::faer::Mat;
use lowrank::matrix::frobenius;
use lowrank::separated::{inverse_of_kronecker_sum, laplacian, second_difference};
use lowrank::{Error, Scalar, Separated};
use std::f64::consts::PI;

/// The eigenvector of the Laplacian with these frequencies, and its eigenvalue.
fn eigenvector<T: Scalar>(n: usize, frequencies: &[usize]) -> (Separated<T>, f64) {
    let h = 1.0 / (n as f64 + 1.0);
    let sine = |&j: &usize| Mat::from_fn(n, 1, |i, _| T::of((PI * (j * (i + 1)) as f64 * h).sin()));
    let eigenvalue = |&j: &usize| (2.0 / h * (0.5 * PI * j as f64 * h).sin()).powi(2);
    let vector = Separated::from_terms(vec![frequencies.iter().map(sine).collect()]).unwrap();
    (vector, frequencies.iter().map(eigenvalue).sum())
}

fn eigenvectors<T: Scalar>() {
    for frequencies in [&[1][..], &[2, 5], &[3, 1, 7], &[1; 10], &[9, 1, 2, 3, 4, 5, 6, 7, 8, 9]] {
        let n = 16;
        let a = laplacian::<T>(&vec![n; frequencies.len()]).unwrap();
        let (v, eigenvalue) = eigenvector::<T>(n, frequencies);
        let off = a.times(&v).unwrap().distance(&v.clone().scaled(T::of(eigenvalue)).unwrap()).unwrap();
        let norm = a.order() as f64 * 4.0 * 17.0 * 17.0;
        assert!(off <= 20.0 * T::EPS * norm * total(&v), "{} {frequencies:?}: {off:e}", T::NAME);
    }
}

#[test]
fn eigenvectors_of_the_laplacian() {
    eigenvectors::<f32>();
    eigenvectors::<f64>();
}

/// (-Delta)^-1 b on the full grid, by the eigenvectors.
fn exact_solution(n: usize, d: usize, b: &Mat<f64>) -> Mat<f64> {
    let size = n.pow(d as u32);
    let h = 1.0 / (n as f64 + 1.0);
    let sine = |i: usize, j: usize| (2.0 * h).sqrt() * (PI * ((i + 1) * (j + 1)) as f64 * h).sin();
    let eigenvalue = |j: usize| (2.0 / h * (0.5 * PI * (j + 1) as f64 * h).sin()).powi(2);
    let digit = |x: usize, k: usize| x / n.pow(k as u32) % n;
    let transform =
        Mat::from_fn(size, size, |i, j| (0..d).map(|k| sine(digit(i, k), digit(j, k))).product::<f64>());
    let mut spectral: Mat<f64> = transform.transpose() * b;
    for i in 0..size {
        let value: f64 = (0..d).map(|k| eigenvalue(digit(i, k))).sum();
        (0..b.ncols()).for_each(|j| spectral[(i, j)] /= value);
    }
    transform * spectral
}

fn inverse_on_full_grids<T: Scalar>(tolerances: &[f64]) {
    for (n, d) in [(12, 2), (7, 3), (20, 1)] {
        let a = laplacian::<T>(&vec![n; d]).unwrap();
        for &tolerance in tolerances {
            let p = inverse_of_kronecker_sum(&vec![second_difference::<T>(n); d], tolerance).unwrap();
            assert!(p.error <= tolerance);
            let b = random::<T>(&vec![(n, 1); d], 3, 1);
            let x = p.inverse.times(&b).unwrap();
            let exact = exact_solution(n, d, &dense(&b));
            let off = frobenius((dense(&x) - &exact).as_ref()) / frobenius(exact.as_ref());
            let rounding = 1e3 * T::EPS;
            let case = format!("{} n = {n}, d = {d}, tolerance {tolerance:e}: {off:e}", T::NAME);
            assert!(off <= p.error + rounding, "{case}");
            let residual = a.times(&x).unwrap().distance(&b).unwrap() / b.frobenius().unwrap();
            assert!(residual <= p.error + rounding * (n * n) as f64, "{case}, residual {residual:e}");
        }
    }
}

#[test]
fn inverses_against_the_exact_solve_on_full_grids() {
    inverse_on_full_grids::<f32>(&[0.1, 1e-3]);
    inverse_on_full_grids::<f64>(&[0.1, 1e-4, 1e-9]);
}

#[test]
fn ten_and_twenty_dimensions() {
    for d in [10, 20] {
        let p = inverse_of_kronecker_sum(&vec![second_difference::<f64>(64); d], 1e-8).unwrap();
        assert!(p.inverse.separation_rank() <= 26, "{}", p.inverse.separation_rank());
        let a = laplacian::<f64>(&vec![64; d]).unwrap();
        let ones = Separated::from_terms(vec![vec![Mat::<f64>::full(64, 1, 1.0); d]]).unwrap();
        let (sines, eigenvalue) = eigenvector::<f64>(64, &vec![3; d]);
        for b in [&ones, &sines] {
            let x = p.inverse.times(b).unwrap();
            let residual = a.times(&x).unwrap().distance(b).unwrap() / b.frobenius().unwrap();
            assert!(residual <= 1.1e-8, "d = {d}: {residual:e}");
        }
        let x = p.inverse.times(&sines).unwrap();
        let exact = sines.clone().scaled(1.0 / eigenvalue).unwrap();
        assert!(x.distance(&exact).unwrap() <= 1.01e-8 * exact.frobenius().unwrap());
    }
}

#[test]
fn factors_may_be_indefinite_if_their_sum_is_not() {
    let a = second_difference::<f64>(9);
    let shifted = |c: f64| Mat::from_fn(9, 9, |i, j| a[(i, j)] + if i == j { c } else { 0.0 });
    let factors = [shifted(-30.0), shifted(50.0), shifted(-20.0)];
    let p = inverse_of_kronecker_sum(&factors, 1e-6).unwrap();
    let same = inverse_of_kronecker_sum(&vec![a; 3], 1e-6).unwrap();
    assert!((p.spectrum.0 - same.spectrum.0).abs() <= 1e-9 && (p.spectrum.1 - same.spectrum.1).abs() <= 1e-9);
    assert!(p.inverse.distance(&same.inverse).unwrap() <= 1e-11 * same.inverse.frobenius().unwrap());
    assert!(p.inverse.distance(&p.inverse.transpose()).unwrap() <= 1e-14 * total(&p.inverse));
}

#[test]
fn refusals() {
    let a = second_difference::<f64>(4);
    let parameter = |factors: &[Mat<f64>], tolerance| {
        let found = inverse_of_kronecker_sum(factors, tolerance);
        assert!(matches!(found, Err(Error::Parameter { .. })), "{found:?}");
    };
    parameter(&[a.clone(), &a * -1.0], 1e-3);
    parameter(&[Mat::zeros(3, 3)], 1e-3);
    parameter(&[a.clone(), Mat::from_fn(3, 3, |i, j| (i + 2 * j) as f64)], 1e-3);
    for tolerance in [0.0, 1.0, f64::NAN, 1e-17] {
        parameter(std::slice::from_ref(&a), tolerance);
    }
    for factors in [vec![], vec![Mat::zeros(0, 0)], vec![Mat::zeros(2, 3)]] {
        assert!(matches!(inverse_of_kronecker_sum::<f64>(&factors, 1e-3), Err(Error::Shape { .. })));
    }
    let mut bad = a.clone();
    bad[(3, 1)] = f64::INFINITY;
    match inverse_of_kronecker_sum(&[a, bad], 1e-3) {
        Err(Error::NonFinite { argument: "factors", index }) => assert_eq!(index, [1, 3, 1]),
        other => panic!("{other:?}"),
    }
    assert!(matches!(laplacian::<f64>(&[]), Err(Error::Shape { .. })));
    assert!(matches!(laplacian::<f64>(&[1 << 40]), Err(Error::TooLarge { .. })));
    assert!(matches!(laplacian::<f32>(&[64; 60]), Err(Error::Parameter { .. })));
}
