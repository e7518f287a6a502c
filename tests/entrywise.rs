//! Entrywise approximation of matrices and tensors: never worse than the truncated SVD and
//! TT-SVD, honest reports, exact scaling, errors with positions, the same bits on any number of
//! threads, and the published numbers.
//!
//! A slice runs by default. The whole product of families, shapes and methods:
//! `cargo test --release --test entrywise -- --ignored --nocapture`.

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
use lowrank::{Entries, Error, LowRank, Progress, Scalar, Status, TensorEntries, TensorTrain};
use std::ops::{ControlFlow, Range};

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

fn wide<T: Scalar>(a: MatRef<'_, T>, e: i32) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| scale_by_power_of_two(a[(i, j)].as_f64(), e))
}

/// |F - X|_max and |X|_max by the dense formula in double precision, both times 2^-e, and e.
fn matrix_error<T: Scalar>(f: MatRef<'_, T>, x: &LowRank<T>) -> (f64, f64, i32) {
    let e = exponent(max_norm(f));
    let half = e.div_euclid(2);
    let product = wide(x.u.as_ref(), -half) * wide(x.v.as_ref(), half - e).transpose();
    let residual = wide(f, -e) - &product;
    (max_norm(residual.as_ref()), max_norm(product.as_ref()), e)
}

/// As [`matrix_error`], for a tensor of moderate entries.
fn tensor_error<T: Scalar>(f: ArrayViewD<'_, T>, x: &TensorTrain<T>) -> (f64, f64, i32) {
    let cores = x.cores().iter().map(|c| c.mapv(T::as_f64)).collect();
    let dense = TensorTrain::new(cores).unwrap().to_dense().unwrap();
    let largest = dense.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    (f.iter().zip(&dense).fold(0.0, |m, (f, x)| m.max((f.as_f64() - x).abs())), largest, 0)
}

/// Bar 14, and all that holds for every result.
fn honest<T: Scalar, X>(x: &Approximation<X>, (error, size, e): (f64, f64, i32), case: &str) {
    let report = &x.report;
    let reported = scale_by_power_of_two(report.error, -e);
    // One rounding of the factors to subnormal numbers is allowed for.
    let grain = scale_by_power_of_two(1.0, if T::NAME == "f32" { -149 } else { -1074 } - e);
    assert!(error.is_finite() && reported.is_finite(), "{case}: error {error}, reported {reported}");
    let allowed = 50.0 * T::EPS * size + grain;
    assert!((reported - error).abs() <= allowed, "{case}: reported {reported:e}, true {error:e}, {size:e}");
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
    let best = dense(wide(f, 0).as_ref()).unwrap().truncate(rank).to_dense();
    let svd_error = max_norm((wide(f, 0) - best).as_ref());
    let x = run(f, rank, with(method), case);
    let rounding = 20.0 * T::EPS * (f.nrows().max(f.ncols()) as f64) * max_norm(f);
    let error = x.report.error;
    assert!(error <= svd_error + rounding, "{case}: {error:e}, truncated SVD {svd_error:e}");
    x
}

/// Bars 14 and 15 over the gallery; the bound holds for the best error of all methods.
fn gallery_bars<T: Scalar>(shapes: &[(usize, usize, &[usize])], methods: &[(&str, Method)]) {
    let seed = 5;
    for family in gallery::families::<T>() {
        for &(m, n, ranks) in shapes {
            let f = (family.make)(m, n, seed);
            for &rank in ranks {
                let name = format!("{} {} {m}x{n} rank {rank} seed {seed}", T::NAME, family.name);
                let mut best = f64::INFINITY;
                for (method, m) in methods {
                    let x = never_worse(f.as_ref(), rank, m, &format!("{name} {method}"));
                    best = best.min(x.report.error);
                }
                let bound = bound_alone(&f, rank);
                let grain = 4.0 * T::EPS * max_norm(f.as_ref());
                assert!(bound <= best + grain, "{name}: bound {bound:e} over the error {best:e}");
            }
        }
    }
}

