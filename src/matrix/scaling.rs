//! Exact scaling by powers of two: the first and last step of every factorization.
//!
//! A factorization squares and adds entries, which overflows near 1e200 and underflows near
//! 1e-200 in `f64` (1e19 and 1e-19 in `f32`). Multiplying by a power of two changes no digit, so
//! a matrix is first brought to a largest magnitude in [1, 2) and the result is brought back.

use super::{AsMatrix, largest_finite};
use crate::{Result, Scalar};
use faer::{Mat, MatMut, MatRef};

/// The exponent `e` with `2^e <= |x| < 2^(e+1)`; 0 for zero, NaN and infinities.
///
/// ```
/// use lowrank::matrix::exponent;
/// assert_eq!(exponent(1.0), 0);
/// assert_eq!(exponent(-0.75_f32), -1);
/// assert_eq!(exponent(f64::from_bits(1)), -1074);
/// ```
pub fn exponent<T: Scalar>(x: T) -> i32 {
    if !num_traits::Float::is_finite(x) || x == T::of(0.0) {
        return 0;
    }
    let (mantissa, exponent, _) = num_traits::Float::integer_decode(x);
    exponent as i32 + 63 - mantissa.leading_zeros() as i32
}

/// `x 2^e`, rounded once: exact unless the result is subnormal or overflows.
///
/// The power itself may lie outside the range of `T`.
pub fn scale_by_power_of_two<T: Scalar>(x: T, e: i32) -> T {
    factors::<T>(e).into_iter().fold(x, |x, f| x * f)
}

/// The matrix `a 2^e`, entry by entry as [`scale_by_power_of_two`].
pub fn scaled<T: Scalar>(a: impl AsMatrix<T>, e: i32) -> Mat<T> {
    let mut out = a.as_matrix().to_owned();
    scale_view(out.as_mut(), e);
    out
}

/// Replaces `a` by `a 2^e`.
pub fn scale_in_place<T: Scalar>(a: &mut Mat<T>, e: i32) {
    scale_view(a.as_mut(), e);
}

/// `out = 2^e out`.
pub(crate) fn scale_view<T: Scalar>(out: MatMut<'_, T>, e: i32) {
    if e == 0 {
        return;
    }
    let one = T::of(1.0);
    let f = factors::<T>(e);
    for mut column in out.col_iter_mut() {
        for f in f.into_iter().filter(|f| *f != one) {
            match column.as_mut().try_as_col_major_mut() {
                Some(column) => column.as_slice_mut().iter_mut().for_each(|x| *x *= f),
                None => column.as_mut().iter_mut().for_each(|x| *x *= f),
            }
        }
    }
}

/// Up to four powers of two, each within the normal range, whose product is 2^e.
///
/// Where more than one is needed each is at most the square root of the smallest normal number
/// (or at least that of the largest), so that a product that becomes subnormal on the way ends
/// at zero: no result is rounded twice.
fn factors<T: Scalar>(e: i32) -> [T; 4] {
    let limit = if T::NAME == "f32" { 126 } else { 1022 };
    let e = e.clamp(-4 * limit, 4 * limit);
    let pieces = (e.abs() + limit - 1) / limit;
    let mut rest = e;
    std::array::from_fn(|k| {
        let left = pieces - k as i32;
        if left <= 0 {
            return T::of(1.0);
        }
        let piece = rest / left;
        rest -= piece;
        T::of(2.0_f64.powi(piece))
    })
}

/// The exponent to divide out of numbers up to 2^e: none where it is at most `limit` in magnitude.
pub(crate) fn excess(e: i32, limit: i32) -> i32 {
    if e.abs() <= limit { 0 } else { e }
}

/// A finite matrix as `2^exponent` times one of moderate size, copied only where it must be.
pub(crate) struct Moderate<'a, T: Scalar> {
    kept: Kept<'a, T>,
    pub(crate) exponent: i32,
    /// Every entry of the moderate matrix lies below 2^top.
    pub(crate) top: i32,
}

enum Kept<'a, T: Scalar> {
    View(MatRef<'a, T>),
    Owned(Mat<T>),
    /// The transpose of what is stored.
    Transposed(Mat<T>),
}

/// Exponents up to which products of two matrices, and squares of those, neither overflow nor
/// lose digits.
fn limit<T: Scalar>() -> i32 {
    if T::NAME == "f32" { 20 } else { 200 }
}

