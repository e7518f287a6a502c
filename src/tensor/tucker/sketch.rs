//! An unfolding that is applied in place, for randomized decompositions.

use super::basis::Kept;
use super::residual::distance;
use crate::matrix::{array_view, canonical_signs, max_norm, scale_by_power_of_two, scaled};
use crate::random::{fill_gaussian, stream};
use crate::svd::{self, Adaptive};
use crate::tensor::dense::{scale_up, zeros};
use crate::tensor::kernel::{expand, last, reduce};
use crate::tensor::triangle::triangle;
use crate::{Operator, Result, Scalar, Status};
use faer::{Mat, MatRef};
use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};
use rayon::prelude::*;

/// 2^-e times the unfolding (n, M) of a mode of a tensor, which is not empty.
pub(super) struct Unfolding<'a, T: Scalar> {
    /// With the mode as its last axis.
    a: ArrayViewD<'a, T>,
    e: i32,
}

impl<'a, T: Scalar> Unfolding<'a, T> {
    pub(super) fn new(a: ArrayViewD<'a, T>, mode: usize, e: i32) -> Self {
        let order = last(a.ndim(), mode);
        Self { a: a.permuted_axes(IxDyn(&order)), e }
    }

    /// Left singular vectors; `None` where the sketch would be nearly as large as the unfolding.
    pub(super) fn fixed(
        &self,
        rank: usize,
        oversampling: usize,
        power_iterations: usize,
        seed: u64,
    ) -> Result<Option<Kept<T>>> {
        if rank.saturating_add(oversampling) > self.most() {
            return Ok(None);
        }
        let width = rank + oversampling;
        let omega = self.gaussian(width, seed)?; // (.., width)
        let mut q = svd::orthonormal_basis(reduce(self.a.clone(), omega.view()))?; // (n, width)
        drop(omega);
        for _ in 0..power_iterations {
            let mut w = self.transposed(q.as_ref())?; // (.., width)
            orthonormalize(&mut w);
            scale_up(&mut w, -self.e, "sketch")?;
            q = svd::orthonormal_basis(reduce(self.a.clone(), w.view()))?;
        }
        let r = triangle(self.transposed(q.as_ref())?.view(), 0); // A'Q = P R
        let small = svd::dense(r)?;
        let mut left = Mat::zeros(q.nrows(), rank);
        T::product(left.as_mut(), false, q.as_ref(), small.v.subcols(0, rank));
        self.kept(left).map(Some)
    }

    /// As few left singular vectors, one at least, as leave no more than `limit` outside; `None`
    /// where nearly all of them are needed.
    pub(super) fn adaptive(
        &self,
        limit: f64,
        block: usize,
        power_iterations: usize,
        seed: u64,
    ) -> Result<Option<Kept<T>>> {
        let blocks = self.most() / block;
        if blocks == 0 {
            return Ok(None);
        }
        let norm = self.norm()?;
        let tolerance = if norm > 0.0 { (limit / norm).min(1.0) } else { 1.0 };
        let max_rank = Some(blocks * block);
        let parameters =
            Adaptive { tolerance, block, power_iterations, max_rank, seed, ..Default::default() };
        let found = svd::adaptive(self, &parameters)?;
        if found.report.status != Status::Converged {
            return Ok(None);
        }
        let kept = match found.svd.rank() {
            0 => self.fixed(1, block - 1, power_iterations, seed)?,
            _ => Some(self.kept(found.svd.u)?),
        };
        // The slack for rounding errors there is that of the longer side.
        let slack = self.shape().0 as f64 * T::EPS * norm;
        Ok(kept.filter(|kept| kept.tail <= limit + slack))
    }

    /// The largest width of a sketch that is worth it.
    fn most(&self) -> usize {
        let (n, m) = self.shape();
        (3 * n.min(m)).saturating_sub(1) / 4
    }

    /// 2^-e |A|_F.
    pub(super) fn norm(&self) -> Result<f64> {
        let mut shape = self.a.shape().to_vec();
        let mode = self.a.ndim() - 1;
        shape[mode] = 1;
        let nothing = Mat::zeros(self.shape().0, 1);
        let core = zeros(&shape, "a tensor of zeros")?;
        Ok(distance(&self.a, &core.view(), &[(mode, nothing.as_ref())], self.e)?.1)
    }

    fn kept(&self, mut left: Mat<T>) -> Result<Kept<T>> {
        let columns = left.ncols();
        canonical_signs(&mut left, &mut Mat::zeros(0, columns));
        let tail = self.distance(&left)?;
        Ok(Kept { left, tail })
    }

