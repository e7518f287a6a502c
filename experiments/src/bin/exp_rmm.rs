//! Sampled products: error against samples: see `--help`.

use lowrank_experiments::{cli, rmm::Rmm};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(Rmm)
}
