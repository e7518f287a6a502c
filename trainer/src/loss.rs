//! Softmax cross-entropy.

use anyhow::{Result, bail};
use lowrank::Scalar;
use lowrank::faer::{Mat, MatRef};

/// The mean of -log softmax(logits)\[label\] over the samples, and its gradient: logits (classes, N), a
/// sample a column. O(classes N); sums in f64, with the largest logit subtracted first, so that no
/// exponential overflows.
///
/// # Errors
/// Where there is not one label a sample, no sample, or a label is no class.
pub fn cross_entropy<T: Scalar>(logits: MatRef<'_, T>, labels: &[usize]) -> Result<(f64, Mat<T>)> {
    let (classes, count) = logits.shape();
    if labels.len() != count || count == 0 {
        bail!("{} labels for {count} samples: give one for each, and at least one", labels.len());
    }
    if let Some(label) = labels.iter().find(|label| **label >= classes) {
        bail!("label {label}, but there are {classes} classes, counted from 0");
    }
    let (mut gradient, mut total) = (Mat::zeros(classes, count), 0.0);
    for (j, &label) in labels.iter().enumerate() {
        let column: Vec<f64> = logits.col(j).iter().map(|x| x.as_f64()).collect();
        let largest = column.iter().fold(f64::NEG_INFINITY, |a, x| a.max(*x));
        let powers: Vec<f64> = column.iter().map(|x| (x - largest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        total += sum.ln() + largest - column[label];
        for (i, power) in powers.iter().enumerate() {
            let hit = if i == label { 1.0 } else { 0.0 };
            gradient[(i, j)] = T::of((power / sum - hit) / count as f64);
        }
    }
    Ok((total / count as f64, gradient))
}
