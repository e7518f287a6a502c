//! Linear systems in many dimensions by conjugate gradients with truncation.
//!
//! **Problem.** A symmetric positive definite with modes (n_i, n_i), B with modes (n_i, l_i), both
//! separated: X with |B - A X|_F <= tolerance |B|_F, of few terms. The dense forms may be far too large
//! to be counted: d = 10 and n = 64 make 64^20 entries.
//!
//! **Method.** Preconditioned conjugate gradients whose iterates are reduced to fewer terms (Beylkin,
//! Mohlenkamp 2005, section 4; Kressner, Tobler, "Low-rank tensor Krylov subspace methods for
//! parametrized linear systems", SIAM J. Matrix Anal. Appl. 32, 2011). With inner products of all terms,
//! never truncated: r = b - A x, z = P r, p = z - (<z, A p> / <p, A p>) p, x <- x + (<r, p> / <p, A p>) p.
//! Reductions are those of [`super::reduce()`]: r, z and p, which only say where to look, to
//! `direction_tolerance` of their size, for a residual small by construction; x to so little that its
//! residual grows by no more than a tenth of what it is, found by trying: the tolerance follows the
//! residual, and no condition number of A need be known.
//!
//! **Cost.** An iteration: products with A and P, s_a s_x sum n_i^2 l_i flops each, four or five reductions
//! and as many norms of s_a s_x terms, 18 (s_a s_x)^2 sum n_i l_i flops.
//!
//! **Guarantee.** [`Status::Converged`] says that the residual, computed from the very X returned and in
//! twice the precision, is at most tolerance |B|_F, and that X has a condition number of at most the
//! bound. X is the best of all iterates. Otherwise the status tells why not: `Stagnated` where X cannot
//! be reduced to `max_terms` terms, or not within the bound, without losing what was gained, or where
//! rounding ends the progress, at a residual of about eps |A|_2 |A^-1|_2. The result does not depend on
//! the number of threads.
//!
//! **Deviations.** The residual is computed anew from x, not updated; beta comes from A-orthogonality,
//! which holds also for truncated vectors.

use super::algebra::square;
use super::prune::{Pruned, prune, prune_direction};
use super::{Als, FitStart, Separated, SeparationRank, reduce};
use crate::matrix::{exponent, scale_by_power_of_two};
use crate::{Error, Progress, Report, Result, Scalar, Status};
use std::time::Instant;

/// Parameters of [`conjugate_gradients`].
#[derive(Debug, Clone)]
pub struct ConjugateGradients<'a, T: Scalar> {
    /// The residual wanted, over |B|_F; 1e-6 by default.
    pub tolerance: f64,
    /// The most terms that X may have; 100 by default.
    pub max_terms: usize,
    /// The largest condition number that X may have, at least 1; 1000 by default.
    pub condition_bound: f64,
    /// P, symmetric positive definite with the shapes of A and like a multiple of its inverse: see
    /// [`super::inverse_of_kronecker_sum`].
    pub preconditioner: Option<&'a Separated<T>>,
    /// The terms that a residual is reduced to before it is used as a direction; 16 by default. More
    /// take fewer but dearer iterations.
    pub direction_terms: usize,
    /// The most iterations; 100 by default.
    pub max_iterations: usize,
    /// The most seconds (wall clock); infinite by default. An iteration under way is completed.
    pub max_seconds: f64,
}

impl<T: Scalar> Default for ConjugateGradients<'_, T> {
    fn default() -> Self {
        Self {
            tolerance: 1e-6,
            max_terms: 100,
            condition_bound: 1000.0,
            preconditioner: None,
            direction_terms: 16,
            max_iterations: 100,
            max_seconds: f64::INFINITY,
        }
    }
}

/// Relative error allowed of the image of a direction.
const DIRECTION: f64 = 0.1;

/// What [`conjugate_gradients`] found.
#[derive(Debug, Clone)]
pub struct Solution<T: Scalar> {
    /// X, the best one seen.
    pub x: Separated<T>,
    /// |B - A X|_F / |B|_F, from this X; 0 for B = 0.
    pub residual: f64,
    /// gamma of X.
    pub condition_number: f64,
    /// The terms of X at each point of the history.
    pub terms: Vec<usize>,
    /// How it went. `error` is |B - A X|_F.
    pub report: Report,
}

