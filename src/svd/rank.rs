//! The choice of a rank from singular values.
//!
//! **Problem.** s_1 >= s_2 >= ... >= 0 and a wish: the rank that fulfils it.
//!
//! **Method.** Errors: tails sqrt(s_{k+1}^2 + s_{k+2}^2 + ...), summed from the smallest value
//! upwards in double precision after scaling by a power of two (no overflow, no cancellation), and
//! the next value s_{k+1}. Budgets: X = U V' of rank r stores r (m + n) numbers and is applied to a
//! vector with as many multiplications, against m n of the dense matrix, so it pays below
//! r = m n / (m + n). Noise, gap, entropy, stable rank: see [`super::spectrum`].
//!
//! **Cost.** O(number of values).
//!
//! **Guarantee.** With the rank chosen for `Tolerance(t)` from the SVD of A, the true error of the
//! truncated SVD is at most t |A|_F + max(m, n) eps |A|_F; for `Spectral(t)` the same in the
//! spectral norm. Multiplying all values (and a noise level) by a power of two changes no rank. A
//! zero or an empty spectrum has rank 0, a `Fixed` wish aside. A rank may fall between equal
//! values: the truncated SVD is then as good as any other choice, but not unique.
//!
//! **Deviations.** Budgets ask for the largest rank within, where the sources that minimize
//! r (m + n) below a bound would be content with 0.

use super::spectrum::{Checked, check_shape, effective_rank_of, gap_of, scaled_threshold, stable_rank_of};
use super::{Svd, dense};
use crate::matrix::{AsMatrix, slice_norm};
use crate::{Error, Result, Scalar};
use std::fmt;

/// Which rank is wanted.
///
/// Those that are marked need the shape of the matrix: [`Rank::choose_for`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rank {
    /// Exactly this rank.
    Fixed(usize),
    /// The smallest rank with |A - A_k|_F <= t |A|_F; t in [0, 1].
    Tolerance(f64),
    /// The smallest rank with |A - A_k|_2 = s_{k+1} <= t |A|_2; t in [0, 1].
    Spectral(f64),
    /// The smallest rank whose squared singular values make up this fraction of |A|_F^2, in double
    /// precision; the fraction lies in [0, 1]. To rounding, `Tolerance(sqrt(1 - fraction))`.
    Energy(f64),
    /// The largest rank r whose factors store at most this many numbers, r (m + n), among those
    /// with s_r > 0. Needs the shape.
    Parameters(usize),
    /// The largest rank r with r (m + n) < m n / ratio, among those with s_r > 0: less than
    /// 1 / ratio of the numbers of A, and of the multiplications of its product with a vector.
    /// The ratio is positive; 1 is break-even. Needs the shape.
    Compression(f64),
    /// The values at or above the optimal hard threshold of Gavish and Donoho (2014), for white
    /// noise of this standard deviation an entry, or unknown. Needs the shape; see
    /// [`super::spectrum::hard_threshold`].
    HardThreshold {
        /// The standard deviation of the noise in an entry, in the units of A.
        noise: Option<f64>,
    },
    /// The rank before the largest ratio s_k / s_{k+1}, see [`super::spectrum::spectral_gap`];
    /// where no two values differ, the number of values.
    Gap,
    /// The whole number nearest to the effective rank, exp of the entropy of s_i / (s_1 + ...)
    /// (Roy, Vetterli 2007), see [`super::spectrum::effective_rank`].
    Entropy,
    /// The whole number nearest to the stable rank |A|_F^2 / |A|_2^2, see
    /// [`super::spectrum::stable_rank`].
    Stable,
}

impl Rank {
    /// The rank for nonincreasing singular values `s`, at most their number.
    ///
    /// # Errors
    /// [`Error::Rank`] when a fixed rank exceeds the number of values; [`Error::Parameter`] when
    /// a tolerance or a fraction lies outside [0, 1], when the values are negative or not sorted,
    /// or when the wish needs the shape; [`Error::NonFinite`] for values that are not finite.
    ///
    /// ```
    /// use lowrank::svd::Rank;
    /// let s = [4.0, 3.0, 0.0];
    /// assert_eq!(Rank::Tolerance(0.6).choose(&s)?, 1);
    /// assert_eq!(Rank::Tolerance(0.5).choose(&s)?, 2);
    /// assert_eq!(Rank::Energy(1.0).choose(&s)?, 2);
    /// assert_eq!(Rank::Spectral(0.75).choose(&s)?, 1);
    /// # lowrank::Result::Ok(())
    /// ```
    pub fn choose<T: Scalar>(self, s: &[T]) -> Result<usize> {
        self.choose_checked(&Checked::new(s)?, None)
    }

