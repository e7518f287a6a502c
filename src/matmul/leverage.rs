//! Leverage scores: how much of a matrix hangs on each of its rows.
//!
//! **Problem.** A (m, n) and a rank k: the scores l_i = |row i of U_k|^2, i = 1..m, where U_k are
//! the k leading left singular vectors.
//!
//! **Method.** Mahoney, "Randomized algorithms for matrices and data" (2011), definition of the
//! scores; from the dense SVD, or from a randomized one (with a sketch of rank + 10 columns and
//! two power iterations).
//!
//! **Cost.** That of the SVD: O(m n min(m, n)) exact, O(m n k) approximate.
//!
//! **Guarantee.** Exact: 0 <= l_i <= 1 and sum l_i = the rank used (k, or less where the numerical
//! rank of A is less), to rounding. Approximate scores are those of a nearby subspace; where the
//! spectrum has no gap at k no approximation of the scores can be close, and none is needed for
//! the sampled product, which is unbiased with any.
//!
//! **Deviations.** The approximation is a randomized SVD instead of the sketched QR of Drineas,
//! Magdon-Ismail, Mahoney, Woodruff (2012), which needs very tall matrices.

use crate::matrix::AsMatrix;
use crate::svd::{Randomized, dense, randomized};
use crate::{Error, Result, Scalar};
use faer::MatRef;

/// How leverage scores are computed and used as probabilities.
///
/// The probabilities are `norm_share` times those of [`super::Probabilities::Norms`] plus the rest
/// times the mean of the normalized scores of the columns of A and of the rows of B. The share
/// keeps terms outside of the leading singular subspaces from being missed: with replacement the
/// mean squared error is at most 1/share times |A|_F^2 |B|_F^2 / s (a defensive mixture, Hesterberg
/// 1995).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leverage {
    /// Rank k of the singular subspaces; for a sampled product, at most the smaller size of A and
    /// of B each.
    pub rank: usize,
    /// From a dense SVD; otherwise from a randomized one.
    pub exact: bool,
    /// Share of the probabilities from norms, above 0, at most 1.
    pub norm_share: f64,
}

impl Default for Leverage {
    /// Rank 10, approximate, a tenth from norms.
    fn default() -> Self {
        Self { rank: 10, exact: false, norm_share: 0.1 }
    }
}

/// The leverage scores of the rows of `a` (m, n) for its leading left singular subspace: m of
/// them. Those of the columns are those of `a.transpose()`. `norm_share` is not used.
///
/// The rank is lowered to the number of singular values above max(m, n) eps s_1: a zero matrix has
/// scores 0.
///
/// # Errors
/// [`Error::Rank`] when the rank exceeds min(m, n) (an empty matrix has no scores but no error
/// either, and so has rank 0); [`Error::NonFinite`]; those of [`crate::svd::dense`].
///
/// ```
/// use lowrank::{faer::mat, matmul::{Leverage, leverage_scores}};
/// let a = mat![[5.0, 0.0], [0.0, 1.0], [0.0, 1.0]];
/// let scores = leverage_scores(a.as_ref(), &Leverage { rank: 2, exact: true, norm_share: 0.1 }, 0)?;
/// for (score, expected) in scores.iter().zip([1.0, 0.5, 0.5]) {
///     assert!((score - expected).abs() < 1e-14);
/// }
/// # lowrank::Result::Ok(())
/// ```
pub fn leverage_scores<T: Scalar>(a: impl AsMatrix<T>, leverage: &Leverage, seed: u64) -> Result<Vec<f64>> {
    scores(a.as_matrix(), leverage, seed)
}

fn scores<T: Scalar>(a: MatRef<'_, T>, leverage: &Leverage, seed: u64) -> Result<Vec<f64>> {
    let (m, n) = a.shape();
    let largest = m.min(n);
    if largest == 0 {
        return Ok(vec![0.0; m]);
    }
    if leverage.rank > largest {
        return Err(Error::Rank { rank: leverage.rank, largest });
    }
    let svd = if leverage.exact {
        dense(a)?
    } else {
        randomized(&a, leverage.rank, &Randomized { seed, ..Default::default() })?
    };
    let first = svd.s.first().map_or(0.0, |s| s.as_f64());
    let threshold = m.max(n) as f64 * T::EPS * first;
    let rank = svd.s.iter().take(leverage.rank).filter(|s| s.as_f64() > threshold).count();
    let mut scores = vec![0.0; m];
    for k in 0..rank {
        for (score, x) in scores.iter_mut().zip(svd.u.col_as_slice(k)) {
            *score += x.as_f64() * x.as_f64();
        }
    }
    Ok(scores)
}
