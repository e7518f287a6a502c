//! The program `exp_svd_lora`: W ~ U_r (S_r + X Y) V_r', X (r, r'), Y (r', r), over the rank r of the
//! truncated weight and the inner rank r', beside LoRA with as many trained numbers.
//!
//! The network of a seed, trained on upright digits, is adapted to others. The head stays as it is, so that
//! all trained numbers are the adapters'.

mod report;

use crate::digits::Task;
use crate::form::Form;
use crate::model::Model;
use crate::network::{Network, Weight};
use crate::study::{self, Trial, base, data};
use crate::training::confusion;
use anyhow::{Result, bail};
use lowrank_experiments::plot::sheet::Sheet;
use lowrank_experiments::study::{NoChoice, Program, Study, distinct, program};
use lowrank_experiments::table::{Record, row};
pub use report::text;
use serde::{Deserialize, Serialize};

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The tasks adapted to.
    pub tasks: Vec<Task>,
    /// Ranks r of the truncated weights.
    pub ranks: Vec<usize>,
    /// Inner ranks r'; those up to r are run.
    pub inner: Vec<usize>,
    /// Whether the singular values are trained too.
    pub with_values: bool,
    /// Ranks of LoRA.
    pub lora: Vec<usize>,
    /// Learning rates, times 10^-4.
    pub rates: Vec<u32>,
    /// Epochs of every training.
    pub epochs: u64,
    /// Number of repetitions.
    pub seeds: u64,
}

row! {
    /// A row of the table.
    Row of trial: Trial {
        /// The task.
        task: Task = trial.task,
        /// The method.
        method: Form = trial.method,
        /// The learning rate, times 10^-4.
        rate: u32 = trial.rate,
        /// Epochs.
        epochs: u64 = trial.epochs,
        /// Seed.
        seed: u64 = trial.seed,
        /// Trained numbers.
        parameters: usize = 0,
        /// The epoch best on the development set, from 1.
        epoch: u64 = 0,
        /// Accuracy of that epoch on the development set.
        dev: f64 = f64::NAN,
        /// On the test set.
        test: f64 = f64::NAN,
        /// Accuracy of the truncated network on upright digits, before the adaptation.
        upright: f64 = f64::NAN,
    }
}

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub struct SvdLora;

impl Study for SvdLora {
    type Config = Config;
    type Choice = NoChoice;
    type Trial = Trial;
    type Row = Row;

    fn program(self) -> Program {
        program!(
            "svd_lora",
            "SVD-LoRA over the rank of the truncated weights and the inner rank, beside LoRA: accuracy and \
             trained numbers"
        )
    }

    fn check(self, config: &Config) -> Result<()> {
        distinct("tasks", &config.tasks)?;
        distinct("ranks", &config.ranks)?;
        distinct("inner", &config.inner)?;
        distinct("lora", &config.lora)?;
        distinct("rates", &config.rates)?;
        let numbers = [&config.ranks, &config.inner, &config.lora].map(|list| list.contains(&0));
        if config.tasks.contains(&Task::Upright) || config.rates.contains(&0) || numbers.contains(&true) {
            bail!("`tasks` are rotated and inverted, ranks and `rates` positive");
        }
        let most = study::WIDTHS[0];
        if config.ranks.iter().chain(&config.lora).any(|rank| *rank > most) {
            bail!("`ranks` and `lora` are at most {most}, the smaller side of the first weight");
        }
        if config.epochs == 0 || config.seeds == 0 {
            bail!("`epochs` and `seeds` are at least 1");
        }
        Ok(())
    }

    fn seeds(self, config: &mut Config) -> &mut u64 {
        &mut config.seeds
    }

    fn trials(self, config: &Config) -> Vec<Trial> {
        let &Config { with_values, epochs, .. } = config;
        let grid = config.ranks.iter().flat_map(|&rank| {
            let inner = config.inner.iter().filter(move |inner| **inner <= rank);
            inner.map(move |&inner| Form::SvdLora { rank, inner, with_values })
        });
        let methods: Vec<Form> = config.lora.iter().map(|rank| Form::Lora(*rank)).chain(grid).collect();
        let mut out = Vec::new();
        for &task in &config.tasks {
            for &method in &methods {
                for &rate in &config.rates {
                    out.extend((0..config.seeds).map(|seed| Trial { task, method, rate, epochs, seed }));
                }
            }
        }
        out
    }

    fn seed(self, trial: &Trial) -> u64 {
        trial.seed
    }

    fn cost(self, trial: &Trial) -> f64 {
        0.015 * trial.epochs as f64
    }

    fn solve(self, _: &Config, trial: &Trial) -> Result<Row> {
        let (data, base) = (data(trial.task)?, base(trial.epochs, trial.seed)?);
        let network = base.network.adapt(trial.method.method().as_ref(), 1.0, trial.seed)?;
        let network = with_frozen_head(network);
        let upright = confusion(&network, &study::data(Task::Upright)?.test)?.accuracy();
        let trainer = study::train(network, &data, trial.rate, trial.epochs, trial.seed)?;
        let (epoch, dev) = trainer.best.as_ref().map_or((0, f64::NAN), |best| (best.epoch, best.score));
        Ok(Row {
            parameters: trainer.model.trained(),
            epoch,
            dev,
            test: confusion(&trainer.model, &data.test)?.accuracy(),
            upright,
            ..Row::done(trial)
        })
    }

    fn trial(self, row: &Row) -> Result<Trial> {
        let Row { task, method, rate, epochs, seed, .. } = *row;
        Ok(Trial { task, method, rate, epochs, seed })
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        Ok(vec![("svd_lora".to_string(), report::sheet(self, rows)?)])
    }
}

/// The same network with its last layer not trained.
fn with_frozen_head(mut network: Network<f32>) -> Network<f32> {
    if let Some(head) = network.layers.last_mut() {
        head.weight = Weight::Frozen(head.weight.merged());
    }
    network
}
