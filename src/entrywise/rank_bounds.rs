//! Ranks that suffice for an entrywise error, by theory.
//!
//! - Problem: which rank (or tensor-train ranks) guarantees that some matrix (tensor) of that rank
//!   lies within a given max-norm distance of a function-generated one, whatever the dimension m of
//!   the points.
//! - Method: the theorems of Budzinskiy, "When big data actually are low-rank"; each function names
//!   its own. All rest on r = ceil(c eps^-2 log(2 e n_1 ... n_d)) of random embeddings, whose
//!   constant c is absolute but not known: it is an argument. Measured values that would have
//!   sufficed: 1.7 to 3.5 for random embeddings, 0.025 to 0.075 for optimised approximations.
//! - Cost: O(1), or O(p) for Lemma 4.1.
//! - Guarantee: existence only. Where h has derivatives |h^(s)| <= C M^s on its domain and
//!   t is at least [`TaylorBound::admissible_terms`], the error is at most C (e^-t + eps (e^g - 1)),
//!   with g the growth exponent (M |W|_2 R^2 for inner products, and so on).
//! - Deviations: in the proof of Theorem 4.5 the factors have row norms at most
//!   (2 |W|_2)^(1/2) R, not sqrt(2) |W|_2 R; its statement is right. Terms t = 0 are refused: the
//!   theorems need one term at least. Rank bounds over min(n_1, n_2) are returned as they are: they
//!   say nothing then.

use crate::{Error, Result};
use std::f64::consts::E;

fn parameter<T>(name: &'static str, value: impl ToString, remedy: &'static str) -> Result<T> {
    Err(Error::Parameter { name, value: value.to_string(), remedy })
}

fn check_positive(name: &'static str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    parameter(name, value, "pass a positive finite number")
}

fn check_nonnegative(name: &'static str, value: f64) -> Result<()> {
    if value >= 0.0 && value.is_finite() {
        return Ok(());
    }
    parameter(name, value, "pass a nonnegative finite number")
}

fn too_large(rank: f64) -> Error {
    Error::TooLarge {
        what: "the rank bound, at eight bytes a unit,",
        bytes: 8.0 * rank,
        remedy: "ask for a larger eps or fewer Taylor terms",
    }
}

/// Theorems 1.3 and 6.1: r = ceil(c eps^-2 log(2 e n_1 ... n_d)).
///
/// A matrix A B' (`sizes` = [n_1, n_2]) is within eps |A|_{2,inf} |B|_{2,inf} of one of rank r in
/// the max norm, and a CP tensor of factors A_1, ..., A_d within eps times the product of the
/// |A_k|_{2,inf} of a tensor train of ranks r. `c` is c_2, or c_d for tensors (whose provable values
/// grow at least as d^d).
///
/// # Errors
/// [`Error::Parameter`] unless 0 < eps < 1, c > 0, and there are two sizes at least, each positive;
/// [`Error::TooLarge`] when r overflows.
pub fn embedding_rank(eps: f64, sizes: &[usize], c: f64) -> Result<usize> {
    if !(eps > 0.0 && eps < 1.0) {
        return parameter("eps", eps, "pass a number between 0 and 1, both excluded");
    }
    check_positive("c", c)?;
    if sizes.len() < 2 || sizes.contains(&0) {
        return parameter("sizes", format!("{sizes:?}"), "pass two positive sizes at least");
    }
    let log = (2.0 * E).ln() + sizes.iter().map(|&n| (n as f64).ln()).sum::<f64>();
    let rank = (c / eps / eps * log).ceil();
    if rank < usize::MAX as f64 { Ok(rank as usize) } else { Err(too_large(rank)) }
}

