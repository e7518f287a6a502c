//! Values of a function of many indices: on whole fibres of a grid, and at single points.

use crate::matrix::{exponent, scale_by_power_of_two, slice_norm};
use crate::random::stream;
use crate::{Error, Result, Scalar};
use faer::{Mat, MatRef};
use rand::RngExt;
use rayon::prelude::*;

/// A function on a grid (n_1, ..., n_d), its values in double precision.
pub(super) struct Grid<'a, T, F> {
    pub(super) sizes: &'a [usize],
    f: &'a F,
    seed: u64,
    scalar: std::marker::PhantomData<fn() -> T>,
}

/// Random fibres along one mode: all indices but that one are fixed.
pub(super) struct Fibres {
    /// The indices of fibre j at `[j d..(j + 1) d]`; that of the mode itself is 0.
    pub(super) places: Vec<usize>,
    /// A fibre a column, (n_i, fibres).
    pub(super) values: Mat<f64>,
}

/// Random points.
pub(super) struct Points {
    /// The indices of point j at `[j d..(j + 1) d]`.
    pub(super) places: Vec<usize>,
    pub(super) values: Vec<f64>,
}

impl<'a, T: Scalar, F: Fn(&[usize]) -> T + Sync> Grid<'a, T, F> {
    pub(super) fn new(sizes: &'a [usize], f: &'a F, seed: u64) -> Self {
        Self { sizes, f, seed, scalar: std::marker::PhantomData }
    }

    /// Indices drawn uniformly, those of draw j from the stream (seed, purpose, j).
    fn draw(&self, draws: std::ops::Range<usize>, purpose: &str) -> Vec<usize> {
        let one = |j: usize| {
            let mut rng = stream(self.seed, purpose, j as u64);
            self.sizes.iter().map(|&n| rng.random_range(0..n as u64) as usize).collect::<Vec<_>>()
        };
        draws.flat_map(one).collect()
    }

    /// The value at an index.
    ///
    /// # Errors
    /// [`Error::NonFinite`] with the index.
    fn value(&self, index: &[usize]) -> Result<f64> {
        let x = (self.f)(index).as_f64();
        if x.is_finite() { Ok(x) } else { Err(Error::NonFinite { argument: "f", index: index.to_vec() }) }
    }

    /// The fibres `draws` along mode i.
    pub(super) fn fibres(&self, i: usize, draws: std::ops::Range<usize>) -> Result<Fibres> {
        let (d, n, count) = (self.sizes.len(), self.sizes[i], draws.len());
        let bytes = n as f64 * count as f64 * size_of::<f64>() as f64;
        if bytes > isize::MAX as f64 {
            let remedy = "take a coarser grid or fewer fibres";
            return Err(Error::TooLarge { what: "the fibres of a mode", bytes, remedy });
        }
        let mut places = self.draw(draws, &format!("fibres of mode {i}"));
        places.iter_mut().skip(i).step_by(d).for_each(|index| *index = 0);
        let mut values = vec![0.0; n * count];
        let fibre = |(out, place): (&mut [f64], &[usize])| -> Result<()> {
            let mut index = place.to_vec();
            for (k, out) in out.iter_mut().enumerate() {
                index[i] = k;
                *out = self.value(&index)?;
            }
            Ok(())
        };
        let met: Vec<Result<()>> = values.par_chunks_mut(n).zip(places.par_chunks(d)).map(fibre).collect();
        met.into_iter().collect::<Result<()>>()?; // the first in order, whatever came first in time
        Ok(Fibres { places, values: MatRef::from_column_major_slice(&values, n, count).to_owned() })
    }

    /// `count` points.
    pub(super) fn points(&self, count: usize, purpose: &str) -> Result<Points> {
        let places = self.draw(0..count, purpose);
        let met: Vec<Result<f64>> = places.par_chunks(self.sizes.len()).map(|x| self.value(x)).collect();
        Ok(Points { places, values: met.into_iter().collect::<Result<_>>()? })
    }
}

impl Fibres {
    /// Takes over further fibres of the mode.
    pub(super) fn extend(&mut self, more: Fibres) {
        let old = self.values.ncols();
        self.values
            .resize_with(more.values.nrows(), old + more.values.ncols(), |i, j| more.values[(i, j - old)]);
        self.places.extend(more.places);
    }
}

impl Points {
    /// The relative root mean square of `model - f` over the points, with its standard error by the
    /// delta method for the ratio of two means; 0 where both vanish.
    pub(super) fn error(&self, d: usize, model: impl Fn(&[usize]) -> f64) -> (f64, f64) {
        let residuals: Vec<f64> =
            self.places.chunks(d).zip(&self.values).map(|(x, f)| model(x) - f).collect();
        let (numerator, denominator) = (slice_norm(&residuals), slice_norm(&self.values));
        if numerator == 0.0 || denominator == 0.0 {
            return (if numerator == 0.0 { 0.0 } else { f64::INFINITY }, 0.0);
        }
        let (error, count) = (numerator / denominator, self.values.len() as f64);
        // With squares in units of their means: e^2 = mean(r^2) / mean(f^2), and
        // var(e^2) = e^4 mean((r^2 / mean(r^2) - f^2 / mean(f^2))^2) / count.
        let unit = |x: f64, norm: f64| (x / norm).powi(2) * count;
        let pairs = residuals.iter().zip(&self.values);
        let spread: f64 =
            pairs.map(|(r, f)| (unit(*r, numerator) - unit(*f, denominator)).powi(2)).sum::<f64>() / count;
        (error, 0.5 * error * (spread / count).sqrt())
    }

    /// The exponent of the root mean square of the values.
    pub(super) fn exponent(&self) -> i32 {
        exponent(slice_norm(&self.values))
    }

    /// Multiplies the values by 2^e.
    pub(super) fn scale(&mut self, e: i32) {
        self.values.iter_mut().for_each(|x| *x = scale_by_power_of_two(*x, e));
    }
}
