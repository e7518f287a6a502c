//! Random matrices: Gaussian, orthonormal, and of a given spectrum.

use super::{fill_gaussian, stream};
use crate::Scalar;
use faer::Mat;
use rayon::prelude::*;
use std::ops::Range;

/// A matrix (m, n) of independent standard Gaussian entries.
///
/// Column j comes from the stream (seed, purpose, j): the first columns do not depend on n, and
/// nothing depends on the number of threads.
pub fn gaussian<T: Scalar>(m: usize, n: usize, seed: u64, purpose: &str) -> Mat<T> {
    gaussian_columns(m, 0..n, seed, purpose)
}

/// Columns `range` of a [`gaussian`] matrix with m rows.
pub(crate) fn gaussian_columns<T: Scalar>(m: usize, range: Range<usize>, seed: u64, purpose: &str) -> Mat<T> {
    let mut out = Mat::zeros(m, range.len());
    let column = |j: usize| stream(seed, purpose, (range.start + j) as u64);
    if m * range.len() < 1 << 14 {
        for j in 0..range.len() {
            fill_gaussian(&mut column(j), out.col_as_slice_mut(j));
        }
    } else {
        out.as_mut().par_col_iter_mut().enumerate().for_each(|(j, values)| {
            if let Some(values) = values.try_as_col_major_mut() {
                fill_gaussian(&mut column(j), values.as_slice_mut());
            }
        });
    }
    out
}

/// A matrix (m, min(m, n)) with orthonormal columns, uniformly distributed: the Q of a Gaussian
/// matrix with the diagonal of R made nonnegative (Stewart 1980).
pub fn orthonormal<T: Scalar>(m: usize, n: usize, seed: u64, purpose: &str) -> Mat<T> {
    T::thin_qr(gaussian::<T>(m, n.min(m), seed, purpose).as_ref()).0
}

/// A matrix (m, n) with the singular values `s` (at most min(m, n) of them; the others are zero)
/// and random singular vectors.
pub fn with_spectrum<T: Scalar>(m: usize, n: usize, s: &[f64], seed: u64) -> Mat<T> {
    let k = s.len().min(m).min(n);
    let mut u = orthonormal::<T>(m, k, seed, "left singular vectors"); // (m, k)
    let v = orthonormal::<T>(n, k, seed, "right singular vectors"); // (n, k)
    for (j, s) in s.iter().enumerate().take(k) {
        u.col_as_slice_mut(j).iter_mut().for_each(|x| *x *= T::of(*s));
    }
    let mut out = Mat::zeros(m, n);
    T::product(out.as_mut(), false, u.as_ref(), v.transpose());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn do_not_depend_on_threads_or_width() {
        let one: Mat<f64> = gaussian(300, 70, 5, "test");
        for threads in [1, 2, 3, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| gaussian::<f64>(300, 70, 5, "test")), one);
        }
        assert_eq!(gaussian::<f64>(300, 3, 5, "test"), one.subcols(0, 3));
        let a: Mat<f64> = with_spectrum(20, 12, &[3.0, 2.0, 1.0], 1);
        let s = crate::svd::singular_values(a.as_ref()).unwrap();
        for (s, expected) in s.iter().zip([3.0, 2.0, 1.0, 0.0, 0.0]) {
            assert!((s - expected).abs() < 1e-14);
        }
    }
}
