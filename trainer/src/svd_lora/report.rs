//! What the trials of `exp_svd_lora` say: heat maps over both ranks, and verdicts at equal budgets.

use super::{Form, Row, SvdLora};
use crate::compare::{Mean, Scores, best_rate, verdict};
use crate::digits::Task;
use crate::report::marks;
use anyhow::{Result, bail};
use lowrank_experiments::plot::map::{Cell, Map};
use lowrank_experiments::plot::panel::Panel;
use lowrank_experiments::plot::sheet::{KeyEntry, Sheet};
use lowrank_experiments::plot::style::{INK, Marker, Style, numbered};
use lowrank_experiments::study::Study;
use std::collections::BTreeSet;

/// An adapter on a task at the learning rate that is best on the development set.
struct Line {
    task: Task,
    form: Form,
    parameters: usize,
    dev: f64,
    mean: Mean,
    tests: Scores,
    upright: Mean,
}

impl Line {
    fn ranks(&self) -> Option<(usize, usize)> {
        match self.form {
            Form::Lora(_) => None,
            Form::SvdLora { rank, inner, .. } => Some((rank, inner)),
        }
    }
}

fn lines(rows: &[Row]) -> Result<Vec<Line>> {
    let named = rows.iter().map(|row| Ok((SvdLora.trial(row)?, row))).collect::<Result<Vec<_>>>()?;
    let all: BTreeSet<(Task, Form)> = named.iter().map(|(trial, _)| (trial.task, trial.form)).collect();
    let line = |(task, form)| {
        let own = || named.iter().filter(move |(t, _)| (t.task, t.form) == (task, form)).map(|(_, r)| *r);
        let (rate, _) = best_rate(own().map(|r| (r.rate, r.dev)))?;
        let at = || own().filter(move |r| r.rate == rate);
        Some(Line {
            task,
            form,
            parameters: at().next()?.parameters,
            dev: Mean::of(at().map(|r| r.dev)).mean,
            mean: Mean::of(at().map(|r| r.test)),
            tests: at().map(|r| (r.seed, r.test)).collect(),
            upright: Mean::of(at().map(|r| r.upright)),
        })
    };
    let found: Vec<Line> = all.into_iter().filter_map(line).collect();
    if found.is_empty() { bail!("no trial gave an answer: there is nothing to draw") } else { Ok(found) }
}

/// The verdicts: beside each LoRA the SVD-LoRA of at most its number of parameters that is best on the development
/// set.
///
/// # Errors
/// Where no trial gave an answer.
pub fn text(rows: &[Row]) -> Result<String> {
    let lines = lines(rows)?;
    let mut out =
        String::from("\nTest accuracy in percent, mean ± standard error; the head is not trained\n");
    for lora in lines.iter().filter(|l| l.ranks().is_none()) {
        let others = lines.iter().filter(|l| l.task == lora.task && l.ranks().is_some());
        let fits = others.filter(|l| l.parameters <= lora.parameters);
        let (task, numbers) = (lora.task.name(), lora.parameters);
        out += &format!("{task}: {} ({}, {numbers} numbers) beside ", lora.form, lora.mean);
        match fits.max_by(|a, b| a.dev.total_cmp(&b.dev)) {
            Some(l) => {
                let word = verdict("SVD-LoRA", &l.tests, &lora.tests);
                out += &format!("{} ({}, {} numbers): {word}\n", l.form, l.mean, l.parameters);
            }
            None => out += "no SVD-LoRA of so few\n",
        }
    }
    Ok(out)
}

