//! The nearest sum of Kronecker products of two factors.
//!
//! **Problem.** A (m_1 m_2, n_1 n_2), stored, shapes (m_1, n_1), (m_2, n_2) and a separation rank s,
//! fixed, by tolerance or by a budget: M = sum_k lambda_k M_k^(1) (x) M_k^(2) with |A - M|_F as
//! small as possible.
//!
//! **Method.** |A - M|_F = |R(A) - sum_k lambda_k vec(M_k^(1)) vec(M_k^(2))'|_F for the rearrangement
//! R of Van Loan and Pitsianis (Approximation with Kronecker products, 1993), so that the
//! truncated SVD of R(A) (m_1 n_1, m_2 n_2) is the answer: a dense one, or a randomized one, that
//! reads A in place ([`Rearranged`]): a block [`krylov`] space for a given s, [`adaptive`] growth
//! for a tolerance.
//!
//! **Cost.** Dense: a copy of A, and O(m n min(m_1 n_1, m_2 n_2)). Randomized: 2 (q + 1) products of
//! 2 m n (s + oversampling) flops, q = 2 or 3 being `iterations`, and for the error one more of 2 m n s;
//! memory 2 (q + 1) (s + oversampling) (m_1 n_1 + m_2 n_2) numbers, and no copy of A.
//!
//! **Guarantee.** The error is measured from the residual of the very terms returned. Dense: at most
//! 1 + 1e-12 times the smallest possible, in double precision, to rounding of eps |A|_F. Randomized
//! with the default parameters: at most 1.005 times, also where the singular values of R(A) do not
//! decay at all (Gaussian matrices, the worst case; seen: 1.0044). With a tolerance t the error is at
//! most t |A|_F + g eps |A|_F, g the larger side of R(A); the dense path then has the fewest terms
//! possible. Terms are orthonormal in both factors: the condition number is 1 to g eps.
//!
//! **Deviations.** The paper uses Lanczos bidiagonalization.

use super::{Separated, SeparationRank};
use crate::kronecker::{Rearranged, RearrangedMatrix};
use crate::matrix::{AsMatrix, excess, exponent, scale_by_power_of_two, slice_norm};
use crate::operator::stored_product;
use crate::svd::{Adaptive, Krylov, Rank, Svd, adaptive, dense, krylov};
use crate::{Operator, Result, Scalar};
use faer::Mat;

/// Exponents up to which sums of products neither overflow nor lose digits.
const MODERATE: i32 = 40;

/// One iteration fewer is enough where this many times the terms do not exceed what there can be.
const FEW: usize = 48;

/// How [`nearest`] finds the singular vectors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Nearest {
    /// By a dense SVD: the best sum to rounding.
    Dense,
    /// In a random block Krylov space; for a tolerance by a basis that grows, with `iterations`
    /// power iterations. Where the space would have 3/4 of all dimensions it is the dense one.
    Randomized {
        /// Columns of a block beyond the terms.
        oversampling: usize,
        /// Krylov steps after the first block; where none is said, 2 for at most 1/48 of the terms
        /// that there can be, or a tolerance, and else 3.
        iterations: Option<usize>,
        /// Seed of the first block.
        seed: u64,
    },
}

impl Default for Nearest {
    /// Randomized with oversampling 4, 2 or 3 iterations, seed 0.
    fn default() -> Self {
        Nearest::Randomized { oversampling: 4, iterations: None, seed: 0 }
    }
}

/// What [`nearest`] found.
#[derive(Debug, Clone)]
pub struct NearestSum<T: Scalar> {
    /// The sum M.
    pub separated: Separated<T>,
    /// |A - M|_F, measured.
    pub error: f64,
    /// |A|_F.
    pub norm: f64,
    /// sqrt(sum lambda_k^2) / |M|_F: 1 to rounding.
    pub condition_number: f64,
    /// Singular values of R(A): all of them after a dense SVD, else those of the terms, none of which
    /// exceeds the true one.
    pub singular_values: Vec<T>,
    /// The smallest error that any s terms have, where all singular values are known.
    pub optimum: Option<f64>,
}

impl<T: Scalar> NearestSum<T> {
    /// |A - M|_F / |A|_F; 0 for a matrix that is zero.
    pub fn relative_error(&self) -> f64 {
        if self.norm > 0.0 { self.error / self.norm } else { 0.0 }
    }
}

