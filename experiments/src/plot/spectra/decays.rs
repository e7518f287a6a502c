//! Singular values against their index.

use super::{Group, line, of_source, percent, short, span};
use crate::plot::panel::{Curve, Panel};
use crate::plot::sheet::{KeyEntry, Sheet};
use crate::plot::style::{Colour, REFERENCE, Style};
use crate::spectra::Row;
use crate::weights::{Kind, layer};

/// A Gaussian matrix.
const GAUSSIAN: Style = Style { dash: Some((5.0, 3.0)), ..line(REFERENCE, 1.2) };

/// From the first layer, 0, to the last, 1.
fn depth(t: f64) -> Colour {
    let (first, middle, last) = ((158.0, 202.0, 225.0), (49.0, 130.0, 189.0), (8.0, 32.0, 80.0));
    let (from, to, t) = if t < 0.5 { (first, middle, 2.0 * t) } else { (middle, last, 2.0 * t - 1.0) };
    let mix = |a: f64, b: f64| (a + t * (b - a)).round() as u8;
    (mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

/// The weights of numbered layers, or all where none is numbered.
fn layers<'a>(groups: &'a [Group]) -> impl Iterator<Item = &'a Row> {
    let all = || groups.iter().flat_map(|group| group.rows.iter().copied());
    let none = !all().any(|row| layer(&row.matrix).is_some());
    all().filter(move |row| none || layer(&row.matrix).is_some())
}

/// `of Gaussian matrices 47 % (384 × 384), 31 % (1536 × 384)`.
fn gaussian(references: &[&Row]) -> String {
    let one = |row: &&Row| format!("{} % ({} × {})", percent([row.energy_64]), row.m, row.n);
    let list: Vec<String> = references.iter().filter(|row| row.seed == Some(0)).map(one).collect();
    format!("of Gaussian matrices {}", list.join(", "))
}

/// 1, 2, 5, 10, ... and the last index.
fn ticks(last: usize) -> Vec<f64> {
    let decades = (0..).flat_map(|k| [1, 2, 5].map(|digit| digit * 10_usize.pow(k)));
    let before = decades.take_while(|i| 3 * i < 2 * last);
    before.chain([last]).map(|i| i as f64).collect()
}

/// How well two laws fit all values.
fn fits(groups: &[Group]) -> String {
    let rows = |kinds: &[Kind]| -> Vec<&Row> {
        groups.iter().filter(|g| kinds.contains(&g.kind)).flat_map(|g| g.rows.iter().copied()).collect()
    };
    let parts = [
        ("the attention", rows(&[Kind::Query, Kind::Key, Kind::Value, Kind::AttentionOutput])),
        ("the feed-forward part", rows(&[Kind::Up, Kind::Down])),
        ("the others", rows(&[Kind::Other])),
    ];
    let all = rows(&Kind::ALL);
    let law = |name: &str, goodness: fn(&Row) -> Option<f64>| {
        let in_parts = parts.iter().filter(|(_, rows)| !rows.is_empty());
        let in_parts = in_parts
            .map(|(part, rows)| format!("{} in {part}", span(rows.iter().filter_map(|r| goodness(r)), 2)));
        let good = all.iter().filter(|row| goodness(row).is_some_and(|r2| r2 >= GOOD)).count();
        format!(
            "{name} has R² {}; it reaches {GOOD} for {good} of {} matrices",
            in_parts.collect::<Vec<_>>().join(", "),
            all.len()
        )
    };
    format!(
        "Of the fits to all values {}; {}. ",
        law("the power law", |row| row.power_goodness),
        law("the exponential", |row| row.exponential_goodness)
    )
}

/// The R² of a fit that is called good.
const GOOD: f64 = 0.95;

/// How far below the largest singular value others are shown.
const SMALLEST: f64 = 200.0;

/// One panel for each kind of matrix.
pub fn sheet(groups: &[Group], references: &[&Row]) -> Sheet {
    let panel = |group: &Group| {
        let norm = |row: &Row| row.spectrum.iter().map(|s| s / row.frobenius).collect::<Vec<_>>();
        let curve = |row: &Row, style| {
            let points = norm(row).into_iter().enumerate().map(|(i, s)| (i as f64 + 1.0, s));
            let shown = points.filter(|(_, s)| s * row.frobenius * SMALLEST >= row.sigma_1);
            Curve { points: shown.collect(), range: Vec::new(), style, fitted: true }
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
        let all = |value: fn(&Row) -> Option<f64>| span(group.rows.iter().filter_map(|row| value(row)), 2);
        let mut notes = vec![
            format!(
                "σᵢ ≈ c i^(−α): α = {}, R² {}; σᵢ ≈ c exp(−αi): R² {}",
                all(|row| row.power_rate),
                all(|row| row.power_goodness),
                all(|row| row.exponential_goodness)
            ),
            format!(
                "stable rank {}, energy of the first 64: {} %",
                all(|row| Some(row.stable_rank)),
                percent(group.rows.iter().map(|row| row.energy_64))
            ),
        ];
        if group.kind == Kind::Other {
            let names: Vec<&str> = group.rows.iter().map(|row| short(row)).take(5).collect();
            notes.push(format!("from light to dark: {}", names.join(", ")));
        }
        Panel {
            map: None,
            title: group.title(),
            notes,
            x_label: "index i".to_string(),
            x_ticks: ticks(group.rows.iter().map(|row| row.spectrum.len()).max().unwrap_or(1)),
            y_label: "σᵢ / ‖W‖".to_string(),
            curves,
        }
    };
    let caption = format!(
        "Singular values above σ₁ / {SMALLEST} of {}; each line is a matrix, ‖W‖ the Frobenius norm. {}Of ‖W‖², the \
         first 64 directions hold {} % in the layers; {}.{}",
        of_source(groups.iter().flat_map(|group| &group.rows).copied()),
        fits(groups),
        percent(layers(groups).map(|row| row.energy_64)),
        gaussian(references),
        match groups.iter().flat_map(|group| &group.rows).next() {
            Some(row) if !row.left_out.is_empty() => format!(" Tensors not analysed: {}.", row.left_out),
            _ => String::new(),
        },
    );
    let keys = vec![
        KeyEntry::line(line(depth(0.0), 1.6), "first layer"),
        KeyEntry::line(line(depth(0.5), 1.6), "middle"),
        KeyEntry::line(line(depth(1.0), 1.6), "last layer"),
        KeyEntry::line(GAUSSIAN, "Gaussian matrix of the same shape"),
    ];
    Sheet {
        title: "Singular values of weight matrices".to_string(),
        panels: groups.iter().map(panel).collect(),
        key: keys,
        caption,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_index_is_labelled() {
        assert_eq!(ticks(384), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 384.0]);
        assert_eq!(ticks(1), [1.0]);
    }

    #[test]
    fn depth_goes_from_light_to_dark() {
        let sum = |t: f64| {
            let (r, g, b) = depth(t);
            u32::from(r) + u32::from(g) + u32::from(b)
        };
        assert!(sum(0.0) > sum(0.3) && sum(0.3) > sum(0.6) && sum(0.6) > sum(1.0));
    }
}
