//! What every public function says to NaN, empty and ill-fitting inputs, and to sizes too large.

use super::*;
use lowrank::kronecker::hadamard;
use lowrank::svd::{Rank, recompress, symmetric_eigen};

#[test]
fn non_finite_entries_are_reported_with_their_position() {
    for (bad, at) in bad_places([3, 3]) {
        let mut poisoned = well_conditioned::<f64>(3, 1);
        poisoned[(at[0], at[1])] = bad;
        let fine = Mat::<f64>::identity(3, 3);
        let place = [1, at[0], at[1]];
        let both = || vec![fine.clone(), poisoned.clone()];
        non_finite(Kronecker::new(both()), "factors", &place, "product");
        non_finite(KroneckerSum::new(both()), "factors", &place, "sum");
        non_finite(KhatriRao::new(both()), "factors", &place, "khatri-rao");
        non_finite(FaceSplitting::new(&both()), "factors", &place, "face-splitting");
        let low = LowRank { u: fine.clone(), v: poisoned.clone() };
        let good = LowRank { u: fine.clone(), v: fine.clone() };
        non_finite(hadamard(&[&good, &low]), "matrices", &place, "hadamard");
        non_finite(recompress(&low, Rank::Fixed(1)), "v", &at, "recompress");
        non_finite(symmetric_eigen(&poisoned), "a", &at, "eigen");

        let a = Kronecker::new(vec![Mat::<f64>::identity(3, 3)]).unwrap();
        let sum = KroneckerSum::new(vec![Mat::<f64>::identity(3, 3)]).unwrap();
        let khatri_rao = KhatriRao::new(vec![fine.clone()]).unwrap();
        let b = poisoned.as_ref();
        non_finite(a.solve(b), "b", &at, "solve");
        non_finite(a.least_squares(b, None), "b", &at, "least squares");
        non_finite(a.symmetric_eigen().unwrap().apply_function(b, |x| x), "b", &at, "function");
        non_finite(sum.apply(b), "b", &at, "sum");
        non_finite(sum.apply_transpose(b), "b", &at, "sum");
        non_finite(khatri_rao.apply(b), "b", &at, "khatri-rao");
        non_finite(khatri_rao.apply_transpose(b), "b", &at, "khatri-rao");
        non_finite(a.scaled(bad), "c", &[0], "scaled");
        non_finite(sum.symmetric_exponential(bad), "t", &[0], "exponential");
    }
}

#[test]
fn shapes_that_do_not_fit() {
    let shape = |error: Error, argument: &str| match error {
        Error::Shape { argument: named, .. } => assert_eq!(named, argument),
        other => panic!("{other:?}"),
    };
    let a = product::<f64>(&[(2, 3), (4, 4)], 1);
    shape(a.product(&product(&[(3, 3)], 1)).unwrap_err(), "b");
    shape(a.product(&product(&[(3, 3), (3, 4)], 1)).unwrap_err(), "b");
    shape(a.trace().unwrap_err(), "factors");
    shape(a.inverse().unwrap_err(), "factors");
    shape(a.symmetric_eigen().unwrap_err(), "factors");
    shape(a.least_squares(Mat::<f64>::zeros(7, 1), None).unwrap_err(), "b");
    shape(Kronecker::<f64>::new(vec![]).unwrap_err(), "factors");
    shape(KroneckerSum::<f64>::new(vec![]).unwrap_err(), "factors");
    shape(KroneckerSum::new(vec![Mat::<f64>::zeros(2, 3)]).unwrap_err(), "factors");
    shape(KhatriRao::<f64>::new(vec![]).unwrap_err(), "factors");
    shape(KhatriRao::new(vec![Mat::<f64>::zeros(2, 3), Mat::zeros(2, 2)]).unwrap_err(), "factors");
    shape(FaceSplitting::<f64>::new(&[]).unwrap_err(), "factors");
    shape(FaceSplitting::new(&[Mat::<f64>::zeros(2, 3), Mat::zeros(3, 3)]).unwrap_err(), "factors");
    shape(hadamard::<f64>(&[]).unwrap_err(), "factors");
    shape(hadamard(&[&low_rank::<f64>(3, 3, 1, 1), &low_rank(3, 4, 1, 1)]).unwrap_err(), "matrices");
    let odd = LowRank { u: Mat::<f64>::zeros(3, 2), v: Mat::zeros(3, 1) };
    shape(hadamard(&[&odd]).unwrap_err(), "matrices");
    shape(recompress(&odd, Rank::Fixed(0)).unwrap_err(), "v");
    for tolerance in [-1.0, 1.0, f64::NAN] {
        assert!(matches!(a.rank(Some(tolerance)), Err(Error::Parameter { name: "tolerance", .. })));
        assert!(a.least_squares(Mat::<f64>::zeros(8, 1), Some(tolerance)).is_err());
        assert!(a.svd().unwrap().count_above(tolerance).is_err());
    }
    let skew = Kronecker::new(vec![Mat::from_fn(2, 2, |i, j| i as f64 - j as f64)]).unwrap();
    assert!(matches!(skew.symmetric_eigen(), Err(Error::Parameter { .. })));
}

