//! The figures of cross approximation, made of its table alone.

use super::common::{answered, caption, ticks, values};
use super::panel::{Curve, Panel};
use super::sheet::{KeyEntry, Sheet};
use super::style::{INK, Marker, RATE, Style, numbered};
use crate::measure::median;
use crate::series::points;
use crate::tt_cross::functions::{BITS, N, PEAKS, WIDTHS};
use crate::tt_cross::{FRESH, Function, Row, TtCross};
use anyhow::Result;

/// Errors below this are drawn there.
const EXACT: f64 = 1e-16;
const REPORTED: Style = Style { colour: INK, marker: Marker::None, width: 1.2, dash: Some((2.0, 3.0)) };

/// Those whose ranks grow as the tolerance falls.
const GROWING: [Function; 6] = [
    Function::Reciprocal,
    Function::Hilbert,
    Function::Ackley,
    Function::Kink,
    Function::KnownPeak,
    Function::Quantized,
];

/// Error against tolerance, against evaluations, and what was reported beside what is true.
pub fn sheets(study: TtCross, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
    let kept = answered(rows)?;
    let count = |points: &usize| kept.iter().filter(|r| r.check_points == *points).count();
    let usual = values(&kept, |r| r.check_points).into_iter().max_by_key(count).unwrap_or(0);
    let own: Vec<&Row> = kept.iter().copied().filter(|r| r.check_points == usual).collect();
    let mut out = vec![errors(study, rows, &own, usual)?];
    if own.iter().any(|r| GROWING.contains(&r.function)) {
        out.push(evaluations(study, rows, &own)?);
    }
    out.push(honesty(study, rows, &kept, usual)?);
    Ok(out)
}

fn tolerance(row: &Row) -> f64 {
    0.1f64.powi(row.digits as i32)
}

fn text(study: TtCross, what: &str, rows: &[Row]) -> Result<String> {
    Ok(caption(study, what, &[], false, &[], rows)?.replace(",  threads.", "."))
}

fn errors(study: TtCross, rows: &[Row], kept: &[&Row], usual: usize) -> Result<(String, Sheet)> {
    let own = |function| kept.iter().copied().filter(move |r| r.function == function);
    let panel = |function: Function| {
        let curve = |style: Style, value: &dyn Fn(&Row) -> Option<f64>| {
            let values = own(function).filter_map(|r| Some((tolerance(r), value(r)?.max(EXACT))));
            Curve::medians(&points(values), style)
        };
        let (rank, most) = own(function).fold((0, 0), |all, r| (all.0.max(r.rank), all.1.max(r.evaluations)));
        Panel {
            map: None,
            title: title(function),
            notes: vec![format!("{}; ranks up to {rank}, evaluations up to {most}", what(function))],
            x_label: "tolerance asked".to_string(),
            x_ticks: Vec::new(),
            y_label: "error".to_string(),
            curves: vec![
                Curve { range: Vec::new(), ..curve(RATE, &|r| Some(tolerance(r))) },
                curve(numbered(1), &|r| Some(r.rms_error)),
                curve(numbered(0), &|r| Some(r.max_error)),
                curve(numbered(2), &|r| r.peak_error),
                Curve { range: Vec::new(), ..curve(REPORTED, &|r| Some(r.reported_error)) },
            ],
        }
    };
    let key = vec![
        KeyEntry::line(RATE, "tolerance asked"),
        KeyEntry::shaded(numbered(0), "largest error at fresh points"),
        KeyEntry::shaded(numbered(1), "root mean square at fresh points"),
        KeyEntry::shaded(numbered(2), "largest error at the peaks"),
        KeyEntry::line(REPORTED, "largest error reported"),
        KeyEntry::ranges(),
    ];
    let what = format!(
        "Tensor trains of functions on grids of {N} points a variable, by cross approximation. Largest errors: \
         relative to the largest |f|, at {FRESH} random points that the search did not see, and at and beside the \
         peaks; root mean squares: relative to that of f. {usual} random points a check.{}",
        limited(kept)
    );
    let caption = text(study, &what, rows)?;
    let shown = Function::ALL.into_iter().filter(|f| own(*f).next().is_some());
    let title = "Cross approximation: error against the tolerance asked".to_string();
    Ok(("tt_cross_error".to_string(), Sheet { title, panels: shown.map(panel).collect(), key, caption }))
}

