//! Sums, products, inner products and contractions of trains against dense tensors.

use super::*;
use lowrank::ndarray::{Array1, Axis};

const SHAPES: [&[usize]; 5] = [&[5], &[3, 4], &[2, 1, 5, 3], &[2; 9], &[4, 0, 3]];

fn train<T: Scalar>(shape: &[usize], rank: usize, seed: u64) -> TensorTrain<T> {
    TensorTrain::random(shape, &vec![rank; shape.len() - 1], seed).unwrap()
}

/// |A - B|_F in units of eps.
fn off<T: Scalar>(a: &ArrayD<T>, b: &TensorTrain<T>) -> f64 {
    distance(a, &b.to_dense().unwrap()) / T::EPS
}

fn against_dense<T: Scalar>() {
    for shape in SHAPES {
        let (x, y) = (train::<T>(shape, 3, 1), train::<T>(shape, 2, 2));
        let (a, b) = (x.to_dense().unwrap(), y.to_dense().unwrap());
        let (na, nb) = (norm(&a), norm(&b));
        let case = format!("{} {shape:?}", T::NAME);
        assert!(off(&(&a + &b), &x.plus(&y).unwrap()) <= 50.0 * (na + nb), "plus {case}");
        assert!(off(&(&a - &b), &x.minus(&y).unwrap()) <= 50.0 * (na + nb), "minus {case}");
        assert!(
            off(&a.mapv(|v| v * T::of(-3.3)), &x.clone().scaled(T::of(-3.3)).unwrap()) <= 50.0 * na,
            "{case}"
        );
        assert!(off(&(&a * &b), &x.hadamard(&y).unwrap()) <= 50.0 * na * nb, "hadamard {case}");
        let inner: f64 = a.iter().zip(&b).map(|(a, b)| a.as_f64() * b.as_f64()).sum();
        assert!((x.inner(&y).unwrap() - inner).abs() <= 50.0 * T::EPS * na * nb, "inner {case}");
        assert!((x.norm().unwrap() - na).abs() <= 50.0 * T::EPS * na, "norm {case}");
        let apart = distance(&a, &b);
        assert!((x.distance(&y).unwrap() - apart).abs() <= 50.0 * T::EPS * (na + nb), "distance {case}");
        let sum: f64 = a.iter().map(|a| a.as_f64()).sum();
        let most = 50.0 * T::EPS * na * (a.len() as f64).sqrt();
        assert!((x.sum().unwrap() - sum).abs() <= most, "sum {case}");
        for (mode, &n) in shape.iter().enumerate() {
            let v: Vec<T> = (0..n).map(|i| T::of(0.5 - i as f64)).collect();
            let m = Mat::<T>::from_fn(3, n, |i, j| T::of((i + 2 * j) as f64 - 1.5));
            let scale = na * 3.0 * (n.max(2) as f64).powi(2);
            let mut expected = a.clone();
            let mut dims = shape.to_vec();
            dims[mode] = 3;
            let applied = ArrayD::from_shape_fn(IxDyn(&dims), |index| {
                (0..n)
                    .map(|j| {
                        let mut at = index.clone();
                        at[mode] = j;
                        m[(index[mode], j)] * a[at]
                    })
                    .sum()
            });
            assert!(
                off(&applied, &x.mode_product(mode, &m).unwrap()) <= 50.0 * scale,
                "matrix {case} {mode}"
            );
            if shape.len() == 1 {
                continue;
            }
            let weights = Array1::from(v.clone());
            expected.lanes_mut(Axis(mode)).into_iter().for_each(|mut lane| lane *= &weights);
            let expected = expected.sum_axis(Axis(mode));
            assert!(off(&expected, &x.contract(mode, &v).unwrap()) <= 50.0 * scale, "contract {case} {mode}");
            let summed = x.sum_over(&[mode]).unwrap();
            assert!(off(&a.sum_axis(Axis(mode)), &summed) <= 50.0 * scale, "sum {case} {mode}");
            for i in 0..n {
                let fixed = x.fix(mode, i).unwrap();
                assert!(
                    off(&a.index_axis(Axis(mode), i).to_owned(), &fixed) <= 50.0 * na,
                    "fix {case} {mode}"
                );
            }
        }
        let vectors: Vec<Vec<T>> =
            shape.iter().map(|&n| (0..n).map(|i| T::of(1.0 - i as f64)).collect()).collect();
        let slices: Vec<&[T]> = vectors.iter().map(|v| &v[..]).collect();
        let all: f64 = a
            .indexed_iter()
            .map(|(at, a)| (0..shape.len()).fold(a.as_f64(), |x, k| x * vectors[k][at[k]].as_f64()))
            .sum();
        let most = 200.0
            * T::EPS
            * na
            * vectors.iter().map(|v| norm(&Array1::from(v.clone()).into_dyn())).product::<f64>();
        assert!((x.contract_all(&slices).unwrap() - all).abs() <= most, "contract all {case}");
    }
}

#[test]
fn arithmetic_matches_dense_tensors() {
    against_dense::<f32>();
    against_dense::<f64>();
}

#[test]
fn several_modes_at_once() {
    let x = train::<f64>(&[3, 4, 5, 2, 6], 3, 5);
    let a = x.to_dense().unwrap();
    let expected = a.sum_axis(Axis(4)).sum_axis(Axis(2)).sum_axis(Axis(1));
    assert!(off(&expected, &x.sum_over(&[4, 1, 2]).unwrap()) <= 50.0 * 10.0 * norm(&a));
    let expected = a.sum_axis(Axis(3)).sum_axis(Axis(2)).sum_axis(Axis(1)).sum_axis(Axis(0));
    assert!(off(&expected, &x.sum_over(&[0, 1, 2, 3]).unwrap()) <= 50.0 * 20.0 * norm(&a));
}

