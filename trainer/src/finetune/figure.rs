//! The loss over the steps and the development metric over the epochs, drawn from the log.

use super::log::Row;
use crate::metrics::Metric;
use lowrank_experiments::plot::panel::{Curve, Panel};
use lowrank_experiments::plot::sheet::{KeyEntry, Sheet};
use lowrank_experiments::plot::style::{Marker, REFERENCE, Style, numbered};

/// Steps whose losses are averaged: at most so many points are drawn.
const POINTS: usize = 60;

/// The figure of a log; `caption` says what was run.
pub fn sheet(rows: &[Row], metric: Metric, title: &str, caption: &str) -> Sheet {
    let every = Style { colour: REFERENCE, marker: Marker::None, width: 0.7, dash: None };
    let mean = Style { marker: Marker::None, ..numbered(1) };
    let dev = numbered(0);
    let width = rows.len().div_ceil(POINTS).max(1);
    let steps = rows.iter().map(|row| (row.step as f64, row.loss)).collect();
    let means = rows.chunks(width).map(|rows| {
        let count = rows.len() as f64;
        let step = rows.iter().map(|row| row.step as f64).sum::<f64>() / count;
        (step, rows.iter().map(|row| row.loss).sum::<f64>() / count)
    });
    let (name, of): (_, fn(&Row) -> Option<f64>) = match metric {
        Metric::Accuracy => ("accuracy", |row| row.dev_accuracy),
        Metric::F1 => ("F1", |row| row.dev_f1),
        Metric::Matthews => ("Matthews' correlation", |row| row.dev_matthews),
    };
    let missed = |row: &Row| of(row).map(|found| (row.epoch as f64, 100.0 * (1.0 - found)));
    let missed: Vec<_> = rows.iter().filter_map(missed).collect();
    // From 0 on a linear axis: an epoch may miss nothing.
    let most = missed.iter().fold(1.0, |most: f64, (_, y)| most.max(*y));
    let curve = |points, style| Curve { points, range: Vec::new(), style, fitted: true };
    let missed = Curve { range: vec![(1.0, 0.0, most)], ..curve(missed, dev) };
    let last = rows.last().map_or((1, 1), |row| (row.step, row.epoch));
    Sheet {
        title: title.to_string(),
        panels: vec![
            Panel {
                title: "Loss".to_string(),
                x_label: "step".to_string(),
                x_ticks: ticks(last.0),
                y_label: "cross-entropy, nats a text".to_string(),
                curves: vec![curve(steps, every), curve(means.collect(), mean)],
                notes: Vec::new(),
                map: None,
            },
            Panel {
                title: "Development set".to_string(),
                x_label: "epoch".to_string(),
                x_ticks: ticks(last.1),
                y_label: format!("100 (1 - {name})"),
                curves: vec![missed],
                notes: Vec::new(),
                map: None,
            },
        ],
        key: vec![
            KeyEntry::line(every, "loss of each step"),
            KeyEntry::line(mean, format!("mean of {width} step{}", if width == 1 { "" } else { "s" })),
            KeyEntry::line(dev, format!("what {name} lacks on the development set, percent")),
        ],
        caption: caption.to_string(),
    }
}

/// Round numbers from 0 to the last one.
fn ticks(last: u64) -> Vec<f64> {
    let tens = (0..).map(|k| 10_u64.pow(k));
    let step = tens.flat_map(|ten| [ten, 2 * ten, 5 * ten]).find(|step| last / step <= 6).unwrap_or(1);
    (0..=last.div_ceil(step)).map(|k| (k * step) as f64).collect()
}
