//! Randomized SVD beside the dense one: see `--help`.

use lowrank_experiments::{cli, rsvd::Rsvd};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(Rsvd)
}
