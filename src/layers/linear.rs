//! Linear layers, dense or factorized.
//!
//! **Problem.** A weight W (m, n) and a wish for a rank: factors U (m, r), V (n, r) with
//! y = U (V' x) + b close to W x + b, for r (m + n) in place of m n numbers and multiplications.
//!
//! **Method.** Truncated singular value decomposition (Eckart, Young 1936; Mirsky 1960), the
//! singular values shared evenly between the factors.
//!
//! **Cost.** A dense SVD of W for the factors, one of the residual for its norm. A layer then
//! costs 2 r (m + n) flops a sample; factors pay below r = m n / (m + n).
//!
//! **Guarantee.** |W x - U V' x| <= |W - U V'|_2 |x|, attained by one x; the norm is measured on the
//! residual and agrees with s_{r+1} to rounding. No other factors of this rank have a smaller
//! worst case. For the inputs a layer really sees, others may do better: [`super::refit`].
//!
//! **Deviations.** None.

use crate::matrix::{AsMatrix, check_finite, check_finite_slice, frobenius, spectral};
use crate::svd::{Rank, qr, truncated};
use crate::{Error, LowRank, Result, Scalar};
use faer::{Mat, MatRef};

/// The weight of a layer, (m, n).
#[derive(Debug, Clone)]
pub enum Weight<T: Scalar> {
    /// Stored in full.
    Dense(Mat<T>),
    /// W = U V'.
    Factored(LowRank<T>),
}

impl<T: Scalar> Weight<T> {
    /// Outputs and inputs, (m, n).
    pub fn shape(&self) -> (usize, usize) {
        match self {
            Weight::Dense(w) => w.shape(),
            Weight::Factored(x) => x.shape(),
        }
    }

    /// The matrix (m, n).
    pub fn to_dense(&self) -> Mat<T> {
        match self {
            Weight::Dense(w) => w.clone(),
            Weight::Factored(x) => x.to_dense(),
        }
    }

    /// W x for a batch x (n, N), without any check.
    fn apply(&self, x: MatRef<'_, T>) -> Mat<T> {
        match self {
            Weight::Dense(w) => w * x,
            Weight::Factored(f) => f.apply(x),
        }
    }

    /// |W|_2; of factors from their triangles, O((m + n) r^2 + r^3).
    ///
    /// # Errors
    /// [`Error::NonFinite`] for a weight that is not finite.
    pub fn spectral(&self) -> Result<f64> {
        match self {
            Weight::Dense(w) => spectral(w.as_ref()),
            Weight::Factored(x) => {
                let (left, right) = (qr(x.u.as_ref())?.r, qr(x.v.as_ref())?.r);
                spectral((&left * right.transpose()).as_ref())
            }
        }
    }
}

/// A linear layer, y = W x + b.
#[derive(Debug, Clone)]
pub struct Linear<T: Scalar> {
    /// W, (m, n).
    pub weight: Weight<T>,
    /// b, m numbers; `None` for zero.
    pub bias: Option<Vec<T>>,
}

impl<T: Scalar> Linear<T> {
    /// A layer with a dense weight (m, n) and a bias of m numbers.
    ///
    /// # Errors
    /// [`Error::NonFinite`]; [`Error::Shape`] for a bias of another length.
    pub fn dense(weight: Mat<T>, bias: Option<Vec<T>>) -> Result<Self> {
        check_finite("weight", weight.as_ref())?;
        let layer = Self { weight: Weight::Dense(weight), bias };
        layer.check_bias()?;
        Ok(layer)
    }

    fn check_bias(&self) -> Result<()> {
        let m = self.weight.shape().0;
        match &self.bias {
            Some(b) if b.len() != m => {
                let expected = format!("the weight has {m} rows");
                Err(Error::Shape { argument: "bias", expected, found: vec![b.len()] })
            }
            Some(b) => check_finite_slice("bias", b),
            None => Ok(()),
        }
    }