    /// The rank for nonincreasing singular values `s` of a matrix of shape (m, n).
    ///
    /// There may be fewer values than min(m, n), as from a randomized SVD, but for an unknown
    /// noise; fractions are then those of what the values hold.
    ///
    /// # Errors
    /// Those of [`Rank::choose`]; [`Error::Shape`] when there are more than min(m, n) values, or
    /// fewer where all are needed; [`Error::Parameter`] for a ratio that is not positive and a
    /// noise that is negative, NaN or infinite.
    ///
    /// ```
    /// use lowrank::svd::Rank;
    /// let s = [10.0; 60];
    /// assert_eq!(Rank::Compression(1.0).choose_for(&s, (100, 60))?, 37); // 37.5 is break-even
    /// assert_eq!(Rank::Parameters(1600).choose_for(&s, (100, 60))?, 10);
    /// assert!(Rank::Parameters(1600).choose(&s).is_err()); // the shape is needed
    /// # lowrank::Result::Ok(())
    /// ```
    pub fn choose_for<T: Scalar>(self, s: &[T], shape: (usize, usize)) -> Result<usize> {
        let s = Checked::new(s)?;
        check_shape(s.x.len(), shape, false)?;
        self.choose_checked(&s, Some(shape))
    }

    pub(super) fn choose_checked(self, s: &Checked, shape: Option<(usize, usize)>) -> Result<usize> {
        let shape = shape.ok_or(Error::Parameter {
            name: "rank",
            value: self.to_string(),
            remedy: "this wish needs the shape of the matrix: use `choose_for`",
        });
        Ok(match self {
            Rank::Fixed(rank) if rank <= s.x.len() => rank,
            Rank::Fixed(rank) => return Err(Error::Rank { rank, largest: s.x.len() }),
            Rank::Tolerance(t) => {
                let limit = unit_interval("tolerance", t)?.powi(2);
                smallest(s, |tail, total| tail <= limit * total)
            }
            Rank::Energy(fraction) => {
                let limit = 1.0 - unit_interval("energy", fraction)?;
                // The second test is for fractions near 1, whose difference from 1 is rounded.
                smallest(s, |tail, total| {
                    tail <= limit * total || (limit > 0.0 && 1.0 - tail / total >= fraction)
                })
            }
            Rank::Spectral(t) => {
                let limit = unit_interval("tolerance", t)? * s.x.first().copied().unwrap_or_default();
                s.x.iter().take(s.nonzero).take_while(|x| **x > limit).count()
            }
            Rank::Parameters(count) => {
                let (m, n) = shape?;
                let columns = (count as u128) / (m as u128 + n as u128).max(1);
                s.nonzero.min(columns.min(usize::MAX as u128) as usize)
            }
            Rank::Compression(ratio) => within_ratio(s.nonzero, shape?, ratio)?,
            Rank::HardThreshold { noise } => {
                let threshold = scaled_threshold(s, shape?, noise)?;
                s.x.iter().take(s.nonzero).take_while(|x| **x >= threshold).count()
            }
            Rank::Gap => match gap_of(s) {
                (Some(gap), _) => gap.rank,
                (None, above) => above,
            },
            Rank::Entropy => (effective_rank_of(s).round() as usize).min(s.nonzero),
            Rank::Stable => (stable_rank_of(s).round() as usize).min(s.nonzero),
        })
    }
}

/// The wish in formulas: `|A - A_k|_F <= 0.1 |A|_F`.
impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Rank::Fixed(rank) => format!("rank {rank}"),
            Rank::Tolerance(t) => format!("|A - A_k|_F <= {t} |A|_F"),
            Rank::Spectral(t) => format!("|A - A_k|_2 <= {t} |A|_2"),
            Rank::Energy(fraction) => format!("energy >= {fraction}"),
            Rank::Parameters(count) => format!("at most {count} numbers"),
            Rank::Compression(ratio) => format!("less than 1/{ratio} of the numbers"),
            Rank::HardThreshold { noise: None } => "hard threshold, noise unknown".to_string(),
            Rank::HardThreshold { noise: Some(noise) } => format!("hard threshold, noise {noise}"),
            Rank::Gap => "largest gap".to_string(),
            Rank::Entropy => "effective rank (entropy)".to_string(),
            Rank::Stable => "stable rank".to_string(),
        };
        f.pad(&text)
    }
}

