//! One pair of axes with its curves.

use super::canvas::{Anchor, Canvas, Place, text_width};
use super::map::Map;
use super::scale::{Scale, Tick};
use super::style::{GRID, INK, MINOR, MUTED, Marker, Style};
use crate::series::Point;
use anyhow::Result;
use plotters::prelude::DrawingBackend;

/// A rectangle on the sheet: left, top, right, bottom.
pub type Frame = (f64, f64, f64, f64);

/// A curve, with a shaded range if it has one.
#[derive(Debug, Clone)]
pub struct Curve {
    /// Its places, in data units.
    pub points: Vec<Place>,
    /// The shaded range: (x, low, high). One at a single place is not drawn: it widens the axis, and where
    /// it begins at 0 it makes the vertical axis linear.
    pub range: Vec<(f64, f64, f64)>,
    /// Its look.
    pub style: Style,
    /// Whether the axes are chosen so that all of it is seen; else it is cut at the frame.
    pub fitted: bool,
}

impl Curve {
    /// A line that does not widen the axes: a reference.
    pub fn reference(points: Vec<Place>, style: Style) -> Self {
        Curve { points, range: Vec::new(), style, fitted: false }
    }

    /// Medians with their ranges.
    pub fn medians(points: &[Point], style: Style) -> Self {
        Curve {
            points: points.iter().map(|p| (p.x, p.median)).collect(),
            range: points.iter().map(|p| (p.x, p.low, p.high)).collect(),
            style,
            fitted: true,
        }
    }
}

/// One pair of axes: both logarithmic, but the horizontal one linear where it is labelled at 0, and the
/// vertical one where a range says so.
#[derive(Debug, Clone)]
pub struct Panel {
    /// What is shown.
    pub title: String,
    /// Small lines below the title.
    pub notes: Vec<String>,
    /// The label of the horizontal axis.
    pub x_label: String,
    /// Where the horizontal axis is labelled; by its decades if empty. A linear axis ends half a unit
    /// beyond.
    pub x_ticks: Vec<f64>,
    /// The label of the vertical axis.
    pub y_label: String,
    /// A heat map in place of scales and curves.
    pub map: Option<Map>,
    /// The curves, the last one on top.
    pub curves: Vec<Curve>,
}

const TITLE: f64 = 13.0;
const NOTE: f64 = 10.0;
const TICK: f64 = 10.5;
const LABEL: f64 = 11.5;
const FRAME: Style = Style { colour: INK, marker: Marker::None, width: 0.9, dash: None };

