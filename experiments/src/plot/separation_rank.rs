//! The figures of the sums of Kronecker products, made of their table alone.

use super::common::{answered, caption, ticks, values};
use super::panel::{Curve, Panel};
use super::scale::number;
use super::sheet::{KeyEntry, Sheet};
use super::style::{Style, numbered};
use crate::separation_rank::{BLOCKS, DISK, Family, Form, MOTION, NOISE, Row, SIGMA, SeparationRanks};
use crate::series::points;
use anyhow::Result;
use std::collections::BTreeSet;

/// Family, weights, rows, columns.
type Input<'a> = (Family, &'a str, usize, usize);

/// Errors below this are drawn there: the sum is exact.
const EXACT: f64 = 1e-14;

/// Error against storage, and against terms.
pub fn sheets(study: SeparationRanks, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
    let kept = answered(rows)?;
    let inputs: BTreeSet<Input> =
        kept.iter().copied().map(|r| (r.family, r.weights.as_str(), r.m, r.n)).collect();
    let forms: Vec<Form> = Form::ALL.into_iter().filter(|f| kept.iter().any(|r| r.form == *f)).collect();
    // The best of all shapes is often the square one: it is drawn below, as wide dashes.
    let mut drawn = forms.clone();
    drawn.sort_by_key(|form| *form != Form::Best);
    let keys = |forms: &[Form]| -> Vec<KeyEntry> {
        let all = forms.iter().map(|&form| KeyEntry::shaded(look(form), text(form)));
        all.chain([KeyEntry::ranges()]).collect()
    };
    let terms = values(&kept, |r| r.terms);
    let panels = |label: &str, shown: &[Form], x_ticks: Vec<f64>, x: &dyn Fn(&Row) -> f64| -> Vec<Panel> {
        let panel = |&(family, weights, m, n): &Input| {
            let curve = |&form: &Form| {
                let own = kept.iter().filter(|r| {
                    (r.family, r.weights.as_str(), r.m, r.n, r.form) == (family, weights, m, n, form)
                });
                Curve::medians(&points(own.map(|r| (x(r), r.error.max(EXACT)))), look(form))
            };
            Panel {
                map: None,
                title: format!("{}, {m} × {n}", title(family)),
                notes: Vec::new(),
                x_label: label.to_string(),
                x_ticks: x_ticks.clone(),
                y_label: "‖A − M‖ / ‖A‖".to_string(),
                curves: shown.iter().map(curve).collect(),
            }
        };
        inputs.iter().map(panel).collect()
    };
    let what = |of: &str| {
        let kinds = describe(&inputs.iter().map(|i| i.0).collect::<Vec<_>>());
        let all = format!(
            "{of} Errors in the Frobenius norm, measured from the residual; those below 10⁻¹⁴ are drawn there. Two \
             factors: the truncated SVD of the rearranged matrix, the best possible; three and four: alternating \
             least squares with a condition number of at most 1000. {kinds}{}",
            trained(&kept)
        );
        caption(study, &all, &[], false, &[], rows).map(|text| text.replace(",  threads.", "."))
    };
    let storage = Sheet {
        title: "Sums of Kronecker products: error against storage".to_string(),
        panels: panels("stored numbers, % of the matrix", &drawn, Vec::new(), &share),
        key: keys(&forms),
        caption: what("What a sum of Kronecker products M stores, beside a truncated SVD.")?,
    };
    drawn.retain(|form| *form != Form::Best); // of other numbers of terms
    let ranks = Sheet {
        title: "Sums of Kronecker products: error against separation rank".to_string(),
        panels: panels("terms s", &drawn[..], ticks(&terms), &|r| r.terms as f64),
        key: keys(&drawn),
        caption: what("The number of terms of M; a term of more factors stores fewer numbers.")?,
    };
    Ok(vec![("separation_rank_storage".to_string(), storage), ("separation_rank_terms".to_string(), ranks)])
}

fn look(form: Form) -> Style {
    match form {
        Form::Best => Style { width: 3.2, dash: Some((7.0, 5.0)), ..numbered(form as usize) },
        _ => numbered(form as usize),
    }
}

fn text(form: Form) -> &'static str {
    match form {
        Form::Svd => "columns times rows: truncated SVD",
        Form::Two => "2 factors as square as they get",
        Form::Best => "2 factors, best of all shapes",
        Form::Three => "3 factors as square as they get",
        Form::Four => "4 factors as square as they get",
    }
}

fn title(family: Family) -> &'static str {
    match family {
        Family::Random => "Gaussian entries",
        Family::SmoothKernel => "smooth kernel in the plane",
        Family::BlockStructured => "blocks of a few kinds",
        Family::BlurGaussian => "blur by a Gaussian",
        Family::BlurMotion => "blur by a diagonal motion",
        Family::BlurDisk => "blur by a disk",
        Family::Weights => "weights of a transformer",
    }
}

/// What the families are.
fn describe(families: &[Family]) -> String {
    let one = |family: &Family| match family {
        Family::Random => String::new(),
        Family::SmoothKernel => {
            "Kernel: 1/(1 + 16 |x − y|²) for the points of a square grid of side 1.".to_string()
        }
        Family::BlockStructured => {
            format!("Blocks: each one of {BLOCKS} Gaussian ones, and noise of {} % of ‖A‖.", 100.0 * NOISE)
        }
        Family::BlurGaussian => {
            format!(
                "Blurs: of a square image, zero outside; Gaussian with σ = {SIGMA} pixels, a Kronecker product."
            )
        }
        Family::BlurMotion => {
            format!("Motion: {} pixels along the diagonal, a sum of as many products.", 2 * MOTION + 1)
        }
        Family::BlurDisk => format!("Disk: radius {DISK} pixels."),
        Family::Weights => "Weights: trained ones, from the file that the table names.".to_string(),
    };
    let parts: Vec<String> = families.iter().map(one).filter(|text| !text.is_empty()).collect();
    parts.join(" ")
}

/// What fraction of the numbers of the matrix so many terms store, in percent.
fn share(row: &Row) -> f64 {
    100.0 * row.form.numbers(row.m, row.n, row.terms) as f64 / (row.m * row.n) as f64
}

/// How trained weights fare at the largest storage of each form, as a sentence after a space.
fn trained(rows: &[&Row]) -> String {
    let own = |form: Form| rows.iter().filter(move |r| r.family == Family::Weights && r.form == form);
    let last = |form: Form| own(form).max_by(|x, y| share(x).total_cmp(&share(y)));
    let one = |form: Form| {
        last(form).map(|r| format!("{} with {:.0} % ({})", number(r.error, 2), share(r), text(form)))
    };
    let parts: Vec<String> = Form::ALL.into_iter().filter_map(one).collect();
    if parts.is_empty() {
        return String::new();
    }
    format!(" Errors of trained weights at the largest storage of each form: {}.", parts.join(", "))
}
