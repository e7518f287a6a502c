//! The figures of alternating least squares on hard tensors, made of their table alone.

use super::common::{answered, caption, values};
use super::panel::{Curve, Panel};
use super::sheet::{KeyEntry, Sheet};
use super::style::{Marker, Style, numbered};
use crate::condition_number::{ConditionNumbers, Problem, Row, SIDE, TERMS};
use crate::series::points;
use anyhow::Result;
use lowrank::separated::Precision;

/// Errors below this are drawn there.
const EXACT: f64 = 1e-15;

/// A variant: whether it extrapolates, and the bits of its bound (in the order of the bounds).
type Variant = (bool, u64);

/// Error and gamma against sweeps; errors of what is stored against sweeps.
pub fn sheets(study: ConditionNumbers, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
    let kept = answered(rows)?;
    let problems = values(&kept, |r| r.problem);
    let variants: Vec<Variant> = values(&kept, |r| (r.extrapolate, r.bound.to_bits()));
    let text = |what: &str| {
        let all = format!("{what} {}", describe(&problems));
        caption(study, &all, &[], false, &[], rows).map(|text| text.replace(",  threads.", "."))
    };
    let of = |problem: Problem, variant: Variant| {
        kept.iter().filter(move |r| r.problem == problem && (r.extrapolate, r.bound.to_bits()) == variant)
    };
    let panel = |title: String, y_label: &str, curves: Vec<Curve>| Panel {
        map: None,
        title,
        notes: Vec::new(),
        x_label: "sweeps".to_string(),
        x_ticks: Vec::new(),
        y_label: y_label.to_string(),
        curves,
    };

    let mut course = Vec::new();
    for &problem in &problems {
        let curves = |y: &dyn Fn(&Row) -> f64| -> Vec<Curve> {
            let curve = |&variant: &Variant| {
                let values = of(problem, variant).map(|r| (r.sweeps as f64, y(r)));
                Curve::medians(&points(values), look(variant, &variants))
            };
            variants.iter().map(curve).collect()
        };
        course.push(panel(title(problem), "‖A − M‖ / ‖A‖", curves(&|r| r.error.max(EXACT))));
        course.push(panel(title(problem), "condition number γ", curves(&|r| r.condition_number)));
    }
    let mut key: Vec<KeyEntry> =
        variants.iter().map(|&v| KeyEntry::shaded(look(v, &variants), name(v))).collect();
    key.push(KeyEntry::ranges());
    let sweeps = Sheet {
        title: "Alternating least squares: error and condition number".to_string(),
        panels: course,
        key,
        caption: text(
            "Sums M of terms λ v ⊗ w ⊗ z fitted to a tensor A by alternating least squares, error in the Frobenius \
             norm (left; below 10⁻¹⁵ drawn there) and γ = √(Σ λ²) / ‖M‖ (right), with and without a bound of γ, with and \
             without extrapolation between sweeps. Curves that coincide lie on top of each other: a bound that is not \
             reached changes nothing.",
        )?,
    };

    // Where gamma does not grow the bounds make no difference: the one without control is drawn.
    let free = (true, f64::INFINITY.to_bits());
    let drawn = |problem: Problem, v: &Variant| v.0 && (problem == Problem::Degenerate || *v == free);
    let mut storage = Vec::new();
    for &problem in &problems {
        for &variant in variants.iter().filter(|v| drawn(problem, v)) {
            let mut curves = Vec::new();
            for (k, precision) in Precision::ALL.into_iter().enumerate() {
                let rule =
                    of(problem, variant).map(|r| (r.sweeps as f64, r.weight * precision.unit_roundoff()));
                if precision != Precision::F64 {
                    let style =
                        Style { marker: Marker::None, width: 1.1, dash: Some((4.0, 3.0)), ..numbered(k) };
                    let rule = points(rule).iter().map(|p| (p.x, p.median)).collect();
                    curves.push(Curve::reference(rule, style));
                }
                let values = of(problem, variant).map(|r| (r.sweeps as f64, error(r, precision).max(EXACT)));
                curves.push(Curve::medians(&points(values), numbered(k)));
            }
            let bound = match f64::from_bits(variant.1) {
                bound if bound.is_finite() => format!("γ ≤ {bound}"),
                _ => "γ free".to_string(),
            };
            storage.push(panel(format!("{}, {bound}", title(problem)), "‖A − M′‖ / ‖A‖", curves));
        }
    }
    let mut key: Vec<KeyEntry> = Precision::ALL
        .into_iter()
        .enumerate()
        .map(|(k, p)| KeyEntry::shaded(numbered(k), format!("stored as {p}")))
        .collect();
    let dashed = Style { marker: Marker::None, width: 1.1, dash: Some((4.0, 3.0)), ..numbered(0) };
    key.push(KeyEntry::line(dashed, "γ μ ‖M‖ / ‖A‖, in the colour of its precision"));
    key.push(KeyEntry::ranges());
    let stored = Sheet {
        title: "What is left of a fit that is stored in fewer bits".to_string(),
        panels: storage,
        key,
        caption: text(
            "Errors in the Frobenius norm of M′, which is the fit M of so many sweeps, extrapolated, with all λ and all \
             entries of the unit factors rounded to nearest; below 10⁻¹⁵ drawn there. Dashed: the rule for what \
             rounding adds, μ the unit roundoff. Curves that coincide lie on top of each other.",
        )?,
    };
    let mut sheets =
        vec![("condition_number".to_string(), sweeps), ("condition_number_storage".to_string(), stored)];
    sheets.retain(|(_, sheet)| !sheet.panels.is_empty());
    Ok(sheets)
}

fn error(r: &Row, precision: Precision) -> f64 {
    match precision {
        Precision::Bf16 => r.error_bf16,
        Precision::F16 => r.error_f16,
        Precision::F32 => r.error_f32,
        Precision::F64 => r.error,
    }
}

/// Colour by the bound; plain sweeps are dashed.
fn look((extrapolate, bound): Variant, variants: &[Variant]) -> Style {
    let mut bounds: Vec<u64> = variants.iter().map(|v| v.1).collect();
    bounds.sort();
    bounds.dedup();
    let style = numbered(bounds.iter().position(|b| *b == bound).unwrap_or(0));
    if extrapolate { style } else { Style { dash: Some((5.0, 3.0)), ..style } }
}

fn name((extrapolate, bound): Variant) -> String {
    let bound = match f64::from_bits(bound) {
        bound if bound.is_finite() => format!("γ ≤ {bound}"),
        _ => "no control".to_string(),
    };
    if extrapolate { format!("{bound}, extrapolated") } else { format!("{bound}, plain sweeps") }
}

fn title(problem: Problem) -> String {
    match problem {
        Problem::Degenerate => "aab + aba + baa, two terms".to_string(),
        Problem::Swamp90 => format!("congruence 0.9, {TERMS} terms"),
        Problem::Swamp97 => format!("congruence 0.97, {TERMS} terms"),
    }
}

fn describe(problems: &[Problem]) -> String {
    let mut parts = vec![format!("All tensors are {SIDE} × {SIDE} × {SIDE}.")];
    if problems.contains(&Problem::Degenerate) {
        parts.push(
            "aab + aba + baa, a and b orthonormal, has rank 3 but is the limit of tensors of rank 2, whose γ grows \
             without end."
                .to_string(),
        );
    }
    if problems.iter().any(|p| *p != Problem::Degenerate) {
        parts.push(format!(
            "Congruence c: {TERMS} equal terms, the factors of a mode at inner products c with each other; the fit could \
             be exact."
        ));
    }
    parts.join(" ")
}
