//! What the trials of `train_adapter` say: for each method its best learning rate, mean and standard error, the
//! time of a step, a verdict, and the figure.

use crate::compare::{Mean, Scores, best_rate, verdict};
use crate::digits::Task;
use crate::optimizer::AdamW;
use crate::study::{Row, TrainAdapter, Tuning, base, data};
use crate::training::{Settings, Trainer};
use anyhow::{Context, Result, bail};
use lowrank_experiments::plot::panel::{Curve, Panel};
use lowrank_experiments::plot::sheet::{KeyEntry, Sheet};
use lowrank_experiments::plot::style::{INK, MUTED, Marker, REFERENCE, Style, numbered};
use lowrank_experiments::study::Study;
use std::collections::BTreeSet;
use std::time::Instant;

/// A method on a task at the learning rate that is best on the development set.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The task.
    pub task: Task,
    /// The method.
    pub method: Tuning,
    /// The rate, times 10^-4.
    pub rate: u32,
    /// Whether it is the first or last of those tried: others may be better.
    pub edge: bool,
    /// Trained numbers, with those of the head.
    pub parameters: usize,
    /// Accuracy on the test set.
    pub mean: Mean,
    /// The same by seed.
    pub tests: Scores,
}

/// The lines of all methods, task by task, in the order of [`Tuning::ALL`].
pub fn lines(rows: &[Row]) -> Vec<Line> {
    let tasks: BTreeSet<Task> = rows.iter().map(|r| r.task).collect();
    let all = tasks.into_iter().flat_map(|task| Tuning::ALL.iter().map(move |method| (task, *method)));
    all.filter_map(|(task, method)| line(task, method, rows)).collect()
}

fn line(task: Task, method: Tuning, rows: &[Row]) -> Option<Line> {
    let own: Vec<&Row> = rows.iter().filter(|r| (r.task, r.method) == (task, method)).collect();
    let (rate, edge) = best_rate(own.iter().map(|r| (r.rate, r.dev)))?;
    let at = || own.iter().filter(|r| r.rate == rate);
    let tests: Scores = at().map(|r| (r.seed, r.test)).collect();
    let mean = Mean::of(tests.values().copied());
    Some(Line { task, method, rate, edge, parameters: at().next()?.parameters, mean, tests })
}