impl Panel {
    /// Draws the panel into a rectangle that includes title and labels; `notes` is the room left
    /// for the small lines, so that panels side by side align.
    pub fn draw<D: DrawingBackend>(&self, canvas: &Canvas<D>, outer: Frame, notes: usize) -> Result<()> {
        let top = outer.1 + 24.0 + 14.0 * notes as f64;
        let (left, right, bottom) = (outer.0 + 66.0, outer.2 - 10.0, outer.3 - 46.0);
        canvas.bold(&self.title, (left, outer.1 + 9.0), TITLE, Anchor::Left)?;
        for (i, note) in self.notes.iter().enumerate() {
            let at = (left, outer.1 + 27.0 + 14.0 * i as f64);
            canvas.coloured(note, at, NOTE, MUTED, Anchor::Left)?;
        }
        match &self.map {
            Some(map) => map.draw(canvas, (left, top), (right, bottom))?,
            None => self.curves(canvas, (left, top, right, bottom))?,
        }
        let corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)];
        canvas.line(&corners, FRAME)?;
        canvas.text(&self.x_label, ((left + right) / 2.0, bottom + 34.0), LABEL, Anchor::Centre)?;
        canvas.text(&self.y_label, (outer.0 + 12.0, (top + bottom) / 2.0), LABEL, Anchor::Upwards)
    }

    /// The grid and the curves.
    fn curves<D: DrawingBackend>(&self, canvas: &Canvas<D>, frame: Frame) -> Result<()> {
        let (left, top, right, bottom) = frame;
        let x = match self.x_ticks.contains(&0.0) {
            true => Scale::linear(
                (-0.5, self.x_ticks.iter().fold(0.0_f64, |a, x| a.max(*x)) + 0.5),
                (left, right),
            ),
            false => Scale::new(self.range(|_| true, |p| p.0, |r| [r.0, r.0], 1.06), (left, right)),
        };
        let from_zero = |c: &&Curve| c.fitted && c.range.len() == 1 && c.range[0].1 == 0.0;
        let y = match self.curves.iter().find(from_zero).map(|c| c.range[0].2) {
            Some(high) => Scale::linear((-0.03 * high, 1.03 * high), (bottom, top)),
            None => Scale::new(self.range(|c| c.fitted, |p| p.1, |r| [r.1, r.2], 1.25), (bottom, top)),
        };
        self.grid(canvas, &x, &y, frame)?;
        for curve in &self.curves {
            band(canvas, curve, &x, &y)?;
        }
        for curve in &self.curves {
            draw(canvas, curve, &x, &y)?;
        }
        Ok(())
    }

    /// The range of the data of some curves, with a margin: `by` this factor, less where they
    /// hardly vary.
    fn range(
        &self,
        chosen: fn(&&Curve) -> bool,
        point: fn(&Place) -> f64,
        band: fn(&(f64, f64, f64)) -> [f64; 2],
        by: f64,
    ) -> (f64, f64) {
        let curves = self.curves.iter().filter(chosen);
        let values = curves.flat_map(|c| c.points.iter().map(point).chain(c.range.iter().flat_map(band)));
        let (low, high) = values
            .filter(|v| *v > 0.0 && v.is_finite())
            .fold((f64::INFINITY, 0.0_f64), |r, v| (r.0.min(v), r.1.max(v)));
        let by = if high > 1.001 * low { by.min((high / low).powf(0.2)) } else { by };
        if low <= high { (low / by, high * by) } else { (0.1, 1.0) }
    }

    fn grid<D: DrawingBackend>(&self, canvas: &Canvas<D>, x: &Scale, y: &Scale, frame: Frame) -> Result<()> {
        let (left, top, right, bottom) = frame;
        let style = |major: bool| Style { colour: if major { GRID } else { MINOR }, width: 0.7, ..FRAME };
        let own = |&value: &f64| Tick { value, label: Some(value.to_string()) };
        let mut xs = x.ticks(28.0);
        if !self.x_ticks.is_empty() {
            xs.iter_mut().for_each(|tick| tick.label = None);
            let (low, high) = x.range();
            xs.extend(self.x_ticks.iter().filter(|tick| (low..=high).contains(tick)).map(own));
        }
        let ys = if y.range().0 > 0.0 { y.ticks(15.0) } else { y.even_ticks(24.0) };
        for major in [false, true] {
            for tick in xs.iter().filter(|t| t.label.is_some() == major) {
                let at = x.place(tick.value);
                canvas.line(&[(at, top), (at, bottom)], style(major))?;
            }
            for tick in ys.iter().filter(|t| t.label.is_some() == major) {
                let at = y.place(tick.value);
                canvas.line(&[(left, at), (right, at)], style(major))?;
            }
        }
        let mut free = f64::NEG_INFINITY;
        for tick in &xs {
            let Some(label) = &tick.label else { continue };
            let (at, half) = (x.place(tick.value), text_width(label, TICK) / 2.0);
            canvas.line(&[(at, bottom), (at, bottom + 4.0)], FRAME)?;
            if at - half > free {
                canvas.text(label, (at, bottom + 14.0), TICK, Anchor::Centre)?;
                free = at + half + 3.0;
            }
        }
        for tick in &ys {
            let Some(label) = &tick.label else { continue };
            let at = y.place(tick.value);
            canvas.line(&[(left - 4.0, at), (left, at)], FRAME)?;
            canvas.text(label, (left - 7.0, at), TICK, Anchor::Right)?;
        }
        Ok(())
    }
}

