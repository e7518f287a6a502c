//! From the tokens of each sequence to its logits.
//!
//! **Problem.** p = the first token of each sequence, or the mean of its tokens; logits = W a + b with
//! a = tanh(W_p p + b_p), or a = p where there is no dense layer; and the gradients.
//!
//! **Deviations.** BERT's dense layer, the pooler, belongs to the base, as in PEFT, and is passed over for the
//! mean; RoBERTa's belongs to the head.

use super::buffer::Buffer;
use super::linear::{Dx, Linear};
use super::vector::add;
use anyhow::Result;
use lowrank::Scalar;
use std::ops::Range;

/// What stands for a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooling {
    /// Its first token, as Hugging Face's classifiers take it.
    #[default]
    First,
    /// The mean of its tokens, as sentence embeddings are made.
    Mean,
}

/// The head in one step.
pub(super) struct Head<'a, T: Scalar> {
    pub pooling: Pooling,
    pub dense: Option<Linear<'a, T>>,
    pub output: Linear<'a, T>,
}

/// What the backward pass needs.
pub(super) struct Kept<T: Scalar> {
    pooled: Buffer<T>,
    a: Buffer<T>,
    tokens: usize,
}

impl<T: Scalar> Head<'_, T> {
    /// The layers, in the order of their groups.
    pub fn parts(&self) -> impl Iterator<Item = &Linear<'_, T>> {
        self.dense.iter().chain([&self.output])
    }

    /// The logits (classes, N) of N sequences of tokens x (d, tokens), and what the backward pass needs.
    ///
    /// # Errors
    /// Where an output is not finite, naming the layer.
    pub fn forward(&self, x: &Buffer<T>, spans: &[Range<usize>]) -> Result<(Buffer<T>, Kept<T>)> {
        let mut pooled = x.like(x.nrows(), spans.len()).zeroed();
        for (p, span) in pooled.columns_mut().zip(spans) {
            for j in self.taken(span) {
                add(p, x.column(j));
            }
            let share = T::of(1.0 / self.taken(span).len() as f64);
            p.iter_mut().for_each(|p| *p *= share);
        }
        let a = match &self.dense {
            None => pooled.copy(),
            Some(dense) => {
                let mut a = dense.forward(&pooled)?;
                let tanh = |a: &mut T| *a = num_traits::Float::tanh(*a);
                a.values_mut().iter_mut().for_each(tanh);
                a
            }
        };
        let logits = self.output.forward(&a)?;
        Ok((logits, Kept { pooled, a, tokens: x.ncols() }))
    }

    /// dx (d, tokens) from the gradient of the logits where it is asked, and the gradients of the trained
    /// numbers, appended, the last group first.
    ///
    /// # Errors
    /// Where a gradient is not finite, naming the layer.
    pub fn backward(
        &self,
        kept: &Kept<T>,
        dlogits: &Buffer<T>,
        spans: &[Range<usize>],
        below: bool,
        gradients: &mut Vec<Vec<T>>,
    ) -> Result<Option<Buffer<T>>> {
        let needed = below || self.dense.as_ref().is_some_and(Linear::trained);
        let mut d = kept.a.like(kept.a.nrows(), spans.len());
        self.output.backward(Some(&kept.a), dlogits, Dx::set(needed.then_some(&mut d)), gradients)?;
        if !needed {
            return Ok(None);
        }
        if let Some(dense) = &self.dense {
            let slope = |(d, a): (&mut T, &T)| *d *= T::of(1.0) - *a * *a;
            d.values_mut().iter_mut().zip(kept.a.values()).for_each(slope);
            let mut pooled = d.like(d.nrows(), d.ncols());
            dense.backward(Some(&kept.pooled), &d, Dx::set(below.then_some(&mut pooled)), gradients)?;
            d = pooled;
        }
        if !below {
            return Ok(None);
        }
        let mut dx = d.like(d.nrows(), kept.tokens).zeroed();
        let rows = d.nrows();
        for (k, span) in spans.iter().enumerate() {
            let share = T::of(1.0 / self.taken(span).len() as f64);
            for j in self.taken(span) {
                let column = &mut dx.values_mut()[j * rows..(j + 1) * rows];
                column.iter_mut().zip(d.column(k)).for_each(|(x, d)| *x = *d * share);
            }
        }
        Ok(Some(dx))
    }

    /// The tokens that are averaged.
    fn taken(&self, span: &Range<usize>) -> Range<usize> {
        match self.pooling {
            Pooling::First => span.start..span.start + 1,
            Pooling::Mean => span.clone(),
        }
    }
}
