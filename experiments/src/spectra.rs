//! Spectra of the weight matrices of a network: what they hold, how they decay, whether they look
//! like noise, and which rank each criterion chooses.

use crate::plot::sheet::Sheet;
use crate::plot::spectra as plots;
use crate::study::{Preset, Record, Study};
use crate::table::{FAILED, VERSION};
use crate::weights::{self, lasting};
use anyhow::{Result, bail};
use lowrank::faer::MatRef;
use lowrank::matrix::{frobenius, slice_norm};
use lowrank::random::gaussian;
use lowrank::svd::spectrum::{
    MarchenkoPastur, eigenvalue_tail, exponential_decay, fit_noise, hard_threshold, power_decay,
};
use lowrank::svd::{Rank, compare_ranks, singular_values};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Instant;

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

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.matrix {
            Matrix::Stored(name) => write!(f, "{name}, {} x {}", self.m, self.n),
            Matrix::Gaussian(seed) => write!(f, "Gaussian, {} x {}, seed {seed}", self.m, self.n),
        }
    }
}

/// A row of the table. An empty field is a fit that does not exist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The file, as it was named.
    pub source: String,
    /// Which of its tensors were not analysed, and why; empty for a reference.
    pub left_out: String,
    /// The name of the matrix; `gaussian` for a reference.
    pub matrix: String,
    /// The seed of a reference; empty for a matrix of the file.
    pub seed: Option<u64>,
    /// Rows.
    pub m: usize,
    /// Columns.
    pub n: usize,
    /// |W|_F.
    pub frobenius: f64,
    /// The largest singular value.
    pub sigma_1: f64,
    /// |W|_F^2 / |W|_2^2.
    pub stable_rank: f64,
    /// exp of the entropy of the singular values.
    pub effective_rank: f64,
    /// The power a of the fit s_i ~ c i^-a to all values.
    pub power_rate: Option<f64>,
    /// Its R^2.
    pub power_goodness: Option<f64>,
    /// The rate a of the fit s_i ~ c exp(-a i) to all values.
    pub exponential_rate: Option<f64>,
    /// Its R^2.
    pub exponential_goodness: Option<f64>,
    /// The exponent of a power-law tail of the density of the eigenvalues s^2.
    pub tail_exponent: Option<f64>,
    /// Its standard error.
    pub tail_error: Option<f64>,
    /// Its distance of Kolmogorov and Smirnov.
    pub tail_distance: Option<f64>,
    /// How many eigenvalues it has.
    pub tail_values: Option<usize>,
    /// The distance of Kolmogorov and Smirnov of the eigenvalues from the law of Marchenko and Pastur
    /// of noise of the same |W|_F.
    pub law_distance: f64,
    /// The standard deviation of an entry, were the bulk noise.
    pub noise: f64,
    /// The distance of the bulk, the values up to the edge, from the law of that noise.
    pub noise_distance: f64,
    /// The largest singular value that this noise explains.
    pub noise_edge: f64,
    /// How many singular values lie above it.
    pub outliers: usize,
    /// |W_64|_F^2 / |W|_F^2.
    pub energy_64: f64,
    /// The smallest rank with 90 % of |W|_F^2.
    pub rank_90: usize,
    /// The same for 95 %.
    pub rank_95: usize,
    /// The same for 99 %.
    pub rank_99: usize,
    /// The rank by the optimal hard threshold of Gavish and Donoho, unknown noise.
    pub rank_threshold: usize,
    /// That threshold.
    pub threshold: f64,
    /// The largest rank whose factors hold fewer numbers than the matrix.
    pub rank_break_even: usize,
    /// |W_r|_F^2 / |W|_F^2 at that rank.
    pub energy_break_even: f64,
    /// m n / (r (m + n)) at the rank for 90 %.
    pub compression_90: f64,
    /// The same for 95 %.
    pub compression_95: f64,
    /// The same for 99 %.
    pub compression_99: f64,
    /// The same for the hard threshold.
    pub compression_threshold: f64,
    /// Seconds of the analysis, reading aside.
    pub seconds: f64,
    /// Why it ended: `done` or `failed`.
    pub status: String,
    /// Version of the program.
    pub version: String,
    /// The singular values, to six digits.
    #[serde(with = "numbers")]
    pub spectrum: Vec<f64>,
}

impl Record for Row {
    fn status(&self) -> &str {
        &self.status
    }

    fn version(&self) -> &str {
        &self.version
    }
}

/// Numbers in one field of a table, parted by spaces.
mod numbers {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(numbers: &[f64], to: S) -> Result<S::Ok, S::Error> {
        let words: Vec<String> = numbers.iter().map(|x| format!("{x:e}")).collect();
        to.serialize_str(&words.join(" "))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
        let text = String::deserialize(from)?;
        text.split_whitespace().map(|word| word.parse().map_err(D::Error::custom)).collect()
    }
}

/// The energy of the first so many directions that is stated.
const DIRECTIONS: usize = 64;

