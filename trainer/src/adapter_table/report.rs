//! What the trials of `exp_adapter_table` say: a table in the manner of Table 1 of Li and Sarwate (LSR-Adapt), theirs
//! beside, verdicts on their claim at equal budgets, and the figure.

use super::{AdapterTable, Form, Row, short};
use crate::compare::{Mean, Scores, best_rate, verdict};
use crate::report::marks;
use anyhow::{Context, Result, bail};
use lowrank_experiments::measure::median;
use lowrank_experiments::plot::panel::{Curve, Panel};
use lowrank_experiments::plot::sheet::{KeyEntry, Sheet};
use lowrank_experiments::plot::style::{INK, MUTED, Marker, REFERENCE, Style, numbered};
use lowrank_experiments::study::Study;
use std::collections::BTreeSet;

/// The tasks of Table 1.
pub const PUBLISHED_TASKS: [&str; 8] = ["MRPC", "SST-2", "CoLA", "RTE", "CB", "COPA", "WSC", "BoolQ"];

/// Table 1, in percent: RoBERTa, whole training sets.
pub const PUBLISHED: [(&str, [f64; 8]); 4] = [
    ("LoRA r = 8", [74.51, 94.43, 83.32, 68.23, 76.79, 57.39, 63.46, 75.41]),
    ("KronA", [76.57, 94.12, 82.59, 67.92, 79.23, 56.48, 63.46, 74.97]),
    ("KAdaptation", [77.68, 93.81, 83.16, 68.73, 78.63, 57.94, 63.46, 75.22]),
    ("LSR s = 16, r = 2 x 2", [80.88, 94.27, 83.41, 68.95, 82.14, 60.32, 63.46, 75.72]),
];

/// A method on a task at the learning rate that is best on dev.
#[derive(Debug, Clone)]
struct Line {
    task: String,
    form: Form,
    rate: u32,
    /// Whether it is the first or last of several tried: others may be better.
    edge: bool,
    adapter: usize,
    head: usize,
    seconds: f64,
    mean: Mean,
    tests: Scores,
}

fn lines(rows: &[Row]) -> Result<Vec<Line>> {
    let line = |task: &str, form| {
        let own = || rows.iter().filter(move |r| r.task == task && r.method == form);
        let rates: BTreeSet<u32> = own().map(|r| r.rate).collect();
        let (rate, edge) = best_rate(own().map(|r| (r.rate, r.dev)))?;
        let at = || own().filter(move |r| r.rate == rate);
        let first = at().next()?;
        Some(Line {
            task: task.to_string(),
            form,
            rate,
            edge: edge && rates.len() > 1,
            adapter: first.adapter,
            head: first.head,
            seconds: median(at().map(|r| r.step_seconds).collect()),
            mean: Mean::of(at().map(|r| r.test)),
            tests: at().map(|r| (r.seed, r.test)).collect(),
        })
    };
    let forms: BTreeSet<Form> = rows.iter().map(|r| r.method).collect();
    let each = |task| forms.iter().filter_map(move |form| line(task, *form)).collect::<Vec<_>>();
    let found: Vec<Line> = tasks(rows).into_iter().flat_map(each).collect();
    if found.is_empty() { bail!("no trial gave an answer: there is nothing to show") } else { Ok(found) }
}

/// The tasks in the order of the table.
fn tasks(rows: &[Row]) -> Vec<&str> {
    let mut out: Vec<&str> = Vec::new();
    rows.iter().for_each(|r| {
        if !out.contains(&r.task.as_str()) {
            out.push(&r.task)
        }
    });
    out
}

