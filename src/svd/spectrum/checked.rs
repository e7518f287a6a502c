//! Singular values that were checked once and brought to a safe scale.

use crate::matrix::{check_finite_slice, exponent, scale_by_power_of_two};
use crate::{Error, Result, Scalar};
use std::f64::consts::LN_2;

/// Checked singular values: s_k = x_k 2^exponent, with x_1 in [1, 2) unless all are zero.
///
/// A value below 2^-1074 s_1 is zero in `x`; `nonzero` still counts it.
pub(crate) struct Checked {
    /// The scaled values, nonincreasing.
    pub x: Vec<f64>,
    /// The exponent of the first value.
    pub exponent: i32,
    /// How many values are positive.
    pub nonzero: usize,
    /// Machine precision of the type the values came in.
    pub eps: f64,
}

impl Checked {
    /// Checks that the values are finite, nonnegative and nonincreasing; O(number of values).
    pub fn new<T: Scalar>(s: &[T]) -> Result<Self> {
        check_finite_slice("s", s)?;
        if let Some(k) = s.iter().position(|x| *x < T::of(0.0)) {
            return Err(Error::Parameter {
                name: "s",
                value: format!("[.., {} at {k}, ..]", s[k]),
                remedy: "pass singular values, which are not negative (magnitudes of eigenvalues)",
            });
        }
        if let Some(k) = s.windows(2).position(|pair| pair[0] < pair[1]) {
            return Err(Error::Parameter {
                name: "s",
                value: format!("[.., {}, {} at {}, ..]", s[k], s[k + 1], k + 1),
                remedy: "sort the singular values, the largest first",
            });
        }
        let exponent = exponent(s.first().copied().unwrap_or_default());
        Ok(Self {
            x: s.iter().map(|x| scale_by_power_of_two(x.as_f64(), -exponent)).collect(),
            exponent,
            nonzero: s.iter().take_while(|x| **x > T::of(0.0)).count(),
            eps: T::EPS,
        })
    }

    /// The squared norms of x[k..] for k = 0 ..= len, summed from the smallest upwards.
    pub fn squared_tails(&self) -> Vec<f64> {
        let mut tails = vec![0.0; self.x.len() + 1];
        for k in (0..self.x.len()).rev() {
            tails[k] = tails[k + 1] + self.x[k] * self.x[k];
        }
        tails
    }

    /// `x 2^exponent`: a scaled value in the units of the caller, infinite where it overflows.
    pub fn in_units(&self, x: f64) -> f64 {
        scale_by_power_of_two(x, self.exponent)
    }
}

/// ln(x / 2^e) of a positive x, at full relative range: the same bits for x 2^j and e + j.
pub(crate) fn ln_scaled<T: Scalar>(x: T, e: i32) -> f64 {
    let own = exponent(x);
    scale_by_power_of_two(x.as_f64(), -own).ln() + f64::from(own - e) * LN_2
}

/// Checks that `values` singular values fit a matrix of this shape: all of them, or at most.
pub(crate) fn check_shape(values: usize, shape: (usize, usize), all: bool) -> Result<()> {
    let most = shape.0.min(shape.1);
    if values == most || (!all && values < most) {
        return Ok(());
    }
    let (m, n) = shape;
    let word = if all { "all" } else { "at most" };
    Err(Error::Shape {
        argument: "s",
        expected: format!("{word} {most} singular values of a {m} x {n} matrix are needed"),
        found: vec![values],
    })
}
