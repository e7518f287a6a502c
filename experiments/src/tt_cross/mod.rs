//! Cross approximation of functions by tensor trains: evaluations and error against the tolerance asked,
//! and whether what is reported is true, hidden peaks included.

pub mod functions;

use crate::plot::sheet::Sheet;
use crate::plot::tt_cross as plots;
use crate::study::{NoChoice, Program, Study, distinct, program};
use crate::table::{Record, row};
use anyhow::{Context, Result, bail};
pub use functions::Function;
use functions::Problem;
use lowrank::tensor::train::{Cross, CrossTrain, cross, quantized_cross};
use serde::{Deserialize, Serialize};

/// Random points at which the true error is measured.
pub const FRESH: usize = 10_000;

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of repetitions; their seeds are 0, 1, ..., seeds - 1.
    pub seeds: u64,
    /// The most evaluations of a search before its last check.
    pub max_evaluations: usize,
    /// The sweeps: all combinations of a sweep's lists are run.
    pub sweep: Vec<Sweep>,
}

/// Lists of which all combinations are run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// Functions.
    pub functions: Vec<Function>,
    /// The tolerances are 10 to the power of minus these.
    pub digits: Vec<u32>,
    /// Random points of a check.
    pub check_points: Vec<usize>,
}

/// One search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trial {
    /// Function.
    pub function: Function,
    /// The tolerance is 10 to the power of minus this.
    pub digits: u32,
    /// Random points of a check.
    pub check_points: usize,
    /// Seed.
    pub seed: u64,
}

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Trial { function, digits, check_points, seed } = self;
        write!(f, "{function:?}, tolerance 1e-{digits}, {check_points} points a check, seed {seed}")
    }
}

row! {
    /// A row of the table. Errors are relative to the largest |f| of all points, but for the root mean
    /// squares.
    Row of trial: Trial {
        /// Function.
        function: Function = trial.function,
        /// The tolerance is 10 to the power of minus this.
        digits: u32 = trial.digits,
        /// Random points of a check.
        check_points: usize = trial.check_points,
        /// Seed.
        seed: u64 = trial.seed,
        /// Calls of the function.
        evaluations: usize = 0,
        /// Sweeps over the bonds.
        sweeps: usize = 0,
        /// Largest rank.
        rank: usize = 0,
        /// Stored numbers.
        parameters: usize = 0,
        /// Largest |f - X| at fresh random points.
        max_error: f64 = f64::NAN,
        /// |f - X| over |f|, root mean squares over fresh random points.
        rms_error: f64 = f64::NAN,
        /// Largest |f - X| at and beside the peaks, where there are any.
        peak_error: Option<f64> = None,
        /// Largest |f - X| that was reported.
        reported_error: f64 = f64::NAN,
        /// Root mean squares that were reported.
        reported_rms: f64 = f64::NAN,
        /// |f - X| at the point said to be missed, if one was.
        missed: Option<f64> = None,
    }
}

impl Row {
    /// The largest true error seen.
    pub fn true_error(&self) -> f64 {
        self.max_error.max(self.peak_error.unwrap_or(0.0))
    }
}

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub struct TtCross;

impl Study for TtCross {
    type Config = Config;
    type Choice = NoChoice;
    type Trial = Trial;
    type Row = Row;

    fn program(self) -> Program {
        program!(
            "tt_cross",
            "Cross approximation of functions by tensor trains: evaluations, true and reported errors against \
             the tolerance"
        )
    }

