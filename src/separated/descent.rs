//! The course of alternating least squares: start, sweeps, extrapolation, more terms, the end.
//!
//! The method and its guarantee stand in [`super::als`].

use super::als::{Als, FitStart, Fitted};
use super::record::{Record, SLOW, WINDOW};
use super::start::{extrapolated, start};
use super::sweep::{Rules, Swept, sweep};
use super::target::{Less, Target, Terms};
use super::{Separated, SeparationRank};
use crate::matrix::{scale_by_power_of_two, slice_norm};
use crate::{Error, Progress, Report, Result, Scalar, Status};

/// Progress a sweep below which more terms are added for a tolerance.
const STAGE: f64 = 0.02;
/// At first this part of the terms is left out at once when the goal is met.
const SHORTER: usize = 4;
/// Sweeps that fit new terms to the residual.
const NEW_SWEEPS: usize = 2;

/// Fits a target, A times 2^-e, by at most `limit` terms, by `first` to begin with where a tolerance is
/// given. The parameters are checked.
pub(crate) fn fit<T: Scalar>(
    target: &mut dyn Target<T>,
    shapes: &[(usize, usize)],
    parameters: &Als<'_, T>,
    rules: &Rules<T>,
    limit: usize,
    first: usize,
    e: i32,
) -> Result<Fitted<T>> {
    let norm = target.norm();
    let tolerance = match parameters.rank {
        SeparationRank::Tolerance(t) => Some(t),
        _ => None,
    };
    let best = Best { terms: Terms::zeros(target.sizes()), error: norm, value: norm, gamma: 1.0 };
    let mut run = Run {
        parameters,
        rules,
        goal: tolerance.unwrap_or(0.0).max(2.0 * T::EPS) * norm,
        exponent: e,
        best,
        blocks: 0,
        record: Record::new(e),
    };
    let mut next = None;
    if let FitStart::Warm(start) = &parameters.start {
        next = run.warm(target, start, limit, shapes)?;
    }
    let start = matches!(parameters.start, FitStart::Warm(_)) && next.is_none();
    let start = start.then_some(run.best.error);
    run.note();
    let status = run.search(target, next, limit, first, tolerance.is_some())?;
    run.finish(target, shapes, status, start)
}

/// Terms that may be returned.
struct Best<T: Scalar> {
    terms: Terms<T>,
    error: f64,
    /// What is made least: the error, where there is no ridge.
    value: f64,
    gamma: f64,
}

/// Why sweeps ended.
enum Ended {
    /// The goal is met.
    Reached,
    /// No more progress.
    Slow,
    Limit(Status),
}

struct Run<'a, T: Scalar> {
    parameters: &'a Als<'a, T>,
    rules: &'a Rules<T>,
    /// An error of at most this needs no improvement.
    goal: f64,
    exponent: i32,
    best: Best<T>,
    /// Blocks of new terms so far.
    blocks: usize,
    record: Record,
}

