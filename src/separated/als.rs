//! Alternating least squares for sums of Kronecker products, the condition number held.
//!
//! **Problem.** A matrix A (m_1 ... m_d, n_1 ... n_d), stored, and the shapes (m_i, n_i) of the factors:
//! M = sum_k lambda_k M_k^(1) (x) ... (x) M_k^(d) of s terms with |A - M|_F small and
//! gamma = sqrt(sum lambda_k^2) / |M|_F <= bound. The same as the canonical decomposition of the tensor
//! (m_1 n_1, ..., m_d n_d) that A is by rearrangement.
//!
//! **Method.** Sweeps over the modes, each a least-squares problem under the bound (Beylkin, Mohlenkamp
//! 2005; [`super::sweep`] in the sources). Between sweeps all factors are moved on along their last
//! step (Nesterov's weights, Mitchell, Ye, De Sterck, Numer. Linear Algebra Appl. 27, 2020), which is
//! taken back where the error does not fall. For a tolerance terms are added by fitting the residual;
//! once it is met the smallest are left out again, a quarter of them at first, then half as many and so
//! on, while a few sweeps bring the others back to it.
//!
//! **Cost.** A sweep: 4 N s flops in matrix products, N the entries of A, and O(s^2 sum m_i n_i + d s^3);
//! memory N + (the numbers of half of the modes) s numbers.
//!
//! **Guarantee.** Always gamma <= bound (bounds of up to about 1 / sqrt(s eps); a start above the bound
//! is first brought under it). The error never rises from sweep to sweep and is measured from the
//! residual. For d >= 3 the problem may have no solution at all: then gamma grows without end if no bound
//! stops it, which is reported as [`Status::Degenerate`](crate::Status::Degenerate); a long stretch of slow progress that was left
//! again, a swamp, is reported too. A minimum found is a local one, and the number of terms found for a
//! tolerance need not be the least: exponential sums, as for 1 / (1 + x_1 + ... + x_d), are swamps, where
//! about twice as many come out. Leaving terms out saves a tenth of them, for a third more sweeps.
//!
//! **Deviations.** The regularisation is found by bisection and multiplied to the best length, see
//! [`super::sweep`]; the extrapolation is not in the source.

use super::descent;
use super::stored::{Stored, rearranged};
use super::sweep::Rules;
use super::{Separated, SeparationRank};
use crate::matrix::{AsMatrix, exponent, largest_finite, scale_by_power_of_two};
use crate::report::Watch;
use crate::{Error, Report, Result, Scalar};
use rayon::prelude::*;

/// Where alternating least squares start.
#[derive(Debug, Clone, Default)]
pub enum FitStart<T: Scalar> {
    /// Orthonormal bases of the leading directions of each mode, found by one random product, and
    /// random directions from their span where there are fewer than terms (the default).
    #[default]
    Leading,
    /// Random factors.
    Random,
    /// A representation of these shapes; for a fixed rank only its largest terms are used.
    Warm(Separated<T>),
}

/// Parameters of [`als`] and [`super::reduce`].
#[derive(Debug, Clone)]
pub struct Als<'a, T: Scalar> {
    /// How many terms; the default is the tolerance 1e-6.
    pub rank: SeparationRank,
    /// The largest gamma allowed, at least 1.01; infinity for no control. 1000 by default.
    pub condition_bound: f64,
    /// Sweeps end when the error falls by less than this fraction a sweep, over ten sweeps.
    pub progress: f64,
    /// Largest number of sweeps.
    pub max_iterations: usize,
    /// Largest number of seconds (wall clock); infinite by default. A sweep under way is completed.
    pub max_seconds: f64,
    /// Seed of every random choice.
    pub seed: u64,
    /// Where it starts.
    pub start: FitStart<T>,
    /// Whether factors are extrapolated between sweeps.
    pub extrapolate: bool,
    /// Told of every sweep, with the error of the best terms so far; may ask to stop.
    pub callback: Watch<'a>,
}

impl<T: Scalar> Default for Als<'_, T> {
    fn default() -> Self {
        Self {
            rank: SeparationRank::Tolerance(1e-6),
            condition_bound: 1000.0,
            progress: 1e-6,
            max_iterations: 1000,
            max_seconds: f64::INFINITY,
            seed: 0,
            start: FitStart::default(),
            extrapolate: true,
            callback: Watch::default(),
        }
    }
}

