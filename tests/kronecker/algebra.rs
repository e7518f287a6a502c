//! Transpose, products, inverse, trace, determinant, rank, norms; Hadamard products.

use super::*;
use lowrank::kronecker::hadamard;
use lowrank::matrix::{max_norm, spectral};
use lowrank::svd::{Rank, dense, recompress};

fn against_dense<T: Scalar>() {
    for (seed, shapes) in SHAPES.into_iter().enumerate() {
        let case = format!("{} {shapes:?}", T::NAME);
        let a = product::<T>(shapes, seed as u64);
        let full = kron(a.factors());
        let size = frobenius(&full);
        assert_eq!(kron(a.transpose().factors()), full.transpose(), "{case}");
        let inner: Vec<_> = shapes.iter().map(|s| (s.1, s.0 + 1)).collect();
        let b = product::<T>(&inner, 50 + seed as u64);
        let other = kron(b.factors());
        let ab = a.product(&b).unwrap();
        assert_eq!(ab.shape(), (full.nrows(), other.ncols()));
        let inner: usize = shapes.iter().map(|s| s.1).sum();
        let dense_product = Mat::from_fn(ab.shape().0, ab.shape().1, |i, j| ab.entry(i, j));
        close(dense_product.as_ref(), &(&full * &other), 4.0 * inner as f64, size * frobenius(&other), &case);
        for (name, found, expected) in [
            ("frobenius", a.frobenius(), size),
            ("max", a.max_norm(), max_norm(&full)),
            ("spectral", a.spectral().unwrap(), spectral(&full).unwrap()),
        ] {
            assert!(
                (found - expected).abs() <= 40.0 * T::EPS * expected,
                "{name} {case}: {found} {expected}"
            );
        }
        let c = a.scaled(T::of(-3.0)).unwrap();
        close(
            kron(c.factors()).as_ref(),
            &(&full * faer_scale(-3.0)),
            8.0 * T::EPS / f64::EPSILON,
            size,
            &case,
        );
    }
}

fn faer_scale(c: f64) -> lowrank::faer::Scale<f64> {
    lowrank::faer::Scale(c)
}

#[test]
fn the_algebra_agrees_with_dense_matrices() {
    against_dense::<f64>();
    against_dense::<f32>();
}

fn inverse_trace_determinant<T: Scalar>() {
    for sides in [vec![3], vec![2, 3], vec![1, 4, 3], vec![2, 2, 2, 2], vec![5, 6], vec![40, 3]] {
        let factors: Vec<Mat<T>> =
            sides.iter().enumerate().map(|(k, &n)| well_conditioned(n, 7 + k as u64)).collect();
        let a = Kronecker::new(factors).unwrap();
        let full = kron(a.factors());
        let n = full.nrows();
        let case = format!("{} {sides:?}", T::NAME);
        let inverse = kron(a.inverse().unwrap().factors());
        let gap = frobenius(&full * &inverse - Mat::<f64>::identity(n, n));
        let limit = 20.0 * n as f64 * T::EPS * 10f64.powi(sides.len() as i32);
        assert!(gap <= limit, "{case}: {gap} {limit}");
        let trace: f64 = (0..n).map(|i| full[(i, i)]).sum();
        assert!((a.trace().unwrap() - trace).abs() <= 10.0 * n as f64 * T::EPS * frobenius(&full), "{case}");
        // An elimination of its own, without pivots worth a name: the leading minors.
        let expected = elimination(full.clone());
        let found = a.determinant().unwrap();
        assert_eq!(f64::from(found.sign), expected.0, "{case}");
        let slack = 100.0 * n as f64 * T::EPS * (1.0 + expected.1.abs());
        assert!((found.log_magnitude - expected.1).abs() <= slack, "{case}: {found:?} {expected:?}");
    }
}

