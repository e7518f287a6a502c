//! The figures of the spectra of weights, made of their table alone.

mod decays;
mod densities;
mod ranks;

use super::scale::number;
use super::sheet::Sheet;
use super::style::{Colour, Marker, Style};
use crate::spectra::{Row, Spectra};
use crate::study::Study;
use crate::table::Record;
use crate::weights::{Kind, layer};
use anyhow::{Result, bail};

/// The three figures: spectra, densities of eigenvalues, ranks.
pub fn sheets(study: Spectra, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
    let done: Vec<&Row> = rows.iter().filter(|row| !row.failed()).collect();
    let weights: Vec<&Row> = done.iter().copied().filter(|row| row.seed.is_none()).collect();
    let references: Vec<&Row> = done.iter().copied().filter(|row| row.seed.is_some()).collect();
    if weights.is_empty() {
        bail!("no matrix of the file gave an answer: there is nothing to draw");
    }
    let trials = rows.iter().map(|row| study.trial(row)).collect::<Result<Vec<_>>>()?;
    let groups = groups(&weights);
    let figures = [
        ("spectra", decays::sheet(&groups, &references)),
        ("spectra_density", densities::sheet(&groups, &references)),
        ("spectra_ranks", ranks::sheet(&groups, &references)),
    ];
    let made = |(name, mut sheet): (&str, Sheet)| {
        sheet.caption.push_str(&format!("\nMade by: {}", study.command(&trials)));
        (name.to_string(), sheet)
    };
    Ok(figures.into_iter().map(made).collect())
}

/// Matrices of one kind, layer by layer.
struct Group<'a> {
    kind: Kind,
    rows: Vec<&'a Row>,
}

impl Group<'_> {
    /// The kind and the shape, where it is one.
    fn title(&self) -> String {
        let shape = |row: &Row| format!("{} × {}", row.m, row.n);
        let same = self.rows.iter().all(|row| shape(row) == shape(self.rows[0]));
        if same {
            format!("{}, {}", self.kind.name(), shape(self.rows[0]))
        } else {
            self.kind.name().to_string()
        }
    }

    /// The layer of each, or their places in the list where not every name has one.
    fn places(&self) -> Vec<f64> {
        let layers: Option<Vec<usize>> = self.rows.iter().map(|row| layer(&row.matrix)).collect();
        let places = layers.unwrap_or_else(|| (0..self.rows.len()).collect());
        places.into_iter().map(|place| place as f64).collect()
    }
}

fn groups<'a>(weights: &[&'a Row]) -> Vec<Group<'a>> {
    let of = |kind| weights.iter().copied().filter(|row| Kind::of(&row.matrix) == kind).collect();
    let all = Kind::ALL.into_iter().map(|kind| Group { kind, rows: of(kind) });
    all.filter(|group| !group.rows.is_empty()).collect()
}

/// A matrix's own part of its name.
fn short(row: &Row) -> &str {
    let name = row.matrix.strip_suffix(".weight").unwrap_or(&row.matrix);
    name.strip_prefix("embeddings.").unwrap_or(name)
}

/// Whether less than a quarter of the values lie above the edge of the noise: else the fit of the
/// noise, made of the middle half of the values, means nothing.
fn has_bulk(row: &Row) -> bool {
    4 * row.outliers < row.spectrum.len()
}

const fn line(colour: Colour, width: f64) -> Style {
    Style { colour, marker: Marker::None, width, dash: None }
}

/// `0.31` or `0.31 to 0.42`.
fn span(values: impl IntoIterator<Item = f64>, digits: usize) -> String {
    let finite = values.into_iter().filter(|x| x.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |r, x| (r.0.min(x), r.1.max(x)));
    let (low, high) = (number(low, digits), number(high, digits));
    if low == high { low } else { format!("{low} to {high}") }
}

/// `0` or `0 to 72`.
fn counts(values: impl IntoIterator<Item = usize>) -> String {
    let (low, high) = values.into_iter().fold((usize::MAX, 0), |r, x| (r.0.min(x), r.1.max(x)));
    if low == high { low.to_string() } else { format!("{low} to {high}") }
}

fn percent(values: impl IntoIterator<Item = f64>) -> String {
    span(values.into_iter().map(|x| (100.0 * x).round()), 2)
}

/// `38 weight matrices of data/minilm/model.safetensors`.
fn of_source<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    let rows: Vec<&Row> = rows.collect();
    let plural = if rows.len() == 1 { "matrix" } else { "matrices" };
    format!("{} weight {plural} of {}", rows.len(), rows[0].source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_well() {
        assert_eq!(span([0.314, 0.5], 2), "0.31 to 0.50");
        assert_eq!(span([0.5, f64::NAN], 2), "0.50");
        assert_eq!((counts([4, 72, 0]), counts([5])), ("0 to 72".to_string(), "5".to_string()));
        assert_eq!(percent([0.448, 0.662]), "45 to 66");
        assert_eq!(percent([1.0, 0.997]), "100");
    }
}
