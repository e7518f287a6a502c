//! The six figures of the low-rank products, made of their table alone.

use super::common::{answered, caption, families, list, ticks, values};
use super::panel::{Curve, Panel};
use super::sheet::{KeyEntry, Sheet};
use super::style::{Marker, RATE, Style, numbered};
use crate::families::Family;
use crate::lowrank_gemm::{LowRankGemm, OVERSAMPLING, POWER_ITERATIONS, Row};
use crate::measure::median;
use crate::series::{Point, points};
use anyhow::Result;

/// The families that stand for all in the figures against rank and speedup.
const SHOWN: [Family; 7] = [
    Family::Gaussian,
    Family::Fast,
    Family::Medium,
    Family::Slow,
    Family::NoisyMedium,
    Family::Sparse1,
    Family::HeavyTailed,
];

const ERROR: &str = "relative error ‖C − Cᵣ‖ / ‖C‖";
const SPEEDUP: &str = "speedup over the full product";

/// Error and speedup against rank, their trade-off, rank needed against decay, error against
/// sparsity, and the neural families.
pub fn sheets(study: LowRankGemm, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
    let kept = answered(rows)?;
    let own: Vec<&Row> = kept.iter().copied().filter(|r| r.family != Family::Weights).collect();
    let all = All {
        study,
        table: rows,
        families: families(kept.iter().map(|r| r.family)),
        sizes: values(&own, |r| r.n),
        ranks: values(&kept, |r| r.rank),
        rows: kept,
    };
    let mut out = Vec::new();
    let mut add = |name: &str, sheet: Sheet| {
        if !sheet.panels.is_empty() {
            out.push((format!("{}_{name}", crate::study::Study::stem(study)), sheet));
        }
    };
    add("error_rank", all.against_rank()?);
    add("speedup_rank", all.speedups()?);
    add("error_speedup", all.trade_off()?);
    add("rank_decay", all.needed()?);
    add("error_sparsity", all.sparsity()?);
    add("neural", all.neural()?);
    Ok(out)
}

/// What is drawn.
struct All<'a> {
    study: LowRankGemm,
    table: &'a [Row],
    rows: Vec<&'a Row>,
    families: Vec<Family>,
    sizes: Vec<usize>,
    ranks: Vec<usize>,
}

