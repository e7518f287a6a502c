//! The Tucker form of a tensor: what it is and what it knows.

use super::residual::distance;
use crate::matrix::{
    check_finite, check_finite_array, exponent, largest_finite_array, scale_by_power_of_two,
};
use crate::tensor::dense::{limit, size};
use crate::tensor::multi_mode_product;
use crate::{Error, Result, Scalar};
use faer::{Mat, MatRef};
use ndarray::{ArrayD, ArrayViewD};

/// The tensor `G x_1 U_1 ... x_d U_d` of shape (n_1, ..., n_d), kept as its core and its factors.
///
/// A mode without a factor is not compressed: its size is that of the core.
///
/// ```
/// use lowrank::{Tucker, faer::mat, ndarray::ArrayD};
/// let core = ArrayD::from_elem(vec![1, 2], 3.0);
/// let x = Tucker::new(core, vec![Some(mat![[1.0], [10.0]]), None])?;
/// assert_eq!((x.shape(), x.ranks(), x.parameters()), (vec![2, 2], vec![1, 2], 4));
/// assert_eq!(x.entry(&[1, 0])?, 30.0);
/// assert_eq!(x.to_dense()?[[1, 0]], 30.0);
/// # lowrank::Result::Ok(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Tucker<T: Scalar> {
    core: ArrayD<T>,
    factors: Vec<Option<Mat<T>>>,
}

impl<T: Scalar> Tucker<T> {
    /// From a core (r_1, ..., r_d) and for each mode a factor (n_k, r_k) or none. O(parameters).
    ///
    /// # Errors
    /// [`Error::Shape`] for order 0, for a number of factors other than d and for a factor that has
    /// not r_k columns; [`Error::NonFinite`] with the position, for factors `[k, row, column]`.
    pub fn new(core: ArrayD<T>, factors: Vec<Option<Mat<T>>>) -> Result<Self> {
        crate::tensor::dense::check_order(&core.view())?;
        if factors.len() != core.ndim() {
            let expected = format!("one factor or `None` a mode, {} in all, is needed", core.ndim());
            return Err(Error::Shape { argument: "factors", expected, found: vec![factors.len()] });
        }
        check_finite_array("core", core.view())?;
        for (k, (factor, &rank)) in factors.iter().zip(core.shape()).enumerate() {
            let Some(factor) = factor else { continue };
            if factor.ncols() != rank {
                let expected = format!("factor {k} needs {rank} columns, the size of the core there");
                let found = vec![factor.nrows(), factor.ncols()];
                return Err(Error::Shape { argument: "factors", expected, found });
            }
            check_finite("factors", factor).map_err(|e| e.within(k))?;
        }
        Ok(Self { core, factors })
    }

    /// From parts known to fit and to be finite.
    pub(super) fn from_valid(core: ArrayD<T>, factors: Vec<Option<Mat<T>>>) -> Self {
        Self { core, factors }
    }

    /// The core G (r_1, ..., r_d).
    pub fn core(&self) -> &ArrayD<T> {
        &self.core
    }
    /// The factors U_k (n_k, r_k); `None` for a mode that is not compressed.
    pub fn factors(&self) -> &[Option<Mat<T>>] {
        &self.factors
    }
    /// The core and the factors, given away.
    pub fn into_parts(self) -> (ArrayD<T>, Vec<Option<Mat<T>>>) {
        (self.core, self.factors)
    }
    /// The number of modes, d.
    pub fn order(&self) -> usize {
        self.factors.len()
    }
    /// The sizes of the modes, (n_1, ..., n_d).
    pub fn shape(&self) -> Vec<usize> {
        let size = |(factor, &rank): (&Option<Mat<T>>, &usize)| factor.as_ref().map_or(rank, |f| f.nrows());
        self.factors.iter().zip(self.core.shape()).map(size).collect()
    }
    /// The sizes of the core, (r_1, ..., r_d).
    pub fn ranks(&self) -> Vec<usize> {
        self.core.shape().to_vec()
    }
    /// How many numbers are stored.
    pub fn parameters(&self) -> usize {
        self.core.len() + self.factors.iter().flatten().map(|f| f.nrows() * f.ncols()).sum::<usize>()
    }

    /// One entry, in O(r_1 ... r_d).
    ///
    /// # Errors
    /// [`Error::Shape`] where `index` has not one number a mode, each below the mode's size.
    pub fn entry(&self, index: &[usize]) -> Result<T> {
        let shape = self.shape();
        if index.len() != shape.len() || index.iter().zip(&shape).any(|(i, n)| i >= n) {
            let expected = format!("one index a mode, each below its size in {shape:?}, is needed");
            return Err(Error::Shape { argument: "index", expected, found: index.to_vec() });
        }
        // The last mode first: what is left is row-major at every step.
        let mut values: Vec<T> = self.core.iter().copied().collect();
        for ((factor, &rank), &i) in self.factors.iter().zip(self.core.shape()).zip(index).rev() {
            let lines = values.chunks_exact(rank.max(1));
            values = match factor {
                None => lines.map(|line| line[i]).collect(),
                Some(f) => lines.map(|line| (0..rank).map(|r| line[r] * f[(i, r)]).sum()).collect(),
            };
        }
        Ok(values.first().copied().unwrap_or_default())
    }

    /// The whole tensor, row-major. O(N r) for N entries, in the cheapest order of the modes; memory
    /// of the result and of one intermediate tensor, N r_k / n_k numbers.
    ///
    /// # Errors
    /// [`Error::TooLarge`] before anything is allocated; [`Error::Parameter`] where an entry exceeds
    /// the largest number.
    pub fn to_dense(&self) -> Result<ArrayD<T>> {
        size::<T>(&self.shape(), "the dense tensor")?;
        multi_mode_product(self.core.view(), &self.pairs())
    }

    /// |A - X|_F, from the residual, which is computed piece by piece and not stored. O(N r).
    ///
    /// # Errors
    /// [`Error::Shape`] where `a` has another shape; [`Error::NonFinite`] with the position.
    pub fn error(&self, a: ArrayViewD<'_, T>) -> Result<f64> {
        if a.shape() != self.shape() {
            let expected = format!("the decomposition has shape {:?}", self.shape());
            return Err(Error::Shape { argument: "a", expected, found: a.shape().to_vec() });
        }
        let largest = exponent(largest_finite_array("a", a.view())?);
        let largest = largest.max(exponent(largest_finite_array("core", self.core.view())?));
        let e = if largest.abs() <= limit::<T>() { 0 } else { largest };
        let mut core = self.core.view();
        let scaled;
        if e != 0 {
            scaled = self.core.mapv(|x| scale_by_power_of_two(x, -e));
            core = scaled.view();
        }
        Ok(scale_by_power_of_two(distance(&a, &core, &self.pairs(), e)?.0, e))
    }

    /// The factors with their modes.
    pub(super) fn pairs(&self) -> Vec<(usize, MatRef<'_, T>)> {
        pairs(&self.factors)
    }
}

/// One factor a mode, or none.
pub(super) type Factors<T> = Vec<Option<Mat<T>>>;

/// The factors that are there, with their modes.
pub(super) fn pairs<T: Scalar>(factors: &[Option<Mat<T>>]) -> Vec<(usize, MatRef<'_, T>)> {
    factors.iter().enumerate().filter_map(|(mode, f)| Some((mode, f.as_ref()?.as_ref()))).collect()
}
