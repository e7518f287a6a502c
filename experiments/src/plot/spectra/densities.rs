//! Densities of eigenvalues beside the law of Marchenko and Pastur.

use super::{Group, counts, has_bulk, line, of_source, short, span};
use crate::plot::panel::{Curve, Panel};
use crate::plot::scale::number;
use crate::plot::sheet::{KeyEntry, Sheet};
use crate::plot::style::Style;
use crate::spectra::Row;
use crate::weights::{Kind, layer};
use lowrank::svd::spectrum::MarchenkoPastur;
use std::collections::BTreeSet;

const BARS: Style = line((86, 180, 233), 1.0);
const LAW: Style = line((213, 94, 0), 1.8);
const BULK: Style = Style { dash: Some((5.0, 3.0)), ..line((60, 60, 60), 1.2) };

/// Bins of a histogram for each decade.
const BINS: f64 = 7.0;

/// A bin: from, to, density.
type Bar = (f64, f64, f64);

/// The density of positive numbers in bins of equal ratio, from the first with a number to the
/// last; each number counts 1 / `count`.
fn histogram(x: &[f64], count: usize) -> Vec<Bar> {
    let step = (10.0_f64).powf(1.0 / BINS);
    let bin = |x: f64| (x.log10() * BINS).floor() as i64;
    let (first, last) = x.iter().fold((i64::MAX, i64::MIN), |r, x| (r.0.min(bin(*x)), r.1.max(bin(*x))));
    let bar = |k: i64| {
        let left = 10.0_f64.powf(k as f64 / BINS);
        let inside = x.iter().filter(|x| bin(**x) == k).count();
        (left, left * step, inside as f64 / (count as f64 * left * (step - 1.0)))
    };
    (first..=last).map(bar).collect()
}

/// Bars side by side as one outline on the floor; nothing is drawn of empty bins.
fn outlines(bars: &[Bar], floor: f64) -> Vec<Curve> {
    let outline = |bars: &[Bar]| {
        let steps: Vec<(f64, f64)> = bars.iter().flat_map(|b| [(b.0, b.2), (b.1, b.2)]).collect();
        let range = steps.iter().map(|(x, density)| (*x, floor, *density)).collect();
        let ends = [(bars[0].0, floor), (bars[bars.len() - 1].1, floor)];
        Curve { points: [&ends[..1], &steps, &ends[1..]].concat(), range, style: BARS, fitted: true }
    };
    bars.split(|bar| bar.2 == 0.0).filter(|bars| !bars.is_empty()).map(outline).collect()
}

/// Smaller eigenvalues, in units of the mean, are not shown: there are few.
const SMALLEST: f64 = 1e-3;

/// The density of a law from the smallest eigenvalue shown to its edge, times a share.
fn law(law: &MarchenkoPastur, share: f64, from: f64, floor: f64, style: Style) -> Curve {
    let (low, high) = law.edges();
    let start = low.max(from);
    let at = |i: i32| start * (high / start).powf(f64::from(i) / 300.0);
    let mut points: Vec<(f64, f64)> =
        (0..=300).map(|i| (at(i), (share * law.density(at(i))).max(floor))).collect();
    if low > from {
        points.insert(0, (low, floor));
    }
    points.push((high, floor));
    Curve { points, range: Vec::new(), style, fitted: true }
}

/// The law fitted to the bulk, in units of the mean eigenvalue: k values above the edge leave noise of
/// shape (m - k, n - k).
fn bulk(row: &Row, mean: f64) -> Option<MarchenkoPastur> {
    let shape = (row.m.checked_sub(row.outliers)?, row.n.checked_sub(row.outliers)?);
    MarchenkoPastur::of_shape(shape, row.noise * (shape.0.max(shape.1) as f64 / mean).sqrt()).ok()
}

