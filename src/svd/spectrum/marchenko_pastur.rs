//! The law of Marchenko and Pastur: the squared singular values of pure noise.
//!
//! **Problem.** A (m, n) with independent entries of mean 0 and variance v; p = min(m, n),
//! N = max(m, n), ratio b = p / N in (0, 1]. The p numbers s_i^2 / N: how are they distributed
//! for large sizes?
//!
//! **Method.** Marchenko, Pastur, "Distribution of eigenvalues for some sets of random matrices",
//! Math. USSR Sbornik 1 (1967): density sqrt((h - x) (x - l)) / (2 pi b v x) between the edges
//! l, h = v (1 -+ g)^2, g = sqrt(b). With x = v (1 + b - 2 g cos t), t from 0 to pi, the density
//! in t is (2/pi) sin^2 t / (1 + b - 2 g cos t), whose Fourier series integrates to
//!
//! F = (t + g sin t - (1 - b) (g^0 sin(2t)/2 + g^1 sin(3t)/3 + ...)) / pi,
//!
//! and the series is (atan2(g sin t, 1 - g cos t) - g sin t) / b. Quantiles by bisection in t.
//!
//! **Cost.** O(1) for the density and the distribution, 60 evaluations for a quantile.
//!
//! **Guarantee.** The distribution to about 1e-15, at every ratio: the series is summed where the
//! closed form would cancel (g < 0.1). The law itself is a limit: at finite sizes the distribution
//! function is off by O(1/p) and the largest eigenvalue passes the edge by O(N^(-2/3)), see
//! [`MarchenkoPastur::edge_width`].
//!
//! **Deviations.** The point mass at zero of the larger of the two Gram matrices is left out: the
//! law is that of the min(m, n) singular values.

use crate::{Error, Result};
use std::f64::consts::PI;

/// The law of s^2 / max(m, n) for a matrix of noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MarchenkoPastur {
    ratio: f64,
    variance: f64,
}

impl MarchenkoPastur {
    /// The law of a ratio min(m, n) / max(m, n) in (0, 1] and a variance of the entries.
    ///
    /// # Errors
    /// [`Error::Parameter`] when the ratio lies outside (0, 1], or the variance is not positive
    /// and finite.
    ///
    /// ```
    /// use lowrank::svd::spectrum::MarchenkoPastur;
    /// let law = MarchenkoPastur::new(0.25, 1.0)?;
    /// assert_eq!(law.edges(), (0.25, 2.25));
    /// assert_eq!(law.distribution(2.25), 1.0);
    /// assert!((law.distribution(law.median()) - 0.5).abs() < 1e-14);
    /// # lowrank::Result::Ok(())
    /// ```
    pub fn new(ratio: f64, variance: f64) -> Result<Self> {
        let ratio = check_ratio(ratio)?;
        if !(variance > 0.0 && variance.is_finite()) {
            return Err(Error::Parameter {
                name: "variance",
                value: variance.to_string(),
                remedy: "pass a positive, finite variance of the entries",
            });
        }
        Ok(Self { ratio, variance })
    }

    /// The law of a matrix (m, n) of noise whose entries have this standard deviation.
    ///
    /// # Errors
    /// Those of [`Self::new`]; an empty matrix has no ratio.
    pub fn of_shape(shape: (usize, usize), noise: f64) -> Result<Self> {
        Self::new(ratio_of(shape), noise * noise)
    }

    /// min(m, n) / max(m, n).
    pub fn ratio(&self) -> f64 {
        self.ratio
    }

    /// The variance of the entries, which is also the mean of the law.
    pub fn variance(&self) -> f64 {
        self.variance
    }

    /// The smallest and the largest point of the support, variance (1 -+ sqrt(ratio))^2.
    pub fn edges(&self) -> (f64, f64) {
        (self.point(0.0), self.point(PI))
    }

