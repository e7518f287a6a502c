//! Kronecker products applied to blocks of vectors: speed against the dense product: see `--help`.

use lowrank_experiments::{cli, kronecker_speed::KroneckerSpeed};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(KroneckerSpeed)
}
