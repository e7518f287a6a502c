//! The matricized tensor times the Khatri-Rao product of the factors of all other modes.
//!
//! **Problem.** A (n_1, ..., n_d) and factors F_j (n_j, R): M (n_k, R) with M(i, r) the sum of
//! A(i_1, ..., i_d) times the product of F_j(i_j, r) over j other than k, over all indices with
//! i_k = i.
//!
//! **Method.** Modes at one end of the tensor, all before or all after mode k, are contracted by
//! matrix products with their Khatri-Rao product, where A is a matrix (P, s) in place; each row of
//! the result (P, R) is then multiplied by the factors' rows of the modes left and added to its row
//! of M (the two-step method of Phan, Tichavsky, Cichocki, IEEE Trans. Signal Process. 61 (2013),
//! section III, here block by block, so that the result of the first step stays in the cache). The
//! end is chosen for the least s + P: the large Khatri-Rao product of all modes is never formed.
//!
//! **Cost.** 2 N R flops of the matrix product and 3 P R more. Memory (s + P / 2) R numbers at most.
//! A tensor that is row-major up to the order of its modes is read in place, any other is copied.
//!
//! **Guarantee.** |computed - exact|_F <= 4 (N / n_k) eps |A|_F times the product of the |F_j|_F.
//! Work is cut by the shape alone: the bits do not depend on the number of threads. Entries near
//! 1e300 or 1e-300 are balanced by powers of two.
//!
//! **Deviations.** None.

use super::dense::{check_mode, check_order, most, overflow, size, zeros};
use super::kernel::reduce;
use crate::matrix::{array_view, exponent, largest_finite, largest_finite_array, scale_by_power_of_two};
use crate::{Error, Result, Scalar};
use faer::{Mat, MatMut, MatRef};
use ndarray::{ArrayViewD, Axis, CowArray, IxDyn};
use rayon::prelude::*;
use std::ops::Range;

/// M (n_k, R) for `factors` F_j (n_j, R), one a mode; that of `mode` k is not looked at. O(N R).
///
/// At order 1 every column of M is A.
///
/// # Errors
/// [`Error::Parameter`] for a mode that is not there and where an entry of the result overflows;
/// [`Error::Shape`] where the factors do not fit; [`Error::NonFinite`] with the position, for the
/// factors `[j, row, column]`; [`Error::TooLarge`].
///
/// ```
/// use lowrank::{faer::mat, ndarray::ArrayD, tensor::mttkrp};
/// let a = ArrayD::from_shape_fn(vec![2, 2], |i| (1 + 2 * i[0] + i[1]) as f64); // 1 2; 3 4
/// let (x, y) = (mat![[0.0], [0.0]], mat![[10.0], [1.0]]);
/// let m = mttkrp(a.view(), &[x.as_ref(), y.as_ref()], 0)?;
/// assert_eq!(m, mat![[12.0], [34.0]]);
/// # lowrank::Result::Ok(())
/// ```
pub fn mttkrp<T: Scalar>(a: ArrayViewD<'_, T>, factors: &[MatRef<'_, T>], mode: usize) -> Result<Mat<T>> {
    check_order(&a)?;
    check_mode(mode, a.ndim())?;
    let own = check_factors(&a, factors, mode)?;
    if !in_place(&a) {
        size::<T>(a.shape(), "a row-major copy of the tensor")?;
    }
    let columns = factors[mode].ncols();
    let e = exponent(largest_finite_array("a", a.view())?);
    let down = if e.abs() <= super::dense::limit::<T>() { 0 } else { e.clamp(-most::<T>(), most::<T>()) };
    let mut tables = Vec::with_capacity(factors.len());
    for (j, factor) in factors.iter().enumerate() {
        tables.push(if j == mode { Vec::new() } else { rows(*factor, -own[j]) });
    }
    let mut out = Mat::zeros(a.len_of(Axis(mode)), columns);
    let entries = contracted(a, &tables, columns, mode, -down)?; // (n_k, R), row-major
    let back = down + own.iter().sum::<i32>();
    for (row, values) in entries.chunks_exact(columns.max(1)).enumerate() {
        for (column, x) in values.iter().enumerate() {
            let x = scale_by_power_of_two(*x, back);
            if !num_traits::Float::is_finite(x) {
                return Err(overflow("product", &[row, column]));
            }
            out[(row, column)] = x;
        }
    }
    Ok(out)
}

