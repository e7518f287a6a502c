//! What a figure of the entrywise searches measures: the configuration and its checks.

use crate::grid::{Axis, Figure, Function, MethodName, Sampling};
use crate::study::distinct;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// The configuration of one figure, read from TOML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Number of repetitions; their seeds are 0, 1, ..., seeds - 1.
    pub seeds: u64,
    /// The methods to run.
    pub methods: Vec<MethodName>,
    /// The matrices, if any.
    pub matrices: Option<Family>,
    /// The third-order tensors, if any.
    pub tensors: Option<Family>,
}

/// A family of matrices or of tensors: all combinations of the lists are run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// The generating functions.
    pub functions: Vec<Function>,
    /// The sampling schemes.
    pub samplings: Vec<Sampling>,
    /// Sizes of the n x n matrices (n x n x n tensors).
    pub n: Vec<usize>,
    /// Dimensions of the points.
    pub m: Vec<usize>,
    /// Ranks (TT ranks) of the approximation.
    pub rank: Vec<usize>,
}

impl Config {
    /// Checks every value, for a figure.
    pub fn check(&self, figure: Figure) -> Result<()> {
        if self.seeds == 0 {
            bail!("`seeds` = 0: at least one repetition is needed");
        }
        distinct("methods", &self.methods)?;
        if self.matrices.is_none() && self.tensors.is_none() {
            bail!("nothing to run: give a [matrices] or a [tensors] table");
        }
        for (table, family, tensors) in
            [("matrices", &self.matrices, false), ("tensors", &self.tensors, true)]
        {
            if let Some(family) = family {
                family.check(figure, tensors).with_context(|| format!("[{table}]"))?;
            }
        }
        Ok(())
    }
}

impl Family {
    fn check(&self, figure: Figure, tensors: bool) -> Result<()> {
        distinct("functions", &self.functions)?;
        distinct("samplings", &self.samplings)?;
        for function in &self.functions {
            if function.is_tensor() != tensors {
                let wanted = if tensors { "tensors" } else { "matrices" };
                bail!("`functions` names {}, which does not generate {wanted}", function.name());
            }
        }
        if tensors && self.samplings.contains(&Sampling::Symmetric) {
            bail!("`samplings`: tensors are sampled independently only");
        }
        for (name, axis, values) in
            [("n", Axis::Size, &self.n), ("m", Axis::Dimension, &self.m), ("rank", Axis::Rank, &self.rank)]
        {
            distinct(name, values)?;
            if values.contains(&0) {
                bail!("`{name}` contains 0: values start at 1");
            }
            if axis != figure.axis() && values.len() > 1 {
                bail!(
                    "`{name}` has {} values, but only `{}` varies in this figure: give one",
                    values.len(),
                    figure.axis().key()
                );
            }
        }
        let (n, rank) = (self.n.iter().min(), self.rank.iter().max());
        if let (Some(n), Some(rank)) = (n, rank)
            && rank > n
        {
            bail!("`rank` = {rank} exceeds the size `n` = {n}: give ranks of at most {n}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::{Preset, Study};

    fn error(text: &str) -> String {
        format!("{:#}", Figure::VaryingRank.parse(text).unwrap_err())
    }

    const GOOD: &str = "seeds = 2\nmethods = [\"svd\"]\n[matrices]\nfunctions = [\"f1\"]\n\
                        samplings = [\"symmetric\"]\nn = [16]\nm = [3]\nrank = [2, 4]\n";

    #[test]
    fn presets_are_valid() {
        for figure in Figure::ALL {
            for preset in [Preset::Quick, Preset::Paper] {
                figure.preset(preset).unwrap();
            }
        }
    }

    #[test]
    fn unknown_keys_are_named() {
        assert!(error(&GOOD.replace("seeds", "sedes")).contains("sedes"));
        assert!(error(&format!("{GOOD}rnak = [3]\n")).contains("rnak"));
        assert!(error(&GOOD.replace("matrices", "matrixes")).contains("matrixes"));
    }

    #[test]
    fn bad_values_are_explained() {
        assert!(error(&GOOD.replace("\"svd\"", "\"svf\"")).contains("svf"));
        assert!(error(&GOOD.replace("[2, 4]", "[2, 40]")).contains("exceeds the size"));
        assert!(error(&GOOD.replace("[2, 4]", "[]")).contains("`rank` is empty"));
        assert!(error(&GOOD.replace("[2, 4]", "[2, 2]")).contains("twice"));
        assert!(error(&GOOD.replace("[2, 4]", "[0, 2]")).contains("contains 0"));
        assert!(error(&GOOD.replace("[2, 4]", "[-2]")).contains("-2"));
        assert!(error(&GOOD.replace("n = [16]", "n = [16, 32]")).contains("only `rank` varies"));
        assert!(error(&GOOD.replace("\"f1\"", "\"f3\"")).contains("does not generate matrices"));
        assert!(error(&GOOD.replace("seeds = 2", "seeds = 0")).contains("at least one repetition"));
        assert!(Figure::VaryingRank.parse(GOOD).is_ok());
    }
}
