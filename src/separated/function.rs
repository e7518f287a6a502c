//! Separated representations of functions on a tensor grid, from samples.
//!
//! **Problem.** f(i_1, ..., i_d) on a grid (n_1, ..., n_d) far too large to be looked at: s terms with
//! f ~ sum_k lambda_k g_k^(1)(i_1) ... g_k^(d)(i_d) to a small relative root mean square over the
//! grid (Beylkin, Mohlenkamp 2005, the separated representation).
//!
//! **Method.** A tensor train of f from few of its values ([`cross`](crate::tensor::train::cross)), more
//! precise than what is asked; then alternating least squares (see [`super::als()`]) on the train, whose
//! products with the terms need its cores alone. Both are cheap for the same f: a tensor of
//! separation rank s has train ranks of at most s. For a tolerance the search starts with as many terms
//! as the ranks of the train to one percent, adds some as long as that helps, and leaves out at the end
//! what the tolerance allows.
//!
//! **Cost.** About 4 r^2 sum n_i evaluations for train ranks r, and 2 `points`; a sweep costs
//! 4 r^2 s sum n_i flops and O(s^2 sum n_i + d s^3), its error about 4 (r + s)^3 sum n_i.
//!
//! **Guarantee.** The error is measured, with its standard error, on points that are drawn
//! independently of all others and used for nothing else: an honest estimate for the whole grid, be
//! the fit good or bad; with `points` points it does not see what happens in far less than a
//! 1 / `points` share of the grid, a narrow peak. gamma is at most the bound, before the factors are
//! rounded to T. Neither the train nor the terms are sure to be found where they exist: `train_error`
//! tells which of them failed. Seen with 20 points a mode of [0, 1] and the default bound:
//! sin(sum x) to 1e-8 with d terms up to d = 12 and to 1e-6 with 20 terms for d = 20; 1 / (1 + sum x) to
//! 1e-6 with at most 13 and to 1e-8 with at most 27 terms for d = 3, ..., 20, though some nine would do:
//! exponential sums are swamps; each from at most 200,000 values and in two seconds.
//! The same bits for any number of threads. The computation is in double precision, and the
//! result is rounded to T at its end.
//!
//! **Conditioning.** x_1 + ... + x_d has rank d, and two terms come arbitrarily near, with
//! (prod(1 + e x_i) - 1) / e, at gamma ~ 1 / e and an error ~ e: its border rank is 2. A bound trades one
//! for the other; for a tolerance the search then goes on to more terms.
//!
//! **Deviations.** The source fits function values given everywhere. Least squares on random fibres
//! (Doostan, Iaccarino, J. Comput. Phys. 228, 2009) need no train; for the functions above they stay at
//! errors of 1e-4, as their equations are known to the error of the sample only.

use super::als::{Als, Fitted};
use super::points::Points;
use super::sweep::Rules;
use super::train_target::Train;
use super::{Separated, SeparationRank, descent};
use crate::matrix::{check_memory, exponent, scale_by_power_of_two, slice_norm};
use crate::tensor::train::{Cross, CrossTrain, Truncation, cross};
use crate::{Error, Progress, Report, Result, Scalar, Status, TensorTrain};
use std::time::Instant;

/// Parameters of [`from_function`].
#[derive(Debug, Clone)]
pub struct FromFunction {
    /// How many terms; the default is the tolerance 1e-6, for the relative root mean square.
    pub rank: SeparationRank,
    /// The largest number of terms for a tolerance.
    pub max_rank: usize,
    /// The most evaluations for the train.
    pub max_evaluations: usize,
    /// Points for the scale of f and each check of the train, and as many others for the error; at least 2.
    pub points: usize,
    /// The largest gamma allowed, at least 1.01.
    pub condition_bound: f64,
    /// Sweeps end when the error falls by less than this fraction a sweep, over ten sweeps.
    pub progress: f64,
    /// Largest number of sweeps of the least squares.
    pub max_iterations: usize,
    /// Largest number of seconds (wall clock); infinite by default. The search for a train and a sweep under
    /// way are completed.
    pub max_seconds: f64,
    /// Seed of every random choice.
    pub seed: u64,
}

impl Default for FromFunction {
    fn default() -> Self {
        Self {
            rank: SeparationRank::Tolerance(1e-6),
            max_rank: 40,
            max_evaluations: 10_000_000,
            points: 1000,
            condition_bound: 100.0,
            progress: 1e-4,
            max_iterations: 2000,
            max_seconds: f64::INFINITY,
            seed: 0,
        }
    }
}

