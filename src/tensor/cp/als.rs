//! Alternating least squares for dense tensors.
//!
//! **Problem.** A (n_1, ..., n_d) and a number of terms R, or a tolerance: X = sum_k lambda_k a_k^(1) o
//! ... o a_k^(d) with |A - X|_F^2 + ridge sum_k lambda_k^2 small, gamma = sqrt(sum_k lambda_k^2) / |X|_F
//! within a bound, and some modes nonnegative or given.
//!
//! **Method.** Sweeps over the modes, each a least-squares problem (Carroll, Chang 1970, Harshman 1970;
//! Kolda, Bader 2009, section 3.4) under the bound of gamma (Beylkin, Mohlenkamp 2005), with the
//! extrapolation between sweeps of [`separated::als`](crate::separated::als()), whose engine this is.
//! Nonnegative modes: the least-squares solution where it is nonnegative, else hierarchical alternating
//! least squares (Cichocki, Phan, IEICE Trans. Fundam. E92-A, 2009). Products are shared by the modes
//! of each half (Phan, Tichavsky, Cichocki, IEEE Trans. Signal Process. 61, 2013).
//!
//! **Cost.** A sweep: 4 N R flops in two passes over the N entries, O(R^2 sum n_i + d R^3), and a third
//! pass of 2 N R flops where the error is below about 1e-4 |A|_F (in `f32`: always), since there it is no
//! longer known from inner products. Memory: about 2 (p + q) R numbers where N = p q is cut most evenly
//! between modes. A tensor that is row-major up to the order of its modes, with a largest entry between
//! 2^-300 and 2^300 (`f32`: 2^-30 and 2^30), is read in place, any other is copied once.
//!
//! **Guarantee.** Always gamma <= bound, and what is made least never rises from sweep to sweep. The error
//! is measured from the residual. For d >= 3 a best X need not exist: without a bound (or ridge) gamma
//! may then grow without end, which is reported as [`Status::Degenerate`](crate::Status::Degenerate). A
//! minimum found is a local one, and in a swamp the error may fall by 1e-6 a sweep or less before it
//! falls to zero: try several seeds, and a smaller `progress`.
//!
//! **Deviations.** Exact line search (Rajih, Comon, Harshman 2008) is left out: it needs the inner products
//! of A with all mixed terms of two iterates, d - 1 more passes over the tensor, for what the
//! extrapolation has for nothing. The ridge is one number: of ridges
//! rho_i |F_i|_F^2 a mode only the product counts (the scale of a term moves to where it is cheapest, so
//! that they cost d (rho_1 ... rho_d)^(1/d) sum_k lambda_k^(2/d), and nothing where one is zero). With all
//! other modes given it is the ridge regression on their unit columns.

use super::Cp;
use super::compressed::compressed;
use super::constraint::{Constraint, rules};
use crate::matrix::{exponent, largest_finite_array, scale_by_power_of_two};
use crate::report::Watch;
use crate::separated::{self, Als, FitStart, Rule, SeparationRank, Stored};
use crate::tensor::dense::{check_order, limit, size};
use crate::tensor::mttkrp::row_major;
use crate::{Error, Report, Result, Scalar, Separated};
use ndarray::{ArrayViewD, CowArray, IxDyn};
use std::time::Instant;

/// Where [`cp_als`] starts.
#[derive(Debug, Clone, Default)]
pub enum CpStart<T: Scalar> {
    /// Orthonormal bases of the leading directions of each mode, found by one random product, and
    /// random directions from their span where there are fewer than terms (the default).
    #[default]
    Leading,
    /// Random factors.
    Random,
    /// A fit of the core of a randomized Tucker decomposition of multilinear ranks R (for a tolerance t,
    /// to 0.1 t), with the same parameters: for tensors much larger than R in three modes or
    /// more, sweeps on the core cost next to nothing and few are left for the tensor itself. Not with
    /// constraints, which a core does not know.
    Compressed,
    /// A decomposition of this shape; only its R largest terms are used.
    Warm(Cp<T>),
}

/// Parameters of [`cp_als`].
#[derive(Debug, Clone)]
pub struct CpAls<'a, T: Scalar> {
    /// One a mode; none at all for free modes.
    pub constraints: Vec<Constraint<T>>,
    /// At least 0: ridge times the sum of the squared weights is added to |A - X|_F^2.
    pub ridge: f64,
    /// The largest gamma allowed, at least 1.01; infinity for no control. 1000 by default.
    pub condition_bound: f64,
    /// Sweeps end when the error falls by less than this fraction a sweep, over ten sweeps.
    pub progress: f64,
    /// Largest number of sweeps.
    pub max_iterations: usize,
    /// Largest number of seconds (wall clock); infinite by default. A sweep under way is completed.
    pub max_seconds: f64,
    /// Seed of every random choice.
    pub seed: u64,
    /// Where it starts.
    pub start: CpStart<T>,
    /// Whether factors are extrapolated between sweeps.
    pub extrapolate: bool,
    /// Told of every sweep, with the error of the best decomposition so far; may ask to stop.
    pub callback: Watch<'a>,
}

