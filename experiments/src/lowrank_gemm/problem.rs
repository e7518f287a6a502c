//! A pair of matrices, its product and its factors; the smallest rank for an error.

use super::{OVERSAMPLING, POWER_ITERATIONS};
use crate::cases::Case;
use crate::measure::spectral_norm;
use anyhow::{Result, bail};
use lowrank::LowRank;
use lowrank::faer::Mat;
use lowrank::matmul::{Operand, chain_into, dense_into};
use lowrank::matrix::frobenius;
use lowrank::operator::Csr;
use lowrank::svd::{Randomized, Svd, randomized};

/// What the trials of a pair of matrices share.
pub(super) struct Problem {
    pub(super) a: Mat<f64>,
    pub(super) b: Mat<f64>,
    sparse: Option<(Csr<f64>, Csr<f64>)>,
    product: Mat<f64>,
    pub(super) norm: f64,
    pub(super) spectral: f64,
}

impl Problem {
    pub(super) fn new(case: Case) -> Result<Self> {
        let (a, b) = case.pair()?;
        let sparse = match case.family.density() {
            Some(_) => Some((Csr::from_dense(a.as_ref())?, Csr::from_dense(b.as_ref())?)),
            None => None,
        };
        let mut product = Mat::zeros(a.nrows(), b.ncols());
        dense_into(product.as_mut(), a.as_ref(), b.as_ref())?;
        let (norm, spectral) = (frobenius(product.as_ref()), spectral_norm(product.as_ref())?);
        if norm == 0.0 {
            bail!("A B is zero: relative errors have no meaning");
        }
        Ok(Problem { a, b, sparse, product, norm, spectral })
    }

    /// The smallest size.
    pub(super) fn size(&self) -> usize {
        self.a.nrows().min(self.a.ncols()).min(self.b.ncols())
    }

    /// Low-rank factors of A and of B; from the nonzeros where the matrices are sparse.
    pub(super) fn factors(&self, rank: usize, seed: u64) -> Result<(Svd<f64>, Svd<f64>)> {
        let with = |seed| Randomized {
            oversampling: OVERSAMPLING,
            power_iterations: POWER_ITERATIONS,
            seed,
            ..Default::default()
        };
        let (first, second) = (with(2 * seed), with(2 * seed + 1));
        Ok(match &self.sparse {
            Some((a, b)) => (randomized(a, rank, &first)?, randomized(b, rank, &second)?),
            None => (randomized(&self.a, rank, &first)?, randomized(&self.b, rank, &second)?),
        })
    }

    /// C - A_r B_r.
    pub(super) fn residual(&self, a: &LowRank<f64>, b: &LowRank<f64>) -> Result<Mat<f64>> {
        let mut out = Mat::zeros(self.product.nrows(), self.product.ncols());
        chain_into(out.as_mut(), &[Operand::LowRank(a), Operand::LowRank(b)])?;
        Ok(&self.product - out)
    }

    /// |C - A_k B_k|_F / |C|_F for the factors cut down to rank k.
    pub(super) fn error_at(&self, a: &Svd<f64>, b: &Svd<f64>, k: usize) -> Result<f64> {
        let cut = |svd: &Svd<f64>| svd.clone().truncate(k).into_low_rank();
        Ok(frobenius(self.residual(&cut(a), &cut(b))?.as_ref()) / self.norm)
    }
}

/// The smallest rank from 1 to `rank` whose error is at most the tolerance, by bisection: the error
/// is taken to fall with the rank. None where the error at `rank` itself is larger.
pub(super) fn smallest_rank(
    rank: usize,
    tolerance: f64,
    mut error: impl FnMut(usize) -> Result<f64>,
) -> Result<Option<usize>> {
    if !(error(rank)? <= tolerance) {
        return Ok(None);
    }
    let (mut too_small, mut enough) = (0, rank);
    while enough - too_small > 1 {
        let middle = too_small + (enough - too_small) / 2;
        if error(middle)? <= tolerance {
            enough = middle;
        } else {
            too_small = middle;
        }
    }
    Ok(Some(enough))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::Family;
    use crate::lowrank_gemm::{LowRankGemm, Trial};
    use crate::study::{Preset, Study};

    #[test]
    fn the_smallest_rank_is_found() {
        let error = |k: usize| Ok((-(k as f64) / 10.0).exp());
        for (tolerance, expected) in [(0.05, 30), (0.1, 24), (0.9, 2), (0.95, 1), (1.0, 1)] {
            assert_eq!(smallest_rank(64, tolerance, error).unwrap(), Some(expected), "{tolerance}");
        }
        assert_eq!(smallest_rank(64, (-6.4f64).exp(), error).unwrap(), Some(64));
        assert_eq!(smallest_rank(64, 1e-3, error).unwrap(), None);
        assert_eq!(smallest_rank(1, 0.99, error).unwrap(), Some(1));
        assert_eq!(smallest_rank(8, 0.5, |_| Ok(f64::NAN)).unwrap(), None);
    }

    /// The rank found agrees with the errors of every rank, computed one by one.
    #[test]
    fn ranks_for_an_error_agree_with_all_errors() {
        let trial = Trial { case: Case { family: Family::Fast, weights: "", n: 60, seed: 1 }, rank: 40 };
        let config = LowRankGemm.preset(Preset::Quick).unwrap();
        let row = LowRankGemm.solve(&config, &trial).unwrap();
        let problem = Problem::new(trial.case).unwrap();
        let (a, b) = problem.factors(40, 1).unwrap();
        let (full_a, full_b) = (a.to_dense(), b.to_dense());
        assert!(
            (frobenius((&problem.product - full_a * full_b).as_ref()) / problem.norm - row.error).abs()
                < 1e-12
        );
        for (found, tolerance) in
            [(row.rank_1_percent, 0.01), (row.rank_5_percent, 0.05), (row.rank_10_percent, 0.1)]
        {
            let enough = |k: &usize| {
                let (a, b) = (a.clone().truncate(*k).to_dense(), b.clone().truncate(*k).to_dense());
                frobenius((&problem.product - a * b).as_ref()) <= tolerance * problem.norm
            };
            assert_eq!(found, (1..=40).find(enough), "{tolerance}");
        }
        assert!(row.spectral_error <= 1.01 * row.error * problem.norm / problem.spectral);
    }
}
