//! Alternating least squares: the bound always held, the error never rising and honestly reported,
//! known tensors, exact ranks, extreme scales, bad input.

use super::support::{bad_places, non_finite, same_on_any_threads};
use super::*;
use lowrank::matrix::{frobenius, scaled};
use lowrank::report::Watch;
use lowrank::separated::{Als, FitStart, Fitted, SeparationRank, als};
use lowrank::{Error, Progress, Status, svd};
use std::ops::ControlFlow;
use std::sync::Mutex;

fn fixed<T: Scalar>(s: usize, bound: f64) -> Als<'static, T> {
    Als { rank: SeparationRank::Fixed(s), condition_bound: bound, ..Default::default() }
}

fn tolerance<T: Scalar>(t: f64) -> Als<'static, T> {
    Als { rank: SeparationRank::Tolerance(t), ..Default::default() }
}

/// a a b + a b a + b a a: of rank 3, and as near to rank 2 as one likes.
fn degenerate<T: Scalar>() -> Mat<T> {
    Mat::from_fn(27, 1, |i, _| {
        T::of(if [i / 9, (i / 3) % 3, i % 3].iter().sum::<usize>() == 1 { 1.0 } else { 0.0 })
    })
}

/// Unit factors any two of which in a mode have this inner product.
fn collinear(congruence: f64, s: usize, p: usize) -> Separated<f64> {
    let gram = Mat::from_fn(s, s, |i, j| if i == j { 1.0 } else { congruence });
    let root = gram.llt(lowrank::faer::Side::Lower).unwrap();
    let mode = |i| lowrank::random::orthonormal::<f64>(p, s, i, "collinear") * root.L().transpose();
    Separated::new(vec![(p, 1); 3], vec![1.0; s], (0..3).map(mode).collect()).unwrap()
}

/// What every result keeps: error and gamma as computed from the whole matrix, the bound, errors that
/// fall.
fn check<T: Scalar>(case: &str, a: &Mat<T>, fit: &Fitted<T>, parameters: &Als<'_, T>) {
    let (x, wide) = (dense(&fit.separated), support::wide(a.as_ref()));
    let (error, norm) = (frobenius(&(&wide - &x)), frobenius(&x));
    let sum = fit.separated.lambda().iter().map(|x| x.as_f64().powi(2)).sum::<f64>().sqrt();
    let slack = 50.0 * T::EPS * (frobenius(&wide) + sum);
    assert!((fit.report.error - error).abs() <= slack, "{case}: error {:e}, not {error:e}", fit.report.error);
    if norm > 0.0 {
        let gamma = sum / norm;
        let digits = 1e-10_f64.max(4.0 * f64::EPSILON * gamma * gamma);
        assert!(
            (fit.condition_number / gamma - 1.0).abs() <= digits,
            "{case}: gamma {} not {gamma}",
            fit.condition_number
        );
    }
    assert!(fit.condition_number <= parameters.condition_bound, "{case}: gamma {}", fit.condition_number);
    assert!(fit.condition_history.iter().all(|gamma| *gamma <= parameters.condition_bound), "{case}");
    assert_eq!(fit.condition_history.len(), fit.report.history.len(), "{case}");
    assert!(fit.report.history.is_sorted_by(|a, b| b.error <= a.error * (1.0 + 1e-6) + slack), "{case}");
    assert_eq!(fit.report.history.last().unwrap().error, fit.report.error, "{case}");
    if let (SeparationRank::Tolerance(t), Status::Converged) = (parameters.rank, fit.report.status) {
        assert!(error <= t * frobenius(&wide) + slack, "{case}: {error:e}");
    }
}

#[test]
fn the_bound_is_held_on_the_degenerate_tensor() {
    let shapes = [(3, 1); 3];
    let mut last = f64::INFINITY;
    for bound in [1.01, 1.5, 2.0, 5.0, 20.0] {
        for extrapolate in [false, true] {
            for seed in 0..3 {
                let parameters = Als { extrapolate, seed, max_iterations: 400, ..fixed(2, bound) };
                let case = format!("bound {bound}, extrapolate {extrapolate}, seed {seed}");
                let fit = als(degenerate::<f64>(), &shapes, &parameters).unwrap();
                check(&case, &degenerate(), &fit, &parameters);
                if extrapolate && seed == 0 && bound < 20.0 {
                    // More freedom, less error; the bound is used up.
                    assert!(
                        fit.report.error < last && fit.condition_number > 0.95 * bound,
                        "{case}: {}",
                        fit.report
                    );
                    assert_ne!(fit.report.status, Status::Degenerate, "{case}");
                    last = fit.report.error;
                }
                let parameters = Als { extrapolate, seed, max_iterations: 400, ..fixed(2, bound) };
                let fit = als(degenerate::<f32>(), &shapes, &parameters).unwrap();
                check(&format!("{case}, f32"), &degenerate(), &fit, &parameters);
            }
        }
    }
}

