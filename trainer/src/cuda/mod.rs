//! The encoder on an NVIDIA GPU.
//!
//! **Problem.** Logits, losses and gradients of an [`encoder::Encoder`](crate::encoder::Encoder) as the CPU gives
//! them, at a GPU's speed. [`Encoder`] is a [`Model`], so that everything else of the trainer
//! stays as it is.
//!
//! **Method.** The weights are uploaded once. A step uploads the trained numbers (an adapter's are few), makes the
//! factors of all adapters from them by one launch, runs forward and backward, pulls the gradients back to the
//! trained numbers by one launch, and downloads these. The cross-entropy of the logits and the optimizer stay on the
//! host. Products are cuBLAS's: query, key and value together with their adapters' thin factors are one;
//! attention is a strided batch over heads and sequences, filled up to the longest sequence. All else is in
//! `kernels/`, CUDA C that NVRTC compiles for the GPU when the device is opened.
//!
//! | what | where |
//! | --- | --- |
//! | embeddings, normalizations, attention, feed-forward parts, head, their gradients | GPU |
//! | factors of LoRA and LSR from their numbers, and the adjoint | GPU, one launch each |
//! | loss, clipping, AdamW, gradients of embedding tables (only where all is trained) | host |
//!
//! **Cost.** Memory: the weights in f32 (bf16: half, embeddings aside), and what the backward pass needs of each block
//! from the first trained one on. About 35 launches a block and step; they are not captured as a graph, since a
//! graph holds for one shape and batches of texts differ in theirs.
//!
//! **Guarantee.** [`Precision::F32`] gives the CPU's numbers to 1e-5. Sums are taken in a fixed order, without atomic
//! operations, so that a step repeats bit by bit on one GPU. A driver, GPU, NVRTC or cuBLAS that is missing is an
//! error that says which, and so is an adapter other than LoRA and LSR. The kernels' source also
//! runs on the CPU, where the tests compare it with the encoder there.
//!
//! **Deviations.** A number that is not finite is found at the logits or at a gradient; the block is named by running
//! once more.
//!
//! Read it in this order: `backend`, `kernels/block.h`, `linear`, `block`, `embedding`, `head`, `encoder`, `adapter`, `device`.

mod adapter;
mod arena;
mod backend;
mod block;
mod device;
mod embedding;
mod encoder;
mod head;
mod kernels;
mod linear;
#[cfg(test)]
mod tests;

pub use backend::Precision;

use crate::model::{Group, Model};
use crate::text::Tokens;
use anyhow::{Result, anyhow};
use device::Cuda;
use encoder::Resident;
use lowrank::faer::Mat;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// An encoder on the first GPU.
pub struct Encoder(Resident<Cuda>);

impl Encoder {
    /// Uploads an encoder, to be trained as it would be on the CPU.
    ///
    /// # Errors
    /// Where there is no GPU, a library is missing, memory is short, or an adapter is neither LoRA nor LSR.
    pub fn new(encoder: &crate::encoder::Encoder<f32>, precision: Precision) -> Result<Self> {
        Ok(Self(Resident::new(Cuda::new(precision)?, encoder)?))
    }

    /// The encoder with its trained numbers as they are now, on the host.
    pub fn host(&self) -> &crate::encoder::Encoder<f32> {
        self.0.host()
    }

    /// What the GPU is called.
    ///
    /// # Errors
    /// Where the driver fails.
    pub fn device(&self) -> Result<String> {
        self.0.device().name()
    }

    /// The most bytes of the GPU's memory that were held at once: the weights and what passes needed, without
    /// what the driver and cuBLAS keep for themselves.
    pub fn held(&self) -> usize {
        self.0.device().held()
    }
}

impl Model<f32> for Encoder {
    type Input = Tokens;

    fn groups(&self) -> Vec<Group<f32>> {
        self.0.groups()
    }
    fn set(&mut self, groups: &[Group<f32>]) -> Result<()> {
        self.0.set(groups)
    }
    fn logits(&self, inputs: &[&Tokens]) -> Result<Mat<f32>> {
        self.0.logits(inputs)
    }
    fn gradient(&self, inputs: &[&Tokens], labels: &[usize]) -> Result<(f64, Vec<Vec<f32>>)> {
        self.0.gradient(inputs, labels)
    }
    fn frozen(&self) -> u64 {
        self.0.frozen()
    }
    fn length(input: &Tokens) -> usize {
        Resident::<Cuda>::length(input)
    }
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
