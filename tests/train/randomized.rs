//! Randomized rounding: exact ranks, honest errors, limits, sums and entrywise products unformed.

use super::*;
use lowrank::tensor::train::{Limit, RandomizedRounding, Truncated, Truncation};

fn parameters(max_rank: usize, tolerance: f64, seed: u64) -> RandomizedRounding {
    RandomizedRounding { truncation: Truncation { max_rank, tolerance }, seed, ..Default::default() }
}

/// A train whose singular values fall by about `ratio` at every bond.
fn falling<T: Scalar>(shape: &[usize], rank: usize, ratio: f64, seed: u64) -> TensorTrain<T> {
    let x = TensorTrain::<T>::random(shape, &vec![rank; shape.len() - 1], seed).unwrap();
    let cores = x.into_cores().into_iter().map(|mut core| {
        core.indexed_iter_mut().for_each(|((_, _, b), x)| *x *= T::of(ratio.powi(b as i32)));
        core
    });
    TensorTrain::new(cores.collect()).unwrap()
}

/// The error reported is the true one to a factor of 2 or to rounding.
fn honest<T: Scalar>(case: &str, exact: &TensorTrain<T>, found: &Truncated<T>) {
    let (error, norm) = (exact.distance(&found.train).unwrap(), exact.norm().unwrap());
    let grain = 200.0 * T::EPS * norm;
    assert!(found.error <= 2.0 * error + grain, "{case}: {:e} reported, {error:e} true", found.error);
    assert!(error <= 2.0 * found.error + grain, "{case}: {:e} reported, {error:e} true", found.error);
    assert!(
        (found.relative_error - found.error / norm).abs() <= 0.01 * found.relative_error + 1e-300,
        "{case}"
    );
    assert!(worst_omega(&found.train) <= 10.0, "{case}");
}

fn ranks_and_errors<T: Scalar>() {
    let shape = [6, 7, 5, 8, 4, 6];
    let a = TensorTrain::<T>::random(&shape, &[4, 5, 6, 5, 3], 1).unwrap();
    let b = TensorTrain::<T>::random(&shape, &[2, 3, 3, 2, 2], 2).unwrap();
    let tolerance = 100.0 * T::EPS;
    for seed in 0..10 {
        let case = format!("{} seed {seed}", T::NAME);
        // Twice the same train has its ranks.
        let double = a.plus(&a).unwrap();
        let found = double.round_randomized(parameters(usize::MAX, tolerance, seed)).unwrap();
        assert_eq!(found.train.ranks(), a.ranks(), "{case}");
        honest(&format!("double {case}"), &double, &found);
        let found =
            TensorTrain::sum_rounded(&[a.clone(), b.clone(), a.clone()], parameters(8, 0.0, seed)).unwrap();
        honest(&format!("sum {case}"), &double.plus(&b).unwrap(), &found);
        let found = a.hadamard_rounded(&b, parameters(usize::MAX, tolerance, seed)).unwrap();
        assert!(found.relative_error <= 4.0 * tolerance, "{case}: {:e}", found.relative_error);
        honest(&format!("hadamard {case}"), &a.hadamard(&b).unwrap(), &found);
    }
}

#[test]
fn exact_ranks_come_back_with_honest_errors() {
    ranks_and_errors::<f64>();
    ranks_and_errors::<f32>();
}

#[test]
fn truncated_errors_are_honest_and_near_the_optimum() {
    let x = falling::<f64>(&[8; 8], 40, 0.7, 3);
    for (max_rank, tolerance) in [(5, 0.0), (12, 1e-8), (usize::MAX, 1e-3), (usize::MAX, 1e-5), (20, 1e-2)] {
        let best = x.round(Truncation { max_rank, tolerance }).unwrap();
        for seed in 0..10 {
            let case = format!("rank {max_rank} tolerance {tolerance:e} seed {seed}");
            let found = x.round_randomized(parameters(max_rank, tolerance, seed)).unwrap();
            honest(&case, &x, &found);
            assert!(found.train.ranks().iter().all(|&r| r <= max_rank), "{case}");
            assert_eq!(found.limit, best.limit, "{case}");
            match found.limit {
                Limit::Rank => {
                    assert!(found.error <= 1.5 * best.error, "{case}: {:e}", found.error / best.error)
                }
                _ => assert!(found.relative_error <= tolerance, "{case}: {:e}", found.relative_error),
            }
        }
    }
}

