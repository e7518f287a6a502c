//! Dense tensors of any order: products along their modes, and decompositions.
//!
//! Tensors go in as [`ndarray`] views of dynamic dimension and any strides, and
//! come out as row-major arrays. Modes are counted from 0.
//!
//! | what | where |
//! | --- | --- |
//! | tensors as matrices and back | [`unfold()`], [`fold`] |
//! | products with matrices along one or several modes | [`mode_product()`], [`multi_mode_product`] |
//! | the tensor times a Khatri-Rao product | [`mttkrp()`] |
//! | Tucker decompositions: HOSVD, sequentially truncated, randomized, HOOI, nonnegative | [`tucker`] |
//! | canonical polyadic decompositions | [`cp`] |
//! | tensor trains | [`train`] |

pub mod cp;
mod dense;
mod kernel;
mod mode_product;
mod mttkrp;
pub mod train;
mod triangle;
pub mod tucker;
mod unfold;

pub use cp::Cp;
pub use mode_product::{mode_product, multi_mode_product};
pub use mttkrp::mttkrp;
pub use train::TensorTrain;
pub use tucker::Tucker;
pub use unfold::{fold, unfold};
