//! Every adapter on handwritten digits: see `--help`.

use clap::FromArgMatches;
use lowrank_experiments::cli::{self, Options};
use lowrank_experiments::{run, table};
use lowrank_trainer::report;
use lowrank_trainer::study::{Shorter, TrainAdapter};
use std::process::ExitCode;

fn main() -> ExitCode {
    let matches = cli::command(TrainAdapter).get_matches();
    let options = Options::<Shorter>::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    cli::exit(cli::execute(TrainAdapter, &options).and_then(|()| {
        let rows = table::read(TrainAdapter, &run::csv_path(&options.folder(), TrainAdapter))?;
        println!("{}", report::text(&rows)?);
        Ok(())
    }))
}
