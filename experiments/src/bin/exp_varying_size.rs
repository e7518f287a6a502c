//! Regenerates the figure of relative max-norm errors with varying size: see `--help`.

use lowrank_experiments::{cli, grid::Figure};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(Figure::VaryingSize)
}
