//! Kronecker products with a low-rank factor: dW = C (x) (D E) (Yeh et al., LyCORIS, 2023).

use super::parts::{joined, single};
use super::{Adapter, Delta, Parts};
use crate::{Result, Scalar};

/// dW = C (x) (D E) with C (m1, n1), D (m2, r), E (r, n2), parts `c`, `d`, `e`: m1 n1 + r (m2 + n2)
/// numbers.
#[derive(Debug, Clone)]
pub struct LoKr<T: Scalar> {
    parts: Parts<T>,
    shapes: [(usize, usize); 2],
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
        Ok(Self {
            parts: parts.fill(2, (1.0 / (3.0 * second.1 as f64)).sqrt(), seed),
            shapes: [first, second],
        })
    }
}

impl<T: Scalar> Adapter<T> for LoKr<T> {
    fn parts(&self) -> &Parts<T> {
        &self.parts
    }
    fn parts_mut(&mut self) -> &mut Parts<T> {
        &mut self.parts
    }
    fn shape(&self) -> (usize, usize) {
        let [a, b] = self.shapes;
        (a.0 * b.0, a.1 * b.1)
    }
    fn delta(&self) -> Delta<T> {
        Delta::Kronecker(vec![(self.parts.matrix(0).to_owned(), self.parts.matrix(1) * self.parts.matrix(2))])
    }
    fn pull_back(&self, gradient: &Delta<T>) -> Vec<T> {
        let Delta::Kronecker(terms) = gradient else { unreachable!("the form of `delta`") };
        let (dc, dq) = &terms[0];
        joined(&[dc, &(dq * self.parts.matrix(2).transpose()), &(self.parts.matrix(1).transpose() * dq)])
    }
    fn boxed(&self) -> Box<dyn Adapter<T>> {
        Box::new(self.clone())
    }
}
