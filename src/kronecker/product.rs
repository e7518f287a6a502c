//! A Kronecker product kept as its factors.

use super::wide::signed_product;
use crate::matrix::check_finite;
use crate::{Error, Result, Scalar};
use faer::Mat;

/// The matrix `M1 (x) M2 (x) ... (x) Md` (m_1 ... m_d, n_1 ... n_d), kept as its factors
/// `Mk (m_k, n_k)`.
///
/// ```
/// use lowrank::{faer::mat, kronecker::Kronecker};
/// let a = Kronecker::new(vec![mat![[1.0, 2.0]], mat![[1.0], [3.0]]])?;
/// assert_eq!(a.shape(), (2, 2));
/// assert_eq!(a.entry(1, 1), 6.0);
/// # lowrank::Result::Ok(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Kronecker<T: Scalar> {
    factors: Vec<Mat<T>>,
    shape: (usize, usize),
}

impl<T: Scalar> Kronecker<T> {
    /// The product of `factors`, first one slowest. O(parameters).
    ///
    /// # Errors
    /// [`Error::Shape`] for no factor at all; [`Error::NonFinite`] with `[factor, row, column]`;
    /// [`Error::TooLarge`] when the rows or columns of the product are too many to be counted.
    pub fn new(factors: Vec<Mat<T>>) -> Result<Self> {
        if factors.is_empty() {
            let expected = "at least one factor is needed".to_string();
            return Err(Error::Shape { argument: "factors", expected, found: vec![0] });
        }
        for (k, factor) in factors.iter().enumerate() {
            check_finite("factors", factor).map_err(|e| e.within(k))?;
        }
        let shape = (size(factors.iter().map(|f| f.nrows()))?, size(factors.iter().map(|f| f.ncols()))?);
        Ok(Self { factors, shape })
    }

    /// The factors M1, ..., Md.
    pub fn factors(&self) -> &[Mat<T>] {
        &self.factors
    }
    /// The factors, given away.
    pub fn into_factors(self) -> Vec<Mat<T>> {
        self.factors
    }
    /// Rows and columns of the product.
    pub fn shape(&self) -> (usize, usize) {
        self.shape
    }
    /// The number of factors, d.
    pub fn order(&self) -> usize {
        self.factors.len()
    }
    /// How many numbers are stored: the sum of m_k n_k.
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
        let (mut i, mut j) = (i, j);
        signed_product(self.factors.iter().rev().map(|factor| {
            let (m, n) = factor.shape();
            let x = factor[(i % m, j % n)];
            (i, j) = (i / m, j / n);
            x
        }))
    }
}

/// The product of sizes, or the too-large error where it overflows.
pub(crate) fn size(sizes: impl Iterator<Item = usize> + Clone) -> Result<usize> {
    let too_large = || Error::TooLarge {
        what: "a side of the Kronecker product",
        bytes: sizes.clone().fold(1.0, |bytes, n| bytes * n as f64),
        remedy: "keep it as its factors, each by itself",
    };
    if sizes.clone().any(|n| n == 0) {
        return Ok(0);
    }
    sizes.clone().try_fold(1usize, |size, n| size.checked_mul(n)).ok_or_else(too_large)
}
