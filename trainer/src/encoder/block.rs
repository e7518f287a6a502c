//! One block of the encoder: attention, and a feed-forward part of two layers, each added to its input and
//! normalized (Vaswani et al. 2017; Devlin et al. 2019).
//!
//! **Problem.** For tokens x (d, tokens): a = W_o attention(W_q x, W_k x, W_v x), h = norm(x + a),
//! y = norm(h + W_2 f(W_1 h)); and dx and the gradients of the trained numbers from dy.
//!
//! **Cost.** 8 d^2 + 4 d inner flops a token forward, and as much backward where all weights are frozen.
//!
//! **Guarantee.** The backward pass ends at the first layer below which nothing is trained.
//!
//! **Deviations.** No dropout: a step is a function of its batch.

use super::buffer::Buffer;
use super::config::Config;
use super::linear::{Dx, Linear};
use super::norm::{self, Normed};
use super::vector::{add, finite};
use super::{attention, gate};
use crate::layer::{Layer, Weight};
use crate::model::NotFinite;
use anyhow::{Result, bail};
use lowrank::Scalar;
use std::ops::Range;

/// The names of a block's parts after `encoder.layer.K.`.
pub(super) const PARTS: [&str; 8] = [
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
];
const JOINED: usize = 3;
const FIRST: usize = 4;
const INNER: usize = 5;
const OUTER: usize = 6;
const SECOND: usize = 7;

/// A block in one step.
pub(super) struct Block<'a, T: Scalar> {
    config: &'a Config,
    parts: [Linear<'a, T>; 8],
}

/// What the backward pass needs; inputs of layers only where they are trained.
pub(super) struct Kept<T: Scalar> {
    x: Option<Buffer<T>>,
    projected: [Buffer<T>; 3],
    weights: Buffer<T>,
    context: Option<Buffer<T>>,
    first: Normed<T>,
    h: Option<Buffer<T>>,
    z: Buffer<T>,
    activated: Option<Buffer<T>>,
    second: Normed<T>,
}

impl<'a, T: Scalar> Block<'a, T> {
    pub fn new(config: &'a Config, index: usize, parts: &'a [Layer<T>; 8]) -> Self {
        let part = |k: usize| Linear::new(format!("encoder.layer.{index}.{}", PARTS[k]), &parts[k]);
        Self { config, parts: std::array::from_fn(part) }
    }

    /// The layers with an adapter or not, in the order of [`PARTS`].
    pub fn parts(&self) -> &[Linear<'a, T>] {
        &self.parts
    }

    /// Whether some numbers of it are trained.
    pub fn trained(&self) -> bool {
        self.parts.iter().any(Linear::trained)
    }

    /// y (d, tokens), and what the backward pass needs.
    ///
    /// # Errors
    /// Where an output is not finite, naming the layer.
    pub fn forward(&self, x: Buffer<T>, spans: &[Range<usize>]) -> Result<(Buffer<T>, Kept<T>)> {
        let [query, key, value, joined, first, inner, outer, second] = &self.parts;
        let projected = [query.forward(&x)?, key.forward(&x)?, value.forward(&x)?];
        let (context, weights) = attention::forward(projected.each_ref(), self.config.heads, spans);
        let mut sum = joined.forward(&context)?;
        add(sum.values_mut(), x.values());
        let (h, first) = self.normed(first, sum)?;
        let z = inner.forward(&h)?;
        let mut activated = z.like(z.nrows(), z.ncols());
        gate::apply(self.config.gate, z.values(), activated.values_mut());
        let mut sum = outer.forward(&activated)?;
        add(sum.values_mut(), h.values());
        let (y, second) = self.normed(second, sum)?;
        let keep = |from: usize, to: usize, a: Buffer<T>| self.any(from, to).then_some(a);
        let kept = Kept {
            x: keep(0, JOINED, x),
            projected,
            weights,
            context: keep(JOINED, FIRST, context),
            first,
            h: keep(INNER, OUTER, h),
            z,
            activated: keep(OUTER, SECOND, activated),
            second,
        };
        Ok((y, kept))
    }

