//! The update dW (m, n) of a weight, in a form that is cheap to apply.
//!
//! **Cost.** For N samples: factors 2 N r (m + n) flops to apply, twice that to pull a gradient back;
//! a Kronecker term 2 N m2 n1 (n2 + m1) (or the other order, if that is less), and the same twice.

use crate::kronecker::Products;
use crate::matrix::{product_into, product_onto};
use crate::{LowRank, Result, Scalar};
use faer::{Mat, MatRef};

/// An update of a weight, or the gradient of a loss with respect to one.
#[derive(Debug, Clone)]
pub enum Delta<T: Scalar> {
    /// U V' with U (m, r), V (n, r).
    LowRank(LowRank<T>),
    /// sum_k P_k (x) Q_k of pairs P (m1, n1), Q (m2, n2), all of the same shapes; at least one.
    Kronecker(Vec<(Mat<T>, Mat<T>)>),
}

impl<T: Scalar> Delta<T> {
    /// (m, n).
    pub fn shape(&self) -> (usize, usize) {
        match self {
            Delta::LowRank(x) => x.shape(),
            Delta::Kronecker(terms) => {
                terms.first().map_or((0, 0), |(p, q)| (p.nrows() * q.nrows(), p.ncols() * q.ncols()))
            }
        }
    }

    /// c dW.
    pub fn scaled(self, c: T) -> Self {
        let scale = |m: Mat<T>| faer::Scale(c) * m;
        match self {
            Delta::LowRank(x) => Delta::LowRank(LowRank { u: scale(x.u), v: x.v }),
            Delta::Kronecker(terms) => {
                Delta::Kronecker(terms.into_iter().map(|(p, q)| (scale(p), q)).collect())
            }
        }
    }

    /// The matrix (m, n).
    pub fn to_dense(&self) -> Mat<T> {
        match self {
            Delta::LowRank(x) => x.to_dense(),
            Delta::Kronecker(terms) => {
                let (m, n) = self.shape();
                let mut out = Mat::zeros(m, n);
                for (p, q) in terms {
                    let (m2, n2) = q.shape();
                    for j in 0..n {
                        for (i, x) in out.col_as_slice_mut(j).iter_mut().enumerate() {
                            *x += p[(i / m2, j / n2)] * q[(i % m2, j % n2)];
                        }
                    }
                }
                out
            }
        }
    }

    /// dW x for samples x (n, N): (m, N).
    ///
    /// # Errors
    /// [`crate::Error::Shape`], [`crate::Error::NonFinite`].
    pub fn apply(&self, x: MatRef<'_, T>) -> Result<Mat<T>> {
        super::adapted::check_samples("x", x, self.shape().1)?;
        self.onto(Mat::zeros(self.shape().0, x.ncols()), x, false)
    }

    /// dW' y for y (m, N): (n, N).
    ///
    /// # Errors
    /// As for [`Delta::apply`].
    pub fn apply_transpose(&self, y: MatRef<'_, T>) -> Result<Mat<T>> {
        super::adapted::check_samples("y", y, self.shape().0)?;
        self.onto(Mat::zeros(self.shape().1, y.ncols()), y, true)
    }

    /// `out + dW x`, or `out + dW' x`, for samples that are checked.
    pub(super) fn onto(&self, mut out: Mat<T>, x: MatRef<'_, T>, transposed: bool) -> Result<Mat<T>> {
        match self {
            Delta::LowRank(f) => {
                let (left, right) = if transposed { (&f.v, &f.u) } else { (&f.u, &f.v) };
                product_onto(out.as_mut(), true, left.as_ref(), product(right.transpose(), x).as_ref());
            }
            Delta::Kronecker(terms) => {
                let factors = terms.iter().map(|(p, q)| {
                    let pair =
                        if transposed { [p.transpose(), q.transpose()] } else { [p.as_ref(), q.as_ref()] };
                    (T::of(1.0), pair.to_vec())
                });
                let shape = if transposed { (self.shape().1, self.shape().0) } else { self.shape() };
                let mut sum = Mat::zeros(out.nrows(), out.ncols());
                Products::new(shape, factors)?.run(sum.as_mut(), x)?;
                out += sum;
            }
        }
        Ok(out)
    }

