//! The figures of what the matrices are: decay, sparsity, neural networks.

use super::super::common::list;
use super::super::panel::{Curve, Panel};
use super::super::sheet::{KeyEntry, Sheet};
use super::super::style::{Marker, RATE, Style, numbered};
use super::{All, ERROR, Needed, SPEEDUP, limits, smallest_ranks};
use crate::cases::Product;
use crate::families::{Family, SPARSE_TERMS};
use crate::lowrank_gemm::Row;
use crate::measure::median;
use crate::series::{Point, points};
use anyhow::Result;

impl All<'_> {
    pub(super) fn needed(&self) -> Result<Sheet> {
        let decaying: Vec<Family> = self.families.iter().copied().filter(|f| f.decay().is_some()).collect();
        let mut decays: Vec<f64> = decaying.iter().filter_map(|f| f.decay()).collect();
        decays.sort_by(f64::total_cmp);
        decays.dedup();
        let last = || self.last.iter().copied().filter(|r| r.family.decay().is_some());
        let panel = |(percent, pick): (usize, Needed)| {
            let mut curves = Vec::new();
            for (k, &n) in self.sizes.iter().enumerate() {
                for noisy in [false, true] {
                    let own = || last().filter(|r| r.n == n && r.family.noisy() == noisy);
                    // Where none was found, one above all measured is needed.
                    let rank = |r: &Row| pick(r).map_or(f64::INFINITY, |rank| rank as f64);
                    let mut places = points(own().filter_map(|r| Some((r.family.decay()?, rank(r)))));
                    places.retain(|p| p.median.is_finite());
                    for place in places.iter_mut().filter(|p| p.high.is_infinite()) {
                        let same = own().filter(|r| r.family.decay() == Some(place.x));
                        place.high = same.map(|r| r.rank as f64).fold(place.median, f64::max);
                    }
                    curves.push(Curve::medians(&places, noise_style(k, noisy)));
                }
            }
            let one = (100.0 / percent as f64).ln();
            let alone = Curve::reference(decays.iter().map(|&t| (t, one * t)).collect(), RATE);
            curves.push(Curve { fitted: true, ..alone });
            Panel {
                map: None,
                x_ticks: decays.clone(),
                ..self.panel(
                    format!("errors of {percent} %"),
                    "decay t: singular values exp(−i/t)",
                    &[],
                    "smallest rank r",
                    curves,
                )
            }
        };
        let picks: [(usize, Needed); 3] =
            [(5, |r| r.rank_5_percent), (1, |r| r.rank_1_percent), (10, |r| r.rank_10_percent)];
        let panels = if decays.is_empty() { Vec::new() } else { picks.into_iter().map(panel).collect() };
        let mut key = Vec::new();
        for (k, n) in self.sizes.iter().enumerate() {
            key.push(KeyEntry::shaded(noise_style(k, false), format!("N = {n}")));
        }
        key.push(KeyEntry::shaded(noise_style(0, true), "dashed: with 1 % noise"));
        key.push(KeyEntry::line(RATE, "t ln(1/error): the rank one matrix needs"));
        key.push(KeyEntry::ranges());
        let what = format!(
            "Smallest rank r for which ‖C − Cᵣ‖ ≤ 5, 1, 10 % of ‖C‖ in the Frobenius norm, by bisection over the \
             truncated factors of the largest rank measured; a median above {0} is not shown, and ranges end there. \
             The families have t = {1}.",
            limits(last()),
            list(&decays.iter().map(|t| *t as usize).collect::<Vec<_>>())
        );
        let caption = self.text(&what, &decaying, false)?;
        Ok(self.sheet("Low-rank products: rank needed against decay", panels, key, caption))
    }

    pub(super) fn sparsity(&self) -> Result<Sheet> {
        let sparse: Vec<Family> = self.families.iter().copied().filter(|f| f.density().is_some()).collect();
        let ranks: Vec<usize> = self.ranks.iter().copied().filter(|r| *r < SPARSE_TERMS).collect();
        let panel = |n: usize, y: &str, value: fn(&Row) -> f64| {
            let curve = |(k, &rank): (usize, &usize)| {
                let place = |&f: &Family| {
                    let at: Vec<&Row> = self.of(f, n).filter(|r| r.rank == rank).collect();
                    let share = 100.0 * median(at.iter().map(|r| r.nonzeros).collect());
                    points(at.iter().map(|r| (share, value(r))).filter(|p| p.1 > 1e-9))
                };
                let mut places: Vec<Point> = sparse.iter().flat_map(place).collect();
                places.sort_by(|a, b| a.x.total_cmp(&b.x));
                Curve::medians(&places, numbered(k))
            };
            let curves = ranks.iter().enumerate().map(curve).collect();
            self.panel(format!("N = {n}"), "nonzeros of A, %", &[], y, curves)
        };
        let mut panels = Vec::new();
        for n in self.sizes_of(&sparse) {
            if sparse.iter().filter(|f| self.of(**f, n).next().is_some()).count() > 1 {
                panels.push(panel(n, ERROR, |r| r.error));
                panels.push(panel(n, "seconds of both factorizations", |r| r.offline_seconds));
            }
        }
        let mut key: Vec<KeyEntry> = (ranks.iter().enumerate())
            .map(|(k, r)| KeyEntry::shaded(numbered(k), format!("rank r = {r}")))
            .collect();
        key.push(KeyEntry::ranges());
        let what = format!(
            "Error in the Frobenius norm (left), and seconds of the two randomized SVDs, which are computed from the \
             nonzeros (right), against the share of nonzeros. Ranks from {SPARSE_TERMS} on, where nothing but rounding is left, are in neither; \
             nor are errors below 10⁻⁹."
        );
        let caption = self.text(&what, &sparse, false)?;
        Ok(self.sheet("Low-rank products: error against sparsity", panels, key, caption))
    }

    pub(super) fn neural(&self) -> Result<Sheet> {
        let shown: Vec<Family> = [Family::HeavyTailed, Family::Weights]
            .into_iter()
            .filter(|f| self.families.contains(f))
            .collect();
        let mut curves: [Vec<Curve>; 3] = Default::default();
        let mut key = Vec::new();
        // Weights of the same kinds, such as those of all layers, share a curve.
        let name = |r: &Row| match Product::parse(&r.weights) {
            Ok(product) => format!("weights: {}, N = {}", product.kinds(), r.n),
            Err(_) => format!("{}, N = {}", r.family.text(), r.n),
        };
        let own: Vec<&Row> = self.rows.iter().copied().filter(|r| shown.contains(&r.family)).collect();
        let mut names: Vec<String> = Vec::new();
        for row in &own {
            if !names.contains(&name(row)) {
                names.push(name(row));
            }
        }
        let last = || self.last.iter().copied().filter(|r| shown.contains(&r.family));
        let mut smallest = Vec::new();
        for group in names {
            let ranks = smallest_ranks(last().filter(|r| name(r) == group));
            smallest.extend(ranks.map(|ranks| format!("{group}: {ranks}")));
            let style = numbered(key.len());
            let curve = |value: fn(&Row) -> f64| {
                let group = own.iter().filter(|r| name(r) == group);
                Curve::medians(&points(group.map(|r| (r.rank as f64, value(r)))), style)
            };
            curves[0].push(curve(|r| r.error));
            curves[1].push(curve(|r| r.full_seconds / r.online_seconds));
            curves[2].push(curve(|r| r.memory));
            key.push(KeyEntry::shaded(style, group.clone()));
        }
        key.push(KeyEntry::ranges());
        let [error, speedup, memory] = curves;
        let panel =
            |title: &str, y: &str, curves| self.panel(title.to_string(), "rank r", &self.ranks, y, curves);
        let panels = if shown.is_empty() {
            Vec::new()
        } else {
            vec![
                panel("error", ERROR, error),
                panel("speedup, the factors being ready", SPEEDUP, speedup),
                panel("memory", "numbers stored over those of dense A and B", memory),
            ]
        };
        let mut files: Vec<&str> =
            own.iter().filter_map(|r| Product::parse(&r.weights).ok()).map(|p| p.file).collect();
        files.dedup();
        let weights = match files[..] {
            [] => String::new(),
            _ => format!(
                " Weights: those of {}, as stored (output × input), ′ the transpose, N the smallest size; curves \
                 show all layers together.",
                files.join(", ")
            ),
        };
        let what = format!(
            "Matrices like those of neural networks: error in the Frobenius norm, speedup of the product of ready \
             factors, and numbers in the factors over those of A and B stored densely.{weights} Smallest ranks for errors of 1 / 5 / 10 % (median; –: above \
             {}): {}.",
            limits(last()),
            smallest.join("; ")
        );
        let caption = self.text(&what, &[Family::HeavyTailed], false)?;
        Ok(self.sheet("Low-rank products: neural networks", panels, key, caption))
    }
}

fn noise_style(k: usize, noisy: bool) -> Style {
    let style = numbered(k);
    if noisy { Style { marker: Marker::None, dash: Some((5.0, 3.0)), ..style } } else { style }
}