fn density(row: &Row, title: String) -> Option<Panel> {
    let count = row.spectrum.len();
    let mean = row.frobenius * row.frobenius / count as f64;
    let x: Vec<f64> = row.spectrum.iter().map(|s| s * s / mean).filter(|x| *x > SMALLEST).collect();
    if x.is_empty() {
        return None;
    }
    let bars = histogram(&x, count);
    let (from, smallest) = (bars[0].0, bars.iter().map(|bar| bar.2).filter(|density| *density > 0.0));
    let floor = smallest.fold(f64::INFINITY, f64::min) / 2.0;
    let mut curves = outlines(&bars, floor);
    let share = (count - row.outliers) as f64 / count as f64;
    let whole = MarchenkoPastur::of_shape((row.m, row.n), 1.0).ok();
    curves.extend(whole.map(|whole| law(&whole, 1.0, from, floor, LAW)));
    curves.extend(
        bulk(row, mean).filter(|_| has_bulk(row)).map(|fitted| law(&fitted, share, from, floor, BULK)),
    );
    Some(Panel {
        map: None,
        title,
        notes: vec![format!(
            "distance from the solid law {}; {}{}",
            number(row.law_distance, 2),
            match has_bulk(row) {
                true => format!("{} of {count} values above the bulk", row.outliers),
                false => "no bulk of noise".to_string(),
            },
            row.tail_exponent.map_or(String::new(), |a| format!("; tail exponent {}", number(a, 2))),
        )],
        x_label: "eigenvalue of W'W or WW' over their mean".to_string(),
        x_ticks: Vec::new(),
        y_label: "density".to_string(),
        curves,
    })
}

/// How many of the weights are noise but for a few values.
fn bulks(weights: &[&Row], references: &[&Row]) -> String {
    let some: Vec<&Row> = weights.iter().copied().filter(|row| has_bulk(row)).collect();
    let none = weights.len() - some.len();
    let outliers = |rows: &[&Row]| counts(rows.iter().map(|row| row.outliers));
    let distance = |rows: &[&Row]| span(rows.iter().map(|row| row.noise_distance), 2);
    let mut text = match (none, weights.len()) {
        (0, _) => String::new(),
        (1, 1) => "The weight has no such bulk. ".to_string(),
        (_, all) => format!("{none} of the {all} weights have no such bulk: they are not spikes on noise. "),
    };
    let mut tell = |who: &str, rows: &[&Row]| {
        if !rows.is_empty() {
            text.push_str(&format!(
                "{who}: {} values above the edge by more than chance, distance of the rest from the dashed law {}. ",
                outliers(rows),
                distance(rows)
            ));
        }
    };
    tell(if none == 0 { "Weights" } else { "The other weights" }, &some);
    tell("Gaussian matrices", references);
    text.trim_end().to_string()
}

