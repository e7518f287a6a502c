//! Products of two matrices from their low-rank factors: error, speedup and the rank needed, against
//! rank, decay of the singular values, sparsity, and on weights of neural networks.

mod problem;

use crate::cases::{Case, nonzero_share};
use crate::families::{Family, check_sweep};
use crate::measure::{Latest, median_seconds, spectral_norm};
use crate::plot::lowrank_gemm as plots;
use crate::plot::sheet::Sheet;
use crate::study::{NoChoice, Preset, Record, Study};
use crate::sweeps::{Lists, Sweeps};
use crate::table::{FAILED, VERSION};
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

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The family.
    pub family: Family,
    /// Where weights come from; empty for other families.
    pub weights: String,
    /// Size.
    pub n: usize,
    /// Rank of both factorizations.
    pub rank: usize,
    /// Seed.
    pub seed: u64,
    /// |C - C_r|_F / |C|_F.
    pub error: f64,
    /// |C - C_r|_2 / |C|_2; both estimates from below, within about 1 %.
    pub spectral_error: f64,
    /// The smallest rank at most `rank` whose error is at most 1 %; none if there is none.
    pub rank_1_percent: Option<usize>,
    /// The same for 5 %.
    pub rank_5_percent: Option<usize>,
    /// The same for 10 %.
    pub rank_10_percent: Option<usize>,
    /// Share of nonzeros in A.
    pub nonzeros: f64,
    /// Numbers in the factors over those of A and B stored densely, also where A and B are sparse.
    pub memory: f64,
    /// Seconds of the full product, the median.
    pub full_seconds: f64,
    /// Seconds of the product of the factors into a dense matrix, the median.
    pub online_seconds: f64,
    /// Seconds of both factorizations, the median.
    pub offline_seconds: f64,
    /// Threads of each.
    pub threads: usize,
    /// Why it ended: `done` or `failed`.
    pub status: String,
    /// Version of the program.
    pub version: String,
}

impl Record for Row {
    fn status(&self) -> &str {
        &self.status
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn threads(&self) -> Option<usize> {
        Some(self.threads)
    }
}

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub struct LowRankGemm;

impl Study for LowRankGemm {
    type Config = Config;
    type Choice = NoChoice;
    type Trial = Trial;
    type Row = Row;

    fn program(self) -> &'static str {
        "exp_lowrank_gemm"
    }

    fn stem(self) -> &'static str {
        "lowrank_gemm"
    }

    fn about(self) -> String {
        "Products from low-rank factors: error, speedup and the rank needed, against rank, decay and sparsity"
            .to_string()
    }

    fn text(self, preset: Preset) -> &'static str {
        match preset {
            Preset::Quick => include_str!("../../presets/lowrank_gemm_quick.toml"),
            Preset::Paper => include_str!("../../presets/lowrank_gemm_paper.toml"),
        }
    }

    fn timed(self) -> bool {
        true
    }

    fn check(self, config: &Config) -> Result<()> {
        config.check()
    }

    fn seeds(self, config: &mut Config) -> &mut u64 {
        &mut config.seeds
    }

    fn choose(self, _: &mut Config, _: &NoChoice) {}

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
            threads: rayon::current_num_threads(),
            n: problem.size(),
            status: "done".to_string(),
            ..self.failed(trial)
        })
    }

    fn failed(self, trial: &Trial) -> Row {
        Row {
            family: trial.case.family,
            weights: trial.case.weights.to_string(),
            n: trial.case.n,
            rank: trial.rank,
            seed: trial.case.seed,
            error: f64::NAN,
            spectral_error: f64::NAN,
            rank_1_percent: None,
            rank_5_percent: None,
            rank_10_percent: None,
            nonzeros: f64::NAN,
            memory: f64::NAN,
            full_seconds: f64::NAN,
            online_seconds: f64::NAN,
            offline_seconds: f64::NAN,
            threads: 0,
            status: FAILED.to_string(),
            version: VERSION.to_string(),
        }
    }

    fn trial(self, row: &Row) -> Result<Trial> {
        Ok(Trial { case: Case::of_row(row.family, &row.weights, row.n, row.seed), rank: row.rank })
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        plots::sheets(self, rows)
    }
}
