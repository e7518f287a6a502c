//! From the rows of a table to curves: medians and ranges over the seeds.

use crate::grid::{Axis, Figure, Function, MethodName, Sampling, Trial};
use crate::table::{FAILED, Row};
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
    for row in rows.iter().filter(|row| row.status != FAILED) {
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
        let mut values: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for (trial, row) in entries.iter().filter(|e| e.0.method == method) {
            values.entry(axis.value(trial)).or_default().push(row.error);
        }
        values.into_iter().map(|(x, v)| point(x, v)).collect::<Vec<_>>()
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
    let mut values: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for ((x, _), bound) in best {
        values.entry(x).or_default().push(bound);
    }
    values.into_iter().map(|(x, v)| point(x, v)).filter(|p| p.median > 0.0).collect()
}

fn point(x: usize, mut values: Vec<f64>) -> Point {
    values.sort_by(f64::total_cmp);
    let k = values.len();
    let median = (values[(k - 1) / 2] + values[k / 2]) / 2.0;
    Point { x: x as f64, median, low: values[0], high: values[k - 1] }
}

#[cfg(test)]
mod tests {
    use super::point;

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(point(1, vec![3.0, 1.0, 2.0]).median, 2.0);
        assert_eq!(point(1, vec![4.0, 1.0, 2.0, 3.0]).median, 2.5);
    }
}
