//! The Laplacian in many dimensions, and inverses of Kronecker sums.
//!
//! **Problem.** A = A_1 (+) ... (+) A_d with symmetric A_i (n_i, n_i) and A positive definite, such as
//! -Delta on a grid of n_1 x ... x n_d points: a separated approximation of its inverse, to be used as
//! it is or as a preconditioner.
//!
//! **Method.** With 1/x ~ sum_k w_k exp(-t_k x) on an interval that holds the spectrum of A
//! ([`ExponentialSum`]), A^-1 ~ sum_k w_k exp(-t_k A_1) (x) ... (x) exp(-t_k A_d) (Hackbusch, Khoromskij,
//! "Low-rank Kronecker-product approximation to multi-dimensional nonlocal operators", Computing 76,
//! 2006; Grasedyck, Computing 72, 2004). The exponentials come from the eigenvectors of the A_i.
//!
//! **Cost.** O(sum n_i^3) for the eigenvectors and as much for each of the k terms, k about
//! ln(1/tolerance) ln(8 condition of A) / 10: 24 terms for 1e-8 at n = 64, whatever d is.
//!
//! **Guarantee.** |I - A P|_2 = |I - P A|_2 <= `error` <= tolerance, beside rounding of about
//! eps |A|_2 |A^-1|_2: so |b - A P b|_F <= error |b|_F for every b. P is symmetric positive definite.
//!
//! **Deviations.** The A_i need not be definite, their sum must: they are shifted against each other so
//! that no exponential exceeds 1.

use super::algebra::{square, square_memory};
use super::{ExponentialSum, Separated};
use crate::matrix::{check_finite, frobenius};
use crate::{Error, Result, Scalar, svd};
use faer::Mat;

/// The second difference -d^2/dx^2 (n, n) on n inner points of (0, 1), zero at both ends:
/// (n + 1)^2 times the tridiagonal matrix of -1, 2, -1.
///
/// Its eigenvectors are sin(pi j i / (n + 1)), i = 1, ..., n, its eigenvalues
/// 4 (n + 1)^2 sin^2(pi j / (2 n + 2)).
pub fn second_difference<T: Scalar>(n: usize) -> Mat<T> {
    let scale = (n as f64 + 1.0).powi(2);
    Mat::from_fn(n, n, |i, j| match i.abs_diff(j) {
        0 => T::of(2.0 * scale),
        1 => T::of(-scale),
        _ => T::of(0.0),
    })
}

/// -Delta on the unit cube with zero boundary values, on a grid of `sizes` inner points: the Kronecker
/// sum of [`second_difference`], d terms.
///
/// ```
/// use lowrank::separated::laplacian;
/// let a = laplacian::<f64>(&[64; 10])?; // (64^10, 64^10)
/// assert_eq!(a.separation_rank(), 10);
/// assert!((a.entry(&[5; 10], &[5; 10])? / (20.0 * 65.0 * 65.0) - 1.0).abs() < 1e-14);
/// # lowrank::Result::Ok(())
/// ```
///
/// # Errors
/// [`Error::Shape`] for no mode; [`Error::TooLarge`]; [`Error::Parameter`] when the norm overflows.
pub fn laplacian<T: Scalar>(sizes: &[usize]) -> Result<Separated<T>> {
    square_memory::<T>(sizes, sizes.len())?;
    Separated::kronecker_sum(&sizes.iter().map(|&n| second_difference(n)).collect::<Vec<_>>())
}

/// A separated approximation of an inverse.
#[derive(Debug, Clone)]
pub struct ApproximateInverse<T: Scalar> {
    /// P, of the shapes of A.
    pub inverse: Separated<T>,
    /// |I - A P|_2 is at most this, but for rounding.
    pub error: f64,
    /// The smallest and the largest eigenvalue of A.
    pub spectrum: (f64, f64),
}

