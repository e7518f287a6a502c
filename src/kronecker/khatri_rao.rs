//! Khatri-Rao products: column by column the Kronecker product of the factors.
//!
//! **Problem.** Factors Mk (m_k, r): the matrix M1 (.) ... (.) Md (m_1 ... m_d, r) whose column j is
//! `M1[:, j] (x) ... (x) Md[:, j]`, dense, or in products without forming it.
//!
//! **Method.** The factors are split in two groups, as even as their order allows, with dense
//! products L (m_L, r) and R (m_R, r). Column c of (M1 (.) ... (.) Md) Y is R diag(Y[:, c]) L' read
//! column by column, and row j of the transposed product with X is the quadratic form
//! R[:, j]' X_c L[:, j]: matrix products both (Bader, Kolda, Efficient MATLAB computations with
//! sparse and factored tensors, SIAM J. Sci. Comput. 30, 2007). The Gram matrix is the Hadamard
//! product of the factors' Gram matrices.
//!
//! **Cost.** 2 M r l flops for a block of l columns, M = m_1 ... m_d, and (m_L + m_R) r numbers of
//! memory beside the result; the Gram matrix costs 2 r^2 sum m_k flops.
//!
//! **Guarantee.** Products differ by at most 4 (inner dimension + d) eps times the products of norms
//! from exact ones. Columns of any scale: each is scaled by a power of two first. Bits do not depend
//! on the number of threads.
//!
//! **Deviations.** None.

use super::block::{overflow, with_power};
use super::product::size;
use super::wide::signed_product;
use crate::matrix::{
    check_finite, check_memory, exponent, largest_finite, max_norm, product_into, scale_by_power_of_two,
};
use crate::operator::check_block;
use crate::{Error, Operator, Result, Scalar};
use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;

const FACTORED: &str = "keep it as its factors";

/// The column-wise product M1 (.) ... (.) Md (M, r) of factors Mk (m_k, r), kept as its factors; an
/// [`Operator`].
///
/// ```
/// use lowrank::{Operator, faer::mat, kronecker::KhatriRao};
/// let k = KhatriRao::new(vec![mat![[1.0, 2.0], [3.0, 4.0]], mat![[5.0, 6.0]]])?;
/// assert_eq!(k.to_dense()?, mat![[5.0, 12.0], [15.0, 24.0]]);
/// assert_eq!(k.apply(mat![[1.0], [1.0]].as_ref())?, mat![[17.0], [39.0]]);
/// # lowrank::Result::Ok(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct KhatriRao<T: Scalar> {
    factors: Vec<Mat<T>>,
    shape: (usize, usize),
    /// Exponents of the columns, all factors together.
    exponents: Vec<i32>,
}

impl<T: Scalar> KhatriRao<T> {
    /// The product of `factors`, first one slowest. O(parameters).
    ///
    /// # Errors
    /// [`Error::Shape`] for no factor, or different numbers of columns; [`Error::NonFinite`] with
    /// `[factor, row, column]`; [`Error::TooLarge`] when the rows are too many to be counted.
    pub fn new(factors: Vec<Mat<T>>) -> Result<Self> {
        let Some(first) = factors.first() else {
            let expected = "at least one factor is needed".to_string();
            return Err(Error::Shape { argument: "factors", expected, found: vec![0] });
        };
        let r = first.ncols();
        let mut exponents = vec![0; r];
        for (k, factor) in factors.iter().enumerate() {
            if factor.ncols() != r {
                let expected = format!("factor {k} (counted from 0) needs {r} columns, as factor 0 has");
                let found = vec![factor.nrows(), factor.ncols()];
                return Err(Error::Shape { argument: "factors", expected, found });
            }
            check_finite("factors", factor).map_err(|e| e.within(k))?;
            exponents.iter_mut().enumerate().for_each(|(j, e)| *e += column_exponent(factor, j));
        }
        let shape = (size(factors.iter().map(|f| f.nrows()))?, r);
        Ok(Self { factors, shape, exponents })
    }

