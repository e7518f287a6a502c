//! Alternating least squares: errors as measured, exact ranks, hard tensors, every layout and scale.

use super::support::{bad_places, non_finite, same_on_any_threads};
use super::*;
use lowrank::Status;
use lowrank::ndarray::{ArrayViewD, Axis, Slice};
use lowrank::separated::SeparationRank;
use lowrank::tensor::cp::{CpAls, CpFit, CpStart, cp_als};

fn random<T: Scalar>(shape: &[usize], rank: usize, seed: u64) -> ArrayD<T> {
    dense(&vec![T::of(1.0); rank], &factors(shape, rank, seed))
}

fn noise<T: Scalar>(shape: &[usize], seed: u64) -> ArrayD<T> {
    let entries = gaussian::<T>(shape.iter().product(), 1, seed, "noise");
    ArrayD::from_shape_vec(IxDyn(shape), entries.col_as_slice(0).to_vec()).unwrap()
}

/// a a b + a b a + b a a: of rank 3, and as near to rank 2 as one likes.
fn degenerate<T: Scalar>() -> ArrayD<T> {
    ArrayD::from_shape_fn(IxDyn(&[3; 3]), |i| {
        T::of(if i.slice().iter().sum::<usize>() == 1 { 1.0 } else { 0.0 })
    })
}

/// What every fit keeps: error and gamma as computed from the whole tensor, the bound, errors that fall.
pub fn check<T: Scalar>(case: &str, a: ArrayViewD<'_, T>, fit: &CpFit<T>, parameters: &CpAls<'_, T>) {
    let x = dense(fit.cp.weights(), fit.cp.factors()).mapv(|x| x.as_f64());
    let wide = a.mapv(|x| x.as_f64());
    let (error, size) = (distance(&wide, &x), norm(&x));
    let sum = fit.cp.weights().iter().map(|x| x.as_f64().powi(2)).sum::<f64>().sqrt();
    let slack = 50.0 * T::EPS * (norm(&wide) + sum);
    assert!((fit.report.error - error).abs() <= slack, "{case}: {:e}, not {error:e}", fit.report.error);
    assert!((fit.norm - norm(&wide)).abs() <= 1e-12 * fit.norm, "{case}");
    if size > 0.0 {
        let digits = 1e-6_f64.max(100.0 * T::EPS * fit.condition_number.powi(2));
        assert!(
            (fit.condition_number * size / sum - 1.0).abs() <= digits,
            "{case}: {}",
            fit.condition_number
        );
    }
    assert!(fit.condition_number <= parameters.condition_bound, "{case}: gamma {}", fit.condition_number);
    assert!(fit.condition_history.iter().all(|gamma| *gamma <= parameters.condition_bound), "{case}");
    assert_eq!(fit.condition_history.len(), fit.report.history.len(), "{case}");
    if parameters.ridge == 0.0 {
        let falls = fit.report.history.is_sorted_by(|a, b| b.error <= a.error * (1.0 + 1e-6) + slack);
        assert!(falls, "{case}: {:?}", fit.report.history);
    }
}

#[test]
fn exact_ranks_are_found_from_nearly_every_seed() {
    for (shape, rank, start) in [
        (&[8, 9, 10][..], 3, CpStart::Leading),
        (&[8, 9, 10], 3, CpStart::Random),
        (&[8, 9, 10], 3, CpStart::Compressed),
        (&[5, 6, 4, 3], 4, CpStart::Leading),
        (&[3, 4, 3, 2, 4], 3, CpStart::Leading),
    ] {
        let mut found = 0;
        for seed in 0..20 {
            let a = random::<f64>(shape, rank, 100 + seed);
            let parameters = CpAls { seed, start: start.clone(), progress: 1e-8, ..Default::default() };
            let fit = cp_als(a.view(), rank, &parameters).unwrap();
            check(&format!("{shape:?}, {start:?}, seed {seed}"), a.view(), &fit, &parameters);
            found += usize::from(fit.relative_error() <= 1e-12);
        }
        assert!(found >= 19, "{shape:?}, {start:?}: {found} of 20");
    }
    let a = random::<f32>(&[8, 9, 10], 3, 7);
    let fit = cp_als(a.view(), 3, &CpAls::default()).unwrap();
    check("f32", a.view(), &fit, &CpAls::default());
    assert!(fit.relative_error() < 1e-6, "{}", fit.report);
}

