//! The rearrangement of a matrix under which Kronecker products become outer products.
//!
//! **Problem.** A (m, n), stored, and shapes (m_1, n_1), ..., (m_d, n_d) with m = m_1 ... m_d and
//! n = n_1 ... n_d: the tensor R(A) (m_1 n_1, ..., m_d n_d) whose entry at (i_1 + m_1 j_1, ...,
//! i_d + m_d j_d) is A at rows (i_1, ..., i_d) and columns (j_1, ..., j_d), read in place.
//!
//! **Method.** Van Loan, Pitsianis, "Approximation with Kronecker products", 1993: for d = 2 row
//! i_1 + m_1 j_1 of R(A) is the block (i_1, j_1) of A, column by column, so that
//! R(M1 (x) M2) = vec(M1) vec(M2)'. The indices of more factors are split likewise.
//!
//! **Cost.** One pass over A when it is made; nothing is copied but what is asked for.
//!
//! **Guarantee.** Entries are moved and never computed with: [`fold`] gives A back bit by bit, and
//! |R(A)|_F = |A|_F.
//!
//! **Deviations.** None.

use super::RearrangedMatrix;
use super::product::size;
use crate::matrix::{AsMatrix, largest_finite};
use crate::{Error, Result, Scalar};
use faer::{Mat, MatRef};
use ndarray::{ArrayD, ArrayViewD, IxDyn};
use rayon::prelude::*;
use std::ops::Range;

/// Entries looked at by one task.
const PIECE: usize = 1 << 16;

/// The tensor R(A) (m_1 n_1, ..., m_d n_d) of a stored matrix, as a view of it.
///
/// ```
/// use lowrank::{faer::mat, kronecker::Rearranged};
/// let a = mat![[1.0, 2.0, 5.0, 6.0], [3.0, 4.0, 7.0, 8.0]];
/// let r = Rearranged::new(&a, &[(1, 2), (2, 2)])?; // of shape (2, 4)
/// assert_eq!(r.entry(&[1, 2])?, 6.0);
/// assert_eq!(r.to_dense()?.as_slice(), Some(&[1.0, 3.0, 2.0, 4.0, 5.0, 7.0, 6.0, 8.0][..]));
/// # lowrank::Result::Ok(())
/// ```
#[derive(Debug, Clone)]
pub struct Rearranged<'a, T: Scalar> {
    a: MatRef<'a, T>,
    shapes: Vec<(usize, usize)>,
    shape: Vec<usize>,
    largest: T,
}

impl<'a, T: Scalar> Rearranged<'a, T> {
    /// The rearrangement of `a` (m, n), whatever its strides. O(m n), to look for NaN.
    ///
    /// # Errors
    /// [`Error::Shape`] when there are no shapes or their products are not (m, n);
    /// [`Error::NonFinite`] with (row, column).
    pub fn new(a: &'a (impl AsMatrix<T> + ?Sized), shapes: &[(usize, usize)]) -> Result<Self> {
        let a = a.as_matrix();
        let found = shape_of(shapes)?;
        if found != a.shape() {
            let expected = format!("the shapes {shapes:?} make a matrix {found:?}");
            return Err(Error::Shape { argument: "a", expected, found: vec![a.nrows(), a.ncols()] });
        }
        let largest = largest(a)?;
        let shape = shapes.iter().map(|&(m, n)| size([m, n].into_iter())).collect::<Result<_>>()?;
        Ok(Self { a, shapes: shapes.to_vec(), shape, largest })
    }

