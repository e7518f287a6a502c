//! Kronecker sums: M1 (+) ... (+) Md = sum_k I (x) Mk (x) I.
//!
//! **Problem.** Square factors Mk (n_k, n_k), N = n_1 ... n_d: the matrix (N, N) that acts on one
//! mode at a time, as the Laplacian of a grid does, never formed.
//!
//! **Method.** Each factor along its mode, added up. Solutions, functions and eigenvalues for
//! symmetric factors come from [`KroneckerSum::symmetric_eigen`].
//!
//! **Cost.** 2 N l sum n_k flops for a block (N, l); memory 2 N l numbers.
//!
//! **Guarantee.** |out - A b|_F <= 4 sum n_k eps sum_k |Mk|_F |b|_F. The bits do not depend on the
//! number of threads.
//!
//! **Deviations.** None.

use super::block::Block;
use super::product::size;
use crate::matrix::check_finite;
use crate::{Error, Operator, Result, Scalar};
use faer::{Mat, MatRef};

/// The matrix `sum_k I (x) Mk (x) I` (N, N) of square factors, kept as its factors; an
/// [`Operator`].
#[derive(Debug, Clone, PartialEq)]
pub struct KroneckerSum<T: Scalar> {
    factors: Vec<Mat<T>>,
    side: usize,
}

impl<T: Scalar> KroneckerSum<T> {
    /// The sum of `factors`, first one slowest. O(parameters).
    ///
    /// # Errors
    /// [`Error::Shape`] for no factor or one that is not square; [`Error::NonFinite`] with
    /// `[factor, row, column]`; [`Error::TooLarge`] when N is too large to be counted.
    pub fn new(factors: Vec<Mat<T>>) -> Result<Self> {
        if factors.is_empty() {
            let expected = "at least one factor is needed".to_string();
            return Err(Error::Shape { argument: "factors", expected, found: vec![0] });
        }
        for (k, factor) in factors.iter().enumerate() {
            if factor.nrows() != factor.ncols() {
                let expected = format!("factor {k} (counted from 0) must be square");
                let found = vec![factor.nrows(), factor.ncols()];
                return Err(Error::Shape { argument: "factors", expected, found });
            }
            check_finite("factors", factor).map_err(|e| e.within(k))?;
        }
        let side = size(factors.iter().map(|f| f.nrows()))?;
        Ok(Self { factors, side })
    }

    /// The factors M1, ..., Md.
    pub fn factors(&self) -> &[Mat<T>] {
        &self.factors
    }
    /// How many numbers are stored: the sum of n_k^2.
    pub fn parameters(&self) -> usize {
        self.factors.iter().map(|f| f.nrows() * f.ncols()).sum()
    }
    /// The trace, sum_k tr(Mk) N / n_k; infinite where it exceeds the largest number.
    pub fn trace(&self) -> f64 {
        let trace = |f: &Mat<T>| (0..f.nrows()).map(|i| f[(i, i)].as_f64()).sum::<f64>();
        let used = self.factors.iter().filter(|_| self.side > 0);
        used.map(|f| trace(f) * (self.side / f.nrows()) as f64).sum()
    }
    /// Entry (i, j), in O(d). Panics outside of the matrix.
    pub fn entry(&self, i: usize, j: usize) -> T {
        let n = self.side;
        assert!(i < n && j < n, "entry ({i}, {j}) of a matrix of shape ({n}, {n})");
        let (mut i, mut j) = (i, j);
        let mut pairs = Vec::with_capacity(self.factors.len());
        for factor in self.factors.iter().rev() {
            let n = factor.nrows();
            pairs.push((factor, i % n, j % n));
            (i, j) = (i / n, j / n);
        }
        // An off-diagonal entry of one factor needs those of the identity in all other modes.
        let apart = pairs.iter().filter(|(_, i, j)| i != j).count();
        let met = pairs.into_iter().filter(|(_, i, j)| apart == 0 || (apart == 1 && i != j));
        met.map(|(f, i, j)| f[(i, j)]).sum()
    }
    /// The sum of the transposes, A'. O(parameters).
    pub fn transpose(&self) -> Self {
        Self { factors: self.factors.iter().map(|f| f.transpose().to_owned()).collect(), side: self.side }
    }

    fn run(&self, b: MatRef<'_, T>, transposed: bool) -> Result<Mat<T>> {
        let mut block = Block::new(b, self.factors.iter().map(|f| f.nrows()).collect())?;
        let views: Vec<_> =
            self.factors.iter().map(|f| if transposed { f.transpose() } else { f.as_ref() }).collect();
        block.multiply_and_add(&views)?;
        block.into_matrix()
    }
}

impl<T: Scalar> Operator<T> for KroneckerSum<T> {
    fn shape(&self) -> (usize, usize) {
        (self.side, self.side)
    }
    fn apply(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        self.run(b, false)
    }
    fn apply_transpose(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        self.run(b, true)
    }
}
