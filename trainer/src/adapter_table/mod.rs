//! The program `exp_adapter_table`: Table 1 of Li and Sarwate (LSR-Adapt) on an encoder and the tasks at hand.
//!
//! **Problem.** Which adapter tells texts apart best, for how many trained numbers.
//!
//! **Method.** A trial is one method at one learning rate with one seed on one task: adapters of scaling 4 beside
//! query and value of some blocks, and the head on the mean of the tokens, by AdamW in batches of 32, the head beside
//! them at 1e-3. The epoch is picked on dev, and so is the learning rate; test is reported.
//!
//! **Cost.** The trials run one after the other, each on all threads, since their steps are timed.
//!
//! **Guarantee.** A task has the same texts for all seeds; a seed is that of head, adapter and order.
//!
//! **Deviations.** The paper trains RoBERTa on whole training sets for 20 and 50 epochs, and has no LoRA of its own
//! number of parameters: here there are LoRAs of several ranks.

mod places;
pub mod report;

use crate::encoder::{Config as Sizes, Encoder, Loading, Pooling, Training};
use crate::form::Form;
use crate::model::{Model, Split};
use crate::optimizer::AdamW;
use crate::training::{Event, Settings, Trainer, confusion};
use anyhow::{Result, bail};
use lowrank_experiments::measure::{Latest, median};
use lowrank_experiments::plot::sheet::Sheet;
use lowrank_experiments::study::{Program, Study, distinct, program};
use lowrank_experiments::table::{Record, row};
use lowrank_experiments::weights::lasting;
use places::{Texts, place, present, short};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Instant;

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder of the encoder.
    pub model: String,
    /// The tokenizer, where it is not in that folder.
    pub tokenizer: Option<String>,
    /// The tasks.
    pub tasks: Vec<Task>,
    /// Texts to train on, at most.
    pub train: usize,
    /// To pick learning rate and epoch by.
    pub dev: usize,
    /// To report.
    pub test: usize,
    /// Sequences are cut to so many tokens.
    pub length: usize,
    /// The first and the last block with adapters, from 0.
    pub layers: [usize; 2],
    /// Epochs of every training.
    pub epochs: u64,
    /// Number of repetitions.
    pub seeds: u64,
    /// The methods with their learning rates.
    pub methods: Vec<Methods>,
}

/// A folder of texts, and what is otherwise for it than for the others.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The folder.
    pub data: String,
    /// Texts to train on, at most.
    pub train: Option<usize>,
    /// Epochs of every training.
    pub epochs: Option<u64>,
    /// Of all repetitions only so many.
    pub seeds: Option<u64>,
}

/// Methods that share learning rates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Methods {
    /// The methods.
    pub names: Vec<Form>,
    /// Learning rates, times 10^-5.
    pub rates: Vec<u32>,
    /// Of all repetitions only so many.
    pub seeds: Option<u64>,
}

impl Config {
    /// The task of this folder, as it is here or as the others are.
    fn task(&self, data: &str) -> Task {
        let plain = || Task { data: data.to_string(), train: None, epochs: None, seeds: None };
        self.tasks.iter().find(|task| task.data == data).cloned().unwrap_or_else(plain)
    }
}

/// Options of the program's own.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct Places {
    /// Folder of the encoder (config.json, model.safetensors, tokenizer.json), instead of the configuration's
    #[arg(long, value_name = "DIR")]
    pub model: Option<String>,
    /// Folder of texts (train, dev, test as .tsv, .csv or .jsonl; GLUE's layouts), instead of the configuration's;
    /// repeat it for several
    #[arg(long, value_name = "DIR")]
    pub data: Vec<String>,
}

/// One training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trial {
    /// The folder of the encoder.
    pub model: &'static str,
    /// The folder of texts.
    pub task: &'static str,
    /// The method.
    pub method: Form,
    /// The learning rate, times 10^-5.
    pub rate: u32,
    /// Epochs.
    pub epochs: u64,
    /// Texts to train on, to pick by and to report, at most.
    pub texts: [usize; 3],
    /// Sequences are cut to so many tokens.
    pub length: usize,
    /// The first and the last block with adapters, from 0.
    pub layers: [usize; 2],
    /// The seed of head, adapter and order.
    pub seed: u64,
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Trial { task, method, rate, seed, .. } = self;
        write!(f, "{}, {method}, learning rate {rate}e-5, seed {seed}", short(task))
    }
}

/// The scaling c of W x + c dW x, with which all adapters are trained.
const SCALING: f64 = 4.0;