/// The sum of at most `rank` Kronecker products of these shapes that is nearest to `a`.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) when the products of the shapes are not the shape of `a`;
/// [`Error::NonFinite`](crate::Error::NonFinite) with (row, column);
/// [`Error::Rank`](crate::Error::Rank) for a fixed rank above that of any R(A);
/// [`Error::Parameter`](crate::Error::Parameter) for a tolerance outside [0, 1] or a singular value
/// that exceeds the largest number.
///
/// ```
/// use lowrank::{faer::Mat, separated::{Nearest, SeparationRank, nearest}};
/// // f(x - y) on a square grid of points is nearly separable
/// let at = |k: usize| [(k / 8) as f64 / 8.0, (k % 8) as f64 / 8.0];
/// let a = Mat::from_fn(64, 64, |i, j| {
///     let (x, y) = (at(i), at(j));
///     1.0 / (1.0 + (x[0] - y[0]).powi(2) + (x[1] - y[1]).powi(2))
/// });
/// let found = nearest(&a, [(8, 8), (8, 8)], SeparationRank::Tolerance(1e-3), Nearest::default())?;
/// assert!(found.relative_error() <= 1e-3);
/// assert!(found.separated.separation_rank() <= 4);
/// # lowrank::Result::Ok(())
/// ```
pub fn nearest<T: Scalar>(
    a: &(impl AsMatrix<T> + ?Sized),
    shapes: [(usize, usize); 2],
    rank: SeparationRank,
    method: Nearest,
) -> Result<NearestSum<T>> {
    let rearranged = Rearranged::new(a, &shapes)?;
    let r = rearranged.operator()?;
    let limit = rank.limit(&shapes)?;
    let (svd, all) = match method {
        Nearest::Dense => through_dense(&r, rank, limit)?,
        Nearest::Randomized { oversampling, iterations, seed } => match rank {
            SeparationRank::Tolerance(tolerance) => {
                let power_iterations = iterations.unwrap_or(2);
                let parameters = Adaptive { tolerance, power_iterations, seed, ..Default::default() };
                (adaptive(&r, &parameters)?.svd, None)
            }
            _ => {
                let few = limit <= SeparationRank::largest(&shapes) / FEW;
                let iterations = iterations.unwrap_or(if few { 2 } else { 3 });
                let parameters = Krylov { oversampling, block: None, iterations, seed };
                (krylov(&r, limit, &parameters)?, None)
            }
        },
    };
    let optimum = all.as_ref().map(|s| slice_norm(&s[svd.rank()..]));
    let singular_values = all.unwrap_or_else(|| svd.s.clone());
    let separated = Separated::new(shapes.to_vec(), svd.s, vec![svd.u, svd.v])?;
    let (error, norm) = residual(&r, &separated);
    let condition_number = condition_number(&separated);
    Ok(NearestSum { separated, error, norm, condition_number, singular_values, optimum })
}

/// The dense SVD, truncated, and all singular values.
fn through_dense<T: Scalar>(
    r: &RearrangedMatrix<'_, T>,
    rank: SeparationRank,
    limit: usize,
) -> Result<(Svd<T>, Option<Vec<T>>)> {
    let svd = dense(r.to_dense()?)?;
    let all = svd.s.clone();
    let rank = match rank {
        SeparationRank::Tolerance(t) => Rank::Tolerance(t).choose(&all)?,
        _ => limit,
    };
    Ok((svd.truncate(rank), Some(all)))
}

/// |A - M|_F, from the residual, and |A|_F.
fn residual<T: Scalar>(r: &RearrangedMatrix<'_, T>, sum: &Separated<T>) -> (f64, f64) {
    let lambda = sum.lambda();
    let shift = excess(exponent(r.largest()), MODERATE);
    let (first, second) = (&sum.modes()[0], &sum.modes()[1]);
    let weight = |k: usize| scale_by_power_of_two(lambda[k], -shift);
    let left = Mat::from_fn(first.nrows(), lambda.len(), |x, k| first[(x, k)] * weight(k)); // (m_1 n_1, s)
    let (error, norm) = r.residual(left.as_ref(), second.as_ref(), shift);
    (scale_by_power_of_two(error, shift), scale_by_power_of_two(norm, shift))
}

/// gamma from the inner products of the terms in double precision; they are orthonormal: no digits are lost, in
/// O(s^2 (m_1 n_1 + m_2 n_2)).
fn condition_number<T: Scalar>(sum: &Separated<T>) -> f64 {
    let Some(top) = sum.lambda().first().map(|top| top.as_f64()) else { return 1.0 };
    let gram = |mode: &Mat<T>| {
        let wide = Mat::from_fn(mode.nrows(), mode.ncols(), |i, k| mode[(i, k)].as_f64());
        stored_product(wide.as_ref(), wide.as_ref(), true)
    };
    let [first, second] = [0, 1].map(|i| gram(&sum.modes()[i]));
    let lambda: Vec<f64> = sum.lambda().iter().map(|x| x.as_f64() / top).collect();
    let (mut terms, mut total) = (0.0, 0.0);
    for (k, x) in lambda.iter().enumerate() {
        terms += x * x;
        let row = lambda.iter().enumerate().map(|(l, y)| y * first[(l, k)] * second[(l, k)]);
        total += x * row.sum::<f64>();
    }
    (terms / total).sqrt()
}
