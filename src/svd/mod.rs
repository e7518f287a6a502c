//! Singular value decompositions and the orthonormal bases under them.

mod dense;
mod qr;
mod randomized;

pub use dense::{Svd, dense, singular_values};
pub use qr::{Qr, orthonormal_basis, qr};
pub use randomized::{Randomized, randomized};
