//! Canonical decompositions of tensors with missing entries.
//!
//! **Problem.** Some entries of A (n_1, ..., n_d), by a mask or as a list: X of R terms with
//! |W * (A - X)|_F^2 + ridge w sum lambda_k^2 small, W = 1 where A is observed and 0 elsewhere, w the part
//! of the entries that is observed. What the others hold plays no part.
//!
//! **Method.** Alternating least squares with weights (Tomasi, Bro, PARAFAC and missing values, Chemom.
//! Intell. Lab. Syst. 75, 2005; Acar, Dunlavy, Kolda, Morup, 2011): the rows of a factor are independent
//! problems of R unknowns. Their slopes come from matrix products with the residual of the observed
//! entries, their normal matrices from products with the weights, which are kept while the factors hardly
//! move; where less than an eighth is observed both are summed over the list of entries. Between sweeps
//! all factors are moved on along their last step (Nesterov's weights), which is taken back where that
//! does not help.
//!
//! **Cost.** A sweep: 10 N R flops in three passes, N the entries of A, and R^3 / 3 for each row; one in
//! which a unit column has moved by up to 0.03 since the last such one, 2 N R (R + 1) more. Memory: about
//! R (R + 5) / 2 times the numbers of half of the modes. A row-major tensor with a largest entry between
//! 2^-300 and 2^300 (`f32`: 2^-30 and 2^30), and a row-major mask, are read in place, others copied once. As a
//! list of m entries: d m R (R + d) flops a sweep, 2 d m indices.
//!
//! **Guarantee.** What is minimized never rises from sweep to sweep. The error is that over the observed
//! entries and is measured from the residual. A minimum found is a local one, and a small error there
//! says little of the missing entries unless each row of each factor has a good deal more than R
//! observations: hold some back ([`super::rank_choice`]). A row without any is zero, and listed.
//!
//! **Deviations.** The first eleven sweeps (not of a warm start) have a ridge that fades, from w: without
//! it terms grow against each other in the gaps. Later steps are damped by rounding errors only, so that
//! rows with fewer observations than unknowns keep, in the directions left open, what they had; steps
//! with kept normal matrices by the square of how far the factors have moved.

use super::Cp;
use super::als::{check_size, too_large_weights};
use super::filled::Filled;
use super::masked_sweep::run;
use super::observed::{Listed, Observed};
use crate::matrix::{exponent, scale_by_power_of_two};
use crate::separated::target::Terms;
use crate::separated::{FitStart, SeparationRank};
use crate::tensor::dense::{check_order, limit, size};
use crate::{Error, Report, Result, Scalar};
use ndarray::{ArrayView2, ArrayViewD, Zip};
use std::time::Instant;

/// Parameters of [`cp_masked`] and [`cp_samples`].
#[derive(Debug, Clone)]
pub struct Masked<T: Scalar> {
    /// The number of terms, R.
    pub rank: usize,
    /// Weight of the sum of the squared lambdas beside the squared error, 0 by default. It holds the
    /// condition number down, and rows with too few observations near zero.
    pub ridge: f64,
    /// The search ends where the error is at most this part of the norm of the observed entries.
    pub tolerance: f64,
    /// It also ends when what is minimized falls by less than this fraction a sweep, over ten sweeps.
    pub progress: f64,
    /// Largest number of sweeps.
    pub max_iterations: usize,
    /// Largest number of seconds (wall clock); infinite by default. A sweep under way is completed.
    pub max_seconds: f64,
    /// Seed of every random choice.
    pub seed: u64,
    /// Where it starts; leading directions are those of the tensor with zeros in the gaps. A warm start
    /// has modes (n_i, 1), as a [`Cp`] has; its R largest terms are used, no others are added to fewer, and
    /// one without terms is none.
    pub start: FitStart<T>,
    /// Whether factors are extrapolated between sweeps.
    pub extrapolate: bool,
}

