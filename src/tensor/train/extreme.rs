//! The largest entries of a tensor train, without writing it out.
//!
//! # Problem
//! For a train X the index of the largest |X(i)|, or of the smallest and largest X(i).
//! # Method
//! A beam of prefixes (Chertkov, Ryzhakov, Novikov, Oseledets, Optimization of functions given in the
//! tensor train format, 2022, Algorithm 1): with right-orthonormal cores the norm of the row vector of
//! a prefix is that of all entries that begin with it; the prefixes of largest norms are kept, mode by
//! mode. The entries found then climb, one index at a time, to a local optimum. For both extremes the
//! first one found is subtracted from the train and the search repeated.
//! # Cost
//! O(d n r (candidates r + r^2)) for the beam, O(d^2 n r^2) a pass of the climb.
//! # Guarantee
//! The entry is exact and locally optimal: no change of a single index improves it. It is the global
//! optimum where `candidates` is at least the product of all sizes but the last, and for ranks one;
//! otherwise a lower bound that is usually sharp.
//! # Deviations
//! The climb; the beam runs in one direction only.

use super::orthogonal::right_sweep;
use super::steps::{entries, matrix, times};
use super::{TensorTrain, scale};
use crate::{Error, Result, Scalar};
use ndarray::Array3;
use num_traits::Float;

/// An entry and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Extreme<T> {
    /// The index.
    pub index: Vec<usize>,
    /// The entry there.
    pub value: T,
}

/// Ends of the beam that climb.
const CLIMBERS: usize = 4;

impl<T: Scalar> TensorTrain<T> {
    /// An entry of largest magnitude, searched among this many prefixes at a time (100 is a good start).
    ///
    /// # Errors
    /// [`Error::Shape`] for a train without entries; [`Error::Parameter`] for no candidates.
    ///
    /// # Example
    /// ```
    /// use lowrank::tensor::train::{Cross, cross};
    /// let f = |i: &[usize]| (0.3 * i.iter().sum::<usize>() as f64).sin();
    /// let x = cross(f, &[16; 8], Cross::default())?.train; // 4 billion entries
    /// assert!(x.largest_entry(100)?.value.abs() > 0.9999);
    /// # Ok::<(), lowrank::Error>(())
    /// ```
    pub fn largest_entry(&self, candidates: usize) -> Result<Extreme<T>> {
        self.searched(candidates, |x| Float::abs(x))
    }

    /// The smallest and the largest entry, searched as in [`TensorTrain::largest_entry`].
    ///
    /// # Errors
    /// As for [`TensorTrain::largest_entry`].
    pub fn extremes(&self, candidates: usize) -> Result<(Extreme<T>, Extreme<T>)> {
        let first = self.largest_entry(candidates)?;
        let ones = self.shape.iter().map(|&n| Array3::from_elem((1, n, 1), T::of(1.0))).collect();
        let shifted = self.minus(&Self::from_valid(ones).scaled(first.value)?)?;
        let second = shifted.largest_entry(candidates)?;
        let second = Extreme { value: self.entry(&second.index)?, ..second };
        let (mut low, mut high) = if first.value < second.value { (first, second) } else { (second, first) };
        self.climb(&mut low, |x| -x)?;
        self.climb(&mut high, |x| x)?;
        Ok((low, high))
    }

    /// The best end of the beam after its climb.
    fn searched(&self, candidates: usize, score: impl Fn(T) -> T + Copy) -> Result<Extreme<T>> {
        if candidates == 0 {
            let remedy = "ask for at least 1 candidate";
            return Err(Error::Parameter { name: "candidates", value: "0".into(), remedy });
        }
        let mut best: Option<Extreme<T>> = None;
        for index in self.beam(candidates)?.into_iter().take(CLIMBERS) {
            let value = self.entry(&index)?;
            let mut end = Extreme { index, value };
            self.climb(&mut end, score)?;
            if best.as_ref().is_none_or(|best| score(end.value) > score(best.value)) {
                best = Some(end);
            }
        }
        best.ok_or_else(|| {
            let expected = "entries are needed: no mode may have size 0".into();
            Error::Shape { argument: "train", expected, found: self.shape() }
        })
    }

    /// Indices whose entries are largest in magnitude, the largest first.
    fn beam(&self, candidates: usize) -> Result<Vec<Vec<usize>>> {
        if self.shape.contains(&0) {
            return Ok(Vec::new());
        }
        let (mut cores, _) = self.clone().into_normalized();
        right_sweep(&mut cores)?;
        let (mut prefixes, mut vectors) = (vec![Vec::new()], vec![T::of(1.0)]);
        for core in &cores {
            let (l, n, r) = core.dim();
            let mut grown = times(matrix(&vectors, prefixes.len(), l), matrix(entries(core), l, n * r));
            scale::normalize_slice(&mut grown);
            let norms: Vec<f64> = grown.chunks(r).map(scale::norm).collect();
            let mut order: Vec<usize> = (0..norms.len()).collect();
            order.sort_by(|&a, &b| norms[b].total_cmp(&norms[a]).then(a.cmp(&b)));
            order.truncate(candidates);
            let longer =
                |&at: &usize| prefixes[at / n].iter().copied().chain([at % n]).collect::<Vec<usize>>();
            let kept = order.iter().map(longer).collect();
            vectors = order.iter().flat_map(|&at| grown[at * r..][..r].iter().copied()).collect();
            prefixes = kept;
        }
        Ok(prefixes)
    }

    /// Changes one index at a time as long as that raises the score.
    fn climb(&self, end: &mut Extreme<T>, score: impl Fn(T) -> T) -> Result<()> {
        loop {
            let before = end.value;
            for k in 0..self.order() {
                let mut index = end.index.clone();
                for i in 0..self.shape[k] {
                    index[k] = i;
                    let value = self.entry(&index)?;
                    if score(value) > score(end.value) {
                        (end.index[k], end.value) = (i, value);
                    }
                }
            }
            if end.value == before {
                return Ok(());
            }
        }
    }
}
