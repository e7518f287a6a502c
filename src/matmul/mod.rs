//! Products of two matrices (or a chain of them) that are cheaper than the full product: from a
//! sample of the inner index, or from low-rank factors.
//!
//! | what you want | function |
//! | --- | --- |
//! | an unbiased estimate of A B from a few columns of A and rows of B | [`sampled`] |
//! | its expected error, by the exact formula | [`expected_error`] |
//! | leverage scores, exact or from a randomized SVD | [`leverage_scores`] |
//! | the product of low-rank matrices, as a low-rank matrix | [`multiply`], [`chain`] |
//! | the same, dense, also into memory of the caller | [`chain_dense`], [`chain_into`] |
//! | the cheapest bracketing of a chain | [`order`], [`factored_order`] |
//! | low-rank factors of A and B first, products later, with error bounds | [`factorize`], [`two_sided`] |
//! | which of factored and full product is cheaper | [`Plan`], [`automatic_into`] |
//! | the full product itself | [`dense`], [`dense_into`] |
//!
//! No product here depends on the number of threads in any bit.

mod bounds;
mod chain;
mod cost;
mod dense;
mod design;
mod leverage;
mod order;
mod sampled;
mod two_sided;

pub use bounds::{ErrorBound, expected_error};
pub use chain::{Operand, chain, chain_dense, chain_into, multiply};
pub use cost::{Choice, Cost, Machine, Output, Plan};
pub use dense::{dense, dense_into};
pub use design::{Probabilities, Sampling};
pub use leverage::{Leverage, leverage_scores};
pub use order::{Bracket, Order, factored_order, order};
pub use sampled::{Sampled, sampled};
pub use two_sided::{
    Factored, Factorization, Measured, Method, TwoSided, automatic_into, factorize, measure, two_sided,
};
