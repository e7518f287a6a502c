//! Sums of Kronecker products against dense computations.

mod nearest;
mod shapes;
#[path = "../support/mod.rs"]
mod support;