    /// The density at x: 0 outside of the edges, infinite at 0 for ratio 1.
    pub fn density(&self, x: f64) -> f64 {
        let (low, high) = self.edges();
        if !(low..=high).contains(&x) {
            return 0.0;
        }
        if x == 0.0 {
            return f64::INFINITY;
        }
        ((high - x).max(0.0) / self.variance).sqrt() * ((x - low).max(0.0) / self.variance).sqrt()
            / (2.0 * PI * self.ratio * x)
    }

    /// The distribution function: the probability of at most x; NaN for NaN.
    pub fn distribution(&self, x: f64) -> f64 {
        let (low, high) = self.edges();
        if x <= low {
            return 0.0;
        }
        if x >= high {
            return 1.0;
        }
        let angle = 2.0 * (x - low).sqrt().atan2((high - x).sqrt());
        self.probability(angle)
    }

    /// The x with distribution(x) = p.
    ///
    /// # Errors
    /// [`Error::Parameter`] when p lies outside [0, 1].
    pub fn quantile(&self, p: f64) -> Result<f64> {
        if !(0.0..=1.0).contains(&p) {
            return Err(Error::Parameter {
                name: "p",
                value: p.to_string(),
                remedy: "pass a probability between 0 and 1",
            });
        }
        Ok(self.quantile_within(p))
    }

    /// The median, [`Self::quantile`] of 1/2.
    pub fn median(&self) -> f64 {
        self.quantile_within(0.5)
    }

    /// The quantile of a p known to lie in [0, 1].
    pub(super) fn quantile_within(&self, p: f64) -> f64 {
        if p <= 0.0 || p >= 1.0 {
            return self.point(if p <= 0.0 { 0.0 } else { PI });
        }
        let (mut below, mut above) = (0.0, PI);
        for _ in 0..60 {
            let middle = 0.5 * (below + above);
            if self.probability(middle) < p {
                below = middle;
            } else {
                above = middle;
            }
        }
        self.point(0.5 * (below + above))
    }

    /// The width N^(-2/3) of the fluctuations of the largest of the s^2 / N, N = `larger` =
    /// max(m, n), in the units of the law.
    ///
    /// For Gaussian entries (s_1^2 / N - high) / width tends to the law of Tracy and Widom for
    /// real matrices (Johnstone, "On the distribution of the largest eigenvalue in principal
    /// components analysis", Ann. Statist. 29, 2001), whose mean is -1.21, standard deviation
    /// 1.27, 95 % quantile 0.98 and 99 % quantile 2.02. The width is
    /// variance (1 + g) (1 + 1/g)^(1/3) N^(-2/3), g = sqrt(ratio).
    pub fn edge_width(&self, larger: usize) -> f64 {
        let g = self.ratio.sqrt();
        self.variance * (1.0 + g) * (1.0 + 1.0 / g).cbrt() * (larger as f64).powf(-2.0 / 3.0)
    }

    /// x at angle t: variance (1 + b - 2 g cos t), without cancellation.
    fn point(&self, t: f64) -> f64 {
        let g = self.ratio.sqrt();
        if t == PI {
            return self.variance * (1.0 + g) * (1.0 + g);
        }
        let half = (0.5 * t).sin();
        self.variance * ((1.0 - g) * (1.0 - g) + 4.0 * g * half * half)
    }

    /// The probability of the angles up to t.
    fn probability(&self, t: f64) -> f64 {
        let g = self.ratio.sqrt();
        let (sine, cosine) = t.sin_cos();
        let series = if g < 0.1 {
            // Sixteen terms: the next is below 1e-16.
            (0..16).rev().fold(0.0, |sum, j| sum * g + (f64::from(j + 2) * t).sin() / f64::from(j + 2))
        } else {
            ((g * sine).atan2(1.0 - g * cosine) - g * sine) / self.ratio
        };
        ((t + g * sine - (1.0 - self.ratio) * series) / PI).clamp(0.0, 1.0)
    }
}

/// min / max of a shape; 0 / 0 = NaN where both are zero, which [`check_ratio`] refuses.
pub(super) fn ratio_of((m, n): (usize, usize)) -> f64 {
    m.min(n) as f64 / m.max(n) as f64
}

