//! One sign convention for singular vectors, so that results can be compared and repeated.

use crate::Scalar;
use faer::Mat;

/// Makes the entry of largest magnitude of each column of `u` positive (of equal magnitudes, the
/// first decides), flipping the same column of `v` with it; `U diag(s) V'` is unchanged.
///
/// `u` is (m, k) and `v` is (n, k); of unequal numbers of columns the smaller counts. O((m+n) k).
///
/// ```
/// use lowrank::{faer::mat, matrix::canonical_signs};
/// let (mut u, mut v) = (mat![[0.6], [-0.8]], mat![[1.0]]);
/// canonical_signs(&mut u, &mut v);
/// assert_eq!((u[(1, 0)], v[(0, 0)]), (0.8, -1.0));
/// ```
pub fn canonical_signs<T: Scalar>(u: &mut Mat<T>, v: &mut Mat<T>) {
    for j in 0..u.ncols().min(v.ncols()) {
        if leading_is_negative(u.col_as_slice(j)) {
            negate(u.col_as_slice_mut(j));
            negate(v.col_as_slice_mut(j));
        }
    }
}

/// Whether the first entry of largest magnitude is negative.
pub(crate) fn leading_is_negative<T: Scalar>(x: &[T]) -> bool {
    let (mut largest, mut leading) = (T::of(0.0), T::of(0.0));
    for &value in x {
        let magnitude = num_traits::Float::abs(value);
        if magnitude > largest {
            (largest, leading) = (magnitude, value);
        }
    }
    leading < T::of(0.0)
}

/// Replaces x by -x.
pub(crate) fn negate<T: Scalar>(x: &mut [T]) {
    x.iter_mut().for_each(|x| *x = -*x);
}
