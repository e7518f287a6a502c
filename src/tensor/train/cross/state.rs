//! The nested index sets of a cross, and the values of the function on them.

use super::super::{TensorTrain, core_from};
use super::pivoted::Pivoted;
use crate::{Error, Result, Scalar};
use num_traits::Float;
use rayon::prelude::*;

/// Why a search ended before its end.
pub(super) enum Stop {
    /// The evaluations are used up.
    Budget,
    /// The function gave no number.
    Failed(Error),
}

/// Evaluations beyond which a batch is shared among the threads, and the size of a share.
const SHARE: usize = 64;

/// A function of an index, its sets of pivots and its values there.
///
/// Bond k, 1 <= k < d, has rows `left[k]`, prefixes of k indices, each an element of `left[k - 1]` and
/// one index more; and columns `right[k]`, suffixes of d - k indices, each one index and an element of
/// `right[k + 1]`. Core k has the values on `left[k]`, mode k and `right[k + 1]`.
pub(super) struct State<'f, T> {
    f: &'f (dyn Fn(&[usize]) -> T + Sync),
    pub shape: Vec<usize>,
    /// (element of the set before, index)
    pub left: Vec<Vec<(usize, usize)>>,
    /// (index, element of the set after)
    pub right: Vec<Vec<(usize, usize)>>,
    /// values[k][i][j][a]
    pub values: Vec<Vec<Vec<Vec<T>>>>,
    pub evaluations: usize,
    pub max_evaluations: usize,
    /// The largest magnitude of all values seen.
    pub largest: T,
}

impl<'f, T: Scalar> State<'f, T> {
    pub fn new(f: &'f (dyn Fn(&[usize]) -> T + Sync), shape: &[usize], max_evaluations: usize) -> Self {
        let d = shape.len();
        let mut set = vec![Vec::new(); d + 1];
        set[0].push((0, 0));
        let left = set.clone();
        set.swap(0, d);
        let mut values = vec![Vec::new(); d];
        values[0].push(Vec::new());
        let largest = T::of(0.0);
        Self { f, shape: shape.to_vec(), left, right: set, values, evaluations: 0, max_evaluations, largest }
    }

    /// Pivots of bond k, an upper bound of its rank.
    pub fn rank(&self, k: usize) -> usize {
        self.left[k].len().max(self.right[k].len())
    }

    /// The values at `count` points; `fill(p, index)` writes point p.
    pub fn evaluate(
        &mut self,
        count: usize,
        fill: impl Fn(usize, &mut [usize]) + Sync,
    ) -> std::result::Result<Vec<T>, Stop> {
        if self.evaluations.saturating_add(count) > self.max_evaluations {
            return Err(Stop::Budget);
        }
        self.evaluations += count;
        let share = |start: usize| -> Vec<T> {
            let mut index = vec![0; self.shape.len()];
            let end = count.min(start + SHARE);
            (start..end)
                .map(|p| {
                    fill(p, &mut index);
                    (self.f)(&index)
                })
                .collect()
        };
        let starts: Vec<usize> = (0..count).step_by(SHARE).collect();
        let values: Vec<T> = match starts.len() {
            0 | 1 => starts.into_iter().flat_map(share).collect(),
            _ => starts.into_par_iter().map(share).collect::<Vec<_>>().concat(),
        };
        for (p, &value) in values.iter().enumerate() {
            if !Float::is_finite(value) {
                let mut index = vec![0; self.shape.len()];
                fill(p, &mut index);
                return Err(Stop::Failed(Error::NonFinite { argument: "f", index }));
            }
            self.largest = Float::max(self.largest, Float::abs(value));
        }
        Ok(values)
    }

    /// Writes element i of `left[k]` to the first k places.
    pub fn prefix(&self, k: usize, mut i: usize, index: &mut [usize]) {
        for bond in (1..=k).rev() {
            (i, index[bond - 1]) = self.left[bond][i];
        }
    }

    /// Writes element j of `right[k]` to the places from k on.
    pub fn suffix(&self, k: usize, mut j: usize, index: &mut [usize]) {
        for bond in k..self.shape.len() {
            (index[bond], j) = self.right[bond][j];
        }
    }

    /// The values at the fibers of core k with these (left, right) elements, one after another.
    pub fn fibers(&mut self, k: usize, at: &[(usize, usize)]) -> std::result::Result<Vec<T>, Stop> {
        let n = self.shape[k];
        let points: Vec<Vec<usize>> = at
            .iter()
            .map(|&(i, j)| {
                let mut index = vec![0; self.shape.len()];
                self.prefix(k, i, &mut index);
                self.suffix(k + 1, j, &mut index);
                index
            })
            .collect();
        self.evaluate(n * at.len(), |p, index| {
            index.copy_from_slice(&points[p / n]);
            index[k] = p % n;
        })
    }

