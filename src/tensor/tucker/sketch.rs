//! An unfolding that is applied in place, for randomized decompositions.

use super::basis::Kept;
use super::residual::distance;
use crate::matrix::{array_view, canonical_signs, scale_by_power_of_two, scaled};
use crate::svd::{self, Adaptive, Randomized, Svd};
use crate::tensor::dense::zeros;
use crate::tensor::kernel::{expand, last, reduce};
use crate::{Operator, Result, Scalar, Status};
use faer::{Mat, MatRef};
use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};

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
        let parameters = Randomized { oversampling, power_iterations, seed, ..Default::default() };
        self.kept(svd::randomized(self, rank, &parameters)?).map(Some)
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
            _ => Some(self.kept(found.svd)?),
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

    fn kept(&self, found: Svd<T>) -> Result<Kept<T>> {
        let Svd { u: mut left, v: mut right, .. } = found;
        canonical_signs(&mut left, &mut right);
        let tail = self.distance(&left)?;
        Ok(Kept { left, tail })
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
        let entries = tensor.iter_mut().zip(array_view(b).into_iter());
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
