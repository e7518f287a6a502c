//! Kronecker adaptation: dW = A (x) B (Edalati et al., KronA, 2022).

use super::parts::{joined, single};
use super::{Adapter, Delta, Parts};
use crate::{Result, Scalar};

/// dW = A (x) B with A (m1, n1), B (m2, n2), parts `a` and `b`: m1 n1 + m2 n2 numbers.
#[derive(Debug, Clone)]
pub struct KronA<T: Scalar> {
    parts: Parts<T>,
}

impl<T: Scalar> KronA<T> {
    /// The start: B = 0, entries of A of variance 1 / n1.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) for factors without entries;
    /// [`Error::TooLarge`](crate::Error::TooLarge).
    pub fn new(a: (usize, usize), b: (usize, usize), seed: u64) -> Result<Self> {
        super::method::check_pair(a, b)?;
        let parts = Parts::zeros(vec![single("a", a.0, a.1), single("b", b.0, b.1)]);
        Ok(Self { parts: parts.fill(0, (1.0 / a.1 as f64).sqrt(), seed) })
    }

    pub(super) fn from_parts(parts: Parts<T>) -> Result<Self> {
        let ([_, m1, n1], [_, m2, n2]) = (parts.sizes(0), parts.sizes(1));
        parts.check(&[[1, m1, n1], [1, m2, n2]])?;
        super::method::check_pair((m1, n1), (m2, n2))?;
        Ok(Self { parts })
    }
}

impl<T: Scalar> Adapter<T> for KronA<T> {
    by_parts!("kron-a");
    fn shape(&self) -> (usize, usize) {
        let (a, b) = (self.parts.matrix(0), self.parts.matrix(1));
        (a.nrows() * b.nrows(), a.ncols() * b.ncols())
    }
    fn delta(&self) -> Delta<T> {
        Delta::Kronecker(vec![(self.parts.matrix(0).to_owned(), self.parts.matrix(1).to_owned())])
    }
    fn pull_back(&self, gradient: &Delta<T>) -> Vec<T> {
        let Delta::Kronecker(terms) = gradient else { unreachable!("the form of `delta`") };
        joined(&[&terms[0].0, &terms[0].1])
    }
}
