//! Separated representations against dense matrices, exact solutions and known norms.

#[path = "../support/mod.rs"]
mod support;

mod function;
