//! Products with blocks of vectors, and blocks of entries.

use super::*;
use lowrank::faer::MatMut;
use lowrank::matrix::exponent;
use lowrank::svd::{Randomized, randomized};

/// Beside [`SHAPES`], larger.
const LARGER: [&[(usize, usize)]; 9] = [
    &[(300, 200)],
    &[(100, 90), (20, 25)],
    &[(3, 2), (150, 170)],
    &[(150, 170), (2, 3)],
    &[(64, 64), (1, 1), (24, 24)],
    &[(20, 30), (9, 6), (10, 10)],
    &[(16, 9), (5, 17), (3, 3), (7, 6)],
    &[(4, 4), (3, 3), (2, 2), (6, 5), (7, 8)],
    &[(1, 40), (40, 1), (1, 1), (33, 35)],
];

/// Pairs whose products are cut into pieces.
const CUT: [[(usize, usize); 2]; 4] =
    [[(300, 200), (200, 180)], [(64, 64), (600, 500)], [(700, 800), (30, 40)], [(70, 900), (900, 70)]];

/// |c - A b|_F <= 4 n eps |M1|_F ... |Md|_F |b|_F (bar 10), where A is summed up in double precision.
fn check<T: Scalar>(c: MatRef<'_, T>, factors: &[Mat<T>], b: MatRef<'_, T>, transposed: bool, case: &str) {
    let dense = kron(factors);
    let (dense, n) = if transposed {
        (dense.transpose().to_owned(), dense.nrows())
    } else {
        (dense.clone(), dense.ncols())
    };
    let size: f64 = factors.iter().map(|f| frobenius(f)).product::<f64>() * frobenius(b);
    close(c, &(dense * wide(b)), 4.0 * n as f64, size, &format!("{case}, transposed: {transposed}"));
}

fn products_agree<T: Scalar>() {
    for (seed, shapes) in SHAPES.into_iter().chain(LARGER).enumerate() {
        let factors = factors::<T>(shapes, seed as u64);
        let a = Kronecker::new(factors.clone()).unwrap();
        let (m, n) = a.shape();
        for columns in [1, 3] {
            let case = format!("{} {shapes:?}, {columns} columns", T::NAME);
            let (b, c) = (gaussian::<T>(n, columns, 1, "b"), gaussian::<T>(m, columns, 2, "c"));
            check(a.apply(b.as_ref()).unwrap().as_ref(), &factors, b.as_ref(), false, &case);
            check(a.apply_transpose(c.as_ref()).unwrap().as_ref(), &factors, c.as_ref(), true, &case);
        }
    }
}

#[test]
fn products_agree_with_the_dense_formula() {
    products_agree::<f64>();
    products_agree::<f32>();
}

/// (A (x) B) vec X = vec (A X B'), vec by rows.
fn pairs_agree<T: Scalar>() {
    for shapes in CUT {
        let factors = factors::<T>(&shapes, 1);
        let [a, b] = [0, 1].map(|k| wide(factors[k].as_ref()));
        let x = gaussian::<T>(a.ncols() * b.ncols(), 1, 1, "x");
        let found = Kronecker::new(factors.clone()).unwrap().apply(x.as_ref()).unwrap();
        let matrix = Mat::from_fn(a.ncols(), b.ncols(), |i, j| x[(i * b.ncols() + j, 0)].as_f64());
        let expected = &a * matrix * b.transpose();
        let expected = Mat::from_fn(found.nrows(), 1, |i, _| expected[(i / b.nrows(), i % b.nrows())]);
        let size = frobenius(&a) * frobenius(&b) * frobenius(&x);
        close(found.as_ref(), &expected, 4.0 * x.nrows() as f64, size, &format!("{} {shapes:?}", T::NAME));
    }
}

#[test]
fn pairs_agree_with_two_products_of_matrices() {
    pairs_agree::<f64>();
    pairs_agree::<f32>();
}

/// Many columns of few numbers, a group after the other: each as it is alone, but for rounding.
#[test]
fn groups_of_columns() {
    let factors = factors::<f64>(&[(3, 2), (2, 5), (5, 3)], 1);
    let a = Kronecker::new(factors.clone()).unwrap();
    let b = gaussian::<f64>(30, 20_000, 1, "b");
    let c = a.apply(b.as_ref()).unwrap();
    check(c.as_ref(), &factors, b.as_ref(), false, "20000 columns");
    for j in [0, 8737, 8738, 19_999] {
        let one = b.subcols(j, 1);
        check(c.subcols(j, 1), &factors, one, false, &format!("column {j}"));
    }
}

