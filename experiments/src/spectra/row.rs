//! The table of [`Spectra`](super::Spectra): a row a matrix.

use super::{Matrix, Trial};
use crate::study::Record;
use crate::table::{FAILED, VERSION};
use serde::{Deserialize, Serialize};

/// A row of the table. An empty field is a fit that does not exist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The file, as it was named.
    pub source: String,
    /// Which of its tensors were not analysed, and why; empty for a reference.
    pub left_out: String,
    /// The name of the matrix; `gaussian` for a reference.
    pub matrix: String,
    /// The seed of a reference; empty for a matrix of the file.
    pub seed: Option<u64>,
    /// Rows.
    pub m: usize,
    /// Columns.
    pub n: usize,
    /// |W|_F.
    pub frobenius: f64,
    /// The largest singular value.
    pub sigma_1: f64,
    /// |W|_F^2 / |W|_2^2.
    pub stable_rank: f64,
    /// exp of the entropy of the singular values.
    pub effective_rank: f64,
    /// The power a of the fit s_i ~ c i^-a to all values.
    pub power_rate: Option<f64>,
    /// Its R^2.
    pub power_goodness: Option<f64>,
    /// The rate a of the fit s_i ~ c exp(-a i) to all values.
    pub exponential_rate: Option<f64>,
    /// Its R^2.
    pub exponential_goodness: Option<f64>,
    /// The exponent of a power-law tail of the density of the eigenvalues s^2.
    pub tail_exponent: Option<f64>,
    /// Its standard error.
    pub tail_error: Option<f64>,
    /// Its distance of Kolmogorov and Smirnov.
    pub tail_distance: Option<f64>,
    /// How many eigenvalues it has.
    pub tail_values: Option<usize>,
    /// The distance of Kolmogorov and Smirnov of the eigenvalues from the law of Marchenko and Pastur
    /// of noise of the same |W|_F.
    pub law_distance: f64,
    /// The standard deviation of an entry, were the bulk noise.
    pub noise: f64,
    /// The distance of the bulk, the values up to the edge, from the law of that noise.
    pub noise_distance: f64,
    /// The largest singular value that this noise explains.
    pub noise_edge: f64,
    /// How many singular values lie above it.
    pub outliers: usize,
    /// |W_64|_F^2 / |W|_F^2.
    pub energy_64: f64,
    /// The smallest rank with 90 % of |W|_F^2.
    pub rank_90: usize,
    /// The same for 95 %.
    pub rank_95: usize,
    /// The same for 99 %.
    pub rank_99: usize,
    /// The rank by the optimal hard threshold of Gavish and Donoho, unknown noise.
    pub rank_threshold: usize,
    /// That threshold.
    pub threshold: f64,
    /// The largest rank whose factors hold fewer numbers than the matrix.
    pub rank_break_even: usize,
    /// |W_r|_F^2 / |W|_F^2 at that rank.
    pub energy_break_even: f64,
    /// m n / (r (m + n)) at the rank for 90 %.
    pub compression_90: f64,
    /// The same for 95 %.
    pub compression_95: f64,
    /// The same for 99 %.
    pub compression_99: f64,
    /// The same for the hard threshold.
    pub compression_threshold: f64,
    /// Seconds of the analysis, reading aside.
    pub seconds: f64,
    /// Why it ended: `done` or `failed`.
    pub status: String,
    /// Version of the program.
    pub version: String,
    /// The singular values, to six digits.
    #[serde(with = "numbers")]
    pub spectrum: Vec<f64>,
}

impl Row {
    /// The row of a trial that gave no answer.
    pub fn failed(trial: &Trial) -> Self {
        let (matrix, seed) = match trial.matrix {
            Matrix::Stored(name) => (name, None),
            Matrix::Gaussian(seed) => ("gaussian", Some(seed)),
        };
        Row {
            source: trial.source.to_string(),
            left_out: String::new(),
            matrix: matrix.to_string(),
            seed,
            m: trial.m,
            n: trial.n,
            frobenius: f64::NAN,
            sigma_1: f64::NAN,
            stable_rank: f64::NAN,
            effective_rank: f64::NAN,
            power_rate: None,
            power_goodness: None,
            exponential_rate: None,
            exponential_goodness: None,
            tail_exponent: None,
            tail_error: None,
            tail_distance: None,
            tail_values: None,
            law_distance: f64::NAN,
            noise: f64::NAN,
            noise_distance: f64::NAN,
            noise_edge: f64::NAN,
            outliers: 0,
            energy_64: f64::NAN,
            rank_90: 0,
            rank_95: 0,
            rank_99: 0,
            rank_threshold: 0,
            threshold: f64::NAN,
            rank_break_even: 0,
            energy_break_even: f64::NAN,
            compression_90: f64::NAN,
            compression_95: f64::NAN,
            compression_99: f64::NAN,
            compression_threshold: f64::NAN,
            seconds: f64::NAN,
            status: FAILED.to_string(),
            version: VERSION.to_string(),
            spectrum: Vec::new(),
        }
    }
}

impl Record for Row {
    fn status(&self) -> &str {
        &self.status
    }

    fn version(&self) -> &str {
        &self.version
    }
}

/// Numbers in one field of a table, parted by spaces.
mod numbers {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(numbers: &[f64], to: S) -> Result<S::Ok, S::Error> {
        let words: Vec<String> = numbers.iter().map(|x| format!("{x:e}")).collect();
        to.serialize_str(&words.join(" "))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
        let text = String::deserialize(from)?;
        text.split_whitespace().map(|word| word.parse().map_err(D::Error::custom)).collect()
    }
}
