//! The command line shared by the programs that make figures.

use crate::plot::drawing::Drawing;
use crate::run::{self, Settings};
use crate::study::{Preset, Program, Study};
use crate::table::{self, Record};
use anyhow::{Context, Result, bail};
use clap::{Args, CommandFactory, FromArgMatches, Parser};
use std::fs;
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
    /// Folder of the results [default: `figures` for the paper's preset and `target/figures/quick` for
    /// the quick one; `target/figures/config` for a configuration, a file or a choice of one's own]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on with an interrupted run of the same options
    #[arg(long)]
    pub resume: bool,
    /// Draw the figure again from its CSV, without running anything
    #[arg(long, conflicts_with_all = ["resume", "seeds", "threads"])]
    pub plot_only: bool,
}

impl<C: Args + Default + PartialEq> Options<C> {
    /// The folder of the results.
    pub fn folder(&self) -> PathBuf {
        let own = self.config.is_some() || self.choice != C::default();
        match (&self.out, own, self.preset) {
            (Some(out), _, _) => out.clone(),
            (None, true, _) => PathBuf::from("target/figures/config"),
            (None, false, Preset::Paper) => PathBuf::from("figures"),
            (None, false, Preset::Quick) => PathBuf::from("target/figures/quick"),
        }
    }

    /// The configuration these options ask for, checked when all of them are applied.
    pub fn configuration<S: Study<Choice = C>>(&self, study: S) -> Result<S::Config> {
        let (place, text) = match &self.config {
            Some(path) => {
                let text =
                    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
                (path.display().to_string(), text?)
            }
            None => (format!("preset {}", self.preset.name()), study.text(self.preset).to_string()),
        };
        let mut config: S::Config = toml::from_str(&text).with_context(|| place.clone())?;
        if let Some(seeds) = self.seeds {
            *study.seeds(&mut config) = seeds;
        }
        study.choose(&mut config, &self.choice);
        study.check(&config).context(place)?;
        Ok(config)
    }
}

/// The whole program of an experiment.
pub fn main<S: Study>(study: S) -> ExitCode {
    exit(execute(study, &parsed(study)))
}

/// The same with a text about the rows at its end.
pub fn main_with<S: Study>(study: S, text: impl Fn(&[S::Row]) -> Result<String>) -> ExitCode {
    let options = parsed(study);
    exit(execute(study, &options).and_then(|()| {
        let rows = table::read(study, &run::csv_path(&options.folder(), study))?;
        println!("{}", text(&rows)?);
        Ok(())
    }))
}

fn parsed<S: Study>(study: S) -> Options<S::Choice> {
    let matches = command(study).get_matches();
    Options::<S::Choice>::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// The end of a program: an error is printed.
pub fn exit(done: Result<()>) -> ExitCode {
    match done {
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
    if options.plot_only && options.choice != S::Choice::default() {
        bail!(
            "--plot-only draws the table that is there: leave out the options that choose what to run, and \
             name its folder by --out"
        );
    }
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
        println!("the paper's sizes: cargo run --release --bin {} -- --preset paper", study.program().name);
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
    let Program { name, about, .. } = study.program();
    let run = format!("cargo run --release --bin {name} --");
    let command = Options::<S::Choice>::command().name(name).about(about).after_help(format!(
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spectra::{Input, Spectra};

    const SHIPPED: &str = "experiments/data/minilm_query.safetensors";

    fn options(words: &[&str]) -> clap::error::Result<Options<Input>> {
        Options::try_parse_from([&["program"], words].concat())
    }

    #[test]
    fn only_what_the_options_leave_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        let toml = folder.path().join("my.toml");
        fs::write(&toml, "input = \"none.safetensors\"\nseeds = 0\n").unwrap();
        let toml = toml.to_str().unwrap();
        let read = |words: &[&str]| options(words).unwrap().configuration(Spectra);
        let config = read(&["--config", toml, "--input", SHIPPED, "--seeds", "2"]).unwrap();
        assert_eq!((config.input.as_str(), config.seeds), (SHIPPED, 2));
        let error = format!("{:#}", read(&["--config", toml, "--seeds", "2"]).unwrap_err());
        assert!(error.contains("my.toml") && error.contains("none.safetensors"), "{error}");
    }

    #[test]
    fn nothing_is_ignored_when_only_drawing() {
        for more in [&["--resume"][..], &["--seeds", "2"], &["--threads", "2"]] {
            assert!(options(&[&["--plot-only"], more].concat()).is_err(), "{more:?}");
        }
        let input = options(&["--plot-only", "--input", SHIPPED]).unwrap();
        assert!(execute(Spectra, &input).unwrap_err().to_string().contains("--out"));
        assert!(options(&["--plot-only", "--preset", "paper", "--out", "my"]).is_ok());
    }

    #[test]
    fn results_of_ones_own_do_not_replace_those_of_a_preset() {
        let folder = |words: &[&str]| options(words).unwrap().folder();
        assert_eq!(folder(&["--preset", "paper"]), Path::new("figures"));
        assert_eq!(folder(&[]), Path::new("target/figures/quick"));
        for words in [&["--preset", "paper", "--input", SHIPPED][..], &["--config", "my.toml"]] {
            assert_eq!(folder(words), Path::new("target/figures/config"));
        }
        assert_eq!(folder(&["--input", SHIPPED, "--out", "my"]), Path::new("my"));
    }
}
