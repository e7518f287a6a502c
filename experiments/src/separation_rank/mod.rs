//! Sums of Kronecker products: error against separation rank and storage, for two to four factors,
//! beside the truncated SVD.

mod choices;
mod inputs;

pub use choices::{Family, Form};
pub use inputs::{BLOCKS, DISK, MOTION, NOISE, SIGMA, factors};

use crate::plot::separation_rank as plots;
use crate::plot::sheet::Sheet;
use crate::study::{NoChoice, Program, Study, distinct, program};
use crate::table::{Record, row};
use crate::weights::{lasting, open};
use anyhow::{Result, bail};
use lowrank::separated::{Als, Nearest, NearestSum, SeparationRank, als, best_shapes, nearest, splits};
use serde::{Deserialize, Serialize};

/// What to measure: all combinations of its lists that store little enough.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of repetitions; their seeds are 0, 1, ..., seeds - 1.
    pub seeds: u64,
    /// The matrices.
    pub families: Vec<Family>,
    /// Side of the grid or image that rows and columns are the places of.
    pub side: usize,
    /// Stored weights, FILE:TENSOR, for the family of this name.
    #[serde(default)]
    pub weights: Vec<String>,
    /// Forms of the approximation.
    pub forms: Vec<Form>,
    /// Numbers of terms.
    pub terms: Vec<usize>,
    /// Trials with more numbers than this fraction of those of the matrix are left out.
    pub largest_share: f64,
    /// Largest number of sweeps for three and more factors.
    pub sweeps: usize,
}

/// One approximation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trial {
    /// The family.
    pub family: Family,
    /// Where weights come from; empty for other families.
    pub weights: &'static str,
    /// Side of the grid; 0 for weights.
    pub side: usize,
    /// Rows of the matrix.
    pub m: usize,
    /// Columns of the matrix.
    pub n: usize,
    /// The form.
    pub form: Form,
    /// Number of terms.
    pub terms: usize,
    /// Seed of the matrix and of the method.
    pub seed: u64,
}

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (m, n, form) = (self.m, self.n, self.form.name());
        write!(
            f,
            "{:?} {}({m}, {n}), {form}, {} terms, seed {}",
            self.family, self.weights, self.terms, self.seed
        )
    }
}

row! {
    /// A row of the table.
    Row of trial: Trial {
        /// The family.
        family: Family = trial.family,
        /// Where weights come from; empty for other families.
        weights: String = trial.weights.to_string(),
        /// Rows of the matrix.
        m: usize = trial.m,
        /// Columns of the matrix.
        n: usize = trial.n,
        /// The form.
        form: Form = trial.form,
        /// Number of terms asked.
        terms: usize = trial.terms,
        /// Seed.
        seed: u64 = trial.seed,
        /// The shapes of the factors.
        shapes: String = String::new(),
        /// Number of terms found.
        separation_rank: usize = 0,
        /// Stored numbers.
        parameters: usize = 0,
        /// |A - M|_F / |A|_F.
        error: f64 = f64::NAN,
        /// sqrt(sum lambda^2) / |M|_F.
        condition_number: f64 = f64::NAN,
    }
}

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub struct SeparationRanks;

impl Study for SeparationRanks {
    type Config = Config;
    type Choice = NoChoice;
    type Trial = Trial;
    type Row = Row;

    fn program(self) -> Program {
        program!(
            "separation_rank",
            "Sums of Kronecker products: error against separation rank and storage, beside the truncated \
             SVD"
        )
    }

    fn check(self, config: &Config) -> Result<()> {
        distinct("families", &config.families)?;
        distinct("forms", &config.forms)?;
        distinct("terms", &config.terms)?;
        if config.seeds == 0 || config.side < 2 || config.sweeps == 0 || config.terms.contains(&0) {
            bail!("`seeds`, `sweeps` and all `terms` are at least 1, `side` at least 2");
        }
        if !(config.largest_share > 0.0 && config.largest_share <= 1.0) {
            bail!("`largest_share` = {} does not lie in (0, 1]", config.largest_share);
        }
        if config.families.contains(&Family::Weights) {
            distinct("weights", &config.weights)?;
        }
        for weights in &config.weights {
            sizes(weights)?;
        }
        if self.trials(config).is_empty() {
            bail!("every trial stores more than `largest_share` of the matrix");
        }
        Ok(())
    }

