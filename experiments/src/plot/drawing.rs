//! What can be written as SVG and PNG.

use super::canvas::{Canvas, DETAIL};
use crate::table::write_atomically;
use anyhow::{Context, Result, anyhow};
use plotters::prelude::*;
use std::path::Path;

/// A picture.
pub trait Drawing {
    /// Width and height, in points.
    fn size(&self) -> (f64, f64);
    /// Draws it.
    fn draw<D: DrawingBackend>(&self, canvas: &Canvas<D>) -> Result<()>;

    /// Writes `stem.svg` and `stem.png` (at twice the size) beside each other.
    fn write(&self, stem: &Path) -> Result<()> {
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