/// The lower bound as it is before it is cut at the error: from a start that is far away.
fn bound_alone<T: Scalar>(f: &Mat<T>, rank: usize) -> f64 {
    let far = |rows| Mat::<T>::full(rows, rank.min(1), T::of(1e3));
    let start = Start::Warm(LowRank { u: far(f.nrows()), v: far(f.ncols()) });
    let x = approximate(f, rank, Parameters { start, max_iterations: 0, ..Default::default() }).unwrap();
    x.lower_bound
}

const SMALL: &[(usize, usize, &[usize])] =
    &[(1, 1, &[0, 1]), (1, 7, &[1]), (5, 3, &[1, 3]), (16, 10, &[0, 2, 7]), (33, 65, &[3])];

#[test]
fn never_worse_than_the_truncated_svd_small_shapes() {
    gallery_bars::<f64>(SMALL, &methods()[..1]);
    gallery_bars::<f32>(SMALL, &methods()[..1]);
}

#[test]
fn never_worse_than_the_truncated_svd_larger_shapes() {
    gallery_bars::<f64>(&[(127, 129, &[6])], &methods()[..1]);
    gallery_bars::<f32>(&[(200, 20, &[4])], &methods()[..1]);
}

#[test]
fn projections_are_never_worse_than_the_truncated_svd() {
    gallery_bars::<f64>(&[(16, 10, &[2]), (40, 30, &[5])], &methods()[1..]);
    gallery_bars::<f32>(&[(16, 10, &[2])], &methods()[1..]);
}

#[test]
#[ignore = "the whole product of families, shapes and methods takes minutes"]
fn never_worse_than_the_truncated_svd_everywhere() {
    const LARGE: &[(usize, usize, &[usize])] = &[
        (65, 33, &[1, 8, 20]),
        (127, 129, &[1, 5, 40]),
        (200, 20, &[1, 5, 19]),
        (128, 128, &[3, 16, 64]),
        (300, 200, &[10, 50]),
        (2000, 7, &[2]),
    ];
    for shapes in [SMALL, LARGE] {
        gallery_bars::<f64>(shapes, &methods());
        gallery_bars::<f32>(shapes, &methods());
    }
}

