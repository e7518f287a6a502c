//! Bars that every function on trains has to meet: bad numbers, no entries, ranks beyond what there is,
//! overflow, threads.

use super::*;
use lowrank::ndarray::Array2;
use lowrank::tensor::train::{
    Cross, RandomizedRounding, RandomizedTt, SampleFit, TrainOperator, Truncation, cross, fit_samples,
    quantize, quantized_cross, tt_svd, tt_svd_randomized,
};

fn train(shape: &[usize], rank: usize, seed: u64) -> TensorTrain<f64> {
    TensorTrain::random(shape, &vec![rank; shape.len() - 1], seed).unwrap()
}

#[test]
fn bad_numbers_are_found_wherever_they_are() {
    let x = train(&[4, 5, 3], 2, 1);
    for (bad, at) in bad_places([4, 5, 3]) {
        let f = |i: &[usize]| if i == at { bad } else { 1.0 };
        let a = ArrayD::from_shape_fn(IxDyn(&[4, 5, 3]), |i| f(lowrank::ndarray::Dimension::slice(&i)));
        non_finite(cross(f, &[4, 5, 3], Cross::default()), "f", &at, "cross");
        non_finite(x.error(a.view()), "a", &at, "error");
    }
    for (bad, at) in bad_places([8]) {
        let bits = [at[0] >> 2 & 1, at[0] >> 1 & 1, at[0] & 1];
        let f = |i: &[usize]| if i == at { bad } else { 1.0 };
        non_finite(quantized_cross(f, &[8], Cross::default()), "f", &bits, "quantized cross");
        let points = Array2::from_shape_fn((8, 3), |(s, _)| s % 3);
        let values: Vec<f64> = (0..8).map(|s| f(&[s])).collect();
        non_finite(x.error_at(points.view(), &values), "values", &at, "error_at");
    }
    for (bad, at) in bad_places([6, 4]) {
        let m = Mat::from_fn(6, 4, |i, j| if [i, j] == at { bad } else { 1.0 });
        non_finite(
            TrainOperator::from_dense(&m, &[2, 3], &[2, 2], Truncation::default()),
            "a",
            &at,
            "operator",
        );
    }
}

#[test]
fn trains_without_entries_have_documented_results() {
    let shape = [3, 0, 4];
    let (x, t) = (train(&shape, 2, 1), Truncation::rank(2));
    let p = RandomizedRounding::default();
    for y in [
        x.plus(&x).unwrap(),
        x.minus(&x).unwrap(),
        x.hadamard(&x).unwrap(),
        x.clone().scaled(2.0).unwrap(),
        x.clone().orthogonalize_left().unwrap(),
        x.clone().orthogonalize_right().unwrap(),
        x.round(t).unwrap().train,
        x.round_randomized(p).unwrap().train,
        x.hadamard_rounded(&x, p).unwrap().train,
        TensorTrain::sum_rounded(&[x.clone(), x.clone()], p).unwrap().train,
    ] {
        assert_eq!((y.shape(), y.to_dense().unwrap().len()), (shape.to_vec(), 0));
    }
    assert_eq!((x.norm().unwrap(), x.inner(&x).unwrap(), x.distance(&x).unwrap()), (0.0, 0.0, 0.0));
    assert_eq!((x.sum().unwrap(), x.error(x.to_dense().unwrap().view()).unwrap()), (0.0, 0.0));
    assert_eq!(x.sum_over(&[1]).unwrap().norm().unwrap(), 0.0); // sums of nothing
    assert_eq!(x.contract(1, &[]).unwrap().shape(), [3, 4]);
    assert_eq!(
        x.mode_product(1, Mat::<f64>::zeros(2, 0)).unwrap().to_dense().unwrap(),
        ArrayD::<f64>::zeros(vec![3, 2, 4])
    );
    assert!(matches!(x.fix(1, 0), Err(Error::Parameter { .. })));
    assert!(matches!(x.entry(&[0, 0, 0]), Err(Error::Shape { .. })));
    assert_eq!(x.entries_at(Array2::zeros((0, 3)).view()).unwrap(), [0.0; 0]);
    assert_eq!((x.left_interface(2).unwrap().nrows(), x.right_interface(1).unwrap().nrows()), (0, 0));
    assert!(matches!(x.left_interface(4), Err(Error::Parameter { .. })));
    assert!(matches!(x.right_interface(4), Err(Error::Parameter { .. })));
    assert!(matches!(quantize(x.to_dense().unwrap().view(), t), Err(Error::Shape { .. })));
    let m = TrainOperator::identity(&shape).unwrap();
    assert_eq!(m.apply(&x).unwrap().shape(), shape);
    assert_eq!(m.apply_rounded(&x, p).unwrap().train.shape(), shape);
    assert_eq!(m.product(&m.transpose()).unwrap().to_dense().unwrap().shape(), (0, 0));
}

