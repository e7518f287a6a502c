//! The matrix `2^-shift A` that an algorithm works with: checked, and of moderate size.

use super::{Svd, dense};
use crate::matrix::{Moderate, excess, exponent, scale_by_power_of_two};
use crate::operator::stored_product;
use crate::{Error, Operator, Result, Scalar};
use faer::{Mat, MatRef};
use std::marker::PhantomData;

pub(super) struct Source<'a, T: Scalar, K, O: Operator<T, K> + ?Sized> {
    a: &'a O,
    kind: PhantomData<fn() -> K>,
    stored: Option<Moderate<'a, T>>,
    shift: i32,
}

impl<'a, T: Scalar, K, O: Operator<T, K> + ?Sized> Source<'a, T, K, O> {
    /// Checks a stored matrix and scales it (into a copy) only where it is very large or small.
    pub(super) fn new(a: &'a O) -> Result<Self> {
        let checked = |stored| Moderate::within(limit::<T>(), "a", stored);
        let stored = a.stored_matrix().map(checked).transpose()?;
        let shift = stored.as_ref().map_or(0, |stored| stored.exponent);
        Ok(Self { a, kind: PhantomData, stored, shift })
    }

    /// Rows and columns, (m, n).
    pub(super) fn shape(&self) -> (usize, usize) {
        self.a.shape()
    }

    /// The exponent of the power of two that was divided out.
    pub(super) fn shift(&self) -> i32 {
        self.shift
    }

    /// The dense SVD of A itself, with its singular values unscaled.
    pub(super) fn dense(&self) -> Result<Svd<T>> {
        with_dense(self.a, |a| dense(a))
    }

    /// |A - L R'|_F from the residual, where the entries are at hand.
    pub(super) fn residual_norm(&self, left: MatRef<'_, T>, right: MatRef<'_, T>) -> Result<Option<f64>> {
        self.a.residual_norm(left, right, self.shift)
    }

    /// `A b` for `b` (n, l): (m, l). The first product of what is not stored finds its scale.
    pub(super) fn first_product(&mut self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        if self.stored().is_some() {
            return self.product(b);
        }
        let (y, largest) = match self.a.scaled_product(b, false, 0) {
            // The product may overflow where the matrix does not.
            Err(Error::NonFinite { argument: "a b", .. }) => {
                let down = limit::<T>() + limit::<T>() / 2;
                let (y, largest) = self.a.scaled_product(b, false, down)?;
                self.shift = (exponent(largest) + down).min(most::<T>());
                return if self.shift == down { Ok(y) } else { self.product(b) };
            }
            found => found?,
        };
        self.shift = excess(exponent(largest), limit::<T>()).clamp(-most::<T>(), most::<T>());
        if self.shift == 0 { Ok(y) } else { self.product(b) }
    }

    /// `A b` for `b` (n, l): (m, l).
    pub(super) fn product(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        match self.stored() {
            Some(a) => Ok(stored_product(a, b, false)),
            None => Ok(self.a.scaled_product(b, false, self.shift)?.0),
        }
    }

    /// `A' b` for `b` (m, l): (n, l).
    pub(super) fn transposed_product(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        match self.stored() {
            Some(a) => Ok(stored_product(a, b, true)),
            None => Ok(self.a.scaled_product(b, true, self.shift)?.0),
        }
    }

    /// `2^-shift A`, where A is stored.
    fn stored(&self) -> Option<MatRef<'_, T>> {
        self.stored.as_ref().map(|stored| stored.matrix())
    }

    /// The singular values of A from those of `2^-shift A`.
    ///
    /// # Errors
    /// [`Error::Parameter`] when one exceeds the largest number.
    pub(super) fn scale_back(&self, s: &mut [T]) -> Result<()> {
        for x in s.iter_mut() {
            *x = scale_by_power_of_two(*x, self.shift);
        }
        if s.iter().all(|x| num_traits::Float::is_finite(*x)) {
            return Ok(());
        }
        Err(Error::Parameter {
            name: "a",
            value: format!("matrix with |entries| up to 2^{}", self.shift + 1),
            remedy: "its largest singular value exceeds the largest number: scale the matrix down",
        })
    }
}

/// Between 2^-limit and 2^limit sums of products neither overflow nor lose digits.
fn limit<T: Scalar>() -> i32 {
    if T::NAME == "f32" { 40 } else { 400 }
}

/// The largest power divided out of what is not stored: 2^most times a vector does not overflow.
fn most<T: Scalar>() -> i32 {
    limit::<T>() * 23 / 10
}

/// What `work` makes of the whole matrix, in place where it is stored.
pub(super) fn with_dense<T: Scalar, K, R>(
    a: &(impl Operator<T, K> + ?Sized),
    work: impl FnOnce(MatRef<'_, T>) -> Result<R>,
) -> Result<R> {
    match a.stored_matrix() {
        Some(stored) => work(stored),
        None => work(a.to_dense()?.as_ref()),
    }
}
