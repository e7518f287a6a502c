//! Poisson's equation in d dimensions by conjugate gradients with truncation: residual, separation rank
//! and time as d grows.

use crate::measure::median_seconds;
use crate::plot::separated_laplacian as plots;
use crate::plot::sheet::Sheet;
use crate::study::{NoChoice, Program, Study, distinct, program};
use crate::table::{Record, row};
use anyhow::{Context, Result, bail};
use lowrank::Separated;
use lowrank::faer::Mat;
use lowrank::random::gaussian;
use lowrank::separated::{
    ConjugateGradients, Solution, conjugate_gradients, inverse_of_kronecker_sum, laplacian, second_difference,
};
use serde::{Deserialize, Serialize};

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of repetitions; their seeds are 0, 1, ..., seeds - 1.
    pub seeds: u64,
    /// Timings of every trial; their median counts.
    pub timings: usize,
    /// Points a dimension.
    pub n: usize,
    /// Numbers of dimensions.
    pub d: Vec<usize>,
    /// Right-hand sides.
    pub right_hand_sides: Vec<RightHandSide>,
    /// Solvers.
    pub solvers: Vec<Solver>,
    /// The most seconds of a solver; one iteration more is completed.
    pub max_seconds: u64,
}

/// A right-hand side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RightHandSide {
    /// One everywhere: one term.
    Ones,
    /// Three Gaussian bumps of width 0.2 at random places: three terms.
    Bumps,
}

impl RightHandSide {
    /// All of them.
    pub const ALL: [RightHandSide; 2] = [RightHandSide::Ones, RightHandSide::Bumps];

    fn vector(self, n: usize, d: usize, seed: u64) -> Result<Separated<f64>> {
        let place = |i: usize| (i + 1) as f64 / (n + 1) as f64;
        let centres = gaussian::<f64>(3, d, seed, "centres");
        let bump = |k: usize, mode: usize| {
            let centre = 0.5 + 0.15 * centres[(k, mode)].clamp(-2.0, 2.0);
            Mat::from_fn(n, 1, |i, _| (-0.5 * ((place(i) - centre) / 0.2).powi(2)).exp())
        };
        Ok(Separated::from_terms(match self {
            RightHandSide::Ones => vec![vec![Mat::full(n, 1, 1.0); d]],
            RightHandSide::Bumps => (0..3).map(|k| (0..d).map(|mode| bump(k, mode)).collect()).collect(),
        })?)
    }
}

/// How precisely to solve, and with which preconditioner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// To 1e-8, with an exponential sum of error 1e-9.
    Fine,
    /// To 1e-6, with an exponential sum of error 1e-6.
    Medium,
    /// To 1e-3, with an exponential sum of error 0.1.
    Coarse,
}

impl Solver {
    /// All of them.
    pub const ALL: [Solver; 3] = [Solver::Fine, Solver::Medium, Solver::Coarse];

    /// The residual asked, and the error of the preconditioner.
    pub fn tolerances(self) -> (f64, f64) {
        match self {
            Solver::Fine => (1e-8, 1e-9),
            Solver::Medium => (1e-6, 1e-6),
            Solver::Coarse => (1e-3, 0.1),
        }
    }
}

/// One solve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trial {
    /// Points a dimension.
    pub n: usize,
    /// Dimensions.
    pub d: usize,
    /// Right-hand side.
    pub right_hand_side: RightHandSide,
    /// Solver.
    pub solver: Solver,
    /// Seed.
    pub seed: u64,
}

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Trial { n, d, right_hand_side, solver, seed } = self;
        write!(f, "d = {d}, n = {n}, {right_hand_side:?}, {solver:?}, seed {seed}")
    }
}

