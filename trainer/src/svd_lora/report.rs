//! What the trials of `exp_svd_lora` say: heat maps over both ranks, and verdicts at equal budgets.

use super::{Row, SvdLora};
use crate::compare::{self, Line, Mean, Tried};
use crate::digits::Task;
use crate::form::Form;
use crate::report::marks;
use anyhow::Result;
use lowrank_experiments::plot::map::{Cell, Map};
use lowrank_experiments::plot::panel::Panel;
use lowrank_experiments::plot::sheet::{KeyEntry, Sheet};
use lowrank_experiments::plot::style::{INK, Marker, Style, numbered};
use lowrank_experiments::study::Study;
use std::collections::BTreeSet;

fn lines(rows: &[Row]) -> Result<Vec<Line<'_, Row>>> {
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

/// r and r' of SVD-LoRA.
fn ranks(line: &Line<Row>) -> Option<(usize, usize)> {
    match line.form {
        Form::SvdLora { rank, inner, .. } => Some((rank, inner)),
        _ => None,
    }
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
    let dev = |line: &Line<Row>| Mean::of(line.rows.iter().map(|r| r.dev)).mean;
    for lora in lines.iter().filter(|l| ranks(l).is_none()) {
        let others = lines.iter().filter(|l| l.task == lora.task && ranks(l).is_some());
        let fits = others.filter(|l| l.trained <= lora.trained);
        out += &match fits.max_by(|a, b| dev(a).total_cmp(&dev(b))) {
            Some(best) => best.beside(lora),
            None => format!(
                "{}: no SVD-LoRA of at most the {} numbers of {}\n",
                lora.task, lora.trained, lora.form
            ),
        };
    }
    Ok(out)
}

/// A heat map and errors against trained numbers for each task.
pub(super) fn sheet(study: SvdLora, rows: &[Row]) -> Result<Sheet> {
    let lines = lines(rows)?;
    let grid: Vec<(usize, usize)> = lines.iter().filter_map(ranks).collect();
    let outer: Vec<usize> = grid.iter().map(|r| r.0).collect::<BTreeSet<_>>().into_iter().collect();
    let inner: Vec<usize> = grid.iter().map(|r| r.1).collect::<BTreeSet<_>>().into_iter().collect();
    let error = |l: &Line<Row>| 100.0 * (1.0 - l.mean.mean);
    let extreme = |f: fn(f64, f64) -> f64, from: f64| {
        lines.iter().filter(|l| ranks(l).is_some()).map(|l| error(l).max(0.01).ln()).fold(from, f)
    };
    let (low, high) = (extreme(f64::min, f64::INFINITY), extreme(f64::max, f64::NEG_INFINITY));
    let words = |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>();
    let tasks: BTreeSet<Task> = rows.iter().map(|r| r.task).collect();
    let lora = Style { colour: INK, marker: Marker::Triangle, width: 1.6, dash: None };
    let mut panels = Vec::new();
    for &task in &tasks {
        let cell = |l: &Line<Row>| {
            let (r, i) = ranks(l).filter(|_| l.task == task.name())?;
            let at = (outer.iter().position(|x| *x == r)?, inner.iter().position(|x| *x == i)?);
            let text = vec![format!("{:.1}", error(l)), format!("{}", l.trained)];
            Some(Cell { at, shade: (error(l).max(0.01).ln() - low) / (high - low).max(1e-9), text })
        };
        panels.push(Panel {
            title: format!("{} digits: test error, %, and trained numbers", task.name()),
            notes: Vec::new(),
            x_label: "rank r of the truncated weights".to_string(),
            x_ticks: Vec::new(),
            y_label: "inner rank r'".to_string(),
            map: Some(Map {
                columns: words(&outer),
                rows: words(&inner),
                cells: lines.iter().filter_map(cell).collect(),
            }),
            curves: Vec::new(),
        });
        let of = |chosen: &dyn Fn(&Line<Row>) -> bool| {
            let own = lines.iter().filter(|l| l.task == task.name() && chosen(l));
            own.map(|l| (l.trained as f64, l.mean)).collect::<Vec<_>>()
        };
        let mut curves = Vec::new();
        for (k, rank) in outer.iter().enumerate() {
            curves.extend(marks(&of(&|l| ranks(l).is_some_and(|r| r.0 == *rank)), numbered(k)));
        }
        curves.extend(marks(&of(&|l| ranks(l).is_none()), lora));
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
    for (k, rank) in outer.iter().enumerate() {
        let of = lines.iter().filter(|l| ranks(l).is_some_and(|r| r.0 == *rank));
        let upright = Mean::of(of.flat_map(|l| &l.rows).map(|r| r.upright)).mean;
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
