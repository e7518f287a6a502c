//! New pivots at a bond, by rook moves over the residual of its two cores.

use super::pivoted::Pivoted;
use super::state::{State, Stop};
use crate::Scalar;
use num_traits::Float;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Random entries looked at before a search; the largest residual is its start.
const PROBES: usize = 8;

/// A row (left element, index) or column (index, right element) of the matrix of a bond's two modes,
/// the function's values there, and their residuals.
struct Line<T> {
    at: (usize, usize),
    values: Vec<T>,
    residual: Vec<T>,
}

impl<T: Scalar> Line<T> {
    /// The place and magnitude of the largest residual.
    fn largest(&self) -> (usize, T) {
        let mut best = (0, T::of(-1.0));
        for (place, &r) in self.residual.iter().enumerate() {
            if Float::abs(r) > best.1 {
                best = (place, Float::abs(r));
            }
        }
        best
    }
}

/// Looks for the largest residual at bond k and makes it a pivot where it is above `floor`. Says the
/// residual found.
pub(super) fn add_pivot<T: Scalar>(
    state: &mut State<'_, T>,
    k: usize,
    floor: T,
    rng: &mut ChaCha8Rng,
) -> Result<T, Stop> {
    let pivots = state.pivots(k);
    let (n, m) = (state.shape[k - 1], state.shape[k]); // modes left and right of the bond
    let at = start(state, k, &pivots, rng)?;
    let mut column = self::column(state, k, &pivots, at)?;
    let (mut place, mut size) = column.largest();
    if !(size > floor) {
        return Ok(size);
    }
    let mut row = self::row(state, k, &pivots, (place / n, place % n))?;
    for _ in 0..2 {
        let (best, larger) = row.largest();
        let at = (best % m, best / m);
        if at == column.at || !(larger > size) {
            break;
        }
        column = self::column(state, k, &pivots, at)?;
        (place, size) = column.largest();
        let at = (place / n, place % n);
        if at == row.at {
            break;
        }
        row = self::row(state, k, &pivots, at)?;
    }
    // The row's values are those of the new fibers of core k, the column's of core k - 1.
    state.add_row(k, row.at, Some(row.values))?;
    state.add_column(k, column.at, Some(column.values))?;
    Ok(size)
}

/// The column of the largest residual among a few random entries.
fn start<T: Scalar>(
    state: &mut State<'_, T>,
    k: usize,
    pivots: &Pivoted<T>,
    rng: &mut ChaCha8Rng,
) -> Result<(usize, usize), Stop> {
    let (rows, columns) = (state.left[k - 1].len(), state.right[k + 1].len());
    let (n, m) = (state.shape[k - 1], state.shape[k]);
    let draw: Vec<[usize; 4]> = (0..PROBES)
        .map(|_| {
            let i = rng.random_range(0..rows);
            [i, rng.random_range(0..n), rng.random_range(0..m), rng.random_range(0..columns)]
        })
        .collect();
    let points: Vec<Vec<usize>> = draw.iter().map(|&[i, a, b, j]| point(state, k, (i, a), (b, j))).collect();
    let values = state.evaluate(PROBES, |p, index| index.copy_from_slice(&points[p]))?;
    let mut best = ((0, 0), T::of(-1.0));
    for (&[i, a, b, j], value) in draw.iter().zip(values) {
        let w = right_weights(state, k, pivots, (b, j));
        let inside: T = pivots.cols.iter().zip(&w).map(|(&c, &w)| state.values[k - 1][i][c][a] * w).sum();
        let residual = Float::abs(value - inside);
        if residual > best.1 {
            best = ((b, j), residual);
        }
    }
    Ok(best.0)
}

/// The index of a row and a column of bond k.
fn point<T: Scalar>(
    state: &State<'_, T>,
    k: usize,
    row: (usize, usize),
    column: (usize, usize),
) -> Vec<usize> {
    let mut index = vec![0; state.shape.len()];
    state.prefix(k - 1, row.0, &mut index);
    state.suffix(k + 1, column.1, &mut index);
    (index[k - 1], index[k]) = (row.1, column.0);
    index
}

/// P^-1 times a column of core k.
fn right_weights<T: Scalar>(
    state: &State<'_, T>,
    k: usize,
    pivots: &Pivoted<T>,
    at: (usize, usize),
) -> Vec<T> {
    let mut w: Vec<T> = pivots.rows.iter().map(|&i| state.values[k][i][at.1][at.0]).collect();
    pivots.solve(&mut w);
    w
}

/// All rows of one column: left element by left element, index fastest.
fn column<T: Scalar>(
    state: &mut State<'_, T>,
    k: usize,
    pivots: &Pivoted<T>,
    at: (usize, usize),
) -> Result<Line<T>, Stop> {
    let n = state.shape[k - 1];
    let base: Vec<_> = (0..state.left[k - 1].len()).map(|i| point(state, k, (i, 0), at)).collect();
    let values = state.evaluate(n * base.len(), |p, index| {
        index.copy_from_slice(&base[p / n]);
        index[k - 1] = p % n;
    })?;
    let w = right_weights(state, k, pivots, at);
    let mut residual = values.clone();
    for (fibers, out) in state.values[k - 1].iter().zip(residual.chunks_mut(n)) {
        for (&c, &w) in pivots.cols.iter().zip(&w) {
            out.iter_mut().zip(&fibers[c]).for_each(|(x, &value)| *x -= value * w);
        }
    }
    Ok(Line { at, values, residual })
}

/// All columns of one row: right element by right element, index fastest.
fn row<T: Scalar>(
    state: &mut State<'_, T>,
    k: usize,
    pivots: &Pivoted<T>,
    at: (usize, usize),
) -> Result<Line<T>, Stop> {
    let m = state.shape[k];
    let base: Vec<_> = (0..state.right[k + 1].len()).map(|j| point(state, k, at, (0, j))).collect();
    let values = state.evaluate(m * base.len(), |p, index| {
        index.copy_from_slice(&base[p / m]);
        index[k] = p % m;
    })?;
    let mut w: Vec<T> = pivots.cols.iter().map(|&j| state.values[k - 1][at.0][j][at.1]).collect();
    pivots.solve_transposed(&mut w);
    let mut residual = values.clone();
    for (j, out) in residual.chunks_mut(m).enumerate() {
        for (&r, &w) in pivots.rows.iter().zip(&w) {
            out.iter_mut().zip(&state.values[k][r][j]).for_each(|(x, &value)| *x -= w * value);
        }
    }
    Ok(Line { at, values, residual })
}
