//! TT-SVD: the tensor train of a stored tensor.
//!
//! # Problem
//! For a tensor A of shape (n_1, ..., n_d) find a train X of small ranks with
//! |A - X|_F <= tolerance |A|_F, or of ranks at most `max_rank` with |A - X|_F nearly least.
//! # Method
//! Oseledets, Tensor-train decomposition, SIAM J. Sci. Comput. 33 (2011), Algorithm 1: from left
//! to right, the remainder is unfolded to (r_{k-1} n_k) x (n_{k+1} ... n_d), its singular vectors
//! give core k, and the singular values times the right vectors go on. Each bond may lose
//! delta = tolerance |A|_F / sqrt(d - 1).
//! # Cost
//! O(N n_1) for the first unfolding, N the number of entries, and less for the others where the
//! ranks are small; memory of about three tensors besides A, and no copy of a row-major one.
//! # Guarantee
//! |A - X|_F is the root of the sum of the squared tails of the successive unfoldings, hence at
//! most that of the unfoldings of A, hence at most sqrt(d - 1) times the least error of these
//! ranks (Theorem 2.2, Corollary 2.4). All cores but the last are left-orthonormal. A tolerance
//! below eps times the largest size finds noise, not rank.
//! # Deviations
//! Ranks are at least one, so a zero tensor has ranks one. Where entries are far from one, the
//! tensor is scaled by a power of two; the scale goes back to the last core, and to others too
//! where the last would over- or underflow (|A|_F near the ends of the floating-point range),
//! which then are orthonormal up to that power.

use super::truncation::{Limit, Truncated, Truncation};
use super::{TensorTrain, core_from, dense, scale};
use crate::svd::{self, Svd};
use crate::{Error, Result, Scalar};
use faer::MatRef;
use ndarray::{ArrayViewD, Axis};

/// Tensor train of a stored tensor of order d >= 1 by successive singular value decompositions.
///
/// A tensor with a mode of size 0 gives a train of ranks one. `max_rank` above what the shape
/// permits is no error: the ranks end where the unfoldings do.
///
/// # Errors
/// [`Error::NonFinite`] with the position; [`Error::Shape`] for order 0; [`Error::Parameter`] for
/// `max_rank` 0 or a negative or non-finite tolerance; [`Error::TooLarge`].
///
/// # Example
/// ```
/// use lowrank::ndarray::ArrayD;
/// use lowrank::tensor::train::{Truncation, tt_svd};
/// let a = ArrayD::from_shape_fn(vec![4, 5, 6], |i| (i[0] + i[1] + i[2]) as f64);
/// let result = tt_svd(a.view(), Truncation::tolerance(1e-10))?;
/// assert_eq!(result.train.ranks(), [2, 2]);
/// assert!(result.relative_error <= 1e-10);
/// # Ok::<(), lowrank::Error>(())
/// ```
pub fn tt_svd<T: Scalar>(a: ArrayViewD<'_, T>, truncation: Truncation) -> Result<Truncated<T>> {
    truncation.check()?;
    let bonds = a.ndim().saturating_sub(1).max(1) as f64;
    sweep(a, |_, c, norm| {
        let svd = svd::dense(c)?;
        let delta = truncation.tolerance * norm / bonds.sqrt();
        let (rank, tail, limit) = truncation.choose(&svd.s, delta);
        Ok(Cut { svd, rank, tail, limit })
    })
}

/// What one bond keeps: the first `rank` triplets of `svd`, and the norm of the rest.
pub(super) struct Cut<T: Scalar> {
    pub svd: Svd<T>,
    pub rank: usize,
    pub tail: f64,
    pub limit: Limit,
}

/// Lines 2 to 9 of the algorithm; `cut(bond, remainder, |A|_F)` truncates each unfolding.
pub(super) fn sweep<T: Scalar>(
    a: ArrayViewD<'_, T>,
    mut cut: impl FnMut(usize, MatRef<'_, T>, f64) -> Result<Cut<T>>,
) -> Result<Truncated<T>> {
    let shape = a.shape().to_vec();
    let Some((&last, firsts)) = shape.split_last() else {
        return Err(Error::Shape {
            argument: "a",
            expected: "order 1 at least is needed".into(),
            found: shape,
        });
    };
    if a.is_empty() {
        return Ok(Truncated::new(
            TensorTrain::zeros(&shape)?,
            &vec![(0.0, Limit::Nothing); firsts.len()],
            0.0,
            0,
        ));
    }
    check_finite(&a)?;
    // The remainder: in place where the tensor is row-major and of moderate scale.
    let (mut owned, mut j) = (Vec::new(), 0);
    if !a.is_standard_layout() {
        owned = dense::reserve(&shape, "a row-major copy of the tensor")?;
        owned.extend(a.iter().copied());
    }
    let mut remainder: &[T] = if owned.is_empty() { a.as_slice().unwrap_or(&[]) } else { &owned };
    let own = scale::exponent(remainder);
    if !scale::is_safe::<T>(own) {
        j = own;
        if owned.is_empty() {
            owned = dense::reserve(&shape, "a scaled copy of the tensor")?;
            owned.extend_from_slice(a.as_slice().unwrap_or(&[]));
        }
        scale::shift(&mut owned, -j);
        remainder = &owned;
    }
    let norm = scale::norm(remainder);

    let (mut cores, mut cuts, mut left) = (Vec::with_capacity(shape.len()), Vec::new(), 1);
    let mut next: Vec<T>;
    for (bond, &n) in firsts.iter().enumerate() {
        let (rows, cols) = (left * n, remainder.len() / (left * n));
        let c = MatRef::from_row_major_slice(remainder, rows, cols); // (r_{k-1} n_k, rest)
        let Cut { svd: Svd { u, s, v }, rank, tail, limit } = cut(bond, c, norm)?;
        let data = (0..rows).flat_map(|i| (0..rank).map(move |r| (i, r))).map(|at| u[at]).collect();
        cores.push(core_from((left, n, rank), data));
        next = Vec::with_capacity(rank * cols); // (r_k, rest), row-major
        for (r, &s) in s.iter().enumerate().take(rank) {
            next.extend(v.col(r).iter().map(|&v| s * v));
        }
        cuts.push((tail, limit));
        left = rank;
        owned = next;
        remainder = &owned;
    }
    cores.push(core_from((left, last, 1), remainder.to_vec()));
    let first = cores.len() - 1;
    scale::restore(&mut cores, first, j);
    Ok(Truncated::new(TensorTrain::from_valid(cores), &cuts, norm, j))
}

/// The first non-finite entry in row-major order is an error.
pub(super) fn check_finite<T: Scalar>(a: &ArrayViewD<'_, T>) -> Result<()> {
    let finite = |x: &T| num_traits::Float::is_finite(*x);
    // Without a way out of the inner loop, so that it is vectorised.
    let all_finite = |chunk: &[T]| chunk.iter().fold(true, |all, x| all & finite(x));
    if a.as_slice().is_some_and(|slice| slice.chunks(4096).all(all_finite)) {
        return Ok(());
    }
    let Some(mut flat) = a.iter().position(|x| !finite(x)) else {
        return Ok(());
    };
    let mut index = vec![0; a.ndim()];
    for axis in (0..a.ndim()).rev() {
        let n = a.len_of(Axis(axis));
        index[axis] = flat % n;
        flat /= n;
    }
    Err(Error::NonFinite { argument: "a", index })
}