#[test]
fn ranks_beyond_what_there_is_are_cut() {
    let x = train(&[3, 4, 2], 9, 1);
    let (a, most) = (x.to_dense().unwrap(), [3, 2]);
    let close = |y: &TensorTrain<f64>, case: &str| {
        assert!(y.ranks().iter().zip(most).all(|(r, most)| *r <= most), "{case}: {:?}", y.ranks());
        assert!(y.error(a.view()).unwrap() <= 1e-13 * norm(&a), "{case}");
    };
    let huge = Truncation::rank(usize::MAX);
    let p = RandomizedRounding { truncation: huge, ..Default::default() };
    close(&tt_svd(a.view(), huge).unwrap().train, "tt_svd");
    close(&tt_svd_randomized(a.view(), &[99, 99], RandomizedTt::default()).unwrap().train, "randomized");
    close(&x.round(huge).unwrap().train, "round");
    close(&x.round_randomized(p).unwrap().train, "round_randomized");
    close(&x.clone().orthogonalize_left().unwrap().orthogonalize_right().unwrap(), "orthogonalize");
    close(
        &cross(|i| a[i], &[3, 4, 2], Cross { tolerance: 1e-14, ..Default::default() }).unwrap().train,
        "cross",
    );
    let points = Array2::from_shape_fn((24, 3), |(s, k)| [s / 8, s / 2 % 4, s % 2][k]);
    let fit = SampleFit { rank: 99, ..Default::default() };
    let fitted = fit_samples(&[3, 4, 2], points.view(), &a.iter().copied().collect::<Vec<_>>(), fit).unwrap();
    assert!(fitted.relative_error <= 1e-9, "{}", fitted.report);
}

#[test]
fn what_overflows_is_an_error() {
    let (x, v) = (train(&[3, 4], 2, 1).scaled(1e200).unwrap(), train(&[3], 1, 1).scaled(1e200).unwrap());
    let m = Mat::from_fn(2, 3, |i, j| 1e200 * (1 + i + j) as f64);
    let overflow = |y: Result<TensorTrain<f64>, Error>| matches!(y, Err(Error::Parameter { .. }));
    assert!(overflow(v.hadamard(&v)) && overflow(v.mode_product(0, &m)));
    assert!(overflow(x.contract(0, &[1e200; 3])));
    // Two cores hold what one number does not.
    assert_eq!(
        (x.inner(&x).unwrap(), x.hadamard(&x).unwrap().norm().unwrap()),
        (f64::INFINITY, f64::INFINITY)
    );
    // Twenty modes of a million: far more than there is memory.
    let big = TensorTrain::<f64>::zeros(&[1 << 20; 20]).unwrap();
    assert!(matches!(big.to_dense(), Err(Error::TooLarge { .. })));
    assert!(matches!(big.error(ArrayD::zeros(IxDyn(&[1; 20])).view()), Err(Error::Shape { .. })));
}

#[test]
fn inner_products_of_large_ranks_match_dense_ones() {
    let shape = [6, 5, 4, 3, 6];
    let (x, y) = (train(&shape, 40, 1), train(&shape, 33, 2));
    let (a, b) = (x.to_dense().unwrap(), y.to_dense().unwrap());
    let expected: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
    assert!((x.inner(&y).unwrap() - expected).abs() <= 1e-14 * norm(&a) * norm(&b));
    assert!((x.inner(&x).unwrap() / norm(&a).powi(2) - 1.0).abs() <= 1e-14);
}

#[test]
fn bits_do_not_depend_on_threads() {
    let (x, y) = (train(&[20; 5], 40, 1), train(&[20; 5], 36, 2));
    let small = train(&[8, 9, 7], 5, 3);
    let m = TrainOperator::new(train(&[64, 81, 49], 3, 4), vec![8, 9, 7], vec![8, 9, 7]).unwrap();
    let p = RandomizedRounding { truncation: Truncation::rank(6), ..Default::default() };
    let run = || {
        let numbers = (x.inner(&y).unwrap(), x.sum().unwrap(), x.contract_all(&[&[0.3; 20][..]; 5]).unwrap());
        let trains = vec![
            x.plus(&y).unwrap(),
            x.fix(2, 7).unwrap(),
            x.contract(0, &[0.7; 20]).unwrap(),
            x.mode_product(3, Mat::from_fn(30, 20, |i, j| (i * j) as f64)).unwrap(),
            x.clone().orthogonalize_left().unwrap(),
            x.clone().orthogonalize_right().unwrap(),
            x.round(Truncation::rank(11)).unwrap().train,
            x.round_randomized(p).unwrap().train,
            small.hadamard(&small).unwrap(),
            m.apply(&small).unwrap(),
            m.apply_rounded(&small, p).unwrap().train,
            m.product(&m).unwrap().train().clone(),
            quantized_cross(|i| 1.0 / (1.0 + i[0] as f64), &[1 << 14], Cross::default()).unwrap().train,
        ];
        let points = Array2::from_shape_fn((300, 5), |(s, k)| (s * (k + 3)) % 20);
        (numbers, trains, x.entries_at(points.view()).unwrap(), small.extremes(9).unwrap())
    };
    same_on_any_threads("20^5", run);
}
