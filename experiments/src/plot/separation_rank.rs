//! The figures of the sums of Kronecker products, made of their table alone.

use super::common::{answered, caption, ticks, values};
use super::panel::{Curve, Panel};
use super::sheet::{KeyEntry, Sheet};
use super::style::numbered;
use crate::separation_rank::{BLOCKS, DISK, Family, Form, MOTION, NOISE, Row, SIGMA, SeparationRanks};
use crate::series::points;
use anyhow::Result;

/// Errors below this are drawn there: the sum is exact.
const EXACT: f64 = 1e-14;

/// Error against storage, and against terms.
pub fn sheets(study: SeparationRanks, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
    let kept = answered(rows)?;
    let inputs = values(&kept, |r| (r.family, r.weights.as_str(), r.m, r.n));
    let forms: Vec<Form> = Form::ALL.into_iter().filter(|f| kept.iter().any(|r| r.form == *f)).collect();
    let key: Vec<KeyEntry> = forms
        .iter()
        .map(|&form| KeyEntry::shaded(numbered(form as usize), text(form)))
        .chain([KeyEntry::ranges()])
        .collect();
    let terms = values(&kept, |r| r.terms);
    let panels = |label: &str, x_ticks: Vec<f64>, x: &dyn Fn(&Row) -> f64| -> Vec<Panel> {
        let panel = |&(family, weights, m, n): &(Family, &str, usize, usize)| {
            let curve = |&form: &Form| {
                let own = kept.iter().filter(|r| {
                    (r.family, r.weights.as_str(), r.m, r.n, r.form) == (family, weights, m, n, form)
                });
                Curve::medians(&points(own.map(|r| (x(r), r.error.max(EXACT)))), numbered(form as usize))
            };
            Panel {
                title: format!("{}, {m} × {n}", title(family)),
                notes: Vec::new(),
                x_label: label.to_string(),
                x_ticks: x_ticks.clone(),
                y_label: "‖A − M‖ / ‖A‖".to_string(),
                curves: forms.iter().map(curve).collect(),
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
        panels: panels("stored numbers, % of the matrix", Vec::new(), &|r| {
            100.0 * r.parameters as f64 / (r.m * r.n) as f64
        }),
        key: key.clone(),
        caption: what("What a sum of Kronecker products M stores, beside a truncated SVD.")?,
    };
    let ranks = Sheet {
        title: "Sums of Kronecker products: error against separation rank".to_string(),
        panels: panels("terms s", ticks(&terms), &|r| r.separation_rank as f64),
        key,
        caption: what("The number of terms of M; a term of more factors stores fewer numbers.")?,
    };
    Ok(vec![("separation_rank_storage".to_string(), storage), ("separation_rank_terms".to_string(), ranks)])
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

/// How trained weights fare at the largest storage that all forms have, as a sentence after a space.
fn trained(rows: &[&Row]) -> String {
    let own: Vec<&&Row> = rows.iter().filter(|r| r.family == Family::Weights).collect();
    let Some(largest) = own.iter().filter(|r| r.form == Form::Svd).map(|r| r.parameters).max() else {
        return String::new();
    };
    let of = |form: Form| {
        let within = own.iter().filter(|r| r.form == form && r.parameters <= largest);
        within.map(|r| (r.parameters, r.error)).max_by(|x, y| x.0.cmp(&y.0))
    };
    let parts: Vec<String> = Form::ALL
        .into_iter()
        .filter_map(|form| of(form).map(|(_, error)| format!("{} {error:.2}", form.name())))
        .collect();
    format!(" Trained weights with at most {largest} numbers, errors: {}.", parts.join(", "))
}
