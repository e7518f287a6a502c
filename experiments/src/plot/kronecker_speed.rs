//! The figure of the Kronecker products, made of their table alone.

use super::common::{answered, list, values};
use super::panel::{Curve, Panel};
use super::sheet::{KeyEntry, Sheet};
use super::style::{BOUND, INK, Marker, Style, numbered};
use crate::kronecker_speed::{KroneckerSpeed, Precision, Row};
use crate::series::points;
use crate::study::Study;
use anyhow::Result;

/// The dense product.
const DENSE: Style = Style { colour: INK, marker: Marker::None, width: 1.4, dash: Some((6.0, 4.0)) };

/// Seconds, speedup, rate over factors and columns, memory.
pub fn sheets(study: KroneckerSpeed, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
    let kept = answered(rows)?;
    let numbers = values(&kept, |r| r.factors);
    let style = |d: u32| numbered(numbers.iter().position(|x| *x == d).unwrap_or(0));
    // The number of columns with most rows is that of the panels over sizes.
    let columns = values(&kept, |r| r.columns);
    let usual =
        columns.iter().copied().max_by_key(|c| kept.iter().filter(|r| r.columns == *c).count()).unwrap_or(1);
    let curves =
        |scalar: Precision, chosen: &dyn Fn(&Row) -> bool, x: fn(&Row) -> f64, y: fn(&Row) -> f64| {
            let curve = |&d: &u32| {
                let own = kept.iter().filter(|r| r.scalar == scalar && r.factors == d && chosen(r));
                Curve::medians(&points(own.map(|r| (x(r), y(r))).filter(|p| p.1.is_finite())), style(d))
            };
            numbers.iter().map(curve).collect::<Vec<_>>()
        };
    let dense = |scalar: Precision, x: fn(&Row) -> f64, y: fn(&Row) -> Option<f64>| {
        let own = kept.iter().filter(|r| r.scalar == scalar && r.columns == usual);
        let places = points(own.filter_map(|r| Some((x(r), y(r)?))));
        Curve { fitted: true, ..Curve::reference(places.iter().map(|p| (p.x, p.median)).collect(), DENSE) }
    };
    let panel = |title: String, x_label: &str, y_label: &str, curves: Vec<Curve>| Panel {
        map: None,
        title,
        notes: Vec::new(),
        x_label: x_label.to_string(),
        x_ticks: Vec::new(),
        y_label: y_label.to_string(),
        curves,
    };
    let size = |r: &Row| r.rows as f64;
    let at_usual = |r: &Row| r.columns == usual;
    let scalars = values(&kept, |r| r.scalar);
    let mut panels = Vec::new();
    for &scalar in &scalars {
        let mut shown = vec![dense(scalar, size, |r| r.dense_seconds)];
        shown.extend(curves(scalar, &at_usual, size, |r| r.seconds));
        let title = format!("{}, {usual} columns: seconds", scalar.text());
        panels.push(panel(title, "rows of A, nᵈ", "seconds", shown));
    }
    for &scalar in &scalars {
        let speedup = |r: &Row| r.dense_seconds.map_or(f64::NAN, |dense| dense / r.seconds);
        let mut shown = curves(scalar, &at_usual, size, speedup);
        let ends: Vec<f64> = shown.iter().flat_map(|c| c.points.iter().map(|p| p.0)).collect();
        let (low, high) = ends.iter().fold((f64::INFINITY, 0.0_f64), |r, x| (r.0.min(*x), r.1.max(*x)));
        shown.insert(0, Curve::reference(vec![(low, 1.0), (high, 1.0)], BOUND));
        let title = format!("{}, {usual} columns: speedup", scalar.text());
        panels.push(panel(title, "rows of A, nᵈ", "seconds of the dense product over ours", shown));
    }
    for &scalar in &scalars {
        let mut shown = vec![];
        shown.extend(curves(scalar, &at_usual, |r| r.n as f64, |r| r.gigaflops));
        let title = format!("{}, {usual} columns: rate", scalar.text());
        panels.push(panel(title, "size n of a factor", "10⁹ flops in a second", shown));
    }
    // Over the columns: for each d the size with most of them.
    let swept = |d: u32| {
        let own = || kept.iter().filter(|r| r.factors == d);
        let count = |n: &usize| {
            values(&own().copied().filter(|r| r.n == *n).collect::<Vec<_>>(), |r| r.columns).len()
        };
        values(&own().copied().collect::<Vec<_>>(), |r| r.n).into_iter().max_by_key(count).unwrap_or(0)
    };
    let sizes: Vec<(u32, usize)> = numbers.iter().map(|d| (*d, swept(*d))).collect();
    let varied = |size: &&(u32, usize)| kept.iter().any(|r| (r.factors, r.n) == **size && r.columns != usual);
    let sizes: Vec<(u32, usize)> = sizes.iter().filter(varied).copied().collect();
    let of_swept = |r: &Row| sizes.contains(&(r.factors, r.n));
    if !sizes.is_empty() {
        let names: Vec<String> = sizes.iter().map(|(d, n)| format!("{n}{}", power(*d))).collect();
        for &scalar in &scalars {
            let shown = curves(scalar, &of_swept, |r| r.columns as f64, |r| r.gigaflops);
            let title = format!("{}, nᵈ = {}: rate", scalar.text(), names.join(", "));
            panels.push(panel(title, "columns of the block", "10⁹ flops in a second", shown));
        }
    }
    if let Some(&scalar) = scalars.first() {
        let mut shown = vec![dense(scalar, size, |r| Some(r.dense_bytes))];
        shown.extend(curves(scalar, &at_usual, size, |r| r.bytes));
        panels.push(panel(format!("{}: memory", scalar.text()), "rows of A, nᵈ", "bytes", shown));
    }
    let mut key: Vec<KeyEntry> =
        numbers.iter().map(|d| KeyEntry::shaded(style(*d), format!("d = {d} factors (n, n)"))).collect();
    key.push(KeyEntry::line(DENSE, "the dense product; its matrix"));
    key.push(KeyEntry::line(BOUND, "as fast as the dense product"));
    key.push(KeyEntry::ranges());
    let worst = kept.iter().filter_map(|r| r.difference).fold(0.0, f64::max);
    let threads = values(&kept, |r| r.threads);
    let rate = |scalar: Precision| {
        let rates = kept.iter().filter(|r| r.scalar == scalar && r.columns == usual);
        let best = rates.filter_map(|r| r.dense_gigaflops).fold(0.0, f64::max);
        format!("{best:.0} ({})", scalar.text())
    };
    let rates: Vec<String> = scalars.iter().map(|s| rate(*s)).collect();
    let caption = caption(
        study,
        &format!(
            "A = M₁ ⊗ … ⊗ M_d with Gaussian factors (n, n), applied mode by mode to a block of vectors, which takes 2 d n nᵈ flops \
             a column; the dense product, 2 n²ᵈ flops a column, only where its matrix fits the limit. Both write into memory that is ready; \
             seconds are medians, in turn on the same threads. Rates count the flops each does; the dense product reaches \
             {} · 10⁹ a second. Both results differ by at most {worst:.0e} of their norm.",
            rates.join(", ")
        ),
        &threads,
        rows,
    )?;
    let title = "Kronecker products: speed and memory".to_string();
    Ok(vec![("kronecker_speed".to_string(), Sheet { title, panels, key, caption })])
}

/// A small number as an exponent.
fn power(d: u32) -> String {
    d.to_string().chars().map(|c| c.to_digit(10).map_or(c, |k| DIGITS[k as usize])).collect()
}

const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];

fn caption(study: KroneckerSpeed, what: &str, threads: &[usize], rows: &[Row]) -> Result<String> {
    let trials = rows.iter().map(|row| study.trial(row)).collect::<Result<Vec<_>>>()?;
    let seeds = trials.iter().map(|t| t.seed + 1).max().unwrap_or(0);
    let plural = |count: bool| if count { "" } else { "s" };
    let mut text = format!(
        "{what} Lines: medians of {seeds} seed{}; shaded: smallest to largest. {} thread{}.",
        plural(seeds == 1),
        list(threads),
        plural(threads == [1])
    );
    let failed = rows.len() - rows.iter().filter(|r| r.status == "done").count();
    if failed > 0 {
        text += &format!(" {failed} trials failed and are left out.");
    }
    let option = if let [threads] = threads { format!(" --threads {threads}") } else { String::new() };
    Ok(format!("{text}\nMade by: {}{option}", study.command(&trials)))
}
