//! Largest entries, and fits to scattered samples.

use super::*;
use lowrank::Status;
use lowrank::ndarray::Array2;
use lowrank::tensor::train::{Cross, SampleFit, cross, fit_samples};
use rand::RngExt;

#[test]
fn extremes_of_small_trains_are_exact() {
    for shape in [&[9][..], &[4, 5], &[3, 4, 2, 5], &[2; 8], &[1, 1]] {
        for seed in 0..10 {
            let x = TensorTrain::<f64>::random(shape, &vec![3; shape.len() - 1], seed).unwrap();
            let a = x.to_dense().unwrap();
            let largest = a.iter().fold(0.0f64, |m, x| m.max(x.abs()));
            let (low, high) = a.iter().fold((f64::MAX, f64::MIN), |(l, h), &x| (l.min(x), h.max(x)));
            let eps = 1e-13 * (1.0 + largest);
            let found = x.largest_entry(1000).unwrap();
            assert!((found.value.abs() - largest).abs() <= eps, "{shape:?} seed {seed}");
            assert_eq!(x.entry(&found.index).unwrap(), found.value);
            let (min, max) = x.extremes(1000).unwrap();
            assert!(
                (min.value - low).abs() <= eps && (max.value - high).abs() <= eps,
                "{shape:?} seed {seed}"
            );
        }
    }
}

#[test]
fn extremes_of_huge_trains_are_found() {
    let f = |i: &[usize]| {
        let away: f64 = i.iter().enumerate().map(|(k, &i)| (i as f64 - 3.0 - k as f64).powi(2)).sum();
        2.0 * (-0.05 * away).exp() - 1.0 / (1.0 + i.iter().sum::<usize>() as f64)
    };
    let x = cross(f, &[20; 8], Cross { tolerance: 1e-7, ..Default::default() }).unwrap().train;
    let (low, high) = x.extremes(50).unwrap();
    assert_eq!((&low.index[..], &high.index[..]), (&[0; 8][..], &[3, 4, 5, 6, 7, 8, 9, 10][..]));
    let rank_one = TensorTrain::<f64>::random(&[10; 30], &[1; 29], 3).unwrap().scaled(1e200).unwrap();
    let best: f64 = rank_one.cores().iter().map(|c| c.iter().fold(0.0f64, |m, x| m.max(x.abs()))).product();
    assert!((rank_one.largest_entry(1).unwrap().value.abs() / best - 1.0).abs() <= 1e-12);
    assert!(matches!(x.largest_entry(0), Err(Error::Parameter { .. })));
    let empty = TensorTrain::<f64>::zeros(&[3, 0]).unwrap();
    assert!(matches!(empty.largest_entry(5), Err(Error::Shape { .. })));
    assert_eq!(TensorTrain::<f64>::zeros(&[3, 2]).unwrap().extremes(5).unwrap().1.value, 0.0);
}

fn samples<T: Scalar>(x: &TensorTrain<T>, count: usize, seed: u64) -> (Array2<usize>, Vec<T>) {
    let shape = x.shape();
    let mut rng = lowrank::random::stream(seed, "samples", 0);
    let points = Array2::from_shape_fn((count, shape.len()), |(_, k)| rng.random_range(0..shape[k]));
    let values = x.entries_at(points.view()).unwrap();
    (points, values)
}

#[test]
fn trains_come_back_from_samples() {
    let mut good = 0;
    for seed in 0..10 {
        let x = TensorTrain::<f64>::random(&[10, 9, 11, 8], &[2, 3, 2], seed).unwrap();
        let (points, values) = samples(&x, 2000, seed);
        let parameters = SampleFit { rank: 3, tolerance: 1e-9, seed, ..Default::default() };
        let fit = fit_samples(&x.shape(), points.view(), &values, parameters).unwrap();
        let (fresh, truth) = samples(&x, 1000, seed + 100);
        let error = fit.train.error_at(fresh.view(), &truth).unwrap();
        println!("seed {seed}: {}, elsewhere {error:e}", fit.report);
        good += usize::from(error <= 1e-6);
        // Honest and monotone.
        let own = fit.train.error_at(points.view(), &values).unwrap();
        assert!((own - fit.relative_error).abs() <= 1e-14);
        assert!(fit.report.history.is_sorted_by(|a, b| b.error <= a.error * 1.02), "seed {seed}");
        if fit.report.status == Status::Converged {
            assert!(fit.relative_error <= 1.01e-9);
        }
    }
    assert!(good >= 9, "{good} of 10");
}

#[test]
fn scales_and_singles_of_sample_fits() {
    let x = TensorTrain::<f32>::random(&[8, 7, 9], &[2, 2], 1).unwrap();
    let (points, values) = samples(&x, 900, 1);
    for factor in [1e-30f32, 1.0, 1e30] {
        let scaled: Vec<f32> = values.iter().map(|v| v * factor).collect();
        let parameters = SampleFit { rank: 2, tolerance: 1e-5, ..Default::default() };
        let fit = fit_samples(&[8, 7, 9], points.view(), &scaled, parameters).unwrap();
        assert!(fit.relative_error <= 1e-4, "{factor:e}: {}", fit.report);
    }
    let zero = fit_samples(&[8, 7, 9], points.view(), &vec![0.0f64; 900], SampleFit::default()).unwrap();
    assert_eq!(zero.relative_error, 0.0);
    // One sample of a large tensor.
    let one =
        fit_samples(&[9; 5], Array2::from_elem((1, 5), 4).view(), &[7.0], SampleFit::default()).unwrap();
    assert!(one.relative_error <= 1e-6);
}

#[test]
fn wrong_samples_are_named_errors() {
    let points = Array2::from_shape_fn((6, 2), |(s, k)| (s + k) % 3);
    let fit = |shape: &[usize], values: &[f64], p| fit_samples(shape, points.view(), values, p);
    let p = SampleFit::default();
    for (shape, count) in [(&[3, 2][..], 6), (&[3], 6), (&[], 6), (&[3, 3], 5)] {
        assert!(matches!(fit(shape, &vec![1.0; count], p), Err(Error::Shape { .. })), "{shape:?} {count}");
    }
    for (bad, at) in bad_places([6]) {
        let mut values = vec![1.0; 6];
        values[at[0]] = bad;
        non_finite(fit(&[3, 3], &values, p), "values", &at, "fit_samples");
    }
    for p in
        [SampleFit { rank: 0, ..p }, SampleFit { damping: -1.0, ..p }, SampleFit { tolerance: f64::NAN, ..p }]
    {
        assert!(matches!(fit(&[3, 3], &[1.0; 6], p), Err(Error::Parameter { .. })), "{p:?}");
    }
    let none = Array2::zeros((0, 2));
    assert!(matches!(fit_samples::<f64>(&[3, 3], none.view(), &[], p), Err(Error::Shape { .. })));
}

#[test]
fn bits_do_not_depend_on_threads() {
    let x = TensorTrain::<f64>::random(&[10, 9, 11, 8], &[2, 3, 2], 1).unwrap();
    let (points, values) = samples(&x, 1500, 1);
    let run = || {
        let fit =
            fit_samples(&x.shape(), points.view(), &values, SampleFit { rank: 3, ..Default::default() });
        (fit.unwrap().train, x.largest_entry(20).unwrap())
    };
    same_on_any_threads("samples", run);
}
