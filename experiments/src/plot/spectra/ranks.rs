//! The ranks that criteria choose.

use super::{Group, counts, has_bulk, of_source, percent, short, span};
use crate::plot::panel::{Curve, Panel};
use crate::plot::sheet::{KeyEntry, Sheet};
use crate::plot::style::{BOUND, Colour, Marker, Style};
use crate::spectra::Row;
use crate::weights::Kind;

/// A criterion: its look, its name and the rank it chooses; not a number where it fails.
type Criterion = (Style, &'static str, fn(&Row) -> f64);

const fn dots(colour: Colour, marker: Marker) -> Style {
    Style { colour, marker, width: 0.8, dash: None }
}

const CRITERIA: [Criterion; 5] = [
    (dots((0, 80, 140), Marker::Triangle), "99 % of the energy", |row| row.rank_99 as f64),
    (dots((0, 114, 178), Marker::Square), "95 %", |row| row.rank_95 as f64),
    (dots((86, 180, 233), Marker::Disc), "90 %", |row| row.rank_90 as f64),
    (dots((213, 94, 0), Marker::Disc), "hard threshold of Gavish and Donoho", |row| {
        row.rank_threshold as f64
    }),
    (dots((230, 159, 0), Marker::Triangle), "values above the edge of the noise", |row| {
        match has_bulk(row) {
            true => row.outliers as f64,
            false => f64::NAN,
        }
    }),
];

/// One panel for each kind of matrix.
pub fn sheet(groups: &[Group], references: &[&Row]) -> Sheet {
    let panel = |group: &Group| {
        let places = group.places();
        // Matrices of no layer have nothing to do with each other: no lines between them.
        let layers = group.kind != Kind::Other && places.len() > 1;
        let curves_of = |rank: fn(&Row) -> f64, style: Style, width: f64| {
            let points: Vec<(f64, f64)> =
                places.iter().zip(&group.rows).map(|(x, row)| (*x, rank(row))).collect();
            let pieces: Vec<Vec<(f64, f64)>> = match layers {
                // No line over a layer that shows nothing.
                true => points.split(|(_, y)| y.is_nan() || *y == 0.0).map(<[_]>::to_vec).collect(),
                false => points.iter().map(|(x, y)| vec![(x - width, *y), (x + width, *y)]).collect(),
            };
            pieces.into_iter().map(move |points| Curve { points, range: Vec::new(), style, fitted: true })
        };
        let mut curves: Vec<Curve> = curves_of(|row| row.rank_break_even as f64, BOUND, 0.4).collect();
        for (style, _, rank) in CRITERIA {
            curves.extend(curves_of(rank, style, 0.0));
        }
        let notes = if group.kind == Kind::Other {
            let list = group.rows.iter().take(5).enumerate().map(|(i, row)| format!("{i} {}", short(row)));
            list.collect::<Vec<_>>().join(", ")
        } else {
            format!(
                "break-even at rank {}, which holds {} % of the energy",
                counts(group.rows.iter().map(|row| row.rank_break_even)),
                percent(group.rows.iter().map(|row| row.energy_break_even))
            )
        };
        Panel {
            map: None,
            title: group.title(),
            notes: vec![notes],
            x_label: if group.kind == Kind::Other { "matrix" } else { "layer" }.to_string(),
            x_ticks: (0..=places.iter().fold(0.0, |a: f64, x| a.max(*x)) as usize)
                .map(|x| x as f64)
                .collect(),
            y_label: "rank".to_string(),
            curves,
        }
    };
    let all: Vec<&Row> = groups.iter().flat_map(|group| &group.rows).copied().collect();
    let smaller = |ratio: fn(&Row) -> f64| all.iter().filter(|row| ratio(row) > 1.0).count();
    let caption = format!(
        "Ranks that criteria choose for {}. Above the dotted line two factors hold more numbers than the matrix: \
         there is nothing to save. Ranks of 0 are not shown. {}Below the line are {} of {} matrices at 90 % of the \
         energy, {} at 95 %, {} at 99 % and {} at the hard threshold{}; compression m n / (r (m + n)): {} at 90 %, \
         {} at 95 %, {} at 99 %. Gaussian matrices of the same shapes have {} at 90 %.",
        of_source(all.iter().copied()),
        match all.iter().filter(|row| !has_bulk(row)).count() {
            0 => String::new(),
            none => format!(
                "{none} of the {} have no bulk of noise, a quarter or more of their values lying above the edge of \
                 the noise that was fitted: that criterion means nothing there, and is not shown; the hard threshold, which takes \
                 the median for noise, stands on the same ground. ",
                all.len()
            ),
        },
        smaller(|row| row.compression_90),
        all.len(),
        smaller(|row| row.compression_95),
        smaller(|row| row.compression_99),
        smaller(|row| row.compression_threshold),
        match all.iter().filter(|row| row.rank_threshold == 0).count() {
            0 => String::new(),
            zero => format!(" ({zero} of them with rank 0: it finds nothing but noise)"),
        },
        span(all.iter().map(|row| row.compression_90), 2),
        span(all.iter().map(|row| row.compression_95), 2),
        span(all.iter().map(|row| row.compression_99), 2),
        span(references.iter().map(|row| row.compression_90), 2),
    );
    let mut keys: Vec<KeyEntry> =
        CRITERIA.iter().map(|(style, name, _)| KeyEntry::line(*style, *name)).collect();
    keys.insert(0, KeyEntry::line(BOUND, "break-even: r (m + n) = m n"));
    Sheet {
        title: "Ranks that criteria choose for weight matrices".to_string(),
        panels: groups.iter().map(panel).collect(),
        key: keys,
        caption,
    }
}
