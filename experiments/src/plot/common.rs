//! What the figures of the products and decompositions share: their places, keys and captions.

use crate::families::{Family, describe};
use crate::study::{Record, Study};
use anyhow::{Result, bail};
use std::collections::BTreeSet;

/// The distinct values, increasing.
pub fn values<R, T: Ord>(rows: &[&R], value: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(|row| value(row)).collect::<BTreeSet<T>>().into_iter().collect()
}

/// The rows with an answer; an error where there is none.
pub fn answered<R: Record>(rows: &[R]) -> Result<Vec<&R>> {
    let kept: Vec<&R> = rows.iter().filter(|row| !row.failed()).collect();
    if kept.is_empty() {
        bail!("no trial gave an answer: there is nothing to draw");
    }
    Ok(kept)
}

/// The families among these, in the order of [`Family::ALL`].
pub fn families(present: impl Iterator<Item = Family>) -> Vec<Family> {
    let present: Vec<Family> = present.collect();
    Family::ALL.into_iter().filter(|f| present.contains(f)).collect()
}

/// The rows of the largest size and of weights, and that size (that of the weights where there is no other).
pub fn largest<R>(rows: Vec<&R>, family: impl Fn(&R) -> Family, n: impl Fn(&R) -> usize) -> (Vec<&R>, usize) {
    let drawn = rows.iter().filter(|r| family(r) != Family::Weights).map(|r| n(r)).max();
    let largest = drawn.or(rows.iter().map(|r| n(r)).max()).unwrap_or(0);
    let kept = rows.into_iter().filter(|r| n(r) == largest || family(r) == Family::Weights);
    (kept.collect(), largest)
}

/// Numbers as ticks.
pub fn ticks(numbers: &[usize]) -> Vec<f64> {
    numbers.iter().map(|x| *x as f64).collect()
}

/// Numbers as a list.
pub fn list(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

/// A caption: what was measured, the families, the statistics, and the command that made it all.
pub fn caption<S: Study>(
    study: S,
    what: &str,
    shown: &[Family],
    threads: &[usize],
    rows: &[S::Row],
) -> Result<String> {
    let trials = rows.iter().map(|row| study.trial(row)).collect::<Result<Vec<_>>>()?;
    let seeds = trials.iter().map(|t| study.seed(t)).collect::<BTreeSet<u64>>().len();
    let failed = rows.iter().filter(|row| row.failed()).count();
    let mut parts = vec![what.to_string(), describe(shown)];
    parts.push(format!(
        "Lines: medians of {seeds} seed{}; shaded: smallest to largest. 64-bit floating point, {} thread{}.",
        if seeds == 1 { "" } else { "s" },
        list(threads),
        if threads == [1] { "" } else { "s" }
    ));
    if failed > 0 {
        parts.push(format!("{failed} trials failed and are left out."));
    }
    parts.retain(|part| !part.is_empty());
    let option = if let [threads] = threads { format!(" --threads {threads}") } else { String::new() };
    Ok(format!("{}\nMade by: {}{option}", parts.join(" "), study.command(&trials)))
}
