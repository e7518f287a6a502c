//! The course of [`super::masked`]: sweeps of small least-squares problems, extrapolation, the end.

use super::masked::Masked;
use super::observed::{Observed, packed};
use crate::matrix::scale_by_power_of_two;
use crate::separated::start::{extrapolated, start};
use crate::separated::target::Terms;
use crate::{Error, Progress, Result, Scalar, Status};
use rayon::prelude::*;
use std::time::Instant;

/// Sweeps over which progress is judged.
const WINDOW: usize = 10;
/// Sweeps of the start, each with half the ridge of the one before.
const EASED: usize = 11;

/// Where a run ended.
pub(super) struct Ended<T: Scalar> {
    pub terms: Terms<T>,
    pub status: Status,
    pub iterations: usize,
    pub history: Vec<Progress>,
}

/// Fits the target, the entries times 2^-e, from `warm` or else from a start of its own. Minimized is the
/// square of the error plus `weight` times the sum of lambda^2; `fraction` of the entries are observed.
pub(super) fn run<T: Scalar>(
    target: &mut dyn Observed<T>,
    parameters: &Masked<T>,
    (weight, fraction): (f64, f64),
    warm: Option<Terms<T>>,
    e: i32,
    started: Instant,
) -> Result<Ended<T>> {
    let norm = target.norm();
    let objective = |terms: &Terms<T>, error: f64| {
        let sizes = terms.lambda.iter().map(|x| x * x).sum::<f64>();
        (error * error + weight * sizes).sqrt()
    };
    let goal = parameters.tolerance.max(2.0 * T::EPS) * norm;
    let is_warm = warm.is_some();
    let mut best = warm.unwrap_or_else(|| Terms::zeros(target.sizes()));
    let mut error = target.error(&best);
    if !error.is_finite() {
        let (name, value) = ("start", "(lambda)".into());
        return Err(Error::Parameter { name, value, remedy: "its size exceeds that of A by far" });
    }
    let mut least = objective(&best, error);
    let note = |iteration, error| {
        let seconds = started.elapsed().as_secs_f64();
        Progress { iteration, seconds, error: scale_by_power_of_two(error, e) }
    };
    let limit = |iterations| {
        if iterations >= parameters.max_iterations {
            Some(Status::IterationLimit)
        } else if started.elapsed().as_secs_f64() >= parameters.max_seconds {
            Some(Status::TimeLimit)
        } else {
            None
        }
    };
    let mut history = vec![note(0, error)];
    let (mut iterations, mut age) = (0, 0);
    let mut next = None;
    if !is_warm && parameters.rank > 0 && error > goal && limit(0).is_none() {
        // A ridge that fades keeps terms from growing against each other in the gaps of a first guess.
        let mut terms = start(&mut *target, parameters.rank, parameters.random(), parameters.seed, 1)?;
        while iterations < EASED && limit(iterations).is_none() {
            let easing = fraction * 0.5f64.powi(iterations as i32);
            terms = sweep(target, terms, weight + easing, false);
            iterations += 1;
        }
        let eased = target.error(&terms);
        if objective(&terms, eased) < least {
            (best, error, least) = (terms.clone(), eased, objective(&terms, eased));
            history.push(note(iterations, error));
        }
        next = Some(terms);
    }
    let mut path = Vec::new();
    let mut fresh = false;
    let status = loop {
        if error <= goal || parameters.rank == 0 {
            break Status::Converged;
        }
        if let Some(status) = limit(iterations) {
            break status;
        }
        let plain = next.is_none();
        let from = next.take().unwrap_or_else(|| best.clone());
        let swept = sweep(target, from, weight, fresh);
        iterations += 1;
        let new = target.error(&swept);
        let value = objective(&swept, new);
        let fell = value < least;
        if fell {
            let old = std::mem::replace(&mut best, swept);
            (error, least) = (new, value);
            history.push(note(iterations, error));
            age += 1;
            let step = (age - 1) as f64 / (age + 2) as f64;
            if parameters.extrapolate && step > 0.0 && old.len() == best.len() {
                next = Some(extrapolated(&old, &best, step));
            }
        } else {
            age = 0;
        }
        path.push(least);
        let n = path.len();
        let slow = n > WINDOW && path[n - 1 - WINDOW] - least <= WINDOW as f64 * parameters.progress * least;
        let over = slow || (plain && !fell);
        if over && fresh {
            break Status::Converged;
        }
        fresh = over || !fell;
    };
    Ok(Ended { terms: best, status, iterations, history })
}

