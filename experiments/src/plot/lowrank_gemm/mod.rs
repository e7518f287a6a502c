//! The six figures of the low-rank products, made of their table alone.

mod structure;

use super::common::{answered, caption, dense_instead, families, list, ticks, values};
use super::panel::{Curve, Panel};
use super::sheet::{KeyEntry, Sheet};
use super::style::{RATE, Style, numbered};
use crate::families::Family;
use crate::lowrank_gemm::{LowRankGemm, OVERSAMPLING, POWER_ITERATIONS, Row};
use crate::measure::median;
use crate::series::{Point, points};
use anyhow::Result;
use std::collections::BTreeMap;

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
        last: at_largest_rank(&kept),
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

/// A rank needed, of a row.
type Needed = fn(&Row) -> Option<usize>;

/// What is drawn.
struct All<'a> {
    study: LowRankGemm,
    table: &'a [Row],
    rows: Vec<&'a Row>,
    /// Those of the largest rank of their matrices: they know the ranks needed below it.
    last: Vec<&'a Row>,
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

    /// The sizes of these families.
    fn sizes_of(&self, shown: &[Family]) -> Vec<usize> {
        let any = |n: &usize| shown.iter().any(|f| self.of(*f, *n).next().is_some());
        self.sizes.iter().copied().filter(any).collect()
    }

    fn text(&self, what: &str, shown: &[Family], pooled: bool) -> Result<String> {
        let threads = values(&self.rows, |r| r.threads);
        let dense = dense_instead(self.rows.iter().map(|r| (r.rank + OVERSAMPLING, r.n)));
        caption(self.study, &format!("{what}{dense}"), shown, pooled, &threads, self.table)
    }

    fn family_key(&self, shown: &[Family]) -> Vec<KeyEntry> {
        let mut key: Vec<KeyEntry> = shown.iter().map(|f| KeyEntry::shaded(f.style(), f.text())).collect();
        key.push(KeyEntry::ranges());
        key
    }

    fn sheet(&self, title: &str, panels: Vec<Panel>, key: Vec<KeyEntry>, caption: String) -> Sheet {
        Sheet { title: title.to_string(), panels, key, caption }
    }

    fn against_rank(&self) -> Result<Sheet> {
        let shown = self.shown();
        let panel = |&n: &usize| {
            let curve =
                |&f: &Family| error_curve(&points(self.of(f, n).map(|r| (r.rank as f64, r.error))), f);
            self.panel(format!("N = {n}"), "rank r", &self.ranks, ERROR, shown.iter().map(curve).collect())
        };
        let what = format!(
            "Errors in the Frobenius norm of Cᵣ = AᵣBᵣ for C = AB, N × N, where Aᵣ and Bᵣ are randomized SVDs of \
             rank r ({OVERSAMPLING} more columns, {POWER_ITERATIONS} power iteration). {}",
            self.smallest()
        );
        let panels = self.sizes_of(&shown).iter().map(panel).collect();
        let caption = self.text(&what, &shown, false)?;
        Ok(self.sheet("Low-rank products: error against rank", panels, self.family_key(&shown), caption))
    }

    /// The smallest ranks for 1, 5 and 10 %, as a sentence.
    fn smallest(&self) -> String {
        let Some(&n) = self.sizes.last() else { return String::new() };
        let last = || self.last.iter().copied().filter(|r| r.n == n && r.family != Family::Weights);
        let one = |family: &Family| {
            let ranks = smallest_ranks(last().filter(|r| r.family == *family));
            ranks.map(|ranks| format!("{} {ranks}", family.name()))
        };
        let list: Vec<String> = self.families.iter().filter_map(one).collect();
        format!(
            "Smallest ranks for errors of 1 / 5 / 10 % at N = {n} (median; –: above {}): {}.",
            limits(last()),
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
        let panel = |title: &str, online: bool, speedup: fn(&Row) -> f64| {
            let mut curves = Vec::new();
            for (k, &n) in self.sizes.iter().enumerate() {
                let own = self.rows.iter().filter(|r| r.n == n && dense.contains(&r.family));
                curves.push(Curve::medians(&points(own.map(|r| (r.rank as f64, speedup(r)))), numbered(k)));
                let flops = self.ranks.iter().map(|&r| (r as f64, flop_ratio(n as f64, r as f64)));
                let style = Style { colour: numbered(k).colour, ..RATE };
                if online {
                    curves.insert(0, Curve::reference(flops.collect(), style));
                }
            }
            curves.push(Curve::reference(self.ranks.iter().map(|&r| (r as f64, 1.0)).collect(), RATE));
            self.panel(title.to_string(), "rank r", &self.ranks, SPEEDUP, curves)
        };
        let both = [
            panel("online: the factors are ready", true, |r| r.full_seconds / r.online_seconds),
            panel("with both factorizations, for one product", false, |r| {
                r.full_seconds / (r.online_seconds + r.offline_seconds)
            }),
        ];
        let panels = if dense.is_empty() { Vec::new() } else { both.into() };
        let mut key: Vec<KeyEntry> = (self.sizes.iter().enumerate())
            .map(|(k, n)| KeyEntry::shaded(numbered(k), format!("N = {n}")))
            .collect();
        key.push(KeyEntry::line(
            RATE,
            "in their colours: ratio of the flops online, N² / (Nr + 2r²); grey: 1",
        ));
        key.push(KeyEntry::ranges());
        let uses = |n: usize| {
            let at =
                self.rows.iter().filter(|r| r.n == n && dense.contains(&r.family) && r.rank == self.ranks[0]);
            // Where the factors are no faster, no number of products pays.
            let uses = at.map(|r| match r.full_seconds - r.online_seconds {
                gain if gain > 0.0 => r.offline_seconds / gain,
                _ => f64::INFINITY,
            });
            median(uses.collect())
        };
        let uses = self.sizes.iter().map(|&n| (n, uses(n))).filter(|(_, uses)| uses.is_finite());
        let uses: Vec<String> = uses.map(|(n, uses)| format!("{uses:.1} (N = {n})")).collect();
        let pays = match uses[..] {
            [] => String::new(),
            _ => format!(
                " Factorizations at r = {} pay after {} products (offline over full less online, the median).",
                self.ranks[0],
                uses.join(", ")
            ),
        };
        let what = format!(
            "Seconds of the full product of this library over those of the product of the factors, written as a dense \
             matrix; medians of repetitions taken in turn in the same trial, stored matrices of {} families.{pays}",
            dense.len()
        );
        let caption = self.text(&what, &[], true)?;
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
                error_curve(&places, f)
            };
            let curves = shown.iter().map(curve).collect();
            self.panel(format!("N = {n}"), "speedup, the factors being ready", &[], ERROR, curves)
        };
        let what = format!(
            "Error in the Frobenius norm against the speedup of the product of ready factors over the full product; \
             a marker a rank, r = {}, the smallest at the right. Below and right is better.{}",
            list(&self.ranks),
            if shown.iter().any(|f| f.density().is_some()) {
                " The full product is a dense one for sparse matrices too."
            } else {
                ""
            }
        );
        let panels = self.sizes_of(&shown).iter().map(panel).collect();
        let caption = self.text(&what, &shown, false)?;
        Ok(self.sheet("Low-rank products: error against speedup", panels, self.family_key(&shown), caption))
    }

    fn panel(&self, title: String, x: &str, marks: &[usize], y: &str, curves: Vec<Curve>) -> Panel {
        Panel {
            map: None,
            title,
            notes: Vec::new(),
            x_label: x.to_string(),
            x_ticks: ticks(marks),
            y_label: y.to_string(),
            curves,
        }
    }
}

