//! How many terms a tensor calls for.
//!
//! **Problem.** A (n_1, ..., n_d), all or some of it observed, and ranks R_1, R_2, ...: which of them?
//!
//! **Method.** For each rank a fit to what is observed, its core consistency ([`super::core_consistency`],
//! gaps filled by the fit), gamma, and K-fold cross-validation over entries: a K-th of the observed entries
//! is drawn and held out, the rest is fitted ([`super::cp_masked`]), and the error on those held out is
//! measured (Owen, Perry, Ann. Appl. Stat. 3, 2009, for matrices). The rank recommended is the smallest one
//! whose mean error is within one standard error of the least mean error (the rule of Breiman, Friedman,
//! Olshen, Stone 1984), or below the tolerance.
//!
//! **Cost.** K + 1 masked fits a rank.
//!
//! **Guarantee.** None: fits are local minima, and the rank of a tensor is not defined by its noise.
//!
//! **Deviations.** Core consistency is shown and mentioned in the reason, but does not decide.

use super::{Masked, core_consistency, cp_masked};
use crate::matrix::{exponent, scale_by_power_of_two};
use crate::random::stream;
use crate::{Error, Result, Scalar, Status};
use ndarray::{ArrayD, ArrayViewD};
use rand::Rng;
use std::fmt;

/// Parameters of [`choose_rank`].
#[derive(Debug, Clone)]
pub struct RankChoice<T: Scalar> {
    /// The ranks to compare.
    pub ranks: Vec<usize>,
    /// Parts that are held out in turn, K, at least 2.
    pub folds: usize,
    /// Errors on held-out entries below this part of their norm count as none.
    pub tolerance: f64,
    /// How each rank is fitted; its `rank` is not looked at. Its `seed` also draws the parts.
    pub fit: Masked<T>,
}

impl<T: Scalar> Default for RankChoice<T> {
    /// Ranks 1 to 6, 5 parts, tolerance 1e-6, fits of at most 300 sweeps that end at a progress of 1e-4.
    fn default() -> Self {
        let fit = Masked { progress: 1e-4, max_iterations: 300, ..Default::default() };
        Self { ranks: (1..=6).collect(), folds: 5, tolerance: 1e-6, fit }
    }
}

/// One rank.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankRow {
    /// The number of terms asked.
    pub rank: usize,
    /// The error over the norm of the observed entries, all of them fitted.
    pub relative_error: f64,
    /// The error over the norm of the entries held out (where they are all zero, over the norm that a part
    /// has on average): its mean over the parts,
    pub cross_validation: f64,
    /// and the standard error of that mean.
    pub standard_error: f64,
    /// Core consistency; none for no terms and for more than a mode is long, where it says nothing.
    pub core_consistency: Option<f64>,
    /// gamma.
    pub condition_number: f64,
    /// How the fit of all observed entries ended.
    pub status: Status,
}

/// Ranks side by side; prints itself.
#[derive(Debug, Clone, PartialEq)]
pub struct RankTable {
    /// One row a rank, in the order asked.
    pub rows: Vec<RankRow>,
    /// The rank recommended.
    pub recommended: usize,
    /// Why.
    pub reason: String,
}

impl fmt::Display for RankTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rank  error      held out   +-         consistency  gamma      fit")?;
        for row in &self.rows {
            let consistency = row.core_consistency.map_or("-".into(), |c| format!("{c:.1}"));
            let (held_out, spread) = (row.cross_validation, row.standard_error);
            write!(f, "{:4}  {:.3e}  {held_out:.3e}  {spread:.3e}  ", row.rank, row.relative_error)?;
            writeln!(f, "{consistency:>11}  {:.3e}  {}", row.condition_number, row.status)?;
        }
        write!(f, "rank {}: {}", self.recommended, self.reason)
    }
}

/// Compares ranks for `a`, where `mask` is true or everywhere.
///
/// # Errors
/// As for [`cp_masked`]; [`Error::Parameter`] for no ranks, fewer than two parts, or fewer observed entries
/// than parts.
///
/// ```
/// use lowrank::ndarray::ArrayD;
/// use lowrank::tensor::cp::{RankChoice, choose_rank};
/// let a = ArrayD::from_shape_fn(vec![8, 9, 7], |i| (i[0] as f64 - 3.0) * (i[1] * i[2]) as f64 + 2.0);
/// let table = choose_rank(a.view(), None, &RankChoice { ranks: vec![1, 2, 3], ..Default::default() })?;
/// assert_eq!(table.recommended, 2);
/// # lowrank::Result::Ok(())
/// ```
pub fn choose_rank<T: Scalar>(
    a: ArrayViewD<'_, T>,
    mask: Option<ArrayViewD<'_, bool>>,
    parameters: &RankChoice<T>,
) -> Result<RankTable> {
    let all = ArrayD::from_elem(a.raw_dim(), true);
    let mask = mask.unwrap_or(all.view());
    if mask.shape() != a.shape() {
        let expected = format!("the shape {:?} of `a` is needed", a.shape());
        return Err(Error::Shape { argument: "mask", expected, found: mask.shape().to_vec() });
    }
    let observed = mask.iter().filter(|seen| **seen).count();
    let wrong = |name, value: usize, remedy| Err(Error::Parameter { name, value: value.to_string(), remedy });
    if parameters.ranks.is_empty() {
        return wrong("ranks", 0, "give the ranks to compare");
    }
    if parameters.folds < 2 || parameters.folds > observed {
        let remedy = "take from 2 to as many parts as there are observed entries";
        return wrong("folds", parameters.folds, remedy);
    }
    if !(parameters.tolerance >= 0.0 && parameters.tolerance.is_finite()) {
        let (value, remedy) = (parameters.tolerance.to_string(), "give a finite number of at least 0");
        return Err(Error::Parameter { name: "tolerance", value, remedy });
    }
    let folds = split(&mask, observed, parameters);
    let rows = parameters.ranks.iter().map(|&rank| row(&a, &mask, &folds, rank, parameters));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    let (recommended, reason) = recommendation(&rows, parameters.tolerance);
    Ok(RankTable { rows, recommended, reason })
}

