//! Factor descent with a chased level: the default method.
//!
//! Problem: make |F - X|_max small over matrices X = U V' of rank at most r, or over tensor
//! trains of ranks at most r.
//! Method: for a level eps, alternating projections between {rank <= r} and
//! {|F - X|_max <= eps} are a majorise-minimise iteration for the hinge
//! phi(X) = 1/2 sum (|X - F| - eps)_+^2. The hinge is minimised here in the factors
//! themselves, without any SVD: accelerated gradients, preconditioned by the Gram matrices of
//! the interfaces and restarted when phi grows, while eps is chased down from the best error
//! so far by a relative depth d that shrinks whenever a level brings no progress.
//! The Gram matrices are inverted anew every fifth step.
//! Cost: about 600 steps, each one fused pass (2 N r + 4 nnz r flops for N entries, nnz of
//! them, 1 to 10 %, over the level) and O((n1 + n2) r^2), which dominates for r near n.
//! Guarantee: never worse than the start; a local method, so no better guarantee is possible
//! (the problem is NP-hard for r = 1: Gillis and Shitov 2019). Zero is a saddle: a start that is no
//! better than X = 0 may end there. See `lower_bound` for how far
//! from the best it may be.
//! Deviations: none from the literature, since it is this project's own.

use super::cores::Cores;
use super::monitor::Monitor;
use super::pass::{Workspace, residual};
use super::source::Source;
use crate::{Error, Result, Scalar, Status};

/// The Gram matrices, which change slowly, are inverted anew after so many steps.
const REFRESH: usize = 5;

/// Constants of the descent.
#[derive(Debug, Clone)]
pub struct Descent {
    /// First depth: the level is (1 - depth) times the best error so far.
    pub depth: f64,
    /// What the depth is multiplied by when a level brought no progress.
    pub shrink: f64,
    /// Steps given to a level.
    pub patience: usize,
    /// Progress: the best error fell by this part of itself, at least, within one level.
    pub progress: f64,
    /// The search has converged once the depth is under this.
    pub final_depth: f64,
    /// Largest momentum.
    pub momentum: f64,
    /// First step length, in units of the preconditioned gradient.
    pub step: f64,
    /// Largest step length.
    pub max_step: f64,
}

impl Default for Descent {
    fn default() -> Self {
        Self {
            depth: 0.5,
            shrink: 0.7,
            patience: 25,
            progress: 0.002,
            final_depth: 0.002,
            momentum: 0.97,
            step: 0.7,
            max_step: 1.3,
        }
    }
}

impl Descent {
    /// # Errors
    /// [`Error::Parameter`] for a constant that would make the search endless or senseless.
    pub(crate) fn check(&self) -> Result<()> {
        let open = |x: f64| x > 0.0 && x < 1.0;
        let wrong =
            |name, value: f64, remedy| Err(Error::Parameter { name, value: value.to_string(), remedy });
        match self {
            d if !open(d.depth) => wrong("depth", d.depth, "take a number between 0 and 1"),
            d if !open(d.shrink) => wrong("shrink", d.shrink, "take a number between 0 and 1"),
            d if !open(d.final_depth) => wrong("final_depth", d.final_depth, "take a number between 0 and 1"),
            d if !open(d.progress) => wrong("progress", d.progress, "take a number between 0 and 1"),
            d if !(0.0..1.0).contains(&d.momentum) => {
                wrong("momentum", d.momentum, "take a number of at least 0 and under 1")
            }
            d if !(d.step > 0.0) => wrong("step", d.step, "take a positive number"),
            d if !(d.max_step >= 0.3) => wrong("max_step", d.max_step, "take at least 0.3"),
            d if d.patience == 0 => wrong("patience", 0.0, "give every level at least one step"),
            _ => Ok(()),
        }
    }
}

/// Where a search ended.
pub(crate) struct Found<T> {
    /// The best factors seen.
    pub cores: Cores<T>,
    /// Their error.
    pub error: T,
    pub status: Status,
}

