//! Cross approximation by tensor trains: see `--help`.

use lowrank_experiments::{cli, tt_cross::TtCross};
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(TtCross)
}
