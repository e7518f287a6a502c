//! The figures of the randomized singular value decompositions, made of their table alone.

use super::common::{answered, caption, dense_instead, families, largest, list, ticks, title, values};
use super::panel::{Curve, Panel};
use super::sheet::{KeyEntry, Sheet};
use super::style::{BOUND, INK, RATE, Style, numbered};
use crate::families::Family;
use crate::rsvd::{OVERSAMPLING, Row, Rsvd, Sketch};
use crate::series::points;
use anyhow::Result;

/// Optimal errors below this are rounding: ratios to them say nothing.
const EXACT: f64 = 1e-12;

/// Error over the optimum against rank and against products with A, and time against rank.
pub fn sheets(study: Rsvd, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
    let (kept, mut note) = largest(answered(rows)?, |r| (r.family, r.n));
    note += dense_instead(kept.iter().map(|r| (r.rank + OVERSAMPLING, r.n)));
    let all = All {
        families: families(kept.iter().map(|r| r.family)),
        powers: values(&kept, |r| r.power_iterations),
        ranks: values(&kept, |r| r.rank),
        sketches: values(&kept, |r| r.sketch),
        rows: kept,
    };
    let threads = values(&all.rows, |r| r.threads);
    let text = |what: &str, pooled: bool| {
        // Weights, of other sizes, are not drawn with the others.
        let shown = all.families.iter().copied().filter(|f| !pooled || *f != Family::Weights);
        caption(study, &format!("{what}{note}"), &shown.collect::<Vec<_>>(), pooled, &threads, rows)
    };
    let mut sheets = vec![
        ("rsvd_error".to_string(), all.errors(&text)?),
        ("rsvd_sketch".to_string(), all.over_sketches(&text)?),
        ("rsvd_time".to_string(), all.times(&text)?),
    ];
    sheets.retain(|(_, sheet)| !sheet.panels.is_empty());
    Ok(sheets)
}

/// What is drawn.
struct All<'a> {
    rows: Vec<&'a Row>,
    families: Vec<Family>,
    powers: Vec<usize>,
    ranks: Vec<usize>,
    sketches: Vec<Sketch>,
}

/// A caption of what is drawn, and whether a curve shows several families.
type Text<'a> = &'a dyn Fn(&str, bool) -> Result<String>;