/// Everything that is told of a matrix, in the row of its trial.
pub fn analyse(a: MatRef<'_, f64>, empty: Row) -> Result<Row> {
    let clock = Instant::now();
    let s = singular_values(a)?;
    let wishes = [
        Rank::Energy(0.9),
        Rank::Energy(0.95),
        Rank::Energy(0.99),
        Rank::HardThreshold { noise: None },
        Rank::Compression(1.0),
        Rank::Fixed(DIRECTIONS.min(s.len())),
    ];
    let table = compare_ranks(&s, a.shape(), &wishes)?;
    let [r90, r95, r99, threshold, even, first] = table.rows[..] else {
        bail!("a row is needed for every wish");
    };
    let (power, exponential) = (power_decay(&s, ..).ok(), exponential_decay(&s, ..).ok());
    let tail = eigenvalue_tail(&s, Default::default()).ok();
    let noise = fit_noise(&s, a.shape(), Default::default())?;
    Ok(Row {
        frobenius: frobenius(a),
        sigma_1: s[0],
        stable_rank: table.stable_rank,
        effective_rank: table.effective_rank,
        power_rate: power.map(|fit| fit.rate),
        power_goodness: power.map(|fit| fit.goodness),
        exponential_rate: exponential.map(|fit| fit.rate),
        exponential_goodness: exponential.map(|fit| fit.goodness),
        tail_exponent: tail.map(|fit| fit.exponent),
        tail_error: tail.map(|fit| fit.standard_error),
        tail_distance: tail.map(|fit| fit.distance),
        tail_values: tail.map(|fit| fit.values),
        law_distance: law_distance(&s, a.shape())?,
        noise: noise.noise,
        noise_distance: noise.distance,
        noise_edge: noise.edge,
        outliers: noise.outliers,
        energy_64: first.energy,
        rank_90: r90.rank,
        rank_95: r95.rank,
        rank_99: r99.rank,
        rank_threshold: threshold.rank,
        threshold: hard_threshold(&s, a.shape(), None)?,
        rank_break_even: even.rank,
        energy_break_even: even.energy,
        compression_90: r90.compression,
        compression_95: r95.compression,
        compression_99: r99.compression,
        compression_threshold: threshold.compression,
        seconds: clock.elapsed().as_secs_f64(),
        status: "done".to_string(),
        spectrum: s.iter().map(|x| format!("{x:.5e}").parse().unwrap_or(*x)).collect(),
        ..empty
    })
}

/// How far the eigenvalues s^2 are, in the sense of Kolmogorov and Smirnov, from those of noise whose
/// entries have the mean square of the matrix's; 0 for a zero matrix.
fn law_distance(s: &[f64], shape: (usize, usize)) -> Result<f64> {
    let law = MarchenkoPastur::of_shape(shape, 1.0)?;
    let unit = slice_norm(s) / (shape.0.min(shape.1) as f64).sqrt(); // s^2 / unit^2 has mean 1
    if unit == 0.0 {
        return Ok(0.0);
    }
    let count = s.len() as f64;
    Ok(s.iter().rev().enumerate().fold(0.0, |distance: f64, (i, s)| {
        let f = law.distribution((s / unit).powi(2));
        distance.max(f - i as f64 / count).max((i as f64 + 1.0) / count - f)
    }))
}

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub struct Spectra;

impl Study for Spectra {
    type Config = Config;
    type Choice = Input;
    type Trial = Trial;
    type Row = Row;

    fn program(self) -> &'static str {
        "exp_spectra"
    }

    fn stem(self) -> &'static str {
        "spectra"
    }

    fn about(self) -> String {
        "Spectra of the weight matrices of a network: decay, noise, and the ranks that criteria choose"
            .to_string()
    }

    fn text(self, preset: Preset) -> &'static str {
        match preset {
            Preset::Quick => include_str!("../presets/spectra_quick.toml"),
            Preset::Paper => include_str!("../presets/spectra_paper.toml"),
        }
    }

    fn timed(self) -> bool {
        false
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
        match trial.matrix {
            Matrix::Stored(_) => 0,
            Matrix::Gaussian(seed) => seed,
        }
    }

    fn cost(self, trial: &Trial) -> f64 {
        let (long, short) = (trial.m.max(trial.n) as f64, trial.m.min(trial.n) as f64);
        3e-10 * (2.0 * long * short * short + 4.0 * short.powi(3))
    }

    fn solve(self, _: &Config, trial: &Trial) -> Result<Row> {
        let mut empty = self.failed(trial);
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

    fn failed(self, trial: &Trial) -> Row {
        let (matrix, seed) = match trial.matrix {
            Matrix::Stored(name) => (name, None),
            Matrix::Gaussian(seed) => ("gaussian", Some(seed)),
        };
        Row {
            source: trial.source.to_string(),
            left_out: String::new(),
            matrix: matrix.to_string(),
            seed,
            m: trial.m,
            n: trial.n,
            frobenius: f64::NAN,
            sigma_1: f64::NAN,
            stable_rank: f64::NAN,
            effective_rank: f64::NAN,
            power_rate: None,
            power_goodness: None,
            exponential_rate: None,
            exponential_goodness: None,
            tail_exponent: None,
            tail_error: None,
            tail_distance: None,
            tail_values: None,
            law_distance: f64::NAN,
            noise: f64::NAN,
            noise_distance: f64::NAN,
            noise_edge: f64::NAN,
            outliers: 0,
            energy_64: f64::NAN,
            rank_90: 0,
            rank_95: 0,
            rank_99: 0,
            rank_threshold: 0,
            threshold: f64::NAN,
            rank_break_even: 0,
            energy_break_even: f64::NAN,
            compression_90: f64::NAN,
            compression_95: f64::NAN,
            compression_99: f64::NAN,
            compression_threshold: f64::NAN,
            seconds: f64::NAN,
            status: FAILED.to_string(),
            version: VERSION.to_string(),
            spectrum: Vec::new(),
        }
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
        format!("cargo run --release --bin {} -- {options}{seeds}", self.program())
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

    fn empty(m: usize, n: usize) -> Row {
        Spectra.failed(&Trial { source: "file", matrix: Matrix::Stored("w"), m, n })
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
