//! The rearrangement of a matrix into two modes, or an unfolding of one into more, as an operator.
//!
//! **Problem.** A (m_1 m_2, n_1 n_2), stored, and R(A) (m_1 n_1, m_2 n_2) as in
//! [`Rearranged`]: products of R(A) and its transpose with blocks of vectors, without a copy of A. For
//! more factors the same with an unfolding of the tensor R(A), whose first modes are the rows.
//!
//! **Method.** Column j_1 n_2 + j_2 of A, read as a matrix C (m_2, m_1) column by column, is the
//! transpose of the part (m_1, m_2) of R(A) at rows i_1 + m_1 j_1 and columns i_2 + m_2 j_2. So
//! R(A) X and R(A)'Y are sums of products with such C, which are views of A. A matrix stored by
//! rows is read as its transpose: R(A') is R(A) with both indices shuffled. So is an unfolding: its factors
//! are taken together in two groups.
//!
//! **Cost.** 2 m n l flops for l vectors, in n products of the sizes (m_1, m_2, l); memory two
//! blocks besides the result. A matrix with neither contiguous columns nor contiguous rows is
//! copied a column at a time.
//!
//! **Guarantee.** That of sums of products: an error of 4 max(m_1 n_1, m_2 n_2) eps times the norms
//! at most. The result does not depend on the number of threads.
//!
//! **Deviations.** The literature copies R(A).

use super::Rearranged;
use crate::matrix::{check_finite, check_overflow, scale_view, scaled};
use crate::operator::check_block;
use crate::{Operator, Result, Scalar};
use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;
use std::borrow::Cow;

/// R(A) (m_1 n_1, m_2 n_2) of a stored matrix, or of an unfolding of it, to be applied: see
/// [`Rearranged::operator`] and [`Rearranged::unfolding`].
///
/// ```
/// use lowrank::{Operator, faer::{Mat, mat}, kronecker::Rearranged, svd};
/// // A = M1 (x) M2, so that R(A) = vec(M1) vec(M2)'
/// let a = mat![[3.0, 4.0, 6.0, 8.0]];
/// let r = Rearranged::new(&a, &[(1, 2), (1, 2)])?.operator()?;
/// assert_eq!(r.to_dense()?, mat![[3.0, 4.0], [6.0, 8.0]]);
/// assert!(svd::dense(r.to_dense()?)?.s[1] < 1e-14);
/// # lowrank::Result::Ok(())
/// ```
#[derive(Debug, Clone)]
pub struct RearrangedMatrix<'a, T: Scalar> {
    /// A, or its transpose where the rows of A are contiguous.
    lanes: MatRef<'a, T>,
    transposed: bool,
    /// The shapes of the factors of A, in two groups.
    groups: [Vec<(usize, usize)>; 2],
    /// The shapes of the two factors of `lanes` that the groups are together.
    first: (usize, usize),
    second: (usize, usize),
    largest: T,
}

/// Columns of a task of a product.
const PIECE: usize = 64;

impl<'a, T: Scalar> RearrangedMatrix<'a, T> {
    /// The unfolding whose rows are the first `cut` modes, a number below that of all modes.
    pub(super) fn new(rearranged: &Rearranged<'a, T>, cut: usize) -> Self {
        let (a, largest) = (rearranged.matrix(), rearranged.largest());
        let transposed = a.row_stride() != 1 && a.col_stride() == 1;
        let (first, second) = rearranged.shapes().split_at(cut);
        let whole = |group: &[(usize, usize)]| {
            let (m, n) = group.iter().fold((1, 1), |(m, n), shape| (m * shape.0, n * shape.1));
            if transposed { (n, m) } else { (m, n) }
        };
        Self {
            lanes: if transposed { a.transpose() } else { a },
            transposed,
            first: whole(first),
            second: whole(second),
            groups: [first.to_vec(), second.to_vec()],
            largest,
        }
    }

    /// The largest magnitude of an entry.
    pub(crate) fn largest(&self) -> T {
        self.largest
    }

