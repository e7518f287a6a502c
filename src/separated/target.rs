//! What the alternating least squares of [`super::sweep`] fit: a stored tensor, a sum of Kronecker
//! products, or either less a fit of it. Only sizes p_i = m_i n_i are known here, no shapes.

use super::Separated;
use super::gram::{Pair, Sliced};
use crate::Scalar;
use crate::matrix::{frobenius, product_by_rows, scale_by_power_of_two, scaled};
use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;

/// `sum_k lambda_k v_k^(1) (x) ... (x) v_k^(d)`, v_k^(i) the unit column k of mode i (p_i, s).
#[derive(Debug, Clone)]
pub(crate) struct Terms<T: Scalar> {
    pub lambda: Vec<f64>,
    pub modes: Vec<Mat<T>>,
}

impl<T: Scalar> Terms<T> {
    pub fn zeros(sizes: &[usize]) -> Self {
        Self { lambda: Vec::new(), modes: sizes.iter().map(|&p| Mat::zeros(p, 0)).collect() }
    }
    /// The first `count` terms of `m` times 2^e.
    pub fn of(m: &Separated<T>, count: usize, e: i32) -> Self {
        let count = count.min(m.separation_rank());
        let lambda = m.lambda()[..count].iter().map(|x| scale_by_power_of_two(x.as_f64(), e)).collect();
        let modes = m.modes().iter().map(|mode| mode.subcols(0, count).to_owned()).collect();
        Self { lambda, modes }
    }
    /// The number of terms.
    pub fn len(&self) -> usize {
        self.lambda.len()
    }
    fn sliced(&self) -> Sliced {
        Sliced::new(self.lambda.clone(), &self.modes)
    }
    /// gamma, accurate to |lambda|_2 eps / |X|_F.
    pub fn condition_number(&self) -> f64 {
        gamma(&self.lambda, self.sliced().square())
    }
    /// These terms and those of `other`.
    pub fn joined(mut self, other: Self) -> Self {
        self.lambda.extend(other.lambda);
        let join = |(a, b): (Mat<T>, Mat<T>)| {
            Mat::from_fn(a.nrows(), a.ncols() + b.ncols(), |i, k| {
                if k < a.ncols() { a[(i, k)] } else { b[(i, k - a.ncols())] }
            })
        };
        self.modes = self.modes.into_iter().zip(other.modes).map(join).collect();
        self
    }
}

/// sqrt(sum lambda^2) / |X|_F, 1 for no terms.
fn gamma(lambda: &[f64], square: Pair) -> f64 {
    if lambda.is_empty() { 1.0 } else { lambda.iter().map(|x| x * x).sum::<f64>().sqrt() / square.root() }
}

/// A tensor A (p_1, ..., p_d) that can be fitted by [`Terms`].
pub(crate) trait Target<T: Scalar>: Sync {
    /// p_1, ..., p_d.
    fn sizes(&self) -> &[usize];
    /// |A|_F.
    fn norm(&self) -> f64;
    /// `sum A[i_1, ..., i_d] prod_{j != mode} V_j[i_j, k]` (p_mode, s): the unfolding of `mode` times
    /// the Khatri-Rao product of the other modes.
    ///
    /// Asked for modes 0, 1, ..., d - 1 in turn: what was computed for one serves the next, so
    /// modes before `mode` may have changed since mode 0, and later ones may not.
    fn mttkrp(&mut self, mode: usize, modes: &[Mat<T>]) -> Mat<T>;
    /// |A - X|_F, from the residual.
    fn error(&self, x: &Terms<T>) -> f64;
}

/// A stored tensor, first index fastest.
///
/// Modes are cut into a first and a second half. Each half is contracted with the Khatri-Rao
/// product of the other by one matrix product a sweep (4 N s flops for both, N entries), from which
/// each mode of the half follows by O(s sqrt(N)) operations.
pub(crate) struct Stored<T: Scalar> {
    sizes: Vec<usize>,
    /// (product of the sizes of the first half, of the second)
    tensor: Mat<T>,
    cut: usize,
    norm: f64,
    /// The contraction of the half at work: (product of its sizes, s).
    partial: Mat<T>,
}