/// A separated representation that was fitted.
#[derive(Debug, Clone)]
pub struct Fitted<T: Scalar> {
    /// The representation M, the best one seen.
    pub separated: Separated<T>,
    /// How it went. `error` is |A - M|_F, from the residual; in `history` errors over about 1e-4 |A|_F
    /// are evaluated from inner products, to six digits. `Converged`: the tolerance is met,
    /// or for a given number of terms the progress has ended; `Stagnated`: a tolerance
    /// was not met and more terms do not help; `Degenerate`: the terms grow against each
    /// other without end.
    pub report: Report,
    /// |A|_F.
    pub norm: f64,
    /// gamma of the representation.
    pub condition_number: f64,
    /// gamma at each point of `report.history`.
    pub condition_history: Vec<f64>,
    /// Sweeps in the longest swamp: a stretch in which the error fell by less than one percent a sweep,
    /// and after which it fell to less than half (or at which the run was cut off by a limit).
    pub swamp: usize,
}

impl<T: Scalar> Fitted<T> {
    /// |A - M|_F / |A|_F; 0 for A = 0.
    pub fn relative_error(&self) -> f64 {
        if self.norm > 0.0 { self.report.error / self.norm } else { 0.0 }
    }
}

impl<T: Scalar> Als<'_, T> {
    pub(crate) fn check(&self) -> Result<()> {
        let wrong =
            |name, value: f64, remedy| Err(Error::Parameter { name, value: value.to_string(), remedy });
        if !(self.condition_bound >= 1.01) {
            let remedy = "a single term has gamma = 1: pass a bound of at least 1.01, infinity for none";
            return wrong("condition_bound", self.condition_bound, remedy);
        }
        if !(self.progress >= 0.0 && self.progress < 1.0) {
            return wrong("progress", self.progress, "pass a number of at least 0 and below 1");
        }
        if !(self.max_seconds >= 0.0) {
            let remedy = "give a number of seconds that is not negative (infinity for no limit)";
            return wrong("max_seconds", self.max_seconds, remedy);
        }
        Ok(())
    }
}

/// Fits a matrix A (m_1 ... m_d, n_1 ... n_d) by a sum of Kronecker products of factors (m_i, n_i),
/// d >= 1, by alternating least squares with the condition number held.
///
/// A tensor (p_1, ..., p_d) is the matrix (p_1 ... p_d, 1), first index slowest, with shapes (p_i, 1).
/// For d = 2 the singular value decomposition of the rearranged matrix gives the optimum.
///
/// # Errors
/// [`Error::NonFinite`] with the position; [`Error::Shape`] where shapes and matrix do not fit;
/// [`Error::Parameter`]; [`Error::Rank`] for more terms than every matrix of these shapes needs.
///
/// ```
/// use lowrank::separated::{Als, SeparationRank, als};
/// use lowrank::faer::Mat;
/// // sin(x + y + z) on a grid has separation rank 3 (2 with complex factors)
/// let a = Mat::from_fn(1000, 1, |i, _| ((i / 100 + (i / 10) % 10 + i % 10) as f64).sin());
/// let parameters = Als { rank: SeparationRank::Tolerance(1e-10), ..Default::default() };
/// let fit = als(&a, &[(10, 1); 3], &parameters)?;
/// assert!(fit.relative_error() <= 1e-10 && fit.condition_number <= 1000.0);
/// # lowrank::Result::Ok(())
/// ```
pub fn als<T: Scalar>(
    a: impl AsMatrix<T>,
    shapes: &[(usize, usize)],
    parameters: &Als<'_, T>,
) -> Result<Fitted<T>> {
    let a = a.as_matrix();
    parameters.check()?;
    let limit = parameters.rank.limit(shapes)?;
    let zero = Separated::<T>::zeros(shapes.to_vec())?;
    if zero.shape()? != a.shape() {
        let (m, n) = zero.shape()?;
        let expected = format!("({m}, {n}) is needed for factors of the shapes {shapes:?}");
        return Err(Error::Shape { argument: "a", expected, found: vec![a.nrows(), a.ncols()] });
    }
    let e = exponent(largest_finite("a", a)?);
    let sizes = shapes.iter().map(|&(m, n)| m * n).collect();
    let mut entries = rearranged(a, shapes);
    entries.par_iter_mut().for_each(|x| *x = scale_by_power_of_two(*x, -e));
    let mut target = Stored::new(sizes, &entries);
    let rules = Rules::free(shapes.len(), parameters.condition_bound);
    descent::fit(&mut target, shapes, parameters, &rules, limit, 1, e)
}
