//! Error against time of variants of the entrywise searches: see `--help`.

use clap::Parser;
use lowrank_experiments::convergence;
use std::process::ExitCode;

fn main() -> ExitCode {
    match convergence::execute(&convergence::Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