fn hard<T: Scalar>() {
    let shape = [4, 3, 5];
    for (name, a) in [
        ("zero", ArrayD::zeros(IxDyn(&shape))),
        ("ones", ArrayD::from_elem(IxDyn(&shape), T::of(1.0))),
        (
            "one entry",
            ArrayD::from_shape_fn(IxDyn(&shape), |i| T::of(f64::from(u8::from(i.slice() == [1, 2, 3])))),
        ),
        ("random", noise(&shape, 1)),
    ] {
        for rank in [0, 1, 3, 7, 12] {
            for start in [CpStart::Leading, CpStart::Random, CpStart::Compressed] {
                let case = format!("{name}, {rank} terms, {start:?}, {}", T::NAME);
                let parameters = CpAls { start, max_iterations: 100, ..Default::default() };
                let fit = cp_als(a.view(), rank, &parameters).unwrap();
                check(&case, a.view(), &fit, &parameters);
                if rank > 0 && name != "random" {
                    assert!(fit.report.error <= 5e4 * T::EPS * fit.norm, "{case}: {}", fit.report);
                }
                let powers = if T::NAME == "f32" { [-60, -20, 60] } else { [-600, 40, 600] };
                for e in powers {
                    let scale = T::of(2.0).powi(e);
                    let far = cp_als(a.mapv(|x| x * scale).view(), rank, &parameters).unwrap();
                    assert_eq!(far.cp.factors(), fit.cp.factors(), "{case}, 2^{e}");
                    let weights: Vec<T> = fit.cp.weights().iter().map(|x| *x * scale).collect();
                    assert_eq!(far.cp.weights(), weights, "{case}, 2^{e}");
                }
            }
        }
    }
}

#[test]
fn zero_ones_single_entries_every_rank_and_scale() {
    hard::<f64>();
    hard::<f32>();
    for scale in [1e-200, 1e200] {
        let a = random::<f64>(&[6, 7, 8], 3, 5).mapv(|x| x * scale);
        let fit = cp_als(a.view(), 3, &CpAls::default()).unwrap();
        assert!(fit.relative_error() < 1e-12 && fit.cp.weights().iter().all(|x| x.is_finite()));
    }
}

#[test]
fn every_order_and_layout() {
    for shape in [&[6][..], &[5, 7], &[4, 5, 6], &[1, 5, 1, 4], &[2; 7]] {
        let rank = if shape.len() == 1 { 1 } else { 2 };
        let a = random::<f64>(shape, rank, 3) + noise::<f64>(shape, 4) * 0.05;
        let parameters = CpAls { progress: 1e-9, ..Default::default() };
        let fit = cp_als(a.view(), rank, &parameters).unwrap();
        check(&format!("{shape:?}"), a.view(), &fit, &parameters);
        // The same tensor in another order in memory, with gaps, and backwards.
        let mut gaps = ArrayD::zeros(shape.iter().map(|n| 2 * n).collect::<Vec<_>>());
        let every_second = Slice::new(0, None, 2);
        let mut inside = gaps.view_mut();
        (0..shape.len()).for_each(|i| inside.slice_axis_inplace(Axis(i), every_second));
        inside.assign(&a);
        let mut view = gaps.view();
        (0..shape.len()).for_each(|i| view.slice_axis_inplace(Axis(i), every_second));
        let mut backwards = a.clone();
        backwards.invert_axis(Axis(0));
        let backwards = backwards.as_standard_layout().into_owned();
        let mut reversed = backwards.view();
        reversed.invert_axis(Axis(0));
        let by_columns = a.t().as_standard_layout().into_owned();
        for other in [view, reversed, by_columns.t()] {
            assert_eq!(other, a);
            let again = cp_als(other, rank, &parameters).unwrap();
            assert!((again.report.error - fit.report.error).abs() <= 1e-4 * fit.report.error, "{shape:?}");
        }
    }
    let best = lowrank::svd::singular_values(gaussian::<f64>(9, 7, 1, "m")).unwrap();
    let a = noise::<f64>(&[9, 7], 0);
    let a = ArrayD::from_shape_fn(a.raw_dim(), |i| gaussian::<f64>(9, 7, 1, "m")[(i[0], i[1])]);
    let fit = cp_als(a.view(), 3, &CpAls { progress: 1e-10, ..Default::default() }).unwrap();
    let tail = best[3..].iter().map(|s| s * s).sum::<f64>().sqrt();
    assert!(fit.report.error <= tail * (1.0 + 1e-6), "{} {tail}", fit.report.error);
    let empty = ArrayD::<f64>::zeros(IxDyn(&[3, 0, 2]));
    let fit = cp_als(empty.view(), 0, &CpAls::default()).unwrap();
    assert_eq!((fit.cp.shape(), fit.report.error), (vec![3, 0, 2], 0.0));
}

