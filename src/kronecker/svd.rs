//! The singular value decomposition of a Kronecker product, from those of its factors.
//!
//! **Problem.** A = M1 (x) ... (x) Md: its singular triplets, largest first, as many as wanted.
//!
//! **Method.** With Mk = Uk Sk Vk' the triplets of A are the products of one triplet of each factor
//! (Van Loan 2000). They are listed best first from a heap; singular vectors are Kronecker products
//! of columns, made on demand.
//!
//! **Cost.** The dense SVDs of the factors, O(sum m_k n_k min(m_k, n_k)); k triplets then cost
//! O(k d^2 log k) time and O(k d^2) memory, whatever the size of A.
//!
//! **Guarantee.** The triplets come in the order of their values, ties by index. Values are products
//! of the factors' to (d + 2) eps relative, so each has an error of about
//! eps sum_k n_k (s_1 / s_{i_k})(Mk) relative to itself: values far below eps times the largest are
//! right where those of the factors are. Those that are zero because factors are not square
//! (rows over columns in one, columns over rows in another) are not listed.
//!
//! **Deviations.** Of equal values any basis is right; the one given is that of the products.

use super::best_first::BestFirst;
use super::block::overflow;
use super::product::{Kronecker, size};
use super::wide::Wide;
use crate::matrix::{canonical_signs, check_memory};
use crate::svd::{Svd, dense};
use crate::{Error, Result, Scalar};
use faer::Mat;

/// Longest list of products made by [`KroneckerSvd::count_above`].
const LONGEST: usize = 1 << 24;

/// The singular value decomposition of a Kronecker product, kept as those of its factors.
#[derive(Debug, Clone)]
pub struct KroneckerSvd<T: Scalar> {
    factors: Vec<Svd<T>>,
}

impl<T: Scalar> Kronecker<T> {
    /// The singular value decomposition, kept as those of the factors.
    ///
    /// # Errors
    /// [`Error::Parameter`] when the largest singular value of a factor or of the product exceeds the
    /// largest number.
    ///
    /// ```
    /// use lowrank::{faer::mat, kronecker::Kronecker};
    /// let a = Kronecker::new(vec![mat![[2.0, 0.0], [0.0, 1.0]], mat![[3.0, 0.0], [0.0, 5.0]]])?;
    /// let values: Vec<f64> = a.svd()?.triplets().map(|(s, _)| s).collect();
    /// assert!(values.iter().zip([10.0, 6.0, 5.0, 3.0]).all(|(s, exact)| (s - exact).abs() < 1e-14));
    /// # lowrank::Result::Ok(())
    /// ```
    pub fn svd(&self) -> Result<KroneckerSvd<T>> {
        let factors = self.factors().iter().map(dense).collect::<Result<_>>()?;
        let svd = KroneckerSvd { factors };
        if svd.triplets().next().is_some_and(|(s, _)| !num_traits::Float::is_finite(s)) {
            return Err(overflow());
        }
        Ok(svd)
    }
}

impl<T: Scalar> KroneckerSvd<T> {
    /// The decompositions of the factors.
    pub fn factors(&self) -> &[Svd<T>] {
        &self.factors
    }

    /// How many triplets there are: the product of the min(m_k, n_k), at most min(m, n).
    ///
    /// # Errors
    /// [`Error::TooLarge`] never, since the sides of the product were counted.
    pub fn count(&self) -> Result<usize> {
        size(self.factors.iter().map(|f| f.s.len()))
    }

