//! Operators made of functions and of other operators.

use super::apply::{Operator, check_block};
use crate::{Error, Result, Scalar};
use faer::{Mat, MatRef};
use std::marker::PhantomData;

/// An operator given by two functions.
///
/// ```
/// use lowrank::{faer::{Mat, MatRef}, operator::Functions, svd};
/// let halve = |b: MatRef<'_, f64>| b * 0.5;
/// let a = Functions { shape: (60, 60), apply: halve, apply_transpose: halve };
/// assert!((svd::randomized(&a, 2, &svd::Randomized::default())?.s[1] - 0.5).abs() < 1e-14);
/// # lowrank::Result::Ok(())
/// ```
#[derive(Debug, Clone)]
pub struct Functions<F, G> {
    /// Rows and columns, (m, n).
    pub shape: (usize, usize),
    /// `b` (n, l) to `A b` (m, l).
    pub apply: F,
    /// `b` (m, l) to `A' b` (n, l).
    pub apply_transpose: G,
}

impl<T, F, G> Operator<T> for Functions<F, G>
where
    T: Scalar,
    F: Fn(MatRef<'_, T>) -> Mat<T> + Sync,
    G: Fn(MatRef<'_, T>) -> Mat<T> + Sync,
{
    fn shape(&self) -> (usize, usize) {
        self.shape
    }
    fn apply(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        check_block(self.shape.1, b)?;
        Ok((self.apply)(b))
    }
    fn apply_transpose(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        check_block(self.shape.0, b)?;
        Ok((self.apply_transpose)(b))
    }
}

/// The sum A + B of two operators of one shape.
///
/// ```
/// use lowrank::{Operator, faer::mat, operator::{Csr, Sum}};
/// let spike = Csr::from_triplets(2, 2, &[(0, 1, 5.0)])?;
/// let stored = mat![[1.0, 2.0], [3.0, 4.0]];
/// let sum = Sum::new(&spike, &stored)?;
/// assert_eq!(sum.to_dense()?, mat![[1.0, 7.0], [3.0, 4.0]]);
/// # lowrank::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Sum<'a, A: ?Sized, B: ?Sized, K> {
    a: &'a A,
    b: &'a B,
    kinds: PhantomData<fn() -> K>,
}

impl<'a, A: ?Sized, B: ?Sized, J, K> Sum<'a, A, B, (J, K)> {
    /// The sum of `a` (m, n) and `b` (m, n).
    ///
    /// # Errors
    /// [`Error::Shape`] when the shapes differ.
    pub fn new<T: Scalar>(a: &'a A, b: &'a B) -> Result<Self>
    where
        A: Operator<T, J>,
        B: Operator<T, K>,
    {
        let ((m, n), (rows, cols)) = (a.shape(), b.shape());
        if (m, n) != (rows, cols) {
            let expected = format!("({m}, {n}) is needed, the shape of `a`");
            return Err(Error::Shape { argument: "b", expected, found: vec![rows, cols] });
        }
        Ok(Self { a, b, kinds: PhantomData })
    }
}

impl<T, J, K, A, B> Operator<T> for Sum<'_, A, B, (J, K)>
where
    T: Scalar,
    A: Operator<T, J> + ?Sized,
    B: Operator<T, K> + ?Sized,
{
    fn shape(&self) -> (usize, usize) {
        self.a.shape()
    }
    fn apply(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        Ok(self.a.apply(b)? + self.b.apply(b)?)
    }
    fn apply_transpose(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        Ok(self.a.apply_transpose(b)? + self.b.apply_transpose(b)?)
    }
}

/// The product A B of two operators, applied one after the other and never formed.
///
/// ```
/// use lowrank::{Operator, faer::mat, operator::Product};
/// let (a, b) = (mat![[1.0, 2.0]], mat![[3.0], [4.0]]);
/// assert_eq!(Product::new(&a, &b)?.to_dense()?, mat![[11.0]]);
/// # lowrank::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Product<'a, A: ?Sized, B: ?Sized, K> {
    a: &'a A,
    b: &'a B,
    kinds: PhantomData<fn() -> K>,
}

impl<'a, A: ?Sized, B: ?Sized, J, K> Product<'a, A, B, (J, K)> {
    /// The product of `a` (m, k) and `b` (k, n).
    ///
    /// # Errors
    /// [`Error::Shape`] when `b` has not as many rows as `a` has columns.
    pub fn new<T: Scalar>(a: &'a A, b: &'a B) -> Result<Self>
    where
        A: Operator<T, J>,
        B: Operator<T, K>,
    {
        let (inner, (rows, cols)) = (a.shape().1, b.shape());
        if inner != rows {
            let expected = format!("{inner} rows are needed, as many as `a` has columns");
            return Err(Error::Shape { argument: "b", expected, found: vec![rows, cols] });
        }
        Ok(Self { a, b, kinds: PhantomData })
    }
}

impl<T, J, K, A, B> Operator<T> for Product<'_, A, B, (J, K)>
where
    T: Scalar,
    A: Operator<T, J> + ?Sized,
    B: Operator<T, K> + ?Sized,
{
    fn shape(&self) -> (usize, usize) {
        (self.a.shape().0, self.b.shape().1)
    }
    fn apply(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        self.a.apply(self.b.apply(b)?.as_ref())
    }
    fn apply_transpose(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        self.b.apply_transpose(self.a.apply_transpose(b)?.as_ref())
    }
}