impl Trial {
    /// What is trained of the encoder: beside query and value of its blocks.
    fn training(&self) -> Training {
        let (targets, [first, last]) = (["query", "value"].map(String::from).to_vec(), self.layers);
        match self.method.method() {
            Some(method) => {
                Training::Adapter { method, scaling: SCALING, targets, layers: Some(first..last + 1) }
            }
            None if self.method == Form::Full => Training::Full,
            None => Training::Head,
        }
    }
}

row! {
    /// A row of the table.
    Row of trial: Trial {
        /// The folder of the encoder.
        model: String = trial.model.to_string(),
        /// The folder of texts.
        task: String = trial.task.to_string(),
        /// The method.
        method: Form = trial.method,
        /// The learning rate, times 10^-5.
        rate: u32 = trial.rate,
        /// Epochs.
        epochs: u64 = trial.epochs,
        /// Texts to train on, at most.
        train: usize = trial.texts[0],
        /// To pick learning rate and epoch by, at most.
        dev_texts: usize = trial.texts[1],
        /// To report, at most.
        test_texts: usize = trial.texts[2],
        /// Sequences are cut to so many tokens.
        length: usize = trial.length,
        /// The first block with adapters, from 0.
        first_layer: usize = trial.layers[0],
        /// The last.
        last_layer: usize = trial.layers[1],
        /// Seed.
        seed: u64 = trial.seed,
        /// Trained numbers without those of the head.
        adapter: usize = 0,
        /// Those of the head.
        head: usize = 0,
        /// The epoch best on dev, from 1.
        epoch: u64 = 0,
        /// What the task is judged by.
        metric: String = String::new(),
        /// It on dev, after that epoch.
        dev: f64 = f64::NAN,
        /// On test.
        test: f64 = f64::NAN,
        /// Accuracy on test.
        accuracy: f64 = f64::NAN,
        /// Texts of test.
        tested: usize = 0,
        /// Seconds of a step, the median.
        step_seconds: f64 = f64::NAN,
    } timed on threads
}

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub struct AdapterTable;

impl Study for AdapterTable {
    type Config = Config;
    type Choice = Places;
    type Trial = Trial;
    type Row = Row;

    fn program(self) -> Program {
        program!(
            "adapter_table",
            "Adapters beside a trained encoder on several tasks: what they tell right against trained parameters"
        )
    }

    fn check(self, config: &Config) -> Result<()> {
        let Config { train, dev, test, epochs, seeds, .. } = *config;
        distinct("tasks", &config.tasks.iter().map(|task| &task.data).collect::<Vec<_>>())?;
        let names = config.methods.iter().flat_map(|m| &m.names).copied().collect::<Vec<_>>();
        distinct("methods", &names)?;
        for Methods { rates, seeds, .. } in &config.methods {
            distinct("rates", rates)?;
            if rates.contains(&0) || *seeds == Some(0) {
                bail!("`rates` are positive, times 10^-5, and so are the `seeds` of a method");
            }
        }
        let own = |t: &Task| t.train == Some(0) || t.epochs == Some(0) || t.seeds == Some(0);
        if [train, dev, test].contains(&0) || epochs == 0 || seeds == 0 || config.tasks.iter().any(own) {
            bail!("`train`, `dev`, `test`, `epochs` and `seeds` are at least 1");
        }
        let model = present(&config.model, "--model DIR")?;
        let sizes = Sizes::read(&model.join("config.json"))?;
        let [first, last] = config.layers;
        if first > last || last >= sizes.layers {
            bail!(
                "`layers` = {:?}: the first and the last of {} blocks, from 0",
                config.layers,
                sizes.layers
            );
        }
        if config.length > sizes.longest() {
            bail!("`length` = {}: the encoder takes at most {} tokens", config.length, sizes.longest());
        }
        for name in ["model.safetensors", "tokenizer.json"] {
            let needed = config.tokenizer.is_none() || name != "tokenizer.json";
            if needed && !model.join(name).is_file() {
                bail!("{}: no {name} there", model.display());
            }
        }
        config.tokenizer.iter().try_for_each(|path| present(path, "`tokenizer`").map(drop))?;
        config.tasks.iter().try_for_each(|task| present(&task.data, "--data DIR").map(drop))
    }

    fn seeds(self, config: &mut Config) -> &mut u64 {
        &mut config.seeds
    }

    fn choose(self, config: &mut Config, Places { model, data }: &Places) {
        if let Some(model) = model {
            (config.model, config.tokenizer) = (model.clone(), None);
        }
        if !data.is_empty() {
            config.tasks = data.iter().map(|data| config.task(data)).collect();
        }
    }

