//! Dense singular value decomposition.
//!
//! **Problem.** A (m, n), stored: orthonormal U, V and s_1 >= s_2 >= ... >= 0 with
//! A = U diag(s) V'.
//!
//! **Method.** Bidiagonalization and divide and conquer (Golub, Kahan 1965; Gu, Eisenstat 1995)
//! by faer on one thread, of A scaled by a power of two to a largest magnitude in [1, 2). A wide
//! matrix is factored through its transpose; a square one and its transpose are factored in one
//! common orientation. Matrices with m > 1.6 n start with a Householder QR (Chan 1982).
//!
//! **Cost.** About 22 m n^2 flops at m = n, 6 m n^2 for m >> n (m >= n); memory about
//! 3 m n + 5 n^2 numbers.
//!
//! **Guarantee.** |A - U diag(s) V'|_F <= 5 max(m, n) eps |A|_F and
//! |U'U - I|_F <= 10 max(m, n) eps, at every scale of the entries. Multiplying A by 2^j
//! multiplies s by 2^j and changes no bit of U and V, short of over- and underflow. Singular
//! values below the smallest normal number carry its absolute precision only. The result does
//! not depend on the number of threads.
//!
//! **Deviations.** faer's own QR shortcut is off: it loses small singular values.

use crate::matrix::{
    AsMatrix, canonical_signs, exponent, frobenius, largest_finite, scale_by_power_of_two, scaled,
};
use crate::{Error, LowRank, Result, Scalar};
use faer::{Mat, MatRef};

/// A thin singular value decomposition `A = U diag(s) V'`.
///
/// In each column of `u` the entry of largest magnitude is positive.
#[derive(Debug, Clone)]
pub struct Svd<T: Scalar> {
    /// Left singular vectors, (m, k).
    pub u: Mat<T>,
    /// Singular values, nonincreasing, k of them.
    pub s: Vec<T>,
    /// Right singular vectors, (n, k).
    pub v: Mat<T>,
}

impl<T: Scalar> Svd<T> {
    /// Rows and columns of the matrix, (m, n).
    pub fn shape(&self) -> (usize, usize) {
        (self.u.nrows(), self.v.nrows())
    }
    /// Number of singular values kept, k.
    pub fn rank(&self) -> usize {
        self.s.len()
    }
    /// How many numbers are stored: (m + n + 1) k.
    pub fn parameters(&self) -> usize {
        (self.u.nrows() + self.v.nrows() + 1) * self.rank()
    }
    /// Entry (i, j) of U diag(s) V', in O(k).
    pub fn entry(&self, i: usize, j: usize) -> T {
        (0..self.rank()).map(|k| self.u[(i, k)] * self.s[k] * self.v[(j, k)]).sum()
    }
    /// U diag(s) V', (m, n), in O(m n k).
    pub fn to_dense(&self) -> Mat<T> {
        let e = exponent(self.s.first().copied().unwrap_or_default());
        let left = columns_times(self.u.as_ref(), |k| scale_by_power_of_two(self.s[k], -e)); // (m, k)
        let mut out = Mat::zeros(self.u.nrows(), self.v.nrows());
        T::product(out.as_mut(), false, left.as_ref(), self.v.transpose());
        crate::matrix::scale_in_place(&mut out, e);
        out
    }
    /// |A - U diag(s) V'|_F, from the residual. O(m n k).
    ///
    /// # Errors
    /// [`Error::Shape`] when `a` has another shape.
    pub fn error(&self, a: impl AsMatrix<T>) -> Result<f64> {
        let a = a.as_matrix();
        if a.shape() != self.shape() {
            let (m, n) = self.shape();
            let found = vec![a.nrows(), a.ncols()];
            return Err(Error::Shape { argument: "a", expected: format!("({m}, {n}) is needed"), found });
        }
        Ok(frobenius((a - self.to_dense()).as_ref()))
    }
    /// The first `rank` singular triplets (all of them where there are fewer): the best
    /// approximation of that rank in every unitarily invariant norm (Eckart, Young, Mirsky).
    pub fn truncate(mut self, rank: usize) -> Self {
        let rank = rank.min(self.rank());
        self.s.truncate(rank);
        self.u.resize_with(self.u.nrows(), rank, |_, _| T::of(0.0));
        self.v.resize_with(self.v.nrows(), rank, |_, _| T::of(0.0));
        self
    }
    /// The factors (U sqrt(s), V sqrt(s)), which share the singular values evenly.
    pub fn into_low_rank(self) -> LowRank<T> {
        let root = |k: usize| num_traits::Float::sqrt(self.s[k]);
        LowRank { u: columns_times(self.u.as_ref(), root), v: columns_times(self.v.as_ref(), root) }
    }
}

