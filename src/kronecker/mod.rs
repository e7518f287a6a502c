//! Kronecker products and their relatives, kept as their factors.
//!
//! `M1 (x) M2 (x) ... (x) Md` of factors `Mk (m_k, n_k)` is the matrix (m_1 ... m_d, n_1 ... n_d)
//! whose entry at rows (i_1, ..., i_d) and columns (j_1, ..., j_d), both in row-major order (last
//! index fastest), is the product of the entries `Mk(i_k, j_k)`.
//!
//! | what | where |
//! | --- | --- |
//! | a product of any number of factors, never formed; applied to blocks of vectors | [`Kronecker`] |

mod apply;
mod product;
mod tile;

pub use product::Kronecker;
pub(crate) use product::size;