    fn check(self, config: &Config) -> Result<()> {
        if config.seeds == 0 || config.max_evaluations == 0 || config.sweep.is_empty() {
            bail!("`seeds`, `max_evaluations` and the number of [[sweep]] tables are at least 1");
        }
        for (i, sweep) in config.sweep.iter().enumerate() {
            let lists = || {
                if sweep.digits.iter().any(|d| !(1..=14).contains(d)) || sweep.check_points.contains(&0) {
                    bail!("every number of `digits` is from 1 to 14, of `check_points` at least 1");
                }
                distinct("functions", &sweep.functions)?;
                distinct("digits", &sweep.digits)?;
                distinct("check_points", &sweep.check_points)
            };
            lists().with_context(|| format!("[[sweep]] {}", i + 1))?;
        }
        distinct("sweep", &self.trials(config)).context("two sweeps have a trial in common")
    }

    fn seeds(self, config: &mut Config) -> &mut u64 {
        &mut config.seeds
    }

    fn trials(self, config: &Config) -> Vec<Trial> {
        let mut out = Vec::new();
        for sweep in &config.sweep {
            for &function in &sweep.functions {
                for &digits in &sweep.digits {
                    for &check_points in &sweep.check_points {
                        out.extend((0..config.seeds).map(|seed| Trial {
                            function,
                            digits,
                            check_points,
                            seed,
                        }));
                    }
                }
            }
        }
        out
    }

    fn seed(self, trial: &Trial) -> u64 {
        trial.seed
    }

    fn cost(self, trial: &Trial) -> f64 {
        let hard = if matches!(trial.function, Function::Ackley | Function::Kink) { 30.0 } else { 1.0 };
        0.01 + 1e-3 * hard * f64::from(trial.digits.pow(2)) + 2e-6 * trial.check_points as f64
    }

    fn kind(self, trial: &Trial) -> usize {
        trial.function as usize
    }

    fn solve(self, config: &Config, trial: &Trial) -> Result<Row> {
        let Trial { function, digits, check_points, seed } = *trial;
        let problem = Problem::new(function, seed);
        let (f, shape) = (&problem.f, &problem.shape);
        let parameters = Cross {
            tolerance: 0.1f64.powi(digits as i32),
            max_evaluations: config.max_evaluations,
            check_points,
            points: if function == Function::KnownPeak { &problem.peaks } else { &[] },
            seed,
            ..Default::default()
        };
        let quantized = function == Function::Quantized;
        let found: CrossTrain<f64> =
            if quantized { quantized_cross(f, shape, parameters) } else { cross(f, shape, parameters) }?;
        let entry = |index: &[usize]| match quantized {
            true => found.train.entry_quantized(shape, index),
            false => found.train.entry(index),
        };
        let values = |points: Vec<Vec<usize>>| -> Result<Vec<(f64, f64)>> {
            points.iter().map(|index| Ok((f(index), f(index) - entry(index)?))).collect()
        };
        let (fresh, peaks) = (values(problem.fresh(FRESH, seed))?, values(problem.near_peaks(seed))?);
        let largest = fresh.iter().chain(&peaks).fold(found.largest, |a, v| a.max(v.0.abs()));
        let worst = |of: &[(f64, f64)]| of.iter().fold(0.0f64, |a, v| a.max(v.1.abs())) / largest;
        let norm = |part: fn(&(f64, f64)) -> f64| fresh.iter().map(|v| part(v).powi(2)).sum::<f64>().sqrt();
        Ok(Row {
            evaluations: found.evaluations,
            sweeps: found.report.iterations,
            rank: found.train.ranks().into_iter().max().unwrap_or(1),
            parameters: found.train.parameters(),
            max_error: worst(&fresh),
            rms_error: norm(|v| v.1) / norm(|v| v.0),
            peak_error: (!peaks.is_empty()).then(|| worst(&peaks)),
            reported_error: found.report.error / largest,
            reported_rms: found.relative_error,
            missed: found.missed.map(|missed| missed.residual / largest),
            status: found.report.status.name().to_string(),
            ..Row::done(trial)
        })
    }

    fn trial(self, row: &Row) -> Result<Trial> {
        let Row { function, digits, check_points, seed, .. } = *row;
        Ok(Trial { function, digits, check_points, seed })
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        plots::sheets(self, rows)
    }
}
