//! Algebra of separated representations, term by term.
//!
//! Sums and products are exact but for rounding and have as many terms as they have by definition;
//! the matrices themselves are never formed, and may be far too large to be counted.

use super::Separated;
use super::gram::{Pair, Sliced};
use crate::matrix::{check_memory, check_overflow, exponent, scale_by_power_of_two};
use crate::{Error, Result, Scalar};
use faer::{Mat, MatRef};
use rayon::prelude::*;

impl<T: Scalar> Separated<T> {
    /// `M + N`: the terms of both, s + t of them. O(parameters).
    ///
    /// # Errors
    /// [`Error::Shape`] when the modes have other shapes.
    pub fn plus(&self, other: &Self) -> Result<Self> {
        self.same_shapes(other)?;
        let both = |(a, b): (&Mat<T>, &Mat<T>)| {
            let s = a.ncols();
            Mat::from_fn(a.nrows(), s + b.ncols(), |i, k| if k < s { a[(i, k)] } else { b[(i, k - s)] })
        };
        let modes = self.modes().iter().zip(other.modes()).map(both).collect();
        Self::from_unit(self.shapes().to_vec(), [self.lambda(), other.lambda()].concat(), modes)
    }

    /// `M - N`: the terms of both, s + t of them. O(parameters).
    ///
    /// # Errors
    /// As for [`Separated::plus`].
    pub fn minus(&self, other: &Self) -> Result<Self> {
        self.plus(&other.clone().scaled(T::of(-1.0))?)
    }

    /// The transpose, with the transposed factors. O(parameters).
    pub fn transpose(&self) -> Self {
        let transposed = |(mode, &(m, n)): (&Mat<T>, &(usize, usize))| {
            Mat::from_fn(m * n, mode.ncols(), |row, k| mode[(row / n + m * (row % n), k)])
        };
        let modes = self.modes().iter().zip(self.shapes()).map(transposed).collect();
        let shapes = self.shapes().iter().map(|&(m, n)| (n, m)).collect();
        // The lambdas are in order and finite as they are.
        Self::from_unit(shapes, self.lambda().to_vec(), modes).expect("the terms of a representation")
    }

    /// The product `M N`, for N of shapes (n_i, l_i): a matrix, or a vector where all l_i are 1. It has
    /// s t terms, the products of all pairs of factors: 2 s t sum m_i n_i l_i flops.
    ///
    /// ```
    /// use lowrank::{faer::mat, separated::Separated};
    /// let a = mat![[2.0, 1.0_f64], [0.0, 1.0]];
    /// let m = Separated::kronecker_sum(&[a.clone(), a])?; // a (x) I + I (x) a
    /// let x = Separated::from_terms(vec![vec![mat![[1.0], [2.0]], mat![[3.0], [4.0]]]])?;
    /// let y = m.times(&x)?;
    /// assert!((y.entry(&[0, 1], &[0, 0])? - (4.0 * 4.0 + 1.0 * 4.0)).abs() < 1e-13);
    /// # lowrank::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] when the inner sizes differ; [`Error::Parameter`] when a lambda overflows;
    /// [`Error::TooLarge`] when the terms are too many.
    pub fn times(&self, other: &Self) -> Result<Self> {
        let fits = |(a, b): (&(usize, usize), &(usize, usize))| a.1 == b.0;
        if self.order() != other.order() || !self.shapes().iter().zip(other.shapes()).all(fits) {
            let sizes: Vec<usize> = self.shapes().iter().map(|s| s.1).collect();
            let expected = format!("modes with {sizes:?} rows are needed");
            let found = other.shapes().iter().map(|s| s.0).collect();
            return Err(Error::Shape { argument: "other", expected, found });
        }
        let shapes: Vec<_> = self.shapes().iter().zip(other.shapes()).map(|(a, b)| (a.0, b.1)).collect();
        let (s, t) = (self.separation_rank(), other.separation_rank());
        let numbers = shapes.iter().map(|&(m, l)| m as f64 * l as f64).sum::<f64>() * s as f64 * t as f64;
        check_memory::<T>("the terms of the product", numbers, "reduce the numbers of terms first")?;
        let mode = |i: usize| {
            let ((m, n), l) = (self.shapes()[i], other.shapes()[i].1);
            let mut out = Mat::zeros(m * l, s * t);
            for k in 0..s {
                let factor = self.factor(k, i);
                let mut terms = out.as_mut().subcols_mut(k * t, t);
                for j in 0..l {
                    let columns = other.modes()[i].subrows(j * n, n); // column j of every factor, (n, t)
                    T::product(terms.as_mut().subrows_mut(j * m, m), false, factor, columns);
                }
            }
            out
        };
        let modes = (0..self.order()).into_par_iter().map(mode).collect();
        // The product of two lambdas may overflow before the norms of the columns make up for it.
        let size = |x: T| {
            let e = exponent(x);
            (scale_by_power_of_two(x.as_f64(), -e), e)
        };
        let product = |((x, e), (y, f)): ((f64, i32), (f64, i32))| (x * y, e + f);
        let pairs = self.lambda().iter().flat_map(|&x| other.lambda().iter().map(move |&y| (x, y)));
        let sizes = pairs.map(|(x, y)| product((size(x), size(y)))).collect();
        Self::normalized(shapes, sizes, modes)
    }

