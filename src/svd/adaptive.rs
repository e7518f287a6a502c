//! Randomized singular value decomposition to a tolerance: the rank is found.
//!
//! **Problem.** A (m, n), stored, generated, sparse, or only applied to vectors, and t: a small
//! rank k and U, s, V with |A - U diag(s) V'|_F <= t |A|_F.
//!
//! **Method.** A basis Q grows by blocks of l columns (Martinsson, Voronin, "A randomized blocked
//! algorithm for efficiently computing rank-revealing factorizations of matrices", SIAM J. Sci.
//! Comput. 38 (2016); Yu, Gu, Li, "Efficient randomized algorithms for the fixed-precision
//! low-rank matrix approximation", SIAM J. Matrix Anal. Appl. 39 (2018)): with B = Q'A and a fresh
//! Gaussian Omega (n, l), Y = (A - Q B) Omega tells the error, since E|Y|_F^2 = l |A - Q B|_F^2,
//! and then is the next block, after q power iterations with every half-step orthonormalised.
//! At the end the SVD of B, truncated to the smallest rank that keeps the tolerance.
//!
//! **Cost.** 2 q + 2 products with A a block, 2 m n l flops each; where the entries are at hand
//! 2 to 3 passes of 2 m n k flops to measure. Memory (m + n) k numbers besides A.
//!
//! **Guarantee.** Where the entries of A are at hand ([`Entries`](crate::Entries),
//! [`Csr`](crate::operator::Csr)), |A - U diag(s) V'|_F is measured from the residual, entry by
//! entry, for the very factors returned. [`Status::Converged`] says that it is at most
//! t |A|_F + max(m, n) eps |A|_F. Of an operator whose entries are unknown the error is bounded
//! through Y, which is independent of Q B: |A - Q B|_F <= |Y|_F / sqrt(l c) except with
//! probability (c e^(1 - c))^(l/2) (Laurent, Massart, Ann. Statist. 28 (2000), in Chernoff's form),
//! c being such that all bounds of a run hold but for the probability `failure`; |A|_F is replaced
//! by |B|_F, which is never larger. No error is a difference of squares, so tolerances down to
//! eps are found. The rank is near the smallest possible where q >= 1, and not proved to be.
//!
//! **Deviations.** The papers subtract |B|_F^2 from |A|_F^2, which is blind below sqrt(eps). Where
//! the basis would reach 3/4 min(m, n) columns the dense SVD is taken.

use super::blocks::{extension, svd_in_span};
use super::dense::columns_times;
use super::rank::smallest_rank;
use super::source::{Source, with_dense};
use super::{Rank, Svd, dense, orthonormal_basis};
use crate::matrix::{frobenius, scale_by_power_of_two};
use crate::operator::stored_product;
use crate::random::gaussian_columns;
use crate::{Error, Operator, Progress, Report, Result, Scalar, Status};
use faer::{Mat, MatRef};
use std::time::Instant;

/// Parameters of [`adaptive`].
#[derive(Debug, Clone)]
pub struct Adaptive {
    /// t: the error allowed over |A|_F, in [0, 1].
    pub tolerance: f64,
    /// Columns of a block, at least 1. For operators with unknown entries small blocks make the
    /// bound loose: at a failure of 1e-6 about 5 times the estimate with 16 columns, 3 with 32.
    pub block: usize,
    /// Power iterations of each block: 0 is fastest a block, 1 or 2 find smaller ranks.
    pub power_iterations: usize,
    /// The largest rank; `None` for min(m, n).
    pub max_rank: Option<usize>,
    /// Probability, in (0, 1), that the error of an operator with unknown entries is above the
    /// one reported.
    pub failure: f64,
    /// Seed of the Gaussian blocks.
    pub seed: u64,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self { tolerance: 1e-6, block: 16, power_iterations: 1, max_rank: None, failure: 1e-6, seed: 0 }
    }
}

/// What an error rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// Measured from the residual, entry by entry.
    Measured,
    /// An upper bound that fails with the probability asked at most.
    Probable,
}

/// What [`adaptive`] found.
#[derive(Debug, Clone)]
pub struct AdaptiveSvd<T: Scalar> {
    /// The decomposition; its rank is the one found.
    pub svd: Svd<T>,
    /// How it went. `error` is |A - U diag(s) V'|_F or a bound of it, see `certificate`; the
    /// history holds the errors of the growing basis as estimated from Y, one a block. `Converged`:
    /// the tolerance is kept. `IterationLimit`: the largest rank was reached first. `Stagnated`:
    /// at full rank rounding errors exceed the tolerance.
    pub report: Report,
    /// What `report.error` rests on.
    pub certificate: Certificate,
    /// |A|_F; with a probable certificate the lower bound |Q'A|_F.
    pub norm: f64,
}

