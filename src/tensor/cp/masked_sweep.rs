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
/// Part of the first ridge at which the sweeps of the start end.
const FADED: f64 = 1e-3;

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
    let mut next = match is_warm {
        true => None,
        false => Some(start(&mut *target, parameters.rank, parameters.random(), parameters.seed, 1)?),
    };
    let note = |iteration, error| {
        let seconds = started.elapsed().as_secs_f64();
        Progress { iteration, seconds, error: scale_by_power_of_two(error, e) }
    };
    let mut history = vec![note(0, error)];
    let mut path = Vec::new();
    let (mut iterations, mut age) = (0, 0);
    // A ridge that fades keeps terms from growing against each other in the gaps of a first guess.
    let mut easing = if is_warm { 0.0 } else { fraction };
    let status = loop {
        if error <= goal {
            break Status::Converged;
        }
        if iterations >= parameters.max_iterations {
            break Status::IterationLimit;
        }
        if started.elapsed().as_secs_f64() >= parameters.max_seconds {
            break Status::TimeLimit;
        }
        let plain = next.is_none();
        let from = next.take().unwrap_or_else(|| best.clone());
        let swept = sweep(target, from, weight + easing);
        iterations += 1;
        let new = target.error(&swept);
        let value = objective(&swept, new);
        let fell = value < least;
        if easing > 0.0 {
            easing = if easing > FADED * fraction { 0.5 * easing } else { 0.0 };
            next = Some(swept.clone());
            if fell {
                (best, error, least) = (swept, new, value);
                history.push(note(iterations, error));
            }
            continue;
        }
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
        if slow || (plain && !fell) {
            break Status::Converged;
        }
    };
    Ok(Ended { terms: best, status, iterations, history })
}

/// Updates every mode once.
fn sweep<T: Scalar>(target: &mut dyn Observed<T>, x: Terms<T>, ridge: f64) -> Terms<T> {
    let Terms { mut lambda, mut modes } = x;
    let s = lambda.len();
    for i in 0..modes.len() {
        let normal = target.normal(i, &modes); // (p, s (s + 1) / 2)
        let right = target.mttkrp(i, &modes); // (p, s)
        let row = |row: usize| {
            let matrix: Vec<f64> = (0..packed(s, 0)).map(|k| normal[(row, k)].as_f64()).collect();
            let right: Vec<f64> = (0..s).map(|k| right[(row, k)].as_f64()).collect();
            let old: Vec<f64> = (0..s).map(|k| modes[i][(row, k)].as_f64() * lambda[k]).collect();
            solve(matrix, right, old, ridge, T::EPS)
        };
        let solved: Vec<Vec<f64>> = if normal.nrows() * s * s > 1 << 14 {
            (0..normal.nrows()).into_par_iter().with_min_len(8).map(row).collect()
        } else {
            (0..normal.nrows()).map(row).collect()
        };
        for k in 0..s {
            let norm = solved.iter().map(|c| c[k] * c[k]).sum::<f64>().sqrt();
            lambda[k] = norm;
            if norm > 0.0 {
                let out = modes[i].col_as_slice_mut(k).iter_mut();
                out.zip(&solved).for_each(|(out, c)| *out = T::of(c[k] / norm));
            }
        }
    }
    Terms { lambda, modes }
}

/// The c with (G + ridge I) c = b, but for directions of G below rounding errors, where it stays at
/// `old`; zero where nothing is observed, G = 0.
fn solve(mut g: Vec<f64>, mut b: Vec<f64>, mut old: Vec<f64>, ridge: f64, eps: f64) -> Vec<f64> {
    let s = b.len();
    let trace: f64 = (0..s).map(|k| g[packed(k, k)]).sum();
    if trace == 0.0 {
        return vec![0.0; s];
    }
    (0..s).for_each(|k| g[packed(k, k)] += ridge);
    for k in 0..s {
        for l in 0..s {
            b[k] -= g[packed(k.max(l), k.min(l))] * old[l];
        }
    }
    let mut shift = 4.0 * eps * trace;
    while shift < trace {
        if let Some(factor) = cholesky(&g, s, shift) {
            for k in 0..s {
                let done: f64 = (0..k).map(|l| factor[packed(k, l)] * b[l]).sum();
                b[k] = (b[k] - done) / factor[packed(k, k)];
            }
            for k in (0..s).rev() {
                let done: f64 = (k + 1..s).map(|l| factor[packed(l, k)] * b[l]).sum();
                b[k] = (b[k] - done) / factor[packed(k, k)];
            }
            if b.iter().all(|x| x.is_finite()) {
                old.iter_mut().zip(&b).for_each(|(old, step)| *old += step);
            }
            break;
        }
        shift *= 16.0;
    }
    old
}

/// The Cholesky factor of G + shift I, packed.
fn cholesky(g: &[f64], s: usize, shift: f64) -> Option<Vec<f64>> {
    let mut out = g.to_vec();
    for k in 0..s {
        for l in 0..=k {
            let (above, below) = (packed(k, 0), packed(l, 0));
            let done: f64 = (0..l).map(|j| out[above + j] * out[below + j]).sum();
            let rest = out[above + l] - done;
            out[above + l] = if l < k {
                rest / out[packed(l, l)]
            } else if rest + shift > 0.25 * shift {
                (rest + shift).sqrt()
            } else {
                return None;
            };
        }
    }
    Some(out)
}