/// A matrix of exactly the asked rank comes back, for every method.
#[test]
fn exact_rank_is_reproduced() {
    fn check<T: Scalar>(tolerance: f64) {
        for (m, n, rank) in [(1, 1, 1), (7, 1, 1), (16, 10, 3), (33, 65, 5), (127, 129, 8), (300, 40, 20)] {
            for (name, method) in methods() {
                for seed in 0..3 {
                    let u = gaussian::<T>(m, rank, seed, "left");
                    let v = gaussian::<T>(n, rank, seed, "right");
                    let f = &u * v.transpose();
                    let case = format!("{} {m}x{n} rank {rank} seed {seed} {name}", T::NAME);
                    let error = run(f.as_ref(), rank, with(&method), &case).relative_error();
                    assert!(error <= tolerance, "{case}: {error:e}");
                }
            }
        }
    }
    check::<f64>(1e-10);
    check::<f32>(5e-6);
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

/// Named tensors, and the rank to ask for.
fn tensors<T: Scalar>(shape: &[usize], seed: u64) -> Vec<(&'static str, ArrayD<T>, usize)> {
    let full = |x: f64| ArrayD::from_elem(IxDyn(shape), T::of(x));
    let mut delta = full(0.0);
    for k in 0..*shape.iter().min().unwrap() {
        delta[vec![k; shape.len()].as_slice()] = T::of(1.0);
    }
    let train = TensorTrain::<T>::random(shape, &vec![2; shape.len() - 1], seed).unwrap();
    vec![
        ("random", random_tensor(shape, seed), 2),
        ("exact rank", train.to_dense().unwrap(), 2),
        ("ones", full(1.0), 2),
        ("zeros", full(0.0), 3),
        ("delta", delta, 2),
        ("sinh", sinh_tensor(shape, 3, seed).to_dense().unwrap(), 2),
    ]
}

/// Bars 14 and 15 for tensors of orders 2, 3 and 4.
#[test]
fn tensors_are_never_worse_than_tt_svd() {
    fn check<T: Scalar>() {
        for shape in [&[6usize, 5][..], &[5, 4, 6], &[12, 9, 10], &[3, 4, 5, 2], &[2, 6, 1, 5]] {
            for seed in 0..2 {
                for (name, f, rank) in tensors::<T>(shape, seed) {
                    let start = tt_svd(f.view(), Truncation::rank(rank)).unwrap().train;
                    let (svd_error, _, _) = tensor_error(f.view(), &start);
                    let largest = f.iter().fold(0.0, |m: f64, x| m.max(x.as_f64().abs()));
                    for (method_name, method) in methods() {
                        let case =
                            format!("{} {name} {shape:?} rank {rank} seed {seed} {method_name}", T::NAME);
                        let error = run_tensor(&f, rank, with(&method), &case).report.error;
                        let rounding = 100.0 * T::EPS * largest;
                        assert!(
                            error <= svd_error + rounding,
                            "{case}: error {error:e}, TT-SVD {svd_error:e}"
                        );
                        if ["exact rank", "ones", "zeros"].contains(&name) {
                            let bar = if T::NAME == "f32" { 1e-5 } else { 1e-10 };
                            assert!(error <= bar * largest, "{case}: {error:e}");
                        }
                    }
                }
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

/// Every way to stop early gives usable factors and says why.
#[test]
fn early_stops_are_named() {
    let f = ball_matrix::<f64>(90, 20, 1).to_dense().unwrap();
    let t = sinh_tensor::<f64>(&[14, 12, 10], 8, 1).to_dense().unwrap();
    for (name, method) in methods() {
        for limit in [0, 1, 3] {
            let case = format!("{name} max_iterations {limit}");
            let x = run(f.as_ref(), 6, Parameters { max_iterations: limit, ..with(&method) }, &case);
            assert_eq!((x.report.status, x.report.iterations), (Status::IterationLimit, limit), "{case}");
            let x = run_tensor(&t, 4, Parameters { max_iterations: limit, ..with(&method) }, &case);
            assert_eq!((x.report.status, x.report.iterations), (Status::IterationLimit, limit), "{case}");
        }
        let case = format!("{name} max_seconds 0");
        let x = run(f.as_ref(), 6, Parameters { max_seconds: 0.0, ..with(&method) }, &case);
        assert_eq!(x.report.status, Status::TimeLimit, "{case}");
        let x = run_tensor(&t, 4, Parameters { max_seconds: 0.0, ..with(&method) }, &case);
        assert_eq!(x.report.status, Status::TimeLimit, "{case}");

        let case = format!("{name} stopped by the callback");
        let mut seen: Vec<Progress> = Vec::new();
        let mut callback = |p: &Progress| {
            seen.push(*p);
            if seen.len() == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let x = run(f.as_ref(), 6, Parameters { callback: Some(&mut callback), ..with(&method) }, &case);
        assert_eq!((x.report.status, x.report.iterations), (Status::Interrupted, 5), "{case}");
        assert_eq!(seen.iter().map(|p| p.iteration).collect::<Vec<_>>(), [1, 2, 3, 4, 5], "{case}");
        assert!(seen.is_sorted_by(|a, b| b.error <= a.error && a.seconds <= b.seconds), "{case}");
        assert_eq!(seen[4].error, x.report.error, "{case}");
    }
}

/// `Converged` is said when the search's own test holds, and not one step earlier.
#[test]
fn converged_means_converged() {
    let f = ball_matrix::<f64>(70, 20, 2).to_dense().unwrap();
    for (name, method) in methods() {
        let whole = run(f.as_ref(), 6, with(&method), name);
        let steps = whole.report.iterations;
        assert_eq!(whole.report.status, Status::Converged, "{name}");
        for (limit, status) in [
            (steps - 1, Status::IterationLimit),
            (steps / 2, Status::IterationLimit),
            (steps + 1, Status::Converged),
        ] {
            let case = format!("{name}, {limit} of {steps} steps");
            let x = run(f.as_ref(), 6, Parameters { max_iterations: limit, ..with(&method) }, &case);
            assert_eq!(x.report.status, status, "{case}");
            assert_eq!(x.report.iterations, limit.min(steps), "{case}");
            assert!(x.report.error >= whole.report.error, "{case}");
            // The descent's shrinking depth leaves no cheap progress behind.
            let start = Start::Warm(whole.factors.clone());
            let again = run(f.as_ref(), 6, Parameters { start, ..with(&method) }, &case);
            assert!(again.report.error <= whole.report.error * (1.0 + 1e-12), "{case}");
        }
    }
}

/// A constant that makes no sense is an error.
#[test]
fn wrong_constants_are_errors() {
    let f = gaussian::<f64>(6, 5, 0, "case");
    let wrong = [
        Descent { depth: 0.0, ..Default::default() },
        Descent { depth: f64::NAN, ..Default::default() },
        Descent { shrink: 1.0, ..Default::default() },
        Descent { final_depth: 0.0, ..Default::default() },
        Descent { progress: f64::NAN, ..Default::default() },
        Descent { momentum: 1.0, ..Default::default() },
        Descent { step: 0.0, ..Default::default() },
        Descent { step: f64::NAN, ..Default::default() },
        Descent { max_step: f64::NAN, ..Default::default() },
        Descent { patience: 0, ..Default::default() },
    ];
    for constants in wrong {
        let case = format!("{constants:?}");
        let result = approximate(&f, 2, with(&Method::Descent(constants)));
        assert!(matches!(result, Err(Error::Parameter { .. })), "{case}: {result:?}");
    }
    for max_seconds in [f64::NAN, -1.0] {
        let result = approximate(&f, 2, Parameters { max_seconds, ..Default::default() });
        assert!(matches!(result, Err(Error::Parameter { name: "max_seconds", .. })), "{result:?}");
    }
}
/// The bounds, by hand.
#[test]
fn lower_bounds_are_right() {
    // diag(3, 2, 1) with rank 1: the tail is sqrt((4 + 1) / 9); any |X|_max error is at least it.
    let f = Mat::from_fn(3, 3, |i, j| if i == j { 3.0 - i as f64 } else { 0.0 });
    let bound = bound_alone(&f, 1);
    let tail = (5.0f64 / 9.0).sqrt();
    // The trace bound, Q = I: 6 - 3 eps > |F| + eps in the Frobenius norm.
    let violated = |eps: f64| {
        let norm = (0..3).map(|i| (3.0 - i as f64 + eps).powi(2)).sum::<f64>() + 6.0 * eps * eps;
        6.0 - 3.0 * eps > norm.sqrt()
    };
    let (mut lo, mut hi) = (0.0, 3.0);
    for _ in 0..60 {
        let eps = 0.5 * (lo + hi);
        if violated(eps) { lo = eps } else { hi = eps }
    }
    let expected = tail.max(lo);
    assert!((bound - expected).abs() <= 1e-9, "{bound} where {expected} is right (tail {tail}, trace {lo})");
    // Ones: the rank is one, nothing is left. A Hadamard matrix: all of the tail.
    assert_eq!(bound_alone(&Mat::<f64>::full(9, 7, 1.0), 1), 0.0);
    let h = Mat::from_fn(16, 16, |i: usize, j: usize| if (i & j).count_ones() % 2 == 0 { 1.0 } else { -1.0 });
    let (bound, tail) = (bound_alone(&h, 4), (12.0f64 * 16.0 / 256.0).sqrt());
    assert!(bound >= tail - 1e-9 && bound <= 1.0, "{bound}, tail {tail}");
    // Switched off.
    let x = approximate(&h, 4, Parameters { lower_bound: false, ..Default::default() }).unwrap();
    assert_eq!(x.lower_bound, 0.0);
}

/// Identity: the best error of rank r is at least sqrt((n - r) / (r (n - 1))) over one plus that
/// (Welch), 0.1185 here.
#[test]
fn identity_lies_between_its_bounds() {
    let (n, rank) = (512, 50);
    let f = Mat::<f64>::identity(n, n);
    let coherence = ((n - rank) as f64 / (rank * (n - 1)) as f64).sqrt();
    let best = coherence / (1.0 + coherence);
    let x = run(f.as_ref(), rank, Parameters::default(), "identity 512 rank 50");
    println!("identity: bound {:.4} (best {best:.4}), error {:.4}", x.lower_bound, x.report.error);
    assert!(x.lower_bound >= 0.11 && x.lower_bound <= best + 1e-9, "{}, best {best}", x.lower_bound);
    assert!(x.report.error <= 0.172, "{}", x.report.error);
}

fn exponents<T: Scalar>() -> &'static [i32] {
    if T::NAME == "f32" {
        &[-40, 40, -80, 80, -110, 100]
    } else {
        &[-300, 300, -600, 600, -1000, 1000, -101, 101, -99]
    }
}

/// Powers of two change no digit of the search, and the ends of the range do not break it.
#[test]
fn errors_scale() {
    fn check<T: Scalar>() {
        let seed = 3;
        for family in gallery::families::<T>() {
            if !["rank-3", "even", "geometric", "cauchy", "identity", "random", "zero"].contains(&family.name)
            {
                continue;
            }
            for (m, n, rank) in [(16, 10, 3), (40, 60, 4)] {
                let f = (family.make)(m, n, seed);
                for (name, method) in &methods()[..3] {
                    let case = format!("{} {} {m}x{n} rank {rank} seed {seed} {name}", T::NAME, family.name);
                    let whole = run(f.as_ref(), rank, with(method), &case);
                    for &e in exponents::<T>() {
                        let case = format!("{case} times 2^{e}");
                        let g = scaled(f.as_ref(), e);
                        if scaled(g.as_ref(), -e) != f {
                            continue; // the small entries left the range
                        }
                        let x = run(g.as_ref(), rank, with(method), &case);
                        let (error, bound) = (
                            scale_by_power_of_two(x.report.error, -e),
                            scale_by_power_of_two(x.lower_bound, -e),
                        );
                        let grain = 50.0 * T::EPS * max_norm(f.as_ref());
                        if e % 2 == 0 {
                            assert_eq!(error, whole.report.error, "{case}");
                            assert_eq!(bound, whole.lower_bound, "{case}");
                        } else {
                            // An odd power is split unevenly between both factors.
                            assert!((error - whole.report.error).abs() <= 0.1 * error + grain, "{case}");
                            assert!((bound - whole.lower_bound).abs() <= 1e-12 * bound + grain, "{case}");
                        }
                    }
                }
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

/// Subnormal entries, and the largest ones there are.
#[test]
fn the_ends_of_the_range_are_safe() {
    fn check<T: Scalar>() {
        let (smallest, largest) = if T::NAME == "f32" { (-149, 127) } else { (-1074, 1023) };
        for (m, n, rank) in [(1, 1, 1), (16, 10, 3), (60, 70, 4)] {
            let base = gaussian::<T>(m, n, 4, "case");
            let unit = scaled(base.as_ref(), -exponent(max_norm(base.as_ref())) - 1); // under 1
            for (name, method) in methods() {
                let plain = run(unit.as_ref(), rank, with(&method), name).relative_error();
                for e in [smallest, smallest + 1, smallest + 3, smallest + 12, smallest + 20, largest, largest + 1] {
                    let f = scaled(unit.as_ref(), e);
                    let case = format!("{} {m}x{n} rank {rank} seed 4 {name} times 2^{e}", T::NAME);
                    let x = run(f.as_ref(), rank, with(&method), &case);
                    if e == smallest + 20 || e >= largest {
                        let error = x.relative_error();
                        assert!((error - plain).abs() <= 0.1 * plain + 1e-5, "{case}: {error}, plain {plain}");
                    }
                }
                let f = Mat::<T>::full(m, n, T::max_value());
                let case = format!("{} {m}x{n} rank {rank} {name} all the largest number", T::NAME);
                run(f.as_ref(), rank, with(&method), &case);
            }
        }
        for e in [smallest + 3, smallest + 20, largest - 4] {
            let base = random_tensor::<T>(&[6, 5, 7], 4);
            let f = base.mapv(|x| scale_by_power_of_two(x, e));
            for (name, method) in methods() {
                let case = format!("{} tensor 6x5x7 rank 2 seed 4 {name} times 2^{e}", T::NAME);
                let x = approximate_tensor(&f, 2, with(&method)).unwrap_or_else(|e| panic!("{e}: {case}"));
                let fine = x.factors.cores().iter().all(|c| c.iter().all(|x| finite(*x)));
                assert!(fine && x.report.error <= x.start_error && x.lower_bound <= x.report.error, "{case}");
                assert!(x.relative_error() > 0.05 && x.relative_error() < 1.1, "{case} {}", x.relative_error());
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

fn finite<T: Scalar>(x: T) -> bool {
    x.as_f64().is_finite()
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

fn non_finite<X: std::fmt::Debug>(result: lowrank::Result<X>, argument: &str, at: &[usize], case: &str) {
    match result {
        Err(Error::NonFinite { argument: a, index }) => {
            assert_eq!((a, index.as_slice()), (argument, at), "{case}");
        }
        other => panic!("{case}: {other:?}"),
    }
}

/// Bar 4.
#[test]
fn non_finite_entries_are_named() {
    fn check<T: Scalar>() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(T::of) {
            for (m, n) in [(1, 1), (7, 1), (20, 30), (150, 140)] {
                for (i, j) in [(0, 0), (m / 2, n / 2), (m - 1, n - 1)] {
                    let mut f = gaussian::<T>(m, n, 1, "case");
                    f[(i, j)] = bad;
                    let transposed = f.transpose().to_owned();
                    let spread = ArrayD::from_shape_fn(vec![2 * m, 3 * n], |k| f[(k[0] / 2, k[1] / 3)]);
                    let apart = every(&spread, 2, 3);
                    let closure = Closure { shape: (m, n), entry: |a, b| f[(a, b)] };
                    for (name, method) in methods() {
                        let case = format!("{} {bad} at ({i}, {j}) of {m}x{n} {name}", T::NAME);
                        let at = &[i, j];
                        non_finite(approximate(&f, 1, with(&method)), "f", at, &case);
                        non_finite(approximate(&transposed.transpose(), 1, with(&method)), "f", at, &case);
                        non_finite(approximate(&apart, 1, with(&method)), "f", at, &case);
                        non_finite(approximate(&closure, 1, with(&method)), "f", at, &case);
                        non_finite(approximate(&closure, 0, with(&method)), "f", at, &case);
                    }
                }
            }
            let shape = [4, 3, 5, 2];
            for at in [[0, 0, 0, 0], [2, 1, 3, 0], [3, 2, 4, 1]] {
                let mut f = random_tensor::<T>(&shape, 1);
                f[at.as_slice()] = bad;
                let permuted = f.view().permuted_axes(vec![3, 1, 0, 2]).to_owned();
                let permuted = permuted.permuted_axes(vec![2, 1, 3, 0]); // f in another memory order
                for (name, method) in methods() {
                    let case = format!("{} {bad} at {at:?} {name}", T::NAME);
                    non_finite(approximate_tensor(&f, 2, with(&method)), "f", &at, &case);
                    non_finite(approximate_tensor(&permuted, 2, with(&method)), "f", &at, &case);
                }
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

/// Of several bad entries of a generated matrix the first is named, every time.
#[test]
fn the_first_non_finite_entry_is_named() {
    let f = Closure {
        shape: (300, 1500),
        entry: |i: usize, j: usize| if (i + j) % 257 == 256 { f64::NAN } else { 1.0 },
    };
    for _ in 0..20 {
        non_finite(approximate(&f, 1, Parameters::default()), "f", &[256, 0], "every 257th");
    }
}