    /// Column k of `lanes`, in place where it is contiguous.
    fn lane(&self, k: usize) -> Cow<'_, [T]> {
        let column = self.lanes.col(k);
        match column.try_as_col_major() {
            Some(column) => Cow::Borrowed(column.as_slice()),
            None => Cow::Owned(column.iter().copied().collect()),
        }
    }

    /// Whether the indices of a group are in the order of those of `lanes`.
    fn in_order(&self, group: usize) -> bool {
        !self.transposed && self.groups[group].len() == 1
    }

    /// Where index x of a group is among those of `lanes`.
    fn place(&self, mut x: usize, group: usize) -> usize {
        let (mut i, mut j, mut down, mut right) = (0, 0, 1, 1);
        for &(m, n) in self.groups[group].iter().rev() {
            let own = x % (m * n);
            (i, j) = (i + own % m * down, j + own / m * right);
            (x, down, right) = (x / (m * n), down * m, right * n);
        }
        if self.transposed { j + right * i } else { i + down * j }
    }

    /// `b` (p q, l) as rows (l, p q), in the order of the indices of `lanes`.
    fn inward(&self, b: MatRef<'_, T>, group: usize) -> Mat<T> {
        if self.in_order(group) {
            return b.transpose().to_owned();
        }
        let mut out = Mat::zeros(b.ncols(), b.nrows());
        (0..b.nrows()).for_each(|x| out.col_mut(self.place(x, group)).copy_from(b.row(x).transpose()));
        out
    }

    /// The inverse of [`Self::inward`].
    fn outward(&self, rows: MatRef<'_, T>, group: usize) -> Mat<T> {
        if self.in_order(group) {
            return rows.transpose().to_owned();
        }
        let mut out = Mat::zeros(rows.ncols(), rows.nrows());
        (0..out.nrows()).for_each(|x| out.row_mut(x).copy_from(rows.col(self.place(x, group)).transpose()));
        out
    }

    /// `R(A) x`.
    fn product(&self, x: MatRef<'_, T>) -> Mat<T> {
        let ((m1, n1), (m2, n2)) = (self.first, self.second);
        let x = self.inward(x, 1); // (l, m2 n2)
        let mut out = Mat::zeros(x.nrows(), m1 * n1);
        self.pieces(out.as_mut(), m1, |j1, from, mut out| {
            for j2 in 0..n2 {
                let lane = self.lane(j1 * n2 + j2);
                let c = MatRef::from_column_major_slice(&lane, m2, m1).subcols(from, out.ncols());
                T::product(out.as_mut(), true, x.subcols(j2 * m2, m2), c);
            }
        });
        self.outward(out.as_ref(), 0)
    }

    /// `R(A)' y`.
    fn transposed_product(&self, y: MatRef<'_, T>) -> Mat<T> {
        let ((m1, n1), (m2, n2)) = (self.first, self.second);
        let y = self.inward(y, 0); // (l, m1 n1)
        let mut out = Mat::zeros(y.nrows(), m2 * n2);
        self.pieces(out.as_mut(), m2, |j2, from, mut out| {
            for j1 in 0..n1 {
                let lane = self.lane(j1 * n2 + j2);
                let c = MatRef::from_column_major_slice(&lane, m2, m1).subrows(from, out.ncols());
                T::product(out.as_mut(), true, y.subcols(j1 * m1, m1), c.transpose());
            }
        });
        self.outward(out.as_ref(), 1)
    }

    /// Cuts `out` into blocks of `width` columns and those into pieces, whatever the threads, and
    /// calls `work` with the number of the block, the first column within, and the piece.
    fn pieces(&self, out: MatMut<'_, T>, width: usize, work: impl Fn(usize, usize, MatMut<'_, T>) + Sync) {
        if out.nrows() == 0 || width == 0 {
            return;
        }
        out.par_col_chunks_mut(width).enumerate().for_each(|(block, out)| {
            out.par_col_chunks_mut(PIECE).enumerate().for_each(|(k, out)| work(block, k * PIECE, out));
        });
    }

    /// |2^-shift R(A) - L R'|_F and |2^-shift A|_F, in one pass; 2^-shift A is of moderate size.
    pub(crate) fn residual(&self, left: MatRef<'_, T>, right: MatRef<'_, T>, shift: i32) -> (f64, f64) {
        let ((m1, n1), (m2, n2)) = (self.first, self.second);
        let left = self.inward(left, 0); // (s, m1 n1)
        let right = self.inward(right, 1).transpose().to_owned(); // (m2 n2, s)
        let block = |j1: usize| {
            let mut gap = vec![T::of(0.0); m1 * m2];
            let (mut gaps, mut norms) = (0.0, 0.0);
            for j2 in 0..n2 {
                gap.iter_mut().zip(&*self.lane(j1 * n2 + j2)).for_each(|(gap, x)| *gap = -*x);
                let mut out = MatMut::from_column_major_slice_mut(&mut gap, m2, m1);
                scale_view(out.as_mut(), -shift);
                norms += sum_of_squares(&gap);
                let out = MatMut::from_column_major_slice_mut(&mut gap, m2, m1);
                T::product(out, true, right.subrows(j2 * m2, m2), left.subcols(j1 * m1, m1));
                gaps += sum_of_squares(&gap);
            }
            (gaps, norms)
        };
        let sums: Vec<(f64, f64)> = (0..n1).into_par_iter().map(block).collect();
        let (gaps, norms) = sums.iter().fold((0.0, 0.0), |sum, x| (sum.0 + x.0, sum.1 + x.1));
        (gaps.sqrt(), norms.sqrt())
    }
}

