//! Epochs over a training set, the best of them picked on a development set.
//!
//! **Problem.** Trained numbers of a network that make its loss on a training set small, and then those of the
//! epoch that does best on other samples.
//!
//! **Method.** Each epoch takes all samples once, in batches, in an order drawn from a stream that is named by
//! the seed and the epoch; a step of [`AdamW`] a batch. After each epoch the accuracy on the development set
//! is taken, and the numbers of the first best epoch are kept.
//!
//! **Guarantee.** Deterministic; a run that was stopped and goes on from its checkpoint ends bit by bit as one that
//! was not. A loss, output or gradient that is not finite ends the run with an error that names the
//! layer and the step; the checkpoint of the epoch before stays.
//!
//! **Deviations.** None.

use crate::checkpoint;
use crate::digits::Set;
use crate::loss::cross_entropy;
use crate::metrics::{Confusion, predictions};
use crate::network::{Group, Network};
use crate::optimizer::{AdamW, State, schedule};
use anyhow::{Context, Result, bail};
use lowrank::Scalar;
use lowrank::faer::Mat;
use lowrank::random::stream;
use rand::seq::SliceRandom;
use std::path::Path;

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The optimizer.
    pub optimizer: AdamW,
    /// Epochs in all.
    pub epochs: u64,
    /// Samples a step.
    pub batch: usize,
    /// The share of the steps over which the rate rises.
    pub warm_up: f64,
    /// The seed of the order of the samples.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { optimizer: AdamW::default(), epochs: 20, batch: 32, warm_up: 0.1, seed: 0 }
    }
}

/// A network in training.
#[derive(Debug, Clone)]
pub struct Trainer<T: Scalar> {
    /// The network.
    pub network: Network<T>,
    /// How it is trained.
    pub settings: Settings,
    /// The state of the optimizer.
    pub state: State<T>,
    /// Epochs done.
    pub epoch: u64,
    /// The best epoch so far (from 1), its accuracy on the development set and its numbers.
    pub best: Option<(u64, f64, Vec<Group<T>>)>,
}

impl<T: Scalar> Trainer<T> {
    /// Before the first step.
    ///
    /// # Errors
    /// Where a setting is out of its range, with its name.
    pub fn new(network: Network<T>, settings: Settings) -> Result<Self> {
        settings.optimizer.check()?;
        if settings.epochs == 0 || settings.batch == 0 || !(0.0..=1.0).contains(&settings.warm_up) {
            let Settings { epochs, batch, warm_up, .. } = settings;
            bail!(
                "epochs = {epochs}, batch = {batch}, warm_up = {warm_up}: pass at least one epoch and one sample \
                 a batch, and a share from 0 to 1"
            );
        }
        let state = settings.optimizer.start(&network.groups());
        Ok(Self { network, settings, state, epoch: 0, best: None })
    }

    /// Trains for the epochs that are left, then takes the numbers of the best one. With a path, a checkpoint
    /// is written there after each epoch. `seen` is told each epoch (from 1), its mean loss and its accuracy on
    /// the development set.
    ///
    /// # Errors
    /// Where data do not fit the network, a number is not finite (naming layer and step), or the
    /// checkpoint cannot be written.
    pub fn fit(
        &mut self,
        train: &Set<T>,
        dev: &Set<T>,
        path: Option<&Path>,
        mut seen: impl FnMut(u64, f64, f64),
    ) -> Result<()> {
        while self.epoch < self.settings.epochs {
            let loss = self.epoch(train)?;
            let accuracy = confusion(&self.network, dev)?.accuracy();
            if self.best.as_ref().is_none_or(|(_, best, _)| accuracy > *best) {
                self.best = Some((self.epoch, accuracy, self.network.groups()));
            }
            if let Some(path) = path {
                checkpoint::save(self, path)?;
            }
            seen(self.epoch, loss, accuracy);
        }
        match &self.best {
            Some((_, _, groups)) => self.network.set(groups),
            None => Ok(()),
        }
    }

    /// One epoch; its mean loss. After an error the network is to be loaded from a checkpoint again.
    ///
    /// # Errors
    /// As for [`Trainer::fit`].
    pub fn epoch(&mut self, train: &Set<T>) -> Result<f64> {
        let count = train.labels.len();
        if count == 0 || train.x.ncols() != count {
            bail!("{} samples and {count} labels to train on: one each is needed", train.x.ncols());
        }
        let mut order: Vec<usize> = (0..count).collect();
        order.shuffle(&mut stream(self.settings.seed, "the order of the samples", self.epoch));
        let mut total = 0.0;
        for batch in order.chunks(self.settings.batch) {
            let loss = self.step(train, batch).with_context(|| {
                let rate = self.settings.optimizer.rate;
                format!(
                    "step {} (epoch {}): a smaller learning rate than {rate} may help",
                    self.state.steps + 1,
                    self.epoch + 1
                )
            })?;
            total += loss * batch.len() as f64;
        }
        self.epoch += 1;
        Ok(total / count as f64)
    }

    /// One step on some samples; their mean loss.
    ///
    /// # Errors
    /// Where a number is not finite, naming the layer.
    pub fn step(&mut self, train: &Set<T>, batch: &[usize]) -> Result<f64> {
        let x = Mat::from_fn(train.x.nrows(), batch.len(), |i, j| train.x[(i, batch[j])]);
        let labels: Vec<usize> = batch.iter().map(|at| train.labels[*at]).collect();
        let (loss, gradients) = self.network.gradient(x.as_ref(), |y| cross_entropy(y, &labels))?;
        let Settings { epochs, batch, warm_up, .. } = self.settings;
        let total = epochs * train.labels.len().div_ceil(batch) as u64;
        let factor = schedule(self.state.steps, total, warm_up);
        let mut groups = self.network.groups();
        self.settings.optimizer.step(&mut groups, &gradients, &mut self.state, factor)?;
        self.network.set(&groups)?;
        Ok(loss)
    }
}

/// What a network makes of a set.
///
/// # Errors
/// Those of [`Network::forward`].
pub fn confusion<T: Scalar>(network: &Network<T>, set: &Set<T>) -> Result<Confusion> {
    let logits = network.forward(set.x.as_ref())?;
    Ok(Confusion::new(logits.nrows(), &set.labels, &predictions(logits.as_ref())))
}
