//! Arrays and decompositions in files: NumPy's `.npy` and `.npz`, `.safetensors`; written
//! atomically, read safely.
//!
//! | what | where |
//! | --- | --- |
//! | one array | [`read_npy`], [`read_npy_as`], [`write_npy`] |
//! | a matrix too large for the memory, read in place | [`MappedNpy`] |
//! | named arrays | [`read_npz`], [`read_npz_as`], [`write_npz`] |
//! | the weights of a network | [`Safetensors`], [`write_safetensors`] |
//! | a low-rank matrix | [`save_low_rank`], [`load_low_rank`] |
//! | a tensor train | [`save_train`], [`load_train`] |
//! | a LoRA adapter as a folder of PEFT | [`PeftFolder`] |
//! | any file, whole or not at all | [`atomic_write`] |
//!
//! Files are taken for hostile: every size a header claims is compared with the size of the file
//! before anything is allocated, a truncated file is an error, and no file causes a panic.

mod atomic;
mod decomposition;
mod json;
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

pub use atomic::atomic_write;
pub use decomposition::{load_low_rank, load_train, save_low_rank, save_train};
pub use mapped::{MappedNpy, MappedRows};
pub use npy::{NpyArray, read_npy, read_npy_as, write_npy};
pub use npz::{read_npz, read_npz_as, write_npz};
pub use peft::{PeftFolder, PeftLayer};
pub use safetensors::{Safetensors, write_safetensors};
pub use safetensors_header::TensorInfo;
