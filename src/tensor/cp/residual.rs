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
const BLOCK: usize = 1 << 15;

/// The two tables of 2^-e X, for its modes in the order `order`: row-major (p, s) and (q, s), at least
/// one column of zeros.
fn tables<T: Scalar>(x: &Separated<T>, order: &[usize], e: i32) -> Result<(Vec<T>, Vec<T>, usize)> {
    let s = x.separation_rank().max(1);
    let sizes: Vec<usize> = order.iter().map(|&i| x.shapes()[i].0).collect();
    let length = |part: &[usize]| part.iter().map(|n| *n as f64).product::<f64>();
    let sum = |cut: usize| length(&sizes[..cut]) + length(&sizes[cut..]);
    let cut = (0..order.len()).min_by(|a, b| sum(*a).total_cmp(&sum(*b))).unwrap_or(0);
    let rows = |i: usize| {
        let mode = &x.modes()[order[i]];
        let entry = |(row, k): (usize, usize)| if k < mode.ncols() { mode[(row, k)] } else { T::of(0.0) };
        (0..mode.nrows()).flat_map(|row| (0..s).map(move |k| (row, k))).map(entry).collect::<Vec<T>>()
    };
    let factors: Vec<Vec<T>> = (0..order.len()).map(rows).collect();
    let table = |part: &[Vec<T>]| khatri_rao(part.iter().map(|f| &f[..]), s);
    let mut left = table(&factors[..cut])?;
    for row in left.chunks_exact_mut(s) {
        row.iter_mut().zip(x.lambda()).for_each(|(x, lambda)| *x *= scale_by_power_of_two(*lambda, -e));
    }
    Ok((left, table(&factors[cut..])?, s))
}

/// |2^-e (A - X)|_F.
pub(super) fn distance<T: Scalar>(a: ArrayViewD<'_, T>, x: &Separated<T>, e: i32) -> Result<f64> {
    if a.is_empty() {
        return Ok(0.0);
    }
    let (order, a) = row_major(a)?;
    let entries = a.as_slice().unwrap_or(&[]);
    let (left, right, s) = tables(x, &order, e)?;
    let q = right.len() / s;
    let right = MatRef::from_row_major_slice(&right, q, s);
    let height = (BLOCK / q).max(1);
    let block = |(a, left): (&[T], &[T])| {
        let rows = a.len() / q;
        let left = MatRef::from_row_major_slice(left, rows, s);
        let mut product = Mat::zeros(q, rows); // a row of X is a column here
        T::product(product.as_mut(), false, right, left.transpose());
        let line = |(x, a): (usize, &[T])| squares(a, product.col_as_slice(x), e);
        (0..rows).zip(a.chunks_exact(q)).map(line).sum::<f64>()
    };
    let work = entries.par_chunks(height * q).zip(left.par_chunks(height * s));
    let sums: Vec<f64> = work.map(block).collect();
    Ok(sums.iter().sum::<f64>().sqrt())
}

/// The sum of the squares of 2^-e a - x.
fn squares<T: Scalar>(a: &[T], x: &[T], e: i32) -> f64 {
    let difference = |a: T, x: T| match e {
        0 => a.as_f64() - x.as_f64(),
        e => scale_by_power_of_two(a.as_f64(), -e) - x.as_f64(),
    };
    a.iter().zip(x).map(|(a, x)| difference(*a, *x).powi(2)).sum()
}

/// Writes X, row-major, to zeros of its shape.
pub(super) fn write<T: Scalar>(x: &Separated<T>, out: &mut ArrayD<T>) -> Result<()> {
    let shape = out.shape().to_vec();
    let Some(entries) = out.as_slice_mut().filter(|entries| !entries.is_empty()) else { return Ok(()) };
    let order: Vec<usize> = (0..shape.len()).collect();
    let (left, right, s) = tables(x, &order, 0)?;
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
