//! Operators and quantized trains against dense matrices and tensors.

use super::*;
use lowrank::kronecker::Kronecker;
use lowrank::matrix::frobenius;
use lowrank::ndarray::Array;
use lowrank::random::gaussian;
use lowrank::tensor::train::{
    Cross, RandomizedRounding, TrainOperator, Truncation, quantize, quantized_cross,
};

fn operator<T: Scalar>(rows: &[usize], columns: &[usize], rank: usize, seed: u64) -> TrainOperator<T> {
    let sizes: Vec<usize> = rows.iter().zip(columns).map(|(m, n)| m * n).collect();
    let train = TensorTrain::random(&sizes, &vec![rank; rows.len() - 1], seed).unwrap();
    TrainOperator::new(train, rows.to_vec(), columns.to_vec()).unwrap()
}

fn vector<T: Scalar>(x: &TensorTrain<T>) -> Mat<T> {
    let a = x.to_dense().unwrap();
    Mat::from_fn(a.len(), 1, |i, _| a.as_slice().unwrap()[i])
}

fn against_dense<T: Scalar>() {
    for (rows, columns, inner) in
        [(&[3, 4, 2][..], &[2, 5, 3][..], &[4, 1, 2][..]), (&[5], &[4], &[3]), (&[2; 5], &[2; 5], &[2; 5])]
    {
        let case = format!("{} {rows:?} {columns:?}", T::NAME);
        let (m, n) = (operator::<T>(rows, columns, 3, 1), operator::<T>(columns, inner, 2, 2));
        let (dense_m, dense_n) = (m.to_dense().unwrap(), n.to_dense().unwrap());
        let (size_m, size_n) = (frobenius(dense_m.as_ref()), frobenius(dense_n.as_ref()));
        let close = |a: &Mat<T>, b: &Mat<T>, size: f64| {
            let off = frobenius((a - b).as_ref());
            assert!(off <= 100.0 * T::EPS * size, "{case}: {off:e} of {size:e}");
        };
        let x = TensorTrain::<T>::random(columns, &vec![2; columns.len() - 1], 3).unwrap();
        let (expected, size_x) = (&dense_m * vector(&x), x.norm().unwrap());
        close(&vector(&m.apply(&x).unwrap()), &expected, size_m * size_x);
        let truncation = Truncation::tolerance(100.0 * T::EPS);
        let rounded = m.apply_rounded(&x, RandomizedRounding { truncation, ..Default::default() }).unwrap();
        close(&vector(&rounded.train), &expected, 4.0 * size_m * size_x);
        close(&m.product(&n).unwrap().to_dense().unwrap(), &(&dense_m * &dense_n), size_m * size_n);
        close(&m.transpose().to_dense().unwrap(), &dense_m.transpose().to_owned(), size_m);
        let (back, found) =
            TrainOperator::from_dense(&dense_m, rows, columns, Truncation::tolerance(1e-12)).unwrap();
        close(&back.to_dense().unwrap(), &dense_m, size_m);
        assert!(found.train.ranks().iter().all(|&r| r <= if T::NAME == "f64" { 3 } else { 100 }), "{case}");
        let identity = TrainOperator::<T>::identity(columns).unwrap();
        close(
            &identity.to_dense().unwrap(),
            &Mat::identity(expected_columns(columns), expected_columns(columns)),
            1.0,
        );
        assert!(identity.apply(&x).unwrap().distance(&x).unwrap() <= 10.0 * T::EPS * size_x, "{case}");
        // Entries are those of the cores: row and column multi-indices, row-major.
        let at = |i: usize, j: usize| {
            let (mut i, mut j, mut index) = (i, j, Vec::new());
            for (&m, &n) in rows.iter().zip(columns).rev() {
                index.push(i % m * n + j % n);
                (i, j) = (i / m, j / n);
            }
            index.reverse();
            m.train().entry(&index).unwrap()
        };
        let off = frobenius((Mat::from_fn(dense_m.nrows(), dense_m.ncols(), at) - &dense_m).as_ref());
        assert!(off <= 100.0 * T::EPS * size_m, "{case}: entries off by {off:e}");
    }
}

fn expected_columns(columns: &[usize]) -> usize {
    columns.iter().product()
}

#[test]
fn operators_match_dense_matrices() {
    against_dense::<f32>();
    against_dense::<f64>();
}

#[test]
fn kronecker_products_are_operators_of_ranks_one() {
    let factors = vec![gaussian::<f64>(2, 3, 1, "a"), gaussian(4, 2, 1, "b"), gaussian(3, 3, 1, "c")];
    let product = Kronecker::new(factors).unwrap();
    let x = TrainOperator::from_kronecker(&product).unwrap();
    let a = x.to_dense().unwrap();
    let off = Mat::from_fn(24, 18, |i, j| product.entry(i, j)) - &a;
    assert_eq!((x.rows(), x.columns(), x.train().ranks()), (&[2, 4, 3][..], &[3, 2, 3][..], vec![1, 1]));
    assert!(frobenius(off.as_ref()) <= 1e-14 * frobenius(a.as_ref()));
}