#[test]
fn without_a_bound_the_report_says_degenerate() {
    for extrapolate in [false, true] {
        for seed in 0..5 {
            let parameters = Als { extrapolate, seed, max_iterations: 3000, ..fixed(2, f64::INFINITY) };
            let fit = als(degenerate::<f64>(), &[(3, 1); 3], &parameters).unwrap();
            let case = format!("extrapolate {extrapolate}, seed {seed}");
            check(&case, &degenerate(), &fit, &parameters);
            assert_eq!(fit.report.status, Status::Degenerate, "{case}: gamma {}", fit.condition_number);
        }
    }
    // Three terms are enough.
    let fit = als(degenerate::<f64>(), &[(3, 1); 3], &fixed(3, f64::INFINITY)).unwrap();
    assert!(fit.relative_error() < 1e-14 && fit.report.status == Status::Converged, "{}", fit.report);
}

#[test]
fn a_swamp_is_told_of() {
    let m = collinear(0.97, 5, 12);
    let a = dense(&m);
    let parameters = Als { extrapolate: false, max_iterations: 300, ..fixed(5, 100.0) };
    let fit = als(&a, m.shapes(), &parameters).unwrap();
    check("swamp", &a, &fit, &parameters);
    assert!(fit.swamp > 100 && fit.report.status == Status::IterationLimit, "{} {}", fit.swamp, fit.report);
    let parameters = Als { max_iterations: 3000, ..fixed(5, 100.0) };
    let fit = als(&a, m.shapes(), &parameters).unwrap();
    assert!(fit.relative_error() < 1e-12, "{}", fit.report);
}

#[test]
fn a_fit_never_ends_above_its_start() {
    for (k, shapes) in shapes().into_iter().enumerate() {
        let a = dense(&random::<f64>(&shapes, 6, 10));
        let most = SeparationRank::largest(&shapes).min(3);
        for seed in 0..5 {
            let near = als(&a, &shapes, &fixed(most, 50.0)).unwrap().separated;
            for (name, start) in [("random", random(&shapes, most, seed)), ("fitted", near)] {
                let error = frobenius(&(&a - dense(&start)));
                let gamma = start.condition_number().unwrap();
                let parameters = Als {
                    start: FitStart::Warm(start),
                    max_iterations: 20,
                    ..fixed(most, gamma.max(1.0) * 1.01)
                };
                let fit = als(&a, &shapes, &parameters).unwrap();
                let case = format!("shapes {k}, seed {seed}, {name}");
                check(&case, &a, &fit, &parameters);
                assert!(
                    fit.report.error <= error * (1.0 + 1e-14),
                    "{case}: {:e} over {error:e}",
                    fit.report.error
                );
                assert!((fit.report.history[0].error / error - 1.0).abs() < 1e-6 || error < 1e-12, "{case}");
            }
        }
    }
    // A start above the bound is brought under it.
    let shapes = vec![(3, 1); 3];
    let wild = als(degenerate::<f64>(), &shapes, &fixed(2, 20.0)).unwrap().separated;
    let parameters = Als { start: FitStart::Warm(wild), ..fixed(2, 2.0) };
    check("wild", &degenerate(), &als(degenerate::<f64>(), &shapes, &parameters).unwrap(), &parameters);
}

#[test]
fn exact_ranks_are_found_from_nearly_every_seed() {
    for (shapes, s) in
        [(vec![(4, 3), (5, 2), (3, 3)], 3), (vec![(7, 1); 4], 5), (vec![(2, 3), (3, 2), (4, 4)], 6)]
    {
        let mut found = 0;
        for seed in 0..20 {
            let a = dense(&random::<f64>(&shapes, s, 100 + seed));
            let parameters = Als { seed, ..fixed(s, 1000.0) };
            let fit = als(&a, &shapes, &parameters).unwrap();
            check(&format!("{shapes:?}, seed {seed}"), &a, &fit, &parameters);
            found += usize::from(fit.relative_error() <= 1e-12);
        }
        assert!(found >= 19, "{shapes:?}: {found} of 20");
    }
}

