//! What tells a good decomposition from a bad one: core consistency, degeneracy, uniqueness.
//!
//! **Problem.** X of R terms, fitted to A (n_1, ..., n_d): does A call for this structure, do terms cancel,
//! and is X the only decomposition of itself?
//!
//! **Method.** Core consistency (Bro, Kiers, A new efficient method for determining the number of
//! components in PARAFAC models, J. Chemom. 17, 2003): the Tucker core G of A for X's factors against the
//! core of ones on the diagonal, by products with the pseudo-inverse of each factor (that of their
//! Kronecker product is never formed). Degeneracy: the largest negative triple cosine (Mitchell, Burdick,
//! J. Chemom. 8, 1994). Uniqueness: the k-ranks of the factors add up to 2 R + d - 1 (Kruskal 1977 for
//! d = 3, Sidiropoulos, Bro, J. Chemom. 14, 2000 for any d).
//!
//! **Cost.** One multi-mode product of A; R^2 sum n_i; a k-rank is that of one SVD where the columns are
//! independent, and at most [`SUBSETS`] of them where not.
//!
//! **Guarantee.** Kruskal's condition is sufficient, not necessary. Core consistency is a heuristic: 100
//! says that the model fits, below 50 that it does not, and low values are common with noise. It says
//! nothing where R exceeds a size n_i.
//!
//! **Deviations.** The weights are spread evenly over the modes.

use super::Cp;
use crate::matrix::{AsMatrix, check_finite, exponent, max_norm, scale_by_power_of_two, slice_norm};
use crate::tensor::multi_mode_product;
use crate::{Error, Result, Scalar, svd};
use faer::{Mat, MatRef};
use ndarray::{ArrayViewD, Dimension};

/// Most sets of columns that are looked at for one k-rank.
pub const SUBSETS: usize = 5000;

/// 100 (1 - |G - I|_F^2 / R) for the core G of `a` in the factors of `x`, I the core of ones on the
/// diagonal: 100 at best, and not bounded below.
///
/// # Errors
/// [`Error::Shape`] where `a` has another shape; [`Error::NonFinite`]; [`Error::Parameter`] for no terms;
/// [`Error::TooLarge`] for a core (R, ..., R) that does not fit.
///
/// ```
/// use lowrank::{faer::mat, tensor::cp::{Cp, core_consistency}};
/// let x = Cp::new(vec![2.0, 1.0], vec![mat![[1.0, 0.2], [0.5, 1.0], [0.0, 3.0]]; 3])?;
/// let consistency: f64 = core_consistency(x.to_dense()?.view(), &x)?;
/// assert!((consistency - 100.0).abs() < 1e-10);
/// # lowrank::Result::Ok(())
/// ```
pub fn core_consistency<T: Scalar>(a: ArrayViewD<'_, T>, x: &Cp<T>) -> Result<f64> {
    if a.shape() != x.shape() {
        let expected = format!("the decomposition has shape {:?}", x.shape());
        return Err(Error::Shape { argument: "a", expected, found: a.shape().to_vec() });
    }
    let Some(first) = x.weights().first() else {
        let remedy = "a decomposition of at least one term has a core";
        return Err(Error::Parameter { name: "x", value: "0 terms".into(), remedy });
    };
    let e = exponent(*first);
    let inverses = x.factors().iter().map(pseudo_inverse).collect::<Result<Vec<Mat<T>>>>()?;
    let pairs: Vec<(usize, MatRef<'_, T>)> = inverses.iter().map(|m| m.as_ref()).enumerate().collect();
    let core = multi_mode_product(a, &pairs)?;
    let share = |w: &T| scale_by_power_of_two(w.as_f64(), -e).powf(1.0 / x.order() as f64);
    let shares: Vec<f64> = x.weights().iter().map(share).collect();
    let deviation = core.indexed_iter().map(|(index, g)| {
        let index = index.slice();
        let weight = index.iter().map(|&k| shares[k]).product::<f64>();
        let ideal = if index.iter().all(|k| *k == index[0]) { 1.0 } else { 0.0 };
        (scale_by_power_of_two(g.as_f64(), -e) / weight - ideal).powi(2)
    });
    Ok(100.0 * (1.0 - deviation.sum::<f64>() / x.rank() as f64))
}

/// (R, n) of a factor (n, R); singular values below rounding errors count as zero.
fn pseudo_inverse<T: Scalar>(f: &Mat<T>) -> Result<Mat<T>> {
    let decomposed = svd::dense(f)?;
    let top = decomposed.s.first().map_or(0.0, |s| s.as_f64());
    let limit = f.nrows().max(f.ncols()) as f64 * T::EPS * top;
    let kept = decomposed.s.iter().take_while(|s| s.as_f64() > limit).count();
    let scaled =
        Mat::from_fn(f.ncols(), kept, |i, k| T::of(decomposed.v[(i, k)].as_f64() / decomposed.s[k].as_f64()));
    let mut out = Mat::zeros(f.ncols(), f.nrows());
    T::product(out.as_mut(), false, scaled.as_ref(), decomposed.u.subcols(0, kept).transpose());
    Ok(out)
}

/// For each term k of `x` and l of `y`, of one shape, the product over the modes of the cosines of
/// their factors: the cosine of the angle between the terms. (R_x, R_y).
///
/// # Errors
/// [`Error::Shape`] where the shapes differ.
pub fn congruences<T: Scalar>(x: &Cp<T>, y: &Cp<T>) -> Result<Mat<f64>> {
    if x.shape() != y.shape() {
        let expected = format!("the other decomposition has shape {:?}", x.shape());
        return Err(Error::Shape { argument: "y", expected, found: y.shape() });
    }
    let mut out = Mat::from_fn(x.rank(), y.rank(), |_, _| 1.0);
    for (f, g) in x.factors().iter().zip(y.factors()) {
        for l in 0..y.rank() {
            for k in 0..x.rank() {
                let both = f.col_as_slice(k).iter().zip(g.col_as_slice(l));
                out[(k, l)] *= both.map(|(x, y)| x.as_f64() * y.as_f64()).sum::<f64>();
            }
        }
    }
    Ok(out)
}

/// How far terms of a decomposition cancel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Degeneracy {
    /// The smallest cosine between two terms, where that is negative, with its sign changed: 0 for none,
    /// 1 for two terms that are opposite. Above about 0.85 two terms are one that is going to infinity.
    pub score: f64,
    /// These two terms.
    pub terms: Option<(usize, usize)>,
    /// gamma, see [`Cp::condition_number`].
    pub condition_number: f64,
}

