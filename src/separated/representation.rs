//! The type of separated representations.

use super::algebra::{finite, inner_product};
use crate::kronecker::size;
use crate::matrix::{
    check_finite, check_finite_slice, exponent, max_norm, scale_by_power_of_two, slice_norm,
};
use crate::{Error, Result, Scalar};
use faer::{Mat, MatRef};

/// `M = sum_k lambda_k M_k^(1) (x) ... (x) M_k^(d)` with s terms, factors of Frobenius norm 1 and
/// lambda_1 >= ... >= lambda_s > 0.
///
/// Mode i has the shape (m_i, n_i) in every term; a vector of many modes has n_i = 1. The matrix
/// itself, (m_1 ... m_d, n_1 ... n_d), may be far too large to be counted: nothing here forms it
/// but [`Separated::to_dense`]. The same numbers are a canonical polyadic decomposition of the
/// tensor (m_1 n_1, ..., m_d n_d) that M becomes by rearrangement, and are kept so: mode i is the
/// matrix (m_i n_i, s) whose column k is M_k^(i), column by column. No terms, s = 0, are zero.
///
/// ```
/// use lowrank::{faer::mat, separated::Separated};
/// // 2 (I (x) E), E the matrix of ones
/// let identity = mat![[1.0, 0.0_f64], [0.0, 1.0]];
/// let ones = mat![[1.0, 1.0], [1.0, 1.0]];
/// let m = Separated::from_terms(vec![vec![identity, ones]])?.scaled(2.0)?;
/// assert!((m.frobenius()? - 32f64.sqrt()).abs() < 1e-14);
/// assert!((m.entry(&[1, 0], &[1, 1])? - 2.0).abs() < 1e-14);
/// # lowrank::Result::Ok(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Separated<T: Scalar> {
    shapes: Vec<(usize, usize)>,
    lambda: Vec<T>,
    modes: Vec<Mat<T>>,
}

impl<T: Scalar> Separated<T> {
    /// `sum_k lambda_k` times the Kronecker product of the columns k of `modes`, each read as a
    /// matrix of the shape of its mode, column by column. The factors may have any norm and the
    /// `lambda` any sign and order: they are brought to the normal form, and terms that are zero
    /// (or too small for a number of the type) are dropped. O(parameters).
    ///
    /// # Errors
    /// [`Error::Shape`] when there is no mode, or modes, shapes and `lambda` do not fit each other;
    /// [`Error::NonFinite`] with `[mode, row, column]`; [`Error::Parameter`] when a lambda overflows.
    pub fn new(shapes: Vec<(usize, usize)>, lambda: Vec<T>, modes: Vec<Mat<T>>) -> Result<Self> {
        check_parts(&shapes, &lambda, &modes)?;
        let sizes = lambda.iter().map(|x| (x.as_f64(), 0)).collect();
        Self::normalized(shapes, sizes, modes)
    }

    /// As [`Separated::new`], but parts in the normal form already are taken bit by bit.
    pub(crate) fn from_stored(
        shapes: Vec<(usize, usize)>,
        lambda: Vec<T>,
        modes: Vec<Mat<T>>,
    ) -> Result<Self> {
        check_parts(&shapes, &lambda, &modes)?;
        let falls = |k: usize| lambda[k] > T::of(0.0) && lambda[k] <= lambda[k.saturating_sub(1)];
        let norm = |column: &[T]| column.iter().map(|x| x.as_f64() * x.as_f64()).sum::<f64>().sqrt();
        // Products and sums of unit columns drift by less.
        let unit = |column: &[T]| (norm(column) - 1.0).abs() <= 1e4 * T::EPS;
        let unit = |mode: &Mat<T>| (0..mode.ncols()).all(|k| unit(mode.col_as_slice(k)));
        if !((0..lambda.len()).all(falls) && modes.iter().all(unit)) {
            return Self::new(shapes, lambda, modes);
        }
        Ok(Self { shapes, lambda, modes })
    }

    /// The sum of the Kronecker products `terms[k][0] (x) terms[k][1] (x) ...`.
    ///
    /// # Errors
    /// As for [`Separated::new`]; every term needs the shapes of the first.
    pub fn from_terms(terms: Vec<Vec<Mat<T>>>) -> Result<Self> {
        let shapes: Vec<_> = terms.first().map_or(Vec::new(), |t| t.iter().map(|f| f.shape()).collect());
        for (k, term) in terms.iter().enumerate() {
            if !term.iter().map(|f| f.shape()).eq(shapes.iter().copied()) {
                let expected = format!("term {k} needs factors of the shapes {shapes:?}, those of term 0");
                let found = term.iter().flat_map(|f| [f.nrows(), f.ncols()]).collect();
                return Err(Error::Shape { argument: "terms", expected, found });
            }
        }
        let mode = |(i, &(m, n)): (usize, &(usize, usize))| {
            Mat::from_fn(m * n, terms.len(), |row, k| terms[k][i][(row % m, row / m)])
        };
        let modes = shapes.iter().enumerate().map(mode).collect();
        Self::new(shapes, vec![T::of(1.0); terms.len()], modes)
    }