/// The rows of the largest rank of each family, size and weights.
fn at_largest_rank<'a>(rows: &[&'a Row]) -> Vec<&'a Row> {
    let mut largest = BTreeMap::new();
    let key = |r: &'a Row| (r.family.name(), r.n, r.weights.as_str());
    for row in rows {
        let rank = largest.entry(key(row)).or_insert(row.rank);
        *rank = row.rank.max(*rank);
    }
    rows.iter().copied().filter(|r| largest[&key(r)] == r.rank).collect()
}

/// The ranks of these rows, as a bound that no rank found exceeds.
fn limits<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    let rows: Vec<&Row> = rows.collect();
    match values(&rows, |r| r.rank)[..] {
        [] => String::new(),
        [limit] => limit.to_string(),
        [low, .., high] => format!("the largest rank measured ({low} to {high})"),
    }
}

/// A curve of errors; where it falls to rounding errors it leaves the frame.
fn error_curve(places: &[Point], family: Family) -> Curve {
    let fitted = places.iter().all(|p| p.low > 1e-9);
    Curve { fitted, ..Curve::medians(places, family.style()) }
}

/// The medians of the ranks needed for errors of 1, 5 and 10 %: `30 / 20 / –`; none for no rows.
fn smallest_ranks<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<String> {
    let rows: Vec<&Row> = rows.collect();
    let picks: [Needed; 3] = [|r| r.rank_1_percent, |r| r.rank_5_percent, |r| r.rank_10_percent];
    let median = |pick: Needed| {
        let mut ranks: Vec<usize> = rows.iter().map(|r| pick(r).unwrap_or(usize::MAX)).collect();
        ranks.sort_unstable();
        // Of an even number the upper one, so that none is given where half need more.
        ranks.get(ranks.len() / 2).filter(|r| **r < usize::MAX).map_or("–".to_string(), usize::to_string)
    };
    (!rows.is_empty()).then(|| picks.map(median).join(" / "))
}

/// Flops of the full product over those of the product of the factors.
fn flop_ratio(n: f64, r: f64) -> f64 {
    n * n / (n * r + 2.0 * r * r)
}