pub(super) fn check_ratio(ratio: f64) -> Result<f64> {
    if ratio > 0.0 && ratio <= 1.0 {
        return Ok(ratio);
    }
    Err(Error::Parameter {
        name: "ratio",
        value: ratio.to_string(),
        remedy: "pass min(m, n) / max(m, n), above 0 and at most 1, of a matrix that is not empty",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The integral of x^power times the density up to the point at angle `end`, by the midpoint
    /// rule in an angle, which removes the singularities at the edges.
    fn integral(law: &MarchenkoPastur, end: f64, power: i32) -> f64 {
        let steps = 20_000;
        let (low, high) = law.edges();
        let h = end / f64::from(steps);
        (0..steps)
            .map(|i| {
                let t = (f64::from(i) + 0.5) * h;
                let x = low + (high - low) * 0.5 * (1.0 - t.cos());
                law.density(x) * x.powi(power) * (high - low) * 0.5 * t.sin() * h
            })
            .sum()
    }

    #[test]
    fn density_integrates_to_the_distribution() {
        for ratio in [1e-8, 1e-4, 0.009, 0.0101, 0.1, 0.25, 0.5, 0.9, 0.999, 1.0] {
            for variance in [1.0, 1e-6, 3.7e4] {
                let law = MarchenkoPastur::new(ratio, variance).unwrap();
                let (low, high) = law.edges();
                // Moments: 1, v, v^2 (1 + b), v^3 (1 + 3 b + b^2).
                let moments = [1.0, 1.0, 1.0 + ratio, 1.0 + 3.0 * ratio + ratio * ratio];
                for (power, moment) in moments.iter().enumerate() {
                    let found = integral(&law, PI, power as i32) / variance.powi(power as i32);
                    // A small ratio loses digits in x - low, not in the law.
                    let bar = 1e-7_f64.max(1e-15 / ratio.sqrt());
                    assert!((found / moment - 1.0).abs() < bar, "{ratio} {variance} {power} {found}");
                }
                for i in 1..=20 {
                    let t = PI * f64::from(i) / 20.0;
                    let x = low + (high - low) * 0.5 * (1.0 - t.cos());
                    let (f, expected) = (law.distribution(x), integral(&law, t, 0));
                    assert!((f - expected).abs() < 1e-7, "F of {ratio} at {x}: {f} {expected}");
                    let p = f64::from(i) / 20.0;
                    let back = law.distribution(law.quantile(p).unwrap());
                    assert!((back - p).abs() < 1e-14_f64.max(1e-15 / ratio.sqrt()), "{ratio} {p} {back}");
                }
            }
        }
    }

    #[test]
    fn agrees_with_the_quarter_circle_law() {
        // Ratio 1: s / sqrt(N) has density sqrt(4 - y^2) / pi on [0, 2].
        let law = MarchenkoPastur::new(1.0, 1.0).unwrap();
        for i in 0..=40 {
            let y = f64::from(i) / 20.0;
            let expected = (0.5 * y * (4.0 - y * y).sqrt() + 2.0 * (0.5 * y).asin()) / PI;
            assert!((law.distribution(y * y) - expected).abs() < 2e-15, "{y}");
        }
        assert_eq!(law.density(0.0), f64::INFINITY);
        assert_eq!((law.density(4.1), law.density(-1.0), law.density(f64::NAN)), (0.0, 0.0, 0.0));
        assert!(law.distribution(f64::NAN).is_nan());
        assert_eq!((law.quantile(0.0).unwrap(), law.quantile(1.0).unwrap()), (0.0, 4.0));
    }

    #[test]
    fn wrong_parameters() {
        for ratio in [0.0, -1.0, 1.1, f64::NAN] {
            assert!(MarchenkoPastur::new(ratio, 1.0).is_err());
        }
        for variance in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(MarchenkoPastur::new(0.5, variance).is_err());
        }
        assert!(MarchenkoPastur::of_shape((0, 0), 1.0).is_err());
        assert!(MarchenkoPastur::of_shape((0, 5), 1.0).is_err());
        assert!(MarchenkoPastur::new(0.5, 1.0).unwrap().quantile(f64::NAN).is_err());
    }
}
