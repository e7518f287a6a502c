//! The drawing of an adapter beside its weight.

use super::canvas::{Anchor, Canvas, Place, text_width};
use super::drawing::Drawing;
use super::style::{Colour, GRID, INK, MUTED, Marker, Style, numbered};
use anyhow::Result;
use lowrank::layers::adapter::Part;
use plotters::prelude::DrawingBackend;

/// What is drawn; all shapes and numbers are an adapter's own.
#[derive(Debug, Clone)]
pub struct Diagram {
    /// The title.
    pub title: String,
    /// What the layer computes.
    pub equation: String,
    /// (m, n).
    pub weight: (usize, usize),
    /// The factors of dW = L R, L first, or dW alone: names and shapes.
    pub update: Vec<(String, (usize, usize))>,
    /// What is trained.
    pub parts: Vec<Part>,
    /// Trained numbers, the adapter's first, then others' to compare.
    pub bars: Vec<(String, usize)>,
    /// The last line.
    pub caption: String,
}

const WIDTH: f64 = 860.0;
const LEFT: f64 = 24.0;
const TOP: f64 = 84.0;
/// The longer side of the weight.
const SIDE: f64 = 190.0;
/// The part with the arrows.
const UPPER: f64 = 386.0;
/// The room of a part: its longer side, and all its terms beside each other.
const PART: (f64, f64) = (110.0, 330.0);
const TEXT: f64 = 11.5;
const LINE: Style = Style { colour: INK, marker: Marker::None, width: 1.1, dash: None };
const FROZEN: Colour = (225, 228, 232);

/// 12288 as `12,288`.
fn grouped(x: usize) -> String {
    let digits = x.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join(",")
}

fn shape((rows, cols): (usize, usize)) -> String {
    format!("{rows} × {cols}")
}

/// The terms of a part, laid side by side along their shorter side: the gap, and the room taken.
struct Stack {
    gap: f64,
    across: bool,
    size: (f64, f64),
}

impl Stack {
    fn points(part: &Part) -> f64 {
        let (long, short) = (part.rows.max(part.cols) as f64, part.rows.min(part.cols) as f64);
        (PART.0 / long).min(PART.1 / (1.6 * short * part.terms as f64))
    }

    fn new(part: &Part, unit: f64) -> Self {
        let (rows, cols, terms) = (part.rows as f64 * unit, part.cols as f64 * unit, part.terms as f64);
        let (across, gap) = (rows >= cols, 0.6 * rows.min(cols));
        let size = match across {
            true => (terms * (cols + gap) - gap, rows),
            false => (cols, terms * (rows + gap) - gap),
        };
        Self { gap, across, size }
    }
}

impl Diagram {
    /// Points per number of the parts: one for all of them, so that they can be compared.
    fn unit(&self) -> f64 {
        self.parts.iter().map(Stack::points).fold(f64::INFINITY, f64::min)
    }

    /// Points per number of the weight.
    fn scale(&self) -> f64 {
        SIDE / self.weight.0.max(self.weight.1) as f64
    }

    /// The rows of parts, two a row, with their heights.
    fn rows(&self) -> Vec<(&[Part], f64)> {
        let unit = self.unit();
        let height = |row: &[Part]| row.iter().map(|p| Stack::new(p, unit).size.1).fold(0.0, f64::max);
        self.parts.chunks(2).map(|row| (row, height(row) + 44.0)).collect()
    }

