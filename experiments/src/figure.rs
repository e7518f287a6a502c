//! The figures of the entrywise searches as experiments of the harness, and the rows of their tables.

use crate::config::Config;
use crate::grid::{self, Figure, Function, MethodName, Sampling, Trial};
use crate::plot::figures;
use crate::plot::sheet::Sheet;
use crate::problem;
use crate::study::{Program, Study, program};
use crate::table::{Record, row};
use anyhow::{Result, bail};

row! {
    /// A row of the table.
    Row of trial: Trial {
        /// The figure's file name.
        figure: String = String::new(),
        /// The generating function.
        function: Function = trial.function,
        /// How the points are drawn.
        sampling: Sampling = trial.sampling,
        /// Size.
        n: usize = trial.n,
        /// Dimension of the points.
        m: usize = trial.m,
        /// Rank (TT ranks).
        rank: usize = trial.rank,
        /// The method's name: `svd`, `tt-svd`, `ap` or `descent`.
        method: String = trial.method_name().to_string(),
        /// Seed.
        seed: u64 = trial.seed,
        /// |F - X|_max / |F|_max.
        error: f64 = f64::NAN,
        /// A lower bound of it over all X of the rank; 0 when none is known.
        lower_bound: f64 = 0.0,
        /// Wall-clock seconds of the method alone.
        seconds: f64 = 0.0,
        /// Its iterations.
        iterations: usize = 0,
    }
}

impl Row {
    /// The trial it belongs to, if its method is known.
    pub fn trial(&self) -> Result<Trial> {
        let tensor = self.function.is_tensor();
        let Some(method) = MethodName::ALL.into_iter().find(|m| m.name(tensor) == self.method) else {
            bail!("unknown method `{}`", self.method);
        };
        let Row { function, sampling, n, m, rank, seed, .. } = *self;
        Ok(Trial { function, sampling, n, m, rank, method, seed })
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

    fn program(self) -> Program {
        match self {
            Figure::VaryingDimension => Program {
                stem: "fig1_varying_dimension",
                ..program!(
                    "varying_dimension",
                    "Figure 1: relative max-norm errors of low-rank approximation against the dimension m of \
                     the points"
                )
            },
            Figure::VaryingSize => Program {
                stem: "fig2_varying_size",
                ..program!(
                    "varying_size",
                    "Figure 2: relative max-norm errors of low-rank approximation against the size n of the \
                     matrix or tensor"
                )
            },
            Figure::VaryingRank => Program {
                stem: "fig3_varying_rank",
                ..program!(
                    "varying_rank",
                    "Figure 3: relative max-norm errors of low-rank approximation against the approximation \
                     rank r"
                )
            },
        }
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
        Ok(Row { figure: self.stem().to_string(), ..problem::solve(trial)? })
    }

    fn failed(self, trial: &Trial) -> Row {
        Row { figure: self.stem().to_string(), ..Row::empty(trial) }
    }

    fn trial(self, row: &Row) -> Result<Trial> {
        if row.figure != self.stem() {
            bail!("a row of {}, but {} was expected", row.figure, self.stem());
        }
        row.trial()
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        Ok(vec![(self.stem().to_string(), figures::sheet(self, rows)?)])
    }
}
