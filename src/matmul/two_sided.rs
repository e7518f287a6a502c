//! Products of matrices that are approximately of low rank: factor once, multiply often.
//!
//! **Problem.** A (m, n) and B (n, p), stored and numerically of low rank: C ~ A B, cheaper than
//! the full product, with a bound of its error.
//!
//! **Method.** Two-sided randomized low-rank product. Offline: truncated singular value
//! decompositions A_r and B_r, by a dense or a randomized SVD (Halko, Martinsson, Tropp 2011).
//! Online: C_r = A_r B_r from the factors, in the cheapest order ([`super::chain`]).
//!
//! **Cost.** Offline [`super::Cost::factorization`]; online [`super::Plan`]: about
//! 2 (m + n) r^2 + 2 m p r flops for a dense result of two factorizations of rank r.
//!
//! **Guarantee.** |A B - C_r|_F <= |A - A_r|_F |B|_2 + |A_r|_2 |B - B_r|_F, from
//! A B - A_r B_r = (A - A_r) B + A_r (B - B_r), plus rounding. The errors on the right are
//! measured from residuals; |B|_2 is replaced by the smaller of |B_r|_2 + |B - B_r|_F and |B|_F
//! (by s_1 for a dense SVD). The bound holds always, and is of use only where the singular values
//! of both A and B decay: for Gaussian matrices it exceeds |A B|_F.
//!
//! **Deviations.** The core V_A' U_B is computed with the product, since it belongs to the pair
//! and not to A or B; [`two_sided`] keeps it for pairs that are used again. A tolerance with the
//! randomized SVD is reached by doubling the rank until the measured error fits.

use super::chain::{Operand, chain_into, multiply};
use super::dense::{check_out, dense_into, same_inner};
use super::{Choice, Machine, Output, Plan};
use crate::matrix::{AsMatrix, Moderate, frobenius, product_into, scale_view, slice_norm, zeros};
use crate::svd::{Randomized, Rank, Svd, randomized, smallest_rank, truncated};
use crate::{Error, LowRank, Result, Scalar};
use faer::{Mat, MatMut, MatRef};

/// Which singular value decomposition a factorization is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The dense one: the best factors, O(m n min(m, n)).
    Exact,
    /// A randomized one, O(m n rank).
    Randomized {
        /// Columns of the sketch beyond the rank.
        oversampling: usize,
        /// Power iterations.
        power_iterations: usize,
        /// Seed of the sketch.
        seed: u64,
    },
}

/// Parameters of [`factorize`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Factorization {
    /// The rank, or the error wished.
    pub rank: Rank,
    /// How.
    pub method: Method,
}

impl Default for Factorization {
    /// A relative error of 1e-3, randomized with oversampling 10 and 1 power iteration, seed 0.
    fn default() -> Self {
        let method = Method::Randomized { oversampling: 10, power_iterations: 1, seed: 0 };
        Self { rank: Rank::Tolerance(1e-3), method }
    }
}

/// A matrix with low-rank factors that stand for it, and how well they do.
#[derive(Debug, Clone)]
pub struct Factored<T: Scalar> {
    /// A_r = U V', the singular values shared evenly.
    pub factors: LowRank<T>,
    /// The singular values of A_r, nonincreasing.
    pub s: Vec<T>,
    /// |A - A_r|_F, from the residual.
    pub error: f64,
    /// |A|_F.
    pub norm: f64,
    /// An upper bound of |A|_2.
    pub spectral: f64,
}

impl<T: Scalar> Factored<T> {
    /// |A - A_r|_F / |A|_F; 0 for a zero matrix.
    pub fn relative_error(&self) -> f64 {
        if self.error == 0.0 { 0.0 } else { self.error / self.norm }
    }
}

/// Factors of a matrix (m, n): the offline part.
///
/// # Errors
/// [`Error::NonFinite`] for NaN and infinities; those of [`truncated`], [`randomized`] and
/// [`Rank::choose`].
///
/// ```
/// use lowrank::{faer::Mat, matmul::{Factorization, factorize}};
/// let a = Mat::from_fn(60, 50, |i, j| 1.0 / (1.0 + i as f64 + j as f64));
/// let f = factorize(a.as_ref(), &Factorization::default())?;
/// assert!(f.relative_error() <= 1e-3 && f.factors.rank() < 8);
/// # lowrank::Result::Ok(())
/// ```
pub fn factorize<T: Scalar>(a: impl AsMatrix<T>, parameters: &Factorization) -> Result<Factored<T>> {
    factorize_view(a.as_matrix(), parameters)
}

