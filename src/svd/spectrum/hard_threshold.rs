//! The optimal hard threshold for singular values.
//!
//! **Problem.** A = X + noise (m, n), X of unknown low rank, noise with independent entries of
//! mean 0. Singular values of A below a threshold are dropped: which threshold makes the mean
//! squared error of what is kept smallest?
//!
//! **Method.** Gavish, Donoho, "The optimal hard threshold for singular values is 4/sqrt(3)", IEEE
//! Trans. Inf. Theory 60 (2014). With b = min(m, n) / max(m, n), N = max(m, n): noise of standard
//! deviation w known, lambda(b) sqrt(N) w with
//! lambda(b) = sqrt(2 (b + 1) + 8 b / (b + 1 + sqrt(b^2 + 14 b + 1))); unknown, omega(b) times the
//! median singular value with omega = lambda / sqrt(mu), mu the median of the law of Marchenko and
//! Pastur of ratio b and variance 1.
//!
//! **Cost.** O(1), and O(number of values) for the check of the values.
//!
//! **Guarantee.** Asymptotic, for white noise and fixed rank: no other fixed threshold has a
//! smaller worst mean squared error, which is at most 3 N r w^2 for a square matrix of rank r
//! against 2 N r w^2 of the best shrinker. Fails where the noise is correlated, and with unknown
//! noise where the signal has more than a few per cent of the min(m, n) values (the median is then
//! not that of noise) or where a matrix has no noise: the threshold is then relative to its own
//! small values.
//!
//! **Deviations.** omega from the median itself, computed to 1e-14, not from the cubic polynomial
//! of the paper (which is off by up to 0.02).

use super::marchenko_pastur::{check_ratio, ratio_of};
use super::{Checked, MarchenkoPastur, check_shape};
use crate::{Error, Result, Scalar};

/// The threshold in units of sqrt(max(m, n)) times the standard deviation of the noise, for a
/// ratio min(m, n) / max(m, n) in (0, 1]; lambda(1) = 4 / sqrt(3).
///
/// # Errors
/// [`Error::Parameter`] when the ratio lies outside (0, 1].
pub fn lambda(ratio: f64) -> Result<f64> {
    let b = check_ratio(ratio)?;
    Ok((2.0 * (b + 1.0) + 8.0 * b / (b + 1.0 + (b * b + 14.0 * b + 1.0).sqrt())).sqrt())
}

/// The threshold in units of the median singular value, for noise of unknown level and a ratio
/// min(m, n) / max(m, n) in (0, 1]; omega(1) = 2.858...
///
/// # Errors
/// Those of [`lambda`].
pub fn omega(ratio: f64) -> Result<f64> {
    Ok(lambda(ratio)? / MarchenkoPastur::new(ratio, 1.0)?.median().sqrt())
}

/// The optimal hard threshold for the singular values `s` of a matrix of shape (m, n), in their
/// units: keep s_k >= threshold.
///
/// `noise` is the standard deviation of an entry of the noise in the units of the matrix; `None`
/// takes it from the median of the singular values, which must then all be given, zeros included.
///
/// # Errors
/// [`Error::NonFinite`] and [`Error::Parameter`] for values that are not finite, negative or not
/// sorted and for a noise that is negative or not finite; [`Error::Shape`] when their number does
/// not fit the shape, or the matrix is empty.
///
/// ```
/// use lowrank::svd::spectrum::hard_threshold;
/// // Square, 100 x 100, noise of standard deviation 0.1 an entry: 4/sqrt(3) sqrt(100) 0.1.
/// let threshold = hard_threshold(&[9.0, 5.0], (100, 100), Some(0.1))?;
/// assert!((threshold - 4.0 / 3.0_f64.sqrt()).abs() < 1e-14);
/// # lowrank::Result::Ok(())
/// ```
pub fn hard_threshold<T: Scalar>(s: &[T], shape: (usize, usize), noise: Option<f64>) -> Result<f64> {
    let s = Checked::new(s)?;
    check_shape(s.x.len(), shape, noise.is_none())?;
    if shape.0.min(shape.1) == 0 {
        return Err(Error::Shape {
            argument: "shape",
            expected: "a matrix that is not empty is needed".to_string(),
            found: vec![shape.0, shape.1],
        });
    }
    match noise {
        // Not through the scaled values: the noise may be far larger or smaller than these.
        Some(noise) => {
            Ok(lambda(ratio_of(shape))? * (shape.0.max(shape.1) as f64).sqrt() * check_noise(noise)?)
        }
        None => Ok(s.in_units(omega(ratio_of(shape))? * median(&s.x))),
    }
}

