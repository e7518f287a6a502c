//! Products of low-rank matrices that stay factored, and their dense form.
//!
//! **Problem.** X_1, ..., X_k, each low-rank (U_i V_i', rank r_i) or dense: X_1 ... X_k as a
//! low-rank matrix U V', or as a dense matrix (m, p).
//!
//! **Method.** The factors form a chain U_1, V_1', U_2, ..., which is multiplied in the cheapest
//! order ([`super::order`], [`super::factored_order`]). For two matrices this is
//! U_1 ((V_1' U_2) V_2') or (U_1 (V_1' U_2)) V_2', the core V_1' U_2 (r_1, r_2) going to the side
//! that leaves the smaller rank.
//!
//! **Cost.** Factored, two of rank r and of size N: 4 N r^2 flops. Dense: 2 N^2 r more, of which
//! nothing but the result is written.
//!
//! **Guarantee.** The rank is the smallest inner size, min r_i for sensible ranks. The error is at
//! most 4 (sum of the inner sizes) eps times the product of the Frobenius norms of the factors.
//! The bits do not depend on the number of threads. Intermediate products are scaled by powers of
//! two, so that only a result that does not fit its type is an error.
//!
//! **Deviations.** None.

use super::dense::{check_out, moderate_product};
use super::{Bracket, Order, factored_order, order};
use crate::matrix::{Moderate, check_overflow, exponent, max_norm, product_into, scale_view, zeros};
use crate::{Error, LowRank, Result, Scalar};
use faer::{Mat, MatMut, MatRef};

/// A matrix of a chain: stored, or as factors.
#[derive(Debug, Clone, Copy)]
pub enum Operand<'a, T: Scalar> {
    /// A stored matrix.
    Dense(MatRef<'a, T>),
    /// A matrix kept as factors.
    LowRank(&'a LowRank<T>),
}

impl<T: Scalar> Operand<'_, T> {
    /// Rows and columns.
    pub fn shape(&self) -> (usize, usize) {
        match self {
            Operand::Dense(a) => a.shape(),
            Operand::LowRank(x) => x.shape(),
        }
    }
}

/// The product of two low-rank matrices, `a` (m, n) of rank r1 and `b` (n, p) of rank r2, as one
/// of rank min(r1, r2, n). 2 r1 r2 (n + p) flops where r1 < r2, 2 r1 r2 (n + m) where r1 > r2, the
/// smaller of the two where r1 = r2.
///
/// # Errors
/// Those of [`chain`]; an entry that is not finite is named `a.u`, `a.v`, `b.u` or `b.v` with its
/// (row, column).
///
/// ```
/// use lowrank::{LowRank, faer::mat, matmul::multiply};
/// let x = LowRank { u: mat![[1.0], [2.0]], v: mat![[1.0], [0.0], [1.0]] }; // (2, 3), rank 1
/// let y = LowRank { u: mat![[1.0, 0.0], [0.0, 1.0], [2.0, 2.0]], v: mat![[1.0, 0.0], [0.0, 1.0]] };
/// let z = multiply(&x, &y)?;
/// assert_eq!((z.shape(), z.rank()), ((2, 2), 1));
/// assert_eq!(z.to_dense(), mat![[3.0, 2.0], [6.0, 4.0]]);
/// # lowrank::Result::Ok(())
/// ```
pub fn multiply<T: Scalar>(a: &LowRank<T>, b: &LowRank<T>) -> Result<LowRank<T>> {
    chain(&[Operand::LowRank(a), Operand::LowRank(b)]).map_err(rename_pair)
}

/// The product of a chain as a low-rank matrix (m, p) whose rank is the smallest inner size, in
/// the fewest flops. A single low-rank matrix is copied.
///
/// # Errors
/// [`Error::Shape`] when neighbours do not fit or the two factors of an operand have unequal
/// ranks; [`Error::NonFinite`] for NaN and infinities, with the index (operand, row, column) in
/// `operands` (dense), `operands.u` or `operands.v`; [`Error::Parameter`] for an empty chain, a
/// single dense matrix, more than 1,024 factors, or a result that exceeds the largest number of
/// the type.
pub fn chain<T: Scalar>(operands: &[Operand<'_, T>]) -> Result<LowRank<T>> {
    let chain = Chain::new(operands)?;
    let order = factored_order(&chain.sizes)?;
    chain.factored(&order)
}

/// The product of a chain as a dense matrix (m, p), in the fewest flops.
///
/// # Errors
/// Those of [`chain`] (a single dense matrix is copied), and [`Error::TooLarge`] when the result
/// cannot be addressed.
pub fn chain_dense<T: Scalar>(operands: &[Operand<'_, T>]) -> Result<Mat<T>> {
    let (m, p) = match operands {
        [first, .., last] => (first.shape().0, last.shape().1),
        [only] => only.shape(),
        [] => (0, 0),
    };
    let mut out = zeros(m, p)?;
    chain_into(out.as_mut(), operands)?;
    Ok(out)
}

/// Writes the product of a chain into `out` (m, p), whatever it held. Nothing of the size of the
/// result is allocated.
///
/// # Errors
/// Those of [`chain_dense`]; [`Error::Shape`] when `out` has another shape. After an error `out`
/// holds nothing of use.
///
/// ```
/// use lowrank::{LowRank, faer::{Mat, mat}, matmul::{Operand, chain_into}};
/// let x = LowRank { u: mat![[1.0], [2.0]], v: mat![[3.0], [4.0]] };
/// let mut c = Mat::zeros(2, 2);
/// chain_into(c.as_mut(), &[Operand::LowRank(&x), Operand::LowRank(&x)])?;
/// assert_eq!(c, mat![[33.0, 44.0], [66.0, 88.0]]);
/// # lowrank::Result::Ok(())
/// ```
pub fn chain_into<T: Scalar>(out: MatMut<'_, T>, operands: &[Operand<'_, T>]) -> Result<()> {
    let chain = Chain::new(operands)?;
    let order = order(&chain.sizes)?;
    let k = chain.matrices.len();
    check_out(&out, chain.sizes[0], chain.sizes[k])?;
    chain.dense(&order, out)
}

/// The flattened and checked chain.
struct Chain<'a, T: Scalar> {
    matrices: Vec<Moderate<'a, T>>,
    sizes: Vec<usize>,
}

