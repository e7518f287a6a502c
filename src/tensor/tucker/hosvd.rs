//! Tucker decomposition by singular value decompositions of the unfoldings.
//!
//! **Problem.** A (n_1, ..., n_d), stored with any strides, and ranks, a tolerance or an energy: a
//! core G and orthonormal U_k (n_k, r_k) with X = G x_1 U_1 ... x_d U_d near A.
//!
//! **Method.** U_k holds the leading left singular vectors of the unfolding of mode k: of A itself
//! (De Lathauwer, De Moor, Vandewalle, "A multilinear singular value decomposition", SIAM J. Matrix
//! Anal. Appl. 21 (2000)) or, sequentially truncated, of A already projected on the bases found
//! (Vannieuwenhoven, Vandebril, Meerbergen, SIAM J. Sci. Comput. 34 (2012)), which is faster and as
//! a rule nearer. Modes go in the order of fewest flops. A tolerance t leaves t |A|_F / sqrt(modes)
//! to each mode; what a mode of the sequential variant does not use is left to those after it.
//!
//! **Cost.** 2.4 N n_k flops for the first mode and less after it; without truncation on the way,
//! for each mode. Memory, besides the result, of A projected on the first basis, N r_k / n_k
//! numbers, and 16 n_k^2 a thread. A is read in place.
//!
//! **Guarantee.** |A - X|_F <= `bound`, the root of the sum of the squared tails, which is at most
//! sqrt(d) times the least error at these ranks; for the sequential variant the two are equal, to
//! rounding. With a tolerance |A - X|_F <= t |A|_F + g eps |A|_F, g the longest side of an unfolding.
//! The error is measured from the residual of the decomposition returned. |U'U - I|_F <= 10 n_k eps. The bits do not depend on
//! the number of threads. With [`Basis::Gram`] what is below 1e-8 |A|_F is not seen, see there.
//!
//! **Deviations.** Ranks are at least one, so a zero tensor has ranks one. A mode that a tolerance or
//! an energy leaves at its full size has no factor, which is exact and stores less. In each column of a factor
//! the entry of largest magnitude is positive.

use super::basis::{Basis, Keep, Kept};
use super::ranks::Ranks;
use super::representation::{Tucker, pairs};
use super::residual::distance;
use crate::matrix::{exponent, largest_finite_array, scale_by_power_of_two, scaled};
use crate::tensor::dense::{check_mode, check_order, limit, most, scale_up};
use crate::tensor::mode_product::{product_along, products_along};
use crate::{Error, Result, Scalar};
use faer::Mat;
use ndarray::{ArrayD, ArrayViewD};

/// Parameters of [`hosvd`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosvd {
    /// Whether each mode is cut in what the modes before have left (sequentially truncated).
    pub sequential: bool,
    /// How the bases are found.
    pub basis: Basis,
    /// The modes that are compressed; `None` for all.
    pub modes: Option<Vec<usize>>,
}

impl Default for Hosvd {
    /// Sequentially truncated, orthogonal, all modes.
    fn default() -> Self {
        Self { sequential: true, basis: Basis::Orthogonal, modes: None }
    }
}

/// A Tucker decomposition with its error.
#[derive(Debug, Clone)]
pub struct Compressed<T: Scalar> {
    /// The decomposition.
    pub tucker: Tucker<T>,
    /// |A - X|_F, measured from the residual.
    pub error: f64,
    /// |A - X|_F / |A|_F; 0 for A = 0. Right even where `error` over- or underflows.
    pub relative_error: f64,
    /// The root of the sum of the squared `tails`: |A - X|_F is not larger, but for rounding.
    pub bound: f64,
    /// What each compressed mode lost, in the order of [`Hosvd::modes`]: the norm of the singular
    /// values cut off, or a measured norm where a sketch does not tell them.
    pub tails: Vec<f64>,
}

