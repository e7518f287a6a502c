//! Norms of a matrix, as `f64`, without overflow or underflow on the way.
//!
//! Sums of squares are taken of entries scaled by a power of two (`f32`: in double precision),
//! in sixteen independent lanes, so the relative error grows with (rows / 16) eps at worst. A
//! norm that is larger than the largest `f64` comes out as infinity; a NaN entry gives NaN.

use super::{AsMatrix, exponent, scale_by_power_of_two, visit_lanes};
use crate::{Result, Scalar};
use faer::MatRef;

/// Frobenius norm |A|_F = sqrt(sum of a_ij^2). O(m n).
///
/// ```
/// use lowrank::{faer::mat, matrix::frobenius};
/// assert_eq!(frobenius(mat![[3e300, 4e300]].as_ref()), 5e300);
/// ```
pub fn frobenius<T: Scalar>(a: impl AsMatrix<T>) -> f64 {
    frobenius_of(a.as_matrix())
}

fn frobenius_of<T: Scalar>(a: MatRef<'_, T>) -> f64 {
    let Some(scale) = Scale::of(a) else { return max_norm(a) };
    let mut sum = 0.0;
    visit_lanes(a, |_, values| sum += scale.sum_of_squares(values));
    scale.back(sum.sqrt())
}

/// Euclidean norm of a slice of numbers, as careful as [`frobenius`].
pub fn slice_norm<T: Scalar>(x: &[T]) -> f64 {
    frobenius(faer::ColRef::from_slice(x).as_mat())
}

/// Largest magnitude of the entries, |A|_max; 0 when empty, NaN when an entry is NaN. O(m n).
pub fn max_norm<T: Scalar>(a: impl AsMatrix<T>) -> f64 {
    max_norm_of(a.as_matrix())
}

fn max_norm_of<T: Scalar>(a: MatRef<'_, T>) -> f64 {
    let (mut largest, mut nan) = (T::of(0.0), false);
    visit_lanes(a, |_, values| {
        for x in values {
            let x = num_traits::Float::abs(*x);
            nan |= num_traits::Float::is_nan(x);
            largest = if x > largest { x } else { largest };
        }
    });
    if nan { f64::NAN } else { largest.as_f64() }
}

/// Largest Euclidean norm of a row, |A|_{2->inf} = max_i |e_i' A|. O(m n).
pub fn two_to_infinity<T: Scalar>(a: impl AsMatrix<T>) -> f64 {
    two_to_infinity_of(a.as_matrix())
}

fn two_to_infinity_of<T: Scalar>(a: MatRef<'_, T>) -> f64 {
    let Some(scale) = Scale::of(a) else { return max_norm(a) };
    let mut sums = vec![0.0; a.nrows()];
    let mut largest = 0.0_f64;
    let rows = visit_lanes(a, |_, values| {
        if values.len() == sums.len() {
            sums.iter_mut().zip(values).for_each(|(s, x)| *s += scale.square(*x));
        }
    });
    if rows {
        visit_lanes(a, |_, values| largest = largest.max(scale.sum_of_squares(values)));
    } else {
        largest = sums.iter().fold(0.0, |m, s| s.max(m));
    }
    scale.back(largest.sqrt())
}

/// Spectral norm |A|_2: the largest singular value, through all singular values (no power
/// iteration, so no start vector and no tolerance). O(m n min(m, n)).
///
/// # Errors
/// [`crate::Error::NonFinite`] for NaN and infinities, and those of
/// [`crate::svd::singular_values`].
pub fn spectral<T: Scalar>(a: impl AsMatrix<T>) -> Result<f64> {
    Ok(crate::svd::singular_values(a)?.first().map_or(0.0, |s| s.as_f64()))
}

/// Brings the largest magnitude near 1 before squaring.
struct Scale {
    exponent: i32,
    factors: [f64; 2],
}

impl Scale {
    /// `None` when the largest magnitude is zero, infinite or NaN.
    fn of<T: Scalar>(a: MatRef<'_, T>) -> Option<Self> {
        let largest = max_norm(a);
        if largest == 0.0 || !largest.is_finite() {
            return None;
        }
        let e = exponent(largest);
        // Within these limits squares neither overflow nor lose what counts.
        let e = if e.abs() < 400 { 0 } else { e };
        let half = -e / 2;
        Some(Self { exponent: e, factors: [2.0_f64.powi(half), 2.0_f64.powi(-e - half)] })
    }

    #[inline(always)]
    fn square<T: Scalar>(&self, x: T) -> f64 {
        let x = x.as_f64() * self.factors[0] * self.factors[1];
        x * x
    }

    fn sum_of_squares<T: Scalar>(&self, values: &[T]) -> f64 {
        const LANES: usize = 16;
        let mut sums = [0.0; LANES];
        let chunks = values.chunks_exact(LANES);
        for (sum, x) in sums.iter_mut().zip(chunks.remainder()) {
            *sum += self.square(*x);
        }
        for chunk in chunks {
            for lane in 0..LANES {
                sums[lane] += self.square(chunk[lane]);
            }
        }
        sums.iter().sum()
    }

    fn back(&self, x: f64) -> f64 {
        scale_by_power_of_two(x, self.exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::Mat;

    #[test]
    fn agree_with_the_definitions_at_every_scale() {
        let a = Mat::<f64>::from_fn(37, 21, |i, j| ((i * 7 + j * 13) % 17) as f64 - 8.0);
        let sum: f64 = (0..21).flat_map(|j| (0..37).map(move |i| (i, j))).map(|p| a[p] * a[p]).sum();
        let row = (0..37).map(|i| (0..21).map(|j| a[(i, j)] * a[(i, j)]).sum::<f64>()).fold(0.0, f64::max);
        for e in [-1060, -600, -300, 0, 300, 600, 1000] {
            let b = super::super::scaled(a.as_ref(), e);
            let close = |x: f64, y: f64| {
                let y = scale_by_power_of_two(y, e);
                assert!((x - y).abs() <= 1e-14 * y + 1e-323, "scale 2^{e}: {x} against {y}");
            };
            for (x, y) in [(b.as_ref(), sum), (b.transpose(), sum), (b.as_ref().reverse_rows(), sum)] {
                close(frobenius(x), y.sqrt());
            }
            close(two_to_infinity(b.as_ref()), row.sqrt());
            close(two_to_infinity(b.transpose().to_owned().transpose()), row.sqrt());
            close(max_norm(b.as_ref()), 8.0);
        }
        let spectrum = spectral(a.as_ref()).unwrap();
        assert!(spectrum <= sum.sqrt() && spectrum * 21.0_f64.sqrt() >= sum.sqrt());
        assert_eq!(frobenius(Mat::<f32>::zeros(0, 3).as_ref()), 0.0);
        assert_eq!(two_to_infinity(Mat::<f32>::zeros(3, 0).as_ref()), 0.0);
        assert_eq!(frobenius(Mat::<f32>::full(2, 2, f32::MAX).as_ref()), 2.0 * f32::MAX as f64);
        assert!(frobenius(Mat::full(2, 2, f64::NAN).as_ref()).is_nan());
        assert_eq!(frobenius(Mat::full(2, 2, f64::INFINITY).as_ref()), f64::INFINITY);
    }
}
