//! Kronecker products applied to blocks of vectors, against the dense product: seconds, rate and memory
//! over the size of the factors, their number and the number of columns.

use crate::measure::median_seconds;
use crate::plot::kronecker_speed as plots;
use crate::plot::sheet::Sheet;
use crate::study::{NoChoice, Program, Study, distinct, program};
use crate::table::{Record, row};
use anyhow::{Context, Result, bail};
use lowrank::faer::Mat;
use lowrank::kronecker::Kronecker;
use lowrank::matmul::dense_into;
use lowrank::matrix::frobenius;
use lowrank::random::gaussian;
use lowrank::{Operator, Scalar};
use serde::{Deserialize, Serialize};

/// Numbers of a block of vectors at most.
const LARGEST: u64 = 1 << 27;

/// What to measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of repetitions; their seeds are 0, 1, ..., seeds - 1.
    pub seeds: u64,
    /// Timings of every trial; their median counts.
    pub timings: usize,
    /// The dense product is measured where the dense matrix takes at most this.
    pub dense_gigabytes: f64,
    /// The sweeps: all combinations of a sweep's lists are run.
    pub sweep: Vec<Sweep>,
}

/// Lists of which all combinations are run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// Number of factors, d.
    pub factors: u32,
    /// Their sizes: each is (n, n).
    pub n: Vec<usize>,
    /// Columns of the block of vectors.
    pub columns: Vec<usize>,
    /// Numbers computed in.
    pub scalars: Vec<Precision>,
}

/// Numbers computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 64 bits.
    F64,
    /// 32 bits.
    F32,
}

impl Precision {
    /// Its name in figures.
    pub fn text(self) -> &'static str {
        match self {
            Precision::F64 => "f64",
            Precision::F32 => "f32",
        }
    }

    /// Bytes of a number.
    pub fn bytes(self) -> f64 {
        match self {
            Precision::F64 => 8.0,
            Precision::F32 => 4.0,
        }
    }
}

/// One product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trial {
    /// Number of factors, d.
    pub factors: u32,
    /// Size of a factor.
    pub n: usize,
    /// Columns of the block of vectors.
    pub columns: usize,
    /// Numbers computed in.
    pub scalar: Precision,
    /// Seed.
    pub seed: u64,
}

impl Trial {
    /// n^d, the rows of the product; none where they cannot be counted.
    fn rows(&self) -> Option<usize> {
        self.n.checked_pow(self.factors)
    }

    /// n^d as a floating-point number.
    fn size(&self) -> f64 {
        (self.n as f64).powi(self.factors as i32)
    }

    /// Flops of the product mode by mode.
    fn flops(&self) -> f64 {
        2.0 * f64::from(self.factors) * self.n as f64 * self.size() * self.columns as f64
    }

    /// Flops of the dense product.
    fn dense_flops(&self) -> f64 {
        2.0 * self.size() * self.size() * self.columns as f64
    }

    fn dense_fits(&self, config: &Config) -> bool {
        self.size() * self.size() * self.scalar.bytes() <= config.dense_gigabytes * 1e9
    }
}

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Trial { factors, n, columns, scalar, seed } = self;
        write!(f, "{n}^{factors} x {columns}, {}, seed {seed}", scalar.text())
    }
}

row! {
    /// A row of the table.
    Row of trial: Trial {
        /// Numbers computed in.
        scalar: Precision = trial.scalar,
        /// Number of factors, d.
        factors: u32 = trial.factors,
        /// Size of a factor.
        n: usize = trial.n,
        /// Columns of the block of vectors.
        columns: usize = trial.columns,
        /// Seed.
        seed: u64 = trial.seed,
        /// Rows and columns of the product, n^d.
        rows: usize = trial.rows().unwrap_or(0),
        /// Seconds of the product mode by mode, the median.
        seconds: f64 = f64::NAN,
        /// Its flops in a second, over 10^9.
        gigaflops: f64 = f64::NAN,
        /// Seconds of the dense product, the median; none where the dense matrix is too large.
        dense_seconds: Option<f64> = None,
        /// Its flops in a second, over 10^9.
        dense_gigaflops: Option<f64> = None,
        /// |C - A b|_F / |A b|_F with the dense product A b in the same numbers.
        difference: Option<f64> = None,
        /// Bytes of the factors.
        bytes: f64 = trial.scalar.bytes() * f64::from(trial.factors) * (trial.n * trial.n) as f64,
        /// Bytes of the dense matrix.
        dense_bytes: f64 = trial.scalar.bytes() * trial.size() * trial.size(),
    } timed on threads
}

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub struct KroneckerSpeed;

