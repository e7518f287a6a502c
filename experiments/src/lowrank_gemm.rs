//! Products of two matrices from their low-rank factors: error, speedup and the rank needed, against
//! rank, decay of the singular values, sparsity, and on weights of neural networks.

use crate::cases::{Case, nonzero_share};
use crate::families::{Family, check_sweep};
use crate::measure::{Latest, median_seconds, spectral_norm};
use crate::plot::lowrank_gemm as plots;
use crate::plot::sheet::Sheet;
use crate::study::{NoChoice, Preset, Record, Study, distinct};
use crate::table::{FAILED, VERSION};
use anyhow::{Context, Result, bail};
use lowrank::LowRank;
use lowrank::faer::Mat;
use lowrank::matmul::{Operand, chain_into, dense_into};
use lowrank::matrix::frobenius;
use lowrank::operator::Csr;
use lowrank::svd::{Randomized, Svd, randomized};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Columns of the sketches beyond the rank.
pub const OVERSAMPLING: usize = 10;
/// Power iterations of the factorizations.
pub const POWER_ITERATIONS: usize = 1;

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of repetitions; their seeds are 0, 1, ..., seeds - 1.
    pub seeds: u64,
    /// Timings of every trial; their median counts.
    pub timings: usize,
    /// The sweeps: all combinations of a sweep's lists are run.
    pub sweep: Vec<Sweep>,
}

/// Lists of which all combinations are run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// The matrices.
    pub families: Vec<Family>,
    /// Their sizes.
    pub n: Vec<usize>,
    /// Ranks.
    pub rank: Vec<usize>,
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
    /// Size.
    pub n: usize,
    /// Rank of both factorizations.
    pub rank: usize,
    /// Seed.
    pub seed: u64,
    /// |C - C_r|_F / |C|_F.
    pub error: f64,
    /// |C - C_r|_2 / |C|_2.
    pub spectral_error: f64,
    /// The smallest rank at most `rank` whose error is at most 1 %; none if there is none.
    pub rank_1_percent: Option<usize>,
    /// The same for 5 %.
    pub rank_5_percent: Option<usize>,
    /// The same for 10 %.
    pub rank_10_percent: Option<usize>,
    /// Share of nonzeros in A.
    pub nonzeros: f64,
    /// Numbers stored in the factors over those in A and B.
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
}

/// What the trials of a pair of matrices share.
struct Problem {
    a: Mat<f64>,
    b: Mat<f64>,
    sparse: Option<(Csr<f64>, Csr<f64>)>,
    product: Mat<f64>,
    norm: f64,
    spectral: f64,
}

impl Problem {
    fn new(case: Case) -> Result<Self> {
        let (a, b) = case.pair()?;
        let sparse = match case.family.density() {
            Some(_) => Some((Csr::from_dense(a.as_ref())?, Csr::from_dense(b.as_ref())?)),
            None => None,
        };
        let mut product = Mat::zeros(a.nrows(), b.ncols());
        dense_into(product.as_mut(), a.as_ref(), b.as_ref())?;
        let (norm, spectral) = (frobenius(product.as_ref()), spectral_norm(product.as_ref())?);
        if norm == 0.0 {
            bail!("A B is zero: relative errors have no meaning");
        }
        Ok(Problem { a, b, sparse, product, norm, spectral })
    }

    /// Low-rank factors of A and of B; from the nonzeros where the matrices are sparse.
    fn factors(&self, rank: usize, seed: u64) -> Result<(Svd<f64>, Svd<f64>)> {
        let with = |seed| Randomized {
            oversampling: OVERSAMPLING,
            power_iterations: POWER_ITERATIONS,
            seed,
            ..Default::default()
        };
        let (first, second) = (with(2 * seed), with(2 * seed + 1));
        Ok(match &self.sparse {
            Some((a, b)) => (randomized(a, rank, &first)?, randomized(b, rank, &second)?),
            None => (randomized(&self.a, rank, &first)?, randomized(&self.b, rank, &second)?),
        })
    }

    /// C - A_r B_r.
    fn residual(&self, a: &LowRank<f64>, b: &LowRank<f64>) -> Result<Mat<f64>> {
        let mut out = Mat::zeros(self.product.nrows(), self.product.ncols());
        chain_into(out.as_mut(), &[Operand::LowRank(a), Operand::LowRank(b)])?;
        Ok(&self.product - out)
    }

    /// |C - A_k B_k|_F / |C|_F for the factors cut down to rank k.
    fn error_at(&self, a: &Svd<f64>, b: &Svd<f64>, k: usize) -> Result<f64> {
        let cut = |svd: &Svd<f64>| svd.clone().truncate(k).into_low_rank();
        Ok(frobenius(self.residual(&cut(a), &cut(b))?.as_ref()) / self.norm)
    }
}

