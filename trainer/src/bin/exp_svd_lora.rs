//! SVD-LoRA over both of its ranks, beside LoRA: see `--help`.

use lowrank_experiments::cli;
use lowrank_trainer::svd_lora::{SvdLora, text};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main_with(SvdLora, text)
}
