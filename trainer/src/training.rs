//! Epochs over a training set, the best of them picked on a development set.
//!
//! **Problem.** Trained numbers of a model that make its loss on a training set small, and then those of the
//! epoch that does best on other samples.
//!
//! **Method.** Each epoch takes all samples once, in batches ([`batches`]) that are a function of the seed
//! and the epoch; a step of [`AdamW`] a batch. After each epoch the metric on the development set is
//! taken, and the numbers of the first best epoch are kept.
//!
//! **Cost.** A gradient of the model a step; a forward pass over the development set an epoch.
//!
//! **Guarantee.** Deterministic; a run that was stopped and goes on from its checkpoint ends bit by bit as one that
//! was not. A loss, output or gradient that is not finite ends the run with an error that names the
//! layer and the step; the checkpoint of the epoch before stays.
//!
//! **Deviations.** None.

use crate::checkpoint;
use crate::metrics::{Confusion, Metric, predictions};
use crate::model::{Group, Model, NotFinite, Set};
use crate::optimizer::{AdamW, State, schedule};
use anyhow::{Result, bail};
use lowrank::Scalar;
use lowrank::random::stream;
use rand::seq::SliceRandom;
use std::path::Path;

/// Samples of a forward pass without gradients.
const TOGETHER: usize = 64;

/// Batches among which samples are sorted by length.
const POOL: usize = 32;

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The optimizer.
    pub optimizer: AdamW,
    /// The largest learning rate of the head, where it has its own.
    pub head_rate: Option<f64>,
    /// Epochs in all.
    pub epochs: u64,
    /// Samples a step.
    pub batch: usize,
    /// The share of the steps over which the rate rises.
    pub warm_up: f64,
    /// What the epoch is picked by.
    pub metric: Metric,
    /// The seed of the order of the samples.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            optimizer: AdamW::default(),
            head_rate: None,
            epochs: 20,
            batch: 32,
            warm_up: 0.1,
            metric: Metric::Accuracy,
            seed: 0,
        }
    }
}

/// The best epoch so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Best<T> {
    /// The epoch, from 1.
    pub epoch: u64,
    /// Its metric on the development set.
    pub score: f64,
    /// The trained numbers after it.
    pub groups: Vec<Group<T>>,
}

/// What [`Trainer::fit`] tells while it runs.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A step was done.
    Step {
        /// Its number, from 1.
        step: u64,
        /// Its epoch, from 1.
        epoch: u64,
        /// The mean loss of its samples before it.
        loss: f64,
        /// The learning rate of all but the head.
        rate: f64,
        /// How many samples it took.
        samples: usize,
    },
    /// An epoch was done; its checkpoint is written next.
    Epoch {
        /// Its number, from 1.
        epoch: u64,
        /// The mean loss of its steps.
        loss: f64,
        /// What the model then makes of the development set.
        dev: &'a Confusion,
    },
}

/// A model in training.
#[derive(Debug, Clone)]
pub struct Trainer<T: Scalar, M: Model<T>> {
    /// The model.
    pub model: M,
    /// How it is trained.
    pub settings: Settings,
    /// The state of the optimizer.
    pub state: State<T>,
    /// Epochs done.
    pub epoch: u64,
    /// The best of them.
    pub best: Option<Best<T>>,
}

impl<T: Scalar, M: Model<T>> Trainer<T, M> {
    /// Before the first step.
    ///
    /// # Errors
    /// Where a setting is out of its range, with its name.
    pub fn new(model: M, settings: Settings) -> Result<Self> {
        settings.optimizer.check()?;
        if settings.batch == 0 || settings.epochs == 0 || !(0.0..=1.0).contains(&settings.warm_up) {
            let Settings { batch, epochs, warm_up, .. } = settings;
            bail!(
                "batch = {batch}, epochs = {epochs}, warm_up = {warm_up}: pass at least 1, 1, and a share up to 1"
            );
        }
        if let Some(rate) = settings.head_rate.filter(|rate| !(*rate > 0.0 && rate.is_finite())) {
            bail!("head_rate = {rate}: pass a positive number");
        }
        let state = settings.optimizer.start(&model.groups());
        Ok(Self { model, settings, state, epoch: 0, best: None })
    }

