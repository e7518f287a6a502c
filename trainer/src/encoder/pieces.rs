//! The pieces of a batch: forward, loss and backward of some sequences on one thread, and the sum over pieces.

use super::block::Block;
use super::buffer::{Buffer, Spare};
use super::embedding::Embedding;
use super::head::Head;
use super::linear::Linear;
use super::vector::add;
use super::{Encoder, PIECE, Tokens};
use crate::loss::cross_entropy;
use crate::model::NotFinite;
use anyhow::{Result, bail};
use lowrank::Scalar;
use lowrank::faer::Mat;
use std::ops::Range;

/// An encoder in one step: what its adapters need is computed once.
pub(super) struct Ready<'a, T: Scalar> {
    embedding: Embedding<'a, T>,
    blocks: Vec<Block<'a, T>>,
    head: Head<'a, T>,
    pub spare: &'a Spare<T>,
    /// The first trained stage: 0 for the embeddings, k + 1 for block k, one more than all blocks for the head.
    first: usize,
}

/// What one or more pieces contribute: the sum of the losses, the gradients of the groups but for the tables
/// of embeddings, the last group first, and those of the embedded tokens of each piece.
struct Found<T: Scalar> {
    loss: f64,
    gradients: Vec<Vec<T>>,
    embedded: Vec<Mat<T>>,
}

impl<'a, T: Scalar> Ready<'a, T> {
    pub fn new(encoder: &'a Encoder<T>) -> Self {
        let Encoder { config, pooling, embeddings, blocks, dense, output, spare } = encoder;
        let (dense_name, output_name) = super::head_names(config.family, *pooling);
        let dense = dense_name.zip(dense.as_ref()).map(|(name, layer)| Linear::new(name.into(), layer));
        let head = Head { pooling: *pooling, dense, output: Linear::new(output_name.into(), output) };
        let embedding = Embedding::new(config, embeddings);
        let blocks: Vec<Block<'a, T>> =
            blocks.iter().enumerate().map(|(k, parts)| Block::new(config, k, parts)).collect();
        let trained = blocks.iter().position(Block::trained).unwrap_or(blocks.len());
        let first = if embedding.trained() { 0 } else { trained + 1 };
        Self { embedding, blocks, head, spare, first }
    }

    pub fn logits(&self, samples: &[&Tokens], empty: &Buffer<T>) -> Result<Mat<T>> {
        let spans = spans(samples);
        let mut x = self.embedding.forward(samples, empty)?.0;
        for block in &self.blocks {
            x = block.forward(x, &spans)?.0;
        }
        Ok(self.head.forward(&x, &spans)?.0.to_mat())
    }

    pub fn hidden_states(&self, samples: &[&Tokens], empty: &Buffer<T>) -> Result<Vec<Mat<T>>> {
        let spans = spans(samples);
        let mut x = self.embedding.forward(samples, empty)?.0;
        let mut out = vec![x.to_mat()];
        for block in &self.blocks {
            x = block.forward(x, &spans)?.0;
            out.push(x.to_mat());
        }
        Ok(out)
    }

    /// The mean loss and the gradients of all groups.
    pub fn gradient(&self, samples: &[&Tokens], labels: &[usize]) -> Result<(f64, Vec<Vec<T>>)> {
        let Found { loss, mut gradients, embedded } = self.sum(&pieces(samples), samples, labels)?;
        if self.first == 0 {
            let [word, position, kind] = self.embedding.scatter(samples, &embedded);
            gradients.extend([kind, position, word]);
        }
        gradients.reverse();
        let loss = loss / samples.len() as f64;
        if !loss.is_finite() {
            bail!(NotFinite(format!("the loss is {loss}")));
        }
        // What adapters of low rank have gathered becomes the gradient of their numbers.
        let layers = self.blocks.iter().flat_map(Block::parts).chain(self.head.parts());
        let adapted = layers.filter(|layer| layer.trained());
        let mut at = if self.first == 0 { 5 } else { 0 };
        for layer in adapted {
            gradients[at] = layer.finish(std::mem::take(&mut gradients[at]));
            at += layer.group_count();
        }
        Ok((loss, gradients))
    }

