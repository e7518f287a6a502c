//! Products with dense blocks against the whole matrix.

use super::support::*;
use super::*;
use lowrank::faer::MatRef;
use lowrank::matrix::{frobenius, scaled};
use lowrank::separated::laplacian;
use lowrank::svd::{Lanczos, lanczos, singular_values};
use lowrank::{Error, Operator};

/// |c - M b|_F <= 4 n eps sum lambda |b|_F, everything in double precision.
fn check<T: Scalar>(m: &Separated<T>, b: MatRef<'_, T>, transposed: bool, case: &str) {
    let whole = dense(m);
    let (whole, found) = match transposed {
        true => (whole.transpose().to_owned(), m.apply_transpose(b).unwrap()),
        false => (whole, m.apply(b).unwrap()),
    };
    assert_eq!(found.shape(), (whole.nrows(), b.ncols()), "{case}");
    let error = frobenius(wide(found.as_ref()) - &whole * wide(b));
    let allowed = 4.0 * whole.ncols().max(1) as f64 * T::EPS * total(m) * frobenius(wide(b));
    assert!(error <= allowed, "{case}, transposed: {transposed}: {error:e} over {allowed:e}");
}

fn products_agree<T: Scalar>() {
    let larger = [vec![(64, 60), (24, 25)], vec![(9, 12), (11, 8), (10, 10)], vec![(300, 2), (2, 300)]];
    for (seed, shapes) in shapes().into_iter().chain(larger).enumerate() {
        for terms in [0, 1, 2, 5] {
            let m = random::<T>(&shapes, terms, seed as u64);
            let (rows, cols) = m.shape().unwrap();
            for columns in [0, 1, 3] {
                let case = format!("{} {shapes:?}, {terms} terms, {columns} columns", T::NAME);
                check(&m, gaussian::<T>(cols, columns, 1, "b").as_ref(), false, &case);
                check(&m, gaussian::<T>(rows, columns, 2, "c").as_ref(), true, &case);
            }
        }
    }
    // Columns that are taken in groups.
    let m = random::<T>(&[(3, 2), (2, 5)], 3, 1);
    check(&m, gaussian::<T>(10, 30_000, 1, "b").as_ref(), false, "many columns");
}

#[test]
fn products_agree_with_the_whole_matrix() {
    products_agree::<f64>();
    products_agree::<f32>();
}

/// Factors that are multiples of the identity are left out; a term may have no others.
#[test]
fn multiples_of_the_identity() {
    let a = laplacian::<f64>(&[5, 4, 6]).unwrap();
    let sum = a.plus(&Separated::identity(&[5, 4, 6]).unwrap().scaled(-7.0).unwrap()).unwrap();
    for m in [&a, &sum, &Separated::identity(&[3, 40]).unwrap().scaled(-2.5).unwrap()] {
        let n = m.shape().unwrap().0;
        check(m, gaussian::<f64>(n, 2, 1, "b").as_ref(), false, "multiples of the identity");
        check(m, gaussian::<f64>(n, 1, 1, "b").as_ref(), true, "multiples of the identity");
    }
}

/// Terms, and blocks, of any size: exactly the product of moderate ones, moved by a power of two.
fn any_scale<T: Scalar>(powers: &[(i32, i32)]) {
    let m = random::<T>(&[(4, 3), (3, 5), (2, 2)], 3, 1);
    let b = gaussian::<T>(30, 2, 1, "b");
    let plain = m.apply(&b).unwrap();
    for &(e, f) in powers {
        let power = lowrank::matrix::scale_by_power_of_two(T::of(1.0), e);
        let found = m.clone().scaled(power).unwrap().apply(scaled(&b, f)).unwrap();
        assert_eq!(scaled(&found, -e - f), plain, "{} 2^{e}, 2^{f}", T::NAME);
    }
    // A term that is smaller by far than the others counts no more and no less than it should.
    let small = random::<T>(m.shapes(), 1, 2).scaled(T::of(1e-30)).unwrap();
    check(&m.plus(&small).unwrap(), b.as_ref(), false, "a small term");
    check(&small, b.as_ref(), false, "small");
}