    /// The singular values, largest first, each with the index of its triplet in every factor.
    /// Lazy: take as many as you want.
    pub fn triplets(&self) -> impl Iterator<Item = (T, Vec<usize>)> + '_ {
        let sizes = self.factors.iter().map(|f| f.s.len()).collect();
        BestFirst::new(sizes, |index: &[usize]| self.wide(index)).map(|i| (T::of(self.wide(&i).value()), i))
    }

    fn wide(&self, index: &[usize]) -> Wide {
        Wide::product(self.factors.iter().zip(index).map(|(f, &i)| f.s[i].as_f64()))
    }

    /// The left singular vector of an index, (m, 1), as a Kronecker product of columns. Panics where
    /// there is no such triplet.
    pub fn left(&self, index: &[usize]) -> Kronecker<T> {
        columns(index, self.factors.iter().map(|f| &f.u))
    }
    /// The right singular vector of an index, (n, 1). Panics where there is no such triplet.
    pub fn right(&self, index: &[usize]) -> Kronecker<T> {
        columns(index, self.factors.iter().map(|f| &f.v))
    }

    /// How many singular values of the product are above `threshold` times the largest, counted
    /// without listing them: the factors are split in two groups, whose products are sorted and
    /// matched. O(g log g) time and O(g) memory, g the larger number of triplets of a group; g is
    /// near the root of their number for factors of one size.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a threshold outside [0, 1); [`Error::TooLarge`] when a group has more
    /// than 2^24 products that can be part of one above the threshold.
    pub fn count_above(&self, threshold: f64) -> Result<usize> {
        if !(0.0..1.0).contains(&threshold) {
            let remedy = "pass a number from 0 to below 1";
            return Err(Error::Parameter { name: "threshold", value: threshold.to_string(), remedy });
        }
        let sizes: Vec<f64> = self.factors.iter().map(|f| f.s.len() as f64).collect();
        let larger = |k: usize| sizes[..k].iter().product::<f64>().max(sizes[k..].iter().product());
        let cut = (0..=sizes.len()).min_by(|a, b| larger(*a).total_cmp(&larger(*b))).unwrap_or(0);
        let limit = largest(&self.factors).times(Wide::of(threshold));
        // Products that stay at or below the limit whatever they are multiplied with are dropped.
        let products = |of: &[Svd<T>], others: &[Svd<T>]| {
            let mut all = vec![Wide::ONE];
            for (k, factor) in of.iter().enumerate() {
                let rest = largest(&of[k + 1..]).times(largest(others));
                let longer = all.iter().flat_map(|x| factor.s.iter().map(|s| x.times(Wide::of(s.as_f64()))));
                all = longer.filter(|x| x.times(rest) > limit).take(LONGEST + 1).collect();
                if all.len() > LONGEST {
                    return Err(Error::TooLarge {
                        what: "the list of singular values",
                        bytes: larger(cut) * size_of::<Wide>() as f64,
                        remedy: "raise the threshold, or list the leading triplets",
                    });
                }
            }
            all.sort_unstable_by(|a, b| b.cmp(a));
            Ok(all)
        };
        let (left, right) = self.factors.split_at(cut);
        let (left, right) = (products(left, right)?, products(right, left)?);
        // As the left value falls, fewer of the right ones make a product above the limit.
        let mut fitting = right.len();
        Ok(left
            .iter()
            .map(|x| {
                while fitting > 0 && x.times(right[fitting - 1]) <= limit {
                    fitting -= 1;
                }
                fitting
            })
            .sum())
    }

    /// The leading `rank` triplets with dense vectors: the best approximation of that rank.
    /// O((m + n) rank).
    ///
    /// # Errors
    /// [`Error::Rank`] when there are fewer triplets; [`Error::TooLarge`] when the vectors do not fit
    /// in the address space.
    pub fn truncated(&self, rank: usize) -> Result<Svd<T>> {
        let largest = self.count()?;
        if rank > largest {
            return Err(Error::Rank { rank, largest });
        }
        let m = size(self.factors.iter().map(|f| f.u.nrows()))?;
        let n = size(self.factors.iter().map(|f| f.v.nrows()))?;
        let remedy = "take singular vectors one by one, as their factors";
        check_memory::<T>("the singular vectors", (m as f64 + n as f64) * rank as f64, remedy)?;
        let (mut u, mut v) = (Mat::zeros(m, rank), Mat::zeros(n, rank));
        let mut s = Vec::with_capacity(rank);
        for (j, (value, index)) in self.triplets().take(rank).enumerate() {
            s.push(value);
            u.col_as_slice_mut(j).copy_from_slice(&vector(&self.left(&index)));
            v.col_as_slice_mut(j).copy_from_slice(&vector(&self.right(&index)));
        }
        canonical_signs(&mut u, &mut v);
        Ok(Svd { u, s, v })
    }
}

/// The largest singular value of the product of some factors.
fn largest<T: Scalar>(of: &[Svd<T>]) -> Wide {
    Wide::product(of.iter().map(|f| f.s.first().map_or(0.0, |s| s.as_f64())))
}

/// The Kronecker product of the columns that an index tells.
pub(super) fn columns<'a, T: Scalar>(
    index: &[usize],
    of: impl ExactSizeIterator<Item = &'a Mat<T>>,
) -> Kronecker<T> {
    assert_eq!(index.len(), of.len(), "one index a factor is needed");
    let columns = of.zip(index).map(|(a, &i)| a.col(i).as_mat().to_owned()).collect();
    Kronecker::new(columns).expect("columns of sides that were counted before")
}

/// The entries of a Kronecker product of columns.
fn vector<T: Scalar>(columns: &Kronecker<T>) -> Vec<T> {
    columns.factors().iter().fold(vec![T::of(1.0)], |all, column| {
        all.iter().flat_map(|x| column.col_as_slice(0).iter().map(|y| *x * *y)).collect()
    })
}