    /// The inner product <M, N> = trace(M'N), correct to the last digits even where its terms cancel
    /// to 1e-14 of their size. 18 s t sum m_i n_i flops.
    ///
    /// # Errors
    /// As for [`Separated::plus`]; [`Error::Parameter`] when it exceeds the largest `f64`.
    pub fn inner(&self, other: &Self) -> Result<f64> {
        self.same_shapes(other)?;
        let (x, e) = inner_product(self, other);
        finite("the inner product", x.value(), e)
    }

    /// |M - N|_F, as [`Separated::frobenius`] of the difference: never from their norms.
    ///
    /// # Errors
    /// As for [`Separated::inner`].
    pub fn distance(&self, other: &Self) -> Result<f64> {
        self.minus(other)?.frobenius()
    }

    /// The trace of a matrix with square factors: the inner product with the identity.
    ///
    /// # Errors
    /// [`Error::Shape`] when a factor is not square.
    pub fn trace(&self) -> Result<f64> {
        self.inner(&Self::identity(&square("self", self.shapes())?)?)
    }

    /// The diagonal of a matrix with square factors, as a vector (n_i = 1) of at most s terms.
    ///
    /// # Errors
    /// As for [`Separated::trace`].
    pub fn diagonal(&self) -> Result<Self> {
        let sizes = square("self", self.shapes())?;
        let diagonal =
            |(mode, &n): (&Mat<T>, &usize)| Mat::from_fn(n, mode.ncols(), |i, k| mode[(i * (n + 1), k)]);
        let modes = self.modes().iter().zip(&sizes).map(diagonal).collect();
        Self::new(sizes.iter().map(|&n| (n, 1)).collect(), self.lambda().to_vec(), modes)
    }

    /// The diagonal matrix of a vector (all n_i = 1), of as many terms: a potential, a coefficient.
    ///
    /// # Errors
    /// [`Error::Shape`] when a mode has more than one column; [`Error::TooLarge`].
    pub fn from_diagonal(vector: &Self) -> Result<Self> {
        if let Some(&(m, n)) = vector.shapes().iter().find(|s| s.1 != 1) {
            let expected = "modes of one column are needed".to_string();
            return Err(Error::Shape { argument: "vector", expected, found: vec![m, n] });
        }
        let s = vector.separation_rank();
        let numbers = vector.shapes().iter().map(|&(n, _)| n as f64 * n as f64).sum::<f64>() * s as f64;
        check_memory::<T>("the diagonal factors", numbers, "make the modes smaller")?;
        let spread = |mode: &Mat<T>| {
            let n = mode.nrows();
            let mut out = Mat::zeros(n * n, s);
            (0..s).for_each(|k| (0..n).for_each(|i| out[(i * (n + 1), k)] = mode[(i, k)]));
            out
        };
        let modes = vector.modes().iter().map(spread).collect();
        let shapes = vector.shapes().iter().map(|&(n, _)| (n, n)).collect();
        Self::from_unit(shapes, vector.lambda().to_vec(), modes)
    }

    /// The identity of size n_1 ... n_d: one term.
    ///
    /// # Errors
    /// [`Error::Shape`] for no mode; [`Error::TooLarge`]; [`Error::Parameter`] when its norm overflows.
    pub fn identity(sizes: &[usize]) -> Result<Self> {
        square_memory::<T>(sizes, 1)?;
        Self::from_terms(vec![sizes.iter().map(|&n| Mat::identity(n, n)).collect()])
    }

