//! A whole figure: panels in two columns, a key, a caption; written as SVG and PNG.

use super::canvas::{Anchor, Canvas, DETAIL, wrap};
use super::panel::Panel;
use super::style::{INK, MUTED, Marker, REFERENCE, Style};
use crate::table::write_atomically;
use anyhow::{Context, Result, anyhow};
use plotters::prelude::*;
use std::path::Path;

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
    /// Writes `stem.svg` and `stem.png` (at twice the size) beside each other.
    pub fn write(&self, stem: &Path) -> Result<()> {
        let (width, height) = self.size();
        let device = (width as u32 * DETAIL, height as u32 * DETAIL);
        let mut text = String::new();
        {
            let area = SVGBackend::with_string(&mut text, device).into_drawing_area();
            self.draw(&Canvas::new(&area)?)?;
            area.present().map_err(|e| anyhow!("cannot draw: {e}"))?;
        }
        let full = format!("width=\"{}\" height=\"{}\" viewBox", device.0, device.1);
        let text = text.replacen(&full, &format!("width=\"{width}\" height=\"{height}\" viewBox"), 1);
        write_atomically(&stem.with_extension("svg"), text.as_bytes())?;

        let mut pixels = vec![0; (device.0 * device.1 * 3) as usize];
        {
            let area = BitMapBackend::with_buffer(&mut pixels, device).into_drawing_area();
            self.draw(&Canvas::new(&area)?)?;
            area.present().map_err(|e| anyhow!("cannot draw: {e}"))?;
        }
        let image = halved(&pixels, device.0 as usize);
        let bytes = png(&image, device.0 / 2, device.1 / 2).context("cannot encode the PNG")?;
        write_atomically(&stem.with_extension("png"), &bytes)
    }

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

/// An RGB image at half its size, each pixel the mean of four.
fn halved(pixels: &[u8], width: usize) -> Vec<u8> {
    let at = |row: usize, column: usize, k: usize| u32::from(pixels[(row * width + column) * 3 + k]);
    let (half, rows) = (width / 2, pixels.len() / (6 * width));
    let mut out = Vec::with_capacity(half * rows * 3);
    for row in 0..rows {
        for column in 0..half {
            for k in 0..3 {
                let (i, j) = (2 * row, 2 * column);
                let sum = at(i, j, k) + at(i, j + 1, k) + at(i + 1, j, k) + at(i + 1, j + 1, k);
                out.push(((sum + 2) / 4) as u8);
            }
        }
    }
    out
}

fn png(image: &[u8], width: u32, height: u32) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Best);
    encoder.set_filter(png::FilterType::NoFilter); // flat areas repeat: smaller than differences
    encoder.write_header()?.write_image_data(image)?;
    Ok(bytes)
}
