//! A stored tensor as the target of alternating least squares.

use super::target::{Target, Terms};
use crate::Scalar;
use crate::matrix::{product_by_rows, slice_norm};
use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;
use std::ops::Range;

/// The modes of a tensor, first index fastest, cut into a first and a second half.
///
/// Each half is contracted with the Khatri-Rao product of the other by one matrix product a sweep (4 N s
/// flops for both, N entries), from which each mode of the half follows by O(s sqrt(N)) operations.
/// Cutting the halves again would save none of the 4 N s flops.
pub(crate) struct Halves {
    sizes: Vec<usize>,
    cut: usize,
}

impl Halves {
    pub fn new(sizes: Vec<usize>) -> Self {
        let shape =
            |cut: usize| (sizes[..cut].iter().product::<usize>(), sizes[cut..].iter().product::<usize>());
        let cut = (1..sizes.len()).min_by_key(|&cut| shape(cut).0 + shape(cut).1).unwrap_or(1);
        Self { sizes, cut }
    }

    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// The products of the sizes of the first and of the second half.
    pub fn shape(&self) -> (usize, usize) {
        (self.sizes[..self.cut].iter().product(), self.sizes[self.cut..].iter().product())
    }

    /// The modes of the half of a mode, and those of the other half.
    pub fn around(&self, mode: usize) -> (Range<usize>, Range<usize>) {
        let (first, second) = (0..self.cut, self.cut..self.sizes.len());
        if mode < self.cut { (first, second) } else { (second, first) }
    }
}

/// A stored tensor, first index fastest.
pub(crate) struct Stored<'a, T: Scalar> {
    halves: Halves,
    /// The contraction of the half at work: (product of its sizes, s).
    partial: Mat<T>,
    /// The mode asked last.
    last: Option<usize>,
    /// Of the shape of the halves.
    tensor: MatRef<'a, T>,
    norm: f64,
}

impl<'a, T: Scalar> Stored<'a, T> {
    /// The tensor with these entries of moderate size, first index fastest.
    pub fn new(sizes: Vec<usize>, entries: &'a [T]) -> Self {
        let halves = Halves::new(sizes);
        let (rows, cols) = halves.shape();
        let tensor = MatRef::from_column_major_slice(entries, rows, cols);
        let squares: Vec<f64> = entries.par_chunks(1 << 16).map(|x| slice_norm(x).powi(2)).collect();
        let norm = squares.into_iter().sum::<f64>().sqrt();
        Self { halves, partial: Mat::new(), last: None, tensor, norm }
    }
}

impl<T: Scalar> Target<T> for Stored<'_, T> {
    fn sizes(&self) -> &[usize] {
        self.halves.sizes()
    }
    fn norm(&self) -> f64 {
        self.norm
    }
    fn mttkrp(&mut self, mode: usize, modes: &[Mat<T>]) -> Mat<T> {
        let (own, others) = self.halves.around(mode);
        if !self.last.replace(mode).is_some_and(|last| own.contains(&last) && last < mode) {
            self.partial = Mat::new(); // the old one makes room
            let right = khatri_rao(&modes[others], modes[mode].ncols());
            let matrix = if own.start == 0 { self.tensor } else { self.tensor.transpose() };
            self.partial = Mat::zeros(matrix.nrows(), right.ncols());
            product_by_rows(self.partial.as_mut(), matrix, right.as_ref());
        }
        contract(&self.partial, &modes[own.start..mode], modes[mode].nrows(), &modes[mode + 1..own.end])
    }
    fn error(&self, x: &Terms<T>) -> f64 {
        let mut left = khatri_rao(&x.modes[..self.halves.cut], x.len()); // (rows, s)
        let right = khatri_rao(&x.modes[self.halves.cut..], x.len()); // (cols, s)
        for (k, &lambda) in x.lambda.iter().enumerate() {
            left.col_as_slice_mut(k).iter_mut().for_each(|x| *x = T::of(x.as_f64() * lambda));
        }
        let (rows, cols) = self.tensor.shape();
        // Blocks that stay in the cache.
        let width = 16_384_usize.div_ceil(rows.max(1)).clamp(1, cols.max(1));
        let block = |b: usize| {
            let range = b * width..(b * width + width).min(cols);
            let mut fit = Mat::zeros(rows, range.len());
            let right = right.as_ref().subrows(range.start, range.len());
            T::product(fit.as_mut(), false, left.as_ref(), right.transpose());
            let column = |(column, j): (usize, usize)| {
                let slice = self.tensor.col(j).try_as_col_major().map_or(&[][..], |c| c.as_slice());
                squared_distance(slice, fit.col_as_slice(column))
            };
            range.enumerate().map(column).sum::<f64>()
        };
        let sums: Vec<f64> = (0..cols.div_ceil(width)).into_par_iter().map(block).collect();
        sums.into_iter().sum::<f64>().sqrt()
    }
}

