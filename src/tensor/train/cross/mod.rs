//! Cross approximation: the tensor train of a function of an index, from few of its values.
//!
//! # Problem
//! For f(i_1, ..., i_d) given as a function, a train X with |f - X| small everywhere, from far fewer
//! values than the n_1 ... n_d of the tensor.
//! # Method
//! Cross interpolation with nested pivots, grown greedily (Oseledets, Tyrtyshnikov, TT-cross
//! approximation for multidimensional arrays, Linear Algebra Appl. 432, 2010; Savostyanov,
//! Quasioptimality of maximum-volume cross interpolation of tensors, Linear Algebra Appl. 458, 2014):
//! sweeps over the bonds; at each, the matrix of its two modes between the pivots of the neighbours is
//! searched by rook moves for the largest residual, which becomes a pivot. Where a sweep finds nothing
//! above the tolerance the train is checked at random points, with ascents of the residual from the
//! worst ones, absolutely and relative to the train, and what they find becomes a pivot of every bond
//! (Nunez Fernandez et al., Learning tensor networks with tensor cross interpolation, SciPost Phys. 18,
//! 2025, global pivots).
//! # Cost
//! About 4 d n r^2 evaluations and O(d n r^3 + d r^4) operations for a rank r; a check costs
//! `check_points` evaluations and 6 d n for its ascents, more where they find something, and a train that
//! passes one has to pass another, of a twentieth of all evaluations so far. Evaluations run on all
//! threads.
//! # Guarantee
//! Ends always: sweeps and evaluations are limited. `Converged` says that neither a sweep nor a check
//! found a residual above tolerance times the largest |f| seen. Both are samples: a train that is off by
//! more at the part 3 / `check_points` of all entries fails a check with probability 0.95, a peak that is
//! narrower can stay unseen (where peaks are known to be, say so by `points`). The relative error is
//! measured at fresh random points. Where the search ended at a limit, `missed` is the worst point
//! known. Deterministic for a seed.
//! # Deviations
//! Pivot matrices are factored with complete pivoting, and pivots at rounding level left out, so
//! that no set of points makes them singular.

mod check;
mod pivoted;
mod search;
mod state;

use super::TensorTrain;
use crate::random::stream;
use crate::{Error, Progress, Report, Result, Scalar, Status};
use state::{State, Stop};
use std::time::Instant;

/// Parameters of [`cross`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cross<'a> {
    /// Largest |f - X| wanted, relative to the largest |f| seen; above 0.
    pub tolerance: f64,
    /// Largest rank at any bond, at least 1.
    pub max_rank: usize,
    /// Largest number of evaluations before the last check.
    pub max_evaluations: usize,
    /// Largest number of sweeps over the bonds.
    pub max_sweeps: usize,
    /// Random points of a check, of the last one at least; a tensor of no more entries is checked in full. A peak is found where
    /// one of them lies in its reach, so narrow peaks need many.
    pub check_points: usize,
    /// Indices known to matter, such as those of peaks: pivots from the start, up to the largest rank.
    pub points: &'a [Vec<usize>],
    /// Seed of the random points.
    pub seed: u64,
}

impl Default for Cross<'_> {
    /// Tolerance 1e-8, any rank, 10 million evaluations, 200 sweeps, 1000 points in a check, no
    /// known points, seed 0.
    fn default() -> Self {
        Self {
            tolerance: 1e-8,
            max_rank: usize::MAX,
            max_evaluations: 10_000_000,
            max_sweeps: 200,
            check_points: 1000,
            points: &[],
            seed: 0,
        }
    }
}

/// A point where a train is off.
#[derive(Debug, Clone, PartialEq)]
pub struct Missed {
    /// The index.
    pub index: Vec<usize>,
    /// |f - X| there.
    pub residual: f64,
}

/// A tensor train of a function.
#[derive(Debug, Clone)]
pub struct CrossTrain<T: Scalar> {
    /// The train.
    pub train: TensorTrain<T>,
    /// How it went; an iteration is a sweep over the bonds, the error the largest |f - X| that the last
    /// check found.
    pub report: Report,
    /// |f - X| over |f|, root mean squares over the random points of the last check, none of which was
    /// used to build the train.
    pub relative_error: f64,
    /// The largest |f| seen.
    pub largest: f64,
    /// How often the function was called, checks included.
    pub evaluations: usize,
    /// The worst point known, where it is above the tolerance.
    pub missed: Option<Missed>,
}

