//! An encoder of the family of BERT and RoBERTa on the CPU: forward and backward by hand, a token a column.
//!
//! **Problem.** The logits of sequences of tokens (Devlin et al. 2019; Liu et al. 2019), and the gradients of their
//! cross-entropy with respect to the trained numbers: adapters beside frozen matrices, the head, or all.
//!
//! **Method.** The sequences of a batch stand one after the other without padding, (d, tokens), and are cut
//! into pieces of about [`PIECE`] tokens. Each piece runs through all blocks and back on one thread, while
//! what it needs is in the cache; gradients are added in a fixed tree.
//!
//! **Cost.** 2 flops a weight and token forward, as much again backward for frozen weights. Memory: the weights, and
//! for each thread what the backward pass of one piece needs.
//!
//! **Guarantee.** The numbers do not depend on the number of threads; logits do not depend on the other sequences
//! of a batch beyond rounding. The first layer whose output or gradient is not finite is named.
//!
//! **Deviations.** No dropout.
//!
//! Read it in this order: [`Config`], [`Encoder`] below, then the files `load`, `adapt`, `embedding`, `block`,
//! `attention`, `norm`, `gate`, `head`, `linear`, `vector`.

mod adapt;
mod attention;
mod block;
mod buffer;
mod config;
mod embedding;
mod gate;
mod head;
mod linear;
mod load;
mod norm;
mod pieces;
mod vector;

pub use adapt::Training;
pub use config::{Config, Family, Gate};
pub use head::Pooling;
pub use load::Loading;

use crate::layer::{Layer, set_layers};
use crate::model::{Checksum, Group, Model};
use crate::text::Tokens;
use anyhow::{Result, bail};
use buffer::Spare;
use lowrank::Scalar;
use lowrank::faer::Mat;
use pieces::{Ready, pieces};
use rayon::prelude::*;

/// Tokens that run through the encoder together on one thread, about.
pub const PIECE: usize = 256;

/// The encoder and its head.
#[derive(Debug, Clone)]
pub struct Encoder<T: Scalar> {
    config: Config,
    pooling: Pooling,
    embeddings: [Layer<T>; 4],
    blocks: Vec<[Layer<T>; 8]>,
    dense: Option<Layer<T>>,
    output: Layer<T>,
    spare: Spare<T>,
}

impl<T: Scalar> Encoder<T> {
    /// The sizes.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What stands for a sequence.
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.output.bias.len()
    }

    /// All layers with their names in the file: embeddings (without bias), blocks, head. The weight of a
    /// normalization is (d, 1), a table of embeddings (d, entries), a token a column.
    pub fn parts(&self) -> Vec<(String, &Layer<T>)> {
        let blocks = self.blocks.iter().flatten();
        self.names()
            .into_iter()
            .zip(self.embeddings.iter().chain(blocks).chain(&self.dense).chain([&self.output]))
            .collect()
    }

    fn parts_mut(&mut self) -> Vec<(String, &mut Layer<T>)> {
        let (names, blocks) = (self.names(), self.blocks.iter_mut().flatten());
        let head = self.dense.iter_mut().chain([&mut self.output]);
        names.into_iter().zip(self.embeddings.iter_mut().chain(blocks).chain(head)).collect()
    }

    fn names(&self) -> Vec<String> {
        let blocks =
            (0..self.blocks.len()).flat_map(|k| block::PARTS.map(|name| format!("encoder.layer.{k}.{name}")));
        let (dense, output) = head_names(self.config.family, self.pooling);
        let head = dense.into_iter().chain([output]).map(String::from);
        embedding::PARTS.map(String::from).into_iter().chain(blocks).chain(head).collect()
    }

    /// The hidden states of sequences: after the embeddings, then after each block, each (d, tokens).
    ///
    /// # Errors
    /// As for [`Model::logits`].
    pub fn hidden_states(&self, inputs: &[&Tokens]) -> Result<Vec<Mat<T>>> {
        let ready = self.ready(inputs)?;
        let found = each(pieces(inputs), |piece| {
            ready.spare.lend(|empty| ready.hidden_states(&inputs[piece], &empty))
        })?;
        let layer =
            |k: usize| -> Vec<Mat<T>> { found.iter().map(|piece: &Vec<Mat<T>>| piece[k].clone()).collect() };
        Ok((0..=self.blocks.len()).map(|k| beside(self.config.width, &layer(k))).collect())
    }

    /// # Errors
    /// Where there is no sequence, or one does not fit this encoder.
    #[cfg(feature = "cuda")]
    pub(crate) fn check(&self, inputs: &[&Tokens]) -> Result<()> {
        embedding::check(&self.config, inputs)
    }

    fn ready(&self, inputs: &[&Tokens]) -> Result<Ready<'_, T>> {
        embedding::check(&self.config, inputs)?;
        Ok(Ready::new(self))
    }
}

