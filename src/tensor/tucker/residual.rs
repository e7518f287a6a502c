//! |A - X|_F from the residual, piece by piece.

use crate::Result;
use crate::Scalar;
use crate::tensor::mode_product::products_along;
use faer::MatRef;
use ndarray::{ArrayViewD, Axis, Slice};
use rayon::prelude::*;

/// Entries of a piece, about.
const PIECE: usize = 1 << 16;

/// |2^-e A - X|_F and |2^-e A|_F for X = `core` times `factors` along their modes.
///
/// X is written out in slabs along the longest mode, so little memory is needed; their number
/// depends on the shape alone.
pub(super) fn distance<T: Scalar>(
    a: &ArrayViewD<'_, T>,
    core: &ArrayViewD<'_, T>,
    factors: &[(usize, MatRef<'_, T>)],
    e: i32,
) -> Result<(f64, f64)> {
    if a.is_empty() {
        return Ok((0.0, 0.0));
    }
    let longest = a.shape().iter().copied().max().unwrap_or(1);
    let axis = a.shape().iter().position(|n| *n == longest).unwrap_or(0);
    let width = (PIECE / (a.len() / longest)).clamp(1, longest);
    let down = [2.0_f64.powi(-e / 2), 2.0_f64.powi(-e - -e / 2)];
    let slab = |piece: usize| -> Result<(f64, f64)> {
        let start = piece * width;
        let range = start..(start + width).min(longest);
        let a = a.slice_axis(Axis(axis), Slice::from(range.clone()));
        let compressed = factors.iter().any(|(mode, _)| *mode == axis);
        let core = match compressed {
            true => core.view(),
            false => core.slice_axis(Axis(axis), Slice::from(range.clone())),
        };
        let parts = factors.iter().map(|&(mode, f)| match mode == axis {
            true => (mode, f.subrows(range.start, range.len())),
            false => (mode, f),
        });
        let x = products_along(core, &parts.collect::<Vec<_>>())?;
        let mut sums = (0.0, 0.0);
        for (a, x) in a.rows().into_iter().zip(x.rows()) {
            let (residual, own) = match (a.as_slice(), x.as_slice()) {
                (Some(a), Some(x)) if e == 0 => squares(a, x),
                _ => a.iter().zip(x.iter()).fold((0.0, 0.0), |sums, (a, x)| {
                    let a = a.as_f64() * down[0] * down[1];
                    (sums.0 + (a - x.as_f64()).powi(2), sums.1 + a * a)
                }),
            };
            sums = (sums.0 + residual, sums.1 + own);
        }
        Ok(sums)
    };
    let sums: Vec<Result<(f64, f64)>> = (0..longest.div_ceil(width)).into_par_iter().map(slab).collect();
    let mut total = (0.0, 0.0);
    for sum in sums {
        let sum = sum?;
        total = (total.0 + sum.0, total.1 + sum.1);
    }
    Ok((total.0.sqrt(), total.1.sqrt()))
}

/// The sums of the squares of a - x and of a, in eight lanes.
fn squares<T: Scalar>(a: &[T], x: &[T]) -> (f64, f64) {
    let mut sums = [(0.0, 0.0); 8];
    let mut add = |lane: usize, a: T, x: T| {
        let (a, x) = (a.as_f64(), x.as_f64());
        sums[lane].0 += (a - x) * (a - x);
        sums[lane].1 += a * a;
    };
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (x_chunks, x_rest) = x.as_chunks::<8>();
    for (a, x) in a_chunks.iter().zip(x_chunks) {
        (0..8).for_each(|lane| add(lane, a[lane], x[lane]));
    }
    for (lane, (a, x)) in a_rest.iter().zip(x_rest).enumerate() {
        add(lane, *a, *x);
    }
    sums.iter().fold((0.0, 0.0), |total, sum| (total.0 + sum.0, total.1 + sum.1))
}
