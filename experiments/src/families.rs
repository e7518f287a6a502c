//! The matrix families that products and singular value decompositions are compared on.
//!
//! Every case, (family, n, seed), has two n x n matrices, A and B, drawn independently; indices i
//! start at 0 and singular vectors are Haar-distributed, those of the sparse families aside.
//!
//! | family | matrix |
//! | --- | --- |
//! | `gaussian` | independent standard Gaussian entries: no structure, the worst case |
//! | `fast`, `medium`, `slow` | s_i = exp(-i / t) with t = 8, 20, 50 |
//! | `noisy-fast`, `noisy-medium`, `noisy-slow` | the same plus Gaussian noise, \|noise\|_F ~ 0.01 \|A\|_F |
//! | `sparse-10`, `sparse-5`, `sparse-1`, `sparse-0.1` | that percentage of nonzeros, of rank 128 at most |
//! | `heavy-tailed` | s_i^2 independent, P(s_i^2 > x) = 1/x for x > 1: few large, many small |
//! | `weights` | weights of a trained network, of their own sizes, named by [`crate::cases::Product`] |
//!
//! The density x^-2 of the squared singular values of `heavy-tailed` is the exponent 2 that well
//! trained layers come near to (Martin, Mahoney, "Implicit self-regularization in deep neural
//! networks", JMLR 22, 2021). A sparse matrix is the sum of 128 terms exp(-j / 32) u_j v_j' with
//! unit Gaussian vectors on random supports, so large that the wished percentage is expected.

use crate::cases::smallest_size;
use crate::plot::style::{Marker, Style};
use crate::study::distinct;
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// A family of pairs of matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Independent Gaussian entries.
    Gaussian,
    /// s_i = exp(-i / 8).
    Fast,
    /// s_i = exp(-i / 20).
    Medium,
    /// s_i = exp(-i / 50).
    Slow,
    /// `fast` with 1 % noise.
    NoisyFast,
    /// `medium` with 1 % noise.
    NoisyMedium,
    /// `slow` with 1 % noise.
    NoisySlow,
    /// 10 % nonzeros.
    #[serde(rename = "sparse-10")]
    Sparse10,
    /// 5 % nonzeros.
    #[serde(rename = "sparse-5")]
    Sparse5,
    /// 1 % nonzeros.
    #[serde(rename = "sparse-1")]
    Sparse1,
    /// 0.1 % nonzeros.
    #[serde(rename = "sparse-0.1")]
    SparseTenth,
    /// Pareto-distributed squares of the singular values.
    HeavyTailed,
    /// Weights of a trained network.
    Weights,
}

/// Relative Frobenius norm of the noise of the noisy families.
pub const NOISE: f64 = 0.01;
/// Terms of a sparse matrix: the largest rank it may have.
pub const SPARSE_TERMS: usize = 128;
/// A sparse matrix's weights are exp(-j / this).
pub const SPARSE_DECAY: f64 = 32.0;

impl Family {
    /// All of them.
    pub const ALL: [Family; 13] = [
        Family::Gaussian,
        Family::Fast,
        Family::Medium,
        Family::Slow,
        Family::NoisyFast,
        Family::NoisyMedium,
        Family::NoisySlow,
        Family::Sparse10,
        Family::Sparse5,
        Family::Sparse1,
        Family::SparseTenth,
        Family::HeavyTailed,
        Family::Weights,
    ];