impl<T: Scalar> Stored<T> {
    /// The tensor whose entries, first index fastest, are `entries` times 2^-e, of moderate size.
    pub fn new(sizes: Vec<usize>, entries: &[T], e: i32) -> Self {
        let rows = |cut: usize| sizes[..cut].iter().product::<usize>();
        let total = entries.len();
        let cut = (1..sizes.len()).min_by_key(|&cut| rows(cut) + total / rows(cut).max(1)).unwrap_or(1);
        let rows = rows(cut);
        let cols = total.checked_div(rows).unwrap_or(0);
        let tensor = scaled(MatRef::from_column_major_slice(entries, rows, cols), -e);
        let norm = frobenius(&tensor);
        Self { sizes, tensor, cut, norm, partial: Mat::new() }
    }
}

impl<T: Scalar> Target<T> for Stored<T> {
    fn sizes(&self) -> &[usize] {
        &self.sizes
    }
    fn norm(&self) -> f64 {
        self.norm
    }
    fn mttkrp(&mut self, mode: usize, modes: &[Mat<T>]) -> Mat<T> {
        let (first, s) = (mode < self.cut, modes[mode].ncols());
        let (range, others) =
            if first { (0..self.cut, self.cut..modes.len()) } else { (self.cut..modes.len(), 0..self.cut) };
        if mode == range.start {
            let product = khatri_rao(&modes[others], s);
            let tensor = if first { self.tensor.as_ref() } else { self.tensor.transpose() };
            self.partial = Mat::zeros(tensor.nrows(), product.ncols());
            product_by_rows(self.partial.as_mut(), tensor, product.as_ref());
        }
        let before = khatri_rao(&modes[range.start..mode], s); // (left, s)
        let after = khatri_rao(&modes[mode + 1..range.end], s); // (right, s)
        contract(self.partial.as_ref(), before.as_ref(), self.sizes[mode], after.as_ref())
    }
    fn error(&self, x: &Terms<T>) -> f64 {
        let mut left = khatri_rao(&x.modes[..self.cut], x.len()); // (rows, s)
        let right = khatri_rao(&x.modes[self.cut..], x.len()); // (cols, s)
        for (k, &lambda) in x.lambda.iter().enumerate() {
            left.col_as_slice_mut(k).iter_mut().for_each(|x| *x = T::of(x.as_f64() * lambda));
        }
        let (rows, cols) = self.tensor.shape();
        let width = 65_536_usize.div_ceil(rows.max(1)).clamp(1, cols.max(1));
        let block = |b: usize| {
            let range = b * width..(b * width + width).min(cols);
            let mut residual = Mat::zeros(rows, range.len());
            T::product(
                residual.as_mut(),
                false,
                left.as_ref(),
                right.as_ref().subrows(range.start, range.len()).transpose(),
            );
            residual -= self.tensor.as_ref().subcols(range.start, range.len());
            frobenius(&residual).powi(2)
        };
        let sums: Vec<f64> = (0..cols.div_ceil(width)).into_par_iter().map(block).collect();
        sums.into_iter().sum::<f64>().sqrt()
    }
}

/// The columnwise Kronecker products, first mode fastest: (product of the rows, s); ones (1, s) of
/// no modes.
fn khatri_rao<T: Scalar>(modes: &[Mat<T>], s: usize) -> Mat<T> {
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
/// `before` (left, s) and of `after` (right, s).
fn contract<T: Scalar>(
    partial: MatRef<'_, T>,
    before: MatRef<'_, T>,
    p: usize,
    after: MatRef<'_, T>,
) -> Mat<T> {
    let s = partial.ncols();
    let mut out = Mat::zeros(p, s);
    let column = |k: usize, mut out: MatMut<'_, T>| {
        let (before, after) = (before.subcols(k, 1), after.subcols(k, 1));
        let (left, right) = (before.nrows(), after.nrows());
        let Some(values) = partial.col(k).try_as_col_major() else { return };
        let tensor = MatRef::from_column_major_slice(values.as_slice(), left * p, right);
        let mut matrix = Mat::zeros(left * p, 1);
        T::product(matrix.as_mut(), false, tensor, after);
        let matrix = MatRef::from_column_major_slice(matrix.col_as_slice(0), left, p);
        T::product(out.as_mut(), false, matrix.transpose(), before);
    };
    out.as_mut().par_col_chunks_mut(1).enumerate().for_each(|(k, out)| column(k, out));
    out
}

