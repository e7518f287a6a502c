//! The program `train_adapter`: a network trained on upright digits, adapted to others by every method.
//!
//! A trial is one method at one learning rate with one seed on one task: the network of that seed, trained on
//! upright digits in full, is adapted, and the epoch best on the development set is tested. What is
//! reported of a method is its rate that is best on the development set: see [`crate::report`].

use crate::digits::{self, CLASSES, Task};
use crate::form::Form;
use crate::model::{Model, Split};
use crate::network::Network;
use crate::optimizer::AdamW;
use crate::report;
use crate::training::{Settings, Trainer, confusion};
use anyhow::{Result, bail};
use lowrank::layers::Activation;
use lowrank_experiments::plot::sheet::Sheet;
use lowrank_experiments::program;
use lowrank_experiments::row;
use lowrank_experiments::study::{Program, Study, distinct};
use lowrank_experiments::table::Record;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Inputs, hidden layers, classes: 64 = 8 x 8 and 128 = 16 x 8.
pub const WIDTHS: [usize; 4] = [64, 128, 128, CLASSES];

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The tasks adapted to.
    pub tasks: Vec<Task>,
    /// The methods.
    pub methods: Vec<Form>,
    /// Learning rates, times 10^-4.
    pub rates: Vec<u32>,
    /// Epochs of every training.
    pub epochs: u64,
    /// Number of repetitions.
    pub seeds: u64,
}

/// A trained network, ready to be trained this way.
///
/// # Errors
/// Those of [`Network::adapt`].
pub fn prepare(form: Form, base: &Network<f32>, seed: u64) -> Result<Network<f32>> {
    if form == Form::Full { Ok(base.clone()) } else { base.adapt(form.method().as_ref(), 1.0, seed) }
}

/// One training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trial {
    /// The task.
    pub task: Task,
    /// The method.
    pub method: Form,
    /// The learning rate, times 10^-4.
    pub rate: u32,
    /// Epochs, of the network before too.
    pub epochs: u64,
    /// The seed of network, adapters and order.
    pub seed: u64,
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Trial { task, method, rate, seed, .. } = self;
        write!(f, "{}, {method}, learning rate {rate}e-4, seed {seed}", task.name())
    }
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
        /// Trained numbers, those of the head with them.
        parameters: usize = 0,
        /// The epoch best on the development set, from 1.
        epoch: u64 = 0,
        /// Accuracy of that epoch on the development set.
        dev: f64 = f64::NAN,
        /// On the test set.
        test: f64 = f64::NAN,
        /// Macro F1 on the test set.
        macro_f1: f64 = f64::NAN,
        /// Matthews' correlation on the test set.
        matthews: f64 = f64::NAN,
        /// Accuracy on the test set before the adaptation.
        before: f64 = f64::NAN,
        /// Accuracy of the network on the test set of upright digits, before the adaptation.
        upright: f64 = f64::NAN,
    }
}

/// Options of the program's own.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct Shorter {
    /// Epochs of every training, instead of the configuration's
    #[arg(long, value_name = "N")]
    pub epochs: Option<u64>,
}

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub struct TrainAdapter;

impl Study for TrainAdapter {
    type Config = Config;
    type Choice = Shorter;
    type Trial = Trial;
    type Row = Row;

    fn program(self) -> Program {
        let about = "Trains a network on handwritten digits and adapts it to rotated and inverted ones with every \
                     adapter: accuracy against trained parameters";
        Program { name: "train_adapter", ..program!("train_adapter", about) }
    }

    fn check(self, config: &Config) -> Result<()> {
        distinct("tasks", &config.tasks)?;
        distinct("methods", &config.methods)?;
        distinct("rates", &config.rates)?;
        if config.tasks.contains(&Task::Upright) || config.rates.contains(&0) {
            bail!("`tasks` are rotated and inverted, `rates` positive");
        }
        if config.epochs == 0 || config.seeds == 0 {
            bail!("`epochs` and `seeds` are at least 1");
        }
        Ok(())
    }

    fn seeds(self, config: &mut Config) -> &mut u64 {
        &mut config.seeds
    }

    fn choose(self, config: &mut Config, choice: &Shorter) {
        config.epochs = choice.epochs.unwrap_or(config.epochs);
    }

