//! Sums of Kronecker products with low-rank second factors: dW = sum_k A_k (x) (U_k V_k) (He et al.,
//! Parameter-efficient model adaptation for vision transformers, 2023).
//!
//! **Deviations.** The source shares the A_k among all layers; here each layer has its own.

use super::delta::product;
use super::parts::joined;
use super::{Adapter, Delta, Part, Parts};
use crate::{Error, Result, Scalar};
use faer::Mat;

/// dW = sum_k A_k (x) (U_k V_k), k = 1, ..., t, with A_k (t, t), U_k (m / t, r), V_k (r, n / t), parts `a`,
/// `u`, `v`: t^3 + r (m + n) numbers.
#[derive(Debug, Clone)]
pub struct KAdaptation<T: Scalar> {
    parts: Parts<T>,
}

impl<T: Scalar> KAdaptation<T> {
    /// The start: V = 0, entries of A of variance 1 / t^2, of U of variance 1 / r.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a t that does not divide m and n; [`Error::Rank`] for a rank of 0 or
    /// above min(m, n) / t.
    pub fn new(shape: (usize, usize), terms: usize, rank: usize, seed: u64) -> Result<Self> {
        let (m, n) = shape;
        if terms == 0 || !m.is_multiple_of(terms) || !n.is_multiple_of(terms) {
            let remedy = "the number of terms must divide both sides of the weight";
            return Err(Error::Parameter { name: "terms", value: terms.to_string(), remedy });
        }
        let (m2, n2) = (m / terms, n / terms);
        super::method::check_rank(rank, m2.min(n2))?;
        let part = |name, rows, cols| Part { name, terms, rows, cols };
        let parts = vec![part("a", terms, terms), part("u", m2, rank), part("v", rank, n2)];
        let parts = Parts::zeros(parts).fill(0, 1.0 / terms as f64, seed);
        Ok(Self { parts: parts.fill(1, (1.0 / rank as f64).sqrt(), seed) })
    }

    pub(super) fn from_parts(parts: Parts<T>) -> Result<Self> {
        let ([terms, ..], [_, m2, rank], [_, _, n2]) = (parts.sizes(0), parts.sizes(1), parts.sizes(2));
        parts.check(&[[terms, terms, terms], [terms, m2, rank], [terms, rank, n2]])?;
        super::method::check_pair((terms, terms), (m2, n2))?;
        super::method::check_rank(rank, m2.min(n2))?;
        Ok(Self { parts })
    }
}

impl<T: Scalar> Adapter<T> for KAdaptation<T> {
    by_parts!("k-adaptation");
    fn shape(&self) -> (usize, usize) {
        let ([terms, ..], [_, m2, _], [_, _, n2]) =
            (self.parts.sizes(0), self.parts.sizes(1), self.parts.sizes(2));
        (terms * m2, terms * n2)
    }
    fn delta(&self) -> Delta<T> {
        let term = |k: usize| {
            (self.parts.term(0, k).to_owned(), product(self.parts.term(1, k), self.parts.term(2, k)))
        };
        Delta::Kronecker((0..self.parts.sizes(0)[0]).map(term).collect())
    }
    fn pull_back(&self, gradient: &Delta<T>) -> Vec<T> {
        let Delta::Kronecker(terms) = gradient else { unreachable!("the form of `delta`") };
        let da: Vec<&Mat<T>> = terms.iter().map(|term| &term.0).collect();
        let with_v = |(k, term): (usize, &(Mat<T>, Mat<T>))| {
            product(term.1.as_ref(), self.parts.term(2, k).transpose())
        };
        let with_u = |(k, term): (usize, &(Mat<T>, Mat<T>))| {
            product(self.parts.term(1, k).transpose(), term.1.as_ref())
        };
        let du: Vec<Mat<T>> = terms.iter().enumerate().map(with_v).collect();
        let dv: Vec<Mat<T>> = terms.iter().enumerate().map(with_u).collect();
        joined(&da.into_iter().chain(&du).chain(&dv).collect::<Vec<_>>())
    }
}
