//! Compressed tensors: error against stored numbers of Tucker, canonical and tensor-train decompositions.

mod forms;
mod inputs;

pub use forms::{FILLS, SETTLED};
pub use inputs::{FILTERS, FLUOROPHORES, NOISE, TERMS};

use crate::plot::sheet::Sheet;
use crate::plot::tensor_compression as plots;
use crate::study::{NoChoice, Program, Study, distinct, program};
use crate::table::{Record, row};
use crate::weights::lasting;
use anyhow::{Result, bail};
use forms::{Cut, complete, compress};
use lowrank::ndarray::ArrayD;
use serde::{Deserialize, Serialize};

/// What to measure: all forms of all tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of repetitions; their seeds are 0, 1, ..., seeds - 1.
    pub seeds: u64,
    /// The tensors.
    pub families: Vec<Family>,
    /// The forms.
    pub forms: Vec<Form>,
    /// The npy file of the hyperspectral image.
    #[serde(default)]
    pub scene: String,
    /// The npy files of the fluorescence and of what is missing of it.
    #[serde(default)]
    pub fluorescence: [String; 2],
    /// Side of generated tensors of order 3.
    pub side: usize,
    /// Channels of the generated convolution kernel.
    pub channels: usize,
    /// Numbers of terms of canonical decompositions.
    pub terms: Vec<usize>,
    /// The other forms of whole tensors are cut at relative errors 2^(-level / 4).
    pub levels: Vec<usize>,
    /// Ranks of tensors with missing entries.
    pub ranks: Vec<usize>,
    /// The part of their known entries that is held out.
    pub held_out: f64,
    /// Largest number of sweeps of alternating least squares.
    pub sweeps: usize,
}

impl Config {
    /// The files of a tensor, parted by commas; empty for generated ones.
    fn files(&self, family: Family) -> String {
        match family {
            Family::Scene => self.scene.clone(),
            Family::Fluorescence => self.fluorescence.join(","),
            _ => String::new(),
        }
    }
}

/// A tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// A hyperspectral image.
    Scene,
    /// Measured fluorescence, with missing entries.
    Fluorescence,
    /// Simulated fluorescence.
    Simulated,
    /// A generated convolution kernel.
    Kernel,
    /// 1 / |x| on a grid.
    Newton,
    /// Of low rank, with noise.
    LowRank,
    /// Independent Gaussian entries.
    Random,
}

impl Family {
    /// Whether entries are missing or held out.
    pub fn incomplete(self) -> bool {
        matches!(self, Family::Fluorescence | Family::Simulated)
    }

    /// Whether it comes from files.
    fn stored(self) -> bool {
        matches!(self, Family::Scene | Family::Fluorescence)
    }

    /// Whether the tensor, or what is held out of it, depends on the seed.
    fn random(self) -> bool {
        !matches!(self, Family::Scene | Family::Newton)
    }
}

/// A form of the approximation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A core and a basis for each mode.
    Tucker,
    /// A sum of products of vectors.
    Cp,
    /// A tensor train.
    Train,
    /// A tensor train of the tensor whose modes are split into prime factors.
    Quantized,
}

/// One approximation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trial {
    /// The tensor.
    pub family: Family,
    /// The files it comes from, parted by commas; empty for generated ones.
    pub file: &'static str,
    /// The form.
    pub form: Form,
    /// Number of terms or rank or, for other than canonical
    /// decompositions of whole tensors, the error 2^(-level / 4) allowed.
    pub level: usize,
    /// Seed of the tensor and of the method.
    pub seed: u64,
}

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Trial { family, file, form, level, seed } = self;
        write!(f, "{family:?} {file}, {form:?}, level {level}, seed {seed}")
    }
}

row! {
    /// A row of the table.
    Row of trial: Trial {
        /// The tensor.
        family: Family = trial.family,
        /// The files it comes from, parted by commas; empty for generated ones.
        file: String = trial.file.to_string(),
        /// The form.
        form: Form = trial.form,
        /// Number of terms or rank, or the error 2^(-level / 4) allowed.
        level: usize = trial.level,
        /// Seed.
        seed: u64 = trial.seed,
        /// The sizes of the modes.
        shape: String = String::new(),
        /// The ranks; the number of terms of a canonical decomposition.
        ranks: String = String::new(),
        /// Entries of the tensor.
        entries: usize = 0,
        /// Stored numbers.
        parameters: usize = 0,
        /// |A - X|_F / |A|_F, over the entries that were fitted.
        error: f64 = f64::NAN,
        /// The same over the entries that were held out; none for whole tensors.
        held_out_error: Option<f64> = None,
    }
}

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub struct TensorCompression;