#[test]
fn scales_do_not_matter() {
    let (x, y) = (train::<f64>(&[4, 5, 6, 7], 3, 1), train::<f64>(&[4, 5, 6, 7], 3, 2));
    let (nx, inner) = (x.norm().unwrap(), x.inner(&y).unwrap());
    let apart = x.distance(&y).unwrap();
    // Huge and tiny cores in turn, the other way round in y.
    let uneven = |x: &TensorTrain<f64>, sign: i32| {
        let cores = x.clone().into_cores().into_iter().enumerate();
        let power = |k: usize| 2f64.powi(if k.is_multiple_of(2) { 900 * sign } else { -900 * sign });
        TensorTrain::new(cores.map(|(k, core)| core.mapv(|x| x * power(k))).collect()).unwrap()
    };
    let (u, v) = (uneven(&x, 1), uneven(&y, -1));
    assert!((u.norm().unwrap() / nx - 1.0).abs() <= 1e-14);
    assert!((u.inner(&v).unwrap() / inner - 1.0).abs() <= 1e-12);
    assert!((u.distance(&v).unwrap() / apart - 1.0).abs() <= 1e-13);
    assert!(u.distance(&x).unwrap() <= 1e-14 * nx);
    assert!(u.hadamard(&v).unwrap().distance(&x.hadamard(&y).unwrap()).unwrap() <= 1e-13 * nx * nx);
    assert!((u.sum().unwrap() - x.sum().unwrap()).abs() <= 1e-12 * nx);
    // The whole train huge, or tiny.
    for power in [-1000, -600, 600, 1000] {
        let factor = 2f64.powi(power);
        let big = x.clone().scaled(factor).unwrap();
        assert!((big.norm().unwrap() / factor / nx - 1.0).abs() <= 1e-14, "2^{power}");
        assert!(
            (big.distance(&y.clone().scaled(factor).unwrap()).unwrap() / factor / apart - 1.0).abs() <= 1e-13
        );
        assert!((big.inner(&y).unwrap() / factor / inner - 1.0).abs() <= 1e-12);
        assert!(
            (big.fix(1, 2).unwrap().norm().unwrap() / factor / x.fix(1, 2).unwrap().norm().unwrap() - 1.0)
                .abs()
                <= 1e-13
        );
    }
    assert_eq!(
        x.clone().scaled(2f64.powi(1000)).unwrap().inner(&y.scaled(2f64.powi(1000)).unwrap()).unwrap().abs(),
        f64::INFINITY
    );
    let vector = train::<f64>(&[3], 1, 1);
    assert!(matches!(vector.scaled(1e308).unwrap().scaled(1e308), Err(Error::Parameter { .. })));
}

#[test]
fn wrong_arguments_are_named_errors() {
    let x = train::<f64>(&[3, 4], 2, 1);
    let y = train::<f64>(&[4, 3], 2, 1);
    let one = train::<f64>(&[3], 1, 1);
    let shape = |result: Result<TensorTrain<f64>, Error>| matches!(result, Err(Error::Shape { .. }));
    assert!(shape(x.plus(&y)) && shape(x.minus(&y)) && shape(x.hadamard(&y)) && shape(one.fix(0, 0)));
    assert!(
        shape(x.contract(0, &[1.0]))
            && shape(one.sum_over(&[0]))
            && shape(x.mode_product(0, Mat::zeros(2, 2)))
    );
    assert!(matches!(x.inner(&y), Err(Error::Shape { .. })));
    assert!(matches!(x.distance(&y), Err(Error::Shape { .. })));
    assert!(matches!(x.contract_all(&[&[1.0; 3]]), Err(Error::Shape { .. })));
    let parameter = |result: Result<TensorTrain<f64>, Error>| matches!(result, Err(Error::Parameter { .. }));
    assert!(parameter(x.fix(2, 0)) && parameter(x.fix(0, 3)) && parameter(x.sum_over(&[1, 1])));
    assert!(parameter(x.contract(2, &[])) && parameter(x.mode_product(9, Mat::zeros(2, 2))));
    for (bad, at) in bad_places([3]) {
        let mut v = [1.0; 3];
        v[at[0]] = bad;
        non_finite(x.contract(0, &v), "v", &at, "contract");
        non_finite(x.contract_all(&[&v, &[1.0; 4]]), "vectors", &[0, at[0]], "contract_all");
        non_finite(x.clone().scaled(bad), "c", &[0], "scaled");
        let m = Mat::from_fn(2, 3, |i, j| if (i, j) == (1, at[0]) { bad } else { 1.0 });
        non_finite(x.mode_product(0, &m), "m", &[1, at[0]], "mode_product");
    }
    let big = train::<f64>(&[1; 3], 1 << 11, 1);
    assert!(matches!(big.hadamard(&big), Err(Error::TooLarge { .. })), "2^44 numbers");
}

#[test]
fn bits_do_not_depend_on_threads() {
    let (x, y) = (train::<f64>(&[30; 6], 40, 1), train::<f64>(&[30; 6], 20, 2));
    let run = || {
        (
            x.inner(&y).unwrap(),
            x.norm().unwrap(),
            x.distance(&y).unwrap(),
            x.sum_over(&[1, 4]).unwrap().into_cores(),
        )
    };
    same_on_any_threads("30^6", run);
}