/// Descends from `start`; `floor` is an error that counts as zero.
pub(crate) fn descend<T: Scalar>(
    source: &Source<'_, T>,
    start: Cores<T>,
    floor: T,
    constants: &Descent,
    monitor: &mut Monitor<'_>,
) -> Found<T> {
    let cut = start.cheapest_cut();
    let rank = start.rank(cut);
    let mut workspace = Workspace::default();
    let pass = |cores: &Cores<T>, eps: T, workspace: &mut Workspace<T>| {
        let faces = cores.interfaces(cut);
        let (p, q) = if source.transposed { (faces.q(), faces.p()) } else { (faces.p(), faces.q()) };
        residual(source, p, q, rank, eps, workspace);
        faces
    };
    pass(&start, T::infinity(), &mut workspace);
    let mut best = Found { cores: start.clone(), error: workspace.found.max, status: Status::Converged };
    monitor.started(best.error.as_f64());
    if best.error > floor
        && let Some(status) = monitor.no_step()
    {
        best.status = status;
        return best;
    }

    let mut inverses = None;
    let (mut x, mut previous) = (start.clone(), start);
    let (mut t, mut step, mut depth) = (1.0f64, constants.step, constants.depth);
    let level = |best: T, depth: f64| best * T::of(1.0 - depth);
    let mut eps = level(best.error, depth);
    let (mut reference, mut phi_before, mut count) = (best.error, f64::INFINITY, 0);
    while best.error > floor {
        let t_next = (1.0 + (1.0 + 4.0 * t * t).sqrt()) / 2.0;
        let b = ((t - 1.0) / t_next).min(constants.momentum);
        let y = Cores::extrapolate(&x, &previous, T::of(b));
        let faces = pass(&y, eps, &mut workspace);
        let found = &workspace.found;
        let (error, phi) = (found.max, found.phi);
        let finite = faces.product_is_finite();
        if error < best.error && finite {
            (best.error, best.cores) = (error, y.clone());
        }
        if let Some(status) = monitor.step(best.error.as_f64()) {
            best.status = status;
            return best;
        }
        count += 1;
        t = t_next;
        let blown_up = !finite || !phi.is_finite() || phi > 4.0 * phi_before;
        if phi > phi_before {
            t = 1.0;
            if phi > 1.02 * phi_before {
                step = (0.6 * step).max(0.3);
            }
        } else {
            step = (1.03 * step).min(constants.max_step);
        }
        let gradients = if blown_up {
            None
        } else {
            if monitor.iterations % REFRESH == 1 || inverses.is_none() {
                inverses = y.inverse_grams(&faces, cut);
            }
            let pq: (&[T], &[T]) =
                if source.transposed { (&found.q, &found.p) } else { (&found.p, &found.q) };
            inverses.as_ref().map(|inverses| y.preconditioned_gradients(&faces, cut, pq, inverses))
        };
        phi_before = phi;
        match gradients {
            Some(gradients) => {
                let mut next = y;
                for (core, gradient) in next.data.iter_mut().zip(gradients) {
                    core.iter_mut().zip(gradient).for_each(|(x, g)| *x -= T::of(step) * g);
                }
                previous = std::mem::replace(&mut x, next);
            }
            None => {
                inverses = None;
                step = (0.5 * step).max(0.3);
                x = best.cores.clone();
                previous = x.clone();
                (t, phi_before) = (1.0, f64::INFINITY);
            }
        }
        let reached = finite && error.as_f64() <= eps.as_f64() * (1.0 + 0.25 * depth);
        if reached || count >= constants.patience {
            if !reached && best.error.as_f64() > (1.0 - constants.progress) * reference.as_f64() {
                depth *= constants.shrink;
                if depth < constants.final_depth {
                    break;
                }
            }
            eps = level(best.error, depth);
            (reference, phi_before, count) = (best.error, f64::INFINITY, 0);
        }
    }
    best
}
