//! Poisson's equation in many dimensions: see `--help`.

use lowrank_experiments::{cli, separated_laplacian::SeparatedLaplacian};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(SeparatedLaplacian)
}
