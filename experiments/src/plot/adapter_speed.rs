//! The figures of what adapters cost, made of their table alone.

use super::common::{answered, list, values};
use super::panel::{Curve, Panel};
use super::scale::number;
use super::sheet::{KeyEntry, Sheet};
use super::style::{BOUND, INK, MUTED, Marker, REFERENCE, Style, numbered};
use crate::adapter_speed::{AdapterSpeed, Choice, Kind, Row, What};
use crate::measure::median;
use crate::series::points;
use crate::study::Study;
use anyhow::Result;

/// LSR in both ways over the tokens, and training steps against trained numbers.
pub fn sheets(study: AdapterSpeed, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
    let kept = answered(rows)?;
    let of = |what: What| kept.iter().copied().filter(|r| r.what == what).collect::<Vec<_>>();
    let (applied, steps) = (of(What::Apply), of(What::Step));
    let mut out = Vec::new();
    if !applied.is_empty() {
        out.push(("adapter_speed".to_string(), ways(study, rows, &applied)?));
    }
    if !steps.is_empty() {
        out.push(("adapter_speed_steps".to_string(), steps_sheet(study, rows, &steps)?));
    }
    Ok(out)
}

fn panel(title: String, x_label: &str, y_label: &str, curves: Vec<Curve>) -> Panel {
    Panel {
        title,
        notes: Vec::new(),
        x_label: x_label.to_string(),
        x_ticks: Vec::new(),
        y_label: y_label.to_string(),
        map: None,
        curves,
    }
}

fn ways(study: AdapterSpeed, all: &[Row], rows: &[&Row]) -> Result<Sheet> {
    let settings = values(rows, |r| (r.terms, r.rank));
    let usual = *settings.iter().find(|s| **s == (16, 2)).unwrap_or(&settings[0]);
    let (s, root) = usual;
    let tokens = |r: &Row| r.tokens as f64;
    let of = |setting: (usize, usize)| rows.iter().copied().filter(move |r| (r.terms, r.rank) == setting);
    let curve = |setting, style, y: &dyn Fn(&Row) -> Option<f64>| {
        Curve::medians(&points(of(setting).filter_map(|r| Some((tokens(r), y(r)?)))), style)
    };
    let (whole, parts) = (numbered(1), numbered(0));
    let named = |(terms, rank): (usize, usize)| format!("s = {terms}, r = {rank} × {rank}");
    let times = vec![
        curve(usual, parts, &|r| r.structured_seconds.map(|s| 1e3 * s)),
        curve(usual, whole, &|r| Some(1e3 * r.seconds)),
    ];
    let flops = vec![curve(usual, parts, &|r| r.structured_flops), curve(usual, whole, &|r| r.flops)];
    // Materialising takes a + b T flops, the products of the tokens c T: equal at T = a / (c - b).
    let crossing = of(usual).next().and_then(|r| {
        let (flops, structured, t) = (r.flops?, r.structured_flops? / r.tokens as f64, r.tokens as f64);
        let once = (2 * r.rank * r.rank * 2 * r.width * r.terms) as f64;
        let each = (flops - once) / t;
        (structured > each).then(|| (once, each, structured, once / (structured - each)))
    });
    let mut counted = format!("Flops, {}", named(usual));
    let mut noted = String::new();
    if let Some((once, each, structured, at)) = crossing {
        counted = format!("Flops, {}: equal at T = {}", named(usual), number(at, 2));
        noted = format!(
            " For {} that is {once:.0} + {each:.0} T against {structured:.0} T flops, so that materialising takes fewer from T = {:.0} on.",
            named(usual),
            at.floor() + 1.0
        );
    }
    let ratio = |y: &dyn Fn(&Row) -> Option<f64>| {
        let mut curves: Vec<Curve> =
            settings.iter().enumerate().map(|(k, s)| curve(*s, numbered(k + 2), y)).collect();
        let ends: Vec<f64> = curves.iter().flat_map(|c| c.points.iter().map(|p| p.0)).collect();
        let (low, high) = ends.iter().fold((f64::INFINITY, 0.0_f64), |r, x| (r.0.min(*x), r.1.max(*x)));
        curves.insert(0, Curve { fitted: true, ..Curve::reference(vec![(low, 1.0), (high, 1.0)], BOUND) });
        curves
    };
    let faster = ratio(&|r| Some(r.structured_seconds? / r.seconds));
    let fewer = ratio(&|r| Some(r.structured_flops? / r.flops?));
    let x = "tokens T";
    let mut key = vec![
        KeyEntry::shaded(whole, "factors A, B materialised, then two thin products"),
        KeyEntry::shaded(parts, "Kronecker products applied to each token"),
    ];
    key.extend(
        settings
            .iter()
            .enumerate()
            .map(|(k, s)| KeyEntry::shaded(numbered(k + 2), format!("lower panels: {}", named(*s)))),
    );
    key.push(KeyEntry::line(BOUND, "equal"));
    key.push(KeyEntry::ranges());
    let width = rows[0].width;
    let worst = rows.iter().filter_map(|r| r.difference).fold(0.0, f64::max);
    Ok(Sheet {
        title: format!("An LSR update of a {width} × {width} weight, applied to T tokens"),
        panels: vec![
            panel(format!("Measured, {}", named((s, root))), x, "milliseconds", times),
            panel(counted, x, "flops", flops),
            panel("How much faster it is to materialise, measured".into(), x, "ratio of seconds", faster),
            panel("The same by flops".into(), x, "ratio of flops", fewer),
        ],
        key,
        caption: caption(
            study,
            &format!(
                "Materialised: the sums of s Kronecker products A ({width}, r) and B (r, {width}) are formed anew, then A (B x); this is what \
                 a training step does once. Structured: the Kronecker products are applied to the tokens, all terms together as products of matrices \
                 in the cheaper order.{noted} Both results differ by at most {worst:.0e} of their norm. 32-bit floating point."
            ),
            all,
            rows,
        )?,
    })
}

