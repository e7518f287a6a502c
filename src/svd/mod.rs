//! Singular value decompositions, the orthonormal bases under them, and what singular values tell:
//! which rank to take, how large the noise is, how they decay.

mod dense;
mod qr;
mod randomized;
mod rank;
mod rank_table;
mod source;
pub mod spectrum;

pub use dense::{Svd, dense, full, singular_values};
pub use qr::{Qr, orthonormal_basis, qr};
pub use randomized::{Randomized, randomized};
pub use rank::{Rank, truncated};
pub use rank_table::{RankRow, RankTable, compare_ranks};
