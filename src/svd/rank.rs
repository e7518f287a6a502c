//! The choice of a rank from singular values.
//!
//! **Problem.** s_1 >= s_2 >= ... >= 0 and a wish: the smallest rank that fulfils it.
//!
//! **Method.** Tails sqrt(s_{k+1}^2 + s_{k+2}^2 + ...), summed from the smallest value upwards in
//! double precision after scaling by a power of two (no overflow, no cancellation).
//!
//! **Cost.** O(number of values).
//!
//! **Guarantee.** With the rank chosen for `Tolerance(t)` from the SVD of A, the true error of the
//! truncated SVD is at most t |A|_F + max(m, n) eps |A|_F.
//!
//! **Deviations.** None.

use super::{Svd, dense};
use crate::matrix::{check_finite_slice, exponent, scale_by_power_of_two};
use crate::{Error, Result, Scalar};
use faer::MatRef;

/// Which rank is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rank {
    /// Exactly this rank.
    Fixed(usize),
    /// The smallest rank with |A - A_k|_F <= t |A|_F; t in [0, 1].
    Tolerance(f64),
    /// The smallest rank whose squared singular values make up this fraction of |A|_F^2; the
    /// fraction lies in [0, 1]. The same as `Tolerance(sqrt(1 - fraction))`.
    Energy(f64),
}

impl Rank {
    /// The rank for nonincreasing singular values `s`, at most their number.
    ///
    /// # Errors
    /// [`Error::Rank`] when a fixed rank exceeds the number of values; [`Error::Parameter`] when
    /// a tolerance or a fraction lies outside [0, 1]; [`Error::NonFinite`] for values that are
    /// not finite.
    ///
    /// ```
    /// use lowrank::svd::Rank;
    /// let s = [4.0, 3.0, 0.0];
    /// assert_eq!(Rank::Tolerance(0.6).choose(&s)?, 1);
    /// assert_eq!(Rank::Tolerance(0.5).choose(&s)?, 2);
    /// assert_eq!(Rank::Energy(1.0).choose(&s)?, 2);
    /// # lowrank::Result::Ok(())
    /// ```
    pub fn choose<T: Scalar>(self, s: &[T]) -> Result<usize> {
        check_finite_slice("s", s)?;
        let tolerance = match self {
            Rank::Fixed(rank) if rank <= s.len() => return Ok(rank),
            Rank::Fixed(rank) => return Err(Error::Rank { rank, largest: s.len() }),
            Rank::Tolerance(t) => unit_interval("tolerance", t)?,
            Rank::Energy(fraction) => (1.0 - unit_interval("energy", fraction)?).sqrt(),
        };
        let tails = squared_tails(s);
        let limit = tolerance * tolerance * tails[0];
        Ok(tails.iter().position(|tail| *tail <= limit).unwrap_or(s.len()))
    }
}

fn unit_interval(name: &'static str, x: f64) -> Result<f64> {
    if (0.0..=1.0).contains(&x) {
        return Ok(x);
    }
    Err(Error::Parameter { name, value: x.to_string(), remedy: "pass a number between 0 and 1" })
}

/// The squared norms of s[k..] for k = 0 ..= len, in units of the square of the largest value.
fn squared_tails<T: Scalar>(s: &[T]) -> Vec<f64> {
    let e = exponent(s.first().copied().unwrap_or_default());
    let mut tails = vec![0.0; s.len() + 1];
    for k in (0..s.len()).rev() {
        let x = scale_by_power_of_two(s[k].as_f64(), -e);
        tails[k] = tails[k + 1] + x * x;
    }
    tails
}

/// The truncated SVD of a dense matrix, of a rank that is fixed or chosen.
///
/// # Errors
/// Those of [`dense`] and of [`Rank::choose`].
pub fn truncated<T: Scalar>(a: MatRef<'_, T>, rank: Rank) -> Result<Svd<T>> {
    let svd = dense(a)?;
    let rank = rank.choose(&svd.s)?;
    Ok(svd.truncate(rank))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chooses_the_smallest_rank_at_every_scale() {
        for e in [-1000, -300, 0, 300, 1000] {
            let s: Vec<f64> =
                [8.0, 4.0, 1.0, 1e-9, 0.0].iter().map(|x| scale_by_power_of_two(*x, e)).collect();
            for (wish, rank) in [
                (Rank::Tolerance(0.0), 4),
                (Rank::Tolerance(1e-12), 4),
                (Rank::Tolerance(1e-8), 3),
                (Rank::Tolerance(0.2), 2),
                (Rank::Tolerance(1.0), 0),
                (Rank::Energy(0.0), 0),
                (Rank::Energy(0.7), 1),
                (Rank::Energy(0.9), 2),
                (Rank::Energy(1.0), 4),
                (Rank::Fixed(5), 5),
                (Rank::Fixed(0), 0),
            ] {
                assert_eq!(wish.choose(&s).unwrap(), rank, "{wish:?} at scale 2^{e}");
            }
        }
        assert_eq!(Rank::Tolerance(0.1).choose::<f32>(&[]).unwrap(), 0);
        assert_eq!(Rank::Energy(1.0).choose(&[0.0_f32; 3]).unwrap(), 0);
        for wrong in [Rank::Tolerance(f64::NAN), Rank::Tolerance(-1.0), Rank::Energy(2.0), Rank::Fixed(2)] {
            assert!(wrong.choose(&[1.0]).is_err());
        }
        assert!(Rank::Fixed(1).choose(&[f64::NAN]).is_err());
    }
}
