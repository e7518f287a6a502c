//! How the basis of a mode is found.

use super::sketch::Unfolding;
use crate::matrix::{canonical_signs, scale_by_power_of_two, slice_norm};
use crate::svd::{self, Svd};
use crate::tensor::kernel::{last, reduce};
use crate::tensor::triangle::left_singular;
use crate::{Error, Result, Scalar};
use faer::Mat;
use ndarray::{ArrayViewD, Axis, IxDyn};

/// How the basis of a mode, the leading left singular vectors of its unfolding, is found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Basis {
    /// By a tree of Householder QR factorizations and the SVD of the triangle: singular values are
    /// right down to eps |A|_F. About 2.4 N n_k flops.
    #[default]
    Orthogonal,
    /// By the eigenvectors of the Gram matrix of the unfolding, 2 N n_k flops and less memory.
    /// Of a direction of size s |A|_F about eps / s |A|_F is lost, and all of it below sqrt(eps) |A|_F,
    /// 1e-8 in `f64` (measured: 40 x 50 x 60). A tolerance is kept by treating sqrt(n_k eps) |A|_F, 1e-7,
    /// as lost.
    Gram,
    /// By a randomized SVD of the unfolding, for small ranks (Halko, Martinsson, Tropp 2011): about
    /// 4 (power_iterations + 2) N r_k flops. For a tolerance ranks grow until the residual is small.
    /// Modes that are kept nearly whole, 3/4 of their size, are treated as by `Orthogonal`.
    Randomized {
        /// Extra columns of the sketch; for a tolerance, columns of a block.
        oversampling: usize,
        /// Power iterations.
        power_iterations: usize,
        /// Seed of the sketches.
        seed: u64,
    },
}

/// How much of a mode is kept.
#[derive(Clone, Copy)]
pub(super) enum Keep {
    /// This many columns, fewer where the unfolding has fewer.
    Rank(usize),
    /// As few columns, one at least, as lose at most this fraction of |A|_F.
    Fraction(f64),
}

/// What is kept of a mode, and what is lost.
pub(super) struct Kept<T: Scalar> {
    /// Orthonormal columns (n, r).
    pub(super) left: Mat<T>,
    /// |A - U U'A|_F, or a bound of it.
    pub(super) tail: f64,
}

impl Basis {
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Basis::Randomized { oversampling: 0, .. } => Err(Error::Parameter {
                name: "oversampling",
                value: "0".into(),
                remedy: "the sketch needs some columns beyond the rank: 5 to 10 are usual",
            }),
            _ => Ok(()),
        }
    }

    /// The basis of `mode` of 2^-e A; `norm` is that of the whole tensor that fractions refer to,
    /// known after the first mode.
    pub(super) fn of<T: Scalar>(
        &self,
        a: ArrayViewD<'_, T>,
        mode: usize,
        e: i32,
        keep: Keep,
        norm: &mut Option<f64>,
    ) -> Result<Kept<T>> {
        if let Basis::Randomized { oversampling, power_iterations, seed } = *self {
            // One stream a mode: the golden ratio spreads neighbouring seeds.
            let seed = seed ^ (mode as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let unfolding = Unfolding::new(a.clone(), mode, e);
            let found = match keep {
                Keep::Rank(rank) => unfolding.fixed(rank, oversampling, power_iterations, seed)?,
                Keep::Fraction(fraction) => {
                    let whole = norm.map_or_else(|| unfolding.norm(), Ok)?;
                    *norm = Some(whole);
                    unfolding.adaptive(fraction * whole, oversampling, power_iterations, seed)?
                }
            };
            if let Some(kept) = found {
                return Ok(kept);
            }
        }
        let columns = a.len() / a.len_of(Axis(mode));
        let (mut left, s, blind) = match self {
            Basis::Gram => gram(a, mode, e)?,
            _ => {
                let (left, s) = left_singular(a, mode, e)?;
                (left, s, 0.0)
            }
        };
        let whole = *norm.get_or_insert_with(|| slice_norm(&s));
        let rank = match keep {
            Keep::Rank(rank) => rank.min(s.len()).min(columns),
            Keep::Fraction(fraction) => {
                svd::smallest_rank(&s, blind * slice_norm(&s), fraction * whole).0.max(1)
            }
        };
        let lost = if rank < left.nrows() { blind * slice_norm(&s) } else { 0.0 };
        let tail = f64::hypot(slice_norm(&s[rank..]), lost);
        left.resize_with(left.nrows(), rank, |_, _| T::of(0.0));
        Ok(Kept { left, tail })
    }
}

/// The eigenvectors of the Gram matrix of an unfolding, the roots of its eigenvalues, and the
/// fraction of |A|_F below which they are noise.
fn gram<T: Scalar>(a: ArrayViewD<'_, T>, mode: usize, e: i32) -> Result<(Mat<T>, Vec<T>, f64)> {
    let order = last(a.ndim(), mode);
    let mut a = a.permuted_axes(IxDyn(&order));
    let scaled;
    if e != 0 {
        scaled = a.mapv(|x| scale_by_power_of_two(x, -e));
        a = scaled.view();
    }
    let n = a.len_of(Axis(a.ndim() - 1));
    let Svd { mut u, s, mut v } = svd::dense(reduce(a.clone(), a))?; // (n, n)
    canonical_signs(&mut u, &mut v);
    let s = s.iter().map(|x| num_traits::Float::sqrt(*x)).collect();
    Ok((u, s, (n.max(64) as f64 * T::EPS).sqrt()))
}