/// Tucker decomposition of a stored tensor of order d >= 1 for `ranks`.
///
/// A tensor with a mode of size 0 has ranks 0.
///
/// # Errors
/// [`Error::NonFinite`] with the position; [`Error::Shape`] for order 0 and a number of ranks other
/// than that of the modes; [`Error::Rank`] for a rank above the size of its mode;
/// [`Error::Parameter`] for a rank of 0, a tolerance or an energy outside [0, 1], a mode that is not
/// there or there twice, a sketch without oversampling; [`Error::TooLarge`].
///
/// ```
/// use lowrank::ndarray::ArrayD;
/// use lowrank::tensor::tucker::{Hosvd, Ranks, hosvd};
/// let a = ArrayD::from_shape_fn(vec![20, 30, 40], |i| 1.0 / (1 + i[0] + i[1] + i[2]) as f64);
/// let x = hosvd(a.view(), &Ranks::Tolerance(1e-6), &Hosvd::default())?;
/// assert!(x.relative_error <= 1e-6 && x.error <= x.bound * (1.0 + 1e-6));
/// assert!(x.tucker.ranks().iter().all(|r| *r <= 10));
/// // Only the first and the last mode, as for the channels of a convolution kernel:
/// let channels = Hosvd { modes: Some(vec![0, 2]), ..Default::default() };
/// let y = hosvd(a.view(), &Ranks::Fixed(vec![3, 4]), &channels)?;
/// assert_eq!(y.tucker.ranks(), [3, 30, 4]);
/// # lowrank::Result::Ok(())
/// ```
pub fn hosvd<T: Scalar>(a: ArrayViewD<'_, T>, ranks: &Ranks, parameters: &Hosvd) -> Result<Compressed<T>> {
    let (modes, problem) = Problem::checked(a, ranks, parameters)?;
    problem.finish(modes, ranks, parameters)
}

/// A checked tensor and 2^-e, what it is multiplied by.
pub(super) struct Problem<'a, T: Scalar> {
    pub(super) a: ArrayViewD<'a, T>,
    pub(super) e: i32,
    /// The tolerance, where ranks are not fixed.
    tolerance: Option<f64>,
}

/// A decomposition of 2^-e A.
pub(super) struct Parts<T: Scalar> {
    pub(super) core: ArrayD<T>,
    pub(super) factors: Vec<Option<Mat<T>>>,
    /// One a compressed mode.
    pub(super) tails: Vec<f64>,
}

impl<'a, T: Scalar> Problem<'a, T> {
    /// The modes to compress, and the problem, once all arguments are known to fit.
    pub(super) fn checked(
        a: ArrayViewD<'a, T>,
        ranks: &Ranks,
        parameters: &Hosvd,
    ) -> Result<(Vec<usize>, Self)> {
        check_order(&a)?;
        let modes = parameters.modes.clone().unwrap_or_else(|| (0..a.ndim()).collect());
        for (k, mode) in modes.iter().enumerate() {
            check_mode(*mode, a.ndim())?;
            if modes[..k].contains(mode) {
                let remedy = "name each mode once";
                return Err(Error::Parameter { name: "modes", value: format!("{modes:?}"), remedy });
            }
        }
        parameters.basis.check()?;
        let tolerance = ranks.checked(a.shape(), &modes)?;
        let own = exponent(largest_finite_array("a", a.view())?);
        let e = if own.abs() <= limit::<T>() { 0 } else { own.clamp(-most::<T>(), most::<T>()) };
        Ok((modes, Self { a, e, tolerance }))
    }

    fn finish(self, modes: Vec<usize>, ranks: &Ranks, parameters: &Hosvd) -> Result<Compressed<T>> {
        let parts = self.decompose(&modes, ranks, parameters)?;
        let (error, norm) = self.distance(&parts.core, &parts.factors)?;
        let back = |x: f64| scale_by_power_of_two(x, self.e);
        let bound = parts.tails.iter().fold(0.0, |sum, tail| f64::hypot(sum, *tail));
        Ok(Compressed {
            error: back(error),
            relative_error: relative(error, norm),
            bound: back(bound),
            tails: parts.tails.iter().map(|tail| back(*tail)).collect(),
            tucker: self.unscaled(parts.core, parts.factors)?,
        })
    }

    /// |2^-e A - X|_F and |2^-e A|_F.
    pub(super) fn distance(&self, core: &ArrayD<T>, factors: &[Option<Mat<T>>]) -> Result<(f64, f64)> {
        distance(&self.a, &core.view(), &pairs(factors), self.e)
    }

    /// The decomposition of A from that of 2^-e A.
    pub(super) fn unscaled(&self, mut core: ArrayD<T>, factors: Vec<Option<Mat<T>>>) -> Result<Tucker<T>> {
        scale_up(&mut core, self.e, "core")?;
        Ok(Tucker::from_valid(core, factors))
    }

