//! The figures of the sampled products, made of their table alone.

use super::common::{answered, caption, families, largest, ticks, title, values};
use super::panel::{Curve, Panel};
use super::scale::number;
use super::sheet::{KeyEntry, Sheet};
use super::style::{Marker, RATE, Style, numbered};
use crate::families::Family;
use crate::measure::median;
use crate::rmm::{Rmm, Row, Scheme};
use crate::series::points;
use anyhow::Result;

/// Errors below this are rounding: every index that matters was sampled.
const ROUNDING: f64 = 1e-12;

/// Error against samples, and against speedup.
pub fn sheets(study: Rmm, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
    let (kept, note) = largest(answered(rows)?, |r| (r.family, r.n));
    let shown = families(kept.iter().map(|r| r.family));
    let schemes: Vec<Scheme> =
        Scheme::ALL.into_iter().filter(|s| kept.iter().any(|r| r.scheme == *s)).collect();
    let samples = values(&kept, |r| r.samples);
    let threads = values(&kept, |r| r.threads);
    let text = |what: &str| caption(study, &format!("{what}{note}"), &shown, false, &threads, rows);
    let of = |family: Family, scheme: Scheme| {
        kept.iter().copied().filter(move |r| r.family == family && r.scheme == scheme)
    };
    let title =
        |family: Family| title(family, kept.iter().filter(|r| r.family == family).map(|r| (&r.weights, r.n)));
    let key = || -> Vec<KeyEntry> {
        schemes.iter().enumerate().map(|(k, s)| KeyEntry::shaded(numbered(k), scheme_text(*s))).collect()
    };

    let error_panel = |&family: &Family| {
        let mut curves = Vec::new();
        for (k, &scheme) in schemes.iter().enumerate() {
            let expected = points(of(family, scheme).map(|r| (r.samples as f64, r.expected)));
            let style = Style { marker: Marker::None, width: 1.2, dash: Some((5.0, 3.0)), ..numbered(k) };
            let expected = expected.iter().map(|p| (p.x, p.median)).collect();
            curves.push(Curve::reference(expected, style));
        }
        let own = kept.iter().filter(|r| r.family == family);
        let rate = points(own.map(|r| (r.samples as f64, (r.samples as f64).powf(-0.5))));
        curves.push(Curve::reference(rate.iter().map(|p| (p.x, p.median)).collect(), RATE));
        for (k, &scheme) in schemes.iter().enumerate() {
            let above = of(family, scheme).filter(|r| r.error > ROUNDING);
            let errors = points(above.map(|r| (r.samples as f64, r.error)));
            curves.push(Curve::medians(&errors, numbered(k)));
        }
        Panel {
            map: None,
            title: title(family),
            notes: Vec::new(),
            x_label: "samples s".to_string(),
            x_ticks: ticks(&samples),
            y_label: "‖AB − C‖ / (‖A‖ ‖B‖)".to_string(),
            curves,
        }
    };
    let mut error_key = key();
    let thin = Style { marker: Marker::None, width: 1.2, dash: Some((5.0, 3.0)), ..numbered(0) };
    error_key.push(KeyEntry::line(thin, "in its colour: the expected error, √E‖AB − C‖² (see below)"));
    error_key.push(KeyEntry::line(RATE, "1/√s, the bound for sampling by norms"));
    error_key.push(KeyEntry::ranges());
    // How far the measured mean squares are from the exact expectation.
    let exact: Vec<&Row> = kept.iter().copied().filter(|r| r.exact && r.expected > 1e-6).collect();
    let agreement = if exact.is_empty() {
        String::new()
    } else {
        let squares = exact.iter().map(|r| (r.error / r.expected).powi(2)).sum::<f64>();
        format!(
            " Over the {} products with an exact expectation the root mean square of measured over expected error \
             is {}.",
            exact.len(),
            number((squares / exact.len() as f64).sqrt(), 3)
        )
    };
    let errors = Sheet {
        title: "Sampled products: error against the number of samples".to_string(),
        panels: shown.iter().map(error_panel).collect(),
        key: error_key,
        caption: text(&format!(
            "Errors in the Frobenius norm of the product C of s sampled columns of A and rows of B. The expected error \
             is exact with replacement, an upper bound without, where s = n gives the product itself; \
             errors below 10⁻¹² are left out.{agreement}"
        ))?,
    };

    let speed_panel = |&family: &Family| {
        let curve = |(k, &scheme): (usize, &Scheme)| {
            let own: Vec<&Row> = of(family, scheme).collect();
            let place = |&s: &usize| {
                let at: Vec<&&Row> = own.iter().filter(|r| r.samples == s).collect();
                let speedup = median(at.iter().map(|r| r.full_seconds / r.seconds).collect());
                points(at.iter().map(|r| (speedup, r.relative_error)).filter(|p| p.1 > ROUNDING))
            };
            let places: Vec<_> = samples.iter().flat_map(place).collect();
            Curve::medians(&places, numbered(k))
        };
        Panel {
            map: None,
            title: title(family),
            notes: Vec::new(),
            x_label: "speedup over the full product".to_string(),
            x_ticks: Vec::new(),
            y_label: "‖AB − C‖ / ‖AB‖".to_string(),
            curves: schemes.iter().enumerate().map(curve).collect(),
        }
    };
    let mut speed_key = key();
    speed_key.push(KeyEntry::ranges());
    let speed = Sheet {
        title: "Sampled products: error against speedup".to_string(),
        panels: shown.iter().map(speed_panel).collect(),
        key: speed_key,
        caption: text(&format!(
            "Errors relative to the product itself against the speedup: seconds of the full product over those of the \
             sampled one with its probabilities, each a median, in turn on the same threads; the \
             full one is written into memory that is ready, the sampled one allocates its result. Along a line s = {} to {}; \
             errors below 10⁻¹² are left out.",
            samples[0],
            samples[samples.len() - 1]
        ))?,
    };
    Ok(vec![("rmm_error".to_string(), errors), ("rmm_speedup".to_string(), speed)])
}

fn scheme_text(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Uniform => "uniform, with replacement",
        Scheme::Leverage => "by leverage scores (rank 10), with replacement",
        Scheme::Norms => "by norms, with replacement",
        Scheme::NormsWithout => "by norms, without replacement",
    }
}