/// The sign and ln of the magnitude of a determinant.
fn elimination(mut a: Mat<f64>) -> (f64, f64) {
    let n = a.nrows();
    let (mut sign, mut log) = (1.0, 0.0);
    for j in 0..n {
        let p = (j..n).max_by(|x, y| a[(*x, j)].abs().total_cmp(&a[(*y, j)].abs())).unwrap();
        if p != j {
            sign = -sign;
            for c in 0..n {
                (a[(p, c)], a[(j, c)]) = (a[(j, c)], a[(p, c)]);
            }
        }
        sign *= a[(j, j)].signum();
        log += a[(j, j)].abs().ln();
        for i in j + 1..n {
            let l = a[(i, j)] / a[(j, j)];
            for c in j..n {
                a[(i, c)] -= l * a[(j, c)];
            }
        }
    }
    (sign, log)
}

#[test]
fn inverse_trace_and_determinant_agree_with_dense_matrices() {
    inverse_trace_determinant::<f64>();
    inverse_trace_determinant::<f32>();
}

#[test]
fn determinants_beyond_the_range_and_of_singular_factors() {
    let a = Kronecker::new(vec![Mat::<f64>::identity(100, 100) * faer_scale(1e300); 2]).unwrap();
    let d = a.determinant().unwrap();
    assert!((d.log_magnitude - 1e4 * 600.0 * std::f64::consts::LN_10).abs() < 1e-6 && d.sign == 1);
    assert_eq!(d.value(), f64::INFINITY);
    let singular = Kronecker::new(vec![Mat::<f64>::zeros(2, 2), Mat::identity(3, 3)]).unwrap();
    let d = singular.determinant().unwrap();
    assert_eq!((d.sign, d.log_magnitude, d.value()), (0, f64::NEG_INFINITY, 0.0));
    // (-1)^(N / n): det(-1 (1 x 1) (x) I_3) = -1, det(-1 (x) I_4) = 1.
    for (n, sign) in [(3, -1), (4, 1)] {
        let minus = Mat::from_fn(1, 1, |_, _| -1.0);
        let a = Kronecker::new(vec![minus, Mat::identity(n, n)]).unwrap();
        assert_eq!(a.determinant().unwrap().sign, sign);
    }
}

#[test]
fn ranks_multiply() {
    let a = low_rank::<f64>(6, 5, 2, 1).to_dense();
    let b = low_rank::<f64>(4, 7, 3, 2).to_dense();
    let both = Kronecker::new(vec![a, b]).unwrap();
    assert_eq!(both.rank(None).unwrap(), 6);
    let s = singular_values(kron(both.factors())).unwrap();
    assert_eq!(s.iter().filter(|x| **x > 1e-12 * s[0]).count(), 6);
    assert_eq!(both.svd().unwrap().count_above(1e-12).unwrap(), 6);
    // Twenty factors of condition 10: of full rank, though the condition number is 1e20.
    let many = Kronecker::new(vec![well_conditioned::<f64>(2, 1); 20]).unwrap();
    assert_eq!(many.rank(None).unwrap(), 1 << 20);
    assert!((many.condition_number().unwrap() / 1e20 - 1.0).abs() < 1e-12);
    assert_eq!(Kronecker::new(vec![Mat::<f32>::zeros(3, 3)]).unwrap().rank(None).unwrap(), 0);
    assert_eq!(both.rank(Some(0.999)).unwrap(), 1);
}

