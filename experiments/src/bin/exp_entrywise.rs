//! Approximates the user's own array in the max norm: see `--help`.

use clap::Parser;
use lowrank_experiments::own;
use std::process::ExitCode;

fn main() -> ExitCode {
    match own::execute(&own::Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