impl<T: Scalar> Model<T> for Encoder<T> {
    type Input = Tokens;

    fn groups(&self) -> Vec<Group<T>> {
        let groups = |(name, layer): &(String, &Layer<T>)| {
            // Normalizations are not decayed.
            layer.groups(&format!("{name}."), in_head(name), layer.weight.shape().1 > 1)
        };
        self.parts().iter().flat_map(groups).collect()
    }

    fn set(&mut self, groups: &[Group<T>]) -> Result<()> {
        set_layers(self.parts_mut().into_iter().map(|(_, layer)| layer), groups)
    }

    fn logits(&self, inputs: &[&Tokens]) -> Result<Mat<T>> {
        let ready = self.ready(inputs)?;
        let found: Vec<Mat<T>> =
            each(pieces(inputs), |piece| ready.spare.lend(|empty| ready.logits(&inputs[piece], &empty)))?;
        Ok(beside(self.classes(), &found))
    }

    fn gradient(&self, inputs: &[&Tokens], labels: &[usize]) -> Result<(f64, Vec<Vec<T>>)> {
        if inputs.len() != labels.len() {
            bail!("{} labels for {} sequences: give one for each", labels.len(), inputs.len());
        }
        self.ready(inputs)?.gradient(inputs, labels)
    }

    fn frozen(&self) -> u64 {
        let mut sum = Checksum::default();
        sum.add_text(&format!("{:?}, {:?}", self.config, self.pooling));
        self.parts().iter().for_each(|(_, layer)| layer.checksum(&mut sum));
        sum.0
    }

    fn length(input: &Tokens) -> usize {
        input.ids.len()
    }
}

/// The results of pieces, in their order; the first error in that order.
fn each<R: Send>(
    pieces: Vec<std::ops::Range<usize>>,
    work: impl Fn(std::ops::Range<usize>) -> Result<R> + Send + Sync,
) -> Result<Vec<R>> {
    let found: Vec<Result<R>> = pieces.into_par_iter().with_max_len(1).map(work).collect();
    found.into_iter().collect()
}

/// Matrices side by side.
fn beside<T: Scalar>(rows: usize, parts: &[Mat<T>]) -> Mat<T> {
    let columns: Vec<&[T]> =
        parts.iter().flat_map(|part| (0..part.ncols()).map(|j| part.col_as_slice(j))).collect();
    Mat::from_fn(rows, columns.len(), |i, j| columns[j][i])
}

/// The names of the dense layer before the classifier, and of the classifier.
fn head_names(family: Family, pooling: Pooling) -> (Option<&'static str>, &'static str) {
    match (family, pooling) {
        (Family::Bert, Pooling::First) => (Some("pooler.dense"), "classifier"),
        (Family::Bert, Pooling::Mean) => (None, "classifier"),
        (Family::Roberta, _) => (Some("classifier.dense"), "classifier.out_proj"),
    }
}

/// Whether a name is of the head, which is always trained.
fn in_head(name: &str) -> bool {
    name.starts_with("classifier")
}
