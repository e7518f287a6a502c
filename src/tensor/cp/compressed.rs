//! A start from the core of a Tucker decomposition (Bro, Andersson, Chemom. Intell. Lab. Syst. 42, 1998).

use super::Cp;
use super::als::{CpAls, CpStart, columns, fit};
use crate::separated::SeparationRank;
use crate::tensor::tucker::{Basis, Hosvd, Ranks, hosvd};
use crate::{Result, Scalar};
use faer::Mat;
use ndarray::ArrayViewD;

/// Columns of the sketches beyond the rank.
const OVERSAMPLING: usize = 5;

/// A fit of the core of a Tucker decomposition of `a`, as one of `a`: of `terms` terms, or to a tolerance.
pub(super) fn compressed<T: Scalar>(
    a: ArrayViewD<'_, T>,
    rank: SeparationRank,
    terms: usize,
    parameters: &CpAls<T>,
) -> Result<Cp<T>> {
    if terms == 0 {
        return Cp::zeros(a.shape());
    }
    // The core's error and that of the compression add up as squares.
    let (ranks, rank) = match rank {
        SeparationRank::Tolerance(t) => (Ranks::Tolerance(0.1 * t), SeparationRank::Tolerance(0.99 * t)),
        _ => {
            let ranks = a.shape().iter().map(|&n| n.min(terms)).collect();
            (Ranks::Fixed(ranks), SeparationRank::Fixed(terms))
        }
    };
    let seed = parameters.seed;
    let basis = Basis::Randomized { oversampling: OVERSAMPLING, power_iterations: 1, seed };
    let (core, factors) = hosvd(a, &ranks, &Hosvd { basis, ..Default::default() })?.tucker.into_parts();
    let rank = match rank {
        SeparationRank::Fixed(terms) => {
            SeparationRank::Fixed(terms.min(SeparationRank::largest(&columns(core.shape()))))
        }
        other => other,
    };
    let own = CpAls { start: CpStart::Leading, ..parameters.clone() };
    let small = fit(core.view(), rank, &own)?.cp;
    let expand = |(factor, column): (&Option<Mat<T>>, &Mat<T>)| match factor {
        None => column.clone(),
        Some(factor) => {
            let mut out = Mat::zeros(factor.nrows(), column.ncols());
            T::product(out.as_mut(), false, factor.as_ref(), column.as_ref());
            out
        }
    };
    Cp::new(small.weights().to_vec(), factors.iter().zip(small.factors()).map(expand).collect())
}
