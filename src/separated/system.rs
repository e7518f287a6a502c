//! A linear system of separated matrices and what keeps its vectors short: see [`super::conjugate_gradients`].

use super::prune::{Pruned, prune};
use super::{Als, ConjugateGradients, FitStart, Separated, SeparationRank, reduce};
use crate::{Result, Scalar};

/// Relative error allowed of the image of a direction.
const DIRECTION: f64 = 0.1;

/// A P y = b, of moderate size.
pub(super) struct System<'a, T: Scalar> {
    pub a: &'a Separated<T>,
    pub b: &'a Separated<T>,
    pub parameters: &'a ConjugateGradients<'a, T>,
    /// |b|_F.
    pub norm: f64,
}

impl<T: Scalar> System<'_, T> {
    /// P y.
    pub fn preconditioned(&self, y: &Separated<T>) -> Result<Separated<T>> {
        self.parameters.preconditioner.map_or_else(|| Ok(y.clone()), |p| p.times(y))
    }

    /// b - A P y and its norm.
    pub fn residual(&self, y: &Separated<T>) -> Result<(Separated<T>, f64)> {
        let r = residual(self.a, &self.preconditioned(y)?, self.b)?;
        let norm = r.frobenius()?;
        Ok((r, norm))
    }

    /// A direction by few terms: as many as reach its accuracy, or the most allowed.
    pub fn short(&self, r: &Separated<T>) -> Result<Separated<T>> {
        let most = self.parameters.direction_terms;
        if r.separation_rank() <= most {
            return Ok(r.clone());
        }
        let mut count = 2.min(most);
        let mut start = FitStart::Leading;
        loop {
            let rank = SeparationRank::Fixed(count.min(SeparationRank::largest(r.shapes())));
            let als = Als {
                rank,
                condition_bound: 1e6,
                progress: 1e-2,
                max_iterations: 60,
                start,
                ..Default::default()
            };
            let fitted = reduce(r, &als)?;
            if count == most || fitted.relative_error() <= DIRECTION {
                return Ok(fitted.separated);
            }
            start = FitStart::Warm(fitted.separated);
            count = (2 * count).min(most);
        }
    }

    /// `full` by fewer terms, with a residual hardly above its own, and below `rho` where its own is.
    pub fn shortened(&self, full: Pruned<T>, rho: f64) -> Result<Pruned<T>> {
        let goal = full.residual;
        let least = (1.2 * goal).max(0.4 * self.parameters.tolerance * self.norm);
        let allowed = if goal < rho { least.min(0.5 * (goal + rho)) } else { least };
        let mut loss = 0.5 * allowed / full.x.frobenius()?;
        for _ in 0..3 {
            let als = Als {
                rank: SeparationRank::Tolerance(loss.min(0.5)),
                condition_bound: self.parameters.condition_bound,
                progress: 1e-2,
                max_iterations: 100,
                ..Default::default()
            };
            let y = reduce(&full.x, &als)?.separated;
            if y.separation_rank() >= full.x.separation_rank() {
                break;
            }
            let (rest, now) = self.residual(&y)?;
            if now <= allowed {
                return Ok(Pruned { x: y, rest, residual: now });
            }
            loss *= 0.01;
        }
        Ok(full)
    }

    /// X = P y by the terms that count, and whether it is within the limits.
    pub fn finished(&self, y: &Separated<T>, rho: f64) -> Result<(Separated<T>, bool)> {
        let par = self.parameters;
        let full = self.preconditioned(y)?;
        let allowed = (1.2 * rho).max(0.95 * par.tolerance * self.norm);
        let mut best = Pruned { rest: residual(self.a, &full, self.b)?, x: full, residual: rho };
        for part in [0.3, 0.9] {
            let found = prune(self.a, self.b, &best.x, part * allowed, allowed)?;
            if found.residual <= allowed {
                best = found;
            }
        }
        let short = best.x.separation_rank() <= par.max_terms;
        let fits = short && best.x.condition_number()? <= par.condition_bound;
        Ok((best.x, fits))
    }
}

/// b - A x.
pub(super) fn residual<T: Scalar>(
    a: &Separated<T>,
    x: &Separated<T>,
    b: &Separated<T>,
) -> Result<Separated<T>> {
    b.minus(&a.times(x)?)
}