impl<T: Scalar> Default for Masked<T> {
    /// Rank 1, no ridge, tolerance 0 (to rounding errors), progress 1e-6, 1000 sweeps, seed 0, leading
    /// directions, extrapolated.
    fn default() -> Self {
        Self {
            rank: 1,
            ridge: 0.0,
            tolerance: 0.0,
            progress: 1e-6,
            max_iterations: 1000,
            max_seconds: f64::INFINITY,
            seed: 0,
            start: FitStart::default(),
            extrapolate: true,
        }
    }
}

/// A decomposition fitted to some of the entries.
#[derive(Debug, Clone)]
pub struct MaskedFit<T: Scalar> {
    /// The decomposition, the best one seen.
    pub cp: Cp<T>,
    /// How it went. `error` is that over the observed entries, from the residual. `Converged`: the
    /// tolerance is met, or the progress has ended.
    pub report: Report,
    /// The norm of the observed entries.
    pub norm: f64,
    /// gamma of the decomposition.
    pub condition_number: f64,
    /// How many entries are observed.
    pub observed: usize,
    /// The (mode, index) of slices of A without an observed entry: their rows of the factors are zero.
    pub unobserved: Vec<(usize, usize)>,
}

impl<T: Scalar> MaskedFit<T> {
    /// The error over the norm, both of the observed entries; 0 where those are zero.
    pub fn relative_error(&self) -> f64 {
        if self.norm > 0.0 { self.report.error / self.norm } else { 0.0 }
    }
}

/// Fits the entries of `a` where `mask` is true. The others may be anything, NaN too.
///
/// # Errors
/// [`Error::Shape`] for order 0 and a mask of another shape; [`Error::NonFinite`] with the position of
/// an observed entry; [`Error::Parameter`], also where no entry of a tensor that is not empty is
/// observed; [`Error::Rank`] for more terms than any tensor of this shape needs; [`Error::TooLarge`].
///
/// ```
/// use lowrank::ndarray::ArrayD;
/// use lowrank::tensor::cp::{Masked, cp_masked};
/// let full = ArrayD::from_shape_fn(vec![6, 7, 8], |i| ((1 + i[0]) * (2 + i[1]) * (3 + i[2])) as f64);
/// let mask = ArrayD::from_shape_fn(vec![6, 7, 8], |i| (i[0] + 2 * i[1] + 3 * i[2]) % 4 > 0);
/// let mut a = full.clone();
/// a.zip_mut_with(&mask, |x, seen| if !seen { *x = f64::NAN });
/// let x = cp_masked(a.view(), mask.view(), &Masked { rank: 1, ..Default::default() })?;
/// assert!(x.cp.error(full.view())? < 1e-12 * x.norm); // also where nothing was known
/// # lowrank::Result::Ok(())
/// ```
pub fn cp_masked<T: Scalar>(
    a: ArrayViewD<'_, T>,
    mask: ArrayViewD<'_, bool>,
    parameters: &Masked<T>,
) -> Result<MaskedFit<T>> {
    // From a thread of the pool products are handed out sooner.
    rayon::scope(|_| fit(a, mask, parameters))
}