fn unit_interval(name: &'static str, x: f64) -> Result<f64> {
    if (0.0..=1.0).contains(&x) {
        return Ok(x);
    }
    Err(Error::Parameter { name, value: x.to_string(), remedy: "pass a number between 0 and 1" })
}

/// The smallest rank whose squared tail is `enough`, given the total and what
/// rounding may have taken from the sums: of ten equal values nine have the energy 0.9.
fn smallest(s: &Checked, enough: impl Fn(f64, f64) -> bool) -> usize {
    let tails = s.squared_tails();
    let total = tails[0] * (1.0 + s.x.len() as f64 * f64::EPSILON);
    tails.iter().position(|tail| enough(*tail, total)).unwrap_or(s.x.len())
}

/// The smallest rank k with (outside^2 + s_{k+1}^2 + ...)^(1/2) <= `limit`, and that error: of an
/// A whose residual outside of the span that U diag(s) V' is taken from has the norm `outside`.
/// All of `s` and `outside` where even that is above the limit.
pub(crate) fn smallest_rank<T: Scalar>(s: &[T], outside: f64, limit: f64) -> (usize, f64) {
    let (mut rank, mut error) = (s.len(), outside);
    while rank > 0 {
        let next = slice_norm(&[error, s[rank - 1].as_f64()]);
        if next > limit {
            break;
        }
        (rank, error) = (rank - 1, next);
    }
    (rank, error)
}

/// The largest r up to `most` with r (m + n) ratio < m n.
fn within_ratio(most: usize, (m, n): (usize, usize), ratio: f64) -> Result<usize> {
    if !(ratio > 0.0 && ratio.is_finite()) {
        return Err(Error::Parameter {
            name: "compression",
            value: ratio.to_string(),
            remedy: "pass a positive, finite ratio; 1 for break-even with the dense matrix",
        });
    }
    let (m, n) = (m as f64, n as f64);
    Ok((1..=most).rev().find(|r| *r as f64 * (m + n) * ratio < m * n).unwrap_or(0))
}