/// A method's looks, by kind.
fn style(kind: Kind) -> Style {
    let plain = |colour, marker| Style { colour, marker, width: 1.6, dash: None };
    match kind {
        Kind::Lsr => numbered(0),
        Kind::Lora => numbered(1),
        Kind::Dora => numbered(2),
        Kind::KronA => numbered(3),
        Kind::KAdaptation => numbered(4),
        Kind::LoKr => numbered(5),
        Kind::SvdLora => plain(INK, Marker::Triangle),
        Kind::Frozen => plain(MUTED, Marker::Disc),
    }
}

fn steps_sheet(study: AdapterSpeed, all: &[Row], rows: &[&Row]) -> Result<Sheet> {
    let kinds = values(rows, |r| r.kind);
    let shown: Vec<Kind> = kinds.into_iter().filter(|k| *k != Kind::Frozen).collect();
    let time = |own: &[&Row], y: fn(&Row) -> f64| median(own.iter().map(|r| y(r)).collect());
    let over = |r: &Row| r.frozen_seconds.map_or(f64::NAN, |frozen| r.seconds / frozen);
    let mut panels = Vec::new();
    for tokens in values(rows, |r| r.tokens) {
        let here: Vec<&Row> =
            rows.iter().copied().filter(|r| r.tokens == tokens && r.parameters > 0).collect();
        let mut curves = Vec::new();
        for &kind in &shown {
            let own: Vec<&Row> = here.iter().copied().filter(|r| r.kind == kind).collect();
            let places = points(own.iter().map(|r| (r.parameters as f64, over(r))));
            // Settings of one kind are joined where only one of their numbers varies.
            for group in own.chunk_by(|a, b| (kind != Kind::Lsr) || a.rank == b.rank) {
                let numbers = values(group, |r| r.parameters);
                let chosen: Vec<_> =
                    places.iter().filter(|p| numbers.contains(&(p.x as usize))).copied().collect();
                curves.push(Curve::medians(&chosen, style(kind)));
            }
        }
        let ends = here
            .iter()
            .map(|r| r.parameters as f64)
            .fold((f64::INFINITY, 0.0_f64), |e, x| (e.0.min(x), e.1.max(x)));
        curves
            .insert(0, Curve { fitted: true, ..Curve::reference(vec![(ends.0, 1.0), (ends.1, 1.0)], BOUND) });
        let frozen = 1e3 * time(&here, |r| r.frozen_seconds.unwrap_or(f64::NAN));
        let mut panel = panel(
            format!("{tokens} tokens: the bare layer takes {} ms", number(frozen, 2)),
            "trained numbers",
            "seconds over those of the bare layer",
            curves,
        );
        let find = |kind: Kind, terms: usize, rank: usize| {
            let own: Vec<&Row> =
                here.iter().copied().filter(|r| (r.kind, r.terms, r.rank) == (kind, terms, rank)).collect();
            (!own.is_empty()).then(|| time(&own, over))
        };
        if let (Some(lsr), Some(lora)) = (find(Kind::Lsr, 16, 2), find(Kind::Lora, 1, 4)) {
            panel.notes.push(format!(
                "LSR s = 16, r = 2 × 2 takes {} times what LoRA r = 4 takes, with which it shares r",
                number(lsr / lora, 3)
            ));
        }
        panels.push(panel);
    }
    let named = |kind: Kind| {
        let mut own = values(rows, |r| Choice { kind: r.kind, terms: r.terms, rank: r.rank });
        own.retain(|c| c.kind == kind);
        own.iter().map(|c| c.text()).collect::<Vec<_>>().join("; ")
    };
    let mut key: Vec<KeyEntry> = shown.iter().map(|k| KeyEntry::shaded(style(*k), named(*k))).collect();
    key.push(KeyEntry::line(BOUND, "the layer without an adapter: W x and W' dy"));
    key.push(KeyEntry::shaded(
        Style { colour: REFERENCE, marker: Marker::None, width: 1.6, dash: None },
        "mark: median; shaded: smallest to largest",
    ));
    let width = rows[0].width;
    let caption = caption(
        study,
        "A step: the update materialised, outputs, gradients of the inputs and of the trained numbers. Each adapter is timed in turns with \
         the bare layer. 32-bit floating point.",
        all,
        rows,
    )?;
    Ok(Sheet { title: format!("A training step of one {width} × {width} layer"), panels, key, caption })
}

fn caption(study: AdapterSpeed, what: &str, all: &[Row], rows: &[&Row]) -> Result<String> {
    let trials = all.iter().map(|row| study.trial(row)).collect::<Result<Vec<_>>>()?;
    let seeds = values(rows, |r| r.seed).len();
    let threads = values(rows, |r| r.threads);
    let plural = |one: bool| if one { "" } else { "s" };
    let option = if let [threads] = threads[..] { format!(" --threads {threads}") } else { String::new() };
    Ok(format!(
        "{what} Medians of {seeds} seed{}; {} thread{}.\nMade by: {}{option}",
        plural(seeds == 1),
        list(&threads),
        plural(threads == [1]),
        study.command(&trials)
    ))
}
