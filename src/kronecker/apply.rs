//! Products of a Kronecker product with blocks of vectors.
//!
//! **Problem.** A = M1 (x) ... (x) Md (m, n) with factors Mk (m_k, n_k) and b (n, l): A b (m, l), or
//! A' b for b (m, l), without A.
//!
//! **Method.** A column of b is a tensor (n_1, ..., n_d) with its last index fastest; each factor
//! multiplies one mode of it, in place in the order of memory: mode k is a product of matrices
//! (right, n_k) with Mk', one for each index left of it, or one product with Md for the last mode.
//! Nothing is transposed. The modes may come in any order; the one with the fewest flops has
//! 1/n_k - 1/m_k increasing (exchange two neighbours: the first takes s m_1 and the second s m_1 m_2 /
//! n_1 flops, s the numbers at hand). Neighbours of at most 16 together are multiplied out first, and
//! identities are passed over.
//!
//! **Cost.** The sum of 2 m_k (numbers at hand) flops over the modes, which is 2 d n^(1 + 1/d) l for
//! square factors of one size. Columns are taken in groups of about 2^18 numbers, so that what is
//! between the modes stays in cache: 2 groups of memory at most, b is read and the result written
//! once, whose memory the caller may give.
//!
//! **Guarantee.** |A b - c|_F <= 4 n eps |M1|_F ... |Md|_F |b|_F. Work is cut by shapes alone: the bits
//! do not depend on the number of threads. Entries near 1e300 or 1e-300 are scaled by powers of two
//! on the way.
//!
//! **Deviations.** None.

use super::{Kronecker, size};
use crate::matrix::{
    AsMatrix, Moderate, array_view, check_finite, check_overflow, excess, exponent, largest_in_parallel,
    product_into, scale_view, zeros,
};
use crate::operator::{Operator, check_block};
use crate::{Error, Result, Scalar};
use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;

/// Numbers in a group of columns, about.
const GROUP: usize = 1 << 18;
/// Numbers handled by one task, about.
const PIECE: usize = 1 << 15;
/// Neighbouring factors whose product has no longer side are multiplied out.
const SMALL: usize = 16;

impl<T: Scalar> Kronecker<T> {
    /// Writes A b (m, l) for `b` (n, l) into `out`, whatever it held. Cost: see
    /// [`Kronecker`]; memory for two groups of columns, each about 2^18 numbers or one column.
    ///
    /// # Errors
    /// [`Error::Shape`] when `b` has not n rows or `out` is not (m, l); [`Error::NonFinite`] for NaN and
    /// infinities in `b`; [`Error::Parameter`] when an entry of the result exceeds the largest number of
    /// the type. After an error `out` holds nothing of use.
    ///
    /// ```
    /// use lowrank::{faer::{Mat, mat}, kronecker::Kronecker};
    /// let a = Kronecker::new(vec![mat![[1.0, 2.0]], mat![[1.0, 0.0], [3.0, 1.0]]])?;
    /// let mut c = Mat::zeros(2, 1);
    /// a.apply_into(c.as_mut(), mat![[1.0], [0.0], [0.0], [1.0]])?;
    /// assert_eq!(c, mat![[1.0], [5.0]]);
    /// # lowrank::Result::Ok(())
    /// ```
    pub fn apply_into(&self, out: MatMut<'_, T>, b: impl AsMatrix<T>) -> Result<()> {
        Plan::new(&self.factors().iter().map(|f| f.as_ref()).collect::<Vec<_>>())?.run(out, b.as_matrix())
    }

    /// Writes A' b (n, l) for `b` (m, l) into `out`, as [`Kronecker::apply_into`] does A b.
    ///
    /// # Errors
    /// As for [`Kronecker::apply_into`].
    pub fn apply_transpose_into(&self, out: MatMut<'_, T>, b: impl AsMatrix<T>) -> Result<()> {
        Plan::new(&self.factors().iter().map(|f| f.transpose()).collect::<Vec<_>>())?.run(out, b.as_matrix())
    }
}

impl<T: Scalar> Operator<T> for Kronecker<T> {
    fn shape(&self) -> (usize, usize) {
        self.shape()
    }
    fn apply(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        check_block(self.shape().1, b)?;
        let mut out = zeros(self.shape().0, b.ncols())?;
        self.apply_into(out.as_mut(), b)?;
        Ok(out)
    }
    fn apply_transpose(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        check_block(self.shape().0, b)?;
        let mut out = zeros(self.shape().1, b.ncols())?;
        self.apply_transpose_into(out.as_mut(), b)?;
        Ok(out)
    }
    fn to_dense(&self) -> Result<Mat<T>> {
        let (m, n) = self.shape();
        self.block(0..m, 0..n)
    }
}