#[test]
fn errors_are_seen_below_the_root_of_eps() {
    let (x, y) = (falling::<f64>(&[6; 7], 12, 0.5, 1), falling::<f64>(&[6; 7], 12, 0.5, 2));
    let sum = x.plus(&y.clone().scaled(1e-11).unwrap()).unwrap();
    for seed in 0..5 {
        let found = sum
            .round_randomized(RandomizedRounding { oversampling: 0, ..parameters(12, 0.0, seed) })
            .unwrap();
        assert!(found.relative_error < 1e-9 && found.relative_error > 1e-15, "{:e}", found.relative_error);
        honest(&format!("seed {seed}"), &sum, &found);
    }
}

#[test]
fn odd_inputs() {
    let x = TensorTrain::<f64>::random(&[7], &[], 1).unwrap();
    assert!(x.round_randomized(parameters(3, 0.0, 0)).unwrap().train.distance(&x).unwrap() <= 1e-15);
    let zero = TensorTrain::<f64>::zeros(&[3, 4, 5]).unwrap();
    let found = zero.plus(&zero).unwrap().round_randomized(parameters(usize::MAX, 1e-8, 0)).unwrap();
    assert_eq!((found.train.ranks(), found.error, found.relative_error), (vec![1, 1], 0.0, 0.0));
    let empty = TensorTrain::<f64>::random(&[3, 0, 5], &[2, 2], 1).unwrap();
    assert_eq!(
        empty.hadamard_rounded(&empty, RandomizedRounding::default()).unwrap().train.shape(),
        [3, 0, 5]
    );
    let y = TensorTrain::<f64>::random(&[3, 4], &[2], 1).unwrap();
    assert!(matches!(y.round_randomized(parameters(0, 0.0, 0)), Err(Error::Parameter { .. })));
    assert!(matches!(y.round_randomized(parameters(3, f64::NAN, 0)), Err(Error::Parameter { .. })));
    assert!(matches!(y.hadamard_rounded(&x, RandomizedRounding::default()), Err(Error::Shape { .. })));
    assert!(matches!(
        TensorTrain::<f64>::sum_rounded(&[], RandomizedRounding::default()),
        Err(Error::Shape { .. })
    ));
}

#[test]
fn scales_do_not_matter() {
    let x = falling::<f64>(&[6; 6], 30, 0.6, 1);
    let plain = x.round_randomized(parameters(6, 0.0, 1)).unwrap();
    for power in [-1000, -600, 600, 1000] {
        let factor = 2f64.powi(power);
        let found = x.clone().scaled(factor).unwrap().round_randomized(parameters(6, 0.0, 1)).unwrap();
        assert!((found.relative_error / plain.relative_error - 1.0).abs() <= 1e-12, "2^{power}");
        let back = found.train.scaled(1.0 / factor).unwrap();
        assert!(back.distance(&plain.train).unwrap() <= 1e-13 * x.norm().unwrap(), "2^{power}");
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    let x = falling::<f64>(&[16; 5], 12, 0.8, 1);
    let run = || {
        let square = x.hadamard_rounded(&x, parameters(20, 1e-6, 4)).unwrap();
        let sum = TensorTrain::sum_rounded(&[x.clone(), x.clone()], parameters(9, 1e-6, 4)).unwrap();
        (square.train, square.error, sum.train, sum.error)
    };
    same_on_any_threads("16^5", run);
}
