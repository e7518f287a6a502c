//! Tucker decompositions: a small core tensor multiplied by a matrix along each mode.
//!
//! `X = G x_1 U_1 x_2 U_2 ... x_d U_d` with a core G (r_1, ..., r_d) and orthonormal U_k (n_k, r_k);
//! modes may be left as they are (Tucker-2 of a convolution kernel: the channels alone).
//!
//! | what | where |
//! | --- | --- |
//! | decompose by singular value decompositions of unfoldings, for ranks, a tolerance or an energy | [`hosvd()`] |
//! | the same with random sketches, or with Gram matrices | [`Basis`] |
//! | lower the error at the same ranks | [`hooi()`] |
//! | without negative entries | [`nonnegative()`] |
//! | the decomposition itself | [`Tucker`] |

mod basis;
mod hooi;
mod hosvd;
mod nonnegative;
mod ranks;
mod representation;
mod residual;
mod sketch;

pub use basis::Basis;
pub use hooi::{Hooi, HooiFit, hooi};
pub use hosvd::{Compressed, Hosvd, hosvd};
pub use nonnegative::{Nonnegative, NonnegativeFit, nonnegative};
pub use ranks::Ranks;
pub use representation::Tucker;
