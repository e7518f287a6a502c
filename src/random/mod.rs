//! Seeded streams of random numbers, random matrices, sketches, and the gallery of named test matrices.
//!
//! A stream is named by (seed, purpose, index). The same name gives the same numbers in every
//! run, on every machine, whatever the number of threads or the order of work; two purposes or
//! two indices give independent streams.

pub mod gallery;
mod matrices;
mod sketch;
mod streams;

pub(crate) use matrices::gaussian_columns;
pub use matrices::{gaussian, orthonormal, with_spectrum};
pub use sketch::Sketch;
pub use streams::{fill_gaussian, stream};