    /// Gaussian columns as a tensor (.., width), of size 2^-e; rows come from streams by blocks.
    fn gaussian(&self, width: usize, seed: u64) -> Result<ArrayD<T>> {
        let mut shape = self.a.shape().to_vec();
        shape[self.a.ndim() - 1] = width;
        let mut omega = zeros(&shape, "a sketch")?;
        let rows = omega.as_slice_mut().unwrap_or(&mut []);
        rows.par_chunks_mut(256 * width).enumerate().for_each(|(block, rows)| {
            fill_gaussian(&mut stream(seed, "randomized tucker sketch", block as u64), rows);
            if self.e != 0 {
                rows.iter_mut().for_each(|x| *x = scale_by_power_of_two(*x, -self.e));
            }
        });
        Ok(omega)
    }

    /// |A - U U'A|_F for orthonormal columns U (n, r).
    fn distance(&self, u: &Mat<T>) -> Result<f64> {
        let inside = self.transposed(u.as_ref())?; // (.., r)
        let mode = self.a.ndim() - 1;
        Ok(distance(&self.a, &inside.view(), &[(mode, u.as_ref())], self.e)?.0)
    }

    /// 2^-e A'q, as a tensor (.., l).
    fn transposed(&self, q: MatRef<'_, T>) -> Result<ArrayD<T>> {
        let mut shape = self.a.shape().to_vec();
        shape[self.a.ndim() - 1] = q.ncols();
        let mut out = zeros(&shape, "a product with a sketch")?;
        if q.ncols() > 0 {
            expand(out.view_mut(), self.a.clone(), scaled(q, -self.e).transpose());
        }
        Ok(out)
    }
}

/// Divides W (.., l), whose rows are in the last axis, by the triangle of its QR: orthonormal columns
/// up to eps times their condition, which is enough between two products with A. A column that
/// depends on those before it, to rounding, becomes zero.
fn orthonormalize<T: Scalar>(w: &mut ArrayD<T>) {
    let r = triangle(w.view(), 0); // (l, l)
    let l = r.ncols();
    let floor = T::of(l as f64 * T::EPS * max_norm(&r));
    let rows = w.as_slice_mut().unwrap_or(&mut []);
    rows.par_chunks_mut(l * 256).for_each(|rows| {
        for row in rows.chunks_exact_mut(l) {
            for j in 0..l {
                let column = r.col_as_slice(j);
                let inside: T = (0..j).map(|i| row[i] * column[i]).sum();
                let own = column[j];
                row[j] =
                    if num_traits::Float::abs(own) > floor { (row[j] - inside) / own } else { T::of(0.0) };
            }
        }
    });
}

impl<T: Scalar> Operator<T> for Unfolding<'_, T> {
    fn shape(&self) -> (usize, usize) {
        let n = self.a.len_of(Axis(self.a.ndim() - 1));
        (n, self.a.len() / n)
    }

    fn apply(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        if b.ncols() == 0 {
            return Ok(Mat::zeros(self.shape().0, 0));
        }
        let mut shape = self.a.shape().to_vec();
        shape[self.a.ndim() - 1] = b.ncols();
        let mut tensor = zeros(&shape, "a sketch")?;
        let entries = tensor.iter_mut().zip(array_view(b));
        entries.for_each(|(out, x)| *out = scale_by_power_of_two(*x, -self.e));
        Ok(reduce(self.a.clone(), tensor.view()))
    }

    fn apply_transpose(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        let out = self.transposed(b)?;
        let rows = self.shape().1;
        Ok(MatRef::from_row_major_slice(out.as_slice().unwrap_or(&[]), rows, b.ncols()).to_owned())
    }

    /// In pieces, so that a decomposition to a tolerance rests on the residual.
    fn residual_norm(&self, left: MatRef<'_, T>, right: MatRef<'_, T>, shift: i32) -> Result<Option<f64>> {
        let mut shape = self.a.shape().to_vec();
        let mode = self.a.ndim() - 1;
        shape[mode] = right.ncols();
        let mut tensor = zeros(&shape, "the right factor of a sketch")?;
        tensor.iter_mut().zip(array_view(right)).for_each(|(out, x)| *out = *x);
        let e = self.e + shift;
        Ok(Some(distance(&self.a, &tensor.view(), &[(mode, left)], e)?.0))
    }
}
