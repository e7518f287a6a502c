//! Linear systems in many dimensions by conjugate gradients with truncation.
//!
//! **Problem.** A symmetric positive definite with modes (n_i, n_i), B with modes (n_i, l_i), both
//! separated: X with |B - A X|_F <= tolerance |B|_F, of few terms. The dense forms may be far too large
//! to be counted: d = 10 and n = 64 make 64^20 entries.
//!
//! **Method.** Preconditioned conjugate gradients whose iterates are reduced to fewer terms (Beylkin,
//! Mohlenkamp 2005, section 4; Kressner, Tobler, "Low-rank tensor Krylov subspace methods for
//! parametrized linear systems", SIAM J. Matrix Anal. Appl. 32, 2011), in the variable y = P^-1 x: with
//! r = b - A P y, the step is y <- y + alpha q along q = r + beta q_old, where alpha = <r, P q> / <P q, A P q>
//! and beta makes A P q orthogonal to P q_old. A change of y changes the residual by about as much,
//! as A P is near a multiple of the identity; one of x could change it by the condition number of A.
//! Reductions are those of [`super::reduce()`]: r and q, which only say where to look, to a tenth or to
//! `direction_terms`; y to so little that the residual grows by a fifth at most, so that what is dropped
//! follows the residual. At the end x = P y is pruned to the terms that its residual needs, with
//! coefficients by least squares.
//!
//! **Cost.** An iteration: products of s_p s_y and s_a s_p s_y terms with factors, some reductions, and norms
//! of S = s_a s_p s_y terms, 18 S^2 sum n_i l_i flops; S is the number to keep small. One iteration
//! suffices where P is as precise as the tolerance: 0.4 s for the Laplacian at d = 10, n = 64 and 1e-8.
//!
//! **Guarantee.** [`Status::Converged`] says that the residual, computed from the very X returned and in
//! twice the precision, is at most tolerance |B|_F, and that X has at most `max_terms` terms and a
//! condition number within the bound. `Stagnated`: X takes more of either (it is returned so), or
//! rounding ends the progress, at a residual of about eps |A|_2 |A^-1|_2. The result does not depend
//! on the number of threads.
//!
//! **Deviations.** The residual is computed anew, not updated; beta comes from A-orthogonality, which
//! holds also for truncated vectors. Without a preconditioner y is x; the residual may rise on the way,
//! as in all conjugate gradients, for up to 30 iterations; the best X seen is returned. Reductions that
//! spoil the residual are repeated a hundred times more precisely, or left out.

use super::Separated;
use super::algebra::square;
use super::prune::Pruned;
use super::system::{System, residual};
use crate::matrix::{exponent, scale_by_power_of_two};
use crate::report::Watch;
use crate::{Error, Progress, Report, Result, Scalar, Status};
use std::time::Instant;

/// Parameters of [`conjugate_gradients`].
#[derive(Debug, Clone)]
pub struct ConjugateGradients<'a, T: Scalar> {
    /// The residual wanted, over |B|_F; 1e-6 by default.
    pub tolerance: f64,
    /// The most terms that X may have; 200 by default.
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
    /// Told of every iteration, with the residual |B - A X|_F; may ask to stop.
    pub callback: Watch<'a>,
}

impl<T: Scalar> Default for ConjugateGradients<'_, T> {
    fn default() -> Self {
        Self {
            tolerance: 1e-6,
            max_terms: 200,
            condition_bound: 1000.0,
            preconditioner: None,
            direction_terms: 16,
            max_iterations: 100,
            max_seconds: f64::INFINITY,
            callback: Watch::default(),
        }
    }
}

/// Iterations without a smaller residual that are waited for where there is no preconditioner.
const PATIENCE: usize = 30;

/// What [`conjugate_gradients`] found.
#[derive(Debug, Clone)]
pub struct Solution<T: Scalar> {
    /// X.
    pub x: Separated<T>,
    /// |B - A X|_F / |B|_F, from this X; 0 for B = 0.
    pub residual: f64,
    /// gamma of X.
    pub condition_number: f64,
    /// The terms of P^-1 X, from which X is made, at each point of the history.
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
    let (size, norm) = (b.frobenius()?, small_b.frobenius()?);
    let system = System { a: &small_a, b: &small_b, parameters, norm };
    let search = Search { system, size, started };
    let (x, status, steps) = search.run()?;
    let x = shifted(&x, f - e)?;
    let error = residual(a, &x, b)?.frobenius()?;
    let relative = if size > 0.0 { error / size } else { 0.0 };
    let condition_number = x.condition_number()?;
    let met = relative <= parameters.tolerance && condition_number <= parameters.condition_bound;
    let status = match status {
        Status::Converged if !met => Status::Stagnated,
        other => other,
    };
    let history = steps.iter().map(|step| step.progress(size)).collect();
    let iterations = steps.len() - 1;
    let seconds = started.elapsed().as_secs_f64();
    let terms = steps.iter().map(|s| s.terms).collect();
    let report = Report { status, iterations, error, history, seconds };
    Ok(Solution { x, residual: relative, condition_number, terms, report })
}

