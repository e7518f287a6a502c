//! How well the factors of a LoRA update are sums of a few Kronecker products: the error of the nearest
//! ones against their number s, beside LoRA of a lower rank with no more numbers.

use crate::measure::Latest;
use crate::plot::lora_to_lsr as plots;
use crate::plot::sheet::Sheet;
use crate::study::{NoChoice, Program, Study, distinct, program};
use crate::table::{Record, row};
use crate::weights::{lasting, open};
use anyhow::{Result, bail};
use lowrank::LowRank;
use lowrank::faer::Mat;
use lowrank::layers::adapter::{Adapter, Lsr, LsrShapes, balanced};
use lowrank::layers::optimal_update;
use lowrank::matrix::slice_norm;
use lowrank::random::gaussian;
use lowrank::svd::{Rank, recompress};
use serde::{Deserialize, Serialize};

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of repetitions of what is drawn; their seeds are 0, 1, ..., seeds - 1.
    pub seeds: u64,
    /// r1 and r2, which are the same: r = r1 r2.
    pub root: usize,
    /// Numbers of terms, s.
    pub terms: Vec<usize>,
    /// Sides n of weights (n, n) whose update has Gaussian factors.
    pub gaussian: Vec<usize>,
    /// Stored weights, `FILE:FROM:TO` for the best update of rank r that leads from one to the other, `FILE:TO`
    /// for that from zero.
    pub weights: Vec<String>,
}

/// An update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Case {
    /// Where weights come from; empty for Gaussian factors.
    pub weights: &'static str,
    /// Side of a weight with Gaussian factors, 0 for others.
    pub n: usize,
    /// r1 = r2.
    pub root: usize,
    /// Seed.
    pub seed: u64,
}

/// One fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trial {
    /// The update.
    pub case: Case,
    /// Number of terms, s.
    pub terms: usize,
}

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Trial { case: Case { weights, n, seed, .. }, terms } = self;
        match *weights {
            "" => write!(f, "Gaussian factors, n = {n}, s = {terms}, seed {seed}"),
            weights => write!(f, "{weights}, s = {terms}"),
        }
    }
}

row! {
    /// A row of the table.
    Row of trial: Trial {
        /// Where weights come from; empty for Gaussian factors.
        weights: String = trial.case.weights.to_string(),
        /// Side of a weight with Gaussian factors, 0 for others.
        n: usize = trial.case.n,
        /// r1 = r2.
        root: usize = trial.case.root,
        /// Number of terms, s.
        terms: usize = trial.terms,
        /// Seed.
        seed: u64 = trial.case.seed,
        /// Numbers of the LSR adapter.
        parameters: usize = 0,
        /// Numbers of the LoRA adapter.
        lora_parameters: usize = 0,
        /// |U - A|_F / |U|_F of the left factor.
        left_error: f64 = f64::NAN,
        /// |V' - B|_F / |V|_F of the right factor.
        right_error: f64 = f64::NAN,
        /// |U V' - A B|_F / |U V'|_F.
        error: f64 = f64::NAN,
        /// The same of the best LoRA update with no more numbers than LSR has.
        lora_error: f64 = f64::NAN,
        /// |D - U V'|_F / |D|_F, D the difference of the stored weights.
        left_out: Option<f64> = None,
    }
}

/// An update U V' of rank r and what it leaves of the whole change of a weight.
struct Update {
    factors: LowRank<f64>,
    values: Vec<f64>,
    left_out: Option<f64>,
}

impl Update {
    fn new(case: Case) -> Result<Self> {
        let Case { weights, n, root, seed } = case;
        let rank = root * root;
        let (factors, left_out) = if weights.is_empty() {
            let factor = |purpose: &str| gaussian::<f64>(n, rank, seed, purpose);
            (LowRank { u: factor("left factor"), v: factor("right factor") }, None)
        } else {
            let (from, to) = stored(weights)?;
            let best = optimal_update(from.as_ref(), to.as_ref(), Rank::Fixed(rank))?;
            (best.factors, Some(best.error / best.norm))
        };
        let values = recompress(&factors, Rank::Fixed(rank))?.s;
        Ok(Update { factors, values, left_out })
    }