    /// Trains to the last epoch and puts the numbers of the best one in place. Where `path` is given, the run is
    /// written there after each epoch. `seen` is told of every step and epoch; an error of it ends the run.
    ///
    /// # Errors
    /// Where a set has no sample or does not fit the model, a number is not finite (naming layer and step), or
    /// a checkpoint cannot be written.
    pub fn fit(
        &mut self,
        train: &Set<M::Input>,
        dev: &Set<M::Input>,
        path: Option<&Path>,
        mut seen: impl FnMut(Event<'_>) -> Result<()>,
    ) -> Result<()> {
        dev.check("development")?;
        while self.epoch < self.settings.epochs {
            let loss = self.epoch(train, &mut seen)?;
            let found = confusion(&self.model, dev)?;
            let score = self.settings.metric.of(&found);
            if self.best.as_ref().is_none_or(|best| score > best.score) {
                self.best = Some(Best { epoch: self.epoch, score, groups: self.model.groups() });
            }
            // First told, then saved: what was told is never behind the file.
            seen(Event::Epoch { epoch: self.epoch, loss, dev: &found })?;
            if let Some(path) = path {
                checkpoint::save(self, path)?;
            }
        }
        match &self.best {
            Some(best) => self.model.set(&best.groups),
            None => Ok(()),
        }
    }

    /// One epoch; its mean loss. After an error the model is to be loaded from a checkpoint again.
    ///
    /// # Errors
    /// As for [`Trainer::fit`].
    pub fn epoch(
        &mut self,
        train: &Set<M::Input>,
        mut seen: impl FnMut(Event<'_>) -> Result<()>,
    ) -> Result<f64> {
        train.check("training")?;
        let Settings { optimizer, batch, seed, .. } = self.settings;
        let lengths: Vec<usize> = train.inputs.iter().map(M::length).collect();
        let mut total = 0.0;
        for batch in batches(&lengths, batch, seed, self.epoch) {
            let (step, epoch, rate) = (self.state.steps + 1, self.epoch + 1, self.rate(train));
            let loss = self.step(train, &batch).map_err(|error| {
                let advice = match error.is::<NotFinite>() {
                    true => format!(": a smaller learning rate than {} may help", optimizer.rate),
                    false => String::new(),
                };
                error.context(format!("step {step} (epoch {epoch}){advice}"))
            })?;
            seen(Event::Step { step, epoch, loss, rate, samples: batch.len() })?;
            total += loss * batch.len() as f64;
        }
        self.epoch += 1;
        Ok(total / train.labels.len() as f64)
    }

    /// One step on some samples; their mean loss.
    ///
    /// # Errors
    /// Where a number is not finite, naming the layer.
    pub fn step(&mut self, train: &Set<M::Input>, batch: &[usize]) -> Result<f64> {
        let inputs: Vec<&M::Input> = batch.iter().map(|at| &train.inputs[*at]).collect();
        let labels: Vec<usize> = batch.iter().map(|at| train.labels[*at]).collect();
        let (loss, gradients) = self.model.gradient(&inputs, &labels)?;
        let factor = schedule(self.state.steps, self.steps(train), self.settings.warm_up);
        let Settings { optimizer, head_rate, .. } = self.settings;
        let head = head_rate.map_or(factor, |rate| factor * rate / optimizer.rate);
        let mut groups = self.model.groups();
        let factor = |group: &Group<T>| if group.head { head } else { factor };
        optimizer.step(&mut groups, &gradients, &mut self.state, factor)?;
        self.model.set(&groups)?;
        Ok(loss)
    }

    /// The steps of all epochs over a training set.
    pub fn steps(&self, train: &Set<M::Input>) -> u64 {
        self.settings.epochs * train.labels.len().div_ceil(self.settings.batch) as u64
    }

    /// The learning rate of the next step, of all but the head.
    fn rate(&self, train: &Set<M::Input>) -> f64 {
        let factor = schedule(self.state.steps, self.steps(train), self.settings.warm_up);
        self.settings.optimizer.rate * factor
    }
}

/// The samples of an epoch, given their lengths, in batches: shuffled, then sorted by length within every 32
/// batches' worth of them, so that a batch holds sequences of like length, then the batches shuffled. One
/// batch may be smaller. Where all lengths are equal, the plain shuffled order.
pub fn batches(lengths: &[usize], batch: usize, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.shuffle(&mut stream(seed, "the order of the samples", epoch));
    order.chunks_mut(batch.saturating_mul(POOL)).for_each(|pool| pool.sort_by_key(|at| lengths[*at]));
    let mut out: Vec<Vec<usize>> = order.chunks(batch).map(<[usize]>::to_vec).collect();
    if lengths.iter().any(|length| *length != lengths[0]) {
        out.shuffle(&mut stream(seed, "the order of the batches", epoch));
    }
    out
}

/// What a model makes of a set.
///
/// # Errors
/// Those of [`Model::logits`], or where the model has other classes.
pub fn confusion<T: Scalar, M: Model<T>>(model: &M, set: &Set<M::Input>) -> Result<Confusion> {
    let mut found = Vec::with_capacity(set.inputs.len());
    for inputs in set.inputs.chunks(TOGETHER) {
        let logits = model.logits(&inputs.iter().collect::<Vec<_>>())?;
        if logits.nrows() != set.classes {
            bail!("the model has {} classes, but the samples {}", logits.nrows(), set.classes);
        }
        found.extend(predictions(logits.as_ref()));
    }
    Ok(Confusion::new(set.classes, &set.labels, &found))
}