    fn narrow(self, config: &mut Config, trials: &[Trial]) -> String {
        let Some(first) = trials.first() else { return String::new() };
        let mut tasks: Vec<&str> = trials.iter().map(|trial| trial.task).collect();
        tasks.dedup(); // those of a task come one after the other
        let mut out = String::new();
        if config.model != first.model {
            config.model = first.model.to_string();
            out += &format!(" --model {}", first.model);
        }
        if !config.tasks.iter().map(|task| task.data.as_str()).eq(tasks.iter().copied()) {
            out.extend(tasks.iter().map(|task| format!(" --data {task}")));
            config.tasks = tasks.into_iter().map(|task| config.task(task)).collect();
        }
        out
    }

    fn trials(self, config: &Config) -> Vec<Trial> {
        let &Config { dev, test, length, layers, .. } = config;
        let model = lasting(&config.model);
        let mut out = Vec::new();
        for Task { data, train, epochs, seeds } in &config.tasks {
            let (task, epochs) = (lasting(data), epochs.unwrap_or(config.epochs));
            let texts = [train.unwrap_or(config.train), dev, test];
            for seed in 0..seeds.unwrap_or(u64::MAX).min(config.seeds) {
                for Methods { names, rates, .. } in
                    config.methods.iter().filter(|m| m.seeds.is_none_or(|n| seed < n))
                {
                    out.extend(names.iter().flat_map(|&method| {
                        rates.iter().map(move |&rate| Trial {
                            model,
                            task,
                            method,
                            rate,
                            epochs,
                            texts,
                            length,
                            layers,
                            seed,
                        })
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
        5e-3 * trial.epochs as f64 * trial.texts[0] as f64
    }

    fn kind(self, trial: &Trial) -> usize {
        usize::from(trial.method == Form::Full)
    }

    fn solve(self, config: &Config, trial: &Trial) -> Result<Row> {
        static TEXTS: Latest<(&str, &str, [usize; 3], usize), Texts> = Latest::new();
        static BASE: Latest<(&str, usize, u64), Encoder<f32>> = Latest::new();
        let texts = TEXTS.get((trial.model, trial.task, trial.texts, trial.length), || {
            Texts::read(config.tokenizer.as_deref(), trial)
        })?;
        let Split { train, dev, test } = &texts.sets;
        let base = BASE.get((trial.model, train.classes, trial.seed), || {
            let loading = Loading {
                classes: Some(train.classes),
                pooling: Pooling::Mean,
                rounded: false,
                seed: trial.seed,
            };
            Encoder::load(place(trial.model), &loading)
        })?;
        let model = base.adapt(&trial.training(), trial.seed)?;
        let settings = Settings {
            optimizer: AdamW { rate: f64::from(trial.rate) / 1e5, ..AdamW::default() },
            head_rate: (trial.method != Form::Head).then_some(1e-3),
            epochs: trial.epochs,
            metric: texts.metric,
            seed: trial.seed,
            ..Settings::default()
        };
        let mut trainer = Trainer::new(model, settings)?;
        let (mut clock, mut seconds) = (Instant::now(), Vec::new());
        trainer.fit(train, dev, None, |event| {
            if matches!(event, Event::Step { .. }) {
                seconds.push(clock.elapsed().as_secs_f64());
            }
            clock = Instant::now();
            Ok(())
        })?;
        let (epoch, dev) = trainer.best.as_ref().map_or((0, f64::NAN), |best| (best.epoch, best.score));
        let found = confusion(&trainer.model, test)?;
        let head = trainer.model.groups().iter().filter(|group| group.head).map(|g| g.values.len()).sum();
        Ok(Row {
            adapter: trainer.model.trained() - head,
            head,
            epoch,
            metric: texts.metric.name().to_string(),
            dev,
            test: texts.metric.of(&found),
            accuracy: found.accuracy(),
            tested: test.labels.len(),
            step_seconds: median(seconds),
            ..Row::done(trial)
        })
    }

    fn trial(self, row: &Row) -> Result<Trial> {
        let Row { method, rate, epochs, length, seed, .. } = *row;
        Ok(Trial {
            model: lasting(&row.model),
            task: lasting(&row.task),
            method,
            rate,
            epochs,
            texts: [row.train, row.dev_texts, row.test_texts],
            length,
            layers: [row.first_layer, row.last_layer],
            seed,
        })
    }

    fn sheets(self, rows: &[Row]) -> Result<Vec<(String, Sheet)>> {
        Ok(vec![("adapter_table".to_string(), report::sheet(self, rows)?)])
    }
}
