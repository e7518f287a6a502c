//! The figure of the Laplacian in many dimensions, made of its table alone.

use super::common::{answered, caption, list, ticks, values};
use super::panel::{Curve, Panel};
use super::sheet::{KeyEntry, Sheet};
use super::style::{Marker, RATE, Style, numbered};
use crate::separated_laplacian::{RightHandSide, Row, SeparatedLaplacian, Solver};
use crate::series::points;
use anyhow::Result;

/// Residual, separation rank and time against d, one figure.
pub fn sheets(study: SeparatedLaplacian, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
    let kept = answered(rows)?;
    let (d, threads) = (values(&kept, |r| r.d), values(&kept, |r| r.threads));
    let sizes = values(&kept, |r| r.n);
    let sides = RightHandSide::ALL.into_iter().filter(|side| kept.iter().any(|r| r.right_hand_side == *side));
    let pairs: Vec<(RightHandSide, Solver)> = sides
        .flat_map(|side| Solver::ALL.map(|solver| (side, solver)))
        .filter(|(side, solver)| kept.iter().any(|r| r.right_hand_side == *side && r.solver == *solver))
        .collect();
    let panel = |title: &str, y_label: &str, value: &dyn Fn(&Row) -> f64, references: Vec<f64>| {
        let level = |y: &f64| Curve::reference(d.iter().map(|d| (*d as f64, *y)).collect(), RATE);
        let mut curves: Vec<Curve> = references.iter().map(level).collect();
        for (k, &(side, solver)) in pairs.iter().enumerate() {
            let own = kept.iter().filter(|r| r.right_hand_side == side && r.solver == solver);
            curves.push(Curve::medians(&points(own.map(|r| (r.d as f64, value(r)))), style(k, side, solver)));
        }
        Panel {
            map: None,
            title: title.to_string(),
            notes: Vec::new(),
            x_label: "dimensions d".to_string(),
            x_ticks: ticks(&d),
            y_label: y_label.to_string(),
            curves,
        }
    };
    let asked = Solver::ALL.into_iter().filter(|s| pairs.iter().any(|p| p.1 == *s)).map(|s| s.tolerances().0);
    let panels = vec![
        panel("Residual", "‖b − Ax‖ / ‖b‖", &|r| r.residual, asked.collect()),
        panel("Separation rank of the solution", "terms of x", &|r| r.terms as f64, Vec::new()),
        panel("Time", "seconds", &|r| r.seconds, Vec::new()),
    ];
    let mut key: Vec<KeyEntry> = pairs
        .iter()
        .enumerate()
        .map(|(k, &(side, solver))| KeyEntry::shaded(style(k, side, solver), text(side, solver)))
        .collect();
    key.push(KeyEntry::line(RATE, "the residual asked"));
    key.push(KeyEntry::ranges());
    let largest = kept.iter().map(|r| r.condition_number).fold(0.0, f64::max);
    let limited = kept.iter().filter(|r| r.status != "converged").count();
    let missed = if limited > 0 {
        format!(" {limited} of {} solves ended before the residual asked was reached.", kept.len())
    } else {
        String::new()
    };
    let what = format!(
        "−Δx = b on (0, 1)^d with zero boundary values, n = {} points a dimension, so that the matrix has n^(2d) \
         entries; A has d terms. Preconditioned conjugate gradients with truncation; the preconditioner is a \
         sum of exponentials for 1/x of the error given. Residuals are computed from the solution \
         returned. The largest condition number of a solution is {largest:.2}.{missed}",
        list(&sizes)
    );
    let caption = caption(study, &what, &[], false, &threads, rows)?;
    let title = "Poisson's equation in d dimensions, solved in separated form".to_string();
    Ok(vec![("separated_laplacian".to_string(), Sheet { title, panels, key, caption })])
}

fn style(k: usize, side: RightHandSide, solver: Solver) -> Style {
    let place = Solver::ALL.iter().position(|s| *s == solver).unwrap_or(k);
    match side {
        RightHandSide::Ones => numbered(place),
        RightHandSide::Bumps => Style { dash: Some((5.0, 3.0)), marker: Marker::None, ..numbered(place) },
    }
}

fn text(side: RightHandSide, solver: Solver) -> String {
    let side = match side {
        RightHandSide::Ones => "b = 1 (1 term)",
        RightHandSide::Bumps => "b = three bumps (3 terms)",
    };
    let (tolerance, error) = solver.tolerances();
    format!("{side}: residual {tolerance:.0e}, preconditioner {error:.0e}")
}