/// Solves A X = B for a symmetric positive definite A.
///
/// ```
/// use lowrank::faer::Mat;
/// use lowrank::separated::{ConjugateGradients, Separated, conjugate_gradients};
/// use lowrank::separated::{inverse_of_kronecker_sum, laplacian, second_difference};
/// let a = laplacian::<f64>(&[16; 4])?;
/// let b = Separated::from_terms(vec![vec![Mat::full(16, 1, 1.0); 4]])?;
/// let p = inverse_of_kronecker_sum(&vec![second_difference(16); 4], 0.1)?.inverse;
/// let parameters = ConjugateGradients { preconditioner: Some(&p), ..Default::default() };
/// let solution = conjugate_gradients(&a, &b, &parameters)?;
/// assert!(a.times(&solution.x)?.distance(&b)? <= 1e-6 * b.frobenius()?);
/// # lowrank::Result::Ok(())
/// ```
///
/// # Errors
/// [`Error::Shape`] when A or P is not square or the modes do not fit; [`Error::Parameter`] for A not
/// symmetric, for A or P found not to be positive definite, and for parameters out of range.
pub fn conjugate_gradients<T: Scalar>(
    a: &Separated<T>,
    b: &Separated<T>,
    parameters: &ConjugateGradients<'_, T>,
) -> Result<Solution<T>> {
    let started = Instant::now();
    check(a, b, parameters)?;
    // Powers of two bring both to a moderate size, and X back.
    let (e, f) = (size(a), size(b));
    let (small_a, small_b) = (shifted(a, -e)?, shifted(b, -f)?);
    let search = Search { a: &small_a, b: &small_b, parameters, norm: small_b.frobenius()?, started };
    let (x, status, steps) = search.run()?;
    let x = shifted(&x, f - e)?;
    let norm = b.frobenius()?;
    let error = residual(a, &x, b)?.frobenius()?;
    let relative = if norm > 0.0 { error / norm } else { 0.0 };
    let condition_number = x.condition_number()?;
    let met = relative <= parameters.tolerance && condition_number <= parameters.condition_bound;
    let status = match status {
        Status::Converged if !met => Status::Stagnated,
        other => other,
    };
    let point = |step: &Step| Progress {
        iteration: step.iteration,
        seconds: step.seconds,
        error: step.residual * norm,
    };
    let history = steps.iter().map(point).collect();
    let iterations = search_iterations(&steps);
    let seconds = started.elapsed().as_secs_f64();
    let terms = steps.iter().map(|s| s.terms).collect();
    let report = Report { status, iterations, error, history, seconds };
    Ok(Solution { x, residual: relative, condition_number, terms, report })
}

fn search_iterations(steps: &[Step]) -> usize {
    steps.last().map_or(0, |s| s.iteration)
}

/// The state after an iteration.
struct Step {
    iteration: usize,
    seconds: f64,
    residual: f64,
    terms: usize,
}

struct Search<'a, T: Scalar> {
    a: &'a Separated<T>,
    b: &'a Separated<T>,
    parameters: &'a ConjugateGradients<'a, T>,
    norm: f64,
    started: Instant,
}

impl<T: Scalar> Search<'_, T> {
    fn run(&self) -> Result<(Separated<T>, Status, Vec<Step>)> {
        let par = self.parameters;
        let mut x = Separated::zeros(self.b.shapes().to_vec())?;
        let mut r = self.b.clone();
        let mut rho = self.norm;
        let mut steps = vec![self.step(0, rho, &x)];
        let mut before: Option<(Separated<T>, Separated<T>, f64)> = None; // p, A p, <p, A p>
        for iteration in 1.. {
            if rho <= par.tolerance * self.norm {
                return Ok((x, Status::Converged, steps));
            }
            if iteration > par.max_iterations {
                return Ok((x, Status::IterationLimit, steps));
            }
            if self.started.elapsed().as_secs_f64() >= par.max_seconds {
                return Ok((x, Status::TimeLimit, steps));
            }
            let mut p = self.preconditioned(&self.short(&r)?)?;
            if let Some((old, image, energy)) = &before {
                let beta = -p.inner(image)? / energy;
                p = p.plus(&old.clone().scaled(T::of(beta))?)?;
            }
            if std::env::var("TRACE").is_ok() {
                println!(
                    "{iteration}: p {} {:.2}",
                    p.separation_rank(),
                    self.started.elapsed().as_secs_f64()
                );
            }
            if p.separation_rank() > par.max_terms {
                p = prune_direction(self.a, &p, env("DIRP", 0.1))?;
            }
            let image = self.a.times(&p)?;
            let energy = p.inner(&image)?;
            if !(energy > 0.0) {
                return Err(indefinite("a", energy));
            }
            let alpha = r.inner(&p)? / energy;
            let full = x.plus(&p.clone().scaled(T::of(alpha))?)?;
            let goal = residual(self.a, &full, self.b)?.frobenius()?;
            if std::env::var("TRACE").is_ok() {
                println!(
                    "{iteration}: p {} full {} goal {goal:e} rho {rho:e} {:.2}",
                    p.separation_rank(),
                    full.separation_rank(),
                    self.started.elapsed().as_secs_f64()
                );
            }
            let Some(next) = self.truncated(&full, goal, rho)? else {
                return Ok((x, Status::Stagnated, steps));
            };
            Pruned { x, rest: r, residual: rho } = next;
            steps.push(self.step(iteration, rho, &x));
            before = Some((p, image, energy));
        }
        unreachable!("an iteration ends in time")
    }

    fn step(&self, iteration: usize, rho: f64, x: &Separated<T>) -> Step {
        let residual = if self.norm > 0.0 { rho / self.norm } else { 0.0 };
        Step {
            iteration,
            seconds: self.started.elapsed().as_secs_f64(),
            residual,
            terms: x.separation_rank(),
        }
    }

    /// P r, reduced.
    fn preconditioned(&self, r: &Separated<T>) -> Result<Separated<T>> {
        let Some(p) = self.parameters.preconditioner else { return Ok(r.clone()) };
        let z = p.times(r)?;
        let energy = z.inner(r)?;
        if !(energy > 0.0) {
            return Err(indefinite("preconditioner", energy));
        }
        Ok(z)
    }

    /// A residual by few terms: as many as reach the accuracy of a direction, or the most allowed.
    fn short(&self, r: &Separated<T>) -> Result<Separated<T>> {
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
            if count == most || fitted.relative_error() <= env("DIRR", 0.1) {
                return Ok(fitted.separated);
            }
            start = FitStart::Warm(fitted.separated);
            count = (2 * count).min(most);
        }
    }

    /// `full` by fewer terms, with a residual below `rho` and hardly above `goal`; `None` where that
    /// takes too many terms or too large a condition number.
    fn truncated(&self, full: &Separated<T>, goal: f64, rho: f64) -> Result<Option<Pruned<T>>> {
        let par = self.parameters;
        let allowed = (1.2 * goal).max(0.9 * par.tolerance * self.norm);
        let fits = |x: &Separated<T>| -> Result<bool> {
            Ok(x.separation_rank() <= par.max_terms && x.condition_number()? <= par.condition_bound)
        };
        let mut best: Option<Pruned<T>> = None;
        let mut least = 0.9 * rho;
        for part in [env("PART", 0.7), env("PART", 0.7) * 0.15] {
            let found = prune(self.a, self.b, full, part * allowed, allowed)?;
            if std::env::var("TRACE").is_ok() {
                println!(
                    "   pruned {} residual {:e} {:.2} gamma {:e}",
                    found.x.separation_rank(),
                    found.residual,
                    self.started.elapsed().as_secs_f64(),
                    found.x.condition_number()?
                );
            }
            if found.residual <= least.max(allowed) && fits(&found.x)? {
                least = found.residual;
                best = Some(found);
            }
            if least <= allowed {
                return Ok(best);
            }
        }
        if goal < least && fits(full)? {
            let rest = residual(self.a, full, self.b)?;
            best = Some(Pruned { x: full.clone(), residual: goal, rest });
        }
        Ok(best)
    }
}

