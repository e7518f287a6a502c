//! Low-rank adaptation: dW = B A (Hu et al., LoRA, 2021).

use super::parts::{joined, single};
use super::{Adapter, Delta, Parts};
use crate::{LowRank, Result, Scalar};
use faer::MatRef;

/// dW = B A with B (m, r) and A (r, n), parts `b` and `a`: r (m + n) numbers.
#[derive(Debug, Clone)]
pub struct Lora<T: Scalar> {
    parts: Parts<T>,
}

impl<T: Scalar> Lora<T> {
    /// The usual start: B = 0, entries of A of variance 1 / (3 n), as those of PyTorch's linear layers.
    ///
    /// # Errors
    /// [`Error::Rank`](crate::Error::Rank) for a rank of 0 or above min(m, n).
    pub fn new(shape: (usize, usize), rank: usize, seed: u64) -> Result<Self> {
        let (m, n) = shape;
        super::method::check_rank(rank, m.min(n))?;
        let parts = Parts::zeros(vec![single("b", m, rank), single("a", rank, n)]);
        Ok(Self { parts: parts.fill(1, (1.0 / (3.0 * n as f64)).sqrt(), seed) })
    }

    pub(super) fn from_parts(parts: Parts<T>) -> Result<Self> {
        let ([_, m, rank], [_, _, n]) = (parts.sizes(0), parts.sizes(1));
        parts.check(&[[1, m, rank], [1, rank, n]])?;
        super::method::check_rank(rank, m.min(n))?;
        Ok(Self { parts })
    }

    /// B = U, A = V' of an update that is known, for instance [`crate::layers::optimal_update`].
    ///
    /// # Errors
    /// As for [`Lora::new`]; [`Error::NonFinite`](crate::Error::NonFinite).
    pub fn from_factors(factors: &LowRank<T>) -> Result<Self> {
        crate::matrix::check_finite("u", factors.u.as_ref())?;
        crate::matrix::check_finite("v", factors.v.as_ref())?;
        let mut out = Self::new(factors.shape(), factors.rank(), 0)?;
        out.parts.set(0, 0, factors.u.as_ref());
        out.parts.set(1, 0, factors.v.transpose());
        Ok(out)
    }

    /// B, (m, r).
    pub fn b(&self) -> MatRef<'_, T> {
        self.parts.matrix(0)
    }
    /// A, (r, n).
    pub fn a(&self) -> MatRef<'_, T> {
        self.parts.matrix(1)
    }
}

impl<T: Scalar> Adapter<T> for Lora<T> {
    by_parts!("lora");
    fn shape(&self) -> (usize, usize) {
        (self.b().nrows(), self.a().ncols())
    }
    fn delta(&self) -> Delta<T> {
        Delta::LowRank(LowRank { u: self.b().to_owned(), v: self.a().transpose().to_owned() })
    }
    fn pull_back(&self, gradient: &Delta<T>) -> Vec<T> {
        let Delta::LowRank(LowRank { u, v }) = gradient else { unreachable!("the form of `delta`") };
        joined(&[u, &v.transpose().to_owned()])
    }
}