    fn seeds(self, config: &mut Config) -> &mut u64 {
        &mut config.seeds
    }

    fn trials(self, config: &Config) -> Vec<Trial> {
        let mut out = Vec::new();
        for &family in &config.families {
            let n = config.side * config.side;
            let matrices: Vec<(&'static str, usize, usize, usize)> = match family {
                Family::Weights => {
                    // Weights that are not here have no sizes, and no trials.
                    let known = |w: &String| sizes(w).ok().map(|(m, n)| (lasting(w), 0, m, n));
                    config.weights.iter().filter_map(known).collect()
                }
                _ => vec![("", config.side, n, n)],
            };
            for (weights, side, m, n) in matrices {
                for (&form, &terms) in
                    config.forms.iter().flat_map(|f| config.terms.iter().map(move |t| (f, t)))
                {
                    let shapes = form.shapes(m, n);
                    if form.numbers(m, n, terms) as f64 > config.largest_share * (m * n) as f64
                        || terms > SeparationRank::largest(&shapes)
                    {
                        continue;
                    }
                    let seeds = if family.random() || form.random() { config.seeds } else { 1 };
                    out.extend((0..seeds).map(|seed| Trial {
                        family,
                        weights,
                        side,
                        m,
                        n,
                        form,
                        terms,
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
        let product = 1e-10 * (trial.m * trial.n) as f64 * (trial.terms + 4) as f64;
        match trial.form {
            Form::Svd | Form::Two => 20.0 * product,
            Form::Best => 2000.0 * product,
            Form::Three | Form::Four => 600.0 * product,
        }
    }

    fn kind(self, trial: &Trial) -> usize {
        match trial.form {
            Form::Svd | Form::Two => 0,
            Form::Best => 1,
            Form::Three | Form::Four => 2,
        }
    }

    fn solve(self, config: &Config, trial: &Trial) -> Result<Row> {
        let a = inputs::matrix(trial)?;
        let (m, n) = a.shape();
        let shapes = trial.form.shapes(m, n);
        let rank = SeparationRank::Fixed(trial.terms);
        let exact = |found: NearestSum<f64>| {
            let error = found.relative_error();
            (found.separated, error, found.condition_number, "done".to_string())
        };
        let (separated, error, condition_number, status) = match (trial.form, &shapes[..]) {
            (Form::Svd | Form::Two, &[first, second]) => {
                exact(nearest(&a, [first, second], rank, Nearest::Dense)?)
            }
            (Form::Best, _) => {
                let budget = SeparationRank::Parameters(trial.form.numbers(m, n, trial.terms));
                exact(best_shapes(&a, &splits(m, n), budget, Nearest::default(), |_, _| true)?.best)
            }
            _ => {
                let parameters =
                    Als { rank, max_iterations: config.sweeps, seed: trial.seed, ..Default::default() };
                let found = als(&a, &shapes, &parameters)?;
                let status = found.report.status.name().to_string();
                let error = found.relative_error();
                (found.separated, error, found.condition_number, status)
            }
        };
        let shapes: Vec<String> = separated.shapes().iter().map(|(m, n)| format!("{m}x{n}")).collect();
        Ok(Row {
            shapes: shapes.join(" "),
            separation_rank: separated.separation_rank(),
            parameters: separated.parameters(),
            error,
            condition_number,
            status,
            ..Row::done(trial)
        })
    }

    fn trial(self, row: &Row) -> Result<Trial> {
        let side = if row.family == Family::Weights { 0 } else { row.m.isqrt() };
        let Row { family, m, n, form, terms, seed, .. } = *row;
        Ok(Trial { family, weights: lasting(&row.weights), side, m, n, form, terms, seed })
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        plots::sheets(self, rows)
    }
}

/// Rows and columns of stored weights, FILE:TENSOR.
fn sizes(weights: &str) -> Result<(usize, usize)> {
    let Some((file, name)) = weights.split_once(':') else {
        bail!("`{weights}` is not of the form FILE:TENSOR");
    };
    let file = open(file)?;
    let found = file.tensors().get(name).map(|tensor| tensor.shape().to_vec());
    match found.as_deref() {
        Some(&[m, n]) => Ok((m, n)),
        Some(shape) => bail!("`{weights}` is of the shape {shape:?}: a matrix is needed"),
        None => bail!("`{weights}`: the file has no such tensor"),
    }
}
