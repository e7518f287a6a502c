//! Configurations made of sweeps: lists of which all combinations are run.

use crate::cases::Case;
use crate::families::Family;
use crate::study::distinct;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::hash::Hash;

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweeps<S> {
    /// Number of repetitions; their seeds are 0, 1, ..., seeds - 1.
    pub seeds: u64,
    /// Timings of every trial; their median counts.
    pub timings: usize,
    /// The sweeps: all combinations of a sweep's lists are run.
    pub sweep: Vec<S>,
}

/// The lists of one sweep.
pub trait Lists {
    /// One combination.
    type Trial: Copy + Eq + Hash;
    /// The families, their sizes, and the products of stored weights.
    fn matrices(&self) -> (&[Family], &[usize], &[String]);
    /// Checks every value.
    fn check(&self) -> Result<()>;
    /// All combinations for one matrix or pair of them.
    fn trials(&self, case: Case) -> Vec<Self::Trial>;
}

impl<S: Lists> Sweeps<S> {
    /// Checks every value, and that no trial occurs twice.
    pub fn check(&self) -> Result<()> {
        if self.seeds == 0 || self.timings == 0 || self.sweep.is_empty() {
            bail!("`seeds`, `timings` and the number of [[sweep]] tables are at least 1");
        }
        for (i, sweep) in self.sweep.iter().enumerate() {
            sweep.check().with_context(|| format!("[[sweep]] {}", i + 1))?;
        }
        distinct("sweep", &self.trials()).context("two sweeps have a trial in common")
    }

    /// All trials, in the order of the table.
    pub fn trials(&self) -> Vec<S::Trial> {
        let of = |sweep: &S| {
            let (families, sizes, weights) = sweep.matrices();
            let cases = Case::all(families, sizes, weights, self.seeds);
            cases.into_iter().flat_map(|case| sweep.trials(case)).collect::<Vec<_>>()
        };
        self.sweep.iter().flat_map(of).collect()
    }
}