/// A sum of Kronecker products.
///
/// With the products C_j (S, s) of its modes with those of the fit, mode i needs the Hadamard
/// product of all C_j but C_i: that of the later ones is known from the start of a sweep, that of
/// the earlier ones grows. A sweep costs 6 S s sum p_i flops and 2 d S s others.
pub(super) struct Sum<T: Scalar> {
    sizes: Vec<usize>,
    terms: Terms<T>,
    sliced: Sliced,
    square: Pair,
    /// lambda times the products of the modes before the one asked last.
    earlier: Mat<T>,
    /// The products of the modes after i, for each i.
    later: Vec<Mat<T>>,
}

impl<T: Scalar> Sum<T> {
    /// Of `terms` of moderate lambda.
    pub fn new(terms: Terms<T>) -> Self {
        let sizes = terms.modes.iter().map(|mode| mode.nrows()).collect();
        let sliced = terms.sliced();
        let square = sliced.square();
        Self { sizes, terms, sliced, square, earlier: Mat::new(), later: Vec::new() }
    }

    pub fn terms(&self) -> &Terms<T> {
        &self.terms
    }
    /// Its gamma.
    pub fn condition_number(&self) -> f64 {
        gamma(&self.terms.lambda, self.square)
    }

    /// The inner products (S, s) of the columns of mode i.
    fn products(&self, i: usize, mode: &Mat<T>) -> Mat<T> {
        let own = &self.terms.modes[i];
        let mut out = Mat::zeros(own.ncols(), mode.ncols());
        product_by_rows(out.as_mut(), own.transpose(), mode.as_ref());
        out
    }
}

impl<T: Scalar> Target<T> for Sum<T> {
    fn sizes(&self) -> &[usize] {
        &self.sizes
    }
    fn norm(&self) -> f64 {
        self.square.root()
    }
    fn mttkrp(&mut self, mode: usize, modes: &[Mat<T>]) -> Mat<T> {
        let (d, s) = (modes.len(), modes[mode].ncols());
        if mode == 0 {
            self.earlier = Mat::from_fn(self.terms.len(), s, |k, _| T::of(self.terms.lambda[k]));
            let mut product = Mat::from_fn(self.terms.len(), s, |_, _| T::of(1.0));
            self.later = vec![Mat::new(); d];
            for i in (1..d).rev() {
                let next = hadamard(self.products(i, &modes[i]), &product);
                self.later[i] = std::mem::replace(&mut product, next);
            }
            self.later[0] = product;
        } else {
            self.earlier = hadamard(self.products(mode - 1, &modes[mode - 1]), &self.earlier);
        }
        let weights = hadamard(std::mem::replace(&mut self.later[mode], Mat::new()), &self.earlier);
        let mut out = Mat::zeros(self.sizes[mode], s);
        product_by_rows(out.as_mut(), self.terms.modes[mode].as_ref(), weights.as_ref());
        out
    }
    fn error(&self, x: &Terms<T>) -> f64 {
        let x = x.sliced();
        Pair::distance(self.square, self.sliced.inner(&x), x.square())
    }
}

/// A target less the terms X.
pub(super) struct Less<'a, T: Scalar> {
    target: &'a mut dyn Target<T>,
    x: Sum<T>,
    norm: f64,
    sizes: Vec<usize>,
}

impl<'a, T: Scalar> Less<'a, T> {
    /// `norm` is |A - X|_F.
    pub fn new(target: &'a mut dyn Target<T>, x: Terms<T>, norm: f64) -> Self {
        let sizes = target.sizes().to_vec();
        Self { target, x: Sum::new(x), norm, sizes }
    }
}

impl<T: Scalar> Target<T> for Less<'_, T> {
    fn sizes(&self) -> &[usize] {
        &self.sizes
    }
    fn norm(&self) -> f64 {
        self.norm
    }
    fn mttkrp(&mut self, mode: usize, modes: &[Mat<T>]) -> Mat<T> {
        self.target.mttkrp(mode, modes) - self.x.mttkrp(mode, modes)
    }
    fn error(&self, y: &Terms<T>) -> f64 {
        self.target.error(&self.x.terms.clone().joined(y.clone()))
    }
}

pub(super) fn hadamard<T: Scalar>(mut a: Mat<T>, b: &Mat<T>) -> Mat<T> {
    for k in 0..a.ncols() {
        a.col_as_slice_mut(k).iter_mut().zip(b.col_as_slice(k)).for_each(|(a, b)| *a *= *b);
    }
    a
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
