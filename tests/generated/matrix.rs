//! Generated matrices against entries computed one by one with the standard library.

use lowrank::faer::Mat;
use lowrank::generated::{Function, GeneratedMatrix, ball};
use lowrank::{Entries, Error, Scalar};

use super::support::*;

fn naive(name: &str, x: &[f64], y: &[f64]) -> f64 {
    let inner: f64 = x.iter().zip(y).map(|(a, b)| a * b).sum();
    let square: f64 = x.iter().zip(y).map(|(a, b)| (a - b) * (a - b)).sum();
    match name {
        "gaussian" => (-square).exp(),
        "quartic" => (-square * square).exp(),
        "exponential" => (-square.sqrt()).exp(),
        "cauchy" => 1.0 / (1.0 + square),
        "linear" => inner,
        "sinh" => inner.sinh(),
        "exp-inner-product" => (0.5 * inner).exp(),
        "inner-product" => inner.cos(),
        "squared-distance" => (1.0 + square).ln(),
        "pair" => x[0] - 2.0 * y[y.len() - 1],
        _ => unreachable!(),
    }
}

fn all_functions<T: Scalar>() -> Vec<Function<T>> {
    vec![
        Function::Gaussian,
        Function::Quartic,
        Function::Exponential,
        Function::Cauchy,
        Function::Linear,
        Function::Sinh,
        Function::ExpInnerProduct { scale: T::of(0.5) },
        Function::inner_product(|t: T| T::of(t.as_f64().cos())),
        Function::squared_distance(|t: T| T::of(t.as_f64().ln_1p())),
        Function::pair(|x: &[T], y: &[T]| x[0] - T::of(2.0) * y[y.len() - 1]),
    ]
}

fn row<T: Scalar>(x: &Mat<T>, i: usize) -> Vec<f64> {
    (0..x.ncols()).map(|a| x[(i, a)].as_f64()).collect()
}

fn against_naive<T: Scalar>() {
    let seed = 11;
    for m in [1, 2, 10, 100] {
        for (n1, n2) in [(1, 1), (1, 7), (7, 1), (2, 2), (5, 3), (33, 65), (65, 33), (127, 129)] {
            let x = ball::<T>(n1, m, 1.5, seed, 0).unwrap();
            let y = ball::<T>(n2, m, 1.5, seed, 1).unwrap();
            for function in all_functions::<T>() {
                let name = function.name();
                for symmetric in [false, true] {
                    let (f, y) = if symmetric {
                        (GeneratedMatrix::symmetric(function.clone(), x.clone()).unwrap(), &x)
                    } else {
                        (GeneratedMatrix::independent(function.clone(), x.clone(), y.clone()).unwrap(), &y)
                    };
                    let dense = f.to_dense().unwrap();
                    assert_eq!(dense.shape(), f.shape());
                    // |x|^2 + |y|^2 - 2 <x, y> is right to a few m eps R^2; quartic multiplies by 2 d^2
                    let bound = T::EPS * (20.0 + 4.0 * m as f64) * 4.0;
                    for j in 0..dense.ncols() {
                        for i in 0..dense.nrows() {
                            let exact = naive(name, &row(&x, i), &row(y, j));
                            let error = (dense[(i, j)].as_f64() - exact).abs() / exact.abs().max(1.0);
                            assert!(
                                error <= bound,
                                "{name} {} {n1}x{n2} m={m} seed={seed} symmetric={symmetric} at ({i}, {j}): \
                                 {} instead of {exact}",
                                T::NAME,
                                dense[(i, j)]
                            );
                        }
                        if symmetric && f.largest_possible().is_some() {
                            assert_eq!(dense[(j, j)].as_f64(), 1.0, "{name} m={m} at ({j}, {j})");
                        }
                    }
                    if symmetric && name != "pair" {
                        assert_eq!(dense.transpose(), dense.as_ref(), "{name}");
                    }
                }
            }
        }
    }
}

#[test]
fn entries_are_those_of_the_standard_library_f64() {
    against_naive::<f64>();
}

#[test]
fn entries_are_those_of_the_standard_library_f32() {
    against_naive::<f32>();
}

fn tiles_agree<T: Scalar>() {
    let (n1, n2, m) = (75, 59, 37);
    let x = ball::<T>(n1, m, 1.0, 5, 0).unwrap();
    let y = ball::<T>(n2, m, 1.0, 5, 1).unwrap();
    for function in all_functions::<T>() {
        let f = GeneratedMatrix::independent(function, x.clone(), y.clone()).unwrap();
        let dense = f.to_dense().unwrap();
        for rows in [0..75, 0..0, 0..1, 3..4, 15..33, 16..32, 74..75, 1..75] {
            for cols in [0..59, 5..5, 0..1, 8..16, 7..17, 58..59, 6..8, 2..5] {
                let mut tile = vec![T::of(-9.0); rows.len() * cols.len()];
                f.tile(rows.clone(), cols.clone(), &mut tile);
                for (j, col) in cols.clone().enumerate() {
                    for (i, row) in rows.clone().enumerate() {
                        let (found, all) = (tile[i + j * rows.len()], dense[(row, col)]);
                        assert_eq!(found, all, "{:?} at ({row}, {col}) of {rows:?} {cols:?}", f.function());
                    }
                }
            }
        }
        assert_eq!(f.entry(17, 23), dense[(17, 23)]);
    }
}

#[test]
fn tiles_are_bitwise_parts_of_the_dense_matrix() {
    tiles_agree::<f32>();
    tiles_agree::<f64>();
}

