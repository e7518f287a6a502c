//! Sums of Kronecker products: error against separation rank and storage: see `--help`.

use lowrank_experiments::{cli, separation_rank::SeparationRanks};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(SeparationRanks)
}
