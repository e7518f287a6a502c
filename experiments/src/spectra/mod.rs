//! Spectra of the weight matrices of a network: what they hold, how they decay, whether they look
//! like noise, and which rank each criterion chooses.

mod analysis;
mod row;

use crate::plot::sheet::Sheet;
use crate::plot::spectra as plots;
use crate::study::{Preset, Program, Study, program};
use crate::table::Record;
use crate::weights::{self, lasting};
use anyhow::{Result, bail};
use lowrank::random::gaussian;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

pub use analysis::analyse;
pub use row::Row;

/// What to analyse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A safetensors file; its path from here or from the root of the sources.
    pub input: String,
    /// Number of Gaussian matrices beside each shape; their seeds are 0, 1, ..., seeds - 1.
    pub seeds: u64,
}

/// The file to analyse.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct Input {
    /// A safetensors file, instead of the configuration's
    #[arg(long, value_name = "FILE.safetensors")]
    pub input: Option<String>,
}

/// One matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trial {
    /// The file.
    pub source: &'static str,
    /// Which of its matrices, or which one of Gaussian entries.
    pub matrix: Matrix,
    /// Rows.
    pub m: usize,
    /// Columns.
    pub n: usize,
}

/// Where a matrix comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Matrix {
    /// The file, by this name.
    Stored(&'static str),
    /// A seed: independent standard Gaussian entries.
    Gaussian(u64),
}

impl Trial {
    /// The name of its matrix in the table.
    pub fn name(&self) -> &'static str {
        match self.matrix {
            Matrix::Stored(name) => name,
            Matrix::Gaussian(_) => "gaussian",
        }
    }

    /// The seed of a Gaussian matrix.
    pub fn seed(&self) -> Option<u64> {
        match self.matrix {
            Matrix::Stored(_) => None,
            Matrix::Gaussian(seed) => Some(seed),
        }
    }
}

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.matrix {
            Matrix::Stored(name) => write!(f, "{name}, {} x {}", self.m, self.n),
            Matrix::Gaussian(seed) => write!(f, "Gaussian, {} x {}, seed {seed}", self.m, self.n),
        }
    }
}

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub struct Spectra;

impl Study for Spectra {
    type Config = Config;
    type Choice = Input;
    type Trial = Trial;
    type Row = Row;

    fn program(self) -> Program {
        program!(
            "spectra",
            "Spectra of the weight matrices of a network: decay, noise, and the ranks that criteria choose"
        )
    }

    /// Says on standard error what of the file is left out.
    fn check(self, config: &Config) -> Result<()> {
        if config.seeds == 0 {
            bail!("`seeds` = 0: at least one Gaussian matrix of every shape is needed");
        }
        let file = weights::open(&config.input)?;
        let left_out = weights::left_out(&file);
        if weights::matrices(&file).is_empty() {
            let why = if left_out.is_empty() { "it is empty" } else { &left_out };
            bail!(
                "{}: no matrix of real numbers with at least {} rows and columns: {why}",
                config.input,
                weights::SMALLEST
            );
        }
        if !left_out.is_empty() {
            eprintln!("{}: tensors not analysed: {left_out}", config.input);
        }
        Ok(())
    }

    fn seeds(self, config: &mut Config) -> &mut u64 {
        &mut config.seeds
    }

    fn choose(self, config: &mut Config, choice: &Input) {
        if let Some(input) = &choice.input {
            config.input = input.clone();
        }
    }

    /// The matrices of the file, then the Gaussian ones; none if the file has gone since it was checked.
    fn trials(self, config: &Config) -> Vec<Trial> {
        let source = lasting(&config.input);
        let found = weights::open(source).map_or(Vec::new(), |file| weights::matrices(&file));
        let shapes: BTreeSet<(usize, usize)> = found.iter().map(|(_, m, n)| (*m, *n)).collect();
        let stored = found.iter().map(|&(name, m, n)| Trial { source, matrix: Matrix::Stored(name), m, n });
        let seeds = (0..config.seeds).flat_map(|seed| shapes.iter().map(move |&(m, n)| (seed, m, n)));
        let gaussian = seeds.map(|(seed, m, n)| Trial { source, matrix: Matrix::Gaussian(seed), m, n });
        stored.chain(gaussian).collect()
    }

    fn seed(self, trial: &Trial) -> u64 {
        trial.seed().unwrap_or(0)
    }

    fn cost(self, trial: &Trial) -> f64 {
        let (long, short) = (trial.m.max(trial.n) as f64, trial.m.min(trial.n) as f64);
        3e-10 * (2.0 * long * short * short + 4.0 * short.powi(3))
    }

    fn solve(self, _: &Config, trial: &Trial) -> Result<Row> {
        let mut empty = Row::done(trial);
        let a = match trial.matrix {
            Matrix::Stored(name) => {
                let file = weights::open(trial.source)?;
                empty.left_out = weights::left_out(&file);
                file.matrix(name)?
            }
            Matrix::Gaussian(seed) => gaussian::<f64>(trial.m, trial.n, seed, "spectra"),
        };
        analyse(a.as_ref(), empty)
    }

    fn trial(self, row: &Row) -> Result<Trial> {
        let matrix = match row.seed {
            Some(seed) => Matrix::Gaussian(seed),
            None => Matrix::Stored(lasting(&row.matrix)),
        };
        Ok(Trial { source: lasting(&row.source), matrix, m: row.m, n: row.n })
    }

