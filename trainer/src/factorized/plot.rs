//! The figures of the factorized networks, made of their table alone.

use super::{FactorizedFinetuning, Row, WHOLE};
use crate::compare::Mean;
use crate::report::marks;
use anyhow::{Result, bail};
use lowrank_experiments::plot::panel::{Curve, Panel};
use lowrank_experiments::plot::sheet::{KeyEntry, Sheet};
use lowrank_experiments::plot::style::{BOUND, INK, MUTED, Marker, REFERENCE, Style, numbered};
use lowrank_experiments::study::Study;
use lowrank_experiments::table::Record;
use std::collections::BTreeSet;

const WHOLE_LOOK: Style = Style { colour: INK, marker: Marker::None, width: 1.4, dash: Some((6.0, 4.0)) };
const DESCENT: Style = Style { colour: INK, marker: Marker::None, width: 2.0, dash: None };
const PRINTED: Style = Style { colour: REFERENCE, marker: Marker::None, width: 1.4, dash: Some((2.0, 3.0)) };

fn percent(energy: u32) -> f64 {
    f64::from(energy) / 10.0
}

fn plain(style: Style) -> Style {
    Style { marker: Marker::None, ..style }
}

fn curve(points: Vec<(f64, f64)>, style: Style) -> Curve {
    Curve { points, range: Vec::new(), style, fitted: true }
}

/// Numbers, counted from 1.
fn counted(values: &[f64]) -> Vec<(f64, f64)> {
    values.iter().enumerate().map(|(i, x)| ((i + 1) as f64, *x)).collect()
}

fn panel(title: &str, x_label: &str, y_label: &str, curves: Vec<Curve>) -> Panel {
    Panel {
        title: title.to_string(),
        notes: Vec::new(),
        x_label: x_label.to_string(),
        x_ticks: Vec::new(),
        y_label: y_label.to_string(),
        map: None,
        curves,
    }
}

/// The rows with an answer: those of AdamW and those of plain descent.
fn answered(rows: &[Row]) -> Result<(Vec<&Row>, Vec<&Row>)> {
    let kept: Vec<&Row> = rows.iter().filter(|row| !row.failed()).collect();
    let (tuned, descents): (Vec<&Row>, Vec<&Row>) = kept.into_iter().partition(|row| row.step.is_none());
    if tuned.is_empty() {
        bail!("no trial gave an answer: there is nothing to draw")
    } else {
        Ok((tuned, descents))
    }
}

fn energies(rows: &[&Row]) -> Vec<u32> {
    let all: BTreeSet<u32> = rows.iter().map(|r| r.energy).filter(|e| *e != WHOLE).collect();
    all.into_iter().collect()
}

fn mean(rows: &[&Row], energy: u32, of: impl Fn(&Row) -> f64) -> Mean {
    Mean::of(rows.iter().filter(|r| r.energy == energy).map(|r| of(r)))
}

/// The right-hand side after 0, 1, ... steps: with all gradients, and with the first in place of all.
fn bounds(row: &Row) -> [Vec<f64>; 2] {
    let eta = row.eta.unwrap_or(f64::NAN);
    let (mut sum, start) = (0.0, row.losses.first().copied().unwrap_or(f64::NAN));
    let mut right = vec![start];
    for square in &row.gradients {
        sum += square;
        right.push(start - 0.5 * eta * sum);
    }
    let first = row.gradients.first().copied().unwrap_or(f64::NAN);
    let printed = (0..right.len()).map(|t| start - 0.5 * eta * t as f64 * first).collect();
    [right, printed]
}

