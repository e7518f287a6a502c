//! The command line shared by the figure programs.

use crate::config::{Config, Preset};
use crate::grid::{Figure, MethodName};
use crate::plot::figures;
use crate::run::{self, Settings, Solver};
use crate::table::{self, FAILED, Row};
use anyhow::{Result, bail};
use clap::{CommandFactory, FromArgMatches, Parser};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The options of a figure program.
#[derive(Debug, Clone, Parser)]
#[command(version)]
pub struct Options {
    /// Sizes to run: `quick` takes seconds, `paper` makes the committed figure
    #[arg(long, value_enum, default_value_t = Preset::Quick, conflicts_with = "config")]
    pub preset: Preset,
    /// A TOML file of the presets' form instead of a preset
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Number of repetitions, instead of the configuration's
    #[arg(long, value_name = "N")]
    pub seeds: Option<u64>,
    /// Methods to run, separated by commas, instead of the configuration's
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST")]
    pub methods: Vec<MethodName>,
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

impl Options {
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
    pub fn configuration(&self, figure: Figure) -> Result<Config> {
        let mut config = match &self.config {
            Some(path) => Config::read(figure, path)?,
            None => Config::preset(figure, self.preset)?,
        };
        if let Some(seeds) = self.seeds {
            config.seeds = seeds;
        }
        if !self.methods.is_empty() {
            config.methods = self.methods.clone();
        }
        config.check(figure)?;
        Ok(config)
    }
}

/// The whole program of a figure.
pub fn main(figure: Figure, solver: &Solver) -> ExitCode {
    let matches = command(figure).get_matches();
    let options = Options::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match execute(figure, &options, solver) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the trials, unless only the drawing is asked for, and draws the figure.
pub fn execute(figure: Figure, options: &Options, solver: &Solver) -> Result<()> {
    let folder = options.folder();
    let csv = run::csv_path(&folder, figure);
    let rows = if options.plot_only {
        table::read(figure, &csv)?
    } else {
        let settings = Settings { out: folder.clone(), threads: options.threads, resume: options.resume };
        run::run(figure, &options.configuration(figure)?, &settings, solver)?
    };
    draw(figure, &rows, &folder)?;
    println!("table:  {}", csv.display());
    for extension in ["svg", "png", "txt"] {
        println!("{:8}{}", if extension == "txt" { "caption:" } else { "figure:" }, {
            format!(" {}", csv.with_extension(extension).display())
        });
    }
    if options.preset == Preset::Quick && options.config.is_none() && !options.plot_only {
        println!("the paper's sizes: cargo run --release --bin {} -- --preset paper", figure.program());
    }
    let failed = rows.iter().filter(|row| row.status == FAILED).count();
    if failed > 0 {
        bail!("{failed} of {} trials failed (see above); --resume tries them again", rows.len());
    }
    Ok(())
}

/// Draws the figure of these rows and writes its caption beside it.
pub fn draw(figure: Figure, rows: &[Row], folder: &Path) -> Result<()> {
    let sheet = figures::sheet(figure, rows)?;
    let stem = folder.join(figure.stem());
    sheet.write(&stem)?;
    let caption = format!("{}\n\n{}\n", sheet.title, sheet.caption);
    table::write_atomically(&stem.with_extension("txt"), caption.as_bytes())
}

/// The command line of a figure's program.
pub fn command(figure: Figure) -> clap::Command {
    let (number, varies) = match figure {
        Figure::VaryingDimension => (1, "the dimension m of the points"),
        Figure::VaryingSize => (2, "the size n of the matrix or tensor"),
        Figure::VaryingRank => (3, "the approximation rank r"),
    };
    let program = figure.program();
    let run = format!("cargo run --release --bin {program} --");
    Options::command()
        .name(program)
        .about(format!(
            "Figure {number}: relative max-norm errors of low-rank approximation against {varies}"
        ))
        .after_help(format!(
            "Examples:\n  {run}                              a first look, in seconds\n  \
             {run} --preset paper               the committed figure\n  \
             {run} --preset paper --resume      go on after an interruption\n  \
             {run} --preset paper --plot-only   draw it again from its CSV\n  \
             {run} --config my.toml --out my    own sizes (form: experiments/presets/*.toml)"
        ))
}
