//! The best shapes of the two factors.
//!
//! **Problem.** A (m, n), stored, and a separation rank wished: of all shapes (m_1, n_1),
//! (m_2, n_2) with m_1 m_2 = m and n_1 n_2 = n the one whose nearest sum is best.
//!
//! **Method.** All are tried: [`splits`] lists them, [`best_shapes`] finds the nearest sum of each.
//! With a budget each has as many terms as it affords, and with a tolerance as many as it needs;
//! (m, 1) and (1, n) are columns times rows, the truncated SVD, and compete with the others.
//!
//! **Cost.** That of [`nearest`] for each: d(m) d(n) - 2 of them for d(m) divisors of m, 322 for
//! 768 x 768. Take from the list what matters where that is too long: a few shapes near
//! the square root of m n have most of what there is.
//!
//! **Guarantee.** Errors are measured; the best one is the best of those tried.
//!
//! **Deviations.** None.

use super::{Nearest, NearestSum, SeparationRank, nearest};
use crate::matrix::AsMatrix;
use crate::{Error, Result, Scalar};
use std::cmp::Ordering;

/// What one pair of shapes gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShapeRow {
    /// The shapes of the two factors.
    pub shapes: [(usize, usize); 2],
    /// The separation rank s.
    pub terms: usize,
    /// Stored numbers, s (m_1 n_1 + m_2 n_2 + 1).
    pub parameters: usize,
    /// |A - M|_F, measured.
    pub error: f64,
}

/// What [`best_shapes`] found.
#[derive(Debug, Clone)]
pub struct BestShapes<T: Scalar> {
    /// The best sum.
    pub best: NearestSum<T>,
    /// All shapes tried, best first: of the smallest error or, with a tolerance, of the fewest
    /// numbers.
    pub table: Vec<ShapeRow>,
}

/// All shapes (m_1, n_1), (m_2, n_2) of two factors of a matrix (m, n) but the two where a factor is
/// a single number: M1 (x) M2 is then the matrix itself. None for an empty matrix.
///
/// ```
/// use lowrank::separated::splits;
/// assert_eq!(splits(2, 3), [[(1, 3), (2, 1)], [(2, 1), (1, 3)]]);
/// let near_square: Vec<_> =
///     splits(768, 768).into_iter().filter(|[a, b]| (a.0 * a.1).abs_diff(b.0 * b.1) < 500).collect();
/// assert_eq!((splits(768, 768).len(), near_square.len()), (322, 32));
/// ```
pub fn splits(m: usize, n: usize) -> Vec<[(usize, usize); 2]> {
    let (down, right) = (divisors(m), divisors(n));
    let all = down.iter().flat_map(|&p| right.iter().map(move |&q| [(p, q), (m / p, n / q)]));
    all.filter(|shapes| !shapes.contains(&(1, 1))).collect()
}

/// The divisors, increasing; none of 0.
fn divisors(n: usize) -> Vec<usize> {
    let small: Vec<usize> = (1..=n.isqrt()).filter(|d| n.is_multiple_of(*d)).collect();
    let large = small.iter().rev().map(|d| n / d).filter(|d| d * d > n);
    small.iter().copied().chain(large).collect()
}

/// The nearest sum of Kronecker products of each of these `shapes`, which [`splits`] lists, and the
/// best of them. A fixed rank that is above the largest of some shapes is that largest one there.
///
/// `progress` is told after each how many are done and of how many; the search ends where it says
/// no, with those that are done.
///
/// # Errors
/// [`Error::Shape`] when there are no shapes; those of [`nearest`].
///
/// ```
/// use lowrank::{faer::Mat, separated::{Nearest, SeparationRank, best_shapes, splits}};
/// // blocks (4, 3) that all are alike
/// let a = Mat::from_fn(24, 15, |i, j| ((i % 4) + 5 * (j % 3)) as f64 * (1 + (i / 4) * (j / 3) % 7) as f64);
/// let found =
///     best_shapes(&a, &splits(24, 15), SeparationRank::Fixed(1), Nearest::Dense, |_, _| true)?;
/// assert_eq!(found.table[0].shapes, [(6, 5), (4, 3)]);
/// assert!(found.best.relative_error() < 1e-14);
/// # lowrank::Result::Ok(())
/// ```
pub fn best_shapes<T: Scalar>(
    a: &(impl AsMatrix<T> + ?Sized),
    shapes: &[[(usize, usize); 2]],
    rank: SeparationRank,
    method: Nearest,
    mut progress: impl FnMut(usize, usize) -> bool,
) -> Result<BestShapes<T>> {
    let mut best: Option<(ShapeRow, NearestSum<T>)> = None;
    let mut table = Vec::new();
    for (done, &shapes_here) in shapes.iter().enumerate() {
        let rank = match rank {
            SeparationRank::Fixed(s) => SeparationRank::Fixed(s.min(SeparationRank::largest(&shapes_here))),
            other => other,
        };
        let found = nearest(a, shapes_here, rank, method)?;
        let (terms, parameters) = (found.separated.separation_rank(), found.separated.parameters());
        let row = ShapeRow { shapes: shapes_here, terms, parameters, error: found.error };
        table.push(row);
        if best.as_ref().is_none_or(|(known, _)| compare(rank, &row, known).is_lt()) {
            best = Some((row, found));
        }
        if !progress(done + 1, shapes.len()) {
            break;
        }
    }
    let Some((_, best)) = best else {
        let expected = "at least one pair of shapes is needed".to_string();
        return Err(Error::Shape { argument: "shapes", expected, found: vec![0] });
    };
    table.sort_by(|x, y| compare(rank, x, y));
    Ok(BestShapes { best, table })
}

/// By errors or, with a tolerance, by numbers and then by errors.
fn compare(rank: SeparationRank, x: &ShapeRow, y: &ShapeRow) -> Ordering {
    let errors = x.error.total_cmp(&y.error);
    match rank {
        SeparationRank::Tolerance(_) => x.parameters.cmp(&y.parameters).then(errors),
        _ => errors.then(x.parameters.cmp(&y.parameters)),
    }
}
