//! The harness of the experiment programs: a configuration in, a table of trials out, and figures
//! that are drawn from the table alone.
//!
//! - [`programs`]: all of them; [`study`]: what an experiment is; [`run`]: runs its trials on all cores; [`journal`]: so that a
//!   killed run resumes; [`progress`]: what the user sees meanwhile; [`table`]: the rows and the CSV;
//!   [`cli`]: the command line. A new program states its configuration, its trials, how one is run, its
//!   columns (`table::row!`), its presets (`study::program!`) and its figures, and is listed in [`programs`]; [`rmm`] is an example.
//! - [`figure`]: the figures of the entrywise searches, with [`config`] (TOML, presets), [`grid`] (the
//!   trials) and [`problem`] (the library's algorithms as solvers of trials).
//! - [`rsvd`], [`rmm`] and [`lowrank_gemm`]: randomized decompositions and products, on the matrices of
//!   [`families`] and [`cases`], with the clocks of [`measure`] and configurations of [`sweeps`].
//! - [`separation_rank`]: sums of Kronecker products against storage, beside the truncated SVD;
//!   [`condition_number`]: how their terms grow against each other, and what rounding makes of them.
//! - [`tensor_compression`]: Tucker, canonical and tensor-train decompositions against storage.
//! - [`kronecker_speed`]: Kronecker products applied to blocks of vectors.
//! - [`adapter_speed`]: what adapters cost; [`adapter_diagram`]: the drawing of one.
//! - [`cp_recovery`]: terms of noisy tensors found again.
//! - [`separated_laplacian`]: linear systems in many dimensions.
//! - [`tt_cross`]: functions of many variables as tensor trains, from few of their values.
//! - [`spectra`]: what the weight matrices of a network hold, which [`weights`] finds in its file.
//! - [`series`] and [`fit`]: from the table to curves and fitted rates; [`plot`]: the drawing.
//! - Programs of other shapes: [`own`], the user's own array; [`convergence`], error against time of
//!   variants of the searches; [`large`], a matrix too large to be stored.

pub mod adapter_diagram;
pub mod adapter_speed;
pub mod cases;
pub mod cli;
pub mod condition_number;
pub mod config;
pub mod convergence;
pub mod cp_recovery;
pub mod families;
pub mod figure;
pub mod fit;
pub mod grid;
pub mod journal;
pub mod kronecker_speed;
pub mod large;
pub mod lora_to_lsr;
pub mod lowrank_gemm;
pub mod measure;
pub mod own;
pub mod plot;
pub mod problem;
pub mod programs;
pub mod progress;
pub mod rmm;
pub mod rsvd;
pub mod run;
pub mod separated_laplacian;
pub mod separation_rank;
pub mod series;
pub mod spectra;
pub mod study;
pub mod sweeps;
pub mod table;
pub mod tensor_compression;
pub mod tt_cross;
pub mod weights;
