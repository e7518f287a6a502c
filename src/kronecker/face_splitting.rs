//! Face-splitting products: row by row the Kronecker product of the factors.

use super::khatri_rao::KhatriRao;
use crate::{Error, Operator, Result, Scalar};
use faer::{Mat, MatRef};

/// The row-wise product (m, n_1 ... n_d) of factors Mk (m, n_k), whose row i is
/// `M1[i, :] (x) ... (x) Md[i, :]`, kept as its factors; an [`Operator`].
///
/// It is the transpose of the [`KhatriRao`] product of the transposes, which does the work.
///
/// ```
/// use lowrank::{Operator, faer::mat, kronecker::FaceSplitting};
/// let f = FaceSplitting::new(&[mat![[1.0, 2.0], [3.0, 4.0]], mat![[5.0], [6.0]]])?;
/// assert_eq!(f.to_dense()?, mat![[5.0, 10.0], [18.0, 24.0]]);
/// # lowrank::Result::Ok(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FaceSplitting<T: Scalar> {
    transposed: KhatriRao<T>,
}

impl<T: Scalar> FaceSplitting<T> {
    /// The product of `factors`, first one slowest; they are copied. O(parameters).
    ///
    /// # Errors
    /// [`Error::Shape`] for no factor, or different numbers of rows; [`Error::NonFinite`] with
    /// `[factor, row, column]`; [`Error::TooLarge`] when the columns are too many to be counted.
    pub fn new(factors: &[Mat<T>]) -> Result<Self> {
        let rows = factors.first().map_or(0, |f| f.nrows());
        if let Some((k, f)) = factors.iter().enumerate().find(|(_, f)| f.nrows() != rows) {
            let expected = format!("factor {k} (counted from 0) needs {rows} rows, as factor 0 has");
            return Err(Error::Shape { argument: "factors", expected, found: vec![f.nrows(), f.ncols()] });
        }
        let transposes = factors.iter().map(|f| f.transpose().to_owned()).collect();
        let transposed = KhatriRao::new(transposes).map_err(|error| match error {
            Error::NonFinite { argument, index } => {
                Error::NonFinite { argument, index: vec![index[0], index[2], index[1]] }
            }
            other => other,
        })?;
        Ok(Self { transposed })
    }

    /// The transpose, the Khatri-Rao product of the transposes.
    pub fn transpose(&self) -> &KhatriRao<T> {
        &self.transposed
    }
    /// Entry (i, j), in O(d). Panics outside of the matrix.
    pub fn entry(&self, i: usize, j: usize) -> T {
        self.transposed.entry(j, i)
    }
    /// The Gram matrix of the rows (m, m): the Hadamard product of those of the factors.
    ///
    /// # Errors
    /// Those of [`KhatriRao::gram`].
    pub fn row_gram(&self) -> Result<Mat<T>> {
        self.transposed.gram()
    }
}

impl<T: Scalar> Operator<T> for FaceSplitting<T> {
    fn shape(&self) -> (usize, usize) {
        let (n, m) = self.transposed.shape();
        (m, n)
    }
    fn apply(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        self.transposed.apply_transpose(b)
    }
    fn apply_transpose(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        self.transposed.apply(b)
    }
    fn to_dense(&self) -> Result<Mat<T>> {
        Ok(self.transposed.to_dense()?.transpose().to_owned())
    }
}