    /// The shapes (m_k, n_k).
    pub fn shapes(&self) -> &[(usize, usize)] {
        &self.shapes
    }
    /// The sizes of the tensor, m_k n_k.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }
    /// The matrix A.
    pub fn matrix(&self) -> MatRef<'a, T> {
        self.a
    }
    /// The largest magnitude of an entry.
    pub(super) fn largest(&self) -> T {
        self.largest
    }

    /// One entry, in O(d).
    ///
    /// # Errors
    /// [`Error::Shape`] when an index is missing or outside of its mode.
    pub fn entry(&self, index: &[usize]) -> Result<T> {
        if index.len() != self.shape.len() || index.iter().zip(&self.shape).any(|(i, n)| i >= n) {
            let expected = format!("one index a mode, each below its size in {:?}, is needed", self.shape);
            return Err(Error::Shape { argument: "index", expected, found: index.to_vec() });
        }
        let (mut i, mut j) = (0, 0);
        for (x, &(m, n)) in index.iter().zip(&self.shapes) {
            (i, j) = (i * m + x % m, j * n + x / m);
        }
        Ok(self.a[(i, j)])
    }

    /// A copy of the entries with the indices `ranges[k]` in mode k.
    ///
    /// # Errors
    /// [`Error::Shape`] when a range is missing, reversed or leaves its mode.
    pub fn tile(&self, ranges: &[Range<usize>]) -> Result<ArrayD<T>> {
        let outside = |(r, n): (&Range<usize>, &usize)| r.start > r.end || r.end > *n;
        if ranges.len() != self.shape.len() || ranges.iter().zip(&self.shape).any(outside) {
            let expected =
                format!("one range a mode, each inside of its size in {:?}, is needed", self.shape);
            let found = ranges.iter().flat_map(|r| [r.start, r.end]).collect();
            return Err(Error::Shape { argument: "ranges", expected, found });
        }
        let sizes: Vec<usize> = ranges.iter().map(|r| r.len()).collect();
        let mut places = places(&self.shapes, ranges);
        let last = places.pop().unwrap_or_default();
        let mut out = Vec::with_capacity(sizes.iter().product());
        visit(&places, (0, 0), &mut |(i, j)| out.extend(last.iter().map(|(k, l)| self.a[(i + k, j + l)])));
        Ok(array(sizes, out))
    }

    /// The whole tensor, in row-major order: a copy, m n numbers.
    ///
    /// # Errors
    /// None for a matrix that fits the memory twice.
    pub fn to_dense(&self) -> Result<ArrayD<T>> {
        self.tile(&self.shape.iter().map(|&n| 0..n).collect::<Vec<_>>())
    }

    /// R(A) of two factors as a matrix (m_1 n_1, m_2 n_2) that can be applied without a copy.
    ///
    /// # Errors
    /// [`Error::Shape`] when the factors are not two.
    pub fn operator(&self) -> Result<RearrangedMatrix<'a, T>> {
        if self.shapes.len() == 2 {
            return self.unfolding(1);
        }
        let expected = "two factors are needed (for more there is `unfolding`)".to_string();
        Err(Error::Shape { argument: "shapes", expected, found: vec![self.shapes.len()] })
    }

    /// The unfolding of the tensor whose rows are its first `cut` modes and whose columns are the
    /// others, both in row-major order, to be applied without a copy. O(1).
    ///
    /// # Errors
    /// [`Error::Shape`] unless 0 < cut < the number of factors.
    ///
    /// ```
    /// use lowrank::{Kronecker, Operator, faer::mat, kronecker::Rearranged, svd};
    /// let (x, y, z) = (mat![[1.0, 2.0]], mat![[3.0], [4.0]], mat![[5.0, 6.0], [7.0, 8.0]]);
    /// let a = Kronecker::new(vec![x, y, z])?.to_dense()?; // (4, 4)
    /// let r = Rearranged::new(&a, &[(1, 2), (2, 1), (2, 2)])?.unfolding(2)?;
    /// assert_eq!(r.shape(), (4, 4));
    /// // vec(x) (x) vec(y) times vec(z)'
    /// assert!(svd::singular_values(&r.to_dense()?)?[1] < 1e-13);
    /// # lowrank::Result::Ok(())
    /// ```
    pub fn unfolding(&self, cut: usize) -> Result<RearrangedMatrix<'a, T>> {
        if cut > 0 && cut < self.shapes.len() {
            return Ok(RearrangedMatrix::new(self, cut));
        }
        let expected = format!("a number above 0 and below that of the factors, {}", self.shapes.len());
        Err(Error::Shape { argument: "cut", expected, found: vec![cut] })
    }
}