fn evaluations(study: TtCross, rows: &[Row], kept: &[&Row]) -> Result<(String, Sheet)> {
    let shown: Vec<(usize, Function)> = (0..).zip(GROWING).collect();
    let own = |function| kept.iter().copied().filter(move |r| r.function == function);
    // Medians of x as of y: the tolerance is what they have in common.
    let at = |function, digits, value: &dyn Fn(&Row) -> f64| {
        median(own(function).filter(|r| r.digits == digits).map(value).collect())
    };
    let places = |function, x: &dyn Fn(&Row) -> f64| {
        let digits: Vec<u32> = values(&own(function).collect::<Vec<_>>(), |r| r.digits);
        let place = |&digits: &u32| (at(function, digits, x), at(function, digits, &|r| r.rms_error));
        digits.iter().map(place).collect::<Vec<_>>()
    };
    let (calls, stored) = (|r: &Row| r.evaluations as f64, |r: &Row| r.parameters as f64);
    let mut first: Vec<Curve> = Vec::new();
    for &(k, function) in &shown {
        let thin = Style { marker: Marker::None, width: 1.0, dash: Some((2.0, 3.0)), ..numbered(k) };
        let curve = |style, x| Curve { fitted: true, ..Curve::reference(places(function, x), style) };
        first.extend([curve(thin, &stored), curve(numbered(k), &calls)]);
    }
    let panel = |title: &str, x_label: &str, y_label: &str, curves| Panel {
        map: None,
        title: title.to_string(),
        notes: Vec::new(),
        x_label: x_label.to_string(),
        x_ticks: Vec::new(),
        y_label: y_label.to_string(),
        curves,
    };
    let against = |value: &dyn Fn(&Row) -> f64| {
        let curve = |&(k, function): &(usize, Function)| {
            Curve::medians(&points(own(function).map(|r| (tolerance(r), value(r)))), numbered(k))
        };
        shown.iter().map(curve).collect()
    };
    let panels = vec![
        panel(
            "Error against evaluations",
            "evaluations; dashed: stored numbers",
            "root mean square error",
            first,
        ),
        panel("Evaluations", "tolerance asked", "evaluations", against(&calls)),
        panel("Ranks", "tolerance asked", "largest rank", against(&|r| r.rank as f64)),
    ];
    let mut key: Vec<KeyEntry> = shown
        .iter()
        .map(|&(k, f)| KeyEntry::shaded(numbered(k), format!("{}, {}", title(f), what(f))))
        .collect();
    key.push(KeyEntry::ranges());
    let what = format!(
        "What cross approximation costs for functions whose ranks grow as the tolerance falls by tens. Errors at \
         {FRESH} fresh points, evaluations with those of the checks; no method needs fewer evaluations than the \
         train has numbers, less the freedom of its cores.{}",
        limited(kept)
    );
    let caption = text(study, &what, rows)?;
    let title = "Cross approximation: error against evaluations".to_string();
    Ok(("tt_cross_evaluations".to_string(), Sheet { title, panels, key, caption }))
}

fn honesty(study: TtCross, rows: &[Row], kept: &[&Row], usual: usize) -> Result<(String, Sheet)> {
    // One curve a search: a marker without a line.
    let groups = |chosen: &dyn Fn(Function) -> bool| {
        let own: Vec<_> = kept.iter().filter(|r| r.check_points == usual && chosen(r.function)).collect();
        let place = |r: &Row| (r.reported_error.max(EXACT), r.true_error().max(EXACT));
        let reported = own.iter().map(|r| place(r).0);
        let (low, high) = reported.fold((f64::INFINITY, 0.0f64), |all, x| (all.0.min(x), all.1.max(x)));
        let mut curves = vec![Curve::reference(vec![(low, low), (high, high)], RATE)];
        for missed in [false, true] {
            let own = own.iter().filter(|r| r.missed.is_some() == missed);
            let one = |r: &&&&Row| Curve { fitted: true, ..Curve::reference(vec![place(r)], said(missed)) };
            curves.extend(own.map(|r| one(&r)));
        }
        curves
    };
    let panel = |title: &str, curves: Vec<Curve>| Panel {
        map: None,
        title: title.to_string(),
        notes: Vec::new(),
        x_label: "largest error reported".to_string(),
        x_ticks: Vec::new(),
        y_label: "largest true error seen".to_string(),
        curves,
    };
    let hidden = |f: Function| f == Function::HiddenPeak;
    let mut panels = vec![
        panel("Reported and true, all but the hidden peak", groups(&|f| !hidden(f))),
        panel("Reported and true, hidden peak", groups(&hidden)),
    ];
    let mut key = vec![
        KeyEntry::line(RATE, "reported = true"),
        KeyEntry::line(said(false), "no point said to be missed"),
        KeyEntry::line(said(true), "a missed point named"),
    ];
    let peaks: Vec<&Row> = kept.iter().copied().filter(|r| hidden(r.function)).collect();
    let checks = values(&peaks, |r| r.check_points);
    if checks.len() > 1 {
        let digits = values(&peaks, |r| r.digits);
        let few: Vec<u32> = digits.iter().copied().filter(|d| d % 2 == 0).collect();
        let against = |title: &str, label: &str, value: &dyn Fn(&Row) -> f64| Panel {
            map: None,
            title: title.to_string(),
            notes: Vec::new(),
            x_label: "random points of a check".to_string(),
            x_ticks: ticks(&checks),
            y_label: label.to_string(),
            curves: few
                .iter()
                .enumerate()
                .map(|(k, &digits)| {
                    let own = peaks.iter().filter(|r| r.digits == digits);
                    Curve::medians(&points(own.map(|r| (r.check_points as f64, value(r)))), numbered(k + 1))
                })
                .collect(),
        };
        panels.push(against("Hidden peak: error at the peak", "largest error at the peak", &|r| {
            r.true_error().max(EXACT)
        }));
        panels.push(against("Hidden peak: evaluations", "evaluations", &|r| r.evaluations as f64));
        let asked = few.iter().enumerate();
        key.extend(asked.map(|(k, d)| KeyEntry::shaded(numbered(k + 1), format!("tolerance 1e-{d}"))));
        key.push(KeyEntry::ranges());
    }
    let found = found(&peaks, &checks);
    let own: Vec<_> = kept.iter().filter(|r| r.check_points == usual).collect();
    let below = |hidden_too: bool| {
        let chosen =
            |r: &&&&Row| hidden_too == hidden(r.function) && r.true_error() > 10.0 * r.reported_error;
        own.iter().filter(chosen).count()
    };
    let short = format!(
        " {} of {} searches report less than a tenth of the true error, {} of them with the hidden peak.",
        below(true) + below(false),
        own.len(),
        below(true)
    );
    let what = format!(
        "What cross approximation reports beside what is true: errors relative to the largest |f|; the true one is the \
         largest at {FRESH} fresh points and at the peaks. A point a search, {usual} random points a check in the \
         upper row.{short} The hidden peak is a Gaussian of width {} on [0, 1]^6, {N} points a variable, on a smooth \
         background.{found}",
        WIDTHS[1]
    );
    let caption = text(study, &what, rows)?;
    let title = "Cross approximation: reported and true errors".to_string();
    Ok(("tt_cross_reported".to_string(), Sheet { title, panels, key, caption }))
}