/// The exponents of the factors but that of `mode`, once they are known to fit.
fn check_factors<T: Scalar>(
    a: &ArrayViewD<'_, T>,
    factors: &[MatRef<'_, T>],
    mode: usize,
) -> Result<Vec<i32>> {
    let fail = |expected: String, found| Err(Error::Shape { argument: "factors", expected, found });
    if factors.len() != a.ndim() {
        return fail(format!("one factor a mode, {} in all, is needed", a.ndim()), vec![factors.len()]);
    }
    let columns = factors[mode].ncols();
    let mut exponents = vec![0; factors.len()];
    for (j, factor) in factors.iter().enumerate() {
        if factor.ncols() != columns || (j != mode && factor.nrows() != a.len_of(Axis(j))) {
            let expected = format!(
                "factor {j} needs shape ({}, {columns}), as that of mode {mode} has",
                a.len_of(Axis(j))
            );
            return fail(expected, vec![factor.nrows(), factor.ncols()]);
        }
        if j != mode {
            exponents[j] = exponent(largest_finite("factors", factor).map_err(|e| e.within(j))?);
        }
    }
    Ok(exponents)
}

/// `2^e F`, row-major.
fn rows<T: Scalar>(factor: MatRef<'_, T>, e: i32) -> Vec<T> {
    let (n, columns) = factor.shape();
    let places = (0..n).flat_map(|i| (0..columns).map(move |r| (i, r)));
    places.map(|at| scale_by_power_of_two(factor[at], e)).collect()
}

/// Which modes are contracted by a matrix product, of a row-major tensor.
struct Split {
    /// The modes contracted.
    contracted: Range<usize>,
    /// Those left.
    left: Range<usize>,
}

impl Split {
    /// The one with the smallest s + P; of equal ones that with the smallest s, and at the right end.
    fn of(shape: &[usize], mode: usize) -> Self {
        let d = shape.len();
        let ends = (mode + 1..=d).map(|m| (m..d, 0..m)).chain((0..=mode).map(|m| (0..m, m..d)));
        let size = |modes: &Range<usize>| shape[modes.clone()].iter().map(|n| *n as f64).product::<f64>();
        let key = |(s, p): &(Range<usize>, Range<usize>)| (size(s) + size(p), size(s));
        let best = ends.min_by(|x, y| key(x).0.total_cmp(&key(y).0).then(key(x).1.total_cmp(&key(y).1)));
        let (contracted, left) = best.unwrap_or((0..0, 0..d));
        Self { contracted, left }
    }
}

/// M (n_k, R), row-major, for factors as row-major tables of `columns` columns and 2^e A.
pub(super) fn contracted<T: Scalar>(
    a: ArrayViewD<'_, T>,
    factors: &[Vec<T>],
    columns: usize,
    mode: usize,
    e: i32,
) -> Result<Vec<T>> {
    let n = a.len_of(Axis(mode));
    let mut out = vec![T::of(0.0); size::<T>(&[n, columns], "the result")?];
    if a.is_empty() || out.is_empty() {
        return Ok(out);
    }
    let (order, a) = row_major(a)?;
    let shape = a.shape().to_vec();
    let mode = order.iter().position(|axis| *axis == mode).unwrap_or(0);
    let tables = |modes: Range<usize>| khatri_rao(modes.map(|k| &factors[order[k]][..]), columns);
    let Split { contracted, left } = Split::of(&shape, mode);
    let mut table = tables(contracted.clone())?; // (s, R)
    table.iter_mut().for_each(|x| *x = scale_by_power_of_two(*x, e));
    let entries = a.as_slice().unwrap_or(&[]);
    let s = table.len() / columns;
    let p = entries.len() / s;
    let matrix = match contracted.start == 0 && left.start > 0 {
        true => MatRef::from_row_major_slice(entries, s, p).transpose(),
        false => MatRef::from_row_major_slice(entries, p, s),
    };
    let table = MatRef::from_row_major_slice(&table, s, columns);
    if left.len() == 1 {
        // A product of matrices and no more: (n, s) times (s, R).
        let sums = reduce(array_view(matrix.transpose()).into_dyn(), array_view(table).into_dyn());
        return Ok(rows(sums.as_ref(), 0));
    }
    let work = Work {
        matrix,
        table,
        before: tables(left.start..mode)?,
        after: tables(mode + 1..left.end)?,
        weighted: (left.start < mode, mode + 1 < left.end),
        n,
        columns,
    };
    work.run(&mut out);
    Ok(out)
}

/// The modes in the order of falling strides.
fn falling<T>(a: &ArrayViewD<'_, T>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..a.ndim()).collect();
    order.sort_by_key(|axis| std::cmp::Reverse(a.strides()[*axis].unsigned_abs()));
    order
}

/// Whether the tensor is row-major up to the order of its modes.
fn in_place<T: Scalar>(a: &ArrayViewD<'_, T>) -> bool {
    a.clone().permuted_axes(IxDyn(&falling(a))).is_standard_layout()
}

/// The tensor with its modes in the order of falling strides: in place where it is row-major then,
/// else a copy.
pub(super) fn row_major<T: Scalar>(a: ArrayViewD<'_, T>) -> Result<(Vec<usize>, CowArray<'_, T, IxDyn>)> {
    let order = falling(&a);
    let sorted = a.permuted_axes(IxDyn(&order));
    if sorted.is_standard_layout() {
        return Ok((order, sorted.into()));
    }
    let mut copy = zeros(sorted.shape(), "a row-major copy of the tensor")?;
    copy.assign(&sorted);
    Ok((order, copy.into()))
}

/// Row-wise products of row-major tables, the last one's rows fastest: (n_1 n_2 ..., columns).
pub(super) fn khatri_rao<'a, T: Scalar>(
    tables: impl Iterator<Item = &'a [T]>,
    columns: usize,
) -> Result<Vec<T>> {
    let mut out = vec![T::of(1.0); columns];
    for table in tables {
        let rows = out.len() / columns * (table.len() / columns);
        let mut next = Vec::with_capacity(size::<T>(&[rows, columns], "a Khatri-Rao product")?);
        for left in out.chunks_exact(columns) {
            for right in table.chunks_exact(columns) {
                next.extend(left.iter().zip(right).map(|(x, y)| *x * *y));
            }
        }
        out = next;
    }
    Ok(out)
}

