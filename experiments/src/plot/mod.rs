//! Drawing: panels with bands, curves, reference lines and captions, as SVG and PNG.
//!
//! [`scale`] places numbers and labels ticks, [`canvas`] draws on a file's surface, [`panel`] is
//! one pair of axes, [`sheet`] lays out a whole figure, [`drawing`] writes it; [`figures`] makes the figures of
//! the entrywise searches out of their tables, the others those of the experiments with their names.

pub mod adapter_diagram;
pub mod adapter_speed;
pub mod canvas;
pub mod common;
pub mod condition_number;
pub mod cp_recovery;
pub mod drawing;
pub mod figures;
pub mod kronecker_speed;
pub mod lora_to_lsr;
pub mod lowrank_gemm;
pub mod map;
pub mod panel;
pub mod rmm;
pub mod rsvd;
pub mod scale;
pub mod separated_laplacian;
pub mod separation_rank;
pub mod sheet;
pub mod spectra;
pub mod style;
pub mod tensor_compression;
pub mod tt_cross;