/// Updates every mode once; `fresh`: with the normal matrices of now.
fn sweep<T: Scalar>(target: &mut dyn Observed<T>, mut x: Terms<T>, ridge: f64, fresh: bool) -> Terms<T> {
    let s = x.len();
    if s == 0 {
        return x;
    }
    for i in 0..x.modes.len() {
        let equations = target.equations(i, &x, fresh);
        let mode = &mut x.modes[i];
        // The columns with their weights, row by row.
        let place = |row| (0..s).map(move |k| (row, k));
        let columns = (0..mode.nrows()).flat_map(place).map(|at| mode[at].as_f64() * x.lambda[at.1]);
        let mut columns: Vec<f64> = columns.collect();
        let update = |room: &mut Room, (row, c): (usize, &mut [f64])| {
            room.g.iter_mut().enumerate().for_each(|(k, g)| *g = equations.normal[(row, k)].as_f64());
            room.b.iter_mut().enumerate().for_each(|(k, b)| *b = equations.slope[(row, k)].as_f64());
            room.step(c, ridge, equations.doubt, 4.0 * T::EPS)
        };
        let pivot = if columns.len() * s > 1 << 14 {
            let rows = columns.par_chunks_mut(s).enumerate().with_min_len(8);
            rows.map_init(|| Room::new(s), update).reduce(|| f64::INFINITY, f64::min)
        } else {
            let mut room = Room::new(s);
            columns.chunks_mut(s).enumerate().map(|row| update(&mut room, row)).fold(f64::INFINITY, f64::min)
        };
        for k in 0..s {
            let column = || columns.iter().skip(k).step_by(s);
            let norm = column().map(|x| x * x).sum::<f64>().sqrt();
            x.lambda[k] = norm;
            if norm > 0.0 {
                let out = mode.col_as_slice_mut(k).iter_mut();
                out.zip(column()).for_each(|(out, x)| *out = T::of(x / norm));
            }
        }
        target.solved(i, pivot);
    }
    x
}

/// The problem of a row.
struct Room {
    /// The normal matrix G, packed.
    g: Vec<f64>,
    /// Its Cholesky factor, packed.
    factor: Vec<f64>,
    /// The slope, then the step.
    b: Vec<f64>,
}

impl Room {
    fn new(s: usize) -> Self {
        Self { g: vec![0.0; packed(s, 0)], factor: vec![0.0; packed(s, 0)], b: vec![0.0; s] }
    }

    /// Moves c by the solution of (G + (ridge + shift) I) step = b - ridge c, the shift being the larger one of
    /// `doubt` and `part` of the trace of G; to zero where nothing is observed, G = 0. The least pivot of
    /// G + ridge I; infinite for G = 0.
    fn step(&mut self, c: &mut [f64], ridge: f64, doubt: f64, part: f64) -> f64 {
        let Self { g, factor, b } = self;
        let s = b.len();
        let trace: f64 = (0..s).map(|k| g[packed(k, k)]).sum();
        if trace == 0.0 {
            c.fill(0.0);
            return f64::INFINITY;
        }
        (0..s).for_each(|k| g[packed(k, k)] += ridge);
        b.iter_mut().zip(&*c).for_each(|(b, c)| *b -= ridge * c);
        let mut shift = doubt.max(part * trace);
        while shift < trace {
            if let Some(pivot) = cholesky(g, shift, factor, s) {
                for k in 0..s {
                    let done: f64 = (0..k).map(|l| factor[packed(k, l)] * b[l]).sum();
                    b[k] = (b[k] - done) / factor[packed(k, k)];
                }
                for k in (0..s).rev() {
                    let done: f64 = (k + 1..s).map(|l| factor[packed(l, k)] * b[l]).sum();
                    b[k] = (b[k] - done) / factor[packed(k, k)];
                }
                if b.iter().all(|x| x.is_finite()) {
                    c.iter_mut().zip(b).for_each(|(c, step)| *c += *step);
                }
                return pivot.max(0.0);
            }
            shift *= 16.0;
        }
        0.0
    }
}

/// Writes the Cholesky factor of G + shift I, packed, where there is one; its least pivot less the shift.
fn cholesky(g: &[f64], shift: f64, out: &mut [f64], s: usize) -> Option<f64> {
    out.copy_from_slice(g);
    let mut least = f64::INFINITY;
    for k in 0..s {
        for l in 0..=k {
            let (above, below) = (packed(k, 0), packed(l, 0));
            let done: f64 = (0..l).map(|j| out[above + j] * out[below + j]).sum();
            let rest = out[above + l] - done;
            out[above + l] = if l < k {
                rest / out[packed(l, l)]
            } else if rest + shift > 0.25 * shift {
                least = least.min(rest);
                (rest + shift).sqrt()
            } else {
                return None;
            };
        }
    }
    Some(least)
}
