//! The figures of the entrywise searches as experiments of the harness, and the rows of their tables.

use crate::config::Config;
use crate::grid::{self, Figure, Function, MethodName, Sampling, Trial};
use crate::plot::figures;
use crate::plot::sheet::Sheet;
use crate::problem;
use crate::study::{Preset, Record, Study};
use crate::table::{FAILED, VERSION};
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// What a trial gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// |F - X|_max / |F|_max.
    pub error: f64,
    /// A lower bound of it over all X of the rank; 0 when none is known.
    pub lower_bound: f64,
    /// Wall-clock seconds of the method alone.
    pub seconds: f64,
    /// Its iterations.
    pub iterations: usize,
    /// Why it ended.
    pub status: String,
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The figure's file name.
    pub figure: String,
    /// The generating function.
    pub function: Function,
    /// How the points are drawn.
    pub sampling: Sampling,
    /// Size.
    pub n: usize,
    /// Dimension of the points.
    pub m: usize,
    /// Rank (TT ranks).
    pub rank: usize,
    /// The method's name: `svd`, `tt-svd`, `ap` or `descent`.
    pub method: String,
    /// Seed.
    pub seed: u64,
    /// Relative max-norm error.
    pub error: f64,
    /// Relative lower bound.
    pub lower_bound: f64,
    /// Seconds of the method.
    pub seconds: f64,
    /// Iterations.
    pub iterations: usize,
    /// Why it ended.
    pub status: String,
    /// Version of the program.
    pub version: String,
}

impl Row {
    /// The row of a finished trial.
    pub fn new(figure: Figure, trial: &Trial, outcome: Outcome) -> Self {
        Row {
            figure: figure.stem().to_string(),
            function: trial.function,
            sampling: trial.sampling,
            n: trial.n,
            m: trial.m,
            rank: trial.rank,
            method: trial.method_name().to_string(),
            seed: trial.seed,
            error: outcome.error,
            lower_bound: outcome.lower_bound,
            seconds: outcome.seconds,
            iterations: outcome.iterations,
            status: outcome.status,
            version: VERSION.to_string(),
        }
    }

    /// The trial it belongs to, if its method is known.
    pub fn trial(&self) -> Result<Trial> {
        let tensor = self.function.is_tensor();
        let Some(method) = MethodName::ALL.into_iter().find(|m| m.name(tensor) == self.method) else {
            bail!("unknown method `{}`", self.method);
        };
        Ok(Trial {
            function: self.function,
            sampling: self.sampling,
            n: self.n,
            m: self.m,
            rank: self.rank,
            method,
            seed: self.seed,
        })
    }
}

impl Record for Row {
    fn status(&self) -> &str {
        &self.status
    }

    fn version(&self) -> &str {
        &self.version
    }
}

/// The methods to run.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct Methods {
    /// Methods to run, separated by commas, instead of the configuration's
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST")]
    pub methods: Vec<MethodName>,
}

impl Study for Figure {
    type Config = Config;
    type Choice = Methods;
    type Trial = Trial;
    type Row = Row;

    fn program(self) -> &'static str {
        match self {
            Figure::VaryingDimension => "exp_varying_dimension",
            Figure::VaryingSize => "exp_varying_size",
            Figure::VaryingRank => "exp_varying_rank",
        }
    }

    fn stem(self) -> &'static str {
        match self {
            Figure::VaryingDimension => "fig1_varying_dimension",
            Figure::VaryingSize => "fig2_varying_size",
            Figure::VaryingRank => "fig3_varying_rank",
        }
    }

    fn about(self) -> String {
        let (number, varies) = match self {
            Figure::VaryingDimension => (1, "the dimension m of the points"),
            Figure::VaryingSize => (2, "the size n of the matrix or tensor"),
            Figure::VaryingRank => (3, "the approximation rank r"),
        };
        format!("Figure {number}: relative max-norm errors of low-rank approximation against {varies}")
    }

    fn text(self, preset: Preset) -> &'static str {
        match (self, preset) {
            (Figure::VaryingDimension, Preset::Quick) => {
                include_str!("../presets/varying_dimension_quick.toml")
            }
            (Figure::VaryingDimension, Preset::Paper) => {
                include_str!("../presets/varying_dimension_paper.toml")
            }
            (Figure::VaryingSize, Preset::Quick) => include_str!("../presets/varying_size_quick.toml"),
            (Figure::VaryingSize, Preset::Paper) => include_str!("../presets/varying_size_paper.toml"),
            (Figure::VaryingRank, Preset::Quick) => include_str!("../presets/varying_rank_quick.toml"),
            (Figure::VaryingRank, Preset::Paper) => include_str!("../presets/varying_rank_paper.toml"),
        }
    }

    fn timed(self) -> bool {
        false
    }

    fn check(self, config: &Config) -> Result<()> {
        config.check(self)
    }

    fn seeds(self, config: &mut Config) -> &mut u64 {
        &mut config.seeds
    }

    fn choose(self, config: &mut Config, choice: &Methods) {
        if !choice.methods.is_empty() {
            config.methods = choice.methods.clone();
        }
    }

    fn narrow(self, config: &mut Config, trials: &[Trial]) -> String {
        let shown = |method: &MethodName| trials.iter().any(|t| t.method == *method);
        let methods: Vec<MethodName> = MethodName::ALL.into_iter().filter(shown).collect();
        let names: Vec<&str> = methods.iter().map(|m| m.name(false)).collect();
        let fewer = methods.len() != config.methods.len();
        config.methods = methods;
        if fewer { format!(" --methods {}", names.join(",")) } else { String::new() }
    }

    fn trials(self, config: &Config) -> Vec<Trial> {
        grid::trials(config)
    }

    fn seed(self, trial: &Trial) -> u64 {
        trial.seed
    }

    fn cost(self, trial: &Trial) -> f64 {
        trial.cost()
    }

    fn kind(self, trial: &Trial) -> usize {
        trial.method as usize
    }

    fn solve(self, _: &Config, trial: &Trial) -> Result<Row> {
        Ok(Row::new(self, trial, problem::solve(trial)?))
    }

    fn failed(self, trial: &Trial) -> Row {
        let status = FAILED.to_string();
        Row::new(
            self,
            trial,
            Outcome { error: f64::NAN, lower_bound: 0.0, seconds: 0.0, iterations: 0, status },
        )
    }

    fn trial(self, row: &Row) -> Result<Trial> {
        let trial = row.trial()?;
        if row.figure != self.stem() {
            bail!("a row of {}, but {} was expected", row.figure, self.stem());
        }
        Ok(trial)
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        Ok(vec![(self.stem().to_string(), figures::sheet(self, rows)?)])
    }
}
