//! Singular values against their index.

use super::{Group, line, of_source, percent, span};
use crate::plot::panel::{Curve, Panel};
use crate::plot::sheet::{KeyEntry, Sheet};
use crate::plot::style::{Colour, REFERENCE, Style};
use crate::spectra::Row;

/// A Gaussian matrix.
const GAUSSIAN: Style = Style { dash: Some((5.0, 3.0)), ..line(REFERENCE, 1.2) };

/// From the first layer, 0, to the last, 1.
fn depth(t: f64) -> Colour {
    let (first, middle, last) = ((158.0, 202.0, 225.0), (49.0, 130.0, 189.0), (8.0, 32.0, 80.0));
    let (from, to, t) = if t < 0.5 { (first, middle, 2.0 * t) } else { (middle, last, 2.0 * t - 1.0) };
    let mix = |a: f64, b: f64| (a + t * (b - a)).round() as u8;
    (mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

/// One panel for each kind of matrix.
pub fn sheet(groups: &[Group], references: &[&Row]) -> Sheet {
    let panel = |group: &Group| {
        let norm = |row: &Row| row.spectrum.iter().map(|s| s / row.frobenius).collect::<Vec<_>>();
        let curve = |row: &Row, style| {
            let points = norm(row).into_iter().enumerate().map(|(i, s)| (i as f64 + 1.0, s));
            Curve { points: points.collect(), range: Vec::new(), style, fitted: true }
        };
        let shapes = |reference: &&&Row| {
            reference.seed == Some(0)
                && group.rows.iter().any(|row| (row.m, row.n) == (reference.m, reference.n))
        };
        let mut curves: Vec<Curve> =
            references.iter().filter(shapes).map(|row| curve(row, GAUSSIAN)).collect();
        let count = group.rows.len().max(2) as f64 - 1.0;
        let lines = group.rows.iter().enumerate();
        curves.extend(lines.map(|(i, row)| curve(row, line(depth(i as f64 / count), 1.0))));
        let fit = span(group.rows.iter().filter_map(|row| row.power_rate), 2);
        let goodness = span(group.rows.iter().filter_map(|row| row.power_goodness), 2);
        let stable = span(group.rows.iter().map(|row| row.stable_rank), 2);
        Panel {
            title: group.title(),
            notes: vec![format!("σᵢ ~ i^−α: α = {fit} (R² {goodness}); stable rank {stable}")],
            x_label: "index i".to_string(),
            x_ticks: Vec::new(),
            y_label: "σᵢ / ‖W‖ of Frobenius".to_string(),
            curves,
        }
    };
    let square: Vec<&Row> = groups
        .iter()
        .flat_map(|group| &group.rows)
        .copied()
        .filter(|row| row.m == row.n && row.spectrum.len() > 64)
        .collect();
    let mut caption = format!(
        "Singular values of {}; each line is a matrix. ",
        of_source(groups.iter().flat_map(|group| &group.rows).copied())
    );
    if let Some(first) = square.first() {
        let gaussian = references.iter().filter(|row| (row.m, row.n) == (first.m, first.n));
        let same = || square.iter().filter(|row| row.m == first.m);
        caption.push_str(&format!(
            "The first 64 of {} directions of the square matrices hold {} % of ‖W‖² (a Gaussian matrix: {} %).",
            first.m,
            percent(same().map(|row| row.energy_64)),
            percent(gaussian.map(|row| row.energy_64)),
        ));
    }
    let keys = vec![
        KeyEntry::line(line(depth(0.0), 1.6), "first layer (or first of the list)"),
        KeyEntry::line(line(depth(0.5), 1.6), "middle"),
        KeyEntry::line(line(depth(1.0), 1.6), "last layer"),
        KeyEntry::line(GAUSSIAN, "Gaussian matrix of the same shape"),
    ];
    Sheet {
        title: "Singular values of trained weights fall slowly".to_string(),
        panels: groups.iter().map(panel).collect(),
        key: keys,
        caption,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_goes_from_light_to_dark() {
        let sum = |t: f64| {
            let (r, g, b) = depth(t);
            u32::from(r) + u32::from(g) + u32::from(b)
        };
        assert!(sum(0.0) > sum(0.3) && sum(0.3) > sum(0.6) && sum(0.6) > sum(1.0));
    }
}
