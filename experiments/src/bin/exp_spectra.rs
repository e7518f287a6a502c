//! Spectra of the weight matrices of a network: see `--help`.

use lowrank_experiments::{cli, spectra::Spectra};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(Spectra)
}
