//! A surface to draw on: lengths are points of the sheet, drawn at [`DETAIL`] device units each.

use super::style::{Colour, INK, Marker, Style};
use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, FontTransform, register_font};
use std::sync::Once;

/// Device units in a point: the SVG is shrunk by its view box, the PNG by averaging.
pub const DETAIL: u32 = 4;

const FONT: &str = "DejaVu Sans, Verdana, sans-serif";

/// A place on the sheet: right and down from the upper left corner.
pub type Place = (f64, f64);

/// Where a text stands relative to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The place is at the middle of its left end.
    Left,
    /// The place is its centre.
    Centre,
    /// The place is at the middle of its right end.
    Right,
    /// The place is its centre, and it reads upwards.
    Upwards,
}

/// A surface to draw on.
pub struct Canvas<'a, D: DrawingBackend> {
    area: &'a DrawingArea<D, Shift>,
}

impl<'a, D: DrawingBackend> Canvas<'a, D> {
    /// On the whole of a plotters area.
    pub fn new(area: &'a DrawingArea<D, Shift>) -> Result<Self> {
        static FONTS: Once = Once::new();
        FONTS.call_once(|| {
            // The compiled-in fonts are sound.
            let _ = register_font(FONT, FontStyle::Normal, dejavu::sans::regular());
            let _ = register_font(FONT, FontStyle::Bold, dejavu::sans::bold());
        });
        area.fill(&WHITE).map_err(failure)?;
        Ok(Canvas { area })
    }

    /// A polyline.
    pub fn line(&self, points: &[Place], style: Style) -> Result<()> {
        match style.dash {
            None => self.stroke(points, style),
            Some(pattern) => dashes(points, pattern).iter().try_for_each(|dash| self.stroke(dash, style)),
        }
    }

    /// A filled polygon.
    pub fn polygon(&self, points: &[Place], colour: Colour, opacity: f64) -> Result<()> {
        let points: Vec<_> = points.iter().map(|&p| device(p)).collect();
        self.area.draw(&Polygon::new(points, rgb(colour).mix(opacity).filled())).map_err(failure)
    }

    /// A marker of the style, centred at the place.
    pub fn marker(&self, at: Place, style: Style) -> Result<()> {
        let (x, y) = at;
        match style.marker {
            Marker::None => Ok(()),
            Marker::Disc => {
                let radius = 3.2 * f64::from(DETAIL);
                let disc = Circle::new(device(at), radius.round() as i32, rgb(style.colour).filled());
                self.area.draw(&disc).map_err(failure)
            }
            Marker::Square => {
                let r = 2.9;
                let corners = [(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)];
                self.polygon(&corners, style.colour, 1.0)
            }
            Marker::Triangle => {
                let r = 4.0;
                let corners = [(x, y - r), (x + 0.9 * r, y + 0.65 * r), (x - 0.9 * r, y + 0.65 * r)];
                self.polygon(&corners, style.colour, 1.0)
            }
        }
    }

    /// A text in ink.
    pub fn text(&self, text: &str, at: Place, size: f64, anchor: Anchor) -> Result<()> {
        self.words(text, at, font(size, false), INK, anchor)
    }

    /// A text in bold.
    pub fn bold(&self, text: &str, at: Place, size: f64, anchor: Anchor) -> Result<()> {
        self.words(text, at, font(size, true), INK, anchor)
    }

    /// A text in a colour.
    pub fn coloured(&self, text: &str, at: Place, size: f64, colour: Colour, anchor: Anchor) -> Result<()> {
        self.words(text, at, font(size, false), colour, anchor)
    }

    fn words(
        &self,
        text: &str,
        at: Place,
        font: FontDesc<'static>,
        colour: Colour,
        anchor: Anchor,
    ) -> Result<()> {
        let horizontal = match anchor {
            Anchor::Left => HPos::Left,
            Anchor::Right => HPos::Right,
            Anchor::Centre | Anchor::Upwards => HPos::Center,
        };
        let font = if anchor == Anchor::Upwards { font.transform(FontTransform::Rotate270) } else { font };
        let colour = rgb(colour);
        let style = TextStyle::from(font).color(&colour).pos(Pos::new(horizontal, VPos::Center));
        self.area.draw_text(text, &style, device(at)).map_err(failure)
    }

