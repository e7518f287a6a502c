//! Fits to some of the entries.

use super::*;
use lowrank::Separated;
use lowrank::Status;
use lowrank::ndarray::{Array2, Axis, Slice};
use lowrank::random::stream;
use lowrank::separated::FitStart;
use lowrank::tensor::cp::{Masked, MaskedFit, cp_masked, cp_samples};
use rand::Rng;

/// true with a probability of 1 - `missing`.
fn mask(shape: &[usize], missing: f64, seed: u64) -> ArrayD<bool> {
    let mut rng = stream(seed, "mask", 0);
    ArrayD::from_shape_fn(IxDyn(shape), |_| rng.next_u64() as f64 / 2f64.powi(64) >= missing)
}

fn with_rank<T: Scalar>(rank: usize, seed: u64) -> Masked<T> {
    Masked { rank, seed, ..Default::default() }
}

/// The error over the observed entries, entry by entry.
fn observed_error<T: Scalar>(x: &Cp<T>, a: &ArrayD<T>, mask: &ArrayD<bool>) -> f64 {
    let x = x.to_dense().unwrap();
    let all = x.iter().zip(a).zip(mask).filter(|(_, seen)| **seen);
    all.map(|((x, a), _)| (x.as_f64() - a.as_f64()).powi(2)).sum::<f64>().sqrt()
}

/// Fits with NaN in the gaps, in a layout of its own, and checks what is reported.
fn fitted<T: Scalar>(a: &ArrayD<T>, mask: &ArrayD<bool>, parameters: &Masked<T>) -> MaskedFit<T> {
    let mut holes = a.clone();
    holes.zip_mut_with(mask, |x, seen| *x = if *seen { *x } else { T::nan() });
    let fit = cp_masked(holes.view(), mask.view(), parameters).unwrap();
    let found = observed_error(&fit.cp, a, mask);
    let largest = fit.cp.weights().first().map_or(0.0, |w| w.as_f64());
    assert!((fit.report.error - found).abs() <= 50.0 * T::EPS * fit.norm.max(largest), "{found:e}");
    assert_eq!(fit.report.history.last().unwrap().error, fit.report.error);
    assert!(fit.report.history.is_sorted_by(|a, b| a.error >= b.error) || parameters.ridge > 0.0);
    assert_eq!(fit.observed, mask.iter().filter(|seen| **seen).count());
    let by_columns = holes.t().as_standard_layout().into_owned();
    let again = cp_masked(by_columns.t(), mask.view(), parameters).unwrap();
    assert_eq!(again.cp, fit.cp);
    fit
}

#[test]
fn brings_back_what_is_missing() {
    let mut failed = 0;
    for seed in 0..20 {
        let a = dense(&[1.0; 5], &factors::<f64>(&[60; 3], 5, seed));
        let fit = cp_masked(a.view(), mask(&[60; 3], 0.3, seed).view(), &with_rank(5, seed)).unwrap();
        failed += usize::from(fit.cp.error(a.view()).unwrap() > 1e-8 * norm(&a));
    }
    assert!(failed <= 1, "{failed} of 20 failed");
}

#[test]
fn other_orders_ranks_and_fractions() {
    for (shape, rank, missing) in [
        (&[30, 20][..], 2, 0.3),
        (&[20, 1, 15, 3], 2, 0.2),
        (&[8, 9, 7, 6], 3, 0.5),
        (&[60, 50, 40], 3, 0.9), // few: as a list
    ] {
        let a = dense(&vec![1.0; rank], &factors::<f64>(shape, rank, 3));
        let fit = fitted(&a, &mask(shape, missing, 1), &with_rank(rank, 0));
        assert!(distance(&a, &fit.cp.to_dense().unwrap()) < 1e-9 * norm(&a), "{shape:?} {}", fit.report);
        assert_eq!(fit.report.status, Status::Converged);
    }
    let a = dense(&[1.0; 3], &factors::<f32>(&[20, 25, 15], 3, 3));
    let fit = fitted(&a, &mask(&[20, 25, 15], 0.3, 1), &with_rank(3, 0));
    assert!(distance(&a, &fit.cp.to_dense().unwrap()) < 1e-5 * norm(&a));
}

