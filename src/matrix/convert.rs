//! Views of faer's matrices as ndarray's and nalgebra's, without a copy; [`AsMatrix`] is the way in.
//!
//! Negative strides (a reversed axis) pass between faer and ndarray; nalgebra has none, so there
//! the answer is an `Option`. The owned conversions copy once, O(m n).

use super::AsMatrix;
use crate::Scalar;
use faer::{MatMut, MatRef};
use nalgebra::{DMatrix, DMatrixView, Dyn, ViewStorage};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, ShapeBuilder};

/// The same matrix (m, n) as a faer view that lives as long as the entries, not only as long as
/// `a`; else [`AsMatrix::as_matrix`] does the same.
///
/// ```
/// use lowrank::{matrix::view_of_array, ndarray::array};
/// let a = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
/// assert_eq!(view_of_array(a.view())[(1, 0)], 4.0);
/// ```
#[allow(unsafe_code)]
pub fn view_of_array<'a, T: Scalar>(a: ArrayView2<'a, T>) -> MatRef<'a, T> {
    let ((m, n), strides) = (a.dim(), [a.strides()[0], a.strides()[1]]);
    // SAFETY: pointer, sizes and strides are those of a valid shared borrow of lifetime 'a, and
    // both libraries reach entry (i, j) at pointer + i strides[0] + j strides[1]; the pointer is
    // not null even when the view is empty.
    unsafe { MatRef::from_raw_parts(a.as_ptr(), m, n, strides[0], strides[1]) }
}

/// The same matrix (m, n) as a faer view that can be written to.
#[allow(unsafe_code)]
pub(crate) fn view_of_array_mut<'a, T: Scalar>(mut a: ArrayViewMut2<'a, T>) -> MatMut<'a, T> {
    let ((m, n), strides) = (a.dim(), [a.strides()[0], a.strides()[1]]);
    // SAFETY: as above; the borrow is an exclusive one of lifetime 'a, and ndarray keeps the places
    // of different entries of such a view apart.
    unsafe { MatMut::from_raw_parts_mut(a.as_mut_ptr(), m, n, strides[0], strides[1]) }
}

/// The same matrix (m, n) as an ndarray view, whatever its strides.
///
/// ```
/// use lowrank::{faer::mat, matrix::array_view};
/// let a = mat![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
/// assert_eq!(array_view(a.as_ref().reverse_rows())[[0, 2]], 6.0);
/// ```
#[allow(unsafe_code)]
pub fn array_view<'a, T: Scalar>(a: MatRef<'a, T>) -> ArrayView2<'a, T> {
    let (m, n) = a.shape();
    let (down, right) = (a.row_stride(), a.col_stride());
    if m == 0 || n == 0 {
        return ArrayView2::from_shape((m, n), &[]).expect("an empty view needs no data");
    }
    // ndarray takes nonnegative strides here; a reversed axis is turned round and back.
    let mut forward = a;
    if down < 0 {
        forward = forward.reverse_rows();
    }
    if right < 0 {
        forward = forward.reverse_cols();
    }
    let shape = (m, n).strides((down.unsigned_abs(), right.unsigned_abs()));
    // SAFETY: as above; `forward` is a valid shared borrow of lifetime 'a with these strides.
    let mut view = unsafe { ArrayView2::from_shape_ptr(shape, forward.as_ptr()) };
    if down < 0 {
        view.invert_axis(Axis(0));
    }
    if right < 0 {
        view.invert_axis(Axis(1));
    }
    view
}

/// The same matrix (m, n) as an nalgebra view; `None` where a stride is negative.
#[allow(unsafe_code)]
pub fn nalgebra_view<'a, T: Scalar>(a: MatRef<'a, T>) -> Option<DMatrixView<'a, T, Dyn, Dyn>> {
    let down = usize::try_from(a.row_stride()).ok()?;
    let right = usize::try_from(a.col_stride()).ok()?;
    // SAFETY: pointer, sizes and strides are those of a valid shared borrow of lifetime 'a.
    let storage = unsafe {
        ViewStorage::from_raw_parts(a.as_ptr(), (Dyn(a.nrows()), Dyn(a.ncols())), (Dyn(down), Dyn(right)))
    };
    Some(DMatrixView::from_data(storage))
}

/// A row-major ndarray matrix with the entries of a faer or nalgebra matrix.
pub fn array_of<T: Scalar>(a: impl AsMatrix<T>) -> Array2<T> {
    let a = a.as_matrix();
    Array2::from_shape_fn(a.shape(), |(i, j)| a[(i, j)])
}

/// An nalgebra matrix with the entries of a faer or ndarray matrix.
pub fn nalgebra_of<T: Scalar>(a: impl AsMatrix<T>) -> DMatrix<T> {
    let a = a.as_matrix();
    DMatrix::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::s;

    #[test]
    fn views_agree_entry_by_entry_whatever_the_strides() {
        let base = Array2::from_shape_fn((6, 8), |(i, j)| (10 * i + j) as f64);
        let views = [
            base.view(),
            base.t(),
            base.slice(s![..;-1, ..]),
            base.slice(s![.., ..;-1]),
            base.slice(s![1..;2, 1..;-3]),
            base.slice(s![..0, ..]),
            base.slice(s![2..3, 5..6]),
        ];
        for view in views {
            let a = view_of_array(view);
            assert_eq!(array_view(a), view);
            assert_eq!(view.as_matrix(), a);
            assert_eq!(array_of(a), view);
            let owned = nalgebra_of(a);
            assert_eq!(owned.as_matrix(), a);
            assert_eq!(owned.as_view::<Dyn, Dyn, nalgebra::U1, Dyn>().as_matrix(), a);
            match nalgebra_view(a) {
                Some(v) => assert_eq!(v, owned),
                None => assert!(view.strides().iter().any(|s| *s < 0)),
            }
            if let (Some(x), false) = (view.first(), view.is_empty()) {
                assert_eq!(array_view(a).as_ptr(), x as *const f64, "no copy");
            }
        }
    }
}
