//! A small trainer: forward and backward by hand, weights trained in full or frozen with an adapter
//! ([`lowrank::layers::adapter`]) beside them, a sample a column.
//!
//! Read it in this order:
//!
//! - [`model`]: what can be trained, and samples with their classes.
//! - [`layer`]: an affine layer with its adapter or without; [`brain`]: a frozen weight in half the memory.
//! - [`network`]: affine layers with an activation between them, and their gradients; [`loss`].
//! - [`optimizer`]: AdamW, the learning rate over the steps, clipping.
//! - [`training`]: epochs over a training set, the best one picked on a development set;
//!   [`checkpoint`]: stopping and going on, bit by bit the same.
//! - [`metrics`]: accuracy, macro F1, Matthews.
//! - [`text`]: sentences as sequences of tokens.
//! - [`encoder`]: BERT and RoBERTa on the CPU; `cuda` (with the feature of that name): on an NVIDIA GPU.
//! - [`digits`]: a real task that ships with the repository, and two more to adapt to.
//! - [`finetune`]: the program `train_adapter --model`, an encoder and texts.
//! - [`study`]: the program `train_adapter`, which compares the adapters on them; [`report`]: its table and
//!   figure. [`form`]: the names of what is trained; [`compare`]: which of two is better, and how sure that is.
//! - [`svd_lora`]: the program `exp_svd_lora`, SVD-LoRA over both of its ranks; [`factorized`]: the program
//!   `exp_factorized_finetuning`, a trained network factorized and trained on.
//! - [`adapter_table`]: the program `exp_adapter_table`, every adapter beside an encoder on several tasks.
//!
//! Everything is deterministic: a seed gives the same numbers for any number of threads.

pub mod adapter_table;
pub mod brain;
pub mod checkpoint;
pub mod compare;
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod digits;
pub mod encoder;
pub mod factorized;
pub mod finetune;
pub mod form;
pub mod layer;
pub mod loss;
pub mod metrics;
pub mod model;
pub mod network;
pub mod optimizer;
pub mod report;
pub mod study;
pub mod svd_lora;
pub mod text;
pub mod training;
