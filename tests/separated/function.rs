//! Separated representations of functions from samples: known ranks, honest errors.

use super::support::*;
use lowrank::separated::{FittedFunction, FromFunction, SeparationRank, from_function};
use lowrank::{Error, Scalar, Status};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The sum of the points, n a mode from 0 to 1.
fn sum(index: &[usize], n: usize) -> f64 {
    index.iter().map(|&i| i as f64 / (n - 1) as f64).sum()
}

fn fit(n: usize, d: usize, p: FromFunction, f: impl Fn(&[usize]) -> f64 + Sync) -> FittedFunction<f64> {
    from_function(&vec![n; d], f, &p).unwrap()
}

fn tolerance(t: f64) -> FromFunction {
    FromFunction { rank: SeparationRank::Tolerance(t), ..Default::default() }
}

fn fixed(s: usize) -> FromFunction {
    FromFunction { rank: SeparationRank::Fixed(s), ..Default::default() }
}

fn gaussian<T: Scalar>(t: f64, allowed: f64) {
    for d in [1, 2, 5, 20] {
        let f = |i: &[usize]| T::of((-i.iter().map(|&i| (i as f64 / 8.0 - 1.0).powi(2)).sum::<f64>()).exp());
        let fit = from_function(&vec![17; d], f, &tolerance(t)).unwrap();
        assert_eq!(fit.separated.separation_rank(), 1, "{} d = {d}", T::NAME);
        assert_eq!(fit.report.status, Status::Converged);
        assert!(fit.error <= allowed, "{} d = {d}: {}", T::NAME, fit.error);
        assert!((fit.condition_number - 1.0).abs() <= 4.0 * T::EPS * d as f64);
        assert_eq!(fit.separated.shapes(), vec![(17, 1); d]);
    }
}

#[test]
fn a_gaussian_has_rank_one_in_any_dimension() {
    gaussian::<f64>(1e-6, 1e-13);
    gaussian::<f32>(1e-4, 1e-5);
}

#[test]
fn sines_of_a_sum_have_rank_d() {
    for (d, t) in [(2, 1e-6), (3, 1e-9), (5, 1e-8), (8, 1e-8), (12, 1e-8), (20, 1e-6)] {
        let fit = fit(20, d, tolerance(t), |i| sum(i, 20).sin());
        let case = format!("d = {d}: {}", fit.report);
        assert_eq!(fit.report.status, Status::Converged, "{case}");
        assert!(fit.error <= t && fit.standard_error <= 0.3 * fit.error.max(1e-15), "{case}");
        assert_eq!(fit.separated.separation_rank(), d, "{case}");
        assert!(fit.condition_number <= 100.0, "{case}");
        // Of 20^d.
        assert!(fit.evaluations < 300 * d + 7000 && fit.train_error < 1e-13, "{case}, {}", fit.evaluations);
    }
    // No fewer than d terms do.
    for d in [2, 3, 4] {
        let fit = fit(16, d, fixed(d - 1), |i| sum(i, 16).sin());
        assert!(fit.error > 1e-4, "d = {d}: {}", fit.error);
    }
    let exact = fit(16, 3, tolerance(1e-11), |i| sum(i, 16).sin());
    assert!(exact.error <= 1e-11, "{}", exact.report);
}

#[test]
fn other_functions() {
    for (name, d, t, f) in [
        ("1 / (1 + sum)", 5, 1e-8, (|s: f64| 1.0 / (1.0 + s)) as fn(f64) -> f64),
        ("1 / (1 + sum)", 8, 1e-6, |s| 1.0 / (1.0 + s)),
        ("root", 4, 1e-6, |s| (s + 0.01).sqrt()),
        ("constant", 9, 1e-12, |_| 3.0),
        ("sum", 8, 1e-8, |s| s),
    ] {
        let fit = fit(20, d, tolerance(t), |i| f(sum(i, 20)));
        assert_eq!(fit.report.status, Status::Converged, "{name}: {}", fit.report);
        assert!(fit.error <= t, "{name}: {}", fit.report);
        assert!(fit.report.history.is_sorted_by(|a, b| a.error > b.error), "{name}");
    }
}

/// x_1 + x_2 + x_3 has border rank 2: gamma keeps to the bound, and the error pays for it.
#[test]
fn the_condition_number_keeps_to_its_bound() {
    let mut last = f64::INFINITY;
    for bound in [1.01, 3.0, 30.0, 1000.0] {
        let p = FromFunction { condition_bound: bound, ..fixed(2) };
        let fit = fit(10, 3, p, |i| sum(i, 10));
        assert!(fit.condition_number <= bound * (1.0 + 1e-9), "{bound}: {}", fit.condition_number);
        let recomputed = fit.separated.condition_number().unwrap();
        assert!((fit.condition_number - recomputed).abs() <= 1e-10 * recomputed);
        assert!(fit.error <= 1.01 * last, "{bound}: {} after {last}", fit.error);
        last = fit.error;
    }
    assert!(last < 1e-3, "{last}");
    let exact = fit(10, 3, fixed(3), |i| sum(i, 10));
    assert!(exact.error < 1e-6 && exact.condition_number < 1e3, "{} {}", exact.error, exact.condition_number);
}

