//! Randomized singular value decompositions beside the dense one: error over the optimum, and time,
//! against rank, power iterations and sketch.

use crate::cases::Case;
use crate::families::{Family, check_sweep};
use crate::measure::{Latest, median_seconds, spectral_norm};
use crate::plot::rsvd as plots;
use crate::plot::sheet::Sheet;
use crate::study::{NoChoice, Program, Study, distinct, program};
use crate::sweeps::{Lists, Sweeps};
use crate::table::{Record, row};
use anyhow::{Context, Result, bail};
use lowrank::faer::Mat;
use lowrank::matrix::{frobenius, slice_norm};
use lowrank::operator::Csr;
use lowrank::random;
use lowrank::svd::{Randomized, Svd, dense, randomized};
use serde::{Deserialize, Serialize};

/// Columns of the sketch beyond the rank.
pub const OVERSAMPLING: usize = 10;

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
    /// Numbers of power iterations.
    pub power_iterations: Vec<usize>,
    /// Distributions of the sketch.
    pub sketches: Vec<Sketch>,
}

impl Lists for Sweep {
    type Trial = Trial;

    fn matrices(&self) -> (&[Family], &[usize], &[String]) {
        (&self.families, &self.n, &self.weights)
    }

    fn check(&self) -> Result<()> {
        check_sweep(&self.families, &self.n, &self.weights, ("rank", &self.rank))?;
        distinct("power_iterations", &self.power_iterations)?;
        distinct("sketches", &self.sketches)
    }

    fn trials(&self, case: Case) -> Vec<Trial> {
        let mut out = Vec::new();
        for &rank in &self.rank {
            for &power_iterations in &self.power_iterations {
                let trial = |&sketch| Trial { case, rank, power_iterations, sketch };
                out.extend(self.sketches.iter().map(trial));
            }
        }
        out
    }
}

/// The distribution of the sketch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sketch {
    /// Gaussian entries.
    Gaussian,
    /// Eight entries of 1 or -1 in a row.
    SparseSign,
    /// Random signs and columns of a Hadamard matrix.
    Hadamard,
}

impl Sketch {
    /// Its name in configurations and tables.
    pub fn name(self) -> &'static str {
        match self {
            Sketch::Gaussian => "gaussian",
            Sketch::SparseSign => "sparse-sign",
            Sketch::Hadamard => "hadamard",
        }
    }

    fn library(self) -> random::Sketch {
        match self {
            Sketch::Gaussian => random::Sketch::Gaussian,
            Sketch::SparseSign => random::Sketch::SparseSign { nonzeros: 8 },
            Sketch::Hadamard => random::Sketch::Hadamard,
        }
    }
}

/// One decomposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trial {
    /// The matrix.
    pub case: Case,
    /// Rank.
    pub rank: usize,
    /// Power iterations.
    pub power_iterations: usize,
    /// The distribution of the sketch.
    pub sketch: Sketch,
}

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (case, rank, q) = (self.case, self.rank, self.power_iterations);
        write!(f, "{case}, rank {rank}, {q} power iterations, {} sketch", self.sketch.name())
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
        /// Rank.
        rank: usize = trial.rank,
        /// Power iterations.
        power_iterations: usize = trial.power_iterations,
        /// The distribution of the sketch.
        sketch: Sketch = trial.sketch,
        /// Seed.
        seed: u64 = trial.case.seed,
        /// |A - X|_F / |A|_F.
        error: f64 = f64::NAN,
        /// The smallest possible one: from the singular values beyond the rank.
        optimal: f64 = f64::NAN,
        /// |A - X|_2 / |A|_2; the numerator an estimate from below, within about 1 %.
        spectral_error: f64 = f64::NAN,
        /// The smallest possible one.
        spectral_optimal: f64 = f64::NAN,
        /// Seconds of the randomized decomposition, the median.
        seconds: f64 = f64::NAN,
        /// Seconds of the dense one of the same matrix, the median of as many repetitions.
        dense_seconds: f64 = f64::NAN,
    } timed on threads
}

/// What the trials of a matrix share.
struct Problem {
    a: Mat<f64>,
    sparse: Option<Csr<f64>>,
    /// All singular values.
    s: Vec<f64>,
    norm: f64,
    dense_seconds: f64,
}

impl Problem {
    fn new(case: Case, timings: usize) -> Result<Self> {
        let a = case.first()?;
        let sparse = case.family.density().map(|_| Csr::from_dense(a.as_ref())).transpose()?;
        let mut s = Vec::new();
        let [dense_seconds] = median_seconds(
            timings,
            [&mut || {
                s = dense(a.as_ref())?.s;
                Ok(())
            }],
        )?;
        let norm = frobenius(a.as_ref());
        if norm == 0.0 {
            bail!("A is zero: relative errors have no meaning");
        }
        Ok(Problem { a, sparse, s, norm, dense_seconds })
    }

    /// The smallest size.
    fn size(&self) -> usize {
        self.a.nrows().min(self.a.ncols())
    }

    fn randomized(&self, rank: usize, parameters: &Randomized<'_, f64>) -> lowrank::Result<Svd<f64>> {
        match &self.sparse {
            Some(sparse) => randomized(sparse, rank, parameters),
            None => randomized(&self.a, rank, parameters),
        }
    }
}

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub struct Rsvd;

impl Study for Rsvd {
    type Config = Config;
    type Choice = NoChoice;
    type Trial = Trial;
    type Row = Row;

    fn program(self) -> Program {
        program!(
            "rsvd",
            "Randomized SVD beside the dense one: error over the optimum, and time, against rank, power \
             iterations and sketch"
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
        let (n, l, q) =
            (trial.case.n.max(384) as f64, trial.rank as f64 + 10.0, trial.power_iterations as f64);
        1e-3 + 1e-10 * (8.0 * n * n * l * (q + 2.0) + 60.0 * n * l * l * (q + 1.0))
    }

    fn kind(self, trial: &Trial) -> usize {
        trial.case.n
    }

    fn solve(self, config: &Config, trial: &Trial) -> Result<Row> {
        static LATEST: Latest<Case, Problem> = Latest::new();
        let problem = LATEST.get(trial.case, || Problem::new(trial.case, config.timings))?;
        let parameters = Randomized {
            oversampling: OVERSAMPLING,
            power_iterations: trial.power_iterations,
            seed: trial.case.seed,
            start: None,
            sketch: trial.sketch.library(),
        };
        let mut svd = None;
        let [seconds] = median_seconds(
            config.timings,
            [&mut || {
                svd = Some(problem.randomized(trial.rank, &parameters)?);
                Ok(())
            }],
        )?;
        let residual = &problem.a - svd.context("no timing was asked for")?.to_dense();
        let first = problem.s[0];
        Ok(Row {
            error: frobenius(residual.as_ref()) / problem.norm,
            optimal: slice_norm(&problem.s[trial.rank..]) / problem.norm,
            spectral_error: spectral_norm(residual.as_ref())? / first,
            spectral_optimal: problem.s.get(trial.rank).copied().unwrap_or(0.0) / first,
            seconds,
            dense_seconds: problem.dense_seconds,
            n: problem.size(),
            ..Row::done(trial)
        })
    }

    fn trial(self, row: &Row) -> Result<Trial> {
        let case = Case::of_row(row.family, &row.weights, row.n, row.seed);
        let (rank, power_iterations, sketch) = (row.rank, row.power_iterations, row.sketch);
        Ok(Trial { case, rank, power_iterations, sketch })
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        plots::sheets(self, rows)
    }
}
