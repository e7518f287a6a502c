//! The type: its normal form, norms and condition numbers however much cancels, and what it refuses.

use super::support::{bad_places, non_finite};
use super::{dense, random, shapes, total};
use lowrank::faer::{Mat, mat};
use lowrank::matrix::{frobenius, slice_norm};
use lowrank::random::gaussian;
use lowrank::{Error, Scalar, Separated};

fn check_normal_form<T: Scalar>(m: &Separated<T>, case: &str) {
    assert!(m.lambda().is_sorted_by(|x, y| x >= y), "{case}");
    assert!(m.lambda().iter().all(|x| *x > T::of(0.0)), "{case}");
    for (i, mode) in m.modes().iter().enumerate() {
        assert_eq!(mode.ncols(), m.separation_rank(), "{case}");
        for k in 0..mode.ncols() {
            let norm = slice_norm(mode.col_as_slice(k));
            assert!((norm - 1.0).abs() <= 2.0 * T::EPS, "{case}: mode {i}, term {k}: {norm}");
        }
    }
}

fn normal_form<T: Scalar>() {
    for shapes in shapes() {
        for s in [1, 2, 7] {
            let case = format!("{} {shapes:?} s = {s}", T::NAME);
            let lambda: Vec<T> =
                (0..s).map(|k| T::of(if k % 2 == 0 { 0.5 + k as f64 } else { -3.0 })).collect();
            let modes: Vec<Mat<T>> =
                shapes.iter().map(|&(m, n)| gaussian(m * n, s, 3, &format!("{m} {n}"))).collect();
            let m = Separated::new(shapes.clone(), lambda.clone(), modes.clone()).unwrap();
            check_normal_form(&m, &case);
            // What was given, from its definition.
            let (rows, cols) = m.shape().unwrap();
            let d = shapes.len();
            let mut off = 0.0_f64;
            for row in 0..rows {
                for col in 0..cols {
                    let (mut at, mut i, mut j) = (vec![(0, 0); d], row, col);
                    for k in (0..d).rev() {
                        at[k] = (i % shapes[k].0, j % shapes[k].1);
                        (i, j) = (i / shapes[k].0, j / shapes[k].1);
                    }
                    let term = |k: usize| {
                        let product = (0..d).map(|i| modes[i][(at[i].0 + shapes[i].0 * at[i].1, k)].as_f64());
                        lambda[k].as_f64() * product.product::<f64>()
                    };
                    let exact: f64 = (0..s).map(term).sum();
                    let (rows, cols): (Vec<usize>, Vec<usize>) = at.iter().copied().unzip();
                    let entry = m.entry(&rows, &cols).unwrap().as_f64();
                    off = off.max((entry - exact).abs());
                }
            }
            assert!(off <= 4.0 * (d + 1) as f64 * T::EPS * total(&m), "{case}: {off:e}");
        }
    }
}

#[test]
fn the_normal_form_is_the_matrix_given() {
    normal_form::<f32>();
    normal_form::<f64>();
}

fn extreme_scales<T: Scalar>() {
    let (huge, tiny) = if T::NAME == "f32" { (1e37, 1e-40) } else { (1e306, 1e-307) };
    // Columns whose squares overflow and vanish, and a product of norms that passes both limits.
    let columns = [huge, tiny, huge, tiny, 1.0];
    let modes: Vec<Mat<T>> =
        columns.iter().map(|x| Mat::from_fn(4, 1, |i, _| T::of(x * (1.0 + i as f64)))).collect();
    let m = Separated::new(vec![(2, 2); 5], vec![T::of(1.0)], modes.clone()).unwrap();
    check_normal_form(&m, T::NAME);
    let norm = |i: usize| slice_norm(modes[i].col_as_slice(0));
    let exact = norm(0) * norm(1) * norm(2) * norm(3) * norm(4);
    assert!(
        (m.frobenius().unwrap() / exact - 1.0).abs() <= 8.0 * T::EPS,
        "{}: {}",
        T::NAME,
        m.frobenius().unwrap() / exact - 1.0
    );
    // More than the largest number is an error, less than the smallest is zero.
    let all = |x: f64| Separated::new(vec![(2, 2); 5], vec![T::of(1.0)], vec![Mat::full(4, 1, T::of(x)); 5]);
    assert!(matches!(all(huge), Err(Error::Parameter { name: "lambda", .. })), "{}", T::NAME);
    assert_eq!(all(tiny).unwrap().separation_rank(), 0);
}

