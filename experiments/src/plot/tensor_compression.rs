//! The figure of the compressed tensors, made of its table alone.

use super::common::{answered, caption, values};
use super::panel::{Curve, Panel};
use super::sheet::{KeyEntry, Sheet};
use super::style::numbered;
use crate::measure::median;
use crate::series::Point;
use crate::tensor_compression::{
    FILLS, FILTERS, FLUOROPHORES, Family, Form, NOISE, Row, SETTLED, TERMS, TensorCompression,
};
use anyhow::Result;

/// Errors below this are drawn there: rounding errors.
const EXACT: f64 = 1e-14;

/// Error against storage.
pub fn sheets(study: TensorCompression, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
    let kept = answered(rows)?;
    let families = values(&kept, |r| r.family);
    let forms = values(&kept, |r| r.form);
    let mut panels = Vec::new();
    for &family in &families {
        let own: Vec<&Row> = kept.iter().copied().filter(|r| r.family == family).collect();
        let shape = own[0].shape.replace(' ', " × ");
        let mut panel = |what: &str, error: &dyn Fn(&Row) -> f64| {
            panels.push(Panel {
                map: None,
                title: format!("{}, {shape}{what}", title(family)),
                notes: Vec::new(),
                x_label: "stored numbers, % of the entries".to_string(),
                x_ticks: Vec::new(),
                y_label: "‖A − X‖ / ‖A‖".to_string(),
                curves: forms.iter().map(|&form| curve(&own, form, error)).collect(),
            });
        };
        match family.incomplete() {
            false => panel("", &|r| r.error),
            true => {
                panel(": fitted entries", &|r| r.error);
                panel(": held-out entries", &|r| r.held_out_error.unwrap_or(f64::NAN));
            }
        }
    }
    let entries = forms.iter().map(|&form| KeyEntry::shaded(numbered(form as usize), text(form)));
    let what = format!(
        "Errors in the Frobenius norm, measured from the residual; X of no fewer numbers than A has entries is \
         left out. Tucker (improved by orthogonal iteration) and trains of whole tensors are cut at relative \
         errors; canonical decompositions have 1, 2, … terms, of whole tensors with condition numbers of at most \
         1000. {}",
        describe(&families)
    );
    let caption = caption(study, &what, &[], false, &[], rows)?.replace(",  threads.", ".");
    let sheet = Sheet {
        title: "Compressed tensors: error against stored numbers".to_string(),
        panels,
        key: entries.chain([KeyEntry::ranges()]).collect(),
        caption,
    };
    Ok(vec![("tensor_compression".to_string(), sheet)])
}

/// The errors of a form at the median storage of each level.
fn curve(rows: &[&Row], form: Form, error: &dyn Fn(&Row) -> f64) -> Curve {
    let own: Vec<&Row> = rows.iter().copied().filter(|r| r.form == form).collect();
    let point = |level: &usize| {
        let same: Vec<&&Row> = own.iter().filter(|r| r.level == *level).collect();
        let errors: Vec<f64> = same.iter().map(|r| error(r).max(EXACT)).collect();
        Point {
            x: median(same.iter().map(|r| 100.0 * r.parameters as f64 / r.entries as f64).collect()),
            low: errors.iter().copied().fold(f64::INFINITY, f64::min),
            high: errors.iter().copied().fold(0.0, f64::max),
            median: median(errors),
        }
    };
    let mut points: Vec<Point> = values(&own, |r| r.level).iter().map(point).collect();
    points.retain(|p| p.x < 100.0);
    points.sort_by(|p, q| p.x.total_cmp(&q.x));
    points.dedup_by_key(|p| p.x);
    Curve::medians(&points, numbered(form as usize))
}

fn text(form: Form) -> &'static str {
    match form {
        Form::Tucker => "Tucker",
        Form::Cp => "canonical polyadic",
        Form::Train => "tensor train",
        Form::Quantized => "tensor train, modes split into prime factors",
    }
}

fn title(family: Family) -> &'static str {
    match family {
        Family::Scene => "hyperspectral image",
        Family::Fluorescence => "fluorescence",
        Family::Simulated => "simulated fluorescence",
        Family::Kernel => "generated convolution kernel",
        Family::Newton => "1/|x| on a grid",
        Family::LowRank => "low rank and noise",
        Family::Random => "Gaussian entries",
    }
}

/// What the tensors are.
fn describe(families: &[Family]) -> String {
    let noise = 100.0 * NOISE;
    let one = |family: &Family| match family {
        Family::Scene => "Image: Indian Pines (AVIRIS, 1992), pixels by bands.".to_string(),
        Family::Fluorescence => {
            "Fluorescence: samples by emission, excitation and time, 0.4 % missing, a fifth held out."
                .to_string()
        }
        Family::Simulated => {
            format!(
                "Simulated fluorescence: {FLUOROPHORES} fluorophores, noise of {noise} %, a fifth held out."
            )
        }
        Family::Kernel => format!(
            "Kernel: no trained one, but {FILTERS} oriented filters of strengths 1, 1/2, …, each from a mixture of \
             channels to one, noise of {noise} %."
        ),
        Family::Newton => "1/|x|: x in (0, 1]³.".to_string(),
        Family::LowRank => format!("Low rank: {TERMS} Gaussian terms, noise of {noise} %."),
        Family::Random => String::new(),
    };
    let mut parts: Vec<String> = families.iter().map(one).filter(|text| !text.is_empty()).collect();
    if families.iter().any(|f| f.incomplete()) {
        parts.push(format!(
            "Of incomplete tensors canonical decompositions are fitted to what is known alone; for the others the \
             rest is filled in with what they say of it, up to {FILLS} times or until that changes by less than \
             {SETTLED:e} of the norm."
        ));
    }
    parts.join(" ")
}