#[test]
fn tolerances_are_met_or_the_report_says_not() {
    let m = random::<f64>(&[(4, 3), (5, 2), (3, 3)], 4, 3);
    let a = dense(&m) + lowrank::random::gaussian::<f64>(60, 18, 1, "noise") * lowrank::faer::Scale(1e-5);
    for t in [1.0, 0.5, 1e-2, 1e-5] {
        let fit = als(&a, m.shapes(), &tolerance(t)).unwrap();
        check(&format!("tolerance {t}"), &a, &fit, &tolerance(t));
        assert_eq!(fit.report.status, Status::Converged, "tolerance {t}");
        assert!(
            fit.separated.separation_rank()
                <= [0, 3, 4, 4][[1.0, 0.5, 1e-2, 1e-5].iter().position(|x| *x == t).unwrap()]
                    .max(usize::from(t == 1.0)),
            "{t}: {}",
            fit.separated.separation_rank()
        );
    }
    let parameters = Als { max_iterations: 40, ..tolerance(1e-9) };
    let fit = als(&a, m.shapes(), &parameters).unwrap();
    check("out of reach", &a, &fit, &parameters);
    assert!(fit.report.status != Status::Converged && fit.relative_error() > 1e-9);
    let budget = Als { rank: SeparationRank::Parameters(100), ..Default::default() };
    assert_eq!(als(&a, m.shapes(), &budget).unwrap().separated.separation_rank(), 3); // 32 a term
    let late = Als { max_seconds: 0.0, ..fixed(3, 100.0) };
    assert_eq!(als(&a, m.shapes(), &late).unwrap().report.status, Status::TimeLimit);
}

fn hard<T: Scalar>() {
    let shapes = [(2, 2), (3, 1), (2, 2)];
    let make = |f: &dyn Fn(usize, usize) -> f64| Mat::<T>::from_fn(12, 4, |i, j| T::of(f(i, j)));
    let one = |i, j| if (i, j) == (7, 2) { 1.0 } else { 0.0 };
    for (name, a) in [
        ("zero", make(&|_, _| 0.0)),
        ("ones", make(&|_, _| 1.0)),
        ("one entry", make(&one)),
        ("random", lowrank::random::gaussian::<T>(12, 4, 1, "a")),
    ] {
        // The largest rank is 12; the modes have 4, 3 and 4 entries.
        for s in [0, 1, 3, 7, 12] {
            for start in [FitStart::Leading, FitStart::Random] {
                let parameters = Als { start, max_iterations: 200, ..fixed(s, 100.0) };
                let fit = als(&a, &shapes, &parameters).unwrap();
                let case = format!("{name}, {s} terms, {}", T::NAME);
                check(&case, &a, &fit, &parameters);
                if s > 0 && name != "random" {
                    assert!(fit.report.error <= 5e4 * T::EPS * fit.norm, "{case}: {:e}", fit.report.error);
                }
                let limit = if T::NAME == "f32" { 60 } else { 600 };
                for e in [-limit, limit] {
                    let far = als(scaled(&a, e), &shapes, &parameters).unwrap();
                    assert_eq!(far.separated.modes(), fit.separated.modes(), "{case}, 2^{e}");
                    let back =
                        far.separated.lambda().iter().map(|x| lowrank::matrix::scale_by_power_of_two(*x, -e));
                    assert!(back.eq(fit.separated.lambda().iter().copied()), "{case}, 2^{e}");
                }
            }
        }
    }
}

#[test]
fn zero_ones_single_entries_every_rank_and_scale() {
    hard::<f64>();
    hard::<f32>();
}

#[test]
fn two_modes_and_one_are_optimal() {
    let a = lowrank::random::gaussian::<f64>(12, 10, 1, "a");
    let shapes = [(3, 5), (4, 2)];
    let rearranged = Mat::from_fn(15, 8, |r, c| a[(4 * (r % 3) + c % 4, 2 * (r / 3) + c / 4)]);
    let s = svd::singular_values(&rearranged).unwrap();
    for rank in 1..=8 {
        let parameters = Als { progress: 1e-9, ..fixed(rank, f64::INFINITY) };
        let fit = als(&a, &shapes, &parameters).unwrap();
        let best = s[rank..].iter().map(|s| s * s).sum::<f64>().sqrt();
        assert!(fit.report.error <= best * (1.0 + 1e-4) + 1e-13, "{rank}: {} over {best}", fit.report.error);
    }
    let fit = als(&a, &[(12, 10)], &fixed(1, 1.01)).unwrap();
    assert!(fit.relative_error() < 1e-14 && (fit.condition_number - 1.0).abs() < 1e-14);
    let empty = als(Mat::<f64>::zeros(0, 6), &[(0, 2), (4, 3)], &tolerance(0.1)).unwrap();
    assert_eq!((empty.separated.separation_rank(), empty.report.error), (0, 0.0));
}

