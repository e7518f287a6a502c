//! The singular value decomposition of a matrix that is kept as two thin factors.
//!
//! **Problem.** X = U V' (m, n) of r columns, not orthonormal: its truncated SVD, without forming X.
//!
//! **Method.** QR of both factors and the dense SVD of R_u R_v'; the rank is chosen from all of the
//! singular values.
//!
//! **Cost.** O((m + n) r^2 + r^3) flops; memory 3 (m + n) r numbers.
//!
//! **Guarantee.** The SVD of U V' to c max(m, n, r) eps |U|_F |V|_F: where the factors cancel, digits
//! of X are lost that the factors do not hold. The result does not depend on the number of threads.
//!
//! **Deviations.** None.

use super::{Rank, Svd, dense, qr};
use crate::matrix::{Moderate, canonical_signs, scale_by_power_of_two};
use crate::operator::stored_product;
use crate::{Error, LowRank, Result, Scalar};

/// The truncated SVD of X = U V'; at most min(m, n, r) triplets.
///
/// # Errors
/// [`Error::Shape`] when the factors have different numbers of columns; [`Error::NonFinite`] for NaN
/// and infinities in `u` or `v`; [`Error::Parameter`] when a singular value exceeds the largest
/// number; those of [`Rank::choose_for`].
///
/// ```
/// use lowrank::{LowRank, faer::Mat, svd::{Rank, recompress}};
/// let ones = |n| Mat::from_fn(n, 3, |_, _| 1.0);
/// let x = LowRank { u: ones(5), v: ones(4) }; // 3 columns, rank 1
/// assert_eq!(recompress(&x, Rank::Tolerance(1e-12))?.rank(), 1);
/// # lowrank::Result::Ok(())
/// ```
pub fn recompress<T: Scalar>(x: &LowRank<T>, rank: Rank) -> Result<Svd<T>> {
    if x.u.ncols() != x.v.ncols() {
        let expected = format!("{} columns are needed, as many as `u` has", x.u.ncols());
        return Err(Error::Shape { argument: "v", expected, found: vec![x.v.nrows(), x.v.ncols()] });
    }
    let (u, v) = (Moderate::new("u", x.u.as_ref())?, Moderate::new("v", x.v.as_ref())?);
    let (left, right) = (qr(u.matrix())?, qr(v.matrix())?);
    let mut core = dense(stored_product(left.r.as_ref(), right.r.transpose(), false))?;
    let e = u.exponent + v.exponent;
    core.s.iter_mut().for_each(|s| *s = scale_by_power_of_two(*s, e));
    if core.s.iter().any(|s| !num_traits::Float::is_finite(*s)) {
        return Err(Error::Parameter {
            name: "x",
            value: format!("factors whose product has entries near 2^{e}"),
            remedy: "its largest singular value exceeds the largest number: scale the factors down",
        });
    }
    let rank = rank.choose_for(&core.s, x.shape())?;
    let Svd { u, s, v } = core.truncate(rank);
    let mut out = Svd {
        u: stored_product(left.q.as_ref(), u.as_ref(), false),
        s,
        v: stored_product(right.q.as_ref(), v.as_ref(), false),
    };
    canonical_signs(&mut out.u, &mut out.v);
    Ok(out)
}
