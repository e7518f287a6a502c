//! Sums of Kronecker products with low-rank second factors: dW = sum_k A_k (x) (U_k V_k) (He et al.,
//! Parameter-efficient model adaptation for vision transformers, 2023).
//!
//! **Method.** With a_kj column j of A_k, A_k (x) (U_k V_k) = sum_j (a_kj (x) U_k) (e_j (x) V_k')', so that dW = L R'
//! with L = [a_kj (x) U_k] (m, t^2 r) and R = [e_j (x) V_k'] (n, t^2 r): it is applied as an update of rank t^2 r.
//!
//! **Cost.** For N samples 2 N t^2 r (m + n) flops to apply, twice that to pull a gradient back. The Kronecker terms one
//! by one, U_k V_k as matrices, would take 2 N m (n + t^2) to apply, as much as the weight itself.
//!
//! **Deviations.** The source shares the A_k among all layers; here each layer has its own.

use super::parts::joined;
use super::{Adapter, Delta, Part, Parts};
use crate::{Error, LowRank, Result, Scalar};
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
        let (m, n) = self.shape();
        let ([terms, m2, rank], n2) = (self.parts.sizes(1), self.parts.sizes(2)[2]);
        let (mut u, mut v) = (Mat::zeros(m, terms * terms * rank), Mat::zeros(n, terms * terms * rank));
        for (at, (k, j, l)) in columns(terms, rank).enumerate() {
            let [a, left, right] = [0, 1, 2].map(|part| self.parts.term(part, k));
            for i in 0..terms {
                let block = &mut u.col_as_slice_mut(at)[i * m2..(i + 1) * m2];
                block.iter_mut().enumerate().for_each(|(row, x)| *x = a[(i, j)] * left[(row, l)]);
            }
            let block = &mut v.col_as_slice_mut(at)[j * n2..(j + 1) * n2];
            block.iter_mut().enumerate().for_each(|(row, x)| *x = right[(l, row)]);
        }
        Delta::LowRank(LowRank { u, v })
    }
    fn pull_back(&self, gradient: &Delta<T>) -> Vec<T> {
        let Delta::LowRank(LowRank { u, v }) = gradient else { unreachable!("the form of `delta`") };
        let ([terms, m2, rank], n2) = (self.parts.sizes(1), self.parts.sizes(2)[2]);
        let zeros = |rows, cols| vec![Mat::<T>::zeros(rows, cols); terms];
        let (mut da, mut dleft, mut dright) = (zeros(terms, terms), zeros(m2, rank), zeros(rank, n2));
        for (at, (k, j, l)) in columns(terms, rank).enumerate() {
            let (a, left) = (self.parts.term(0, k), self.parts.term(1, k));
            for i in 0..terms {
                let block = &u.col_as_slice(at)[i * m2..(i + 1) * m2];
                for (row, x) in block.iter().enumerate() {
                    da[k][(i, j)] += *x * left[(row, l)];
                    dleft[k][(row, l)] += *x * a[(i, j)];
                }
            }
            let block = &v.col_as_slice(at)[j * n2..(j + 1) * n2];
            block.iter().enumerate().for_each(|(row, x)| dright[k][(l, row)] += *x);
        }
        joined(&da.iter().chain(&dleft).chain(&dright).collect::<Vec<_>>())
    }
}

/// The term, the column of A and the column of U that each column of L is made of.
fn columns(terms: usize, rank: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..terms).flat_map(move |k| (0..terms).flat_map(move |j| (0..rank).map(move |l| (k, j, l))))
}