#[test]
fn a_list_and_a_mask_are_the_same_problem() {
    let shape = [12, 10, 9];
    let a = dense(&[1.0; 4], &factors::<f64>(&shape, 4, 5)); // more terms than are fitted
    let seen = mask(&shape, 0.4, 2);
    let parameters = Masked { start: FitStart::Random, progress: 1e-9, ..with_rank(2, 1) };
    let filled = cp_masked(a.view(), seen.view(), &parameters).unwrap();
    let places: Vec<Vec<usize>> =
        seen.indexed_iter().filter(|(_, seen)| **seen).map(|(index, _)| index.slice().to_vec()).collect();
    let points = Array2::from_shape_fn((places.len(), 3), |(s, k)| places[s][k]);
    let values: Vec<f64> = places.iter().map(|index| a[&index[..]]).collect();
    let listed = cp_samples(&shape, points.view(), &values, &parameters).unwrap();
    assert!((filled.report.error / listed.report.error - 1.0).abs() < 1e-6);
    // And where nothing is missing it is the problem of the full tensor.
    let all = mask(&shape, 0.0, 0);
    let fit = cp_masked(a.view(), all.view(), &parameters).unwrap();
    assert!((fit.report.error - fit.cp.error(a.view()).unwrap()).abs() < 1e-13 * fit.norm);
    assert!((fit.norm - norm(&a)).abs() < 1e-13 * norm(&a));
}

#[test]
fn ends_where_no_row_can_be_improved() {
    // The gradient with respect to one factor, from the entries: the residual times the others' products.
    let shape = [9, 8, 7];
    let a = dense(&[1.0; 6], &factors::<f64>(&shape, 6, 8));
    let seen = mask(&shape, 0.3, 4);
    for ridge in [0.0, 0.1] {
        let fit =
            fitted(&a, &seen, &Masked { ridge, progress: 1e-13, max_iterations: 5000, ..with_rank(2, 0) });
        let x = fit.cp.to_dense().unwrap();
        let (weights, f) = (fit.cp.weights(), fit.cp.factors());
        let fraction = fit.observed as f64 / a.len() as f64;
        for k in 0..2 {
            for row in 0..9 {
                let mut slope = -ridge * fraction * weights[k] * f[0][(row, k)];
                for ((index, x), seen) in x.indexed_iter().zip(&seen) {
                    if index[0] == row && *seen {
                        slope += (a[index.slice()] - x) * f[1][(index[1], k)] * f[2][(index[2], k)];
                    }
                }
                assert!(slope.abs() < 1e-4 * fit.norm, "{slope:e}");
            }
        }
    }
}

#[test]
fn rows_without_observations_are_zero_and_listed() {
    let shape = [10, 12, 8];
    let a = dense(&[1.0; 2], &factors::<f64>(&shape, 2, 6));
    for missing in [0.2, 0.9] {
        let mut seen = mask(&shape, missing, 3);
        seen.index_axis_mut(Axis(0), 4).fill(false);
        seen.index_axis_mut(Axis(2), 7).fill(false);
        for ridge in [0.0, 1e-6] {
            let fit = fitted(&a, &seen, &Masked { ridge, ..with_rank(2, 0) });
            assert!([(0, 4), (2, 7)].iter().all(|place| fit.unobserved.contains(place)));
            (0..2).for_each(|k| assert_eq!(fit.cp.factors()[0][(4, k)], 0.0));
            assert!(missing > 0.5 || fit.relative_error() < 1e-3);
        }
    }
    // Fewer observations than unknowns everywhere: finite, and exact on what there is.
    let fit = fitted(&a, &mask(&shape, 0.985, 3), &with_rank(3, 0));
    assert!(fit.relative_error() < 0.1 && fit.cp.frobenius().unwrap().is_finite());
}

#[test]
fn zeros_ones_and_extreme_scales() {
    let seen = mask(&[6, 5, 4], 0.3, 0);
    let zero = cp_masked(ArrayD::<f64>::zeros(IxDyn(&[6, 5, 4])).view(), seen.view(), &with_rank(3, 0));
    assert!(zero.as_ref().unwrap().cp.rank() == 0 && zero.unwrap().report.status == Status::Converged);
    for rank in [1, 3, 20] {
        let fit = fitted(&ArrayD::from_elem(IxDyn(&[6, 5, 4]), 1.0), &seen, &with_rank(rank, 0));
        assert!(fit.relative_error() < 1e-10, "{rank} {}", fit.report);
    }
    let a = dense(&[1.0; 2], &factors::<f64>(&[6, 5, 4], 2, 1));
    let fit = fitted(&a, &seen, &with_rank(2, 0));
    for power in [-900, -600, 600, 900] {
        let c = 2f64.powi(power);
        let scaled = cp_masked(a.mapv(|x| x * c).view(), seen.view(), &with_rank(2, 0)).unwrap();
        assert_eq!(scaled.cp.factors(), fit.cp.factors());
        assert!(scaled.cp.weights().iter().zip(fit.cp.weights()).all(|(x, y)| *x == y * c));
        assert_eq!(scaled.report.error, fit.report.error * c);
    }
    let none = fitted(&a, &seen, &with_rank(0, 0));
    assert!(none.cp.rank() == 0 && (none.report.error - none.norm).abs() < 1e-14 * none.norm);
}

