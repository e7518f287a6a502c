//! A whole figure: panels in two columns, a key, a caption.

use super::canvas::{Anchor, Canvas, wrap};
use super::drawing::Drawing;
use super::panel::Panel;
use super::style::{INK, MUTED, Marker, REFERENCE, Style};
use anyhow::Result;
use plotters::prelude::DrawingBackend;

/// An entry of the key.
#[derive(Debug, Clone)]
pub struct KeyEntry {
    /// Its look.
    pub style: Style,
    /// Whether a shaded range is shown behind the line.
    pub shaded: bool,
    /// What it is.
    pub text: String,
}

impl KeyEntry {
    /// An entry without a range.
    pub fn line(style: Style, text: impl Into<String>) -> Self {
        KeyEntry { style, shaded: false, text: text.into() }
    }

    /// An entry with a range.
    pub fn shaded(style: Style, text: impl Into<String>) -> Self {
        KeyEntry { style, shaded: true, text: text.into() }
    }

    /// What lines and shades are.
    pub fn ranges() -> Self {
        let grey = Style { colour: REFERENCE, marker: Marker::None, width: 1.6, dash: None };
        KeyEntry::shaded(grey, "line: median; shaded: smallest to largest")
    }
}

/// A whole figure.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// The title above all.
    pub title: String,
    /// The panels, row by row; the key takes the place after the last one.
    pub panels: Vec<Panel>,
    /// The key.
    pub key: Vec<KeyEntry>,
    /// What was measured, below all.
    pub caption: String,
}

const COLUMN: f64 = 470.0;
const ROW: f64 = 318.0;
const MARGIN: f64 = 14.0;
const HEAD: f64 = 44.0;
const CAPTION: f64 = 10.5;
const LINE: f64 = 15.5;
const KEY: f64 = 12.0;

impl Sheet {
    fn columns(&self) -> usize {
        if self.panels.len() > 1 { 2 } else { 1 }
    }

    /// The panels' rows and whether the key has a place of its own among them.
    fn rows(&self) -> (usize, bool) {
        let columns = self.columns();
        (self.panels.len().div_ceil(columns), !self.panels.len().is_multiple_of(columns))
    }

    fn caption_lines(&self) -> Vec<String> {
        wrap(&self.caption, CAPTION, COLUMN * self.columns() as f64 - 20.0)
    }

    fn key_entry<D: DrawingBackend>(
        &self,
        canvas: &Canvas<D>,
        entry: &KeyEntry,
        at: (f64, f64),
    ) -> Result<()> {
        let (x, y) = at;
        let end = x + 34.0;
        if entry.shaded {
            let corners = [(x, y - 7.0), (end, y - 7.0), (end, y + 7.0), (x, y + 7.0)];
            canvas.polygon(&corners, entry.style.colour, 0.2)?;
        }
        canvas.line(&[(x, y), (end, y)], entry.style)?;
        canvas.marker(((x + end) / 2.0, y), entry.style)?;
        canvas.coloured(&entry.text, (end + 10.0, y), KEY, INK, Anchor::Left)
    }
}

impl Drawing for Sheet {
    fn size(&self) -> (f64, f64) {
        let (rows, inside) = self.rows();
        let key = if inside { 0.0 } else { 22.0 * self.key.len() as f64 + 14.0 };
        let caption = LINE * self.caption_lines().len() as f64 + 12.0;
        let width = 2.0 * MARGIN + COLUMN * self.columns() as f64;
        (width, (HEAD + ROW * rows as f64 + key + caption + MARGIN).ceil())
    }

    fn draw<D: DrawingBackend>(&self, canvas: &Canvas<D>) -> Result<()> {
        let (columns, (rows, inside)) = (self.columns(), self.rows());
        canvas.bold(&self.title, (MARGIN + 8.0, 24.0), 16.0, Anchor::Left)?;
        for (i, panel) in self.panels.iter().enumerate() {
            let (row, column) = (i / columns, i % columns);
            let notes = self.panels[row * columns..].iter().take(columns).map(|p| p.notes.len()).max();
            let (left, top) = (MARGIN + COLUMN * column as f64, HEAD + ROW * row as f64);
            let frame = (left, top, left + COLUMN, top + ROW - 12.0);
            panel.draw(canvas, frame, notes.unwrap_or(0))?;
        }
        let below = HEAD + ROW * rows as f64;
        let (left, top) =
            if inside { (MARGIN + COLUMN + 66.0, below - ROW + 44.0) } else { (MARGIN + 66.0, below + 10.0) };
        let step = if inside { 30.0 } else { 22.0 };
        for (i, entry) in self.key.iter().enumerate() {
            self.key_entry(canvas, entry, (left, top + step * i as f64))?;
        }
        let caption = if inside { below } else { below + 22.0 * self.key.len() as f64 + 14.0 };
        for (i, line) in self.caption_lines().iter().enumerate() {
            let at = (MARGIN + 8.0, caption + 10.0 + LINE * i as f64);
            canvas.coloured(line, at, CAPTION, MUTED, Anchor::Left)?;
        }
        Ok(())
    }
}
