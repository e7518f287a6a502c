//! What singular values tell of one matrix.

use super::Row;
use anyhow::{Result, bail};
use lowrank::faer::MatRef;
use lowrank::matrix::{frobenius, slice_norm};
use lowrank::svd::spectrum::{
    MarchenkoPastur, eigenvalue_tail, exponential_decay, fit_noise, hard_threshold, power_decay,
};
use lowrank::svd::{Rank, compare_ranks, singular_values};
use std::time::Instant;

/// The energy of the first so many directions that is stated.
const DIRECTIONS: usize = 64;

/// Everything that is told of a matrix, in the row of its trial.
pub fn analyse(a: MatRef<'_, f64>, empty: Row) -> Result<Row> {
    let clock = Instant::now();
    let s = singular_values(a)?;
    let wishes = [
        Rank::Energy(0.9),
        Rank::Energy(0.95),
        Rank::Energy(0.99),
        Rank::HardThreshold { noise: None },
        Rank::Compression(1.0),
        Rank::Fixed(DIRECTIONS.min(s.len())),
    ];
    let table = compare_ranks(&s, a.shape(), &wishes)?;
    let [r90, r95, r99, threshold, even, first] = table.rows[..] else {
        bail!("a row is needed for every wish");
    };
    let (power, exponential) = (power_decay(&s, ..).ok(), exponential_decay(&s, ..).ok());
    let tail = eigenvalue_tail(&s, Default::default()).ok();
    let noise = fit_noise(&s, a.shape(), Default::default())?;
    Ok(Row {
        frobenius: frobenius(a),
        sigma_1: s[0],
        stable_rank: table.stable_rank,
        effective_rank: table.effective_rank,
        power_rate: power.map(|fit| fit.rate),
        power_goodness: power.map(|fit| fit.goodness),
        exponential_rate: exponential.map(|fit| fit.rate),
        exponential_goodness: exponential.map(|fit| fit.goodness),
        tail_exponent: tail.map(|fit| fit.exponent),
        tail_error: tail.map(|fit| fit.standard_error),
        tail_distance: tail.map(|fit| fit.distance),
        tail_values: tail.map(|fit| fit.values),
        law_distance: law_distance(&s, a.shape())?,
        noise: noise.noise,
        noise_distance: noise.distance,
        noise_edge: noise.edge,
        outliers: noise.outliers,
        energy_64: first.energy,
        rank_90: r90.rank,
        rank_95: r95.rank,
        rank_99: r99.rank,
        rank_threshold: threshold.rank,
        threshold: hard_threshold(&s, a.shape(), None)?,
        rank_break_even: even.rank,
        energy_break_even: even.energy,
        compression_90: r90.compression,
        compression_95: r95.compression,
        compression_99: r99.compression,
        compression_threshold: threshold.compression,
        seconds: clock.elapsed().as_secs_f64(),
        spectrum: s.iter().map(|x| format!("{x:.5e}").parse().unwrap_or(*x)).collect(),
        ..empty
    })
}

/// How far the eigenvalues s^2 are, in the sense of Kolmogorov and Smirnov, from those of noise whose
/// entries have the mean square of the matrix's; 0 for a zero matrix.
fn law_distance(s: &[f64], shape: (usize, usize)) -> Result<f64> {
    let law = MarchenkoPastur::of_shape(shape, 1.0)?;
    let unit = slice_norm(s) / (shape.0.min(shape.1) as f64).sqrt(); // s^2 / unit^2 has mean 1
    if unit == 0.0 {
        return Ok(0.0);
    }
    let count = s.len() as f64;
    Ok(s.iter().rev().enumerate().fold(0.0, |distance: f64, (i, s)| {
        let f = law.distribution((s / unit).powi(2));
        distance.max(f - i as f64 / count).max((i as f64 + 1.0) / count - f)
    }))
}
