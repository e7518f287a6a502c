//! The expected error of a sampled product.
//!
//! **Problem.** The root of E|A B - C|_F^2 for a sampled product C, before it is drawn.
//!
//! **Method.** With x_k = |A_k| |B_k|, the norm of term k, and s samples:
//!
//! | scheme | E\|A B - C\|_F^2 | |
//! | --- | --- | --- |
//! | with replacement | (sum x_k^2 / p_k - \|A B\|_F^2) / s | exact (Drineas, Kannan, Mahoney 2006, lemma 3) |
//! | uniform, without | n (n - s) / (s (n - 1)) (sum x_k^2 - \|A B\|_F^2 / n) | exact (simple random sampling) |
//! | other, without | at most 2 sum (1/pi_k - 1) x_k^2 | see below |
//!
//! The last row: for a fixed number of indices the error is 1/2 sum_{k,l} (pi_k pi_l - pi_kl)
//! |y_k - y_l|^2 with y_k = A_k B_k' / pi_k (Sen, Yates, Grundy 1953); the pivotal method has
//! pi_kl <= pi_k pi_l, |y_k - y_l|^2 <= 2 |y_k|^2 + 2 |y_l|^2, and the sum over l != k of
//! pi_k pi_l - pi_kl is pi_k (1 - pi_k).
//!
//! **Cost.** O((m + p) n) without |A B|_F, that of the full product with it.
//!
//! **Guarantee.** What leaves out |A B|_F^2 is an upper bound, good wherever the error is large
//! beside |A B|_F. The exact values are roots of differences, so relative errors below 1e-7 (f64;
//! 1e-3 in f32) are rounding. With s >= n without replacement all are 0.
//!
//! **Deviations.** None.

use super::Sampling;
use super::design::Design;
use super::sampled::Terms;
use crate::matrix::{AsMatrix, frobenius, product_into, slice_norm, zeros};
use crate::{Result, Scalar};

/// The root of the expected squared error of a sampled product, or an upper bound of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ErrorBound {
    /// sqrt(E|A B - C|_F^2), or a bound of it, in the unit of A times that of B.
    pub absolute: f64,
    /// The same over |A|_F |B|_F; 0 where that is 0.
    pub relative: f64,
    /// Whether it is the exact value; otherwise an upper bound.
    pub exact: bool,
}

/// The expected error of [`super::sampled`] for these parameters: exact with replacement and for
/// uniform sampling, an upper bound otherwise (see [`ErrorBound::exact`]). Computes the full
/// product for it, O(m n p).
///
/// # Errors
/// Those of [`super::sampled`].
///
/// ```
/// use lowrank::{faer::Mat, matmul::{Probabilities, Sampling, expected_error}};
/// // Both terms are alike, so any of them gives the product; with replacement too.
/// let ones = Mat::<f64>::full(2, 2, 1.0);
/// for replacement in [false, true] {
///     let sampling =
///         Sampling { samples: 1, probabilities: Probabilities::Uniform, replacement, seed: 0 };
///     let error = expected_error(ones.as_ref(), ones.as_ref(), &sampling)?;
///     assert!(error.exact && error.absolute < 1e-6);
/// }
/// # lowrank::Result::Ok(())
/// ```
pub fn expected_error<T: Scalar>(
    a: impl AsMatrix<T>,
    b: impl AsMatrix<T>,
    sampling: &Sampling<'_>,
) -> Result<ErrorBound> {
    let (a, b) = (a.as_matrix(), b.as_matrix());
    let terms = Terms::new(a, b)?;
    let design = Design::new(terms.a.matrix(), terms.b.matrix(), &terms.norms(), sampling)?;
    let mut product = zeros(a.nrows(), b.ncols())?;
    product_into(product.as_mut(), terms.a.matrix(), terms.b.matrix());
    Ok(ErrorBound::new(&design, &terms, Some(frobenius(product.as_ref()))))
}

impl ErrorBound {
    /// `norm` is |A B|_F in the unit of the terms, where it is known.
    pub(super) fn new<T: Scalar>(design: &Design, terms: &Terms<'_, T>, norm: Option<f64>) -> Self {
        let (left, right) = (slice_norm(&terms.left), slice_norm(&terms.right));
        let whole = left * right;
        if whole == 0.0 {
            return Self { absolute: 0.0, relative: 0.0, exact: true };
        }
        // Terms and product relative to |A|_F |B|_F, so that no square overflows.
        let squares = || terms.norms().into_iter().map(|x| (x / whole) * (x / whole));
        let product = norm.map_or(0.0, |norm| (norm / whole) * (norm / whole));
        let (n, s) = (design.p.len() as f64, design.samples as f64);
        let mut exact = norm.is_some();
        let squared = if design.inclusion.is_empty() {
            let sum: f64 = squares().zip(&design.p).filter(|(x, _)| *x > 0.0).map(|(x, p)| x / p).sum();
            (sum - product) / s
        } else if design.inclusion.iter().all(|pi| *pi == 1.0 || *pi == 0.0) {
            exact = true;
            0.0
        } else if design.uniform {
            n * (n - s) / (s * (n - 1.0)) * (squares().sum::<f64>() - product / n)
        } else {
            exact = false;
            let missed = |(x, pi): (f64, &f64)| if *pi > 0.0 { (1.0 / pi - 1.0) * x } else { 0.0 };
            2.0 * squares().zip(&design.inclusion).map(missed).sum::<f64>()
        };
        let relative = squared.max(0.0).sqrt();
        let e = terms.a.exponent + terms.b.exponent;
        let absolute = crate::matrix::scale_by_power_of_two(relative * whole, e);
        Self { absolute, relative, exact }
    }
}
