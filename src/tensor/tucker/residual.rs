//! |A - X|_F from the residual, piece by piece.

use crate::tensor::kernel::{expand, last};
use crate::tensor::mode_product::{cheapest, products_along};
use crate::{Result, Scalar};
use faer::MatRef;
use ndarray::{ArrayViewD, ArrayViewMutD, Axis, CowArray, IxDyn, Slice};
use rayon::prelude::*;
use std::ops::Range;

/// Entries of a slab, about.
const SLAB: usize = 1 << 16;
/// Slabs are shared out among about this many pieces of work.
const PIECES: usize = 32;

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
    let axis = Axis(a.shape().iter().position(|n| *n == longest).unwrap_or(0));
    let width = (SLAB / (a.len() / longest)).clamp(1, longest);
    let slabs = longest.div_ceil(width);
    let depth = slabs.div_ceil(PIECES);
    let piece = |piece: usize| -> Result<(f64, f64)> {
        let mut total = (0.0, 0.0);
        let mut x = Vec::new(); // one slab of X
        for slab in piece * depth..(piece * depth + depth).min(slabs) {
            let range = slab * width..(slab * width + width).min(longest);
            let a = a.slice_axis(axis, Slice::from(range.clone()));
            x.resize(a.len(), T::of(0.0));
            let mut x = ArrayViewMutD::from_shape(a.shape(), &mut x[..a.len()]).expect("as many entries");
            write_slab(x.view_mut(), core, factors, axis, range)?;
            let sums = squares_of(&a, &x.view(), e);
            total = (total.0 + sums.0, total.1 + sums.1);
        }
        Ok(total)
    };
    let sums: Vec<Result<(f64, f64)>> = (0..slabs.div_ceil(depth)).into_par_iter().map(piece).collect();
    let mut total = (0.0, 0.0);
    for sum in sums {
        let sum = sum?;
        total = (total.0 + sum.0, total.1 + sum.1);
    }
    Ok((total.0.sqrt(), total.1.sqrt()))
}

/// Writes the places `range` of X along an axis.
fn write_slab<T: Scalar>(
    mut x: ArrayViewMutD<'_, T>,
    core: &ArrayViewD<'_, T>,
    factors: &[(usize, MatRef<'_, T>)],
    axis: Axis,
    range: Range<usize>,
) -> Result<()> {
    let compressed = factors.iter().any(|(mode, _)| *mode == axis.0);
    let part = if compressed { Slice::from(..) } else { Slice::from(range.clone()) };
    let core = core.slice_axis(axis, part);
    let parts = factors.iter().map(|&(mode, factor)| match mode == axis.0 {
        true => (mode, factor.subrows(range.start, range.len())),
        false => (mode, factor),
    });
    let mut parts: Vec<(usize, MatRef<'_, T>)> = parts.collect();
    // The last product, the largest, goes to the slab itself.
    let order = cheapest(core.shape(), parts.iter().map(|(mode, m)| (*mode, m.nrows())).collect());
    let last_one = order.last().and_then(|mode| parts.iter().position(|part| part.0 == *mode));
    let Some((mode, factor)) = last_one.map(|k| parts.swap_remove(k)) else {
        x.assign(&core);
        return Ok(());
    };
    let before: CowArray<'_, T, IxDyn> = match parts.is_empty() {
        true => core.into(),
        false => products_along(core, &parts)?.into(),
    };
    if before.is_empty() {
        x.fill(T::of(0.0));
    } else {
        let order = last(x.ndim(), mode);
        expand(x.permuted_axes(&order[..]), before.view().permuted_axes(&order[..]), factor);
    }
    Ok(())
}

/// The sums of the squares of 2^-e a - x and of 2^-e a.
fn squares_of<T: Scalar>(a: &ArrayViewD<'_, T>, x: &ArrayViewD<'_, T>, e: i32) -> (f64, f64) {
    if let (Some(a), Some(x), 0) = (a.as_slice(), x.as_slice(), e) {
        return squares(a, x);
    }
    let down = [2.0_f64.powi(-e / 2), 2.0_f64.powi(-e - -e / 2)];
    let mut total = (0.0, 0.0);
    for (a, x) in a.rows().into_iter().zip(x.rows()) {
        let (residual, own) = match (a.as_slice(), x.as_slice()) {
            (Some(a), Some(x)) if e == 0 => squares(a, x),
            _ => a.iter().zip(x.iter()).fold((0.0, 0.0), |sums, (a, x)| {
                let a = a.as_f64() * down[0] * down[1];
                (sums.0 + (a - x.as_f64()).powi(2), sums.1 + a * a)
            }),
        };
        total = (total.0 + residual, total.1 + own);
    }
    total
}

/// The sums of the squares of a - x and of a, in eight lanes.
fn squares<T: Scalar>(a: &[T], x: &[T]) -> (f64, f64) {
    let (mut residual, mut own) = ([0.0; 8], [0.0; 8]);
    let mut add = |lane: usize, a: T, x: T| {
        let (a, x) = (a.as_f64(), x.as_f64());
        residual[lane] += (a - x) * (a - x);
        own[lane] += a * a;
    };
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (x_chunks, x_rest) = x.as_chunks::<8>();
    for (a, x) in a_chunks.iter().zip(x_chunks) {
        (0..8).for_each(|lane| add(lane, a[lane], x[lane]));
    }
    for (lane, (a, x)) in a_rest.iter().zip(x_rest).enumerate() {
        add(lane, *a, *x);
    }
    (residual.iter().sum(), own.iter().sum())
}
