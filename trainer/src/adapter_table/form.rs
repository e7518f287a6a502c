//! What is trained, by the names of configurations and tables: `lora-8`, `lsr-16`, `kron-a`.

use crate::encoder::Training;
use anyhow::{Error, Result, bail};
use lowrank::layers::adapter::Method;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The scaling c of W x + c dW x, with which all adapters are trained.
const SCALING: f64 = 4.0;

/// What is trained; beside adapters always the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Form {
    /// The head alone.
    Head,
    /// LoRA of this rank.
    Lora(usize),
    /// LSR of so many terms, of rank 2 x 2.
    Lsr(usize),
    /// A Kronecker product.
    KronA,
    /// Four terms of rank 2.
    KAdaptation,
    /// Of rank 2.
    LoKr,
    /// Half of the singular values kept, a correction of rank 8.
    SvdLora,
    /// All weights.
    Full,
}

impl TryFrom<String> for Form {
    type Error = Error;

    fn try_from(key: String) -> Result<Self> {
        let number = |start: &str| key.strip_prefix(start)?.parse().ok().filter(|n| *n > 0);
        Ok(match key.as_str() {
            "head" => Form::Head,
            "kron-a" => Form::KronA,
            "k-adaptation" => Form::KAdaptation,
            "lo-kr" => Form::LoKr,
            "svd-lora" => Form::SvdLora,
            "full" => Form::Full,
            _ => match (number("lora-"), number("lsr-")) {
                (Some(rank), _) => Form::Lora(rank),
                (_, Some(terms)) => Form::Lsr(terms),
                _ => bail!(
                    "`{key}` is no method: head, lora-R, lsr-S, kron-a, k-adaptation, lo-kr, svd-lora, full are"
                ),
            },
        })
    }
}

impl From<Form> for String {
    fn from(form: Form) -> String {
        match form {
            Form::Head => "head".to_string(),
            Form::Lora(rank) => format!("lora-{rank}"),
            Form::Lsr(terms) => format!("lsr-{terms}"),
            Form::KronA => "kron-a".to_string(),
            Form::KAdaptation => "k-adaptation".to_string(),
            Form::LoKr => "lo-kr".to_string(),
            Form::SvdLora => "svd-lora".to_string(),
            Form::Full => "full".to_string(),
        }
    }
}

/// Its name in words.
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Form::Head => "head only".to_string(),
            Form::Lora(rank) => format!("LoRA r = {rank}"),
            Form::Lsr(terms) => format!("LSR s = {terms}, r = 2 x 2"),
            Form::KronA => "KronA".to_string(),
            Form::KAdaptation => "KAdaptation t = 4, r = 2".to_string(),
            Form::LoKr => "LoKr r = 2".to_string(),
            Form::SvdLora => "SVD-LoRA r = half, r' = 8".to_string(),
            Form::Full => "all weights".to_string(),
        };
        f.pad(&text)
    }
}

impl Form {
    /// What it trains of an encoder of this width: beside query and value of these blocks.
    pub fn training(self, width: usize, [first, last]: [usize; 2]) -> Training {
        let method = match self {
            Form::Head => return Training::Head,
            Form::Full => return Training::Full,
            Form::Lora(rank) => Method::Lora { rank },
            Form::Lsr(terms) => Method::Lsr { terms, ranks: (2, 2), shapes: None },
            Form::KronA => Method::KronA { left: None },
            Form::KAdaptation => Method::KAdaptation { terms: 4, rank: 2 },
            Form::LoKr => Method::LoKr { rank: 2, left: None },
            Form::SvdLora => Method::SvdLora { rank: (width / 2).max(1), inner_rank: 8, with_values: true },
        };
        let targets = ["query", "value"].map(String::from).to_vec();
        Training::Adapter { method, scaling: SCALING, targets, layers: Some(first..last + 1) }
    }
}
