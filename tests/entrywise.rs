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
use lowrank::{Entries, Error, LowRank, Progress, Scalar, Status, TensorTrain};
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
    // The subtraction from F rounds once; so may the factors, to subnormal numbers.
    let grain = scale_by_power_of_two(1.0, if T::NAME == "f32" { -149 } else { -1074 } - e);
    assert!(error.is_finite() && reported.is_finite(), "{case}: error {error}, reported {reported}");
    let allowed = T::EPS * (50.0 * size + scale_by_power_of_two(x.max_norm, -e)) + grain;
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
    check::<f32>(1e-5);
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
    let h = Mat::from_fn(
        16,
        16,
        |i: usize, j: usize| if (i & j).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 },
    );
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

// The square root of an odd power of two is none: factors scale exactly with even powers only.
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
        let (seed, mut exact) = (3, 0);
        for family in gallery::families::<T>() {
            if !["rank-3", "even", "geometric", "cauchy", "identity", "random", "zero"].contains(&family.name)
            {
                continue;
            }
            for (m, n, rank) in [(16, 10, 3), (40, 60, 4)] {
                let f = (family.make)(m, n, seed);
                for (name, method) in &methods()[..2] {
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
                        if e % 2 == 0 && exponent(max_norm(f.as_ref())) % 2 == 0 {
                            exact += 1;
                            assert_eq!(error, whole.report.error, "{case}");
                            assert_eq!(bound, whole.lower_bound, "{case}");
                        } else {
                            assert!((error - whole.report.error).abs() <= 0.1 * error + grain, "{case}");
                            assert!((bound - whole.lower_bound).abs() <= 1e-12 * bound + grain, "{case}");
                        }
                    }
                }
            }
        }
        assert!(exact > 50, "{} only {exact} cases compared bit by bit", T::NAME);
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
                for e in
                    [smallest, smallest + 1, smallest + 3, smallest + 12, smallest + 20, largest, largest + 1]
                {
                    let f = scaled(unit.as_ref(), e);
                    let case = format!("{} {m}x{n} rank {rank} seed 4 {name} times 2^{e}", T::NAME);
                    let x = run(f.as_ref(), rank, with(&method), &case);
                    if e == smallest + 20 || e >= largest {
                        let error = x.relative_error();
                        assert!(
                            (error - plain).abs() <= 0.1 * plain + 1e-5,
                            "{case}: {error}, plain {plain}"
                        );
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
                assert!(
                    x.relative_error() > 0.05 && x.relative_error() < 1.1,
                    "{case} {}",
                    x.relative_error()
                );
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

/// Bar 5.
#[test]
fn degenerate_shapes_have_a_documented_result() {
    fn check<T: Scalar>() {
        for (name, method) in methods() {
            for start in ["svd", "random"] {
                for (m, n) in [(0, 0), (0, 5), (5, 0), (1, 1), (1, 7), (7, 1), (6, 4)] {
                    let f = gaussian::<T>(m, n, 2, "case");
                    for rank in 0..=m.min(n) {
                        let case = format!("{} {m}x{n} rank {rank} seed 2 {name} from {start}", T::NAME);
                        let start = if start == "svd" { Start::Svd } else { Start::Random };
                        let x = run(f.as_ref(), rank, Parameters { start, ..with(&method) }, &case);
                        if rank == 0 || m * n == 0 {
                            assert_eq!(x.report.error, max_norm(f.as_ref()), "{case}");
                            assert_eq!(
                                (x.report.status, x.report.iterations),
                                (Status::Converged, 0),
                                "{case}"
                            );
                        }
                    }
                    for rank in [m.min(n) + 1, usize::MAX] {
                        let start = if start == "svd" { Start::Svd } else { Start::Random };
                        let result = approximate(&f, rank, Parameters { start, ..with(&method) });
                        let largest = m.min(n);
                        assert!(
                            matches!(result, Err(Error::Rank { rank: r, largest: l }) if r == rank && l == largest),
                            "{m}x{n} rank {rank}: {result:?}"
                        );
                    }
                }
                let start = || if start == "svd" { Start::Svd } else { Start::Random };
                for shape in
                    [&[0usize, 3][..], &[3, 0, 2], &[2, 3, 0], &[1, 1], &[1, 1, 1, 1], &[3, 1, 2], &[1, 5, 1]]
                {
                    let f = random_tensor::<T>(shape, 2);
                    let case = format!("{} {shape:?} rank 2 seed 2 {name}", T::NAME);
                    let x = run_tensor(&f, 2, Parameters { start: start(), ..with(&method) }, &case);
                    if f.is_empty() {
                        assert_eq!((x.report.error, x.report.status), (0.0, Status::Converged), "{case}");
                    }
                    let result = approximate_tensor(&f, 0, Parameters { start: start(), ..with(&method) });
                    assert!(
                        matches!(result, Err(Error::Parameter { name: "rank", .. })),
                        "{case}: {result:?}"
                    );
                    run_tensor(&f, usize::MAX, Parameters { start: start(), ..with(&method) }, &case);
                }
                for shape in [&[][..], &[0], &[1], &[5]] {
                    let f = ArrayD::from_elem(IxDyn(shape), T::of(1.0));
                    let result = approximate_tensor(&f, 1, Parameters { start: start(), ..with(&method) });
                    assert!(
                        matches!(result, Err(Error::Shape { argument: "f", .. })),
                        "{shape:?}: {result:?}"
                    );
                }
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

/// Warm factors that do not fit are errors; those that fit only just are used.
#[test]
fn warm_factors_are_checked() {
    let f = gaussian::<f64>(8, 6, 1, "case");
    let factors = |m, n, r, s| LowRank { u: gaussian(m, r, 1, "warm"), v: gaussian::<f64>(n, s, 2, "warm") };
    let go = |x| approximate(&f, 3, Parameters { start: Start::Warm(x), ..Default::default() });
    for (m, n, r, s) in [(7, 6, 3, 3), (8, 5, 3, 3), (6, 8, 3, 3), (8, 6, 4, 4), (8, 6, 3, 2), (0, 0, 0, 0)] {
        let result = go(factors(m, n, r, s));
        assert!(matches!(result, Err(Error::Shape { argument: "start", .. })), "{m} {n} {r} {s}: {result:?}");
    }
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for (i, k) in [(0, 0), (5, 2)] {
            let mut x = factors(8, 6, 3, 3);
            x.u[(i, k)] = bad;
            non_finite(go(x), "start", &[i, k], "left");
            let mut x = factors(8, 6, 3, 3);
            x.v[(i, k)] = bad;
            non_finite(go(x), "start", &[i, k], "right");
        }
    }
    let t = random_tensor::<f64>(&[4, 3, 5], 1);
    let go = |x| approximate_tensor(&t, 2, Parameters { start: Start::Warm(x), ..Default::default() });
    let train = |shape: &[usize], r| TensorTrain::<f64>::random(shape, &vec![r; shape.len() - 1], 3).unwrap();
    for (shape, r) in
        [(&[4usize, 3, 4][..], 2), (&[4, 15], 2), (&[4, 3, 5], 3), (&[4, 3, 5, 1], 2), (&[60], 1)]
    {
        let result = go(train(shape, r));
        assert!(matches!(result, Err(Error::Shape { argument: "start", .. })), "{shape:?} {r}: {result:?}");
    }
    let mut cores = train(&[4, 3, 5], 2).into_cores();
    cores[1][(1, 2, 0)] = f64::NAN;
    if let Ok(train) = TensorTrain::new(cores) {
        let result = go(train);
        assert!(matches!(result, Err(Error::NonFinite { argument: "start", .. })), "{result:?}");
    }
}

/// Factors of any size and balance are a start: none makes NaN of the result.
#[test]
fn any_finite_start_is_survived() {
    fn check<T: Scalar>() {
        let (m, n, rank) = (30, 20, 4);
        let f = gaussian::<T>(m, n, 1, "case");
        let zero = Mat::<T>::zeros(m, n);
        let big = if T::NAME == "f32" { 40 } else { 400 };
        for (left, right) in
            [(0, 0), (-big, -big), (big, -big), (-big, big), (-2 * big, -2 * big), (big, big), (-big, 0)]
        {
            for (name, method) in methods() {
                for (what, f) in [("random", &f), ("zero", &zero)] {
                    let case =
                        format!("{} {what} {m}x{n} rank {rank} {name} from 2^{left}, 2^{right}", T::NAME);
                    let u = scaled(gaussian::<T>(m, rank, 1, "left").as_ref(), left);
                    let v = scaled(gaussian::<T>(n, rank, 1, "right").as_ref(), right);
                    let start = Start::Warm(LowRank { u, v });
                    let x = run(f.as_ref(), rank, Parameters { start, ..with(&method) }, &case);
                    if what == "zero" {
                        assert_eq!((x.report.error, x.report.status), (0.0, Status::Converged), "{case}");
                    }
                    if what == "random" && name == "descent" && (left, right) == (0, 0) {
                        assert!(x.report.error < 0.8 * x.start_error, "{case}: {:?}", x.report);
                    }
                }
                let start = Start::Warm(LowRank { u: Mat::zeros(m, rank), v: Mat::zeros(n, rank) });
                run(
                    f.as_ref(),
                    rank,
                    Parameters { start, ..with(&method) },
                    &format!("{} {name} from zero", T::NAME),
                );
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

/// Factors whose product overflows are no start.
#[test]
fn an_overflowing_start_is_an_error() {
    let f = gaussian::<f64>(6, 5, 1, "case");
    for (name, method) in methods() {
        let huge = |n| scaled(gaussian::<f64>(n, 2, 1, "huge").as_ref(), 600);
        let start = Start::Warm(LowRank { u: huge(6), v: huge(5) });
        let result = approximate(&f, 2, Parameters { start, ..with(&method) });
        assert!(matches!(result, Err(Error::Parameter { name: "start", .. })), "{name}: {result:?}");
    }
}

/// Bar 16.
#[test]
fn bits_do_not_depend_on_threads() {
    fn check<T: Scalar>() {
        let matrix = ball_matrix::<T>(210, 30, 1);
        let stored = gaussian::<T>(130, 270, 9, "case");
        let generated = sinh_tensor::<T>(&[14, 12, 16], 10, 1);
        let tensor = random_tensor::<T>(&[7, 6, 5, 8], 9);
        for (name, method) in methods() {
            let go = || {
                let parameters = || Parameters { max_iterations: 25, ..with(&method) };
                let a = approximate(&matrix, 9, parameters()).unwrap();
                let b = approximate(&stored.transpose(), 9, parameters()).unwrap();
                let random = Parameters { start: Start::Random, seed: 4, ..parameters() };
                let c = approximate(&stored, 9, random).unwrap();
                let parameters = || Parameters { max_iterations: 25, ..with(&method) };
                let d = approximate_tensor(&generated, 5, parameters()).unwrap();
                let e = approximate_tensor(&tensor, 3, parameters()).unwrap();
                let matrices: Vec<_> =
                    [a, b, c].map(|x| (x.factors.u, x.factors.v, x.lower_bound, errors(&x.report))).into();
                let trains: Vec<_> =
                    [d, e].map(|x| (x.factors.cores().to_vec(), x.lower_bound, errors(&x.report))).into();
                (matrices, trains)
            };
            let first = go();
            for threads in [1, 2, 3, 8] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                assert!(pool.install(go) == first, "{} {name} on {threads} threads", T::NAME);
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

fn errors(report: &lowrank::Report) -> Vec<(usize, f64)> {
    report.history.iter().map(|p| (p.iteration, p.error)).chain([(report.iterations, report.error)]).collect()
}

/// The memory layout changes the order of sums at most.
#[test]
fn layouts_agree() {
    fn check<T: Scalar>() {
        for seed in 0..2 {
            let generated = GeneratedMatrix::independent(
                Function::Gaussian,
                ball::<T>(150, 30, 1.0, seed, 0).unwrap(),
                ball::<T>(180, 30, 1.0, seed, 1).unwrap(),
            )
            .unwrap();
            let f = generated.to_dense().unwrap();
            let rows = f.transpose().to_owned();
            let spread = ArrayD::from_shape_fn(vec![300, 540], |k| f[(k[0] / 2, k[1] / 3)]);
            let case = format!("{} 150x180 rank 10 seed {seed}", T::NAME);
            let error = run(f.as_ref(), 10, Parameters::default(), &case).report.error;
            let row_major = run(rows.transpose(), 10, Parameters::default(), &case).report.error;
            let strided = run(every(&spread, 2, 3), 10, Parameters::default(), &case).report.error;
            let tiles = approximate(&generated, 10, Parameters::default()).unwrap();
            let tiles = honest_error(f.as_ref(), &tiles, &case);
            for (name, bar, other) in
                [("row-major", 0.05, row_major), ("strided", 0.05, strided), ("generated", 0.01, tiles)]
            {
                assert!((other - error).abs() <= bar * error, "{case} {name}: {other}, column-major {error}");
            }
        }
        let generated = sinh_tensor::<T>(&[15, 20, 12], 8, 3);
        let f = generated.to_dense().unwrap();
        let permuted = f.view().permuted_axes(vec![2, 0, 1]).as_standard_layout().to_owned();
        let permuted = permuted.permuted_axes(vec![1, 2, 0]);
        assert!(permuted == f && !permuted.is_standard_layout());
        let case = format!("{} sinh 15x20x12 rank 5 seed 3", T::NAME);
        let error = run_tensor(&f, 5, Parameters::default(), &case).report.error;
        let other = run_tensor(&permuted, 5, Parameters::default(), &case).report.error;
        let tiles = approximate_tensor(&generated, 5, Parameters::default()).unwrap();
        honest::<T, _>(&tiles, tensor_error(f.view(), &tiles.factors), &case);
        for (name, bar, other) in [("permuted", 0.05, other), ("generated", 0.02, tiles.report.error)] {
            assert!((other - error).abs() <= bar * error, "{case} {name}: {other}, row-major {error}");
        }
    }
    check::<f64>();
    check::<f32>();
}

fn honest_error<T: Scalar>(f: MatRef<'_, T>, x: &Matrix<T>, case: &str) -> f64 {
    honest::<T, _>(x, matrix_error(f, &x.factors), case);
    x.report.error
}

/// The published program's numbers (n = 512, r = 32, m = 100, from random factors): 0.26 after
/// some 460 steps; and the descent's from the truncated SVD.
#[test]
fn alternating_projections_reproduce_the_published_error() {
    let (n, m, rank) = (512, 100, 32);
    let (mut sum, seeds) = (0.0, 2);
    for seed in 0..seeds {
        let f = ball_matrix::<f64>(n, m, seed);
        let method = projections(Projector::Randomized);
        let x = approximate(
            &f,
            rank,
            Parameters { start: Start::Random, seed, lower_bound: false, ..with(&method) },
        )
        .unwrap();
        println!("projections, seed {seed}: {}", x.report);
        assert_eq!(x.report.status, Status::Converged, "seed {seed}");
        assert!((400..=520).contains(&x.report.iterations), "seed {seed}: {} steps", x.report.iterations);
        sum += x.relative_error();
    }
    let mean = sum / seeds as f64;
    assert!((mean - 0.26).abs() <= 0.015, "mean of seeds 0..{seeds}: {mean}");
}

#[test]
fn descent_keeps_its_error() {
    let (n, m, rank, seeds) = (512, 100, 32, 5);
    let errors: Vec<f64> = (0..seeds)
        .map(|seed| {
            let x =
                approximate(&ball_matrix::<f64>(n, m, seed), rank, Parameters { seed, ..Default::default() })
                    .unwrap();
            println!("descent, seed {seed}: {}", x.report);
            x.relative_error()
        })
        .collect();
    let mean = errors.iter().sum::<f64>() / seeds as f64;
    assert!(mean <= 0.168, "mean {mean} of seeds 0..{seeds}: {errors:?}");
}

#[test]
fn descent_keeps_its_error_on_tensors() {
    let mut errors: Vec<f64> = (0..3)
        .map(|seed| {
            let f = sinh_tensor::<f64>(&[48, 48, 48], 10, seed);
            let x = approximate_tensor(&f, 12, Parameters { seed, lower_bound: false, ..Default::default() })
                .unwrap();
            println!("tensor, seed {seed}: {} relative {:.6}", x.report, x.relative_error());
            x.relative_error()
        })
        .collect();
    errors.sort_by(f64::total_cmp);
    assert!(errors[1] <= 0.0019, "seeds 0..3: {errors:?}");
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

        /// Any matrix, any scale, any part of it zero, any start: what always holds does.
        #[test]
        fn matrices(
            m in 1usize..14, n in 1usize..14, part in 0.0f64..=1.0, seed in 0u64..1000, e in -1000i32..1000,
            sparsity in 0usize..4, method in 0usize..4, random in proptest::bool::ANY,
        ) {
            let rank = ((m.min(n) as f64) * part).round() as usize;
            let (name, method) = &methods()[method];
            let case = format!("{m}x{n} rank {rank} seed {seed} times 2^{e} sparsity {sparsity} {name} random {random}");
            let mut f = scaled(gaussian::<f64>(m, n, seed, "case").as_ref(), e);
            for j in 0..n {
                for i in 0..m {
                    if (i * 7 + j * 3) % (sparsity + 1) != 0 {
                        f[(i, j)] = 0.0;
                    }
                }
            }
            let start = if random { Start::Random } else { Start::Svd };
            let x = run(f.as_ref(), rank, Parameters { start, seed, ..with(method) }, &case);
            if !random && *name == "descent" {
                never_worse(scaled(f.as_ref(), -e).as_ref(), rank, method, &case);
            }
            let narrow = Mat::from_fn(m, n, |i, j| scale_by_power_of_two(f[(i, j)], -e) as f32);
            let start = if random { Start::Random } else { Start::Svd };
            run(narrow.as_ref(), rank, Parameters { start, seed, ..with(method) }, &case);
            if rank == m.min(n) && !random {
                prop_assert!(x.relative_error() <= 1e-13, "{}: {}", case, x.relative_error());
            }
        }

        /// The same for tensors of orders 2 to 4.
        #[test]
        fn tensors_of_any_order(
            shape in proptest::collection::vec(1usize..6, 2..5), rank in 1usize..7, seed in 0u64..1000,
            method in 0usize..4, random in proptest::bool::ANY,
        ) {
            let (name, method) = &methods()[method];
            let case = format!("{shape:?} rank {rank} seed {seed} {name} random {random}");
            let f = random_tensor::<f64>(&shape, seed);
            let start = if random { Start::Random } else { Start::Svd };
            run_tensor(&f, rank, Parameters { start, seed, ..with(method) }, &case);
        }
    }
}