/// Column k of `a` times `factor(k)`.
pub(super) fn columns_times<T: Scalar>(a: MatRef<'_, T>, factor: impl Fn(usize) -> T) -> Mat<T> {
    let mut out = a.to_owned();
    for k in 0..a.ncols() {
        let f = factor(k);
        out.col_as_slice_mut(k).iter_mut().for_each(|x| *x *= f);
    }
    out
}

/// Thin SVD of a dense matrix: k = min(m, n).
///
/// An empty matrix has an empty decomposition.
///
/// # Errors
/// [`Error::NonFinite`] for NaN and infinities; [`Error::Parameter`] when the largest singular
/// value exceeds the largest number of the type; [`Error::NoConvergence`] is not known to happen.
///
/// ```
/// use lowrank::{faer::mat, svd::dense};
/// let svd = dense(mat![[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]].as_ref())?;
/// assert_eq!(svd.s, [4.0, 3.0]);
/// # lowrank::Result::Ok(())
/// ```
pub fn dense<T: Scalar>(a: impl AsMatrix<T>) -> Result<Svd<T>> {
    decompose(a.as_matrix(), false, |tall| T::svd_of_tall(tall, false))
}

/// Full SVD: `u` is (m, m), `v` is (n, n), and `s` holds min(m, n) values.
///
/// The columns beyond min(m, n) complete an orthonormal basis. Costs as for [`dense`] plus
/// O(m^2 n); errors as there, and [`Error::TooLarge`] when (max(m, n))^2 numbers overflow.
pub fn full<T: Scalar>(a: impl AsMatrix<T>) -> Result<Svd<T>> {
    let a = a.as_matrix();
    let larger = a.nrows().max(a.ncols());
    let bytes = (larger as f64).powi(2) * size_of::<T>() as f64;
    if bytes > isize::MAX as f64 {
        return Err(Error::TooLarge { what: "the full SVD", bytes, remedy: "use the thin SVD" });
    }
    decompose(a, true, |tall| T::svd_of_tall(tall, true))
}

/// Singular values only, nonincreasing, min(m, n) of them.
///
/// Within 4 eps s_1 of those of [`dense`]; about 8 n^2 (m - n/3) flops at m = n.
///
/// # Errors
/// Those of [`dense`].
pub fn singular_values<T: Scalar>(a: impl AsMatrix<T>) -> Result<Vec<T>> {
    values_of(a.as_matrix(), T::values_of_tall)
}