    fn stroke(&self, points: &[Place], style: Style) -> Result<()> {
        let width = (style.width * f64::from(DETAIL)).round().max(1.0) as u32;
        pieces(points).into_iter().try_for_each(|piece| {
            let piece: Vec<_> = piece.iter().map(|&p| device(p)).collect();
            let path = PathElement::new(piece, rgb(style.colour).stroke_width(width));
            self.area.draw(&path).map_err(failure)
        })
    }
}

/// A polyline, cut where it turns by more than a right angle: joined there, it would have a spike.
fn pieces(points: &[Place]) -> Vec<&[Place]> {
    let (mut out, mut start) = (Vec::new(), 0);
    for (k, turn) in points.windows(3).enumerate() {
        let [a, b, c] = [turn[0], turn[1], turn[2]];
        if (b.0 - a.0) * (c.0 - b.0) + (b.1 - a.1) * (c.1 - b.1) < 0.0 {
            out.push(&points[start..k + 2]);
            start = k + 1;
        }
    }
    out.push(&points[start..]);
    out
}

/// The width of a text.
pub fn text_width(text: &str, size: f64) -> f64 {
    font(size, false)
        .box_size(text)
        .map_or(0.6 * size * text.chars().count() as f64, |b| f64::from(b.0) / f64::from(DETAIL))
}

/// Breaks a text into lines of at most this width, and at its line ends.
pub fn wrap(text: &str, size: f64, width: f64) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let longer = if line.is_empty() { word.to_string() } else { format!("{line} {word}") };
            if !line.is_empty() && text_width(&longer, size) > width {
                lines.push(std::mem::replace(&mut line, word.to_string()));
            } else {
                line = longer;
            }
        }
        lines.push(line);
    }
    lines
}

/// The dashes along a polyline.
fn dashes(points: &[Place], (dash, gap): (f64, f64)) -> Vec<Vec<Place>> {
    let mut out = Vec::new();
    let mut current: Vec<Place> = points.first().copied().into_iter().collect();
    let (mut drawing, mut left) = (true, dash);
    for pair in points.windows(2) {
        let (mut a, b) = (pair[0], pair[1]);
        loop {
            let length = (b.0 - a.0).hypot(b.1 - a.1);
            if length <= left {
                left -= length;
                if drawing {
                    current.push(b);
                }
                break;
            }
            let t = left / length;
            a = (a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1));
            if drawing {
                current.push(a);
                out.push(std::mem::take(&mut current));
                left = gap;
            } else {
                current = vec![a];
                left = dash;
            }
            drawing = !drawing;
        }
    }
    if drawing && current.len() > 1 {
        out.push(current);
    }
    out
}

fn font(size: f64, bold: bool) -> FontDesc<'static> {
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    FontDesc::new(FontFamily::Name(FONT), size * f64::from(DETAIL), style)
}

fn device((x, y): Place) -> (i32, i32) {
    let detail = f64::from(DETAIL);
    ((x * detail).round() as i32, (y * detail).round() as i32)
}

fn rgb((r, g, b): Colour) -> RGBColor {
    RGBColor(r, g, b)
}

fn failure<E: std::error::Error + Send + Sync>(error: DrawingAreaErrorKind<E>) -> anyhow::Error {
    anyhow!("cannot draw: {error}")
}

#[cfg(test)]
mod tests {
    use super::{dashes, pieces};

    #[test]
    fn lines_are_cut_at_sharp_turns() {
        let line = [(0.0, 0.0), (10.0, 0.0), (10.0, 5.0), (9.0, 0.0), (20.0, 0.0)];
        assert_eq!(pieces(&line), [&line[..3], &line[2..4], &line[3..]]);
        assert_eq!(pieces(&line[..2]), [&line[..2]]);
        assert_eq!(pieces(&[]), [&[] as &[(f64, f64)]]);
    }

    #[test]
    fn dashes_cover_their_share() {
        let line = [(0.0, 0.0), (30.0, 0.0), (30.0, 70.0)];
        let pieces = dashes(&line, (6.0, 4.0));
        let drawn: f64 =
            pieces.iter().flat_map(|p| p.windows(2)).map(|p| (p[1].0 - p[0].0).hypot(p[1].1 - p[0].1)).sum();
        assert_eq!(pieces.len(), 10);
        assert!((drawn - 60.0).abs() < 1e-9);
    }
}
