//! How fast singular values decay: a power of the index, or an exponential.
//!
//! **Problem.** s_1 >= s_2 >= ... > 0. Fit s_i ~ c i^-a (power) or s_i ~ c exp(-a i)
//! (exponential), and tell how well it fits.
//!
//! **Method.** Ordinary least squares of ln s_i against ln i, or against i, over the positive
//! values of a range of indices. Compare the two R^2: the larger says which of the two it is.
//!
//! **Cost.** O(number of values).
//!
//! **Guarantee.** Exact for exact decays, to rounding; the rate does not depend on the scale of
//! the values. The squared errors are those of the logarithms: each value weighs the same,
//! however small, so values at the level of rounding (below max(m, n) eps s_1) bend the line and
//! should be left out through the range. The standard error assumes independent residuals, which
//! singular values do not have: it is a yardstick, not a confidence interval. A straight line in
//! log-log proves no power law; for the law of a density see [`super::power_tail`].
//!
//! **Deviations.** None.

use super::Checked;
use super::checked::ln_scaled;
use crate::{Error, Result, Scalar};
use std::ops::{Bound, RangeBounds};

/// A fitted decay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decay {
    /// The rate a: the power of the index, or the exponent per index. Positive for a decay.
    pub rate: f64,
    /// Standard error of the rate.
    pub standard_error: f64,
    /// The factor c, in the units of the values; infinite where it overflows.
    pub scale: f64,
    /// R^2 = 1 - (sum of squared residuals) / (sum of squared deviations from the mean) of the
    /// logarithms, from 0 to 1; 1 where all values are equal.
    pub goodness: f64,
    /// How many values were used.
    pub values: usize,
}

/// Fits s_i ~ c i^-a for the one-based i = range + 1; `..` for all values.
///
/// Values that are zero are left out. The range is zero-based, as for a slice; an index keeps its
/// place, so `power_decay(&s, 1..)` leaves out s_1 and starts at i = 2.
///
/// # Errors
/// [`Error::NonFinite`] and [`Error::Parameter`] for values that are not finite, negative or not
/// in nonincreasing order; [`Error::Shape`] when the range holds less than 3 positive values.
///
/// ```
/// use lowrank::svd::spectrum::{exponential_decay, power_decay};
/// let s: Vec<f64> = (1..=50).map(|i| 2.0 * f64::from(i).powf(-1.5)).collect();
/// let power = power_decay(&s, ..)?;
/// assert!((power.rate - 1.5).abs() < 1e-13 && (power.scale - 2.0).abs() < 1e-13);
/// assert!(power.goodness > exponential_decay(&s, ..)?.goodness);
/// # lowrank::Result::Ok(())
/// ```
pub fn power_decay<T: Scalar>(s: &[T], range: impl RangeBounds<usize>) -> Result<Decay> {
    fit(s, range, |i| i.ln())
}

/// Fits s_i ~ c exp(-a i), as [`power_decay`].
///
/// # Errors
/// Those of [`power_decay`].
pub fn exponential_decay<T: Scalar>(s: &[T], range: impl RangeBounds<usize>) -> Result<Decay> {
    fit(s, range, |i| i)
}

