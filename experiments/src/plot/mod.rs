//! Drawing: panels with bands, curves, reference lines and captions, as SVG and PNG.
//!
//! [`scale`] places numbers and labels ticks, [`canvas`] draws on a file's surface, [`panel`] is
//! one pair of axes, [`sheet`] lays out and writes a whole figure; [`figures`] makes the figures of
//! the entrywise searches out of their tables, [`rsvd`], [`rmm`], [`lowrank_gemm`], [`spectra`],
//! [`separation_rank`] and [`condition_number`] those of the experiments with these names.

pub mod canvas;
pub mod common;
pub mod condition_number;
pub mod figures;
pub mod kronecker_speed;
pub mod lowrank_gemm;
pub mod panel;
pub mod rmm;
pub mod rsvd;
pub mod scale;
pub mod separation_rank;
pub mod sheet;
pub mod spectra;
pub mod style;