/// The state after an iteration.
struct Step {
    iteration: usize,
    seconds: f64,
    residual: f64,
    terms: usize,
}

impl Step {
    /// For a right-hand side of norm `size`.
    fn progress(&self, size: f64) -> Progress {
        Progress { iteration: self.iteration, seconds: self.seconds, error: self.residual * size }
    }
}

struct Search<'a, T: Scalar> {
    system: System<'a, T>,
    /// |B|_F of the right-hand side given.
    size: f64,
    started: Instant,
}

impl<T: Scalar> Search<'_, T> {
    fn run(&self) -> Result<(Separated<T>, Status, Vec<Step>)> {
        let (system, par) = (&self.system, self.system.parameters);
        let patience = if par.preconditioner.is_some() { 0 } else { PATIENCE };
        let mut y = Separated::zeros(system.b.shapes().to_vec())?;
        let mut r = system.b.clone();
        let mut rho = system.norm;
        // The best y so far, its residual, and the iterations since.
        let (mut best, mut low, mut since) = (y.clone(), rho, 0);
        let mut steps = vec![self.step(0, rho, &y)];
        let mut before: Option<Direction<T>> = None;
        let mut status = Status::Converged;
        // Half of the tolerance is left to the last reduction.
        while rho > 0.5 * par.tolerance * system.norm {
            let iteration = steps.len();
            if iteration > par.max_iterations {
                status = Status::IterationLimit;
                break;
            }
            if self.started.elapsed().as_secs_f64() >= par.max_seconds {
                status = Status::TimeLimit;
                break;
            }
            let direction = self.direction(&r, before.as_ref())?;
            let alpha = r.inner(&direction.p)? / direction.energy;
            let full = y.plus(&direction.of_y.clone().scaled(T::of(alpha))?)?;
            let (rest, residual) = system.residual(&full)?;
            since = if residual < 0.99 * low { 0 } else { since + 1 };
            if since > patience {
                if before.take().is_some() && patience == 0 {
                    since = 0;
                    continue; // once more, along the residual alone
                }
                status = Status::Stagnated;
                break;
            }
            let next = system.shortened(Pruned { x: full, rest, residual }, rho)?;
            (y, r, rho) = (next.x, next.rest, next.residual);
            if rho < low {
                (best, low) = (y.clone(), rho);
            }
            let step = self.step(iteration, rho, &y);
            let stops = par.callback.stops(&step.progress(self.size));
            steps.push(step);
            if stops {
                status = Status::Interrupted;
                break;
            }
            before = Some(direction);
        }
        let (x, fits) = system.finished(&best, low)?;
        let status = if fits { status } else { Status::Stagnated };
        Ok((x, status, steps))
    }

    fn step(&self, iteration: usize, rho: f64, y: &Separated<T>) -> Step {
        let norm = self.system.norm;
        let residual = if norm > 0.0 { rho / norm } else { 0.0 };
        Step {
            iteration,
            seconds: self.started.elapsed().as_secs_f64(),
            residual,
            terms: y.separation_rank(),
        }
    }

    /// The next direction: the residual by few terms, orthogonal in A to the one before.
    fn direction(&self, r: &Separated<T>, before: Option<&Direction<T>>) -> Result<Direction<T>> {
        let system = &self.system;
        let short = system.short(r)?;
        let z = system.preconditioned(&short)?;
        let energy = z.inner(&short)?;
        if !(energy > 0.0) {
            return Err(indefinite("preconditioner", energy));
        }
        let (mut of_y, mut p) = (short, z);
        if let Some(old) = before {
            let beta = -p.inner(&old.image)? / old.energy;
            of_y = system.short(&of_y.plus(&old.of_y.clone().scaled(T::of(beta))?)?)?;
            p = system.preconditioned(&of_y)?;
        }
        let image = system.a.times(&p)?;
        let energy = p.inner(&image)?;
        if !(energy > 0.0) {
            return Err(indefinite("a", energy));
        }
        Ok(Direction { of_y, p, image, energy })
    }
}

/// A direction p = P `of_y`, A p and <p, A p>.
struct Direction<T: Scalar> {
    of_y: Separated<T>,
    p: Separated<T>,
    image: Separated<T>,
    energy: f64,
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
    if let Some(p) = par.preconditioner
        && p.shapes() != a.shapes()
    {
        let expected = format!("modes of the shapes {:?} are needed", a.shapes());
        let found = p.shapes().iter().flat_map(|s| [s.0, s.1]).collect();
        return Err(Error::Shape { argument: "preconditioner", expected, found });
    }
    let skew = a.distance(&a.transpose())?;
    if skew > 1e2 * T::EPS * a.frobenius()? {
        let value = format!("matrix with |A - A'|_F = {skew:e}");
        return Err(Error::Parameter { name: "a", value, remedy: "a symmetric matrix is needed" });
    }
    Ok(())
}
