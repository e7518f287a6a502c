//! The trials of a figure: what one trial is, their order, their cost.

use crate::config::{Config, Family};
use serde::{Deserialize, Serialize};

/// The figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// Figure 1: errors against the dimension m of the points.
    VaryingDimension,
    /// Figure 2: errors against the size n.
    VaryingSize,
    /// Figure 3: errors against the rank r.
    VaryingRank,
}

/// The quantity on the horizontal axis of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// m.
    Dimension,
    /// n.
    Size,
    /// r.
    Rank,
}

impl Figure {
    /// All of them.
    pub const ALL: [Figure; 3] = [Figure::VaryingDimension, Figure::VaryingSize, Figure::VaryingRank];

    /// What varies.
    pub fn axis(self) -> Axis {
        match self {
            Figure::VaryingDimension => Axis::Dimension,
            Figure::VaryingSize => Axis::Size,
            Figure::VaryingRank => Axis::Rank,
        }
    }
}

impl Axis {
    /// Its key in the configuration.
    pub fn key(self) -> &'static str {
        match self {
            Axis::Dimension => "m",
            Axis::Size => "n",
            Axis::Rank => "rank",
        }
    }

    /// Its value for a trial.
    pub fn value(self, trial: &Trial) -> usize {
        match self {
            Axis::Dimension => trial.m,
            Axis::Size => trial.n,
            Axis::Rank => trial.rank,
        }
    }
}

/// The generating functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Function {
    /// exp(-|x - y|^2).
    F1,
    /// exp(-|x - y|^4).
    F2,
    /// sinh(<x, y, z>), the multilinear product of three points: a tensor.
    F3,
}

impl Function {
    /// Its name in configurations and tables.
    pub fn name(self) -> &'static str {
        match self {
            Function::F1 => "f1",
            Function::F2 => "f2",
            Function::F3 => "f3",
        }
    }

    /// Whether it generates third-order tensors rather than matrices.
    pub fn is_tensor(self) -> bool {
        self == Function::F3
    }
}

/// How the points are drawn, uniformly from the unit ball.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sampling {
    /// One set of points, used for both variables.
    Symmetric,
    /// An own set of points for each variable.
    Independent,
}

impl Sampling {
    /// Its name in configurations and tables.
    pub fn name(self) -> &'static str {
        match self {
            Sampling::Symmetric => "symmetric",
            Sampling::Independent => "independent",
        }
    }
}

/// The methods compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum MethodName {
    /// Truncated SVD (TT-SVD for tensors).
    #[serde(alias = "tt-svd")]
    Svd,
    /// Alternating projections by the author's rules, from a random start.
    Ap,
    /// Factor descent, the library's default.
    Descent,
}

impl MethodName {
    /// All of them.
    pub const ALL: [MethodName; 3] = [MethodName::Svd, MethodName::Ap, MethodName::Descent];

    /// Its name in tables.
    pub fn name(self, tensor: bool) -> &'static str {
        match self {
            MethodName::Svd if tensor => "tt-svd",
            MethodName::Svd => "svd",
            MethodName::Ap => "ap",
            MethodName::Descent => "descent",
        }
    }
}

/// One trial: one method on one random matrix or tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trial {
    /// The generating function.
    pub function: Function,
    /// How the points are drawn.
    pub sampling: Sampling,
    /// Size.
    pub n: usize,
    /// Dimension of the points.
    pub m: usize,
    /// Rank (TT ranks).
    pub rank: usize,
    /// The method.
    pub method: MethodName,
    /// Seed of the points and of the method.
    pub seed: u64,
}

impl Trial {
    /// The method's name in tables.
    pub fn method_name(&self) -> &'static str {
        self.method.name(self.function.is_tensor())
    }

    /// A rough estimate of its cost in seconds of one core: for the order of work and the time left.
    pub fn cost(&self) -> f64 {
        let (n, m, r) = (self.n as f64, self.m as f64, self.rank as f64);
        let (entries, order) = if self.function.is_tensor() { (n * n * n, 2.0) } else { (n * n, 1.0) };
        let work = match self.method {
            MethodName::Svd if self.function.is_tensor() => 10.0 * entries * n,
            MethodName::Svd => 20.0 * entries * n,
            MethodName::Ap if self.function.is_tensor() => 5_000.0 * entries * (r + 15.0),
            MethodName::Ap => 1_100.0 * entries * (r + 15.0),
            MethodName::Descent => 900.0 * order * entries * (r + 5.0) * (1.0 + 2.6 * r / n),
        };
        1e-3 + (work + 2.0 * entries * m) * 5e-11
    }
}

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} of {} ({}, n = {}, m = {}, rank = {}, seed {})",
            self.method_name(),
            self.function.name(),
            self.sampling.name(),
            self.n,
            self.m,
            self.rank,
            self.seed
        )
    }
}

/// All trials of a configuration, in the order of the table.
pub fn trials(config: &Config) -> Vec<Trial> {
    let mut out = Vec::new();
    for family in [&config.matrices, &config.tensors].into_iter().flatten() {
        for &function in &family.functions {
            for &sampling in &family.samplings {
                for (n, m, rank) in points(family) {
                    for &method in &config.methods {
                        for seed in 0..config.seeds {
                            out.push(Trial { function, sampling, n, m, rank, method, seed });
                        }
                    }
                }
            }
        }
    }
    out
}

fn points(family: &Family) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
    family.n.iter().flat_map(move |&n| {
        family.m.iter().flat_map(move |&m| family.rank.iter().map(move |&rank| (n, m, rank)))
    })
}