impl Study for KroneckerSpeed {
    type Config = Config;
    type Choice = NoChoice;
    type Trial = Trial;
    type Row = Row;

    fn program(self) -> Program {
        program!(
            "kronecker_speed",
            "Kronecker products applied to blocks of vectors: seconds, rate and memory against the dense \
             product"
        )
    }

    fn check(self, config: &Config) -> Result<()> {
        if config.seeds == 0 || config.timings == 0 || config.sweep.is_empty() {
            bail!("`seeds`, `timings` and the number of [[sweep]] tables are at least 1");
        }
        if !(0.0..=1e6).contains(&config.dense_gigabytes) {
            bail!("`dense_gigabytes` = {}: a number from 0 on is needed", config.dense_gigabytes);
        }
        for (i, sweep) in config.sweep.iter().enumerate() {
            let check = || -> Result<()> {
                distinct("n", &sweep.n)?;
                distinct("columns", &sweep.columns)?;
                distinct("scalars", &sweep.scalars)?;
                if sweep.factors == 0 || sweep.n.contains(&0) || sweep.columns.contains(&0) {
                    bail!("`factors`, `n` and `columns` are at least 1");
                }
                Ok(())
            };
            check().with_context(|| format!("[[sweep]] {}", i + 1))?;
        }
        let trials = self.trials(config);
        if let Some(trial) = trials.iter().find(|t| t.size() * t.columns as f64 > LARGEST as f64) {
            bail!("{trial}: the block of vectors has more than {LARGEST} numbers");
        }
        distinct("sweep", &trials).context("two sweeps have a trial in common")
    }

    fn seeds(self, config: &mut Config) -> &mut u64 {
        &mut config.seeds
    }

    fn trials(self, config: &Config) -> Vec<Trial> {
        let mut trials = Vec::new();
        for sweep in &config.sweep {
            for &scalar in &sweep.scalars {
                for &n in &sweep.n {
                    for &columns in &sweep.columns {
                        let of = |seed| Trial { factors: sweep.factors, n, columns, scalar, seed };
                        trials.extend((0..config.seeds).map(of));
                    }
                }
            }
        }
        trials
    }

    fn seed(self, trial: &Trial) -> u64 {
        trial.seed
    }

    fn cost(self, trial: &Trial) -> f64 {
        let dense = if trial.size() <= 1e4 { trial.dense_flops() } else { 0.0 };
        1e-3 + 1e-9 * (trial.flops() + dense + 10.0 * trial.size() * trial.columns as f64)
    }

    fn kind(self, trial: &Trial) -> usize {
        trial.factors as usize
    }

    fn solve(self, config: &Config, trial: &Trial) -> Result<Row> {
        match trial.scalar {
            Precision::F64 => measure::<f64>(config, trial),
            Precision::F32 => measure::<f32>(config, trial),
        }
    }

    fn trial(self, row: &Row) -> Result<Trial> {
        let Row { factors, n, columns, scalar, seed, .. } = *row;
        Ok(Trial { factors, n, columns, scalar, seed })
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        plots::sheets(self, rows)
    }
}

fn measure<T: Scalar>(config: &Config, trial: &Trial) -> Result<Row> {
    let rows = trial.rows().context("the rows cannot be counted")?;
    let stream = |k: u32| u64::from(k) + 1000 * trial.seed;
    let factors = (0..trial.factors).map(|k| gaussian::<T>(trial.n, trial.n, stream(k), "factor")).collect();
    let a = Kronecker::new(factors)?;
    let b = gaussian::<T>(rows, trial.columns, stream(999), "block");
    let mut out = Mat::full(rows, trial.columns, T::of(1.0)); // memory that is there
    let mut apply = || Ok(a.apply_into(out.as_mut(), &b)?);
    let done = Row::done(trial);
    if !trial.dense_fits(config) {
        apply()?; // the first run is not timed
        let [seconds] = median_seconds(config.timings, [&mut apply])?;
        return Ok(Row { seconds, gigaflops: 1e-9 * trial.flops() / seconds, ..done });
    }
    let dense = a.to_dense()?;
    let mut product = Mat::full(rows, trial.columns, T::of(1.0));
    let mut full = || Ok(dense_into(product.as_mut(), &dense, &b)?);
    apply()?;
    full()?;
    let [seconds, dense_seconds] = median_seconds(config.timings, [&mut apply, &mut full])?;
    Ok(Row {
        seconds,
        gigaflops: 1e-9 * trial.flops() / seconds,
        dense_seconds: Some(dense_seconds),
        dense_gigaflops: Some(1e-9 * trial.dense_flops() / dense_seconds),
        difference: Some(frobenius(&out - &product) / frobenius(&product)),
        ..done
    })
}
