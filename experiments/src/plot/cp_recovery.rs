//! The figures of the recovery of terms, made of their table alone.

use super::common::{answered, caption, values};
use super::panel::{Curve, Panel};
use super::sheet::{KeyEntry, Sheet};
use super::style::{Style, numbered};
use crate::cp_recovery::{BOUND, CpRecovery, FOUND, Method, Row};
use crate::series::points;
use anyhow::Result;

/// What is varied: its name, its axis, its value in a row, where the axis is labelled.
type Axis = (&'static str, &'static str, fn(&Row) -> usize, &'static [f64]);

const AXES: [Axis; 4] = [
    ("rank", "number of terms R", |r| r.rank, &[]),
    ("noise", "noise, % of the norm", |r| r.noise as usize, &[]),
    ("collinearity", "congruence, %", |r| r.congruence as usize, &[0.0, 20.0, 40.0, 60.0, 80.0, 90.0, 98.0]),
    ("missing entries", "entries missing, %", |r| r.missing as usize, &[0.0, 20.0, 40.0, 60.0, 80.0, 90.0]),
];

/// Failures and seconds over each of what is varied.
pub fn sheets(study: CpRecovery, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
    let kept = answered(rows)?;
    let methods = values(&kept, |r| r.method);
    // The value of most rows is the one that stands still while others vary.
    let usual = AXES.map(|(_, _, of, _)| {
        let count = |x: &usize| kept.iter().filter(|r| of(r) == *x).count();
        values(&kept, of).into_iter().max_by_key(count).unwrap_or(0)
    });
    let own = |axis: usize, method: Method| {
        let still = move |r: &&&Row| (0..4).all(|k| k == axis || AXES[k].2(r) == usual[k]);
        kept.iter().filter(move |r| r.method == method).filter(still).copied()
    };
    let failures = |axis: usize, method: Method| {
        let at: Vec<&Row> = own(axis, method).collect();
        let share = |x: usize| {
            let here: Vec<&&Row> = at.iter().filter(|r| AXES[axis].2(r) == x).collect();
            let failed = here.iter().filter(|r| !r.found()).count();
            (x as f64, failed as f64 / here.len() as f64)
        };
        let places: Vec<_> = values(&at, |r| AXES[axis].2(r)).into_iter().map(share).collect();
        // The axis goes from 0 to 1.
        let range = at.first().map(|r| (AXES[axis].2(r) as f64, 0.0, 1.0)).into_iter().collect();
        Curve { fitted: true, range, ..Curve::reference(places, look(method)) }
    };
    let seconds = |axis: usize, method: Method| {
        Curve::medians(&points(own(axis, method).map(|r| (AXES[axis].2(r) as f64, r.seconds))), look(method))
    };
    let varied: Vec<usize> = (0..4).filter(|k| values(&kept, |r| AXES[*k].2(r)).len() > 1).collect();
    let panels = |y_label: &str, curve: &dyn Fn(usize, Method) -> Curve| -> Vec<Panel> {
        let panel = |&axis: &usize| Panel {
            map: None,
            title: format!("over the {}", AXES[axis].0),
            notes: Vec::new(),
            x_label: AXES[axis].1.to_string(),
            x_ticks: AXES[axis].3.to_vec(),
            y_label: y_label.to_string(),
            curves: methods.iter().map(|&method| curve(axis, method)).collect(),
        };
        varied.iter().map(panel).collect()
    };
    let n = kept.iter().map(|r| r.n).max().unwrap_or(0);
    let threads = values(&kept, |r| r.threads);
    let what = |of: &str| {
        let text = format!(
            "{of} Tensors ({n}, {n}, {n}) of R terms of equal norm; what does not vary: {} terms, noise {} %, congruence {} %, \
             {} % missing. A run fails where the cosine of a term and its partner in the fit is below {FOUND}. All but the masked fit take missing entries for zeros.",
            usual[0], usual[1], usual[2], usual[3]
        );
        caption(study, &text, &[], false, &threads, rows)
    };
    let lines = methods.iter().map(|&m| KeyEntry::line(look(m), text(m))).collect();
    let shades =
        methods.iter().map(|&m| KeyEntry::shaded(look(m), text(m))).chain([KeyEntry::ranges()]).collect();
    let rate = Sheet {
        title: "Recovery of the terms: runs that fail".to_string(),
        panels: panels("share of the runs that fail", &failures),
        key: lines,
        caption: what("Whether all terms of a noisy tensor are found.")?
            .replace("Lines: medians of ", "Lines: shares of ")
            .replace("; shaded: smallest to largest", ""),
    };
    let time = Sheet {
        title: "Recovery of the terms: time".to_string(),
        panels: panels("seconds", &seconds),
        key: shades,
        caption: what("Seconds of a fit, whether it finds the terms or not.")?,
    };
    Ok(vec![("cp_recovery_failures".to_string(), rate), ("cp_recovery_seconds".to_string(), time)])
}

fn look(method: Method) -> Style {
    match method {
        // Often the same as the extrapolated one: it is seen below the others.
        Method::Bounded => Style { width: 3.2, dash: Some((7.0, 5.0)), ..numbered(method as usize) },
        _ => numbered(method as usize),
    }
}

fn text(method: Method) -> String {
    match method {
        Method::Plain => "alternating least squares".to_string(),
        Method::Extrapolated => "extrapolated".to_string(),
        Method::Bounded => format!("extrapolated, condition number ≤ {BOUND}"),
        Method::Compressed => "extrapolated, from the Tucker core".to_string(),
        Method::Masked => "extrapolated, observed entries alone".to_string(),
    }
}
