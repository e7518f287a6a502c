//! Low-separation-rank adaptation: LoRA's factors as sums of Kronecker products.
//!
//! **Problem.** dW = A B with A = sum_k A1_k (x) A2_k (m, r), B = sum_k B1_k (x) B2_k (r, n), k = 1, ..., s,
//! r = r1 r2, factors A1_k (m1, r1), A2_k (m2, r2), B1_k (r1, n1), B2_k (r2, n2) (Li, Sarwate, LSR-Adapt,
//! 2025, equation 12; what LoRA calls B is A there).
//!
//! **Method.** The rearrangement of A (m1 r1, m2 r2) is the product of the matrices whose columns are
//! the vec A1_k and the vec A2_k (Van Loan, Pitsianis 1993), so that A costs one small product and its
//! gradient two. As a LoRA update of rank r it then costs what LoRA costs: only numbers are saved.
//!
//! **Cost.** s (r1 (m1 + n1) + r2 (m2 + n2)) numbers; 2 s r (m + n) flops a step to materialise, 4 s r (m +
//! n) for the gradient, whatever the number of samples: from three samples on this is cheaper than applying
//! the Kronecker products to them one by one.
//!
//! **Guarantee.** [`Lsr::compress`] is optimal: the best sum of s terms for either factor.
//!
//! **Deviations.** The source argues that every vector is a Kronecker product, so that s = r terms were
//! enough for any factor of rank r. That is not so: a generic 768 x 4 factor needs 48 terms of factors 32 x 2
//! and 24 x 2. The coefficients lambda_k are absorbed by the factors.

use super::{Adapter, Delta, Part, Parts};
use crate::kronecker::size;
use crate::matrix::{exponent, max_norm, scaled};
use crate::separated::{Nearest, SeparationRank, nearest};
use crate::{Error, LowRank, Result, Scalar};
use faer::{Mat, MatMut, MatRef};

/// The shapes of the factors of [`Lsr`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LsrShapes {
    /// (m1, m2), m = m1 m2.
    pub outputs: (usize, usize),
    /// (r1, r2), r = r1 r2.
    pub ranks: (usize, usize),
    /// (n1, n2), n = n1 n2.
    pub inputs: (usize, usize),
}

impl LsrShapes {
    fn check(self, terms: usize) -> Result<()> {
        let LsrShapes { outputs: (m1, m2), ranks: (r1, r2), inputs: (n1, n2) } = self;
        if [m1, m2, r1, r2, n1, n2].contains(&0) {
            let expected = "factors of at least one row and column are needed".into();
            return Err(Error::Shape { argument: "shapes", expected, found: vec![m1, m2, r1, r2, n1, n2] });
        }
        let (m, n) = (size([m1, m2].into_iter())?, size([n1, n2].into_iter())?);
        super::method::check_rank(r1.saturating_mul(r2), m.min(n))?;
        super::method::check_rank(terms, m.saturating_mul(n)) // more are no other sums
    }
}

/// dW = A B with A and B sums of s Kronecker products; parts `a1`, `a2`, `b1`, `b2`.
#[derive(Debug, Clone)]
pub struct Lsr<T: Scalar> {
    parts: Parts<T>,
}

/// What [`Lsr::compress`] found.
#[derive(Debug, Clone)]
pub struct Compressed<T: Scalar> {
    /// The adapter.
    pub adapter: Lsr<T>,
    /// |U - A|_F / |U|_F and |V' - B|_F / |V|_F.
    pub relative_errors: (f64, f64),
    /// |U V' - A B|_F / |U V'|_F.
    pub relative_error: f64,
}

impl<T: Scalar> Lsr<T> {
    /// The start that trained well: B2 = 0, entries of B1 of variance 1 / s, of A1 and A2 of variance
    /// (3 m s)^(-1/2), so that those of A have the variance 1 / (3 m) of LoRA's random factor.
    ///
    /// # Errors
    /// [`Error::Rank`] for no terms; [`Error::Shape`] for a factor without entries; [`Error::TooLarge`].
    pub fn new(shapes: LsrShapes, terms: usize, seed: u64) -> Result<Self> {
        let out = Self::zeros(shapes, terms)?;
        let (m, s) = ((shapes.outputs.0 * shapes.outputs.1) as f64, terms as f64);
        let deviation = (3.0 * m * s).powf(-0.25);
        let parts = out.parts.fill(0, deviation, seed).fill(1, deviation, seed);
        Ok(Self { parts: parts.fill(2, s.powf(-0.5), seed) })
    }

