//! What can be trained, and what it is trained on.

use anyhow::{Result, bail};
use lowrank::Scalar;
use lowrank::faer::Mat;

/// Trained numbers with a name; the optimizer keeps its state for each of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Group<T> {
    /// The layer and what they are: `layer 2, weight`.
    pub name: String,
    /// What else tells what is computed of them: the method, sizes and scaling of an adapter; empty for others.
    pub form: String,
    /// Whether the decay of weights is for them; not for biases.
    pub decay: bool,
    /// Whether they are of the head, the last layer, which may have a learning rate of its own.
    pub head: bool,
    /// The numbers.
    pub values: Vec<T>,
}

/// A number that came out infinite or NaN in training, in words: an error that a smaller learning rate may avoid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotFinite(pub String);

impl NotFinite {
    /// What of a layer it is, such as its output.
    pub fn of(layer: &str, what: &str) -> Self {
        Self(format!("{layer}: its {what} is not finite"))
    }
}

impl std::fmt::Display for NotFinite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotFinite {}

/// A classifier with trained and frozen numbers.
pub trait Model<T: Scalar> {
    /// A sample.
    type Input: Send + Sync;

    /// The trained numbers, copied.
    fn groups(&self) -> Vec<Group<T>>;

    /// Replaces the trained numbers, given in the order of [`Model::groups`].
    ///
    /// # Errors
    /// Where counts differ or a number is not finite.
    fn set(&mut self, groups: &[Group<T>]) -> Result<()>;

    /// The logits of samples: (classes, N).
    ///
    /// # Errors
    /// Where a sample does not fit, or the output of a layer is not finite ([`NotFinite`]), with the layer.
    fn logits(&self, inputs: &[&Self::Input]) -> Result<Mat<T>>;

    /// The mean softmax cross-entropy ([`crate::loss::cross_entropy`]) of samples, and its gradients with
    /// respect to the trained numbers, one list for each of [`Model::groups`].
    ///
    /// # Errors
    /// Those of [`Model::logits`] and of the loss; where a gradient is not finite ([`NotFinite`]), with the layer.
    fn gradient(&self, inputs: &[&Self::Input], labels: &[usize]) -> Result<(f64, Vec<Vec<T>>)>;

    /// A number that tells another model with the same groups from this one, by its frozen numbers and what it
    /// computes of them: see [`Checksum`].
    fn frozen(&self) -> u64;

    /// The length of a sample: those of like length share a batch.
    fn length(_input: &Self::Input) -> usize {
        1
    }

    /// How many numbers are trained.
    fn trained(&self) -> usize {
        self.groups().iter().map(|group| group.values.len()).sum()
    }
}

/// Samples with their classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Set<I> {
    /// N samples.
    pub inputs: Vec<I>,
    /// N classes, each below `classes`.
    pub labels: Vec<usize>,
    /// The number of classes.
    pub classes: usize,
}

impl<I> Set<I> {
    /// # Errors
    /// Where there is no sample, not one label a sample, or a label that is no class; `name` is in the error.
    pub fn check(&self, name: &str) -> Result<()> {
        let Set { inputs, labels, classes } = self;
        if inputs.is_empty() || inputs.len() != labels.len() {
            bail!(
                "the {name} set: {} samples and {} labels: one each is needed, and at least one",
                inputs.len(),
                labels.len()
            );
        }
        if let Some(at) = labels.iter().position(|label| label >= classes) {
            bail!(
                "the {name} set: sample {at} has class {}, but there are {classes}, counted from 0",
                labels[at]
            );
        }
        Ok(())
    }
}

/// Samples in three parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Split<I> {
    /// To train on.
    pub train: Set<I>,
    /// To choose the learning rate and the epoch by.
    pub dev: Set<I>,
    /// To report.
    pub test: Set<I>,
}

/// A checksum of numbers and texts in their order (FNV-1a, a number or byte at a time).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checksum(pub u64);

impl Default for Checksum {
    fn default() -> Self {
        Checksum(0xcbf2_9ce4_8422_2325)
    }
}

impl Checksum {
    /// Adds numbers.
    pub fn add<T: Scalar>(&mut self, values: &[T]) {
        values.iter().for_each(|x| self.mix(x.as_f64().to_bits()));
    }

    /// Adds a text.
    pub fn add_text(&mut self, text: &str) {
        text.bytes().for_each(|byte| self.mix(byte.into()));
    }

    fn mix(&mut self, bits: u64) {
        let mixed = (self.0 ^ bits).wrapping_mul(0x0100_0000_01b3);
        self.0 = mixed ^ (mixed >> 32); // the high bits reach the low ones too
    }
}
