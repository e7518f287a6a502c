//! Nonnegative Tucker decomposition of given ranks.
//!
//! **Problem.** A (n_1, ..., n_d), as a rule nonnegative, and ranks: a core and factors without
//! negative entries with |A - X|_F locally least.
//!
//! **Method.** In turn, the columns of each factor by hierarchical alternating least squares
//! (Cichocki, Zdunek, Phan, Amari, "Nonnegative Matrix and Tensor Factorizations", 2009, chapter 7):
//! each column is the best one for all others; then the core by projected gradient steps of length
//! 1 / L, L the largest eigenvalue of the Hessian. A enters through its products with the factors.
//!
//! **Cost.** An iteration takes 2 N r flops for each mode and as many for the error; the sweeps work
//! on small matrices. Memory as [`hooi`](super::hooi()).
//!
//! **Guarantee.** No step increases |A - X|_F. The decomposition returned has the least error seen,
//! measured from the residual. Converged: an iteration lowered the error by no more than `tolerance`
//! |A|_F, which on this landscape is no proof of a minimum: try several seeds. The bits do not depend
//! on the number of threads.
//!
//! **Deviations.** The source updates the core by multiplication, which never leaves a zero.

use super::hosvd::{Hosvd, Problem, relative};
use super::ranks::Ranks;
use super::representation::{Tucker, pairs};
use crate::matrix::{scale_by_power_of_two, slice_norm, spectral};
use crate::random::gaussian;
use crate::tensor::kernel::{last, reduce};
use crate::tensor::mode_product::{product_along, products_along};
use crate::{Error, Progress, Report, Result, Scalar, Status};
use faer::{Mat, MatRef};
use ndarray::{ArrayD, ArrayViewD, Axis};
use std::time::Instant;

/// Parameters of [`nonnegative`].
#[derive(Debug, Clone, PartialEq)]
pub struct Nonnegative {
    /// The modes that are compressed; `None` for all.
    pub modes: Option<Vec<usize>>,
    /// Largest number of iterations.
    pub max_iterations: usize,
    /// Ends when an iteration lowers |A - X|_F by no more than this fraction of |A|_F.
    pub tolerance: f64,
    /// Sweeps over the columns of a factor, and steps of the core, in an iteration; at least 1.
    pub sweeps: usize,
    /// Seed of the start.
    pub seed: u64,
}

impl Default for Nonnegative {
    /// All modes, 500 iterations, tolerance 1e-6, 3 sweeps, seed 0.
    fn default() -> Self {
        Self { modes: None, max_iterations: 500, tolerance: 1e-6, sweeps: 3, seed: 0 }
    }
}

/// What [`nonnegative`] found.
///
/// The bound of [`hosvd`](super::hosvd()) does not hold for it: orthogonal bases have signs. From below its
/// largest tail, of the variant that is not sequential, bounds the error of whatever has these ranks.
#[derive(Debug, Clone)]
pub struct NonnegativeFit<T: Scalar> {
    /// The decomposition with the least error seen; the columns of its factors have norm one, or are
    /// zero.
    pub tucker: Tucker<T>,
    /// How it went; `error` is |A - X|_F, measured from the residual.
    pub report: Report,
    /// |A - X|_F / |A|_F; 0 for A = 0.
    pub relative_error: f64,
}

