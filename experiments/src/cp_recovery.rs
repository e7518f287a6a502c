//! Whether the terms of a noisy tensor are found again, and in what time: variants of alternating least
//! squares over rank, noise, collinearity and missing entries.

use crate::measure::median_seconds;
use crate::plot::cp_recovery as plots;
use crate::plot::sheet::Sheet;
use crate::study::{NoChoice, Program, Study, distinct, program};
use crate::table::{Record, row};
use anyhow::{Context, Result, bail};
use lowrank::faer::{Mat, Side};
use lowrank::ndarray::{ArrayD, IxDyn};
use lowrank::random::{gaussian, orthonormal};
use lowrank::tensor::Cp;
use lowrank::tensor::cp::{CpAls, CpStart, Masked, cp_als, cp_masked, match_terms};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// A term is found where its cosine with its partner in the fit is at least this.
pub const FOUND: f64 = 0.95;
/// The bound of gamma of [`Method::Bounded`].
pub const BOUND: f64 = 10.0;
/// Sweeps at most.
const SWEEPS: usize = 2000;

/// What to measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of repetitions; their seeds are 0, 1, ..., seeds - 1.
    pub seeds: u64,
    /// The tensors are (n, n, n).
    pub n: usize,
    /// The variants.
    pub methods: Vec<Method>,
    /// The sweeps: all combinations of a sweep's lists are run, each once.
    pub sweep: Vec<Sweep>,
}

/// Lists of which all combinations are run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// Numbers of terms.
    pub rank: Vec<usize>,
    /// |noise|_F / |exact|_F in percent.
    pub noise: Vec<u32>,
    /// Inner product of any two unit columns of a factor, in percent.
    pub congruence: Vec<u32>,
    /// Entries that are missing, in percent.
    pub missing: Vec<u32>,
}

/// A variant of alternating least squares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// No extrapolation, no bound.
    Plain,
    /// Extrapolated, no bound.
    Extrapolated,
    /// Extrapolated, gamma at most [`BOUND`].
    Bounded,
    /// Extrapolated, from the core of a Tucker decomposition.
    Compressed,
    /// Extrapolated, the observed entries alone.
    Masked,
}

/// One fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trial {
    /// Size of a mode.
    pub n: usize,
    /// Number of terms.
    pub rank: usize,
    /// Percent of noise.
    pub noise: u32,
    /// Percent of congruence.
    pub congruence: u32,
    /// Percent of entries missing.
    pub missing: u32,
    /// The variant.
    pub method: Method,
    /// Seed.
    pub seed: u64,
}

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Trial { n, rank, noise, congruence, missing, method, seed } = self;
        write!(
            f,
            "{n}^3, rank {rank}, noise {noise} %, congruence {congruence} %, missing {missing} %, {method:?}, seed {seed}"
        )
    }
}

row! {
    /// A row of the table.
    Row of trial: Trial {
        /// Size of a mode.
        n: usize = trial.n,
        /// Number of terms.
        rank: usize = trial.rank,
        /// Percent of noise.
        noise: u32 = trial.noise,
        /// Percent of congruence.
        congruence: u32 = trial.congruence,
        /// Percent of entries missing.
        missing: u32 = trial.missing,
        /// The variant.
        method: Method = trial.method,
        /// Seed.
        seed: u64 = trial.seed,
        /// The smallest over the terms of the cosine with its partner in the fit.
        score: f64 = f64::NAN,
        /// |exact - X|_F / |exact|_F, without the noise and with all entries.
        error: f64 = f64::NAN,
        /// gamma of the fit.
        condition_number: f64 = f64::NAN,
        /// Sweeps over the tensor.
        sweeps: usize = 0,
        /// Why the fit ended.
        end: String = String::new(),
        /// Seconds.
        seconds: f64 = f64::NAN,
    } timed on threads
}

impl Row {
    /// Whether every term was found.
    pub fn found(&self) -> bool {
        self.score >= FOUND
    }
}

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub struct CpRecovery;

impl Study for CpRecovery {
    type Config = Config;
    type Choice = NoChoice;
    type Trial = Trial;
    type Row = Row;

    fn program(self) -> Program {
        program!(
            "cp_recovery",
            "Terms of a noisy tensor found again: success and seconds of variants of alternating least squares"
        )
    }

    fn check(self, config: &Config) -> Result<()> {
        if config.seeds == 0 || config.n < 2 || config.sweep.is_empty() {
            bail!("`seeds` and the number of [[sweep]] tables are at least 1, `n` at least 2");
        }
        distinct("methods", &config.methods)?;
        for (i, sweep) in config.sweep.iter().enumerate() {
            let check = || -> Result<()> {
                distinct("rank", &sweep.rank)?;
                distinct("noise", &sweep.noise)?;
                distinct("congruence", &sweep.congruence)?;
                distinct("missing", &sweep.missing)?;
                if sweep.rank.iter().any(|r| *r == 0 || *r > config.n) {
                    bail!("`rank` is from 1 to n = {}", config.n);
                }
                if sweep.congruence.iter().chain(&sweep.missing).any(|percent| *percent > 99) {
                    bail!("`congruence` and `missing` are at most 99 percent");
                }
                Ok(())
            };
            check().with_context(|| format!("[[sweep]] {}", i + 1))?;
        }
        Ok(())
    }