/// Singular values by `factorize`, which is given a checked tall matrix.
pub(super) fn values_of<T: Scalar>(
    a: MatRef<'_, T>,
    factorize: impl FnOnce(MatRef<'_, T>) -> Option<Vec<T>>,
) -> Result<Vec<T>> {
    let problem = Problem::of(a)?;
    let mut s = match &problem.tall {
        Some(tall) => factorize(tall.as_ref()).ok_or(no_convergence(a))?,
        None => vec![T::of(0.0); a.nrows().min(a.ncols())],
    };
    s.sort_by(|x, y| y.as_f64().total_cmp(&x.as_f64()));
    scale_back(s, problem.exponent)
}

fn no_convergence<T: Scalar>(a: MatRef<'_, T>) -> Error {
    Error::NoConvergence { what: "SVD", rows: a.nrows(), cols: a.ncols() }
}

/// A checked matrix, scaled and stood upright; no matrix where all entries are zero.
struct Problem<T: Scalar> {
    tall: Option<Mat<T>>,
    transposed: bool,
    exponent: i32,
}

impl<T: Scalar> Problem<T> {
    fn of(a: MatRef<'_, T>) -> Result<Self> {
        let largest = largest_finite("a", a)?;
        let exponent = exponent(largest);
        let transposed = a.nrows() < a.ncols() || (a.nrows() == a.ncols() && transpose_goes_first(a));
        let upright = if transposed { a.transpose() } else { a };
        let tall = (largest != T::of(0.0)).then(|| scaled(upright, -exponent));
        Ok(Self { tall, transposed, exponent })
    }
}

/// Picks one of A and A' by the first entry where they differ, so that both are factored alike.
fn transpose_goes_first<T: Scalar>(a: MatRef<'_, T>) -> bool {
    let n = a.ncols();
    let pairs = (0..n).flat_map(|j| (0..j).map(move |i| (a[(i, j)], a[(j, i)])));
    pairs.into_iter().find(|(x, y)| x != y).is_some_and(|(x, y)| x < y)
}

/// The SVD by `factorize`, which is given a checked tall matrix and says U, s, V.
pub(super) fn decompose<T: Scalar>(
    a: MatRef<'_, T>,
    full: bool,
    factorize: impl FnOnce(MatRef<'_, T>) -> Option<(Mat<T>, Vec<T>, Mat<T>)>,
) -> Result<Svd<T>> {
    let problem = Problem::of(a)?;
    let (m, n) = a.shape();
    let k = m.min(n);
    let Some(tall) = &problem.tall else {
        let (left, right) = if full { (m, n) } else { (k, k) };
        return Ok(Svd { u: Mat::identity(m, left), s: vec![T::of(0.0); k], v: Mat::identity(n, right) });
    };
    let (u, s, v) = factorize(tall.as_ref()).ok_or(no_convergence(a))?;
    let (mut u, mut v) = if problem.transposed { (v, u) } else { (u, v) };
    let s = sort(s, &mut u, &mut v);
    canonical_signs(&mut u, &mut v);
    Ok(Svd { u, s: scale_back(s, problem.exponent)?, v })
}

/// Puts the triplets in nonincreasing order; faer's are, so this is a pass over s.
fn sort<T: Scalar>(s: Vec<T>, u: &mut Mat<T>, v: &mut Mat<T>) -> Vec<T> {
    if s.is_sorted_by(|x, y| x >= y) && s.last().is_none_or(|x| *x >= T::of(0.0)) {
        return s;
    }
    let mut order: Vec<usize> = (0..s.len()).collect();
    order.sort_by(|i, j| s[*j].as_f64().abs().total_cmp(&s[*i].as_f64().abs()));
    let place = |k: usize| order.get(k).copied().unwrap_or(k);
    *u = Mat::from_fn(u.nrows(), u.ncols(), |i, k| u[(i, place(k))]);
    *v = Mat::from_fn(v.nrows(), v.ncols(), |i, k| {
        let x = v[(i, place(k))];
        if s.get(place(k)).is_some_and(|s| *s < T::of(0.0)) { -x } else { x }
    });
    order.iter().map(|i| num_traits::Float::abs(s[*i])).collect()
}

fn scale_back<T: Scalar>(mut s: Vec<T>, exponent: i32) -> Result<Vec<T>> {
    s.iter_mut().for_each(|x| *x = scale_by_power_of_two(*x, exponent));
    match s.first() {
        Some(x) if !num_traits::Float::is_finite(*x) => Err(Error::Parameter {
            name: "a",
            value: format!("matrix with |entries| up to 2^{}", exponent + 1),
            remedy: "its largest singular value exceeds the largest number: scale the matrix down",
        }),
        _ => Ok(s),
    }
}
