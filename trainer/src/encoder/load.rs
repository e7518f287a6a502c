//! An encoder from a folder as Hugging Face's transformers write it: `config.json`, `model.safetensors`.
//!
//! Every tensor that is needed must be there with its shape, and none beside, but for those that this encoder
//! has no use for: `embeddings.position_ids`, heads of language models (`cls.`, `lm_head.`), and the pooler
//! (`pooler.`) of a RoBERTa or of an encoder whose tokens are averaged. The prefix `bert.` or `roberta.` may be
//! absent.

use super::buffer::Spare;
use super::config::{Config, Family};
use super::head::Pooling;
use super::{Encoder, block, embedding};
use crate::brain::Brain;
use crate::layer::{Layer, Weight};
use anyhow::{Context, Result, bail};
use lowrank::Scalar;
use lowrank::faer::{Mat, MatRef};
use lowrank::io::Safetensors;
use lowrank::matrix::check_finite_slice;
use lowrank::random::gaussian;
use std::collections::BTreeSet;
use std::path::Path;

/// How to read an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loading {
    /// The number of classes; that of the file's classifier where none is given.
    pub classes: Option<usize>,
    /// What stands for a sequence.
    pub pooling: Pooling,
    /// Whether matrices and embeddings are rounded to bf16, and stored as [`Brain`] while they are frozen and without
    /// adapter; with one they take 32 bits a number.
    pub rounded: bool,
    /// The seed of a head that is not in the file: entries N(0, 0.02^2), biases 0.
    pub seed: u64,
}

impl<T: Scalar> Encoder<T> {
    /// Reads an encoder, all of it but the head frozen.
    ///
    /// # Errors
    /// Where a file cannot be read, or a tensor is missing, unexpected, of another shape or not finite, with its
    /// name.
    pub fn load(folder: impl AsRef<Path>, loading: &Loading) -> Result<Self> {
        let folder = folder.as_ref();
        let config = Config::read(&folder.join("config.json"))?;
        let path = folder.join("model.safetensors");
        Self::read(config, &path, loading).with_context(|| path.display().to_string())
    }

    fn read(config: Config, path: &Path, loading: &Loading) -> Result<Self> {
        let mut source = Source::open(path, &config, loading)?;
        let Config { width: d, inner, .. } = config;
        let table = |source: &mut Source, name: &str, columns| -> Result<Layer<T>> {
            let w = source.values(&format!("{name}.weight"), &[columns, d])?;
            let w = MatRef::from_column_major_slice(&w, d, columns);
            Ok(Layer { weight: source.stored(w), bias: Vec::new() })
        };
        let [word, position, kind, norm] = embedding::PARTS;
        let embeddings = [
            table(&mut source, word, config.vocabulary)?,
            table(&mut source, position, config.positions)?,
            table(&mut source, kind, config.types)?,
            source.norm(norm, d)?,
        ];
        let mut blocks = Vec::new();
        for k in 0..config.layers {
            let mut parts = Vec::with_capacity(8);
            for (part, name) in block::PARTS.iter().enumerate() {
                let name = format!("encoder.layer.{k}.{name}");
                parts.push(match part {
                    4 | 7 => source.norm(&name, d)?,
                    5 => source.layer(&name, inner, d)?,
                    6 => source.layer(&name, d, inner)?,
                    _ => source.layer(&name, d, d)?,
                });
            }
            blocks.push(parts.try_into().map_err(|_| anyhow::anyhow!("a block of eight parts"))?);
        }
        let (dense, output) = super::head_names(config.family, loading.pooling);
        let found = source.shape(output);
        let classes = match (loading.classes, found) {
            (Some(classes), _) if classes > 0 => classes,
            (None, Some([classes, _])) => classes,
            _ => bail!("`classes`: say how many there are, at least one; the file has no {output}.weight"),
        };
        let head = |source: &mut Source, name: &str, m: usize| -> Result<Layer<T>> {
            let mut layer = match source.shape(name) {
                Some(_) => source.layer(name, m, d)?,
                None => drawn(name, m, d, loading.seed),
            };
            layer.weight = Weight::Full(layer.weight.merged());
            Ok(layer)
        };
        let dense = match (dense, config.family) {
            (None, _) => None,
            (Some(name), Family::Bert) => {
                Some(source.layer(name, d, d).context("pool by the mean where there is no pooler")?)
            }
            (Some(name), Family::Roberta) => Some(head(&mut source, name, d)?),
        };
        let output = head(&mut source, output, classes)?;
        source.end()?;
        Ok(Self {
            config,
            pooling: loading.pooling,
            embeddings,
            blocks,
            dense,
            output,
            spare: Spare::default(),
        })
    }
}