/// Nonnegative Tucker decomposition with `ranks`, one for each mode that is compressed.
///
/// # Errors
/// Those of [`hosvd`](super::hosvd()) for fixed ranks; [`Error::Parameter`] for a negative or
/// non-finite tolerance and for no sweep at all.
///
/// ```
/// use lowrank::ndarray::ArrayD;
/// use lowrank::tensor::tucker::{Nonnegative, nonnegative};
/// let a = ArrayD::from_shape_fn(vec![8, 9, 10], |i| 1.0 / (1 + i[0] + i[1] + i[2]) as f64);
/// let x = nonnegative(a.view(), &[3, 3, 3], &Nonnegative::default())?;
/// assert!(x.relative_error < 0.01);
/// assert!(x.tucker.core().iter().all(|x| *x >= 0.0));
/// # lowrank::Result::Ok(())
/// ```
pub fn nonnegative<T: Scalar>(
    a: ArrayViewD<'_, T>,
    ranks: &[usize],
    parameters: &Nonnegative,
) -> Result<NonnegativeFit<T>> {
    let clock = Instant::now();
    let fail = |name, value: String, remedy| Err(Error::Parameter { name, value, remedy });
    if !(parameters.tolerance >= 0.0 && parameters.tolerance.is_finite()) {
        let remedy = "give a finite tolerance of at least 0";
        return fail("tolerance", parameters.tolerance.to_string(), remedy);
    }
    if parameters.sweeps == 0 {
        return fail("sweeps", "0".into(), "ask for at least 1");
    }
    let all = Hosvd { modes: parameters.modes.clone(), ..Default::default() };
    let (modes, problem) = Problem::checked(a, &Ranks::Fixed(ranks.to_vec()), &all)?;
    let mut x = Iterate::start(&problem, &modes, ranks, parameters.seed)?;
    let (mut error, norm) = problem.distance(&x.core, &x.factors)?;
    let back = |x: f64| scale_by_power_of_two(x, problem.e);
    let progress =
        |iteration, error| Progress { iteration, seconds: clock.elapsed().as_secs_f64(), error: back(error) };
    let (mut best, mut iterations, mut status) = (x.clone(), 0, Status::IterationLimit);
    let mut history = vec![progress(0, error)];
    while iterations < parameters.max_iterations {
        if problem.a.is_empty() || error == 0.0 {
            status = Status::Converged;
            break;
        }
        iterations += 1;
        x.improve(&problem, &modes, parameters.sweeps)?;
        let next = problem.distance(&x.core, &x.factors)?.0;
        let gain = error - next;
        if next < error {
            (best, error) = (x.clone(), next);
            history.push(progress(iterations, error));
        }
        if gain <= parameters.tolerance * norm {
            // Above the best by more than that: rounding errors have stopped it.
            status = if gain >= -parameters.tolerance * norm { Status::Converged } else { Status::Stagnated };
            break;
        }
    }
    let report =
        Report { status, iterations, error: back(error), history, seconds: clock.elapsed().as_secs_f64() };
    let tucker = problem.unscaled(best.core, best.factors)?;
    Ok(NonnegativeFit { tucker, report, relative_error: relative(error, norm) })
}

/// A core and factors of 2^-e A.
#[derive(Clone)]
struct Iterate<T: Scalar> {
    core: ArrayD<T>,
    factors: Vec<Option<Mat<T>>>,
}

impl<T: Scalar> Iterate<T> {
    /// Magnitudes of Gaussian columns, and the positive part of their products with A, scaled best.
    fn start(problem: &Problem<'_, T>, modes: &[usize], ranks: &[usize], seed: u64) -> Result<Self> {
        let mut factors = vec![None; problem.a.ndim()];
        for (&mode, &rank) in modes.iter().zip(ranks) {
            let n = problem.a.len_of(Axis(mode));
            let random = gaussian::<T>(n, rank, seed, "nonnegative tucker");
            let mut factor = Mat::from_fn(n, rank, |i, r| num_traits::Float::abs(random[(i, r)]));
            for r in 0..rank {
                normalized(factor.col_as_slice_mut(r));
            }
            factors[mode] = Some(factor);
        }
        let wanted = problem.projected(&factors, None)?;
        let core = wanted.mapv(|x| if x > T::of(0.0) { x } else { T::of(0.0) });
        let mut start = Self { core, factors };
        let image = products_along(start.core.view(), &pairs(&start.grams(None)))?;
        let inner =
            |x: &ArrayD<T>| -> f64 { start.core.iter().zip(x).map(|(g, x)| g.as_f64() * x.as_f64()).sum() };
        let (with_wanted, with_image) = (inner(&wanted), inner(&image));
        let c = if with_image > 0.0 { with_wanted / with_image } else { 0.0 };
        start.core.mapv_inplace(|x| x * T::of(c));
        Ok(start)
    }