/// The part of each observed entry, parts of equal size to one; `folds` where nothing is observed.
fn split<T: Scalar>(
    mask: &ArrayViewD<'_, bool>,
    observed: usize,
    parameters: &RankChoice<T>,
) -> ArrayD<usize> {
    let mut parts: Vec<usize> = (0..observed).map(|i| i % parameters.folds).collect();
    let mut rng = stream(parameters.fit.seed, "parts held out", 0);
    for i in (1..observed).rev() {
        parts.swap(i, ((u128::from(rng.next_u64()) * (i as u128 + 1)) >> 64) as usize);
    }
    let mut next = parts.into_iter();
    mask.map(|seen| if *seen { next.next().unwrap_or(0) } else { parameters.folds })
}

fn row<T: Scalar>(
    a: &ArrayViewD<'_, T>,
    mask: &ArrayViewD<'_, bool>,
    folds: &ArrayD<usize>,
    rank: usize,
    parameters: &RankChoice<T>,
) -> Result<RankRow> {
    let fit = Masked { rank, ..parameters.fit.clone() };
    let whole = cp_masked(a.view(), mask.view(), &fit)?;
    let terms = whole.cp.rank();
    let core_consistency = if terms == 0 || a.shape().iter().any(|&n| n < terms) {
        None
    } else {
        let mut filled = whole.cp.to_dense()?;
        for ((x, a), seen) in filled.iter_mut().zip(a).zip(mask) {
            *x = if *seen { *a } else { *x };
        }
        Some(core_consistency(filled.view(), &whole.cp)?)
    };
    let mut errors = Vec::with_capacity(parameters.folds);
    for part in 0..parameters.folds {
        let rest = folds.map(|&p| p != part && p != parameters.folds);
        let x = cp_masked(a.view(), rest.view(), &fit)?.cp.to_dense()?;
        let held = || x.iter().zip(a).zip(folds).filter(|(_, p)| **p == part).map(|(pair, _)| pair);
        let top = held().fold(0.0, |top: f64, (x, a)| top.max(x.as_f64().abs()).max(a.as_f64().abs()));
        let e = exponent(top);
        let small = |x: &T| scale_by_power_of_two(x.as_f64(), -e);
        let error = held().map(|(x, a)| (small(x) - small(a)).powi(2)).sum::<f64>().sqrt();
        let norm = held().map(|(_, a)| small(a).powi(2)).sum::<f64>().sqrt();
        errors.push(match (error, norm) {
            (0.0, _) => 0.0,
            (_, 0.0) => scale_by_power_of_two(error, e) / whole.norm * (parameters.folds as f64).sqrt(),
            _ => error / norm,
        });
    }
    let k = errors.len() as f64;
    let mean = errors.iter().sum::<f64>() / k;
    let variance = errors.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (k - 1.0);
    Ok(RankRow {
        rank,
        relative_error: whole.relative_error(),
        cross_validation: mean,
        standard_error: (variance / k).sqrt(),
        core_consistency,
        condition_number: whole.condition_number,
        status: whole.report.status,
    })
}

/// The smallest rank as good as the best, and why.
fn recommendation(rows: &[RankRow], tolerance: f64) -> (usize, String) {
    let mut order: Vec<&RankRow> = rows.iter().collect();
    order.sort_by_key(|row| row.rank);
    let least = order.iter().copied().min_by(|x, y| x.cross_validation.total_cmp(&y.cross_validation));
    let Some(least) = least else { return (0, "no ranks".into()) };
    let within = least.cross_validation + least.standard_error;
    let limit = within.max(tolerance);
    let chosen = order.into_iter().find(|row| row.cross_validation <= limit).unwrap_or(least);
    let error = chosen.cross_validation;
    let mut reason = if error <= tolerance {
        format!("the smallest whose error on held-out entries, {error:.1e}, is below {tolerance:.1e}")
    } else if chosen.rank == least.rank {
        format!(
            "the least error on held-out entries, {error:.3e}, and no smaller rank is within {within:.3e}"
        )
    } else {
        let rank = least.rank;
        format!(
            "the smallest with an error on held-out entries, {error:.3e}, within {within:.3e}, one standard error above the least, that of rank {rank}"
        )
    };
    match chosen.core_consistency {
        Some(c) if c < 50.0 => reason += &format!("; its core consistency of {c:.0} speaks against it"),
        Some(c) => reason += &format!("; core consistency {c:.0}"),
        None => {}
    }
    (chosen.rank, reason)
}