/// In sixteen lanes; the squares neither overflow nor vanish.
fn sum_of_squares<T: Scalar>(x: &[T]) -> f64 {
    let mut sums = [0.0; 16];
    let chunks = x.chunks_exact(16);
    let last = chunks.remainder();
    for chunk in chunks.chain([last]) {
        sums.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += x.as_f64() * x.as_f64());
    }
    sums.iter().sum()
}

impl<T: Scalar> Operator<T> for RearrangedMatrix<'_, T> {
    fn shape(&self) -> (usize, usize) {
        (self.first.0 * self.first.1, self.second.0 * self.second.1)
    }
    fn apply(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        check_block(self.shape().1, b)?;
        check_finite("b", b)?;
        let out = self.product(b);
        check_overflow(out.as_ref())?;
        Ok(out)
    }
    fn apply_transpose(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        check_block(self.shape().0, b)?;
        check_finite("b", b)?;
        let out = self.transposed_product(b);
        check_overflow(out.as_ref())?;
        Ok(out)
    }
    fn to_dense(&self) -> Result<Mat<T>> {
        let ((m1, n1), (m2, n2)) = (self.first, self.second);
        let mut rows = Mat::zeros(m2 * n2, m1 * n1);
        for (j1, j2) in (0..n1).flat_map(|j1| (0..n2).map(move |j2| (j1, j2))) {
            let lane = self.lane(j1 * n2 + j2);
            let c = MatRef::from_column_major_slice(&lane, m2, m1);
            rows.as_mut().submatrix_mut(j2 * m2, j1 * m1, m2, m1).copy_from(c);
        }
        let rows = if self.in_order(1) { rows } else { self.outward(rows.transpose(), 1) };
        Ok(self.outward(rows.as_ref(), 0))
    }
    fn scaled_product(&self, b: MatRef<'_, T>, transposed: bool, shift: i32) -> Result<(Mat<T>, T)> {
        let copy = (shift != 0).then(|| scaled(b, -shift));
        let b = copy.as_ref().map_or(b, |copy| copy.as_ref());
        let out = if transposed { self.transposed_product(b) } else { self.product(b) };
        Ok((out, self.largest))
    }
    fn residual_norm(&self, left: MatRef<'_, T>, right: MatRef<'_, T>, shift: i32) -> Result<Option<f64>> {
        Ok(Some(self.residual(left, right, shift).0))
    }
}
