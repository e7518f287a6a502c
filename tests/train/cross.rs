//! Cross approximation: accuracy for few evaluations, hidden peaks, limits, reproducibility.

use super::*;
use lowrank::Status;
use lowrank::tensor::train::{Cross, CrossTrain, cross, quantized_cross};
use rand::RngExt;
use std::sync::atomic::{AtomicUsize, Ordering};

/// |f - X| over |f|, root mean squares over random points that have nothing to do with the search.
fn fresh<T: Scalar>(f: impl Fn(&[usize]) -> T, x: &TensorTrain<T>, points: usize) -> f64 {
    let mut rng = lowrank::random::stream(99, "fresh points", 7);
    let (mut off, mut all) = (0.0, 0.0);
    for _ in 0..points {
        let index: Vec<usize> = x.shape().iter().map(|&n| rng.random_range(0..n)).collect();
        let value = f(&index).as_f64();
        off += (value - x.entry(&index).unwrap().as_f64()).powi(2);
        all += value * value;
    }
    (off / all).sqrt()
}

fn reciprocal(index: &[usize]) -> f64 {
    1.0 / (1.0 + index.iter().map(|&i| i as f64 / 31.0).sum::<f64>())
}

#[test]
fn the_reciprocal_sum_needs_few_evaluations() {
    for seed in 0..5 {
        let calls = AtomicUsize::new(0);
        let counted = |index: &[usize]| {
            calls.fetch_add(1, Ordering::Relaxed);
            reciprocal(index)
        };
        let x = cross(counted, &[32; 10], Cross { tolerance: 4e-11, seed, ..Default::default() }).unwrap();
        let error = fresh(reciprocal, &x.train, 5000);
        println!(
            "seed {seed}: {} evaluations, error {error:e}, {}, ranks {:?}",
            x.evaluations,
            x.report,
            x.train.ranks()
        );
        assert_eq!(x.evaluations, calls.into_inner());
        assert_eq!((x.report.status, &x.missed), (Status::Converged, &None));
        assert!(x.evaluations <= 87_000, "seed {seed}: {}", x.evaluations);
        assert!(error <= 3e-11, "seed {seed}: {error:e}");
    }
}

