//! Entrywise approximation of matrices and tensors: never worse than the truncated SVD and
//! TT-SVD, honest reports, exact scaling, errors with positions, the same bits on any number of
//! threads, and the published numbers.
//!
//! A slice runs by default. The whole product of families, shapes and methods:
//! `cargo test --release --test entrywise -- --ignored --nocapture`.

mod bounds;
mod inputs;
mod never_worse;
mod properties;
mod published;
mod reports;
mod reproducible;
mod scales;
#[path = "../support/mod.rs"]
mod support;

use lowrank::entrywise::{
    AlternatingProjections, Approximation, Descent, Method, Parameters, Projector, Start, approximate,
    approximate_tensor,
};
use lowrank::faer::{Mat, MatRef};
use lowrank::generated::{Function, GeneratedMatrix, GeneratedTensor, ball};
use lowrank::matrix::{exponent, max_norm, scale_by_power_of_two, scaled};
use lowrank::ndarray::{ArrayD, ArrayViewD, IxDyn};
use lowrank::random::{gallery, gaussian};
use lowrank::svd::dense;
use lowrank::tensor::train::{Truncation, tt_svd};
use lowrank::{Entries, Error, LowRank, Progress, Scalar, Status, TensorTrain};
use std::ops::{ControlFlow, Range};
use support::*;

type Matrix<T> = Approximation<LowRank<T>>;
type Tensor<T> = Approximation<TensorTrain<T>>;

fn projections(projector: Projector) -> Method {
    Method::AlternatingProjections(AlternatingProjections { projector, ..Default::default() })
}

fn methods() -> Vec<(&'static str, Method)> {
    vec![
        ("descent", Method::default()),
        ("projections, full", projections(Projector::Full)),
        ("projections, randomized", projections(Projector::Randomized)),
        ("projections, block power", projections(Projector::BlockPower)),
    ]
}

/// |F - X|_max and the largest entry of |U| |V|', which bounds the rounding of U V', by the dense
/// formula in double precision, both times 2^-e, and e.
fn matrix_error<T: Scalar>(f: MatRef<'_, T>, x: &LowRank<T>) -> (f64, f64, i32) {
    let e = exponent(max_norm(f));
    let half = e.div_euclid(2);
    let moved = |a: MatRef<'_, T>, e| scaled(wide(a).as_ref(), e);
    let product = moved(x.u.as_ref(), -half) * moved(x.v.as_ref(), half - e).transpose();
    let residual = moved(f, -e) - &product;
    let size = |a, e| {
        let a: Mat<f64> = moved(a, e);
        Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)].abs())
    };
    let terms = size(x.u.as_ref(), -half) * size(x.v.as_ref(), half - e).transpose();
    (max_norm(residual.as_ref()), max_norm(terms.as_ref()), e)
}

/// As [`matrix_error`], for a tensor of moderate entries.
fn tensor_error<T: Scalar>(f: ArrayViewD<'_, T>, x: &TensorTrain<T>) -> (f64, f64, i32) {
    let train = |map: fn(f64) -> f64| {
        let cores = x.cores().iter().map(|c| c.mapv(|x| map(x.as_f64()))).collect();
        TensorTrain::new(cores).unwrap().to_dense().unwrap()
    };
    let dense = train(|x| x);
    let largest = train(f64::abs).iter().fold(0.0, |m: f64, x| m.max(*x));
    (f.iter().zip(&dense).fold(0.0, |m, (f, x)| m.max((f.as_f64() - x).abs())), largest, 0)
}

/// Bar 14, and all that holds for every result; `terms` bounds the rounding, times 2^-e.
fn honest<T: Scalar, X>(x: &Approximation<X>, (error, terms, e): (f64, f64, i32), case: &str) {
    let report = &x.report;
    let reported = scale_by_power_of_two(report.error, -e);
    // The subtraction from F rounds once; so may the factors, to subnormal numbers.
    let grain = scale_by_power_of_two(1.0, smallest::<T>() - e);
    assert!(error.is_finite() && reported.is_finite(), "{case}: error {error}, reported {reported}");
    let allowed = T::EPS * (50.0 * terms + scale_by_power_of_two(x.max_norm, -e)) + grain;
    assert!((reported - error).abs() <= allowed, "{case}: reported {reported:e}, true {error:e}, {terms:e}");
    assert!(report.error <= x.start_error, "{case}: {:e} from {:e}", report.error, x.start_error);
    assert!(x.lower_bound >= 0.0 && x.lower_bound <= report.error, "{case}: bound {:e}", x.lower_bound);
    let first = report.history.first().unwrap_or_else(|| panic!("{case}: no history"));
    assert_eq!((first.iteration, first.error), (0, x.start_error), "{case}");
    assert_eq!(report.history.last().unwrap().error, report.error, "{case}");
    for pair in report.history.windows(2) {
        assert!(pair[1].error < pair[0].error, "{case}: the history does not fall: {pair:?}");
        assert!(pair[1].iteration > pair[0].iteration && pair[1].seconds >= pair[0].seconds, "{case}");
    }
    assert!(report.history.last().unwrap().iteration <= report.iterations, "{case}");
}

