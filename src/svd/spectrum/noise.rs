//! The level of the noise in a matrix, and the singular values that stick out of it.
//!
//! **Problem.** All p = min(m, n) singular values of A = signal of low rank + noise, the noise
//! with independent entries of mean 0 and one unknown standard deviation w. Find w, and how many
//! singular values are not those of noise.
//!
//! **Method.** Quantiles of the law of Marchenko and Pastur: w is the least-squares slope of the
//! middle half of the values against sqrt(N q), q the quantiles at (i - 1/2) / p and
//! N = max(m, n). Values above the upper edge, and above it by `margin` widths of Tracy and Widom
//! (Johnstone 2001; see [`MarchenkoPastur::edge_width`]), are outliers; they are taken out, the
//! rest is fitted as noise of shape (m - k, n - k), which it is when the k outliers are strong,
//! until no more are found.
//!
//! **Cost.** O(60 p) for each round; a round adds an outlier, and there are few in practice.
//!
//! **Guarantee.** For Gaussian noise alone w is right to a few 1/p, and with the default margin
//! one matrix in a hundred shows an outlier. A signal of size x (its singular value) is visible
//! from x > b^(1/4) sqrt(N) w on, b = p / N (Baik, Ben Arous, Péché 2005; Benaych-Georges,
//! Nadakuditi 2012): weaker ones leave no trace in the spectrum. Fails when a quarter or more of
//! the values are signal, or the noise is correlated or heavy-tailed; `distance` tells.
//!
//! **Deviations.** The middle half and not the median alone: less granular at small sizes.

use super::{Checked, MarchenkoPastur, check_shape};
use crate::{Error, Result, Scalar};

/// When a singular value counts as an outlier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseParameters {
    /// How far above the edge an outlier lies at least, in widths N^(-2/3) of Tracy and Widom:
    /// 2.0234, the 99 % quantile of their law for real matrices, by default; 0.9793 for 95 %.
    pub margin: f64,
}

impl Default for NoiseParameters {
    fn default() -> Self {
        Self { margin: 2.0234 }
    }
}

/// The noise found in a spectrum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseFit {
    /// The standard deviation of an entry of the noise, in the units of the matrix.
    pub noise: f64,
    /// The largest singular value that noise of this level explains, margin included.
    pub edge: f64,
    /// How many singular values lie above the edge.
    pub outliers: usize,
    /// The largest difference between the distribution of the other values and the law
    /// (Kolmogorov and Smirnov), from 0 to 1: about 2 / p for white noise, p = min(m, n).
    pub distance: f64,
}

/// The noise level of a matrix (m, n) from all its singular values, and the values above it.
///
/// A zero spectrum has noise 0 and no outliers.
///
/// # Errors
/// [`Error::NonFinite`] and [`Error::Parameter`] for values that are not finite, negative or not
/// in nonincreasing order, and for a margin that is not finite; [`Error::Shape`] when their number
/// is not min(m, n) or none is given.
///
/// ```
/// use lowrank::svd::{singular_values, spectrum::fit_noise};
/// // Noise of standard deviation 1 an entry, and a signal of singular value 100.
/// let mut a = lowrank::random::gaussian::<f32>(60, 90, 1, "example");
/// for j in 0..90 {
///     for i in 0..60 {
///         a[(i, j)] += 100.0 / (60.0 * 90.0_f32).sqrt();
///     }
/// }
/// let s = singular_values(a.as_ref())?;
/// let fit = fit_noise(&s, a.shape(), Default::default())?;
/// assert_eq!(fit.outliers, 1);
/// assert!((fit.noise - 1.0).abs() < 0.05);
/// # lowrank::Result::Ok(())
/// ```
pub fn fit_noise<T: Scalar>(s: &[T], shape: (usize, usize), parameters: NoiseParameters) -> Result<NoiseFit> {
    let s = Checked::new(s)?;
    check_shape(s.x.len(), shape, true)?;
    if s.x.is_empty() {
        return Err(Error::Shape {
            argument: "s",
            expected: "at least one singular value is needed".to_string(),
            found: vec![0],
        });
    }
    if !parameters.margin.is_finite() {
        return Err(Error::Parameter {
            name: "margin",
            value: parameters.margin.to_string(),
            remedy: "pass a finite number of widths, such as the default 2.0234",
        });
    }
    let mut taken = 0;
    loop {
        let (fit, law) = fit_bulk(&s.x, taken, shape, parameters.margin)?;
        // At least one value stays, whatever the margin.
        let next = fit.outliers.min(s.x.len() - 1);
        if next <= taken {
            let larger = (shape.0.max(shape.1) - taken) as f64;
            let distance = distance(&s.x[fit.outliers..], fit.noise * larger.sqrt(), &law);
            return Ok(NoiseFit {
                noise: s.in_units(fit.noise),
                edge: s.in_units(fit.edge),
                distance,
                ..fit
            });
        }
        taken = next;
    }
}

