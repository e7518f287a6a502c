//! The figure of LoRA updates written as LSR updates, made of its table alone.

use super::common::{answered, ticks, values};
use super::panel::{Curve, Panel};
use super::scale::number;
use super::sheet::{KeyEntry, Sheet};
use super::style::{INK, Marker, Style, numbered};
use crate::lora_to_lsr::{LoraToLsr, Row};
use crate::measure::median;
use crate::series::points;
use crate::study::Study;
use crate::weights::{Kind, layer};
use anyhow::Result;

/// Errors below this are rounding.
const ROUNDING: f64 = 1e-12;

/// Error against terms, and against numbers beside LoRA, one figure.
pub fn sheets(study: LoraToLsr, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
    let kept = answered(rows)?;
    let updates = values(&kept, |r| (r.weights.clone(), r.n));
    let of = |update: &(String, usize)| {
        let (weights, n) = update.clone();
        kept.iter().copied().filter(move |r| (&r.weights, r.n) == (&weights, n))
    };
    let share = |r: &Row| r.parameters as f64 / r.lora_parameters as f64;
    type Value<'a> = &'a dyn Fn(&Row) -> f64;
    let curves = |x: Value<'_>, y: Value<'_>, dashed: bool| -> Vec<Curve> {
        let curve = |(k, update): (usize, &(String, usize))| {
            let shown = points(of(update).map(|r| (x(r), y(r))).filter(|p| p.1 > ROUNDING));
            let style = match dashed {
                true => Style { marker: Marker::None, width: 1.2, dash: Some((5.0, 3.0)), ..numbered(k) },
                false => numbered(k),
            };
            Curve::medians(&shown, style)
        };
        updates.iter().enumerate().map(curve).collect()
    };
    let panel = |title: &str, x_label: &str, x_ticks: Vec<f64>, y_label: &str, curves: Vec<Curve>| Panel {
        title: title.to_string(),
        notes: Vec::new(),
        x_label: x_label.to_string(),
        x_ticks,
        y_label: y_label.to_string(),
        map: None,
        curves,
    };
    let rank = kept[0].root * kept[0].root;
    let terms = |r: &Row| r.terms as f64;
    let s = ticks(&values(&kept, |r| r.terms));
    let numbers = format!("numbers, over those of LoRA r = {rank}");
    let mut beside = curves(&share, &|r| r.lora_error, true);
    beside.extend(curves(&share, &|r| r.error, false));
    let panels = vec![
        panel(
            "One factor, U",
            "terms s",
            s.clone(),
            "‖U − A‖ / ‖U‖",
            curves(&terms, &|r| r.left_error, false),
        ),
        panel("The update", "terms s", s, "‖UV′ − AB‖ / ‖UV′‖", curves(&terms, &|r| r.error, false)),
        panel("The update, by numbers", &numbers, Vec::new(), "‖UV′ − AB‖ / ‖UV′‖", beside),
    ];
    let mut key: Vec<KeyEntry> = updates
        .iter()
        .enumerate()
        .map(|(k, update)| KeyEntry::shaded(numbered(k), text(update, of(update).next())))
        .collect();
    let dashed = Style { colour: INK, marker: Marker::None, width: 1.2, dash: Some((5.0, 3.0)) };
    key.push(KeyEntry::line(dashed, "LoRA of the largest rank with no more numbers"));
    key.push(KeyEntry::ranges());
    // Where fewer numbers than LoRA's still make a LoRA of rank 1 at least.
    let fewer: Vec<&&Row> =
        kept.iter().filter(|r| r.parameters < r.lora_parameters && r.lora_error < 1.0).collect();
    let wins = fewer.iter().filter(|r| r.error < r.lora_error).count();
    let count = fewer.len();
    let drawn: Vec<&Row> = kept.iter().copied().filter(|r| r.weights.is_empty()).collect();
    let largest = drawn.iter().map(|r| r.n).max().unwrap_or(0);
    let told: Vec<String> = values(&drawn, |r| r.terms)
        .into_iter()
        .map(|s| {
            let own = drawn.iter().filter(|r| (r.n, r.terms) == (largest, s)).map(|r| r.left_error).collect();
            let error: f64 = median(own);
            format!("{} at {s}", if error > ROUNDING { number(error, 2) } else { "0".into() })
        })
        .collect();
    let of_gaussian = match drawn.is_empty() {
        true => String::new(),
        false => format!(" A Gaussian factor of {largest} rows: {}.", told.join(", ")),
    };
    let trials = rows.iter().map(|row| study.trial(row)).collect::<Result<Vec<_>>>()?;
    let seeds = values(&kept, |r| r.seed).len();
    let caption = format!(
        "An update U V′ of rank r = {rank}, and the nearest sums A, B of s Kronecker products to its factors, from \
         the singular values of their rearrangements; sides split as evenly as they can be, r = {root} × {root}. Updates of stored weights are \
         the best of rank r, their factors balanced. Errors below 10⁻¹² are left out.{of_gaussian} With the numbers of \
         LoRA of a lower rank, LSR is nearer than it in {wins} of {count} rows. Left, in the key: what the best update of rank {rank} \
         leaves of the change of the weight. Medians of {seeds} seed{}.\nMade by: {}",
        if seeds == 1 { "" } else { "s" },
        study.command(&trials),
        root = kept[0].root,
    );
    let title = "LoRA updates as LSR updates".to_string();
    Ok(vec![("lora_to_lsr".to_string(), Sheet { title, panels, key, caption })])
}

/// An update in words, with what it leaves of the change of the weight.
fn text((weights, n): &(String, usize), row: Option<&Row>) -> String {
    let names: Vec<&str> = weights.split(':').skip(1).collect();
    let named = |name: &str| match layer(name) {
        Some(k) => format!("{} of layer {k}", Kind::of(name).name()),
        None => name.to_string(),
    };
    let left =
        row.and_then(|r| r.left_out).map_or(String::new(), |x| format!("; {} % left", number(100.0 * x, 2)));
    match names[..] {
        [from, to] => format!("{} to {}{left}", named(from), named(to)),
        [to] => format!("{} itself{left}", named(to)),
        _ => format!("Gaussian factors, n = {n}"),
    }
}
