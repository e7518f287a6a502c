//! What can be used without being stored densely: factored matrices, and matrices that are
//! asked for a tile at a time.

mod entries;
mod low_rank;

pub use entries::{Entries, TensorEntries};
pub use low_rank::LowRank;
