//! The second back end keeps the contracts of the default one, and the two agree: over the gallery,
//! shapes and scales. `cargo test --release --features lapack --test lapack`

#[path = "support/mod.rs"]
mod support;

use lowrank::faer::{Mat, MatRef};
use lowrank::matrix::{exponent, frobenius, max_norm, scale_by_power_of_two, scaled};
use lowrank::random::{gallery, gaussian, with_spectrum};
use lowrank::svd::{self, Qr, Svd, lapack};
use lowrank::{Error, Result, Scalar};
use support::*;

const SHAPES: &[(usize, usize)] =
    &[(0, 0), (0, 4), (4, 0), (1, 1), (1, 7), (7, 1), (16, 10), (33, 65), (64, 64), (150, 20), (90, 101)];

/// The functions under test, of one scalar.
trait BackEnd: Scalar {
    fn dense(a: MatRef<'_, Self>) -> Result<Svd<Self>>;
    fn values(a: MatRef<'_, Self>) -> Result<Vec<Self>>;
    fn qr(a: MatRef<'_, Self>) -> Result<Qr<Self>>;
}
macro_rules! back_end {
    ($($scalar:ty),*) => {$(
        impl BackEnd for $scalar {
            fn dense(a: MatRef<'_, Self>) -> Result<Svd<Self>> {
                lapack::dense(a)
            }
            fn values(a: MatRef<'_, Self>) -> Result<Vec<Self>> {
                lapack::singular_values(a)
            }
            fn qr(a: MatRef<'_, Self>) -> Result<Qr<Self>> {
                lapack::qr(a)
            }
        }
    )*};
}
back_end!(f32, f64);

/// Checks every contract for A scaled by 2^e.
fn check<T: BackEnd>(case: &str, a: &Mat<T>, e: i32) {
    let (m, n) = a.shape();
    let g = g::<T>(m, n);
    let moved = scaled(a, e);
    let back = |s: &[T]| -> Vec<f64> { s.iter().map(|s| scale_by_power_of_two(s.as_f64(), -e)).collect() };

    let svd = T::dense(moved.as_ref()).expect(case);
    assert_eq!((svd.shape(), svd.rank()), ((m, n), m.min(n)), "{case}");
    assert!(sorted(&svd), "{case}: {:?}", svd.s);
    assert!(omega_of_svd(&svd) <= 10.0, "{case}");
    let error = beta_of_svd(moved.as_ref(), &svd, g);
    assert!(error <= 5.0, "{case}: {error} g");
    for k in 0..svd.rank() {
        let column = svd.u.col_as_slice(k);
        let first = column.iter().copied().fold(T::of(0.0), |l, x| {
            if num_traits::Float::abs(x) > num_traits::Float::abs(l) { x } else { l }
        });
        assert!(first > T::of(0.0), "{case}, column {k}");
    }

    // Both back ends stand within the bound of the true values (Weyl), hence within twice of each other.
    let (s, norm) = (back(&svd.s), frobenius(wide(a.as_ref())));
    for other in [svd::dense(&moved).expect(case).s, T::values(moved.as_ref()).expect(case)] {
        assert_eq!(other.len(), s.len(), "{case}");
        for (x, y) in s.iter().zip(back(&other)) {
            assert!((x - y).abs() <= 10.0 * g * norm, "{case}: {x:e} and {y:e}");
        }
    }

    let Qr { q, r } = T::qr(moved.as_ref()).expect(case);
    assert_eq!((q.shape(), r.shape()), ((m, m.min(n)), (m.min(n), n)), "{case}");
    assert!(omega(&q, g) <= 10.0, "{case}");
    let at = exponent(max_norm(&moved));
    let triangle = wide(scaled(&r, -at).as_ref());
    let error = beta(moved.as_ref(), &wide(q.as_ref()), triangle.transpose(), at, g, r.nrows() * n);
    assert!(error <= 5.0, "{case}, QR: {error} g");
    assert!((0..r.nrows()).all(|k| r[(k, k)] >= T::of(0.0)), "{case}");
    assert!((0..r.nrows()).all(|k| (0..k).all(|j| r[(k, j)] == T::of(0.0))), "{case}");
}

fn over_the_gallery<T: BackEnd>(powers: &[i32]) {
    for family in gallery::families::<T>() {
        for &(m, n) in SHAPES {
            let a = (family.make)(m, n, 1);
            let extremes = if m * n < 3000 { powers } else { &[0] };
            // Short of a range that scaling back leaves exact.
            let top = exponent(max_norm(&a).max(f64::MIN_POSITIVE));
            for e in extremes.iter().map(|e| e - top * (*e != 0) as i32) {
                let case = format!("{} {} {m} x {n}, seed 1, times 2^{e}", T::NAME, family.name);
                check(&case, &a, e);
            }
        }
    }
}

#[test]
fn contracts_over_gallery_shapes_and_scales() {
    over_the_gallery::<f64>(&[0, -900, 900]);
    over_the_gallery::<f32>(&[0, -60, 100]);
}

#[test]
fn vectors_agree_where_the_values_are_apart() {
    let spectrum: Vec<f64> = (0..30).map(|i| 0.5_f64.powi(i)).collect();
    for (m, n) in [(50, 40), (40, 50), (40, 40), (200, 30)] {
        let a = with_spectrum::<f64>(m, n, &spectrum, 5);
        let (ours, other) = (svd::dense(&a).unwrap().truncate(10), lapack::dense(&a).unwrap().truncate(10));
        assert!(frobenius(&ours.u - &other.u).max(frobenius(&ours.v - &other.v)) <= 1e-11, "{m} x {n}");
        let full = gaussian::<f64>(m, n, 5, "test");
        let (ours, other) = (svd::qr(&full).unwrap(), lapack::qr(&full).unwrap());
        assert!(frobenius(&ours.q - &other.q).max(frobenius(&ours.r - &other.r)) <= 1e-11, "{m} x {n}");
    }
}

#[test]
fn errors_are_those_of_the_default() {
    for (bad, at) in bad_places([9, 6]) {
        let mut a = gaussian::<f64>(9, 6, 0, "test");
        a[(at[0], at[1])] = bad;
        non_finite(lapack::dense(&a), "a", &at, "dense");
        non_finite(lapack::singular_values(&a), "a", &at, "values");
        non_finite(lapack::qr(&a), "a", &at, "qr");
    }
    let huge = Mat::<f32>::full(40, 40, f32::MAX);
    assert!(matches!(lapack::dense(&huge), Err(Error::Parameter { name: "a", .. })));
    assert!(matches!(lapack::singular_values(&huge), Err(Error::Parameter { name: "a", .. })));
    assert!(matches!(lapack::qr(&huge), Err(Error::Parameter { name: "a", .. })));
    // No memory is touched: rows and columns share one number.
    let one = lowrank::ndarray::arr2(&[[1.0_f64]]);
    let large = one.broadcast((1 << 14, 1 << 14)).unwrap();
    assert!(matches!(lapack::dense(large), Err(Error::TooLarge { .. })));
}