fn scales<T: Scalar>(big: i32) {
    // Factors of 2^big and 2^-big: the product is of moderate size.
    let (a, b) = (well_conditioned::<T>(3, 1), well_conditioned::<T>(4, 2));
    let plain = Kronecker::new(vec![a.clone(), b.clone()]).unwrap();
    let wild = Kronecker::new(vec![scaled(&a, big), scaled(&b, -big)]).unwrap();
    assert_eq!(plain.frobenius(), wild.frobenius());
    assert_eq!(plain.max_norm(), wild.max_norm());
    assert_eq!(plain.trace().unwrap(), wild.trace().unwrap());
    assert_eq!(plain.rank(None).unwrap(), 12);
    assert_eq!(plain.condition_number().unwrap(), wild.condition_number().unwrap());
    let (d, e) = (plain.determinant().unwrap(), wild.determinant().unwrap());
    assert_eq!(d.sign, e.sign);
    assert!((d.log_magnitude - e.log_magnitude).abs() <= 1e-12 * f64::from(big));
    let x = gaussian::<T>(12, 2, 3, "x");
    assert_eq!(plain.solve(&x).unwrap(), wild.solve(&x).unwrap());
    assert_eq!(plain.least_squares(&x, None).unwrap(), wild.least_squares(&x, None).unwrap());
    let values = |k: &Kronecker<T>| k.svd().unwrap().triplets().map(|t| t.0).collect::<Vec<_>>();
    assert_eq!(values(&plain), values(&wild));
    // And all of one scale.
    for e in [big, -big] {
        let moved = Kronecker::new(vec![scaled(&a, e), b.clone()]).unwrap();
        assert_eq!(moved.solve(scaled(&x, e)).unwrap(), plain.solve(&x).unwrap());
        assert_eq!(kron(moved.inverse().unwrap().factors()), {
            let inverse = plain.inverse().unwrap();
            kron(&[scaled(&inverse.factors()[0], -e), inverse.factors()[1].clone()])
        });
    }
}

#[test]
fn powers_of_two_change_no_digit() {
    scales::<f64>(900);
    scales::<f32>(100);
}

fn hadamards<T: Scalar>() {
    for (m, n, ranks) in [(7, 5, vec![2, 3]), (9, 12, vec![1, 2, 2]), (30, 20, vec![4]), (6, 6, vec![3, 4])] {
        let xs: Vec<LowRank<T>> =
            ranks.iter().enumerate().map(|(k, &r)| low_rank(m, n, r, k as u64)).collect();
        let all: Vec<&LowRank<T>> = xs.iter().collect();
        let z = hadamard(&all).unwrap();
        let columns: usize = ranks.iter().product();
        assert_eq!(z.rank(), columns);
        let dense_of = |x: &LowRank<T>| wide(x.u.as_ref()) * wide(x.v.as_ref()).transpose();
        let expected = Mat::from_fn(m, n, |i, j| xs.iter().map(|x| dense_of(x)[(i, j)]).product());
        let rows = |a: &Mat<T>| lowrank::matrix::two_to_infinity(a);
        let size: f64 = xs.iter().map(|x| rows(&x.u) * rows(&x.v)).product();
        let error = max_norm(dense_of(&z) - &expected);
        let slack = (ranks.iter().sum::<usize>() + ranks.len()) as f64 * T::EPS;
        assert!(error <= slack * size, "{} {ranks:?}: {error}", T::NAME);
        assert!(rows(&z.u) * rows(&z.v) <= (1.0 + 20.0 * T::EPS) * size);
        let svd = recompress(&z, Rank::Tolerance(1e-5)).unwrap();
        let exact = dense(&expected).unwrap();
        let best = Rank::Tolerance(1e-5).choose_for(&exact.s, (m, n)).unwrap();
        assert_eq!(svd.rank(), best, "{} {ranks:?}", T::NAME);
        assert!(omega_of_svd(&svd) <= 10.0);
        assert!(
            super::support::error(expected_of::<T>(&expected).as_ref(), &svd)
                <= 1.1e-5 * frobenius(&expected)
        );
    }
}

fn expected_of<T: Scalar>(a: &Mat<f64>) -> Mat<T> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| T::of(a[(i, j)]))
}

#[test]
fn hadamard_products_of_factored_matrices() {
    hadamards::<f64>();
    hadamards::<f32>();
    // u of 1e200 and v of 1e-200: the product of two is of moderate size.
    let x = low_rank::<f64>(5, 4, 2, 1);
    let wild = LowRank { u: scaled(&x.u, 660), v: scaled(&x.v, -660) };
    assert_eq!(hadamard(&[&wild, &wild]).unwrap().to_dense(), hadamard(&[&x, &x]).unwrap().to_dense());
}
