//! What the trials of `train_adapter` say: for each method its best learning rate, mean and standard error, the
//! time of a step, a verdict, and the figure.

use crate::compare::{self, Line, Mean, Tried, nearest_lora};
use crate::digits::Task;
use crate::form::{Family, Form, families};
use crate::optimizer::AdamW;
use crate::study::{Row, TrainAdapter, base, data, prepare};
use crate::training::{Settings, Trainer};
use anyhow::{Result, bail};
use lowrank_experiments::plot::panel::{Curve, Panel};
use lowrank_experiments::plot::sheet::{KeyEntry, Sheet};
use lowrank_experiments::plot::style::{Marker, Style};
use lowrank_experiments::study::Study;
use std::collections::BTreeSet;
use std::time::Instant;

/// The lines of all methods, task by task.
///
/// # Errors
/// Where no trial gave an answer.
pub fn lines(rows: &[Row]) -> Result<Vec<Line<'_, Row>>> {
    compare::lines(rows, |r| Tried {
        task: r.task.name().to_string(),
        form: r.method,
        rate: r.rate,
        seed: r.seed,
        trained: r.parameters,
        dev: r.dev,
        test: r.test,
    })
}

/// Milliseconds of a training step of a method (32 samples), the median of many.
fn milliseconds(form: Form) -> Result<f64> {
    let data = data(Task::Rotated)?;
    let network = prepare(form, &base(1, 0)?.network, 0)?;
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
    let lines = lines(rows)?;
    let Some(any) = rows.iter().find(|r| r.dev.is_finite()) else { bail!("no trial gave an answer") };
    let tasks: BTreeSet<Task> = rows.iter().map(|r| r.task).collect();
    let mean = |task: Task, f: fn(&Row) -> f64| {
        100.0 * Mean::of(rows.iter().filter(|r| r.task == task && r.dev.is_finite()).map(f)).mean
    };
    let mut out = format!("\n{:<26}{:>10}{:>10}", "method", "trained", "ms/step");
    for task in &tasks {
        out += &format!("{:>15}{:>9}", task.name(), "rate");
    }
    out += "\n";
    let forms: BTreeSet<Form> = lines.iter().map(|l| l.form).collect();
    for &form in &forms {
        let own: Vec<&Line<Row>> = lines.iter().filter(|l| l.form == form).collect();
        out += &format!("{form:<26}{:>10}{:>10.3}", own[0].trained, milliseconds(form)?);
        for task in &tasks {
            match own.iter().find(|l| l.task == task.name()) {
                Some(l) => {
                    let rate = format!("{}{}", f64::from(l.rate) / 1e4, if l.edge { "*" } else { "" });
                    out += &format!("{:>15}{rate:>9}", l.mean.to_string())
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
fn verdicts(task: Task, lines: &[Line<Row>]) -> String {
    let own: Vec<&Line<Row>> = lines.iter().filter(|l| l.task == task.name()).collect();
    let mut out = String::new();
    for lsr in own.iter().filter(|l| matches!(l.form, Form::Lsr(_))) {
        out.extend(nearest_lora(&own, lsr).map(|lora| lsr.beside(lora)));
    }
    for line in own {
        let fallen = line.tests.values().filter(|x| **x < 0.5).count();
        if fallen > 0 {
            let Line { task, form, tests, .. } = line;
            out += &format!("{task}: {form} failed to train in {fallen} of {} seeds\n", tests.len());
        }
    }
    out
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
    let lines = lines(rows)?;
    let families = families(lines.iter().map(|l| l.form));
    let panel = |task: Task| {
        let mut curves = Vec::new();
        for Family { forms, style, .. } in &families {
            let own = lines.iter().filter(|l| l.task == task.name() && forms.contains(&l.form));
            curves.extend(marks(&own.map(|l| (l.trained as f64, l.mean)).collect::<Vec<_>>(), *style));
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
    let tasks: BTreeSet<Task> = rows.iter().map(|r| r.task).collect();
    let seeds = lines.iter().map(|l| l.tests.len()).max().unwrap_or(0);
    let trials = rows.iter().map(|row| study.trial(row)).collect::<Result<Vec<_>>>()?;
    Ok(Sheet {
        title: "Adapting a small network to other digits".to_string(),
        panels: tasks.into_iter().map(panel).collect(),
        key: families.iter().map(|family| KeyEntry::line(family.style, family.name.clone())).collect(),
        caption: format!(
            "A network 64-128-128-10 trained on upright handwritten digits (8 x 8 pixels), then adapted; beside each \
             adapter the last layer is trained. Marks: means over {seeds} seed{}; whiskers: one standard error. Learning \
             rate and epoch are those best on 359 other images; tested on 360. 32-bit floating point.\nMade by: {}",
            if seeds == 1 { "" } else { "s" },
            study.command(&trials)
        ),
    })
}
