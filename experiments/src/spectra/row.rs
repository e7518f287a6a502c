//! The table of [`Spectra`](super::Spectra): a row a matrix.

use super::Trial;
use crate::table::{numbers, row};

row! {
    /// A row of the table. An empty field is a fit that does not exist.
    Row of trial: Trial {
        /// The file, as it was named.
        source: String = trial.source.to_string(),
        /// Which of its tensors were not analysed, and why; empty for a reference.
        left_out: String = String::new(),
        /// The name of the matrix; `gaussian` for a reference.
        matrix: String = trial.name().to_string(),
        /// The seed of a reference; empty for a matrix of the file.
        seed: Option<u64> = trial.seed(),
        /// Rows.
        m: usize = trial.m,
        /// Columns.
        n: usize = trial.n,
        /// |W|_F.
        frobenius: f64 = f64::NAN,
        /// The largest singular value.
        sigma_1: f64 = f64::NAN,
        /// |W|_F^2 / |W|_2^2.
        stable_rank: f64 = f64::NAN,
        /// exp of the entropy of the singular values.
        effective_rank: f64 = f64::NAN,
        /// The power a of the fit s_i ~ c i^-a to all values.
        power_rate: Option<f64> = None,
        /// Its R^2.
        power_goodness: Option<f64> = None,
        /// The rate a of the fit s_i ~ c exp(-a i) to all values.
        exponential_rate: Option<f64> = None,
        /// Its R^2.
        exponential_goodness: Option<f64> = None,
        /// The exponent of a power-law tail of the density of the eigenvalues s^2.
        tail_exponent: Option<f64> = None,
        /// Its standard error.
        tail_error: Option<f64> = None,
        /// Its distance of Kolmogorov and Smirnov.
        tail_distance: Option<f64> = None,
        /// How many eigenvalues it has.
        tail_values: Option<usize> = None,
        /// The distance of Kolmogorov and Smirnov of the eigenvalues from the law of Marchenko and Pastur
        /// of noise of the same |W|_F.
        law_distance: f64 = f64::NAN,
        /// The standard deviation of an entry, were the bulk noise.
        noise: f64 = f64::NAN,
        /// The distance of the bulk, the values up to the edge, from the law of that noise.
        noise_distance: f64 = f64::NAN,
        /// The largest singular value that this noise explains.
        noise_edge: f64 = f64::NAN,
        /// How many singular values lie above it.
        outliers: usize = 0,
        /// |W_64|_F^2 / |W|_F^2.
        energy_64: f64 = f64::NAN,
        /// The smallest rank with 90 % of |W|_F^2.
        rank_90: usize = 0,
        /// The same for 95 %.
        rank_95: usize = 0,
        /// The same for 99 %.
        rank_99: usize = 0,
        /// The rank by the optimal hard threshold of Gavish and Donoho, unknown noise.
        rank_threshold: usize = 0,
        /// That threshold.
        threshold: f64 = f64::NAN,
        /// The largest rank whose factors hold fewer numbers than the matrix.
        rank_break_even: usize = 0,
        /// |W_r|_F^2 / |W|_F^2 at that rank.
        energy_break_even: f64 = f64::NAN,
        /// m n / (r (m + n)) at the rank for 90 %.
        compression_90: f64 = f64::NAN,
        /// The same for 95 %.
        compression_95: f64 = f64::NAN,
        /// The same for 99 %.
        compression_99: f64 = f64::NAN,
        /// The same for the hard threshold.
        compression_threshold: f64 = f64::NAN,
        /// Seconds of the analysis, reading aside.
        seconds: f64 = f64::NAN,
        /// The singular values, to six digits.
        #[serde(with = "numbers")]
        spectrum: Vec<f64> = Vec::new(),
    }
}