impl<T: Scalar> Default for CpAls<'_, T> {
    /// Free modes, no ridge, gamma at most 1000, progress 1e-6, 1000 sweeps, seed 0.
    fn default() -> Self {
        Self {
            constraints: Vec::new(),
            ridge: 0.0,
            condition_bound: 1000.0,
            progress: 1e-6,
            max_iterations: 1000,
            max_seconds: f64::INFINITY,
            seed: 0,
            start: CpStart::default(),
            extrapolate: true,
            callback: Watch::default(),
        }
    }
}

/// A canonical polyadic decomposition that was fitted.
#[derive(Debug, Clone)]
pub struct CpFit<T: Scalar> {
    /// The decomposition X, the best one seen. It has fewer terms than asked where weights are zero.
    pub cp: Cp<T>,
    /// How it went. `error` is |A - X|_F, from the residual; in `history` errors over about 1e-4 |A|_F
    /// are evaluated from inner products, to six digits. Iterations are sweeps over the whole tensor.
    /// `Converged`: the tolerance is met, or for a given number of terms the progress has ended;
    /// `Stagnated`: a tolerance was not met and more terms do not help; `Degenerate`: the terms grow
    /// against each other without end.
    pub report: Report,
    /// |A|_F.
    pub norm: f64,
    /// gamma of the decomposition.
    pub condition_number: f64,
    /// gamma at each point of `report.history`.
    pub condition_history: Vec<f64>,
    /// Sweeps in the longest swamp: a stretch in which the error fell by less than one percent a sweep,
    /// and after which it fell to less than half (or at which the run was cut off by a limit).
    pub swamp: usize,
}

impl<T: Scalar> CpFit<T> {
    /// |A - X|_F / |A|_F; 0 for A = 0.
    pub fn relative_error(&self) -> f64 {
        if self.norm > 0.0 { self.report.error / self.norm } else { 0.0 }
    }
}

/// A canonical polyadic decomposition of a stored tensor of order d >= 1, with `rank` terms
/// ([`SeparationRank::Fixed`], which a `usize` becomes), as many as a budget affords, or as few as are
/// found for a tolerance.
///
/// For an order of at most 2 the singular value decomposition gives the optimum.
///
/// # Errors
/// [`Error::NonFinite`] with the position, for fixed factors `[i, row, column]`; [`Error::Shape`] for
/// order 0 and where constraints or start do not fit; [`Error::Rank`] for more terms than every tensor
/// of this shape needs, which is the product of all sizes but the largest; [`Error::Parameter`], also for
/// a [`CpStart::Compressed`] with constraints, and where |A|_F or a weight exceeds the largest number;
/// [`Error::TooLarge`].
///
/// ```
/// use lowrank::ndarray::ArrayD;
/// use lowrank::tensor::cp::{Constraint, CpAls, cp_als};
/// // exp(-(x + 2y + 3z)) + exp(-(3x + 2y + z)): two nonnegative terms
/// let a = ArrayD::from_shape_fn(vec![10, 12, 14], |i| {
///     let [x, y, z] = [0, 1, 2].map(|k| i[k] as f64 / 10.0);
///     (-(x + 2.0 * y + 3.0 * z)).exp() + (-(3.0 * x + 2.0 * y + z)).exp()
/// });
/// let parameters = CpAls { constraints: vec![Constraint::Nonnegative; 3], ..Default::default() };
/// let fit = cp_als(a.view(), 2, &parameters)?;
/// assert!(fit.relative_error() < 1e-4 && fit.condition_number <= 1.0);
/// println!("{}", fit.report);
/// # lowrank::Result::Ok(())
/// ```
pub fn cp_als<T: Scalar>(
    a: ArrayViewD<'_, T>,
    rank: impl Into<SeparationRank>,
    parameters: &CpAls<'_, T>,
) -> Result<CpFit<T>> {
    fit(a, rank.into(), parameters)
}