/// Truncated SVD with |A - U diag(s) V'|_F <= `tolerance` |A|_F, of a rank that is found.
///
/// # Errors
/// [`Error::Parameter`] for a tolerance outside [0, 1], an empty block, a probability outside
/// (0, 1); [`Error::Rank`] when `max_rank` > min(m, n); [`Error::NonFinite`] as for
/// [`randomized`](super::randomized).
///
/// ```
/// use lowrank::{Status, faer::Mat, svd::{Adaptive, adaptive}};
/// let a = Mat::from_fn(300, 200, |i, j| 1.0 / (1.0 + i as f64 + j as f64));
/// let found = adaptive(&a, &Adaptive { tolerance: 1e-8, ..Default::default() })?;
/// assert_eq!(found.report.status, Status::Converged);
/// assert!(found.svd.error(a.as_ref())? <= 1e-8 * found.norm);
/// assert!(found.svd.rank() < 20);
/// # lowrank::Result::Ok(())
/// ```
pub fn adaptive<T: Scalar, K>(
    a: &(impl Operator<T, K> + ?Sized),
    parameters: &Adaptive,
) -> Result<AdaptiveSvd<T>> {
    let start = Instant::now();
    let (m, n) = a.shape();
    let most = check(m.min(n), parameters)?;
    let mut source = Source::new(a)?;
    let (mut q, mut b) = (Mat::<T>::zeros(m, 0), Mat::<T>::zeros(n, 0)); // (m, k), A'Q (n, k)
    let (mut history, mut measured_norm) = (Vec::new(), None);
    let block = parameters.block.min(m.min(n));
    let slack = m.max(n) as f64 * T::EPS;
    let c = chi_square_fraction(parameters, m.min(n));
    let finish = |found: Found<T>, shift: i32, history: Vec<Progress>| {
        let back = |x: f64| scale_by_power_of_two(x, shift);
        let Found { svd, error, norm, certificate, full } = found;
        let status = match error <= (parameters.tolerance + slack) * norm {
            true => Status::Converged,
            false if full => Status::Stagnated,
            false => Status::IterationLimit,
        };
        let (iterations, seconds) = (history.len(), start.elapsed().as_secs_f64());
        let report = Report { status, iterations, error: back(error), history, seconds };
        AdaptiveSvd { svd, report, certificate, norm: back(norm) }
    };
    loop {
        let k = q.ncols();
        if most > 0 && 4 * (k + block) >= 3 * m.min(n) && k < most || m.min(n) == 0 {
            return Ok(finish(through_dense(a, parameters.tolerance, most)?, 0, history));
        }
        let omega = gaussian_columns(n, k..k + block, parameters.seed, "adaptive svd"); // (n, block)
        let mut y =
            if k == 0 { source.first_product(omega.as_ref()) } else { source.product(omega.as_ref()) }?;
        subtract(&mut y, q.as_ref(), stored_product(b.as_ref(), omega.as_ref(), true).as_ref());
        if k == 0 {
            measured_norm = source.residual_norm(q.as_ref(), b.as_ref())?;
        }
        let estimate = frobenius(y.as_ref()) / (block as f64).sqrt();
        let norm = measured_norm.unwrap_or_else(|| frobenius(b.as_ref()));
        let error = scale_by_power_of_two(estimate, source.shift());
        history.push(Progress {
            iteration: history.len() + 1,
            seconds: start.elapsed().as_secs_f64(),
            error,
        });
        let limits = Limits { target: parameters.tolerance * norm, slack: 0.5 * slack * norm };
        let bound = if measured_norm.is_some() { None } else { Some(estimate / c.sqrt()) };
        let promising = bound.unwrap_or(estimate / 1.3) <= limits.target + limits.slack;
        if promising || k >= most {
            let (certificate, outside) = match bound {
                Some(bound) => (Certificate::Probable, bound),
                None => (Certificate::Measured, residual_norm(&source, q.as_ref(), b.as_ref())?),
            };
            // Nothing taken from Q B' is nearer to A than all of it.
            if outside <= limits.target + limits.slack || k >= most {
                let found = truncated_to(&source, q.as_ref(), b.as_ref(), (certificate, outside), limits)?;
                if found.error <= limits.target + limits.slack || k >= most {
                    let mut found = Found { norm, full: k == m.min(n), ..found };
                    source.scale_back(&mut found.svd.s)?;
                    return Ok(finish(found, source.shift(), history));
                }
            }
        }
        let width = block.min(most - k);
        let new =
            improved(&source, q.as_ref(), b.as_ref(), y.subcols(0, width), parameters.power_iterations)?;
        let image = source.transposed_product(new.as_ref())?; // (n, width)
        append(&mut q, new.as_ref());
        append(&mut b, image.as_ref());
    }
}

/// An SVD with its error, and |A|_F, both of the scaled matrix.
struct Found<T: Scalar> {
    svd: Svd<T>,
    error: f64,
    norm: f64,
    certificate: Certificate,
    full: bool,
}

/// The error wanted, and what is granted to rounding.
#[derive(Clone, Copy)]
struct Limits {
    target: f64,
    slack: f64,
}