    /// The Kronecker sum `A_1 (+) ... (+) A_d = sum_i I (x) ... A_i ... (x) I` of square matrices: d
    /// terms.
    ///
    /// # Errors
    /// [`Error::Shape`] for no factor or one that is not square; [`Error::NonFinite`] with `[factor, row,
    /// column]`; [`Error::TooLarge`]; [`Error::Parameter`] when the norm of a term overflows.
    pub fn kronecker_sum(factors: &[Mat<T>]) -> Result<Self> {
        let shapes: Vec<_> = factors.iter().map(|f| f.shape()).collect();
        let sizes = square("factors", &shapes)?;
        for (k, factor) in factors.iter().enumerate() {
            crate::matrix::check_finite("factors", factor).map_err(|e| e.within(k))?;
        }
        square_memory::<T>(&sizes, sizes.len())?;
        let factor =
            |k: usize, i: usize| if k == i { factors[i].clone() } else { Mat::identity(sizes[i], sizes[i]) };
        let d = factors.len();
        Self::from_terms((0..d).map(|k| (0..d).map(|i| factor(k, i)).collect()).collect())
    }

    /// The whole matrix (m_1 ... m_d, n_1 ... n_d), in 2 s flops an entry.
    ///
    /// # Errors
    /// [`Error::TooLarge`] before anything is allocated; [`Error::Parameter`] when an entry exceeds the
    /// largest number of the type.
    pub fn to_dense(&self) -> Result<Mat<T>> {
        let (rows, cols) = self.shape()?;
        check_memory::<T>("the dense matrix", rows as f64 * cols as f64, "ask for single entries")?;
        let mut out = Mat::zeros(rows, cols);
        for (k, &lambda) in self.lambda().iter().enumerate() {
            let last = self.order() - 1;
            let start = Mat::full(1, 1, lambda);
            let left = (0..last).fold(start, |left, i| kronecker(left.as_ref(), self.factor(k, i)));
            let right = self.factor(k, last);
            let (m, n) = right.shape();
            for j in 0..cols {
                let column = out.col_as_slice_mut(j);
                for (i, x) in column.iter_mut().enumerate() {
                    *x += left[(i / m, j / n)] * right[(i % m, j % n)];
                }
            }
        }
        check_overflow(out.as_ref())?;
        Ok(out)
    }

    /// Checks that the modes have the same shapes.
    pub(super) fn same_shapes(&self, other: &Self) -> Result<()> {
        if self.shapes() == other.shapes() {
            return Ok(());
        }
        let expected = format!("modes of the shapes {:?} are needed", self.shapes());
        let found = other.shapes().iter().flat_map(|s| [s.0, s.1]).collect();
        Err(Error::Shape { argument: "other", expected, found })
    }
}

/// `<a, b> = x 2^e` for representations of the same shapes: `(x, e)`, e even for a = b.
pub(super) fn inner_product<T: Scalar>(a: &Separated<T>, b: &Separated<T>) -> (Pair, i32) {
    let sliced = |m: &Separated<T>| {
        let e = m.lambda().first().map_or(0, |x| exponent(*x));
        let weights = m.lambda().iter().map(|x| scale_by_power_of_two(x.as_f64(), -e)).collect();
        (Sliced::new(weights, m.modes()), e)
    };
    let (left, e) = sliced(a);
    if std::ptr::eq(a, b) {
        return (left.square(), 2 * e);
    }
    let (right, f) = sliced(b);
    (left.inner(&right), e + f)
}

/// `x 2^e`, or the error that it overflows.
pub(super) fn finite(name: &'static str, x: f64, e: i32) -> Result<f64> {
    let value = scale_by_power_of_two(x, e);
    if value.is_finite() {
        return Ok(value);
    }
    let remedy = "it exceeds the largest number: scale the matrices down";
    Err(Error::Parameter { name, value: format!("{x} 2^{e}"), remedy })
}

fn kronecker<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> Mat<T> {
    let (m, n) = b.shape();
    Mat::from_fn(a.nrows() * m, a.ncols() * n, |i, j| a[(i / m, j / n)] * b[(i % m, j % n)])
}

/// The sizes of square modes.
pub(super) fn square(argument: &'static str, shapes: &[(usize, usize)]) -> Result<Vec<usize>> {
    match shapes.iter().find(|s| s.0 != s.1) {
        None => Ok(shapes.iter().map(|s| s.0).collect()),
        Some(&(m, n)) => {
            let expected = "square factors are needed".to_string();
            Err(Error::Shape { argument, expected, found: vec![m, n] })
        }
    }
}

/// The too-large error, unless `count` terms of square factors fit twice.
pub(super) fn square_memory<T>(sizes: &[usize], count: usize) -> Result<()> {
    let numbers = sizes.iter().map(|&n| n as f64 * n as f64).sum::<f64>() * 2.0 * count as f64;
    check_memory::<T>("the square factors", numbers, "make the modes smaller")
}
