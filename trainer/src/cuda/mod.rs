//! The encoder on an NVIDIA GPU.

mod adapter;
mod arena;
mod backend;
mod block;
mod device;
mod encoder;
mod kernels;
mod linear;
#[cfg(test)]
mod tests;

pub use backend::Precision;

use anyhow::{Result, anyhow};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Whether there is a GPU that can be used, with all libraries.
///
/// # Errors
/// Where not: the text says what is missing.
pub fn available() -> Result<()> {
    device::Cuda::new(Precision::F32).map(drop)
}

/// Runs what may find a library missing, or too old to have a function: cudarc panics then.
fn guarded<R>(what: &str, run: impl FnOnce() -> Result<R>) -> Result<R> {
    let found = catch_unwind(AssertUnwindSafe(run));
    let found = found.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        Err(anyhow!("{what} cannot be used: {text}"))
    });
    found.map_err(|e| e.context("no CUDA here (the device cpu works everywhere)"))
}