/// The degeneracy of a decomposition. R^2 sum n_i.
///
/// # Errors
/// As for [`Cp::condition_number`].
pub fn degeneracy<T: Scalar>(x: &Cp<T>) -> Result<Degeneracy> {
    let cosines = congruences(x, x)?;
    let mut out = Degeneracy { score: 0.0, terms: None, condition_number: x.condition_number()? };
    for l in 0..x.rank() {
        for k in 0..l {
            if -cosines[(k, l)] > out.score {
                (out.score, out.terms) = (-cosines[(k, l)], Some((k, l)));
            }
        }
    }
    Ok(out)
}

/// The k-rank of a matrix: the largest k such that every k of its columns are linearly independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KRank {
    /// The k-rank, or a lower bound of it.
    pub value: usize,
    /// Whether it is the k-rank; if not, there were more than [`SUBSETS`] sets of columns to look at.
    pub exact: bool,
}

/// The k-rank of `a` (n, R). Columns, scaled to norm 1, count as dependent where their smallest singular
/// value is at most `tolerance` of the largest.
///
/// # Errors
/// [`Error::NonFinite`]; [`Error::Parameter`] for a tolerance outside [0, 1).
///
/// ```
/// use lowrank::{faer::mat, tensor::cp::k_rank};
/// let f = mat![[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, -1.0]];
/// assert_eq!(k_rank(&f, 1e-10)?.value, 2);
/// assert_eq!(k_rank(mat![[1.0, 2.0], [1.0, 2.0]], 1e-10)?.value, 1); // a column twice
/// # lowrank::Result::Ok(())
/// ```
pub fn k_rank<T: Scalar>(a: impl AsMatrix<T>, tolerance: f64) -> Result<KRank> {
    if !(0.0..1.0).contains(&tolerance) {
        let (value, remedy) = (tolerance.to_string(), "pass a number of at least 0 and below 1");
        return Err(Error::Parameter { name: "tolerance", value, remedy });
    }
    let a = a.as_matrix();
    let (n, columns) = (a.nrows(), a.ncols());
    check_finite("a", a)?;
    let mut unit = a.to_owned();
    for k in 0..columns {
        let e = exponent(max_norm(unit.col(k).as_mat()));
        let column = unit.col_as_slice_mut(k);
        column.iter_mut().for_each(|x| *x = scale_by_power_of_two(*x, -e));
        let norm = slice_norm(column);
        if norm == 0.0 {
            return Ok(KRank { value: 0, exact: true });
        }
        column.iter_mut().for_each(|x| *x = T::of(x.as_f64() / norm));
    }
    let independent = |chosen: &[usize]| -> Result<bool> {
        let some = Mat::from_fn(n, chosen.len(), |i, k| unit[(i, chosen[k])]);
        let s = svd::singular_values(&some)?;
        Ok(s.last().is_none_or(|last| last.as_f64() > tolerance * s[0].as_f64()))
    };
    let largest = columns.min(n);
    if columns <= n && independent(&(0..columns).collect::<Vec<_>>())? {
        return Ok(KRank { value: columns, exact: true });
    }
    let mut left = SUBSETS;
    for k in 2..=largest {
        let mut chosen: Vec<usize> = (0..k).collect();
        loop {
            if left == 0 {
                return Ok(KRank { value: k - 1, exact: false });
            }
            left -= 1;
            if !independent(&chosen)? {
                return Ok(KRank { value: k - 1, exact: true });
            }
            // The next set of k columns.
            let Some(at) = (0..k).rev().find(|&at| chosen[at] < columns - k + at) else { break };
            chosen[at] += 1;
            (at + 1..k).for_each(|i| chosen[i] = chosen[i - 1] + 1);
        }
    }
    Ok(KRank { value: largest, exact: true })
}

/// Kruskal's condition for a decomposition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kruskal {
    /// The k-ranks of the factors.
    pub k_ranks: Vec<KRank>,
    /// Their sum.
    pub sum: usize,
    /// What the sum has to be at least: 2 R + d - 1.
    pub needed: usize,
    /// Whether the decomposition is known to be unique up to the order and the scale of its terms: the sum
    /// suffices, or there is one term at most. Where not, nothing is known.
    pub unique: bool,
}

/// Kruskal's condition, columns being dependent as for [`k_rank`].
///
/// # Errors
/// As for [`k_rank`].
pub fn kruskal<T: Scalar>(x: &Cp<T>, tolerance: f64) -> Result<Kruskal> {
    let k_ranks = x.factors().iter().map(|f| k_rank(f, tolerance)).collect::<Result<Vec<_>>>()?;
    let (sum, needed) = (k_ranks.iter().map(|k| k.value).sum(), 2 * x.rank() + x.order() - 1);
    Ok(Kruskal { k_ranks, sum, needed, unique: sum >= needed || x.rank() <= 1 })
}