/// The inverse of the Kronecker sum of `factors`, to `tolerance`; see the head of the file.
///
/// ```
/// use lowrank::{faer::Mat, separated::{Separated, inverse_of_kronecker_sum, laplacian, second_difference}};
/// let p = inverse_of_kronecker_sum(&[second_difference::<f64>(20), second_difference(20)], 1e-8)?;
/// let a = laplacian(&[20, 20])?;
/// let b = Separated::from_terms(vec![vec![Mat::full(20, 1, 1.0), Mat::full(20, 1, 1.0)]])?;
/// let x = p.inverse.times(&b)?;
/// assert!(a.times(&x)?.distance(&b)? <= 1e-8 * b.frobenius()?);
/// # lowrank::Result::Ok(())
/// ```
///
/// # Errors
/// [`Error::Shape`] for no factor and for one that is empty or not square; [`Error::NonFinite`] with
/// `[factor, row, column]`; [`Error::Parameter`] for a factor that is not symmetric, a sum that is not
/// positive definite or has a condition number above 1e15, and a tolerance outside [1e-13, 0.5].
pub fn inverse_of_kronecker_sum<T: Scalar>(
    factors: &[Mat<T>],
    tolerance: f64,
) -> Result<ApproximateInverse<T>> {
    let shapes: Vec<_> = factors.iter().map(|f| f.shape()).collect();
    let sizes = square("factors", &shapes)?;
    if factors.is_empty() || sizes.contains(&0) {
        let expected = "at least one factor and no empty one is needed".to_string();
        return Err(Error::Shape { argument: "factors", expected, found: sizes });
    }
    let eigen = |(k, factor): (usize, &Mat<T>)| {
        check_finite("factors", factor).map_err(|e| e.within(k))?;
        eigen(factor)
    };
    let modes: Vec<Eigen> = factors.iter().enumerate().map(eigen).collect::<Result<_>>()?;
    let bottom: f64 = modes.iter().map(|m| m.values.iter().fold(f64::INFINITY, |a, b| a.min(*b))).sum();
    let top: f64 = modes.iter().map(|m| m.values.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b))).sum();
    if !(bottom > 0.0) {
        let value = format!("Kronecker sum with the eigenvalue {bottom:e}");
        return Err(Error::Parameter { name: "factors", value, remedy: "it must be positive definite" });
    }
    let sum = ExponentialSum::reciprocal(bottom, top, tolerance)?;
    let exponential = |mode: &Eigen, t: f64| {
        let least = mode.values.iter().fold(f64::INFINITY, |a, b| a.min(*b));
        let shift = least - bottom / modes.len() as f64; // the shifts add up to 0
        let n = mode.values.len();
        let scaled = Mat::from_fn(n, n, |i, j| mode.vectors[(i, j)] * (-t * (mode.values[j] - shift)).exp());
        let product = &scaled * mode.vectors.transpose();
        Mat::from_fn(n, n, |i, j| T::of(0.5 * (product[(i, j)] + product[(j, i)])))
    };
    let mut terms = Vec::with_capacity(sum.weights.len());
    for (&w, &t) in sum.weights.iter().zip(&sum.exponents) {
        let mut term: Vec<Mat<T>> = modes.iter().map(|mode| exponential(mode, t)).collect();
        term[0] *= faer::Scale(T::of(w));
        terms.push(term);
    }
    let inverse = Separated::from_terms(terms)?;
    Ok(ApproximateInverse { inverse, error: sum.error, spectrum: (bottom, top) })
}

/// Eigenvalues and orthonormal eigenvectors of a symmetric matrix.
struct Eigen {
    values: Vec<f64>,
    vectors: Mat<f64>,
}

/// By the singular value decomposition of A + |A|_F I, which is positive semidefinite.
fn eigen<T: Scalar>(a: &Mat<T>) -> Result<Eigen> {
    let n = a.nrows();
    let norm = frobenius(a);
    let skew = Mat::from_fn(n, n, |i, j| (a[(i, j)] - a[(j, i)]).as_f64());
    if frobenius(skew.as_ref()) > 16.0 * T::EPS * norm {
        let value = format!("matrix with |A - A'|_F = {:e}", frobenius(skew.as_ref()));
        return Err(Error::Parameter { name: "factors", value, remedy: "symmetric factors are needed" });
    }
    let shifted = Mat::from_fn(n, n, |i, j| {
        0.5 * (a[(i, j)].as_f64() + a[(j, i)].as_f64()) + if i == j { norm } else { 0.0 }
    });
    let f = svd::dense(&shifted)?;
    Ok(Eigen { values: f.s.iter().map(|s| s - norm).collect(), vectors: f.u })
}
