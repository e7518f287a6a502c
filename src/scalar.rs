//! The supported scalars: `f32` and `f64`.

use std::fmt::{Debug, Display, LowerExp};
use std::iter::Sum;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A real number type the crate computes in: `f32` or `f64` (sealed).
pub trait Scalar:
    sealed::Sealed
    + crate::matrix::Kernel
    + faer::traits::RealField
    + crate::simd::Vectors
    + num_traits::Float
    + num_traits::NumAssign
    + Copy
    + Default
    + Debug
    + Display
    + LowerExp
    + Sum
    + Send
    + Sync
    + 'static
{
    /// Machine precision: the distance from 1 to the next number (2^-23 or 2^-52).
    const EPS: f64;
    /// The name used in reports and file headers: `f32` or `f64`.
    const NAME: &'static str;
    /// Rounds to this type.
    fn of(x: f64) -> Self;
    /// The same number as `f64`.
    fn as_f64(self) -> f64;
}

impl Scalar for f32 {
    const EPS: f64 = f32::EPSILON as f64;
    const NAME: &'static str = "f32";
    #[inline(always)]
    fn of(x: f64) -> Self {
        x as f32
    }
    #[inline(always)]
    fn as_f64(self) -> f64 {
        self as f64
    }
}

impl Scalar for f64 {
    const EPS: f64 = f64::EPSILON;
    const NAME: &'static str = "f64";
    #[inline(always)]
    fn of(x: f64) -> Self {
        x
    }
    #[inline(always)]
    fn as_f64(self) -> f64 {
        self
    }
}