    /// One iteration.
    fn improve(&mut self, problem: &Problem<'_, T>, modes: &[usize], sweeps: usize) -> Result<()> {
        let mut wanted = None;
        for (k, &mode) in modes.iter().enumerate() {
            let y = problem.projected(&self.factors, Some(mode))?; // (r_1, ..., n_k, ..., r_d)
            let order = last(y.ndim(), mode);
            let turned = |x: &ArrayD<T>| x.view().permuted_axes(&order[..]).to_owned();
            let image = products_along(self.core.view(), &pairs(&self.grams(Some(mode))))?;
            let (core, image) = (turned(&self.core), turned(&image));
            let target = reduce(y.view().permuted_axes(&order[..]), core.view()); // (n_k, r_k)
            let gram = reduce(core.view(), image.view()); // (r_k, r_k)
            let Some(factor) = &mut self.factors[mode] else { continue };
            (0..sweeps).for_each(|_| sweep(factor, target.as_ref(), gram.as_ref()));
            for r in 0..factor.ncols() {
                let norm = normalized(factor.col_as_slice_mut(r));
                self.core.index_axis_mut(Axis(mode), r).mapv_inplace(|x| x * norm);
            }
            if k + 1 == modes.len() {
                wanted = Some(product_along(y.view(), factor.transpose(), mode)?);
            }
        }
        let wanted = match wanted {
            Some(wanted) => wanted,
            None => problem.projected(&self.factors, None)?,
        };
        let grams = self.grams(None);
        let mut curvature = 1.0 + 1e-3;
        for gram in grams.iter().flatten() {
            curvature *= spectral(gram)?;
        }
        let step = if curvature > 0.0 { T::of(1.0 / curvature) } else { T::of(0.0) };
        for _ in 0..sweeps {
            let image = products_along(self.core.view(), &pairs(&grams))?;
            ndarray::Zip::from(&mut self.core).and(&wanted).and(&image).for_each(|g, &wanted, &image| {
                let next = *g + step * (wanted - image);
                *g = if next > T::of(0.0) { next } else { T::of(0.0) };
            });
        }
        Ok(())
    }

    /// U'U of the factors but that of the mode `without`.
    fn grams(&self, without: Option<usize>) -> Vec<Option<Mat<T>>> {
        let gram = |u: &Mat<T>| {
            let mut out = Mat::zeros(u.ncols(), u.ncols());
            T::product(out.as_mut(), false, u.transpose(), u.as_ref());
            out
        };
        let chosen = self.factors.iter().enumerate();
        chosen.map(|(mode, u)| u.as_ref().filter(|_| Some(mode) != without).map(gram)).collect()
    }
}

/// Each column of U in turn becomes the best nonnegative one for |A_(k) - U B|_F, given A_(k) B' and
/// B B'.
fn sweep<T: Scalar>(u: &mut Mat<T>, target: MatRef<'_, T>, gram: MatRef<'_, T>) {
    let n = u.nrows();
    let mut column = Mat::zeros(n, 1);
    for r in 0..u.ncols() {
        let own = gram[(r, r)];
        if !(own.as_f64() > 0.0) {
            continue;
        }
        T::product(column.as_mut(), false, u.as_ref(), gram.subcols(r, 1));
        for i in 0..n {
            let next = u[(i, r)] + (target[(i, r)] - column[(i, 0)]) / own;
            u[(i, r)] = if next > T::of(0.0) { next } else { T::of(0.0) };
        }
    }
}

/// Divides a column by its norm, which is returned; a zero column stays.
fn normalized<T: Scalar>(x: &mut [T]) -> T {
    let norm = T::of(slice_norm(x));
    if norm > T::of(0.0) {
        x.iter_mut().for_each(|x| *x /= norm);
    }
    norm
}
