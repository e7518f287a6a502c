//! TT-SVD: the tensor train of a stored tensor.
//!
//! # Problem
//! For a tensor A of shape (n_1, ..., n_d) find a train X of small ranks with
//! |A - X|_F <= tolerance |A|_F, or of ranks at most `max_rank` with |A - X|_F nearly least.
//! # Method
//! Oseledets, Tensor-train decomposition, SIAM J. Sci. Comput. 33 (2011), Algorithm 1: from left
//! to right, the remainder is unfolded to C (r_{k-1} n_k, n_{k+1} ... n_d), its leading left singular
//! vectors U give core k, and U'C goes on. Each bond may lose delta = tolerance |A|_F / sqrt(d - 1).
//! The singular vectors of the shorter side, V say where C is tall, come from the triangle of a
//! QR factorization whose Q is never formed (see `tensor::triangle`); a tall C has U from the QR of C V,
//! or of C where all of V is kept.
//! # Cost
//! 2 N n_1 flops for the first unfolding, N the number of entries, 2 N r_1 for U'C, and less for the
//! other bonds where the ranks are small. Memory besides the train: the remainder, N r_1 / n_1 numbers,
//! its successor, and 16 times the square of the shorter side of an unfolding for each thread; an
//! unfolding less than 16 times longer than wide is copied, a square one three times. A row-major A is
//! read in place, any other is copied.
//! # Guarantee
//! |A - X|_F is the root of the sum of the squared tails of the successive unfoldings, hence at
//! most that of the unfoldings of A, hence at most sqrt(d - 1) times the least error of these
//! ranks (Theorem 2.2, Corollary 2.4). All cores but the last are left-orthonormal. A tolerance
//! below eps times the largest size finds noise, not rank.
//! # Deviations
//! Ranks are at least one, so a zero tensor has ranks one. A bond that keeps all rows of C has the
//! identity for its core, and C goes on in place; one that keeps all columns has the Q of its QR.
//! Where entries are far from one, the tensor is scaled by a power of two; the scale goes back to the
//! last core, and to others too where the last would over- or underflow (|A|_F near the ends of the
//! floating-point range), which then are orthonormal up to that power.

use super::truncation::{Limit, Truncated, Truncation};
use super::{TensorTrain, core_from, dense, scale};
use crate::matrix::{array_view, canonical_signs, product_into};
use crate::svd::{self, Qr, Svd};
use crate::tensor::triangle::left_singular;
use crate::{Error, Result, Scalar};
use faer::{Mat, MatMut, MatRef};
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
    sweep(a, |_, c, share| cut(c, |s| truncation.choose(s, truncation.tolerance * share)))
}

/// The same by the whole singular value decomposition of each unfolding, which takes three more tensors.
///
/// The searches of `entrywise` start from it: their published runs rest on its bits.
pub(crate) fn tt_svd_whole<T: Scalar>(a: ArrayViewD<'_, T>, truncation: Truncation) -> Result<Truncated<T>> {
    truncation.check()?;
    sweep(a, |_, c, share| {
        let svd = svd::dense(c)?;
        let choice = truncation.choose(&svd.s, truncation.tolerance * share);
        Ok(Cut::of(svd, choice))
    })
}

/// What one bond keeps of C.
pub(super) struct Cut<T: Scalar> {
    /// U (r_{k-1} n_k, rank), and U'C (rank, rest), row-major. None where U is the identity.
    kept: Option<(Mat<T>, Vec<T>)>,
    /// The norm of the rest.
    tail: f64,
    limit: Limit,
}

impl<T: Scalar> Cut<T> {
    /// The first triplets of a decomposition.
    pub fn of(svd: Svd<T>, (rank, tail, limit): (usize, f64, Limit)) -> Self {
        let Svd { mut u, s, v } = svd;
        let mut next = Vec::with_capacity(rank * v.nrows());
        for (r, &s) in s.iter().enumerate().take(rank) {
            next.extend(v.col(r).iter().map(|&v| s * v));
        }
        u.resize_with(u.nrows(), rank, |_, _| T::of(0.0));
        Self { kept: Some((u, next)), tail, limit }
    }
}

/// Line 5 of the algorithm; `choose` is given the singular values.
fn cut<T: Scalar>(c: MatRef<'_, T>, choose: impl FnOnce(&[T]) -> (usize, f64, Limit)) -> Result<Cut<T>> {
    let (rows, cols) = c.shape();
    let (mut short, s) = left_singular(array_view(c).into_dyn(), usize::from(rows > cols), 0)?;
    let (rank, tail, limit) = choose(&s);
    if rank == rows {
        return Ok(Cut { kept: None, tail, limit });
    }
    short.resize_with(short.nrows(), rank, |_, _| T::of(0.0)); // (min(rows, cols), rank)
    if rows <= cols {
        let mut next = vec![T::of(0.0); rank * cols];
        product_into(MatMut::from_row_major_slice_mut(&mut next, rank, cols), short.transpose(), c);
        return Ok(Cut { kept: Some((short, next)), tail, limit });
    }
    if rank == cols {
        let Qr { q: u, r } = svd::qr(c)?;
        let next = (0..rank).flat_map(|i| (0..cols).map(move |j| (i, j))).map(|at| r[at]).collect();
        return Ok(Cut { kept: Some((u, next)), tail, limit });
    }
    // C V = U R, hence U'C V V' = R V'
    let mut cv = Mat::zeros(rows, rank);
    product_into(cv.as_mut(), c, short.as_ref());
    let Qr { q: mut u, r } = svd::qr(&cv)?;
    drop(cv);
    let mut next = Mat::zeros(cols, rank);
    product_into(next.as_mut(), short.as_ref(), r.transpose());
    canonical_signs(&mut u, &mut next);
    let next = (0..rank).flat_map(|r| next.col_as_slice(r).iter().copied()).collect();
    Ok(Cut { kept: Some((u, next)), tail, limit })
}

/// Lines 2 to 9 of the algorithm; `cut(bond, remainder, |A|_F / sqrt(d - 1))` truncates each unfolding.
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

    let share = norm / (firsts.len().max(1) as f64).sqrt();

    let (mut cores, mut cuts, mut left) = (Vec::with_capacity(shape.len()), Vec::new(), 1);
    for (bond, &n) in firsts.iter().enumerate() {
        let (rows, cols) = (left * n, remainder.len() / (left * n));
        let c = MatRef::from_row_major_slice(remainder, rows, cols); // (r_{k-1} n_k, rest)
        let Cut { kept, tail, limit } = cut(bond, c, share)?;
        cuts.push((tail, limit));
        let u = match kept {
            Some((u, next)) => {
                owned = next; // (r_k, rest), row-major
                remainder = &owned;
                u
            }
            None => Mat::identity(rows, rows),
        };
        let rank = u.ncols();
        let data = (0..rows).flat_map(|i| (0..rank).map(move |r| (i, r))).map(|at| u[at]).collect();
        cores.push(core_from((left, n, rank), data));
        left = rank;
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