    /// The zero matrix of these shapes: no terms.
    ///
    /// # Errors
    /// As for [`Separated::new`].
    pub fn zeros(shapes: Vec<(usize, usize)>) -> Result<Self> {
        let modes = shapes.iter().map(|&(m, n)| Ok(Mat::zeros(size([m, n].into_iter())?, 0)));
        let modes = modes.collect::<Result<_>>()?;
        Self::new(shapes, Vec::new(), modes)
    }

    /// From finite columns of any norm and sizes `x 2^e`, as pairs (x, e). The norms are multiplied as
    /// such pairs: products of many may pass the largest number on the way.
    pub(super) fn normalized(
        shapes: Vec<(usize, usize)>,
        mut sizes: Vec<(f64, i32)>,
        mut modes: Vec<Mat<T>>,
    ) -> Result<Self> {
        for mode in &mut modes {
            for ((x, power), column) in sizes.iter_mut().zip(mode.as_mut().col_iter_mut()) {
                let e = exponent(max_norm(column.as_ref().as_mat()));
                let moderate = |x: T| scale_by_power_of_two(x.as_f64(), -e);
                let norm = column.as_ref().iter().map(|x| moderate(*x) * moderate(*x)).sum::<f64>().sqrt();
                if norm > 0.0 {
                    column.iter_mut().for_each(|x| *x = T::of(moderate(*x) / norm));
                }
                *x *= norm;
                let carry = exponent(*x);
                *x = scale_by_power_of_two(*x, -carry);
                *power += e + carry;
            }
        }
        let lambda = sizes.into_iter().map(|(x, power)| scale_by_power_of_two(T::of(x), power)).collect();
        Self::from_unit(shapes, lambda, modes)
    }

    /// From modes whose columns have norm 1.
    pub(crate) fn from_unit(shapes: Vec<(usize, usize)>, lambda: Vec<T>, modes: Vec<Mat<T>>) -> Result<Self> {
        Self { shapes, lambda, modes }.sorted()
    }

    /// Positive lambdas, largest first; terms that are zero are dropped.
    fn sorted(self) -> Result<Self> {
        let (zero, size) = (T::of(0.0), |k: usize| num_traits::Float::abs(self.lambda[k]).as_f64());
        if let Some(k) = (0..self.lambda.len()).find(|&k| !size(k).is_finite()) {
            let value = format!("overflow in term {k}");
            return Err(Error::Parameter {
                name: "lambda",
                value,
                remedy: "scale the matrix or its factors down",
            });
        }
        let mut order: Vec<usize> = (0..self.lambda.len()).filter(|&k| size(k) != 0.0).collect();
        order.sort_by(|&a, &b| size(b).total_cmp(&size(a)));
        let sign =
            |i: usize, k: usize| if i == 0 && self.lambda[k] < zero { T::of(-1.0) } else { T::of(1.0) };
        let modes = self.modes.iter().enumerate().map(|(i, mode)| {
            Mat::from_fn(mode.nrows(), order.len(), |row, k| sign(i, order[k]) * mode[(row, order[k])])
        });
        let modes = modes.collect();
        let lambda = order.iter().map(|&k| num_traits::Float::abs(self.lambda[k])).collect();
        Ok(Self { shapes: self.shapes, lambda, modes })
    }