row! {
    /// A row of the table.
    Row of trial: Trial {
        /// Points a dimension.
        n: usize = trial.n,
        /// Dimensions.
        d: usize = trial.d,
        /// Right-hand side.
        right_hand_side: RightHandSide = trial.right_hand_side,
        /// Solver.
        solver: Solver = trial.solver,
        /// Seed.
        seed: u64 = trial.seed,
        /// |b - A x|_F / |b|_F.
        residual: f64 = f64::NAN,
        /// Terms of x.
        terms: usize = 0,
        /// Condition number of x.
        condition_number: f64 = f64::NAN,
        /// Terms of the preconditioner.
        preconditioner_terms: usize = 0,
        /// Iterations.
        iterations: usize = 0,
        /// Seconds of preconditioner and solve, the median.
        seconds: f64 = f64::NAN,
    } timed on threads
}

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub struct SeparatedLaplacian;

impl Study for SeparatedLaplacian {
    type Config = Config;
    type Choice = NoChoice;
    type Trial = Trial;
    type Row = Row;

    fn program(self) -> Program {
        program!(
            "separated_laplacian",
            "Poisson's equation in d dimensions by conjugate gradients with truncation: residual, \
             separation rank and time as d grows"
        )
    }

    fn check(self, config: &Config) -> Result<()> {
        if config.seeds == 0 || config.timings == 0 || config.max_seconds == 0 {
            bail!("`seeds`, `timings` and `max_seconds` are at least 1");
        }
        if !(2..=1000).contains(&config.n) || config.d.iter().any(|d| !(1..=60).contains(d)) {
            bail!("`n` is from 2 to 1000, every number of `d` from 1 to 60");
        }
        distinct("d", &config.d)?;
        distinct("right_hand_sides", &config.right_hand_sides)?;
        distinct("solvers", &config.solvers)
    }

    fn seeds(self, config: &mut Config) -> &mut u64 {
        &mut config.seeds
    }

    fn trials(self, config: &Config) -> Vec<Trial> {
        let mut out = Vec::new();
        for &right_hand_side in &config.right_hand_sides {
            for &solver in &config.solvers {
                for &d in &config.d {
                    let trial = |seed| Trial { n: config.n, d, right_hand_side, solver, seed };
                    out.extend((0..config.seeds).map(trial));
                }
            }
        }
        out
    }

    fn seed(self, trial: &Trial) -> u64 {
        trial.seed
    }

    fn cost(self, trial: &Trial) -> f64 {
        let terms =
            30.0 * trial.d as f64 * if trial.right_hand_side == RightHandSide::Ones { 1.0 } else { 3.0 };
        1e-2 + 1e-9 * terms * terms * (trial.n * trial.d) as f64
    }

    fn solve(self, config: &Config, trial: &Trial) -> Result<Row> {
        let Trial { n, d, right_hand_side, solver, seed } = *trial;
        let (tolerance, error) = solver.tolerances();
        let a = laplacian::<f64>(&vec![n; d])?;
        let b = right_hand_side.vector(n, d, seed)?;
        let mut found: Option<(Solution<f64>, usize)> = None;
        let [seconds] = median_seconds(
            config.timings,
            [&mut || {
                let p = inverse_of_kronecker_sum(&vec![second_difference(n); d], error)?.inverse;
                let parameters = ConjugateGradients {
                    tolerance,
                    preconditioner: Some(&p),
                    max_seconds: config.max_seconds as f64,
                    ..Default::default()
                };
                found = Some((conjugate_gradients(&a, &b, &parameters)?, p.separation_rank()));
                Ok(())
            }],
        )?;
        let (solution, preconditioner_terms) = found.context("no timing was asked for")?;
        Ok(Row {
            residual: solution.residual,
            terms: solution.x.separation_rank(),
            condition_number: solution.condition_number,
            preconditioner_terms,
            iterations: solution.report.iterations,
            seconds,
            status: solution.report.status.name().to_string(),
            ..Row::done(trial)
        })
    }

    fn trial(self, row: &Row) -> Result<Trial> {
        let Row { n, d, right_hand_side, solver, seed, .. } = *row;
        Ok(Trial { n, d, right_hand_side, solver, seed })
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        plots::sheets(self, rows)
    }
}
