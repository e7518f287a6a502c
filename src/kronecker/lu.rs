//! Elimination with partial pivoting of one factor, with a test for singular ones.

use super::wide::Wide;
use crate::matrix::{exponent, max_norm, scaled};
use crate::{Error, Result, Scalar};
use faer::{Mat, MatMut, MatRef};

/// P A = 2^exponent L U.
pub(super) struct Lu<T: Scalar> {
    packed: Mat<T>,
    rows: Vec<usize>,
    odd: bool,
    pub(super) exponent: i32,
}

impl<T: Scalar> Lu<T> {
    /// Of a square finite matrix (n, n), in 2/3 n^3 flops.
    pub(super) fn of(a: MatRef<'_, T>) -> Self {
        let exponent = exponent(max_norm(a));
        let (packed, rows, exchanges) = T::lu(scaled(a, -exponent).as_ref());
        Self { packed, rows, odd: exchanges % 2 == 1, exponent }
    }

    /// The error for factor `k` if a pivot is nothing but rounding errors: not above n eps times the
    /// sum of the magnitudes it was subtracted from, whatever the scales of rows and columns.
    pub(super) fn check(&self, k: usize) -> Result<()> {
        let (lu, n) = (&self.packed, self.packed.nrows());
        let size = |i: usize, j: usize| lu[(i, j)].as_f64().abs();
        let noise = |j: usize| (0..j).map(|i| size(j, i) * size(i, j)).sum::<f64>() + size(j, j);
        match (0..n).find(|&j| !(size(j, j) > n as f64 * T::EPS * noise(j))) {
            None => Ok(()),
            Some(j) => Err(Error::Parameter {
                name: "factors",
                value: format!("list whose factor {k} (counted from 0) is singular at pivot {j}"),
                remedy: "use `least_squares`, which takes singular factors",
            }),
        }
    }

    /// The sign of the determinant, 0 if it is zero.
    pub(super) fn sign(&self) -> i32 {
        let zero = T::of(0.0);
        (0..self.rows.len()).fold(if self.odd { -1 } else { 1 }, |sign, j| {
            let pivot = self.packed[(j, j)];
            sign * (i32::from(pivot > zero) - i32::from(pivot < zero))
        })
    }

    /// ln |det A|; after a pivot that is zero the others are not numbers.
    pub(super) fn log_magnitude(&self) -> f64 {
        if self.sign() == 0 {
            return f64::NEG_INFINITY;
        }
        let n = self.rows.len();
        let pivots = Wide::product((0..n).map(|j| self.packed[(j, j)].as_f64()));
        pivots.ln() + n as f64 * f64::from(self.exponent) * std::f64::consts::LN_2
    }

    /// `out = 2^exponent A^-1 b`.
    pub(super) fn solve(&self, b: MatRef<'_, T>, mut out: MatMut<'_, T>) {
        for (mut out, &row) in out.as_mut().row_iter_mut().zip(&self.rows) {
            out.copy_from(b.row(row));
        }
        T::lu_solve(self.packed.as_ref(), out);
    }
}
