//! Hadamard (entrywise) products of matrices that are kept as factors.
//!
//! **Problem.** X_t = U_t V_t' (m, n) of r_t columns, t = 1, 2, ...: factors of the entrywise product
//! X_1 * X_2 * ..., never formed.
//!
//! **Method.** Row i of the left factor is the Kronecker product of the rows i of all U_t, the
//! face-splitting product, and so on the right (Budzinskiy, When big data actually are low-rank, proof
//! of lemma 3.1; Slyusar 1997): r_1 r_2 ... columns. The rank is often much smaller: see
//! [`crate::svd::recompress`].
//!
//! **Cost.** (m + n) r_1 r_2 ... multiplications and numbers.
//!
//! **Guarantee.** Norms of rows multiply, so |U|_{2,inf} |V|_{2,inf} is at most the product of all
//! |U_t|_{2,inf} |V_t|_{2,inf}; entries differ from exact ones by (sum r_t + d) eps times that product.
//!
//! **Deviations.** The factors share the power of two of the product evenly.

use super::block::overflow;
use super::face_splitting::FaceSplitting;
use crate::matrix::{exponent, largest_finite, scale_in_place, scaled};
use crate::{Error, LowRank, Operator, Result, Scalar};
use faer::Mat;

/// The entrywise product of low-rank matrices of one shape, of as many columns as the product of
/// theirs.
///
/// # Errors
/// [`Error::Shape`] for no matrix, different shapes, or factors of different numbers of columns;
/// [`Error::NonFinite`] with `[matrix, row, column]`; [`Error::TooLarge`] when the factors do not fit
/// in the address space; [`Error::Parameter`] when an entry of them overflows.
///
/// ```
/// use lowrank::{LowRank, faer::mat, kronecker::hadamard, svd::{Rank, recompress}};
/// let x = LowRank { u: mat![[1.0, 0.0_f64], [1.0, 1.0], [1.0, 2.0]], v: mat![[1.0, 1.0], [2.0, 1.0]] };
/// let square = hadamard(&[&x, &x])?; // (3, 2), x_ij^2
/// assert_eq!((square.rank(), square.entry(2, 1)), (4, x.entry(2, 1).powi(2)));
/// assert_eq!(recompress(&square, Rank::Tolerance(1e-12))?.rank(), 2);
/// # lowrank::Result::Ok(())
/// ```
pub fn hadamard<T: Scalar>(matrices: &[&LowRank<T>]) -> Result<LowRank<T>> {
    for (k, x) in matrices.iter().enumerate() {
        let shape = matrices[0].shape();
        if x.shape() != shape || x.u.ncols() != x.v.ncols() {
            let expected =
                format!("matrix {k} (counted from 0) must be {shape:?}, with as many columns in u as in v");
            let found = vec![x.u.nrows(), x.u.ncols(), x.v.nrows(), x.v.ncols()];
            return Err(Error::Shape { argument: "matrices", expected, found });
        }
    }
    let mut power = 0;
    let mut side = |of: fn(&LowRank<T>) -> &Mat<T>| -> Result<Mat<T>> {
        let unit = |(k, x): (usize, &&LowRank<T>)| {
            let e = exponent(largest_finite("matrices", of(x)).map_err(|e| e.within(k))?);
            power += e;
            Ok(scaled(of(x), -e))
        };
        FaceSplitting::new(&matrices.iter().enumerate().map(unit).collect::<Result<Vec<_>>>()?)?.to_dense()
    };
    let (mut u, mut v) = (side(|x| &x.u)?, side(|x| &x.v)?);
    for (factor, e) in [(&mut u, power - power / 2), (&mut v, power / 2)] {
        scale_in_place(factor, e);
        largest_finite("product", &*factor).map_err(|_| overflow())?;
    }
    Ok(LowRank { u, v })
}
