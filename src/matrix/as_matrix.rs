//! Matrices of faer, ndarray and nalgebra as one kind of argument.
//!
//! All three describe a matrix by a pointer, two sizes and two strides, so a view costs nothing
//! and no entry is moved, whatever the layout: by columns, by rows, strided, reversed.

use crate::Scalar;
use faer::{Mat, MatRef};
use nalgebra::{Dim, RawStorage};
use ndarray::{ArrayBase, Data, Ix2};

/// A stored matrix (m, n) of any of the three libraries, to be read in place.
///
/// The functions of this crate take `impl AsMatrix<T>` where they need a stored matrix: faer's
/// `Mat` and `MatRef`, ndarray's two-dimensional arrays and views, nalgebra's matrices, vectors
/// and views, of dynamic and of fixed size, and references to all of these. Parameters kept in a
/// struct are faer's views; [`AsMatrix::as_matrix`] makes them. Results are faer's; [`array_view`],
/// [`array_of`], [`nalgebra_view`] and [`nalgebra_of`] bring them back.
///
/// Every such matrix also has [`Entries`](crate::Entries), and so is an
/// [`Operator`](crate::Operator).
///
/// ```
/// use lowrank::matrix::{array_view, nalgebra_of};
/// use lowrank::{nalgebra::DMatrix, ndarray::Array2, svd};
///
/// let a = Array2::from_shape_fn((40, 30), |(i, j)| 1.0 / (1.0 + i as f64 + j as f64));
/// let exact = svd::dense(&a)?;
/// let fast = svd::randomized(&a.t(), 6, &svd::Randomized::default())?;
/// assert!((exact.s[0] - fast.s[0]).abs() < 1e-12);
/// assert_eq!(array_view(exact.u.as_ref()).dim(), (40, 30)); // an ndarray view, again without a copy
///
/// let b = DMatrix::from_fn(40, 30, |i, j| a[[i, j]]);
/// assert_eq!(nalgebra_of(svd::dense(&b)?.u), nalgebra_of(exact.u));
/// # lowrank::Result::Ok(())
/// ```
///
/// [`array_view`]: super::array_view
/// [`array_of`]: super::array_of
/// [`nalgebra_view`]: super::nalgebra_view
/// [`nalgebra_of`]: super::nalgebra_of
pub trait AsMatrix<T: Scalar> {
    /// The same matrix (m, n) as a faer view.
    fn as_matrix(&self) -> MatRef<'_, T>;
}

impl<T: Scalar, A: AsMatrix<T> + ?Sized> AsMatrix<T> for &A {
    fn as_matrix(&self) -> MatRef<'_, T> {
        (**self).as_matrix()
    }
}

impl<T: Scalar> AsMatrix<T> for Mat<T> {
    fn as_matrix(&self) -> MatRef<'_, T> {
        self.as_ref()
    }
}

impl<T: Scalar> AsMatrix<T> for MatRef<'_, T> {
    fn as_matrix(&self) -> MatRef<'_, T> {
        *self
    }
}

impl<T: Scalar, S: Data<Elem = T>> AsMatrix<T> for ArrayBase<S, Ix2> {
    fn as_matrix(&self) -> MatRef<'_, T> {
        super::view_of_array(self.view())
    }
}

impl<T: Scalar, R: Dim, C: Dim, S: RawStorage<T, R, C>> AsMatrix<T> for nalgebra::Matrix<T, R, C, S> {
    #[allow(unsafe_code)]
    fn as_matrix(&self) -> MatRef<'_, T> {
        let ((m, n), (down, right)) = (self.shape(), self.strides());
        // SAFETY: pointer, sizes and strides are those of a valid shared borrow, and both libraries
        // reach entry (i, j) at pointer + i down + j right.
        unsafe { MatRef::from_raw_parts(self.as_ptr(), m, n, down as isize, right as isize) }
    }
}