impl Study for TensorCompression {
    type Config = Config;
    type Choice = NoChoice;
    type Trial = Trial;
    type Row = Row;

    fn program(self) -> Program {
        program!(
            "tensor_compression",
            "Compressed tensors: error against stored numbers of Tucker, canonical and tensor-train \
             decompositions"
        )
    }

    fn check(self, config: &Config) -> Result<()> {
        distinct("families", &config.families)?;
        distinct("forms", &config.forms)?;
        distinct("terms", &config.terms)?;
        distinct("levels", &config.levels)?;
        distinct("ranks", &config.ranks)?;
        let positive = [config.side, config.channels, config.sweeps];
        if config.seeds == 0 || positive.iter().chain(&config.terms).chain(&config.ranks).any(|n| *n == 0) {
            bail!("`seeds`, `side`, `channels`, `sweeps` and all `terms` and `ranks` are at least 1");
        }
        if config.levels.iter().any(|level| *level > 200) {
            bail!("`levels` are at most 200: a relative error of 2^-50");
        }
        if !(config.held_out > 0.0 && config.held_out <= 0.9) {
            bail!("`held_out` = {} does not lie in (0, 0.9]", config.held_out);
        }
        for &family in &config.families {
            if family.stored() {
                config.files(family).split(',').try_for_each(|file| inputs::find(file).map(drop))?;
            }
        }
        Ok(())
    }

    fn seeds(self, config: &mut Config) -> &mut u64 {
        &mut config.seeds
    }

    fn trials(self, config: &Config) -> Vec<Trial> {
        let mut out = Vec::new();
        for &family in &config.families {
            let file = lasting(&config.files(family));
            for &form in &config.forms {
                let levels = match (family.incomplete(), form) {
                    (true, _) => &config.ranks,
                    (false, Form::Cp) => &config.terms,
                    (false, _) => &config.levels,
                };
                let seeds = if family.random() || form == Form::Cp { config.seeds } else { 1 };
                for &level in levels {
                    out.extend((0..seeds).map(|seed| Trial { family, file, form, level, seed }));
                }
            }
        }
        out
    }

    fn seed(self, trial: &Trial) -> u64 {
        trial.seed
    }

    fn cost(self, trial: &Trial) -> f64 {
        let size = match trial.family {
            Family::Scene | Family::Fluorescence | Family::Newton => 1.0,
            _ => 0.1,
        };
        size * if trial.form == Form::Cp { 0.2 * trial.level as f64 } else { 1.0 }
    }

    fn kind(self, trial: &Trial) -> usize {
        2 * trial.family as usize + usize::from(trial.form == Form::Cp)
    }

    fn solve(self, config: &Config, trial: &Trial) -> Result<Row> {
        let Trial { form, level, seed, .. } = *trial;
        let input = inputs::input(config, trial)?;
        let a = &input.a;
        let relative = |x: &ArrayD<f64>, part: Option<&ArrayD<bool>>| match part {
            None => norm(&(a - x)) / norm(a),
            Some(part) => {
                let of = |x: &ArrayD<f64>| norm(x.iter().zip(part).filter(|(_, of)| **of).map(|(x, _)| x));
                of(&(a - x)) / of(a)
            }
        };
        let (found, error, held_out_error) = match &input.parts {
            None => {
                let cut = if form == Form::Cp {
                    Cut::Rank(level)
                } else {
                    Cut::Tolerance(0.5_f64.powf(level as f64 / 4.0))
                };
                let found = compress(a, form, cut, config, seed)?;
                let error = relative(&found.x, None);
                (found, error, None)
            }
            Some((seen, held)) => {
                let found = complete(a, seen, form, level, config, seed)?;
                let errors = (relative(&found.x, Some(seen)), relative(&found.x, Some(held)));
                (found, errors.0, Some(errors.1))
            }
        };
        Ok(Row {
            shape: joined(a.shape()),
            ranks: joined(&found.ranks),
            entries: a.len(),
            parameters: found.parameters,
            error,
            held_out_error,
            status: found.status,
            ..Row::done(trial)
        })
    }

    fn trial(self, row: &Row) -> Result<Trial> {
        let Row { family, form, level, seed, .. } = *row;
        Ok(Trial { family, file: lasting(&row.file), form, level, seed })
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        plots::sheets(self, rows)
    }
}

/// The root of the sum of squares.
fn norm<'a>(entries: impl IntoIterator<Item = &'a f64>) -> f64 {
    entries.into_iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Numbers as text.
fn joined(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(" ")
}
