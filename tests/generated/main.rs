//! What functions of points generate: matrices, tensors, embeddings, against the standard library.

mod matrix;
#[path = "../support/mod.rs"]
mod support;
mod tensor;
