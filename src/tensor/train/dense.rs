//! A tensor train written out: the whole tensor, or the matrices left and right of a bond.

use super::tt_svd::check_finite;
use super::{TensorTrain, scale};
use crate::{Entries, Error, LowRank, Result, Scalar, TensorEntries};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef};
use ndarray::{ArrayD, ArrayViewD, IxDyn};

/// An empty vector with room for as many numbers as the shape has, or the too-large error.
pub(super) fn reserve<T: Scalar>(shape: &[usize], what: &'static str) -> Result<Vec<T>> {
    let bytes = shape.iter().fold(size_of::<T>() as f64, |bytes, &n| bytes * n as f64);
    let too_large =
        || Error::TooLarge { what, bytes, remedy: "ask for fewer or smaller modes, or single entries" };
    let mut vector = Vec::new();
    if shape.contains(&0) {
        return Ok(vector);
    }
    let length = shape.iter().try_fold(1usize, |length, &n| length.checked_mul(n)).ok_or_else(too_large)?;
    vector.try_reserve_exact(length).map_err(|_| too_large())?;
    Ok(vector)
}

/// The product of two row-major matrices (m, k) and (k, n), row-major.
pub(super) fn product<T: Scalar>(
    a: &[T],
    b: &[T],
    (m, k, n): (usize, usize, usize),
    what: &'static str,
) -> Result<Vec<T>> {
    let mut c = reserve(&[m, n], what)?;
    c.resize(m * n, T::of(0.0));
    matmul(
        MatMut::from_row_major_slice_mut(&mut c, m, n),
        Accum::Replace,
        MatRef::from_row_major_slice(a, m, k),
        MatRef::from_row_major_slice(b, k, n),
        T::of(1.0),
        faer::get_global_parallelism(),
    );
    Ok(c)
}

impl<T: Scalar> TensorTrain<T> {
    /// The whole tensor, row-major, in O(N r) for N entries and little more than their memory.
    ///
    /// # Errors
    /// [`Error::TooLarge`] before anything is allocated, where N numbers are too many.
    pub fn to_dense(&self) -> Result<ArrayD<T>> {
        reserve::<T>(&self.shape, "the dense tensor")?;
        let data = self.left_product(self.order(), "the dense tensor")?;
        let found = self.shape.clone();
        ArrayD::from_shape_vec(IxDyn(&self.shape), data).map_err(|_| Error::Shape {
            argument: "train",
            expected: "its size overflows".into(),
            found,
        })
    }

    /// |A - X|_F, from the residual, which is written out. O(N r) for N entries.
    ///
    /// # Errors
    /// [`Error::Shape`] where `a` has another shape; [`Error::NonFinite`] with the position;
    /// [`Error::TooLarge`].
    pub fn error(&self, a: ArrayViewD<'_, T>) -> Result<f64> {
        if a.shape() != self.shape {
            let expected = format!("the train has shape {:?}", self.shape);
            return Err(Error::Shape { argument: "a", expected, found: a.shape().to_vec() });
        }
        check_finite(&a)?;
        let mut residual = self.to_dense()?;
        residual -= &a;
        let residual = residual.as_slice_mut().unwrap_or(&mut []);
        let j = scale::exponent(residual);
        scale::shift(residual, -j);
        Ok(scale::shifted(scale::norm(residual), j))
    }

    /// The left interface at bond k, 0 <= k <= d: the matrix of the first k cores multiplied out,
    /// (n_1 ... n_k, r_k), rows in row-major order. The unfolding at bond k is
    /// `left_interface(k) * right_interface(k)'`. O(n_1 ... n_k r^2).
    ///
    /// # Errors
    /// [`Error::Parameter`] for k > d; [`Error::TooLarge`].
    pub fn left_interface(&self, k: usize) -> Result<Mat<T>> {
        self.check_bond(k)?;
        let data = self.left_product(k, "a left interface")?;
        let rank = if k == 0 { 1 } else { self.cores[k - 1].dim().2 };
        let rows = data.len() / rank;
        Ok(MatRef::from_row_major_slice(&data, rows, rank).to_owned())
    }

    /// The right interface at bond k, 0 <= k <= d: the matrix of the last d - k cores multiplied
    /// out, (n_{k+1} ... n_d, r_k), rows in row-major order. O(n_{k+1} ... n_d r^2).
    ///
    /// # Errors
    /// [`Error::Parameter`] for k > d; [`Error::TooLarge`].
    pub fn right_interface(&self, k: usize) -> Result<Mat<T>> {
        self.check_bond(k)?;
        let what = "a right interface";
        reserve::<T>(&self.shape[k..], what)?;
        let mut right = vec![T::of(1.0)]; // (r_j, n_{j+1} ... n_d), row-major
        for core in self.cores[k..].iter().rev() {
            let (left, n, rank) = core.dim();
            let rest = right.len() / rank;
            right = product(core.as_slice().unwrap_or(&[]), &right, (left * n, rank, rest), what)?;
        }
        let rank = if k == self.order() { 1 } else { self.cores[k].dim().0 };
        let rest = right.len() / rank;
        Ok(MatRef::from_column_major_slice(&right, rest, rank).to_owned())
    }

    /// The first k cores multiplied out: (n_1 ... n_k, r_k), row-major.
    fn left_product(&self, k: usize, what: &'static str) -> Result<Vec<T>> {
        reserve::<T>(&self.shape[..k], what)?;
        let mut left = vec![T::of(1.0)]; // (n_1 ... n_j, r_j)
        for core in &self.cores[..k] {
            let (rank, n, next) = core.dim();
            let rows = left.len() / rank;
            left = product(&left, core.as_slice().unwrap_or(&[]), (rows, rank, n * next), what)?;
        }
        Ok(left)
    }

    fn check_bond(&self, k: usize) -> Result<()> {
        if k <= self.order() {
            return Ok(());
        }
        let remedy = "bonds are counted from 0 to the order of the train";
        Err(Error::Parameter { name: "k", value: k.to_string(), remedy })
    }
}

impl<T: Scalar> TensorEntries<T> for TensorTrain<T> {
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn unfolding(&self, split: usize) -> Result<Box<dyn Entries<T> + '_>> {
        Ok(Box::new(LowRank { u: self.left_interface(split)?, v: self.right_interface(split)? }))
    }
}
