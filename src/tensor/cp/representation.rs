//! The canonical polyadic form of a tensor: what it is and what it knows.

use super::residual::{distance, write};
use crate::matrix::{exponent, largest_finite_array, scale_by_power_of_two};
use crate::tensor::dense::{limit, overflow, zeros};
use crate::{Error, Result, Scalar, Separated};
use faer::Mat;
use ndarray::{ArrayD, ArrayViewD};

/// `X = sum_k lambda_k a_k^(1) o ... o a_k^(d)` of shape (n_1, ..., n_d) with R terms, unit vectors
/// and lambda_1 >= ... >= lambda_R > 0; no terms, R = 0, are zero.
///
/// ```
/// use lowrank::{faer::mat, tensor::Cp};
/// let x = Cp::new(vec![2.0], vec![mat![[3.0], [4.0]], mat![[0.0], [-1.0], [0.0]]])?;
/// assert_eq!((x.shape(), x.rank(), x.parameters()), (vec![2, 3], 1, 6));
/// assert_eq!(x.weights(), [10.0]); // 2 |(3, 4)| |(0, -1, 0)|
/// assert!((x.to_dense()?[[1, 1]] + 8.0_f64).abs() < 1e-14);
/// # lowrank::Result::Ok(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Cp<T: Scalar> {
    terms: Separated<T>,
}

impl<T: Scalar> Cp<T> {
    /// From `weights` (R) and a factor (n_i, R) for each mode. The columns may have any norm and the
    /// weights any sign and order: they are brought to the normal form, and terms that are zero
    /// are dropped. O(parameters).
    ///
    /// # Errors
    /// [`Error::Shape`] for order 0 and where the parts do not fit; [`Error::NonFinite`] with the
    /// position, for factors `[i, row, column]`; [`Error::Parameter`] where a weight overflows.
    pub fn new(weights: Vec<T>, factors: Vec<Mat<T>>) -> Result<Self> {
        if factors.is_empty() {
            let expected = "one factor a mode, one at least, is needed".into();
            return Err(Error::Shape { argument: "factors", expected, found: vec![0] });
        }
        let rank = weights.len();
        if let Some(i) = factors.iter().position(|f| f.ncols() != rank) {
            let expected = format!("factor {i} needs {rank} columns, one for each of the weights");
            let found = vec![factors[i].nrows(), factors[i].ncols()];
            return Err(Error::Shape { argument: "factors", expected, found });
        }
        let shapes = factors.iter().map(|f| (f.nrows(), 1)).collect();
        Ok(Self { terms: Separated::new(shapes, weights, factors)? })
    }

    /// The zero tensor of this shape: no terms.
    ///
    /// # Errors
    /// [`Error::Shape`] for order 0; [`Error::TooLarge`] for a mode whose indices no memory has room for.
    pub fn zeros(shape: &[usize]) -> Result<Self> {
        if let Some(&n) = shape.iter().find(|n| **n > isize::MAX as usize / size_of::<T>()) {
            let (what, remedy) = ("a vector of one mode", "ask for fewer or smaller modes");
            return Err(Error::TooLarge { what, bytes: n as f64 * size_of::<T>() as f64, remedy });
        }
        Self::new(Vec::new(), shape.iter().map(|&n| Mat::zeros(n, 0)).collect())
    }

    /// The same tensor as a vector of many modes: its algebra (sums, inner products, distances, norm,
    /// condition number) is that of [`Separated`].
    pub fn as_separated(&self) -> &Separated<T> {
        &self.terms
    }
    /// The weights lambda (R), largest first, all positive.
    pub fn weights(&self) -> &[T] {
        self.terms.lambda()
    }
    /// The factors (n_i, R), one a mode, with unit columns.
    pub fn factors(&self) -> &[Mat<T>] {
        self.terms.modes()
    }
    /// The number of modes, d.
    pub fn order(&self) -> usize {
        self.terms.order()
    }
    /// The number of terms, R.
    pub fn rank(&self) -> usize {
        self.terms.separation_rank()
    }
    /// The sizes of the modes, (n_1, ..., n_d).
    pub fn shape(&self) -> Vec<usize> {
        self.terms.shapes().iter().map(|s| s.0).collect()
    }
    /// How many numbers are stored: R (1 + the sum of the n_i).
    pub fn parameters(&self) -> usize {
        self.terms.parameters()
    }

    /// One entry, in O(R d).
    ///
    /// # Errors
    /// [`Error::Shape`] where `index` has not one number a mode, each below the mode's size.
    pub fn entry(&self, index: &[usize]) -> Result<T> {
        let columns = vec![0; self.order()];
        self.terms.entry(index, &columns).map_err(|error| match error {
            Error::Shape { expected, found, .. } => Error::Shape { argument: "index", expected, found },
            other => other,
        })
    }

    /// |X|_F, never forming X, see [`Separated::frobenius`].
    ///
    /// # Errors
    /// [`Error::Parameter`] where it exceeds the largest `f64`.
    pub fn frobenius(&self) -> Result<f64> {
        self.terms.frobenius()
    }

    /// gamma = sqrt(sum lambda_k^2) / |X|_F, by how much the terms cancel; see
    /// [`Separated::condition_number`].
    ///
    /// # Errors
    /// As for [`Cp::frobenius`].
    pub fn condition_number(&self) -> Result<f64> {
        self.terms.condition_number()
    }

    /// The whole tensor, row-major. 2 R flops an entry; memory of the result and of two tables of about
    /// the square root of its size.
    ///
    /// # Errors
    /// [`Error::TooLarge`] before anything is allocated; [`Error::Parameter`] where an entry exceeds
    /// the largest number.
    pub fn to_dense(&self) -> Result<ArrayD<T>> {
        let mut out = zeros(&self.shape(), "the dense tensor")?;
        write(&self.terms, &mut out)?;
        match largest_finite_array("tensor", out.view()) {
            Err(Error::NonFinite { index, .. }) => Err(overflow("tensor", &index)),
            _ => Ok(out),
        }
    }

    /// |A - X|_F, from the residual, which is computed piece by piece and not stored. 2 R flops an
    /// entry; an A that is not row-major up to the order of its modes is copied.
    ///
    /// # Errors
    /// [`Error::Shape`] where `a` has another shape; [`Error::NonFinite`] with the position.
    pub fn error(&self, a: ArrayViewD<'_, T>) -> Result<f64> {
        if a.shape() != self.shape() {
            let expected = format!("the decomposition has shape {:?}", self.shape());
            return Err(Error::Shape { argument: "a", expected, found: a.shape().to_vec() });
        }
        let top = exponent(largest_finite_array("a", a.view())?);
        let top = self.weights().first().map_or(top, |x| top.max(exponent(*x)));
        let e = if top.abs() <= limit::<T>() { 0 } else { top };
        Ok(scale_by_power_of_two(distance(a, &self.terms, e)?, e))
    }
}

impl<T: Scalar> TryFrom<Separated<T>> for Cp<T> {
    type Error = Error;

    /// A representation whose modes have one column each; [`Error::Shape`] for any other.
    fn try_from(terms: Separated<T>) -> Result<Self> {
        match terms.shapes().iter().find(|s| s.1 != 1) {
            None => Ok(Self { terms }),
            Some(&(m, n)) => {
                let expected = "modes of one column are needed".into();
                Err(Error::Shape { argument: "terms", expected, found: vec![m, n] })
            }
        }
    }
}

impl<T: Scalar> From<Cp<T>> for Separated<T> {
    fn from(x: Cp<T>) -> Self {
        x.terms
    }
}
