//! Modes that are nonnegative or given, and the ridge.

use super::als::check;
use super::*;
use lowrank::tensor::cp::{Constraint, CpAls, CpStart, cp_als};
use lowrank::tensor::mttkrp;

fn nonnegative<T: Scalar>(shape: &[usize], rank: usize, seed: u64) -> Vec<Mat<T>> {
    let positive = |f: Mat<T>| Mat::from_fn(f.nrows(), rank, |i, k| T::of(f[(i, k)].as_f64().max(0.0)));
    factors::<T>(shape, rank, seed).into_iter().map(positive).collect()
}

#[test]
fn nonnegative_tensors_come_back_with_nonnegative_factors() {
    for (shape, rank) in [(&[9, 8, 7][..], 3), (&[6, 5, 7, 4], 4), (&[20, 15], 3)] {
        let mut found = 0;
        for seed in 0..10 {
            let exact = nonnegative::<f64>(shape, rank, seed);
            let a = dense(&vec![1.0; rank], &exact);
            let constraints = vec![Constraint::Nonnegative; shape.len()];
            let parameters = CpAls { constraints, seed, ..Default::default() };
            let fit = cp_als(a.view(), rank, &parameters).unwrap();
            check(&format!("{shape:?}, seed {seed}"), a.view(), &fit, &parameters);
            assert!(fit.cp.factors().iter().all(|f| f.col_iter().all(|c| c.iter().all(|x| *x >= 0.0))));
            assert!(fit.condition_number <= 1.0 + 1e-14, "{}", fit.condition_number);
            found += usize::from(fit.relative_error() < 1e-5);
        }
        println!("{shape:?}: {found} of 10");
        assert!(found >= 8 || shape.len() == 2, "{shape:?}: {found} of 10");
    }
    // What has no positive part is best approximated by zero; one nonnegative mode among free ones is felt.
    let a = dense(&[-1.0], &nonnegative::<f64>(&[4, 5, 3], 1, 0));
    let parameters = CpAls { constraints: vec![Constraint::Nonnegative; 3], ..Default::default() };
    assert_eq!(cp_als(a.view(), 2, &parameters).unwrap().cp.rank(), 0);
    let a = dense(&[1.0f32; 3], &factors(&[6, 5, 7], 3, 2));
    let constraints = vec![Constraint::Free, Constraint::Nonnegative, Constraint::Free];
    for condition_bound in [1.5, f64::INFINITY] {
        let parameters = CpAls { constraints: constraints.clone(), condition_bound, ..Default::default() };
        let fit = cp_als(a.view(), 3, &parameters).unwrap();
        check("one mode", a.view(), &fit, &parameters);
        assert!(fit.cp.factors()[1].col_iter().all(|c| c.iter().all(|x| *x >= 0.0)));
        assert!(fit.relative_error() > 1e-3 && fit.relative_error() < 1.0);
    }
}

#[test]
fn nonnegative_fits_meet_the_optimality_conditions() {
    let shape = [7, 6, 8];
    let entries = gaussian::<f64>(7 * 6 * 8, 1, 3, "noise");
    let a = ArrayD::from_shape_vec(IxDyn(&shape), entries.col_as_slice(0).to_vec()).unwrap();
    let parameters =
        CpAls { constraints: vec![Constraint::Nonnegative; 3], progress: 1e-12, ..Default::default() };
    let fit = cp_als(a.view(), 3, &parameters).unwrap();
    let views: Vec<_> = fit.cp.factors().iter().map(|f| f.as_ref()).collect();
    for mode in 0..3 {
        let b = mttkrp(a.view(), &views, mode).unwrap();
        let others = (0..3).filter(|j| *j != mode).map(|j| views[j].transpose() * views[j]);
        let g = others.reduce(|x, y| Mat::from_fn(3, 3, |k, l| x[(k, l)] * y[(k, l)])).unwrap();
        let c = Mat::from_fn(shape[mode], 3, |i, k| views[mode][(i, k)] * fit.cp.weights()[k]);
        let gradient = &c * g - b;
        for (i, k) in (0..shape[mode]).flat_map(|i| (0..3).map(move |k| (i, k))) {
            let slope = gradient[(i, k)] / fit.norm;
            assert!(slope > -1e-4 && (c[(i, k)] == 0.0 || slope < 1e-4), "mode {mode}: {slope:e}");
        }
    }
}