    fn seeds(self, config: &mut Config) -> &mut u64 {
        &mut config.seeds
    }

    fn trials(self, config: &Config) -> Vec<Trial> {
        let (mut trials, mut known) = (Vec::new(), HashSet::new());
        let n = config.n;
        for sweep in &config.sweep {
            for (&rank, &noise) in sweep.rank.iter().flat_map(|r| sweep.noise.iter().map(move |x| (r, x))) {
                for &congruence in &sweep.congruence {
                    for &missing in &sweep.missing {
                        for &method in &config.methods {
                            let of = |seed| Trial { n, rank, noise, congruence, missing, method, seed };
                            trials.extend((0..config.seeds).map(of).filter(|trial| known.insert(*trial)));
                        }
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
        let sweeps = 50.0 / (1.001 - 0.01 * f64::from(trial.congruence));
        let more = if trial.method == Method::Masked { trial.rank as f64 } else { 1.0 };
        1e-3 + 1e-9 * sweeps * (trial.n as f64).powi(3) * trial.rank as f64 * more
    }

    fn kind(self, trial: &Trial) -> usize {
        trial.method as usize
    }

    fn solve(self, _: &Config, trial: &Trial) -> Result<Row> {
        let problem = Problem::new(trial)?;
        let mut found = None;
        let [seconds] = median_seconds(
            1,
            [&mut || {
                found = Some(problem.fit(trial)?);
                Ok(())
            }],
        )?;
        let Found { cp, condition_number, sweeps, end } = found.context("no fit was made")?;
        let (norm, error) = (problem.exact.frobenius()?, cp.error(problem.exact.to_dense()?.view())?);
        let score = match_terms(&problem.exact, &cp)?.congruences.into_iter().fold(1.0, f64::min);
        let error = error / norm;
        Ok(Row { score, error, condition_number, sweeps, end, seconds, ..Row::done(trial) })
    }

    fn trial(self, row: &Row) -> Result<Trial> {
        let Row { n, rank, noise, congruence, missing, method, seed, .. } = *row;
        Ok(Trial { n, rank, noise, congruence, missing, method, seed })
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        plots::sheets(self, rows)
    }
}

/// The terms, and the tensor they are to be found in.
struct Problem {
    exact: Cp<f64>,
    noisy: ArrayD<f64>,
    observed: ArrayD<bool>,
}

/// What a fit gave.
struct Found {
    cp: Cp<f64>,
    condition_number: f64,
    sweeps: usize,
    end: String,
}

impl Problem {
    fn new(trial: &Trial) -> Result<Self> {
        let Trial { n, rank, seed, .. } = *trial;
        let congruence = 0.01 * f64::from(trial.congruence);
        let gram = Mat::from_fn(rank, rank, |k, l| if k == l { 1.0 } else { congruence });
        let root = gram.llt(Side::Lower).ok().context("the factors' Gram matrix is not definite")?;
        let mode = |i: u64| orthonormal::<f64>(n, rank, 3 * seed + i, "factor") * root.L().transpose();
        let exact = Cp::new(vec![1.0; rank], (0..3).map(mode).collect())?;
        let noise = gaussian::<f64>(n * n, n, seed, "noise");
        let chance = gaussian::<f64>(n * n, n, seed, "chance");
        let size = 0.01 * f64::from(trial.noise) * exact.frobenius()? / noise.norm_l2();
        let mut noisy = exact.to_dense()?;
        let place = |i: &lowrank::ndarray::IxDyn| (n * i[0] + i[1], i[2]);
        noisy.indexed_iter_mut().for_each(|(i, x)| *x += size * noise[place(&i)]);
        // The entries of the smallest numbers are missing.
        let mut order: Vec<(usize, usize)> = (0..n * n).flat_map(|i| (0..n).map(move |j| (i, j))).collect();
        order.sort_by(|x, y| chance[*x].total_cmp(&chance[*y]));
        let mut observed = ArrayD::from_elem(IxDyn(&[n; 3]), true);
        for &(row, j) in &order[..order.len() * trial.missing as usize / 100] {
            let at = [row / n, row % n, j];
            (observed[at], noisy[at]) = (false, 0.0);
        }
        Ok(Problem { exact, noisy, observed })
    }

    fn fit(&self, trial: &Trial) -> Result<Found> {
        let Trial { rank, seed, .. } = *trial;
        if trial.method == Method::Masked {
            let parameters = Masked { rank, seed, max_iterations: SWEEPS, ..Default::default() };
            let fit = cp_masked(self.noisy.view(), self.observed.view(), &parameters)?;
            let (sweeps, end) = (fit.report.iterations, fit.report.status.to_string());
            return Ok(Found { cp: fit.cp, condition_number: fit.condition_number, sweeps, end });
        }
        let parameters = CpAls {
            seed,
            max_iterations: SWEEPS,
            condition_bound: if trial.method == Method::Bounded { BOUND } else { f64::INFINITY },
            extrapolate: trial.method != Method::Plain,
            start: if trial.method == Method::Compressed { CpStart::Compressed } else { CpStart::Leading },
            ..Default::default()
        };
        let fit = cp_als(self.noisy.view(), rank, &parameters)?;
        let (sweeps, end) = (fit.report.iterations, fit.report.status.to_string());
        Ok(Found { cp: fit.cp, condition_number: fit.condition_number, sweeps, end })
    }
}