/// Runs on a matrix and checks the result.
fn run<T: Scalar>(
    f: MatRef<'_, T>,
    rank: usize,
    parameters: Parameters<'_, LowRank<T>>,
    case: &str,
) -> Matrix<T> {
    let x = approximate(&f, rank, parameters).unwrap_or_else(|e| panic!("{e}: {case}"));
    assert_eq!(x.factors.shape(), f.shape(), "{case}");
    assert!(x.factors.u.ncols() <= rank && x.factors.v.ncols() == x.factors.u.ncols(), "{case}");
    assert_eq!(x.max_norm, max_norm(f), "{case}");
    honest::<T, _>(&x, matrix_error(f, &x.factors), case);
    x
}

/// Runs on a tensor and checks the result.
fn run_tensor<T: Scalar>(
    f: &ArrayD<T>,
    rank: usize,
    parameters: Parameters<'_, TensorTrain<T>>,
    case: &str,
) -> Tensor<T> {
    let x = approximate_tensor(f, rank, parameters).unwrap_or_else(|e| panic!("{e}: {case}"));
    assert_eq!(x.factors.shape(), f.shape(), "{case}");
    assert!(x.factors.ranks().iter().all(|&r| r <= rank), "{case}: ranks {:?}", x.factors.ranks());
    honest::<T, _>(&x, tensor_error(f.view(), &x.factors), case);
    x
}

fn with<X>(method: &Method) -> Parameters<'static, X> {
    Parameters { method: method.clone(), ..Default::default() }
}

/// Bar 15 for one matrix and rank.
fn never_worse<T: Scalar>(f: MatRef<'_, T>, rank: usize, method: &Method, case: &str) -> Matrix<T> {
    let best = dense(wide(f).as_ref()).unwrap().truncate(rank).to_dense();
    let svd_error = max_norm((wide(f) - best).as_ref());
    let x = run(f, rank, with(method), case);
    let rounding = 20.0 * T::EPS * (f.nrows().max(f.ncols()) as f64) * max_norm(f);
    let error = x.report.error;
    assert!(error <= svd_error + rounding, "{case}: {error:e}, truncated SVD {svd_error:e}");
    x
}

fn ball_matrix<T: Scalar>(n: usize, m: usize, seed: u64) -> GeneratedMatrix<T> {
    GeneratedMatrix::symmetric(Function::Gaussian, ball(n, m, 1.0, seed, 0).unwrap()).unwrap()
}

fn sinh_tensor<T: Scalar>(shape: &[usize], m: usize, seed: u64) -> GeneratedTensor<T> {
    let points: Vec<Mat<T>> =
        shape.iter().enumerate().map(|(k, &n)| ball(n, m, 1.0, seed, k as u64).unwrap()).collect();
    let views: Vec<_> = points.iter().map(|x| x.as_ref()).collect();
    GeneratedTensor::new(Function::Sinh, &views).unwrap()
}

fn random_tensor<T: Scalar>(shape: &[usize], seed: u64) -> ArrayD<T> {
    let len: usize = shape.iter().product();
    let values = gaussian::<T>(len, 1, seed, "tensor");
    ArrayD::from_shape_vec(shape, (0..len).map(|k| values[(k, 0)]).collect()).unwrap()
}

/// A matrix given by a closure, asked for tiles.
struct Closure<F> {
    shape: (usize, usize),
    entry: F,
}

impl<T: Scalar, F: Fn(usize, usize) -> T + Sync> Entries<T> for Closure<F> {
    fn nrows(&self) -> usize {
        self.shape.0
    }
    fn ncols(&self) -> usize {
        self.shape.1
    }
    fn tile(&self, rows: Range<usize>, cols: Range<usize>, out: &mut [T]) {
        assert_eq!(out.len(), rows.len() * cols.len());
        for (b, j) in cols.enumerate() {
            for (a, i) in rows.clone().enumerate() {
                out[a + b * rows.len()] = (self.entry)(i, j);
            }
        }
    }
}

/// Every `a`-th row and `b`-th column: neither rows nor columns are contiguous.
fn every<T: Scalar>(f: &ArrayD<T>, a: usize, b: usize) -> MatRef<'_, T> {
    let f = f.view().into_dimensionality::<lowrank::ndarray::Ix2>().unwrap();
    let f = f.slice_move(lowrank::ndarray::s![..;a as isize, ..;b as isize]);
    lowrank::matrix::view_of_array(f)
}

/// The lower bound as it is before it is cut at the error: from a start that is far away.
fn bound_alone<T: Scalar>(f: &Mat<T>, rank: usize) -> f64 {
    let far = |rows| Mat::<T>::full(rows, rank.min(1), T::of(1e3));
    let start = Start::Warm(LowRank { u: far(f.nrows()), v: far(f.ncols()) });
    let x = approximate(f, rank, Parameters { start, max_iterations: 0, ..Default::default() }).unwrap();
    x.lower_bound
}

fn finite<T: Scalar>(x: T) -> bool {
    x.as_f64().is_finite()
}
