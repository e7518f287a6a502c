//! A tensor train that sums of Kronecker products are fitted to.

use super::target::{Target, Terms};
use crate::matrix::product_by_rows;
use crate::{Result, Scalar, TensorTrain};
use faer::{Mat, MatRef};
use ndarray::Array3;

/// A tensor train A of ranks r.
///
/// The contraction of its cores with the modes of the fit from the right is known from the start of a
/// sweep, that from the left grows. A sweep costs 4 r^2 s sum p_i flops; the error, from the triangles of
/// the difference as a train, about 4 (r + s)^3 sum p_i.
pub(super) struct Train<T: Scalar> {
    train: TensorTrain<T>,
    sizes: Vec<usize>,
    norm: f64,
    /// The cores before the mode asked last, contracted: (r, s).
    earlier: Mat<T>,
    /// Each core times the contraction of those after it: (r p, s), mode fastest.
    later: Vec<Mat<T>>,
}

impl<T: Scalar> Train<T> {
    /// Of a train of moderate norm.
    pub fn new(train: TensorTrain<T>) -> Result<Self> {
        let (sizes, norm) = (train.shape(), train.norm()?);
        Ok(Self { train, sizes, norm, earlier: Mat::new(), later: Vec::new() })
    }
}

impl<T: Scalar> Target<T> for Train<T> {
    fn sizes(&self) -> &[usize] {
        &self.sizes
    }
    fn norm(&self) -> f64 {
        self.norm
    }
    fn mttkrp(&mut self, mode: usize, modes: &[Mat<T>]) -> Mat<T> {
        let (cores, s) = (self.train.cores(), modes[mode].ncols());
        let ones = || Mat::from_fn(1, s, |_, _| T::of(1.0));
        if mode == 0 {
            self.later = vec![Mat::new(); cores.len()];
            let mut right = ones(); // (r, s)
            for (i, core) in cores.iter().enumerate().rev() {
                let (l, n, r) = core.dim();
                let mut product = Mat::zeros(l * n, s);
                product_by_rows(product.as_mut(), matrix(core, l * n, r), right.as_ref());
                right = contracted(&product, &modes[i], l, |a, m| a * n + m);
                self.later[i] = product;
            }
            self.earlier = ones();
        } else {
            let core = &cores[mode - 1];
            let (l, n, r) = core.dim();
            let mut product = Mat::zeros(n * r, s);
            product_by_rows(product.as_mut(), matrix(core, l, n * r).transpose(), self.earlier.as_ref());
            self.earlier = contracted(&product, &modes[mode - 1], r, |b, m| m * r + b);
        }
        let n = self.sizes[mode];
        contracted(&self.later[mode], &self.earlier, n, |m, a| a * n + m)
    }
    fn error(&self, x: &Terms<T>) -> f64 {
        if x.len() == 0 {
            return self.norm;
        }
        // The terms as a train with diagonal cores.
        let (d, s) = (x.modes.len(), x.len());
        let core = |(i, mode): (usize, &Mat<T>)| {
            let (l, r) = (if i == 0 { 1 } else { s }, if i + 1 == d { 1 } else { s });
            let mut core = Array3::zeros((l, mode.nrows(), r));
            for k in 0..s {
                let lambda = if i == 0 { x.lambda[k] } else { 1.0 };
                for (m, v) in mode.col_as_slice(k).iter().enumerate() {
                    core[(k % l, m, k % r)] += T::of(lambda * v.as_f64());
                }
            }
            core
        };
        let other = TensorTrain::new(x.modes.iter().enumerate().map(core).collect());
        other.and_then(|x| self.train.distance(&x)).unwrap_or(f64::INFINITY)
    }
}

/// The entries of a core as a matrix, row by row.
fn matrix<T: Scalar>(core: &Array3<T>, m: usize, n: usize) -> MatRef<'_, T> {
    MatRef::from_row_major_slice(core.as_slice().unwrap_or(&[]), m, n)
}

/// Row i, column k of the result (rows, s): the sum over j of `product[(at(i, j), k)] weights[(j, k)]`.
fn contracted<T: Scalar>(
    product: &Mat<T>,
    weights: &Mat<T>,
    rows: usize,
    at: impl Fn(usize, usize) -> usize,
) -> Mat<T> {
    let mut out = Mat::zeros(rows, product.ncols());
    for k in 0..product.ncols() {
        let (product, weights) = (product.col_as_slice(k), weights.col_as_slice(k));
        for (i, out) in out.col_as_slice_mut(k).iter_mut().enumerate() {
            *out = weights.iter().enumerate().map(|(j, w)| product[at(i, j)] * *w).sum();
        }
    }
    out
}
