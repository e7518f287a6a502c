//! How near computed singular triplets are to true ones, a posteriori.

use super::Svd;
use super::source::Source;
use crate::matrix::{check_finite, check_finite_slice, scale_by_power_of_two, slice_norm};
use crate::{Error, Operator, Result, Scalar};
use faer::MatRef;

/// For each triplet sqrt((|A v - s u|^2 + |A' u - s v|^2) / 2): a singular value of A lies within
/// that distance of s, to rounding.
///
/// The proof is that of the symmetric eigenvalue residual (Weyl 1912; Parlett, "The symmetric
/// eigenvalue problem", 1980, theorem 4.5.1) for the matrix [0 A; A' 0], whose eigenvalues are
/// the singular values and their negatives. It says which values are accurate and not that they
/// are the largest ones. Two products with A: 4 m n k flops, in the units of A.
///
/// # Errors
/// [`Error::Shape`] when the factors in `svd` have other shapes; [`Error::NonFinite`] for NaN and
/// infinities in A or `svd`.
///
/// ```
/// use lowrank::{faer::Mat, svd::{Randomized, randomized, residuals}};
/// let a = Mat::from_fn(40, 30, |i, j| 1.0 / (1.0 + i as f64 + j as f64));
/// let svd = randomized(&a, 6, &Randomized::default())?;
/// assert!(residuals(&a, &svd)?.iter().all(|r| *r < 1e-5));
/// # lowrank::Result::Ok(())
/// ```
pub fn residuals<T: Scalar, K>(a: &(impl Operator<T, K> + ?Sized), svd: &Svd<T>) -> Result<Vec<f64>> {
    let ((m, n), k) = (a.shape(), svd.rank());
    for (argument, factor, rows) in [("svd.u", &svd.u, m), ("svd.v", &svd.v, n)] {
        if factor.shape() != (rows, k) {
            let expected = format!("({rows}, {k}) is needed, a row for each of `a` and a column a value");
            return Err(Error::Shape { argument, expected, found: vec![factor.nrows(), factor.ncols()] });
        }
        check_finite(argument, factor)?;
    }
    check_finite_slice("svd.s", &svd.s)?;
    let mut source = Source::new(a)?;
    let av = source.first_product(svd.v.as_ref())?; // (m, k)
    let both = both_residuals(&source, av.as_ref(), svd)?;
    let one = |[left, right]: [f64; 2]| {
        scale_by_power_of_two(slice_norm(&[left, right]) * 0.5_f64.sqrt(), source.shift())
    };
    Ok(both.into_iter().map(one).collect())
}

/// [|A v - s u|, |A' u - s v|] of each triplet in the units of the source, with A V given.
pub(super) fn both_residuals<T: Scalar, K, O: Operator<T, K> + ?Sized>(
    source: &Source<'_, T, K, O>,
    av: MatRef<'_, T>,
    svd: &Svd<T>,
) -> Result<Vec<[f64; 2]>> {
    let atu = source.transposed_product(svd.u.as_ref())?; // (n, k)
    let gap = |x: MatRef<'_, T>, s: T, y: MatRef<'_, T>, j: usize| {
        let gaps: Vec<T> = (0..x.nrows()).map(|i| x[(i, j)] - s * y[(i, j)]).collect();
        slice_norm(&gaps)
    };
    let one = |j: usize| {
        let s = scale_by_power_of_two(svd.s[j], -source.shift());
        [gap(av, s, svd.u.as_ref(), j), gap(atu.as_ref(), s, svd.v.as_ref(), j)]
    };
    Ok((0..svd.rank()).map(one).collect())
}
