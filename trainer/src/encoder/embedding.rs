//! Tokens to vectors: the sum of three tables' columns, normalized.

use super::block::{checked_norm, pull_norm};
use super::buffer::Buffer;
use super::config::Config;
use super::linear::Linear;
use super::norm::Normed;
use super::vector::add;
use crate::layer::Layer;
use crate::text::Tokens;
use anyhow::{Result, bail};
use lowrank::Scalar;
use lowrank::faer::Mat;

/// The names of the parts.
pub(super) const PARTS: [&str; 4] = [
    "embeddings.word_embeddings",
    "embeddings.position_embeddings",
    "embeddings.token_type_embeddings",
    "embeddings.LayerNorm",
];

/// The embeddings in one step.
pub(super) struct Embedding<'a, T: Scalar> {
    config: &'a Config,
    parts: [Linear<'a, T>; 4],
}

impl<'a, T: Scalar> Embedding<'a, T> {
    pub fn new(config: &'a Config, parts: &'a [Layer<T>; 4]) -> Self {
        let part = |k: usize| Linear::new(PARTS[k].into(), &parts[k]);
        Self { config, parts: std::array::from_fn(part) }
    }

    /// Whether they are trained.
    pub fn trained(&self) -> bool {
        self.parts.iter().any(Linear::trained)
    }

    /// The columns of the three tables that a token takes.
    fn places<'b>(&self, sample: &'b Tokens) -> impl Iterator<Item = [usize; 3]> + 'b {
        let first = self.config.first_position();
        let each = sample.ids.iter().zip(&sample.types).enumerate();
        each.map(move |(at, (id, kind))| [*id as usize, first + at, *kind as usize])
    }

    /// (d, tokens), and what the backward pass needs.
    ///
    /// # Errors
    /// Where an entry is not finite.
    pub fn forward(&self, samples: &[&Tokens], empty: &Buffer<T>) -> Result<(Buffer<T>, Normed<T>)> {
        let d = self.config.width;
        let mut x = empty.like(d, samples.iter().map(|sample| sample.ids.len()).sum()).zeroed();
        let mut space = vec![T::of(0.0); d];
        let places = samples.iter().flat_map(|sample| self.places(sample));
        for (out, places) in x.columns_mut().zip(places) {
            for (part, place) in self.parts.iter().zip(places) {
                let column = part.layer.column(place, &mut space);
                add(out, column);
            }
        }
        checked_norm(&self.parts[3], self.config.epsilon, x)
    }

    /// The gradient of the sum of the three columns, (d, tokens), from dy; appended, the gradients of the
    /// normalization.
    ///
    /// # Errors
    /// Where an entry is not finite.
    pub fn backward(
        &self,
        normed: &Normed<T>,
        mut dy: Buffer<T>,
        gradients: &mut Vec<Vec<T>>,
    ) -> Result<Mat<T>> {
        pull_norm(&self.parts[3], normed, &mut dy, gradients)?;
        Ok(dy.to_mat())
    }

    /// The gradients of the three tables, from those of [`Embedding::backward`] for all samples.
    pub fn scatter(&self, samples: &[&Tokens], pieces: &[Mat<T>]) -> [Vec<T>; 3] {
        let mut out = [0, 1, 2].map(|k| {
            let (d, columns) = self.parts[k].layer.weight.shape();
            vec![T::of(0.0); d * columns]
        });
        let gradients = pieces.iter().flat_map(|piece| (0..piece.ncols()).map(|j| piece.col_as_slice(j)));
        for (places, gradient) in samples.iter().flat_map(|sample| self.places(sample)).zip(gradients) {
            for (table, place) in out.iter_mut().zip(places) {
                let column = &mut table[place * gradient.len()..(place + 1) * gradient.len()];
                add(column, gradient);
            }
        }
        out
    }
}

/// # Errors
/// Where a batch is empty or a sample does not fit the tables.
pub(super) fn check(config: &Config, samples: &[&Tokens]) -> Result<()> {
    if samples.is_empty() {
        bail!("an empty batch: pass at least one sequence");
    }
    for (k, Tokens { ids, types }) in samples.iter().enumerate() {
        if ids.is_empty() || ids.len() != types.len() {
            bail!(
                "sequence {k} has {} ids and {} types: one each is needed, and at least one",
                ids.len(),
                types.len()
            );
        }
        if ids.len() > config.longest() {
            bail!(
                "sequence {k} has {} tokens, but there are {} positions: cut it",
                ids.len(),
                config.longest()
            );
        }
        if let Some(at) = ids.iter().position(|id| *id as usize >= config.vocabulary) {
            bail!(
                "sequence {k}, token {at}: id {}, but the vocabulary has {}: use the tokenizer of this encoder",
                ids[at],
                config.vocabulary
            );
        }
        if let Some(at) = types.iter().position(|kind| *kind as usize >= config.types) {
            bail!(
                "sequence {k}, token {at}: type {}, but this encoder knows {}: pass 0",
                types[at],
                config.types
            );
        }
    }
    Ok(())
}
