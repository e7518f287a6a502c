//! Products of two matrices from a sample of the inner index: error against the number of samples,
//! beside the expected one.

use crate::cases::Case;
use crate::families::{Family, check_sweep};
use crate::measure::{Latest, median_seconds};
use crate::plot::rmm as plots;
use crate::plot::sheet::Sheet;
use crate::study::{NoChoice, Program, Study, distinct, program};
use crate::sweeps::{Lists, Sweeps};
use crate::table::{Record, row};
use anyhow::{Context, Result, bail};
use lowrank::faer::Mat;
use lowrank::matmul::{
    ErrorBound, Leverage, Probabilities, Sampled, Sampling, dense_into, expected_error, sampled,
};
use lowrank::matrix::frobenius;
use serde::{Deserialize, Serialize};

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
    /// Numbers of samples.
    pub samples: Vec<usize>,
    /// Rules of sampling.
    pub schemes: Vec<Scheme>,
}

impl Lists for Sweep {
    type Trial = Trial;

    fn matrices(&self) -> (&[Family], &[usize], &[String]) {
        (&self.families, &self.n, &self.weights)
    }

    fn check(&self) -> Result<()> {
        check_sweep(&self.families, &self.n, &self.weights, ("samples", &self.samples))?;
        distinct("schemes", &self.schemes)
    }

    fn trials(&self, case: Case) -> Vec<Trial> {
        let of = |&samples| self.schemes.iter().map(move |&scheme| Trial { case, samples, scheme });
        self.samples.iter().flat_map(of).collect()
    }
}

/// A rule of sampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// All indices alike, with replacement.
    Uniform,
    /// By the norms of columns and rows, with replacement.
    Norms,
    /// By the norms, without replacement.
    NormsWithout,
    /// By leverage scores of the leading singular subspaces, with replacement.
    Leverage,
}

impl Scheme {
    /// All of them.
    pub const ALL: [Scheme; 4] = [Scheme::Uniform, Scheme::Leverage, Scheme::Norms, Scheme::NormsWithout];

    /// Its name in configurations and tables.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Uniform => "uniform",
            Scheme::Norms => "norms",
            Scheme::NormsWithout => "norms-without",
            Scheme::Leverage => "leverage",
        }
    }

    fn sampling(self, samples: usize, seed: u64) -> Sampling<'static> {
        let probabilities = match self {
            Scheme::Uniform => Probabilities::Uniform,
            Scheme::Norms | Scheme::NormsWithout => Probabilities::Norms,
            Scheme::Leverage => Probabilities::Leverage(Leverage::default()),
        };
        Sampling { samples, probabilities, replacement: self != Scheme::NormsWithout, seed }
    }
}

/// One sampled product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trial {
    /// The matrices.
    pub case: Case,
    /// Number of samples.
    pub samples: usize,
    /// Rule of sampling.
    pub scheme: Scheme,
}

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {} samples, {}", self.case, self.samples, self.scheme.name())
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
        /// Number of samples.
        samples: usize = trial.samples,
        /// Rule of sampling.
        scheme: Scheme = trial.scheme,
        /// Seed.
        seed: u64 = trial.case.seed,
        /// |A B - C|_F / (|A|_F |B|_F).
        error: f64 = f64::NAN,
        /// The root of the expected square of it, or an upper bound.
        expected: f64 = f64::NAN,
        /// Whether that is the exact value.
        exact: bool = false,
        /// |A B - C|_F / |A B|_F.
        relative_error: f64 = f64::NAN,
        /// Seconds of the sampled product, the median.
        seconds: f64 = f64::NAN,
        /// Seconds of the full product, the median.
        full_seconds: f64 = f64::NAN,
    } timed on threads
}

/// What the trials of a pair of matrices share.
struct Problem {
    a: Mat<f64>,
    b: Mat<f64>,
    product: Mat<f64>,
}

impl Problem {
    fn new(case: Case) -> Result<Self> {
        let (a, b) = case.pair()?;
        let mut product = Mat::zeros(a.nrows(), b.ncols());
        dense_into(product.as_mut(), a.as_ref(), b.as_ref())?;
        if frobenius(product.as_ref()) == 0.0 {
            bail!("A B is zero: relative errors have no meaning");
        }
        Ok(Problem { a, b, product })
    }

    /// The smallest size.
    fn size(&self) -> usize {
        self.a.nrows().min(self.a.ncols()).min(self.b.ncols())
    }
}

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub struct Rmm;

impl Study for Rmm {
    type Config = Config;
    type Choice = NoChoice;
    type Trial = Trial;
    type Row = Row;

    fn program(self) -> Program {
        program!(
            "rmm",
            "Products from a sample of the inner index: error against the number of samples, beside the \
             expected one"
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
        let (n, s) = (trial.case.n.max(384) as f64, trial.samples as f64);
        1e-3 + 1e-10 * n * n * (n + s)
    }

    fn kind(self, trial: &Trial) -> usize {
        trial.case.n
    }

    fn solve(self, config: &Config, trial: &Trial) -> Result<Row> {
        static LATEST: Latest<Case, Problem> = Latest::new();
        let problem = LATEST.get(trial.case, || Problem::new(trial.case))?;
        let (a, b) = (problem.a.as_ref(), problem.b.as_ref());
        let sampling = trial.scheme.sampling(trial.samples, trial.case.seed);
        let ErrorBound { relative: expected, exact, .. } = expected_error(a, b, &sampling)?;
        let mut found: Option<Sampled<f64>> = None;
        let mut full = Mat::zeros(a.nrows(), b.ncols());
        let [full_seconds, seconds] = median_seconds(
            config.timings,
            [&mut || Ok(dense_into(full.as_mut(), a, b)?), &mut || {
                found = Some(sampled(a, b, &sampling)?);
                Ok(())
            }],
        )?;
        let estimate = found.context("no timing was asked for")?.product;
        let residual = frobenius((&problem.product - estimate).as_ref());
        Ok(Row {
            error: residual / (frobenius(a) * frobenius(b)),
            expected,
            exact,
            relative_error: residual / frobenius(problem.product.as_ref()),
            seconds,
            full_seconds,
            n: problem.size(),
            ..Row::done(trial)
        })
    }

    fn trial(self, row: &Row) -> Result<Trial> {
        let case = Case::of_row(row.family, &row.weights, row.n, row.seed);
        Ok(Trial { case, samples: row.samples, scheme: row.scheme })
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        plots::sheets(self, rows)
    }
}