    /// The error of the best update of this rank, of which the values after it are missing.
    fn truncation(&self, rank: usize) -> f64 {
        slice_norm(&self.values[rank.min(self.values.len())..]) / slice_norm(&self.values)
    }
}

/// The weights before and after.
fn stored(text: &str) -> Result<(Mat<f64>, Mat<f64>)> {
    Ok(match text.split(':').collect::<Vec<_>>()[..] {
        [file, from, to] => {
            let file = open(file)?;
            (file.matrix(from)?, file.matrix(to)?)
        }
        [file, to] => {
            let to = open(file)?.matrix::<f64>(to)?;
            (Mat::zeros(to.nrows(), to.ncols()), to)
        }
        _ => bail!("`{text}` is not of the form FILE:TO or FILE:FROM:TO"),
    })
}

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub struct LoraToLsr;

impl Study for LoraToLsr {
    type Config = Config;
    type Choice = NoChoice;
    type Trial = Trial;
    type Row = Row;

    fn program(self) -> Program {
        program!(
            "lora_to_lsr",
            "LoRA updates as LSR updates: the error of the nearest sums of Kronecker products against their number"
        )
    }

    fn check(self, config: &Config) -> Result<()> {
        if config.seeds == 0 || config.root == 0 || config.terms.contains(&0) {
            bail!("`seeds`, `root` and `terms` are at least 1");
        }
        if config.gaussian.iter().any(|n| *n < config.root * config.root) {
            bail!("`gaussian` has sides of at least r = {}", config.root * config.root);
        }
        distinct("terms", &config.terms)?;
        distinct("gaussian and weights", &self.trials(config))?;
        config.weights.iter().try_for_each(|text| stored(text).map(|_| ()))
    }

    fn seeds(self, config: &mut Config) -> &mut u64 {
        &mut config.seeds
    }

    fn trials(self, config: &Config) -> Vec<Trial> {
        let root = config.root;
        let drawn = |&n: &usize| (0..config.seeds).map(move |seed| Case { weights: "", n, root, seed });
        let kept = |text: &String| Case { weights: lasting(text), n: 0, root, seed: 0 };
        let cases = config.gaussian.iter().flat_map(drawn).chain(config.weights.iter().map(kept));
        cases.flat_map(|case| config.terms.iter().map(move |&terms| Trial { case, terms })).collect()
    }

    fn seed(self, trial: &Trial) -> u64 {
        trial.case.seed
    }

    fn cost(self, _: &Trial) -> f64 {
        0.01
    }

    fn solve(self, _: &Config, trial: &Trial) -> Result<Row> {
        static LATEST: Latest<Case, Update> = Latest::new();
        let update = LATEST.get(trial.case, || Update::new(trial.case))?;
        let (factors, root) = (&update.factors, trial.case.root);
        let (m, n) = (factors.u.nrows(), factors.v.nrows());
        let shapes = LsrShapes { outputs: balanced(m), ranks: (root, root), inputs: balanced(n) };
        let fit = Lsr::compress(factors, shapes, trial.terms)?;
        let parameters = fit.adapter.parts().values().len();
        Ok(Row {
            parameters,
            lora_parameters: factors.rank() * (m + n),
            left_error: fit.relative_errors.0,
            right_error: fit.relative_errors.1,
            error: fit.relative_error,
            lora_error: update.truncation(parameters / (m + n)),
            left_out: update.left_out,
            ..Row::done(trial)
        })
    }

    fn trial(self, row: &Row) -> Result<Trial> {
        let case = Case { weights: lasting(&row.weights), n: row.n, root: row.root, seed: row.seed };
        Ok(Trial { case, terms: row.terms })
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        plots::sheets(self, rows)
    }
}
