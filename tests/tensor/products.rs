//! Unfold, fold, mode products and MTTKRP against sums over all entries in double precision.

use super::*;
use lowrank::matrix::{frobenius, scale_in_place};
use lowrank::tensor::{fold, mode_product, mttkrp, multi_mode_product, unfold};

/// A x_k M, entry by entry.
fn reference<T: Scalar>(a: &ArrayD<f64>, m: MatRef<'_, T>, mode: usize) -> ArrayD<f64> {
    let mut shape = a.shape().to_vec();
    shape[mode] = m.nrows();
    tensor(&shape, |index| {
        let mut at = index.to_vec();
        let term = |i: usize| {
            at[mode] = i;
            m[(index[mode], i)].as_f64() * a[&at[..]]
        };
        (0..m.ncols()).map(term).sum()
    })
}

/// M(i, r), entry by entry.
fn reference_mttkrp<T: Scalar>(a: &ArrayD<T>, factors: &[MatRef<'_, T>], mode: usize) -> Mat<f64> {
    let mut out = Mat::zeros(a.shape()[mode], factors[mode].ncols());
    for (index, x) in a.indexed_iter() {
        for r in 0..out.ncols() {
            let others = (0..a.ndim()).filter(|j| *j != mode);
            out[(index[mode], r)] +=
                others.fold(x.as_f64(), |product, j| product * factors[j][(index[j], r)].as_f64());
        }
    }
    out
}

fn double<T: Scalar>(a: &ArrayD<T>) -> ArrayD<f64> {
    a.mapv(|x| x.as_f64())
}

#[test]
fn fold_after_unfold_is_bitwise_the_identity() {
    for shape in SHAPES.iter().copied().chain([&[0][..], &[3, 0, 2], &[0, 0]]) {
        let a = random::<f64>(shape, 1);
        for (layout, stored, view) in layouts(&a) {
            for mode in 0..shape.len() {
                let x = unfold(view(&stored), mode).unwrap();
                let others: usize =
                    shape.iter().enumerate().filter(|(j, _)| *j != mode).map(|(_, n)| n).product();
                assert_eq!(x.dim(), (shape[mode], others), "{shape:?} mode {mode}");
                let mut order: Vec<usize> = (0..shape.len()).filter(|j| *j != mode).collect();
                order.insert(0, mode);
                let expected = a.view().permuted_axes(IxDyn(&order));
                assert!(x.iter().eq(expected.iter()), "{shape:?} mode {mode} {layout}");
                assert_eq!(fold(&x, mode, shape).unwrap(), a, "{shape:?} mode {mode} {layout}");
                let outer = mode == 0 || mode + 1 == shape.len();
                if layout == "row-major" && outer && !a.is_empty() {
                    assert!(x.is_view(), "{shape:?} mode {mode} is copied");
                }
            }
        }
    }
}

fn check_products<T: Scalar>() {
    let mut worst = 0.0_f64;
    for (number, &shape) in SHAPES.iter().enumerate() {
        let a = random::<T>(shape, number as u64);
        for (layout, stored, view) in layouts(&a) {
            if a.len() > 20_000 && layout == "reversed" {
                continue;
            }
            for mode in 0..shape.len() {
                for p in [1, 3, shape[mode]] {
                    let m = gaussian::<T>(p, shape[mode], 2, "m");
                    let expected = reference(&double(&a), m.as_ref(), mode);
                    let found = mode_product(view(&stored), &m, mode).unwrap();
                    assert!(found.is_standard_layout());
                    let unit = shape[mode] as f64 * T::EPS * norm(&a) * frobenius(&m);
                    let ratio = distance(&double(&found), &expected) / unit;
                    assert!(ratio <= 4.0, "{} {shape:?} mode {mode} p {p} {layout}: {ratio}", T::NAME);
                    worst = worst.max(ratio);
                }
            }
        }
    }
    println!("{}: worst {worst:.2} n eps", T::NAME);
}

#[test]
fn mode_products_are_sums_over_entries() {
    check_products::<f64>();
    check_products::<f32>();
}

#[test]
fn several_modes_in_any_order_of_cost() {
    let a = random::<f64>(&[4, 5, 6, 7], 3);
    let m: Vec<Mat<f64>> =
        [9, 2, 6, 1].iter().zip(a.shape()).map(|(&p, &n)| gaussian(p, n, 4, "m")).collect();
    for modes in [&[0, 1, 2, 3][..], &[3, 1], &[2], &[1, 0, 3], &[]] {
        let pairs: Vec<_> = modes.iter().map(|&mode| (mode, m[mode].as_ref())).collect();
        let found = multi_mode_product(a.view(), &pairs).unwrap();
        let expected = modes.iter().fold(a.clone(), |a, &mode| reference(&a, m[mode].as_ref(), mode));
        let norms: f64 = modes.iter().map(|&mode| frobenius(&m[mode])).product();
        assert!(distance(&found, &expected) <= 4.0 * 22.0 * f64::EPSILON * norm(&a) * norms, "{modes:?}");
    }
    let x = m[1].as_ref();
    assert!(matches!(
        multi_mode_product(a.view(), &[(1, x), (1, x)]),
        Err(Error::Parameter { name: "mode", .. })
    ));
}

fn check_mttkrp<T: Scalar>() {
    let mut worst = 0.0_f64;
    for (number, &shape) in SHAPES.iter().enumerate() {
        let a = random::<T>(shape, 10 + number as u64);
        let inner = |mode: usize| a.len() as f64 / shape[mode] as f64;
        for columns in [1, 3, 10] {
            let factors: Vec<Mat<T>> = shape.iter().map(|&n| gaussian(n, columns, 5, "factor")).collect();
            let factors: Vec<MatRef<'_, T>> = factors.iter().map(|f| f.as_ref()).collect();
            for mode in 0..shape.len() {
                let expected = reference_mttkrp(&a, &factors, mode);
                let norms: f64 =
                    (0..shape.len()).filter(|j| *j != mode).map(|j| frobenius(factors[j])).product();
                let unit = inner(mode) * T::EPS * norm(&a) * norms;
                for (layout, stored, view) in layouts(&a) {
                    let found = mttkrp(view(&stored), &factors, mode).unwrap();
                    let ratio = frobenius(wide(found.as_ref()) - &expected) / unit;
                    assert!(ratio <= 4.0, "{} {shape:?} mode {mode} {layout}: {ratio}", T::NAME);
                    worst = worst.max(ratio);
                }
            }
        }
    }
    println!("{}: worst {worst:.2} n eps", T::NAME);
}

#[test]
fn mttkrp_is_a_sum_over_entries() {
    check_mttkrp::<f64>();
    check_mttkrp::<f32>();
}

#[test]
fn both_ways_to_share_the_work_of_mttkrp_agree() {
    // Long, short and middle modes of tensors that are large enough to be cut.
    for shape in [&[70, 60, 80][..], &[3, 20_000, 6], &[20_000, 3, 6], &[6, 3, 20_000], &[9, 8, 7, 9, 8, 7]] {
        let a = random::<f64>(shape, 6);
        let factors: Vec<Mat<f64>> = shape.iter().map(|&n| gaussian(n, 16, 7, "factor")).collect();
        let factors: Vec<MatRef<'_, f64>> = factors.iter().map(|f| f.as_ref()).collect();
        for mode in 0..shape.len() {
            let expected = reference_mttkrp(&a, &factors, mode);
            let off = frobenius(mttkrp(a.view(), &factors, mode).unwrap() - &expected);
            let norms: f64 = (0..shape.len()).filter(|j| *j != mode).map(|j| frobenius(factors[j])).product();
            let ratio = off / (f64::EPSILON * norm(&a) * norms);
            assert!(ratio <= 50.0, "{shape:?} mode {mode}: {ratio} eps");
        }
    }
}

#[test]
fn scales_do_not_matter() {
    fn check<T: Scalar>() {
        let a = random::<T>(&[5, 6, 7], 8);
        let m = gaussian::<T>(3, 6, 8, "m");
        let plain = mode_product(a.view(), &m, 1).unwrap();
        let factors: Vec<Mat<T>> = a.shape().iter().map(|&n| gaussian(n, 4, 8, "factor")).collect();
        let views = |factors: &[Mat<T>]| mttkrp_of(&a, factors);
        let plain_mttkrp = views(&factors);
        let (lo, hi) = (far::<T>(), far::<T>() * 3 / 2);
        for (up, own) in [(hi, -hi), (-hi, hi), (lo, 0), (-lo, 0), (lo, -hi), (hi, -lo)] {
            let (big, mut matrix) = (shifted(&a, up), m.clone());
            scale_in_place(&mut matrix, own);
            let found = mode_product(big.view(), &matrix, 1).unwrap();
            let off = distance(&shifted(&found, -up - own), &plain) / norm(&plain);
            assert!(off <= 20.0 * T::EPS, "{} product 2^{up} 2^{own}: {off:e}", T::NAME);
            let mut scaled = factors.clone();
            scale_in_place(&mut scaled[1], own);
            let mut found = mttkrp_of(&big, &scaled);
            scale_in_place(&mut found, -up - own);
            let off = frobenius(&found - &plain_mttkrp) / frobenius(&plain_mttkrp);
            assert!(off <= 20.0 * T::EPS, "{} mttkrp 2^{up} 2^{own}: {off:e}", T::NAME);
        }
        // What overflows says so.
        let big = shifted(&a, hi);
        let mut matrix = m.clone();
        scale_in_place(&mut matrix, hi);
        assert!(matches!(
            mode_product(big.view(), &matrix, 1),
            Err(Error::Parameter { name: "product", .. })
        ));
    }
    fn mttkrp_of<T: Scalar>(a: &ArrayD<T>, factors: &[Mat<T>]) -> Mat<T> {
        let factors: Vec<MatRef<'_, T>> = factors.iter().map(|f| f.as_ref()).collect();
        mttkrp(a.view(), &factors, 0).unwrap()
    }
    check::<f64>();
    check::<f32>();
}

#[test]
fn bits_do_not_depend_on_threads() {
    let a = random::<f64>(&[120, 110, 100], 9);
    let factors: Vec<Mat<f64>> = a.shape().iter().map(|&n| gaussian(n, 24, 9, "factor")).collect();
    let views: Vec<MatRef<'_, f64>> = factors.iter().map(|f| f.as_ref()).collect();
    for mode in 0..3 {
        same_on_any_threads("product", || mode_product(a.view(), factors[mode].transpose(), mode).unwrap());
        same_on_any_threads("mttkrp", || mttkrp(a.view(), &views, mode).unwrap());
    }
    let long = random::<f64>(&[500, 3, 700], 9);
    let factors: Vec<Mat<f64>> = long.shape().iter().map(|&n| gaussian(n, 24, 9, "factor")).collect();
    let views: Vec<MatRef<'_, f64>> = factors.iter().map(|f| f.as_ref()).collect();
    same_on_any_threads("mttkrp of a short mode", || mttkrp(long.view(), &views, 1).unwrap());
}
