//! Power-law tails by maximum likelihood.
//!
//! **Problem.** Positive numbers x_1, ..., x_N whose density falls as x^-a above some minimum,
//! such as the eigenvalues s_i^2 of A'A of a trained weight matrix. Find a and the minimum.
//!
//! **Method.** Clauset, Shalizi, Newman, "Power-law distributions in empirical data", SIAM Review
//! 51 (2009), continuous case: with n values at or above the minimum,
//! a = 1 + n / sum ln(x / minimum), standard error (a - 1) / sqrt(n). The minimum is the one of
//! the values with the smallest distance of Kolmogorov and Smirnov between the values above it
//! and the fitted law.
//!
//! **Cost.** O(N^2) exponentials to choose the minimum (a second at N = 10,000), O(N log N) with
//! a given one.
//!
//! **Guarantee.** For values that follow the law, a is right within a few standard errors for
//! n of 50 and more; it is biased upwards by about (a - 1) / n. The number of values is what
//! limits: the standard error takes the minimum for given, so it is too small when that was
//! chosen. A fit always exists: whether it is good is only told by `distance`, which for a true
//! law with a given minimum is below about 1.09 / sqrt(n) in 95 % of cases (Lilliefors 1969: ln x
//! is exponential, its rate fitted), and lower for a chosen minimum. Eigenvalues repel each other:
//! for them all this is descriptive.
//!
//! **Deviations.** A tail holds at least `fewest` values. The distance is the largest difference
//! on both sides of each jump. Logarithms of ratios after exact scaling: no over- or underflow.

use super::checked::ln_scaled;
use crate::matrix::{check_finite_slice, exponent};
use crate::{Error, Result, Scalar};

/// Where the tail starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TailParameters {
    /// The smallest value of the tail, in the units of the values given; chosen where `None`.
    pub minimum: Option<f64>,
    /// How many values a tail has at least: 10 by default, 2 at the least.
    pub fewest: usize,
}

impl Default for TailParameters {
    fn default() -> Self {
        Self { minimum: None, fewest: 10 }
    }
}

/// A fitted power-law tail: density proportional to x^-exponent from the minimum on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerTail {
    /// The exponent a of the density, above 1.
    pub exponent: f64,
    /// Its standard error (a - 1) / sqrt(n), for a given minimum.
    pub standard_error: f64,
    /// Where the tail starts, in the units of the values given.
    pub minimum: f64,
    /// How many values the tail has, n.
    pub values: usize,
    /// The distance of Kolmogorov and Smirnov from the fitted law, from 0 to 1.
    pub distance: f64,
}

/// The power-law tail of the density of positive numbers, in any order; zeros are left out.
///
/// # Errors
/// [`Error::NonFinite`] and [`Error::Parameter`] for values that are not finite or negative, a
/// minimum that is not positive and finite, or `fewest` below 2; [`Error::Shape`] when fewer than
/// `fewest` values are positive (and at or above the minimum), or they are all equal.
///
/// ```
/// use lowrank::svd::spectrum::power_tail;
/// // Quantiles of the density 1.5 x^-2.5 on [1, infinity).
/// let x: Vec<f64> = (0..1000).map(|i| (1.0 - (f64::from(i) + 0.5) / 1000.0).powf(-1.0 / 1.5)).collect();
/// let tail = power_tail(&x, Default::default())?;
/// assert!((tail.exponent - 2.5).abs() < 0.05 && tail.distance < 0.01);
/// # lowrank::Result::Ok(())
/// ```
pub fn power_tail<T: Scalar>(x: &[T], parameters: TailParameters) -> Result<PowerTail> {
    tail_of_powers(x, 1.0, parameters)
}

/// The power-law tail of the density of the eigenvalues s^2 of A'A, from singular values s.
///
/// The exponent is that of the density of s^2; the minimum, given and returned, is in the units of
/// s, so that no square overflows. The density of s itself has exponent 2 a - 1. Values may come in
/// any order.
///
/// # Errors
/// Those of [`power_tail`].
pub fn eigenvalue_tail<T: Scalar>(s: &[T], parameters: TailParameters) -> Result<PowerTail> {
    tail_of_powers(s, 2.0, parameters)
}

