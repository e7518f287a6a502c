//! Eigendecompositions of Kronecker products and Kronecker sums of symmetric factors.
//!
//! **Problem.** A = M1 (x) ... (x) Md, or A = M1 (+) ... (+) Md, of symmetric factors: its
//! eigenvalues in order, and f(A) b for a function f of the eigenvalues.
//!
//! **Method.** With Mk = Vk Lk Vk' the matrix V = V1 (x) ... (x) Vd diagonalises both, and the
//! eigenvalues are the products, or the sums, of one eigenvalue of each factor (Van Loan 2000). They
//! are listed best first from a heap; f(A) b = V f(L) V' b, one mode after the other.
//!
//! **Cost.** The eigendecompositions of the factors, O(sum n_k^3); k eigenvalues then cost
//! O(k d^2 log k); f(A) b costs 4 N l sum n_k flops for b (N, l), and memory 3 N l numbers.
//!
//! **Guarantee.** The decompositions of the factors are verified, see
//! [`symmetric_eigen`](crate::svd::symmetric_eigen()); f(A) b has an error of about
//! eps sum_k n_k max |f| |b|. Bits do not depend on the number of threads.
//!
//! **Deviations.** None.

use super::best_first::BestFirst;
use super::block::{Block, overflow, with_power};
use super::product::{Kronecker, size};
use super::sum::KroneckerSum;
use super::svd::columns;
use super::wide::Wide;
use crate::matrix::{AsMatrix, check_memory, exponent, scale_by_power_of_two};
use crate::operator::stored_product;
use crate::svd::{Eigen, symmetric_eigen};
use crate::{Error, Result, Scalar};
use faer::{Mat, MatRef};
use std::cmp::Reverse;

/// The eigendecomposition of a Kronecker product or sum of symmetric factors, kept as theirs.
#[derive(Debug, Clone)]
pub struct KroneckerEigen<T: Scalar> {
    factors: Vec<Eigen<T>>,
    sum: bool,
}

/// Where to start in the order of eigenvalues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Largest first.
    Descending,
    /// Smallest first.
    Ascending,
}

impl<T: Scalar> Kronecker<T> {
    /// The eigendecomposition, for symmetric factors. Its eigenvalues are ordered by magnitude.
    ///
    /// # Errors
    /// [`Error::Shape`] when a factor is not square; [`Error::Parameter`] when one is not symmetric, or
    /// an eigenvalue exceeds the largest number.
    pub fn symmetric_eigen(&self) -> Result<KroneckerEigen<T>> {
        self.square_factors()?;
        KroneckerEigen::new(self.factors(), false)
    }
}

impl<T: Scalar> KroneckerSum<T> {
    /// The eigendecomposition, for symmetric factors. Its eigenvalues are ordered by value.
    ///
    /// # Errors
    /// [`Error::Parameter`] when a factor is not symmetric, or an eigenvalue exceeds the largest
    /// number.
    ///
    /// ```
    /// use lowrank::{faer::mat, kronecker::{KroneckerSum, Order}};
    /// let second = mat![[2.0, -1.0], [-1.0, 2.0]]; // eigenvalues 1 and 3
    /// let e = KroneckerSum::new(vec![second; 20])?.symmetric_eigen()?; // (2^20, 2^20)
    /// let (smallest, _) = e.pairs(Order::Ascending).next().unwrap();
    /// assert!((smallest - 20.0_f64).abs() < 1e-12);
    /// # lowrank::Result::Ok(())
    /// ```
    pub fn symmetric_eigen(&self) -> Result<KroneckerEigen<T>> {
        KroneckerEigen::new(self.factors(), true)
    }
}

impl<T: Scalar> KroneckerEigen<T> {
    fn new(factors: &[Mat<T>], sum: bool) -> Result<Self> {
        let eigen = |(k, f): (usize, &Mat<T>)| symmetric_eigen(f).map_err(|e| e.within(k));
        let factors = factors.iter().enumerate().map(eigen).collect::<Result<_>>()?;
        let all = Self { factors, sum };
        let finite = |order| all.pairs(order).next().is_none_or(|(x, _)| num_traits::Float::is_finite(x));
        if finite(Order::Ascending) && finite(Order::Descending) { Ok(all) } else { Err(overflow()) }
    }