/// The table, as text.
///
/// # Errors
/// Where no trial gave an answer.
pub fn text(rows: &[Row]) -> Result<String> {
    let (tuned, descents) = answered(rows)?;
    let mut out = format!(
        "\n{:>8}{:>12}{:>10}{:>16}{:>16}\n",
        "energy", "ranks", "numbers", "factorized", "trained on"
    );
    let all: BTreeSet<u32> = tuned.iter().map(|r| r.energy).collect();
    for energy in all {
        let Some(any) = tuned.iter().find(|r| r.energy == energy) else { continue };
        let ranks: Vec<String> = any.ranks.iter().map(f64::to_string).collect();
        let ranks = if energy == WHOLE { "whole".to_string() } else { ranks.join(", ") };
        let numbers = mean(&tuned, energy, |r| r.parameters as f64).mean;
        let cut = mean(&tuned, energy, |r| r.test_cut).to_string();
        let after = mean(&tuned, energy, |r| r.test_tuned.unwrap_or(f64::NAN)).to_string();
        out += &format!("{:>6} %{ranks:>12}{numbers:>10.0}{cut:>16}{after:>16}\n", percent(energy));
    }
    out += "\nTest accuracy in percent, mean ± standard error; ranks of seed 0.\n";
    for row in &descents {
        let [right, printed] = bounds(row);
        let above = |bound: &[f64]| {
            row.losses.iter().zip(bound).filter(|(loss, bound)| **loss > **bound + 1e-12 * loss.abs()).count()
        };
        let steps = match row.gradients.len() {
            all if all as u64 == row.count => all.to_string(),
            some => format!("{some}, after which numbers were not finite,"),
        };
        out += &format!(
            "descent, energy {} %, eta K = {} at the start, at most {:.2} seen, seed {}: of {steps} steps {} above the \
             bound with the sum, {} above the one with T times the first gradient\n",
            percent(row.energy),
            f64::from(row.step.unwrap_or(0)) / 100.0,
            row.smoothness.unwrap_or(f64::NAN),
            row.seed,
            above(&right),
            above(&printed)
        );
    }
    Ok(out)
}

/// Recovery and descent; spectra.
pub(super) fn sheets(study: FactorizedFinetuning, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
    let (tuned, descents) = answered(rows)?;
    let trials = rows.iter().map(|row| study.trial(row)).collect::<Result<Vec<_>>>()?;
    let seeds = tuned.iter().map(|r| r.seed).collect::<BTreeSet<_>>().len();
    let made = format!(
        "Means of {seeds} seed{}, whiskers one standard error; curves over steps and spectra: seed 0. 64-bit floating point.\nMade by: {}",
        if seeds == 1 { "" } else { "s" },
        study.command(&trials)
    );
    let network = "A network 64-256-256-10 (GELU) trained on handwritten digits; its hidden weights replaced by the factors of a truncated \
                   singular value decomposition that keep a share of |W|² (the energy); then factors and head trained on by AdamW.";
    Ok(vec![
        ("factorized_finetuning".to_string(), recovery(&tuned, &descents, network, &made)),
        ("factorized_finetuning_spectra".to_string(), spectra(&tuned, network, &made)),
    ])
}

