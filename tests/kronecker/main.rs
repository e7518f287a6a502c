//! Kronecker products and their relatives against dense matrices.

mod rearrange;
#[path = "../support/mod.rs"]
mod support;