/// The reported error against that of the whole grid, be the fit good or bad.
#[test]
fn errors_are_honest() {
    for (seed, s) in [(0, 1), (1, 2), (2, 3), (3, 1), (4, 2)] {
        let f = |i: &[usize]| (i[0] as f64 + 2.0 * i[1] as f64 - 1.5 * i[2] as f64).abs().sqrt() - 1.0;
        let fit = from_function(&[11, 9, 10], f, &FromFunction { seed, ..fixed(s) }).unwrap();
        let (mut residual, mut whole) = (0.0, 0.0);
        for i in 0..990 {
            let index = [i / 90, i / 10 % 9, i % 10];
            residual += (fit.separated.entry(&index, &[0; 3]).unwrap() - f(&index)).powi(2);
            whole += f(&index).powi(2);
        }
        let true_error = (residual / whole).sqrt();
        let gap = (fit.error - true_error).abs() / fit.standard_error;
        assert!(gap < 4.5, "seed {seed}: {} +- {}, true {true_error}", fit.error, fit.standard_error);
        assert!(fit.error == fit.report.error && fit.error > 0.01);
    }
}

#[test]
fn evaluations_are_counted_and_limits_hold() {
    let calls = AtomicUsize::new(0);
    let f = |i: &[usize]| {
        calls.fetch_add(1, Ordering::Relaxed);
        sum(i, 12).sin()
    };
    let fit = from_function(&[12; 4], f, &tolerance(1e-6)).unwrap();
    assert_eq!(fit.evaluations, calls.load(Ordering::Relaxed));
    let hard = |i: &[usize]| (7.0 * sum(i, 12)).sin();
    for (p, status) in [
        (FromFunction { max_iterations: 2, ..Default::default() }, Status::IterationLimit),
        (FromFunction { max_seconds: 0.0, ..Default::default() }, Status::TimeLimit),
        (FromFunction { max_rank: 1, ..Default::default() }, Status::Stagnated),
    ] {
        let fit = from_function(&[12; 4], hard, &p).unwrap();
        assert_eq!(fit.report.status, status, "{}", fit.report);
        assert!(fit.error > 1e-6 && fit.report.iterations <= p.max_iterations);
    }
}

#[test]
fn any_scale() {
    let plain = fit(8, 3, fixed(3), |i| sum(i, 8).cos());
    for e in [900, -900] {
        let scale = 2f64.powi(e);
        let moved = fit(8, 3, fixed(3), |i| scale * sum(i, 8).cos());
        assert_eq!(moved.separated.modes(), plain.separated.modes(), "2^{e}");
        let lambda: Vec<f64> = plain.separated.lambda().iter().map(|x| x * scale).collect();
        assert_eq!(moved.separated.lambda(), lambda, "2^{e}");
        assert_eq!(moved.error, plain.error);
    }
}

#[test]
fn non_finite_values_are_reported_with_their_index() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let f = |i: &[usize]| if i == [1, 2, 0] { bad } else { 1.0 };
        let found = from_function(&[3, 4, 2], f, &FromFunction::default());
        non_finite(found.map(|_| ()), "f", &[1, 2, 0], "one bad value");
    }
}

#[test]
fn inputs_that_do_not_fit() {
    let one = |_: &[usize]| 1.0;
    assert!(matches!(from_function(&[], one, &fixed(1)), Err(Error::Shape { argument: "sizes", .. })));
    for p in [
        FromFunction { points: 1, ..Default::default() },
        FromFunction { condition_bound: 0.5, ..Default::default() },
        FromFunction { condition_bound: f64::NAN, ..Default::default() },
        FromFunction { progress: f64::NAN, ..Default::default() },
        FromFunction { max_seconds: -1.0, ..Default::default() },
        tolerance(2.0),
    ] {
        assert!(matches!(from_function(&[3, 3], one, &p), Err(Error::Parameter { .. })), "{p:?}");
    }
    assert!(matches!(from_function(&[3, 3], one, &fixed(4)), Err(Error::Rank { largest: 3, .. })));
    for n in [1 << 42, 1 << 59] {
        assert!(matches!(from_function(&[n, 2], one, &fixed(1)), Err(Error::TooLarge { .. })));
    }
    // Empty grids, no terms, and the zero function are answered.
    let empty = from_function(&[3, 0], |_: &[usize]| -> f64 { unreachable!() }, &fixed(0)).unwrap();
    assert_eq!((empty.separated.separation_rank(), empty.error, empty.evaluations), (0, 0.0, 0));
    let none = from_function(&[3, 3], one, &fixed(0)).unwrap();
    assert_eq!((none.separated.separation_rank(), none.error), (0, 1.0));
    for p in [fixed(2), tolerance(0.0)] {
        let zero = from_function(&[3, 3], |_: &[usize]| 0.0, &p).unwrap();
        assert_eq!((zero.separated.separation_rank(), zero.error), (0, 0.0));
    }
}

fn threads_do_not_matter<T: Scalar>() {
    let run = || {
        let fit = from_function(&[15; 5], |i: &[usize]| T::of(sum(i, 15).sin()), &tolerance(1e-4)).unwrap();
        (fit.separated, fit.error.to_bits(), fit.standard_error.to_bits(), fit.report.iterations)
    };
    same_on_any_threads(T::NAME, run);
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    threads_do_not_matter::<f64>();
    threads_do_not_matter::<f32>();
}