#[test]
fn a_warm_start_is_never_made_worse() {
    let a = dense(&[1.0; 4], &factors::<f64>(&[8, 9, 7], 4, 1)).mapv(|x| x + 0.1);
    let seen = mask(&[8, 9, 7], 0.3, 5);
    let first = fitted(&a, &seen, &Masked { max_iterations: 5, ..with_rank(3, 0) });
    assert_eq!(first.report.status, Status::IterationLimit);
    let start = FitStart::Warm(first.cp.clone().into());
    let more = fitted(&a, &seen, &Masked { start, max_iterations: 20, ..with_rank(3, 0) });
    assert!(more.report.error < first.report.error);
    let start = FitStart::Warm(Separated::zeros(vec![(8, 1), (9, 1), (7, 1)]).unwrap());
    assert_eq!(fitted(&a, &seen, &Masked { start, ..with_rank(3, 0) }).cp.rank(), 3); // none to start from
    let error = more.report.history[0].error;
    assert!((error - first.report.error).abs() < 1e-13 * first.norm);
}

#[test]
fn the_threads_change_no_bit() {
    for missing in [0.3, 0.95] {
        let a = dense(&[1.0; 4], &factors::<f64>(&[40, 30, 35], 4, 2)).mapv(|x| x + 0.01);
        let seen = mask(&[40, 30, 35], missing, 5);
        let parameters = Masked { max_iterations: 12, ..with_rank(4, 0) };
        let fit = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| cp_masked(a.view(), seen.view(), &parameters).unwrap())
        };
        let one = fit(1);
        for threads in [1, 2, 3, 8] {
            let other = fit(threads);
            assert_eq!((&other.cp, other.report.error), (&one.cp, one.report.error));
        }
    }
}

#[test]
fn refuses_what_does_not_fit() {
    let a = dense(&[1.0; 2], &factors::<f64>(&[4, 5, 3], 2, 1));
    let seen = mask(&[4, 5, 3], 0.3, 0);
    let fails = |a: &ArrayD<f64>, seen: &ArrayD<bool>, parameters: &Masked<f64>| {
        cp_masked(a.view(), seen.view(), parameters).unwrap_err()
    };
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for at in [[0, 0, 0], [2, 3, 1], [3, 4, 2]] {
            let (mut spoiled, mut seen) = (a.clone(), seen.clone());
            (spoiled[at], seen[at]) = (bad, true);
            let error = fails(&spoiled, &seen, &with_rank(2, 0));
            assert!(matches!(error, Error::NonFinite { argument: "a", index } if index == at));
        }
        for parameters in
            [Masked { ridge: bad, ..with_rank(2, 0) }, Masked { tolerance: bad, ..with_rank(2, 0) }]
        {
            assert!(matches!(fails(&a, &seen, &parameters), Error::Parameter { .. }));
        }
    }
    let other = seen.slice_axis(Axis(1), Slice::from(..4)).into_owned();
    assert!(matches!(fails(&a, &other, &with_rank(2, 0)), Error::Shape { argument: "mask", .. }));
    let none = mask(&[4, 5, 3], 2.0, 0);
    assert!(matches!(fails(&a, &none, &with_rank(2, 0)), Error::Parameter { name: "mask", .. }));
    assert!(matches!(fails(&a, &seen, &with_rank(13, 0)), Error::Rank { rank: 13, largest: 12 }));
    let start = FitStart::Warm(Separated::zeros(vec![(4, 1), (5, 1)]).unwrap());
    let wrong = Masked { start, ..with_rank(2, 0) };
    assert!(matches!(fails(&a, &seen, &wrong), Error::Shape { argument: "start", .. }));
    let points = Array2::from_shape_fn((2, 3), |(s, k)| s * (k + 1));
    let samples =
        |values: &[f64], shape: &[usize]| cp_samples(shape, points.view(), values, &with_rank(1, 0));
    assert!(matches!(samples(&[1.0, f64::NAN], &[4, 5, 4]), Err(Error::NonFinite { .. })));
    assert!(matches!(samples(&[1.0, 2.0], &[4, 5, 3]), Err(Error::Shape { argument: "points", .. })));
    assert!(matches!(samples(&[1.0], &[4, 5, 4]), Err(Error::Shape { argument: "values", .. })));
    assert!(samples(&[1.0, 2.0], &[4, 5, 4]).unwrap().relative_error() <= 1.0);
    let empty = ArrayD::<f64>::zeros(IxDyn(&[0, 3]));
    let fit = cp_masked(empty.view(), mask(&[0, 3], 0.0, 0).view(), &with_rank(0, 0)).unwrap();
    assert_eq!((fit.cp.shape(), fit.observed, fit.relative_error()), (vec![0, 3], 0, 0.0));
}
