//! From the rows of a table to curves: medians and ranges over the seeds.

use crate::figure::Row;
use crate::grid::{Axis, Figure, Function, MethodName, Sampling, Trial};
use crate::measure::median;
use crate::table::Record;
use anyhow::Result;
use std::collections::BTreeMap;

/// Median and range over the seeds at one place of the axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The place.
    pub x: f64,
    /// Median.
    pub median: f64,
    /// Smallest value.
    pub low: f64,
    /// Largest value.
    pub high: f64,
}

/// The curves of one panel.
#[derive(Debug, Clone)]
pub struct Series {
    /// The generating function.
    pub function: Function,
    /// How the points are drawn.
    pub sampling: Sampling,
    /// Each method's errors.
    pub methods: Vec<(MethodName, Vec<Point>)>,
    /// The lower bounds: for each seed the largest that any method reported.
    pub lower_bound: Vec<Point>,
    /// A trial of the panel, for the quantities that do not vary.
    pub example: Trial,
}

impl Series {
    /// The medians of a method, as (x, error).
    pub fn medians(&self, method: MethodName) -> Option<Vec<(f64, f64)>> {
        let (_, points) = self.methods.iter().find(|(m, _)| *m == method)?;
        Some(points.iter().map(|p| (p.x, p.median)).collect())
    }
}

type Entry<'a> = (Trial, &'a Row);

/// The panels of a figure, in the order of the rows.
pub fn series(figure: Figure, rows: &[Row]) -> Result<Vec<Series>> {
    let axis = figure.axis();
    let mut panels: Vec<(Function, Sampling, Vec<Entry>)> = Vec::new();
    for row in rows.iter().filter(|row| !row.failed()) {
        let entry = (row.trial()?, row);
        match panels.iter_mut().find(|p| p.0 == row.function && p.1 == row.sampling) {
            Some(panel) => panel.2.push(entry),
            None => panels.push((row.function, row.sampling, vec![entry])),
        }
    }
    Ok(panels
        .into_iter()
        .map(|(function, sampling, entries)| Series {
            function,
            sampling,
            methods: methods(axis, &entries),
            lower_bound: lower_bound(axis, &entries),
            example: entries[0].0,
        })
        .collect())
}

fn methods(axis: Axis, entries: &[Entry]) -> Vec<(MethodName, Vec<Point>)> {
    let curve = |method| {
        let own = entries.iter().filter(|e| e.0.method == method);
        points(own.map(|(trial, row)| (axis.value(trial) as f64, row.error)))
    };
    let curves = MethodName::ALL.into_iter().map(|m| (m, curve(m)));
    curves.filter(|(_, points)| !points.is_empty()).collect()
}

fn lower_bound(axis: Axis, entries: &[Entry]) -> Vec<Point> {
    let mut best: BTreeMap<(usize, u64), f64> = BTreeMap::new();
    for (trial, row) in entries {
        let bound = best.entry((axis.value(trial), trial.seed)).or_insert(0.0);
        *bound = bound.max(row.lower_bound);
    }
    let points = points(best.into_iter().map(|((x, _), bound)| (x as f64, bound)));
    points.into_iter().filter(|p| p.median > 0.0).collect()
}

/// Medians and ranges of the values at each x, for increasing x.
pub fn points(values: impl IntoIterator<Item = (f64, f64)>) -> Vec<Point> {
    let mut values: Vec<(f64, f64)> = values.into_iter().collect();
    values.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let point = |same: &[(f64, f64)]| {
        let median = median(same.iter().map(|p| p.1).collect());
        Point { x: same[0].0, median, low: same[0].1, high: same[same.len() - 1].1 }
    };
    values.chunk_by(|a, b| a.0 == b.0).map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::points;

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(points([(1.0, 3.0), (1.0, 1.0), (1.0, 2.0)])[0].median, 2.0);
        let two = points([(2.0, 4.0), (1.0, 7.0), (2.0, 1.0), (2.0, 2.0), (2.0, 3.0)]);
        assert_eq!((two.len(), two[0].median, two[1].x, two[1].median), (2, 7.0, 2.0, 2.5));
        assert_eq!((two[1].low, two[1].high), (1.0, 4.0));
    }
}
