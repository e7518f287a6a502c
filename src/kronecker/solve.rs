//! Linear systems and least squares with a Kronecker product.
//!
//! **Problem.** A = M1 (x) ... (x) Md (m, n) and B (m, l): X with A X = B, or the X of least norm
//! that minimises |A X - B|_F.
//!
//! **Method.** Factor after factor along its mode: elimination with partial pivoting for square ones;
//! for least squares the pseudo-inverses V S^+ U' from the factors' SVDs, since
//! A^+ = M1^+ (x) ... (x) Md^+ (Van Loan 2000).
//!
//! **Cost.** solve: sum 2/3 n_k^3 + 2 N l sum n_k flops, N = n_1 ... n_d; least squares: the SVDs of
//! the factors and about 4 l times the largest intermediate block times the sum of sides. Memory: two
//! blocks.
//!
//! **Guarantee.** Each factor's systems are solved backward stably, so the relative error is of the
//! order of eps sum_k n_k cond(Mk), not of the condition of the product; bits do not depend on the
//! number of threads. A factor whose pivot is nothing but rounding errors is an error; one that is
//! only ill-conditioned is not: see [`Kronecker::condition_number`].
//!
//! **Deviations.** None.

use super::algebra::{cut, rank_of};
use super::block::Block;
use super::lu::Lu;
use super::product::{Kronecker, size};
use super::wide::Wide;
use crate::matrix::{AsMatrix, exponent, scale_by_power_of_two};
use crate::svd::{Svd, dense, singular_values};
use crate::{Result, Scalar};
use faer::{Mat, MatMut, MatRef};

impl<T: Scalar> Kronecker<T> {
    /// The solution X (N, l) of A X = B, for square factors.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) when a factor is not square (A is then singular or not
    /// square: take [`Kronecker::least_squares`]) or `b` has not N rows;
    /// [`Error::NonFinite`](crate::Error::NonFinite) for `b`;
    /// [`Error::Parameter`](crate::Error::Parameter), naming the factor, when one is singular to
    /// working precision, or when the result overflows.
    ///
    /// ```
    /// use lowrank::{faer::mat, kronecker::Kronecker};
    /// let a = Kronecker::new(vec![mat![[2.0, 0.0], [0.0, 4.0]], mat![[0.0, 1.0], [1.0, 0.0]]])?;
    /// let x = a.solve(mat![[2.0], [4.0], [8.0], [12.0]])?;
    /// assert_eq!(x, mat![[2.0], [1.0], [3.0], [2.0]]);
    /// # lowrank::Result::Ok(())
    /// ```
    pub fn solve(&self, b: impl AsMatrix<T>) -> Result<Mat<T>> {
        self.square_factors()?;
        let mut block = Block::new(b.as_matrix(), self.factors().iter().map(|f| f.nrows()).collect())?;
        for (k, factor) in self.factors().iter().enumerate() {
            let (lu, n) = (Lu::of(factor.as_ref()), factor.nrows());
            lu.check(k)?;
            block.map_mode(k, n, |x: MatRef<'_, T>, out: MatMut<'_, T>| lu.solve(x, out))?;
            block.shift(-lu.exponent);
        }
        block.into_matrix()
    }

    /// The X (n, l) of least Frobenius norm among those that minimise |A X - B|_F, for factors of any
    /// shape and rank. Singular values of factor k at or below `tolerance` times its largest count as
    /// zero; `None` is max(m_k, n_k) eps, as in [`Kronecker::rank`].
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) when `b` has not m rows;
    /// [`Error::NonFinite`](crate::Error::NonFinite) for `b`;
    /// [`Error::Parameter`](crate::Error::Parameter) for a tolerance outside [0, 1) or when the result
    /// overflows; [`Error::TooLarge`](crate::Error::TooLarge) when a block does not fit in the address
    /// space.
    ///
    /// ```
    /// use lowrank::{faer::mat, kronecker::Kronecker};
    /// let a = Kronecker::new(vec![mat![[1.0], [1.0]], mat![[2.0]]])?; // (2, 1)
    /// let x = a.least_squares(mat![[1.0], [3.0]], None)?;
    /// assert!((x[(0, 0)] - 1.0_f64).abs() < 1e-15);
    /// # lowrank::Result::Ok(())
    /// ```
    pub fn least_squares(&self, b: impl AsMatrix<T>, tolerance: Option<f64>) -> Result<Mat<T>> {
        let mut block = Block::new(b.as_matrix(), self.factors().iter().map(|f| f.nrows()).collect())?;
        let inverses: Vec<Reciprocal<T>> =
            self.factors().iter().map(|f| Reciprocal::of(f, tolerance)).collect::<Result<_>>()?;
        for (k, inverse) in inverses.iter().enumerate() {
            block.multiply(k, inverse.left.transpose())?;
            block.shift(inverse.exponent);
        }
        for (k, inverse) in inverses.iter().enumerate() {
            block.multiply(k, inverse.right.as_ref())?;
        }
        block.into_matrix()
    }

    /// The ratio of the largest singular value to the smallest, of min(m, n): the product of the
    /// factors' condition numbers. Infinite for a matrix that is not of full rank, or where the ratio
    /// exceeds the largest number; 1 for an empty one.
    ///
    /// # Errors
    /// Those of [`singular_values`].
    pub fn condition_number(&self) -> Result<f64> {
        let (m, n) = self.shape();
        let values: Vec<Vec<T>> = self.factors().iter().map(singular_values).collect::<Result<_>>()?;
        if m.min(n) == 0 {
            return Ok(1.0);
        }
        if size(values.iter().map(Vec::len))? < m.min(n) {
            return Ok(f64::INFINITY); // sides that are not the shorter ones in all factors
        }
        let end = |s: Option<&T>| Wide::of(s.map_or(0.0, |s| s.as_f64()));
        let (mut ratio, mut singular) = (Wide::ONE, false);
        for s in &values {
            let smallest = end(s.last());
            singular |= smallest.is_zero();
            if !singular {
                ratio = ratio.times(end(s.first()).over(smallest));
            }
        }
        Ok(if singular { f64::INFINITY } else { ratio.value() })
    }
}

/// The pseudo-inverse `2^exponent right left'` of a factor.
struct Reciprocal<T: Scalar> {
    left: Mat<T>,
    right: Mat<T>,
    exponent: i32,
}

impl<T: Scalar> Reciprocal<T> {
    fn of(factor: &Mat<T>, tolerance: Option<f64>) -> Result<Self> {
        let cut = cut(factor, tolerance)?;
        let svd = dense(factor)?;
        let rank = rank_of(&svd.s, cut);
        let Svd { mut u, s, v } = svd.truncate(rank);
        let e = s.last().map_or(0, |s| exponent(*s)); // the largest reciprocal becomes 1 or less
        for (j, s) in s.iter().enumerate() {
            let weight = T::of(1.0 / scale_by_power_of_two(s.as_f64(), -e));
            u.col_as_slice_mut(j).iter_mut().for_each(|x| *x *= weight);
        }
        Ok(Self { left: u, right: v, exponent: -e })
    }
}