    /// The (sequentially truncated) HOSVD of 2^-e A.
    pub(super) fn decompose(&self, modes: &[usize], ranks: &Ranks, parameters: &Hosvd) -> Result<Parts<T>> {
        let mut factors: Vec<Option<Mat<T>>> = vec![None; self.a.ndim()];
        let mut tails = vec![0.0; modes.len()];
        if self.a.is_empty() {
            let mut shape = self.a.shape().to_vec();
            for &mode in modes {
                factors[mode] = Some(Mat::zeros(shape[mode], 0));
                shape[mode] = 0;
            }
            return Ok(Parts { core: ArrayD::zeros(shape), factors, tails });
        }
        let mut norm = None;
        let mut core: Option<ArrayD<T>> = None;
        let mut lost = 0.0; // the fraction of |A|_F lost so far
        for (step, &place) in cheapest(self.a.shape(), modes, ranks).iter().enumerate() {
            let mode = modes[place];
            let keep = match (ranks, self.tolerance) {
                (Ranks::Fixed(ranks), _) => Keep::Rank(ranks[place]),
                (_, tolerance) => {
                    let t = tolerance.unwrap_or(0.0);
                    Keep::Fraction(match parameters.sequential {
                        true => share(t, lost, modes.len() - step),
                        false => t / (modes.len() as f64).sqrt(),
                    })
                }
            };
            let (from, e) = match &core {
                Some(core) => (core.view(), 0),
                None => (self.a.view(), self.e),
            };
            let Kept { left, tail } = parameters.basis.of(from.view(), mode, e, keep, &mut norm)?;
            if self.tolerance.is_some() && left.ncols() == left.nrows() {
                continue;
            }
            tails[place] = tail;
            lost = f64::hypot(lost, relative(tail, norm.unwrap_or(0.0)));
            if parameters.sequential {
                core = Some(product_along(from, scaled(left.transpose(), -e).as_ref(), mode)?);
            }
            factors[mode] = Some(left);
        }
        let core = match core {
            Some(core) => core,
            None => self.projected(&factors, None)?,
        };
        Ok(Parts { core, factors, tails })
    }

    /// 2^-e A times the transposes of the factors, but for that of the mode `without`.
    pub(super) fn projected(&self, factors: &[Option<Mat<T>>], without: Option<usize>) -> Result<ArrayD<T>> {
        let mut pairs = pairs(factors);
        pairs.retain(|(mode, _)| Some(*mode) != without);
        if self.e == 0 || pairs.is_empty() {
            let transposed: Vec<_> = pairs.iter().map(|(mode, u)| (*mode, u.transpose())).collect();
            let mut out = products_along(self.a.view(), &transposed)?;
            scale_up(&mut out, -self.e, "a scaled copy")?;
            return Ok(out);
        }
        // The power of two goes to all of them, for none is known to come first.
        let each = self.e / pairs.len() as i32;
        let rest = self.e - each * (pairs.len() as i32 - 1);
        let share = |k: usize| if k == 0 { -rest } else { -each };
        let small: Vec<_> =
            pairs.iter().enumerate().map(|(k, (mode, u))| (*mode, scaled(u.transpose(), share(k)))).collect();
        products_along(self.a.view(), &small.iter().map(|(mode, u)| (*mode, u.as_ref())).collect::<Vec<_>>())
    }
}

/// `x / norm`, and 0 for 0 of nothing.
pub(super) fn relative(x: f64, norm: f64) -> f64 {
    if norm > 0.0 { x / norm } else { 0.0 }
}

/// What a mode may lose of a tolerance t, of which `lost` is gone, where `left` modes are left.
fn share(t: f64, lost: f64, left: usize) -> f64 {
    (((t - lost) * (t + lost)).max(0.0) / left as f64).sqrt()
}

/// The places of the modes in the order of fewest flops of the sequential variant.
///
/// A mode of size n and rank r costs n + r times the size of what is left and leaves r / n of it, so
/// the largest (1 - r / n) / (n + r) comes first. Ranks to be found are taken as half the sizes.
fn cheapest(shape: &[usize], modes: &[usize], ranks: &Ranks) -> Vec<usize> {
    let key = |place: usize| {
        let n = shape[modes[place]] as f64;
        let r = if let Ranks::Fixed(ranks) = ranks { ranks[place] as f64 } else { n / 2.0 };
        (1.0 - r / n) / (n + r)
    };
    let mut places: Vec<usize> = (0..modes.len()).collect();
    places.sort_by(|x, y| key(*y).total_cmp(&key(*x)));
    places
}
