//! What adapters cost: LSR's factors materialised once a step, against its Kronecker products applied to the
//! tokens one by one; and a training step of one layer with each adapter.

mod structured;
mod timing;

use crate::plot::adapter_speed as plots;
use crate::plot::sheet::Sheet;
use crate::study::{NoChoice, Program, Study, distinct, program};
use crate::table::row;
use anyhow::{Result, bail};
use lowrank::layers::adapter::Method;
use serde::{Deserialize, Serialize};
pub use structured::Structured;

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of repetitions; their seeds are 0, 1, ..., seeds - 1.
    pub seeds: u64,
    /// Timings of every trial; their median counts.
    pub timings: usize,
    /// Side of the weight, (width, width).
    pub width: usize,
    /// LSR applied in both ways: all combinations of a table's lists are run.
    pub apply: Vec<Apply>,
    /// Training steps: all adapters at all numbers of tokens.
    pub steps: Vec<Steps>,
}

/// LSR applied in both ways.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// Numbers of terms, s.
    pub terms: Vec<usize>,
    /// r1 and r2, which are the same: r = r1 r2.
    pub roots: Vec<usize>,
    /// Numbers of tokens, T.
    pub tokens: Vec<usize>,
}

/// Training steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// The adapters.
    pub adapters: Vec<Choice>,
    /// Numbers of tokens, T.
    pub tokens: Vec<usize>,
}

/// An adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Which.
    pub kind: Kind,
    /// s of LSR, t of KAdaptation; 1 for others.
    #[serde(default = "one")]
    pub terms: usize,
    /// r; r1 = r2 of LSR; r' of SVD-LoRA; 1 for others.
    #[serde(default = "one")]
    pub rank: usize,
}

fn one() -> usize {
    1
}

/// The adapters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// None: the frozen weight alone.
    Frozen,
    /// Low rank.
    Lora,
    /// Low rank with magnitudes.
    Dora,
    /// Low separation rank.
    Lsr,
    /// A Kronecker product.
    KronA,
    /// A Kronecker product with a low-rank factor.
    LoKr,
    /// A sum of such.
    KAdaptation,
    /// Between singular vectors, truncated at a third of the width.
    SvdLora,
}

impl Choice {
    /// The adapter; none for the frozen weight alone.
    fn method(self, width: usize) -> Option<Method> {
        let Choice { kind, terms, rank } = self;
        match kind {
            Kind::Frozen => None,
            Kind::Lora => Some(Method::Lora { rank }),
            Kind::Dora => Some(Method::Dora { rank }),
            Kind::Lsr => Some(Method::Lsr { terms, ranks: (rank, rank), shapes: None }),
            Kind::KronA => Some(Method::KronA { left: None }),
            Kind::LoKr => Some(Method::LoKr { rank, left: None }),
            Kind::KAdaptation => Some(Method::KAdaptation { terms, rank }),
            Kind::SvdLora => {
                Some(Method::SvdLora { rank: (width / 3).max(rank), inner_rank: rank, with_values: false })
            }
        }
    }

    /// Its name in figures.
    pub fn text(self) -> String {
        let Choice { kind, terms, rank } = self;
        match kind {
            Kind::Frozen => "no adapter".into(),
            Kind::Lora => format!("LoRA r = {rank}"),
            Kind::Dora => format!("DoRA r = {rank}"),
            Kind::Lsr => format!("LSR s = {terms}, r = {rank} × {rank}"),
            Kind::KronA => "KronA".into(),
            Kind::LoKr => format!("LoKr r = {rank}"),
            Kind::KAdaptation => format!("KAdaptation t = {terms}, r = {rank}"),
            Kind::SvdLora => format!("SVD-LoRA r' = {rank}"),
        }
    }
}

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// dW x in both ways.
    Apply,
    /// A training step of the layer.
    Step,
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trial {
    /// What is timed.
    pub what: What,
    /// The adapter.
    pub adapter: Choice,
    /// Side of the weight.
    pub width: usize,
    /// Tokens, T.
    pub tokens: usize,
    /// Seed.
    pub seed: u64,
}

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Trial { what, adapter, width, tokens, seed } = self;
        let what = if *what == What::Apply { "applied" } else { "step" };
        write!(f, "{}, {what}, {width} x {width}, {tokens} tokens, seed {seed}", adapter.text())
    }
}