    /// How many numbers are stored.
    pub fn parameters(&self) -> usize {
        let (m, n) = self.weight.shape();
        self.bias.as_ref().map_or(0, Vec::len)
            + match &self.weight {
                Weight::Dense(_) => m * n,
                Weight::Factored(x) => x.parameters(),
            }
    }

    /// W x + b for a batch x (n, N), a sample a column; (m, N).
    ///
    /// # Errors
    /// [`Error::Shape`] when x has not n rows, or the bias not m numbers; [`Error::NonFinite`].
    pub fn forward(&self, x: impl AsMatrix<T>) -> Result<Mat<T>> {
        self.output(x.as_matrix())
    }

    fn output(&self, x: MatRef<'_, T>) -> Result<Mat<T>> {
        let (m, n) = self.weight.shape();
        if x.nrows() != n {
            let expected = format!("the layer takes {n} inputs: {n} rows are needed, a sample a column");
            return Err(Error::Shape { argument: "x", expected, found: vec![x.nrows(), x.ncols()] });
        }
        self.check_bias()?;
        check_finite("x", x)?;
        let mut y = self.weight.apply(x); // (m, N)
        if let Some(b) = &self.bias {
            for j in 0..y.ncols() {
                for i in 0..m {
                    y[(i, j)] += b[i];
                }
            }
        }
        Ok(y)
    }
}

/// A factorized layer and how far it is from the dense one.
#[derive(Debug, Clone)]
pub struct Factorized<T: Scalar> {
    /// The layer, its weight [`Weight::Factored`].
    pub layer: Linear<T>,
    /// r.
    pub rank: usize,
    /// |W - U V'|_2: the output moves by at most this times |x|.
    pub spectral_error: f64,
    /// |W - U V'|_F: for inputs of independent entries with variance 1, the root mean square of
    /// what the output moves by.
    pub frobenius_error: f64,
    /// |W - U V'|_F / |W|_F; 0 for a zero weight.
    pub relative_error: f64,
    /// m n / (r (m + n)): above 1 where the factors are smaller than W; infinite for rank 0.
    pub compression: f64,
}

/// A factorized layer for a weight W (m, n) and an optional bias.
///
/// # Errors
/// [`Error::NonFinite`] for the weight and the bias, with the position; [`Error::Shape`] for a bias
/// of another length than m; those of [`Rank::choose_for`].
///
/// ```
/// use lowrank::{faer::Mat, layers::factorize, svd::Rank};
/// let w = Mat::from_fn(64, 32, |i, j| if i == j { 1.0 / (1.0 + i as f64) } else { 0.0 });
/// let layer = factorize(w.as_ref(), None, Rank::Fixed(4))?;
/// assert!((layer.spectral_error - 0.2).abs() < 1e-14); // s_5 = 1/5
/// assert!((layer.compression - 64.0 * 32.0 / (4.0 * 96.0)).abs() < 1e-14);
/// # lowrank::Result::Ok(())
/// ```
pub fn factorize<T: Scalar>(w: impl AsMatrix<T>, bias: Option<&[T]>, rank: Rank) -> Result<Factorized<T>> {
    factors(w.as_matrix(), bias, rank)
}

fn factors<T: Scalar>(w: MatRef<'_, T>, bias: Option<&[T]>, rank: Rank) -> Result<Factorized<T>> {
    check_finite("w", w)?;
    let (m, n) = w.shape();
    let factors = truncated(w, rank)?.into_low_rank();
    let rank = factors.rank();
    let residual = w - factors.to_dense(); // (m, n)
    let (norm, error) = (frobenius(w), frobenius(residual.as_ref()));
    let layer = Linear { weight: Weight::Factored(factors), bias: bias.map(<[T]>::to_vec) };
    layer.check_bias()?;
    Ok(Factorized {
        layer,
        rank,
        spectral_error: spectral(residual.as_ref())?,
        frobenius_error: error,
        relative_error: if norm > 0.0 { error / norm } else { 0.0 },
        compression: (m as f64 * n as f64) / (rank as f64 * (m + n) as f64),
    })
}
