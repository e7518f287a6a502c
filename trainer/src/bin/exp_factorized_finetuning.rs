//! A trained network factorized and trained on: see `--help`.

use lowrank_experiments::cli;
use lowrank_trainer::factorized::{FactorizedFinetuning, text};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main_with(FactorizedFinetuning, text)
}