/// The smallest rank from 1 to `rank` whose error is at most the tolerance, by bisection: the error
/// is taken to fall with the rank. None where the error at `rank` itself is larger.
pub fn smallest_rank(
    rank: usize,
    tolerance: f64,
    mut error: impl FnMut(usize) -> Result<f64>,
) -> Result<Option<usize>> {
    if !(error(rank)? <= tolerance) {
        return Ok(None);
    }
    let (mut too_small, mut enough) = (0, rank);
    while enough - too_small > 1 {
        let middle = too_small + (enough - too_small) / 2;
        if error(middle)? <= tolerance {
            enough = middle;
        } else {
            too_small = middle;
        }
    }
    Ok(Some(enough))
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
            Preset::Quick => include_str!("../presets/lowrank_gemm_quick.toml"),
            Preset::Paper => include_str!("../presets/lowrank_gemm_paper.toml"),
        }
    }

    fn timed(self) -> bool {
        true
    }

    fn check(self, config: &Config) -> Result<()> {
        if config.seeds == 0 || config.timings == 0 || config.sweep.is_empty() {
            bail!("`seeds`, `timings` and the number of [[sweep]] tables are at least 1");
        }
        for (i, sweep) in config.sweep.iter().enumerate() {
            check_sweep(&sweep.families, &sweep.n, "rank", &sweep.rank)
                .with_context(|| format!("[[sweep]] {}", i + 1))?;
        }
        distinct("sweep", &self.trials(config)).context("two sweeps have a trial in common")
    }

    fn seeds(self, config: &mut Config) -> &mut u64 {
        &mut config.seeds
    }

    fn choose(self, _: &mut Config, _: &NoChoice) {}

    fn trials(self, config: &Config) -> Vec<Trial> {
        let mut out = Vec::new();
        for sweep in &config.sweep {
            for case in Case::all(&sweep.families, &sweep.n, config.seeds) {
                out.extend(sweep.rank.iter().map(|&rank| Trial { case, rank }));
            }
        }
        out
    }

    fn seed(self, trial: &Trial) -> u64 {
        trial.case.seed
    }

    fn cost(self, trial: &Trial) -> f64 {
        let (n, r) = (trial.case.n as f64, trial.rank as f64 + 10.0);
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
            status: "done".to_string(),
            ..self.failed(trial)
        })
    }

    fn failed(self, trial: &Trial) -> Row {
        Row {
            family: trial.case.family,
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
        Ok(Trial { case: Case { family: row.family, n: row.n, seed: row.seed }, rank: row.rank })
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        plots::sheets(self, rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_rank_is_found() {
        let error = |k: usize| Ok((-(k as f64) / 10.0).exp());
        for (tolerance, expected) in [(0.05, 30), (0.1, 24), (0.9, 2), (0.95, 1), (1.0, 1)] {
            assert_eq!(smallest_rank(64, tolerance, error).unwrap(), Some(expected), "{tolerance}");
        }
        assert_eq!(smallest_rank(64, (-6.4f64).exp(), error).unwrap(), Some(64));
        assert_eq!(smallest_rank(64, 1e-3, error).unwrap(), None);
        assert_eq!(smallest_rank(1, 0.99, error).unwrap(), Some(1));
        assert_eq!(smallest_rank(8, 0.5, |_| Ok(f64::NAN)).unwrap(), None);
    }

    /// The rank found agrees with the errors of every rank, computed one by one.
    #[test]
    fn ranks_for_an_error_agree_with_all_errors() {
        let trial = Trial { case: Case { family: Family::Fast, n: 60, seed: 1 }, rank: 40 };
        let config = LowRankGemm.preset(Preset::Quick).unwrap();
        let row = LowRankGemm.solve(&config, &trial).unwrap();
        let problem = Problem::new(trial.case).unwrap();
        let (a, b) = problem.factors(40, 1).unwrap();
        let (full_a, full_b) = (a.to_dense(), b.to_dense());
        assert!((frobenius((&problem.product - full_a * full_b).as_ref()) / problem.norm - row.error).abs() < 1e-12);
        for (found, tolerance) in
            [(row.rank_1_percent, 0.01), (row.rank_5_percent, 0.05), (row.rank_10_percent, 0.1)]
        {
            let enough = |k: &usize| {
                let (a, b) = (a.clone().truncate(*k).to_dense(), b.clone().truncate(*k).to_dense());
                frobenius((&problem.product - a * b).as_ref()) <= tolerance * problem.norm
            };
            assert_eq!(found, (1..=40).find(enough), "{tolerance}");
        }
        assert!(row.spectral_error <= 1.01 * row.error * problem.norm / problem.spectral);
    }
}
