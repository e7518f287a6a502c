//! Entrywise approximation of a matrix that is never stored: see `--help`.

use clap::Parser;
use lowrank_experiments::large;
use std::process::ExitCode;

fn main() -> ExitCode {
    match large::execute(&large::Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