    /// Its name in configurations and tables.
    pub fn name(self) -> &'static str {
        match self {
            Family::Gaussian => "gaussian",
            Family::Fast => "fast",
            Family::Medium => "medium",
            Family::Slow => "slow",
            Family::NoisyFast => "noisy-fast",
            Family::NoisyMedium => "noisy-medium",
            Family::NoisySlow => "noisy-slow",
            Family::Sparse10 => "sparse-10",
            Family::Sparse5 => "sparse-5",
            Family::Sparse1 => "sparse-1",
            Family::SparseTenth => "sparse-0.1",
            Family::HeavyTailed => "heavy-tailed",
            Family::Weights => "weights",
        }
    }

    /// What it is, for keys and titles.
    pub fn text(self) -> String {
        match (self, self.decay(), self.density()) {
            (Family::Gaussian, ..) => "Gaussian entries".to_string(),
            (Family::HeavyTailed, ..) => "heavy-tailed: σ² Pareto".to_string(),
            (Family::Weights, ..) => "weights of a transformer".to_string(),
            (_, Some(t), _) if self.noisy() => format!("σᵢ = exp(−i/{t}), 1 % noise"),
            (_, Some(t), _) => format!("σᵢ = exp(−i/{t})"),
            (_, _, Some(density)) => format!("sparse, {} % nonzeros", 100.0 * density),
            _ => self.name().to_string(),
        }
    }

    /// t, where the singular values are exp(-i / t).
    pub fn decay(self) -> Option<f64> {
        match self {
            Family::Fast | Family::NoisyFast => Some(8.0),
            Family::Medium | Family::NoisyMedium => Some(20.0),
            Family::Slow | Family::NoisySlow => Some(50.0),
            _ => None,
        }
    }

    /// Whether noise is added.
    pub fn noisy(self) -> bool {
        matches!(self, Family::NoisyFast | Family::NoisyMedium | Family::NoisySlow)
    }

    /// The expected share of nonzeros, for a sparse family.
    pub fn density(self) -> Option<f64> {
        match self {
            Family::Sparse10 => Some(0.1),
            Family::Sparse5 => Some(0.05),
            Family::Sparse1 => Some(0.01),
            Family::SparseTenth => Some(0.001),
            _ => None,
        }
    }

    /// How its curves look.
    pub fn style(self) -> Style {
        let (colour, marker) = match self {
            Family::Gaussian => ((60, 60, 60), Marker::Disc),
            Family::Fast | Family::NoisyFast => ((86, 180, 233), Marker::Disc),
            Family::Medium | Family::NoisyMedium => ((0, 114, 178), Marker::Square),
            Family::Slow | Family::NoisySlow => ((0, 158, 115), Marker::Triangle),
            Family::Sparse10 | Family::Sparse5 | Family::Sparse1 | Family::SparseTenth => {
                ((230, 159, 0), Marker::Square)
            }
            Family::HeavyTailed => ((204, 121, 167), Marker::Triangle),
            Family::Weights => ((213, 94, 0), Marker::Disc),
        };
        Style { colour, marker, width: 1.6, dash: self.noisy().then_some((5.0, 3.0)) }
    }
}

/// What these families are, as sentences of a caption.
pub fn describe(families: &[Family]) -> String {
    let any = |test: fn(&Family) -> bool| families.iter().any(test);
    let mut parts = Vec::new();
    if any(|f| f.decay().is_some()) {
        parts.push("σᵢ: singular values, i = 0, 1, …, with Haar-distributed singular vectors.".to_string());
    }
    if any(|f| f.noisy()) {
        parts.push("Noise: Gaussian, 1 % of ‖A‖ in the Frobenius norm.".to_string());
    }
    if any(|f| f.density().is_some()) {
        parts.push(format!(
            "Sparse: the sum of {SPARSE_TERMS} terms exp(−j/{SPARSE_DECAY}) uⱼvⱼ′ with unit vectors on random \
             supports."
        ));
    }
    if any(|f| *f == Family::HeavyTailed) {
        parts.push("Heavy-tailed: Haar-distributed singular vectors, P(σ² > x) = 1/x for x > 1.".to_string());
    }
    if any(|f| *f == Family::Weights) {
        parts.push("Weights: trained ones, from the file that the table names.".to_string());
    }
    parts.join(" ")
}

/// Checks the lists of a sweep: families and what they need are given, each once, and `counts`
/// (called `name`) lie between 1 and the smallest size.
pub fn check_sweep(
    families: &[Family],
    sizes: &[usize],
    weights: &[String],
    (name, counts): (&str, &[usize]),
) -> Result<()> {
    distinct("families", families)?;
    if families != [Family::Weights] {
        distinct("n", sizes)?;
    }
    if families.contains(&Family::Weights) == weights.is_empty() {
        bail!("`weights` are needed where `families` names `weights`, and only there");
    }
    distinct(name, counts)?;
    if sizes.contains(&0) || counts.contains(&0) {
        bail!("`n` or `{name}` contains 0: values start at 1");
    }
    let mut smallest = sizes.iter().copied().min().unwrap_or(usize::MAX);
    for (i, product) in weights.iter().enumerate() {
        if weights[..i].contains(product) {
            bail!("`weights` names {product} twice");
        }
        smallest = smallest.min(smallest_size(product)?);
    }
    if let Some(count) = counts.iter().find(|count| **count > smallest) {
        bail!("`{name}` = {count} exceeds the size {smallest}: give values of at most {smallest}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_tables() {
        for family in Family::ALL {
            let text = toml::Value::try_from(family).unwrap();
            assert_eq!(text.as_str(), Some(family.name()));
        }
    }
}
