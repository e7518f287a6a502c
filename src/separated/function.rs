//! Separated representations of functions on a tensor grid, from samples.
//!
//! **Problem.** f(i_1, ..., i_d) on a grid (n_1, ..., n_d) far too large to be looked at: s terms with
//! f ~ sum_k lambda_k g_k^(1)(i_1) ... g_k^(d)(i_d) to a small relative root mean square over the
//! grid (Beylkin, Mohlenkamp 2005, the separated representation).
//!
//! **Method.** Alternating least squares on random fibres (Doostan, Iaccarino, J. Comput. Phys. 228,
//! 2009; for the sampling Battaglino, Ballard, Kolda, SIAM J. Matrix Anal. Appl. 39, 2018): for mode i
//! the other indices are drawn at random and f is evaluated along whole fibres; with the other factors
//! fixed, all values of g^(i) solve one small least-squares problem, whose ridge is the square of the
//! error reached. Terms are added one at a time, each fitted to the residual first; between sweeps all
//! factors are moved on with Nesterov's weights until the error rises. The ridge is raised where gamma,
//! computed for the whole grid, would pass the bound.
//!
//! **Cost.** (`fibres_per_term` s + 8) sum n_i evaluations for the fit and 2 `points` for its errors; a
//! sweep costs about 4 `fibres_per_term` s^2 sum n_i flops. Memory: the values on the fibres.
//!
//! **Guarantee.** The error is measured, with its standard error, on points that are drawn
//! independently of all others and used for nothing else: an honest estimate for the whole grid, be
//! the fit good or bad; with `points` points it does not see what happens in far less than a
//! 1 / `points` share of the grid, a narrow peak. gamma is at most the bound. There is no guarantee
//! that a representation is found where one exists: alternating least squares finds local minima and
//! swamps. Seen with the default parameters on 20 points a mode of [0, 1]: exp(-|x|^2) to rounding up to
//! d = 20; sin(sum x) to 1e-6 with d terms up to d = 8 and not for d = 12, where it changes its sign
//! often; 1 / (1 + sum x) to 1e-6 at d = 3, but only to 4e-5 at d = 5 and 2e-4 at d = 8, however many
//! terms. The same bits for any number of threads. The computation is in double precision, and the
//! result is rounded to T at its end.
//!
//! **Conditioning.** x_1 + ... + x_d has rank d, and two terms come arbitrarily near, with
//! (prod(1 + e x_i) - 1) / e, at gamma ~ 1 / e and an error ~ e: its border rank is 2. A bound trades one
//! for the other; for a tolerance the search then goes on to more terms.
//!
//! **Deviations.** From all: the bound of gamma, and the choice of the best factors on points of its own.

use super::fibres::{Fibres, Grid, Points};
use super::function_sweep::{Model, Sweep};
use super::{Separated, SeparationRank};
use crate::matrix::{check_finite, scale_by_power_of_two};
use crate::{Error, Progress, Report, Result, Scalar, Status};
use std::time::Instant;

/// Parameters of [`from_function`].
#[derive(Debug, Clone)]
pub struct FromFunction {
    /// How many terms; the default is the tolerance 1e-6, for the relative root mean square.
    pub rank: SeparationRank,
    /// The largest number of terms for a tolerance.
    pub max_rank: usize,
    /// Fibres along each mode for every term; at least 2.
    pub fibres_per_term: usize,
    /// Points for the choice of the best factors, and as many others for the error; at least 2.
    pub points: usize,
    /// The largest gamma allowed, at least 1.
    pub condition_bound: f64,
    /// A rank is given up when ten sweeps lower the error by less than this fraction.
    pub progress: f64,
    /// Largest number of sweeps in all.
    pub max_iterations: usize,
    /// Largest number of seconds (wall clock); infinite by default. A sweep under way is completed.
    pub max_seconds: f64,
    /// Seed of every random choice.
    pub seed: u64,
}

