//! Rigorous lower bounds of the best possible max-norm error.
//!
//! Problem: an eps that no X of rank at most r can beat: |F - X|_max >= eps for all of them.
//! Method: both bounds hold for any block of F in place of F, so an evenly spaced block of at
//! most p x p entries, p = max(256, 8 r, 9 r / 8) but at most max(1024, 9 r / 8), is taken and
//! its dense SVD computed in double precision.
//! Tail: N |F - X|_max^2 >= |F - X|_F^2 >= sum_{i > r} sigma_i^2 for N entries.
//! Trace: for |Q|_2 <= 1 and |F - X|_max <= eps,
//! <Q, F> - eps |Q|_1 <= <Q, X> <= |X|_* <= sqrt(r) |X|_F <= sqrt(r) | |F| + eps |_F,
//! |Q|_1 the sum of magnitudes; every eps that violates it is too small. Q is the polar factor
//! of the block, for which <Q, F> is the nuclear norm.
//! Cost: one SVD of the block; the columns of F through it are evaluated once.
//! Guarantee: holds up to rounding, for which the bound is lowered by 1e-10 |F|_max.
//! Deviations: for tensor trains the bounds of all unfoldings, the largest of which holds.

use super::source::Source;
use crate::matrix::scale_by_power_of_two;
use crate::{Entries, Result, Scalar, TensorEntries, svd};
use faer::Mat;

/// A number that |F - X|_max is at least, whatever X of rank at most `rank` (absolute).
///
/// Costs the SVD of a block of F of some 256 to 1024 rows and columns.
///
/// # Errors
/// [`Error::NonFinite`](crate::Error::NonFinite) (argument `f`).
///
/// ```
/// use lowrank::{entrywise::lower_bound, faer::Mat};
/// let f = Mat::<f64>::identity(100, 100);
/// // For the identity the best error of rank r is at least x / (1 + x), x = sqrt((n - r) / (r (n - 1))).
/// let bound = lower_bound(&f, 10)?;
/// assert!(bound > 0.2 && bound < 0.2324);
/// # Ok::<(), lowrank::Error>(())
/// ```
pub fn lower_bound<T: Scalar>(f: &dyn Entries<T>, rank: usize) -> Result<f64> {
    of_matrix(&Source::new("f", f)?, rank)
}

/// A number that |F - X|_max is at least, whatever train X of ranks at most `rank` (absolute): the
/// largest of the bounds of all unfoldings.
///
/// # Errors
/// [`Error::NonFinite`](crate::Error::NonFinite) (argument `f`), with the position in the unfolding.
pub fn lower_bound_tensor<T: Scalar>(f: &dyn TensorEntries<T>, rank: usize) -> Result<f64> {
    let mut bound = 0f64;
    for split in 1..f.shape().len() {
        bound = bound.max(lower_bound(&*f.unfolding(split)?, rank)?);
    }
    Ok(bound)
}

/// The larger of both bounds.
pub(crate) fn of_matrix<T: Scalar>(source: &Source<'_, T>, rank: usize) -> Result<f64> {
    let block = evenly_spaced_block(source, rank);
    let (m, n) = block.shape();
    if rank >= m.min(n) {
        return Ok(0.0);
    }
    let svd = svd::dense(block.as_ref())?;
    let entries = (m * n) as f64;
    let tail = (svd.s[rank..].iter().map(|s| s * s).sum::<f64>() / entries).sqrt();

    let polar = &svd.u * svd.v.transpose();
    let (mut largest, mut q_sum, mut f_sum, mut f_squares) = (0f64, 0.0, 0.0, 0.0);
    for j in 0..n {
        for i in 0..m {
            let f = block[(i, j)].abs();
            largest = largest.max(f);
            q_sum += polar[(i, j)].abs();
            f_sum += f;
            f_squares += f * f;
        }
    }
    let nuclear: f64 = svd.s.iter().sum();
    let violated = |eps: f64| {
        let norm = (f_squares + 2.0 * eps * f_sum + eps * eps * entries).sqrt();
        nuclear - eps * q_sum > (rank as f64).sqrt() * norm
    };
    let (mut lo, mut hi) = (0.0, largest);
    for _ in 0..60 {
        let eps = 0.5 * (lo + hi);
        if violated(eps) { lo = eps } else { hi = eps }
    }
    let scaled = (tail.max(lo) - 1e-10 * largest).max(0.0);
    Ok(scale_by_power_of_two(scaled, -source.exponent))
}

/// A block of evenly spaced rows and columns, in double precision.
fn evenly_spaced_block<T: Scalar>(source: &Source<'_, T>, rank: usize) -> Mat<f64> {
    let needed = rank + rank.div_ceil(8);
    let largest = (8 * rank).clamp(256, 1024).max(needed);
    let pick = |n: usize| -> Vec<usize> {
        let p = n.min(largest);
        (0..p).map(|k| k * n / p).collect()
    };
    let (rows, cols) = (pick(source.np), pick(source.nq));
    let mut block = Mat::zeros(rows.len(), cols.len());
    let mut column = vec![T::of(0.0); source.np];
    for (b, &j) in cols.iter().enumerate() {
        source.tile(0..source.np, j..j + 1, &mut column);
        for (a, &i) in rows.iter().enumerate() {
            block[(a, b)] = column[i].as_f64();
        }
    }
    block
}
