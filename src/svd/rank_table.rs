//! Ranks side by side: what each wish would choose, and what it would cost and keep.
//!
//! **Problem.** All singular values of A (m, n) and a list of wishes: the rank of each with its
//! errors and its size, to compare.
//!
//! **Method.** [`Rank::choose_for`] for each wish; errors from tails as there.
//!
//! **Cost.** O(number of values times number of wishes).
//!
//! **Guarantee.** Every row states the errors of its own rank: relative errors of the best
//! approximation of that rank (Eckart, Young 1936; Mirsky 1960), which the truncated SVD attains.
//!
//! **Deviations.** None.

use super::Rank;
use super::spectrum::{Checked, check_shape, effective_rank_of, gap_of, stable_rank_of};
use crate::{Result, Scalar};
use std::fmt;

/// What one wish chooses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankRow {
    /// The wish.
    pub wish: Rank,
    /// The rank it chooses, k.
    pub rank: usize,
    /// |A_k|_F^2 / |A|_F^2, from 0 to 1; 1 for a zero matrix.
    pub energy: f64,
    /// |A - A_k|_F / |A|_F; 0 for a zero matrix.
    pub error: f64,
    /// |A - A_k|_2 / |A|_2 = s_{k+1} / s_1; 0 for a zero matrix.
    pub spectral_error: f64,
    /// Numbers stored by two factors, k (m + n); also the multiplications of a product with a
    /// vector.
    pub parameters: usize,
    /// m n / (k (m + n)), above 1 where the factors are smaller than A; infinite for rank 0.
    pub compression: f64,
}

/// The ranks of a list of wishes for one spectrum; prints itself as a table.
#[derive(Debug, Clone, PartialEq)]
pub struct RankTable {
    /// Rows and columns of the matrix, (m, n).
    pub shape: (usize, usize),
    /// |A|_F^2 / |A|_2^2.
    pub stable_rank: f64,
    /// exp of the entropy of the singular values.
    pub effective_rank: f64,
    /// The largest ratio of neighbours and the rank before it, where any two differ.
    pub gap: Option<super::spectrum::Gap>,
    /// A row a wish, in the order given.
    pub rows: Vec<RankRow>,
}

impl Rank {
    /// A list of wishes worth comparing: energies, tolerances, break-even and half the numbers,
    /// the hard threshold for unknown noise, gap, entropy and stable rank.
    pub fn usual() -> Vec<Rank> {
        vec![
            Rank::Energy(0.9),
            Rank::Energy(0.99),
            Rank::Tolerance(0.1),
            Rank::Tolerance(0.01),
            Rank::Spectral(0.1),
            Rank::Spectral(0.01),
            Rank::Compression(1.0),
            Rank::Compression(2.0),
            Rank::HardThreshold { noise: None },
            Rank::Gap,
            Rank::Entropy,
            Rank::Stable,
        ]
    }
}

/// Compares wishes for the singular values `s`, all min(m, n) of them, of a matrix (m, n).
///
/// # Errors
/// Those of [`Rank::choose_for`] for any of the wishes; [`crate::Error::Shape`] when the number of
/// values is not min(m, n), since errors would not be known.
///
/// ```
/// use lowrank::svd::{Rank, compare_ranks};
/// let s: Vec<f64> = (0..40).map(|i| 0.5_f64.powi(i)).collect();
/// let table = compare_ranks(&s, (40, 50), &Rank::usual())?;
/// assert_eq!(table.rows[0].rank, 2); // energy 0.9: 1 - 1/4^2 = 0.9375
/// println!("{table}");
/// # lowrank::Result::Ok(())
/// ```
pub fn compare_ranks<T: Scalar>(s: &[T], shape: (usize, usize), wishes: &[Rank]) -> Result<RankTable> {
    let s = Checked::new(s)?;
    check_shape(s.x.len(), shape, true)?;
    let tails = s.squared_tails();
    let rows =
        wishes.iter().map(|wish| Ok(row(*wish, wish.choose_checked(&s, Some(shape))?, &s, &tails, shape)));
    Ok(RankTable {
        shape,
        stable_rank: stable_rank_of(&s),
        effective_rank: effective_rank_of(&s),
        gap: gap_of(&s).0,
        rows: rows.collect::<Result<_>>()?,
    })
}