#[test]
fn terms_and_blocks_of_any_scale() {
    any_scale::<f64>(&[(600, 0), (-600, 0), (0, 600), (0, -600), (600, -600), (-600, 600), (-900, 300)]);
    any_scale::<f32>(&[(80, 0), (-80, 0), (0, 80), (0, -80), (80, -80), (-80, 80)]);
    let large = random::<f64>(&[(4, 3), (3, 5)], 3, 1).scaled(1e300).unwrap();
    let found = large.apply(Mat::full(15, 1, 1e300));
    assert!(matches!(found, Err(Error::Parameter { name: "product", .. })), "{found:?}");
}

#[test]
fn bad_blocks_and_sides_beyond_counting() {
    let m = random::<f64>(&[(4, 3), (3, 5)], 2, 1);
    for (bad, [i, j]) in bad_places([15, 3]) {
        let mut b = gaussian::<f64>(15, 3, 1, "b");
        b[(i, j)] = bad;
        non_finite(m.apply(&b), "b", &[i, j], "apply");
        let zero = Separated::<f64>::zeros(m.shapes().to_vec()).unwrap();
        non_finite(zero.apply(&b), "b", &[i, j], "no terms");
    }
    for (bad, [i, j]) in bad_places([12, 2]) {
        let mut b = gaussian::<f64>(12, 2, 1, "b");
        b[(i, j)] = bad;
        non_finite(m.apply_transpose(&b), "b", &[i, j], "apply_transpose");
    }
    let found = m.apply(Mat::<f64>::zeros(12, 1));
    assert!(matches!(found, Err(Error::Shape { argument: "b", .. })), "{found:?}");
    let found = m.apply_transpose(Mat::<f64>::zeros(15, 1));
    assert!(matches!(found, Err(Error::Shape { argument: "b", .. })), "{found:?}");
    let huge = laplacian::<f64>(&[64; 20]).unwrap();
    assert!(matches!(huge.apply(Mat::<f64>::zeros(64, 1)), Err(Error::TooLarge { .. })));
    assert!(matches!(huge.operator().map(|_| ()), Err(Error::TooLarge { .. })));
    // Sides that can be counted, a product that cannot be stored.
    let wide = random::<f64>(&[(1 << 20, 1), (1 << 20, 1), (1 << 20, 1)], 1, 1);
    assert!(matches!(wide.apply(Mat::<f64>::zeros(1, 1)), Err(Error::TooLarge { .. })));
}

#[test]
fn empty_sides() {
    let m = Separated::<f64>::zeros(vec![(0, 3), (2, 2)]).unwrap();
    assert_eq!(m.apply(Mat::zeros(6, 2)).unwrap().shape(), (0, 2));
    assert_eq!(m.apply_transpose(Mat::zeros(0, 2)).unwrap(), Mat::<f64>::zeros(6, 2));
}

#[test]
fn a_singular_value_decomposition_of_the_operator() {
    let m = random::<f64>(&[(6, 5), (7, 8), (3, 3)], 3, 1);
    let operator = m.operator().unwrap();
    assert_eq!(operator.to_dense().unwrap(), m.to_dense().unwrap());
    let found = lanczos(&operator, 4, &Lanczos::default()).unwrap().svd;
    let expected = singular_values(m.to_dense().unwrap()).unwrap();
    for k in 0..4 {
        assert!((found.s[k] - expected[k]).abs() <= 1e-12 * expected[0], "{k}");
    }
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let m = random::<f64>(&[(60, 70), (50, 40), (3, 3)], 3, 1);
    let (rows, cols) = m.shape().unwrap();
    let (b, c) = (gaussian::<f64>(cols, 40, 1, "b"), gaussian::<f64>(rows, 1, 1, "c"));
    same_on_any_threads("products", || (m.apply(&b).unwrap(), m.apply_transpose(&c).unwrap()));
}