/// b - A x.
fn residual<T: Scalar>(a: &Separated<T>, x: &Separated<T>, b: &Separated<T>) -> Result<Separated<T>> {
    b.minus(&a.times(x)?)
}

fn size<T: Scalar>(m: &Separated<T>) -> i32 {
    m.lambda().first().map_or(0, |x| exponent(*x))
}

/// 2^e m.
fn shifted<T: Scalar>(m: &Separated<T>, e: i32) -> Result<Separated<T>> {
    let lambda = m.lambda().iter().map(|x| scale_by_power_of_two(*x, e)).collect();
    Separated::from_unit(m.shapes().to_vec(), lambda, m.modes().to_vec())
}

fn indefinite(name: &'static str, energy: f64) -> Error {
    let value = format!("matrix M with x'M x = {energy:e}");
    Error::Parameter { name, value, remedy: "a symmetric positive definite matrix is needed" }
}

fn check<T: Scalar>(a: &Separated<T>, b: &Separated<T>, par: &ConjugateGradients<'_, T>) -> Result<()> {
    let wrong = |name, value: f64, remedy| Err(Error::Parameter { name, value: value.to_string(), remedy });
    if !(par.tolerance >= 0.0 && par.tolerance < 1.0) {
        return wrong("tolerance", par.tolerance, "take one of at least 0 and below 1");
    }
    if !(par.condition_bound >= 1.0) {
        return wrong("condition_bound", par.condition_bound, "a bound of at least 1 is needed");
    }
    if !(par.max_seconds >= 0.0) {
        return wrong("max_seconds", par.max_seconds, "a number that is not negative is needed");
    }
    if par.max_terms == 0 || par.direction_terms == 0 {
        let name = if par.max_terms == 0 { "max_terms" } else { "direction_terms" };
        return wrong(name, 0.0, "at least one term is needed");
    }
    let sizes = square("a", a.shapes())?;
    let rows: Vec<usize> = b.shapes().iter().map(|s| s.0).collect();
    if rows != sizes {
        let expected = format!("modes with {sizes:?} rows are needed");
        return Err(Error::Shape { argument: "b", expected, found: rows });
    }
    if let Some(p) = par.preconditioner {
        if p.shapes() != a.shapes() {
            let expected = format!("modes of the shapes {:?} are needed", a.shapes());
            let found = p.shapes().iter().flat_map(|s| [s.0, s.1]).collect();
            return Err(Error::Shape { argument: "preconditioner", expected, found });
        }
    }
    let skew = a.distance(&a.transpose())?;
    if skew > 1e2 * T::EPS * a.frobenius()? {
        let value = format!("matrix with |A - A'|_F = {skew:e}");
        return Err(Error::Parameter { name: "a", value, remedy: "a symmetric matrix is needed" });
    }
    Ok(())
}
fn env(name: &str, default: f64) -> f64 {
    std::env::var(name).ok().map_or(default, |x| x.parse().unwrap())
}