/// The tensor train of `f` over all indices of a shape; `f` is called from several threads.
///
/// # Errors
/// [`Error::NonFinite`] with the index where `f` is not finite; [`Error::Shape`] for order 0 or a
/// mode of size 0, and for a known point outside; [`Error::Parameter`] for a tolerance that is not
/// positive, a `max_rank` or `check_points` of 0.
///
/// # Example
/// ```
/// use lowrank::tensor::train::{Cross, cross};
/// let f = |i: &[usize]| 1.0 / (1.0 + i.iter().sum::<usize>() as f64);
/// let x = cross(f, &[10; 6], Cross::default())?;
/// assert!(x.relative_error < 1e-6 && x.evaluations < 20_000 && x.missed.is_none());
/// # Ok::<(), lowrank::Error>(())
/// ```
pub fn cross<T: Scalar>(
    f: impl Fn(&[usize]) -> T + Sync,
    shape: &[usize],
    parameters: Cross<'_>,
) -> Result<CrossTrain<T>> {
    let started = Instant::now();
    checked(shape, &parameters)?;
    let mut state = State::new(&f, shape, parameters.max_evaluations);
    let mut progress = Run { parameters, sweeps: 0, checks: 0, history: Vec::new(), started };
    let ended = match progress.search(&mut state) {
        Ok(ended) => ended,
        Err(Stop::Budget) => Ended::Limit,
        Err(Stop::Failed(error)) => return Err(error),
    };
    let (status, train, found) = match ended {
        Ended::Checked(status, train, found) => (status, train, found),
        Ended::Limit => {
            // The last check is made whatever the limit, on the train that is returned.
            state.max_evaluations = usize::MAX;
            let train = state.train()?;
            let count = parameters.check_points.max(state.evaluations / THOROUGH);
            match progress.check(&mut state, &train, count) {
                Ok(found) => (Status::IterationLimit, train, found),
                Err(Stop::Failed(error)) => return Err(error),
                Err(Stop::Budget) => unreachable!("there is no limit"),
            }
        }
    };
    let (index, residual) = found.worst[0].clone();
    let largest = state.largest.as_f64();
    let missed = (residual > parameters.tolerance * largest).then_some(Missed { index, residual });
    let seconds = started.elapsed().as_secs_f64();
    let history = progress.history;
    let report = Report { status, iterations: progress.sweeps, error: residual, history, seconds };
    let (relative_error, evaluations) = (found.relative_error, state.evaluations);
    Ok(CrossTrain { train, report, relative_error, largest, evaluations, missed })
}

fn checked(shape: &[usize], parameters: &Cross<'_>) -> Result<()> {
    if shape.is_empty() || shape.contains(&0) {
        let expected = "at least one mode, and none of size 0, is needed".into();
        return Err(Error::Shape { argument: "shape", expected, found: shape.to_vec() });
    }
    let outside = |p: &&Vec<usize>| p.len() != shape.len() || p.iter().zip(shape).any(|(i, n)| i >= n);
    if let Some(point) = parameters.points.iter().find(outside) {
        let expected = format!("one index a mode, each below its size in {shape:?}, is needed");
        return Err(Error::Shape { argument: "points", expected, found: point.clone() });
    }
    if !(parameters.tolerance > 0.0 && parameters.tolerance.is_finite()) {
        let value = parameters.tolerance.to_string();
        return Err(Error::Parameter { name: "tolerance", value, remedy: "give a finite tolerance above 0" });
    }
    for (name, value) in [("max_rank", parameters.max_rank), ("check_points", parameters.check_points)] {
        if value == 0 {
            return Err(Error::Parameter { name, value: "0".into(), remedy: "give at least 1" });
        }
    }
    Ok(())
}

/// How far above the limit, as a factor, a residual is a place that the sweeps do not know; below, they
/// need only look closer.
const FAR: f64 = 10.0;
/// Checks in a row that may fail without progress: half the error, or a larger rank.
const PATIENCE: usize = 3;
/// Part of the evaluations that the last check has points.
const THOROUGH: usize = 20;

/// The end of a search.
enum Ended<T: Scalar> {
    /// By the check of this train.
    Checked(Status, TensorTrain<T>, check::Found),
    Limit,
}

struct Run<'a> {
    parameters: Cross<'a>,
    sweeps: usize,
    checks: u64,
    history: Vec<Progress>,
    started: Instant,
}