impl<'a, T: Scalar> Chain<'a, T> {
    fn new(operands: &[Operand<'a, T>]) -> Result<Self> {
        let mut parts: Vec<(usize, &'static str, MatRef<'a, T>)> = Vec::new();
        let mut inner = None;
        for (k, operand) in operands.iter().enumerate() {
            let (m, n) = operand.shape();
            if let Some(inner) = inner.filter(|inner| *inner != m) {
                let expected = format!("operand {k} needs {inner} rows, the columns of the one before");
                return Err(Error::Shape { argument: "operands", expected, found: vec![m, n] });
            }
            inner = Some(n);
            match *operand {
                Operand::Dense(a) => parts.push((k, "operands", a)),
                Operand::LowRank(x) if x.u.ncols() == x.v.ncols() => {
                    parts.push((k, "operands.u", x.u.as_ref()));
                    parts.push((k, "operands.v", x.v.as_ref()));
                }
                Operand::LowRank(x) => {
                    let expected = format!("its factor `u` has {} columns (operand {k})", x.u.ncols());
                    let found = vec![x.v.nrows(), x.v.ncols()];
                    return Err(Error::Shape { argument: "operands.v", expected, found });
                }
            }
        }
        let mut sizes = Vec::with_capacity(parts.len() + 1);
        let mut matrices = Vec::with_capacity(parts.len());
        for (k, argument, matrix) in parts {
            let across = argument == "operands.v";
            if sizes.is_empty() {
                sizes.push(matrix.nrows());
            }
            sizes.push(if across { matrix.nrows() } else { matrix.ncols() });
            let moderate = Moderate::new(argument, matrix).map_err(|error| at_operand(error, k))?;
            matrices.push(if across { moderate.transposed() } else { moderate });
        }
        Ok(Self { matrices, sizes })
    }

    fn factored(mut self, order: &Order) -> Result<LowRank<T>> {
        let Bracket::Product(left, right) = &order.bracket else {
            return Err(Error::Parameter {
                name: "operands",
                value: "a single dense matrix".into(),
                remedy: "pass a low-rank matrix or two matrices",
            });
        };
        let u = self.evaluate(left)?;
        let v = self.evaluate(right)?;
        let e = u.exponent + v.exponent;
        let (mut u, mut v) = (u.into_owned(), v.transposed().into_owned()); // (m, rank), (p, rank)
        if e != 0 {
            // Both factors get the same size, so that neither overflows where the product fits.
            let lean = exponent(max_norm(u.as_ref())) - exponent(max_norm(v.as_ref()));
            let first = (e - lean).div_euclid(2);
            scale_view(u.as_mut(), first);
            scale_view(v.as_mut(), e - first);
            check_overflow(u.as_ref())?;
            check_overflow(v.as_ref())?;
        }
        Ok(LowRank { u, v })
    }

    fn dense(mut self, order: &Order, mut out: MatMut<'_, T>) -> Result<()> {
        match &order.bracket {
            Bracket::Matrix(_) => {
                let only = self.evaluate(&order.bracket)?;
                out.copy_from(only.matrix());
                scale_view(out.as_mut(), only.exponent);
                Ok(())
            }
            Bracket::Product(left, right) => {
                let (left, right) = (self.evaluate(left)?, self.evaluate(right)?);
                moderate_product(out, &left, &right)
            }
        }
    }

    /// Carries out a part of the chain; the stored matrices are views and are taken as they are.
    fn evaluate(&mut self, bracket: &Bracket) -> Result<Moderate<'a, T>> {
        match bracket {
            Bracket::Matrix(k) => Ok(self.matrices[*k].take()),
            Bracket::Product(left, right) => {
                let (left, right) = (self.evaluate(left)?, self.evaluate(right)?);
                let (a, b) = (left.matrix(), right.matrix());
                let mut out = zeros(a.nrows(), b.ncols())?;
                product_into(out.as_mut(), a, b);
                Moderate::of(out, left.exponent + right.exponent)
            }
        }
    }
}

/// Puts the number of the operand before the position of an entry.
fn at_operand(error: Error, k: usize) -> Error {
    match error {
        Error::NonFinite { argument, mut index } => {
            index.insert(0, k);
            Error::NonFinite { argument, index }
        }
        other => other,
    }
}

/// The errors of a chain of two in the names of a pair.
fn rename_pair(error: Error) -> Error {
    let name = |which: usize, argument: &str| match (which, argument) {
        (0, "operands.u") => "a.u",
        (0, _) => "a.v",
        (_, "operands.u") => "b.u",
        _ => "b.v",
    };
    match error {
        Error::NonFinite { argument, index } if index.len() == 3 => {
            Error::NonFinite { argument: name(index[0], argument), index: index[1..].to_vec() }
        }
        Error::Shape { argument: "operands", expected, found } => {
            Error::Shape { argument: "b", expected, found }
        }
        other => other,
    }
}