    /// The decompositions of the factors.
    pub fn factors(&self) -> &[Eigen<T>] {
        &self.factors
    }

    /// The eigenvalues, by magnitude for a product and by value for a sum, each with the index of
    /// its eigenvalue in every factor. Lazy: take as many as you want.
    pub fn pairs(&self, order: Order) -> Box<dyn Iterator<Item = (T, Vec<usize>)> + '_> {
        let orders: Vec<Vec<usize>> = self
            .factors
            .iter()
            .map(|f| {
                let mut places: Vec<usize> = (0..f.values.len()).collect();
                if !self.sum {
                    places
                        .sort_by(|a, b| f.values[*a].as_f64().abs().total_cmp(&f.values[*b].as_f64().abs()));
                }
                if order == Order::Descending {
                    places.reverse();
                }
                places
            })
            .collect();
        let sizes = orders.iter().map(Vec::len).collect();
        let index =
            move |place: &[usize]| -> Vec<usize> { place.iter().zip(&orders).map(|(p, o)| o[*p]).collect() };
        let pair = |index: Vec<usize>| (self.value(&index), index);
        let key = index.clone();
        let down = order == Order::Descending;
        let found: Box<dyn Iterator<Item = Vec<usize>> + '_> = match (self.sum, down) {
            (true, true) => Box::new(BestFirst::new(sizes, move |p: &[usize]| Total(self.sum_of(&key(p))))),
            (true, false) => {
                Box::new(BestFirst::new(sizes, move |p: &[usize]| Reverse(Total(self.sum_of(&key(p))))))
            }
            (false, true) => Box::new(BestFirst::new(sizes, move |p: &[usize]| self.magnitude(&key(p)))),
            (false, false) => {
                Box::new(BestFirst::new(sizes, move |p: &[usize]| Reverse(self.magnitude(&key(p)))))
            }
        };
        Box::new(found.map(move |p| pair(index(&p))))
    }

    fn one<'a>(&'a self, index: &'a [usize]) -> impl Iterator<Item = f64> + 'a {
        self.factors.iter().zip(index).map(|(f, &i)| f.values[i].as_f64())
    }
    fn sum_of(&self, index: &[usize]) -> f64 {
        self.one(index).sum()
    }
    fn magnitude(&self, index: &[usize]) -> Wide {
        Wide::product(self.one(index))
    }

    /// The eigenvalue of an index. Panics where there is none.
    pub fn value(&self, index: &[usize]) -> T {
        assert_eq!(index.len(), self.factors.len(), "one index a factor is needed");
        if self.sum {
            return T::of(self.sum_of(index));
        }
        let negative = self.one(index).filter(|x| *x < 0.0).count() % 2 == 1;
        let size = self.magnitude(index).value();
        T::of(if negative { -size } else { size })
    }

    /// The eigenvector of an index, (N, 1), as a Kronecker product of columns. Panics where there is
    /// none.
    pub fn vector(&self, index: &[usize]) -> Kronecker<T> {
        columns(index, self.factors.iter().map(|f| &f.vectors))
    }

    /// f(A) b = V f(L) V' b for `b` (N, l): the solution of A x = b with f(x) = 1 / x, of the shifted
    /// (A + s I) x = b with 1 / (x + s), the exponential, powers, roots.
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::NonFinite`] for `b`; [`Error::Parameter`] when `f` of an
    /// eigenvalue is not finite (1 / 0 for a singular A) or the result overflows;
    /// [`Error::TooLarge`].
    ///
    /// ```
    /// use lowrank::{Operator, faer::mat, kronecker::KroneckerSum};
    /// let a = mat![[2.0, -1.0], [-1.0, 2.0]];
    /// let laplacian = KroneckerSum::new(vec![a.clone(), a])?;
    /// let b = mat![[1.0], [0.0], [0.0], [2.0]];
    /// let x = laplacian.symmetric_eigen()?.apply_function(&b, |l| 1.0 / l)?;
    /// let residual = laplacian.apply(x.as_ref())? - &b;
    /// assert!(residual.norm_max() < 1e-15);
    /// # lowrank::Result::Ok(())
    /// ```
    pub fn apply_function(&self, b: impl AsMatrix<T>, f: impl Fn(f64) -> f64) -> Result<Mat<T>> {
        let sizes = self.factors.iter().map(|f| f.values.len()).collect();
        let mut block = Block::new(b.as_matrix(), sizes)?;
        let weights = self.mapped_values(f)?;
        for (k, factor) in self.factors.iter().enumerate() {
            block.multiply(k, factor.vectors.transpose())?;
        }
        block.weigh(&weights)?;
        for (k, factor) in self.factors.iter().enumerate() {
            block.multiply(k, factor.vectors.as_ref())?;
        }
        block.into_matrix()
    }

    /// The trace of f(A), the sum of f over all N eigenvalues; with f(x) = ln(x + s) the
    /// log-determinant of A + s I. O(N) time and memory.
    ///
    /// # Errors
    /// [`Error::Parameter`] when `f` of an eigenvalue is not finite; [`Error::TooLarge`].
    pub fn trace_function(&self, f: impl Fn(f64) -> f64) -> Result<f64> {
        Ok(self.mapped_values(f)?.iter().sum())
    }

    /// f of all eigenvalues in row-major order of their indices.
    fn mapped_values(&self, f: impl Fn(f64) -> f64) -> Result<Vec<f64>> {
        let count = size(self.factors.iter().map(|f| f.values.len()))?;
        let remedy = "list the leading eigenvalues instead";
        check_memory::<f64>("the list of eigenvalues", 2.0 * count as f64, remedy)?;
        let (mut all, mut power) = (vec![if self.sum { 0.0 } else { 1.0 }], 0);
        for factor in &self.factors {
            let largest = factor.values.iter().map(|x| x.as_f64().abs()).fold(0.0, f64::max);
            let e = if self.sum { 0 } else { exponent(largest) };
            power += e;
            let values: Vec<f64> =
                factor.values.iter().map(|x| scale_by_power_of_two(x.as_f64(), -e)).collect();
            let longer =
                all.iter().flat_map(|x| values.iter().map(move |y| if self.sum { x + y } else { x * y }));
            all = longer.collect();
        }
        for x in &mut all {
            let value = scale_by_power_of_two(*x, power);
            *x = f(value);
            if !x.is_finite() {
                return Err(Error::Parameter {
                    name: "f",
                    value: format!("f({value:e}) = {x}"),
                    remedy: "f of every eigenvalue must be finite: for 1 / x the matrix must not be singular",
                });
            }
        }
        Ok(all)
    }
}