    fn flow<D: DrawingBackend>(&self, canvas: &Canvas<D>) -> Result<()> {
        let (m, n) = self.weight;
        let (height, width) = (m as f64 * self.scale(), n as f64 * self.scale());
        let (left, middle) = (LEFT + 126.0, TOP + height / 2.0);
        let below = TOP + SIDE + 76.0;
        let (plus, end) = (left + 560.0, left + 650.0);
        rectangle(canvas, (left, TOP), (width, height), FROZEN, MUTED)?;
        canvas.bold("W, frozen", (left + width / 2.0, middle - 18.0), 13.0, Anchor::Centre)?;
        canvas.text(&shape(self.weight), (left + width / 2.0, middle), TEXT, Anchor::Centre)?;
        let numbers = format!("{} numbers", grouped(m * n));
        canvas.text(&numbers, (left + width / 2.0, middle + 17.0), TEXT, Anchor::Centre)?;
        // Input and the way through the weight.
        let fork = LEFT + 82.0;
        canvas.bold("x", (LEFT + 30.0, middle), 16.0, Anchor::Centre)?;
        canvas.coloured(&format!("{n} numbers"), (LEFT, middle + 20.0), 10.0, MUTED, Anchor::Left)?;
        arrow(canvas, &[(LEFT + 42.0, middle), (left - 3.0, middle)])?;
        arrow(canvas, &[(left + width + 3.0, middle), (plus - 12.0, middle)])?;
        arrow(canvas, &[(plus + 12.0, middle), (end, middle)])?;
        canvas.bold("y", (end + 13.0, middle), 16.0, Anchor::Centre)?;
        canvas.coloured(&format!("{m} numbers"), (end - 18.0, middle + 20.0), 10.0, MUTED, Anchor::Left)?;
        disc(canvas, (plus, middle), "+")?;
        // The way through the update.
        let times = (plus, below);
        arrow(canvas, &[(plus, below - 12.0), (plus, middle + 12.0)])?;
        disc(canvas, times, "× c")?;
        let tall = |rows: usize| rows as f64 * self.scale();
        match &self.update[..] {
            [(l, (rows, rank)), (r, right)] => {
                let thin = (right.0 as f64 * self.scale()).max(0.8);
                let b = (left, below - thin / 2.0);
                arrow(canvas, &[(fork, middle), (fork, below), (left - 3.0, below)])?;
                rectangle(canvas, b, (tall(right.1), thin), numbered(1).colour, numbered(1).colour)?;
                let at = (left + width / 2.0, below + thin / 2.0 + 16.0);
                self.label(canvas, r, *right, at)?;
                let (at, wide) = (left + 330.0, (*rank as f64 * self.scale()).max(0.8));
                arrow(canvas, &[(left + tall(right.1) + 3.0, below), (at - 3.0, below)])?;
                let a = (at, below - tall(*rows) / 2.0);
                rectangle(canvas, a, (wide, tall(*rows)), numbered(0).colour, numbered(0).colour)?;
                arrow(canvas, &[(at + wide + 3.0, below), (plus - 17.0, below)])?;
                let space = at + wide + 10.0;
                canvas.bold(l, (space, below + 24.0), 12.0, Anchor::Left)?;
                canvas.text(&shape((*rows, *rank)), (space, below + 41.0), TEXT, Anchor::Left)
            }
            [(name, all)] => {
                let at = (left + 260.0, below - tall(all.0) / 2.0);
                arrow(canvas, &[(fork, middle), (fork, below), (at.0 - 3.0, below)])?;
                rectangle(canvas, at, (tall(all.1), tall(all.0)), (252, 232, 218), numbered(0).colour)?;
                arrow(canvas, &[(at.0 + tall(all.1) + 3.0, below), (plus - 17.0, below)])?;
                self.label(canvas, name, *all, (at.0 + tall(all.1) / 2.0, below - 8.0))
            }
            _ => Ok(()),
        }
    }

    fn label<D: DrawingBackend>(
        &self,
        canvas: &Canvas<D>,
        name: &str,
        of: (usize, usize),
        at: Place,
    ) -> Result<()> {
        canvas.bold(name, at, 12.0, Anchor::Centre)?;
        canvas.text(&shape(of), (at.0, at.1 + 17.0), TEXT, Anchor::Centre)
    }

    fn stacks<D: DrawingBackend>(&self, canvas: &Canvas<D>, mut top: f64) -> Result<f64> {
        let unit = self.unit();
        for (r, (row, height)) in self.rows().into_iter().enumerate() {
            for (k, part) in row.iter().enumerate() {
                let stack = Stack::new(part, unit);
                let colour = numbered(r).colour;
                let left = LEFT + 10.0 + 420.0 * k as f64;
                let (w, h) = (part.cols as f64 * unit, part.rows as f64 * unit);
                for term in 0..part.terms {
                    let step = term as f64;
                    let at = match stack.across {
                        true => (left + step * (w + stack.gap), top),
                        false => (left, top + step * (h + stack.gap)),
                    };
                    let pale = if k == 0 { colour } else { lighter(colour) };
                    rectangle(canvas, at, (w.max(0.8), h.max(0.8)), pale, colour)?;
                }
                let name = part.name.to_uppercase();
                let each = shape((part.rows, part.cols));
                let text = match part.terms {
                    1 => format!("{each} = {} numbers", grouped(part.len())),
                    terms => format!("{terms} times {each} = {} numbers", grouped(part.len())),
                };
                let place = (left, top + stack.size.1 + 15.0);
                canvas.bold(&name, place, 12.0, Anchor::Left)?;
                canvas.text(&text, (left + 30.0, place.1), TEXT, Anchor::Left)?;
            }
            top += height;
        }
        Ok(top)
    }