/// The lines of methods averaged over the tasks, of those seeds and methods that have all of them.
fn averages(lines: &[Line], tasks: &[&str]) -> Vec<Line> {
    let forms: BTreeSet<Form> = lines.iter().map(|l| l.form).collect();
    let average = |form| {
        let own: Vec<&Line> = lines.iter().filter(|l| l.form == form).collect();
        let first = *own.first().filter(|_| own.len() == tasks.len())?;
        let whole = |seed: &&u64| own.iter().all(|l| l.tests.contains_key(seed));
        let mean = |seed: &u64| (*seed, own.iter().map(|l| l.tests[seed]).sum::<f64>() / own.len() as f64);
        let tests: Scores = first.tests.keys().filter(whole).map(mean).collect();
        let mean = Mean::of(tests.values().copied());
        Some(Line { task: "average".to_string(), mean, tests, ..first.clone() })
    };
    forms.into_iter().filter_map(average).collect()
}

/// The tables and the verdicts, as text.
///
/// # Errors
/// Where no trial gave an answer.
pub fn text(rows: &[Row]) -> Result<String> {
    let (lines, tasks) = (lines(rows)?, tasks(rows));
    let averages = if tasks.len() > 1 { averages(&lines, &tasks) } else { Vec::new() };
    let first = rows.iter().find(|r| r.dev.is_finite()).context("no trial gave an answer")?;
    let mut out = format!("\n{:<25}{:>10}{:>6}{:>10}", "method", "trained", "head", "s/step");
    for task in &tasks {
        out += &format!("{:>16}{:>10}", short(task), "rate");
    }
    out += if averages.is_empty() { "\n" } else { "         average\n" };
    let forms: BTreeSet<Form> = lines.iter().map(|l| l.form).collect();
    for &form in &forms {
        let own: Vec<&Line> = lines.iter().filter(|l| l.form == form).collect();
        let seconds = median(own.iter().map(|l| l.seconds).collect());
        out += &format!("{form:<25}{:>10}{:>6}{seconds:>10.4}", own[0].adapter, own[0].head);
        for task in &tasks {
            out += &match own.iter().find(|l| l.task == *task) {
                Some(l) => {
                    let rate = format!("{}{}", f64::from(l.rate) / 1e5, if l.edge { "*" } else { "" });
                    format!("{:>16}{rate:>10}", l.mean.to_string())
                }
                None => format!("{:>16}{:>10}", "failed", ""),
            };
        }
        if let Some(l) = averages.iter().find(|l| l.form == form) {
            out += &format!("{:>16}", l.mean.to_string());
        }
        out += "\n";
    }
    let seeds = lines.iter().map(|l| l.tests.len()).max().unwrap_or(0);
    out += &format!(
        "\n{}, 100 times the metric on test, mean ± standard error over {seeds} seed{} of head, adapter and order; the \
         head is trained too.\nLearning rate and epoch are those best on dev; * marks the first or last of the rates \
         tried. Seconds of a step of 32 texts on {} thread{}.\n",
        short(&first.model),
        if seeds == 1 { "" } else { "s" },
        first.threads,
        if first.threads == 1 { "" } else { "s" },
    );
    for task in &tasks {
        let own = || rows.iter().filter(|r| r.task == *task && r.dev.is_finite());
        let Some(any) = own().next() else { continue };
        let p = lines.iter().filter(|l| l.task == *task).map(|l| l.mean.mean).fold(0.0, f64::max);
        out += &format!("{}: {}, {} texts to train on at most", short(task), any.metric, any.train);
        out += &match any.metric.as_str() {
            "accuracy" => {
                let chance = 100.0 * (p * (1.0 - p) / any.tested as f64).sqrt();
                format!("; that test is {} texts and no others is worth another ± {chance:.1}\n", any.tested)
            }
            _ => {
                let accuracy = own().map(|r| r.accuracy).fold(0.0, f64::max);
                format!("; {} tested, the best accuracy of all runs is {:.1}\n", any.tested, 100.0 * accuracy)
            }
        };
    }
    out += &published();
    out += "\nThe claim: nearly LoRA r = 8, or better, from about a quarter of its trained numbers.\n";
    for task in tasks.iter().map(|t| (*t).to_string()).chain(["average".to_string()]) {
        let own: Vec<&Line> = lines.iter().chain(&averages).filter(|l| l.task == task).collect();
        out += &verdicts(&own);
    }
    out += "Differences are taken seed by seed; each by itself is wrong in one of twenty cases where there is none.\n";
    Ok(out)
}

