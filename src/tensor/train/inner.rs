//! Inner product, norm and distance of tensor trains.
//!
//! # Problem
//! For trains X and Y of one shape: the sum over all entries of X Y, |X|_F and |X - Y|_F.
//! # Method
//! Oseledets, Tensor-train decomposition, SIAM J. Sci. Comput. 33 (2011), section 4.2. The inner
//! product contracts the cores into a matrix (rank of X, rank of Y) core by core. The norm does not
//! square: the cores are multiplied into triangular matrices by QR factorizations without Q. Both
//! run from both ends at once and meet at the middle bond.
//! # Cost
//! O(d n r^3), and O(n r^2) memory beyond the trains; two threads.
//! # Guarantee
//! The error of the inner product is a small multiple of d eps |X|_F |Y|_F, that of the norm of
//! d eps |X|_F; hence a distance is seen down to eps (|X|_F + |Y|_F), not to its root.
//! # Deviations
//! Matrices on the way are scaled by powers of two, so that nothing over- or underflows but the
//! result.

use super::steps::{entries, matrix, times};
use super::{TensorTrain, scale};
use crate::{Result, Scalar};
use faer::{Mat, MatMut};
use ndarray::Array3;
use std::borrow::Cow;

/// Ranks from which cores are contracted index by index: then what is between the two products of a
/// step stays in the nearest cache.
const BY_SLICE: usize = 32;

impl<T: Scalar> TensorTrain<T> {
    /// The inner product: the sum of the products of all entries. O(d n r^3).
    ///
    /// # Errors
    /// [`crate::Error::Shape`] for different shapes.
    pub fn inner(&self, other: &Self) -> Result<f64> {
        self.check_same_shape(other)?;
        if self.shape.contains(&0) {
            return Ok(0.0);
        }
        let (x, y, middle) = (&self.cores, &other.cores, self.order() / 2);
        let ((left, jl), (right, jr)) =
            rayon::join(|| from_left(&x[..middle], &y[..middle]), || from_right(&x[middle..], &y[middle..]));
        let sum = left.iter().zip(&right).map(|(a, b)| a.as_f64() * b.as_f64()).sum();
        Ok(scale::shifted(sum, jl + jr))
    }

    /// |X|_F, without squaring, accurate to a small multiple of eps. Infinite where the norm itself is
    /// beyond the largest f64. O(d n r^3).
    ///
    /// # Errors
    /// None for finite cores.
    pub fn norm(&self) -> Result<f64> {
        if self.shape.contains(&0) {
            return Ok(0.0);
        }
        let (left, right) = self.cores.split_at(self.order() / 2);
        let ((left, jl), (right, jr)) = rayon::join(|| left_triangle(left), || right_triangle(right));
        let product = times(left.as_ref(), right.transpose());
        Ok(scale::shifted(scale::norm(&product), jl + jr))
    }

    /// |X - Y|_F, seen down to eps (|X|_F + |Y|_F). O(d n (r + s)^3) for ranks r and s.
    ///
    /// # Errors
    /// [`crate::Error::Shape`] for different shapes; [`crate::Error::TooLarge`].
    pub fn distance(&self, other: &Self) -> Result<f64> {
        self.minus(other)?.norm()
    }
}

/// The entries of a core and the exponent to be added, 0 for a core of moderate scale, which is read in
/// place.
fn moderate<T: Scalar>(core: &Array3<T>) -> (Cow<'_, [T]>, i32) {
    let data = entries(core);
    match scale::exponent(data) {
        j if scale::is_safe::<T>(j) => (Cow::Borrowed(data), 0),
        j => {
            let mut data = data.to_vec();
            scale::shift(&mut data, -j);
            (Cow::Owned(data), j)
        }
    }
}

/// The cores of X and Y contracted over all modes: (r, s), row-major, and its exponent.
fn from_left<T: Scalar>(x: &[Array3<T>], y: &[Array3<T>]) -> (Vec<T>, i32) {
    let (mut w, mut taken) = (vec![T::of(1.0)], 0);
    for (x, y) in x.iter().zip(y) {
        let ((l, n, r), (p, _, q)) = (x.dim(), y.dim());
        let (next, j) = safely(x, y, |a, b| {
            let w = matrix(&w, l, p).transpose();
            if l.min(r).min(p).min(q) < BY_SLICE {
                let next = times(w, matrix(a, l, n * r)); // (p, n r)
                return times(matrix(&next, p * n, r).transpose(), matrix(b, p * n, q)); // (r, q)
            }
            let (a, b) = (matrix(a, l, n * r), matrix(b, p, n * q));
            let (mut middle, mut out) = (vec![T::of(0.0); p * r], vec![T::of(0.0); r * q]);
            for i in 0..n {
                T::product(target(&mut middle, p, r), false, w, a.subcols(i * r, r));
                let middle = matrix(&middle, p, r).transpose();
                T::product(target(&mut out, r, q), i > 0, middle, b.subcols(i * q, q));
            }
            out
        });
        (w, taken) = (next, taken + j);
    }
    (w, taken)
}

