//! Alternating least squares on hard tensors: error and condition number: see `--help`.

use lowrank_experiments::{cli, condition_number::ConditionNumbers};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(ConditionNumbers)
}