/// [`cp_masked`].
fn fit<T: Scalar>(
    a: ArrayViewD<'_, T>,
    mask: ArrayViewD<'_, bool>,
    parameters: &Masked<T>,
) -> Result<MaskedFit<T>> {
    let started = Instant::now();
    check_order(&a)?;
    if mask.shape() != a.shape() {
        let expected = format!("the shape {:?} of `a` is needed", a.shape());
        return Err(Error::Shape { argument: "mask", expected, found: mask.shape().to_vec() });
    }
    parameters.check(a.shape())?;
    let zero = T::of(0.0);
    let (observed, largest, finite) =
        Zip::from(&a).and(&mask).fold((0, zero, true), |(observed, largest, finite), x, seen| {
            let x = if *seen { num_traits::Float::abs(*x) } else { zero };
            let largest = if x > largest { x } else { largest };
            (observed + usize::from(*seen), largest, finite & num_traits::Float::is_finite(x))
        });
    let shape = a.shape();
    let seen = || a.iter().zip(&mask).enumerate().filter(|(_, (_, seen))| **seen);
    if !finite && let Some((place, _)) = seen().find(|(_, (x, _))| !num_traits::Float::is_finite(**x)) {
        return Err(Error::NonFinite { argument: "a", index: index_of(place, shape) });
    }
    if observed == 0 && !a.is_empty() {
        let remedy = "one entry at least has to be observed";
        return Err(Error::Parameter { name: "mask", value: "false everywhere".into(), remedy });
    }
    let e = exponent(largest);
    let sizes: Vec<usize> = shape.iter().rev().copied().collect();
    if 8 * observed < a.len() || a.is_empty() {
        let reversed = |place| index_of(place, shape).into_iter().rev();
        let points = seen().flat_map(|(place, _)| reversed(place)).collect();
        let values = seen().map(|(_, (x, _))| *x).collect();
        return finished(&mut Listed::new(&sizes, points, values, e), parameters, e, observed, started);
    }
    let e = if e.abs() <= limit::<T>() { 0 } else { e };
    let mask = mask.as_standard_layout();
    let mask = mask.as_slice().unwrap_or(&[]);
    let copy: Vec<T>;
    let entries = match a.as_slice().filter(|_| e == 0) {
        Some(entries) => entries,
        None => {
            size::<T>(shape, "a copy of the tensor")?;
            let scaled = |(x, seen): (&T, &bool)| if *seen { scale_by_power_of_two(*x, -e) } else { zero };
            copy = a.iter().zip(mask).map(scaled).collect();
            &copy
        }
    };
    finished(&mut Filled::new(&sizes, entries, mask), parameters, e, observed, started)
}

/// Fits `values` at the rows of `points` (m, d), indices of a tensor of this shape. A point given
/// twice counts twice.
///
/// # Errors
/// [`Error::Shape`] for an empty shape, a row that is no index, no samples, or values that are not one a
/// row; [`Error::NonFinite`] with the position; [`Error::Parameter`]; [`Error::Rank`];
/// [`Error::TooLarge`].
///
/// ```
/// use lowrank::ndarray::array;
/// use lowrank::tensor::cp::{Masked, cp_samples};
/// // Seven of the twelve entries of (1, 2, 3) o (1, 10) o (1, -1)
/// let points = array![[0, 0, 0], [1, 0, 0], [2, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [2, 1, 0]];
/// let values = [1.0, 2.0, 3.0, 10.0, -1.0, -20.0, 30.0];
/// let x = cp_samples(&[3, 2, 2], points.view(), &values, &Masked::default())?;
/// assert!((x.cp.entry(&[2, 1, 1])? + 30.0_f64).abs() < 1e-6); // not among them
/// # lowrank::Result::Ok(())
/// ```
pub fn cp_samples<T: Scalar>(
    shape: &[usize],
    points: ArrayView2<'_, usize>,
    values: &[T],
    parameters: &Masked<T>,
) -> Result<MaskedFit<T>> {
    let started = Instant::now();
    crate::tensor::train::check_samples(shape, points, values)?;
    parameters.check(shape)?;
    let largest =
        values.iter().fold(T::of(0.0), |x, y| num_traits::Float::max(x, num_traits::Float::abs(*y)));
    let e = exponent(largest);
    let sizes: Vec<usize> = shape.iter().rev().copied().collect();
    let reversed = points.rows().into_iter().flat_map(|row| row.into_iter().rev().copied()).collect();
    let mut target = Listed::new(&sizes, reversed, values.to_vec(), e);
    finished(&mut target, parameters, e, values.len(), started)
}