/// Table 1 with its averages.
fn published() -> String {
    let mut out =
        "\nTable 1 of Li, Sarwate (LSR-Adapt): RoBERTa, whole training sets, 20 or 50 epochs\n".to_string();
    out += &format!("{:<23}", "");
    out.extend(PUBLISHED_TASKS.iter().map(|task| format!("{task:>8}")));
    out += "   average\n";
    for (name, values) in &PUBLISHED {
        out += &format!("{name:<23}");
        out.extend(values.iter().map(|value| format!("{value:>8.2}")));
        out += &format!("{:>10.2}\n", values.iter().sum::<f64>() / 8.0);
    }
    out += "No errors are given there: by chance alone a result moves by ± 5 on CB and COPA (56 and 100 texts), ± 2 on \
            MRPC (408).\nKAdaptation's average is printed as 74.69. CoLA can only be accuracy. LoRA r = 2 is missing: in \
            a 768 x 768 layer it trains 3,072\nnumbers, LSR s = 16 3,584 and LoRA r = 8 12,288.\n";
    out
}

/// On one task: each LSR beside the LoRA of the largest rank, and both beside the LoRA with the number of parameters
/// nearest to LSR's.
fn verdicts(own: &[&Line]) -> String {
    let loras = || own.iter().filter(|l| matches!(l.form, Form::Lora(_)));
    let Some(large) = loras().max_by_key(|l| l.adapter) else { return String::new() };
    let head = own.iter().find(|l| l.form == Form::Head);
    let mut out = String::new();
    let beside = |a: &Line, b: &Line| {
        let share = 100.0 * a.adapter as f64 / b.adapter as f64;
        let word = verdict(&a.form.to_string(), &a.tests, &b.tests);
        format!(
            "{}: {} ({}) beside {} ({}), {share:.0} % of its numbers: {word}\n",
            short(&a.task),
            a.form,
            a.mean,
            b.form,
            b.mean
        )
    };
    let mut equals: BTreeSet<Form> = BTreeSet::new();
    for lsr in own.iter().filter(|l| matches!(l.form, Form::Lsr(_))) {
        out += &beside(lsr, large);
        let ratio = |l: &Line| (l.adapter as f64 / lsr.adapter as f64).ln().abs();
        let equal = loras().min_by(|a, b| ratio(a).total_cmp(&ratio(b)));
        if let Some(equal) = equal.filter(|equal| equal.form != large.form) {
            out += &beside(lsr, equal);
            equals.insert(equal.form);
        }
    }
    equals.iter().for_each(|form| out.extend(loras().filter(|l| l.form == *form).map(|l| beside(l, large))));
    if let Some(head) = head.filter(|_| !out.is_empty()) {
        let gains = own.iter().filter(|l| matches!(l.form, Form::Lsr(_) | Form::Lora(_)));
        let gain = |l: &&Line| format!("{} {:+.1}", l.form, 100.0 * (l.mean.mean - head.mean.mean));
        let gains: Vec<String> = gains.map(gain).collect();
        out += &format!("{}: beside the head alone: {}\n", short(&head.task), gains.join(", "));
    }
    out
}

/// The looks of a method; LoRAs and LSRs are joined by lines.
fn look(form: Form) -> (&'static str, Style) {
    let plain = |colour, marker| Style { colour, marker, width: 1.6, dash: None };
    match form {
        Form::Head => ("head only", plain(REFERENCE, Marker::Square)),
        Form::Lora(_) => ("LoRA", numbered(1)),
        Form::Lsr(_) => ("LSR, r = 2 x 2", numbered(0)),
        Form::KronA => ("KronA", numbered(3)),
        Form::KAdaptation => ("KAdaptation, t = 4, r = 2", numbered(4)),
        Form::LoKr => ("LoKr, r = 2", numbered(5)),
        Form::SvdLora => ("SVD-LoRA, r = half, r' = 8", plain(INK, Marker::Triangle)),
        Form::Full => ("all weights (level)", Style { marker: Marker::None, ..plain(MUTED, Marker::None) }),
    }
}

