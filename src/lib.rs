//! lowrank

pub mod entrywise;
pub mod error;
pub mod generated;
pub mod io;
pub mod matrix;
pub mod operator;
pub mod random;
pub mod report;
pub mod scalar;
#[doc(hidden)]
pub mod simd;
pub mod svd;
pub mod tensor;

pub use error::{Error, Result};
pub use faer;
pub use ndarray;
pub use operator::{Entries, LowRank, TensorEntries};
pub use report::{Progress, Report, Status};
pub use scalar::Scalar;
pub use tensor::TensorTrain;