/// How a product is computed: a step for each mode that is not multiplied by the identity.
struct Plan<'a, T: Scalar> {
    shape: (usize, usize),
    steps: Vec<Step<'a, T>>,
    /// 2^exponent is divided out of the factors; the product with a b below 2^top is then below
    /// 2^(top + growth).
    exponent: i32,
    growth: i32,
}

/// The multiplication of one mode.
struct Step<'a, T: Scalar> {
    factor: Moderate<'a, T>,
    /// Product of the sizes of the modes after it.
    right: usize,
    /// Numbers of a column before and after it.
    sizes: (usize, usize),
}

/// A mode on which plans are made: a factor, none where it is the identity.
struct Mode<'a, T: Scalar> {
    shape: (usize, usize),
    factor: Option<Moderate<'a, T>>,
}

impl<'a, T: Scalar> Plan<'a, T> {
    /// O(parameters).
    fn new(factors: &[MatRef<'a, T>]) -> Result<Self> {
        let shape = (size(factors.iter().map(|f| f.nrows()))?, size(factors.iter().map(|f| f.ncols()))?);
        let mut plan = Plan { shape, steps: Vec::new(), exponent: 0, growth: 0 };
        if shape.0 == 0 || shape.1 == 0 {
            return Ok(plan);
        }
        let mut modes: Vec<Mode<'a, T>> = Vec::new();
        for factor in factors {
            let mode = Mode::new(*factor, factors.len())?;
            match modes.pop() {
                Some(last) => modes.extend(last.joined(mode)?),
                None => modes.push(mode),
            }
        }
        let key = |k: &usize| 1.0 / modes[*k].shape.1 as f64 - 1.0 / modes[*k].shape.0 as f64;
        let mut order: Vec<usize> = (0..modes.len()).filter(|k| modes[*k].factor.is_some()).collect();
        order.sort_by(|a, b| key(a).total_cmp(&key(b)));
        let mut sizes: Vec<usize> = modes.iter().map(|mode| mode.shape.1).collect();
        for k in order {
            let Some(factor) = modes[k].factor.take() else { continue };
            let before = sizes.iter().product();
            sizes[k] = modes[k].shape.0;
            plan.exponent += factor.exponent;
            plan.growth += factor.top + (usize::BITS - modes[k].shape.1.leading_zeros()) as i32;
            let (right, after) = (sizes[k + 1..].iter().product(), sizes.iter().product());
            plan.steps.push(Step { factor, right, sizes: (before, after) });
        }
        Ok(plan)
    }

    /// `out = A b`, group by group.
    fn run(&self, mut out: MatMut<'_, T>, b: MatRef<'_, T>) -> Result<()> {
        let (m, n) = self.shape;
        check_block(n, b)?;
        if out.nrows() != m || out.ncols() != b.ncols() {
            let expected = format!("the product is ({m}, {})", b.ncols());
            return Err(Error::Shape { argument: "out", expected, found: vec![out.nrows(), out.ncols()] });
        }
        if m == 0 || n == 0 {
            out.fill(T::of(0.0));
            return check_finite("b", b);
        }
        let width = (GROUP / m.max(n)).clamp(1, b.ncols().max(1));
        let mut spaces = [(); 2].map(|()| vec![T::of(0.0); width * m.max(n)]);
        let shifted = |first: usize, error| match error {
            Error::NonFinite { argument, index } => {
                Error::NonFinite { argument, index: vec![index[0], first + index[1]] }
            }
            other => other,
        };
        for first in (0..b.ncols()).step_by(width) {
            let width = width.min(b.ncols() - first);
            let out = out.as_mut().subcols_mut(first, width);
            self.group(out, b.subcols(first, width), &mut spaces).map_err(|error| shifted(first, error))?;
        }
        Ok(())
    }

    /// The product with a few columns.
    fn group(&self, mut out: MatMut<'_, T>, b: MatRef<'_, T>, spaces: &mut [Vec<T>; 2]) -> Result<()> {
        let ((m, n), columns) = (self.shape, b.ncols());
        let (limit, largest) = if T::NAME == "f32" { (20, 127) } else { (200, 1023) };
        let top = exponent(largest_in_parallel("b", b)?);
        let shift = excess(top, limit);
        let [front, back] = spaces;
        // What is multiplied next: b itself where it lies in one piece, else the front.
        let mut stored = if shift == 0 && !self.steps.is_empty() { in_one_piece(b) } else { None };
        if stored.is_none() {
            let mut copy = MatMut::from_column_major_slice_mut(&mut front[..n * columns], n, columns);
            copy.copy_from(b);
            scale_view(copy, -shift);
        }
        let mut written = false;
        for (k, step) in self.steps.iter().enumerate() {
            let source = stored.take().unwrap_or(&front[..step.sizes.0 * columns]);
            match out.as_mut().try_as_col_major_mut() {
                Some(out) if columns == 1 && k + 1 == self.steps.len() => {
                    step.run(out.col_mut(0).as_slice_mut(), source);
                    written = true;
                }
                _ => {
                    step.run(&mut back[..step.sizes.1 * columns], source);
                    std::mem::swap(front, back);
                }
            }
        }
        if !written {
            out.copy_from(MatRef::from_column_major_slice(&front[..m * columns], m, columns));
        }
        scale_view(out.as_mut(), self.exponent + shift);
        if top + 1 + self.growth + self.exponent < largest { Ok(()) } else { check_overflow(out.as_ref()) }
    }
}

impl<'a, T: Scalar> Mode<'a, T> {
    /// One of `count` factors.
    fn new(factor: MatRef<'a, T>, count: usize) -> Result<Self> {
        let (m, n) = factor.shape();
        let unit = |i: usize, j: usize| T::of(if i == j { 1.0 } else { 0.0 });
        let identity = m == n && (0..n).all(|j| (0..m).all(|i| factor[(i, j)] == unit(i, j)));
        let factor = if identity { None } else { Some(Moderate::one_of(count + 1, "factors", factor)?) };
        Ok(Mode { shape: (m, n), factor })
    }

