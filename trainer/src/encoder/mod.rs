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
mod config;
mod embedding;
mod gate;
mod head;
mod linear;
mod load;
mod norm;
mod pieces;
mod tokens;
mod vector;

pub use adapt::Training;
pub use config::{Config, Family, Gate};
pub use head::Pooling;
pub use load::Loading;
pub use tokens::Tokens;

use crate::network::{Group, Layer, Weight};
use anyhow::{Result, bail};
use linear::entries;
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

    /// The trained numbers, copied.
    pub fn groups(&self) -> Vec<Group<T>> {
        let mut out = Vec::new();
        for (name, layer) in self.parts() {
            let mut push = |what: &str, decay, values| {
                out.push(Group { name: format!("{name}.{what}"), decay, values });
            };
            match &layer.weight {
                Weight::Frozen(_) | Weight::Rounded(_) => {}
                Weight::Full(w) => {
                    push("weight", adapt::decays(layer), entries(w));
                    if !layer.bias.is_empty() {
                        push("bias", false, layer.bias.clone());
                    }
                }
                Weight::Adapted(adapted) => push("adapter", true, adapted.values()),
            }
        }
        out
    }

    /// Replaces the trained numbers, given in the order of [`Encoder::groups`].
    ///
    /// # Errors
    /// Where counts differ or a number is not finite.
    pub fn set(&mut self, groups: &[Group<T>]) -> Result<()> {
        let mut given = groups.iter();
        let mut next = |count: usize| match given.next() {
            Some(group) if group.values.len() != count => {
                bail!("{}: {} numbers, but {count} are trained", group.name, group.values.len())
            }
            Some(group) if !vector::finite(&group.values) => bail!("{}: a number is not finite", group.name),
            Some(group) => Ok(&group.values),
            None => bail!("too few groups of trained numbers"),
        };
        for (_, layer) in self.parts_mut() {
            match &mut layer.weight {
                Weight::Frozen(_) | Weight::Rounded(_) => {}
                Weight::Full(w) => {
                    let values = next(w.nrows() * w.ncols())?;
                    let rows = w.nrows();
                    vector::columns(w)
                        .zip(values.chunks_exact(rows))
                        .for_each(|(w, new)| w.copy_from_slice(new));
                    if !layer.bias.is_empty() {
                        let values = next(layer.bias.len())?;
                        layer.bias.copy_from_slice(values);
                    }
                }
                Weight::Adapted(adapted) => adapted.set_values(next(adapted.parameters())?)?,
            }
        }
        Ok(())
    }

    /// The logits of sequences, (classes, N).
    ///
    /// # Errors
    /// Where a sequence does not fit, or an output is not finite, naming the layer.
    pub fn logits(&self, inputs: &[&Tokens]) -> Result<Mat<T>> {
        let ready = self.ready(inputs)?;
        let found: Vec<Mat<T>> = each(pieces(inputs), |piece| ready.logits(&inputs[piece]))?;
        Ok(beside(self.classes(), &found))
    }

    /// The hidden states of sequences: after the embeddings, then after each block, each (d, tokens).
    ///
    /// # Errors
    /// As for [`Encoder::logits`].
    pub fn hidden_states(&self, inputs: &[&Tokens]) -> Result<Vec<Mat<T>>> {
        let ready = self.ready(inputs)?;
        let found = each(pieces(inputs), |piece| ready.hidden_states(&inputs[piece]))?;
        let layer =
            |k: usize| -> Vec<Mat<T>> { found.iter().map(|piece: &Vec<Mat<T>>| piece[k].clone()).collect() };
        Ok((0..=self.blocks.len()).map(|k| beside(self.config.width, &layer(k))).collect())
    }

    /// The mean softmax cross-entropy ([`crate::loss::cross_entropy`]) of sequences, and its gradients with respect
    /// to the trained numbers, one list for each of [`Encoder::groups`].
    ///
    /// # Errors
    /// Those of [`Encoder::logits`] and of the loss; where a gradient is not finite, naming the layer.
    pub fn gradient(&self, inputs: &[&Tokens], labels: &[usize]) -> Result<(f64, Vec<Vec<T>>)> {
        if inputs.len() != labels.len() {
            bail!("{} labels for {} sequences: give one for each", labels.len(), inputs.len());
        }
        self.ready(inputs)?.gradient(inputs, labels)
    }

    fn ready(&self, inputs: &[&Tokens]) -> Result<Ready<'_, T>> {
        embedding::check(&self.config, inputs)?;
        Ok(Ready::new(self))
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
