//! What the trials of `train_adapter` say: for each method its best learning rate, mean and standard error, the
//! time of a step, a verdict, and the figure.

use crate::digits::Task;
use crate::optimizer::AdamW;
use crate::study::{Row, TrainAdapter, Tuning, base, data};
use crate::training::{Settings, Trainer};
use anyhow::{Context, Result, bail};
use lowrank_experiments::plot::panel::{Curve, Panel};
use lowrank_experiments::plot::sheet::{KeyEntry, Sheet};
use lowrank_experiments::plot::style::{INK, MUTED, Marker, REFERENCE, Style, numbered};
use lowrank_experiments::study::Study;
use std::collections::{BTreeMap, BTreeSet};
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
    /// Mean accuracy on the test set.
    pub mean: f64,
    /// Its standard error over the seeds; NaN for one seed.
    pub error: f64,
    /// Accuracy on the test set by seed.
    pub tests: BTreeMap<u64, f64>,
}

/// The lines of all methods, task by task, in the order of [`Tuning::ALL`].
pub fn lines(rows: &[Row]) -> Vec<Line> {
    let tasks: BTreeSet<Task> = rows.iter().map(|r| r.task).collect();
    let all = tasks.into_iter().flat_map(|task| Tuning::ALL.iter().map(move |method| (task, *method)));
    all.filter_map(|(task, method)| line(task, method, rows)).collect()
}

fn line(task: Task, method: Tuning, rows: &[Row]) -> Option<Line> {
    let own: Vec<&Row> = rows.iter().filter(|r| (r.task, r.method) == (task, method)).collect();
    let rates: BTreeSet<u32> = own.iter().map(|r| r.rate).collect();
    let at = |rate: u32| own.iter().copied().filter(move |r| r.rate == rate && r.dev.is_finite());
    let of = |rate: u32, f: fn(&Row) -> f64| Mean::of(at(rate).map(f));
    // The first of equal ones; a rate at which a seed gave no answer is none.
    let whole = |rate: &u32| own.iter().filter(|r| r.rate == *rate).all(|r| r.dev.is_finite());
    let rate = rates.iter().copied().filter(whole).fold(None, |best: Option<(u32, f64)>, rate| {
        let dev = of(rate, |r| r.dev).mean;
        if best.is_none_or(|(_, b)| dev > b) { Some((rate, dev)) } else { best }
    });
    let (rate, _) = rate?;
    let test = of(rate, |r| r.test);
    Some(Line {
        task,
        method,
        rate,
        edge: rates.first() == Some(&rate) || rates.last() == Some(&rate),
        parameters: at(rate).next()?.parameters,
        mean: test.mean,
        error: test.error,
        tests: at(rate).map(|r| (r.seed, r.test)).collect(),
    })
}

struct Mean {
    mean: f64,
    error: f64,
    count: usize,
}

impl Mean {
    /// The mean and its standard error.
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        Mean { mean, error: (squares / (n - 1.0) / n).sqrt(), count: values.len() }
    }
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
                    out += &format!("{:>15}{rate:>9}", accuracy(l));
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
        out += &verdict(task, &lines);
    }
    Ok(out)
}

fn accuracy(line: &Line) -> String {
    match line.error.is_finite() {
        true => format!("{:.1} ± {:.1}", 100.0 * line.mean, 100.0 * line.error),
        false => format!("{:.1}", 100.0 * line.mean),
    }
}

/// The 97.5 % quantile of Student's distribution with 1, 2, ... degrees of freedom; 2 beyond.
const STUDENT: [f64; 20] = [
    12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11,
    2.10, 2.09, 2.09,
];

/// LSR beside the LoRA of (nearly) its own number of parameters, seed by seed, since both adapt the same
/// network: better or worse only where zero lies outside of the 95 % interval of the mean difference.
fn verdict(task: Task, lines: &[Line]) -> String {
    let find = |method: Tuning| lines.iter().find(|l| l.task == task && l.method == method);
    let mut out = String::new();
    for (ours, lora) in
        [(Tuning::Lsr2, Tuning::Lora1), (Tuning::Lsr5, Tuning::Lora2), (Tuning::Lsr10, Tuning::Lora4)]
    {
        let (Some(a), Some(b)) = (find(ours), find(lora)) else { continue };
        let both = a.tests.iter().filter_map(|(seed, x)| Some(100.0 * (x - b.tests.get(seed)?)));
        let Mean { mean, error, count } = Mean::of(both);
        let reach = error * STUDENT.get(count.wrapping_sub(2)).copied().unwrap_or(2.0);
        let word = match mean {
            _ if !reach.is_finite() => "one seed cannot tell them apart".to_string(),
            d if d > reach => format!("LSR is better, by {d:.1} ± {error:.1}"),
            d if d < -reach => format!("LSR is worse, by {:.1} ± {error:.1}", -d),
            d => format!("no difference that {count} seeds show ({d:+.1} ± {error:.1})"),
        };
        out += &format!(
            "{}: {} ({}, {} numbers) beside {} ({}, {} numbers): {word}\n",
            task.name(),
            ours.text(),
            accuracy(a),
            a.parameters,
            lora.text(),
            accuracy(b),
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
            let place = |l: &&Line| (l.parameters as f64, 100.0 * (1.0 - l.mean));
            curves.push(Curve {
                points: own.iter().map(place).collect(),
                range: Vec::new(),
                style,
                fitted: true,
            });
            for l in own.iter().filter(|l| l.error > 0.0) {
                let (x, y) = place(l);
                // A whisker must not reach an error of zero, which has no place.
                let ends = [(y - 100.0 * l.error).max(0.2 * y), y + 100.0 * l.error];
                let points = ends.map(|end| (x, end)).to_vec();
                let style = Style { marker: Marker::None, width: 1.0, ..style };
                curves.push(Curve { points, range: Vec::new(), style, fitted: true });
            }
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