#[test]
fn the_same_on_any_number_of_threads() {
    let a = lowrank::random::gaussian::<f64>(1000, 27, 1, "a");
    let shapes = [(10, 3); 3];
    same_on_any_threads("als", || {
        let parameters = Als { max_iterations: 10, ..fixed(6, 20.0) };
        let fit = als(&a, &shapes, &parameters).unwrap();
        (fit.separated, fit.report.error, fit.condition_number)
    });
}

#[test]
fn bad_input_is_named() {
    let shapes = [(2, 3), (3, 1), (2, 2)];
    let a = Mat::<f64>::from_fn(12, 6, |i, j| (i + j) as f64);
    for (bad, [i, j]) in bad_places([12, 6]) {
        let mut a = a.clone();
        a[(i, j)] = bad;
        non_finite(als(&a, &shapes, &tolerance(0.1)), "a", &[i, j], "als");
    }
    let fails = |parameters: &Als<f64>, name: &str| match als(&a, &shapes, parameters) {
        Err(Error::Parameter { name: found, .. }) => assert_eq!(found, name),
        Err(Error::Rank { .. }) => assert_eq!("rank", name),
        Err(Error::Shape { argument, .. }) => assert_eq!(argument, name),
        other => panic!("{name}: {other:?}"),
    };
    for bound in [1.0, -1.0, f64::NAN] {
        fails(&fixed(2, bound), "condition_bound");
    }
    for t in [-0.1, 1.1, f64::NAN] {
        fails(&tolerance(t), "tolerance");
    }
    fails(&Als { progress: f64::NAN, ..Default::default() }, "progress");
    fails(&Als { max_seconds: -1.0, ..Default::default() }, "max_seconds");
    fails(&fixed(19, 10.0), "rank");
    fails(
        &Als { start: FitStart::Warm(random(&[(2, 3), (3, 1), (4, 1)], 2, 1)), ..Default::default() },
        "start",
    );
    assert!(matches!(als(&a, &[(2, 3), (3, 1)], &tolerance(0.1)), Err(Error::Shape { argument: "a", .. })));
    assert!(als(&a, &[(1 << 40, 1 << 40); 4], &tolerance(0.1)).is_err());
    assert!(als(&a, &[], &tolerance(0.1)).is_err());
}

/// Told of every sweep with falling errors; stopped where it says so, with the best terms.
#[test]
fn a_callback_is_told_and_may_stop() {
    let a = Mat::from_fn(1000, 1, |i, _| 1.0 / (1.0 + (i / 100 + i / 10 % 10 + i % 10) as f64));
    let told = Mutex::new(Vec::new());
    let watch = |stop: usize| {
        let told = &told;
        move |p: &Progress| {
            told.lock().unwrap().push(*p);
            if p.iteration == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    };
    for (stop, status) in [(7, Status::Interrupted), (usize::MAX, Status::Converged)] {
        told.lock().unwrap().clear();
        let watch = watch(stop);
        let parameters = Als { callback: Watch::new(&watch), ..tolerance(1e-8) };
        let fit = als(&a, &[(10, 1); 3], &parameters).unwrap();
        check("callback", &a, &fit, &parameters);
        assert_eq!(fit.report.status, status);
        let told = told.lock().unwrap();
        assert_eq!(told.len(), fit.report.iterations);
        assert!(told.iter().enumerate().all(|(i, p)| p.iteration == i + 1));
        if status == Status::Interrupted {
            assert!(told.len() == stop && told.is_sorted_by(|a, b| b.error <= a.error));
            assert!((told[stop - 1].error - fit.report.error).abs() <= 1e-6 * fit.report.error);
        }
    }
}

/// Entries that fit the range of the type and a norm that does not: said so, and not as a NaN.
#[test]
fn norms_beyond_the_range_are_named() {
    fn named<R>(found: Result<R, Error>) {
        match found {
            Err(Error::Parameter { name, .. }) => assert_eq!(name, "lambda"),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("an answer"),
        }
    }
    named(als(Mat::full(27, 1, 1e308), &[(3, 1); 3], &fixed(2, 5.0)));
    named(als(Mat::full(27, 1, 2e38f32), &[(3, 1); 3], &tolerance(0.1)));
    let slope = |i: &[usize]| 1e308 * (1.0 - i.iter().sum::<usize>() as f64 / 40.0);
    named(lowrank::separated::from_function(&[8; 4], slope, &Default::default()));
}