impl All<'_> {
    fn of(&self, family: Family, n: usize) -> impl Iterator<Item = &Row> {
        self.rows.iter().copied().filter(move |r| r.family == family && r.n == n)
    }

    fn shown(&self) -> Vec<Family> {
        SHOWN.into_iter().filter(|f| self.families.contains(f)).collect()
    }

    fn text(&self, what: &str, shown: &[Family]) -> Result<String> {
        let threads = values(&self.rows, |r| r.threads);
        caption(self.study, what, shown, &threads, self.table)
    }

    fn family_key(&self, shown: &[Family]) -> Vec<KeyEntry> {
        let mut key: Vec<KeyEntry> =
            shown.iter().map(|f| KeyEntry::shaded(f.style(), f.text())).collect();
        key.push(KeyEntry::ranges());
        key
    }

    fn sheet(&self, title: &str, panels: Vec<Panel>, key: Vec<KeyEntry>, caption: String) -> Sheet {
        Sheet { title: title.to_string(), panels, key, caption }
    }

    fn against_rank(&self) -> Result<Sheet> {
        let shown = self.shown();
        let panel = |&n: &usize| {
            let curve = |&f: &Family| {
                Curve::medians(&points(self.of(f, n).map(|r| (r.rank as f64, r.error))), f.style())
            };
            self.panel(format!("N = {n}"), "rank r", &self.ranks, ERROR, shown.iter().map(curve).collect())
        };
        let what = format!(
            "Errors in the Frobenius norm of Cᵣ = AᵣBᵣ for C = AB, N × N, where Aᵣ and Bᵣ are randomized SVDs of \
             rank r ({OVERSAMPLING} more columns, {POWER_ITERATIONS} power iteration). {}",
            self.smallest(&shown)
        );
        let panels = self.sizes.iter().map(panel).collect();
        let caption = self.text(&what, &shown)?;
        Ok(self.sheet("Low-rank products: error against rank", panels, self.family_key(&shown), caption))
    }

    /// The smallest ranks for 1, 5 and 10 %, as a sentence.
    fn smallest(&self, shown: &[Family]) -> String {
        let Some(&n) = self.sizes.last() else { return String::new() };
        let limit = self.ranks.last().copied().unwrap_or(0);
        let one = |family: &Family| {
            let last: Vec<&Row> = self.of(*family, n).filter(|r| r.rank == limit).collect();
            let needed = |pick: fn(&Row) -> Option<usize>| needed(&last, pick).map_or("–".into(), |r| r.to_string());
            let list = [needed(|r| r.rank_1_percent), needed(|r| r.rank_5_percent), needed(|r| r.rank_10_percent)];
            format!("{} {}", family.name(), list.join(" / "))
        };
        let list: Vec<String> = shown.iter().map(one).collect();
        format!(
            "Smallest ranks for errors of 1 / 5 / 10 % at N = {n} (median; –: above {limit}): {}.",
            list.join(", ")
        )
    }

    fn speedups(&self) -> Result<Sheet> {
        let dense: Vec<Family> = self
            .families
            .iter()
            .copied()
            .filter(|f| f.density().is_none() && *f != Family::Weights)
            .collect();
        let panel = |title: &str, speedup: fn(&Row) -> f64| {
            let mut curves = Vec::new();
            for (k, &n) in self.sizes.iter().enumerate() {
                let own = self.rows.iter().filter(|r| r.n == n && dense.contains(&r.family));
                curves.push(Curve::medians(&points(own.map(|r| (r.rank as f64, speedup(r)))), numbered(k)));
                let flops = self.ranks.iter().map(|&r| (r as f64, flop_ratio(n as f64, r as f64)));
                let style = Style { colour: numbered(k).colour, ..RATE };
                curves.insert(0, Curve::reference(flops.collect(), style));
            }
            curves.push(Curve::reference(self.ranks.iter().map(|&r| (r as f64, 1.0)).collect(), RATE));
            self.panel(title.to_string(), "rank r", &self.ranks, SPEEDUP, curves)
        };
        let panels = vec![
            panel("online: the factors are ready", |r| r.full_seconds / r.online_seconds),
            panel("with both factorizations, for one product", |r| {
                r.full_seconds / (r.online_seconds + r.offline_seconds)
            }),
        ];
        let mut key: Vec<KeyEntry> = (self.sizes.iter().enumerate())
            .map(|(k, n)| KeyEntry::shaded(numbered(k), format!("N = {n}")))
            .collect();
        key.push(KeyEntry::line(RATE, "in their colours: ratio of the flops online, N² / (Nr + 2r²); grey: 1"));
        key.push(KeyEntry::ranges());
        let uses = |n: usize| {
            let at = self.rows.iter().filter(|r| r.n == n && dense.contains(&r.family) && r.rank == self.ranks[0]);
            median(at.map(|r| r.offline_seconds / (r.full_seconds - r.online_seconds)).collect())
        };
        let uses: Vec<String> =
            self.sizes.iter().map(|&n| format!("{:.1} (N = {n})", uses(n))).collect();
        let what = format!(
            "Seconds of the full product of this library over those of the product of the factors, written as a dense \
             matrix; medians of repetitions taken in turn in the same trial, stored matrices of {} families. \
             Factorizations at r = {} pay after {} products.",
            dense.len(),
            self.ranks[0],
            uses.join(", ")
        );
        let caption = self.text(&what, &[])?;
        Ok(self.sheet("Low-rank products: speedup against rank", panels, key, caption))
    }

    fn trade_off(&self) -> Result<Sheet> {
        let shown = self.shown();
        let panel = |&n: &usize| {
            let curve = |&f: &Family| {
                let place = |&rank: &usize| {
                    let at: Vec<&Row> = self.of(f, n).filter(|r| r.rank == rank).collect();
                    let speedup = median(at.iter().map(|r| r.full_seconds / r.online_seconds).collect());
                    points(at.iter().map(|r| (speedup, r.error)))
                };
                let places: Vec<Point> = self.ranks.iter().flat_map(place).collect();
                Curve::medians(&places, f.style())
            };
            let curves = shown.iter().map(curve).collect();
            self.panel(format!("N = {n}"), "speedup, the factors being ready", &[], ERROR, curves)
        };
        let what = format!(
            "Error in the Frobenius norm against the speedup of the product of ready factors over the full product; \
             a marker a rank, r = {}, the smallest at the right. Below and right is better.",
            list(&self.ranks)
        );
        let panels = self.sizes.iter().map(panel).collect();
        let caption = self.text(&what, &shown)?;
        Ok(self.sheet("Low-rank products: error against speedup", panels, self.family_key(&shown), caption))
    }

    fn needed(&self) -> Result<Sheet> {
        let decaying: Vec<Family> = self.families.iter().copied().filter(|f| f.decay().is_some()).collect();
        let mut decays: Vec<f64> = decaying.iter().filter_map(|f| f.decay()).collect();
        decays.sort_by(f64::total_cmp);
        decays.dedup();
        let limit = self.ranks.last().copied().unwrap_or(0);
        let panel = |(percent, pick): (usize, fn(&Row) -> Option<usize>)| {
            let mut curves = Vec::new();
            for (k, &n) in self.sizes.iter().enumerate() {
                for noisy in [false, true] {
                    let own = self.rows.iter().filter(|r| r.n == n && r.rank == limit && r.family.noisy() == noisy);
                    let places = own.filter_map(|r| Some((r.family.decay()?, pick(r)? as f64)));
                    curves.push(Curve::medians(&points(places), noise_style(k, noisy)));
                }
            }
            let one = (100.0 / percent as f64).ln();
            curves.push(Curve::reference(decays.iter().map(|&t| (t, one * t)).collect(), RATE));
            Panel {
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
        let picks: [(usize, fn(&Row) -> Option<usize>); 3] =
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
             truncated factors of rank {limit}; a rank above {limit} is not shown. Fast, medium and slow decay are t \
             = {}.",
            list(&decays.iter().map(|t| *t as usize).collect::<Vec<_>>())
        );
        let caption = self.text(&what, &decaying)?;
        Ok(self.sheet("Low-rank products: rank needed against decay", panels, key, caption))
    }

    fn sparsity(&self) -> Result<Sheet> {
        let sparse: Vec<Family> = self.families.iter().copied().filter(|f| f.density().is_some()).collect();
        let ranks: Vec<usize> = self.ranks.iter().copied().filter(|r| *r <= 64).collect();
        let panel = |n: usize, y: &str, value: fn(&Row) -> f64| {
            let curve = |(k, &rank): (usize, &usize)| {
                let place = |&f: &Family| {
                    let at: Vec<&Row> = self.of(f, n).filter(|r| r.rank == rank).collect();
                    let share = 100.0 * median(at.iter().map(|r| r.nonzeros).collect());
                    points(at.iter().map(|r| (share, value(r))))
                };
                let mut places: Vec<Point> = sparse.iter().flat_map(place).collect();
                places.sort_by(|a, b| a.x.total_cmp(&b.x));
                Curve::medians(&places, numbered(k))
            };
            let curves = ranks.iter().enumerate().map(curve).collect();
            self.panel(format!("N = {n}"), "nonzeros of A, %", &[], y, curves)
        };
        let mut panels = Vec::new();
        for &n in self.sizes.iter().filter(|n| sparse.iter().any(|f| self.of(*f, **n).next().is_some())) {
            if sparse.iter().filter(|f| self.of(**f, n).next().is_some()).count() > 1 {
                panels.push(panel(n, ERROR, |r| r.error));
                panels.push(panel(n, "seconds of both factorizations", |r| r.offline_seconds));
            }
        }
        let mut key: Vec<KeyEntry> = (ranks.iter().enumerate())
            .map(|(k, r)| KeyEntry::shaded(numbered(k), format!("rank r = {r}")))
            .collect();
        key.push(KeyEntry::ranges());
        let what = "Error in the Frobenius norm (left), and seconds of the two randomized SVDs, which are computed \
                    from the nonzeros (right), against the share of nonzeros.";
        let caption = self.text(what, &sparse)?;
        Ok(self.sheet("Low-rank products: error against sparsity", panels, key, caption))
    }

    fn neural(&self) -> Result<Sheet> {
        let shown: Vec<Family> = [Family::HeavyTailed, Family::Weights]
            .into_iter()
            .filter(|f| self.families.contains(f))
            .collect();
        let mut curves: [Vec<Curve>; 3] = Default::default();
        let mut key = Vec::new();
        for &family in &shown {
            let mut sizes: Vec<usize> = self.rows.iter().filter(|r| r.family == family).map(|r| r.n).collect();
            sizes.sort_unstable();
            sizes.dedup();
            for n in sizes {
                let style = numbered(key.len());
                let curve = |value: fn(&Row) -> f64| {
                    Curve::medians(&points(self.of(family, n).map(|r| (r.rank as f64, value(r)))), style)
                };
                curves[0].push(curve(|r| r.error));
                curves[1].push(curve(|r| r.full_seconds / r.online_seconds));
                curves[2].push(curve(|r| r.memory));
                key.push(KeyEntry::shaded(style, format!("{}, N = {n}", family.text())));
            }
        }
        key.push(KeyEntry::ranges());
        let [error, speedup, memory] = curves;
        let panel = |title: &str, y: &str, curves| {
            self.panel(title.to_string(), "rank r", &self.ranks, y, curves)
        };
        let panels = if shown.is_empty() {
            Vec::new()
        } else {
            vec![
                panel("error", ERROR, error),
                panel("speedup, the factors being ready", SPEEDUP, speedup),
                panel("memory", "numbers stored over those of A and B", memory),
            ]
        };
        let what = "Matrices like those of neural networks: error in the Frobenius norm, speedup of the product of \
                    ready factors, and memory of the factors.";
        let caption = self.text(what, &shown)?;
        Ok(self.sheet("Low-rank products: neural networks", panels, key, caption))
    }

    fn panel(&self, title: String, x: &str, marks: &[usize], y: &str, curves: Vec<Curve>) -> Panel {
        Panel {
            title,
            notes: Vec::new(),
            x_label: x.to_string(),
            x_ticks: ticks(marks),
            y_label: y.to_string(),
            curves,
        }
    }
}

/// The median of the ranks needed; none where most trials need more than was tried.
fn needed(rows: &[&Row], pick: fn(&Row) -> Option<usize>) -> Option<usize> {
    let mut ranks: Vec<usize> = rows.iter().map(|r| pick(r).unwrap_or(usize::MAX)).collect();
    ranks.sort_unstable();
    ranks.get(ranks.len() / 2).copied().filter(|r| *r < usize::MAX)
}

/// Flops of the full product over those of the product of the factors.
fn flop_ratio(n: f64, r: f64) -> f64 {
    n * n / (n * r + 2.0 * r * r)
}

fn noise_style(k: usize, noisy: bool) -> Style {
    let style = numbered(k);
    if noisy { Style { marker: Marker::None, dash: Some((5.0, 3.0)), ..style } } else { style }
}
