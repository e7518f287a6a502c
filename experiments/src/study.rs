//! What an experiment is to the harness: a configuration, its trials, the row a trial gives, and the
//! figures of the rows.

use crate::plot::sheet::Sheet;
use crate::table::Record;
use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::fmt::Display;
use std::hash::Hash;

/// The compiled-in configurations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Preset {
    /// Small sizes: all programs together within minutes on two cores.
    Quick,
    /// The sizes of the committed figures.
    Paper,
}

impl Preset {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Preset::Quick => "quick",
            Preset::Paper => "paper",
        }
    }
}

/// What a program says of itself; see `program!`.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// The name of its table and journal, without extension.
    pub stem: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// The TOML text of the quick preset.
    pub quick: &'static str,
    /// The TOML text of the paper's preset.
    pub paper: &'static str,
}

/// `program!(STEM, ABOUT)`: the [`Program`] exp_STEM with the presets presets/STEM_quick.toml and
/// presets/STEM_paper.toml.
#[macro_export]
macro_rules! program {
    ($stem:literal, $about:expr) => {
        $crate::study::Program {
            name: concat!("exp_", $stem),
            stem: $stem,
            about: $about,
            quick: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/presets/", $stem, "_quick.toml")),
            paper: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/presets/", $stem, "_paper.toml")),
        }
    };
}
pub use program;

/// No options beside the shared ones.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct NoChoice {}

/// An experiment: what the harness has to know to run it, to resume it and to draw it.
pub trait Study: Copy + Send + Sync {
    /// What to measure, as read from TOML.
    type Config: Clone + Serialize + DeserializeOwned + Sync;
    /// Options of the command line beside the shared ones; the default is none of them.
    type Choice: clap::Args + Clone + Default + PartialEq;
    /// One trial. Two different trials of a configuration are never equal.
    type Trial: Copy + Eq + Hash + Display + Send + Sync;
    /// What is written of a trial.
    type Row: Record<Trial = Self::Trial>;

    /// What the program says of itself.
    fn program(self) -> Program;

    /// Checks every value of a configuration.
    fn check(self, config: &Self::Config) -> Result<()>;
    /// The number of repetitions of a configuration, to be read or changed.
    fn seeds(self, config: &mut Self::Config) -> &mut u64;
    /// Changes a configuration as the options ask for.
    fn choose(self, _config: &mut Self::Config, _choice: &Self::Choice) {}
    /// The inverse of [`Study::choose`]: restricts a configuration to what these trials show, and
    /// gives the options that do so, each after a space.
    fn narrow(self, _config: &mut Self::Config, _trials: &[Self::Trial]) -> String {
        String::new()
    }

    /// All trials, in the order of the table.
    fn trials(self, config: &Self::Config) -> Vec<Self::Trial>;
    /// The seed of a trial.
    fn seed(self, trial: &Self::Trial) -> u64;
    /// A rough estimate of its seconds on one core: for the order of work and the time left.
    fn cost(self, trial: &Self::Trial) -> f64;
    /// Trials of the same kind take times in proportion to their costs.
    fn kind(self, _trial: &Self::Trial) -> usize {
        0
    }

    /// Runs a trial.
    fn solve(self, config: &Self::Config, trial: &Self::Trial) -> Result<Self::Row>;
    /// The row of a trial that gave no answer.
    fn failed(self, trial: &Self::Trial) -> Self::Row {
        Self::Row::empty(trial)
    }
    /// The trial of a row; an error where the row is not of this experiment.
    fn trial(self, row: &Self::Row) -> Result<Self::Trial>;
    /// The figures of a table, each with the name of its files without extension.
    fn sheets(self, rows: &[Self::Row]) -> Result<Vec<(String, Sheet)>>;

    /// The name of its table and journal, without extension.
    fn stem(self) -> &'static str {
        self.program().stem
    }

    /// Whether trials are timed: then they run one after the other, each on all threads.
    fn timed(self) -> bool {
        Self::Row::TIMED
    }

    /// The TOML text of a preset.
    fn text(self, preset: Preset) -> &'static str {
        match preset {
            Preset::Quick => self.program().quick,
            Preset::Paper => self.program().paper,
        }
    }

    /// A preset's configuration.
    fn preset(self, preset: Preset) -> Result<Self::Config> {
        self.parse(self.text(preset)).with_context(|| format!("preset {}", preset.name()))
    }

    /// Parses and checks a configuration; unknown keys are errors.
    fn parse(self, text: &str) -> Result<Self::Config> {
        let config = toml::from_str(text)?;
        self.check(&config)?;
        Ok(config)
    }

    /// The command that makes a table of these trials, recognised from them alone.
    fn command(self, trials: &[Self::Trial]) -> String {
        let base = format!("cargo run --release --bin {} --", self.program().name);
        let have: HashSet<Self::Trial> = trials.iter().copied().collect();
        let seeds = trials.iter().map(|t| self.seed(t)).max().map_or(0, |s| s + 1);
        for preset in [Preset::Paper, Preset::Quick] {
            // Unchecked: the weights of a preset need not be here.
            let Ok(mut config) = toml::from_str::<Self::Config>(self.text(preset)) else { continue };
            let usual = std::mem::replace(self.seeds(&mut config), seeds);
            let options = self.narrow(&mut config, trials);
            if self.trials(&config).into_iter().collect::<HashSet<_>>() == have {
                let seeds = if seeds == usual { String::new() } else { format!(" --seeds {seeds}") };
                return format!("{base} --preset {}{seeds}{options}", preset.name());
            }
        }
        format!("{base} --config FILE.toml")
    }
}

/// Checks that a list of the configuration has values, each once.
pub fn distinct<T: Eq + Hash>(name: &str, values: &[T]) -> Result<()> {
    if values.is_empty() {
        anyhow::bail!("`{name}` is empty: give at least one value");
    }
    let mut seen = HashSet::new();
    if !values.iter().all(|value| seen.insert(value)) {
        anyhow::bail!("`{name}` names a value twice");
    }
    Ok(())
}