/// A function that was fitted.
#[derive(Debug, Clone)]
pub struct FittedFunction<T: Scalar> {
    /// The representation, of shapes (n_i, 1).
    pub separated: Separated<T>,
    /// Its condition number gamma.
    pub condition_number: f64,
    /// The relative root mean square of the residual on points used for nothing else; the same as
    /// `report.error`. Infinite where f vanishes at all of them and the fit does not.
    pub error: f64,
    /// The standard error of `error`.
    pub standard_error: f64,
    /// The relative root mean square of f less the train on random points: more terms come no nearer.
    pub train_error: f64,
    /// How often f was called.
    pub evaluations: usize,
    /// How it went; one iteration is a sweep over all modes, and the errors of the history are those
    /// against the train, relative. `Converged`: the tolerance holds, or, for a given rank, the sweeps
    /// made no more progress.
    pub report: Report,
}

/// Terms beyond those wanted that the ranks of the train may have.
const MORE_RANKS: usize = 8;
/// The error at which the number of terms begins to grow.
const FIRST: f64 = 0.01;
/// The part of the tolerance that is left to the search for a train, and to its rounding.
const TRAIN: f64 = 0.1;

/// A separated representation of `f` on the grid `sizes`; `f` is called from many threads, with an
/// index below its size in each mode.
///
/// A grid without points gives no terms.
///
/// # Errors
/// [`Error::Shape`] for no mode; [`Error::NonFinite`] with the index where `f` is NaN or infinite;
/// [`Error::Parameter`] for a parameter out of range, or when a lambda exceeds the largest number;
/// [`Error::Rank`] for a fixed rank above the largest; [`Error::TooLarge`] when the values along a mode do
/// not fit in the address space.
///
/// ```
/// use lowrank::separated::{FromFunction, from_function};
/// // exp(-|x|^2) on 32^10 points of [-1, 1]^10
/// let x = |i: usize| (2 * i) as f64 / 31.0 - 1.0;
/// let f = |index: &[usize]| (-index.iter().map(|&i| x(i).powi(2)).sum::<f64>()).exp();
/// let fit = from_function(&[32; 10], f, &FromFunction::default())?;
/// assert_eq!(fit.separated.separation_rank(), 1);
/// assert!(fit.error < 1e-12 && fit.evaluations < 10_000); // of 32^10 points
/// # lowrank::Result::Ok(())
/// ```
pub fn from_function<T: Scalar>(
    sizes: &[usize],
    f: impl Fn(&[usize]) -> T + Sync,
    parameters: &FromFunction,
) -> Result<FittedFunction<T>> {
    let start = Instant::now();
    let p = parameters;
    let shapes: Vec<(usize, usize)> = sizes.iter().map(|&n| (n, 1)).collect();
    let (most, tolerance) = checked(&shapes, p)?;
    let f = |index: &[usize]| f(index).as_f64();
    if sizes.contains(&0) {
        let history = vec![Progress { iteration: 0, seconds: 0.0, error: 0.0 }];
        let seconds = start.elapsed().as_secs_f64();
        return Ok(FittedFunction {
            separated: Separated::zeros(shapes)?,
            condition_number: 1.0,
            error: 0.0,
            standard_error: 0.0,
            train_error: 0.0,
            evaluations: 0,
            report: Report { status: Status::Converged, iterations: 0, error: 0.0, history, seconds },
        });
    }
    let mut first = Points::new(sizes, &f, p.points, p.seed, "scale")?.values;
    let top = exponent(first.iter().fold(0.0, |top: f64, x| top.max(x.abs())));
    first.iter_mut().for_each(|x| *x = scale_by_power_of_two(*x, -top));
    let size = slice_norm(&first) / (first.len() as f64).sqrt();
    let shift = top + exponent(size);
    // Of values of mean square about 1.
    let peak = first.iter().fold(1.0, |peak: f64, x| peak.max(x.abs() / size));
    let accuracy = tolerance.map_or(1e-10, |t| TRAIN * t).max(4.0 * T::EPS) / peak;
    let train = train(sizes, &f, shift, accuracy, most, p)?;
    let fitted = fitted(&train, &shapes, most, tolerance, p, start)?;
    let (m, e) = (fitted.0.separated, shift + fitted.1);
    let modes = m.modes().iter().map(|x| faer::Mat::from_fn(x.nrows(), x.ncols(), |i, k| T::of(x[(i, k)])));
    let scales = m.lambda().iter().map(|x| (*x, e)).collect();
    let separated = Separated::<T>::normalized(shapes, scales, modes.collect())?;
    let condition_number = separated.condition_number()?;
    let fresh = Points::new(sizes, &f, p.points, p.seed, "error")?;
    let zeros = vec![0; sizes.len()];
    let entry = |index: &[usize]| separated.entry(index, &zeros).map_or(f64::NAN, |x| x.as_f64());
    let (error, standard_error) = fresh.error(sizes.len(), entry);
    let mut report = Report { error, ..fitted.0.report };
    let norm = fitted.0.norm;
    report.history.iter_mut().filter(|_| norm > 0.0).for_each(|point| point.error /= norm);
    if report.status == Status::Converged && !(error <= tolerance.unwrap_or(f64::INFINITY)) {
        // The train is not good enough.
        let of_train = train.report.status;
        report.status = if of_train == Status::Converged { Status::Stagnated } else { of_train };
    }
    report.seconds = start.elapsed().as_secs_f64();
    let evaluations = train.evaluations + 2 * p.points;
    let train_error = train.relative_error;
    Ok(FittedFunction {
        separated,
        condition_number,
        error,
        standard_error,
        train_error,
        evaluations,
        report,
    })
}

