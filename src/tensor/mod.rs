//! Tensor decompositions.

pub mod train;

pub use train::TensorTrain;