    fn zeros(shapes: LsrShapes, terms: usize) -> Result<Self> {
        shapes.check(terms)?;
        let LsrShapes { outputs: (m1, m2), ranks: (r1, r2), inputs: (n1, n2) } = shapes;
        let part = |name, rows, cols| Part { name, terms, rows, cols };
        let parts = vec![part("a1", m1, r1), part("a2", m2, r2), part("b1", r1, n1), part("b2", r2, n2)];
        Ok(Self { parts: Parts::zeros(parts) })
    }

    pub(super) fn from_parts(parts: Parts<T>) -> Result<Self> {
        let out = Self { parts };
        let (s, LsrShapes { outputs: (m1, m2), ranks: (r1, r2), inputs: (n1, n2) }) =
            (out.terms(), out.shapes());
        out.parts.check(&[[s, m1, r1], [s, m2, r2], [s, r1, n1], [s, r2, n2]])?;
        out.shapes().check(s)?;
        Ok(out)
    }

    /// The nearest sums of `terms` Kronecker products to the factors U (m, r) and V' (r, n) of a LoRA
    /// update, found by singular value decompositions of their rearrangements. The factors are taken as they are;
    /// those of [`crate::layers::optimal_update`] have equal singular values.
    ///
    /// # Errors
    /// As for [`Lsr::new`]; [`Error::Shape`] where shapes and factors do not fit; [`Error::NonFinite`].
    pub fn compress(factors: &LowRank<T>, shapes: LsrShapes, terms: usize) -> Result<Compressed<T>> {
        let mut adapter = Self::zeros(shapes, terms)?;
        let LsrShapes { outputs, ranks, inputs } = shapes;
        let expected = (outputs.0 * outputs.1, inputs.0 * inputs.1);
        if factors.shape() != expected || factors.rank() != ranks.0 * ranks.1 {
            let expected = format!(
                "U ({}, {rank}) and V ({}, {rank}) are needed, rank = {rank}",
                expected.0,
                expected.1,
                rank = ranks.0 * ranks.1
            );
            let found = vec![factors.u.nrows(), factors.v.nrows(), factors.rank()];
            return Err(Error::Shape { argument: "factors", expected, found });
        }
        let sides = [
            (factors.u.as_ref(), (outputs.0, ranks.0), (outputs.1, ranks.1)),
            (factors.v.transpose(), (ranks.0, inputs.0), (ranks.1, inputs.1)),
        ];
        let mut errors = [0.0; 2];
        for (side, (matrix, first, second)) in sides.into_iter().enumerate() {
            let most = (first.0 * first.1).min(second.0 * second.1);
            let rank = SeparationRank::Fixed(terms.min(most));
            let fit = nearest(&matrix, [first, second], rank, Nearest::Dense)?;
            errors[side] = fit.relative_error();
            for (k, lambda) in fit.separated.lambda().iter().enumerate() {
                let root = T::of(lambda.as_f64().sqrt());
                for i in 0..2 {
                    let factor: Mat<T> = faer::Scale(root) * fit.separated.factor(k, i);
                    adapter.parts.set(2 * side + i, k, factor.as_ref());
                }
            }
        }
        let Delta::LowRank(x) = adapter.delta() else { unreachable!("an LSR update is of low rank") };
        // |U V' - A B|_F through the triangles of (U, A) and (V, -B').
        let beside = |a: &Mat<T>, b: &Mat<T>, sign: f64| {
            let r = a.ncols();
            Mat::from_fn(a.nrows(), 2 * r, |i, j| if j < r { a[(i, j)] } else { T::of(sign) * b[(i, j - r)] })
        };
        let norm = |u: Mat<T>, v: Mat<T>| -> Result<f64> {
            let (left, right) = (crate::svd::qr(u.as_ref())?.r, crate::svd::qr(v.as_ref())?.r);
            Ok(crate::matrix::frobenius((&left * right.transpose()).as_ref()))
        };
        // Relative to each other the norms are the same where all U and all V are brought near 1.
        let [left, right] = [&factors.u, &factors.v].map(|a| -exponent(T::of(max_norm(a.as_ref()))));
        let (u, v) = (scaled(factors.u.as_ref(), left), scaled(factors.v.as_ref(), right));
        let (a, b) = (scaled(x.u.as_ref(), left), scaled(x.v.as_ref(), right));
        let difference = norm(beside(&u, &a, 1.0), beside(&v, &b, -1.0))?;
        let whole = norm(u, v)?;
        let relative_error = if whole > 0.0 { difference / whole } else { 0.0 };
        Ok(Compressed { adapter, relative_errors: (errors[0], errors[1]), relative_error })
    }

