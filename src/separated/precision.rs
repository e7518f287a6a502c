//! Which precision a separated representation may be stored in.
//!
//! **Problem.** M = sum_k lambda_k M_k^(1) (x) ... (x) M_k^(d), an error eps allowed: may the factors be
//! kept in 16, 32 or 64 bits?
//!
//! **Method.** The test of Beylkin and Mohlenkamp (2005, section 2.3): gamma mu |M|_F <= eps, mu the
//! unit roundoff. Since gamma |M|_F = sqrt(sum lambda_k^2), it needs the lambdas alone. In addition no
//! lambda may exceed the largest number, and the spacing at zero is counted; factors, of norm 1, cannot
//! overflow.
//!
//! **Cost.** O(s); rounding O(parameters).
//!
//! **Guarantee.** The test is a rule, not a bound: with d factors and a lambda rounded in each term the
//! error is at most about (d + 1) mu sum_k lambda_k, and about sqrt((d + 1) / 3) gamma mu |M|_F or less
//! where rounding errors are independent.
//!
//! **Deviations.** Range is not considered in the source.

use super::Separated;
use crate::matrix::{exponent, scale_by_power_of_two, slice_norm};
use crate::{Error, Result, Scalar};
use faer::Mat;
use std::fmt;

/// A format of numbers, those of fewer digits first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Precision {
    /// bfloat16: 8 digits, the range of `f32`.
    Bf16,
    /// IEEE half precision: 11 digits, numbers up to 65504.
    F16,
    /// IEEE single precision: 24 digits.
    F32,
    /// IEEE double precision: 53 digits.
    F64,
}

impl Precision {
    /// All of them, those of fewer digits first.
    pub const ALL: [Precision; 4] = [Precision::Bf16, Precision::F16, Precision::F32, Precision::F64];

    /// Binary digits, and the exponents of the smallest and the largest normal numbers.
    fn format(self) -> (i32, i32, i32) {
        match self {
            Precision::Bf16 => (8, -126, 127),
            Precision::F16 => (11, -14, 15),
            Precision::F32 => (24, -126, 127),
            Precision::F64 => (53, -1022, 1023),
        }
    }

    /// The name: `bf16`, `f16`, `f32`, `f64`.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Bf16 => "bf16",
            Precision::F16 => "f16",
            Precision::F32 => "f32",
            Precision::F64 => "f64",
        }
    }

    /// mu, the largest relative error of rounding a number within range: 2^-8, 2^-11, 2^-24, 2^-53.
    pub fn unit_roundoff(self) -> f64 {
        2f64.powi(-self.format().0)
    }

    /// The largest finite number.
    pub fn largest(self) -> f64 {
        let (digits, _, top) = self.format();
        scale_by_power_of_two(2.0 - 2f64.powi(1 - digits), top)
    }

    /// Half the smallest positive number: the largest error of a number below the normal range.
    pub fn absolute_roundoff(self) -> f64 {
        let (digits, bottom, _) = self.format();
        scale_by_power_of_two(1.0, bottom - digits)
    }

    /// The nearest number of this format, of two the even one; infinite beyond the range.
    ///
    /// ```
    /// use lowrank::separated::Precision;
    /// assert_eq!(Precision::F16.round(1.0 / 3.0), 0.333251953125);
    /// assert_eq!(Precision::Bf16.round(1.0 / 3.0), 0.333984375);
    /// assert_eq!(Precision::F16.round(65520.0), f64::INFINITY);
    /// ```
    pub fn round(self, x: f64) -> f64 {
        let (digits, bottom, _) = self.format();
        if self == Precision::F64 || x == 0.0 || !x.is_finite() {
            return x;
        }
        // The last digit kept.
        let last = exponent(x).max(bottom) - (digits - 1);
        let rounded = scale_by_power_of_two(scale_by_power_of_two(x, -last).round_ties_even(), last);
        if rounded.abs() > self.largest() { f64::INFINITY.copysign(x) } else { rounded }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl<T: Scalar> Separated<T> {
    /// Whether gamma mu |M|_F <= `eps`, an absolute error, and no lambda is out of range: then M may be
    /// stored in this precision. O(s).
    ///
    /// ```
    /// use lowrank::{faer::mat, separated::{Precision, Separated}};
    /// let m = Separated::from_terms(vec![vec![mat![[3.0]], mat![[1.0, 0.0]]]])?;
    /// assert!(m.admissible(Precision::F16, 2e-3) && !m.admissible(Precision::F16, 1e-3));
    /// assert_eq!(m.smallest_precision(1e-3), Some(Precision::F32));
    /// # lowrank::Result::Ok(())
    /// ```
    pub fn admissible(&self, precision: Precision, eps: f64) -> bool {
        let Some(&first) = self.lambda().first() else { return eps >= 0.0 };
        let rounding = slice_norm(self.lambda()) * precision.unit_roundoff();
        let at_zero = (self.lambda().len() as f64).sqrt() * precision.absolute_roundoff();
        first.as_f64() <= precision.largest() && rounding.max(at_zero) <= eps
    }

    /// The precision of fewest digits that M may be stored in, if one; see [`Separated::admissible`].
    pub fn smallest_precision(&self, eps: f64) -> Option<Precision> {
        Precision::ALL.into_iter().find(|&precision| self.admissible(precision, eps))
    }

    /// M with every lambda and every entry of the factors rounded to `precision` (in the normal form
    /// again: what was lost stays lost). Terms whose lambda is rounded to zero go. O(parameters).
    ///
    /// # Errors
    /// [`Error::Parameter`] for a lambda that is out of range.
    pub fn rounded(&self, precision: Precision) -> Result<Self> {
        let round = |x: T| T::of(precision.round(x.as_f64()));
        let lambda: Vec<T> = self.lambda().iter().map(|&x| round(x)).collect();
        if let Some(k) = lambda.iter().position(|x| !num_traits::Float::is_finite(*x)) {
            return Err(Error::Parameter {
                name: "lambda",
                value: self.lambda()[k].to_string(),
                remedy: "it exceeds the largest number of the precision: scale M down or take another",
            });
        }
        let mode = |mode: &Mat<T>| Mat::from_fn(mode.nrows(), mode.ncols(), |i, k| round(mode[(i, k)]));
        Self::new(self.shapes().to_vec(), lambda, self.modes().iter().map(mode).collect())
    }
}