/// Every layout of the block and of the memory for the result gives the bits of the usual one.
#[test]
fn layouts() {
    for shapes in [&[(5, 4), (3, 6)][..], &[(64, 64), (65, 64)]] {
        let a = product::<f64>(shapes, 1);
        let (m, n) = a.shape();
        let b = gaussian::<f64>(n, 5, 1, "b");
        let expected = a.apply(b.as_ref()).unwrap();
        let rows = b.transpose().to_owned();
        let mut spread = Mat::zeros(2 * n, 5);
        (0..n).for_each(|i| (0..5).for_each(|j| spread[(2 * i, j)] = b[(i, j)]));
        let spread = lowrank::matrix::array_view(spread.as_ref());
        let spread = lowrank::matrix::view_of_array(spread.slice_move(lowrank::ndarray::s![..;2, ..]));
        let upside_down = Mat::from_fn(n, 5, |i, j| b[(n - 1 - i, j)]);
        let mut padded = Mat::zeros(n + 3, 5);
        padded.as_mut().subrows_mut(2, n).copy_from(&b);
        for (case, b) in [
            ("by rows", rows.transpose()),
            ("spread", spread),
            ("reversed", upside_down.as_ref().reverse_rows()),
            ("padded", padded.as_ref().subrows(2, n)),
        ] {
            assert_eq!(b.shape(), (n, 5));
            assert_eq!(a.apply(b).unwrap(), expected, "{case}");
        }
        let mut by_rows = Mat::<f64>::full(5, m, f64::NAN);
        a.apply_into(by_rows.transpose_mut(), &b).unwrap();
        assert_eq!(by_rows.transpose(), expected);
        let mut numbers = vec![f64::NAN; m * 5];
        a.apply_into(MatMut::from_column_major_slice_mut(&mut numbers, m, 5), &b).unwrap();
        assert_eq!(MatRef::from_column_major_slice(&numbers, m, 5), expected);
        let mut out = Mat::full(n, 5, f64::NAN);
        a.apply_transpose_into(out.as_mut(), &expected).unwrap();
        assert_eq!(out, a.apply_transpose(expected.as_ref()).unwrap());
    }
}

fn identities<T: Scalar>() {
    let one = |n: usize| Mat::<T>::identity(n, n);
    let x = gaussian::<T>(9, 7, 1, "x");
    for factors in [
        vec![one(4), x.clone(), one(6)],
        vec![x.clone(), one(50)],
        vec![one(50), x.clone()],
        vec![one(2), one(3)],
        vec![x.clone(), one(3), x.clone()],
    ] {
        let a = Kronecker::new(factors.clone()).unwrap();
        let b = gaussian::<T>(a.shape().1, 4, 2, "b");
        check(a.apply(b.as_ref()).unwrap().as_ref(), &factors, b.as_ref(), false, "identities");
        let c = gaussian::<T>(a.shape().0, 4, 2, "c");
        check(a.apply_transpose(c.as_ref()).unwrap().as_ref(), &factors, c.as_ref(), true, "identities");
    }
    let b = gaussian::<T>(6, 3, 2, "b");
    assert_eq!(Kronecker::new(vec![one(2), one(3)]).unwrap().apply(b.as_ref()).unwrap(), b);
}

#[test]
fn identities_are_passed_over() {
    identities::<f64>();
    identities::<f32>();
}

/// Powers of two in the factors and in b change the power of two of the result and nothing else.
fn scales<T: Scalar>(far: i32) {
    let shapes = [(20, 30), (5, 4), (30, 20)];
    let factors = factors::<T>(&shapes, 3);
    let b = gaussian::<T>(2400, 3, 4, "b");
    let expected = Kronecker::new(factors.clone()).unwrap().apply(b.as_ref()).unwrap();
    for exponents in
        [[far, far, -far, -far], [-far, -far, far, far], [far, -far, 0, 0], [far, -far, -far, far]]
    {
        let moved = factors.iter().zip(exponents).map(|(f, e)| scaled(f, e)).collect();
        let a = Kronecker::new(moved).unwrap();
        let c = a.apply(scaled(&b, exponents[3]).as_ref()).unwrap();
        assert_eq!(c, expected, "{} {exponents:?}", T::NAME);
        let block = a.block(7..3000, 5..9).unwrap();
        let e = exponents[..3].iter().sum::<i32>();
        let dense = Kronecker::new(factors.clone()).unwrap().block(7..3000, 5..9).unwrap();
        assert_eq!(block, scaled(&dense, e), "{} {exponents:?}", T::NAME);
    }
    // Rank-one and extreme entries in one factor.
    let mut spread = factors.clone();
    spread[1] = Mat::from_fn(5, 4, |i, j| {
        lowrank::matrix::scale_by_power_of_two(T::of(1.5), far * (i as i32 - j as i32) / 8)
    });
    let a = Kronecker::new(spread.clone()).unwrap();
    let (c, e) = (a.apply(b.as_ref()).unwrap(), exponent(T::of(frobenius(&spread[1]))));
    spread[1] = scaled(&spread[1], -e);
    check(scaled(&c, -e).as_ref(), &spread, b.as_ref(), false, "spread");
}

