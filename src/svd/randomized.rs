//! Randomized SVD (placeholder: contract only).

use super::{Svd, dense};
use crate::{Entries, Result, Scalar};
use faer::MatRef;

/// Parameters of [`randomized`].
#[derive(Debug, Clone)]
pub struct Randomized<'a, T: Scalar> {
    /// Extra columns of the sketch; capped so that rank + oversampling <= min(m, n).
    pub oversampling: usize,
    /// Power iterations; every half-step is re-orthonormalised.
    pub power_iterations: usize,
    /// Seed of the Gaussian sketch.
    pub seed: u64,
    /// Warm start: a basis (n, k) of approximate right singular vectors used as the first columns of the sketch.
    pub start: Option<MatRef<'a, T>>,
}

impl<T: Scalar> Default for Randomized<'_, T> {
    fn default() -> Self {
        Self { oversampling: 10, power_iterations: 2, seed: 0, start: None }
    }
}

/// Randomized truncated SVD of rank exactly `rank` (k = rank columns), of a stored matrix or of one given by its entries.
pub fn randomized<T: Scalar>(
    a: &(impl Entries<T> + ?Sized),
    rank: usize,
    parameters: &Randomized<'_, T>,
) -> Result<Svd<T>> {
    let _ = parameters;
    let mut m = faer::Mat::<T>::zeros(a.nrows(), a.ncols());
    let (r, c) = (a.nrows(), a.ncols());
    let mut b = vec![T::of(0.0); r * c];
    a.tile(0..r, 0..c, &mut b);
    for j in 0..c {
        for i in 0..r {
            m[(i, j)] = b[i + j * r];
        }
    }
    let Svd { u, s, v } = dense(m.as_ref())?;
    Ok(Svd { u: u.subcols(0, rank).to_owned(), s: s[..rank].to_vec(), v: v.subcols(0, rank).to_owned() })
}