#[test]
fn norms_of_factors_may_overflow_on_the_way() {
    extreme_scales::<f32>();
    extreme_scales::<f64>();
    let top = Separated::new(vec![(2, 1)], vec![1e308], vec![mat![[1.0], [0.0]]]).unwrap();
    let both = top.plus(&top).unwrap();
    assert!(matches!(both.frobenius(), Err(Error::Parameter { .. })));
    assert!(top.frobenius().unwrap() == 1e308 && top.condition_number().unwrap() == 1.0);
}

/// The product of numbers as a sum of two, by fused multiply-adds.
fn twofold(factors: impl Iterator<Item = f64>) -> (f64, f64) {
    factors.fold((1.0, 0.0), |(x, low), y| {
        let high = x * y;
        (high, x.mul_add(y, -high) + low * y)
    })
}

/// |M|_F from its entries, each summed in twice the precision.
fn exact_norm<T: Scalar>(m: &Separated<T>) -> f64 {
    let (rows, cols) = m.shape().unwrap();
    let entry = |row: usize, col: usize| {
        let (mut sum, mut low) = (0.0_f64, 0.0);
        for k in 0..m.separation_rank() {
            let (mut i, mut j) = (row, col);
            let mut factors = vec![m.lambda()[k].as_f64()];
            for mode in (0..m.order()).rev() {
                let factor = m.factor(k, mode);
                factors.push(factor[(i % factor.nrows(), j % factor.ncols())].as_f64());
                (i, j) = (i / factor.nrows(), j / factor.ncols());
            }
            let (x, rest) = twofold(factors.into_iter());
            let next = sum + x;
            low += rest + if sum.abs() >= x.abs() { (sum - next) + x } else { (x - next) + sum };
            sum = next;
        }
        sum + low
    };
    frobenius(Mat::from_fn(rows, cols, entry).as_ref())
}

fn norms_under_cancellation<T: Scalar>() {
    for (case, shapes) in shapes().into_iter().enumerate() {
        for e in [0, 3, 6, 9, 12] {
            // sum_k (a_k + 10^-e b_k) - a_k, every mode
            let modes: Vec<Mat<T>> = shapes
                .iter()
                .map(|&(m, n)| {
                    let (a, b) =
                        (gaussian::<f64>(m * n, 3, case as u64, "a"), gaussian::<f64>(m * n, 3, 1, "b"));
                    let near = |i, k| a[(i, k)] + 10f64.powi(-e) * b[(i, k)];
                    Mat::from_fn(m * n, 6, |i, k| T::of(if k < 3 { a[(i, k)] } else { near(i, k - 3) }))
                })
                .collect();
            let lambda = [1.0, 1.0, 1.0, -1.0, -1.0, -1.0].map(T::of).to_vec();
            let m = Separated::new(shapes.clone(), lambda, modes).unwrap();
            let (exact, found) = (exact_norm(&m), m.frobenius().unwrap());
            let case = format!("{} {shapes:?} 1e-{e}: {found:e} for {exact:e}", T::NAME);
            assert!((found - exact).abs() <= 1e-14 * total(&m), "{case}");
            let gamma = slice_norm(m.lambda()) / exact;
            if gamma < 1e10 {
                assert!((found / exact - 1.0).abs() <= 1e-10, "{case}");
                assert!((m.condition_number().unwrap() / gamma - 1.0).abs() <= 1e-10, "{case}");
            }
            assert!(e < 9 || T::NAME == "f32" || gamma > 1e7, "{case}: the case must cancel");
        }
    }
}

#[test]
fn norms_and_condition_numbers_are_right_whatever_cancels() {
    norms_under_cancellation::<f32>();
    norms_under_cancellation::<f64>();
}