    /// Adds a row to bond k; the values of the new fibers of core k, right element by right element,
    /// are evaluated unless they are given. Nothing where the row is there already.
    pub fn add_row(
        &mut self,
        k: usize,
        row: (usize, usize),
        known: Option<Vec<T>>,
    ) -> std::result::Result<usize, Stop> {
        if let Some(i) = self.left[k].iter().position(|r| *r == row) {
            return Ok(i);
        }
        let i = self.left[k].len();
        self.left[k].push(row);
        let at: Vec<_> = (0..self.right[k + 1].len()).map(|j| (i, j)).collect();
        let values = match known {
            Some(values) => Ok(values),
            None => self.fibers(k, &at),
        };
        let values = values.inspect_err(|_| {
            self.left[k].pop();
        })?;
        self.values[k].push(values.chunks(self.shape[k]).map(|fiber| fiber.to_vec()).collect());
        Ok(i)
    }

    /// Adds a column to bond k; the values of the new fibers of core k - 1, left element by left
    /// element, are evaluated unless they are given. Nothing where the column is there already.
    pub fn add_column(
        &mut self,
        k: usize,
        column: (usize, usize),
        known: Option<Vec<T>>,
    ) -> std::result::Result<usize, Stop> {
        if let Some(j) = self.right[k].iter().position(|c| *c == column) {
            return Ok(j);
        }
        let j = self.right[k].len();
        self.right[k].push(column);
        let at: Vec<_> = (0..self.left[k - 1].len()).map(|i| (i, j)).collect();
        let values = match known {
            Some(values) => Ok(values),
            None => self.fibers(k - 1, &at),
        };
        let values = values.inspect_err(|_| {
            self.right[k].pop();
        })?;
        for (row, fiber) in self.values[k - 1].iter_mut().zip(values.chunks(self.shape[k - 1])) {
            row.push(fiber.to_vec());
        }
        Ok(j)
    }

    /// Adds a point to every bond.
    pub fn add_point(&mut self, index: &[usize]) -> std::result::Result<(), Stop> {
        let d = self.shape.len();
        let mut j = 0;
        for k in (1..d).rev() {
            j = self.add_column(k, (index[k], j), None)?;
        }
        let mut i = 0;
        for k in 1..d {
            i = self.add_row(k, (i, index[k - 1]), None)?;
        }
        Ok(())
    }

    /// The pivots of bond k, factored.
    pub fn pivots(&self, k: usize) -> Pivoted<T> {
        let (m, n) = (self.left[k].len(), self.right[k].len());
        let value = |&(i, a): &(usize, usize)| self.values[k - 1][i].iter().map(move |fiber| fiber[a]);
        Pivoted::new(self.left[k].iter().flat_map(value).collect(), m, n)
    }

    /// The sum of the ranks of all bonds, pivots at rounding level left out.
    pub fn ranks(&self) -> usize {
        (1..self.shape.len()).map(|k| self.pivots(k).rank()).sum()
    }

    /// The train that interpolates on the crosses.
    pub fn train(&self) -> Result<TensorTrain<T>> {
        let d = self.shape.len();
        if let ([n], Some(fiber)) = (&self.shape[..], self.values[0][0].first()) {
            return TensorTrain::new(vec![core_from((1, *n, 1), fiber.clone())]);
        }
        let pivots: Vec<_> = (1..d).map(|k| self.pivots(k)).collect();
        if d == 1 || pivots.iter().any(|p| p.rank() == 0) {
            return TensorTrain::zeros(&self.shape);
        }
        let cores = (0..d).map(|k| {
            let rows = if k == 0 { &[0][..] } else { &pivots[k - 1].rows };
            let n = self.shape[k];
            let mut data = Vec::new();
            for &i in rows {
                for a in 0..n {
                    let fibers = &self.values[k][i];
                    match pivots.get(k) {
                        None => data.push(fibers[0][a]),
                        Some(p) => {
                            let mut line: Vec<T> = p.cols.iter().map(|&j| fibers[j][a]).collect();
                            p.solve_transposed(&mut line);
                            data.extend(line);
                        }
                    }
                }
            }
            core_from((rows.len(), n, pivots.get(k).map_or(1, |p| p.rank())), data)
        });
        TensorTrain::new(cores.collect())
    }
}