/// A layer that is not in the file.
fn drawn<T: Scalar>(name: &str, m: usize, n: usize, seed: u64) -> Layer<T> {
    let weight = gaussian::<T>(m, n, seed, &format!("weights of {name}"));
    let weight = Mat::from_fn(m, n, |i, j| weight[(i, j)] * T::of(0.02));
    Layer { weight: Weight::Frozen(weight), bias: vec![T::of(0.0); m] }
}

/// The file, and which of its tensors nobody has asked for yet.
struct Source {
    file: Safetensors,
    prefix: &'static str,
    left: BTreeSet<String>,
    rounded: bool,
}

impl Source {
    fn open(path: &Path, config: &Config, loading: &Loading) -> Result<Self> {
        let file = Safetensors::open(path)?;
        let prefix = if config.family == Family::Bert { "bert." } else { "roberta." };
        let prefixed = file.tensors().keys().any(|name| name.starts_with(prefix));
        let prefix = if prefixed { prefix } else { "" };
        let no_pooler = config.family == Family::Roberta || loading.pooling == Pooling::Mean;
        let unused = |name: &str| {
            let inside = name.strip_prefix(prefix).unwrap_or(name);
            inside == "embeddings.position_ids"
                || name.starts_with("cls.")
                || name.starts_with("lm_head.")
                || (no_pooler && inside.starts_with("pooler."))
        };
        let left = file.tensors().keys().filter(|name| !unused(name)).cloned().collect();
        Ok(Self { file, prefix, left, rounded: loading.rounded })
    }

    /// The name in the file.
    fn full(&self, name: &str) -> String {
        if super::in_head(name) { name.into() } else { format!("{}{name}", self.prefix) }
    }

    /// The shape of a layer's weight, where the file has it.
    fn shape(&self, layer: &str) -> Option<[usize; 2]> {
        self.file.tensors().get(&self.full(&format!("{layer}.weight")))?.shape().try_into().ok()
    }

    /// The numbers of a tensor of this shape, row by row.
    fn values<T: Scalar>(&mut self, name: &str, shape: &[usize]) -> Result<Vec<T>> {
        let full = self.full(name);
        let Some(info) = self.file.tensors().get(&full) else { bail!("{full} is missing") };
        if info.shape() != shape {
            bail!("{full} has shape {:?}, but {shape:?} is needed", info.shape());
        }
        let values = self.file.array::<T>(&full)?.into_raw_vec_and_offset().0;
        check_finite_slice("values", &values).with_context(|| full.clone())?;
        self.left.remove(&full);
        Ok(values)
    }

    fn stored<T: Scalar>(&self, w: MatRef<'_, T>) -> Weight<T> {
        if self.rounded { Weight::Rounded(Brain::new(w)) } else { Weight::Frozen(w.to_owned()) }
    }

    fn layer<T: Scalar>(&mut self, name: &str, m: usize, n: usize) -> Result<Layer<T>> {
        let w = self.values(&format!("{name}.weight"), &[m, n])?;
        let weight = self.stored(MatRef::from_row_major_slice(&w, m, n));
        Ok(Layer { weight, bias: self.values(&format!("{name}.bias"), &[m])? })
    }

    fn norm<T: Scalar>(&mut self, name: &str, d: usize) -> Result<Layer<T>> {
        let w = self.values::<T>(&format!("{name}.weight"), &[d])?;
        let weight = Weight::Frozen(MatRef::from_column_major_slice(&w, d, 1).to_owned());
        Ok(Layer { weight, bias: self.values(&format!("{name}.bias"), &[d])? })
    }

    fn end(self) -> Result<()> {
        match self.left.first() {
            None => Ok(()),
            Some(name) => bail!("{name} is unexpected, and {} tensors with it", self.left.len() - 1),
        }
    }
}
