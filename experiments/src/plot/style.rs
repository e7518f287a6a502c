//! How each curve looks: colours of Okabe and Ito, told apart by colour-blind readers too.

use crate::grid::MethodName;

/// Red, green, blue.
pub type Colour = (u8, u8, u8);

/// Text and frames.
pub const INK: Colour = (30, 30, 30);
/// Secondary text.
pub const MUTED: Colour = (95, 95, 95);
/// Major lines of the grid.
pub const GRID: Colour = (212, 212, 212);
/// Minor lines of the grid.
pub const MINOR: Colour = (238, 238, 238);
/// Reference lines.
pub const REFERENCE: Colour = (120, 120, 120);

/// The shape of a marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// A disc.
    Disc,
    /// A square.
    Square,
    /// A triangle.
    Triangle,
    /// None.
    None,
}

/// The look of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    /// Colour.
    pub colour: Colour,
    /// Marker.
    pub marker: Marker,
    /// Width of the line.
    pub width: f64,
    /// Dash and gap; none for an unbroken line.
    pub dash: Option<(f64, f64)>,
}

/// The look of a method.
pub fn method(method: MethodName) -> Style {
    let (colour, marker) = match method {
        MethodName::Svd => ((0, 158, 115), Marker::Triangle),
        MethodName::Ap => ((0, 114, 178), Marker::Square),
        MethodName::Descent => ((213, 94, 0), Marker::Disc),
    };
    Style { colour, marker, width: 1.6, dash: None }
}

/// A fitted rate.
pub const RATE: Style = Style { colour: REFERENCE, marker: Marker::None, width: 1.2, dash: Some((6.0, 4.0)) };

/// A lower bound.
pub const BOUND: Style = Style { colour: INK, marker: Marker::None, width: 1.0, dash: Some((1.2, 2.4)) };

/// Looks that are told apart by colour and marker, numbered from 0; they repeat from 6 on.
pub fn numbered(k: usize) -> Style {
    let (colour, marker) = [
        ((213, 94, 0), Marker::Disc),
        ((0, 114, 178), Marker::Square),
        ((0, 158, 115), Marker::Triangle),
        ((204, 121, 167), Marker::Disc),
        ((230, 159, 0), Marker::Square),
        ((86, 180, 233), Marker::Triangle),
    ][k % 6];
    Style { colour, marker, width: 1.6, dash: None }
}
