//! Products of a Kronecker product with blocks of vectors.
//!
//! **Problem.** A = M1 (x) ... (x) Md (m, n) with factors Mk (m_k, n_k) and b (n, l): A b (m, l), or
//! A' b for b (m, l), without A.
//!
//! **Method.** A column of b is a tensor (n_1, ..., n_d) with its last index fastest; each factor
//! multiplies one mode of it where it lies: mode k is a product of matrices (right, n_k) with Mk', one
//! for each index left of it, or one product with Md for the last mode. Nothing is transposed. The
//! order of the modes is that of fewest flops, and modes whose slabs are small are taken together:
//! see `plan.rs`.
//!
//! **Cost.** The sum over the modes of 2 m_k flops a number at hand, which is 2 d n^(1 + 1/d) l for square
//! factors of one size. Columns are taken in groups of about 2^18 numbers or one column, so that what
//! is between the modes stays in cache where it can: memory for two groups (four where b or the result
//! do not lie column after column). b is read once and the result written once.
//!
//! **Guarantee.** |A b - c|_F <= 4 n eps |M1|_F ... |Md|_F |b|_F. Work is cut by shapes alone: the bits
//! do not depend on the number of threads. Entries near 1e300 or 1e-300 are scaled by powers of two
//! on the way.
//!
//! **Deviations.** None.

use super::Kronecker;
use super::plan::{PIECE, Plan, Products, Stage, Step};
use crate::matrix::{
    AsMatrix, array_view, check_finite, check_overflow, excess, exponent, largest_in_parallel, product_onto,
    scale_view, zeros,
};
use crate::operator::{Operator, check_block};
use crate::{Error, Result, Scalar};
use faer::{Mat, MatMut, MatRef};
use rayon::prelude::*;

/// Numbers in a group of columns, about.
const GROUP: usize = 1 << 18;

impl<T: Scalar> Kronecker<T> {
    /// Writes A b (m, l) for `b` (n, l) into `out`, whatever it held. The sum over the modes of 2 m_k flops
    /// a number at hand, in the best order: 2 d n^(1 + 1/d) l for square factors of one size; memory for
    /// two groups of columns, each about 2^18 numbers or one column.
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
        let factors = self.factors().iter().map(|f| f.as_ref()).collect();
        Products::new(self.shape(), std::iter::once((T::of(1.0), factors)))?.run(out, b.as_matrix())
    }

    /// Writes A' b (n, l) for `b` (m, l) into `out`, as [`Kronecker::apply_into`] does A b.
    ///
    /// # Errors
    /// As for [`Kronecker::apply_into`].
    pub fn apply_transpose_into(&self, out: MatMut<'_, T>, b: impl AsMatrix<T>) -> Result<()> {
        let ((m, n), factors) = (self.shape(), self.factors().iter().map(|f| f.transpose()).collect());
        Products::new((n, m), std::iter::once((T::of(1.0), factors)))?.run(out, b.as_matrix())
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

impl<T: Scalar> Products<'_, T> {
    /// `out = A b`, group by group.
    pub(crate) fn run(&self, mut out: MatMut<'_, T>, b: MatRef<'_, T>) -> Result<()> {
        let (m, n) = self.shape;
        check_block(n, b)?;
        if out.nrows() != m || out.ncols() != b.ncols() {
            let expected = format!("the product is ({m}, {})", b.ncols());
            return Err(Error::Shape { argument: "out", expected, found: vec![out.nrows(), out.ncols()] });
        }
        if self.plans.is_empty() {
            out.fill(T::of(0.0));
            return check_finite("b", b);
        }
        let width = (GROUP / m.max(n)).clamp(1, b.ncols().max(1));
        let mut spaces: [Vec<T>; 4] = Default::default();
        for first in (0..b.ncols()).step_by(width) {
            let width = width.min(b.ncols() - first);
            let out = out.as_mut().subcols_mut(first, width);
            self.group(out, b.subcols(first, width), &mut spaces).map_err(|error| match error {
                Error::NonFinite { argument, index } => {
                    Error::NonFinite { argument, index: vec![index[0], first + index[1]] }
                }
                other => other,
            })?;
        }
        Ok(())
    }

    /// The product with a few columns.
    fn group(&self, mut out: MatMut<'_, T>, b: MatRef<'_, T>, spaces: &mut [Vec<T>; 4]) -> Result<()> {
        let ((m, n), columns) = (self.shape, b.ncols());
        let (limit, largest) = if T::NAME == "f32" { (20, 127) } else { (200, 1023) };
        let top = exponent(largest_in_parallel("b", b)?);
        if let [Plan { stages, .. }] = &self.plans[..]
            && stages.is_empty()
        {
            out.copy_from(b);
            scale_view(out.as_mut(), self.exponent);
            return if self.exponent > 0 { check_overflow(out.as_ref()) } else { Ok(()) };
        }
        let shift = excess(top, limit);
        let [front, back, copied, result] = spaces;
        let x = match array_view(b).reversed_axes().to_slice() {
            Some(x) if shift == 0 => x,
            _ => {
                let copied = sized(copied, n * columns);
                let mut copy = MatMut::from_column_major_slice_mut(copied, n, columns);
                copy.copy_from(b);
                scale_view(copy, -shift);
                copied
            }
        };
        let mut run = |out: &mut [T]| {
            let numbers = |stage: &Stage<'_, T>| x.len() / n * stage.numbers_after;
            for (k, plan) in self.plans.iter().enumerate() {
                let run = |stage: &Stage<'_, T>, out: &mut [T], add, x: &[T]| stage.run(out, add, x);
                chain(&plan.stages, out, k > 0, x, [front, back], numbers, run);
            }
        };
        match out.as_mut().try_as_col_major_mut() {
            Some(out) if columns == 1 => run(out.col_mut(0).as_slice_mut()),
            _ => {
                let result = sized(result, m * columns);
                run(result);
                out.copy_from(MatRef::from_column_major_slice(result, m, columns));
            }
        }
        scale_view(out.as_mut(), self.exponent + shift);
        if top + 1 + self.growth + self.exponent < largest { Ok(()) } else { check_overflow(out.as_ref()) }
    }
}