#[test]
fn given_factors_are_kept() {
    let shape = [8, 7, 6];
    let exact = factors::<f64>(&shape, 3, 1);
    let a = dense(&[1.0, 2.0, 3.0], &exact);
    for fixed in [vec![0], vec![1], vec![2], vec![0, 1], vec![1, 2]] {
        let constraint = |i: usize| match fixed.contains(&i) {
            true => Constraint::Fixed(exact[i].clone()),
            false => Constraint::Free,
        };
        for start in [CpStart::Leading, CpStart::Random] {
            let constraints = (0..3).map(constraint).collect();
            let parameters = CpAls { constraints, start, ..Default::default() };
            let fit = cp_als(a.view(), 3, &parameters).unwrap();
            check(&format!("{fixed:?}"), a.view(), &fit, &parameters);
            assert!(fit.relative_error() < 1e-12, "{fixed:?}: {}", fit.report);
            for &i in &fixed {
                for found in fit.cp.factors()[i].col_iter() {
                    let cosine =
                        |k: usize| (found.transpose() * exact[i].col(k)).abs() / exact[i].col(k).norm_l2();
                    assert!((0..3).any(|k| (cosine(k) - 1.0).abs() < 1e-14));
                }
            }
        }
    }
    // All but one given: a linear problem, solved at once.
    let constraints =
        vec![Constraint::Fixed(exact[0].clone()), Constraint::Fixed(exact[1].clone()), Constraint::Free];
    let fit = cp_als(a.view(), 3, &CpAls { constraints, ..Default::default() }).unwrap();
    assert!(fit.report.iterations <= 3, "{}", fit.report);
}

#[test]
fn the_ridge_weighs_the_terms() {
    let shape = [6, 5, 7];
    let a = dense(&[1.0, -1.0, 0.5], &factors::<f64>(&shape, 3, 4));
    let mut last = (0.0, f64::INFINITY);
    for ridge in [0.0, 0.01, 0.1, 1.0] {
        let parameters = CpAls { ridge, progress: 1e-10, ..Default::default() };
        let fit = cp_als(a.view(), 3, &parameters).unwrap();
        check(&format!("ridge {ridge}"), a.view(), &fit, &parameters);
        let size = fit.cp.weights().iter().map(|x| x * x).sum::<f64>();
        assert!(fit.report.error > last.0 && size < last.1, "ridge {ridge}");
        last = (fit.report.error, size);
    }
    // One term: lambda / (1 + ridge).
    let one = dense(&[3.0], &factors::<f64>(&shape, 1, 4));
    let fit = cp_als(one.view(), 1, &CpAls { ridge: 0.5, ..Default::default() }).unwrap();
    assert!((fit.cp.weights()[0] - norm(&one) / 1.5).abs() < 1e-10 * norm(&one));
}

#[test]
fn with_all_other_modes_given_the_ridge_is_that_of_a_regression() {
    let shape = [6, 5, 7];
    let a = dense(&[1.0, -1.0, 0.5], &factors::<f64>(&shape, 3, 4));
    let given = factors::<f64>(&shape, 2, 9);
    let fixed = |i: usize| Constraint::Fixed(given[i].clone());
    let constraints = vec![Constraint::Free, fixed(1), fixed(2)];
    let ridge = 0.3;
    let fit = cp_als(a.view(), 2, &CpAls { constraints, ridge, ..Default::default() }).unwrap();
    let f = fit.cp.factors();
    let views: Vec<_> = f.iter().map(|f| f.as_ref()).collect();
    let b = mttkrp(a.view(), &views, 0).unwrap();
    let (g, h) = (f[1].transpose() * &f[1], f[2].transpose() * &f[2]);
    let raised = Mat::from_fn(2, 2, |k, l| g[(k, l)] * h[(k, l)] + if k == l { ridge } else { 0.0 });
    let c = Mat::from_fn(6, 2, |i, k| f[0][(i, k)] * fit.cp.weights()[k]);
    assert!((&c * &raised - &b).norm_max() <= 1e-12 * b.norm_max());
}

#[test]
fn what_does_not_go_together_is_refused() {
    let a = dense(&[1.0, 1.0], &factors::<f64>(&[3, 4, 2], 2, 0));
    let given = factors::<f64>(&[3, 4, 2], 2, 0);
    let fails = |constraints: Vec<Constraint<f64>>, start: CpStart<f64>, name: &str| match cp_als(
        a.view(),
        2,
        &CpAls { constraints, start, ..Default::default() },
    )
    .unwrap_err()
    {
        Error::Parameter { name: found, .. }
        | Error::Shape { argument: found, .. }
        | Error::NonFinite { argument: found, .. } => assert_eq!(found, name),
        other => panic!("{name}: {other:?}"),
    };
    let fixed = |f: Mat<f64>| vec![Constraint::Fixed(f), Constraint::Free, Constraint::Free];
    fails(vec![Constraint::Nonnegative], CpStart::Leading, "constraints");
    fails(fixed(given[1].clone()), CpStart::Leading, "constraints");
    fails(fixed(Mat::zeros(3, 2)), CpStart::Leading, "constraints");
    fails(fixed(Mat::full(3, 2, f64::NAN)), CpStart::Leading, "constraints");
    fails(given.iter().cloned().map(Constraint::Fixed).collect(), CpStart::Leading, "constraints");
    fails(fixed(given[0].clone()), CpStart::Compressed, "start");
    fails(fixed(given[0].clone()), CpStart::Warm(Cp::zeros(&[3, 4, 2]).unwrap()), "start");
    let tolerance = lowrank::separated::SeparationRank::Tolerance(0.1);
    let parameters = CpAls { constraints: fixed(given[0].clone()), ..Default::default() };
    assert!(matches!(cp_als(a.view(), tolerance, &parameters), Err(Error::Parameter { name: "rank", .. })));
}
