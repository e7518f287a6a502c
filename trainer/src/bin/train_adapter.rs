//! Adapters in training: every one on handwritten digits, or with `--model` one beside a real encoder; see
//! `--help`.

use clap::{CommandFactory, FromArgMatches, Parser};
use lowrank_experiments::cli::{self, Options};
use lowrank_experiments::{run, table};
use lowrank_trainer::study::{Shorter, TrainAdapter};
use lowrank_trainer::{finetune, report};
use std::process::ExitCode;

fn main() -> ExitCode {
    let of_encoder = |word: &str| ["--model", "--data"].contains(&word.split('=').next().unwrap_or(word));
    if std::env::args_os().any(|word| of_encoder(&word.to_string_lossy())) {
        return cli::exit(finetune::run(&finetune::options::Options::parse(), |_| Ok(())).map(drop));
    }
    let command = cli::command(TrainAdapter);
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let encoder = finetune::options::Options::command().about(None::<&str>).render_help();
    let heading = "With --model and --data it trains an encoder to tell texts apart instead:";
    let command = command.after_help(format!("{examples}\n\n{heading}\n\n{encoder}"));
    let options =
        Options::<Shorter>::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    cli::exit(cli::execute(TrainAdapter, &options).and_then(|()| {
        let rows = table::read(TrainAdapter, &run::csv_path(&options.folder(), TrainAdapter))?;
        println!("{}", report::text(&rows)?);
        Ok(())
    }))
}