fn recovery(tuned: &[&Row], descents: &[&Row], network: &str, made: &str) -> Sheet {
    let (cut, after) = (numbered(1), numbered(0));
    let shown = energies(tuned);
    let of = |f: fn(&Row) -> f64| -> Vec<(f64, Mean)> {
        let point = |e: &u32| (mean(tuned, *e, |r| r.parameters as f64).mean, mean(tuned, *e, f));
        let mut points: Vec<_> = shown.iter().map(point).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    };
    let mut errors = marks(&of(|r| r.test_cut), cut);
    errors.extend(marks(&of(|r| r.test_tuned.unwrap_or(f64::NAN)), after));
    let whole = Mean::of(tuned.iter().map(|r| 100.0 * (1.0 - r.test_before))).mean;
    let before = tuned.first().map_or(0.0, |r| r.parameters_before as f64);
    let first = of(|r| r.test_cut).first().map_or(before, |p| p.0);
    errors.push(curve(vec![(first, whole), (before, whole)], WHOLE_LOOK));
    let one = |energy: u32| tuned.iter().find(|r| r.energy == energy && r.seed == 0);
    let mut losses = Vec::new();
    for (k, energy) in shown.iter().enumerate() {
        losses.extend(
            one(*energy).map(|r| curve(counted(r.losses.get(1..).unwrap_or(&[])), plain(numbered(k)))),
        );
    }
    losses.extend(one(WHOLE).map(|r| curve(counted(r.losses.get(1..).unwrap_or(&[])), WHOLE_LOOK)));
    let mut panels = vec![
        panel("Accuracy given back", "stored numbers of the network", "test error, %", errors),
        panel("Training on", "epochs, from 1 (factorized)", "loss on the training set", losses),
    ];
    for row in descents.iter().filter(|r| r.seed == 0) {
        let [right, printed] = bounds(row);
        // Below zero there is no place on this axis.
        let positive = |values: &[f64]| -> Vec<(f64, f64)> {
            counted(values).into_iter().take_while(|p| p.1 > 0.0).collect()
        };
        let lowest = row.losses.iter().copied().fold(f64::INFINITY, f64::min);
        let seen =
            |values: &[f64]| positive(values).into_iter().filter(|p| p.1 > 0.2 * lowest).collect::<Vec<_>>();
        let curves = vec![
            curve(seen(&printed), PRINTED),
            curve(seen(&right), BOUND),
            curve(counted(&row.losses), DESCENT),
        ];
        let eta = f64::from(row.step.unwrap_or(0)) / 100.0;
        let title = format!("Plain descent, η K = {eta}, energy {} %", percent(row.energy));
        let mut panel = panel(&title, "steps, from 1 (factorized)", "loss on the training set", curves);
        panel.notes.push(format!(
            "largest η |g' − g| / |p' − p| on the way: {:.2}",
            row.smoothness.unwrap_or(f64::NAN)
        ));
        panels.push(panel);
    }
    let mut key = vec![
        KeyEntry::line(cut, "factorized"),
        KeyEntry::line(after, "factorized, then trained on"),
        KeyEntry::line(WHOLE_LOOK, "the network before; trained on as well (upper right)"),
    ];
    for (k, energy) in shown.iter().enumerate() {
        let text = format!("upper right: energy {} %", percent(*energy));
        key.push(KeyEntry::line(plain(numbered(k)), text));
    }
    if !descents.is_empty() {
        key.push(KeyEntry::line(DESCENT, "plain descent: loss"));
        key.push(KeyEntry::line(BOUND, "its bound, L₀ − (η/2) Σ |gₜ|², for η K ≤ 1"));
        key.push(KeyEntry::line(PRINTED, "with the first gradient: L₀ − T η |g₀|² / 2, which is no bound"));
    }
    Sheet {
        title: "Factorized layers, trained on".to_string(),
        panels,
        key,
        caption: format!(
            "{network} Below: plain descent with the whole gradient, K the largest second derivative at the start. {made}"
        ),
    }
}

fn spectra(tuned: &[&Row], network: &str, made: &str) -> Sheet {
    let shown = energies(tuned);
    let one = |energy: u32| tuned.iter().find(|r| r.energy == energy && r.seed == 0);
    let layer = |title: &str, before: fn(&Row) -> &[f64], after: fn(&Row) -> &[f64]| {
        let mut curves = Vec::new();
        let nonzero = |values: &[f64]| {
            let largest = values.first().copied().unwrap_or(0.0);
            counted(values).into_iter().filter(|p| p.1 > 1e-2 * largest).collect::<Vec<_>>()
        };
        if let Some(row) = tuned.first() {
            curves.push(curve(nonzero(before(row)), Style { dash: None, width: 2.4, ..WHOLE_LOOK }));
        }
        for (k, energy) in shown.iter().enumerate() {
            curves.extend(one(*energy).map(|r| curve(nonzero(after(r)), plain(numbered(k)))));
        }
        curves.extend(one(WHOLE).map(|r| {
            let style = Style { colour: MUTED, width: 1.0, dash: Some((6.0, 4.0)), ..WHOLE_LOOK };
            curve(nonzero(after(r)), style)
        }));
        panel(title, "i", "singular value i", curves)
    };
    let panels = vec![
        layer("First hidden weight, 256 × 64", |r| &r.spectrum_1_before, |r| &r.spectrum_1_after),
        layer("Second hidden weight, 256 × 256", |r| &r.spectrum_2_before, |r| &r.spectrum_2_after),
    ];
    let mut key = vec![KeyEntry::line(Style { dash: None, width: 2.4, ..WHOLE_LOOK }, "before")];
    for (k, energy) in shown.iter().enumerate() {
        let text = format!("factorized at energy {} %, after training on", percent(*energy));
        key.push(KeyEntry::line(plain(numbered(k)), text));
    }
    if one(WHOLE).is_some() {
        let style = Style { colour: MUTED, width: 1.0, dash: Some((6.0, 4.0)), ..WHOLE_LOOK };
        key.push(KeyEntry::line(style, "not factorized, after training on"));
    }
    Sheet {
        title: "Spectra before and after".to_string(),
        panels,
        key,
        caption: format!(
            "{network} Once factorized, the values are those before up to the rank, and zero beyond it. {made}"
        ),
    }
}