/// The truncated SVD of a dense matrix, of a rank that is fixed or chosen.
///
/// # Errors
/// Those of [`dense`] and of [`Rank::choose_for`].
pub fn truncated<T: Scalar>(a: impl AsMatrix<T>, rank: Rank) -> Result<Svd<T>> {
    let a = a.as_matrix();
    let svd = dense(a)?;
    let rank = rank.choose_for(&svd.s, a.shape())?;
    Ok(svd.truncate(rank))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::scale_by_power_of_two;

    #[test]
    fn chooses_the_smallest_rank_at_every_scale() {
        for e in [-1000, -300, 0, 300, 1000] {
            let s: Vec<f64> =
                [8.0, 4.0, 1.0, 1e-9, 0.0].iter().map(|x| scale_by_power_of_two(*x, e)).collect();
            let noise = |x: f64| Rank::HardThreshold { noise: Some(scale_by_power_of_two(x, e)) };
            for (wish, rank) in [
                (Rank::Tolerance(0.0), 4),
                (Rank::Tolerance(1e-12), 4),
                (Rank::Tolerance(1e-8), 3),
                (Rank::Tolerance(0.2), 2),
                (Rank::Tolerance(1.0), 0),
                (Rank::Spectral(0.0), 4),
                (Rank::Spectral(0.125), 2),
                (Rank::Spectral(0.49), 2),
                (Rank::Spectral(0.5), 1),
                (Rank::Spectral(1.0), 0),
                (Rank::Energy(0.0), 0),
                (Rank::Energy(0.7), 1),
                (Rank::Energy(0.9), 2),
                (Rank::Energy(1.0), 4),
                (Rank::Fixed(5), 5),
                (Rank::Fixed(0), 0),
                (Rank::Parameters(44), 2),
                (Rank::Parameters(45), 3),
                (Rank::Parameters(14), 0),
                (Rank::Parameters(usize::MAX), 4),
                (Rank::Compression(1.0), 3),        // 50 / 15 = 3.33
                (Rank::Compression(10.0 / 9.0), 2), // exactly 45 numbers are not fewer
                (Rank::Compression(3.4), 0),
                (Rank::Compression(1e-3), 4),
                (noise(0.0), 4),
                (noise(0.1), 3),
                (noise(1.0), 1),
                (noise(100.0), 0),
                (Rank::HardThreshold { noise: None }, 2), // 4 > 1 omega(1/2) = 2.2
                (Rank::Gap, 3),
                (Rank::Entropy, 2), // exp(0.857)
                (Rank::Stable, 1),  // 81 / 64
            ] {
                assert_eq!(wish.choose_for(&s, (5, 10)).unwrap(), rank, "{wish:?} at scale 2^{e}");
                assert_eq!(wish.choose_for(&s, (10, 5)).unwrap(), rank, "{wish:?} of the transpose");
                if let Ok(same) = wish.choose(&s) {
                    assert_eq!(same, rank, "{wish:?}");
                }
            }
        }
    }

    #[test]
    fn zero_empty_single_tied() {
        let wishes = [
            Rank::Tolerance(0.1),
            Rank::Spectral(0.1),
            Rank::Energy(0.9),
            Rank::Parameters(1000),
            Rank::Compression(0.1),
            Rank::HardThreshold { noise: None },
            Rank::HardThreshold { noise: Some(0.0) },
            Rank::Gap,
            Rank::Entropy,
            Rank::Stable,
        ];
        for wish in wishes {
            assert_eq!(wish.choose_for::<f32>(&[], (0, 4)).unwrap(), 0, "{wish}");
            assert_eq!(wish.choose_for(&[0.0_f32; 3], (3, 3)).unwrap(), 0, "{wish}");
            assert_eq!(wish.choose_for(&[0.0_f64; 3], (9, 3)).unwrap(), 0, "{wish}");
        }
        // One value: a vector. Its own median is no noise level: omega > 1 drops it.
        for wish in wishes {
            let rank = usize::from(wish != Rank::HardThreshold { noise: None });
            assert_eq!(wish.choose_for(&[1e-30_f32], (1, 9)).unwrap(), rank, "{wish}");
        }
        // Ten equal values: fractions are counted exactly, flat spectra have full rank.
        let tied = [0.1_f64; 10];
        for (wish, rank) in [
            (Rank::Energy(0.9), 9),
            (Rank::Energy(0.1), 1),
            (Rank::Energy(0.11), 2),
            (Rank::Energy(1.0), 10),
            (Rank::Tolerance(0.5_f64.sqrt()), 5),
            (Rank::Spectral(0.99), 10),
            (Rank::Spectral(1.0), 0),
            (Rank::Gap, 10),
            (Rank::Entropy, 10),
            (Rank::Stable, 10),
            (Rank::HardThreshold { noise: None }, 0),
        ] {
            assert_eq!(wish.choose_for(&tied, (10, 10)).unwrap(), rank, "{wish}");
        }
    }

    #[test]
    fn refuses() {
        for wrong in [
            Rank::Tolerance(f64::NAN),
            Rank::Tolerance(-1.0),
            Rank::Spectral(1.5),
            Rank::Energy(2.0),
            Rank::Fixed(2),
            Rank::Compression(0.0),
            Rank::Compression(f64::NAN),
            Rank::HardThreshold { noise: Some(-1.0) },
            Rank::HardThreshold { noise: Some(f64::NAN) },
        ] {
            assert!(wrong.choose(&[1.0]).is_err(), "{wrong}");
            assert!(wrong.choose_for(&[1.0], (1, 1)).is_err(), "{wrong}");
        }
        for wish in [Rank::Fixed(1), Rank::Tolerance(0.1), Rank::Gap, Rank::Compression(1.0)] {
            assert!(wish.choose_for(&[f64::NAN], (1, 1)).is_err());
            assert!(matches!(wish.choose_for(&[2.0, -1.0], (3, 3)), Err(Error::Parameter { name: "s", .. })));
            assert!(matches!(wish.choose_for(&[1.0, 2.0], (3, 3)), Err(Error::Parameter { name: "s", .. })));
            assert!(matches!(wish.choose_for(&[2.0, 1.0], (3, 1)), Err(Error::Shape { .. })));
        }
        let needs = Rank::HardThreshold { noise: None }.choose(&[1.0]).unwrap_err();
        assert!(needs.to_string().contains("choose_for"), "{needs}");
        // Not all values are there: their median is not that of the matrix.
        assert!(Rank::HardThreshold { noise: None }.choose_for(&[1.0], (3, 3)).is_err());
        assert_eq!(Rank::HardThreshold { noise: Some(0.1) }.choose_for(&[1.0], (3, 3)).unwrap(), 1);
        // Sizes that no memory holds.
        assert_eq!(Rank::Parameters(usize::MAX).choose_for(&[1.0], (usize::MAX, usize::MAX)).unwrap(), 0);
        assert_eq!(Rank::Compression(1.0).choose_for(&[1.0], (usize::MAX, usize::MAX)).unwrap(), 1);
    }
}
