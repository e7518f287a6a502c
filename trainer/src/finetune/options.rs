//! The options of a run.

use crate::encoder::{Pooling, Training};
use crate::metrics::Metric;
use crate::optimizer::AdamW;
use crate::text::{Columns, Samples, Task};
use crate::training::Settings;
use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use lowrank::layers::adapter::Method;
use std::ops::Range;
use std::path::PathBuf;

/// Trains a BERT or RoBERTa encoder to tell texts apart, by an adapter beside its frozen weights
#[derive(Debug, Clone, Parser)]
#[command(version, name = "train_adapter", bin_name = "train_adapter", after_help = EXAMPLES)]
pub struct Options {
    /// Folder of the encoder: config.json, model.safetensors, tokenizer.json
    #[arg(long, value_name = "DIR", help_heading = "Model and data")]
    pub model: PathBuf,
    /// Folder of texts (train, dev and test as .tsv, .csv or .jsonl, GLUE's and SuperGLUE's layouts), or one
    /// such file
    #[arg(long, value_name = "PATH", help_heading = "Model and data")]
    pub data: PathBuf,
    /// Layout of the texts [default: recognised by the columns]
    #[arg(long, value_enum, help_heading = "Model and data")]
    pub task: Option<Task>,
    /// Column of the text [default: text, else sentence]
    #[arg(long, value_name = "COLUMN", help_heading = "Model and data")]
    pub text: Option<String>,
    /// Column of the other text of a pair
    #[arg(long, value_name = "COLUMN", requires = "text", help_heading = "Model and data")]
    pub pair: Option<String>,
    /// Column of the class [default: label]
    #[arg(long, value_name = "COLUMN", help_heading = "Model and data")]
    pub label: Option<String>,
    /// Train on at most so many texts
    #[arg(long, value_name = "N", help_heading = "Model and data")]
    pub train_samples: Option<usize>,
    /// Pick the epoch by at most so many
    #[arg(long, value_name = "N", help_heading = "Model and data")]
    pub dev_samples: Option<usize>,
    /// Report at most so many
    #[arg(long, value_name = "N", help_heading = "Model and data")]
    pub test_samples: Option<usize>,
    /// Cut sequences to so many tokens
    #[arg(long, value_name = "N", default_value_t = 128, help_heading = "Model and data")]
    pub max_length: usize,

    /// What is trained, beside the head
    #[arg(long, value_enum, default_value_t = Tuning::Lora, help_heading = "Adapter")]
    pub method: Tuning,
    /// Rank of lora, dora (8), lo-kr, k-adaptation (2), and of svd-lora's weight (half the width)
    #[arg(long, value_name = "R", help_heading = "Adapter")]
    pub rank: Option<usize>,
    /// Terms of lsr (16) and k-adaptation (4)
    #[arg(long, value_name = "S", help_heading = "Adapter")]
    pub terms: Option<usize>,
    /// Ranks of lsr's factors (2x2)
    #[arg(long, value_name = "R1xR2", value_parser = ranks, help_heading = "Adapter")]
    pub ranks: Option<(usize, usize)>,
    /// Rank of svd-lora's correction (8)
    #[arg(long, value_name = "R", help_heading = "Adapter")]
    pub inner_rank: Option<usize>,
    /// Matrices beside which an adapter stands, as PEFT's target_modules [default: query,value]
    #[arg(long, value_name = "NAMES", value_delimiter = ',', help_heading = "Adapter")]
    pub targets: Option<Vec<String>>,
    /// In these blocks only, counted from 0: 3-5 or 4 [default: all]
    #[arg(long, value_name = "FIRST-LAST", value_parser = layers, help_heading = "Adapter")]
    pub layers: Option<Range<usize>>,
    /// Scaling c of W x + c dW x (LoRA's alpha over rank) [default: 4]
    #[arg(long, value_name = "C", help_heading = "Adapter")]
    pub scaling: Option<f64>,
    /// What stands for a text: its first token, as Hugging Face's classifiers take it, or the mean of all, which
    /// suits sentence encoders such as MiniLM
    #[arg(long, value_enum, default_value_t = Pool::First, help_heading = "Adapter")]
    pub pooling: Pool,