/// |A - X|_F^2, in independent lanes for the vector units.
fn squared_distance<T: Scalar>(a: &[T], x: &[T]) -> f64 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let mut add = |lane: usize, a: T, x: T| {
        let difference = a.as_f64() - x.as_f64();
        sums[lane] += difference * difference;
    };
    let (chunks, others) = (a.chunks_exact(LANES), x.chunks_exact(LANES));
    let rest = chunks.remainder().iter().zip(others.remainder());
    rest.enumerate().for_each(|(lane, (a, x))| add(lane, *a, *x));
    for (a, x) in chunks.zip(others) {
        (0..LANES).for_each(|lane| add(lane, a[lane], x[lane]));
    }
    sums.iter().sum()
}

/// The columnwise Kronecker products, first mode fastest: (product of the rows, s); ones (1, s) of
/// no modes.
pub(crate) fn khatri_rao<T: Scalar>(modes: &[Mat<T>], s: usize) -> Mat<T> {
    let Some((first, rest)) = modes.split_first() else { return Mat::from_fn(1, s, |_, _| T::of(1.0)) };
    rest.iter().fold(first.clone(), |product, mode| {
        let p = product.nrows();
        let mut out = Mat::zeros(p * mode.nrows(), s);
        for k in 0..s {
            let column = product.col_as_slice(k);
            for (out, x) in out.col_as_slice_mut(k).chunks_exact_mut(p.max(1)).zip(mode.col_as_slice(k)) {
                out.iter_mut().zip(column).for_each(|(out, y)| *out = *x * *y);
            }
        }
        out
    })
}

/// Column k of the result (p, s): column k of `partial`, a tensor (left, p, right), times column k of
/// the Khatri-Rao product of the modes before, and of those after.
pub(crate) fn contract<T: Scalar>(partial: &Mat<T>, before: &[Mat<T>], p: usize, after: &[Mat<T>]) -> Mat<T> {
    let s = partial.ncols();
    let (before, after) = (khatri_rao(before, s), khatri_rao(after, s)); // (left, s), (right, s)
    let mut out = Mat::zeros(p, s);
    let column = |k: usize, mut out: MatMut<'_, T>| {
        let (before, after) = (before.as_ref().subcols(k, 1), after.as_ref().subcols(k, 1));
        let (left, right) = (before.nrows(), after.nrows());
        let Some(values) = partial.col(k).try_as_col_major() else { return };
        let tensor = MatRef::from_column_major_slice(values.as_slice(), left * p, right);
        let mut matrix = Mat::zeros(left * p, 1);
        T::product(matrix.as_mut(), false, tensor, after);
        let matrix = MatRef::from_column_major_slice(matrix.col_as_slice(0), left, p);
        T::product(out.as_mut(), false, matrix.transpose(), before);
    };
    if partial.nrows() > 1 << 14 {
        out.as_mut().par_col_chunks_mut(1).enumerate().for_each(|(k, out)| column(k, out));
    } else {
        (0..s).for_each(|k| column(k, out.as_mut().subcols_mut(k, 1)));
    }
    out
}

/// The entries of M (m_1 ... m_d, n_1 ... n_d) as the tensor (m_1 n_1, ..., m_d n_d), first index
/// fastest: index i_k + m_k j_k in mode k.
pub(super) fn rearranged<T: Scalar>(m: MatRef<'_, T>, shapes: &[(usize, usize)]) -> Vec<T> {
    // Where row i and column j begin: sums over the modes.
    let offsets = |side: fn(&(usize, usize)) -> usize, within: fn(&(usize, usize)) -> usize| {
        let (mut offsets, mut stride) = (vec![0], 1);
        for shape in shapes {
            let step = stride * within(shape);
            offsets = offsets.iter().flat_map(|o| (0..side(shape)).map(move |i| o + i * step)).collect();
            stride *= shape.0 * shape.1;
        }
        offsets
    };
    let (rows, cols) = (offsets(|s| s.0, |_| 1), offsets(|s| s.1, |s| s.0));
    let mut out = vec![T::of(0.0); m.nrows() * m.ncols()];
    for (j, col) in cols.iter().enumerate() {
        for (i, row) in rows.iter().enumerate() {
            out[row + col] = m[(i, j)];
        }
    }
    out
}