row! {
    /// A row of the table.
    Row of trial: Trial {
        /// What is timed.
        what: What = trial.what,
        /// The adapter.
        kind: Kind = trial.adapter.kind,
        /// s of LSR, t of KAdaptation.
        terms: usize = trial.adapter.terms,
        /// r; r1 = r2 of LSR.
        rank: usize = trial.adapter.rank,
        /// Side of the weight.
        width: usize = trial.width,
        /// Tokens, T.
        tokens: usize = trial.tokens,
        /// Seed.
        seed: u64 = trial.seed,
        /// Trained numbers.
        parameters: usize = 0,
        /// Seconds of dW x with the factors materialised anew, the median; or those of the step.
        seconds: f64 = f64::NAN,
        /// Flops of dW x with the factors materialised anew.
        flops: Option<f64> = None,
        /// Seconds of dW x by Kronecker products of the tokens, the median.
        structured_seconds: Option<f64> = None,
        /// Their flops.
        structured_flops: Option<f64> = None,
        /// |Y - Z|_F / |Y|_F of both results.
        difference: Option<f64> = None,
        /// Seconds of the step of the layer without an adapter, timed in turns.
        frozen_seconds: Option<f64> = None,
    } timed on threads
}

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub struct AdapterSpeed;

impl Study for AdapterSpeed {
    type Config = Config;
    type Choice = NoChoice;
    type Trial = Trial;
    type Row = Row;

    fn program(self) -> Program {
        program!(
            "adapter_speed",
            "What adapters cost: LSR materialised against applied token by token, and training steps of \
             one layer with each adapter"
        )
    }

    fn check(self, config: &Config) -> Result<()> {
        if config.seeds == 0 || config.timings == 0 || config.width == 0 {
            bail!("`seeds`, `timings` and `width` are at least 1");
        }
        let trials = self.trials(config);
        if trials.iter().any(|t| t.tokens == 0 || t.adapter.terms == 0 || t.adapter.rank == 0) {
            bail!("`terms`, `roots`, `rank` and `tokens` are at least 1");
        }
        distinct("apply and steps", &trials)
    }

    fn seeds(self, config: &mut Config) -> &mut u64 {
        &mut config.seeds
    }

    fn trials(self, config: &Config) -> Vec<Trial> {
        let mut out = Vec::new();
        let mut push = |what, adapter, tokens| {
            let width = config.width;
            out.extend((0..config.seeds).map(|seed| Trial { what, adapter, width, tokens, seed }));
        };
        for table in &config.apply {
            for &terms in &table.terms {
                for &rank in &table.roots {
                    for &tokens in &table.tokens {
                        push(What::Apply, Choice { kind: Kind::Lsr, terms, rank }, tokens);
                    }
                }
            }
        }
        for table in &config.steps {
            for &tokens in &table.tokens {
                table.adapters.iter().for_each(|adapter| push(What::Step, *adapter, tokens));
            }
        }
        out
    }

    fn seed(self, trial: &Trial) -> u64 {
        trial.seed
    }

    fn cost(self, trial: &Trial) -> f64 {
        let Trial { what, adapter, width, tokens, .. } = *trial;
        let (width, tokens) = (width as f64, tokens as f64);
        0.03 + match what {
            What::Apply => 1e-9 * tokens * width * (adapter.terms * adapter.rank * adapter.rank) as f64,
            What::Step => 1e-10 * tokens * width * width,
        }
    }

    fn kind(self, trial: &Trial) -> usize {
        trial.what as usize
    }

    fn solve(self, config: &Config, trial: &Trial) -> Result<Row> {
        match trial.what {
            What::Apply => timing::apply(config, trial),
            What::Step => timing::step(config, trial),
        }
    }

    fn trial(self, row: &Row) -> Result<Trial> {
        let Row { what, kind, terms, rank, width, tokens, seed, .. } = *row;
        Ok(Trial { what, adapter: Choice { kind, terms, rank }, width, tokens, seed })
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        plots::sheets(self, rows)
    }
}