/// Lemma 4.1: the rank R_r(t, p) that suffices for the entrywise power t of A B' plus p matrices
/// of rank one, r being the rank of [`embedding_rank`].
///
/// Defined by R_r(0, 0) = 1, R_r(t, 0) = r, R_r(t, p) = 1 + sum_{s=1}^t R_r(s, p - 1); the closed
/// form is R_r(0, p) = 1 and, for t >= 1, r C(t + p - 1, p) + C(t + p - 1, t), the last binomial
/// being sum_{k<p} C(t + k - 1, k) and absent for p = 0.
///
/// # Errors
/// [`Error::TooLarge`] when it overflows.
pub fn recursive_rank(r: usize, t: usize, p: usize) -> Result<usize> {
    if t == 0 {
        return Ok(1);
    }
    if p == 0 {
        return Ok(r);
    }
    let exact = || {
        let n = (t - 1).checked_add(p)?;
        let rank = (r as u128).checked_mul(binomial(n, p)?)?.checked_add(binomial(n, t)?)?;
        usize::try_from(rank).ok()
    };
    exact().ok_or_else(|| too_large(r as f64 * (t as f64).powi(p.min(64) as i32)))
}

/// C(n, k), or nothing where it overflows.
fn binomial(n: usize, k: usize) -> Option<u128> {
    let k = k.min(n - k);
    let mut value = 1_u128;
    for i in 0..k {
        value = value.checked_mul((n - i) as u128)? / (i as u128 + 1);
        if value > usize::MAX as u128 {
            return None;
        }
    }
    Some(value)
}

/// A guarantee by Taylor expansion: `t` terms, each approximated by random embeddings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TaylorBound {
    /// The exponent g of the guarantee's e^g - 1.
    pub growth: f64,
    /// The theorem asks for t at least e^2 times this.
    pub decay: f64,
    shape: RankShape,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum RankShape {
    /// 1 + (t - 1) r
    Linear,
    /// R_r(t - 1, p)
    Recursive(usize),
}

impl TaylorBound {
    /// Theorem 3.8: F(i, j) = h(x_i' W y_j), |x|, |y| <= `radius`, |W|_2 = `w_norm`, and
    /// |h^(s)| <= C `growth_rate`^s on [-|W| R^2, |W| R^2]. W may be any matrix (Remark 3.9).
    ///
    /// # Errors
    /// [`Error::Parameter`] for a negative or non-finite argument; here and below.
    pub fn inner_product(growth_rate: f64, w_norm: f64, radius: f64) -> Result<Self> {
        let g = product(growth_rate, w_norm, radius, 2)?;
        Ok(Self { growth: g, decay: g, shape: RankShape::Linear })
    }

    /// Theorem 4.5: F(i, j) = h(|x_i - y_j|_W^2), the derivatives bounded on
    /// [-4 |W| R^2, 4 |W| R^2].
    pub fn squared_distance(growth_rate: f64, w_norm: f64, radius: f64) -> Result<Self> {
        let g = 4.0 * product(growth_rate, w_norm, radius, 2)?;
        Ok(Self { growth: g, decay: g, shape: RankShape::Recursive(3) })
    }

    /// Theorem 4.7 with Corollary 4.8: the same, the derivatives bounded between the `smallest` and
    /// the `largest` squared distance of the sample only, so that h need not be smooth at 0.
    ///
    /// # Errors
    /// Also where not 0 <= smallest <= largest <= 4 |W| R^2.
    pub fn localized(
        growth_rate: f64,
        w_norm: f64,
        radius: f64,
        smallest: f64,
        largest: f64,
    ) -> Result<Self> {
        let g = product(growth_rate, w_norm, radius, 2)?;
        check_nonnegative("smallest", smallest)?;
        check_nonnegative("largest", largest)?;
        if smallest > largest {
            return parameter("smallest", smallest, "the smallest distance is at most the largest");
        }
        if largest > 4.0 * w_norm * radius * radius * (1.0 + 1e-12) {
            return parameter("largest", largest, "it is at most 4 |W| R^2 for points in the ball");
        }
        let decay = growth_rate * (largest - smallest) / 2.0;
        Ok(Self { growth: 8.0 * g, decay, shape: RankShape::Recursive(4) })
    }