/// The threshold in the units of the scaled values.
pub(crate) fn scaled_threshold(s: &Checked, shape: (usize, usize), noise: Option<f64>) -> Result<f64> {
    check_shape(s.x.len(), shape, noise.is_none())?;
    if let Some(noise) = noise {
        let noise = crate::matrix::scale_by_power_of_two(check_noise(noise)?, -s.exponent);
        let larger = shape.0.max(shape.1) as f64;
        return if s.x.is_empty() { Ok(0.0) } else { Ok(lambda(ratio_of(shape))? * larger.sqrt() * noise) };
    }
    if s.x.is_empty() { Ok(0.0) } else { Ok(omega(ratio_of(shape))? * median(&s.x)) }
}

fn check_noise(noise: f64) -> Result<f64> {
    if noise >= 0.0 && noise.is_finite() {
        return Ok(noise);
    }
    Err(Error::Parameter {
        name: "noise",
        value: noise.to_string(),
        remedy: "pass the standard deviation of an entry, finite and not negative, or None",
    })
}

/// The median of sorted values, the mean of the two middle ones where their number is even.
fn median(x: &[f64]) -> f64 {
    match x.len() {
        0 => 0.0,
        n => 0.5 * (x[(n - 1) / 2] + x[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::scale_by_power_of_two;

    #[test]
    fn known_coefficients() {
        assert!((lambda(1.0).unwrap() - 4.0 / 3.0_f64.sqrt()).abs() < 4.0 * f64::EPSILON);
        // As the ratio goes to 0 the threshold goes to that of a vector, sqrt(2 N) w.
        assert!((lambda(1e-300).unwrap() - 2.0_f64.sqrt()).abs() < 4.0 * f64::EPSILON);
        // Ratio 1: the median of s / sqrt(N) solves t + sin t = pi / 2, s = 2 sin(t / 2).
        let t =
            (0..100).fold(1.0_f64, |t, _| t - (t + t.sin() - std::f64::consts::FRAC_PI_2) / (1.0 + t.cos()));
        let expected = 4.0 / 3.0_f64.sqrt() / (2.0 * (0.5 * t).sin());
        assert!((omega(1.0).unwrap() - expected).abs() < 1e-13);
        assert!((expected - 2.8582).abs() < 1e-3, "{expected}");
        // The paper's cubic approximation holds within its stated 0.02.
        for i in 1..=1000 {
            let b = f64::from(i) / 1000.0;
            let cubic = 0.56 * b.powi(3) - 0.95 * b * b + 1.82 * b + 1.43;
            assert!((omega(b).unwrap() - cubic).abs() < 0.021, "{b} {} {cubic}", omega(b).unwrap());
        }
    }

    #[test]
    fn scales_and_refuses() {
        let s = [4.0, 2.0, 1.0];
        let one = hard_threshold(&s, (3, 5), None).unwrap();
        assert!((one - 2.0 * omega(0.6).unwrap()).abs() < 1e-14);
        for e in [-1000, -300, 300, 1000] {
            let scaled = s.map(|x| scale_by_power_of_two(x, e));
            let threshold = hard_threshold(&scaled, (3, 5), None).unwrap();
            assert_eq!(threshold, scale_by_power_of_two(one, e));
            assert_eq!(hard_threshold(&scaled, (5, 3), None).unwrap(), threshold);
        }
        assert_eq!(hard_threshold(&[0.0_f32; 3], (3, 5), None).unwrap(), 0.0);
        assert!(hard_threshold(&s, (4, 5), None).is_err()); // not all values
        assert!(hard_threshold(&s, (4, 5), Some(1.0)).is_ok());
        assert!(hard_threshold(&s, (2, 5), Some(1.0)).is_err());
        assert!(hard_threshold::<f64>(&[], (0, 5), None).is_err());
        for noise in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(hard_threshold(&s, (3, 5), Some(noise)).is_err());
        }
        assert!(hard_threshold(&[1.0, 2.0, 3.0], (3, 5), None).is_err());
        assert!(omega(0.0).is_err() && lambda(f64::NAN).is_err() && omega(1.5).is_err());
    }
}