/// Milliseconds of a training step of a method (32 samples), the median of many.
fn milliseconds(method: Tuning) -> Result<f64> {
    let data = data(Task::Rotated)?;
    let network = method.prepare(&base(1, 0)?.network, 0)?;
    // A rate so small that nothing can go wrong however long it is timed.
    let optimizer = AdamW { rate: 1e-6, ..Default::default() };
    let mut trainer = Trainer::new(network, Settings { optimizer, ..Default::default() })?;
    let batch: Vec<usize> = (0..trainer.settings.batch).collect();
    let mut times = Vec::new();
    for _ in 0..101 {
        let start = Instant::now();
        trainer.step(&data.train, &batch)?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(1e3 * times[times.len() / 2])
}

/// The table and the verdict, as text.
///
/// # Errors
/// Where a step cannot be timed, or no trial gave an answer.
pub fn text(rows: &[Row]) -> Result<String> {
    let lines = lines(rows);
    let Some(any) = rows.iter().find(|r| r.dev.is_finite()) else { bail!("no trial gave an answer") };
    let tasks: BTreeSet<Task> = lines.iter().map(|l| l.task).collect();
    let mean = |task: Task, f: fn(&Row) -> f64| {
        100.0 * Mean::of(rows.iter().filter(|r| r.task == task && r.dev.is_finite()).map(f)).mean
    };
    let mut out = format!("\n{:<26}{:>10}{:>10}", "method", "trained", "ms/step");
    for task in &tasks {
        out += &format!("{:>15}{:>9}", task.name(), "rate");
    }
    out += "\n";
    let methods: Vec<Tuning> =
        Tuning::ALL.iter().copied().filter(|m| lines.iter().any(|l| l.method == *m)).collect();
    for &method in &methods {
        let own: Vec<&Line> = lines.iter().filter(|l| l.method == method).collect();
        out += &format!("{:<26}{:>10}{:>10.3}", method.text(), own[0].parameters, milliseconds(method)?);
        for task in &tasks {
            match own.iter().find(|l| l.task == *task) {
                Some(l) => {
                    let rate = format!("{}{}", f64::from(l.rate) / 1e4, if l.edge { "*" } else { "" });
                    out += &format!("{:>15}{rate:>9}", l.mean.to_string());
                }
                None => out += &format!("{:>15}{:>9}", "failed", ""),
            }
        }
        out += "\n";
    }
    let seeds = lines.iter().map(|l| l.tests.len()).max().unwrap_or(0);
    out += &format!(
        "\nTest accuracy in percent, mean ± standard error over {seeds} seed{}; trained numbers with the head's; \
         steps of 32 samples, timed now on this machine.\nThe learning rate and the epoch are those best on the \
         development set; * marks the first or last rate tried.\nThe network before: upright {:.1}",
        if seeds == 1 { "" } else { "s" },
        mean(any.task, |r| r.upright)
    );
    for &task in &tasks {
        out += &format!(", {} {:.1}", task.name(), mean(task, |r| r.before));
    }
    out += ".\n\n";
    for &task in &tasks {
        out += &verdicts(task, &lines);
    }
    out += "Each comparison by itself is wrong in one of twenty cases where there is no difference.\n";
    Ok(out)
}

/// LSR beside the LoRA of (nearly) its own number of parameters, and what failed to train.
fn verdicts(task: Task, lines: &[Line]) -> String {
    let find = |method: Tuning| lines.iter().find(|l| l.task == task && l.method == method);
    let mut out = String::new();
    for (ours, lora) in
        [(Tuning::Lsr2, Tuning::Lora1), (Tuning::Lsr5, Tuning::Lora2), (Tuning::Lsr10, Tuning::Lora4)]
    {
        let (Some(a), Some(b)) = (find(ours), find(lora)) else { continue };
        let word = verdict("LSR", &a.tests, &b.tests);
        out += &format!(
            "{}: {} ({}, {} numbers) beside {} ({}, {} numbers): {word}\n",
            task.name(),
            ours.text(),
            a.mean,
            a.parameters,
            lora.text(),
            b.mean,
            b.parameters
        );
    }
    for line in lines.iter().filter(|l| l.task == task) {
        let fallen = line.tests.values().filter(|x| **x < 0.5).count();
        if fallen > 0 {
            let (of, name) = (line.tests.len(), line.method.text());
            out += &format!("{}: {name} failed to train in {fallen} of {of} seeds\n", task.name());
        }
    }
    out
}

/// Methods joined by a line, with their looks.
fn families() -> Vec<(&'static str, Vec<Tuning>, Style)> {
    use Tuning::*;
    let plain = |colour, marker| Style { colour, marker, width: 1.6, dash: None };
    vec![
        ("LoRA, r = 1, 2, 4, 8", vec![Lora1, Lora2, Lora4, Lora8], numbered(1)),
        ("LSR, s = 2, 5, 10, r = 2 x 2", vec![Lsr2, Lsr5, Lsr10], numbered(0)),
        ("DoRA, r = 2", vec![Dora2], numbered(2)),
        ("KronA", vec![KronA], numbered(3)),
        ("KAdaptation, t = 4, r = 2", vec![KAdaptation], numbered(4)),
        ("LoKr, r = 2", vec![LoKr], numbered(5)),
        ("SVD-LoRA, r = 48, r' = 4", vec![SvdLora], plain(INK, Marker::Triangle)),
        ("head only", vec![Head], plain(REFERENCE, Marker::Square)),
        ("all weights", vec![Full], plain(MUTED, Marker::Disc)),
    ]
}

/// Errors in percent against trained numbers, from (numbers, accuracy): marks joined by a line, with whiskers of
/// one standard error.
pub fn marks(points: &[(f64, Mean)], style: Style) -> Vec<Curve> {
    let error = |(x, accuracy): &(f64, Mean)| (*x, 100.0 * (1.0 - accuracy.mean));
    let curve = |points, style| Curve { points, range: Vec::new(), style, fitted: true };
    let mut out = vec![curve(points.iter().map(error).collect(), style)];
    for point in points.iter().filter(|(_, accuracy)| accuracy.error > 0.0) {
        let ((x, y), reach) = (error(point), 100.0 * point.1.error);
        // A whisker must not reach an error of zero, which has no place.
        let ends = [(x, (y - reach).max(0.2 * y)), (x, y + reach)];
        out.push(curve(ends.to_vec(), Style { marker: Marker::None, width: 1.0, ..style }));
    }
    out
}

/// Error against trained numbers, a panel a task.
///
/// # Errors
/// Where no trial gave an answer.
pub fn sheet(study: TrainAdapter, rows: &[Row]) -> Result<Sheet> {
    let lines = lines(rows);
    let first = lines.first().context("no trial gave an answer: there is nothing to draw")?;
    let panel = |task: Task| {
        let mut curves = Vec::new();
        for (_, methods, style) in families() {
            let own: Vec<&Line> =
                lines.iter().filter(|l| l.task == task && methods.contains(&l.method)).collect();
            let place = |l: &&Line| (l.parameters as f64, l.mean);
            curves.extend(marks(&own.iter().map(place).collect::<Vec<_>>(), style));
        }
        Panel {
            map: None,
            title: format!("{} digits", task.name()),
            notes: Vec::new(),
            x_label: "trained parameters, the head's included".to_string(),
            x_ticks: vec![1300.0, 2000.0, 5000.0, 10000.0, 25000.0],
            y_label: "test error, %".to_string(),
            curves,
        }
    };
    let shown = |methods: &[Tuning]| lines.iter().any(|l| methods.contains(&l.method));
    let key = families().into_iter().filter(|(_, methods, _)| shown(methods));
    let tasks: BTreeSet<Task> = lines.iter().map(|l| l.task).collect();
    let trials = rows.iter().map(|row| study.trial(row)).collect::<Result<Vec<_>>>()?;
    Ok(Sheet {
        title: "Adapting a small network to other digits".to_string(),
        panels: tasks.into_iter().map(panel).collect(),
        key: key.map(|(text, _, style)| KeyEntry::line(style, text)).collect(),
        caption: format!(
            "A network 64-128-128-10 trained on upright handwritten digits (8 x 8 pixels), then adapted; beside each \
             adapter the last layer is trained. Marks: means over {} seed{}; whiskers: one standard error. Learning \
             rate and epoch are those best on 359 other images; tested on 360. 32-bit floating point.\nMade by: {}",
            first.tests.len(),
            if first.tests.len() == 1 { "" } else { "s" },
            study.command(&trials)
        ),
    })
}