    /// The factors M1, ..., Md.
    pub fn factors(&self) -> &[Mat<T>] {
        &self.factors
    }
    /// How many numbers are stored: r sum m_k.
    pub fn parameters(&self) -> usize {
        self.factors.iter().map(|f| f.nrows() * f.ncols()).sum()
    }
    /// Entry (i, j), in O(d); infinite where it exceeds the largest number. Panics outside of the matrix.
    pub fn entry(&self, i: usize, j: usize) -> T {
        assert!(
            i < self.shape.0 && j < self.shape.1,
            "entry ({i}, {j}) of a matrix of shape {:?}",
            self.shape
        );
        let mut i = i;
        signed_product(self.factors.iter().rev().map(|factor| {
            let x = factor[(i % factor.nrows(), j)];
            i /= factor.nrows();
            x
        }))
    }

    /// The Gram matrix (r, r), the Hadamard product of those of the factors. O(r^2 sum m_k).
    ///
    /// # Errors
    /// [`Error::Parameter`] when an entry overflows; [`Error::TooLarge`].
    pub fn gram(&self) -> Result<Mat<T>> {
        let r = self.shape.1;
        check_memory::<T>("the Gram matrix", 2.0 * r as f64 * r as f64, FACTORED)?;
        let mut out = Mat::from_fn(r, r, |_, _| T::of(1.0));
        for factor in self.unit_factors(0..self.factors.len()) {
            let mut gram = Mat::zeros(r, r);
            product_into(gram.as_mut(), factor.transpose(), factor.as_ref());
            for j in 0..r {
                out.col_as_slice_mut(j).iter_mut().zip(gram.col_as_slice(j)).for_each(|(x, g)| *x *= *g);
            }
        }
        let e = &self.exponents;
        let out = Mat::from_fn(r, r, |i, j| {
            let (i, j) = (i.min(j), i.max(j)); // symmetric to the last bit
            scale_by_power_of_two(out[(i, j)], e[i] + e[j])
        });
        largest_finite("product", &out).map_err(|_| overflow())?;
        Ok(out)
    }

    /// Factors with the power of two taken out of each column.
    fn unit_factors(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = Mat<T>> + '_ {
        self.factors[range].iter().map(|f| {
            let mut unit = f.clone();
            for j in 0..f.ncols() {
                let e = column_exponent(f, j);
                unit.col_as_slice_mut(j).iter_mut().for_each(|x| *x = scale_by_power_of_two(*x, -e));
            }
            unit
        })
    }

    /// The dense product (rows, r) of some factors with their powers of two taken out.
    fn group(&self, range: std::ops::Range<usize>) -> Result<Mat<T>> {
        let rows = size(self.factors[range.clone()].iter().map(|f| f.nrows()))?;
        check_memory::<T>("the Khatri-Rao product", rows as f64 * self.shape.1 as f64, FACTORED)?;
        let one = Mat::from_fn(1, self.shape.1, |_, _| T::of(1.0));
        Ok(self.unit_factors(range).fold(one, |left, right| {
            let (p, q) = (left.nrows(), right.nrows());
            let mut out = Mat::zeros(p * q, self.shape.1);
            for j in 0..self.shape.1 {
                let (left, right) = (left.col_as_slice(j), right.col_as_slice(j));
                for (out, x) in out.col_as_slice_mut(j).chunks_exact_mut(q.max(1)).zip(left) {
                    out.iter_mut().zip(right).for_each(|(out, y)| *out = *x * *y);
                }
            }
            out
        }))
    }

    /// L (m_L, r) and R (m_R, r), the latter never empty of factors.
    fn groups(&self) -> Result<(Mat<T>, Mat<T>)> {
        let d = self.factors.len();
        let rows = |range: std::ops::Range<usize>| {
            self.factors[range].iter().map(|f| f.nrows() as f64).product::<f64>()
        };
        let memory = |k: usize| rows(0..k) + rows(k..d);
        let cut = (0..d).min_by(|a, b| memory(*a).total_cmp(&memory(*b))).unwrap_or(0);
        Ok((self.group(0..cut)?, self.group(cut..d)?))
    }
}

impl<T: Scalar> Operator<T> for KhatriRao<T> {
    fn shape(&self) -> (usize, usize) {
        self.shape
    }

