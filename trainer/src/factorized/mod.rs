//! The program `exp_factorized_finetuning`: a trained network, its hidden weights factorized at several
//! energies, and what training on gives back.
//!
//! **Problem.** A network trained on digits in full; each hidden weight W (m, n) replaced by the factors of rank r
//! that keep a share of |W|_F^2; then factors and head trained on, with AdamW as one would do it, and by
//! plain descent p_{t+1} = p_t - eta g_t with the whole gradient, for the theorem.
//!
//! **Method.** For a loss L whose gradient has the Lipschitz constant K along the way, and eta <= 1 / K, each
//! step takes at least eta |g_t|^2 / 2 off (the descent lemma), so that after T steps
//!
//! L_T <= L_0 - (eta / 2) sum_{t < T} |g_t|^2.
//!
//! With the first gradient in place of all of them, L_0 - T eta |g_0|^2 / 2, as the statement is also found in
//! print, it is false: that falls below zero. It says nothing of the best loss either.
//!
//! **Cost.** A training an energy and seed; two gradients over all samples a step of descent.
//!
//! **Guarantee.** K is measured, not bounded: eta |g_{t+1} - g_t| / |p_{t+1} - p_t|, the largest of which is
//! reported; the theorem asks for at most 1.
//!
//! **Deviations.** The activation is GELU: the theorem needs a smooth loss.

mod descent;
mod networks;
mod plot;

use crate::digits::CLASSES;
use crate::training::confusion;
use anyhow::{Result, bail};
use lowrank_experiments::plot::sheet::Sheet;
use lowrank_experiments::study::{NoChoice, Program, Study, distinct, program};
use lowrank_experiments::table::{Record, numbers, row};
pub use plot::text;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Inputs, hidden layers, classes.
pub const WIDTHS: [usize; 4] = [64, 256, 256, CLASSES];

/// The energy of the network that is not factorized.
pub const WHOLE: u32 = 1000;

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Shares of |W|_F^2 that the factors keep, in thousandths; 1000 leaves the weights as they are.
    pub energies: Vec<u32>,
    /// Learning rate of the training before, and of that after, times 10^-4.
    pub rates: (u32, u32),
    /// Epochs of each.
    pub epochs: u64,
    /// Energies of the plain descents.
    pub descents: Vec<u32>,
    /// Their steps: eta K in hundredths, with K measured at the start.
    pub steps: Vec<u32>,
    /// How many steps.
    pub count: u64,
    /// Number of repetitions.
    pub seeds: u64,
}

/// One training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trial {
    /// The share of |W|_F^2 kept, in thousandths.
    pub energy: u32,
    /// eta K of a plain descent, in hundredths; none for AdamW.
    pub step: Option<u32>,
    /// Learning rates before and after, times 10^-4.
    pub rates: (u32, u32),
    /// Epochs of the training before, and after.
    pub epochs: u64,
    /// Steps of a plain descent; 0 for AdamW.
    pub count: u64,
    /// The seed of network and order.
    pub seed: u64,
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Trial { energy, step, seed, .. } = self;
        let how = step.map_or("AdamW".to_string(), |s| format!("descent, eta K = {}", f64::from(s) / 100.0));
        write!(f, "energy {} %, {how}, seed {seed}", f64::from(*energy) / 10.0)
    }
}