/// The matrix whose rearrangement is `tensor` (m_1 n_1, ..., m_d n_d): the inverse of
/// [`Rearranged::to_dense`]. O(m n).
///
/// # Errors
/// [`Error::Shape`] when there are no shapes or the tensor is not of their sizes;
/// [`Error::NonFinite`] with the index of an entry.
///
/// ```
/// use lowrank::{faer::mat, kronecker::{Rearranged, fold}};
/// let a = mat![[1.0, 2.0, 5.0, 6.0], [3.0, 4.0, 7.0, 8.0]];
/// let shapes = [(2, 2), (1, 2)];
/// assert_eq!(fold(Rearranged::new(&a, &shapes)?.to_dense()?.view(), &shapes)?, a);
/// # lowrank::Result::Ok(())
/// ```
pub fn fold<T: Scalar>(tensor: ArrayViewD<'_, T>, shapes: &[(usize, usize)]) -> Result<Mat<T>> {
    let (m, n) = shape_of(shapes)?;
    if !tensor.shape().iter().copied().eq(shapes.iter().map(|(m, n)| m * n)) {
        let expected = format!("the shapes {shapes:?} need one mode each, of their number of entries");
        return Err(Error::Shape { argument: "tensor", expected, found: tensor.shape().to_vec() });
    }
    crate::matrix::check_finite_array("tensor", tensor.view())?;
    let mut out = Mat::zeros(m, n);
    let ranges: Vec<_> = tensor.shape().iter().map(|&n| 0..n).collect();
    let mut entries = tensor.iter();
    visit(&places(shapes, &ranges), (0, 0), &mut |place| {
        if let Some(x) = entries.next() {
            out[place] = *x;
        }
    });
    Ok(out)
}

/// [`largest_finite`] in parallel.
fn largest<T: Scalar>(a: MatRef<'_, T>) -> Result<T> {
    let by_rows = a.row_stride() != 1 && a.col_stride() == 1;
    let lanes = if by_rows { a.transpose() } else { a };
    let width = (PIECE / lanes.nrows().max(1)).max(1);
    let piece = |k: usize| {
        let start = k * width;
        largest_finite("a", lanes.subcols(start, width.min(lanes.ncols() - start)))
    };
    let found: Vec<Result<T>> = (0..lanes.ncols().div_ceil(width)).into_par_iter().map(piece).collect();
    let found = found.into_iter().try_fold(T::of(0.0), |most, x| x.map(|x| if x > most { x } else { most }));
    found.or_else(|_| largest_finite("a", a)) // for the position
}

/// Rows and columns of the matrix that these shapes make.
fn shape_of(shapes: &[(usize, usize)]) -> Result<(usize, usize)> {
    if shapes.is_empty() {
        let expected = "at least one shape is needed".to_string();
        return Err(Error::Shape { argument: "shapes", expected, found: vec![0] });
    }
    Ok((size(shapes.iter().map(|s| s.0))?, size(shapes.iter().map(|s| s.1))?))
}

/// What each index in a range of each mode adds to the row and the column of A.
fn places(shapes: &[(usize, usize)], ranges: &[Range<usize>]) -> Vec<Vec<(usize, usize)>> {
    let (mut down, mut right) = (1, 1); // the product of the later sizes
    let mut out = Vec::new();
    for (&(m, n), range) in shapes.iter().zip(ranges).rev() {
        out.push(range.clone().map(|x| (x % m * down, x / m * right)).collect());
        (down, right) = (down * m, right * n);
    }
    out.reverse();
    out
}

/// Visits all sums of one place a mode, the last mode fastest.
fn visit(places: &[Vec<(usize, usize)>], (i, j): (usize, usize), work: &mut impl FnMut((usize, usize))) {
    match places {
        [] => work((i, j)),
        [first, rest @ ..] => first.iter().for_each(|(k, l)| visit(rest, (i + k, j + l), work)),
    }
}

fn array<T: Scalar>(sizes: Vec<usize>, entries: Vec<T>) -> ArrayD<T> {
    ArrayD::from_shape_vec(IxDyn(&sizes), entries).expect("as many entries as the sizes say")
}
