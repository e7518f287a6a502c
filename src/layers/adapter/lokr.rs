//! Kronecker products with a low-rank factor: dW = C (x) (D E) (Yeh et al., LyCORIS, 2023).

use super::delta::product;
use super::parts::{joined, single};
use super::{Adapter, Delta, Parts};
use crate::{Result, Scalar};

/// dW = C (x) (D E) with C (m1, n1), D (m2, r), E (r, n2), parts `c`, `d`, `e`: m1 n1 + r (m2 + n2)
/// numbers.
#[derive(Debug, Clone)]
pub struct LoKr<T: Scalar> {
    parts: Parts<T>,
}

impl<T: Scalar> LoKr<T> {
    /// The start: C = 0, entries of D of variance 1 / r, of E of variance 1 / (3 n2).
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for factors without entries;
    /// [`Error::Rank`](crate::Error::Rank) for a rank of 0 or above min(m2, n2);
    /// [`Error::TooLarge`](crate::Error::TooLarge).
    pub fn new(first: (usize, usize), second: (usize, usize), rank: usize, seed: u64) -> Result<Self> {
        super::method::check_pair(first, second)?;
        super::method::check_rank(rank, second.0.min(second.1))?;
        let parts =
            vec![single("c", first.0, first.1), single("d", second.0, rank), single("e", rank, second.1)];
        let parts = Parts::zeros(parts).fill(1, (1.0 / rank as f64).sqrt(), seed);
        Ok(Self { parts: parts.fill(2, (1.0 / (3.0 * second.1 as f64)).sqrt(), seed) })
    }

    pub(super) fn from_parts(parts: Parts<T>) -> Result<Self> {
        let ([_, m1, n1], [_, m2, rank], [_, _, n2]) = (parts.sizes(0), parts.sizes(1), parts.sizes(2));
        parts.check(&[[1, m1, n1], [1, m2, rank], [1, rank, n2]])?;
        super::method::check_pair((m1, n1), (m2, n2))?;
        super::method::check_rank(rank, m2.min(n2))?;
        Ok(Self { parts })
    }
}

impl<T: Scalar> Adapter<T> for LoKr<T> {
    by_parts!("lo-kr");
    fn shape(&self) -> (usize, usize) {
        let [c, d, e] = [0, 1, 2].map(|i| self.parts.matrix(i));
        (c.nrows() * d.nrows(), c.ncols() * e.ncols())
    }
    fn delta(&self) -> Delta<T> {
        Delta::Kronecker(vec![(
            self.parts.matrix(0).to_owned(),
            product(self.parts.matrix(1), self.parts.matrix(2)),
        )])
    }
    fn pull_back(&self, gradient: &Delta<T>) -> Vec<T> {
        let Delta::Kronecker(terms) = gradient else { unreachable!("the form of `delta`") };
        let (dc, dq) = &terms[0];
        let [d, e] = [1, 2].map(|i| self.parts.matrix(i).transpose());
        joined(&[dc, &product(dq.as_ref(), e), &product(d, dq.as_ref())])
    }
}