/// The multi-index of a place in row-major order.
fn index_of(mut place: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, n) in index.iter_mut().zip(shape).rev() {
        (*i, place) = (place % n, place / n);
    }
    index
}

/// Runs the search on modes in reversed order and puts them right.
fn finished<T: Scalar>(
    target: &mut dyn Observed<T>,
    parameters: &Masked<T>,
    e: i32,
    observed: usize,
    started: Instant,
) -> Result<MaskedFit<T>> {
    let warm = match &parameters.start {
        FitStart::Warm(start) if start.separation_rank() > 0 => {
            let mut terms = Terms::of(start, parameters.rank, -e);
            terms.modes.reverse();
            Some(terms)
        }
        _ => None,
    };
    let mut unobserved = Vec::new();
    for (mode, counts) in target.counts().iter().rev().enumerate() {
        unobserved.extend((0..counts.len()).filter(|&i| counts[i] == 0).map(|i| (mode, i)));
    }
    let entries = target.sizes().iter().map(|&p| p as f64).product::<f64>();
    let fraction = observed as f64 / entries.max(1.0);
    let mut ended = run(target, parameters, (parameters.ridge * fraction, fraction), warm, e, started)?;
    let lambda = ended.terms.lambda.iter().map(|x| T::of(scale_by_power_of_two(*x, e))).collect();
    let factors = ended.terms.modes.into_iter().rev().collect();
    let norm = scale_by_power_of_two(target.norm(), e);
    check_size(norm)?;
    let cp = Cp::new(lambda, factors).map_err(too_large_weights)?;
    let mut terms = Terms::of(cp.as_separated(), usize::MAX, -e);
    terms.modes.reverse();
    let error = scale_by_power_of_two(target.error(&terms), e);
    if let Some(last) = ended.history.last_mut() {
        last.error = error;
    }
    let seconds = started.elapsed().as_secs_f64();
    let (status, iterations, history) = (ended.status, ended.iterations, ended.history);
    Ok(MaskedFit {
        condition_number: cp.condition_number()?,
        norm,
        observed,
        unobserved,
        cp,
        report: Report { status, iterations, error, history, seconds },
    })
}

impl<T: Scalar> Masked<T> {
    pub(super) fn random(&self) -> bool {
        matches!(self.start, FitStart::Random)
    }

    fn check(&self, shape: &[usize]) -> Result<()> {
        let shapes: Vec<(usize, usize)> = shape.iter().map(|&n| (n, 1)).collect();
        SeparationRank::Fixed(self.rank).limit(&shapes)?;
        let rows = shape.iter().fold(0, |rows: usize, n| rows.saturating_add(*n));
        let matrix = [self.rank / 2 + 1, self.rank.saturating_add(1)];
        size::<f64>(&[rows, matrix[0], matrix[1]], "the normal matrices of all rows")?;
        for (name, value) in [("ridge", self.ridge), ("tolerance", self.tolerance)] {
            if !(value >= 0.0 && value.is_finite()) {
                let remedy = "give a finite number of at least 0";
                return Err(Error::Parameter { name, value: value.to_string(), remedy });
            }
        }
        if !(self.progress >= 0.0 && self.progress < 1.0) {
            let (value, remedy) = (self.progress.to_string(), "pass a number of at least 0 and below 1");
            return Err(Error::Parameter { name: "progress", value, remedy });
        }
        if !(self.max_seconds >= 0.0) {
            let remedy = "give a number of seconds that is not negative (infinity for no limit)";
            let value = self.max_seconds.to_string();
            return Err(Error::Parameter { name: "max_seconds", value, remedy });
        }
        match &self.start {
            FitStart::Warm(start) if start.shapes() != shapes => {
                let expected = format!("modes of the shapes {shapes:?} are needed");
                let found = start.shapes().iter().flat_map(|s| [s.0, s.1]).collect();
                Err(Error::Shape { argument: "start", expected, found })
            }
            _ => Ok(()),
        }
    }
}
