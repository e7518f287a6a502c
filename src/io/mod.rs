//! Arrays and decompositions in files: NumPy's `.npy` and `.npz`, `.safetensors`; written
//! atomically, read safely.
//!
//! | what | where |
//! | --- | --- |
//! | one array | [`read_npy`], [`read_npy_as`], [`write_npy`] |
//! | a matrix too large for the memory, read in place | [`MappedNpy`] |
//! | named arrays | [`read_npz`], [`read_npz_as`], [`write_npz`] |
//! | the weights of a network | [`Safetensors`], [`write_safetensors`] |
//! | a decomposition: [`LowRank`](crate::LowRank), [`Svd`](crate::svd::Svd), [`Kronecker`](crate::kronecker::Kronecker), [`Separated`](crate::Separated), [`Tucker`](crate::Tucker), [`Cp`](crate::tensor::Cp), [`TensorTrain`](crate::TensorTrain), [`TrainOperator`](crate::tensor::train::TrainOperator) | [`save`], [`load`] |
//! | adapters of any method, in their own numbers | [`AdapterFile`] |
//! | a LoRA adapter as a folder of PEFT | [`PeftFolder`] |
//! | any file, whole or not at all | [`atomic_write`] |
//!
//! Files are taken for hostile: every size a header claims is compared with the size of the file
//! before anything is allocated, a truncated file is an error, and no file causes a panic.

mod adapter_file;
mod atomic;
mod decomposition;
mod json;
mod kinds;
mod mapped;
mod npy;
mod npy_header;
mod npz;
mod numbers;
mod parser;
mod peft;
mod safetensors;
mod safetensors_header;
mod source;

pub use adapter_file::{AdapterFile, AdapterLayer};
pub use atomic::atomic_write;
pub use decomposition::{Decomposition, Part, Parts, load, save};
pub use mapped::{MappedNpy, MappedRows};
pub use npy::{NpyArray, read_npy, read_npy_as, write_npy};
pub use npz::{read_npz, read_npz_as, write_npz};
pub use peft::{PeftFolder, PeftLayer};
pub use safetensors::{Safetensors, write_safetensors};
pub use safetensors_header::TensorInfo;