#[test]
fn misfits_of_operators_are_errors() {
    let m = operator::<f64>(&[2, 3], &[3, 2], 2, 1);
    let x = TensorTrain::<f64>::random(&[2, 3], &[2], 1).unwrap();
    assert!(matches!(m.apply(&x), Err(Error::Shape { .. })));
    assert!(matches!(m.apply_rounded(&x, RandomizedRounding::default()), Err(Error::Shape { .. })));
    assert!(matches!(m.product(&m), Err(Error::Shape { .. })));
    assert!(matches!(TrainOperator::new(x, vec![2, 3], vec![2, 1]), Err(Error::Shape { .. })));
    let a = Mat::<f64>::from_fn(6, 6, |i, j| if (i, j) == (4, 5) { f64::NAN } else { 1.0 });
    non_finite(
        TrainOperator::from_dense(&a, &[2, 3], &[3, 2], Truncation::default()),
        "a",
        &[4, 5],
        "from_dense",
    );
    assert!(matches!(
        TrainOperator::from_dense(&a, &[2, 2], &[3, 2], Truncation::default()),
        Err(Error::Shape { .. })
    ));
    assert!(matches!(TrainOperator::<f64>::identity(&[1 << 40]), Err(Error::TooLarge { .. })));
    assert!(matches!(TrainOperator::<f64>::identity(&[]), Err(Error::Shape { .. })));
    let big = operator::<f64>(&[1 << 10; 9], &[1; 9], 1, 1);
    assert!(matches!(big.to_dense(), Err(Error::TooLarge { .. })));
}

#[test]
fn quantized_vectors_have_the_ranks_of_theory() {
    let n = 1 << 12;
    let ranks = |f: &dyn Fn(f64) -> f64| {
        let v = Array::from_shape_fn(n, |i| f(i as f64 / n as f64)).into_dyn();
        let x = quantize(v.view(), Truncation::tolerance(1e-11)).unwrap();
        let off = distance(&v, &x.train.to_dense_quantized(&[n]).unwrap());
        assert!(off <= 1e-11 * norm(&v), "{off:e}");
        x.train.ranks().into_iter().max().unwrap()
    };
    assert_eq!(ranks(&|x| (3.0 * x).exp()), 1);
    assert_eq!(ranks(&|x| (20.0 * x).sin()), 2);
    assert_eq!(ranks(&|x| 1.0 + x - 3.0 * x * x), 3);
}

#[test]
fn quantized_functions_of_two_variables() {
    let shape = [1 << 20, 1 << 18];
    let f = |i: &[usize]| {
        let (x, y) = (i[0] as f64 / shape[0] as f64, i[1] as f64 / shape[1] as f64);
        (x + 2.0 * y).sin() + (-3.0 * x).exp() * y
    };
    let x = quantized_cross(f, &shape, Cross { tolerance: 1e-9, ..Default::default() }).unwrap();
    assert!(x.evaluations < 100_000 && x.missed.is_none(), "{} evaluations", x.evaluations);
    for index in [[0, 0], [5, 77], [1 << 19, 1 << 17], [(1 << 20) - 1, (1 << 18) - 1], [123_456, 200_001]] {
        let off = (x.train.entry_quantized(&shape, &index).unwrap() - f(&index)).abs();
        assert!(off <= 1e-8, "{index:?}: {off:e}");
    }
    assert!(matches!(x.train.entry_quantized(&shape, &[1 << 20, 0]), Err(Error::Shape { .. })));
    assert!(matches!(x.train.entry_quantized(&[4, 4], &[0, 0]), Err(Error::Shape { .. })));
    assert!(matches!(x.train.to_dense_quantized(&shape), Err(Error::TooLarge { .. })));
}

#[test]
fn quantized_tensors_of_any_strides_and_wrong_sizes() {
    let a = Array::from_shape_fn((8, 4), |(i, j)| 1.0 / (1.0 + i as f64 + 2.0 * j as f64)).into_dyn();
    for view in [a.view(), a.t()] {
        let x = quantize(view.view(), Truncation::tolerance(0.0)).unwrap().train;
        let back = x.to_dense_quantized(view.shape()).unwrap();
        assert!(distance(&view.to_owned(), &back) <= 1e-14);
    }
    for shape in [&[6][..], &[0], &[1, 1], &[]] {
        let b = ArrayD::<f64>::ones(IxDyn(shape));
        assert!(matches!(quantize(b.view(), Truncation::default()), Err(Error::Shape { .. })), "{shape:?}");
    }
    let mut b = a.clone();
    b[[3, 2]] = f64::INFINITY;
    non_finite(quantize(b.view(), Truncation::default()), "a", &[3, 2], "quantize");
}
