//! How many terms a separated representation is to have.

use crate::{Error, Result};
use std::fmt;

/// Which separation rank s is wanted, of shapes (m_1, n_1), ..., (m_d, n_d).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SeparationRank {
    /// This many terms, or fewer where they are the matrix exactly.
    Fixed(usize),
    /// As few terms as are found with |A - M|_F <= t |A|_F; t in [0, 1].
    Tolerance(f64),
    /// The largest s whose terms store at most this many numbers, s (1 + sum m_i n_i).
    Parameters(usize),
}

impl From<usize> for SeparationRank {
    fn from(terms: usize) -> Self {
        SeparationRank::Fixed(terms)
    }
}

impl SeparationRank {
    /// The largest number of terms that the wish allows for these shapes: that of
    /// [`SeparationRank::Fixed`], what the budget affords, and for a tolerance
    /// [`SeparationRank::largest`].
    ///
    /// # Errors
    /// [`Error::Rank`] for a fixed rank above [`SeparationRank::largest`]; [`Error::Parameter`] for a
    /// tolerance outside [0, 1].
    ///
    /// ```
    /// use lowrank::separated::SeparationRank;
    /// let shapes = [(32, 24), (24, 32)]; // 1537 numbers a term
    /// assert_eq!(SeparationRank::Parameters(24_592).limit(&shapes)?, 16);
    /// assert_eq!(SeparationRank::Tolerance(0.1).limit(&shapes)?, 768);
    /// # lowrank::Result::Ok(())
    /// ```
    pub fn limit(self, shapes: &[(usize, usize)]) -> Result<usize> {
        let largest = Self::largest(shapes);
        match self {
            SeparationRank::Fixed(rank) if rank > largest => Err(Error::Rank { rank, largest }),
            SeparationRank::Fixed(rank) => Ok(rank),
            SeparationRank::Tolerance(t) if (0.0..=1.0).contains(&t) => Ok(largest),
            SeparationRank::Tolerance(t) => {
                let remedy = "pass a number between 0 and 1";
                Err(Error::Parameter { name: "tolerance", value: t.to_string(), remedy })
            }
            SeparationRank::Parameters(count) => {
                let sizes = shapes.iter().map(|&(m, n)| m as u128 * n as u128);
                let term = sizes.fold(1u128, u128::saturating_add);
                Ok((count as u128 / term).min(largest as u128) as usize)
            }
        }
    }

    /// A number of terms that suffices for every matrix of these shapes: the product of all
    /// m_i n_i but the largest, or the largest `usize` where it is larger; 0 where one is empty.
    pub fn largest(shapes: &[(usize, usize)]) -> usize {
        let sizes: Vec<usize> = shapes.iter().map(|&(m, n)| m.saturating_mul(n)).collect();
        if sizes.contains(&0) {
            return 0;
        }
        let most = (0..sizes.len()).max_by_key(|&i| sizes[i]);
        (0..sizes.len()).filter(|&i| Some(i) != most).fold(1, |product, i| product.saturating_mul(sizes[i]))
    }
}

/// The wish in formulas: `|A - M|_F <= 0.1 |A|_F`.
impl fmt::Display for SeparationRank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match self {
            SeparationRank::Fixed(rank) => format!("{rank} terms"),
            SeparationRank::Tolerance(t) => format!("|A - M|_F <= {t} |A|_F"),
            SeparationRank::Parameters(count) => format!("at most {count} numbers"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_empty_huge_and_common_shapes() {
        let shapes = [(4, 3), (2, 5), (1, 7)];
        assert_eq!(SeparationRank::largest(&shapes), 70);
        assert_eq!(SeparationRank::Parameters(59).limit(&shapes).unwrap(), 1);
        assert_eq!(SeparationRank::Parameters(60).limit(&shapes).unwrap(), 2);
        assert_eq!(SeparationRank::Parameters(usize::MAX).limit(&shapes).unwrap(), 70);
        assert_eq!(SeparationRank::Fixed(70).limit(&shapes).unwrap(), 70);
        assert!(matches!(
            SeparationRank::Fixed(71).limit(&shapes),
            Err(Error::Rank { rank: 71, largest: 70 })
        ));
        for t in [-1.0, 1.5, f64::NAN] {
            assert!(matches!(
                SeparationRank::Tolerance(t).limit(&shapes),
                Err(Error::Parameter { name: "tolerance", .. })
            ));
        }
        assert_eq!(SeparationRank::largest(&[(5, 5)]), 1);
        assert_eq!(SeparationRank::largest(&[]), 1);
        assert_eq!(SeparationRank::largest(&[(0, 5), (3, 3)]), 0);
        assert_eq!(SeparationRank::largest(&[(1 << 40, 1 << 40); 3]), usize::MAX);
        assert_eq!(SeparationRank::Parameters(usize::MAX).limit(&[(1 << 40, 1 << 40); 3]).unwrap(), 0);
    }
}