impl Default for FromFunction {
    fn default() -> Self {
        Self {
            rank: SeparationRank::Tolerance(1e-6),
            max_rank: 30,
            fibres_per_term: 16,
            points: 1000,
            condition_bound: 1e4,
            progress: 0.03,
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
    /// How often f was called.
    pub evaluations: usize,
    /// How it went; one iteration is a sweep over all modes, and the errors of the history are those on
    /// the points by which the best factors were chosen. `Converged`: the tolerance holds on both sets
    /// of points, or, for a given rank, ten sweeps made no more progress.
    pub report: Report,
}

/// A separated representation of `f` on the grid `sizes`; `f` is called from many threads, with an
/// index below its size in each mode.
///
/// A grid without points gives no terms.
///
/// # Errors
/// [`Error::Shape`] for no mode; [`Error::NonFinite`] with the index where `f` is NaN or infinite;
/// [`Error::Parameter`] for a parameter out of range, or when a lambda exceeds the largest number;
/// [`Error::Rank`] for a fixed rank above the largest; [`Error::TooLarge`] when the fibres do not fit
/// in the address space.
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
    let shapes: Vec<(usize, usize)> = sizes.iter().map(|&n| (n, 1)).collect();
    let (most, tolerance) = checked(&shapes, parameters)?;
    let grid = Grid::new(sizes, &f, parameters.seed);
    let empty = sizes.contains(&0) || most == 0;
    let (mut search, evaluated) = if sizes.contains(&0) {
        (Search::new(sizes, Points { places: Vec::new(), values: Vec::new() }), 0)
    } else {
        (Search::new(sizes, grid.points(parameters.points, "choice")?), parameters.points)
    };
    let mut evaluations = evaluated;
    if !empty {
        evaluations += search.run(&grid, most, tolerance, parameters, start)?;
    }
    let separated = search.best.separated::<T>(&shapes, search.shift)?;
    let condition_number = separated.condition_number()?;
    let (mut error, mut standard_error) = (0.0, 0.0);
    if !sizes.contains(&0) {
        let fresh = grid.points(parameters.points, "error")?;
        evaluations += parameters.points;
        let zeros = vec![0; sizes.len()];
        let entry = |index: &[usize]| separated.entry(index, &zeros).map_or(f64::NAN, |x| x.as_f64());
        (error, standard_error) = fresh.error(sizes.len(), entry);
    }
    let mut status = search.status;
    if status == Status::Converged && !(error <= tolerance.unwrap_or(f64::INFINITY)) {
        status = Status::Stagnated; // the points of the choice were kinder than the fresh ones
    }
    let seconds = start.elapsed().as_secs_f64();
    let report = Report { status, iterations: search.sweeps, error, history: search.history, seconds };
    Ok(FittedFunction { separated, condition_number, error, standard_error, evaluations, report })
}

/// The largest number of terms, and the tolerance if there is one.
fn checked(shapes: &[(usize, usize)], p: &FromFunction) -> Result<(usize, Option<f64>)> {
    if shapes.is_empty() {
        let expected = "at least one mode is needed".to_string();
        return Err(Error::Shape { argument: "sizes", expected, found: Vec::new() });
    }
    let wrong = |name, value: String, remedy| Err(Error::Parameter { name, value, remedy });
    if p.fibres_per_term < 2 {
        return wrong("fibres_per_term", p.fibres_per_term.to_string(), "take at least 2; 16 by default");
    }
    if p.points < 2 {
        return wrong("points", p.points.to_string(), "take at least 2; 1000 by default");
    }
    if !(p.condition_bound >= 1.0) {
        return wrong("condition_bound", p.condition_bound.to_string(), "gamma is bounded by 1 or more");
    }
    if !(0.0..=1.0).contains(&p.progress) {
        return wrong("progress", p.progress.to_string(), "pass a number between 0 and 1");
    }
    if !(p.max_seconds >= 0.0) {
        return wrong("max_seconds", p.max_seconds.to_string(), "pass a number of seconds, 0 or more");
    }
    let largest = shapes.iter().map(|s| s.0).max().unwrap_or(0);
    let bytes = largest as f64 * (p.fibres_per_term as f64 + 8.0) * size_of::<f64>() as f64;
    if bytes > isize::MAX as f64 {
        return Err(Error::TooLarge { what: "the fibres of a mode", bytes, remedy: "take a coarser grid" });
    }
    let most = p.rank.limit(shapes)?;
    Ok(match p.rank {
        SeparationRank::Tolerance(t) => (most.min(p.max_rank), Some(t)),
        _ => (most, None),
    })
}

/// The search for factors, term by term.
struct Search {
    choice: Points,
    /// All values are divided by 2^shift.
    shift: i32,
    best: Model,
    best_error: f64,
    sweeps: usize,
    status: Status,
    history: Vec<Progress>,
}

impl Search {
    fn new(sizes: &[usize], mut choice: Points) -> Self {
        let shift = choice.exponent();
        choice.scale(-shift);
        let best = Model::zero(sizes);
        let best_error = choice.error(sizes.len(), |_| 0.0).0;
        let history = vec![Progress { iteration: 0, seconds: 0.0, error: best_error }];
        Self { choice, shift, best, best_error, sweeps: 0, status: Status::Converged, history }
    }

