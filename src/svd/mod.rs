//! Singular value decompositions, the orthonormal bases under them, and what singular values tell:
//! which rank to take, how large the noise is, how they decay.
//!
//! | algorithm | what it tells of its error, a posteriori |
//! | --- | --- |
//! | [`dense`], [`full`] | backward stable: every value is within 5 max(m, n) eps s_1 of a true one |
//! | [`randomized`], [`krylov`] | by [`residuals`], two more products: how near each value is to a true one; by [`Svd::error`] and [`spectral`](crate::matrix::spectral): \|A - U S V'\|, which bounds the distance of every value to that of its place |
//! | [`lanczos`] | in its result: the residuals of every triplet, measured |
//! | [`adaptive`] | in its result: \|A - U S V'\|_F, measured or bounded with the probability asked |
//! | [`StreamingSvd`] | in its result: \|A - U S V'\|_F, exact |
//!
//! The feature `lapack` adds `svd::lapack`, the dense SVD and QR by LAPACK (OpenBLAS), to compare
//! with; nothing else uses it.

mod adaptive;
mod bidiagonal;
mod blocks;
mod dense;
mod eigen;
mod krylov;
mod lanczos;
#[cfg(feature = "lapack")]
pub mod lapack;
mod qr;
mod randomized;
mod rank;
mod rank_table;
mod recompress;
mod residuals;
mod source;
pub mod spectrum;
mod streaming;

pub use adaptive::{Adaptive, AdaptiveSvd, Certificate, adaptive};
pub use dense::{Svd, dense, full, singular_values};
pub use eigen::{Eigen, symmetric_eigen};
pub use krylov::{Krylov, krylov};
pub use lanczos::{Lanczos, LanczosSvd, lanczos};
pub use qr::{Qr, orthonormal_basis, qr};
pub use randomized::{Randomized, randomized};
pub(crate) use rank::smallest_rank;
pub use rank::{Rank, truncated};
pub use rank_table::{RankRow, RankTable, compare_ranks};
pub use recompress::recompress;
pub use residuals::residuals;
pub use streaming::{Streamed, Streaming, StreamingSvd};
