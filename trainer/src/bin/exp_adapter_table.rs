//! Every adapter beside a trained encoder on several tasks: see `--help`.

use lowrank_experiments::cli;
use lowrank_trainer::adapter_table::{AdapterTable, report};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main_with(AdapterTable, report::text)
}
