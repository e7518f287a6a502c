//! A matrix stored as bf16: the upper half of f32, rounded to nearest, ties to even.
//!
//! A frozen weight takes 2 bytes a number; it is converted when it is used and computed with as T. Each number
//! is within 2^-8 of itself, relatively.

use lowrank::Scalar;
use lowrank::faer::{Mat, MatRef};

/// The matrix, by columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brain {
    rows: usize,
    columns: usize,
    bits: Vec<u16>,
}

impl Brain {
    /// Rounds a finite matrix. Magnitudes from 3.396e38 on round to infinity.
    pub fn new<T: Scalar>(a: MatRef<'_, T>) -> Self {
        let bits = a.col_iter().flat_map(|column| column.iter().map(|x| round(*x)).collect::<Vec<_>>());
        Self { rows: a.nrows(), columns: a.ncols(), bits: bits.collect() }
    }

    /// (m, n).
    pub fn shape(&self) -> (usize, usize) {
        (self.rows, self.columns)
    }

    /// The matrix (m, n).
    pub fn to_mat<T: Scalar>(&self) -> Mat<T> {
        let mut out = Mat::zeros(self.rows, self.columns);
        (0..self.columns).for_each(|j| self.copy_column(j, out.col_as_slice_mut(j)));
        out
    }

    /// Writes column j.
    pub fn copy_column<T: Scalar>(&self, j: usize, out: &mut [T]) {
        let bits = &self.bits[j * self.rows..(j + 1) * self.rows];
        out.iter_mut().zip(bits).for_each(|(x, bits)| *x = value(*bits));
    }
}

fn value<T: Scalar>(bits: u16) -> T {
    T::of(f64::from(f32::from_bits(u32::from(bits) << 16)))
}

/// Rounded once from f64: the bits of f32 below the upper half, and whether more follow, decide.
fn round<T: Scalar>(x: T) -> u16 {
    let exact = x.as_f64();
    let mut bits = (exact as f32).to_bits();
    let back = f64::from(f32::from_bits(bits));
    // A tie of f32 that is none of the number itself goes where the number is.
    if bits & 0xffff == 0x8000 && back != exact {
        bits = if exact.abs() > back.abs() { bits + 1 } else { bits - 1 };
    }
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_to_nearest_even() {
        let up = 1.0 + 2f64.powi(-8); // halfway between 1 and 1 + 2^-7
        let cases = [
            (1.0, 1.0),
            (up, 1.0),
            (up + 2f64.powi(-40), 1.0 + 2f64.powi(-7)), // above the tie, in f64 only
            (1.0 + 3.0 * 2f64.powi(-8), 1.0 + 2f64.powi(-6)),
            (-up, -1.0),
            (0.0, 0.0),
            (-3.0e-40, -3.0 * 2f64.powi(-133)),
            (3.4e38, f64::INFINITY),
        ];
        let a = Mat::from_fn(1, cases.len(), |_, j| cases[j].0);
        let b: Mat<f64> = Brain::new(a.as_ref()).to_mat();
        for (j, (x, expected)) in cases.iter().enumerate() {
            let close = b[(0, j)] == *expected || (b[(0, j)] - expected).abs() < 1e-41;
            assert!(close, "{x} gave {}", b[(0, j)]);
        }
        for k in 1..1000 {
            let x = f64::from(k).sin();
            let y: Mat<f64> = Brain::new(Mat::full(1, 1, x).as_ref()).to_mat();
            assert!((y[(0, 0)] - x).abs() <= x.abs() * 2f64.powi(-8));
        }
    }
}
