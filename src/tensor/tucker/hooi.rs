//! Higher-order orthogonal iteration: a Tucker decomposition of given ranks, improved.
//!
//! **Problem.** A (n_1, ..., n_d) and ranks: a core and orthonormal factors with |A - X|_F locally
//! least.
//!
//! **Method.** De Lathauwer, De Moor, Vandewalle, "On the best rank-1 and rank-(R_1, ..., R_N)
//! approximation of higher-order tensors", SIAM J. Matrix Anal. Appl. 21 (2000); Kolda, Bader (2009),
//! figure 4.4: in turn, U_k becomes the leading left singular vectors of the unfolding of mode k of A
//! projected on all other bases, which is the best U_k for them. Starts from [`hosvd`](super::hosvd()).
//!
//! **Cost.** An iteration takes 2 N r flops for each mode and as many for the error. Memory as the
//! start, and two sets of factors.
//!
//! **Guarantee.** The decomposition returned has the least error seen, measured from the residual:
//! never above that of the start, so a tolerance that the start keeps is kept. Converged: an
//! iteration lowered the error by no more than `tolerance` |A|_F. It need not be the global minimum.
//!
//! **Deviations.** The paper stops when |G|_F no longer grows, a difference that cancels where the
//! error is below sqrt(eps) |A|_F; here the error itself is measured. A rank above what the other
//! ranks permit falls to it, at no loss.

use super::hosvd::{Hosvd, Parts, Problem, relative};
use super::ranks::Ranks;
use super::representation::{Factors, Tucker};
use crate::matrix::scale_by_power_of_two;
use crate::tensor::mode_product::product_along;
use crate::tensor::triangle::left_singular;
use crate::{Error, Progress, Report, Result, Scalar, Status};
use faer::Mat;
use ndarray::{ArrayD, ArrayViewD};
use std::time::Instant;

/// Parameters of [`hooi`].
#[derive(Debug, Clone, PartialEq)]
pub struct Hooi {
    /// The start, and the modes that are compressed.
    pub start: Hosvd,
    /// Largest number of iterations.
    pub max_iterations: usize,
    /// Ends when an iteration lowers |A - X|_F by no more than this fraction of |A|_F.
    pub tolerance: f64,
}

impl Default for Hooi {
    /// From the sequentially truncated HOSVD of all modes, 50 iterations, tolerance 1e-8.
    fn default() -> Self {
        Self { start: Hosvd::default(), max_iterations: 50, tolerance: 1e-8 }
    }
}

/// What [`hooi`] found.
#[derive(Debug, Clone)]
pub struct HooiFit<T: Scalar> {
    /// The decomposition with the least error seen.
    pub tucker: Tucker<T>,
    /// How it went; `error` is |A - X|_F, measured from the residual.
    pub report: Report,
    /// |A - X|_F / |A|_F; 0 for A = 0.
    pub relative_error: f64,
    /// |A - X|_F of the start.
    pub start_error: f64,
    /// The bound of the start's error, see [`Compressed::bound`](super::Compressed), which holds for this one too.
    pub bound: f64,
}

/// Tucker decomposition at the ranks that [`hosvd`](super::hosvd()) gives for `ranks`, with an error
/// that is not larger.
///
/// # Errors
/// Those of [`hosvd`](super::hosvd()); [`Error::Parameter`] for a negative or non-finite tolerance.
///
/// ```
/// use lowrank::ndarray::ArrayD;
/// use lowrank::tensor::tucker::{Hooi, Ranks, hooi};
/// let a = ArrayD::from_shape_fn(vec![10, 11, 12], |i| ((i[0] * i[1] + 3 * i[2]) % 7) as f64);
/// let x = hooi(a.view(), &Ranks::Fixed(vec![3, 3, 3]), &Hooi::default())?;
/// assert!(x.report.error <= x.start_error && x.start_error <= x.bound * (1.0 + 1e-12));
/// println!("{}", x.report);
/// # lowrank::Result::Ok(())
/// ```
pub fn hooi<T: Scalar>(a: ArrayViewD<'_, T>, ranks: &Ranks, parameters: &Hooi) -> Result<HooiFit<T>> {
    let clock = Instant::now();
    if !(parameters.tolerance >= 0.0 && parameters.tolerance.is_finite()) {
        let remedy = "give a finite tolerance of at least 0";
        let value = parameters.tolerance.to_string();
        return Err(Error::Parameter { name: "tolerance", value, remedy });
    }
    let (modes, problem) = Problem::checked(a, ranks, &parameters.start)?;
    let Parts { mut core, mut factors, tails } = problem.decompose(&modes, ranks, &parameters.start)?;
    let modes: Vec<usize> = modes.into_iter().filter(|mode| factors[*mode].is_some()).collect();
    let (start_error, norm) = problem.distance(&core, &factors)?;
    let back = |x: f64| scale_by_power_of_two(x, problem.e);
    let progress =
        |iteration, error| Progress { iteration, seconds: clock.elapsed().as_secs_f64(), error: back(error) };
    let (mut error, mut iterations, mut status) = (start_error, 0, Status::IterationLimit);
    let mut history = vec![progress(0, error)];
    while iterations < parameters.max_iterations {
        if problem.a.is_empty() || modes.is_empty() || error == 0.0 {
            status = Status::Converged;
            break;
        }
        iterations += 1;
        let (next_core, next_factors) = iterate(&problem, &modes, &factors)?;
        let next = problem.distance(&next_core, &next_factors)?.0;
        let gain = error - next;
        if next < error {
            (core, factors, error) = (next_core, next_factors, next);
            history.push(progress(iterations, error));
        }
        if gain <= parameters.tolerance * norm {
            // Above the best by more than that: rounding errors have stopped it.
            status = if gain >= -parameters.tolerance * norm { Status::Converged } else { Status::Stagnated };
            break;
        }
    }
    let bound = tails.iter().fold(0.0, |sum, tail| f64::hypot(sum, *tail));
    let report =
        Report { status, iterations, error: back(error), history, seconds: clock.elapsed().as_secs_f64() };
    Ok(HooiFit {
        relative_error: relative(error, norm),
        start_error: back(start_error),
        bound: back(bound),
        tucker: problem.unscaled(core, factors)?,
        report,
    })
}

/// One round over the modes: a core and factors of 2^-e A.
fn iterate<T: Scalar>(
    problem: &Problem<'_, T>,
    modes: &[usize],
    factors: &[Option<Mat<T>>],
) -> Result<(ArrayD<T>, Factors<T>)> {
    let mut factors = factors.to_vec();
    let mut core = None;
    for (k, &mode) in modes.iter().enumerate() {
        let y = problem.projected(&factors, Some(mode))?; // (r_1, ..., n_k, ..., r_d)
        let (mut left, s) = left_singular(y.view(), mode, 0)?;
        let rank = factors[mode].as_ref().map_or(0, |u| u.ncols()).min(s.len());
        left.resize_with(left.nrows(), rank, |_, _| T::of(0.0));
        if k + 1 == modes.len() {
            core = Some(product_along(y.view(), left.transpose(), mode)?);
        }
        factors[mode] = Some(left);
    }
    let core = match core {
        Some(core) => core,
        None => problem.projected(&factors, None)?,
    };
    Ok((core, factors))
}