/// What is wrong against trained numbers, a panel a task.
///
/// # Errors
/// Where no trial gave an answer.
pub(super) fn sheet(study: AdapterTable, rows: &[Row]) -> Result<Sheet> {
    let lines = lines(rows)?;
    let mut families: Vec<(&str, Style, String)> = Vec::new();
    for form in lines.iter().map(|l| l.form).collect::<BTreeSet<_>>() {
        let ((name, style), number) = (
            look(form),
            match form {
                Form::Lora(n) | Form::Lsr(n) => n.to_string(),
                _ => String::new(),
            },
        );
        match families.iter_mut().find(|family| family.0 == name) {
            Some(family) => family.2 += &format!(", {number}"),
            None => families.push((name, style, number)),
        }
    }
    let numbers: Vec<f64> =
        lines.iter().filter(|l| l.form != Form::Full).map(|l| (l.adapter + l.head) as f64).collect();
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let most = numbers.iter().copied().fold(0.0, f64::max);
    let metric =
        |task: &str| rows.iter().find(|r| r.task == task && r.dev.is_finite()).map(|r| r.metric.clone());
    let panel = |task: &str| {
        let mut curves = Vec::new();
        for &(name, style, _) in &families {
            let own = lines.iter().filter(|l| l.task == task && look(l.form).0 == name);
            let places: Vec<(f64, Mean)> = own.map(|l| ((l.adapter + l.head) as f64, l.mean)).collect();
            if name == look(Form::Full).0 {
                let level = places.first().map(|(_, mean)| 100.0 * (1.0 - mean.mean));
                let points = level.iter().flat_map(|level| [(least, *level), (most, *level)]).collect();
                curves.push(Curve { points, range: Vec::new(), style, fitted: true });
            } else {
                curves.extend(marks(&places, style));
            }
        }
        Panel {
            title: short(task),
            notes: Vec::new(),
            x_label: "trained parameters, the head's included".to_string(),
            x_ticks: ticks(least, most),
            y_label: format!("100 (1 - {}) on test", metric(task).unwrap_or_default()),
            map: None,
            curves,
        }
    };
    let key = families.iter().map(|(name, style, numbers)| {
        let what = if name.starts_with("LoRA") { ", r = " } else { ", s = " };
        KeyEntry::line(
            *style,
            if numbers.is_empty() { (*name).to_string() } else { format!("{name}{what}{numbers}") },
        )
    });
    let trials = rows.iter().map(|row| study.trial(row)).collect::<Result<Vec<_>>>()?;
    let (first, seeds) = (&rows[0], lines.iter().map(|l| l.tests.len()).max().unwrap_or(0));
    let random = if first.model.ends_with("checkpoints/bert") {
        " This encoder has random weights and the texts are rows of letters: the figure shows that the program runs, \
         and nothing of the methods."
    } else {
        ""
    };
    Ok(Sheet {
        title: format!("Adapters beside the encoder {}", short(&first.model)),
        panels: tasks(rows).into_iter().map(panel).collect(),
        key: key.collect(),
        caption: format!(
            "Each method beside query and value of some blocks, with the head: at most {} texts, {} epochs, batches of \
             32. Marks: means over {seeds} seed{}; whiskers: one standard error. Learning rate and epoch are those best \
             on dev, test is reported. 32-bit floating point.{random}\nMade by: {}",
            first.train,
            first.epochs,
            if seeds == 1 { "" } else { "s" },
            study.command(&trials)
        ),
    })
}

/// Round numbers between two.
fn ticks(least: f64, most: f64) -> Vec<f64> {
    let all = (0..8).flat_map(|k| [1.0, 2.0, 5.0].map(|x| x * 10_f64.powi(k)));
    all.filter(|x| *x >= 0.9 * least && *x <= 1.1 * most).collect()
}