impl All<'_> {
    fn title(&self, family: Family) -> String {
        title(family, self.rows_of(family).map(|r| (&r.weights, r.n)))
    }

    fn rows_of(&self, family: Family) -> impl Iterator<Item = &Row> {
        self.rows.iter().copied().filter(move |r| r.family == family)
    }

    fn errors(&self, text: Text) -> Result<Sheet> {
        let sketch = self.sketches[0];
        let mut panels = Vec::new();
        for &family in &self.families {
            let inexact = || self.rows_of(family).filter(|r| r.sketch == sketch && r.optimal > EXACT);
            let curve = |(k, &q): (usize, &usize)| {
                let own = inexact().filter(|r| r.power_iterations == q);
                Curve::medians(&points(own.map(|r| (r.rank as f64, r.error / r.optimal))), numbered(k))
            };
            let mut curves: Vec<Curve> = self.powers.iter().enumerate().map(curve).collect();
            if sketch == Sketch::Gaussian {
                let bound = self.ranks.iter().map(|&r| (r as f64, expectation(r)));
                curves.push(Curve::reference(bound.collect(), RATE));
            }
            curves.push(Curve::reference(self.ranks.iter().map(|&r| (r as f64, 1.0)).collect(), BOUND));
            panels.push(Panel {
                map: None,
                title: self.title(family),
                notes: Vec::new(),
                x_label: "rank r".to_string(),
                x_ticks: ticks(&self.ranks),
                y_label: "error over the optimum".to_string(),
                curves,
            });
        }
        let mut key: Vec<KeyEntry> = (self.powers.iter().enumerate())
            .map(|(k, q)| KeyEntry::shaded(numbered(k), iterations(*q)))
            .collect();
        key.push(KeyEntry::line(BOUND, "the optimum (Eckart, Young): the singular values beyond r"));
        if sketch == Sketch::Gaussian {
            key.push(KeyEntry::line(
                RATE,
                format!("√(1 + r/(p − 1)), p = {OVERSAMPLING}: bound of the mean (see below)"),
            ));
        }
        key.push(KeyEntry::ranges());
        let what = format!(
            "Errors in the Frobenius norm of the randomized SVD X of rank r of an n × n matrix A, {} sketch of r + \
             {OVERSAMPLING} columns, over the smallest possible one; where that is below 10⁻¹² |A|, all is rounding and \
             left out. The bound is that of the expected error without power iterations, before truncation to rank r.",
            sketch_text(sketch)
        );
        Ok(Sheet {
            title: "Randomized SVD: error over the optimum against rank".to_string(),
            panels,
            key,
            caption: text(&what, false)?,
        })
    }

    fn over_sketches(&self, text: Text) -> Result<Sheet> {
        let rank = self.ranks[self.ranks.len() / 2];
        let panel = |&family: &Family| {
            let curve = |(k, &sketch): (usize, &Sketch)| {
                let own = self.rows_of(family).filter(|r| r.sketch == sketch && r.rank == rank);
                let ratios = own.filter(|r| r.optimal > EXACT);
                let ratios = ratios.map(|r| ((2 * r.power_iterations + 2) as f64, r.error / r.optimal));
                Curve::medians(&points(ratios), numbered(k))
            };
            let products: Vec<usize> = self.powers.iter().map(|q| 2 * q + 2).collect();
            let mut curves: Vec<Curve> = self.sketches.iter().enumerate().map(curve).collect();
            curves.push(Curve::reference(products.iter().map(|&x| (x as f64, 1.0)).collect(), BOUND));
            Panel {
                map: None,
                title: self.title(family),
                notes: Vec::new(),
                x_label: "products with A or its transpose, 2q + 2".to_string(),
                x_ticks: ticks(&products),
                y_label: "error over the optimum".to_string(),
                curves,
            }
        };
        let mut key: Vec<KeyEntry> = (self.sketches.iter().enumerate())
            .map(|(k, s)| KeyEntry::shaded(numbered(k), format!("{} sketch", sketch_text(*s))))
            .collect();
        key.push(KeyEntry::line(BOUND, "the optimum (Eckart, Young)"));
        key.push(KeyEntry::ranges());
        let what = format!(
            "Errors in the Frobenius norm over the smallest possible one, of the randomized SVD of rank {rank} with \
             q = {} power iterations and sketches of {} columns.",
            list(&self.powers),
            rank + OVERSAMPLING
        );
        Ok(Sheet {
            title: format!("Randomized SVD: power iterations and sketch, rank {rank}"),
            panels: self.families.iter().map(panel).collect(),
            key,
            caption: text(&what, false)?,
        })
    }

    fn times(&self, text: Text) -> Result<Sheet> {
        let dense_style = Style { colour: INK, dash: None, width: 1.6, ..RATE };
        let panel = |title: String, chosen: &dyn Fn(&Row) -> bool| {
            let own: Vec<&Row> = self.rows.iter().copied().filter(|r| chosen(r)).collect();
            let curve = |(k, &q): (usize, &usize)| {
                let times =
                    own.iter().filter(|r| r.power_iterations == q).map(|r| (r.rank as f64, r.seconds));
                Curve::medians(&points(times), numbered(k))
            };
            let mut curves: Vec<Curve> = self.powers.iter().enumerate().map(curve).collect();
            let dense = points(own.iter().map(|r| (r.rank as f64, r.dense_seconds)));
            curves.push(Curve::medians(&dense, dense_style));
            Panel {
                map: None,
                title,
                notes: Vec::new(),
                x_label: "rank r".to_string(),
                x_ticks: ticks(&self.ranks),
                y_label: "seconds".to_string(),
                curves,
            }
        };
        let stored = |r: &Row| r.family.density().is_none() && r.family != Family::Weights;
        let mut panels = Vec::new();
        if self.rows.iter().any(|r| stored(r)) {
            for &sketch in &self.sketches {
                panels.push(panel(format!("{} sketch", sketch_text(sketch)), &|r| {
                    r.sketch == sketch && stored(r)
                }));
            }
        }
        if self.families.iter().any(|f| f.density().is_some()) {
            let sketch = self.sketches[0];
            panels.push(panel(format!("sparse A, {} sketch", sketch_text(sketch)), &|r| {
                r.sketch == sketch && r.family.density().is_some()
            }));
        }
        let mut key: Vec<KeyEntry> = (self.powers.iter().enumerate())
            .map(|(k, q)| KeyEntry::shaded(numbered(k), iterations(*q)))
            .collect();
        key.push(KeyEntry::shaded(dense_style, "dense SVD, with singular vectors"));
        key.push(KeyEntry::ranges());
        let rank = self.ranks[self.ranks.len() / 2];
        let speedups = self.rows.iter().filter(|r| r.rank == rank && stored(r));
        let speedups = points(speedups.map(|r| (r.power_iterations as f64, r.dense_seconds / r.seconds)));
        let speedups: Vec<String> =
            speedups.iter().map(|p| format!("{:.1} (q = {})", p.median, p.x)).collect();
        let faster = match speedups[..] {
            [] => String::new(),
            _ => format!(
                " At rank {rank} the randomized SVD of a stored matrix is faster by factors of {}, medians over families, \
                 seeds and sketches.",
                speedups.join(", ")
            ),
        };
        let drawn: Vec<&Row> = self.rows.iter().copied().filter(|r| r.family != Family::Weights).collect();
        let what = format!(
            "Wall-clock seconds of the randomized SVD of an n × n matrix, n = {}, and of the dense SVD of the same \
             matrix on the same threads (which it uses for products only), each a median of repetitions. Sparse matrices are \
             applied from their nonzeros.{faster}",
            list(&values(&drawn, |r| r.n))
        );
        Ok(Sheet {
            title: "Randomized SVD: time against rank".to_string(),
            panels,
            key,
            caption: text(&what, true)?,
        })
    }
}

/// sqrt(1 + r / (p - 1)).
fn expectation(rank: usize) -> f64 {
    (1.0 + rank as f64 / (OVERSAMPLING as f64 - 1.0)).sqrt()
}

fn iterations(q: usize) -> String {
    match q {
        0 => "no power iteration".to_string(),
        1 => "1 power iteration".to_string(),
        _ => format!("{q} power iterations"),
    }
}

fn sketch_text(sketch: Sketch) -> &'static str {
    match sketch {
        Sketch::Gaussian => "Gaussian",
        Sketch::SparseSign => "sparse-sign",
        Sketch::Hadamard => "Hadamard",
    }
}
