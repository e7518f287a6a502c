//! Densities of eigenvalues beside the law of Marchenko and Pastur.

use super::{Group, line, of_source, short, span};
use crate::plot::panel::{Curve, Panel};
use crate::plot::scale::number;
use crate::plot::sheet::{KeyEntry, Sheet};
use crate::plot::style::Style;
use crate::spectra::Row;
use crate::weights::{Kind, layer};
use lowrank::svd::spectrum::MarchenkoPastur;

const BARS: Style = line((86, 180, 233), 1.0);
const LAW: Style = line((213, 94, 0), 1.8);

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

fn density(row: &Row, title: String) -> Option<Panel> {
    let larger = row.m.max(row.n) as f64;
    let unit = larger * row.noise * row.noise;
    // Below a millionth of the mean there is a value or two.
    let x: Vec<f64> =
        row.spectrum.iter().map(|s| s * s / unit).filter(|x| *x > 1e-6 && x.is_finite()).collect();
    let law = MarchenkoPastur::of_shape((row.m, row.n), 1.0).ok()?;
    if x.is_empty() {
        return None;
    }
    let (steps, floor) = histogram(&x, row.spectrum.len());
    let (low, high) = law.edges();
    let from = low.max(steps[0].0);
    let at = |i: i32| from * (high / from).powf(f64::from(i) / 300.0);
    let mut curve: Vec<(f64, f64)> = (0..=300).map(|i| (at(i), law.density(at(i)).max(floor))).collect();
    if low > steps[0].0 {
        curve.insert(0, (low, floor));
    }
    let bars = Curve {
        range: steps.iter().map(|(x, d)| (*x, floor, *d)).collect(),
        points: steps,
        style: BARS,
        fitted: true,
    };
    let law = Curve { points: curve, range: Vec::new(), style: LAW, fitted: true };
    let above = row.outliers;
    Some(Panel {
        title,
        notes: vec![format!(
            "distance from the law {}, {above} of {} values above its edge{}",
            number(row.noise_distance, 2),
            row.spectrum.len(),
            row.tail_exponent.map_or(String::new(), |a| format!("; tail exponent {}", number(a, 2))),
        )],
        x_label: "eigenvalue σ² / (max(m, n) w²)".to_string(),
        x_ticks: Vec::new(),
        y_label: "density".to_string(),
        curves: vec![bars, law],
    })
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
    let common = groups.iter().max_by_key(|group| group.rows.len()).map(|group| group.rows[0]);
    let reference = references.iter().find(|row| common.is_some_and(|c| (c.m, c.n) == (row.m, row.n)));
    panels.extend(reference.and_then(|row| density(row, format!("Gaussian matrix, {} × {}", row.m, row.n))));
    let all = || groups.iter().flat_map(|group| &group.rows);
    let caption = format!(
        "Eigenvalues of W'W of {}: bars, in bins of equal ratio; line: the law of Marchenko and Pastur of the \
         noise level w that fits the middle half of the singular values best. Distances of Kolmogorov and \
         Smirnov from the law, values above the edge left out: {} for the weights, {} for Gaussian matrices of \
         their shapes; values above the edge: {} for the weights, {} for Gaussian matrices. Trained weights are \
         not noise with a few outliers: their bulk is wider than the law's.",
        of_source(all().copied()),
        span(all().map(|row| row.noise_distance), 2),
        span(references.iter().map(|row| row.noise_distance), 2),
        span(all().map(|row| row.outliers as f64), 3),
        span(references.iter().map(|row| row.outliers as f64), 3),
    );
    let keys = vec![
        KeyEntry::shaded(BARS, "eigenvalues of the matrix"),
        KeyEntry::line(LAW, "Marchenko–Pastur law, fitted noise level"),
    ];
    Sheet {
        title: "Eigenvalues of trained weights against the law of pure noise".to_string(),
        panels,
        key: keys,
        caption,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
