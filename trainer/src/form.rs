//! What is trained, by the names of configurations and tables: `lora-8`, `lsr-16`, `kron-a`, `svd-lora-48-4`.

use anyhow::{Error, Result, bail};
use lowrank::layers::adapter::Method;
use lowrank_experiments::plot::style::{INK, MUTED, Marker, REFERENCE, Style, numbered};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// What is trained; beside adapters the head where the experiment says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Form {
    /// The head alone.
    Head,
    /// LoRA of this rank.
    Lora(usize),
    /// DoRA of this rank.
    Dora(usize),
    /// LSR of so many terms, of rank 2 x 2.
    Lsr(usize),
    /// A Kronecker product.
    KronA,
    /// Four terms of rank 2.
    KAdaptation,
    /// Of rank 2.
    LoKr,
    /// SVD-LoRA.
    SvdLora {
        /// The rank r of the truncated weight.
        rank: usize,
        /// The rank r' of the correction.
        inner: usize,
        /// Whether the singular values are trained too.
        with_values: bool,
    },
    /// All weights.
    Full,
}

impl TryFrom<String> for Form {
    type Error = Error;

    fn try_from(key: String) -> Result<Self> {
        let read = |text: &str| text.parse::<usize>().ok().filter(|n| *n > 0);
        let number = |start: &str| key.strip_prefix(start).and_then(read);
        let svd_lora = || {
            let ranks = key.strip_prefix("svd-lora-")?;
            let (ranks, with_values) = match ranks.strip_suffix("-with-values") {
                Some(ranks) => (ranks, true),
                None => (ranks, false),
            };
            let (rank, inner) = ranks.split_once('-')?;
            Some(Form::SvdLora { rank: read(rank)?, inner: read(inner)?, with_values })
        };
        let numbered = || {
            let lora = number("lora-").map(Form::Lora);
            lora.or(number("dora-").map(Form::Dora)).or(number("lsr-").map(Form::Lsr)).or_else(svd_lora)
        };
        Ok(match key.as_str() {
            "head" => Form::Head,
            "kron-a" => Form::KronA,
            "k-adaptation" => Form::KAdaptation,
            "lo-kr" => Form::LoKr,
            "full" => Form::Full,
            _ => match numbered() {
                Some(form) => form,
                None => bail!(
                    "`{key}` is no method: head, lora-R, dora-R, lsr-S, kron-a, k-adaptation, lo-kr, svd-lora-R-R', \
                     svd-lora-R-R'-with-values, full are"
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
            Form::Dora(rank) => format!("dora-{rank}"),
            Form::Lsr(terms) => format!("lsr-{terms}"),
            Form::KronA => "kron-a".to_string(),
            Form::KAdaptation => "k-adaptation".to_string(),
            Form::LoKr => "lo-kr".to_string(),
            Form::SvdLora { rank, inner, with_values } => {
                format!("svd-lora-{rank}-{inner}{}", if with_values { "-with-values" } else { "" })
            }
            Form::Full => "full".to_string(),
        }
    }
}

/// Its name in words.
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (family, member) = self.named();
        f.pad(&format!("{family}{member}"))
    }
}

impl Form {
    /// The adapter beside a frozen weight; none for the head alone and for all weights.
    pub fn method(self) -> Option<Method> {
        Some(match self {
            Form::Head | Form::Full => return None,
            Form::Lora(rank) => Method::Lora { rank },
            Form::Dora(rank) => Method::Dora { rank },
            Form::Lsr(terms) => Method::Lsr { terms, ranks: (2, 2), shapes: None },
            Form::KronA => Method::KronA { left: None },
            Form::KAdaptation => Method::KAdaptation { terms: 4, rank: 2 },
            Form::LoKr => Method::LoKr { rank: 2, left: None },
            Form::SvdLora { rank, inner, with_values } => {
                Method::SvdLora { rank, inner_rank: inner, with_values }
            }
        })
    }

    /// The name in words of its family, and what is said of it beside others of that family.
    fn named(self) -> (String, String) {
        let (family, member) = match self {
            Form::Head => ("head only".to_string(), None),
            Form::Lora(rank) => ("LoRA r = ".to_string(), Some(rank)),
            Form::Dora(rank) => ("DoRA r = ".to_string(), Some(rank)),
            Form::Lsr(terms) => ("LSR r = 2 x 2, s = ".to_string(), Some(terms)),
            Form::KronA => ("KronA".to_string(), None),
            Form::KAdaptation => ("KAdaptation t = 4, r = 2".to_string(), None),
            Form::LoKr => ("LoKr r = 2".to_string(), None),
            Form::SvdLora { rank, inner, .. } => (format!("SVD-LoRA r = {rank}, r' = {inner}"), None),
            Form::Full => ("all weights".to_string(), None),
        };
        (family, member.map_or_else(String::new, |number| number.to_string()))
    }

    fn style(self) -> Style {
        let plain = |colour, marker| Style { colour, marker, width: 1.6, dash: None };
        match self {
            Form::Head => plain(REFERENCE, Marker::Square),
            Form::Lora(_) => numbered(1),
            Form::Dora(_) => numbered(2),
            Form::Lsr(_) => numbered(0),
            Form::KronA => numbered(3),
            Form::KAdaptation => numbered(4),
            Form::LoKr => numbered(5),
            Form::SvdLora { .. } => plain(INK, Marker::Triangle),
            Form::Full => plain(MUTED, Marker::Disc),
        }
    }
}

/// Forms that are joined by a line in a figure.
pub struct Family {
    /// What the key says.
    pub name: String,
    /// Their looks.
    pub style: Style,
    /// They.
    pub forms: Vec<Form>,
}

/// The families of some forms.
pub fn families(forms: impl IntoIterator<Item = Form>) -> Vec<Family> {
    let mut out: Vec<Family> = Vec::new();
    for form in forms.into_iter().collect::<BTreeSet<_>>() {
        let (family, member) = form.named();
        match out.last_mut().filter(|last| last.forms[0].named().0 == family) {
            Some(last) => {
                last.name += &format!(", {member}");
                last.forms.push(form);
            }
            None => {
                out.push(Family { name: format!("{family}{member}"), style: form.style(), forms: vec![form] })
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for key in
            ["head", "lora-8", "dora-2", "lsr-16", "kron-a", "svd-lora-48-4", "svd-lora-48-4-with-values"]
        {
            assert_eq!(String::from(Form::try_from(key.to_string()).unwrap()), key);
        }
        for key in ["lora-0", "lora", "svd-lora-48", "svd-lora-48-0", "svd-lora-48-4-with", ""] {
            assert!(Form::try_from(key.to_string()).unwrap_err().to_string().contains("lsr-S"), "{key}");
        }
        let found = families([Form::Lora(8), Form::Full, Form::Lora(1), Form::Lsr(5)]);
        let names: Vec<&str> = found.iter().map(|family| family.name.as_str()).collect();
        assert_eq!(names, ["LoRA r = 1, 8", "LSR r = 2 x 2, s = 5", "all weights"]);
    }
}
