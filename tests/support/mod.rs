//! What the tests share: measures in ratios of machine precision, inputs, and the checks that every
//! public function passes.
#![allow(dead_code)] // each test program compiles the whole and uses a part

use lowrank::faer::{Mat, MatRef};
use lowrank::matrix::{exponent, frobenius, max_norm, scale_by_power_of_two, scaled};
use lowrank::operator::Functions;
use lowrank::random::gaussian;
use lowrank::svd::Svd;
use lowrank::{Error, LowRank, Operator, Scalar};
use std::fmt::Debug;

/// max(m, n, 1) eps, the unit of what rounding may do to a matrix (m, n).
pub fn g<T: Scalar>(m: usize, n: usize) -> f64 {
    m.max(n).max(1) as f64 * T::EPS
}

/// The smallest positive number is 2^this.
pub fn smallest<T: Scalar>() -> i32 {
    if T::NAME == "f32" { -149 } else { -1074 }
}

/// The same numbers in double precision.
pub fn wide<T: Scalar>(a: MatRef<'_, T>) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)].as_f64())
}

/// |Q'Q - I|_F / g.
pub fn omega<T: Scalar>(q: &Mat<T>, g: f64) -> f64 {
    let q = wide(q.as_ref());
    frobenius((q.transpose() * &q - Mat::<f64>::identity(q.ncols(), q.ncols())).as_ref()) / g
}

/// The worse [`omega`] of U and V.
pub fn omega_of_svd<T: Scalar>(svd: &Svd<T>) -> f64 {
    let (m, n) = svd.shape();
    omega(&svd.u, g::<T>(m, n)).max(omega(&svd.v, g::<T>(m, n)))
}

/// |A - L R'|_F / (|A|_F g), short of the absolute precision `grain` of one stored number
/// (which matters for subnormal results only); everything scaled by 2^-e first.
pub fn beta<T: Scalar>(
    a: MatRef<'_, T>,
    left: &Mat<f64>,
    right: MatRef<'_, f64>,
    e: i32,
    g: f64,
    numbers: usize,
) -> f64 {
    let a = wide(scaled(a, -e).as_ref());
    let residual = frobenius((&a - left * right.transpose()).as_ref());
    let grain = scale_by_power_of_two(0.5, smallest::<T>() - e) * (numbers as f64).sqrt();
    let norm = frobenius(a.as_ref());
    if residual <= grain { 0.0 } else { (residual - grain) / (norm * g) }
}

/// [`beta`] of an SVD.
pub fn beta_of_svd<T: Scalar>(a: MatRef<'_, T>, svd: &Svd<T>, g: f64) -> f64 {
    let e = exponent(max_norm(a));
    beta(a, &weighted(svd, e), wide(svd.v.as_ref()).as_ref(), e, g, svd.rank())
}

/// |A - U diag(s) V'|_F in double precision, for A of moderate size.
pub fn error<T: Scalar>(a: MatRef<'_, T>, svd: &Svd<T>) -> f64 {
    frobenius((wide(a) - weighted(svd, 0) * wide(svd.v.as_ref()).transpose()).as_ref())
}

/// U diag(2^-e s).
fn weighted<T: Scalar>(svd: &Svd<T>, e: i32) -> Mat<f64> {
    let mut left = wide(svd.u.as_ref());
    for (k, s) in svd.s.iter().enumerate() {
        let s = scale_by_power_of_two(s.as_f64(), -e);
        left.col_as_slice_mut(k).iter_mut().for_each(|x| *x *= s);
    }
    left
}

/// The root of the sum of squares of nonincreasing numbers.
pub fn tail(s: &[f64]) -> f64 {
    s.iter().rev().map(|s| s * s).sum::<f64>().sqrt()
}

/// Whether the singular values are nonincreasing and nonnegative.
pub fn sorted<T: Scalar>(svd: &Svd<T>) -> bool {
    svd.s.is_sorted_by(|x, y| x >= y) && svd.s.iter().all(|s| *s >= T::of(0.0))
}

/// 1, ratio, ratio^2, ...
pub fn geometric(ratio: f64, count: i32) -> Vec<f64> {
    (0..count).map(|i| ratio.powi(i)).collect()
}

/// Gaussian factors of a matrix (m, n) of rank r.
pub fn low_rank<T: Scalar>(m: usize, n: usize, r: usize, seed: u64) -> LowRank<T> {
    LowRank { u: gaussian(m, r, seed, "u"), v: gaussian(n, r, seed, "v") }
}

/// The matrix as an operator that can be applied and no more.
pub fn functions<T: Scalar>(a: MatRef<'_, T>) -> impl Operator<T> {
    let apply = move |b: MatRef<'_, T>| a * b;
    Functions { shape: a.shape(), apply, apply_transpose: move |b: MatRef<'_, T>| a.transpose() * b }
}

/// NaN and the infinities, each at the first, a middle and the last place of an array.
pub fn bad_places<const D: usize>(shape: [usize; D]) -> impl Iterator<Item = (f64, [usize; D])> {
    let places = [[0; D], shape.map(|n| n / 2), shape.map(|n| n - 1)];
    [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].into_iter().flat_map(move |bad| places.map(|at| (bad, at)))
}

/// Checks that the result is the error which names this argument and place.
pub fn non_finite<R: Debug>(result: Result<R, Error>, argument: &str, at: &[usize], case: &str) {
    match result {
        Err(Error::NonFinite { argument: named, index }) => {
            assert_eq!((named, &index[..]), (argument, at), "{case}");
        }
        other => panic!("{argument} {at:?}: {case}: {other:?}"),
    }
}

/// Checks that a computation gives the same bits on any number of threads (bar 16).
pub fn same_on_any_threads<R: PartialEq + Send>(case: &str, run: impl Fn() -> R + Sync) {
    let first = run();
    for threads in [1, 2, 3, 8] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert!(pool.install(&run) == first, "{case} on {threads} threads");
    }
}
