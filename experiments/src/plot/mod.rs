//! Drawing: logarithmic panels with bands, curves, reference lines and captions, as SVG and PNG.
//!
//! [`scale`] places numbers and labels ticks, [`canvas`] draws on a file's surface, [`panel`] is
//! one pair of axes, [`sheet`] lays out and writes a whole figure; [`figures`] makes the figures of
//! the sweeps out of their tables.

pub mod canvas;
pub mod figures;
pub mod panel;
pub mod scale;
pub mod sheet;
pub mod style;
