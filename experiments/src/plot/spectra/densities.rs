//! Densities of eigenvalues beside the law of Marchenko and Pastur.

use super::{Group, has_bulk, line, of_source, short, span};
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

/// The density of positive numbers in bins of equal ratio, as a line of steps; each number counts
/// 1 / `count`. Bins without any lie on the floor, half of the smallest density.
fn histogram(x: &[f64], count: usize) -> (Vec<(f64, f64)>, f64) {
    let step = (10.0_f64).powf(1.0 / BINS);
    let bin = |x: f64| (x.log10() * BINS).floor() as i64;
    let (first, last) = x.iter().fold((i64::MAX, i64::MIN), |r, x| (r.0.min(bin(*x)), r.1.max(bin(*x))));
    let mut bars = Vec::new();
    for k in first..=last {
        let left = 10.0_f64.powf(k as f64 / BINS);
        let inside = x.iter().filter(|x| bin(**x) == k).count();
        bars.push((left, left * step, inside as f64 / (count as f64 * left * (step - 1.0))));
    }
    let floor = bars.iter().map(|b| b.2).filter(|d| *d > 0.0).fold(f64::INFINITY, f64::min) / 2.0;
    let steps = bars.iter().flat_map(|b| [(b.0, b.2.max(floor)), (b.1, b.2.max(floor))]).collect();
    (steps, floor)
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
    Curve { points, range: Vec::new(), style, fitted: false }
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
    let (steps, floor) = histogram(&x, count);
    let from = steps[0].0;
    let bars = Curve {
        range: steps.iter().map(|(x, d)| (*x, floor, *d)).collect(),
        points: steps,
        style: BARS,
        fitted: true,
    };
    let mut curves = vec![bars];
    let share = (count - row.outliers) as f64 / count as f64;
    curves.extend(
        bulk(row, mean).filter(|_| has_bulk(row)).map(|fitted| law(&fitted, share, from, floor, BULK)),
    );
    let whole = MarchenkoPastur::of_shape((row.m, row.n), 1.0).ok();
    curves.extend(whole.map(|whole| law(&whole, 1.0, from, floor, LAW)));
    Some(Panel {
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
        x_label: "eigenvalue of W'W over their mean".to_string(),
        x_ticks: Vec::new(),
        y_label: "density".to_string(),
        curves,
    })
}

/// How many of the weights are noise but for a few values.
fn bulks(weights: &[&Row], references: &[&Row]) -> String {
    let some: Vec<&Row> = weights.iter().copied().filter(|row| has_bulk(row)).collect();
    let none = weights.len() - some.len();
    let outliers = |rows: &[&Row]| span(rows.iter().map(|row| row.outliers as f64), 3);
    let distance = |rows: &[&Row]| span(rows.iter().map(|row| row.noise_distance), 2);
    let mut text = match (none, weights.len()) {
        (0, _) => String::new(),
        (1, 1) => "The weight has no such bulk. ".to_string(),
        (_, all) => format!("{none} of the {all} weights have no such bulk: they are not spikes on noise. "),
    };
    let mut tell = |who: &str, rows: &[&Row]| {
        if !rows.is_empty() {
            text.push_str(&format!(
                "{who}: {} values above the edge, distance of the rest from the dashed law {}. ",
                outliers(rows),
                distance(rows)
            ));
        }
    };
    tell(if none == 0 { "Weights" } else { "The other weights" }, &some);
    tell("Gaussian matrices", references);
    text.trim_end().to_string()
}

/// One panel for a matrix of each kind, and one for noise.
pub fn sheet(groups: &[Group], references: &[&Row]) -> Sheet {
    let mut panels = Vec::new();
    for group in groups {
        // The middle layer; of what is no layer, the largest.
        let row = match group.kind {
            Kind::Other => group.rows.iter().max_by_key(|row| row.m * row.n),
            _ => group.rows.get(group.rows.len() / 2),
        };
        let Some(row) = row else { continue };
        let place = layer(&row.matrix)
            .map_or(short(row).to_string(), |layer| format!("{}, layer {layer}", group.kind.name()));
        panels.extend(density(row, format!("{place}, {} × {}", row.m, row.n)));
    }
    // Noise of each shape that layers have, a shape and its transpose being the same.
    let sides = |row: &Row| (row.m.min(row.n), row.m.max(row.n));
    let kinds = groups.iter().filter(|group| group.kind != Kind::Other || groups.len() == 1);
    let shapes: BTreeSet<(usize, usize)> =
        kinds.flat_map(|group| &group.rows).map(|row| sides(row)).collect();
    for shape in shapes {
        let reference = references.iter().find(|row| sides(row) == shape);
        panels.extend(reference.and_then(|row| density(row, format!("Gaussian, {} × {}", row.m, row.n))));
    }
    let all = || groups.iter().flat_map(|group| group.rows.iter().copied());
    let furthest = references.iter().map(|row| row.law_distance).fold(0.0, f64::max);
    let like_noise: Vec<&str> = all().filter(|row| row.law_distance <= 2.0 * furthest).map(short).collect();
    let caption = format!(
        "Eigenvalues of W'W, or WW', above {SMALLEST} of their mean: bars, in bins of equal ratio, for a matrix of \
         each kind of {}. Solid: the law of Marchenko and Pastur, which noise of the same ‖W‖ follows. Its distance \
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
        KeyEntry::line(BULK, "the same law, fitted to the bulk"),
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
    use crate::spectra::{Matrix, Spectra, Trial, analyse};
    use crate::study::Study;
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
            let row = analyse(a.as_ref(), Spectra.failed(&trial)).unwrap();
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
        let (steps, floor) = histogram(&x, x.len());
        let mass: f64 = steps.chunks(2).filter(|b| b[0].1 > floor).map(|b| (b[1].0 - b[0].0) * b[0].1).sum();
        assert!((mass - 1.0).abs() < 1e-9, "{mass}");
        // Uniform on (0, 10]: the density is 0.1 in the bins that are full.
        let middle = steps[steps.len() / 2 + steps.len() / 4];
        assert!((middle.1 - 0.1).abs() < 0.01, "{middle:?}");
    }
}
