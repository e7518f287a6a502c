//! Texts to tokens, by a `tokenizer.json`.

use super::{Text, Tokens};
use crate::model::{Set, Split};
use anyhow::{Context, Result, anyhow, bail};
use rayon::prelude::*;
use std::path::Path;
use tokenizers::{TruncationParams, TruncationStrategy};

/// What a `tokenizer.json` describes, with its special tokens and without padding.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
}

impl Tokenizer {
    /// Reads a file, or the `tokenizer.json` of a folder. Longer sequences are cut to `length` tokens, the special
    /// ones included; of a pair the longer text is cut first.
    ///
    /// # Errors
    /// Where the file cannot be read, or `length` leaves a pair no token but the special ones.
    pub fn open(path: &Path, length: usize) -> Result<Self> {
        let path = if path.is_dir() { path.join("tokenizer.json") } else { path.to_path_buf() };
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let wrong = |error| anyhow!("{}: not a tokenizer that can be read: {error}", path.display());
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(wrong)?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(wrong)?;
        let special = inner.encode(("", ""), true).map_err(wrong)?.len();
        if length < special + 2 {
            bail!("a length of {length} tokens: at least {} are needed, {special} are special", special + 2);
        }
        let cut = TruncationParams {
            max_length: length,
            strategy: TruncationStrategy::LongestFirst,
            ..Default::default()
        };
        inner.with_truncation(Some(cut)).map_err(wrong)?;
        Ok(Tokenizer { inner })
    }

    /// The tokens of a text. An empty one has the special tokens alone.
    ///
    /// # Errors
    /// Where a text has no token at all.
    pub fn encode(&self, text: &Text) -> Result<Tokens> {
        let found = match &text.second {
            Some(second) => self.inner.encode((text.first.as_str(), second.as_str()), true),
            None => self.inner.encode(text.first.as_str(), true),
        };
        let found = found.map_err(|error| anyhow!("`{}`: {error}", text.first))?;
        if found.is_empty() {
            bail!("`{}` has no token: the tokenizer adds no special ones", text.first);
        }
        Ok(Tokens { ids: found.get_ids().to_vec(), types: found.get_type_ids().to_vec() })
    }

    /// The tokens of all texts of three sets.
    ///
    /// # Errors
    /// Those of [`Tokenizer::encode`].
    pub fn split(&self, split: &Split<Text>) -> Result<Split<Tokens>> {
        let set = |set: &Set<Text>| -> Result<Set<Tokens>> {
            let inputs = set.inputs.par_iter().map(|text| self.encode(text)).collect::<Result<_>>()?;
            Ok(Set { inputs, labels: set.labels.clone(), classes: set.classes })
        };
        Ok(Split { train: set(&split.train)?, dev: set(&split.dev)?, test: set(&split.test)? })
    }
}