impl Run<'_> {
    /// Sweeps and checks until both find nothing.
    fn search<T: Scalar>(&mut self, state: &mut State<'_, T>) -> std::result::Result<Ended<T>, Stop> {
        let d = state.shape.len();
        let first = self.first_point(state)?;
        if d == 1 {
            let fiber = state.fibers(0, &[(0, 0)])?;
            state.values[0][0].push(fiber);
        }
        state.add_point(&first)?;
        for point in self.parameters.points {
            self.add_point(state, point)?;
        }
        let mut tolerance = self.parameters.tolerance;
        let (mut best, mut most, mut swept, mut failures) = (f64::INFINITY, 0, 0, 0);
        while self.sweeps < self.parameters.max_sweeps {
            // Pivots at rounding level are no progress.
            let (added, ranks) = (self.sweep(state, tolerance)?, state.ranks());
            if added && ranks > swept {
                swept = ranks;
                continue;
            }
            let train = state.train().map_err(Stop::Failed)?;
            let count = self.parameters.check_points;
            let mut found = self.check(state, &train, count)?;
            let limit = self.parameters.tolerance * state.largest.as_f64();
            if found.worst[0].1 <= limit && state.evaluations / THOROUGH > count {
                found = self.check(state, &train, state.evaluations / THOROUGH)?;
            }
            let worst = found.worst[0].1;
            if worst <= limit {
                return Ok(Ended::Checked(Status::Converged, train, found));
            }
            failures = if worst < 0.5 * best || ranks > most { 0 } else { failures + 1 };
            if failures > PATIENCE {
                return Ok(Ended::Checked(Status::Stagnated, train, found));
            }
            (best, most) = (best.min(worst), most.max(ranks));
            tolerance = tolerance.min(self.parameters.tolerance * (0.2 * limit / worst).max(0.01));
            if worst > FAR * limit || failures > 0 {
                for (index, _) in found.worst.iter().filter(|(_, size)| *size > 0.1 * worst) {
                    self.add_point(state, index)?;
                }
            }
        }
        Ok(Ended::Limit)
    }

    /// Adds a point to every bond, unless one has the largest rank.
    fn add_point<T: Scalar>(
        &self,
        state: &mut State<'_, T>,
        index: &[usize],
    ) -> std::result::Result<(), Stop> {
        let full = |k: usize| state.rank(k) >= self.parameters.max_rank;
        if (1..state.shape.len()).any(full) { Ok(()) } else { state.add_point(index) }
    }

    /// Visits every bond once, forwards and backwards in turn; says whether a pivot was added.
    fn sweep<T: Scalar>(
        &mut self,
        state: &mut State<'_, T>,
        tolerance: f64,
    ) -> std::result::Result<bool, Stop> {
        let d = state.shape.len();
        let mut rng = stream(self.parameters.seed, "pivots of a cross", self.sweeps as u64);
        let forward = self.sweeps.is_multiple_of(2);
        self.sweeps += 1;
        let mut added = false;
        for step in 1..d {
            let k = if forward { step } else { d - step };
            let rank = state.rank(k);
            let most = self.parameters.max_rank.saturating_sub(rank).min(1 + rank / 6);
            for _ in 0..most {
                let floor = T::of(tolerance * state.largest.as_f64());
                if !(search::add_pivot(state, k, floor, &mut rng)? > floor) {
                    break;
                }
                added = true;
            }
        }
        Ok(added)
    }

    fn check<T: Scalar>(
        &mut self,
        state: &mut State<'_, T>,
        train: &TensorTrain<T>,
        count: usize,
    ) -> std::result::Result<check::Found, Stop> {
        let mut rng = stream(self.parameters.seed, "checks of a cross", self.checks);
        self.checks += 1;
        let far = FAR * self.parameters.tolerance;
        let found = check::check(state, train, far, count, &mut rng)?;
        let seconds = self.started.elapsed().as_secs_f64();
        self.history.push(Progress { iteration: self.sweeps, seconds, error: found.worst[0].1 });
        Ok(found)
    }

    /// A point of large |f|: the first check, of the zero train, with ascents of one pass.
    fn first_point<T: Scalar>(&mut self, state: &mut State<'_, T>) -> std::result::Result<Vec<usize>, Stop> {
        let zero = TensorTrain::zeros(&state.shape).map_err(Stop::Failed)?;
        let mut rng = stream(self.parameters.seed, "start of a cross", 0);
        let count = self.parameters.check_points.min(100);
        Ok(check::check(state, &zero, f64::INFINITY, count, &mut rng)?.worst.swap_remove(0).0)
    }
}
