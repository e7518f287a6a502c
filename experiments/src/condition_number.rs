//! Alternating least squares on tensors that are hard for it: error and condition number, sweep by
//! sweep, with and without control, and what is left when the terms are stored in fewer bits.

use crate::plot::condition_number as plots;
use crate::plot::sheet::Sheet;
use crate::study::{NoChoice, Program, Study, distinct, program};
use crate::table::{Record, row};
use anyhow::{Result, bail};
use lowrank::faer::{Mat, Side};
use lowrank::matrix::{frobenius, slice_norm};
use lowrank::random::orthonormal;
use lowrank::separated::{Als, Precision, SeparationRank, als};
use serde::{Deserialize, Serialize};

/// The side of the tensors, which have three modes.
pub const SIDE: usize = 10;
/// Terms of the tensors of nearly parallel factors.
pub const TERMS: usize = 5;

/// A tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Problem {
    /// a a b + a b a + b a a, a and b orthonormal, fitted by two terms: three are needed, and two
    /// come as near as one likes.
    Degenerate,
    /// Five terms, the factors of each mode at inner products 0.9, fitted by five terms.
    Swamp90,
    /// The same at 0.97.
    Swamp97,
}

impl Problem {
    /// Terms of the fit.
    pub fn terms(self) -> usize {
        if self == Problem::Degenerate { 2 } else { TERMS }
    }

    /// The tensor (SIDE, SIDE, SIDE) as a vector, first index slowest.
    fn tensor(self, seed: u64) -> Result<Mat<f64>> {
        let basis = |i: usize, count| orthonormal::<f64>(SIDE, count, seed, &format!("factors of mode {i}"));
        let congruence = match self {
            Problem::Degenerate => {
                let q = basis(0, 2);
                let (a, b) = (q.col(0), q.col(1));
                return Ok(cube(|i, j, k| a[i] * a[j] * b[k] + a[i] * b[j] * a[k] + b[i] * a[j] * a[k]));
            }
            Problem::Swamp90 => 0.9,
            Problem::Swamp97 => 0.97,
        };
        let gram = Mat::from_fn(TERMS, TERMS, |i, j| if i == j { 1.0 } else { congruence });
        let Ok(root) = gram.llt(Side::Lower) else { bail!("inner products of {congruence} do not exist") };
        let factors: Vec<Mat<f64>> = (0..3).map(|i| basis(i, TERMS) * root.L().transpose()).collect();
        let entry = |at: [usize; 3], t: usize| (0..3).map(|i| factors[i][(at[i], t)]).product::<f64>();
        Ok(cube(|i, j, k| (0..TERMS).map(|t| entry([i, j, k], t)).sum()))
    }
}

fn cube(entry: impl Fn(usize, usize, usize) -> f64) -> Mat<f64> {
    Mat::from_fn(SIDE * SIDE * SIDE, 1, |at, _| entry(at / (SIDE * SIDE), at / SIDE % SIDE, at % SIDE))
}

/// What to measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of repetitions; their seeds are 0, 1, ..., seeds - 1.
    pub seeds: u64,
    /// The tensors.
    pub problems: Vec<Problem>,
    /// Numbers of sweeps after which to look.
    pub sweeps: Vec<usize>,
    /// The variants of the method.
    pub variant: Vec<Variant>,
}

/// A variant of alternating least squares.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// The largest condition number allowed; infinite for no control.
    pub bound: f64,
    /// Whether factors are extrapolated between sweeps.
    pub extrapolate: bool,
}

/// One fit of a number of sweeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trial {
    /// The tensor.
    pub problem: Problem,
    /// The bits of the bound.
    bound: u64,
    /// Whether factors are extrapolated.
    pub extrapolate: bool,
    /// Sweeps.
    pub sweeps: usize,
    /// Seed.
    pub seed: u64,
}

impl Trial {
    /// The largest condition number allowed.
    pub fn bound(&self) -> f64 {
        f64::from_bits(self.bound)
    }
}

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let how = if self.extrapolate { "extrapolated" } else { "plain" };
        write!(
            f,
            "{:?}, bound {}, {how}, {} sweeps, seed {}",
            self.problem,
            self.bound(),
            self.sweeps,
            self.seed
        )
    }
}

