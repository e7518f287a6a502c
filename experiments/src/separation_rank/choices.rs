//! The matrices and the forms of [`SeparationRanks`](super::SeparationRanks).

use super::factors;
use serde::{Deserialize, Serialize};

/// A family of matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Independent Gaussian entries.
    Random,
    /// 1 / (1 + 16 |x - y|^2) for the points x, y of a grid in the unit square.
    SmoothKernel,
    /// Blocks of a few kinds, and noise.
    BlockStructured,
    /// The blur of an image by a Gaussian, zero outside: a Kronecker product.
    BlurGaussian,
    /// The blur by a motion along the diagonal.
    BlurMotion,
    /// The blur by a disk, out of focus.
    BlurDisk,
    /// Weights of a trained network.
    Weights,
}

impl Family {
    /// Whether the matrix depends on the seed.
    pub(super) fn random(self) -> bool {
        matches!(self, Family::Random | Family::BlockStructured)
    }
}

/// A form of the approximation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Columns times rows: the truncated SVD.
    Svd,
    /// Two factors as square as they get.
    Two,
    /// Two factors of the best shapes of all, with the storage of `two`.
    Best,
    /// Three factors as square as they get.
    Three,
    /// Four factors as square as they get.
    Four,
}

impl Form {
    /// All of them.
    pub const ALL: [Form; 5] = [Form::Svd, Form::Two, Form::Best, Form::Three, Form::Four];

    /// Its name in configurations and tables.
    pub fn name(self) -> &'static str {
        match self {
            Form::Svd => "svd",
            Form::Two => "two",
            Form::Best => "best",
            Form::Three => "three",
            Form::Four => "four",
        }
    }

    /// The shapes of the factors of a matrix (m, n); for `best` those it has the storage of.
    pub fn shapes(self, m: usize, n: usize) -> Vec<(usize, usize)> {
        let equal = |d| factors(m, d).into_iter().zip(factors(n, d)).collect();
        match self {
            Form::Svd => vec![(m, 1), (1, n)],
            Form::Two | Form::Best => equal(2),
            Form::Three => equal(3),
            Form::Four => equal(4),
        }
    }

    /// How many numbers this many terms of a matrix (m, n) store; at most so many for `best`.
    pub fn numbers(self, m: usize, n: usize, terms: usize) -> usize {
        terms * (1 + self.shapes(m, n).iter().map(|(m, n)| m * n).sum::<usize>())
    }

    /// Whether the answer depends on the seed.
    pub(super) fn random(self) -> bool {
        matches!(self, Form::Three | Form::Four)
    }
}