fn fit<T: Scalar>(s: &[T], range: impl RangeBounds<usize>, abscissa: impl Fn(f64) -> f64) -> Result<Decay> {
    let checked = Checked::new(s)?;
    let first = match range.start_bound() {
        Bound::Included(k) => *k,
        Bound::Excluded(k) => k.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(k) => k.saturating_add(1),
        Bound::Excluded(k) => *k,
        Bound::Unbounded => s.len(),
    };
    let end = end.min(checked.nonzero);
    let points: Vec<(f64, f64)> =
        (first..end).map(|i| (abscissa(i as f64 + 1.0), ln_scaled(s[i], checked.exponent))).collect();
    let n = points.len() as f64;
    if points.len() < 3 {
        return Err(Error::Shape {
            argument: "s",
            expected: "at least 3 positive values are needed in the range".to_string(),
            found: vec![points.len()],
        });
    }
    let mean_x = points.iter().map(|p| p.0).sum::<f64>() / n;
    let mean_y = points.iter().map(|p| p.1).sum::<f64>() / n;
    let xx: f64 = points.iter().map(|p| (p.0 - mean_x).powi(2)).sum();
    let xy: f64 = points.iter().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum();
    let yy: f64 = points.iter().map(|p| (p.1 - mean_y).powi(2)).sum();
    let slope = xy / xx;
    let residual: f64 = points.iter().map(|p| (p.1 - mean_y - slope * (p.0 - mean_x)).powi(2)).sum();
    // All equal: the mean may be off by rounding, and the ratio of two roundings means nothing.
    let flat = s[first] == s[end - 1];
    Ok(Decay {
        rate: if flat { 0.0 } else { -slope },
        standard_error: if flat { 0.0 } else { (residual / (n - 2.0) / xx).sqrt() },
        scale: if flat { s[first].as_f64() } else { checked.in_units((mean_y - slope * mean_x).exp()) },
        goodness: if flat { 1.0 } else { (1.0 - residual / yy).clamp(0.0, 1.0) },
        values: points.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::scale_by_power_of_two;

    #[test]
    fn exact_decays_at_every_scale() {
        for e in [-900, -300, 0, 300, 900] {
            let power: Vec<f64> =
                (1..=400).map(|i| scale_by_power_of_two(1.5 * f64::from(i).powf(-0.7), e)).collect();
            let fit = power_decay(&power, ..).unwrap();
            assert!((fit.rate - 0.7).abs() < 1e-13 && 1.0 - fit.goodness < 1e-14, "{fit:?}");
            assert!((fit.scale / scale_by_power_of_two(1.5, e) - 1.0).abs() < 1e-13, "{fit:?}");
            assert_eq!(
                fit.rate,
                power_decay(&power.iter().map(|x| x * 16.0).collect::<Vec<_>>(), ..).unwrap().rate
            );
            let later = power_decay(&power, 100..=200).unwrap();
            assert!((later.rate - 0.7).abs() < 1e-12 && later.values == 101);
            let exponential: Vec<f64> =
                (1..=200).map(|i| scale_by_power_of_two(3.0 * (-0.25 * f64::from(i)).exp(), e)).collect();
            let fit = exponential_decay(&exponential, ..).unwrap();
            assert!((fit.rate - 0.25).abs() < 1e-14 && 1.0 - fit.goodness < 1e-14, "{fit:?}");
            assert!((fit.scale / scale_by_power_of_two(3.0, e) - 1.0).abs() < 1e-12, "{fit:?}");
            assert!(power_decay(&exponential, ..).unwrap().goodness < 0.9);
        }
        // Single precision carries its own rounding, nothing more.
        let s: Vec<f32> = (1..=100).map(|i| (f64::from(i).powi(-2) * 1e-30) as f32).collect();
        assert!((power_decay(&s, ..).unwrap().rate - 2.0).abs() < 1e-6);
    }

    #[test]
    fn three_points_by_hand() {
        // ln s = 2, 1, -1 at i = 1, 2, 3: slope -3/2, intercept 11/3, R^2 = 27/28.
        let s = [2.0_f64.exp(), 1.0_f64.exp(), (-1.0_f64).exp()];
        let fit = exponential_decay(&s, ..).unwrap();
        assert!((fit.rate - 1.5).abs() < 1e-14 && (fit.goodness - 27.0 / 28.0).abs() < 1e-14);
        assert!((fit.scale.ln() - 11.0 / 3.0).abs() < 1e-14);
        // Residuals 1/6, -1/3, 1/6, one degree of freedom, xx = 2: sqrt(1/6 / 2).
        assert!((fit.standard_error - (1.0_f64 / 12.0).sqrt()).abs() < 1e-14);
    }

    #[test]
    fn degenerate_and_wrong() {
        let flat = power_decay(&[0.1_f32; 9], ..).unwrap();
        assert_eq!((flat.rate, flat.goodness, flat.scale), (0.0, 1.0, f64::from(0.1_f32)));
        assert_eq!(power_decay(&[4.0, 2.0, 1.0, 0.0, 0.0], ..).unwrap().values, 3);
        for few in [&[][..], &[1.0], &[2.0, 1.0], &[2.0, 1.0, 0.0], &[0.0; 5]] {
            assert!(power_decay(few, ..).is_err());
        }
        let s = [4.0, 3.0, 2.0, 1.0];
        assert!(power_decay(&s, 2..).is_err() && power_decay(&s, 9..usize::MAX).is_err());
        assert!(power_decay(&s, ..=usize::MAX).is_ok());
        assert!(power_decay(&[1.0, 2.0, 3.0], ..).is_err());
        assert!(exponential_decay(&[3.0, 2.0, f64::NAN], ..).is_err());
    }
}
