//! Checks of a train against its function: random points, and ascents of the residual from the worst.

use super::super::TensorTrain;
use super::state::{State, Stop};
use crate::Scalar;
use crate::matrix::slice_norm;
use num_traits::Float;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Ascents from the worst random points.
const ASCENTS: usize = 4;

/// What a check found.
pub(super) struct Found {
    /// |f - X| over |f|, both root mean squares over the random points.
    pub relative_error: f64,
    /// Points and their residuals, the worst first: the ends of the ascents.
    pub worst: Vec<(Vec<usize>, f64)>,
}

/// Compares at `count` random points, or at all where there are no more, and climbs from the worst.
pub(super) fn check<T: Scalar>(
    state: &mut State<'_, T>,
    train: &TensorTrain<T>,
    count: usize,
    rng: &mut ChaCha8Rng,
) -> Result<Found, Stop> {
    let shape = state.shape.clone();
    let all = shape.iter().try_fold(1usize, |all, &n| all.checked_mul(n)).filter(|&all| all <= count);
    let points: Vec<Vec<usize>> = match all {
        Some(all) => (0..all).map(|flat| unravel(&shape, flat)).collect(),
        None => (0..count).map(|_| shape.iter().map(|&n| rng.random_range(0..n)).collect()).collect(),
    };
    let values = state.evaluate(points.len(), |p, index| index.copy_from_slice(&points[p]))?;
    let residual: Vec<T> = points.iter().zip(&values).map(|(p, &f)| f - at(train, p)).collect();
    let norm = slice_norm(&values);
    let relative_error = if norm > 0.0 { slice_norm(&residual) / norm } else { slice_norm(&residual) };
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&a, &b| residual[b].as_f64().abs().total_cmp(&residual[a].as_f64().abs()));
    let mut worst: Vec<(Vec<usize>, f64)> = Vec::new();
    for &p in order.iter().take(if all.is_some() { 1 } else { ASCENTS }) {
        let start = (points[p].clone(), Float::abs(residual[p]));
        let end = if all.is_some() { start } else { climb(state, train, start)? };
        if worst.iter().all(|(index, _)| *index != end.0) {
            worst.push((end.0, end.1.as_f64()));
        }
    }
    worst.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(Found { relative_error, worst })
}

/// One pass over the modes, each time to the index of the largest residual.
fn climb<T: Scalar>(
    state: &mut State<'_, T>,
    train: &TensorTrain<T>,
    (mut point, mut size): (Vec<usize>, T),
) -> Result<(Vec<usize>, T), Stop> {
    for k in 0..point.len() {
        let base = point.clone();
        let values = state.evaluate(state.shape[k], |p, index| {
            index.copy_from_slice(&base);
            index[k] = p;
        })?;
        let mut candidate = base;
        for (a, value) in values.into_iter().enumerate() {
            candidate[k] = a;
            let residual = Float::abs(value - at(train, &candidate));
            if residual > size {
                (point[k], size) = (a, residual);
            }
        }
    }
    Ok((point, size))
}

/// An entry at an index that is known to exist.
fn at<T: Scalar>(train: &TensorTrain<T>, index: &[usize]) -> T {
    train.entry(index).unwrap_or_default()
}

fn unravel(shape: &[usize], mut flat: usize) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (place, &n) in index.iter_mut().zip(shape).rev() {
        (*place, flat) = (flat % n, flat / n);
    }
    index
}
