//! Products from low-rank factors: error against speed: see `--help`.

use lowrank_experiments::{cli, lowrank_gemm::LowRankGemm};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(LowRankGemm)
}