    /// Learning rate [default: 5e-3 for lsr, 5e-5 for full, else 1e-3]
    #[arg(long, value_name = "RATE", help_heading = "Training")]
    pub rate: Option<f64>,
    /// Learning rate of the head
    #[arg(long, value_name = "RATE", default_value_t = 1e-3, help_heading = "Training")]
    pub head_rate: f64,
    /// Epochs; the best one on the development set is kept
    #[arg(long, value_name = "N", default_value_t = 3, help_heading = "Training")]
    pub epochs: u64,
    /// Texts a step
    #[arg(long, value_name = "N", default_value_t = 32, help_heading = "Training")]
    pub batch: usize,
    /// Share of the steps over which the rate rises; then it falls to 0
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, help_heading = "Training")]
    pub warm_up: f64,
    /// Largest norm of the gradient; inf for no clipping
    #[arg(long, value_name = "NORM", default_value_t = 1.0, help_heading = "Training")]
    pub clip: f64,
    /// Decay of the weights
    #[arg(long, value_name = "DECAY", default_value_t = 0.01, help_heading = "Training")]
    pub decay: f64,
    /// What the epoch is picked by [default: what GLUE or SuperGLUE judges the task by]
    #[arg(long, value_enum, help_heading = "Training")]
    pub metric: Option<Metric>,
    /// Seed of head, adapter, order and of samples that are drawn
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Training")]
    pub seed: u64,
    /// Round the frozen weights to 16 bits (bfloat16), in which the processor stores them, but for the matrices beside
    /// which an adapter stands: these take 32. A GPU multiplies in 16 too
    #[arg(long, help_heading = "Training")]
    pub bf16: bool,
    /// On a GPU: multiply on its tensor cores, with 10 bits of each fraction
    #[arg(long, conflicts_with = "bf16", help_heading = "Training")]
    pub tf32: bool,
    /// Where it runs
    #[arg(long, value_enum, default_value_t = Device::Cpu, help_heading = "Training")]
    pub device: Device,

    /// Folder of checkpoint, log, figure, summary and adapter
    #[arg(long, value_name = "DIR", default_value = "target/train_adapter", help_heading = "Results")]
    pub out: PathBuf,
    /// Go on with the run in that folder, which was stopped
    #[arg(long, conflicts_with = "overwrite", help_heading = "Results")]
    pub resume: bool,
    /// Replace the run in that folder
    #[arg(long, help_heading = "Results")]
    pub overwrite: bool,
}

const EXAMPLES: &str = "Examples:
  scripts/fetch_text.sh
  train_adapter --model data/minilm --data data/rotten_tomatoes
  train_adapter --model data/minilm --data data/rotten_tomatoes --pooling mean --method lsr --out my_lsr
  train_adapter --model data/minilm --data reviews.csv --text body --label stars

A run that was stopped goes on with the same options and --resume: at most an epoch is lost.";

/// What is trained, beside the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tuning {
    /// Low-rank adaptation
    Lora,
    /// LoRA with a trained magnitude for each row
    Dora,
    /// LoRA whose factors are sums of Kronecker products
    Lsr,
    /// A Kronecker product
    #[value(alias = "krona")]
    KronA,
    /// A Kronecker product whose larger factor is of low rank
    #[value(alias = "lokr")]
    LoKr,
    /// A sum of Kronecker products with low-rank factors
    #[value(alias = "kadaptation")]
    KAdaptation,
    /// A low-rank correction of the truncated singular values
    SvdLora,
    /// The head alone
    Head,
    /// All weights
    Full,
}

/// What stands for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Pool {
    /// Its first token
    First,
    /// The mean of its tokens
    Mean,
}

/// Where the encoder runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Device {
    /// On the processor
    Cpu,
    /// On an NVIDIA GPU
    Cuda,
}

fn ranks(text: &str) -> Result<(usize, usize), String> {
    let parsed = text.split_once('x').map(|(a, b)| (a.parse(), b.parse()));
    match parsed {
        Some((Ok(a), Ok(b))) => Ok((a, b)),
        _ => Err("two numbers with an x between them, such as 2x2".to_string()),
    }
}

fn layers(text: &str) -> Result<Range<usize>, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) if first <= last => Ok(first..last + 1),
        _ => Err("a block, or the first and the last one: 4 or 3-5".to_string()),
    }
}

