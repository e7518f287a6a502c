//! The entries of a sum of products of vectors, and |A - X|_F from them, block by block.
//!
//! The modes are cut in two, so that X = L R' for the Khatri-Rao products L (p, s) of the first ones and
//! R (q, s) of the others; the cut makes p + q least.

use crate::matrix::scale_by_power_of_two;
use crate::tensor::mttkrp::{khatri_rao, row_major};
use crate::{Result, Scalar, Separated};
use faer::{Mat, MatMut, MatRef};
use ndarray::{ArrayD, ArrayViewD};
use rayon::prelude::*;

/// Entries of a block, about.
const BLOCK: usize = 1 << 14;

/// X, its modes from the slowest to the fastest in memory.
struct Slowest<'a, T: Scalar> {
    lambda: Vec<T>,
    modes: Vec<&'a Mat<T>>,
}

impl<'a, T: Scalar> Slowest<'a, T> {
    /// 2^-e X.
    fn of(x: &'a Separated<T>, order: &[usize], e: i32) -> Self {
        let lambda = x.lambda().iter().map(|lambda| scale_by_power_of_two(*lambda, -e)).collect();
        Self { lambda, modes: order.iter().map(|&i| &x.modes()[i]).collect() }
    }

    /// The two tables, row-major (p, s) and (q, s), at least one column of zeros.
    fn tables(&self) -> Result<(Vec<T>, Vec<T>, usize)> {
        let s = self.lambda.len().max(1);
        let length = |part: &[&Mat<T>]| part.iter().map(|mode| mode.nrows() as f64).product::<f64>();
        let sum = |cut: usize| length(&self.modes[..cut]) + length(&self.modes[cut..]);
        let cut = (0..self.modes.len()).min_by(|a, b| sum(*a).total_cmp(&sum(*b))).unwrap_or(0);
        let rows = |mode: &&Mat<T>| {
            let entry = |(row, k): (usize, usize)| if k < mode.ncols() { mode[(row, k)] } else { T::of(0.0) };
            (0..mode.nrows()).flat_map(|row| (0..s).map(move |k| (row, k))).map(entry).collect::<Vec<T>>()
        };
        let factors: Vec<Vec<T>> = self.modes.iter().map(rows).collect();
        let table = |part: &[Vec<T>]| khatri_rao(part.iter().map(|f| &f[..]), s);
        let mut left = table(&factors[..cut])?;
        for row in left.chunks_exact_mut(s) {
            row.iter_mut().zip(&self.lambda).for_each(|(x, lambda)| *x *= *lambda);
        }
        Ok((left, table(&factors[cut..])?, s))
    }

    /// |2^-e A - X|_F for the entries of A, in their order in memory.
    fn distance(&self, entries: &[T], e: i32) -> Result<f64> {
        if entries.is_empty() {
            return Ok(0.0);
        }
        let (left, right, s) = self.tables()?;
        let q = right.len() / s;
        let right = MatRef::from_row_major_slice(&right, q, s);
        let height = (BLOCK / q).max(1);
        let block = |(piece, left): (usize, &[T])| {
            let rows = left.len() / s;
            let left = MatRef::from_row_major_slice(left, rows, s);
            let mut product = Mat::zeros(q, rows); // a row of X is a column here
            T::product(product.as_mut(), false, right, left.transpose());
            let line = |x: usize| {
                let place = (piece * height + x) * q;
                squares(&entries[place..place + q], product.col_as_slice(x), e)
            };
            (0..rows).map(line).sum::<f64>()
        };
        let sums: Vec<f64> = left.par_chunks(height * s).enumerate().map(block).collect();
        Ok(sums.iter().sum::<f64>().sqrt())
    }
}

/// |2^-e (A - X)|_F.
pub(super) fn distance<T: Scalar>(a: ArrayViewD<'_, T>, x: &Separated<T>, e: i32) -> Result<f64> {
    let (order, a) = row_major(a)?;
    Slowest::of(x, &order, e).distance(a.as_slice().unwrap_or(&[]), e)
}

/// Sums that are added up side by side.
const LANES: usize = 8;

/// The sum of the squares of 2^-e a - x.
fn squares<T: Scalar>(a: &[T], x: &[T], e: i32) -> f64 {
    let mut sums = [0.0; LANES];
    let difference = |a: T, x: T| match e {
        0 => a.as_f64() - x.as_f64(),
        e => scale_by_power_of_two(a.as_f64(), -e) - x.as_f64(),
    };
    for (a, x) in a.chunks(LANES).zip(x.chunks(LANES)) {
        let both = a.iter().zip(x);
        sums.iter_mut().zip(both).for_each(|(sum, (a, x))| *sum += difference(*a, *x).powi(2));
    }
    sums.iter().sum()
}

/// Writes X, row-major, to zeros of its shape.
pub(super) fn write<T: Scalar>(x: &Separated<T>, out: &mut ArrayD<T>) -> Result<()> {
    let shape = out.shape().to_vec();
    let Some(entries) = out.as_slice_mut().filter(|entries| !entries.is_empty()) else { return Ok(()) };
    let order: Vec<usize> = (0..shape.len()).collect();
    let (left, right, s) = Slowest::of(x, &order, 0).tables()?;
    let q = right.len() / s;
    let right = MatRef::from_row_major_slice(&right, q, s);
    let height = (BLOCK / q).max(1);
    let work = entries.par_chunks_mut(height * q).zip(left.par_chunks(height * s));
    work.for_each(|(out, left)| {
        let rows = out.len() / q;
        let left = MatRef::from_row_major_slice(left, rows, s);
        T::product(MatMut::from_column_major_slice_mut(out, q, rows), false, right, left.transpose());
    });
    Ok(())
}
