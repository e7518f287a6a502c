//! The sizes of an encoder, read from Hugging Face's `config.json`.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::Path;

/// The family of encoders: they differ in positions and head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Positions from 0; the head is a pooler (dense, tanh), then `classifier`.
    Bert,
    /// Positions from `padding` + 1; the head is `classifier.dense`, tanh, `classifier.out_proj`.
    Roberta,
}

/// The function between the two layers of a feed-forward part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// x Phi(x), exactly: `gelu`.
    Gelu,
    /// Its approximation by tanh: `gelu_new`, `gelu_pytorch_tanh`.
    GeluTanh,
    /// max(x, 0): `relu`.
    Relu,
}

/// The sizes, in the words of the paper rather than of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `model_type`.
    pub family: Family,
    /// `vocab_size`.
    pub vocabulary: usize,
    /// `hidden_size`, d.
    pub width: usize,
    /// `num_hidden_layers`.
    pub layers: usize,
    /// `num_attention_heads`; divides d.
    pub heads: usize,
    /// `intermediate_size`.
    pub inner: usize,
    /// `max_position_embeddings`.
    pub positions: usize,
    /// `type_vocab_size`.
    pub types: usize,
    /// `pad_token_id`.
    pub padding: usize,
    /// `layer_norm_eps`.
    pub epsilon: f64,
    /// `hidden_act`.
    pub gate: Gate,
}

impl Config {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// Where the file cannot be read, or a size is missing, out of range, or of an encoder that this is not.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let value: Value = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
        Self::of(&value).with_context(|| path.display().to_string())
    }

    fn of(value: &Value) -> Result<Self> {
        let text = |key: &str, default: &'static str| match &value[key] {
            Value::Null => Ok(default.to_string()),
            Value::String(text) => Ok(text.clone()),
            other => bail!("{key} is {other}: a text is needed"),
        };
        let size = |key: &str, default: Option<usize>| match (value[key].as_u64(), default) {
            (Some(size), _) if size < 1 << 32 => Ok(size as usize),
            (None, Some(default)) if value[key].is_null() => Ok(default),
            _ => bail!("{key} is {}: a whole number is needed", value[key]),
        };
        let family = match text("model_type", "")?.as_str() {
            "bert" => Family::Bert,
            "roberta" => Family::Roberta,
            other => bail!("model_type is {other:?}: only \"bert\" and \"roberta\" are read"),
        };
        let gate = match text("hidden_act", "gelu")?.as_str() {
            "gelu" => Gate::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" => Gate::GeluTanh,
            "relu" => Gate::Relu,
            other => bail!("hidden_act is {other:?}: gelu, gelu_new, gelu_pytorch_tanh or relu are known"),
        };
        if text("position_embedding_type", "absolute")? != "absolute" || value["is_decoder"] == true {
            bail!("only encoders with absolute positions are read");
        }
        let epsilon = match &value["layer_norm_eps"] {
            serde_json::Value::Null => 1e-12,
            other => other.as_f64().with_context(|| format!("layer_norm_eps is {other}: no number"))?,
        };
        let out = Self {
            family,
            vocabulary: size("vocab_size", None)?,
            width: size("hidden_size", None)?,
            layers: size("num_hidden_layers", None)?,
            heads: size("num_attention_heads", None)?,
            inner: size("intermediate_size", None)?,
            positions: size("max_position_embeddings", None)?,
            types: size("type_vocab_size", None)?,
            padding: size("pad_token_id", Some(usize::from(family == Family::Roberta)))?,
            epsilon,
            gate,
        };
        let sizes = [out.vocabulary, out.width, out.heads, out.inner, out.types];
        if sizes.contains(&0) || !out.width.is_multiple_of(out.heads.max(1)) || !(epsilon > 0.0) {
            bail!("positive sizes are needed, and heads that divide the width: {out:?}");
        }
        if out.longest() == 0 {
            bail!("max_position_embeddings is {}: there is no place for a token", out.positions);
        }
        Ok(out)
    }

    /// The position of the first token.
    pub fn first_position(&self) -> usize {
        if self.family == Family::Roberta { self.padding + 1 } else { 0 }
    }

    /// How many tokens a sequence may have.
    pub fn longest(&self) -> usize {
        self.positions.saturating_sub(self.first_position())
    }
}
