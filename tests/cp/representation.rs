//! What a decomposition knows of itself.

use super::*;
use lowrank::Separated;

fn agrees<T: Scalar>(shape: &[usize], rank: usize) {
    let factors = factors::<T>(shape, rank, 7);
    let weights: Vec<T> = (0..rank).map(|k| T::of(if k % 2 == 0 { 1.5 } else { -0.25 * k as f64 })).collect();
    let exact = dense(&weights, &factors);
    let x = Cp::new(weights, factors).unwrap();
    let bound = 8.0 * T::EPS * x.weights().iter().map(|w| w.as_f64()).sum::<f64>();
    assert!(distance(&x.to_dense().unwrap(), &exact) <= bound * (rank.max(1) as f64), "{shape:?} {rank}");
    assert!(x.weights().is_sorted_by(|a, b| a >= b) && x.weights().iter().all(|w| *w > T::of(0.0)));
    for factor in x.factors() {
        (0..x.rank()).for_each(|k| assert!((factor.col(k).norm_l2().as_f64() - 1.0).abs() < 4.0 * T::EPS));
    }
    // The error of another tensor, in every layout of its entries.
    let other = exact.mapv(|x| x * T::of(0.75) + T::of(0.125));
    let wanted = distance(&exact, &other);
    assert!((x.error(other.view()).unwrap() - wanted).abs() <= bound + 4.0 * T::EPS * wanted);
    let by_columns = other.t().as_standard_layout().into_owned();
    assert!((x.error(by_columns.t()).unwrap() - wanted).abs() <= bound + 4.0 * T::EPS * wanted);
    assert!((x.frobenius().unwrap() - norm(&exact)).abs() <= bound + 1e-14 * norm(&exact));
    let middle: Vec<usize> = shape.iter().map(|n| n / 2).collect();
    if !exact.is_empty() {
        assert!((x.entry(&middle).unwrap() - exact[&middle[..]]).as_f64().abs() <= bound);
    }
    assert_eq!(x.shape(), shape);
    let terms = Separated::from(x.clone());
    assert_eq!(Cp::try_from(terms).unwrap(), x);
}

#[test]
fn agrees_with_the_sum_over_the_terms() {
    for shape in
        [&[1][..], &[5], &[4, 3], &[7, 1, 5], &[3, 4, 5, 2], &[200, 3, 30], &[2; 10], &[0, 3], &[3, 0, 2]]
    {
        for rank in [0, 1, 3, 9] {
            agrees::<f64>(shape, rank);
            agrees::<f32>(shape, rank);
        }
    }
}

#[test]
fn scales_by_powers_of_two() {
    let x = Cp::new(vec![1.0, -0.5], factors::<f64>(&[4, 5, 3], 2, 1)).unwrap();
    let a = x.to_dense().unwrap().mapv(|x| x + 0.25);
    let error = x.error(a.view()).unwrap();
    for power in [-900, -600, 600, 900] {
        let c = 2f64.powi(power);
        let scaled = Cp::try_from(Separated::from(x.clone()).scaled(c).unwrap()).unwrap();
        assert_eq!(scaled.error(a.mapv(|x| x * c).view()).unwrap(), error * c);
        assert_eq!(scaled.to_dense().unwrap(), x.to_dense().unwrap().mapv(|x| x * c));
    }
}

#[test]
fn refuses_what_does_not_fit() {
    let ok = factors::<f64>(&[2, 3], 2, 0);
    assert!(matches!(Cp::<f64>::new(vec![], vec![]), Err(Error::Shape { argument: "factors", .. })));
    assert!(matches!(Cp::new(vec![1.0], ok.clone()), Err(Error::Shape { argument: "factors", .. })));
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for at in [(0, 0), (1, 1), (2, 1)] {
            let mut spoiled = ok.clone();
            spoiled[1][at] = bad;
            let error = Cp::new(vec![1.0, 1.0], spoiled).unwrap_err();
            assert!(matches!(error, Error::NonFinite { index, .. } if index == [1, at.0, at.1]));
        }
        assert!(matches!(Cp::new(vec![1.0, bad], ok.clone()), Err(Error::NonFinite { .. })));
    }
    let x = Cp::new(vec![1.0, 1.0], ok).unwrap();
    assert!(matches!(x.entry(&[0]), Err(Error::Shape { argument: "index", .. })));
    assert!(matches!(x.entry(&[2, 0]), Err(Error::Shape { argument: "index", .. })));
    let wrong = ArrayD::<f64>::zeros(IxDyn(&[3, 2]));
    assert!(matches!(x.error(wrong.view()), Err(Error::Shape { argument: "a", .. })));
    let mut spoiled = ArrayD::<f64>::zeros(IxDyn(&[2, 3]));
    spoiled[[1, 2]] = f64::NAN;
    assert!(matches!(x.error(spoiled.view()), Err(Error::NonFinite { .. })));
    let long = (0..8).map(|_| Mat::<f64>::zeros(1 << 8, 0)).collect();
    assert!(matches!(Cp::new(Vec::new(), long).unwrap().to_dense(), Err(Error::TooLarge { .. })));
    let matrix = Separated::identity(&[2, 2]).unwrap();
    assert!(matches!(Cp::<f64>::try_from(matrix), Err(Error::Shape { argument: "terms", .. })));
}