/// A heat map and errors against trained numbers for each task.
pub(super) fn sheet(study: SvdLora, rows: &[Row]) -> Result<Sheet> {
    let lines = lines(rows)?;
    let grid: Vec<(usize, usize)> = lines.iter().filter_map(Line::ranks).collect();
    let ranks: Vec<usize> = grid.iter().map(|r| r.0).collect::<BTreeSet<_>>().into_iter().collect();
    let inner: Vec<usize> = grid.iter().map(|r| r.1).collect::<BTreeSet<_>>().into_iter().collect();
    let error = |l: &Line| 100.0 * (1.0 - l.mean.mean);
    let extreme = |f: fn(f64, f64) -> f64, from: f64| {
        lines.iter().filter(|l| l.ranks().is_some()).map(|l| error(l).max(0.01).ln()).fold(from, f)
    };
    let (low, high) = (extreme(f64::min, f64::INFINITY), extreme(f64::max, f64::NEG_INFINITY));
    let words = |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>();
    let tasks: BTreeSet<Task> = lines.iter().map(|l| l.task).collect();
    let lora = Style { colour: INK, marker: Marker::Triangle, width: 1.6, dash: None };
    let mut panels = Vec::new();
    for &task in &tasks {
        let cell = |l: &Line| {
            let (r, i) = l.ranks().filter(|_| l.task == task)?;
            let at = (ranks.iter().position(|x| *x == r)?, inner.iter().position(|x| *x == i)?);
            let text = vec![format!("{:.1}", error(l)), format!("{}", l.parameters)];
            Some(Cell { at, shade: (error(l).max(0.01).ln() - low) / (high - low).max(1e-9), text })
        };
        panels.push(Panel {
            title: format!("{} digits: test error, %, and trained numbers", task.name()),
            notes: Vec::new(),
            x_label: "rank r of the truncated weights".to_string(),
            x_ticks: Vec::new(),
            y_label: "inner rank r'".to_string(),
            map: Some(Map {
                columns: words(&ranks),
                rows: words(&inner),
                cells: lines.iter().filter_map(cell).collect(),
            }),
            curves: Vec::new(),
        });
        let of = |chosen: &dyn Fn(&Line) -> bool| {
            let own = lines.iter().filter(|l| l.task == task && chosen(l));
            own.map(|l| (l.parameters as f64, l.mean)).collect::<Vec<_>>()
        };
        let mut curves = Vec::new();
        for (k, rank) in ranks.iter().enumerate() {
            curves.extend(marks(&of(&|l| l.ranks().is_some_and(|r| r.0 == *rank)), numbered(k)));
        }
        curves.extend(marks(&of(&|l| l.ranks().is_none()), lora));
        panels.push(Panel {
            title: format!("{} digits: at equal budgets", task.name()),
            notes: Vec::new(),
            x_label: "trained numbers".to_string(),
            x_ticks: Vec::new(),
            y_label: "test error, %".to_string(),
            map: None,
            curves,
        });
    }
    let mut key: Vec<KeyEntry> = vec![KeyEntry::line(lora, "LoRA, beside the whole weights")];
    for (k, rank) in ranks.iter().enumerate() {
        let of = lines.iter().filter(|l| l.ranks().is_some_and(|r| r.0 == *rank));
        let upright = Mean::of(of.map(|l| l.upright.mean)).mean;
        let text =
            format!("SVD-LoRA, r = {rank} (truncated, on upright digits: {:.1} % right)", 100.0 * upright);
        key.push(KeyEntry::line(numbered(k), text));
    }
    let seeds = lines.iter().map(|l| l.tests.len()).max().unwrap_or(0);
    let with_values = lines.iter().any(|l| matches!(l.form, Form::SvdLora { with_values: true, .. }));
    let trained = if with_values { "S, X and Y" } else { "X and Y" };
    let trials = rows.iter().map(|row| study.trial(row)).collect::<Result<Vec<_>>>()?;
    Ok(Sheet {
        title: "SVD-LoRA over both of its ranks, beside LoRA".to_string(),
        panels,
        key,
        caption: format!(
            "A network 64-128-128-10 trained on upright handwritten digits, then adapted to others: each hidden weight truncated to \
             U (S + X Y) V' of rank r, X (r, r'), Y (r', r); trained are {trained}, not the head. Means over {seeds} seed{}; whiskers: one \
             standard error. Learning rate and epoch are those best on 359 other images; tested on 360. 32-bit floating point.\n\
             Made by: {}",
            if seeds == 1 { "" } else { "s" },
            study.command(&trials)
        ),
    })
}