    /// The shapes of the factors.
    pub fn shapes(&self) -> LsrShapes {
        let [[_, m1, r1], [_, m2, r2], [_, _, n1], [_, _, n2]] = [0, 1, 2, 3].map(|i| self.parts.sizes(i));
        LsrShapes { outputs: (m1, m2), ranks: (r1, r2), inputs: (n1, n2) }
    }
    /// The number of terms, s.
    pub fn terms(&self) -> usize {
        self.parts.sizes(0)[0]
    }
}

impl<T: Scalar> Adapter<T> for Lsr<T> {
    by_parts!("lsr");
    fn shape(&self) -> (usize, usize) {
        let LsrShapes { outputs, inputs, .. } = self.shapes();
        (outputs.0 * outputs.1, inputs.0 * inputs.1)
    }
    fn delta(&self) -> Delta<T> {
        let LsrShapes { outputs, ranks, inputs } = self.shapes();
        let stacks = |i: usize| (self.parts.stack(i), self.parts.stack(i + 1));
        let (mut u, mut v) = (
            Mat::zeros(outputs.0 * outputs.1, ranks.0 * ranks.1),
            Mat::zeros(inputs.0 * inputs.1, ranks.0 * ranks.1),
        );
        sum_of_products(u.as_mut(), stacks(0), (outputs.0, ranks.0), (outputs.1, ranks.1));
        sum_of_products(v.as_mut().transpose_mut(), stacks(2), (ranks.0, inputs.0), (ranks.1, inputs.1));
        Delta::LowRank(LowRank { u, v })
    }
    fn pull_back(&self, gradient: &Delta<T>) -> Vec<T> {
        let Delta::LowRank(LowRank { u, v }) = gradient else { unreachable!("the form of `delta`") };
        let LsrShapes { outputs, ranks, inputs } = self.shapes();
        let mut out = vec![T::of(0.0); self.parts.values().len()];
        let mut rest = &mut out[..];
        let sides = [(0, u.as_ref(), outputs, ranks), (2, v.transpose(), ranks, inputs)];
        for (i, gradient, rows, cols) in sides {
            let (first, second) = (self.parts.stack(i), self.parts.stack(i + 1));
            let g = rearranged(gradient, (rows.0, cols.0), (rows.1, cols.1)); // (m2 r2, m1 r1)
            for (lhs, rhs) in [(g.transpose(), second), (g.as_ref(), first)] {
                let (place, after) = rest.split_at_mut(lhs.nrows() * rhs.ncols());
                T::product(
                    MatMut::from_column_major_slice_mut(place, lhs.nrows(), rhs.ncols()),
                    false,
                    lhs,
                    rhs,
                );
                rest = after;
            }
        }
        out
    }
}

/// sum_k P_k (x) Q_k for stacks (a b, s) of matrices P_k of shape `first` and Q_k of shape `second`.
fn sum_of_products<T: Scalar>(
    mut out: MatMut<'_, T>,
    (p, q): (MatRef<'_, T>, MatRef<'_, T>),
    first: (usize, usize),
    second: (usize, usize),
) {
    let mut products = Mat::zeros(q.nrows(), p.nrows()); // (m2 r2, m1 r1)
    T::product(products.as_mut(), false, q, p.transpose());
    for (j1, i1) in (0..first.1).flat_map(|j| (0..first.0).map(move |i| (j, i))) {
        let mut place = out.as_mut().submatrix_mut(i1 * second.0, j1 * second.1, second.0, second.1);
        let column = products.col_as_slice(i1 + first.0 * j1);
        place.copy_from(MatRef::from_column_major_slice(column, second.0, second.1));
    }
}

/// The rearrangement (m2 r2, m1 r1) of a matrix (m1 m2, r1 r2): the adjoint of [`sum_of_products`]'s
/// second step.
fn rearranged<T: Scalar>(g: MatRef<'_, T>, first: (usize, usize), second: (usize, usize)) -> Mat<T> {
    let mut out = Mat::zeros(second.0 * second.1, first.0 * first.1);
    for (j1, i1) in (0..first.1).flat_map(|j| (0..first.0).map(move |i| (j, i))) {
        let place = out.col_as_slice_mut(i1 + first.0 * j1);
        MatMut::from_column_major_slice_mut(place, second.0, second.1).copy_from(g.submatrix(
            i1 * second.0,
            j1 * second.1,
            second.0,
            second.1,
        ));
    }
    out
}
