//! The harness of the experiment programs: a configuration in, a table of trials out, and figures
//! that are drawn from the table alone.
//!
//! - [`config`]: what to measure (TOML, presets); [`grid`]: its trials.
//! - [`run`]: runs the trials on all cores; [`journal`]: so that a killed run resumes;
//!   [`progress`]: what the user sees meanwhile; [`table`]: the CSV.
//! - [`problem`]: the library's algorithms as solvers of trials; [`own`]: on the user's own array.
//! - [`series`] and [`fit`]: from the table to curves and fitted rates; [`plot`]: the drawing.
//! - [`convergence`]: error against time of variants of the searches.
//! - [`large`]: a matrix too large to be stored.
//! - [`cli`]: the command line shared by the figure programs.

pub mod cli;
pub mod config;
pub mod convergence;
pub mod fit;
pub mod grid;
pub mod journal;
pub mod large;
pub mod own;
pub mod plot;
pub mod problem;
pub mod progress;
pub mod run;
pub mod series;
pub mod table;
