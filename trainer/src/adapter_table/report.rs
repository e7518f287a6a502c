//! What the trials of `exp_adapter_table` say: a table in the manner of Table 1 of Li and Sarwate (LSR-Adapt), theirs
//! beside, verdicts on their claim at equal budgets, and the figure.

use super::places::short;
use super::{AdapterTable, Row};
use crate::compare::{self, Line, Mean, Scores, Tried, nearest_lora};
use crate::form::{Family, Form, families};
use crate::report::marks;
use anyhow::{Context, Result};
use lowrank_experiments::measure::median;
use lowrank_experiments::plot::panel::{Curve, Panel};
use lowrank_experiments::plot::sheet::{KeyEntry, Sheet};
use lowrank_experiments::plot::style::Marker;
use lowrank_experiments::study::Study;
use std::collections::BTreeSet;

/// The tasks of Table 1.
pub const PUBLISHED_TASKS: [&str; 8] = ["MRPC", "SST-2", "CoLA", "RTE", "CB", "COPA", "WSC", "BoolQ"];

/// Table 1, in percent: RoBERTa, whole training sets.
pub const PUBLISHED: [(&str, [f64; 8]); 4] = [
    ("LoRA r = 8", [74.51, 94.43, 83.32, 68.23, 76.79, 57.39, 63.46, 75.41]),
    ("KronA", [76.57, 94.12, 82.59, 67.92, 79.23, 56.48, 63.46, 74.97]),
    ("KAdaptation", [77.68, 93.81, 83.16, 68.73, 78.63, 57.94, 63.46, 75.22]),
    ("LSR r = 2 x 2, s = 16", [80.88, 94.27, 83.41, 68.95, 82.14, 60.32, 63.46, 75.72]),
];

/// The encoder of the quick preset.
const RANDOM: &str = "trainer/tests/checkpoints/bert";

/// What is to be known of an encoder.
fn warning(model: &str) -> &'static str {
    match model {
        RANDOM => {
            " This encoder has random weights and the texts are rows of letters: it shows that the program runs, and \
             nothing of the methods."
        }
        _ => "",
    }
}

fn lines(rows: &[Row]) -> Result<Vec<Line<'_, Row>>> {
    compare::lines(rows, |r| Tried {
        task: short(&r.task),
        form: r.method,
        rate: r.rate,
        seed: r.seed,
        trained: r.adapter,
        dev: r.dev,
        test: r.test,
    })
}

/// The tasks in the order of the table.
fn tasks(lines: &[Line<Row>]) -> Vec<String> {
    let mut out: Vec<String> = lines.iter().map(|l| l.task.clone()).collect();
    out.dedup();
    out
}

