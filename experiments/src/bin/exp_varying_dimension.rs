//! Regenerates the figure of relative max-norm errors with varying dimension: see `--help`.

use lowrank_experiments::{cli, grid::Figure};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(Figure::VaryingDimension)
}
