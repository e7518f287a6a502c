//! Conjugate gradients with truncation against known solutions, dense residuals and its own report.

use super::support::same_on_any_threads;
use super::{dense, random, total};
use lowrank::faer::Mat;
use lowrank::matrix::frobenius;
use lowrank::report::Watch;
use lowrank::separated::{
    ConjugateGradients, Solution, conjugate_gradients, inverse_of_kronecker_sum, laplacian, second_difference,
};
use lowrank::{Error, Progress, Scalar, Separated, Status};
use std::f64::consts::PI;
use std::ops::ControlFlow;
use std::sync::Mutex;

fn ones<T: Scalar>(n: usize, d: usize) -> Separated<T> {
    Separated::from_terms(vec![vec![Mat::full(n, 1, T::of(1.0)); d]]).unwrap()
}

fn inverse<T: Scalar>(n: usize, d: usize, tolerance: f64) -> Separated<T> {
    inverse_of_kronecker_sum(&vec![second_difference(n); d], tolerance).unwrap().inverse
}

/// The Laplacian and a potential that couples all dimensions.
fn coupled(n: usize, d: usize) -> Separated<f64> {
    let line = Mat::from_fn(n, 1, |i, _| 2.0 * (i + 1) as f64 / (n + 1) as f64);
    let potential = Separated::from_terms(vec![vec![line; d]]).unwrap().scaled(10.0).unwrap();
    laplacian(&vec![n; d]).unwrap().plus(&Separated::from_diagonal(&potential).unwrap()).unwrap()
}

/// What the report says is so.
fn check<T: Scalar>(
    a: &Separated<T>,
    b: &Separated<T>,
    solution: &Solution<T>,
    parameters: &ConjugateGradients<T>,
    case: &str,
) {
    let residual = a.times(&solution.x).unwrap().distance(b).unwrap();
    let norm = b.frobenius().unwrap();
    let report = &solution.report;
    // The residual is right to the rounding of its terms, in double precision.
    let terms = total(&a.times(&solution.x).unwrap().minus(b).unwrap());
    assert!((residual - report.error).abs() <= 50.0 * f64::EPSILON * terms, "{case}: {residual:e}, {report}");
    assert_eq!(solution.condition_number, solution.x.condition_number().unwrap(), "{case}");
    assert_eq!(report.history.len(), solution.terms.len(), "{case}");
    if report.status == Status::Converged {
        assert!(residual <= parameters.tolerance * norm * (1.0 + 1e-9), "{case}: {report}");
        assert!(solution.x.separation_rank() <= parameters.max_terms, "{case}");
        assert!(solution.condition_number <= parameters.condition_bound, "{case}");
    }
}

fn small_systems<T: Scalar>(tolerance: f64) {
    for (n, d) in [(12, 1), (10, 2), (6, 3)] {
        let case = format!("{} n = {n}, d = {d}", T::NAME);
        let a = laplacian::<T>(&vec![n; d]).unwrap();
        let b = random::<T>(&vec![(n, 1); d], 2, 4);
        let p = inverse(n, d, 1e-2);
        let parameters = ConjugateGradients { tolerance, preconditioner: Some(&p), ..Default::default() };
        let solution = conjugate_gradients(&a, &b, &parameters).unwrap();
        check(&a, &b, &solution, &parameters, &case);
        assert_eq!(solution.report.status, Status::Converged, "{case}: {}", solution.report);
        let (full, x, right) = (dense(&a), dense(&solution.x), dense(&b));
        let off = frobenius((&full * &x - &right).as_ref()) / frobenius(right.as_ref());
        assert!(off <= tolerance + 1e3 * T::EPS, "{case}: {off:e}");
    }
}

#[test]
fn small_systems_to_the_tolerance() {
    small_systems::<f32>(3e-3);
    small_systems::<f64>(1e-6);
}

#[test]
fn a_potential_that_no_exponential_sum_knows() {
    for (n, d, tolerance) in [(8, 2, 1e-7), (6, 3, 1e-5)] {
        let (a, b) = (coupled(n, d), ones(n, d));
        let p = inverse(n, d, 1e-3);
        let parameters = ConjugateGradients { tolerance, preconditioner: Some(&p), ..Default::default() };
        let solution = conjugate_gradients(&a, &b, &parameters).unwrap();
        check(&a, &b, &solution, &parameters, "coupled");
        assert_eq!(solution.report.status, Status::Converged, "{}", solution.report);
        let (full, x, right) = (dense(&a), dense(&solution.x), dense(&b));
        assert!(frobenius((&full * &x - &right).as_ref()) <= 1.01 * tolerance * frobenius(right.as_ref()));
    }
}

