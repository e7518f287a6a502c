//! The calls into faer's factorizations and products, once for `f32` and once for `f64`.
//!
//! faer's factorizations are generic and slow to compile. Generic code of this crate reaches
//! them through the hidden trait [`Kernel`], whose two implementations are compiled with this
//! crate and not again in every program that uses it.
//!
//! Every matrix handed to a factorization here is finite, has its largest magnitude near 1, and
//! is stored by columns; the public functions of [`crate::svd`] see to that. Factorizations run
//! on one thread: faer's threaded ones differ in bits from run to run.
//!
//! The QR is this crate's own recursion over faer's block reflectors (Elmroth, Gustavson 2000):
//! faer's driver drops columns below a threshold of 16 m eps, which loses the trailing part of R
//! for a rank-one matrix plus noise of 1e-12, and with it small singular values.

use super::square;
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::householder;
use faer::linalg::matmul::matmul;
use faer::linalg::svd::{ComputeSvdVectors, SvdParams, svd, svd_scratch};
use faer::traits::RealField;
use faer::{Accum, Auto, Conj, Mat, MatMut, MatRef, Par, Spec};

/// Factorizations and products of well-scaled finite matrices (hidden; see the file).
pub trait Kernel: Sized {
    /// Singular values of a tall (m >= n) matrix; `None` when the iteration fails.
    fn values_of_tall(a: MatRef<'_, Self>) -> Option<Vec<Self>>;
    /// SVD of a tall matrix, with all m columns of U where `full`, else n.
    fn svd_of_tall(a: MatRef<'_, Self>, full: bool) -> Option<(Mat<Self>, Vec<Self>, Mat<Self>)>;
    /// Thin QR: Q (m, min(m, n)) and R (min(m, n), n) with a nonnegative diagonal.
    fn thin_qr(a: MatRef<'_, Self>) -> (Mat<Self>, Mat<Self>);
    /// Eigenvalues, nondecreasing, and eigenvectors of a symmetric matrix, by QR iterations alone
    /// where `iterate`; `None` when the iteration fails.
    fn symmetric_eigen(a: MatRef<'_, Self>, iterate: bool) -> Option<(Vec<Self>, Mat<Self>)>;
    /// L and U of a square matrix in one, the row of A at each place, and how many were exchanged.
    fn lu(a: MatRef<'_, Self>) -> (Mat<Self>, Vec<usize>, usize);
    /// `x <- U^-1 L^-1 x`.
    fn lu_solve(packed: MatRef<'_, Self>, x: MatMut<'_, Self>);
    /// The R (min(m, n), n) of a QR alone, its diagonal of any sign.
    fn triangle(a: Mat<Self>) -> Mat<Self>;
    /// `out = lhs rhs`, or `out += lhs rhs`, on one thread.
    fn product(out: MatMut<'_, Self>, add: bool, lhs: MatRef<'_, Self>, rhs: MatRef<'_, Self>);
}

macro_rules! implement {
    ($($scalar:ty),*) => {$(
        impl Kernel for $scalar {
            fn values_of_tall(a: MatRef<'_, Self>) -> Option<Vec<Self>> {
                values_of_tall(a)
            }
            fn svd_of_tall(a: MatRef<'_, Self>, full: bool) -> Option<(Mat<Self>, Vec<Self>, Mat<Self>)> {
                svd_of_tall(a, full)
            }
            fn thin_qr(a: MatRef<'_, Self>) -> (Mat<Self>, Mat<Self>) {
                thin_qr(a)
            }
            fn symmetric_eigen(a: MatRef<'_, Self>, iterate: bool) -> Option<(Vec<Self>, Mat<Self>)> {
                square::symmetric_eigen(a, iterate)
            }
            fn lu(a: MatRef<'_, Self>) -> (Mat<Self>, Vec<usize>, usize) {
                square::lu(a)
            }
            fn lu_solve(packed: MatRef<'_, Self>, x: MatMut<'_, Self>) {
                square::lu_solve(packed, x);
            }
            fn triangle(a: Mat<Self>) -> Mat<Self> {
                Reflectors::in_place(a).r()
            }
            fn product(out: MatMut<'_, Self>, add: bool, lhs: MatRef<'_, Self>, rhs: MatRef<'_, Self>) {
                let add = if add { Accum::Add } else { Accum::Replace };
                matmul(out, add, lhs, rhs, 1.0, Par::Seq);
            }
        }
    )*};
}
implement!(f32, f64);

/// Rows over columns beyond which an SVD starts with a QR (flops: 6 m n^2 against 14 m n^2).
const QR_FIRST: f64 = 1.6;

fn params<T: RealField>() -> Spec<SvdParams, T> {
    let mut params = <SvdParams as Auto<T>>::auto();
    params.qr_ratio_threshold = f64::INFINITY;
    params.into()
}

fn starts_with_qr(m: usize, n: usize) -> bool {
    m as f64 > QR_FIRST * n as f64
}

fn values_of_tall<T: RealField + Copy>(a: MatRef<'_, T>) -> Option<Vec<T>> {
    let (m, n) = a.shape();
    if starts_with_qr(m, n) {
        let r = Reflectors::of(a).r(); // (n, n)
        return squarish(r.as_ref(), None, None);
    }
    squarish(a, None, None)
}

fn svd_of_tall<T: RealField + Copy>(a: MatRef<'_, T>, full: bool) -> Option<(Mat<T>, Vec<T>, Mat<T>)> {
    let (m, n) = a.shape();
    let columns = if full { m } else { n };
    let mut u = Mat::zeros(m, columns);
    let mut v = Mat::zeros(n, n);
    if !starts_with_qr(m, n) {
        let s = squarish(a, Some(u.as_mut()), Some(v.as_mut()))?;
        return Some((u, s, v));
    }
    let f = Reflectors::of(a);
    let s = squarish(f.r().as_ref(), Some(u.as_mut().submatrix_mut(0, 0, n, n)), Some(v.as_mut()))?;
    for j in n..columns {
        u[(j, j)] = T::one_impl();
    }
    f.apply(u.as_mut());
    Some((u, s, v))
}

/// faer's SVD with its own QR step switched off; by QR iterations where divide and conquer gives
/// up (seen on a rank-one 128 x 128 matrix) or where its answer fails [`plausible`].
fn squarish<T: RealField + Copy>(
    a: MatRef<'_, T>,
    mut u: Option<MatMut<'_, T>>,
    mut v: Option<MatMut<'_, T>>,
) -> Option<Vec<T>> {
    let (m, n) = a.shape();
    let kind = match &u {
        None => ComputeSvdVectors::No,
        Some(u) if u.ncols() == n => ComputeSvdVectors::Thin,
        Some(_) => ComputeSvdVectors::Full,
    };
    let divide_and_conquer = params::<T>();
    let mut qr_iterations = divide_and_conquer;
    qr_iterations.config.recursion_threshold = usize::MAX;
    [divide_and_conquer, qr_iterations].into_iter().find_map(|params| {
        let mut s = Diag::<T>::zeros(m.min(n));
        let mut memory = MemBuffer::new(svd_scratch::<T>(m, n, kind, kind, Par::Seq, params));
        let stack = MemStack::new(&mut memory);
        let (into_u, into_v) = (u.as_mut().map(|u| u.as_mut()), v.as_mut().map(|v| v.as_mut()));
        svd(a, s.as_mut(), into_u, into_v, Par::Seq, stack, params).ok()?;
        Some(s.column_vector().iter().copied().collect::<Vec<T>>())
            .filter(|s| plausible(a, s, u.as_ref().map(|u| u.as_ref()), v.as_ref().map(|v| v.as_ref())))
    })
}

/// Whether the Frobenius norms of A and s agree, and those of U and V with their sizes: finds
/// NaN and gross failures in O(m n), next to nothing beside the factorization.
fn plausible<T: RealField + Copy>(
    a: MatRef<'_, T>,
    s: &[T],
    u: Option<MatRef<'_, T>>,
    v: Option<MatRef<'_, T>>,
) -> bool {
    let slack = faer::traits::math_utils::eps::<T>() * T::from_f64_impl(64.0 * a.nrows() as f64);
    let close = |x: T, y: T| x - y <= slack * y && y - x <= slack * y;
    let norm = |x: MatRef<'_, T>| close(x.norm_l2(), T::from_f64_impl((x.ncols() as f64).sqrt()));
    close(faer::ColRef::from_slice(s).norm_l2(), a.norm_l2()) && u.is_none_or(norm) && v.is_none_or(norm)
}

/// Householder vectors below the diagonal of `a`, R on and above it, and the triangular factors
/// of their blocks: Q = product of (I - V T^-1 V').
struct Reflectors<T: RealField> {
    a: Mat<T>,
    factors: Mat<T>,
}

/// Columns of a block of reflectors.
const BLOCK: usize = 32;
/// Columns of a panel that is factored reflector by reflector.
const LEAF: usize = 4;

impl<T: RealField + Copy> Reflectors<T> {
    fn of(a: MatRef<'_, T>) -> Self {
        Self::in_place(a.to_owned())
    }

    fn in_place(mut a: Mat<T>) -> Self {
        let (m, n) = a.shape();
        let size = m.min(n);
        let mut factors = Mat::zeros(BLOCK.min(size).max(1), size);
        let mut j = 0;
        while j < size {
            let width = BLOCK.min(size - j);
            let (mut panel, mut rest) =
                a.as_mut().subrows_mut(j, m - j).subcols_mut(j, n - j).split_at_col_mut(width);
            let mut t = factors.as_mut().submatrix_mut(0, j, width, width);
            panel_qr(panel.as_mut(), t.as_mut());
            transform(panel.as_ref(), t.as_ref(), rest.as_mut());
            j += width;
        }
        Self { a, factors }
    }

    /// R, (min(m, n), n).
    fn r(&self) -> Mat<T> {
        let (m, n) = self.a.shape();
        Mat::from_fn(m.min(n), n, |i, j| if i <= j { self.a[(i, j)] } else { T::zero_impl() })
    }

    /// Replaces `x` (m, k) by Q x.
    fn apply(&self, x: MatMut<'_, T>) {
        let scratch = householder::apply_block_householder_sequence_on_the_left_in_place_scratch::<T>(
            self.a.nrows(),
            self.factors.nrows(),
            x.ncols(),
        );
        householder::apply_block_householder_sequence_on_the_left_in_place_with_conj(
            self.a.as_ref(),
            self.factors.as_ref(),
            Conj::No,
            x,
            Par::Seq,
            MemStack::new(&mut MemBuffer::new(scratch)),
        );
    }
}

fn thin_qr<T: RealField + Copy>(a: MatRef<'_, T>) -> (Mat<T>, Mat<T>) {
    let f = Reflectors::of(a);
    let mut r = f.r();
    let mut q = Mat::zeros(a.nrows(), r.nrows());
    for j in 0..r.nrows() {
        q[(j, j)] = T::one_impl();
    }
    if r.nrows() > 0 {
        f.apply(q.as_mut());
    }
    for i in 0..r.nrows() {
        if r[(i, i)] < T::zero_impl() {
            for j in i..r.ncols() {
                r[(i, j)] = -r[(i, j)];
            }
            q.col_as_slice_mut(i).iter_mut().for_each(|x| *x = -*x);
        }
    }
    (q, r)
}

/// `x <- (I - V T^-1 V')' x`.
fn transform<T: RealField>(v: MatRef<'_, T>, t: MatRef<'_, T>, x: MatMut<'_, T>) {
    if x.ncols() == 0 {
        return;
    }
    let scratch = householder::apply_block_householder_transpose_on_the_left_in_place_scratch::<T>(
        v.nrows(),
        t.nrows(),
        x.ncols(),
    );
    householder::apply_block_householder_transpose_on_the_left_in_place_with_conj(
        v,
        t,
        Conj::No,
        x,
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
    );
}

/// Factors a tall panel (m, b) in place; `t` (b, b) becomes its triangular factor.
fn panel_qr<T: RealField + Copy>(mut panel: MatMut<'_, T>, mut t: MatMut<'_, T>) {
    let b = panel.ncols();
    if b <= LEAF {
        for k in 0..b {
            let (left, mut right) = panel.as_mut().split_at_col_mut(k + 1);
            let column = left.col_mut(k).subrows_mut(k, right.nrows() - k);
            let (mut head, mut tail) = column.split_at_row_mut(1);
            let info = householder::make_householder_in_place(&mut head[0], tail.as_mut());
            if info.tau < T::infinity_impl() {
                // tau of the rounded vector, not of the exact one: the reflector is then
                // orthogonal, and a bias common to all entries does not add up over columns.
                let v = tail.as_ref();
                t[(k, k)] = (T::one_impl() + v.transpose() * v) / T::from_f64_impl(2.0);
            } else {
                t[(k, k)] = info.tau;
                continue; // nothing below the diagonal: the reflector is the identity
            }
            let inverse = T::one_impl() / t[(k, k)];
            let v = tail.as_ref();
            for other in right.as_mut().subrows_mut(k, v.nrows() + 1).col_iter_mut() {
                let (mut x0, mut x) = other.split_at_row_mut(1);
                let scale = -(x0[0] + v.transpose() * x.as_ref()) * inverse;
                x0[0] += scale;
                faer::zip!(x.as_mut(), v).for_each(|faer::unzip!(x, v)| *x += scale * *v);
            }
        }
    } else {
        let half = b.div_ceil(2).next_power_of_two();
        let rows = panel.nrows();
        let (mut left, mut right) = panel.as_mut().split_at_col_mut(half);
        panel_qr(left.as_mut(), t.as_mut().submatrix_mut(0, 0, half, half));
        transform(left.as_ref(), t.as_ref().submatrix(0, 0, half, half), right.as_mut());
        panel_qr(
            right.subrows_mut(half, rows - half),
            t.as_mut().submatrix_mut(half, half, b - half, b - half),
        );
    }
    let done = if b <= LEAF { 1 } else { b.div_ceil(2).next_power_of_two() };
    householder::upgrade_householder_factor(t, panel.as_ref(), b, done, Par::Seq);
}
