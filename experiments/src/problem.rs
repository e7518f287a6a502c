//! The library's algorithms as solvers of trials.

use crate::grid::Trial;
use crate::table::Outcome;
use anyhow::Result;

/// Generates the matrix or tensor of a trial and approximates it.
pub fn solve(_trial: &Trial) -> Result<Outcome> {
    anyhow::bail!("not built yet")
}