    fn compare<D: DrawingBackend>(&self, canvas: &Canvas<D>, top: f64) -> Result<()> {
        let most = self.bars.iter().map(|bar| bar.1).max().unwrap_or(1).max(1) as f64;
        let names = self.bars.iter().map(|bar| text_width(&bar.0, TEXT)).fold(0.0, f64::max);
        let left = LEFT + 10.0 + names + 10.0;
        let full = self.weight.0 * self.weight.1;
        for (k, (name, numbers)) in self.bars.iter().enumerate() {
            let y = top + 24.0 * k as f64;
            let width = 380.0 * *numbers as f64 / most;
            let colour = if k == 0 { numbered(0).colour } else { GRID };
            canvas.text(name, (left - 10.0, y), TEXT, Anchor::Right)?;
            rectangle(canvas, (left, y - 8.0), (width, 16.0), colour, colour)?;
            let share = 100.0 * *numbers as f64 / full as f64;
            let text = format!("{} numbers, {share:.2} % of W", grouped(*numbers));
            canvas.text(&text, (left + width + 8.0, y), TEXT, Anchor::Left)?;
        }
        Ok(())
    }
}

impl Drawing for Diagram {
    fn size(&self) -> (f64, f64) {
        let parts: f64 = self.rows().iter().map(|row| row.1).sum();
        (WIDTH, (TOP + UPPER + 30.0 + parts + 40.0 + 24.0 * self.bars.len() as f64 + 34.0).ceil())
    }

    fn draw<D: DrawingBackend>(&self, canvas: &Canvas<D>) -> Result<()> {
        canvas.bold(&self.title, (LEFT, 26.0), 16.0, Anchor::Left)?;
        canvas.text(&self.equation, (LEFT, 52.0), 13.0, Anchor::Left)?;
        self.flow(canvas)?;
        let times = self.unit() / self.scale();
        let enlarged = match times {
            t if t > 1.05 => format!(", {t:.0} times larger than above"),
            t if t < 0.95 => format!(", {:.1} times smaller than above", 1.0 / t),
            _ => ", as large as above".to_string(),
        };
        let head = format!("What is trained, to one scale{enlarged}");
        canvas.bold(&head, (LEFT, TOP + UPPER), 13.0, Anchor::Left)?;
        let below = self.stacks(canvas, TOP + UPPER + 22.0)?;
        canvas.bold("Trained numbers", (LEFT, below + 6.0), 13.0, Anchor::Left)?;
        self.compare(canvas, below + 32.0)?;
        let end = below + 32.0 + 24.0 * self.bars.len() as f64 + 6.0;
        canvas.coloured(&self.caption, (LEFT, end), 10.0, MUTED, Anchor::Left)
    }
}

fn lighter(colour: Colour) -> Colour {
    let half = |x: u8| 255 - (255 - x) / 3;
    (half(colour.0), half(colour.1), half(colour.2))
}

fn rectangle<D: DrawingBackend>(
    canvas: &Canvas<D>,
    (x, y): Place,
    (width, height): (f64, f64),
    inside: Colour,
    edge: Colour,
) -> Result<()> {
    let corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)];
    canvas.polygon(&corners, inside, 1.0)?;
    let thin = Style { colour: edge, width: 0.5, ..LINE };
    if width.min(height) < 3.0 {
        return Ok(()); // an edge would make it look thicker
    }
    canvas.line(&[corners[0], corners[1], corners[2], corners[3], corners[0]], thin)
}

/// A line with a head at its end.
fn arrow<D: DrawingBackend>(canvas: &Canvas<D>, points: &[Place]) -> Result<()> {
    canvas.line(points, LINE)?;
    let [.., (x0, y0), (x, y)] = *points else { return Ok(()) };
    let length = (x - x0).hypot(y - y0).max(1e-9);
    let (dx, dy) = ((x - x0) / length, (y - y0) / length);
    let side = |s: f64| (x - 7.0 * dx - s * dy, y - 7.0 * dy + s * dx);
    canvas.polygon(&[(x, y), side(3.2), side(-3.2)], INK, 1.0)
}

fn disc<D: DrawingBackend>(canvas: &Canvas<D>, (x, y): Place, text: &str) -> Result<()> {
    let radius = if text.len() > 1 { 16.0 } else { 11.0 };
    let around = |k: i32| {
        let angle = f64::from(k) * std::f64::consts::PI / 24.0;
        (x + radius * angle.cos(), y + radius * angle.sin())
    };
    let circle: Vec<Place> = (0..=48).map(around).collect();
    canvas.polygon(&circle, (255, 255, 255), 1.0)?;
    canvas.line(&circle, LINE)?;
    canvas.text(text, (x, y), 12.0, Anchor::Centre)
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_grouped() {
        let of = [0, 999, 1000, 12_288, 1_234_567].map(grouped);
        assert_eq!(of, ["0", "999", "1,000", "12,288", "1,234,567"]);
    }
}