#[test]
fn powers_of_two_pass_through() {
    scales::<f64>(990);
    scales::<f32>(115);
}

#[test]
fn results_too_large_for_the_type_are_errors() {
    let big = || Mat::<f64>::full(2, 2, 1e200);
    let a = Kronecker::new(vec![big(), big()]).unwrap();
    let b = Mat::<f64>::full(4, 1, 1.0);
    let overflow = |result: Result<Mat<f64>, Error>| {
        assert!(matches!(result, Err(Error::Parameter { name: "product", .. })), "{result:?}");
    };
    overflow(a.apply(b.as_ref()));
    overflow(a.apply_transpose(b.as_ref()));
    overflow(a.to_dense());
    let tiny = Mat::<f64>::full(4, 1, 1e-200);
    assert!((a.apply(tiny.as_ref()).unwrap()[(0, 0)] / 4e200 - 1.0).abs() < 1e-14);
    // Many numbers a little above 1: no step overflows before the whole does.
    let many = Kronecker::new(vec![Mat::<f32>::full(1, 1, 1.9); 300]).unwrap();
    assert!(many.apply(Mat::<f32>::full(1, 1, 1.0).as_ref()).is_err());
    let fewer =
        Kronecker::new([vec![Mat::<f32>::full(1, 1, 1.9); 200], vec![Mat::full(1, 1, 0.5); 200]].concat());
    let found = fewer.unwrap().apply(Mat::<f32>::full(1, 1, 1.0).as_ref()).unwrap()[(0, 0)];
    assert!((f64::from(found) / (f64::from(1.9f32) * 0.5).powi(200) - 1.0).abs() < 200.0 * f32::EPS);
}

fn blocks<T: Scalar>() {
    for (seed, shapes) in SHAPES.into_iter().enumerate() {
        let factors = factors::<T>(shapes, seed as u64);
        let a = Kronecker::new(factors.clone()).unwrap();
        let (dense, (m, n)) = (kron(&factors), a.shape());
        let all = a.to_dense().unwrap();
        for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
            let error = (all[(i, j)].as_f64() - dense[(i, j)]).abs();
            assert!(error <= shapes.len() as f64 * T::EPS * dense[(i, j)].abs(), "{shapes:?} ({i}, {j})");
        }
        for (rows, cols) in [(0..m, 0..1), (m / 3..m - m / 4, n / 2..n), (m - 1..m, 0..n), (1..1, 0..n)] {
            let block = a.block(rows.clone(), cols.clone()).unwrap();
            assert_eq!(block, all.submatrix(rows.start, cols.start, rows.len(), cols.len()));
        }
        assert!(matches!(a.block(0..m + 1, 0..n), Err(Error::Shape { argument: "rows", .. })));
        assert!(matches!(a.block(0..m, n..n + 1), Err(Error::Shape { argument: "cols", .. })));
    }
}

#[test]
fn blocks_are_those_of_the_dense_matrix() {
    blocks::<f64>();
    blocks::<f32>();
}

#[test]
fn non_finite_entries_of_a_block_of_vectors() {
    // Groups of 2 columns of 2^17 numbers: the position is that in the whole.
    for shapes in [[(3, 4), (2, 5)], [(512, 512), (256, 256)]] {
        let a = Kronecker::new(shapes.map(|(m, n)| Mat::<f64>::identity(m, n)).to_vec()).unwrap();
        let (m, n) = a.shape();
        for (bad, at) in bad_places([n, 3]) {
            let mut b = Mat::<f64>::zeros(n, 3);
            b[(at[0], at[1])] = bad;
            let mut out = Mat::zeros(m, 3);
            non_finite(a.apply(b.as_ref()), "b", &at, "apply");
            non_finite(a.apply_into(out.as_mut(), &b), "b", &at, "apply_into");
        }
        for (bad, at) in bad_places([m, 3]) {
            let mut b = Mat::<f64>::zeros(m, 3);
            b[(at[0], at[1])] = bad;
            let mut out = Mat::zeros(n, 3);
            non_finite(a.apply_transpose(b.as_ref()), "b", &at, "apply_transpose");
            non_finite(a.apply_transpose_into(out.as_mut(), &b), "b", &at, "apply_transpose_into");
        }
    }
}

