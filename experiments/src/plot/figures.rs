//! The figures of the sweeps, made of their tables alone.

use super::panel::{Curve, Panel};
use super::sheet::{KeyEntry, Sheet};
use super::style::{self, BOUND, RATE};
use crate::figure::Row;
use crate::fit::{self, Power};
use crate::grid::{Axis, Figure, Function, MethodName, Sampling, Trial};
use crate::series::{Series, series};
use crate::study::Study;
use crate::table::Record;
use anyhow::{Result, bail};
use std::collections::{BTreeSet, HashSet};

/// How far below the errors a lower bound still widens the axes.
const BOUND_DEPTH: f64 = 20.0;

/// The whole figure of a table.
pub fn sheet(figure: Figure, rows: &[Row]) -> Result<Sheet> {
    let series = series(figure, rows)?;
    if series.is_empty() {
        bail!("no trial gave an answer: there is nothing to draw");
    }
    let panels = series.iter().map(|s| panel(figure, s)).collect();
    let title = match figure.axis() {
        Axis::Dimension => "Errors of low-rank approximation as the dimension m of the points varies",
        Axis::Size => "Errors of low-rank approximation as the size n varies",
        Axis::Rank => "Errors of low-rank approximation as the rank r varies",
    };
    Ok(Sheet { title: title.to_string(), panels, key: key(figure, &series), caption: caption(figure, rows)? })
}

fn panel(figure: Figure, series: &Series) -> Panel {
    let tensor = series.function.is_tensor();
    let formula = match series.function {
        Function::F1 => "f₁ = exp(−‖x − y‖²)",
        Function::F2 => "f₂ = exp(−‖x − y‖⁴)",
        Function::F3 => "f₃ = sinh⟨x, y, z⟩, tensor",
    };
    let x_label = match figure.axis() {
        Axis::Dimension => "dimension m of the points",
        Axis::Size if tensor => "size n of the n × n × n tensor",
        Axis::Size => "size n of the n × n matrix",
        Axis::Rank if tensor => "TT ranks (r, r)",
        Axis::Rank => "rank r",
    };
    let x_ticks: BTreeSet<usize> =
        series.methods.iter().flat_map(|(_, points)| points.iter().map(|p| p.x as usize)).collect();
    let mut curves = Vec::new();
    let smallest = series.methods.iter().flat_map(|(_, p)| p).map(|p| p.low).fold(f64::INFINITY, f64::min);
    let bound = Curve::reference(series.lower_bound.iter().map(|p| (p.x, p.median)).collect(), BOUND);
    let deepest = bound.points.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
    curves.push(Curve { fitted: deepest * BOUND_DEPTH > smallest, ..bound });
    let mut exponents = Vec::new();
    for method in [MethodName::Ap, MethodName::Descent] {
        if let Some((reference, exponent)) = reference(figure, series, method) {
            curves.push(Curve::reference(reference, RATE));
            exponents.push(format!("{exponent:.2} ({})", short(method)).replace('-', "−"));
        }
    }
    curves
        .extend(series.methods.iter().map(|(method, points)| Curve::medians(points, style::method(*method))));
    let notes = (!exponents.is_empty()).then(|| {
        let list = exponents.join(", ");
        match figure.axis() {
            Axis::Dimension => format!("dashed: constant; m^β fitted in its place has β = {list}"),
            Axis::Size => format!("dashed: c log(n − r)^p with p = {list}"),
            Axis::Rank => format!("dashed: c (n − r)^α / √r with α = {list}"),
        }
    });
    Panel {
        map: None,
        title: format!("{formula}, {} sampling", series.sampling.name()),
        notes: notes.into_iter().collect(),
        x_label: x_label.to_string(),
        x_ticks: x_ticks.into_iter().map(|x| x as f64).collect(),
        y_label: "relative max-norm error".to_string(),
        curves,
    }
}

fn short(method: MethodName) -> &'static str {
    match method {
        MethodName::Svd => "SVD",
        MethodName::Ap => "projections",
        MethodName::Descent => "descent",
    }
}

/// The reference line of a method's medians and its fitted exponent.
fn reference(figure: Figure, series: &Series, method: MethodName) -> Option<(Vec<(f64, f64)>, f64)> {
    let medians = series.medians(method)?;
    let (n, rank) = (series.example.n as f64, series.example.rank as f64);
    let law = |Power { factor, exponent }: Power, x: f64| match figure.axis() {
        Axis::Dimension => factor,
        Axis::Size => factor * (x - rank).ln().powf(exponent),
        Axis::Rank => factor * x.powf(-0.5) * (n - x).powf(exponent),
    };
    let (found, shown) = match figure.axis() {
        // The claim is for large m: the upper half of its values.
        Axis::Dimension => {
            let upper = &medians[medians.len() / 2..];
            let mean = upper.iter().map(|p| p.1.ln()).sum::<f64>() / upper.len() as f64;
            let slope = fit::power(upper)?.exponent;
            (Power { factor: mean.exp(), exponent: slope }, upper)
        }
        Axis::Size => (fit::polylog(&medians, rank)?, &medians[..]),
        Axis::Rank => (fit::rank_decay(&medians, n)?, &medians[..]),
    };
    let (first, last) = (shown.first()?.0, shown.last()?.0);
    let steps = 120;
    let line = (0..=steps).map(|i| first * (last / first).powf(f64::from(i) / f64::from(steps)));
    let line = line.map(|x| (x, law(found, x))).filter(|p| p.1.is_finite() && p.1 > 0.0).collect();
    Some((line, found.exponent))
}