    /// From the name of the file: it need not be there to draw the figures again.
    fn command(self, trials: &[Trial]) -> String {
        let source = trials.first().map_or("", |trial| trial.source);
        let seeds = trials.iter().map(|trial| self.seed(trial)).max().map_or(0, |seed| seed + 1);
        let seeds = if seeds == 1 { String::new() } else { format!(" --seeds {seeds}") };
        let named =
            |preset: &&Preset| toml::from_str(self.text(**preset)).is_ok_and(|c: Config| c.input == source);
        let options = match [Preset::Paper, Preset::Quick].iter().find(named) {
            Some(preset) => format!("--preset {}", preset.name()),
            None => format!("--input {source}"),
        };
        format!("cargo run --release --bin {} -- {options}{seeds}", self.program().name)
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        plots::sheets(self, rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{from_csv, to_csv};
    use lowrank::random::with_spectrum;
    use lowrank::svd::spectrum::MarchenkoPastur;

    fn empty(m: usize, n: usize) -> Row {
        Row::done(&Trial { source: "file", matrix: Matrix::Stored("w"), m, n })
    }

    #[test]
    fn a_known_spectrum_gives_known_numbers() {
        // 2^-i, i = 0, ..., 19: squares 4^-i.
        let s: Vec<f64> = (0..20).map(|i| 0.5_f64.powi(i)).collect();
        let a = with_spectrum::<f64>(30, 20, &s, 1);
        let row = analyse(a.as_ref(), empty(30, 20)).unwrap();
        let near = |x: f64, y: f64| (x / y - 1.0).abs() < 1e-9;
        assert!(near(row.frobenius * row.frobenius, 4.0 / 3.0) && near(row.sigma_1, 1.0), "{row:?}");
        assert!(near(row.stable_rank, 4.0 / 3.0));
        assert!(near(row.exponential_rate.unwrap(), std::f64::consts::LN_2), "{row:?}");
        assert!(row.exponential_goodness.unwrap() > 1.0 - 1e-9);
        assert!(row.power_goodness.unwrap() < 0.95);
        // Energies 1 - 4^-k: 0.75, 0.9375, 0.984, 0.996.
        assert_eq!((row.rank_90, row.rank_95, row.rank_99), (2, 3, 4));
        assert_eq!(row.rank_break_even, 11); // 30 * 20 / 50 = 12 saves nothing
        assert!(near(row.compression_90, 600.0 / 100.0) && near(row.energy_64, 1.0));
        assert_eq!(row.spectrum[3], 0.125);
        assert_eq!((row.status.as_str(), row.matrix.as_str()), ("done", "w"));
    }

    #[test]
    fn noise_looks_like_noise_and_a_trained_weight_does_not() {
        let quick = Spectra.preset(Preset::Quick).unwrap();
        let trials = Spectra.trials(&quick);
        let rows: Vec<Row> = trials.iter().map(|trial| Spectra.solve(&quick, trial).unwrap()).collect();
        let [weight, noise] = &rows[..] else { panic!("{trials:?}") };
        assert!((noise.noise - 1.0).abs() < 0.01 && noise.outliers <= 1, "{noise:?}");
        assert!(noise.noise_distance < 4.0 / 384.0 && weight.noise_distance > 10.0 / 384.0);
        assert!(noise.law_distance < 4.0 / 384.0 && weight.law_distance > 0.1, "{}", weight.law_distance);
        assert!(weight.outliers > 10);
        // The largest sixth of the law's eigenvalues, of mean 1: the integral of its quantiles.
        let law = MarchenkoPastur::new(1.0, 1.0).unwrap();
        let top: f64 = (0..1000).map(|i| law.quantile(1.0 - (f64::from(i) + 0.5) / 6000.0).unwrap()).sum();
        assert!((noise.energy_64 - top / 6000.0).abs() < 0.01, "{} {}", noise.energy_64, top / 6000.0);
        assert!(weight.energy_64 > 0.6);
        assert_eq!((weight.rank_break_even, noise.rank_break_even), (191, 191));
        // The table holds all that the figures need.
        let read: Vec<Row> = from_csv(&to_csv(&rows, true).unwrap()).unwrap();
        assert_eq!(read, rows);
        for (row, trial) in read.iter().zip(&trials) {
            assert_eq!(Spectra.trial(row).unwrap(), *trial);
        }
        let names: Vec<String> = Spectra.sheets(&read).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["spectra", "spectra_density", "spectra_ranks"]);
    }

    #[test]
    fn captions_name_their_command() {
        let trial = |source, seed| Trial { source, matrix: Matrix::Gaussian(seed), m: 20, n: 20 };
        let command = |source, seed| Spectra.command(&[trial(source, seed)]);
        assert!(command("data/minilm/model.safetensors", 0).ends_with("-- --preset paper"));
        assert!(
            command("experiments/data/minilm_query.safetensors", 1).ends_with("--preset quick --seeds 2")
        );
        assert!(command("my.safetensors", 0).ends_with("-- --input my.safetensors"));
    }

    #[test]
    fn wrong_configurations_are_explained() {
        let error = |text: &str| format!("{:#}", Spectra.parse(text).unwrap_err());
        assert!(error("input = \"none.safetensors\"\nseeds = 1").contains("no such file"));
        assert!(
            error("input = \"experiments/data/minilm_query.safetensors\"\nseeds = 0")
                .contains("at least one")
        );
        assert!(error("imput = \"a\"\nseeds = 1").contains("imput"));
        assert!(error("input = \"experiments/data/README.md\"\nseeds = 1").contains("safetensors"));
    }
}