/// [`cp_als`].
pub(super) fn fit<T: Scalar>(
    a: ArrayViewD<'_, T>,
    rank: SeparationRank,
    parameters: &CpAls<'_, T>,
) -> Result<CpFit<T>> {
    let started = Instant::now();
    check_order(&a)?;
    let shape = a.shape().to_vec();
    let terms = rank.limit(&columns(&shape))?;
    if let SeparationRank::Fixed(terms) = rank {
        room(&shape, terms)?;
    }
    let mut als = parameters.engine(rank);
    als.check()?;
    let mut rules =
        rules(&parameters.constraints, parameters.condition_bound, parameters.ridge, &shape, rank)?;
    let constrained = rules.modes.iter().any(|rule| !matches!(rule, Rule::Free));
    if constrained && matches!(parameters.start, CpStart::Compressed) {
        let remedy = "choose another start where modes are constrained";
        return Err(Error::Parameter { name: "start", value: "Compressed".into(), remedy });
    }
    let e = exponent(largest_finite_array("a", a.view())?);
    let warm = match &parameters.start {
        CpStart::Compressed => Some(compressed(a.clone(), rank, terms, parameters)?),
        CpStart::Warm(start) => Some(start.clone()),
        _ => None,
    };
    if let Some(start) = &warm
        && (start.shape() != shape
            || (rules.modes.iter().any(|rule| matches!(rule, Rule::Fixed(_))) && start.rank() != terms))
    {
        let expected =
            format!("a decomposition of shape {shape:?} is needed, with fixed modes of {terms} terms");
        return Err(Error::Shape { argument: "start", expected, found: start.shape() });
    }
    // The engine has the first index fastest: its modes are ours from the last to the first.
    let (mut order, a) = row_major(a)?;
    order.reverse();
    let e = if e.abs() <= limit::<T>() { 0 } else { e };
    let a = brought_down(a, e);
    let turned = |sizes: &[usize]| -> Vec<usize> { order.iter().map(|&axis| sizes[axis]).collect() };
    rules.modes = order.iter().map(|&axis| rules.modes[axis].clone()).collect();
    if let Some(start) = warm {
        als.start = FitStart::Warm(permuted(start.as_separated(), &order)?);
        let spent = started.elapsed().as_secs_f64();
        als.max_seconds = (als.max_seconds - spent).max(0.0);
    }
    let sizes = turned(&shape);
    let shapes = columns(&sizes);
    let before = started.elapsed().as_secs_f64();
    let mut target = Stored::new(sizes, a.as_slice().unwrap_or(&[]));
    let fitted = separated::fit(&mut target, &shapes, &als, &rules, terms, 1, e);
    let mut fitted = fitted.map_err(too_large_weights)?;
    check_size(fitted.norm)?;
    fitted.report.seconds = started.elapsed().as_secs_f64();
    fitted.report.history.iter_mut().for_each(|point| point.seconds += before);
    let mut back = vec![0; order.len()];
    order.iter().enumerate().for_each(|(place, &axis)| back[axis] = place);
    Ok(CpFit {
        cp: Cp::try_from(permuted(&fitted.separated, &back)?)?,
        report: fitted.report,
        norm: fitted.norm,
        condition_number: fitted.condition_number,
        condition_history: fitted.condition_history,
        swamp: fitted.swamp,
    })
}

/// The shapes of vectors of these sizes.
pub(super) fn columns(sizes: &[usize]) -> Vec<(usize, usize)> {
    sizes.iter().map(|&n| (n, 1)).collect()
}

/// Whether factors of this many terms, and the inner products of their columns, can be allocated.
pub(super) fn room(shape: &[usize], terms: usize) -> Result<()> {
    let rows = shape.iter().fold(terms, |rows, n| rows.saturating_add(*n));
    size::<f64>(&[rows, terms], "the factors").map(|_| ())
}

/// Checks that |A|_F, which errors are measured by, is a number.
pub(super) fn check_size(norm: f64) -> Result<()> {
    if norm.is_finite() {
        return Ok(());
    }
    let (value, remedy) = ("|A|_F over the largest number".into(), "scale the tensor down");
    Err(Error::Parameter { name: "a", value, remedy })
}

/// The error for weights that came out of finite numbers and are not.
pub(super) fn too_large_weights(error: Error) -> Error {
    match error {
        Error::NonFinite { argument: "lambda", .. } | Error::Parameter { name: "lambda", .. } => {
            let (value, remedy) = ("a weight over the largest number".into(), "scale the tensor down");
            Error::Parameter { name: "a", value, remedy }
        }
        other => other,
    }
}

/// 2^-e A, A itself where that is the same.
fn brought_down<T: Scalar>(a: CowArray<'_, T, IxDyn>, e: i32) -> CowArray<'_, T, IxDyn> {
    if e == 0 {
        return a;
    }
    let mut a = a.into_owned();
    a.par_mapv_inplace(|x| scale_by_power_of_two(x, -e));
    a.into()
}

/// The same terms with mode `order[k]` as mode k.
fn permuted<T: Scalar>(x: &Separated<T>, order: &[usize]) -> Result<Separated<T>> {
    let modes = order.iter().map(|&i| x.modes()[i].clone()).collect();
    let shapes = order.iter().map(|&i| x.shapes()[i]).collect();
    Separated::from_unit(shapes, x.lambda().to_vec(), modes)
}

impl<'a, T: Scalar> CpAls<'a, T> {
    /// The parameters of the engine, but for constraints and a warm start.
    fn engine(&self, rank: SeparationRank) -> Als<'a, T> {
        Als {
            rank,
            condition_bound: self.condition_bound,
            progress: self.progress,
            max_iterations: self.max_iterations,
            max_seconds: self.max_seconds,
            seed: self.seed,
            start: if let CpStart::Random = self.start { FitStart::Random } else { FitStart::Leading },
            extrapolate: self.extrapolate,
            callback: self.callback,
        }
    }
}