    /// Adds terms until the wish is met; how often f was called.
    fn run<T: Scalar>(
        &mut self,
        grid: &Grid<'_, T, impl Fn(&[usize]) -> T + Sync>,
        most: usize,
        tolerance: Option<f64>,
        p: &FromFunction,
        start: Instant,
    ) -> Result<usize> {
        if self.choice.values.iter().all(|x| *x == 0.0) {
            return Ok(0); // no model is better than zero
        }
        let d = grid.sizes.len();
        let met = |error: f64| tolerance.is_some_and(|t| error <= t);
        let mut fibres: Vec<Fibres> = (0..d).map(|i| grid.fibres(i, 0..0)).collect::<Result<_>>()?;
        let (mut drawn, mut evaluations) = (0, 0);
        let mut model = Model::zero(grid.sizes);
        for rank in 1..=most {
            let wanted = rank.saturating_mul(p.fibres_per_term).saturating_add(8);
            for (i, known) in fibres.iter_mut().enumerate() {
                let mut more = grid.fibres(i, drawn..wanted)?;
                crate::matrix::scale_in_place(&mut more.values, -self.shift);
                check_finite("f", &more.values).map_err(|_| Error::Parameter {
                    name: "f",
                    value: "values further apart than the numbers of a double reach".to_string(),
                    remedy: "limit the range of its magnitudes",
                })?;
                known.extend(more);
                evaluations += (wanted - drawn) * grid.sizes[i];
            }
            drawn = wanted;
            let mut sweep =
                Sweep { fibres: &fibres, bound: p.condition_bound, noise: self.best_error.min(1.0) };
            sweep.add_term(&mut model, p.seed, rank);
            let (mut recent, mut earlier, mut steps) = (Vec::new(), model.clone(), 0.0);
            let mut leading = (f64::INFINITY, model.clone());
            loop {
                // Nesterov's weights, until the error rises.
                let mut next = model.beyond(&earlier, steps / (steps + 3.0));
                sweep.run(&mut next);
                self.sweeps += 1;
                let error = self.choice.error(d, |index| next.value(index)).0;
                sweep.noise = error.min(self.best_error);
                steps = if recent.last().is_some_and(|last| error > *last) { 0.0 } else { steps + 1.0 };
                earlier = std::mem::replace(&mut model, next);
                if error < self.best_error && model.condition_number() <= p.condition_bound {
                    (self.best, self.best_error) = (model.clone(), error);
                    let seconds = start.elapsed().as_secs_f64();
                    self.history.push(Progress { iteration: self.sweeps, seconds, error });
                }
                if met(self.best_error) {
                    self.status = Status::Converged;
                    return Ok(evaluations);
                }
                recent.push(error);
                if error < leading.0 {
                    leading = (error, model.clone());
                }
                let slow = recent.len() > 10 && {
                    let (old, new) = recent.split_at(recent.len() - 10);
                    let least = |x: &[f64]| x.iter().copied().fold(f64::INFINITY, f64::min);
                    !(least(new) <= (1.0 - p.progress) * least(old))
                };
                if slow || error == 0.0 {
                    model = leading.1;
                    break;
                }
                if self.sweeps >= p.max_iterations || start.elapsed().as_secs_f64() >= p.max_seconds {
                    let late = self.sweeps < p.max_iterations;
                    self.status = if late { Status::TimeLimit } else { Status::IterationLimit };
                    return Ok(evaluations);
                }
            }
        }
        self.status = if tolerance.is_some() { Status::Stagnated } else { Status::Converged };
        Ok(evaluations)
    }
}

impl Model {
    /// The representation of 2^shift times the model.
    fn separated<T: Scalar>(&self, shapes: &[(usize, usize)], shift: i32) -> Result<Separated<T>> {
        let modes = self
            .modes
            .iter()
            .map(|mode| faer::Mat::from_fn(mode.nrows(), mode.ncols(), |i, k| T::of(mode[(i, k)])));
        let lambda = self.lambda.iter().map(|x| T::of(scale_by_power_of_two(*x, shift)));
        Separated::new(shapes.to_vec(), lambda.collect(), modes.collect())
    }
}