fn factorize_view<T: Scalar>(a: MatRef<'_, T>, parameters: &Factorization) -> Result<Factored<T>> {
    crate::matrix::check_finite("a", a)?;
    let norm = frobenius(a);
    let svd = match parameters.method {
        Method::Exact => truncated(a, parameters.rank)?,
        Method::Randomized { oversampling, power_iterations, seed } => {
            let with = Randomized { oversampling, power_iterations, seed, ..Default::default() };
            wished(a, norm, parameters.rank, &with)?
        }
    };
    let error = svd.error(a)?;
    let first = svd.s.first().map_or(0.0, |s| s.as_f64());
    let above = if parameters.method == Method::Exact && svd.rank() > 0 {
        first * (1.0 + 4.0 * a.nrows().max(a.ncols()) as f64 * T::EPS)
    } else {
        first + error
    };
    let s = svd.s.clone();
    Ok(Factored { factors: svd.into_low_rank(), s, error, norm, spectral: above.min(norm) })
}

/// A randomized SVD of a rank that is given, set by a budget, or found by doubling; a dense one
/// for wishes that need every singular value.
fn wished<T: Scalar>(a: MatRef<'_, T>, norm: f64, rank: Rank, with: &Randomized<'_, T>) -> Result<Svd<T>> {
    let (shape, largest) = (a.shape(), a.nrows().min(a.ncols()));
    let tolerance = match rank {
        Rank::Fixed(rank) => return randomized(&a, rank, with),
        Rank::Parameters(_) | Rank::Compression(_) => {
            let most = rank.choose_for(&vec![T::of(1.0); largest], shape)?;
            let svd = randomized(&a, most, with)?;
            let keep = rank.choose_for(&svd.s, shape)?;
            return Ok(svd.truncate(keep));
        }
        Rank::Energy(fraction) => (1.0 - fraction).sqrt(),
        Rank::Tolerance(tolerance) => tolerance,
        _ => return truncated(a, rank),
    };
    rank.choose::<T>(&[])?; // checks the wish
    let limit = tolerance * norm;
    let mut guess = 16.min(largest);
    loop {
        // Half of the smaller size and beyond a dense SVD costs no more.
        if 2 * guess >= largest {
            return truncated(a, rank);
        }
        let svd = randomized(&a, guess, with)?;
        let error = svd.error(a)?;
        if error <= limit {
            // |A - A_k|^2 = |A - A_r|^2 + s_{k+1}^2 + ... + s_r^2, since A_r is a projection of A.
            let (keep, _) = smallest_rank(&svd.s, error, limit);
            return Ok(svd.truncate(keep));
        }
        guess *= 2;
    }
}

/// A product of two factored matrices, ready to be used or written out.
#[derive(Debug, Clone)]
pub struct TwoSided<T: Scalar> {
    /// C_r = A_r B_r, of rank min(r_A, r_B).
    pub product: LowRank<T>,
    /// An upper bound of |A B - C_r|_F.
    pub bound: f64,
}

/// The product of two factored matrices, (m, n) and (n, p), as factors; the dense product is then
/// `product.to_dense()` or [`chain_into`]. O((m + n + p) r^2).
///
/// # Errors
/// [`Error::Shape`] when the inner sizes differ; those of [`multiply`].
///
/// ```
/// use lowrank::{faer::Mat, matmul::{Factorization, factorize, measure, two_sided}};
/// let a = Mat::from_fn(60, 50, |i, j| 1.0 / (1.0 + i as f64 + j as f64));
/// let b = Mat::from_fn(50, 40, |i, j| (-0.01 * ((i * j) as f64)).exp());
/// let with = Factorization::default();
/// let c = two_sided(&factorize(a.as_ref(), &with)?, &factorize(b.as_ref(), &with)?)?;
/// let error = measure(a.as_ref(), b.as_ref(), &c.product)?;
/// assert!(error.absolute <= c.bound && error.relative < 2e-3);
/// # lowrank::Result::Ok(())
/// ```
pub fn two_sided<T: Scalar>(a: &Factored<T>, b: &Factored<T>) -> Result<TwoSided<T>> {
    Ok(TwoSided { product: multiply(&a.factors, &b.factors)?, bound: bound(a, b) })
}

/// |A - A_r|_F |B|_2 + |A_r|_2 |B - B_r|_F, and rounding.
fn bound<T: Scalar>(a: &Factored<T>, b: &Factored<T>) -> f64 {
    let times = |x: f64, y: f64| if x == 0.0 || y == 0.0 { 0.0 } else { x * y };
    let first = a.s.first().map_or(0.0, |s| s.as_f64());
    let inner = a.factors.shape().1 + a.factors.rank() + b.factors.rank();
    // |U|_F |V|_F = the sum of the singular values, where they are shared evenly.
    let sum = |f: &Factored<T>| f.s.iter().map(|s| s.as_f64()).sum::<f64>();
    let rounding = times(4.0 * inner as f64 * T::EPS, times(sum(a), sum(b)));
    times(a.error, b.spectral) + times(first, b.error) + rounding
}

