//! A heat map: a number in each cell, shaded.

use super::canvas::{Anchor, Canvas, Place};
use super::style::{Colour, INK};
use anyhow::Result;
use plotters::prelude::DrawingBackend;

/// A heat map.
#[derive(Debug, Clone)]
pub struct Map {
    /// The labels of the columns, from the left.
    pub columns: Vec<String>,
    /// The labels of the rows, from below.
    pub rows: Vec<String>,
    /// The cells that there are.
    pub cells: Vec<Cell>,
}

/// A cell.
#[derive(Debug, Clone)]
pub struct Cell {
    /// Its column and row, from 0.
    pub at: (usize, usize),
    /// From 0, pale, to 1, dark.
    pub shade: f64,
    /// What stands in it, a line each.
    pub text: Vec<String>,
}

const TICK: f64 = 10.5;

impl Map {
    /// Draws it between two corners, the labels outside of these.
    pub fn draw<D: DrawingBackend>(&self, canvas: &Canvas<D>, from: Place, to: Place) -> Result<()> {
        let wide = (to.0 - from.0) / self.columns.len().max(1) as f64;
        let high = (to.1 - from.1) / self.rows.len().max(1) as f64;
        for (k, label) in self.columns.iter().enumerate() {
            canvas.text(label, (from.0 + wide * (k as f64 + 0.5), to.1 + 14.0), TICK, Anchor::Centre)?;
        }
        for (k, label) in self.rows.iter().enumerate() {
            canvas.text(label, (from.0 - 7.0, to.1 - high * (k as f64 + 0.5)), TICK, Anchor::Right)?;
        }
        for Cell { at, shade, text } in &self.cells {
            let (x, y) = (from.0 + wide * at.0 as f64, to.1 - high * (at.1 + 1) as f64);
            let corners = [(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)];
            canvas.polygon(&corners, colour(*shade), 1.0)?;
            let ink = if *shade > 0.55 { (255, 255, 255) } else { INK };
            let first = y + high / 2.0 - 6.5 * (text.len().max(1) - 1) as f64;
            for (k, line) in text.iter().enumerate() {
                let size = if k == 0 { 11.5 } else { 9.5 };
                let place = (x + wide / 2.0, first + 13.0 * k as f64);
                canvas.coloured(line, place, size, ink, Anchor::Centre)?;
            }
        }
        Ok(())
    }
}

/// Pale yellow over green to dark blue: the lightness alone tells them apart too.
fn colour(shade: f64) -> Colour {
    const STOPS: [[f64; 3]; 4] =
        [[255.0, 250.0, 205.0], [161.0, 218.0, 180.0], [65.0, 138.0, 182.0], [28.0, 52.0, 120.0]];
    let place = shade.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let k = (place as usize).min(STOPS.len() - 2);
    let mix = |c: usize| (STOPS[k][c] + (place - k as f64) * (STOPS[k + 1][c] - STOPS[k][c])).round() as u8;
    (mix(0), mix(1), mix(2))
}