/// Checks the parameters; gives the largest rank.
fn check(largest: usize, p: &Adaptive) -> Result<usize> {
    let bad = |name, value: String, remedy| Err(Error::Parameter { name, value, remedy });
    if !(0.0..=1.0).contains(&p.tolerance) {
        return bad("tolerance", p.tolerance.to_string(), "pass a number between 0 and 1");
    }
    if p.block == 0 {
        return bad("block", "0".into(), "a block has at least one column");
    }
    if !(p.failure > 0.0 && p.failure < 1.0) {
        return bad("failure", p.failure.to_string(), "pass a probability between 0 and 1, both excluded");
    }
    match p.max_rank {
        Some(rank) if rank > largest => Err(Error::Rank { rank, largest }),
        rank => Ok(rank.unwrap_or(largest)),
    }
}

/// The c in (0, 1) with (c e^(1 - c))^(l/2) = failure / (number of bounds in a run), by bisection.
fn chi_square_fraction(p: &Adaptive, largest: usize) -> f64 {
    let block = p.block.min(largest.max(1));
    let bounds = largest.div_ceil(block) + 2;
    let wanted = 2.0 / block as f64 * (p.failure / bounds as f64).ln();
    let (mut low, mut high) = (f64::MIN_POSITIVE, 1.0);
    for _ in 0..1100 {
        let middle = if low < 0.5 * high { (low * high).sqrt() } else { 0.5 * (low + high) };
        if middle.ln() + 1.0 - middle <= wanted { low = middle } else { high = middle }
    }
    low
}

/// The dense SVD, truncated to the tolerance and the largest rank, with its measured error.
fn through_dense<T: Scalar, K>(
    a: &(impl Operator<T, K> + ?Sized),
    tolerance: f64,
    most: usize,
) -> Result<Found<T>> {
    with_dense(a, |a| {
        let svd = dense(a)?;
        let rank = Rank::Tolerance(tolerance).choose(&svd.s)?;
        let svd = svd.truncate(rank.min(most));
        let (error, norm) = (svd.error(a)?, frobenius(a));
        let full = svd.rank() == rank;
        Ok(Found { svd, error, norm, certificate: Certificate::Measured, full })
    })
}

/// |A - L R'|_F of the scaled matrix; infinite where it cannot be measured.
fn residual_norm<T: Scalar, K, O: Operator<T, K> + ?Sized>(
    source: &Source<'_, T, K, O>,
    left: MatRef<'_, T>,
    right: MatRef<'_, T>,
) -> Result<f64> {
    Ok(source.residual_norm(left, right)?.unwrap_or(f64::INFINITY))
}

/// The SVD of Q B' truncated to the smallest rank within the limits (all of it where even that
/// exceeds them) with its error: measured, or from the bound `outside` of |A - Q B'|_F.
fn truncated_to<T: Scalar, K, O: Operator<T, K> + ?Sized>(
    source: &Source<'_, T, K, O>,
    q: MatRef<'_, T>,
    b: MatRef<'_, T>,
    (certificate, outside): (Certificate, f64),
    limits: Limits,
) -> Result<Found<T>> {
    let svd = svd_in_span(q, b, q.ncols())?;
    // |A - Q B_k|^2 = |A - Q B|^2 + |B - B_k|^2, since the columns of A - Q B are orthogonal to Q.
    let (mut rank, mut error) = smallest_rank(&svd.s, outside, limits.target);
    if certificate == Certificate::Measured {
        let measure = |rank: usize| {
            let left = columns_times(svd.u.subcols(0, rank), |k| svd.s[k]);
            residual_norm(source, left.as_ref(), svd.v.subcols(0, rank))
        };
        error = measure(rank)?;
        if error > limits.target + limits.slack && rank < svd.rank() {
            rank = svd.rank();
            error = measure(rank)?;
        }
    }
    Ok(Found { svd: svd.truncate(rank), error, norm: 0.0, certificate, full: false })
}

/// The next block of the basis: `y`, after power iterations of the residual, orthonormal.
fn improved<T: Scalar, K, O: Operator<T, K> + ?Sized>(
    source: &Source<'_, T, K, O>,
    q: MatRef<'_, T>,
    b: MatRef<'_, T>,
    y: MatRef<'_, T>,
    power_iterations: usize,
) -> Result<Mat<T>> {
    let mut new = extension(q, y)?;
    for _ in 0..power_iterations {
        // new is orthogonal to Q, so that (A - Q B')' new = A' new.
        let w = orthonormal_basis(source.transposed_product(new.as_ref())?.as_ref())?; // (n, width)
        let mut y = source.product(w.as_ref())?;
        subtract(&mut y, q, stored_product(b, w.as_ref(), true).as_ref());
        new = extension(q, y.as_ref())?;
    }
    Ok(new)
}

/// y -= q c.
fn subtract<T: Scalar>(y: &mut Mat<T>, q: MatRef<'_, T>, c: MatRef<'_, T>) {
    if q.ncols() > 0 {
        *y -= stored_product(q, c, false);
    }
}

fn append<T: Scalar>(q: &mut Mat<T>, new: MatRef<'_, T>) {
    let k = q.ncols();
    q.resize_with(q.nrows(), k + new.ncols(), |i, j| new[(i, j - k)]);
}