impl Options {
    /// What is trained, for an encoder of this width.
    ///
    /// # Errors
    /// Where an option of another method is given.
    pub fn training(&self, width: usize) -> Result<Training> {
        let Options { rank, terms, ranks, inner_rank, .. } = *self;
        let given =
            [("rank", rank), ("terms", terms), ("ranks", ranks.map(|r| r.0)), ("inner-rank", inner_rank)];
        let used: &[&str] = match self.method {
            Tuning::Lora | Tuning::Dora | Tuning::LoKr => &["rank"],
            Tuning::Lsr => &["terms", "ranks"],
            Tuning::KAdaptation => &["terms", "rank"],
            Tuning::SvdLora => &["rank", "inner-rank"],
            Tuning::KronA | Tuning::Head | Tuning::Full => &[],
        };
        if let Some((name, _)) = given.iter().find(|(name, value)| value.is_some() && !used.contains(name)) {
            let takes = match used {
                [] => "nothing of the kind".to_string(),
                used => used.iter().map(|name| format!("--{name}")).collect::<Vec<_>>().join(" and "),
            };
            bail!("--{name} is no option of {}, which takes {takes}", self.method.name());
        }
        let adapter = !matches!(self.method, Tuning::Head | Tuning::Full);
        for (name, wrong) in [
            ("targets", self.targets.is_some() && !adapter),
            ("layers", self.layers.is_some() && !adapter),
            ("scaling", self.scaling.is_some() && !adapter),
            ("rate", self.rate.is_some() && self.method == Tuning::Head),
            ("bf16", self.bf16 && self.method == Tuning::Full),
        ] {
            if wrong {
                let instead = if name == "rate" { ": --head-rate is" } else { "" };
                bail!("--{name} is no option of {}{instead}", self.method.name());
            }
        }
        let method = match self.method {
            Tuning::Head => return Ok(Training::Head),
            Tuning::Full => return Ok(Training::Full),
            Tuning::Lora => Method::Lora { rank: rank.unwrap_or(8) },
            Tuning::Dora => Method::Dora { rank: rank.unwrap_or(8) },
            Tuning::Lsr => {
                Method::Lsr { terms: terms.unwrap_or(16), ranks: ranks.unwrap_or((2, 2)), shapes: None }
            }
            Tuning::KronA => Method::KronA { left: None },
            Tuning::LoKr => Method::LoKr { rank: rank.unwrap_or(2), left: None },
            Tuning::KAdaptation => Method::KAdaptation { terms: terms.unwrap_or(4), rank: rank.unwrap_or(2) },
            Tuning::SvdLora => Method::SvdLora {
                rank: rank.unwrap_or((width / 2).max(1)),
                inner_rank: inner_rank.unwrap_or(8),
                with_values: true,
            },
        };
        let targets = match &self.targets {
            Some(targets) => targets.iter().map(|name| name.trim().to_string()).collect(),
            None => ["query", "value"].map(String::from).into(),
        };
        let (scaling, layers) = (self.scaling.unwrap_or(4.0), self.layers.clone());
        Ok(Training::Adapter { method, scaling, targets, layers })
    }

    /// How it is trained, the epoch picked by this metric where no other is asked for.
    pub fn settings(&self, metric: Metric) -> Settings {
        let optimizer = AdamW { rate: self.rate(), decay: self.decay, clip: self.clip, ..AdamW::default() };
        Settings {
            optimizer,
            head_rate: Some(self.head_rate),
            epochs: self.epochs,
            batch: self.batch,
            warm_up: self.warm_up,
            metric: self.metric.unwrap_or(metric),
            seed: self.seed,
        }
    }

    /// The learning rate of what is trained, of the head where that is all.
    pub fn rate(&self) -> f64 {
        self.rate.unwrap_or(match self.method {
            Tuning::Head => self.head_rate,
            Tuning::Lsr => 5e-3,
            Tuning::Full => 5e-5,
            _ => 1e-3,
        })
    }

    /// The names of the columns.
    pub fn columns(&self) -> Columns {
        Columns { text: self.text.clone(), pair: self.pair.clone(), label: self.label.clone() }
    }

    /// How many samples are taken.
    pub fn samples(&self) -> Samples {
        Samples { train: self.train_samples, dev: self.dev_samples, test: self.test_samples }
    }

    /// What stands for a text.
    pub fn pooling(&self) -> Pooling {
        match self.pooling {
            Pool::First => Pooling::First,
            Pool::Mean => Pooling::Mean,
        }
    }

    /// All that the numbers depend on, a line each.
    ///
    /// # Errors
    /// Where a folder is not there.
    pub fn text(&self) -> Result<String> {
        let whole = |path: &PathBuf| {
            let found = path.canonicalize().with_context(|| format!("{}: not there", path.display()))?;
            anyhow::Ok(found.display().to_string())
        };
        let own = Options {
            model: whole(&self.model)?.into(),
            data: whole(&self.data)?.into(),
            out: PathBuf::new(),
            resume: false,
            overwrite: false,
            ..self.clone()
        };
        Ok(format!("{own:#?}\n"))
    }
}

impl Tuning {
    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_string())
    }
}