    /// (M1 (.) ... (.) Md) b for `b` (r, l).
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::NonFinite`] for `b`, [`Error::Parameter`] when an entry overflows,
    /// [`Error::TooLarge`] when the result does not fit in the address space.
    fn apply(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        check_block(self.shape.1, b)?;
        check_finite("b", b)?;
        check_memory::<T>("the product", self.shape.0 as f64 * b.ncols() as f64, FACTORED)?;
        let (left, right) = self.groups()?;
        // Rows of b take the powers of two of the columns; the largest of all is kept apart.
        let row = |j: usize| T::of(max_norm(b.row(j).as_mat()));
        let filled = (0..b.nrows()).filter(|&j| row(j) != T::of(0.0));
        let top = filled.map(|j| exponent(row(j)) + self.exponents[j]).max().unwrap_or(0);
        let b = Mat::from_fn(b.nrows(), b.ncols(), |j, c| {
            scale_by_power_of_two(b[(j, c)], self.exponents[j] - top)
        });
        let mut out = Mat::zeros(self.shape.0, b.ncols());
        if left.nrows() == 1 {
            product_into(out.as_mut(), right.as_ref(), b.as_ref());
        } else {
            let column = |(c, out): (usize, faer::ColMut<'_, T>)| {
                let weighted = Mat::from_fn(left.ncols(), left.nrows(), |j, i| b[(j, c)] * left[(i, j)]);
                let out = out.try_as_col_major_mut().expect("a column of a stored matrix").as_slice_mut();
                let out = MatMut::from_column_major_slice_mut(out, right.nrows(), left.nrows());
                product_into(out, right.as_ref(), weighted.as_ref());
            };
            if self.shape.0 > 0 {
                out.as_mut().par_col_iter_mut().enumerate().for_each(column);
            }
        }
        with_power(&mut out, top)?;
        Ok(out)
    }

    /// (M1 (.) ... (.) Md)' b for `b` (M, l): with b an unfolding of a tensor, the product that
    /// alternating least squares needs.
    ///
    /// # Errors
    /// As for `apply`.
    fn apply_transpose(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        check_block(self.shape.0, b)?;
        let top = exponent(largest_finite("b", b)?);
        let (left, right) = self.groups()?;
        let r = self.shape.1;
        let mut out = Mat::zeros(r, b.ncols());
        let column = |(c, mut out): (usize, faer::ColMut<'_, T>)| {
            let x: Vec<T> = b.col(c).iter().map(|x| scale_by_power_of_two(*x, -top)).collect();
            let x = MatRef::from_column_major_slice(&x, right.nrows(), left.nrows());
            let mut inner = Mat::zeros(left.nrows(), r); // X' R
            product_into(inner.as_mut(), x.transpose(), right.as_ref());
            for j in 0..r {
                let pairs = inner.col_as_slice(j).iter().zip(left.col_as_slice(j));
                let sum: T = pairs.map(|(x, y)| *x * *y).sum();
                out[j] = scale_by_power_of_two(sum, self.exponents[j] + top);
            }
        };
        if r > 0 {
            out.as_mut().par_col_iter_mut().enumerate().for_each(column);
        }
        largest_finite("product", &out).map_err(|_| overflow())?;
        Ok(out)
    }

    /// The whole matrix, in O(M r).
    ///
    /// # Errors
    /// [`Error::TooLarge`], and [`Error::Parameter`] when an entry overflows.
    fn to_dense(&self) -> Result<Mat<T>> {
        let mut out = self.group(0..self.factors.len())?;
        for (j, e) in self.exponents.iter().enumerate() {
            out.col_as_slice_mut(j).iter_mut().for_each(|x| *x = scale_by_power_of_two(*x, *e));
        }
        largest_finite("product", &out).map_err(|_| overflow())?;
        Ok(out)
    }
}

/// The exponent of the largest magnitude of a column.
fn column_exponent<T: Scalar>(a: &Mat<T>, j: usize) -> i32 {
    exponent(T::of(max_norm(a.col(j).as_mat())))
}
