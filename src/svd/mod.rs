//! Singular value decompositions and the orthonormal bases under them.

mod dense;
mod products;
mod qr;
mod randomized;
mod rank;

pub use dense::{Svd, dense, full, singular_values};
pub use qr::{Qr, orthonormal_basis, qr};
pub use randomized::{Randomized, randomized};
pub use rank::{Rank, truncated};
