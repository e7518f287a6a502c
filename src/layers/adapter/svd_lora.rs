//! A small trained matrix between the leading singular vectors of a weight.
//!
//! **Problem.** W ~ U (S + X Y) V' with the r leading singular vectors U (m, r), V (n, r) and values S of W
//! kept as they are, X (r, r') and Y (r', r) trained, optionally S too.
//!
//! **Method.** The frozen weight is U S V'; the update is U X (V Y')' of rank r', or U (D + X Y) V' of
//! rank r where D, the change of S, is trained.
//!
//! **Cost.** One SVD at the start; 2 r r' numbers, r more with S; 2 r r' (m + n) flops a step.
//!
//! **Guarantee.** At the start the layer's weight is U S V', which differs from W by s_{r+1} in the
//! spectral norm.
//!
//! **Deviations.** The source gives X the shape (m, r') and Y (r', n), which do not fit its formula.

use super::parts::{joined, single};
use super::{Adapter, Delta, Parts};
use crate::matrix::AsMatrix;
use crate::svd::{Rank, truncated};
use crate::{LowRank, Result, Scalar};
use faer::Mat;

/// dW = U (D + X Y) V' with fixed U (m, r), V (n, r); parts `x`, `y` and, where D is trained, `d` (r, 1).
#[derive(Debug, Clone)]
pub struct SvdLora<T: Scalar> {
    parts: Parts<T>,
    u: Mat<T>,
    v: Mat<T>,
    with_values: bool,
}

impl<T: Scalar> SvdLora<T> {
    /// The adapter and the truncated weight U S V' (m, n) beside which it stands. The start: X = 0, D = 0,
    /// entries of Y of variance 1 / r.
    ///
    /// # Errors
    /// [`Error::NonFinite`](crate::Error::NonFinite); [`Error::Rank`](crate::Error::Rank) for a rank of 0 or
    /// above min(m, n), or an inner rank of 0 or above r.
    pub fn new(
        w: impl AsMatrix<T>,
        rank: usize,
        inner_rank: usize,
        with_values: bool,
        seed: u64,
    ) -> Result<(Mat<T>, Self)> {
        let w = w.as_matrix();
        super::method::check_rank(rank, w.nrows().min(w.ncols()))?;
        super::method::check_rank(inner_rank, rank)?;
        let svd = truncated(w, Rank::Fixed(rank))?;
        let scaled = Mat::from_fn(svd.u.nrows(), svd.s.len(), |i, j| svd.u[(i, j)] * svd.s[j]);
        let base = &scaled * svd.v.transpose();
        let mut parts = vec![single("x", rank, inner_rank), single("y", inner_rank, rank)];
        if with_values {
            parts.push(single("d", rank, 1));
        }
        let parts = Parts::zeros(parts).fill(1, (1.0 / rank as f64).sqrt(), seed);
        Ok((base, Self { parts, u: svd.u, v: svd.v, with_values }))
    }
}

impl<T: Scalar> Adapter<T> for SvdLora<T> {
    fn parts(&self) -> &Parts<T> {
        &self.parts
    }
    fn parts_mut(&mut self) -> &mut Parts<T> {
        &mut self.parts
    }
    fn shape(&self) -> (usize, usize) {
        (self.u.nrows(), self.v.nrows())
    }
    fn delta(&self) -> Delta<T> {
        let (x, y) = (self.parts.matrix(0), self.parts.matrix(1));
        Delta::LowRank(match self.with_values {
            false => LowRank { u: &self.u * x, v: &self.v * y.transpose() },
            true => {
                let mut middle = x * y; // (r, r)
                let d = self.parts.matrix(2);
                (0..middle.nrows()).for_each(|i| middle[(i, i)] += d[(i, 0)]);
                LowRank { u: self.u.clone(), v: &self.v * middle.transpose() }
            }
        })
    }
    fn pull_back(&self, gradient: &Delta<T>) -> Vec<T> {
        let Delta::LowRank(LowRank { u: du, v: dv }) = gradient else { unreachable!("the form of `delta`") };
        let (x, y) = (self.parts.matrix(0), self.parts.matrix(1));
        if !self.with_values {
            let (dx, dy) = (self.u.transpose() * du, (self.v.transpose() * dv).transpose().to_owned());
            return joined(&[&dx, &dy]);
        }
        let middle = (self.v.transpose() * dv).transpose().to_owned(); // (r, r): U itself is fixed
        let d = Mat::from_fn(middle.nrows(), 1, |i, _| middle[(i, i)]);
        joined(&[&(&middle * y.transpose()), &(x.transpose() * &middle), &d])
    }
    fn boxed(&self) -> Box<dyn Adapter<T>> {
        Box::new(self.clone())
    }
}