row! {
    /// A row of the table.
    Row of trial: Trial {
        /// The tensor A.
        problem: Problem = trial.problem,
        /// The largest condition number allowed.
        bound: f64 = trial.bound(),
        /// Whether factors are extrapolated.
        extrapolate: bool = trial.extrapolate,
        /// Sweeps asked for.
        sweeps: usize = trial.sweeps,
        /// Seed.
        seed: u64 = trial.seed,
        /// |A - M|_F / |A|_F.
        error: f64 = f64::NAN,
        /// gamma(M).
        condition_number: f64 = f64::NAN,
        /// gamma |M|_F / |A|_F: times mu, what rounding is expected to add to the error.
        weight: f64 = f64::NAN,
        /// |A - M'|_F / |A|_F for M' = M with lambdas and factors rounded to 32 bits.
        error_f32: f64 = f64::NAN,
        /// The same for half precision.
        error_f16: f64 = f64::NAN,
        /// The same for bfloat16.
        error_bf16: f64 = f64::NAN,
    }
}

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub struct ConditionNumbers;

impl Study for ConditionNumbers {
    type Config = Config;
    type Choice = NoChoice;
    type Trial = Trial;
    type Row = Row;

    fn program(self) -> Program {
        program!(
            "condition_number",
            "Alternating least squares on degenerate tensors and in swamps: error and condition number, \
             with and without control, and what is left in 32 and 16 bits"
        )
    }

    fn check(self, config: &Config) -> Result<()> {
        distinct("problems", &config.problems)?;
        distinct("sweeps", &config.sweeps)?;
        let variants: Vec<_> = config.variant.iter().map(|v| (v.bound.to_bits(), v.extrapolate)).collect();
        distinct("variant", &variants)?;
        if config.seeds == 0 || config.sweeps.contains(&0) {
            bail!("`seeds` and all `sweeps` are at least 1");
        }
        if let Some(variant) = config.variant.iter().find(|v| !(v.bound >= 1.01)) {
            bail!("`bound` = {} is below 1.01, and a single term has the condition number 1", variant.bound);
        }
        Ok(())
    }

    fn seeds(self, config: &mut Config) -> &mut u64 {
        &mut config.seeds
    }

    fn trials(self, config: &Config) -> Vec<Trial> {
        let mut out = Vec::new();
        for &problem in &config.problems {
            for &Variant { bound, extrapolate } in &config.variant {
                for &sweeps in &config.sweeps {
                    let bound = bound.to_bits();
                    out.extend((0..config.seeds).map(|seed| Trial {
                        problem,
                        bound,
                        extrapolate,
                        sweeps,
                        seed,
                    }));
                }
            }
        }
        out
    }

    fn seed(self, trial: &Trial) -> u64 {
        trial.seed
    }

    fn cost(self, trial: &Trial) -> f64 {
        1e-4 * trial.sweeps as f64
    }

    fn solve(self, _: &Config, trial: &Trial) -> Result<Row> {
        let a = trial.problem.tensor(trial.seed)?;
        let parameters = Als {
            rank: SeparationRank::Fixed(trial.problem.terms()),
            condition_bound: trial.bound(),
            progress: 0.0,
            max_iterations: trial.sweeps,
            seed: trial.seed,
            extrapolate: trial.extrapolate,
            ..Default::default()
        };
        let fit = als(&a, &[(SIDE, 1); 3], &parameters)?;
        let m = &fit.separated;
        let stored = |precision: Precision| -> Result<f64> {
            Ok(frobenius(&a - m.rounded(precision)?.to_dense()?) / fit.norm)
        };
        Ok(Row {
            error: fit.relative_error(),
            condition_number: fit.condition_number,
            weight: slice_norm(m.lambda()) / fit.norm,
            error_f32: stored(Precision::F32)?,
            error_f16: stored(Precision::F16)?,
            error_bf16: stored(Precision::Bf16)?,
            status: fit.report.status.to_string(),
            ..Row::done(trial)
        })
    }

    fn trial(self, row: &Row) -> Result<Trial> {
        let (problem, bound, extrapolate) = (row.problem, row.bound.to_bits(), row.extrapolate);
        Ok(Trial { problem, bound, extrapolate, sweeps: row.sweeps, seed: row.seed })
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        plots::sheets(self, rows)
    }
}
