//! Generated tensors, random embeddings and Fourier features.

use lowrank::faer::{Mat, MatRef};
use lowrank::generated::{
    EmbeddingParameters, Function, GeneratedMatrix, GeneratedTensor, ball, fourier_features,
    random_embedding, tensor_embedding,
};
use lowrank::{Error, Scalar, Status, TensorEntries, TensorTrain};

fn points<T: Scalar>(shape: &[usize], m: usize) -> Vec<Mat<T>> {
    shape.iter().enumerate().map(|(k, &n)| ball(n, m, 1.2, 9, k as u64).unwrap()).collect()
}

fn refs<T: Scalar>(points: &[Mat<T>]) -> Vec<MatRef<'_, T>> {
    points.iter().map(|x| x.as_ref()).collect()
}

fn tensor_is_naive<T: Scalar>() {
    for shape in [vec![1, 1], vec![7, 5], vec![4, 5, 3], vec![33, 2, 17], vec![3, 4, 2, 5]] {
        for m in [1, 2, 10, 100] {
            let x = points::<T>(&shape, m);
            for (function, h) in [
                (Function::Sinh, f64::sinh as fn(f64) -> f64),
                (Function::Linear, |t| t),
                (Function::inner_product(|t: T| t * t + T::of(1.0)), |t| t * t + 1.0),
            ] {
                let f = GeneratedTensor::new(function, &refs(&x)).unwrap();
                let dense = f.to_dense().unwrap();
                for (index, value) in dense.indexed_iter() {
                    let index = lowrank::ndarray::Dimension::slice(&index);
                    let product: f64 = (0..m)
                        .map(|a| (0..shape.len()).map(|k| x[k][(index[k], a)].as_f64()).product::<f64>())
                        .sum();
                    let error = (value.as_f64() - h(product)).abs();
                    assert!(error <= T::EPS * (10.0 + m as f64), "{shape:?} m={m} {index:?}: {error:e}");
                }
                for split in 1..shape.len() {
                    let unfolding = f.unfolding(split).unwrap();
                    let (n1, n2) = (unfolding.nrows(), unfolding.ncols());
                    let mut all = vec![T::of(0.0); n1 * n2];
                    unfolding.tile(0..n1, 0..n2, &mut all);
                    let flat = dense.as_slice().unwrap();
                    for i in 0..n1 {
                        for j in 0..n2 {
                            let error = (all[i + j * n1] - flat[i * n2 + j]).as_f64().abs();
                            assert!(error <= T::EPS * (10.0 + m as f64), "{shape:?} split {split}");
                            let mut one = [T::of(0.0)];
                            unfolding.tile(i..i + 1, j..j + 1, &mut one);
                            assert_eq!(one[0], all[i + j * n1]);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn tensors_are_those_of_the_standard_library() {
    tensor_is_naive::<f32>();
    tensor_is_naive::<f64>();
}

#[test]
fn wrong_tensors_are_errors() {
    let x = points::<f64>(&[3, 4, 2], 5);
    assert!(matches!(GeneratedTensor::new(Function::Gaussian, &refs(&x)), Err(Error::Parameter { .. })));
    assert!(matches!(GeneratedTensor::new(Function::Sinh, &refs(&x[..1])), Err(Error::Parameter { .. })));
    let mut bad = x.clone();
    bad[1][(2, 4)] = f64::NAN;
    let result = GeneratedTensor::new(Function::Sinh, &refs(&bad));
    assert!(matches!(result, Err(Error::NonFinite { index, .. }) if index == [1, 2, 4]));
    bad[1] = Mat::zeros(3, 6);
    assert!(matches!(GeneratedTensor::new(Function::Sinh, &refs(&bad)), Err(Error::Shape { .. })));
    let f = GeneratedTensor::new(Function::inner_product(|_: f64| f64::INFINITY), &refs(&x)).unwrap();
    assert!(f.unfolding(0).is_err() && f.unfolding(3).is_err() && f.unfolding(2).is_ok());
    assert!(matches!(f.to_dense(), Err(Error::NonFinite { index, .. }) if index == [0, 0, 0]));
    let line = Mat::<f64>::zeros(1 << 20, 1);
    let huge = vec![line.as_ref(); 2];
    assert!(matches!(
        GeneratedTensor::new(Function::Sinh, &huge).unwrap().to_dense(),
        Err(Error::TooLarge { .. })
    ));
    let huge = vec![line.as_ref(); 4];
    assert!(matches!(GeneratedTensor::new(Function::Sinh, &huge), Err(Error::TooLarge { .. })));
    let empty = [Mat::<f64>::zeros(0, 2), Mat::zeros(3, 2)];
    let f = GeneratedTensor::new(Function::Sinh, &refs(&empty)).unwrap();
    assert_eq!(f.to_dense().unwrap().shape(), [0, 3]);
}

#[test]
fn embeddings_are_verified_and_unbiased() {
    let (a, b) = (ball::<f64>(70, 200, 1.0, 1, 0).unwrap(), ball::<f64>(300, 200, 1.0, 1, 1).unwrap());
    let exact = &a * b.transpose();
    let mut mean = Mat::<f64>::zeros(70, 300);
    let seeds = 200;
    for seed in 0..seeds {
        let parameters = EmbeddingParameters { rank: 40, seed, ..Default::default() };
        let embedding = random_embedding(a.as_ref(), b.as_ref(), &parameters).unwrap();
        let dense = embedding.factors.to_dense();
        let error = (&dense - &exact).norm_max();
        assert!((embedding.error - error).abs() <= 1e-13, "seed {seed}: {} {error}", embedding.error);
        assert_eq!((embedding.status, embedding.draws), (Status::Converged, 1));
        mean += dense;
    }
    // an entry's variance is at most 2 / rank
    let deviation = (&mean / lowrank::faer::Scale(seeds as f64) - &exact).norm_max();
    assert!(deviation <= 5.5 * (2.0 / 40.0 / seeds as f64).sqrt(), "{deviation}");

    let good = EmbeddingParameters { rank: 200, tolerance: 0.3, ..Default::default() };
    let embedding = random_embedding(a.as_ref(), b.as_ref(), &good).unwrap();
    assert_eq!(embedding.status, Status::Converged);
    assert!(embedding.relative_error() <= 0.3);
    let again = random_embedding(a.as_ref(), b.as_ref(), &good).unwrap();
    assert_eq!(again.factors.u, embedding.factors.u);
    let vain = EmbeddingParameters { rank: 3, tolerance: 1e-3, redraws: 4, seed: 0 };
    let embedding = random_embedding(a.as_ref(), b.as_ref(), &vain).unwrap();
    assert_eq!((embedding.status, embedding.draws), (Status::IterationLimit, 5));
    let zero = EmbeddingParameters { rank: 0, ..Default::default() };
    let embedding = random_embedding(a.as_ref(), b.as_ref(), &zero).unwrap();
    assert!((embedding.error - exact.norm_max()).abs() < 1e-15);
}

fn train_entry(train: &TensorTrain<f64>, index: &[usize]) -> f64 {
    let mut left = vec![1.0];
    for (core, &j) in train.cores().iter().zip(index) {
        let (r, _, s) = core.dim();
        left = (0..s).map(|t| (0..r).map(|q| left[q] * core[(q, j, t)]).sum()).collect();
    }
    left[0]
}

#[test]
fn tensor_embeddings_are_verified() {
    for shape in [vec![9, 8], vec![9, 8, 7], vec![4, 5, 3, 6]] {
        let a = points::<f64>(&shape, 50);
        let parameters = EmbeddingParameters { rank: 30, ..Default::default() };
        let embedding = tensor_embedding(&refs(&a), &parameters).unwrap();
        assert_eq!(embedding.factors.shape(), shape);
        assert!(embedding.factors.ranks().iter().all(|&r| r == 30));
        let exact = GeneratedTensor::new(Function::Linear, &refs(&a)).unwrap().to_dense().unwrap();
        let error = exact
            .indexed_iter()
            .map(|(i, x)| (x - train_entry(&embedding.factors, lowrank::ndarray::Dimension::slice(&i))).abs())
            .fold(0.0, f64::max);
        assert!((error - embedding.error).abs() <= 1e-12, "{shape:?}: {error} {}", embedding.error);
        assert!(embedding.relative_error() < 2.0, "{}", embedding.relative_error());
    }
}

#[test]
fn fourier_features_converge_to_the_kernel() {
    let (x, y) = (ball::<f64>(20, 4, 1.0, 1, 0).unwrap(), ball::<f64>(30, 4, 1.0, 1, 1).unwrap());
    for function in [Function::Gaussian, Function::Cauchy, Function::Exponential] {
        let rho = 40_000;
        let features = fourier_features(&function, x.as_ref(), y.as_ref(), rho, 3).unwrap();
        assert_eq!(features.rank(), 2 * rho);
        let exact =
            GeneratedMatrix::independent(function.clone(), x.clone(), y.clone()).unwrap().to_dense().unwrap();
        let error = (features.to_dense() - exact).norm_max();
        assert!(error <= 5.0 / (rho as f64).sqrt(), "{function:?}: {error}");
    }
    let result = fourier_features(&Function::Quartic, x.as_ref(), y.as_ref(), 5, 0);
    assert!(matches!(result, Err(Error::Parameter { name: "function", .. })));
}
