//! Magnitudes with an exponent of their own: products of many norms, singular values or pivots
//! neither overflow nor underflow on the way, and keep their order.

use crate::Scalar;
use crate::matrix::{exponent, scale_by_power_of_two};

/// A nonnegative number `mantissa 2^exponent`, mantissa in [1, 2); zero has the lowest exponent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wide {
    exponent: i64,
    mantissa: f64,
}

impl Wide {
    pub(super) const ONE: Self = Self { exponent: 0, mantissa: 1.0 };

    /// |x| of a finite number.
    pub(super) fn of(x: f64) -> Self {
        if x == 0.0 {
            return Self { exponent: i64::MIN / 2, mantissa: 0.0 };
        }
        let e = exponent(x);
        Self { exponent: e.into(), mantissa: scale_by_power_of_two(x.abs(), -e) }
    }

    /// 2^e.
    pub(super) fn power(e: i32) -> Self {
        Self { exponent: e.into(), mantissa: 1.0 }
    }

    pub(super) fn times(self, other: Self) -> Self {
        let product = Self::of(self.mantissa * other.mantissa);
        if product.mantissa == 0.0 {
            return product;
        }
        Self { exponent: product.exponent + self.exponent + other.exponent, ..product }
    }

    /// The quotient, for an `other` that is not zero.
    pub(super) fn over(self, other: Self) -> Self {
        self.times(Self { exponent: -other.exponent, mantissa: 1.0 }).times(Self::of(1.0 / other.mantissa))
    }

    /// The product of all.
    pub(super) fn product(of: impl Iterator<Item = f64>) -> Self {
        of.fold(Self::ONE, |product, x| product.times(Self::of(x)))
    }

    pub(super) fn is_zero(self) -> bool {
        self.mantissa == 0.0
    }

    /// The number itself; infinity or zero beyond the range.
    pub(super) fn value(self) -> f64 {
        scale_by_power_of_two(self.mantissa, self.exponent.clamp(-4000, 4000) as i32)
    }

    /// The natural logarithm.
    pub(super) fn ln(self) -> f64 {
        self.mantissa.ln() + self.exponent as f64 * std::f64::consts::LN_2 * f64::from(!self.is_zero())
    }
}

/// The product of finite numbers, which neither overflows nor underflows on the way.
pub(super) fn signed_product<T: Scalar>(of: impl Iterator<Item = T>) -> T {
    let (mut size, mut negative) = (Wide::ONE, false);
    for x in of.map(|x| x.as_f64()) {
        (size, negative) = (size.times(Wide::of(x)), negative ^ (x < 0.0));
    }
    T::of(if negative { -size.value() } else { size.value() })
}

impl Eq for Wide {}

impl Ord for Wide {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.exponent.cmp(&other.exponent).then(self.mantissa.total_cmp(&other.mantissa))
    }
}

impl PartialOrd for Wide {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_pass_the_range_and_come_back() {
        let x = Wide::product([1e300, 3.0, 1e300, 1e-300, 1e-300].into_iter());
        assert!((x.value() - 3.0).abs() < 1e-14 && (x.ln() - 3f64.ln()).abs() < 1e-14);
        assert_eq!(Wide::product([1e300; 9].into_iter()).value(), f64::INFINITY);
        assert_eq!(Wide::product([1e300, 0.0].into_iter()), Wide::of(0.0));
        assert_eq!(Wide::of(0.0).ln(), f64::NEG_INFINITY);
        assert!(Wide::of(5e-324) > Wide::of(0.0) && Wide::of(3.0) > Wide::of(-2.5));
        assert_eq!(Wide::of(6.0).over(Wide::of(4.0)).value(), 1.5);
    }
}
