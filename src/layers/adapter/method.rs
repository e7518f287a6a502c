//! The usual adapters by name, with shapes chosen for a weight and starts that train.

use super::{Adapted, Adapter, KAdaptation, KronA, LoKr, Lora, Lsr, LsrShapes, SvdLora};
use crate::kronecker::size;
use crate::matrix::{AsMatrix, check_finite};
use crate::{Error, Result, Scalar};

/// What to put beside a weight (m, n).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// [`Lora`].
    Lora {
        /// r.
        rank: usize,
    },
    /// [`Lora`] with a trained magnitude for each row (Liu et al., DoRA, 2024).
    Dora {
        /// r.
        rank: usize,
    },
    /// [`Lsr`].
    Lsr {
        /// s.
        terms: usize,
        /// (r1, r2); the rank of the update is r1 r2.
        ranks: (usize, usize),
        /// (m1, m2) and (n1, n2); [`balanced`] where none are given.
        shapes: Option<[(usize, usize); 2]>,
    },
    /// [`KronA`].
    KronA {
        /// (m1, n1) of the left factor; the smaller sides of [`balanced`] where none is given.
        left: Option<(usize, usize)>,
    },
    /// [`LoKr`].
    LoKr {
        /// r.
        rank: usize,
        /// (m1, n1) of the left factor; the smaller sides of [`balanced`] where none is given.
        left: Option<(usize, usize)>,
    },
    /// [`KAdaptation`].
    KAdaptation {
        /// t.
        terms: usize,
        /// r.
        rank: usize,
    },
    /// [`SvdLora`].
    SvdLora {
        /// r, of the truncated weight.
        rank: usize,
        /// r'.
        inner_rank: usize,
        /// Whether the singular values are trained too.
        with_values: bool,
    },
}

impl Method {
    /// Puts the adapter beside a weight W (m, n): y = W x + `scaling` dW x. At the start dW = 0 (for
    /// [`Method::SvdLora`] W is truncated). LoRA's alpha is `scaling` times the rank.
    ///
    /// # Errors
    /// [`Error::NonFinite`]; [`Error::Rank`], [`Error::Shape`] and [`Error::Parameter`] for what does not fit
    /// the weight.
    pub fn adapt<T: Scalar>(&self, w: impl AsMatrix<T>, scaling: f64, seed: u64) -> Result<Adapted<T>> {
        let w = w.as_matrix();
        check_finite("w", w)?;
        let (m, n) = w.shape();
        let [(mut large_m, mut small_m), (mut large_n, mut small_n)] = [balanced(m), balanced(n)];
        let adapter: Box<dyn Adapter<T>> = match *self {
            Method::Lora { rank } | Method::Dora { rank } => Box::new(Lora::new((m, n), rank, seed)?),
            Method::Lsr { terms, ranks, shapes } => {
                let [outputs, inputs] = shapes.unwrap_or([(large_m, small_m), (large_n, small_n)]);
                check_product(outputs, m)?;
                check_product(inputs, n)?;
                Box::new(Lsr::new(LsrShapes { outputs, ranks, inputs }, terms, seed)?)
            }
            Method::KronA { left } | Method::LoKr { left, .. } => {
                if let Some((m1, n1)) = left {
                    (small_m, large_m) = (m1, m.checked_div(m1).unwrap_or(0));
                    (small_n, large_n) = (n1, n.checked_div(n1).unwrap_or(0));
                }
                check_product((small_m, large_m), m)?;
                check_product((small_n, large_n), n)?;
                let (first, second) = ((small_m, small_n), (large_m, large_n));
                match *self {
                    Method::LoKr { rank, .. } => Box::new(LoKr::new(first, second, rank, seed)?),
                    _ => Box::new(KronA::new(first, second, seed)?),
                }
            }
            Method::KAdaptation { terms, rank } => Box::new(KAdaptation::new((m, n), terms, rank, seed)?),
            Method::SvdLora { rank, inner_rank, with_values } => {
                Box::new(SvdLora::new(w, rank, inner_rank, with_values, seed)?)
            }
        };
        let layer = Adapted::new(adapter.base(w), adapter, scaling)?;
        if matches!(self, Method::Dora { .. }) { layer.with_magnitude() } else { Ok(layer) }
    }
}

/// The factors of n nearest to each other, the larger one first: 768 = 32 x 24. (n, 1) for a prime n.
pub fn balanced(n: usize) -> (usize, usize) {
    let small = (1..=n.isqrt()).rev().find(|d| n.is_multiple_of(*d)).unwrap_or(1);
    (n / small, small)
}

fn check_product(factors: (usize, usize), side: usize) -> Result<()> {
    if factors.0.checked_mul(factors.1) == Some(side) {
        return Ok(());
    }
    let expected = format!("factors of the side {side} of the weight are needed");
    Err(Error::Shape { argument: "shapes", expected, found: vec![factors.0, factors.1] })
}

/// Checks a rank or number of terms.
pub(super) fn check_rank(rank: usize, largest: usize) -> Result<()> {
    if rank == 0 || rank > largest { Err(Error::Rank { rank, largest }) } else { Ok(()) }
}

/// Checks that two factors have entries and that the sides of their product can be counted.
pub(super) fn check_pair(first: (usize, usize), second: (usize, usize)) -> Result<()> {
    if [first.0, first.1, second.0, second.1].contains(&0) {
        let expected = "factors of at least one row and column are needed".into();
        let found = vec![first.0, first.1, second.0, second.1];
        return Err(Error::Shape { argument: "shapes", expected, found });
    }
    size([first.0, second.0].into_iter())?;
    size([first.1, second.1].into_iter())?;
    Ok(())
}