impl<T: Scalar> Run<'_, T> {
    /// Takes over a start that meets the bound; otherwise says where the first sweep begins.
    fn warm(
        &mut self,
        target: &dyn Target<T>,
        start: &Separated<T>,
        limit: usize,
        shapes: &[(usize, usize)],
    ) -> Result<Option<Terms<T>>> {
        if start.shapes() != shapes {
            let expected = format!("a start of the shapes {shapes:?} is needed");
            let found = start.shapes().iter().flat_map(|s| [s.0, s.1]).collect();
            return Err(Error::Shape { argument: "start", expected, found });
        }
        let mut terms = Terms::of(start, limit, -self.exponent);
        let (error, gamma) = (target.error(&terms), terms.condition_number());
        if !error.is_finite() {
            let value = "(lambda)".into();
            return Err(Error::Parameter {
                name: "start",
                value,
                remedy: "its size exceeds that of A by far",
            });
        }
        if gamma <= self.rules.bound && self.rules.hold(&terms.modes) {
            let value = self.value(error, &terms);
            self.best = Best { terms, error, value, gamma };
            return Ok(None);
        }
        terms.modes = self.rules.imposed(terms.modes);
        Ok(Some(terms))
    }

    fn search(
        &mut self,
        target: &mut dyn Target<T>,
        mut next: Option<Terms<T>>,
        limit: usize,
        first: usize,
        growing: bool,
    ) -> Result<Status> {
        let norm = target.norm();
        if norm == 0.0 {
            self.best = Best { terms: Terms::zeros(target.sizes()), error: 0.0, value: 0.0, gamma: 1.0 };
            return Ok(Status::Converged);
        }
        if limit == 0 {
            return Ok(if growing { Status::Stagnated } else { Status::Converged });
        }
        let mut wanted = if growing { first.clamp(1, limit) } else { limit };
        let mut failures = 0;
        loop {
            let have = next.as_ref().unwrap_or(&self.best.terms).len();
            if have < wanted && self.best.error > self.goal {
                let have = next.take().unwrap_or_else(|| self.best.terms.clone());
                next = Some(self.grown(target, have, wanted)?);
            }
            let before = self.best.value;
            let last = wanted == limit || failures == 2;
            let progress = if growing && !last { STAGE } else { self.parameters.progress };
            self.record.begin_stage();
            match self.descend(target, next.take(), progress)? {
                Ended::Reached => {
                    if growing {
                        self.shorten(target, first)?;
                    }
                    return Ok(Status::Converged);
                }
                Ended::Limit(status) => return Ok(status),
                Ended::Slow if !growing && self.best.terms.len() > 0 => return Ok(Status::Converged),
                Ended::Slow if last => return Ok(Status::Stagnated),
                Ended::Slow => {}
            }
            failures = if self.best.value > 0.999 * before { failures + 1 } else { 0 };
            wanted = (wanted.max(self.best.terms.len()) + 1 + wanted / 8).min(limit);
        }
    }

    /// Leaves terms out, `least` of them remaining, while sweeps bring the others back to the goal.
    fn shorten(&mut self, target: &mut dyn Target<T>, least: usize) -> Result<()> {
        let mut step = self.best.terms.len() / SHORTER;
        loop {
            let s = self.best.terms.len();
            step = step.min(s.saturating_sub(least));
            if step == 0 {
                return Ok(());
            }
            let fewer = self.best.terms.largest(s - step);
            let far = f64::INFINITY;
            let trial = Best { terms: fewer.clone(), error: far, value: far, gamma: 1.0 };
            let known = std::mem::replace(&mut self.best, trial);
            self.record.begin_stage();
            let mark = self.record.mark();
            let ended = self.descend(target, Some(fewer), SLOW)?;
            self.record.forget(mark);
            if let Ended::Reached = ended {
                // The error is larger than it was, as it may be.
                let Best { error, value, gamma, .. } = self.best;
                self.record.note_larger(error, value, gamma);
            } else {
                self.best = known;
                step /= 2;
            }
            if let Ended::Limit(_) = ended {
                return Ok(());
            }
        }
    }

    /// Sweeps until the goal, a limit, or a progress below `progress` a sweep; the first one from
    /// `next`.
    fn descend(
        &mut self,
        target: &mut dyn Target<T>,
        mut next: Option<Terms<T>>,
        progress: f64,
    ) -> Result<Ended> {
        let bound = self.rules.bound;
        let window = if progress == STAGE { 2 } else { WINDOW };
        // Sweeps since the extrapolation began.
        let mut age = 0;
        loop {
            if self.best.error <= self.goal {
                return Ok(Ended::Reached);
            }
            if self.record.iterations >= self.parameters.max_iterations {
                return Ok(Ended::Limit(Status::IterationLimit));
            }
            if self.record.seconds() >= self.parameters.max_seconds {
                return Ok(Ended::Limit(Status::TimeLimit));
            }
            let plain = next.is_none();
            let from = next.take().unwrap_or_else(|| self.best.terms.clone());
            let swept = sweep(target, &from, self.rules)?;
            let gamma = gamma_of(&swept, bound);
            let error = error_of(target, &swept);
            let value = self.value(error, &swept.terms);
            self.record.iterations += 1;
            let fell = value < self.best.value && gamma <= bound;
            if fell {
                let old = std::mem::replace(&mut self.best, Best { terms: swept.terms, error, value, gamma });
                age += 1;
                let weight = (age - 1) as f64 / (age + 2) as f64;
                if self.parameters.extrapolate && weight > 0.0 && old.terms.len() == from.len() {
                    next = Some(extrapolated(&old.terms, &self.best.terms, weight));
                }
            } else {
                age = 0;
            }
            self.note();
            let error = self.record.history.last().map_or(f64::INFINITY, |known| known.error);
            let (iteration, seconds) = (self.record.iterations, self.record.seconds());
            if self.parameters.callback.stops(&Progress { iteration, seconds, error }) {
                return Ok(Ended::Limit(Status::Interrupted));
            }
            let slow = self.record.slow(window, progress);
            if slow || (plain && !fell) {
                return Ok(Ended::Slow);
            }
        }
    }

    /// `terms` and others, `wanted` in all, that fit what they leave.
    fn grown(&mut self, target: &mut dyn Target<T>, terms: Terms<T>, wanted: usize) -> Result<Terms<T>> {
        let (count, seed) = (wanted - terms.len(), self.parameters.seed);
        let random = matches!(self.parameters.start, FitStart::Random);
        self.blocks += 1;
        if terms.len() == 0 {
            let new = start(target, count, random, seed, self.blocks)?;
            return Ok(Terms { modes: self.rules.imposed(new.modes), ..new });
        }
        let norm = target.error(&terms);
        let mut rest = Less::new(target, terms.clone(), norm);
        let mut new = start(&mut rest, count, random, seed, self.blocks)?;
        new.modes = self.rules.imposed(new.modes);
        for _ in 0..NEW_SWEEPS {
            new = sweep(&mut rest, &new, self.rules)?.terms;
        }
        Ok(terms.joined(new))
    }

    /// The root of |A - X|_F^2 + ridge sum lambda_k^2.
    fn value(&self, error: f64, x: &Terms<T>) -> f64 {
        error.hypot(self.rules.ridge.sqrt() * slice_norm(&x.lambda))
    }

    /// Notes the state after a sweep, or at the start.
    fn note(&mut self) {
        self.record.note(self.best.error, self.best.value, self.best.gamma);
    }

    fn finish(
        mut self,
        target: &dyn Target<T>,
        shapes: &[(usize, usize)],
        status: Status,
        start: Option<f64>,
    ) -> Result<Fitted<T>> {
        let e = self.exponent;
        let swamp = self.record.swamp(status);
        let degenerate =
            self.best.error > self.goal && self.record.is_degenerate(self.best.gamma, self.rules.bound);
        let status = if degenerate { Status::Degenerate } else { status };
        let sizes = self.best.terms.lambda.iter().map(|x| (*x, e)).collect();
        let mut separated = Separated::normalized(shapes.to_vec(), sizes, self.best.terms.modes)?;
        let mut error = target.error(&Terms::of(&separated, usize::MAX, -e));
        if let (FitStart::Warm(warm), Some(start)) = (&self.parameters.start, start)
            && self.rules.ridge == 0.0
            && error > start
            && self.record.history.len() > 1
            && separated.separation_rank() >= warm.separation_rank()
        {
            // No better than the start but for rounding.
            separated = warm.clone();
            error = start;
        }
        let error = scale_by_power_of_two(error, e);
        let condition_number = separated.condition_number()?;
        if let (Some(last), Some(gamma)) = (self.record.history.last_mut(), self.record.gammas.last_mut()) {
            (last.error, *gamma) = (error, condition_number);
        }
        let seconds = self.record.seconds();
        Ok(Fitted {
            separated,
            norm: scale_by_power_of_two(target.norm(), e),
            condition_number,
            condition_history: self.record.gammas,
            swamp,
            report: Report {
                status,
                iterations: self.record.iterations,
                error,
                seconds,
                history: self.record.history,
            },
        })
    }
}

/// |A - X|_F: as a difference where that is right to six digits, else from the residual.
fn error_of<T: Scalar>(target: &dyn Target<T>, swept: &Swept<T>) -> f64 {
    if swept.square > 1e6 * swept.doubt { swept.square.sqrt() } else { target.error(&swept.terms) }
}

/// gamma: from Gram matrices where that is right to three digits and far from the bound.
fn gamma_of<T: Scalar>(swept: &Swept<T>, bound: f64) -> f64 {
    let doubt = swept.gamma.powi(2) * swept.terms.len() as f64 * 100.0 * f64::EPSILON;
    if doubt < 1e-3 && swept.gamma < 0.9 * bound { swept.gamma } else { swept.terms.condition_number() }
}