/// What the two steps work on: A as the matrix (P, s), P = l n_k q, the Khatri-Rao product (s, R) of
/// the modes contracted, those of the modes left before (l, R) and after (q, R) mode k.
struct Work<'a, T: Scalar> {
    matrix: MatRef<'a, T>,
    table: MatRef<'a, T>,
    before: Vec<T>,
    after: Vec<T>,
    /// Whether there are modes before, and after.
    weighted: (bool, bool),
    n: usize,
    columns: usize,
}

/// Flops of a piece of work, about.
const PIECE: f64 = 16e6;
/// Numbers of the first step that are kept at once.
const BLOCK: usize = 1 << 14;

impl<T: Scalar> Work<'_, T> {
    fn run(&self, out: &mut [T]) {
        let (p, s) = self.matrix.shape();
        let (l, q) = (self.before.len() / self.columns, self.after.len() / self.columns);
        let flops = 2.0 * p as f64 * s as f64 * self.columns as f64;
        let pieces = (flops / PIECE).ceil().clamp(1.0, 64.0) as usize;
        if self.n >= 2 * pieces && (l == 1 || self.n * q >= 256 * pieces) {
            // Each piece has its own rows of the result.
            let height = self.n.div_ceil(pieces);
            out.par_chunks_mut(height * self.columns).enumerate().for_each(|(piece, out)| {
                let rows = piece * height..piece * height + out.len() / self.columns;
                for outer in 0..l {
                    let start = outer * self.n * q;
                    self.block_by_block(start + rows.start * q..start + rows.end * q, rows.start, out);
                }
            });
            return;
        }
        // Each piece sums over its own rows of the matrix.
        let room = (p * s / (8 * out.len())).max(1);
        let height = p.div_ceil(pieces.min(room));
        let sums: Vec<Vec<T>> = (0..p.div_ceil(height))
            .into_par_iter()
            .map(|piece| {
                let mut sum = vec![T::of(0.0); out.len()];
                self.block_by_block(piece * height..(piece * height + height).min(p), 0, &mut sum);
                sum
            })
            .collect();
        for sum in sums {
            out.iter_mut().zip(sum).for_each(|(x, y)| *x += y);
        }
    }

    /// Both steps for some rows of the matrix; `out` holds rows of the result from `first` on.
    fn block_by_block(&self, rows: Range<usize>, first: usize, out: &mut [T]) {
        let columns = self.columns;
        let height = (BLOCK / columns).max(32).min(rows.len());
        let mut y = vec![T::of(0.0); height * columns];
        // Where A lies by columns the product is faster by columns too.
        let mut by_columns = vec![T::of(0.0); if self.matrix.row_stride() == 1 { y.len() } else { 0 }];
        let mut start = rows.start;
        while start < rows.end {
            let height = height.min(rows.end - start);
            let a = self.matrix.subrows(start, height);
            let y = &mut y[..height * columns]; // (height, R)
            let mut block = MatMut::from_row_major_slice_mut(y, height, columns);
            if by_columns.is_empty() {
                T::product(block, false, a, self.table);
            } else {
                let buffer = &mut by_columns[..height * columns];
                let mut buffer = MatMut::from_column_major_slice_mut(buffer, height, columns);
                T::product(buffer.as_mut(), false, a, self.table);
                block.copy_from(buffer);
            }
            self.add(start, y, first, out);
            start += height;
        }
    }

    /// The second step: rows of Y from `start` on, weighted, to their rows of the result.
    fn add(&self, start: usize, y: &[T], first: usize, out: &mut [T]) {
        let columns = self.columns;
        let q = self.after.len() / columns;
        let (mut outer, mut i, mut inner) = (start / (self.n * q), start / q % self.n, start % q);
        for y in y.chunks_exact(columns) {
            let out = &mut out[(i - first) * columns..][..columns];
            let w = &self.before[outer * columns..][..columns];
            let v = &self.after[inner * columns..][..columns];
            match self.weighted {
                (false, false) => out.iter_mut().zip(y).for_each(|(x, y)| *x += *y),
                (false, true) => out.iter_mut().zip(y).zip(v).for_each(|((x, y), v)| *x += *y * *v),
                (true, false) => out.iter_mut().zip(y).zip(w).for_each(|((x, y), w)| *x += *y * *w),
                (true, true) => {
                    let weighted = y.iter().zip(w).zip(v);
                    out.iter_mut().zip(weighted).for_each(|(x, ((y, w), v))| *x += *y * *w * *v);
                }
            }
            inner += 1;
            if inner == q {
                (inner, i) = (0, i + 1);
            }
            if i == self.n {
                (i, outer) = (0, outer + 1);
            }
        }
    }
}
