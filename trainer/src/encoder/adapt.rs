//! What of an encoder is trained.

use super::{Encoder, in_head};
use crate::layer::Weight;
use anyhow::{Context, Result, bail};
use lowrank::Scalar;
use lowrank::layers::adapter::Method;
use std::ops::Range;

/// What is trained.
#[derive(Debug, Clone, PartialEq)]
pub enum Training {
    /// The head.
    Head,
    /// All of it, embeddings and normalizations too.
    Full,
    /// The head, and an adapter beside each chosen matrix.
    Adapter {
        /// Which adapter.
        method: Method,
        /// The scaling c of y = W x + c dW x.
        scaling: f64,
        /// Names of matrices as PEFT's `target_modules`: `query`, or a longer end of the name, `output.dense`.
        targets: Vec<String>,
        /// In these blocks only, where given.
        layers: Option<Range<usize>>,
    },
}

impl<T: Scalar> Encoder<T> {
    /// The encoder as it is now, adapters merged, to be trained this way.
    ///
    /// # Errors
    /// Where a target or a range of blocks has no matrix; those of [`Method::adapt`], with the matrix.
    pub fn adapt(&self, training: &Training, seed: u64) -> Result<Self> {
        let mut out = self.clone();
        let mut hit = vec![];
        for (k, (name, layer)) in out.parts_mut().into_iter().enumerate() {
            let full = *training == Training::Full || in_head(&name);
            let chosen = match training {
                Training::Adapter { method, scaling, targets, layers } if !in_head(&name) => {
                    let found: Vec<usize> =
                        (0..targets.len()).filter(|at| ends_with(&name, &targets[*at])).collect();
                    let inside =
                        layers.as_ref().is_none_or(|range| block(&name).is_some_and(|k| range.contains(&k)));
                    let matrix = layer.weight.shape().1 > 1 && !layer.bias.is_empty();
                    (!found.is_empty() && inside && matrix).then(|| {
                        hit.extend(found);
                        (method, *scaling)
                    })
                }
                _ => None,
            };
            layer.weight = match (&layer.weight, chosen) {
                (weight, Some((method, scaling))) => {
                    // Streams are named by the seed: one for each matrix.
                    let seed = seed.wrapping_mul(1000).wrapping_add(k as u64);
                    let adapted = method.adapt(weight.merged().as_ref(), scaling, seed);
                    Weight::Adapted(adapted.with_context(|| format!("the adapter of {name}"))?)
                }
                (weight, None) if full => Weight::Full(weight.merged()),
                (Weight::Rounded(w), None) => Weight::Rounded(w.clone()),
                (weight, None) => Weight::Frozen(weight.merged()),
            };
        }
        if let Training::Adapter { targets, layers, .. } = training {
            if let Some(range) =
                layers.as_ref().filter(|range| range.is_empty() || range.end > self.blocks.len())
            {
                bail!("layers {range:?}, but there are {}, counted from 0", self.blocks.len());
            }
            if let Some(lost) = (0..targets.len()).find(|at| !hit.contains(at)) {
                bail!(
                    "no matrix is called {:?} there: query, key, value and others of the file's names are",
                    targets[lost]
                );
            }
            if targets.is_empty() {
                bail!("`targets` is empty: name at least one matrix, such as query");
            }
        }
        Ok(out)
    }
}

/// Whether a name is the target, or ends with it after a dot.
fn ends_with(name: &str, target: &str) -> bool {
    name.strip_suffix(target)
        .is_some_and(|rest| !target.is_empty() && (rest.is_empty() || rest.ends_with('.')))
}

/// The block of a name.
fn block(name: &str) -> Option<usize> {
    name.strip_prefix("encoder.layer.")?.split('.').next()?.parse().ok()
}