/// The look of a search that names a point it missed, or does not.
fn said(missed: bool) -> Style {
    numbered(if missed { 0 } else { 1 })
}

/// How many searches ended before convergence, as a sentence after a space.
fn limited(rows: &[&Row]) -> String {
    let limited: Vec<_> = rows.iter().filter(|r| r.status != "converged").collect();
    if limited.is_empty() {
        return " All searches converged.".to_string();
    }
    let named = limited.iter().filter(|r| r.missed.is_some()).count();
    let (limited, all) = (limited.len(), rows.len());
    format!(
        " {limited} of {all} searches ended at a limit or stagnated, {named} of them naming a point they missed."
    )
}

/// In how many searches the hidden peak was found, as a sentence after a space.
fn found(peaks: &[&Row], checks: &[usize]) -> String {
    let one = |points: &usize| {
        let own: Vec<_> = peaks.iter().filter(|r| r.check_points == *points).collect();
        let found = own.iter().filter(|r| r.peak_error.is_some_and(|e| e < 0.1)).count();
        format!("{found} of {} with {points} points a check", own.len())
    };
    if peaks.is_empty() {
        return String::new();
    }
    format!(" It was found by {}.", checks.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn title(function: Function) -> String {
    match function {
        Function::Reciprocal => "1 / (1 + Σ x)".to_string(),
        Function::Hilbert => "1 / Σ i".to_string(),
        Function::Sine => "sin(Σ x)".to_string(),
        Function::Rosenbrock => "Rosenbrock".to_string(),
        Function::Rastrigin => "Rastrigin".to_string(),
        Function::Ackley => "Ackley".to_string(),
        Function::Kink => "|Σ x − d / 2|".to_string(),
        Function::Peaks => format!("{PEAKS} Gaussian peaks"),
        Function::HiddenPeak => "smooth with a hidden peak".to_string(),
        Function::KnownPeak => "smooth with a known peak".to_string(),
        Function::Quantized => format!("narrow peak, 2^{BITS} points, a mode a bit"),
    }
}

fn what(function: Function) -> String {
    match function {
        Function::Reciprocal => "d = 10, [0, 1]".to_string(),
        Function::Hilbert => format!("d = 10, i = 1, ..., {N}"),
        Function::Sine => "d = 10, [0, 2π)".to_string(),
        Function::Rosenbrock => "d = 10, [−2, 2]".to_string(),
        Function::Rastrigin => "d = 10, [−5, 5]".to_string(),
        Function::Ackley => "d = 6, [−5, 5]".to_string(),
        Function::Kink => "d = 6, [0, 1]".to_string(),
        Function::Peaks => format!("d = 6, [0, 1], width {}", WIDTHS[0]),
        Function::HiddenPeak | Function::KnownPeak => format!("d = 6, [0, 1], width {}", WIDTHS[1]),
        Function::Quantized => format!("d = 1, [0, 1), width {}", WIDTHS[2]),
    }
}