    /// The sum over pieces, in a tree that depends on their number alone.
    fn sum(&self, pieces: &[Range<usize>], samples: &[&Tokens], labels: &[usize]) -> Result<Found<T>> {
        if let [piece] = pieces {
            let (part, labels) = (&samples[piece.clone()], &labels[piece.clone()]);
            return self.spare.lend(|empty| self.one(part, labels, samples.len(), &empty));
        }
        let (left, right) = pieces.split_at(pieces.len() / 2);
        let (left, right) =
            rayon::join(|| self.sum(left, samples, labels), || self.sum(right, samples, labels));
        let (mut left, right) = (left?, right?);
        left.loss += right.loss;
        for (left, right) in left.gradients.iter_mut().zip(right.gradients) {
            add(left, &right);
        }
        left.embedded.extend(right.embedded);
        Ok(left)
    }

    /// The loss of some samples, and its gradients over the number of samples of the batch.
    fn one(
        &self,
        samples: &[&Tokens],
        labels: &[usize],
        count: usize,
        empty: &Buffer<T>,
    ) -> Result<Found<T>> {
        let spans = spans(samples);
        let (mut x, normed) = self.embedding.forward(samples, empty)?;
        let mut passed = Vec::with_capacity(self.blocks.len());
        for (k, block) in self.blocks.iter().enumerate() {
            let (y, kept) = block.forward(x, &spans)?;
            if k + 1 >= self.first {
                passed.push(kept);
            }
            x = y;
        }
        let (logits, kept) = self.head.forward(&x, &spans)?;
        drop(x);
        let (loss, slope) = cross_entropy(logits.as_ref(), labels)?;
        let mut dlogits = logits;
        dlogits.as_mut().copy_from(slope);
        let share = T::of(samples.len() as f64 / count as f64);
        dlogits.values_mut().iter_mut().for_each(|d| *d *= share);
        let (mut gradients, mut embedded) = (Vec::new(), Vec::new());
        let below = self.first <= self.blocks.len();
        let mut dy = self.head.backward(&kept, &dlogits, &spans, below, &mut gradients)?;
        for (k, block) in self.blocks.iter().enumerate().rev() {
            let (Some(d), Some(kept)) = (dy, passed.pop()) else {
                dy = None;
                break;
            };
            dy = block.backward(kept, d, &spans, k + 1 > self.first, &mut gradients)?;
        }
        if let Some(dy) = dy {
            embedded.push(self.embedding.backward(&normed, dy, &mut gradients)?);
        }
        Ok(Found { loss: loss * samples.len() as f64, gradients, embedded })
    }
}

/// The columns of each sequence.
fn spans(samples: &[&Tokens]) -> Vec<Range<usize>> {
    let mut start = 0;
    let span = |sample: &&Tokens| {
        start += sample.ids.len();
        start - sample.ids.len()..start
    };
    samples.iter().map(span).collect()
}

/// Consecutive samples of about [`PIECE`] tokens, alike in size; a function of the lengths alone.
pub(super) fn pieces(samples: &[&Tokens]) -> Vec<Range<usize>> {
    let total: usize = samples.iter().map(|sample| sample.ids.len()).sum();
    let count = total.div_ceil(PIECE).max(1);
    let (mut out, mut seen): (Vec<Range<usize>>, usize) = (Vec::new(), 0);
    let mut latest = usize::MAX;
    for (k, sample) in samples.iter().enumerate() {
        // The piece in which the middle of the sequence falls.
        let piece = (2 * seen + sample.ids.len()) * count / (2 * total);
        seen += sample.ids.len();
        match out.last_mut() {
            Some(range) if piece == latest => range.end = k + 1,
            _ => out.push(k..k + 1),
        }
        latest = piece;
    }
    out
}