#[test]
fn empty_and_ill_fitting_blocks() {
    let a = product::<f64>(&[(3, 0), (2, 4)], 1); // (6, 0)
    assert_eq!(a.apply(Mat::zeros(0, 2).as_ref()).unwrap(), Mat::<f64>::zeros(6, 2));
    assert_eq!(a.apply_transpose(Mat::zeros(6, 2).as_ref()).unwrap().shape(), (0, 2));
    assert_eq!(a.to_dense().unwrap().shape(), (6, 0));
    let mut nan = Mat::<f64>::zeros(6, 1);
    nan[(4, 0)] = f64::NAN;
    non_finite(a.apply_transpose(nan.as_ref()), "b", &[4, 0], "empty");
    let a = product::<f64>(&[(3, 5), (2, 4)], 1);
    assert_eq!(a.apply(Mat::zeros(20, 0).as_ref()).unwrap().shape(), (6, 0));
    let shape = |result: Result<(), Error>, argument: &str| match result {
        Err(Error::Shape { argument: named, .. }) => assert_eq!(named, argument),
        other => panic!("{other:?}"),
    };
    shape(a.apply(Mat::zeros(6, 1).as_ref()).map(drop), "b");
    shape(a.apply_transpose(Mat::zeros(20, 1).as_ref()).map(drop), "b");
    shape(a.apply_into(Mat::zeros(20, 1).as_mut(), Mat::<f64>::zeros(20, 1)), "out");
    shape(a.apply_transpose_into(Mat::zeros(20, 2).as_mut(), Mat::<f64>::zeros(6, 1)), "out");
}

#[test]
fn results_too_large_for_the_memory_are_errors_before_it_is_asked_for() {
    let side = 1 << 16;
    let too_large = |result: Result<Mat<f32>, Error>| {
        assert!(matches!(result, Err(Error::TooLarge { .. })), "{result:?}")
    };
    let tall = Kronecker::new(vec![Mat::<f32>::zeros(side, 1); 3]).unwrap(); // (2^48, 1)
    too_large(tall.apply(Mat::zeros(1, 1).as_ref())); // more than any machine has
    too_large(tall.apply(Mat::zeros(1, 1 << 14).as_ref())); // more than can be counted
    let a = Kronecker::new(vec![Mat::<f32>::zeros(256, 256); 7]).unwrap(); // 2^112 entries
    too_large(a.to_dense());
    too_large(a.block(0..1 << 50, 3..5));
    assert_eq!(a.block((1 << 56) - 2..1 << 56, 0..3).unwrap(), Mat::<f32>::zeros(2, 3));
}

fn threads_do_not_matter<T: Scalar>() {
    for shapes in LARGER.into_iter().chain(CUT.iter().map(|pair| &pair[..])) {
        let a = product::<T>(shapes, 1);
        let (m, n) = a.shape();
        let (b, c) = (gaussian::<T>(n, 7, 1, "b"), gaussian::<T>(m, 1, 2, "c"));
        same_on_any_threads(&format!("{} {shapes:?}", T::NAME), || {
            let block = a.block(m / 5..m.min(m / 5 + 200), n / 4..n.min(n / 4 + 2000)).unwrap();
            (a.apply(b.as_ref()).unwrap(), a.apply_transpose(c.as_ref()).unwrap(), block)
        });
    }
}

#[test]
fn products_do_not_depend_on_the_number_of_threads() {
    threads_do_not_matter::<f64>();
    threads_do_not_matter::<f32>();
}

/// As any other operator: its largest singular values are products of those of the factors.
#[test]
fn a_randomized_svd() {
    let factors = factors::<f64>(&[(30, 20), (12, 25)], 1);
    let a = Kronecker::new(factors.clone()).unwrap();
    let with = Randomized { power_iterations: 12, oversampling: 20, ..Default::default() };
    let svd = randomized(&a, 3, &with).unwrap();
    let [x, y] = [0, 1].map(|k| singular_values(&factors[k]).unwrap());
    let mut products: Vec<f64> = x.iter().flat_map(|x| y.iter().map(move |y| x * y)).collect();
    products.sort_by(|x, y| y.total_cmp(x));
    for (s, expected) in svd.s.iter().zip(products) {
        assert!((s / expected - 1.0).abs() < 1e-6, "{s} {expected}");
    }
}
