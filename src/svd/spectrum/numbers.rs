//! Single numbers of a spectrum: stable rank, effective rank, the largest gap.
//!
//! **Problem.** s_1 >= s_2 >= ... >= 0: how many values matter?
//!
//! **Method.** Stable rank: the sum of s_i^2 over s_1^2 (Rudelson, Vershynin, "Sampling from large
//! matrices", J. ACM 54, 2007). Effective rank: exp(H), H the entropy in nats of
//! p_i = s_i / (s_1 + s_2 + ...) (Roy, Vetterli, "The effective rank: a measure of effective
//! dimensionality", EUSIPCO 2007). Gap: the k with the largest s_k / s_{k+1}.
//!
//! **Cost.** O(number of values).
//!
//! **Guarantee.** 1 <= stable rank <= number of nonzero values, and the same for the effective
//! rank; both equal the number of values when these are equal, and are 0 for a zero spectrum. A
//! relative accuracy of a few (number of values) machine precisions.
//!
//! **Deviations.** In the gap, values up to (number of values) eps s_1, with eps the precision of
//! the type they come in, count as that floor: what lies below is rounding, whose gaps (an exact
//! zero after 1e-17) mean nothing.

use super::Checked;
use crate::{Result, Scalar};

/// The largest ratio of neighbours in a spectrum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gap {
    /// How many values stand before the gap.
    pub rank: usize,
    /// s_rank / s_{rank+1}, at least 1 and at most 1 / (number of values, times eps).
    pub ratio: f64,
}

/// |A|_F^2 / |A|_2^2 from singular values; no units, 0 where all are zero or none is given.
///
/// # Errors
/// [`crate::Error::NonFinite`] and [`crate::Error::Parameter`] for values that are not finite,
/// negative or not in nonincreasing order.
///
/// ```
/// use lowrank::svd::spectrum::stable_rank;
/// assert_eq!(stable_rank(&[2.0, 1.0, 1.0])?, 1.5);
/// # lowrank::Result::Ok(())
/// ```
pub fn stable_rank<T: Scalar>(s: &[T]) -> Result<f64> {
    Ok(stable_rank_of(&Checked::new(s)?))
}

pub(crate) fn stable_rank_of(s: &Checked) -> f64 {
    if s.nonzero == 0 {
        return 0.0;
    }
    s.squared_tails()[0] / (s.x[0] * s.x[0])
}

/// exp of the entropy of s_i / (s_1 + s_2 + ...), the effective rank of Roy and Vetterli (2007).
///
/// No units; 0 where all values are zero or none is given. Note that it weighs the singular
/// values themselves, not their squares.
///
/// # Errors
/// Those of [`stable_rank`].
///
/// ```
/// use lowrank::svd::spectrum::effective_rank;
/// assert!((effective_rank(&[3.0_f32; 4])? - 4.0).abs() < 1e-6);
/// assert_eq!(effective_rank(&[7.0, 0.0])?, 1.0);
/// # lowrank::Result::Ok(())
/// ```
pub fn effective_rank<T: Scalar>(s: &[T]) -> Result<f64> {
    Ok(effective_rank_of(&Checked::new(s)?))
}

pub(crate) fn effective_rank_of(s: &Checked) -> f64 {
    let sum: f64 = s.x.iter().rev().sum();
    let entropy: f64 = s.x.iter().rev().map(|x| x / sum).filter(|p| *p > 0.0).map(|p| -p * p.ln()).sum();
    if s.nonzero == 0 { 0.0 } else { entropy.exp() }
}

/// The largest ratio s_k / s_{k+1} of a spectrum and where it stands; the first of equals.
///
/// `None` where there is no gap: all values above the floor are equal, there is only one value,
/// or none is positive. See the floor under Deviations in the source: ratios to values below
/// (number of values) eps s_1 are ratios to that number.
///
/// # Errors
/// Those of [`stable_rank`].
///
/// ```
/// use lowrank::svd::spectrum::spectral_gap;
/// let gap = spectral_gap(&[8.0, 4.0, 1.0, 0.5])?.unwrap();
/// assert_eq!((gap.rank, gap.ratio), (2, 4.0));
/// assert_eq!(spectral_gap(&[1.0, 1.0])?, None);
/// # lowrank::Result::Ok(())
/// ```
pub fn spectral_gap<T: Scalar>(s: &[T]) -> Result<Option<Gap>> {
    Ok(gap_of(&Checked::new(s)?).0)
}

/// The gap, and the number of values above the floor.
pub(crate) fn gap_of(s: &Checked) -> (Option<Gap>, usize) {
    let floor = s.x.len() as f64 * s.eps * s.x.first().copied().unwrap_or_default();
    let above = s.x.iter().take_while(|x| **x > floor).count();
    let mut best: Option<Gap> = None;
    for (k, pair) in s.x.windows(2).take(above).enumerate() {
        let ratio = pair[0] / pair[1].max(floor);
        if ratio > best.map_or(1.0, |gap| gap.ratio) {
            best = Some(Gap { rank: k + 1, ratio });
        }
    }
    (best, above)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::scale_by_power_of_two;

    #[test]
    fn closed_forms_at_every_scale() {
        // Geometric 2^-i, i < k: stable rank (1 - 4^-k) / (3/4); entropy of weights p (1-p)^i.
        let k = 60;
        let entropy: f64 =
            (0..k).map(|i| 0.5_f64.powi(i) / (2.0 - 0.5_f64.powi(k - 1))).map(|p| -p * p.log2()).sum::<f64>();
        for e in [-1000, -300, 0, 300, 1000] {
            let s: Vec<f64> = (0..k).map(|i| scale_by_power_of_two(1.0, e - i)).collect();
            assert!((stable_rank(&s).unwrap() - 4.0 / 3.0).abs() < 4.0 * f64::EPSILON);
            assert!((effective_rank(&s).unwrap() / entropy.exp2() - 1.0).abs() < 60.0 * f64::EPSILON);
            assert_eq!(spectral_gap(&s).unwrap().unwrap(), Gap { rank: 1, ratio: 2.0 });
        }
        // The limit of the entropy of 1/2, 1/4, ... is 2 bits.
        assert!((entropy - 2.0).abs() < 1e-12);
        let flat = [0.3_f32; 1000];
        assert!((stable_rank(&flat).unwrap() - 1000.0).abs() < 1e-9);
        assert!((effective_rank(&flat).unwrap() - 1000.0).abs() < 1e-8);
    }

    #[test]
    fn degenerate_and_wrong_spectra() {
        for s in [vec![], vec![0.0_f64; 3]] {
            assert_eq!(stable_rank(&s).unwrap(), 0.0);
            assert_eq!(effective_rank(&s).unwrap(), 0.0);
            assert_eq!(spectral_gap(&s).unwrap(), None);
        }
        assert_eq!(spectral_gap(&[5.0]).unwrap(), None);
        assert_eq!(stable_rank(&[f64::from_bits(1)]).unwrap(), 1.0);
        // Rounding below the floor, an exact zero included, is no gap.
        assert_eq!(spectral_gap(&[3.0, 2.0, 1.0, 1e-16, 1e-19, 0.0]).unwrap().unwrap().rank, 3);
        assert_eq!(spectral_gap(&[3.0_f32, 2.0, 1.0, 1e-8, 0.0]).unwrap().unwrap().rank, 3);
        for wrong in [vec![1.0, 2.0], vec![1.0, f64::NAN], vec![f64::INFINITY], vec![1.0, -1.0]] {
            assert!(stable_rank(&wrong).is_err() && effective_rank(&wrong).is_err());
            assert!(spectral_gap(&wrong).is_err());
        }
    }
}