fn band<D: DrawingBackend>(canvas: &Canvas<D>, curve: &Curve, x: &Scale, y: &Scale) -> Result<()> {
    let shown: Vec<_> = curve.range.iter().filter(|r| r.1 > 0.0 && r.2.is_finite()).collect();
    if shown.len() < 2 {
        return Ok(());
    }
    let upper = shown.iter().map(|r| (x.place(r.0), y.place(r.2)));
    let lower = shown.iter().rev().map(|r| (x.place(r.0), y.place(r.1)));
    let outline: Vec<Place> = upper.chain(lower).collect();
    let (bottom, top) = (y.place(y.range().0), y.place(y.range().1));
    let inside = half(&half(&outline, |p| p.1 - top), |p| bottom - p.1);
    if inside.len() < 3 { Ok(()) } else { canvas.polygon(&inside, curve.style.colour, 0.2) }
}

/// The part of a polygon where a linear function is not negative (Sutherland and Hodgman).
fn half(polygon: &[Place], side: impl Fn(&Place) -> f64) -> Vec<Place> {
    let mut out = Vec::new();
    for (k, b) in polygon.iter().enumerate() {
        let a = &polygon[(k + polygon.len() - 1) % polygon.len()];
        let (before, here) = (side(a), side(b));
        if (before < 0.0) != (here < 0.0) {
            let t = before / (before - here);
            out.push((a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1)));
        }
        if here >= 0.0 {
            out.push(*b);
        }
    }
    out
}

fn draw<D: DrawingBackend>(canvas: &Canvas<D>, curve: &Curve, x: &Scale, y: &Scale) -> Result<()> {
    let places = curve.points.iter().map(|p| (x.place(p.0), y.place(p.1)));
    let places: Vec<Place> = places.filter(|p| p.0.is_finite() && p.1.is_finite()).collect();
    let (bottom, top) = (y.place(y.range().0), y.place(y.range().1));
    for piece in cut(&places, top, bottom) {
        canvas.line(&piece, curve.style)?;
    }
    places.iter().filter(|p| p.1 >= top && p.1 <= bottom).try_for_each(|&p| canvas.marker(p, curve.style))
}

/// The pieces of a polyline between two heights.
fn cut(places: &[Place], top: f64, bottom: f64) -> Vec<Vec<Place>> {
    let inside = |p: &Place| p.1 >= top - 1e-9 && p.1 <= bottom + 1e-9;
    let mut out = vec![Vec::new()];
    for pair in places.windows(2) {
        let (a, b) = (pair[0], pair[1]);
        let mut stops = vec![(0.0, a), (1.0, b)];
        for height in [top, bottom] {
            let t = (height - a.1) / (b.1 - a.1);
            if t > 0.0 && t < 1.0 {
                stops.push((t, (a.0 + t * (b.0 - a.0), height)));
            }
        }
        stops.sort_by(|p, q| p.0.total_cmp(&q.0));
        for leg in stops.windows(2) {
            let (p, q) = (leg[0].1, leg[1].1);
            let last = out.len() - 1;
            if inside(&p) && inside(&q) {
                if out[last].is_empty() {
                    out[last].push(p);
                }
                out[last].push(q);
            } else if !out[last].is_empty() {
                out.push(Vec::new());
            }
        }
    }
    out.retain(|piece| piece.len() > 1);
    out
}

#[cfg(test)]
mod tests {
    use super::{cut, half};

    #[test]
    fn curves_are_cut_at_the_frame() {
        let line = [(0.0, -10.0), (20.0, 10.0), (40.0, 5.0), (50.0, 25.0)];
        let pieces = cut(&line, 0.0, 15.0);
        assert_eq!(pieces, vec![vec![(10.0, 0.0), (20.0, 10.0), (40.0, 5.0), (45.0, 15.0)]]);
    }

    #[test]
    fn polygons_are_cut_at_a_line() {
        let square = [(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0)];
        assert_eq!(half(&square, |p| p.1 - 1.0), [(0.0, 1.0), (4.0, 1.0), (4.0, 4.0), (0.0, 4.0)]);
        assert_eq!(half(&square, |p| p.1 + 1.0), square);
        assert_eq!(half(&square, |p| p.1 - 5.0), []);
    }
}
