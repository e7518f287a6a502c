//! What can be used without being stored densely: factored matrices, sparse ones, matrices that are
//! asked for a tile at a time, and what can only be applied to vectors.

mod apply;
mod combine;
mod csr;
mod entries;
mod low_rank;
mod products;

pub(crate) use apply::check_block;
pub use apply::{Applied, ByEntries, Operator};
pub use combine::{Functions, Product, Sum};
pub use csr::Csr;
pub use entries::{Entries, TensorEntries};
pub use low_rank::LowRank;
pub(crate) use products::{residual_norm, stored_product};