impl<T: Scalar> KroneckerSum<T> {
    /// exp(t A) = exp(t M1) (x) ... (x) exp(t Md), for symmetric factors. O(sum n_k^3).
    ///
    /// # Errors
    /// [`Error::NonFinite`] when `t` is; [`Error::Parameter`] when a factor is not symmetric or an
    /// exponential overflows.
    pub fn symmetric_exponential(&self, t: T) -> Result<Kronecker<T>> {
        crate::matrix::check_finite_slice("t", &[t])?;
        let factors = self.symmetric_eigen()?.factors;
        Kronecker::new(factors.iter().map(|f| exponential(f, t)).collect::<Result<_>>()?)
    }
}

/// V exp(t L) V'.
fn exponential<T: Scalar>(eigen: &Eigen<T>, t: T) -> Result<Mat<T>> {
    let exponents: Vec<f64> = eigen.values.iter().map(|x| x.as_f64() * t.as_f64()).collect();
    let top = exponents.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    // Powers of two apart, since exp(top) may be out of range where no entry is.
    let e = if top.is_finite() { (top / std::f64::consts::LN_2).clamp(-1e6, 1e6).round() as i32 } else { 0 };
    let weight = |j: usize| T::of((exponents[j] - f64::from(e) * std::f64::consts::LN_2).exp());
    let v: MatRef<'_, T> = eigen.vectors.as_ref();
    let weighted = Mat::from_fn(v.nrows(), v.ncols(), |i, j| weight(j) * v[(i, j)]);
    let mut out = stored_product(weighted.as_ref(), v.transpose(), false);
    with_power(&mut out, e)?;
    Ok(out)
}

/// Numbers in their total order.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Total(f64);
impl Eq for Total {}
impl Ord for Total {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}
impl PartialOrd for Total {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