/// The lines of methods averaged over the tasks, of those seeds and methods that have all of them.
fn averages<'a>(lines: &[Line<'a, Row>], tasks: &[String]) -> Vec<Line<'a, Row>> {
    let forms: BTreeSet<Form> = lines.iter().map(|l| l.form).collect();
    let average = |form| {
        let own: Vec<&Line<Row>> = lines.iter().filter(|l| l.form == form).collect();
        let first: &Line<'a, Row> = own.first().filter(|_| own.len() == tasks.len())?;
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
    let lines = lines(rows)?;
    let tasks = tasks(&lines);
    let averages = if tasks.len() > 1 { averages(&lines, &tasks) } else { Vec::new() };
    let first = rows.iter().find(|r| r.dev.is_finite()).context("no trial gave an answer")?;
    let warning = warning(&first.model).trim_start();
    let mut out = if warning.is_empty() { String::new() } else { format!("\n{warning}\n") };
    out += &format!("\n{:<25}{:>10}{:>6}{:>10}", "method", "trained", "head", "s/step");
    for task in &tasks {
        out += &format!("{task:>16}{:>10}", "rate");
    }
    out += if averages.is_empty() { "\n" } else { "         average\n" };
    let forms: BTreeSet<Form> = lines.iter().map(|l| l.form).collect();
    for &form in &forms {
        let own: Vec<&Line<Row>> = lines.iter().filter(|l| l.form == form).collect();
        let seconds = median(own.iter().flat_map(|l| &l.rows).map(|r| r.step_seconds).collect());
        out += &format!("{form:<25}{:>10}{:>6}{seconds:>10.4}", own[0].trained, own[0].rows[0].head);
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
        "\n{}, 100 times the metric on test, mean ± standard error over {seeds} seed{} of head, adapter and order (what has \
         no ± is of one); the head is trained too.\nLearning rate and epoch are those best on dev; * marks the first or last of the rates \
         tried. Seconds of a step of 32 texts on {} thread{}.\n",
        short(&first.model),
        if seeds == 1 { "" } else { "s" },
        first.threads,
        if first.threads == 1 { "" } else { "s" },
    );
    for task in &tasks {
        let own = rows.iter().filter(|r| short(&r.task) == *task && r.dev.is_finite());
        let Some(best) = own.max_by(|a, b| a.dev.total_cmp(&b.dev)) else { continue };
        let p = lines.iter().filter(|l| l.task == *task).map(|l| l.mean.mean).fold(0.0, f64::max);
        out += &format!(
            "{task}: {}, at most {} texts to train on, {} epochs",
            best.metric, best.train, best.epochs
        );
        out += &match best.metric.as_str() {
            "accuracy" => {
                let chance = 100.0 * (p * (1.0 - p) / best.tested as f64).sqrt();
                format!("; that test is {} texts and no others is worth another ± {chance:.1}\n", best.tested)
            }
            _ => {
                let (tested, accuracy) = (best.tested, 100.0 * best.accuracy);
                format!(
                    "; {tested} tested; the training best on dev ({}) has accuracy {accuracy:.1}\n",
                    best.method
                )
            }
        };
    }
    out += &published();
    out += "\nThe claim: nearly LoRA r = 8, or better, from about a quarter of its trained numbers.\n";
    for task in tasks.into_iter().chain(["average".to_string()]) {
        let own: Vec<&Line<Row>> = lines.iter().chain(&averages).filter(|l| l.task == task).collect();
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
fn verdicts(own: &[&Line<Row>]) -> String {
    let loras = || own.iter().filter(|l| matches!(l.form, Form::Lora(_)));
    let Some(large) = loras().max_by_key(|l| l.trained) else { return String::new() };
    let head = own.iter().find(|l| l.form == Form::Head);
    let mut out = String::new();
    let mut equals: BTreeSet<Form> = BTreeSet::new();
    for lsr in own.iter().filter(|l| matches!(l.form, Form::Lsr(_))) {
        out += &lsr.beside(large);
        if let Some(equal) = nearest_lora(own, lsr).filter(|equal| equal.form != large.form) {
            out += &lsr.beside(equal);
            equals.insert(equal.form);
        }
    }
    equals.iter().for_each(|form| out.extend(loras().filter(|l| l.form == *form).map(|l| l.beside(large))));
    if let Some(head) = head.filter(|_| !out.is_empty()) {
        let gains = own.iter().filter(|l| matches!(l.form, Form::Lsr(_) | Form::Lora(_)));
        let gain = |l: &&Line<Row>| format!("{} {:+.1}", l.form, 100.0 * (l.mean.mean - head.mean.mean));
        let gains: Vec<String> = gains.map(gain).collect();
        out += &format!("{}: beside the head alone: {}\n", head.task, gains.join(", "));
    }
    out
}

/// What is wrong against trained numbers, a panel a task.
///
/// # Errors
/// Where no trial gave an answer.
pub(super) fn sheet(study: AdapterTable, rows: &[Row]) -> Result<Sheet> {
    let lines = lines(rows)?;
    let mut families = families(lines.iter().map(|l| l.form));
    for full in families.iter_mut().filter(|family| family.forms == [Form::Full]) {
        full.name += " (level)";
        full.style.marker = Marker::None;
    }
    let place = |l: &Line<Row>| (l.trained + l.rows[0].head) as f64;
    let numbers: Vec<f64> = lines.iter().filter(|l| l.form != Form::Full).map(place).collect();
    let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let most = numbers.iter().copied().fold(0.0, f64::max);
    let panel = |task: String| {
        let any = lines.iter().find(|l| l.task == task).map_or(&rows[0], |l| l.rows[0]);
        let mut curves = Vec::new();
        for &Family { style, ref forms, .. } in &families {
            let own = lines.iter().filter(|l| l.task == task && forms.contains(&l.form));
            let places: Vec<(f64, Mean)> = own.map(|l| (place(l), l.mean)).collect();
            if forms[..] == [Form::Full] {
                let level = places.first().map(|(_, mean)| 100.0 * (1.0 - mean.mean));
                let points = level.iter().flat_map(|level| [(least, *level), (most, *level)]).collect();
                curves.push(Curve { points, range: Vec::new(), style, fitted: true });
            } else {
                curves.extend(marks(&places, style));
            }
        }
        Panel {
            notes: Vec::new(),
            x_label: "trained parameters, the head's included".to_string(),
            x_ticks: ticks(least, most),
            y_label: format!("100 (1 - {}) on test", any.metric),
            title: format!("{task}: at most {} texts, {} epochs", any.train, any.epochs),
            map: None,
            curves,
        }
    };
    let key = families.iter().map(|family| KeyEntry::line(family.style, family.name.clone()));
    let trials = rows.iter().map(|row| study.trial(row)).collect::<Result<Vec<_>>>()?;
    let (first, seeds) = (&rows[0], lines.iter().map(|l| l.tests.len()).max().unwrap_or(0));
    Ok(Sheet {
        title: format!("Adapters beside the encoder {}", short(&first.model)),
        panels: tasks(&lines).into_iter().map(panel).collect(),
        key: key.collect(),
        caption: format!(
            "Each method beside query and value of some blocks, with the head, in batches of 32. Marks: means over {seeds} seed{}; whiskers: one standard error (none: one seed). Learning rate and epoch are those best \
             on dev, test is reported. 32-bit floating point.{}\nMade by: {}",
            if seeds == 1 { "" } else { "s" },
            warning(&first.model),
            study.command(&trials)
        ),
    })
}

/// Round numbers between two.
fn ticks(least: f64, most: f64) -> Vec<f64> {
    let all = (0..8).flat_map(|k| [1.0, 2.0, 5.0].map(|x| x * 10_f64.powi(k)));
    all.filter(|x| *x >= 0.9 * least && *x <= 1.1 * most).collect()
}