    /// dx (d, tokens) from dy where it is asked (`below`: something is trained there), and the gradients of
    /// the trained numbers, appended, the last group first.
    ///
    /// # Errors
    /// Where a gradient is not finite, naming the layer.
    pub fn backward(
        &self,
        mut kept: Kept<T>,
        mut dy: Buffer<T>,
        spans: &[Range<usize>],
        below: bool,
        gradients: &mut Vec<Vec<T>>,
    ) -> Result<Option<Buffer<T>>> {
        let [query, key, value, joined, first, inner, outer, second] = &self.parts;
        let needed = |part: usize| below || self.any(0, part);
        pull_norm(second, &kept.second, &mut dy, gradients)?;
        if !needed(SECOND) {
            return Ok(None);
        }
        // dy is now the gradient of h + W_2 f(z).
        let mut dz = needed(OUTER).then(|| dy.like(kept.z.nrows(), kept.z.ncols()));
        outer.backward(kept.activated.as_ref(), &dy, Dx::set(dz.as_mut()), gradients)?;
        let Some(mut dz) = dz else { return Ok(None) };
        gate::pull(self.config.gate, kept.z.values(), dz.values_mut());
        inner.backward(kept.h.as_ref(), &dz, Dx::add_if(needed(INNER), &mut dy), gradients)?;
        if !needed(INNER) {
            return Ok(None);
        }
        pull_norm(first, &kept.first, &mut dy, gradients)?;
        // dy is now the gradient of x + a.
        let mut dc = needed(JOINED).then(|| dy.like(dy.nrows(), dy.ncols()));
        joined.backward(kept.context.as_ref(), &dy, Dx::set(dc.as_mut()), gradients)?;
        let Some(dc) = dc else { return Ok(None) };
        let [dq, dk, dv] =
            attention::backward(kept.projected.each_ref(), self.config.heads, spans, &mut kept.weights, &dc);
        for (layer, d) in [(value, dv), (key, dk), (query, dq)] {
            if below || layer.trained() {
                layer.backward(kept.x.as_ref(), &d, Dx::add_if(below, &mut dy), gradients)?;
            }
        }
        Ok(below.then_some(dy))
    }

    /// Whether some of the parts from one up to another are trained.
    fn any(&self, from: usize, to: usize) -> bool {
        self.parts[from..to].iter().any(Linear::trained)
    }

    fn normed(&self, part: &Linear<'_, T>, x: Buffer<T>) -> Result<(Buffer<T>, Normed<T>)> {
        checked_norm(part, self.config.epsilon, x)
    }
}

/// A normalization, with a check.
pub(super) fn checked_norm<T: Scalar>(
    part: &Linear<'_, T>,
    epsilon: f64,
    x: Buffer<T>,
) -> Result<(Buffer<T>, Normed<T>)> {
    let (y, normed) = norm::forward(part.layer, epsilon, x);
    if finite(y.values()) { Ok((y, normed)) } else { bail!(NotFinite::of(&part.name, "output")) }
}

/// Through a normalization: `dy <- dx`, and its gradients appended where it is trained.
pub(super) fn pull_norm<T: Scalar>(
    part: &Linear<'_, T>,
    normed: &Normed<T>,
    dy: &mut Buffer<T>,
    gradients: &mut Vec<Vec<T>>,
) -> Result<()> {
    let mut own =
        matches!(part.layer.weight, Weight::Full(_)).then(|| [0; 2].map(|_| vec![T::of(0.0); dy.nrows()]));
    let fine = normed.backward(part.layer, dy, own.as_mut());
    if let Some([weight, bias]) = own {
        gradients.extend([bias, weight]);
    }
    if fine { Ok(()) } else { bail!(NotFinite::of(&part.name, "gradient")) }
}