/// The train of 2^-shift f.
fn train(
    sizes: &[usize],
    f: &(impl Fn(&[usize]) -> f64 + Sync),
    shift: i32,
    tolerance: f64,
    most: usize,
    p: &FromFunction,
) -> Result<CrossTrain<f64>> {
    let parameters = Cross {
        tolerance,
        max_rank: most.saturating_add(MORE_RANKS),
        max_evaluations: p.max_evaluations,
        check_points: p.points,
        seed: p.seed,
        ..Cross::default()
    };
    cross(|index: &[usize]| scale_by_power_of_two(f(index), -shift), sizes, parameters).map_err(|error| {
        match error {
            Error::NonFinite { index, .. } if f(&index).is_finite() => Error::Parameter {
                name: "f",
                value: format!("values further apart than the numbers of a double reach, at {index:?}"),
                remedy: "limit the range of its magnitudes",
            },
            other => other,
        }
    })
}

/// The fit to a train times 2^-e, and e.
fn fitted(
    found: &CrossTrain<f64>,
    shapes: &[(usize, usize)],
    most: usize,
    tolerance: Option<f64>,
    p: &FromFunction,
    start: Instant,
) -> Result<(Fitted<f64>, i32)> {
    // Ranks that make less of a difference are not needed.
    let rounded = found.train.round(Truncation::tolerance(TRAIN * tolerance.unwrap_or(0.0)))?.train;
    let first = match tolerance {
        Some(t) => {
            rounded.round(Truncation::tolerance(t.max(FIRST)))?.train.ranks().into_iter().max().unwrap_or(1)
        }
        None => most,
    };
    let mut e = 0;
    let moderate = |mut core: ndarray::Array3<f64>| {
        let own = (0.5 * (core.dim().1 as f64).log2()).round() as i32;
        e += own;
        core.mapv_inplace(|x| scale_by_power_of_two(x, -own));
        core
    };
    let train = TensorTrain::new(rounded.into_cores().into_iter().map(moderate).collect())?;
    let als = Als {
        rank: tolerance.map_or(p.rank, |t| SeparationRank::Tolerance((1.0 - 2.0 * TRAIN) * t)),
        condition_bound: p.condition_bound,
        progress: p.progress,
        max_iterations: p.max_iterations,
        max_seconds: p.max_seconds - start.elapsed().as_secs_f64(),
        seed: p.seed,
        ..Als::default()
    };
    let rules = Rules::free(shapes.len(), als.condition_bound);
    Ok((descent::fit(&mut Train::new(train)?, shapes, &als, &rules, most, first, 0)?, e))
}

/// The largest number of terms, and the tolerance if there is one.
fn checked(shapes: &[(usize, usize)], p: &FromFunction) -> Result<(usize, Option<f64>)> {
    if shapes.is_empty() {
        let expected = "at least one mode is needed".to_string();
        return Err(Error::Shape { argument: "sizes", expected, found: Vec::new() });
    }
    let als = Als::<f64> {
        condition_bound: p.condition_bound,
        progress: p.progress,
        max_seconds: p.max_seconds,
        ..Als::default()
    };
    als.check()?;
    if p.points < 2 {
        let remedy = "take at least 2; 1000 by default";
        return Err(Error::Parameter { name: "points", value: p.points.to_string(), remedy });
    }
    let most = p.rank.limit(shapes)?;
    let largest = shapes.iter().map(|s| s.0).max().unwrap_or(0);
    check_memory::<f64>(
        "the values along a mode",
        largest as f64 * MORE_RANKS as f64,
        "take a coarser grid",
    )?;
    Ok(match p.rank {
        SeparationRank::Tolerance(t) => (most.min(p.max_rank), Some(t)),
        _ => (most, None),
    })
}