    fn narrow(self, config: &mut Config, trials: &[Trial]) -> String {
        match trials.first() {
            Some(trial) if trial.epochs != config.epochs => {
                config.epochs = trial.epochs;
                format!(" --epochs {}", trial.epochs)
            }
            _ => String::new(),
        }
    }

    fn trials(self, config: &Config) -> Vec<Trial> {
        let epochs = config.epochs;
        let mut out = Vec::new();
        for &task in &config.tasks {
            for &method in &config.methods {
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
        0.01 * trial.epochs as f64
    }

    fn kind(self, trial: &Trial) -> usize {
        usize::from(trial.method == Form::Full)
    }

    fn solve(self, _: &Config, trial: &Trial) -> Result<Row> {
        let (data, base) = (data(trial.task)?, base(trial.epochs, trial.seed)?);
        let network = prepare(trial.method, &base.network, trial.seed)?;
        let trainer = train(network, &data, trial.rate, trial.epochs, trial.seed)?;
        let (epoch, dev) = trainer.best.as_ref().map_or((0, f64::NAN), |best| (best.epoch, best.score));
        let found = confusion(&trainer.model, &data.test)?;
        Ok(Row {
            parameters: trainer.model.trained(),
            epoch,
            dev,
            test: found.accuracy(),
            macro_f1: found.macro_f1(),
            matthews: found.matthews(),
            before: confusion(&base.network, &data.test)?.accuracy(),
            upright: base.upright,
            ..Row::done(trial)
        })
    }

    fn trial(self, row: &Row) -> Result<Trial> {
        let Row { task, method, rate, epochs, seed, .. } = *row;
        Ok(Trial { task, method, rate, epochs, seed })
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        Ok(vec![("train_adapter".to_string(), report::sheet(self, rows)?)])
    }
}

/// A network trained on upright digits, and its accuracy on their test set.
pub struct Base {
    /// The network.
    pub network: Network<f32>,
    /// Its accuracy.
    pub upright: f64,
}

/// The data of a task, read once.
///
/// # Errors
/// Those of [`digits::load`].
pub fn data(task: Task) -> Result<Arc<Split<Vec<f32>>>> {
    static ALL: Shelf<Task, Split<Vec<f32>>> = OnceLock::new();
    kept(&ALL, task, || digits::load(digits::FILE, task))
}

/// The network of a seed, trained once.
///
/// # Errors
/// Those of [`Trainer::fit`].
pub fn base(epochs: u64, seed: u64) -> Result<Arc<Base>> {
    static ALL: Shelf<(u64, u64), Base> = OnceLock::new();
    kept(&ALL, (epochs, seed), || {
        let data = data(Task::Upright)?;
        let network = Network::new(&WIDTHS, Activation::Relu, seed);
        let trainer = train(network, &data, 30, epochs, seed)?;
        let upright = confusion(&trainer.model, &data.test)?.accuracy();
        Ok(Base { network: trainer.model, upright })
    })
}

/// A network trained on a task at a learning rate, times 10^-4; the epoch best on the development set.
///
/// # Errors
/// Those of [`Trainer::fit`].
pub fn train(
    network: Network<f32>,
    data: &Split<Vec<f32>>,
    rate: u32,
    epochs: u64,
    seed: u64,
) -> Result<Trainer<f32, Network<f32>>> {
    let optimizer = AdamW { rate: f64::from(rate) / 1e4, ..Default::default() };
    let mut trainer = Trainer::new(network, Settings { optimizer, epochs, seed, ..Default::default() })?;
    trainer.fit(&data.train, &data.dev, None, |_| Ok(()))?;
    Ok(trainer)
}

/// What was made for keys.
pub(crate) type Shelf<K, V> = OnceLock<Mutex<BTreeMap<K, Arc<V>>>>;

/// What a shelf has of this key, made at most once.
pub(crate) fn kept<K: Ord, V>(
    shelf: &Shelf<K, V>,
    key: K,
    make: impl FnOnce() -> Result<V>,
) -> Result<Arc<V>> {
    let mut shelf = shelf.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = shelf.get(&key) {
        return Ok(found.clone());
    }
    let made = Arc::new(make()?);
    shelf.insert(key, made.clone());
    Ok(made)
}