#[test]
fn without_a_preconditioner() {
    // Condition number 3: (I + M (x) M) with M symmetric of norm at most 1
    let m = Mat::<f64>::from_fn(6, 6, |i, j| if i.abs_diff(j) == 1 { 0.5 } else { 0.0 });
    let a = Separated::from_terms(vec![vec![Mat::identity(6, 6); 2], vec![m; 2]]).unwrap();
    let b = random::<f64>(&[(6, 1), (6, 1)], 1, 9);
    let parameters = ConjugateGradients::default();
    let solution = conjugate_gradients(&a, &b, &parameters).unwrap();
    check(&a, &b, &solution, &parameters, "plain");
    assert_eq!(solution.report.status, Status::Converged, "{}", solution.report);
}

/// The residual of conjugate gradients rises on the way where the condition number is large, and
/// directions of negative energy come late.
#[test]
fn without_a_preconditioner_the_residual_may_rise() {
    for (n, d, tolerance) in [(30, 1, 1e-10), (8, 2, 1e-6)] {
        let (a, b) = (laplacian(&vec![n; d]).unwrap(), ones::<f64>(n, d));
        let parameters = ConjugateGradients { tolerance, ..Default::default() };
        let solution = conjugate_gradients(&a, &b, &parameters).unwrap();
        check(&a, &b, &solution, &parameters, "plain");
        assert_eq!(solution.report.status, Status::Converged, "d = {d}: {}", solution.report);
    }
    let mixed = Mat::from_fn(2, 2, |i, j| if i != j { 0.0 } else { 2.0 - 3.0 * i as f64 });
    let indefinite = Separated::from_terms(vec![vec![mixed, Mat::identity(2, 2)]]).unwrap();
    let found = conjugate_gradients(&indefinite, &ones(2, 2), &ConjugateGradients::default());
    assert!(matches!(found, Err(Error::Parameter { name: "a", .. })), "{found:?}");
    // Cut off where it is far from the best: the best comes back.
    let (a, b) = (laplacian(&[30]).unwrap(), ones::<f64>(30, 1));
    let parameters = ConjugateGradients { max_iterations: 10, ..Default::default() };
    let solution = conjugate_gradients(&a, &b, &parameters).unwrap();
    check(&a, &b, &solution, &parameters, "cut off");
    assert!(solution.residual <= 1.0 && solution.report.status == Status::IterationLimit);
}

#[test]
fn eigenvectors_are_divided_by_their_eigenvalue() {
    for d in [3, 10] {
        let n = 16;
        let sine = |j: usize| Mat::from_fn(n, 1, |i, _| (PI * (j * (i + 1)) as f64 / 17.0).sin());
        let b = Separated::from_terms(vec![(0..d).map(|k| sine(k % 4 + 1)).collect()]).unwrap();
        let eigenvalue: f64 = (0..d).map(|k| (34.0 * (PI * (k % 4 + 1) as f64 / 34.0).sin()).powi(2)).sum();
        let (a, p) = (laplacian(&vec![n; d]).unwrap(), inverse(n, d, 0.1));
        let parameters =
            ConjugateGradients { tolerance: 1e-9, preconditioner: Some(&p), ..Default::default() };
        let solution = conjugate_gradients(&a, &b, &parameters).unwrap();
        check(&a, &b, &solution, &parameters, "eigenvector");
        assert_eq!(solution.report.status, Status::Converged, "{}", solution.report);
        let exact = b.scaled(1.0 / eigenvalue).unwrap();
        let off = solution.x.distance(&exact).unwrap() / exact.frobenius().unwrap();
        assert!(off <= 1e-7, "d = {d}: {off:e}");
    }
}

#[test]
fn ten_dimensions_to_1e_8() {
    let (a, b, p) = (laplacian(&[64; 10]).unwrap(), ones::<f64>(64, 10), inverse(64, 10, 1e-9));
    let parameters = ConjugateGradients { tolerance: 1e-8, preconditioner: Some(&p), ..Default::default() };
    let solution = conjugate_gradients(&a, &b, &parameters).unwrap();
    check(&a, &b, &solution, &parameters, "d = 10");
    assert_eq!(solution.report.status, Status::Converged, "{}", solution.report);
    assert!(solution.x.separation_rank() <= 28 && solution.condition_number <= 1.0);
}