#[test]
fn the_bound_is_held_and_degeneracy_told_of() {
    let a = degenerate::<f64>();
    for (bound, ridge) in [(2.0, 0.0), (5.0, 0.0), (f64::INFINITY, 0.01), (2.0, 1e-3)] {
        let parameters = CpAls { condition_bound: bound, ridge, ..Default::default() };
        let fit = cp_als(a.view(), 2, &parameters).unwrap();
        check(&format!("bound {bound}, ridge {ridge}"), a.view(), &fit, &parameters);
        assert!(fit.report.status != Status::Degenerate && fit.condition_number < 10.0, "{}", fit.report);
    }
    let free = CpAls { condition_bound: f64::INFINITY, max_iterations: 3000, ..Default::default() };
    let fit = cp_als(a.view(), 2, &free).unwrap();
    assert_eq!(fit.report.status, Status::Degenerate, "gamma {}", fit.condition_number);
}

#[test]
fn tolerances_budgets_and_starts() {
    let a = random::<f64>(&[9, 8, 7], 4, 3) + noise::<f64>(&[9, 8, 7], 1) * 1e-6;
    for start in [CpStart::Leading, CpStart::Compressed] {
        let parameters = CpAls { start, ..Default::default() };
        let fit = cp_als(a.view(), SeparationRank::Tolerance(1e-4), &parameters).unwrap();
        check("tolerance", a.view(), &fit, &parameters);
        assert!(fit.report.status == Status::Converged && fit.relative_error() <= 1e-4 && fit.cp.rank() == 4);
    }
    let budget = cp_als(a.view(), SeparationRank::Parameters(50), &CpAls::default()).unwrap();
    assert_eq!(budget.cp.rank(), 2); // 25 a term
    // A warm start is taken up where it was left, and never made worse.
    let first = cp_als(a.view(), 4, &CpAls { max_iterations: 3, ..Default::default() }).unwrap();
    for max_iterations in [0, 1, 50] {
        let start = CpStart::Warm(first.cp.clone());
        let next = cp_als(a.view(), 4, &CpAls { start, max_iterations, ..Default::default() }).unwrap();
        assert!(next.report.error <= first.report.error * (1.0 + 1e-14));
        assert!(max_iterations > 0 || next.cp == first.cp);
        assert!(max_iterations < 50 || next.relative_error() < 1e-5);
    }
    // Sweeps on the core stand for most of those on the tensor.
    let a = random::<f64>(&[30; 3], 5, 1);
    let sweeps = |start| {
        let fit = cp_als(a.view(), 5, &CpAls { start, ..Default::default() }).unwrap();
        assert!(fit.relative_error() < 1e-12, "{}", fit.report);
        fit.report.iterations
    };
    let (core, full) = (sweeps(CpStart::Compressed), sweeps(CpStart::Leading));
    assert!(4 * core <= full, "{core} {full}");
}

#[test]
fn the_same_on_any_number_of_threads() {
    let a = noise::<f64>(&[40, 30, 50], 1);
    same_on_any_threads("cp_als", || {
        let parameters = CpAls { max_iterations: 5, start: CpStart::Compressed, ..Default::default() };
        let fit = cp_als(a.view(), 6, &parameters).unwrap();
        (fit.cp, fit.report.error, fit.condition_number)
    });
}

#[test]
fn bad_input_is_named() {
    let a = random::<f64>(&[4, 3], 2, 0).into_shape_with_order(IxDyn(&[2, 2, 3])).unwrap();
    for (bad, [i, j]) in bad_places([4, 3]) {
        let mut a = a.clone();
        a[[i / 2, i % 2, j]] = bad;
        non_finite(cp_als(a.view(), 2, &CpAls::default()), "a", &[i / 2, i % 2, j], "cp_als");
    }
    let fails = |rank: SeparationRank, parameters: CpAls<'_, f64>, name: &str| match cp_als(
        a.view(),
        rank,
        &parameters,
    )
    .unwrap_err()
    {
        Error::Parameter { name: found, .. } | Error::Shape { argument: found, .. } => {
            assert_eq!(found, name)
        }
        Error::Rank { .. } => assert_eq!("rank", name),
        other => panic!("{name}: {other:?}"),
    };
    fails(5.into(), CpAls::default(), "rank");
    fails(SeparationRank::Tolerance(-0.1), CpAls::default(), "tolerance");
    for bound in [1.0, f64::NAN] {
        fails(2.into(), CpAls { condition_bound: bound, ..Default::default() }, "condition_bound");
    }
    for ridge in [-1.0, f64::NAN, f64::INFINITY] {
        fails(2.into(), CpAls { ridge, ..Default::default() }, "ridge");
    }
    fails(2.into(), CpAls { progress: 1.0, ..Default::default() }, "progress");
    fails(2.into(), CpAls { max_seconds: f64::NAN, ..Default::default() }, "max_seconds");
    let start = CpStart::Warm(Cp::zeros(&[2, 3, 2]).unwrap());
    fails(2.into(), CpAls { start, ..Default::default() }, "start");
    let scalar = ArrayD::<f64>::zeros(IxDyn(&[]));
    assert!(matches!(cp_als(scalar.view(), 1, &CpAls::default()), Err(Error::Shape { argument: "a", .. })));
}