/// The tail of x^power: only logarithms of ratios enter, which are multiplied by the power.
fn tail_of_powers<T: Scalar>(x: &[T], power: f64, parameters: TailParameters) -> Result<PowerTail> {
    check(x, parameters)?;
    let mut x: Vec<T> = x.iter().copied().filter(|x| *x > T::of(0.0)).collect();
    x.sort_by(|a, b| a.as_f64().total_cmp(&b.as_f64()));
    let scale = exponent(x.last().copied().unwrap_or_default());
    let logs: Vec<f64> = x.iter().map(|x| power * ln_scaled(*x, scale)).collect();
    let of = |start: usize, minimum: f64, log: f64| {
        let (exponent, distance) = fit(&logs[start..], log)?;
        let values = logs.len() - start;
        let standard_error = (exponent - 1.0) / (values as f64).sqrt();
        Some(PowerTail { exponent, standard_error, minimum, values, distance })
    };
    let best = match parameters.minimum {
        Some(minimum) => {
            let start = x.partition_point(|x| x.as_f64() < minimum);
            let enough = x.len() - start >= parameters.fewest;
            enough.then(|| of(start, minimum, power * ln_scaled(minimum, scale))).flatten()
        }
        None => (0..(x.len() + 1).saturating_sub(parameters.fewest))
            .filter(|start| *start == 0 || x[start - 1] < x[*start])
            .filter_map(|start| of(start, x[start].as_f64(), logs[start]))
            .reduce(|best, next| if next.distance < best.distance { next } else { best }),
    };
    best.ok_or_else(|| Error::Shape {
        argument: "x",
        expected: format!(
            "at least {} positive values, not all equal, are needed in the tail",
            parameters.fewest
        ),
        found: vec![x.len()],
    })
}

fn check<T: Scalar>(x: &[T], parameters: TailParameters) -> Result<()> {
    check_finite_slice("x", x)?;
    let wrong = |name, value: String, remedy| Err(Error::Parameter { name, value, remedy });
    if let Some(i) = x.iter().position(|x| *x < T::of(0.0)) {
        return wrong("x", format!("[.., {} at {i}, ..]", x[i]), "pass numbers that are not negative");
    }
    if let Some(minimum) = parameters.minimum.filter(|x| !(*x > 0.0 && x.is_finite())) {
        return wrong("minimum", minimum.to_string(), "pass a positive, finite number or None");
    }
    if parameters.fewest < 2 {
        return wrong("fewest", parameters.fewest.to_string(), "pass at least 2; 10 is usual");
    }
    Ok(())
}

/// The exponent and the distance for the tail with these logarithms (rising), which starts at `log`.
///
/// `None` where all values equal the minimum.
fn fit(logs: &[f64], log: f64) -> Option<(f64, f64)> {
    let n = logs.len() as f64;
    let sum: f64 = logs.iter().map(|x| x - log).sum();
    if !(sum > 0.0) {
        return None;
    }
    let rate = n / sum; // exponent - 1
    let distance = logs.iter().enumerate().fold(0.0, |d: f64, (i, x)| {
        let f = -(-rate * (x - log)).exp_m1();
        d.max(f - i as f64 / n).max((i as f64 + 1.0) / n - f)
    });
    Some((1.0 + rate, distance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::scale_by_power_of_two;

    #[test]
    fn by_hand_and_at_every_scale() {
        // ln(x / 1) = 0, ln 2, ln 4: a = 1 + 3 / (3 ln 2); with s^2 the logarithms double.
        let a = 1.0 + 1.0 / std::f64::consts::LN_2;
        let parameters = |e| TailParameters { minimum: Some(scale_by_power_of_two(1.0, e)), fewest: 2 };
        for e in [-1000, -300, 0, 300, 1000] {
            let x = [2.0, 4.0, 1.0, 0.0].map(|x| scale_by_power_of_two(x, e));
            let tail = power_tail(&x, parameters(e)).unwrap();
            assert!((tail.exponent - a).abs() < 1e-14 && tail.values == 3, "{tail:?}");
            assert!((tail.standard_error - (a - 1.0) / 3.0_f64.sqrt()).abs() < 1e-14);
            // F = 1 - x^(1-a) = 0, 1 - 1/e, 1 - 1/e^2 against jumps to 1/3, 2/3, 1.
            assert!((tail.distance - 1.0_f64 / 3.0).abs() < 1e-14, "{tail:?}");
            let squares = eigenvalue_tail(&x, parameters(e)).unwrap();
            assert!((squares.exponent - (1.0 + 0.5 / std::f64::consts::LN_2)).abs() < 1e-14);
            assert_eq!(squares.minimum, scale_by_power_of_two(1.0, e));
        }
    }

    #[test]
    fn degenerate_and_wrong() {
        let all = TailParameters { minimum: None, fewest: 2 };
        for x in [vec![], vec![1.0], vec![0.0; 30], vec![2.0; 30]] {
            assert!(power_tail(&x, all).is_err(), "{x:?}");
        }
        assert!(power_tail(&[1.0, 2.0, 3.0], TailParameters::default()).is_err());
        assert!(power_tail(&[1.0, 2.0, 3.0], all).is_ok());
        assert!(power_tail(&[1.0, f64::NAN], all).is_err());
        assert!(power_tail(&[1.0, -2.0, 3.0], all).is_err());
        for minimum in [0.0, -1.0, f64::NAN, f64::INFINITY, 10.0] {
            let wrong = TailParameters { minimum: Some(minimum), fewest: 2 };
            assert!(power_tail(&[1.0, 2.0, 3.0], wrong).is_err());
        }
        assert!(power_tail(&[1.0, 2.0, 3.0], TailParameters { minimum: None, fewest: 0 }).is_err());
    }
}
