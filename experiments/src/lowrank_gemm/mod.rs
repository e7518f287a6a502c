//! Products of two matrices from their low-rank factors: error, speedup and the rank needed, against
//! rank, decay of the singular values, sparsity, and on weights of neural networks.

mod problem;

use crate::cases::{Case, nonzero_share};
use crate::families::{Family, check_sweep};
use crate::measure::{Latest, median_seconds, spectral_norm};
use crate::plot::lowrank_gemm as plots;
use crate::plot::sheet::Sheet;
use crate::study::{NoChoice, Program, Study, program};
use crate::sweeps::{Lists, Sweeps};
use crate::table::{Record, row};
use anyhow::Result;
use lowrank::faer::Mat;
use lowrank::matmul::{Operand, chain_into, dense_into};
use lowrank::matrix::frobenius;
use problem::{Problem, smallest_rank};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Columns of the sketches beyond the rank.
pub const OVERSAMPLING: usize = 10;
/// Power iterations of the factorizations.
pub const POWER_ITERATIONS: usize = 1;

/// What to measure.
pub type Config = Sweeps<Sweep>;

/// Lists of which all combinations are run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// The matrices.
    pub families: Vec<Family>,
    /// Their sizes.
    #[serde(default)]
    pub n: Vec<usize>,
    /// Products of stored weights, for the family of this name.
    #[serde(default)]
    pub weights: Vec<String>,
    /// Ranks.
    pub rank: Vec<usize>,
}

impl Lists for Sweep {
    type Trial = Trial;

    fn matrices(&self) -> (&[Family], &[usize], &[String]) {
        (&self.families, &self.n, &self.weights)
    }

    fn check(&self) -> Result<()> {
        check_sweep(&self.families, &self.n, &self.weights, ("rank", &self.rank))
    }

    fn trials(&self, case: Case) -> Vec<Trial> {
        self.rank.iter().map(|&rank| Trial { case, rank }).collect()
    }
}

/// One product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trial {
    /// The matrices.
    pub case: Case,
    /// Rank of both factorizations.
    pub rank: usize,
}

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, rank {}", self.case, self.rank)
    }
}

row! {
    /// A row of the table.
    Row of trial: Trial {
        /// The family.
        family: Family = trial.case.family,
        /// Where weights come from; empty for other families.
        weights: String = trial.case.weights.to_string(),
        /// Size.
        n: usize = trial.case.n,
        /// Rank of both factorizations.
        rank: usize = trial.rank,
        /// Seed.
        seed: u64 = trial.case.seed,
        /// |C - C_r|_F / |C|_F.
        error: f64 = f64::NAN,
        /// |C - C_r|_2 / |C|_2; both estimates from below, within about 1 %.
        spectral_error: f64 = f64::NAN,
        /// The smallest rank at most `rank` whose error is at most 1 %; none if there is none.
        rank_1_percent: Option<usize> = None,
        /// The same for 5 %.
        rank_5_percent: Option<usize> = None,
        /// The same for 10 %.
        rank_10_percent: Option<usize> = None,
        /// Share of nonzeros in A.
        nonzeros: f64 = f64::NAN,
        /// Numbers in the factors over those of A and B stored densely, also where A and B are sparse.
        memory: f64 = f64::NAN,
        /// Seconds of the full product, the median.
        full_seconds: f64 = f64::NAN,
        /// Seconds of the product of the factors into a dense matrix, the median.
        online_seconds: f64 = f64::NAN,
        /// Seconds of both factorizations, the median.
        offline_seconds: f64 = f64::NAN,
    } timed on threads
}

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub struct LowRankGemm;

impl Study for LowRankGemm {
    type Config = Config;
    type Choice = NoChoice;
    type Trial = Trial;
    type Row = Row;

    fn program(self) -> Program {
        program!(
            "lowrank_gemm",
            "Products from low-rank factors: error, speedup and the rank needed, against rank, decay and \
             sparsity"
        )
    }

    fn check(self, config: &Config) -> Result<()> {
        config.check()
    }

    fn seeds(self, config: &mut Config) -> &mut u64 {
        &mut config.seeds
    }

    fn trials(self, config: &Config) -> Vec<Trial> {
        config.trials()
    }

    fn seed(self, trial: &Trial) -> u64 {
        trial.case.seed
    }

    fn cost(self, trial: &Trial) -> f64 {
        let (n, r) = (trial.case.n.max(384) as f64, trial.rank as f64 + 10.0);
        1e-3 + 1e-10 * (8.0 * n * n * n + 80.0 * n * n * r + 200.0 * n * r * r)
    }

    fn kind(self, trial: &Trial) -> usize {
        trial.case.n
    }

    fn solve(self, config: &Config, trial: &Trial) -> Result<Row> {
        static LATEST: Latest<Case, Problem> = Latest::new();
        let problem = LATEST.get(trial.case, || Problem::new(trial.case))?;
        let (a, b) = (problem.a.as_ref(), problem.b.as_ref());
        let (svd_a, svd_b) = problem.factors(trial.rank, trial.case.seed)?;
        let (left, right) = (svd_a.clone().into_low_rank(), svd_b.clone().into_low_rank());
        let pair = [Operand::LowRank(&left), Operand::LowRank(&right)];
        let mut out = Mat::zeros(a.nrows(), b.ncols());
        let mut same = Mat::zeros(a.nrows(), b.ncols());
        let [full_seconds, online_seconds, offline_seconds] = median_seconds(
            config.timings,
            [
                &mut || Ok(dense_into(out.as_mut(), a, b)?),
                &mut || Ok(chain_into(same.as_mut(), &pair)?),
                &mut || {
                    let (a, b) = problem.factors(trial.rank, trial.case.seed)?;
                    std::hint::black_box((a.into_low_rank(), b.into_low_rank()));
                    Ok(())
                },
            ],
        )?;
        let residual = problem.residual(&left, &right)?;
        let error = frobenius(residual.as_ref()) / problem.norm;
        let mut known = BTreeMap::from([(trial.rank, error)]);
        let mut needed = |tolerance| {
            smallest_rank(trial.rank, tolerance, |k| {
                if let Some(error) = known.get(&k) {
                    return Ok(*error);
                }
                let error = problem.error_at(&svd_a, &svd_b, k)?;
                known.insert(k, error);
                Ok(error)
            })
        };
        let stored = (left.parameters() + right.parameters()) as f64;
        Ok(Row {
            error,
            spectral_error: spectral_norm(residual.as_ref())? / problem.spectral,
            rank_1_percent: needed(0.01)?,
            rank_5_percent: needed(0.05)?,
            rank_10_percent: needed(0.1)?,
            nonzeros: nonzero_share(&problem.a),
            memory: stored / (a.nrows() * a.ncols() + b.nrows() * b.ncols()) as f64,
            full_seconds,
            online_seconds,
            offline_seconds,
            n: problem.size(),
            ..Row::done(trial)
        })
    }

    fn trial(self, row: &Row) -> Result<Trial> {
        Ok(Trial { case: Case::of_row(row.family, &row.weights, row.n, row.seed), rank: row.rank })
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        plots::sheets(self, rows)
    }
}