/// `out` becomes what the links make of `x`, one after the other, or is added to; `numbers` is how
/// many a link leaves.
fn chain<T: Scalar, L>(
    links: &[L],
    out: &mut [T],
    add: bool,
    x: &[T],
    [mut front, mut back]: [&mut Vec<T>; 2],
    numbers: impl Fn(&L) -> usize,
    run: impl Fn(&L, &mut [T], bool, &[T]),
) {
    let Some((last, others)) = links.split_last() else { return };
    let (mut first, mut length) = (Some(x), 0);
    for link in others {
        let after = numbers(link);
        run(link, sized(back, after), false, first.take().unwrap_or(&front[..length]));
        std::mem::swap(&mut front, &mut back);
        length = after;
    }
    run(last, out, add, first.take().unwrap_or(&front[..length]));
}

/// The first so many numbers, whatever they are.
fn sized<T: Scalar>(space: &mut Vec<T>, length: usize) -> &mut [T] {
    if space.len() < length {
        *space = vec![T::of(0.0); length];
    }
    &mut space[..length]
}

impl<T: Scalar> Stage<'_, T> {
    /// Multiplies the modes of all columns, in parallel.
    fn run(&self, out: &mut [T], add: bool, x: &[T]) {
        let units = PIECE / self.unit.0.max(self.unit.1);
        match &self.steps[..] {
            [step] if units == 0 || step.right == 1 => step.run(out, add, x, product_onto),
            steps => {
                let pieces = out.par_chunks_mut(units * self.unit.1).zip(x.par_chunks(units * self.unit.0));
                pieces.for_each_init(<[Vec<T>; 2]>::default, |[front, back], (out, x)| {
                    let numbers = |step: &Step<'_, T>| x.len() / self.unit.0 * step.unit_after;
                    let run = |step: &Step<'_, T>, out: &mut [T], add, x: &[T]| {
                        step.run(out, add, x, T::product);
                    };
                    chain(steps, out, add, x, [front, back], numbers, run);
                });
            }
        }
    }
}

/// `out = lhs rhs`, or `out += lhs rhs`.
type Multiply<T> = fn(MatMut<'_, T>, bool, MatRef<'_, T>, MatRef<'_, T>);

impl<T: Scalar> Step<'_, T> {
    /// Multiplies the mode, of size n_k in `x` and m_k in `out`, slab by slab.
    fn run(&self, out: &mut [T], add: bool, x: &[T], product: Multiply<T>) {
        let (factor, right) = (self.factor.matrix(), self.right);
        let (m, n) = factor.shape();
        if right == 1 {
            let x = MatRef::from_column_major_slice(x, n, x.len() / n);
            let out = MatMut::from_column_major_slice_mut(out, m, x.ncols());
            return product(out, add, factor, x);
        }
        for (out, x) in out.chunks_exact_mut(m * right).zip(x.chunks_exact(n * right)) {
            let out = MatMut::from_column_major_slice_mut(out, right, m);
            product(out, add, MatRef::from_column_major_slice(x, right, n), factor.transpose());
        }
    }
}
