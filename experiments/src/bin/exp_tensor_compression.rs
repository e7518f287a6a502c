//! Compressed tensors: error against stored numbers: see `--help`.

use lowrank_experiments::{cli, tensor_compression::TensorCompression};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(TensorCompression)
}