/// Functions with what they are called.
type Named = (&'static str, fn(&[usize]) -> f64);
const FUNCTIONS: [Named; 8] = [
    ("constant", |_| 3.0),
    ("zero", |_| 0.0),
    ("sum", |i| i.iter().sum::<usize>() as f64),
    ("sine", |i| (0.3 * i.iter().sum::<usize>() as f64).sin()),
    ("gaussian", |i| (-i.iter().map(|&i| (i as f64 / 4.0 - 1.0).powi(2)).sum::<f64>()).exp()),
    ("root", |i| (1.0 + i.iter().map(|&i| (i * i) as f64).sum::<f64>()).sqrt()),
    ("product and sum", |i| i.iter().map(|&i| 1.0 + i as f64).product::<f64>().ln()),
    ("parity", |i| if i.iter().sum::<usize>().is_multiple_of(2) { 1.0 } else { -1.0 }),
];

fn converged<T: Scalar>(tolerance: f64) {
    for (name, f) in FUNCTIONS {
        for shape in [&[9][..], &[8, 11], &[5, 1, 6], &[9; 6], &[2; 12]] {
            let typed = |index: &[usize]| T::of(f(index));
            let x = cross(typed, shape, Cross { tolerance, ..Default::default() }).unwrap();
            let case = format!("{} {name} {shape:?}: {} {:?}", T::NAME, x.report, x.train.ranks());
            assert_eq!(x.report.status, Status::Converged, "{case}");
            let error = if name == "zero" { x.train.norm().unwrap() } else { fresh(typed, &x.train, 500) };
            assert!(error <= 20.0 * tolerance, "{case}: {error:e}");
        }
    }
}

#[test]
fn usual_functions_converge() {
    converged::<f64>(1e-9);
    converged::<f32>(1e-4);
}

#[test]
fn small_tensors_are_checked_in_full() {
    // Two lone entries in a tensor of 900 zeros: random sweeps would hardly see them.
    let f = |i: &[usize]| if i == [3, 4, 5] || i == [7, 1, 8] { 2.0 } else { 0.0 };
    let x = cross(f, &[10, 10, 9], Cross::default()).unwrap();
    assert_eq!(x.report.status, Status::Converged);
    assert_eq!((x.train.entry(&[3, 4, 5]).unwrap(), x.train.entry(&[7, 1, 8]).unwrap()), (2.0, 2.0));
    assert_eq!(x.train.norm().unwrap(), 8f64.sqrt());
}

#[test]
fn a_sharp_peak_is_found_by_the_checks() {
    // A smooth background and a narrow peak away from the middle.
    let f = |i: &[usize]| {
        let background = 1.0 / (1.0 + i.iter().sum::<usize>() as f64);
        let away: f64 = i.iter().map(|&i| (i as f64 - 11.0).powi(2)).sum();
        background + 5.0 * (-0.5 * away).exp()
    };
    let mut found = 0;
    for seed in 0..10 {
        let x = cross(f, &[16; 4], Cross { seed, tolerance: 1e-6, ..Default::default() }).unwrap();
        let at_peak = (x.train.entry(&[11; 4]).unwrap() - f(&[11; 4])).abs();
        found += usize::from(at_peak < 1e-4);
        println!("seed {seed}: {at_peak:e} at the peak, {}", x.report);
    }
    assert!(found >= 9, "{found} of 10");
}

#[test]
fn known_points_are_pivots_from_the_start() {
    // No random point is near the lone entry; where it is known, it is met exactly.
    let lone = vec![21, 3, 17, 30, 9, 26];
    let f = |i: &[usize]| if i == lone { 2.0 } else { reciprocal(i) };
    let points = [lone.clone()];
    for (points, off) in [(&points[..0], 1.5), (&points[..], 0.0)] {
        let x = cross(f, &[32; 6], Cross { points, tolerance: 1e-6, ..Default::default() }).unwrap();
        let at = (x.train.entry(&lone).unwrap() - 2.0).abs();
        assert!(if off > 0.0 { at > off } else { at < 1e-5 }, "{at:e}, {}", x.report);
        assert!(fresh(f, &x.train, 2000) < 1e-5, "{}", x.report);
    }
    let bits = |i: &[usize]| if i == [700] { 1.0 } else { 0.01 * (i[0] as f64 / 1024.0) };
    let known = Cross { points: &[vec![700]], check_points: 10, ..Default::default() };
    let x = quantized_cross(bits, &[1 << 20], known).unwrap();
    assert!((x.train.entry_quantized(&[1 << 20], &[700]).unwrap() - 1.0).abs() < 1e-6);
    let known = Cross { points: &[vec![1 << 20]], ..Default::default() };
    assert!(matches!(quantized_cross(bits, &[1 << 20], known), Err(Error::Shape { argument: "points", .. })));
}

#[test]
fn a_tolerance_below_rounding_ends_soon() {
    let f = |i: &[usize]| (0.2 * i.iter().sum::<usize>() as f64).sin();
    let x = cross(f, &[32; 8], Cross { tolerance: 1e-17, ..Default::default() }).unwrap();
    assert!(x.evaluations < 1_000_000 && x.missed.is_some(), "{}: {}", x.evaluations, x.report);
    assert_eq!((x.report.status, x.train.ranks()), (Status::Stagnated, vec![2; 7]));
}

#[test]
fn every_limit_ends_the_search_and_says_what_was_missed() {
    let noise = |i: &[usize]| {
        let mut h = 7u64;
        i.iter().for_each(|&i| h = (h ^ i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29));
        (h >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    let check = |x: CrossTrain<f64>, case: &str| {
        let missed = x.missed.expect(case);
        let residual = (x.train.entry(&missed.index).unwrap() - noise(&missed.index)).abs();
        assert!((residual - missed.residual).abs() <= 1e-12 * (1.0 + residual), "{case}");
        assert_eq!(missed.residual, x.report.error, "{case}");
        assert!(x.report.status != Status::Converged, "{case}");
        x.evaluations
    };
    let shape = [12; 6];
    let x = cross(noise, &shape, Cross { max_evaluations: 20_000, ..Default::default() }).unwrap();
    // The last check: its random points, and six ascents of at most eight passes.
    assert!(check(x, "evaluations") <= 20_000 + 1000 + 6 * 8 * 72);
    let x = cross(noise, &shape, Cross { max_rank: 5, ..Default::default() }).unwrap();
    assert!(x.train.ranks().iter().all(|&r| r <= 5));
    check(x, "rank");
    let x = cross(noise, &shape, Cross { max_sweeps: 3, ..Default::default() }).unwrap();
    assert_eq!(x.report.iterations, 3);
    check(x, "sweeps");
    let x = cross(noise, &shape, Cross { max_evaluations: 0, ..Default::default() }).unwrap();
    check(x, "no evaluations");
}

#[test]
fn wrong_arguments_are_named_errors() {
    let parameters = [
        Cross { tolerance: 0.0, ..Default::default() },
        Cross { tolerance: f64::NAN, ..Default::default() },
        Cross { max_rank: 0, ..Default::default() },
        Cross { check_points: 0, ..Default::default() },
    ];
    for p in parameters {
        assert!(matches!(cross(|_| 1.0, &[3, 3], p), Err(Error::Parameter { .. })), "{p:?}");
    }
    for outside in [vec![0, 3], vec![0], vec![]] {
        let p = Cross { points: &[vec![0, 0], outside], ..Default::default() };
        assert!(matches!(cross(|_| 1.0, &[3, 3], p), Err(Error::Shape { argument: "points", .. })));
    }
    assert!(matches!(cross(|_| 1.0, &[], Cross::default()), Err(Error::Shape { .. })));
    assert!(matches!(cross(|_| 1.0, &[3, 0], Cross::default()), Err(Error::Shape { .. })));
}

#[test]
fn scales_and_threads_do_not_matter() {
    let run = |factor: f64| {
        let x = cross(|i| factor * reciprocal(i), &[32; 5], Cross::default()).unwrap();
        (x.train, x.evaluations, x.relative_error)
    };
    let plain = run(1.0);
    for power in [-900, 900] {
        let (train, evaluations, error) = run(2f64.powi(power));
        assert_eq!((evaluations, error), (plain.1, plain.2), "2^{power}");
        let back = train.scaled(2f64.powi(-power)).unwrap();
        assert!(back.distance(&plain.0).unwrap() <= 1e-12 * plain.0.norm().unwrap(), "2^{power}");
    }
    same_on_any_threads("1/(1 + sum)", || run(1.0));
}