/// Writes A B or A_r B_r into `out` (m, p), whichever the model finds cheaper on `machine`; gives
/// the choice and a bound of the error |A B - out|_F, which counts rounding.
///
/// # Errors
/// [`Error::Shape`] when shapes do not fit; [`Error::NonFinite`]; [`Error::Parameter`] when a rate
/// of the machine is not positive; those of [`chain_into`] and [`dense_into`].
///
/// ```
/// use lowrank::{faer::Mat, matmul::*};
/// let a = Mat::from_fn(300, 300, |i, j| 1.0 / (1.0 + i as f64 + j as f64));
/// let f = factorize(a.as_ref(), &Factorization::default())?;
/// let mut c = Mat::zeros(300, 300);
/// let machine = Machine::default();
/// let pair = ((a.as_ref(), &f), (a.as_ref(), &f));
/// let (choice, bound) = automatic_into(c.as_mut(), pair.0, pair.1, &machine)?;
/// assert_eq!(choice, Choice::Factored);
/// assert!(bound < 0.01);
/// # lowrank::Result::Ok(())
/// ```
pub fn automatic_into<T: Scalar>(
    out: MatMut<'_, T>,
    a: (impl AsMatrix<T>, &Factored<T>),
    b: (impl AsMatrix<T>, &Factored<T>),
    machine: &Machine,
) -> Result<(Choice, f64)> {
    let (a, b) = ((a.0.as_matrix(), a.1), (b.0.as_matrix(), b.1));
    same_inner(a.0, b.0)?;
    for (argument, (stored, f)) in [("a", a), ("b", b)] {
        if stored.shape() != f.factors.shape() {
            let expected = format!("its factors are those of a {:?} matrix", f.factors.shape());
            return Err(Error::Shape { argument, expected, found: vec![stored.nrows(), stored.ncols()] });
        }
    }
    let (m, n, p) = (a.0.nrows(), a.0.ncols(), b.0.ncols());
    check_out(&out, m, p)?;
    let plan = Plan::new::<T>((m, n, p), (a.1.factors.rank(), b.1.factors.rank()), Output::Dense)?;
    let choice = plan.choice(machine)?;
    match choice {
        Choice::Full => {
            dense_into(out, a.0, b.0)?;
            Ok((choice, 4.0 * n as f64 * T::EPS * a.1.norm * b.1.norm))
        }
        Choice::Factored => {
            chain_into(out, &[Operand::LowRank(&a.1.factors), Operand::LowRank(&b.1.factors)])?;
            Ok((choice, bound(a.1, b.1)))
        }
    }
}

/// The error of a product, measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// |A B - C|_F.
    pub absolute: f64,
    /// |A B - C|_F / |A B|_F; where A B = 0, 0 for an exact product and infinity otherwise.
    pub relative: f64,
}

/// The error of `c` (m, p) as the product of `a` (m, n) and `b` (n, p), from the full product,
/// 256 columns at a time: O(m n p).
///
/// # Errors
/// [`Error::Shape`] when shapes do not fit, [`Error::NonFinite`] for NaN and infinities.
pub fn measure<T: Scalar>(a: impl AsMatrix<T>, b: impl AsMatrix<T>, c: &LowRank<T>) -> Result<Measured> {
    measure_views(a.as_matrix(), b.as_matrix(), c)
}

fn measure_views<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>, c: &LowRank<T>) -> Result<Measured> {
    const STRIP: usize = 256;
    same_inner(a, b)?;
    let (m, p) = (a.nrows(), b.ncols());
    if c.shape() != (m, p) || c.u.ncols() != c.v.ncols() {
        let expected = format!("factors of the shape ({m}, {p}) are needed, with equal ranks");
        return Err(Error::Shape { argument: "c", expected, found: vec![c.u.nrows(), c.v.nrows()] });
    }
    let (a, b) = (Moderate::new("a", a)?, Moderate::new("b", b)?);
    let (u, v) = (Moderate::new("c.u", c.u.as_ref())?, Moderate::new("c.v", c.v.as_ref())?);
    let e = a.exponent + b.exponent;
    let (mut residuals, mut norms) = (Vec::new(), Vec::new());
    for start in (0..p).step_by(STRIP) {
        let width = STRIP.min(p - start);
        let mut full: Mat<T> = zeros(m, width)?;
        product_into(full.as_mut(), a.matrix(), b.matrix().subcols(start, width));
        norms.push(frobenius(full.as_ref()));
        let mut ours: Mat<T> = zeros(m, width)?;
        product_into(ours.as_mut(), u.matrix(), v.matrix().subrows(start, width).transpose());
        scale_view(ours.as_mut(), u.exponent + v.exponent - e);
        residuals.push(frobenius((&full - &ours).as_ref()));
    }
    let (residual, norm) = (slice_norm(&residuals), slice_norm(&norms));
    let relative = if residual == 0.0 { 0.0 } else { residual / norm };
    Ok(Measured { absolute: crate::matrix::scale_by_power_of_two(residual, e), relative })
}