row! {
    /// A row of the table.
    Row of trial: Trial {
        /// The share of |W|_F^2 kept, in thousandths.
        energy: u32 = trial.energy,
        /// eta K of a plain descent, in hundredths; empty for AdamW.
        step: Option<u32> = trial.step,
        /// Learning rate of the training before, times 10^-4.
        rate_before: u32 = trial.rates.0,
        /// And after.
        rate_after: u32 = trial.rates.1,
        /// Epochs of each.
        epochs: u64 = trial.epochs,
        /// Steps of a plain descent.
        count: u64 = trial.count,
        /// Seed.
        seed: u64 = trial.seed,
        /// Ranks of the hidden weights.
        #[serde(with = "numbers")]
        ranks: Vec<f64> = Vec::new(),
        /// Stored numbers of the network.
        parameters: usize = 0,
        /// Those of the network before.
        parameters_before: usize = 0,
        /// Accuracy on the test set of the network before.
        test_before: f64 = f64::NAN,
        /// Once factorized.
        test_cut: f64 = f64::NAN,
        /// After training on, the epoch best on the development set.
        test_tuned: Option<f64> = None,
        /// eta of a plain descent.
        eta: Option<f64> = None,
        /// The largest eta |g_{t+1} - g_t| / |p_{t+1} - p_t|.
        smoothness: Option<f64> = None,
        /// Loss on the training set: of the network before, factorized, then after each epoch; of a descent
        /// factorized, then after each step.
        #[serde(with = "numbers")]
        losses: Vec<f64> = Vec::new(),
        /// |g_t|^2 of a descent.
        #[serde(with = "numbers")]
        gradients: Vec<f64> = Vec::new(),
        /// Singular values of the first hidden weight before, and after training on.
        #[serde(with = "numbers")]
        spectrum_1_before: Vec<f64> = Vec::new(),
        /// After training on.
        #[serde(with = "numbers")]
        spectrum_1_after: Vec<f64> = Vec::new(),
        /// Of the second one before.
        #[serde(with = "numbers")]
        spectrum_2_before: Vec<f64> = Vec::new(),
        /// After.
        #[serde(with = "numbers")]
        spectrum_2_after: Vec<f64> = Vec::new(),
    }
}

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub struct FactorizedFinetuning;

impl Study for FactorizedFinetuning {
    type Config = Config;
    type Choice = NoChoice;
    type Trial = Trial;
    type Row = Row;

    fn program(self) -> Program {
        program!(
            "factorized_finetuning",
            "A trained network factorized at several energies and trained on: accuracy given back, the descent \
             that theory promises, spectra"
        )
    }

    fn check(self, config: &Config) -> Result<()> {
        distinct("energies", &config.energies)?;
        distinct("descents", &config.descents)?;
        distinct("steps", &config.steps)?;
        let energies = config.energies.iter().chain(&config.descents);
        if energies.clone().any(|e| !(1..=WHOLE).contains(e)) || config.descents.contains(&WHOLE) {
            bail!("`energies` are from 1 to {WHOLE}, `descents` below it: thousandths");
        }
        if config.steps.contains(&0) || config.count == 0 || config.rates.0 == 0 || config.rates.1 == 0 {
            bail!("`rates`, `steps` and `count` are positive");
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
        let &Config { rates, epochs, count, .. } = config;
        let tunings = config.energies.iter().map(|energy| (*energy, None));
        let descents =
            config.descents.iter().flat_map(|energy| config.steps.iter().map(|step| (*energy, Some(*step))));
        let trial = |((energy, step), seed): ((u32, Option<u32>), u64)| {
            let count = if step.is_some() { count } else { 0 };
            Trial { energy, step, rates, epochs, count, seed }
        };
        tunings
            .chain(descents)
            .flat_map(|kind| (0..config.seeds).map(move |seed| (kind, seed)))
            .map(trial)
            .collect()
    }

    fn seed(self, trial: &Trial) -> u64 {
        trial.seed
    }

    fn cost(self, trial: &Trial) -> f64 {
        0.1 * (trial.epochs + trial.count) as f64
    }

    fn kind(self, trial: &Trial) -> usize {
        usize::from(trial.step.is_some())
    }

    fn solve(self, _: &Config, trial: &Trial) -> Result<Row> {
        let (data, base) = (networks::data()?, networks::base(trial)?);
        let (network, ranks) = networks::factorized(&base, trial.energy)?;
        let row = Row {
            ranks: ranks.iter().map(|r| *r as f64).collect(),
            parameters: networks::stored(&network),
            parameters_before: networks::stored(&base),
            test_before: confusion(&*base, &data.test)?.accuracy(),
            test_cut: confusion(&network, &data.test)?.accuracy(),
            ..Row::done(trial)
        };
        match trial.step {
            Some(step) => {
                let found = descent::run(&network, &data.train, f64::from(step) / 100.0, trial.count)?;
                let descent::Descent { eta, smoothness, losses, gradients } = found;
                Ok(Row { eta: Some(eta), smoothness: Some(smoothness), losses, gradients, ..row })
            }
            None => networks::tune(&base, network, trial, &data, row),
        }
    }

    fn trial(self, row: &Row) -> Result<Trial> {
        let Row { energy, step, rate_before, rate_after, epochs, count, seed, .. } = *row;
        Ok(Trial { energy, step, rates: (rate_before, rate_after), epochs, count, seed })
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        plot::sheets(self, rows)
    }
}
