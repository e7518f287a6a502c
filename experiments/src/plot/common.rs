//! What the figures of the products and decompositions share: their places, keys and captions.

use crate::families::{Family, describe};
use crate::study::Study;
use crate::table::Record;
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

/// The rows of the largest size and of weights; and, as a sentence after a space, that others are
/// left out.
pub fn largest<R>(rows: Vec<&R>, of: impl Fn(&R) -> (Family, usize)) -> (Vec<&R>, String) {
    let trained = |r: &R| of(r).0 == Family::Weights;
    let largest = rows.iter().filter(|r| !trained(r)).map(|r| of(r).1).max().unwrap_or(0);
    let all = rows.len();
    let kept: Vec<&R> = rows.into_iter().filter(|r| trained(r) || of(r).1 == largest).collect();
    let note = if kept.len() < all {
        format!(" Of several sizes the largest is drawn, n = {largest}; the table has them all.")
    } else {
        String::new()
    };
    (kept, note)
}

/// The title of a family's panel, from the weights and sizes of its rows.
pub fn title<'a>(family: Family, own: impl Iterator<Item = (&'a String, usize)>) -> String {
    let (weights, sizes): (BTreeSet<&String>, BTreeSet<usize>) = own.unzip();
    let together =
        if weights.len() > 1 { format!(", {} of them together", weights.len()) } else { String::new() };
    format!("{}, n = {}{together}", family.text(), list(&Vec::from_iter(sizes)))
}

/// Where the randomized SVD of (columns of the sketch, smallest size) is a dense one, as a sentence
/// after a space; empty where it nowhere is.
pub fn dense_instead(mut widths: impl Iterator<Item = (usize, usize)>) -> &'static str {
    match widths.any(|(width, n)| 4 * width >= 3 * n) {
        true => {
            " Where the columns of the sketch reach 3/4 of the size, the randomized SVD is the truncated dense one."
        }
        false => "",
    }
}

/// Numbers as ticks.
pub fn ticks(numbers: &[usize]) -> Vec<f64> {
    numbers.iter().map(|x| *x as f64).collect()
}

/// Numbers as a list.
pub fn list(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

/// A caption: what was measured, the families, the statistics, and the command that made it all;
/// `pooled` where a curve shows several families.
pub fn caption<S: Study>(
    study: S,
    what: &str,
    shown: &[Family],
    pooled: bool,
    threads: &[usize],
    rows: &[S::Row],
) -> Result<String> {
    let trials = rows.iter().map(|row| study.trial(row)).collect::<Result<Vec<_>>>()?;
    let seeds = trials.iter().map(|t| study.seed(t)).collect::<BTreeSet<u64>>().len();
    let failed = rows.iter().filter(|row| row.failed()).count();
    let mut parts = vec![what.to_string(), describe(shown)];
    parts.push(format!(
        "Lines: medians {} {seeds} seed{}; shaded: smallest to largest. 64-bit floating point, {} thread{}.",
        if pooled { "over all families of a panel and" } else { "of" },
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
