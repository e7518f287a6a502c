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

use super::delta::product;
use super::parts::{joined, single};
use super::{Adapter, Delta, Parts};
use crate::matrix::AsMatrix;
use crate::svd::{Rank, truncated};
use crate::{Error, LowRank, Result, Scalar};
use faer::{Mat, MatRef};

/// dW = U (D + X Y) V' with fixed U (m, r), V (n, r); parts `x`, `y` and, where D is trained, `d` (r, 1).
#[derive(Debug, Clone)]
pub struct SvdLora<T: Scalar> {
    parts: Parts<T>,
    u: Mat<T>,
    s: Mat<T>, // (r, 1)
    v: Mat<T>,
}

impl<T: Scalar> SvdLora<T> {
    /// The adapter, which stands beside the truncated weight U S V' ([`Adapter::base`]). The start: X = 0,
    /// D = 0, entries of Y of variance 1 / r.
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
    ) -> Result<Self> {
        let w = w.as_matrix();
        super::method::check_rank(rank, w.nrows().min(w.ncols()))?;
        super::method::check_rank(inner_rank, rank)?;
        let svd = truncated(w, Rank::Fixed(rank))?;
        let mut parts = vec![single("x", rank, inner_rank), single("y", inner_rank, rank)];
        if with_values {
            parts.push(single("d", rank, 1));
        }
        let parts = Parts::zeros(parts).fill(1, (1.0 / rank as f64).sqrt(), seed);
        let s = Mat::from_fn(rank, 1, |i, _| svd.s[i]);
        Ok(Self { parts, u: svd.u, s, v: svd.v })
    }

    /// From its numbers and [`Adapter::fixed`].
    pub(super) fn from_parts(parts: Parts<T>, [u, s, v]: [Mat<T>; 3]) -> Result<Self> {
        let ([_, rank, inner], (m, n)) = (parts.sizes(0), (u.nrows(), v.nrows()));
        let sizes = [[1, rank, inner], [1, inner, rank], [1, rank, 1]];
        parts.check(&sizes[..parts.iter().count()])?;
        super::method::check_rank(rank, m.min(n))?;
        super::method::check_rank(inner, rank)?;
        if u.ncols() != rank || s.shape() != (rank, 1) || v.ncols() != rank {
            let expected = format!("u, s and v with {rank} columns, rows and columns are needed");
            return Err(Error::Shape {
                argument: "arrays",
                expected,
                found: vec![u.ncols(), s.nrows(), v.ncols()],
            });
        }
        Ok(Self { parts, u, s, v })
    }

    fn with_values(&self) -> bool {
        self.parts.iter().count() > 2
    }
}

impl<T: Scalar> Adapter<T> for SvdLora<T> {
    by_parts!();
    fn name(&self) -> &'static str {
        if self.with_values() { "svd-lora-with-values" } else { "svd-lora" }
    }
    fn fixed(&self) -> Vec<(&'static str, MatRef<'_, T>)> {
        vec![("u", self.u.as_ref()), ("s", self.s.as_ref()), ("v", self.v.as_ref())]
    }
    fn base(&self, _: MatRef<'_, T>) -> Mat<T> {
        let scaled = Mat::from_fn(self.u.nrows(), self.s.nrows(), |i, j| self.u[(i, j)] * self.s[(j, 0)]);
        product(scaled.as_ref(), self.v.transpose())
    }
    fn shape(&self) -> (usize, usize) {
        (self.u.nrows(), self.v.nrows())
    }
    fn delta(&self) -> Delta<T> {
        let (x, y, u, v) = (self.parts.matrix(0), self.parts.matrix(1), self.u.as_ref(), self.v.as_ref());
        Delta::LowRank(match self.with_values() {
            false => LowRank { u: product(u, x), v: product(v, y.transpose()) },
            true => {
                let mut middle = product(x, y); // (r, r)
                let d = self.parts.matrix(2);
                (0..middle.nrows()).for_each(|i| middle[(i, i)] += d[(i, 0)]);
                LowRank { u: self.u.clone(), v: product(v, middle.transpose()) }
            }
        })
    }
    fn pull_back(&self, gradient: &Delta<T>) -> Vec<T> {
        let Delta::LowRank(LowRank { u: du, v: dv }) = gradient else { unreachable!("the form of `delta`") };
        let (x, y, u, v) = (self.parts.matrix(0), self.parts.matrix(1), self.u.as_ref(), self.v.as_ref());
        if !self.with_values() {
            return joined(&[&product(u.transpose(), du.as_ref()), &product(dv.transpose(), v)]);
        }
        let middle = product(dv.transpose(), v); // (r, r): U itself is fixed
        let d = Mat::from_fn(middle.nrows(), 1, |i, _| middle[(i, i)]);
        joined(&[&product(middle.as_ref(), y.transpose()), &product(x.transpose(), middle.as_ref()), &d])
    }
}