    /// The shapes (m_i, n_i) of the modes.
    pub fn shapes(&self) -> &[(usize, usize)] {
        &self.shapes
    }
    /// lambda_1 >= ... >= lambda_s > 0.
    pub fn lambda(&self) -> &[T] {
        &self.lambda
    }
    /// Mode i as a matrix (m_i n_i, s) with unit columns; column k is M_k^(i), column by column.
    pub fn modes(&self) -> &[Mat<T>] {
        &self.modes
    }
    /// The factor M_k^(i) (m_i, n_i) of term k and mode i, both counted from 0. Panics outside.
    pub fn factor(&self, k: usize, i: usize) -> MatRef<'_, T> {
        let (m, n) = self.shapes[i];
        let column = self.modes[i].col_as_slice(k);
        MatRef::from_column_major_slice(column, m, n)
    }
    /// The number of modes, d.
    pub fn order(&self) -> usize {
        self.shapes.len()
    }
    /// The number of terms, s.
    pub fn separation_rank(&self) -> usize {
        self.lambda.len()
    }
    /// How many numbers are stored: s (1 + the sum of m_i n_i).
    pub fn parameters(&self) -> usize {
        self.lambda.len() * (1 + self.shapes.iter().map(|&(m, n)| m * n).sum::<usize>())
    }
    /// Rows and columns of the matrix.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when they are too many to be counted, as for (64^20, 64^20).
    pub fn shape(&self) -> Result<(usize, usize)> {
        Ok((size(self.shapes.iter().map(|s| s.0))?, size(self.shapes.iter().map(|s| s.1))?))
    }

    /// The entry at rows (i_1, ..., i_d) and columns (j_1, ..., j_d), counted from 0, in O(s d).
    ///
    /// # Errors
    /// [`Error::Shape`] when an index is missing or outside of its mode; [`Error::Parameter`] when the
    /// entry exceeds the largest number of the type.
    pub fn entry(&self, rows: &[usize], cols: &[usize]) -> Result<T> {
        let d = self.order();
        for (argument, index) in [("rows", rows), ("cols", cols)] {
            let side = |i: usize| if argument == "rows" { self.shapes[i].0 } else { self.shapes[i].1 };
            if index.len() != d || (0..d).any(|i| index[i] >= side(i)) {
                let sizes: Vec<usize> = (0..d).map(side).collect();
                let expected = format!("one index a mode, each below its size in {sizes:?}, is needed");
                return Err(Error::Shape { argument, expected, found: index.to_vec() });
            }
        }
        let term = |k: usize| {
            let factors = self.modes.iter().zip(&self.shapes).enumerate();
            factors.fold(self.lambda[k].as_f64(), |x, (i, (mode, &(m, _)))| {
                x * mode[(rows[i] + m * cols[i], k)].as_f64()
            })
        };
        let entry = T::of((0..self.lambda.len()).map(term).sum());
        if num_traits::Float::is_finite(entry) {
            return Ok(entry);
        }
        let remedy = "it exceeds the largest number of the type: scale the matrix down";
        Err(Error::Parameter { name: "the entry", value: format!("overflow at {rows:?}, {cols:?}"), remedy })
    }

    /// `c M`, in O(parameters).
    ///
    /// # Errors
    /// [`Error::NonFinite`] when `c` is NaN or infinite; [`Error::Parameter`] when a lambda overflows.
    pub fn scaled(mut self, c: T) -> Result<Self> {
        check_finite_slice("c", &[c])?;
        self.lambda.iter_mut().for_each(|x| *x *= c);
        self.sorted()
    }

    /// |M|_F, never forming M: the inner products of the factors are taken in twice the precision of
    /// `f64`, so that the error is below 1e-14 sum lambda_k however much the terms cancel; 9 s^2
    /// sum m_i n_i flops.
    ///
    /// # Errors
    /// [`Error::Parameter`] when it exceeds the largest `f64`.
    pub fn frobenius(&self) -> Result<f64> {
        let (square, e) = inner_product(self, self); // e is even
        finite("the norm", square.root(), e / 2)
    }

    /// The condition number gamma = sqrt(sum lambda_k^2) / |M|_F; 1 for no terms and infinite where
    /// all terms cancel. It is at least 1 / sqrt(s), and 1 for orthogonal terms. Its relative error
    /// is below 1e-14 sqrt(s) gamma. Cost of [`Separated::frobenius`].
    ///
    /// # Errors
    /// As for [`Separated::frobenius`].
    pub fn condition_number(&self) -> Result<f64> {
        if self.lambda.is_empty() {
            return Ok(1.0);
        }
        Ok(slice_norm(&self.lambda) / self.frobenius()?)
    }
}

/// Whether shapes, `lambda` and modes fit each other and are finite.
fn check_parts<T: Scalar>(shapes: &[(usize, usize)], lambda: &[T], modes: &[Mat<T>]) -> Result<()> {
    let s = lambda.len();
    if shapes.is_empty() || modes.len() != shapes.len() {
        let expected = format!("one matrix for each of the {} shapes, at least one, is needed", shapes.len());
        return Err(Error::Shape { argument: "modes", expected, found: vec![modes.len()] });
    }
    check_finite_slice("lambda", lambda)?;
    for (i, (mode, &(m, n))) in modes.iter().zip(shapes).enumerate() {
        let rows = size([m, n].into_iter())?;
        if mode.shape() != (rows, s) {
            let expected = format!("mode {i} of shape ({m}, {n}) needs a matrix ({rows}, {s})");
            let found = vec![mode.nrows(), mode.ncols()];
            return Err(Error::Shape { argument: "modes", expected, found });
        }
        check_finite("modes", mode).map_err(|e| e.within(i))?;
    }
    Ok(())
}
