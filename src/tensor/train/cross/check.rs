//! Checks of a train against its function: random points, and ascents of the residual from the worst.

use super::super::TensorTrain;
use super::state::{State, Stop};
use crate::Scalar;
use crate::matrix::slice_norm;
use num_traits::Float;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Ascents from the random points of the largest residuals.
const ASCENTS: usize = 4;
/// Ascents from those of the largest residuals relative to the train: where it explains nothing of f,
/// however small f is there, as in the tail of a peak that was not seen.
const UNEXPLAINED: usize = 2;
/// The most passes of an ascent over the modes.
const PASSES: usize = 8;

/// What a check found.
pub(super) struct Found {
    /// |f - X| over |f|, both root mean squares over the random points.
    pub relative_error: f64,
    /// Points and their residuals, the worst first: the ends of the ascents.
    pub worst: Vec<(Vec<usize>, f64)>,
}

/// Compares at `count` random points, or at all where there are no more, and climbs from the worst; an
/// ascent goes on after its first pass where the residual is above `far` times the largest |f|.
pub(super) fn check<T: Scalar>(
    state: &mut State<'_, T>,
    train: &TensorTrain<T>,
    far: f64,
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
    let fitted: Vec<T> = points.iter().map(|p| at(train, p)).collect();
    let residual: Vec<T> = values.iter().zip(&fitted).map(|(&f, &x)| f - x).collect();
    let norm = slice_norm(&values);
    let relative_error = if norm > 0.0 { slice_norm(&residual) / norm } else { slice_norm(&residual) };
    let size: Vec<f64> = residual.iter().map(|r| r.as_f64().abs()).collect();
    let mut worst: Vec<(Vec<usize>, f64)> = Vec::new();
    if all.is_some() {
        worst.push((points[largest(&size, 1)[0]].clone(), size[largest(&size, 1)[0]]));
        return Ok(Found { relative_error, worst });
    }
    let unexplained = |(&r, x): (&f64, &T)| if *x == T::of(0.0) { 0.0 } else { r / x.as_f64().abs() };
    let relative: Vec<f64> = size.iter().zip(&fitted).map(unexplained).collect();
    let mut starts = largest(&size, ASCENTS);
    let others = largest(&relative, UNEXPLAINED).into_iter().filter(|p| !starts.contains(p));
    starts = starts.iter().copied().chain(others).collect();
    for p in starts {
        let start = (points[p].clone(), Float::abs(residual[p]));
        let end = climb(state, train, far, start)?;
        if worst.iter().all(|(index, _)| *index != end.0) {
            worst.push((end.0, end.1.as_f64()));
        }
    }
    worst.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(Found { relative_error, worst })
}

/// The places of the largest numbers, largest first.
fn largest(of: &[f64], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..of.len()).collect();
    order.sort_by(|&a, &b| of[b].total_cmp(&of[a]));
    order.truncate(count);
    order
}

/// Passes over the modes, each time to the index of the largest residual; a second one only from a
/// residual that is `far`.
fn climb<T: Scalar>(
    state: &mut State<'_, T>,
    train: &TensorTrain<T>,
    far: f64,
    (mut point, mut size): (Vec<usize>, T),
) -> Result<(Vec<usize>, T), Stop> {
    for _ in 0..PASSES {
        let before = size;
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
        if size == before || !(size.as_f64() > far * state.largest.as_f64()) {
            break;
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
