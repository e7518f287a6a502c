//! Values of a function of many indices at random points of a grid.

use crate::matrix::{exponent, scale_by_power_of_two, slice_norm};
use crate::random::stream;
use crate::{Error, Result};
use rand::RngExt;
use rayon::prelude::*;

/// Random points.
pub(super) struct Points {
    /// The indices of point j at `[j d..(j + 1) d]`.
    pub(super) places: Vec<usize>,
    pub(super) values: Vec<f64>,
}

impl Points {
    /// `count` points of a grid (n_1, ..., n_d), drawn uniformly, point j from the stream (seed, purpose, j).
    ///
    /// # Errors
    /// [`Error::NonFinite`] with the index.
    pub(super) fn new(
        sizes: &[usize],
        f: &(impl Fn(&[usize]) -> f64 + Sync),
        count: usize,
        seed: u64,
        purpose: &str,
    ) -> Result<Self> {
        let one = |j: usize| {
            let mut rng = stream(seed, purpose, j as u64);
            sizes.iter().map(|&n| rng.random_range(0..n as u64) as usize).collect::<Vec<_>>()
        };
        let places: Vec<usize> = (0..count).flat_map(one).collect();
        let value = |index: &[usize]| {
            let x = f(index);
            if x.is_finite() { Ok(x) } else { Err(Error::NonFinite { argument: "f", index: index.to_vec() }) }
        };
        let met: Vec<Result<f64>> = places.par_chunks(sizes.len()).map(value).collect();
        Ok(Self { places, values: met.into_iter().collect::<Result<_>>()? }) // the first in order
    }

    /// The relative root mean square of `model - f` over the points, with its standard error by the
    /// delta method for the ratio of two means; 0 where both vanish.
    pub(super) fn error(&self, d: usize, model: impl Fn(&[usize]) -> f64) -> (f64, f64) {
        // A power of two apart, so that norms do not overflow.
        let e = exponent(self.values.iter().fold(0.0, |top: f64, f| top.max(f.abs())));
        let values: Vec<f64> = self.values.iter().map(|f| scale_by_power_of_two(*f, -e)).collect();
        let pairs = self.places.chunks(d).zip(&values);
        let residuals: Vec<f64> = pairs.map(|(x, f)| scale_by_power_of_two(model(x), -e) - f).collect();
        let (numerator, denominator) = (slice_norm(&residuals), slice_norm(&values));
        if numerator == 0.0 || denominator == 0.0 {
            return (if numerator == 0.0 { 0.0 } else { f64::INFINITY }, 0.0);
        }
        let (error, count) = (numerator / denominator, self.values.len() as f64);
        // With squares in units of their means: e^2 = mean(r^2) / mean(f^2), and
        // var(e^2) = e^4 mean((r^2 / mean(r^2) - f^2 / mean(f^2))^2) / count.
        let unit = |x: f64, norm: f64| (x / norm).powi(2) * count;
        let pairs = residuals.iter().zip(&values);
        let spread: f64 =
            pairs.map(|(r, f)| (unit(*r, numerator) - unit(*f, denominator)).powi(2)).sum::<f64>() / count;
        (error, 0.5 * error * (spread / count).sqrt())
    }
}