    /// Theorem 6.5: the tensor h(`<x1, ..., xd>`) of `order` d, points in the ball of `radius`, the
    /// derivatives bounded on [-R^d, R^d]; the rank is that of every bond of a tensor train.
    pub fn multilinear(growth_rate: f64, radius: f64, order: usize) -> Result<Self> {
        if order < 2 {
            return parameter("order", order, "a tensor here has two modes at least");
        }
        let g = product(growth_rate, 1.0, radius, order)?;
        Ok(Self { growth: g, decay: g, shape: RankShape::Linear })
    }

    /// The smallest admissible number of Taylor terms: ceil(e^2 `decay`), at least 1.
    pub fn admissible_terms(&self) -> usize {
        (E * E * self.decay).ceil().max(1.0) as usize
    }

    /// The rank that suffices with `t` terms and embeddings of rank `r` ([`embedding_rank`]).
    ///
    /// # Errors
    /// [`Error::Parameter`] for `t` = 0; [`Error::TooLarge`] on overflow.
    pub fn rank(&self, t: usize, r: usize) -> Result<usize> {
        if t == 0 {
            return parameter("t", t, "one Taylor term is needed at least");
        }
        match self.shape {
            RankShape::Recursive(p) => recursive_rank(r, t - 1, p),
            RankShape::Linear => (t - 1)
                .checked_mul(r)
                .and_then(|rank| rank.checked_add(1))
                .ok_or_else(|| too_large((t - 1) as f64 * r as f64)),
        }
    }

    /// The guaranteed error C (e^-t + eps (e^g - 1)), C being `constant`; infinite where it
    /// overflows.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless 0 < eps < 1, C >= 0 and t is admissible.
    pub fn error(&self, t: usize, eps: f64, constant: f64) -> Result<f64> {
        if t < self.admissible_terms() {
            return parameter("t", t, "use at least `admissible_terms()` Taylor terms");
        }
        if !(eps > 0.0 && eps < 1.0) {
            return parameter("eps", eps, "pass a number between 0 and 1, both excluded");
        }
        check_nonnegative("constant", constant)?;
        Ok(constant * ((-(t as f64)).exp() + eps * self.growth.exp_m1()))
    }
}

fn product(growth_rate: f64, w_norm: f64, radius: f64, power: usize) -> Result<f64> {
    check_nonnegative("growth_rate", growth_rate)?;
    check_nonnegative("w_norm", w_norm)?;
    check_nonnegative("radius", radius)?;
    let g = growth_rate * w_norm * radius.powf(power as f64);
    if !(8.0 * g).is_finite() {
        return parameter("radius", radius, "scale the points: the growth exponent overflows");
    }
    Ok(g)
}

