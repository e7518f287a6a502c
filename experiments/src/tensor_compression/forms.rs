//! The forms that tensors are brought to.

use super::{Config, Form, norm};
use anyhow::Result;
use lowrank::ndarray::{ArrayD, IxDyn, Zip};
use lowrank::separated::SeparationRank;
use lowrank::tensor::Cp;
use lowrank::tensor::cp::{CpAls, Masked, cp_als, cp_masked};
use lowrank::tensor::train::{Truncation, tt_svd};
use lowrank::tensor::tucker::{Hooi, Ranks, hooi};

/// How far a form is cut.
#[derive(Debug, Clone, Copy)]
pub enum Cut {
    /// No rank is above this; of a canonical decomposition it is the number of terms.
    Rank(usize),
    /// The relative error allowed.
    Tolerance(f64),
}

/// A tensor in one of the forms.
pub struct Compressed {
    /// The form, written out as a dense tensor.
    pub x: ArrayD<f64>,
    /// Numbers it stores.
    pub parameters: usize,
    /// Its ranks.
    pub ranks: Vec<usize>,
    /// Why it ended.
    pub status: String,
}

/// Iterations that improve the bases of a Tucker decomposition.
const IMPROVEMENTS: usize = 10;
/// Filling in ends after so many rounds ...
pub const FILLS: usize = 50;
/// ... or when a round changes what is filled in by less than this part of the tensor.
pub const SETTLED: f64 = 1e-5;

/// A tensor of known entries in one of the forms; none but a canonical decomposition needs `seed`.
pub fn compress(a: &ArrayD<f64>, form: Form, cut: Cut, config: &Config, seed: u64) -> Result<Compressed> {
    let shape = a.shape();
    let done = |x: ArrayD<f64>, parameters, ranks| Compressed { x, parameters, ranks, status: "done".into() };
    Ok(match (form, cut) {
        (Form::Cp, Cut::Rank(terms)) => {
            let shapes: Vec<_> = shape.iter().map(|&n| (n, 1)).collect();
            let rank = SeparationRank::Fixed(terms.min(SeparationRank::largest(&shapes)));
            let parameters = CpAls { max_iterations: config.sweeps, seed, ..Default::default() };
            let found = cp_als(a.view(), rank, &parameters)?;
            canonical(&found.cp, found.report.status.name())?
        }
        (Form::Tucker | Form::Cp, _) => {
            let ranks = match cut {
                Cut::Rank(r) => Ranks::Fixed(shape.iter().map(|n| r.min(*n)).collect()),
                Cut::Tolerance(t) => Ranks::Tolerance(t),
            };
            let improved = Hooi { max_iterations: IMPROVEMENTS, ..Default::default() };
            let x = hooi(a.view(), &ranks, &improved)?.tucker;
            done(x.to_dense()?, x.parameters(), x.ranks())
        }
        (Form::Train | Form::Quantized, _) => {
            let truncation = match cut {
                Cut::Rank(r) => Truncation::rank(r),
                Cut::Tolerance(t) => Truncation::tolerance(t),
            };
            let parts = if form == Form::Train { shape.to_vec() } else { primes(shape) };
            let x = tt_svd(a.view().into_shape_with_order(IxDyn(&parts))?, truncation)?.train;
            done(x.to_dense()?.into_shape_with_order(IxDyn(shape))?, x.parameters(), x.ranks())
        }
    })
}

/// The same fitted to the entries of `a` that are `seen`. A canonical decomposition is fitted to those
/// alone; for the others the rest is filled in with what they say of it, again and again.
pub fn complete(
    a: &ArrayD<f64>,
    seen: &ArrayD<bool>,
    form: Form,
    rank: usize,
    config: &Config,
    seed: u64,
) -> Result<Compressed> {
    if form == Form::Cp {
        let parameters = Masked { rank, max_iterations: config.sweeps, seed, ..Default::default() };
        let found = cp_masked(a.view(), seen.view(), &parameters)?;
        return canonical(&found.cp, found.report.status.name());
    }
    let (sum, count) =
        a.iter().zip(seen).filter(|(_, s)| **s).fold((0.0, 0), |(x, n), (a, _)| (x + a, n + 1));
    let whole = norm(a.iter().zip(seen).filter(|(_, s)| **s).map(|(a, _)| a));
    let mut filled = a.clone();
    filled.zip_mut_with(seen, |a, seen| {
        if !seen {
            *a = sum / f64::from(count.max(1))
        }
    });
    for round in 1.. {
        let mut found = compress(&filled, form, Cut::Rank(rank), config, seed)?;
        let mut changes = Vec::new();
        Zip::from(&mut filled).and(&found.x).and(seen).for_each(|a, x, seen| {
            if !seen {
                changes.push(x - *a);
                *a = *x;
            }
        });
        if norm(&changes) <= SETTLED * whole || round == FILLS {
            found.status = if round < FILLS { "converged" } else { "iteration-limit" }.into();
            return Ok(found);
        }
    }
    unreachable!("the rounds are limited")
}

fn canonical(x: &Cp<f64>, status: &str) -> Result<Compressed> {
    let (x, parameters, rank) = (x.to_dense()?, x.parameters(), x.rank());
    Ok(Compressed { x, parameters, ranks: vec![rank], status: status.into() })
}

/// The prime factors of each size, smallest first; 1 for a size of 1.
pub fn primes(shape: &[usize]) -> Vec<usize> {
    let mut parts = Vec::new();
    for &n in shape {
        let (mut rest, mut p) = (n, 2);
        while rest > 1 {
            if rest.is_multiple_of(p) {
                parts.push(p);
                rest /= p;
            } else {
                p += 1;
            }
        }
        if n < 2 {
            parts.push(n);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_split_into_primes() {
        assert_eq!(super::primes(&[145, 1, 12, 7]), [5, 29, 1, 2, 2, 3, 7]);
    }
}
