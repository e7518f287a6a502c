//! The command line shared by the programs that make figures.

use crate::run::{self, Settings};
use crate::study::{Preset, Record, Study};
use crate::table;
use anyhow::{Result, bail};
use clap::{Args, CommandFactory, FromArgMatches, Parser};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The options of a program, with those of its own.
#[derive(Debug, Clone, Parser)]
#[command(version)]
pub struct Options<C: Args> {
    /// Sizes to run: `quick` takes seconds, `paper` makes the committed figure
    #[arg(long, value_enum, default_value_t = Preset::Quick, conflicts_with = "config")]
    pub preset: Preset,
    /// A TOML file of the presets' form instead of a preset
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Number of repetitions, instead of the configuration's
    #[arg(long, value_name = "N")]
    pub seeds: Option<u64>,
    /// Those of its own
    #[command(flatten)]
    pub choice: C,
    /// Trials that run at the same time; 0 takes one for every core
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,
    /// Folder of the results [default: `figures` for the paper's preset, else `target/figures/quick`
    /// or `target/figures/config`]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on with an interrupted run of the same options
    #[arg(long, conflicts_with = "plot_only")]
    pub resume: bool,
    /// Draw the figure again from its CSV, without running anything
    #[arg(long)]
    pub plot_only: bool,
}

impl<C: Args> Options<C> {
    /// The folder of the results.
    pub fn folder(&self) -> PathBuf {
        match (&self.out, &self.config, self.preset) {
            (Some(out), _, _) => out.clone(),
            (None, Some(_), _) => PathBuf::from("target/figures/config"),
            (None, None, Preset::Paper) => PathBuf::from("figures"),
            (None, None, Preset::Quick) => PathBuf::from("target/figures/quick"),
        }
    }

    /// The configuration these options ask for.
    pub fn configuration<S: Study<Choice = C>>(&self, study: S) -> Result<S::Config> {
        let mut config = match &self.config {
            Some(path) => study.read(path)?,
            None => study.preset(self.preset)?,
        };
        if let Some(seeds) = self.seeds {
            *study.seeds(&mut config) = seeds;
        }
        study.choose(&mut config, &self.choice);
        study.check(&config)?;
        Ok(config)
    }
}

/// The whole program of an experiment.
pub fn main<S: Study>(study: S) -> ExitCode {
    let matches = command(study).get_matches();
    let options = Options::<S::Choice>::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match execute(study, &options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the trials, unless only the drawing is asked for, and draws the figures.
pub fn execute<S: Study>(study: S, options: &Options<S::Choice>) -> Result<()> {
    let folder = options.folder();
    let csv = run::csv_path(&folder, study);
    let rows = if options.plot_only {
        table::read(study, &csv)?
    } else {
        let settings = Settings { out: folder.clone(), threads: options.threads, resume: options.resume };
        let config = options.configuration(study)?;
        run::run(study, &config, &settings, &|trial| study.solve(&config, trial))?
    };
    let stems = draw(study, &rows, &folder)?;
    println!("table:  {}", csv.display());
    for stem in stems {
        for (kind, extension) in [("figure:", "svg"), ("figure:", "png"), ("caption:", "txt")] {
            println!("{kind:8} {}.{extension}", stem.display());
        }
    }
    if options.preset == Preset::Quick && options.config.is_none() && !options.plot_only {
        println!("the paper's sizes: cargo run --release --bin {} -- --preset paper", study.program());
    }
    let failed = rows.iter().filter(|row| row.failed()).count();
    if failed > 0 {
        bail!("{failed} of {} trials failed (see above); --resume tries them again", rows.len());
    }
    Ok(())
}

/// Draws the figures of these rows and writes their captions beside them; gives the files without
/// extension.
pub fn draw<S: Study>(study: S, rows: &[S::Row], folder: &Path) -> Result<Vec<PathBuf>> {
    let mut stems = Vec::new();
    for (name, sheet) in study.sheets(rows)? {
        let stem = folder.join(name);
        sheet.write(&stem)?;
        let caption = format!("{}\n\n{}\n", sheet.title, sheet.caption);
        table::write_atomically(&stem.with_extension("txt"), caption.as_bytes())?;
        stems.push(stem);
    }
    Ok(stems)
}

/// The command line of a program.
pub fn command<S: Study>(study: S) -> clap::Command {
    let program = study.program();
    let run = format!("cargo run --release --bin {program} --");
    let command = Options::<S::Choice>::command().name(program).about(study.about()).after_help(format!(
        "Examples:\n  {run}                              a first look, in seconds\n  \
         {run} --preset paper               the committed figure\n  \
         {run} --preset paper --resume      go on after an interruption\n  \
         {run} --preset paper --plot-only   draw it again from its CSV\n  \
         {run} --config my.toml --out my    own sizes (form: experiments/presets/*.toml)"
    ));
    if study.timed() {
        command.mut_arg("threads", |threads| {
            threads.help(
                "Threads of each trial, which run one after the other since they are timed; 0 takes every core",
            )
        })
    } else {
        command
    }
}