/// Theorem 5.2: a continuous shift-invariant positive-definite kernel with value 1 at 0, on any
/// points, is within `eps` of rank r = [`embedding_rank`]; the error is `eps` itself.
///
/// The Gaussian, Cauchy and exponential kernels are such; exp(-|x - y|^4) is not.
///
/// # Errors
/// Those of [`embedding_rank`].
pub fn positive_definite_rank(eps: f64, n1: usize, n2: usize, c: f64) -> Result<usize> {
    embedding_rank(eps, &[n1, n2], c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recursion(r: usize, t: usize, p: usize) -> usize {
        match (t, p) {
            (0, 0) => 1,
            (_, 0) => r,
            _ => 1 + (1..=t).map(|s| recursion(r, s, p - 1)).sum::<usize>(),
        }
    }

    #[test]
    fn closed_form_is_the_recursion() {
        for r in [1, 2, 7, 50] {
            for t in 0..8 {
                for p in 0..6 {
                    assert_eq!(recursive_rank(r, t, p).unwrap(), recursion(r, t, p), "r={r} t={t} p={p}");
                }
            }
        }
        // 1 + 3 r; 1 + t + r t (t + 1) / 2
        assert_eq!(recursive_rank(10, 3, 1).unwrap(), 31);
        assert_eq!(recursive_rank(10, 4, 2).unwrap(), 105);
        assert!(matches!(recursive_rank(usize::MAX, 2, 1), Err(Error::TooLarge { .. })));
        assert!(matches!(recursive_rank(1, usize::MAX, usize::MAX), Err(Error::TooLarge { .. })));
        assert!(matches!(recursive_rank(1, 1 << 40, 1 << 39), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn values_by_hand() {
        // log(2e) = 1.6931..., log(10^4) = 9.2103...: 10.9035 / 0.25 = 43.6
        assert_eq!(embedding_rank(0.5, &[100, 100], 1.0).unwrap(), 44);
        assert_eq!(positive_definite_rank(0.5, 100, 100, 1.0).unwrap(), 44);
        // log(2e) + log(10^6) = 15.5087; / 0.01 = 1550.9
        assert_eq!(embedding_rank(0.1, &[100, 100, 100], 1.0).unwrap(), 1551);
        let bound = TaylorBound::inner_product(1.0, 2.0, 1.0).unwrap();
        assert_eq!(bound.admissible_terms(), 15); // 2 e^2 = 14.78
        assert_eq!(bound.rank(15, 44).unwrap(), 1 + 14 * 44);
        let error = bound.error(15, 0.1, 3.0).unwrap();
        assert!((error - 3.0 * ((-15.0_f64).exp() + 0.1 * (2.0_f64.exp() - 1.0))).abs() < 1e-12);
        let bound = TaylorBound::squared_distance(1.0, 1.0, 1.0).unwrap();
        assert_eq!((bound.growth, bound.admissible_terms()), (4.0, 30)); // 4 e^2 = 29.56
        assert_eq!(bound.rank(3, 5).unwrap(), recursion(5, 2, 3));
        let bound = TaylorBound::localized(1.0, 1.0, 1.0, 1.0, 3.0).unwrap();
        assert_eq!((bound.growth, bound.admissible_terms()), (8.0, 8)); // e^2 = 7.39
        assert_eq!(bound.rank(3, 5).unwrap(), recursion(5, 2, 4));
        let bound = TaylorBound::multilinear(1.0, 2.0, 3).unwrap();
        assert_eq!((bound.growth, bound.admissible_terms()), (8.0, 60)); // 8 e^2 = 59.1
        assert_eq!(bound.rank(1, 5).unwrap(), 1);
    }

    #[test]
    fn wrong_parameters_are_errors() {
        for eps in [0.0, 1.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(embedding_rank(eps, &[2, 2], 1.0).is_err());
        }
        assert!(embedding_rank(0.5, &[2], 1.0).is_err());
        assert!(embedding_rank(0.5, &[2, 0], 1.0).is_err());
        assert!(embedding_rank(0.5, &[2, 2], f64::NAN).is_err());
        assert!(matches!(embedding_rank(1e-30, &[2, 2], 1.0), Err(Error::TooLarge { .. })));
        assert!(TaylorBound::inner_product(f64::NAN, 1.0, 1.0).is_err());
        assert!(TaylorBound::inner_product(1.0, 1.0, 1e300).is_err());
        assert!(TaylorBound::localized(1.0, 1.0, 1.0, 2.0, 1.0).is_err());
        assert!(TaylorBound::localized(1.0, 1.0, 1.0, 0.0, 5.0).is_err());
        assert!(TaylorBound::multilinear(1.0, 1.0, 1).is_err());
        let bound = TaylorBound::inner_product(1.0, 1.0, 1.0).unwrap();
        assert!(bound.rank(0, 1).is_err() && bound.error(7, 0.1, 1.0).is_err());
        assert!(matches!(bound.rank(usize::MAX, 3), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn remainder_of_the_exponential_is_within_the_guarantee() {
        // h = exp on [-x, x], C = e^x, M = 1: the Taylor remainder alone is below C e^-t
        for x in [0.1, 1.0, 2.0, 5.0_f64] {
            let bound = TaylorBound::inner_product(1.0, x, 1.0).unwrap();
            let t = bound.admissible_terms();
            let (mut term, mut sum) = (1.0, 0.0);
            for s in 0..t {
                sum += term;
                term *= x / (s + 1) as f64;
            }
            assert!((x.exp() - sum).abs() <= x.exp() * (-(t as f64)).exp());
        }
    }
}
