//! Orthonormal bases that grow by blocks, and the singular triplets found in their span.

use super::{Qr, Svd, dense, orthonormal_basis, qr};
use crate::matrix::{canonical_signs, frobenius};
use crate::operator::stored_product;
use crate::{Result, Scalar};
use faer::{Mat, MatRef, Scale};

/// Orthonormal columns (m, l) that span, with those of the orthonormal `q` (m, k), the columns of
/// `y` (m, l) too; k + l <= m. Columns of `y` in the span of `q` are replaced by arbitrary ones.
///
/// Block Gram-Schmidt twice with Householder QR inside; where that is not enough (`y` in the
/// span of `q`), a Householder QR of both together. O(m l (k + l)) flops.
pub(super) fn extension<T: Scalar>(q: MatRef<'_, T>, y: MatRef<'_, T>) -> Result<Mat<T>> {
    let mut w = orthonormal_basis(y)?;
    if q.ncols() == 0 {
        return Ok(w);
    }
    for _ in 0..2 {
        let inside = stored_product(q, w.as_ref(), true); // (k, l)
        w -= stored_product(q, inside.as_ref(), false);
        w = orthonormal_basis(w.as_ref())?;
    }
    let left = frobenius(stored_product(q, w.as_ref(), true).as_ref());
    if left <= q.nrows() as f64 * T::EPS {
        return Ok(w);
    }
    let k = q.ncols();
    let both = Mat::from_fn(q.nrows(), k + w.ncols(), |i, j| if j < k { q[(i, j)] } else { w[(i, j - k)] });
    Ok(orthonormal_basis(both.as_ref())?.subcols(k, w.ncols()).to_owned())
}

/// An [`extension`] `w` (m, l) with the coefficients `q'y` (k, l) and `w'y` (l, l), so that
/// y = q (q'y) + w (w'y) but for rounding and what is below `floor`.
///
/// Where less than `floor` of a direction is left, which is rounding errors, the next of the
/// `random` columns take its place. O(m l (k + l)) flops.
pub(super) fn extension_with_coefficients<T: Scalar>(
    q: MatRef<'_, T>,
    y: MatRef<'_, T>,
    floor: f64,
    random: impl FnOnce() -> Mat<T>,
) -> Result<(Mat<T>, Mat<T>, Mat<T>)> {
    let inside = stored_product(q, y, true); // (k, l)
    let mut outside = y - stored_product(q, inside.as_ref(), false);
    let Qr { q: mut w, r } = qr(outside.as_ref())?;
    let vanishing = (0..r.ncols()).any(|j| r[(j, j)].as_f64() <= floor);
    if vanishing {
        let size = if floor > 0.0 { floor / (q.nrows() as f64).sqrt() } else { 1.0 };
        outside += random() * Scale(T::of(size));
        w = orthonormal_basis(outside.as_ref())?;
    }
    for _ in 0..if vanishing { 2 } else { 1 } {
        let left = stored_product(q, w.as_ref(), true); // (k, l)
        w -= stored_product(q, left.as_ref(), false);
        w = orthonormal_basis(w.as_ref())?;
    }
    let across = stored_product(w.as_ref(), y, true); // (l, l)
    Ok((w, inside, across))
}

/// The SVD of Q B' for an orthonormal `q` (m, k) and `b` (n, k).
pub(super) fn svd_in_span<T: Scalar>(q: MatRef<'_, T>, b: MatRef<'_, T>, rank: usize) -> Result<Svd<T>> {
    let small = dense(b)?; // B = V diag(s) W'
    let mut u = Mat::zeros(q.nrows(), rank);
    T::product(u.as_mut(), false, q, small.v.subcols(0, rank));
    let Svd { u: mut v, s, .. } = small.truncate(rank);
    canonical_signs(&mut u, &mut v);
    Ok(Svd { u, s, v })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{gaussian, orthonormal};

    #[test]
    fn extensions_are_orthonormal_whatever_they_get() {
        let q = orthonormal::<f64>(40, 10, 1, "q");
        let inside = &q * gaussian::<f64>(10, 5, 1, "inside");
        let near = &inside + gaussian::<f64>(40, 5, 1, "noise") * faer::Scale(1e-14);
        for y in [gaussian(40, 30, 1, "y"), inside, near, Mat::zeros(40, 30), Mat::identity(40, 30)] {
            let w = extension(q.as_ref(), y.as_ref()).unwrap();
            let both =
                Mat::from_fn(40, 10 + w.ncols(), |i, j| if j < 10 { q[(i, j)] } else { w[(i, j - 10)] });
            let gap = both.transpose() * &both - Mat::<f64>::identity(both.ncols(), both.ncols());
            assert!(gap.norm_l2() < 1e-14, "{}", gap.norm_l2());
        }
    }
}