#[test]
fn close_points_keep_their_distance() {
    let x = Mat::from_fn(2, 3, |i, a| 1.0 + a as f64 + if i == 1 && a == 1 { 1e-9 } else { 0.0 });
    let f = GeneratedMatrix::symmetric(Function::squared_distance(|d: f64| d.sqrt()), x).unwrap();
    assert!((f.entry(0, 1) - 1e-9).abs() < 1e-15, "{}", f.entry(0, 1));
    assert_eq!(f.entry(1, 1), 0.0);
}

#[test]
fn threads_do_not_matter() {
    let x = ball::<f64>(300, 20, 1.0, 2, 0).unwrap();
    let f = GeneratedMatrix::symmetric(Function::Gaussian, x).unwrap();
    same_on_any_threads("gaussian 300x300", || f.to_dense().unwrap());
}

#[test]
fn no_points_give_an_empty_matrix() {
    let (none, some) = (Mat::<f64>::zeros(0, 4), ball::<f64>(5, 4, 1.0, 0, 0).unwrap());
    let f = GeneratedMatrix::independent(Function::Gaussian, none.clone(), some.clone()).unwrap();
    assert_eq!(f.to_dense().unwrap().shape(), (0, 5));
    let f = GeneratedMatrix::independent(Function::Gaussian, some, none.clone()).unwrap();
    assert_eq!(f.to_dense().unwrap().shape(), (5, 0));
    let f = GeneratedMatrix::symmetric(Function::Gaussian, none).unwrap();
    assert_eq!(f.to_dense().unwrap().shape(), (0, 0));
    // points without coordinates are all equal
    let f = GeneratedMatrix::symmetric(Function::Gaussian, Mat::<f64>::zeros(3, 0)).unwrap();
    assert_eq!(f.to_dense().unwrap(), Mat::<f64>::ones(3, 3));
}

#[test]
fn wrong_input_is_an_error() {
    let good = Mat::<f64>::ones(4, 3);
    for (bad, [i, a]) in bad_places([4, 3]) {
        let mut x = good.clone();
        x[(i, a)] = bad;
        for result in [
            GeneratedMatrix::symmetric(Function::Gaussian, x.clone()),
            GeneratedMatrix::independent(Function::Gaussian, x.clone(), good.clone()),
            GeneratedMatrix::independent(Function::Gaussian, good.clone(), x.clone()),
        ] {
            assert!(matches!(result, Err(Error::NonFinite { index, .. }) if index == [i, a]));
        }
    }
    let wide = Mat::<f64>::ones(4, 2);
    let result = GeneratedMatrix::independent(Function::Gaussian, good.clone(), wide);
    assert!(matches!(result, Err(Error::Shape { argument: "y", .. })));
    let huge = &good * lowrank::faer::Scale(1e200);
    assert!(matches!(GeneratedMatrix::symmetric(Function::Gaussian, huge), Err(Error::Parameter { .. })));
    let undefined = Function::inner_product(|t: f64| if t > 2.0 { f64::NAN } else { t });
    let result = GeneratedMatrix::symmetric(undefined, good).unwrap().to_dense();
    assert!(matches!(result, Err(Error::NonFinite { argument: "f", index }) if index == [0, 0]));
}

#[test]
fn a_matrix_that_cannot_be_allocated_is_an_error() {
    let x = Mat::<f64>::zeros(3_000_000, 1);
    let f = GeneratedMatrix::symmetric(Function::Gaussian, x).unwrap();
    assert!(matches!(f.to_dense(), Err(Error::TooLarge { .. })));
}

/// `cargo test --release --test generated speed -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn speed() {
    fn measure<T: Scalar>(function: Function<T>, m: usize) {
        let x = ball::<T>(2048, m, 1.0, 0, 0).unwrap();
        let y = ball::<T>(2048, m, 1.0, 0, 1).unwrap();
        let name = function.name();
        let f = GeneratedMatrix::independent(function, x.clone(), y.clone()).unwrap();
        let mut tile = vec![T::of(0.0); 256 * 256];
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            let start = std::time::Instant::now();
            for block in 0..64 {
                let (i, j) = (block % 8 * 256, block / 8 * 256);
                f.tile(i..i + 256, j..j + 256, &mut tile);
            }
            best = best.min(start.elapsed().as_secs_f64());
        }
        let entries = 64.0 * 65536.0 / best;
        let mut product = f64::INFINITY;
        for _ in 0..5 {
            let start = std::time::Instant::now();
            for block in 0..64 {
                let (i, j) = (block % 8 * 256, block / 8 * 256);
                let out = lowrank::faer::MatMut::from_column_major_slice_mut(&mut tile, 256, 256);
                lowrank::faer::linalg::matmul::matmul(
                    out,
                    lowrank::faer::Accum::Replace,
                    x.as_ref().subrows(i, 256),
                    y.as_ref().subrows(j, 256).transpose(),
                    T::of(1.0),
                    lowrank::faer::Par::Seq,
                );
            }
            product = product.min(start.elapsed().as_secs_f64());
        }
        println!(
            "{name} {} m = {m}: {entries:.3e} entries/s, {:.1} GF/s, product alone {:.1} GF/s",
            T::NAME,
            entries * 2.0 * m as f64 * 1e-9,
            64.0 * 65536.0 * 2.0 * m as f64 * 1e-9 / product
        );
    }
    for m in [2, 10, 100, 1000] {
        measure::<f64>(Function::Gaussian, m);
        measure::<f32>(Function::Gaussian, m);
        measure::<f64>(Function::Sinh, m);
        measure::<f64>(Function::Linear, m);
    }
}