/// One panel for a matrix of each kind, for the nearest to noise, for the one with most values above a
/// bulk, and for noise.
pub fn sheet(groups: &[Group], references: &[&Row]) -> Sheet {
    // The middle layer; of what is no layer, the largest.
    let typical = groups.iter().filter_map(|group| match group.kind {
        Kind::Other => group.rows.iter().copied().max_by_key(|row| row.m * row.n),
        _ => group.rows.get(group.rows.len() / 2).copied(),
    });
    let mut shown: Vec<&Row> = typical.collect();
    let all = || groups.iter().flat_map(|group| group.rows.iter().copied());
    let nearest = all().min_by(|a, b| a.law_distance.total_cmp(&b.law_distance));
    let spiked = all().filter(|row| has_bulk(row) && row.outliers > 0).max_by_key(|row| row.outliers);
    for row in [nearest, spiked].into_iter().flatten() {
        if shown.iter().all(|other| other.matrix != row.matrix) {
            shown.push(row);
        }
    }
    let titled = |row: &Row| {
        let place = layer(&row.matrix).map_or(short(row).to_string(), |layer| {
            format!("{}, layer {layer}", Kind::of(&row.matrix).name())
        });
        density(row, format!("{place}, {} × {}", row.m, row.n))
    };
    let mut panels: Vec<Panel> = shown.into_iter().filter_map(titled).collect();
    // Noise of each shape that layers have, a shape and its transpose being the same.
    let sides = |row: &Row| (row.m.min(row.n), row.m.max(row.n));
    let kinds = groups.iter().filter(|group| group.kind != Kind::Other || groups.len() == 1);
    let shapes: BTreeSet<(usize, usize)> =
        kinds.flat_map(|group| &group.rows).map(|row| sides(row)).collect();
    for shape in shapes {
        let reference = references.iter().find(|row| sides(row) == shape);
        panels.extend(reference.and_then(|row| density(row, format!("Gaussian, {} × {}", row.m, row.n))));
    }
    let furthest = references.iter().map(|row| row.law_distance).fold(0.0, f64::max);
    let like_noise: Vec<&str> = all().filter(|row| row.law_distance <= 2.0 * furthest).map(short).collect();
    let caption = format!(
        "Eigenvalues of W'W, or WW', above {SMALLEST} of their mean: bars, in bins of equal ratio, for a matrix of \
         each kind of {}, the one nearest to noise and the one with the most values above a bulk. Solid: the law of Marchenko and Pastur, which noise of the same ‖W‖ follows. Its distance \
         (Kolmogorov, Smirnov) is {} for the weights and {} for Gaussian matrices of their shapes. {} Dashed: the \
         law that fits the middle half of the values below its edge, times their share, where they are more than \
         three quarters of all: else the fit means nothing. {}",
        of_source(all()),
        span(all().map(|row| row.law_distance), 2),
        span(references.iter().map(|row| row.law_distance), 2),
        match like_noise[..] {
            [] => "No weight is as near as twice the furthest of these.".to_string(),
            _ => format!("As near as twice the furthest of these: {}.", like_noise.join(", ")),
        },
        bulks(&all().collect::<Vec<_>>(), references),
    );
    let keys = vec![
        KeyEntry::shaded(BARS, "eigenvalues of the matrix"),
        KeyEntry::line(LAW, "Marchenko–Pastur law of noise of the same ‖W‖"),
        KeyEntry::line(BULK, "the law fitted to the bulk"),
    ];
    Sheet {
        title: "Eigenvalues of weight matrices beside the law of pure noise".to_string(),
        panels,
        key: keys,
        caption,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spectra::{Matrix, Trial, analyse};
    use crate::table::Record;
    use lowrank::random::gaussian;
    use lowrank::svd::spectrum::NoiseParameters;

    #[test]
    fn the_fitted_law_ends_at_the_edge_of_the_table() {
        for (m, n, signals) in [(120, 80, 0), (120, 80, 12), (80, 80, 15), (60, 200, 9)] {
            let mut a = gaussian::<f64>(m, n, 1, "bulk");
            for i in 0..signals {
                a[(i, i)] += 100.0 + i as f64;
            }
            let trial = Trial { source: "file", matrix: Matrix::Stored("w"), m, n };
            let row = analyse(a.as_ref(), Row::done(&trial)).unwrap();
            assert_eq!(row.outliers, signals, "{m} {n}");
            let mean = row.frobenius * row.frobenius / m.min(n) as f64;
            let law = bulk(&row, mean).unwrap();
            let margin = NoiseParameters::default().margin * law.edge_width(m.max(n) - signals);
            let edge = row.noise_edge * row.noise_edge / mean;
            assert!(((law.edges().1 + margin) / edge - 1.0).abs() < 1e-12, "{m} {n} {row:?}");
        }
    }

    #[test]
    fn a_histogram_has_mass_one() {
        let x: Vec<f64> = (1..=1000).map(|i| f64::from(i) / 100.0).collect();
        let bars = histogram(&x, x.len());
        let mass: f64 = bars.iter().map(|b| (b.1 - b.0) * b.2).sum();
        assert!((mass - 1.0).abs() < 1e-9, "{mass}");
        // Uniform on (0, 10]: the density is 0.1 in the bins that are full.
        let middle = bars[bars.len() / 2 + bars.len() / 4];
        assert!((middle.2 - 0.1).abs() < 0.01, "{middle:?}");
    }

    #[test]
    fn empty_bins_are_not_drawn() {
        let bars = histogram(&[0.011, 1.1, 1.11], 3);
        assert!(bars.len() > 10);
        let curves = outlines(&bars, 0.01);
        assert_eq!(curves.len(), 2);
        for curve in curves {
            assert_eq!((curve.points.len(), curve.range.len()), (4, 2));
        }
    }
}