fn row(wish: Rank, rank: usize, s: &Checked, tails: &[f64], (m, n): (usize, usize)) -> RankRow {
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    let lost = share(tails[rank], tails[0]);
    let first = s.x.first().copied().unwrap_or_default();
    let dense = m as f64 * n as f64;
    RankRow {
        wish,
        rank,
        energy: 1.0 - lost,
        error: lost.sqrt(),
        spectral_error: share(s.x.get(rank).copied().unwrap_or_default(), first),
        parameters: rank.saturating_mul(m.saturating_add(n)),
        compression: if rank == 0 { f64::INFINITY } else { dense / (rank as f64 * (m as f64 + n as f64)) },
    }
}

impl fmt::Display for RankTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (m, n) = self.shape;
        write!(
            f,
            "{m} x {n}: stable rank {:.2}, effective rank {:.2}",
            self.stable_rank, self.effective_rank
        )?;
        match self.gap {
            Some(gap) => writeln!(f, ", largest gap {:.3e} after {}", gap.ratio, gap.rank)?,
            None => writeln!(f, ", no gap")?,
        }
        let width = self.rows.iter().map(|row| row.wish.to_string().len()).max().unwrap_or(0).max(4);
        write!(
            f,
            "{:<width$} {:>6} {:>9} {:>9} {:>9} {:>11} {:>11}",
            "wish", "rank", "energy", "F error", "2 error", "numbers", "compression"
        )?;
        for row in &self.rows {
            write!(
                f,
                "\n{:<width$} {:>6} {:>9.6} {:>9.2e} {:>9.2e} {:>11} {:>11.2}",
                row.wish,
                row.rank,
                row.energy,
                row.error,
                row.spectral_error,
                row.parameters,
                row.compression
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::scale_by_power_of_two;

    #[test]
    fn rows_by_hand_at_every_scale() {
        for e in [-1000, 0, 1000] {
            let s = [4.0, 2.0, 2.0, 1.0, 0.0].map(|x| scale_by_power_of_two(x, e));
            let wishes = [Rank::Fixed(0), Rank::Fixed(1), Rank::Fixed(3), Rank::Fixed(5)];
            let table = compare_ranks(&s, (5, 15), &wishes).unwrap();
            let row = |i: usize| {
                let r = table.rows[i];
                (r.rank, r.energy, r.error, r.spectral_error, r.parameters, r.compression)
            };
            assert_eq!(row(0), (0, 0.0, 1.0, 1.0, 0, f64::INFINITY));
            assert_eq!(row(1), (1, 0.64, 0.6, 0.5, 20, 3.75));
            assert_eq!(row(2), (3, 0.96, 0.2, 0.25, 60, 1.25));
            assert_eq!(row(3), (5, 1.0, 0.0, 0.0, 100, 0.75));
            assert_eq!(table.stable_rank, 25.0 / 16.0);
            assert!(table.gap.is_some_and(|gap| gap.rank == 4));
        }
    }

    #[test]
    fn prints_a_table_and_refuses() {
        let s: Vec<f32> = (1..=30).map(|i| 1.0 / i as f32).collect();
        let table = compare_ranks(&s, (30, 30), &Rank::usual()).unwrap();
        let text = table.to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2 + Rank::usual().len());
        assert!(lines[1..].iter().all(|line| line.len() == lines[1].len()), "{text}");
        for s in [vec![], vec![0.0]] {
            let table = compare_ranks(&s, (s.len(), 3), &Rank::usual()).unwrap();
            assert!(table.rows.iter().all(|r| r.rank == 0 && r.energy == 1.0 && r.error == 0.0));
            assert!(table.to_string().contains("no gap"));
        }
        assert!(compare_ranks(&s, (30, 31), &[Rank::Fixed(31)]).is_err());
        assert!(compare_ranks(&s, (31, 31), &[]).is_err());
        assert!(compare_ranks(&[1.0, 2.0], (2, 2), &[]).is_err());
        assert!(compare_ranks(&[f64::NAN], (1, 1), &[]).is_err());
    }
}