    /// The gradient of `<dY, dW X>` with respect to U and V, or to the P_k and Q_k, for X (n, N) and dY
    /// (m, N): that of a loss whose gradient with respect to dW X is dY.
    ///
    /// # Errors
    /// As for [`Delta::apply`].
    pub fn pull(&self, x: MatRef<'_, T>, dy: MatRef<'_, T>) -> Result<Self> {
        let (m, n) = self.shape();
        super::adapted::check_samples("x", x, n)?;
        super::adapted::check_samples("dy", dy, m)?;
        super::adapted::check_count(x, dy)?;
        Ok(self.gradient(x, dy))
    }

    /// [`Delta::pull`] for samples that are checked.
    pub(super) fn gradient(&self, x: MatRef<'_, T>, dy: MatRef<'_, T>) -> Self {
        match self {
            Delta::LowRank(f) => {
                let (inner, outer) =
                    (product(x.transpose(), f.v.as_ref()), product(dy.transpose(), f.u.as_ref()));
                Delta::LowRank(LowRank { u: product(dy, inner.as_ref()), v: product(x, outer.as_ref()) })
            }
            Delta::Kronecker(terms) => {
                let (x, dy) = (x.to_owned(), dy.to_owned()); // by columns
                Delta::Kronecker(terms.iter().map(|(p, q)| pull_term(p, q, &x, &dy)).collect())
            }
        }
    }

    /// The same for a gradient G (m, n) with respect to dW itself.
    pub(super) fn pull_dense(&self, g: MatRef<'_, T>) -> Self {
        match self {
            Delta::LowRank(f) => Delta::LowRank(LowRank {
                u: product(g, f.v.as_ref()),
                v: product(g.transpose(), f.u.as_ref()),
            }),
            Delta::Kronecker(terms) => {
                let term = |(p, q): &(Mat<T>, Mat<T>)| {
                    let (m2, n2) = q.shape();
                    let block = |i: usize, j: usize| g.submatrix(i * m2, j * n2, m2, n2);
                    let dp = Mat::from_fn(p.nrows(), p.ncols(), |i, j| inner(block(i, j), q.as_ref()));
                    let mut dq = Mat::zeros(m2, n2);
                    for j in 0..p.ncols() {
                        (0..p.nrows()).for_each(|i| dq += block(i, j) * faer::Scale(p[(i, j)]));
                    }
                    (dp, dq)
                };
                Delta::Kronecker(terms.iter().map(term).collect())
            }
        }
    }

    /// The sum of two gradients of the same form.
    pub(super) fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Delta::LowRank(a), Delta::LowRank(b)) => Delta::LowRank(LowRank { u: a.u + b.u, v: a.v + b.v }),
            (Delta::Kronecker(a), Delta::Kronecker(b)) => {
                Delta::Kronecker(a.into_iter().zip(b).map(|(a, b)| (a.0 + b.0, a.1 + b.1)).collect())
            }
            _ => unreachable!("both come from one adapter"),
        }
    }
}

/// `a b`.
pub(super) fn product<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> Mat<T> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    product_into(out.as_mut(), a, b);
    out
}

/// <A, B>.
fn inner<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> T {
    let columns = a.col_iter().zip(b.col_iter());
    T::of(
        columns.map(|(a, b)| a.iter().zip(b.iter()).map(|(a, b)| a.as_f64() * b.as_f64()).sum::<f64>()).sum(),
    )
}

/// The gradients of P and Q: with each sample as X_t (n2, n1) and dY_t (m2, m1), both by columns, the
/// output is Q X_t P', so that dP = sum dY_t' (Q X_t) and dQ = sum dY_t (X_t P')'.
fn pull_term<T: Scalar>(p: &Mat<T>, q: &Mat<T>, x: &Mat<T>, dy: &Mat<T>) -> (Mat<T>, Mat<T>) {
    let ((m1, n1), (m2, n2)) = (p.shape(), q.shape());
    let (mut dp, mut dq) = (Mat::zeros(m1, n1), Mat::zeros(m2, n2));
    let (mut left, mut right) = (Mat::zeros(m2, n1), Mat::zeros(n2, m1));
    for t in 0..x.ncols() {
        let sample = MatRef::from_column_major_slice(x.col_as_slice(t), n2, n1);
        let output = MatRef::from_column_major_slice(dy.col_as_slice(t), m2, m1);
        T::product(left.as_mut(), false, q.as_ref(), sample);
        T::product(dp.as_mut(), true, output.transpose(), left.as_ref());
        T::product(right.as_mut(), false, sample, p.transpose());
        T::product(dq.as_mut(), true, output, right.transpose());
    }
    (dp, dq)
}
