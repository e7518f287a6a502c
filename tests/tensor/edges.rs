//! NaN and infinities, shapes that do not fit, empty tensors, sizes that overflow.

use super::*;
use lowrank::tensor::{fold, mode_product, mttkrp, multi_mode_product, unfold};

#[test]
fn non_finite_entries_are_found_at_once() {
    let m = Mat::<f64>::ones(4, 4);
    let factors = [Mat::<f64>::ones(3, 2), Mat::ones(4, 2), Mat::ones(5, 2)];
    for (bad, at) in bad_places([3, 4, 5]) {
        let mut a = ArrayD::<f64>::ones(IxDyn(&[3, 4, 5]));
        a[&at[..]] = bad;
        for (layout, stored, view) in layouts(&a) {
            let views = factors.each_ref().map(|f| f.as_ref());
            non_finite(unfold(view(&stored), 1), "a", &at, layout);
            non_finite(mode_product(view(&stored), &m, 1), "a", &at, layout);
            non_finite(multi_mode_product(view(&stored), &[(1, m.as_ref())]), "a", &at, layout);
            (0..3).for_each(|mode| non_finite(mttkrp(view(&stored), &views, mode), "a", &at, layout));
        }
    }
    let a = ArrayD::<f64>::ones(IxDyn(&[3, 4, 5]));
    for (bad, at) in bad_places([4, 4]) {
        let mut m = m.clone();
        m[(at[0], at[1])] = bad;
        non_finite(mode_product(a.view(), &m, 1), "m", &at, "m");
        let second = [(0, Mat::ones(2, 3)), (1, m.clone())];
        let pairs = second.each_ref().map(|(mode, m)| (*mode, m.as_ref()));
        non_finite(multi_mode_product(a.view(), &pairs), "matrices", &[1, at[0], at[1]], "matrices");
        non_finite(fold(&m, 0, &[4, 2, 2]), "x", &at, "fold");
    }
    for (bad, at) in bad_places([5, 2]) {
        let mut factors = factors.clone();
        factors[2][(at[0], at[1])] = bad;
        let views = factors.each_ref().map(|f| f.as_ref());
        non_finite(mttkrp(a.view(), &views, 0), "factors", &[2, at[0], at[1]], "mttkrp");
        assert!(mttkrp(a.view(), &views, 2).is_ok(), "the factor of the mode itself is not looked at");
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let a = ArrayD::<f64>::ones(IxDyn(&[3, 4, 5]));
    let scalar = ArrayD::<f64>::ones(IxDyn(&[]));
    let m = Mat::<f64>::ones(2, 4);
    assert!(matches!(unfold(scalar.view(), 0), Err(Error::Shape { argument: "a", .. })));
    assert!(matches!(mode_product(scalar.view(), &m, 0), Err(Error::Shape { argument: "a", .. })));
    assert!(matches!(mttkrp(scalar.view(), &[], 0), Err(Error::Shape { argument: "a", .. })));
    assert!(matches!(unfold(a.view(), 3), Err(Error::Parameter { name: "mode", .. })));
    assert!(matches!(mode_product(a.view(), &m, 3), Err(Error::Parameter { name: "mode", .. })));
    assert!(matches!(mode_product(a.view(), &m, 0), Err(Error::Shape { argument: "m", .. })));
    assert!(matches!(fold(&m, 0, &[2, 2, 3]), Err(Error::Shape { argument: "x", .. })));
    assert!(matches!(fold(&m, 2, &[2, 4]), Err(Error::Parameter { name: "mode", .. })));
    let factors = [Mat::<f64>::ones(3, 2), Mat::ones(4, 2), Mat::ones(5, 2)];
    let views = factors.each_ref().map(|f| f.as_ref());
    assert!(matches!(mttkrp(a.view(), &views[..2], 0), Err(Error::Shape { argument: "factors", .. })));
    assert!(matches!(mttkrp(a.view(), &views, 3), Err(Error::Parameter { name: "mode", .. })));
    let wrong = [views[0], views[2], views[2]];
    assert!(matches!(mttkrp(a.view(), &wrong, 0), Err(Error::Shape { argument: "factors", .. })));
    let wider = Mat::ones(5, 3);
    let wrong = [views[0], views[1], wider.as_ref()];
    assert!(matches!(mttkrp(a.view(), &wrong, 0), Err(Error::Shape { argument: "factors", .. })));
}

#[test]
fn empty_tensors_have_empty_or_zero_results() {
    for shape in [&[0][..], &[0, 3], &[3, 0], &[2, 0, 3]] {
        let a = ArrayD::<f64>::zeros(IxDyn(shape));
        for mode in 0..shape.len() {
            let mut expected = shape.to_vec();
            expected[mode] = 4;
            let product = mode_product(a.view(), Mat::<f64>::ones(4, shape[mode]), mode).unwrap();
            assert_eq!(product, ArrayD::<f64>::zeros(IxDyn(&expected)), "{shape:?} mode {mode}");
            let factors: Vec<Mat<f64>> = shape.iter().map(|&n| Mat::ones(n, 2)).collect();
            let views: Vec<_> = factors.iter().map(|f| f.as_ref()).collect();
            assert_eq!(mttkrp(a.view(), &views, mode).unwrap(), Mat::<f64>::zeros(shape[mode], 2));
        }
    }
    let a = ArrayD::<f64>::ones(IxDyn(&[2, 3]));
    assert_eq!(mode_product(a.view(), Mat::<f64>::zeros(0, 3), 1).unwrap().shape(), [2, 0]);
    let none = [Mat::<f64>::zeros(2, 0), Mat::zeros(3, 0)];
    assert_eq!(mttkrp(a.view(), &none.each_ref().map(|f| f.as_ref()), 0).unwrap().shape(), (2, 0));
}

#[test]
fn sizes_that_overflow_are_too_large_before_anything_is_allocated() {
    // One number, seen as a tensor of 2^60 entries.
    let one = ArrayD::<f64>::ones(IxDyn(&[1, 1]));
    let column = Mat::<f64>::ones(1, 1);
    let tall = lowrank::ndarray::Array2::<f64>::ones((1, 1));
    let tall = tall.broadcast((1 << 61, 1)).unwrap();
    assert!(matches!(fold(tall, 0, &[1 << 61]), Err(Error::TooLarge { .. })));
    let huge = one.broadcast(IxDyn(&[1 << 30, 1 << 30])).unwrap();
    let sums = Mat::<f64>::ones(1 << 10, 1);
    let wide = one.broadcast(IxDyn(&[1, 1 << 55])).unwrap();
    assert!(matches!(mode_product(wide.clone(), &sums, 0), Err(Error::TooLarge { .. })));
    assert!(matches!(multi_mode_product(huge, &[]), Err(Error::TooLarge { .. })));
    let views = [column.as_ref(), column.as_ref()];
    assert!(matches!(mttkrp(wide, &views, 0), Err(Error::Shape { .. })));
    let none = Mat::<f64>::zeros(0, 0);
    assert!(matches!(fold(&none, 0, &[0, 1 << 40, 1 << 40]), Err(Error::TooLarge { .. })));
}