    /// This and the mode after it, as one where both are small.
    fn joined(self, next: Self) -> Result<impl Iterator<Item = Self>> {
        let ((m, n), (p, q)) = (self.shape, next.shape);
        let modes = match (&self.factor, &next.factor) {
            (Some(a), Some(b)) if (m * p).max(n * q) <= SMALL => {
                let (x, y) = (a.matrix(), b.matrix());
                let both = Mat::from_fn(m * p, n * q, |i, j| x[(i / p, j / q)] * y[(i % p, j % q)]);
                let factor = Some(Moderate::of(both, a.exponent + b.exponent)?);
                [Some(Mode { shape: (m * p, n * q), factor }), None]
            }
            _ => [Some(self), Some(next)],
        };
        Ok(modes.into_iter().flatten())
    }
}

impl<T: Scalar> Step<'_, T> {
    /// Multiplies the mode, of size n_k in `x` and m_k in `out`, for all columns.
    fn run(&self, out: &mut [T], x: &[T]) {
        let (factor, right) = (self.factor.matrix(), self.right);
        let (m, n) = factor.shape();
        if right == 1 {
            let x = MatRef::from_column_major_slice(x, n, x.len() / n);
            let out = MatMut::from_column_major_slice_mut(out, m, x.ncols());
            return product_into(out, factor, x);
        }
        let slab = |out: &mut [T], x: &[T], product: fn(MatMut<'_, T>, MatRef<'_, T>, MatRef<'_, T>)| {
            let out = MatMut::from_column_major_slice_mut(out, right, m);
            product(out, MatRef::from_column_major_slice(x, right, n), factor.transpose());
        };
        let slabs = PIECE / (right * m.max(n));
        if slabs == 0 {
            let pairs = out.chunks_exact_mut(m * right).zip(x.chunks_exact(n * right));
            return pairs.for_each(|(out, x)| slab(out, x, product_into));
        }
        let pieces = out.par_chunks_mut(slabs * m * right).zip(x.par_chunks(slabs * n * right));
        pieces.for_each(|(out, x)| {
            let pairs = out.chunks_exact_mut(m * right).zip(x.chunks_exact(n * right));
            pairs.for_each(|(out, x)| slab(out, x, |out, x, factor| T::product(out, false, x, factor)));
        });
    }
}

/// The numbers of a block whose columns lie one after the other.
fn in_one_piece<T: Scalar>(b: MatRef<'_, T>) -> Option<&[T]> {
    array_view(b).reversed_axes().to_slice()
}