/// One round: the level from the values without the first `taken`, and the outliers of all.
fn fit_bulk(
    x: &[f64],
    taken: usize,
    shape: (usize, usize),
    margin: f64,
) -> Result<(NoiseFit, MarchenkoPastur)> {
    let bulk = &x[taken..];
    let (m, n) = (shape.0 - taken, shape.1 - taken);
    let law = MarchenkoPastur::of_shape((m, n), 1.0)?;
    let (p, larger) = (bulk.len(), m.max(n));
    let middle = p / 4..p - p / 4;
    let (mut xy, mut xx) = (0.0, 0.0);
    for i in middle {
        // bulk falls, quantiles rise: the i-th value is at 1 - (i + 1/2) / p
        let q = law.quantile_within(1.0 - (i as f64 + 0.5) / p as f64) * larger as f64;
        xy += q.sqrt() * bulk[i];
        xx += q;
    }
    let noise = xy / xx;
    let high = law.edges().1 + margin * law.edge_width(larger);
    let edge = noise * (high.max(0.0) * larger as f64).sqrt();
    let outliers = x.iter().take_while(|x| **x > edge).count();
    Ok((NoiseFit { noise, edge, outliers, distance: 0.0 }, law))
}

/// The distance of Kolmogorov and Smirnov of nonincreasing values from the law, for s = unit sqrt(x).
fn distance(bulk: &[f64], unit: f64, law: &MarchenkoPastur) -> f64 {
    if unit == 0.0 {
        return 0.0; // both are a point mass at zero
    }
    let p = bulk.len() as f64;
    bulk.iter().rev().enumerate().fold(0.0, |d: f64, (i, x)| {
        let f = law.distribution((x / unit) * (x / unit));
        d.max(f - i as f64 / p).max((i as f64 + 1.0) / p - f)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_quantiles_are_recovered_at_every_scale() {
        for (m, n) in [(200, 200), (50, 1000), (300, 100), (1, 1), (1, 9), (2, 3)] {
            let law = MarchenkoPastur::of_shape((m, n), 1.0).unwrap();
            let (p, larger) = (m.min(n), m.max(n) as f64);
            let s: Vec<f64> = (0..p)
                .map(|i| 0.25 * (larger * law.quantile(1.0 - (i as f64 + 0.5) / p as f64).unwrap()).sqrt())
                .collect();
            let fit = fit_noise(&s, (m, n), Default::default()).unwrap();
            assert!((fit.noise - 0.25).abs() < 1e-13 && fit.outliers == 0, "{m} {n} {fit:?}");
            assert!((fit.distance - 0.5 / p as f64).abs() < 1e-10, "{m} {n} {fit:?}");
            for e in [-1000, -300, 300, 1000] {
                let scale = |x| crate::matrix::scale_by_power_of_two(x, e);
                let scaled: Vec<f64> = s.iter().map(|x| scale(*x)).collect();
                let again = fit_noise(&scaled, (m, n), Default::default()).unwrap();
                let expected = NoiseFit { noise: scale(fit.noise), edge: scale(fit.edge), ..fit };
                assert_eq!(again, expected);
            }
        }
    }

    #[test]
    fn degenerate_and_wrong() {
        let zero = fit_noise(&[0.0_f32; 4], (4, 7), Default::default()).unwrap();
        assert_eq!(zero, NoiseFit { noise: 0.0, edge: 0.0, outliers: 0, distance: 0.0 });
        // No noise at all: every positive value is an outlier.
        let exact = fit_noise(&[3.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], (8, 8), Default::default()).unwrap();
        assert_eq!((exact.noise, exact.outliers), (0.0, 2));
        assert!(fit_noise::<f64>(&[], (0, 7), Default::default()).is_err());
        assert!(fit_noise(&[1.0], (4, 7), Default::default()).is_err());
        assert!(fit_noise(&[1.0, 2.0], (2, 7), Default::default()).is_err());
        assert!(fit_noise(&[f64::NAN, 2.0], (2, 7), Default::default()).is_err());
        let margin = |margin| fit_noise(&[1.0], (1, 7), NoiseParameters { margin });
        assert!(margin(f64::NAN).is_err() && margin(-1e300).is_ok() && margin(1e300).is_ok());
    }
}
