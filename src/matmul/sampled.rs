//! The product of two matrices from a sample of the inner index.
//!
//! **Problem.** A (m, n) and B (n, p), stored: an unbiased estimate of A B from s of the n terms
//! A_k B_k' (column k of A times row k of B).
//!
//! **Method.** Drineas, Kannan, Mahoney, "Fast Monte Carlo algorithms for matrices I:
//! approximating matrix multiplication", SIAM Journal on Computing 36 (2006), algorithm
//! BasicMatrixMultiplication; without replacement with the weights of Horvitz and Thompson, see
//! [`Sampling`]. An index drawn several times is multiplied once.
//!
//! **Cost.** 2 m p s flops, O((m + p) n) for norms and checks, (m + p) s numbers of memory besides
//! the result. Uniform sampling needs the norms for the bound only.
//!
//! **Guarantee.** E C = A B entrywise, to rounding, for every scheme (terms below 1e-90 |A|_F
//! |B|_F may count as zero). The expected squared error obeys [`ErrorBound`]: at most
//! |A|_F |B|_F / sqrt(s) in the root mean square for sampling by norms with replacement, and at
//! most sqrt(2) of that without. A single product is not covered by a mean: its error exceeds t
//! times the bound with probability at most 1/t^2 (Chebyshev). The error falls as 1/sqrt(s) only:
//! for more than two digits use low-rank factors. Results depend on the seed and not on the
//! number of threads.
//!
//! **Deviations.** Sampling without replacement is not in the source.

use super::dense::{moderate_product, same_inner};
use super::design::Design;
use super::{ErrorBound, Sampling};
use crate::matrix::{AsMatrix, Moderate, zeros};
use crate::{Error, Result, Scalar};
use faer::{Mat, MatRef};

/// A sampled product.
#[derive(Debug, Clone)]
pub struct Sampled<T: Scalar> {
    /// The estimate of A B, (m, p).
    pub product: Mat<T>,
    /// The inner indices taken, increasing, each once.
    pub indices: Vec<usize>,
    /// Their weights: the product is the sum of weight times A_k B_k' over the indices.
    pub weights: Vec<f64>,
    /// An upper bound of the root of the expected squared error.
    pub bound: ErrorBound,
}

/// An unbiased estimate of A B for `a` (m, n) and `b` (n, p) from `sampling.samples` inner
/// indices. O(m p s + (m + p) n), and a singular value decomposition for leverage scores.
///
/// # Errors
/// [`Error::Shape`] when the inner sizes differ, or for a wrong number of probabilities;
/// [`Error::NonFinite`] for NaN and infinities; [`Error::Parameter`] for no samples, for
/// probabilities that are negative or miss a term, for weights or results that exceed the
/// largest number of the type; [`Error::TooLarge`] when the result cannot be addressed.
///
/// ```
/// use lowrank::{faer::Mat, matmul::{Sampling, sampled}, matrix::frobenius};
/// let a = Mat::from_fn(30, 500, |i, k| 1.0 / (1.0 + i as f64 + k as f64));
/// let b = Mat::from_fn(500, 20, |k, j| 1.0 / (2.0 + j as f64 + k as f64));
/// let c = sampled(a.as_ref(), b.as_ref(), &Sampling { samples: 100, ..Default::default() })?;
/// assert_eq!((c.product.shape(), c.indices.len()), ((30, 20), 100));
/// let error = frobenius((&a * &b - &c.product).as_ref());
/// assert!(error <= 3.0 * c.bound.absolute);
/// # lowrank::Result::Ok(())
/// ```
pub fn sampled<T: Scalar>(
    a: impl AsMatrix<T>,
    b: impl AsMatrix<T>,
    sampling: &Sampling<'_>,
) -> Result<Sampled<T>> {
    estimate(a.as_matrix(), b.as_matrix(), sampling)
}

fn estimate<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>, sampling: &Sampling<'_>) -> Result<Sampled<T>> {
    let terms = Terms::new(a, b)?;
    let mut product = zeros(a.nrows(), b.ncols())?;
    let (left, right) = (terms.a.matrix(), terms.b.matrix());
    let design = Design::new(left, right, &terms.norms(), sampling)?;
    let (indices, weights) = design.draw(sampling.seed);
    let bound = ErrorBound::new(&design, &terms, None);
    // Weights are shared by both sides in powers of two, so that neither side overflows.
    let balance: Vec<i32> = indices
        .iter()
        .zip(&weights)
        .map(|(&k, w)| {
            let ratio = (terms.right[k] / terms.left[k] / w).log2();
            if ratio.is_finite() { (0.5 * ratio).round() as i32 } else { 0 }
        })
        .collect();
    let factor: Vec<f64> = weights.iter().zip(&balance).map(|(w, e)| w * 2.0_f64.powi(*e)).collect();
    let back: Vec<f64> = balance.iter().map(|e| 2.0_f64.powi(-e)).collect();
    let columns = Mat::from_fn(a.nrows(), indices.len(), |i, t| {
        T::of(left[(i, indices[t])].as_f64() * factor[t]) // (m, s)
    });
    let rows = Mat::from_fn(indices.len(), b.ncols(), |t, j| {
        T::of(right[(indices[t], j)].as_f64() * back[t]) // (s, p)
    });
    let too_small = |_| Error::Parameter {
        name: "probabilities",
        value: "with a weight that overflows".into(),
        remedy: "the smallest probabilities are too small for the terms they belong to",
    };
    let columns = Moderate::of(columns, terms.a.exponent).map_err(too_small)?;
    let rows = Moderate::of(rows, terms.b.exponent).map_err(too_small)?;
    moderate_product(product.as_mut(), &columns, &rows)?;
    Ok(Sampled { product, indices, weights, bound })
}

/// The checked matrices and the norms of their columns and rows.
pub(super) struct Terms<'a, T: Scalar> {
    pub(super) a: Moderate<'a, T>,
    pub(super) b: Moderate<'a, T>,
    /// Norms of the columns of A, over 2^(exponent of A).
    pub(super) left: Vec<f64>,
    /// Norms of the rows of B, over 2^(exponent of B).
    pub(super) right: Vec<f64>,
}

impl<'a, T: Scalar> Terms<'a, T> {
    pub(super) fn new(a: MatRef<'a, T>, b: MatRef<'a, T>) -> Result<Self> {
        same_inner(a, b)?;
        let (a, b) = (Moderate::new("a", a)?, Moderate::new("b", b)?);
        let (left, right) = (column_norms(a.matrix()), column_norms(b.matrix().transpose()));
        Ok(Self { a, b, left, right })
    }

    /// |A_k| |B_k|, in the same unit.
    pub(super) fn norms(&self) -> Vec<f64> {
        self.left.iter().zip(&self.right).map(|(x, y)| x * y).collect()
    }
}

/// The Euclidean norms of the columns of a matrix of moderate size, in one pass.
fn column_norms<T: Scalar>(x: MatRef<'_, T>) -> Vec<f64> {
    let mut sums = vec![0.0; x.ncols()];
    let by_columns = x.try_as_col_major().is_some() || x.transpose().try_as_col_major().is_none();
    crate::matrix::visit_lanes(x, |outer, values| {
        if by_columns {
            sums[outer] = values.iter().map(|x| x.as_f64() * x.as_f64()).sum();
        } else {
            sums.iter_mut().zip(values).for_each(|(sum, x)| *sum += x.as_f64() * x.as_f64());
        }
    });
    sums.iter_mut().for_each(|x| *x = x.sqrt());
    sums
}