/// The same from the last core to the first.
fn from_right<T: Scalar>(x: &[Array3<T>], y: &[Array3<T>]) -> (Vec<T>, i32) {
    let (mut w, mut taken) = (vec![T::of(1.0)], 0);
    for (x, y) in x.iter().zip(y).rev() {
        let ((l, n, r), (p, _, q)) = (x.dim(), y.dim());
        let (next, j) = safely(x, y, |a, b| {
            let w = matrix(&w, r, q);
            if l.min(r).min(p).min(q) < BY_SLICE {
                let next = times(matrix(a, l * n, r), w); // (l n, q)
                return times(matrix(&next, l, n * q), matrix(b, p, n * q).transpose()); // (l, p)
            }
            let (a, b) = (matrix(a, l, n * r), matrix(b, p, n * q));
            let (mut middle, mut out) = (vec![T::of(0.0); l * q], vec![T::of(0.0); l * p]);
            for i in 0..n {
                T::product(target(&mut middle, l, q), false, a.subcols(i * r, r), w);
                let b = b.subcols(i * q, q).transpose();
                T::product(target(&mut out, l, p), i > 0, matrix(&middle, l, q), b);
            }
            out
        });
        (w, taken) = (next, taken + j);
    }
    (w, taken)
}

/// A row-major matrix to be written.
fn target<T>(data: &mut [T], m: usize, n: usize) -> MatMut<'_, T> {
    MatMut::from_row_major_slice_mut(data, m, n)
}

/// The step of two cores, its largest magnitude brought to [1, 2), and the exponent taken out. The
/// cores are scaled first only where the step as it is over- or underflows, or might have.
fn safely<T: Scalar>(a: &Array3<T>, b: &Array3<T>, step: impl Fn(&[T], &[T]) -> Vec<T>) -> (Vec<T>, i32) {
    let mut w = step(entries(a), entries(b));
    let (finite, nonzero) = (|x: &T| num_traits::Float::is_finite(*x), |x: &T| *x != T::of(0.0));
    if w.iter().all(finite) && w.iter().any(nonzero) && scale::is_safe::<T>(scale::exponent(&w)) {
        let j = scale::normalize_slice(&mut w);
        return (w, j);
    }
    let ((a, ja), (b, jb)) = (moderate(a), moderate(b));
    let mut w = step(&a, &b);
    let j = scale::normalize_slice(&mut w);
    (w, j + ja + jb)
}

/// The R (., r) of the left interface of these cores, and its exponent.
fn left_triangle<T: Scalar>(cores: &[Array3<T>]) -> (Mat<T>, i32) {
    let (mut triangle, mut taken) = (Mat::from_fn(1, 1, |_, _| T::of(1.0)), 0);
    for core in cores {
        let (l, n, r) = core.dim();
        let (data, j) = moderate(core);
        let rows = triangle.nrows();
        let mut product = times(triangle.as_ref(), matrix(&data, l, n * r)); // (rows n, r)
        taken += j + scale::normalize_slice(&mut product);
        triangle = T::triangle(matrix(&product, rows * n, r).to_owned());
    }
    (triangle, taken)
}

/// The R (., l) of the right interface of these cores, and its exponent.
fn right_triangle<T: Scalar>(cores: &[Array3<T>]) -> (Mat<T>, i32) {
    let (mut triangle, mut taken) = (Mat::from_fn(1, 1, |_, _| T::of(1.0)), 0);
    for core in cores.iter().rev() {
        let (l, n, r) = core.dim();
        let (data, j) = moderate(core);
        let columns = triangle.nrows();
        let mut product = times(matrix(&data, l * n, r), triangle.transpose()); // (l, n columns)
        taken += j + scale::normalize_slice(&mut product);
        triangle = T::triangle(matrix(&product, l, n * columns).transpose().to_owned());
    }
    (triangle, taken)
}
