//! Kronecker products and their relatives, kept as their factors.
//!
//! `M1 (x) M2 (x) ... (x) Md` of factors `Mk (m_k, n_k)` is the matrix (m_1 ... m_d, n_1 ... n_d)
//! whose entry at rows (i_1, ..., i_d) and columns (j_1, ..., j_d), both in row-major order (last
//! index fastest), is the product of the entries `Mk(i_k, j_k)`.
//!
//! | what | where |
//! | --- | --- |
//! | a product of any number of factors, never formed: applied to blocks of vectors, blocks of its entries | [`Kronecker`] |
//! | its transpose, products, inverse, trace, rank, determinant, norms | methods of [`Kronecker`] |
//! | linear systems, least squares, condition number | [`Kronecker::solve`], [`Kronecker::least_squares`] |
//! | singular values and vectors, as many as wanted | [`Kronecker::svd`] |
//! | eigenvalues, functions and shifted systems of symmetric products and sums | [`KroneckerEigen`] |
//! | sums M1 (+) M2 (+) ..., as the Laplacian of a grid | [`KroneckerSum`] |
//! | the permutation between A (x) B and B (x) A | [`PerfectShuffle`] |
//! | vec, its inverse, vec(A X B) = (B' (x) A) vec X | [`vec_view`], [`unvec`], [`two_sided`] |
//! | products column by column, row by row | [`KhatriRao`], [`FaceSplitting`] |
//! | entrywise products of low-rank matrices | [`hadamard()`] |
//! | the rearrangement that makes Kronecker products outer products: a view, an operator, unfoldings for more than two factors, and back | [`Rearranged`], [`RearrangedMatrix`], [`fold`] |

mod algebra;
mod apply;
mod best_first;
mod block;
mod eigen;
mod face_splitting;
mod hadamard;
mod khatri_rao;
mod lu;
mod plan;
mod product;
mod rearrange;
mod rearranged_matrix;
mod shuffle;
mod solve;
mod sum;
mod svd;
mod tile;
mod vectorize;
mod wide;

pub use algebra::Determinant;
pub use eigen::{KroneckerEigen, Order};
pub use face_splitting::FaceSplitting;
pub use hadamard::hadamard;
pub use khatri_rao::KhatriRao;
pub(crate) use plan::Products;
pub use product::Kronecker;
pub(crate) use product::size;
pub use rearrange::{Rearranged, fold};
pub use rearranged_matrix::RearrangedMatrix;
pub use shuffle::PerfectShuffle;
pub use sum::KroneckerSum;
pub use svd::KroneckerSvd;
pub use vectorize::{two_sided, unvec, vec_of, vec_view};
