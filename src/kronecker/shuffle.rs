//! The perfect shuffle: the permutation that turns A (x) B into B (x) A.

use super::product::size;
use crate::operator::check_block;
use crate::{Operator, Result, Scalar};
use faer::{Mat, MatRef};

/// The permutation S = S_{p,q} (p q, p q) with S (a (x) b) = b (x) a for `a` of p and `b` of q
/// entries; an [`Operator`].
///
/// S turns a row-major matrix (p, q) into its transpose, in row-major order too. For A (m1, n1) and
/// B (m2, n2), S_{m1,m2} (A (x) B) S_{n1,n2}' = B (x) A (Van Loan 2000). S' = S^-1 = S_{q,p}.
///
/// ```
/// use lowrank::kronecker::PerfectShuffle;
/// let deck = PerfectShuffle::new(2, 4)?; // two halves of four cards
/// let order: Vec<usize> = (0..8).map(|k| deck.source(k)).collect();
/// assert_eq!(order, [0, 4, 1, 5, 2, 6, 3, 7]);
/// # lowrank::Result::Ok(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerfectShuffle {
    p: usize,
    q: usize,
}

impl PerfectShuffle {
    /// S_{p,q}.
    ///
    /// # Errors
    /// [`Error::TooLarge`](crate::Error::TooLarge) when p q is too large to be counted.
    pub fn new(p: usize, q: usize) -> Result<Self> {
        size([p, q].into_iter())?;
        Ok(Self { p, q })
    }
    /// S' = S^-1 = S_{q,p}.
    pub fn inverse(&self) -> Self {
        Self { p: self.q, q: self.p }
    }
    /// The number of places, p q.
    pub fn len(&self) -> usize {
        self.p * self.q
    }
    /// Whether there are no places.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The place in x of entry k of S x. Panics from p q on.
    pub fn source(&self, k: usize) -> usize {
        assert!(k < self.len(), "place {k} of {}", self.len());
        (k % self.p) * self.q + k / self.p
    }
    /// The place in S x of entry k of x. Panics from p q on.
    pub fn target(&self, k: usize) -> usize {
        self.inverse().source(k)
    }
}

impl<T: Scalar> Operator<T> for PerfectShuffle {
    fn shape(&self) -> (usize, usize) {
        (self.len(), self.len())
    }
    /// S b: a copy of the rows of `b` in their new order; entries are not looked at.
    fn apply(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        check_block(self.len(), b)?;
        Ok(Mat::from_fn(b.nrows(), b.ncols(), |i, j| b[(self.source(i), j)]))
    }
    fn apply_transpose(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        self.inverse().apply(b)
    }
}