#[test]
fn empty_factors() {
    let a = Kronecker::new(vec![Mat::<f64>::zeros(0, 0), Mat::identity(3, 3)]).unwrap();
    assert_eq!((a.frobenius(), a.max_norm(), a.spectral().unwrap()), (0.0, 0.0, 0.0));
    assert_eq!((a.rank(None).unwrap(), a.trace().unwrap()), (0, 0.0));
    assert_eq!(a.determinant().unwrap().value(), 1.0);
    assert_eq!(a.solve(Mat::<f64>::zeros(0, 2)).unwrap().shape(), (0, 2));
    assert_eq!(a.least_squares(Mat::<f64>::zeros(0, 2), None).unwrap().shape(), (0, 2));
    assert_eq!(a.inverse().unwrap().shape(), (0, 0));
    assert_eq!(a.svd().unwrap().triplets().count(), 0);
    assert_eq!(a.svd().unwrap().count_above(0.5).unwrap(), 0);
    assert_eq!(a.symmetric_eigen().unwrap().pairs(Order::Ascending).count(), 0);
    let tall = Kronecker::new(vec![Mat::<f64>::zeros(3, 0), Mat::identity(2, 2)]).unwrap();
    let x = tall.least_squares(gaussian::<f64>(6, 2, 1, "b"), None).unwrap();
    assert_eq!(x.shape(), (0, 2));
    let wide = tall.transpose().least_squares(Mat::<f64>::zeros(0, 2), None).unwrap();
    assert_eq!(wide, Mat::<f64>::zeros(6, 2));
    let sum = KroneckerSum::new(vec![Mat::<f64>::zeros(0, 0), Mat::identity(3, 3)]).unwrap();
    assert_eq!(sum.apply(Mat::zeros(0, 1).as_ref()).unwrap().shape(), (0, 1));
    assert_eq!(sum.trace(), 0.0);
    let none = LowRank { u: Mat::<f64>::zeros(3, 0), v: Mat::zeros(2, 0) };
    assert_eq!(hadamard(&[&none, &none]).unwrap().rank(), 0);
    assert_eq!(recompress(&none, Rank::Tolerance(0.1)).unwrap().rank(), 0);
}

#[test]
fn sizes_that_overflow_are_errors_before_anything_is_allocated() {
    let too_large =
        |result: Result<(), Error>| assert!(matches!(result, Err(Error::TooLarge { .. })), "{result:?}");
    let side = 1 << 16;
    let tall = || vec![Mat::<f32>::zeros(side, 1); 4];
    too_large(Kronecker::new(tall()).map(drop));
    too_large(KhatriRao::new(tall()).map(drop));
    too_large(FaceSplitting::new(&vec![Mat::<f32>::zeros(1, side); 4]).map(drop));
    too_large(KroneckerSum::new(vec![Mat::<f32>::identity(256, 256); 8]).map(drop));
    // Rows that can be counted, and numbers that cannot be addressed.
    let a = Kronecker::new(vec![Mat::<f32>::zeros(1, side); 3]).unwrap(); // (1, 2^48)
    too_large(a.least_squares(Mat::<f32>::zeros(1, 1 << 14), None).map(drop));
    let k = KhatriRao::new(vec![Mat::<f32>::zeros(side, 1 << 13); 3]).unwrap_or_else(|e| panic!("{e}"));
    too_large(k.to_dense().map(drop));
    too_large(k.apply(Mat::<f32>::zeros(1 << 13, 1 << 13).as_ref()).map(drop));
}

/// Sizes that can be addressed but that no machine has.
#[test]
fn sizes_beyond_the_memory_are_errors_before_it_is_asked_for() {
    let too_large =
        |result: Result<(), Error>| assert!(matches!(result, Err(Error::TooLarge { .. })), "{result:?}");
    let side = 1 << 16;
    let wide = Kronecker::new(vec![Mat::<f32>::zeros(1, side); 3]).unwrap(); // (1, 2^48)
    too_large(wide.least_squares(Mat::<f32>::zeros(1, 1), None).map(drop));
    let tall = KhatriRao::new(vec![Mat::<f32>::zeros(side, 1); 3]).unwrap();
    too_large(tall.to_dense().map(drop));
    too_large(tall.apply(Mat::zeros(1, 1).as_ref()).map(drop));
    too_large(KhatriRao::new(vec![Mat::<f32>::zeros(1, 1 << 22)]).unwrap().gram().map(drop));
    let row = LowRank { u: Mat::<f32>::zeros(1, side), v: Mat::zeros(1, side) };
    too_large(hadamard(&[&row, &row, &row]).map(drop));
    let many = vec![Mat::<f64>::identity(2, 2); 45];
    too_large(Kronecker::new(many.clone()).unwrap().svd().unwrap().truncated(1).map(drop));
    let sum = KroneckerSum::new(many).unwrap();
    too_large(sum.symmetric_eigen().unwrap().trace_function(|x| x).map(drop));
    too_large(sum.to_dense().map(drop));
    too_large(
        Operator::<f64>::to_dense(&lowrank::kronecker::PerfectShuffle::new(1 << 22, 1).unwrap()).map(drop),
    );
}

/// Neither 1e600 nor 1e-600 on the way.
#[test]
fn single_entries_of_factors_of_any_scale() {
    let factors: Vec<Mat<f64>> =
        [1e300, -1e300, 1e-300, 1e-300].iter().map(|x| Mat::full(2, 3, *x)).collect();
    for factors in [factors.clone(), factors.into_iter().rev().collect()] {
        let columns = KhatriRao::new(factors.clone()).unwrap();
        let a = Kronecker::new(factors).unwrap();
        assert!((a.entry(15, 80) + 1.0).abs() < 1e-15 && (columns.entry(15, 2) + 1.0).abs() < 1e-15);
    }
    let far = Kronecker::new(vec![Mat::<f64>::full(1, 1, -1e300); 3]).unwrap();
    assert_eq!((far.entry(0, 0), far.trace().unwrap()), (f64::NEG_INFINITY, f64::NEG_INFINITY));
}