#[test]
fn zero_limits_and_scales() {
    let (a, b, p) = (laplacian::<f64>(&[8; 3]).unwrap(), ones::<f64>(8, 3), inverse(8, 3, 0.1));
    let parameters = ConjugateGradients { preconditioner: Some(&p), ..Default::default() };
    let zero = Separated::zeros(b.shapes().to_vec()).unwrap();
    let solution = conjugate_gradients(&a, &zero, &parameters).unwrap();
    assert_eq!((solution.x.separation_rank(), solution.residual), (0, 0.0));
    assert_eq!(solution.report.status, Status::Converged);
    for (limit, status) in [(0, Status::IterationLimit), (1, Status::IterationLimit)] {
        let parameters = ConjugateGradients { max_iterations: limit, tolerance: 1e-12, ..parameters.clone() };
        let solution = conjugate_gradients(&a, &b, &parameters).unwrap();
        check(&a, &b, &solution, &parameters, "limit");
        assert_eq!((solution.report.status, solution.report.iterations), (status, limit));
    }
    let hurried = ConjugateGradients { max_seconds: 0.0, ..parameters.clone() };
    assert_eq!(conjugate_gradients(&a, &b, &hurried).unwrap().report.status, Status::TimeLimit);
    let short = ConjugateGradients { max_terms: 2, tolerance: 1e-8, ..parameters.clone() };
    assert_eq!(conjugate_gradients(&a, &b, &short).unwrap().report.status, Status::Stagnated);
    // Powers of two go through unchanged.
    let x = conjugate_gradients(&a, &b, &parameters).unwrap().x;
    for (e, f) in [(500, -500), (-400, 600)] {
        let (big_a, big_b) =
            (a.clone().scaled(2f64.powi(e)).unwrap(), b.clone().scaled(2f64.powi(f)).unwrap());
        let solution = conjugate_gradients(&big_a, &big_b, &parameters).unwrap();
        assert_eq!(solution.report.status, Status::Converged);
        assert_eq!(solution.x.modes(), x.modes(), "2^{e}, 2^{f}");
    }
}

/// Told of every iteration with the errors of the history; stopped where it says so.
#[test]
fn a_callback_is_told_and_may_stop() {
    let (a, b) = (coupled(8, 3), ones(8, 3).scaled(1e200).unwrap());
    let p = inverse(8, 3, 0.1);
    let told = Mutex::new(Vec::new());
    let watch = |now: &Progress| {
        told.lock().unwrap().push(*now);
        if now.iteration == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let parameters = ConjugateGradients {
        preconditioner: Some(&p),
        tolerance: 1e-10,
        callback: Watch::new(&watch),
        ..Default::default()
    };
    let solution = conjugate_gradients(&a, &b, &parameters).unwrap();
    check(&a, &b, &solution, &parameters, "callback");
    assert_eq!(solution.report.status, Status::Interrupted);
    assert_eq!(*told.lock().unwrap(), solution.report.history[1..]);
    assert_eq!(solution.report.iterations, 2);
}

#[test]
fn refusals() {
    let (a, b) = (laplacian::<f64>(&[4; 2]).unwrap(), ones::<f64>(4, 2));
    let solve = |a: &Separated<f64>, b: &Separated<f64>, p: Option<&Separated<f64>>| {
        conjugate_gradients(a, b, &ConjugateGradients { preconditioner: p, ..Default::default() })
    };
    let shape = |r: Result<Solution<f64>, Error>| assert!(matches!(r, Err(Error::Shape { .. })), "{r:?}");
    shape(solve(&a, &ones(5, 2), None));
    shape(solve(&a, &ones(4, 3), None));
    shape(solve(&b, &b, None));
    shape(solve(&a, &b, Some(&laplacian(&[4; 3]).unwrap())));
    let parameter = |r: Result<Solution<f64>, Error>, named: &str| match r {
        Err(Error::Parameter { name, .. }) => assert_eq!(name, named),
        other => panic!("{named}: {other:?}"),
    };
    parameter(solve(&random(&[(4, 4); 2], 2, 1), &b, None), "a");
    parameter(solve(&a.clone().scaled(-1.0).unwrap(), &b, None), "a");
    parameter(solve(&Separated::zeros(a.shapes().to_vec()).unwrap(), &b, None), "a");
    parameter(solve(&a, &b, Some(&a.clone().scaled(-1.0).unwrap())), "preconditioner");
    let with = |change: &dyn Fn(&mut ConjugateGradients<f64>), name: &str| {
        let mut parameters = ConjugateGradients::default();
        change(&mut parameters);
        parameter(conjugate_gradients(&a, &b, &parameters), name);
    };
    for bad in [f64::NAN, -1.0, 1.0] {
        with(&|p| p.tolerance = bad, "tolerance");
    }
    with(&|p| p.condition_bound = 0.5, "condition_bound");
    with(&|p| p.max_seconds = f64::NAN, "max_seconds");
    with(&|p| p.max_terms = 0, "max_terms");
    with(&|p| p.direction_terms = 0, "direction_terms");
}

#[test]
fn the_same_on_any_number_of_threads() {
    let (a, b, p) = (coupled(6, 3), ones::<f64>(6, 3), inverse(6, 3, 1e-2));
    let parameters = ConjugateGradients { tolerance: 1e-4, preconditioner: Some(&p), ..Default::default() };
    same_on_any_threads("conjugate gradients", || conjugate_gradients(&a, &b, &parameters).unwrap().x);
}
