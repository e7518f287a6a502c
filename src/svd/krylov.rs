//! Truncated singular value decomposition in a block Krylov space.
//!
//! **Problem.** A (m, n), stored, generated, or only applied to vectors, and a rank k: the k
//! leading singular triplets, where the spectrum decays so slowly that power iterations need many
//! products with A.
//!
//! **Method.** Musco, Musco, "Randomized block Krylov methods for stronger and faster approximate
//! singular value decomposition", NIPS 28 (2015), algorithm 2: an orthonormal basis Q of the blocks
//! Y, (A A') Y, ..., (A A')^q Y with Y = A Omega for a random Omega of l columns, then the SVD of
//! Q'A, truncated. Every half-step is orthonormalised by Householder QR, every block also against
//! all earlier ones, twice.
//!
//! **Cost.** 2 (q + 1) products with A and A' of 2 m n l flops each, the same as a randomized SVD
//! with q power iterations, and O((m + n) ((q + 1) l)^2) more. Memory (m + n) (q + 1) l numbers
//! for the basis and its image, besides A: q + 1 times that of the randomized SVD. Small blocks
//! with more iterations find more per product, large blocks run faster per product.
//!
//! **Guarantee.** With l = k and q = O(log(n) / sqrt(eps)) steps, |A - U diag(s) V'|_2 <=
//! (1 + eps) s_{k+1} with probability at least 0.99, whatever the gaps (theorem 1 there); power
//! iterations need O(log(n) / eps). The singular values found never exceed those of A (to
//! rounding). A spectrum with a value repeated more than l times may lose copies of it. The
//! columns of U and V are orthonormal to 10 max(m, n) eps.
//! [`residuals`](super::residuals) tells a posteriori how near the values are.
//!
//! **Deviations.** The new block is (A W) with W an orthonormal basis of A'Q_j for the last block
//! Q_j only, which spans the same space. Where the basis would have 3/4 min(m, n) columns the
//! dense SVD is taken.

use super::blocks::{extension, svd_in_span};
use super::source::Source;
use super::{Svd, orthonormal_basis};
use crate::random::gaussian;
use crate::{Error, Operator, Result, Scalar};
use faer::Mat;

/// Parameters of [`krylov`].
#[derive(Debug, Clone)]
pub struct Krylov {
    /// Columns of a block beyond the rank; with `block` unused.
    pub oversampling: usize,
    /// Columns of a block, where they shall not be rank + oversampling: 1 is the memory-lean
    /// single-vector method, which cannot find repeated singular values.
    pub block: Option<usize>,
    /// Krylov steps q after the first block. More are taken while the basis has fewer columns
    /// than the rank.
    pub iterations: usize,
    /// Seed of the Gaussian first block.
    pub seed: u64,
}

impl Default for Krylov {
    fn default() -> Self {
        Self { oversampling: 4, block: None, iterations: 3, seed: 0 }
    }
}

/// Truncated SVD of rank exactly `rank` in a block Krylov space.
///
/// # Errors
/// [`Error::Rank`] when `rank` > min(m, n); [`Error::Parameter`] for a block of no columns;
/// [`Error::TooLarge`] when the basis exceeds the address space; those of
/// [`randomized`](super::randomized).
///
/// ```
/// use lowrank::{random::with_spectrum, svd::{Krylov, krylov}};
/// let spectrum: Vec<f64> = (0..80).map(|i| 1.0 - 0.01 * i as f64).collect(); // hardly decays
/// let a = with_spectrum::<f64>(120, 100, &spectrum, 0);
/// let svd = krylov(&a, 3, &Krylov { iterations: 8, ..Default::default() })?;
/// assert!((svd.s[0] - 1.0).abs() < 1e-3);
/// # lowrank::Result::Ok(())
/// ```
pub fn krylov<T: Scalar, K>(
    a: &(impl Operator<T, K> + ?Sized),
    rank: usize,
    parameters: &Krylov,
) -> Result<Svd<T>> {
    let (m, n) = a.shape();
    let largest = m.min(n);
    if rank > largest {
        return Err(Error::Rank { rank, largest });
    }
    if parameters.block == Some(0) {
        let remedy = "a block has at least one column";
        return Err(Error::Parameter { name: "block", value: "0".into(), remedy });
    }
    let mut source = Source::new(a)?;
    if rank == 0 {
        return Ok(Svd { u: Mat::zeros(m, 0), s: Vec::new(), v: Mat::zeros(n, 0) });
    }
    let block = parameters.block.unwrap_or(rank.saturating_add(parameters.oversampling)).min(largest);
    let blocks = parameters.iterations.saturating_add(1).max(rank.div_ceil(block));
    let dimension = blocks.saturating_mul(block).min(largest);
    let bytes = (m as f64 + n as f64) * dimension as f64 * size_of::<T>() as f64;
    if bytes > isize::MAX as f64 {
        return Err(Error::TooLarge { what: "the Krylov basis", bytes, remedy: "ask for fewer iterations" });
    }
    if 4 * dimension >= 3 * largest {
        return Ok(source.dense()?.truncate(rank));
    }
    let omega = gaussian(n, block, parameters.seed, "krylov svd start"); // (n, block)
    let mut new = orthonormal_basis(source.first_product(omega.as_ref())?.as_ref())?; // (m, block)
    let mut q = Mat::zeros(m, dimension);
    let mut b = Mat::zeros(n, dimension); // A'Q
    let mut known = 0;
    loop {
        let width = new.ncols();
        let image = source.transposed_product(new.as_ref())?; // (n, width)
        q.as_mut().subcols_mut(known, width).copy_from(&new);
        b.as_mut().subcols_mut(known, width).copy_from(&image);
        known += width;
        if known == dimension {
            break;
        }
        let w = orthonormal_basis(image.as_ref())?; // (n, width)
        let y = source.product(w.as_ref())?; // (m, width)
        let y = y.subcols(0, width.min(dimension - known));
        new = extension(q.subcols(0, known), y)?;
    }
    let mut svd = svd_in_span(q.as_ref(), b.as_ref(), rank)?;
    source.scale_back(&mut svd.s)?;
    Ok(svd)
}