impl<'a, T: Scalar> Moderate<'a, T> {
    /// For products of two matrices.
    pub(crate) fn new(argument: &'static str, a: MatRef<'a, T>) -> Result<Self> {
        Self::within(limit::<T>(), argument, a)
    }

    /// For products of `count` matrices, 2 at least.
    pub(crate) fn one_of(count: usize, argument: &'static str, a: MatRef<'a, T>) -> Result<Self> {
        Self::within(limit::<T>() * 2 / count as i32, argument, a)
    }

    /// Scaled where the exponent of the largest entry is beyond `limit`, to one of 0.
    pub(crate) fn within(limit: i32, argument: &'static str, a: MatRef<'a, T>) -> Result<Self> {
        let e = exponent(largest_finite(argument, a)?);
        match excess(e, limit) {
            0 => Ok(Self { kept: Kept::View(a), exponent: 0, top: e + 1 }),
            e => Ok(Self { kept: Kept::Owned(scaled(a, -e)), exponent: e, top: 1 }),
        }
    }

    /// Takes over `2^exponent a`.
    pub(crate) fn of(mut a: Mat<T>, exponent_of_a: i32) -> Result<Self> {
        let e = exponent(largest_finite("product", a.as_ref())?);
        let out = excess(e, limit::<T>());
        scale_in_place(&mut a, -out);
        Ok(Self { kept: Kept::Owned(a), exponent: exponent_of_a + out, top: e - out + 1 })
    }

    /// A single number.
    pub(crate) fn one(x: T) -> Self {
        Self { kept: Kept::Owned(Mat::full(1, 1, x)), exponent: 0, top: exponent(x) + 1 }
    }

    /// `weight 2^e` times the matrix, for a weight of at most 2 and an `e` of at most 0.
    pub(crate) fn weighted(self, weight: T, e: i32) -> Self {
        let (exponent, top) = (self.exponent, self.top + 1);
        let mut a = self.into_owned();
        a *= faer::Scale(weight);
        scale_in_place(&mut a, e);
        Self { kept: Kept::Owned(a), exponent, top }
    }

    pub(crate) fn matrix(&self) -> MatRef<'_, T> {
        match &self.kept {
            Kept::View(a) => *a,
            Kept::Owned(a) => a.as_ref(),
            Kept::Transposed(a) => a.transpose(),
        }
    }

    /// The transpose, without a copy.
    pub(crate) fn transposed(self) -> Self {
        let kept = match self.kept {
            Kept::View(a) => Kept::View(a.transpose()),
            Kept::Owned(a) => Kept::Transposed(a),
            Kept::Transposed(a) => Kept::Owned(a),
        };
        Self { kept, ..self }
    }

    /// Moves the matrix out and leaves an empty one.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self { kept: Kept::Owned(Mat::new()), exponent: 0, top: 0 })
    }

    /// The moderate matrix, without its power of two.
    pub(crate) fn into_owned(self) -> Mat<T> {
        match self.kept {
            Kept::View(a) => a.to_owned(),
            Kept::Owned(a) => a,
            Kept::Transposed(a) => a.transpose().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_over_the_whole_range() {
        for e in -1074..=1023 {
            let x = scale_by_power_of_two(1.0_f64, e);
            assert_eq!(exponent(x), e);
            assert_eq!(scale_by_power_of_two(x, -e), 1.0);
        }
        for e in -149..=127 {
            let x = scale_by_power_of_two(1.0_f32, e);
            assert_eq!(exponent(x), e);
            assert_eq!(scale_by_power_of_two(x, -e), 1.0);
        }
        let x = 1.0_f64 + f64::EPSILON;
        assert_eq!(scale_by_power_of_two(f64::MAX, -2097), f64::from_bits(2));
        assert_eq!(scale_by_power_of_two(1.0_f64, -1100), 0.0);
        assert_eq!(scale_by_power_of_two(scale_by_power_of_two(x, 1023), -2045), x * 2.0_f64.powi(-1022));
        assert_eq!(scale_by_power_of_two(f64::from_bits(3), 2000), 3.0 * 2.0_f64.powi(926));
        assert_eq!(scale_by_power_of_two(1.0_f32, 400), f32::INFINITY);
        let a = Mat::from_fn(3, 2, |i, j| (1 + i + 3 * j) as f64);
        assert_eq!(scaled(scaled(a.as_ref(), 1020).as_ref(), -1020), a);
    }
}