fn key(figure: Figure, series: &[Series]) -> Vec<KeyEntry> {
    let tensors = series.iter().any(|s| s.function.is_tensor());
    let mut out = Vec::new();
    for method in MethodName::ALL {
        if series.iter().any(|s| s.methods.iter().any(|(m, _)| *m == method)) {
            let text = match method {
                MethodName::Svd if tensors => "truncated SVD (TT-SVD for the tensor)",
                MethodName::Svd => "truncated SVD",
                MethodName::Ap => "alternating projections, random start",
                MethodName::Descent => "factor descent, the default method",
            };
            out.push(KeyEntry { style: style::method(method), shaded: true, text: text.to_string() });
        }
    }
    let rate = match figure.axis() {
        Axis::Dimension => "constant in m: mean of the upper half",
        Axis::Size => "fitted c log(n − r)^p",
        Axis::Rank => "fitted c (n − r)^α / √r",
    };
    out.push(KeyEntry { style: RATE, shaded: false, text: rate.to_string() });
    if series.iter().any(|s| !s.lower_bound.is_empty()) {
        let text = "lower bound: no approximation of the rank is better".to_string();
        out.push(KeyEntry { style: BOUND, shaded: false, text });
    }
    out.push(KeyEntry::ranges());
    out
}

/// What was measured, from the rows alone.
pub fn caption(figure: Figure, rows: &[Row]) -> Result<String> {
    let trials: Vec<Trial> = rows.iter().map(Row::trial).collect::<Result<_>>()?;
    let mut sizes = Vec::new();
    for tensor in [false, true] {
        let family: Vec<&Trial> = trials.iter().filter(|t| t.function.is_tensor() == tensor).collect();
        if !family.is_empty() {
            let span = |name: &str, values: BTreeSet<usize>| match (values.first(), values.last()) {
                (Some(a), Some(b)) if a != b => format!("{name} = {a} to {b}"),
                (Some(a), _) => format!("{name} = {a}"),
                _ => String::new(),
            };
            let parts = [
                span("n", family.iter().map(|t| t.n).collect()),
                span("m", family.iter().map(|t| t.m).collect()),
                span(if tensor { "TT ranks r" } else { "rank r" }, family.iter().map(|t| t.rank).collect()),
            ];
            let kind = if tensor { "n × n × n tensors" } else { "n × n matrices" };
            sizes.push(format!("{kind} with {}", parts.join(", ")));
        }
    }
    let seeds = trials.iter().map(|t| t.seed).collect::<HashSet<_>>().len();
    let seeds = format!("{seeds} seed{}", if seeds == 1 { "" } else { "s" });
    let failed = rows.iter().filter(|r| r.failed()).count();
    let failed =
        if failed > 0 { format!(" {failed} trials failed and are left out.") } else { String::new() };
    let sampling = if trials.iter().any(|t| t.sampling == Sampling::Symmetric) {
        " Symmetric sampling takes yᵢ = xᵢ; independent sampling draws them anew."
    } else {
        ""
    };
    Ok(format!(
        "Relative errors ‖F − X‖ₘₐₓ / ‖F‖ₘₐₓ of {}; points uniform in the unit ball of ℝᵐ.{sampling} Lines: \
         medians of {seeds}; shaded: smallest to largest; 64-bit floating point. Alternating projections \
         follow the published rules of binary search from random factors, one warm block power step a projection; the descent starts from the \
         truncated SVD (TT-SVD). Rates are least-squares fits to the medians.{failed}\nMade by: {}",
        sizes.join("; "),
        figure.command(&trials)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::grid::trials;
    use crate::study::Preset;

    #[test]
    fn commands_are_recognised() {
        let figure = Figure::VaryingRank;
        let paper = figure.preset(Preset::Paper).unwrap();
        assert!(figure.command(&trials(&paper)).ends_with("exp_varying_rank -- --preset paper"));
        let quick = figure.preset(Preset::Quick).unwrap();
        let fewer = Config { seeds: 2, methods: vec![MethodName::Svd], ..quick };
        assert!(figure.command(&trials(&fewer)).ends_with("--preset quick --seeds 2 --methods svd"));
        assert!(figure.command(&trials(&fewer)[1..]).ends_with("--config FILE.toml"));
    }
}