#[test]
fn norms_of_many_terms_and_long_modes_match_the_dense_matrix() {
    for (shapes, s) in [(vec![(40, 30), (2, 3)], 5), (vec![(3, 3), (4, 2), (2, 2)], 150)] {
        let m = random::<f64>(&shapes, s, 5);
        let exact = frobenius(dense(&m).as_ref());
        assert!((m.frobenius().unwrap() / exact - 1.0).abs() <= 1e-12, "{shapes:?}");
    }
    // Orthogonal terms have the condition number 1, equal ones 1 / sqrt(s).
    let unit = |i: usize| Mat::from_fn(4, 1, |row, _| if row == i { 1.0 } else { 0.0 });
    let orthogonal = Separated::from_terms((0..4).map(|k| vec![unit(k), unit(k)]).collect()).unwrap();
    assert_eq!(orthogonal.condition_number().unwrap(), 1.0);
    let equal = Separated::from_terms((0..4).map(|_| vec![unit(1), unit(2)]).collect()).unwrap();
    assert_eq!(equal.condition_number().unwrap(), 0.5);
}

#[test]
fn zero_in_every_form() {
    let zero = Separated::<f64>::zeros(vec![(3, 2), (2, 2)]).unwrap();
    assert_eq!((zero.separation_rank(), zero.parameters()), (0, 0));
    assert_eq!((zero.frobenius().unwrap(), zero.condition_number().unwrap()), (0.0, 1.0));
    assert_eq!(zero.entry(&[2, 1], &[1, 1]).unwrap(), 0.0);
    let vanishing =
        [vec![Mat::zeros(3, 2), Mat::full(2, 2, 1.0)], vec![Mat::full(3, 2, 1.0), Mat::zeros(2, 2)]];
    assert_eq!(Separated::from_terms(vanishing.to_vec()).unwrap(), zero);
    let m = random::<f64>(&[(3, 2), (2, 2)], 4, 1);
    assert_eq!(m.clone().scaled(0.0).unwrap(), zero);
    let difference = m.minus(&m).unwrap();
    assert!(difference.frobenius().unwrap() <= 1e-14 * total(&m));
    assert!(difference.condition_number().unwrap() > 1e13);
    let empty = Separated::<f64>::zeros(vec![(0, 3), (2, 2)]).unwrap();
    assert_eq!((empty.shape().unwrap(), empty.frobenius().unwrap()), ((0, 6), 0.0));
    assert_eq!(
        Separated::from_terms(vec![vec![Mat::<f64>::zeros(0, 3), Mat::full(2, 2, 1.0)]]).unwrap(),
        empty
    );
}

#[test]
fn refusals() {
    let ones = || vec![Mat::full(6, 3, 1.0), Mat::full(4, 3, 1.0)];
    let shapes = || vec![(3, 2), (2, 2)];
    for (bad, [mode, row, col]) in bad_places([2, 4, 3]) {
        let mut modes = ones();
        modes[mode][(row, col)] = bad;
        non_finite(Separated::new(shapes(), vec![1.0; 3], modes), "modes", &[mode, row, col], "new");
    }
    for (bad, [k]) in bad_places([3]) {
        let mut lambda = vec![1.0; 3];
        lambda[k] = bad;
        non_finite(Separated::new(shapes(), lambda, ones()), "lambda", &[k], "new");
        let m = Separated::new(shapes(), vec![1.0; 3], ones()).unwrap();
        non_finite(m.scaled(bad), "c", &[0], "scaled");
    }
    let shape = |m: Result<Separated<f64>, Error>| assert!(matches!(m, Err(Error::Shape { .. })), "{m:?}");
    shape(Separated::new(vec![], vec![], vec![]));
    shape(Separated::new(shapes(), vec![1.0; 2], ones()));
    shape(Separated::new(vec![(3, 2)], vec![1.0; 3], ones()));
    shape(Separated::new(vec![(3, 2), (5, 2)], vec![1.0; 3], ones()));
    shape(Separated::from_terms(vec![]));
    shape(Separated::from_terms(vec![vec![mat![[1.0]]], vec![mat![[1.0, 2.0]]]]));
    let m = Separated::new(shapes(), vec![1.0; 3], ones()).unwrap();
    for (rows, cols) in [(&[0, 2][..], &[0, 0][..]), (&[0], &[0, 0]), (&[0, 0], &[2, 0]), (&[], &[])] {
        assert!(matches!(m.entry(rows, cols), Err(Error::Shape { .. })));
    }
    let large = Separated::<f64>::zeros(vec![(64, 64); 20]).unwrap();
    assert!(matches!(large.shape(), Err(Error::TooLarge { .. })));
    assert!(matches!(Separated::<f64>::zeros(vec![(1 << 40, 1 << 40)]), Err(Error::TooLarge { .. })));
}
