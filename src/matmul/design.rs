//! Which terms A_k B_k' of A B = sum of A_k B_k' are sampled, and with which weights.
//!
//! **Problem.** n terms (column k of A, row k of B), a number s of samples and a rule: a random
//! set of indices with weights w_k such that the expectation of sum w_k A_k B_k' is A B.
//!
//! **Method.** With replacement: s independent draws with probabilities p_k, w = 1/(s p_k) a draw
//! (Drineas, Kannan, Mahoney, "Fast Monte Carlo algorithms for matrices I", SIAM Journal on
//! Computing 36, 2006). Without: the weights of Horvitz and Thompson (1952), w_k = 1/pi_k, with
//! inclusion probabilities pi_k = min(1, c p_k) that add up to s. The indices come from the
//! pivotal method (Deville, Tillé, "Unequal probability sampling without replacement through a
//! splitting method", Biometrika 85, 1998): two undecided indices play against each other until
//! one is taken or left, in a way that keeps both inclusion probabilities. For equal pi_k = s/n the
//! indices are a simple random sample (Floyd's algorithm) and the weight is exactly n/s.
//!
//! **Cost.** O(n + s log n) with replacement, O(n) without (some more passes where many pi_k
//! reach 1); memory O(n).
//!
//! **Guarantee.** Unbiased: every draw has exactly the probabilities the weights divide by, to
//! rounding, and a term that is not zero never has probability 0. The number of indices without
//! replacement is fixed. The pivotal method's indices are negatively correlated (Srinivasan,
//! "Distributions on level-sets with applications to approximation algorithms", 2001), whence
//! [`super::ErrorBound`]. A term with A_k = 0 or B_k = 0 is never drawn, except by uniform
//! sampling, which looks at no entries.
//!
//! **Deviations.** Probabilities from leverage scores are mixed with those from norms, see
//! [`super::Leverage`].

use super::{Leverage, leverage_scores};
use crate::random::stream;
use crate::{Error, Result, Scalar};
use faer::MatRef;
use rand::RngExt;
use std::collections::BTreeSet;

/// By which rule the inner indices are sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Probabilities<'a> {
    /// All alike.
    Uniform,
    /// p_k ~ |A_k| |B_k|, the norms of column k of A and row k of B: of all probabilities those
    /// with the smallest expected squared error (with replacement).
    Norms,
    /// p_k ~ the leverage scores of column k of A and row k of B.
    Leverage(Leverage),
    /// p_k ~ these numbers, n of them, finite and not negative; their sum does not matter.
    Given(&'a [f64]),
}

/// Parameters of [`super::sampled`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling<'a> {
    /// Number s of samples, at least 1. Without replacement s >= n (or s >= the number of terms
    /// that are not zero) takes all of them and gives the exact product.
    pub samples: usize,
    /// The rule.
    pub probabilities: Probabilities<'a>,
    /// Whether an index may be drawn again.
    pub replacement: bool,
    /// Seed of the draws, and of the sketches of approximate leverage scores.
    pub seed: u64,
}

impl Default for Sampling<'_> {
    /// 100 samples by norms, without replacement, seed 0.
    fn default() -> Self {
        Self { samples: 100, probabilities: Probabilities::Norms, replacement: false, seed: 0 }
    }
}

/// The probabilities of a sampling scheme for given matrices.
pub(super) struct Design {
    /// p_k, adding up to 1 (all zero where every term is zero).
    pub(super) p: Vec<f64>,
    /// pi_k, adding up to the number of indices; empty with replacement.
    pub(super) inclusion: Vec<f64>,
    pub(super) samples: usize,
    pub(super) uniform: bool,
}

impl Design {
    /// `norms[k]` = |A_k| |B_k| in any unit.
    pub(super) fn new<T: Scalar>(
        a: MatRef<'_, T>,
        b: MatRef<'_, T>,
        norms: &[f64],
        sampling: &Sampling<'_>,
    ) -> Result<Self> {
        let n = norms.len();
        if sampling.samples == 0 {
            let remedy = "draw at least one sample";
            return Err(Error::Parameter { name: "samples", value: "0".into(), remedy });
        }
        let p = match sampling.probabilities {
            Probabilities::Uniform => vec![1.0 / n as f64; n],
            Probabilities::Norms => normalized(norms.to_vec()),
            Probabilities::Given(given) => checked(given, norms)?,
            Probabilities::Leverage(leverage) => mixed(a, b, norms, leverage, sampling.seed)?,
        };
        let uniform = sampling.probabilities == Probabilities::Uniform;
        let inclusion = match (sampling.replacement, uniform) {
            (true, _) => Vec::new(),
            (false, true) => vec![(sampling.samples as f64 / n as f64).min(1.0); n],
            (false, false) => inclusion(&p, sampling.samples),
        };
        Ok(Self { p, inclusion, samples: sampling.samples, uniform })
    }

    /// The distinct indices drawn, increasing, and their weights.
    pub(super) fn draw(&self, seed: u64) -> (Vec<usize>, Vec<f64>) {
        if self.p.iter().all(|p| *p == 0.0) {
            return (Vec::new(), Vec::new());
        }
        if self.inclusion.is_empty() {
            return self.with_replacement(seed);
        }
        let indices = if self.uniform {
            simple(self.p.len(), self.samples, seed)
        } else {
            pivotal(&self.inclusion, seed)
        };
        let weight = |k: &usize| match self.uniform {
            true if self.samples < self.p.len() => self.p.len() as f64 / self.samples as f64,
            _ => 1.0 / self.inclusion[*k],
        };
        let weights = indices.iter().map(weight).collect();
        (indices, weights)
    }

    fn with_replacement(&self, seed: u64) -> (Vec<usize>, Vec<f64>) {
        let mut sum = 0.0;
        let ends: Vec<f64> = self
            .p
            .iter()
            .map(|p| {
                sum += p;
                sum
            })
            .collect();
        let last = self.p.iter().rposition(|p| *p > 0.0).unwrap_or(0);
        let mut rng = stream(seed, "sampled product", 0);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..self.samples {
            let u = rng.random::<f64>() * sum;
            // The first interval that ends beyond u: never an empty one.
            let k = ends.partition_point(|end| *end <= u).min(last);
            *counts.entry(k).or_insert(0_usize) += 1;
        }
        let weight = |(k, count): (&usize, &usize)| *count as f64 / (self.samples as f64 * self.p[*k]);
        (counts.keys().copied().collect(), counts.iter().map(weight).collect())
    }
}

/// Divides by the sum, the largest first brought to 1 so that nothing overflows.
fn normalized(mut x: Vec<f64>) -> Vec<f64> {
    let largest = x.iter().fold(0.0, |m: f64, x| m.max(*x));
    if largest > 0.0 {
        x.iter_mut().for_each(|x| *x /= largest);
        let sum: f64 = x.iter().sum();
        x.iter_mut().for_each(|x| *x /= sum);
    }
    x
}

/// The probabilities given, which must reach every term that is not zero. A zero term needs none.
fn checked(given: &[f64], norms: &[f64]) -> Result<Vec<f64>> {
    if given.len() != norms.len() {
        let expected = format!("{} probabilities are needed, one a column of `a`", norms.len());
        return Err(Error::Shape { argument: "probabilities", expected, found: vec![given.len()] });
    }
    crate::matrix::check_finite_slice("probabilities", given)?;
    let alive = |k: usize| norms[k] > 0.0;
    let wrong = |k: usize, p: f64| p < 0.0 || (p == 0.0 && alive(k));
    let p = normalized(given.iter().enumerate().map(|(k, p)| if alive(k) { *p } else { 0.0 }).collect());
    let remedy = "they must be positive wherever the column of `a` and the row of `b` are not zero \
                  (and not smaller than the largest by 1e308), else the product would be biased";
    match (0..norms.len()).find(|k| given[*k] < 0.0 || wrong(*k, p[*k])) {
        None => Ok(p),
        Some(k) => Err(Error::Parameter {
            name: "probabilities",
            value: format!("{:e} at index {k}", given[k]),
            remedy,
        }),
    }
}

/// Leverage scores of both sides, mixed with the probabilities from norms.
fn mixed<T: Scalar>(
    a: MatRef<'_, T>,
    b: MatRef<'_, T>,
    norms: &[f64],
    leverage: Leverage,
    seed: u64,
) -> Result<Vec<f64>> {
    if !(leverage.norm_share > 0.0 && leverage.norm_share <= 1.0) {
        return Err(Error::Parameter {
            name: "norm_share",
            value: leverage.norm_share.to_string(),
            remedy: "pass a number above 0, at most 1: without it terms could be missed",
        });
    }
    let at_most =
        |x: MatRef<'_, T>| Leverage { rank: leverage.rank.min(x.nrows()).min(x.ncols()), ..leverage };
    let left = leverage_scores(a.transpose(), &at_most(a), seed)?;
    let right = leverage_scores(b, &at_most(b), seed)?;
    let scores =
        |x: Vec<f64>| normalized(x.iter().zip(norms).map(|(x, w)| if *w > 0.0 { *x } else { 0.0 }).collect());
    let (left, right, norms) = (scores(left), scores(right), normalized(norms.to_vec()));
    let share = leverage.norm_share;
    let mix = |k: usize| share * norms[k] + (1.0 - share) * 0.5 * (left[k] + right[k]);
    Ok(normalized((0..norms.len()).map(mix).collect()))
}

/// pi_k = min(1, c p_k) with sum min(samples, number of positive p).
fn inclusion(p: &[f64], samples: usize) -> Vec<f64> {
    let positive = p.iter().filter(|p| **p > 0.0).count();
    if samples >= positive {
        return p.iter().map(|p| if *p > 0.0 { 1.0 } else { 0.0 }).collect();
    }
    let mut order: Vec<usize> = (0..p.len()).filter(|k| p[*k] > 0.0).collect();
    order.sort_by(|i, j| p[*j].total_cmp(&p[*i]).then(i.cmp(j)));
    // Sums of the probabilities from each place of the order on, the small ones first.
    let mut rest = vec![0.0; order.len() + 1];
    for place in (0..order.len()).rev() {
        rest[place] = rest[place + 1] + p[order[place]];
    }
    let certain = (0..samples)
        .find(|place| (samples - place) as f64 * p[order[*place]] < rest[*place])
        .unwrap_or(samples - 1);
    let mut inclusion = vec![0.0; p.len()];
    for (place, k) in order.iter().enumerate() {
        inclusion[*k] = if place < certain {
            1.0
        } else {
            ((samples - certain) as f64 * (p[*k] / rest[certain])).min(1.0)
        };
    }
    inclusion
}

/// A simple random sample of `samples` of n indices (Floyd): all of them where samples >= n.
fn simple(n: usize, samples: usize, seed: u64) -> Vec<usize> {
    if samples >= n {
        return (0..n).collect();
    }
    let mut rng = stream(seed, "sampled product", 1);
    let mut chosen = BTreeSet::new();
    for j in n - samples..n {
        let t = rng.random_range(0..=j);
        if !chosen.insert(t) {
            chosen.insert(j);
        }
    }
    chosen.into_iter().collect()
}

/// The pivotal method: indices of given inclusion probabilities, increasing.
fn pivotal(inclusion: &[f64], seed: u64) -> Vec<usize> {
    let mut rng = stream(seed, "sampled product", 2);
    let mut chosen = Vec::new();
    let mut open: Option<(usize, f64)> = None; // the one that is undecided
    for (k, &pi) in inclusion.iter().enumerate() {
        if pi <= 0.0 {
            continue;
        }
        if pi >= 1.0 {
            chosen.push(k);
            continue;
        }
        let Some((i, x)) = open else {
            open = Some((k, pi));
            continue;
        };
        let u = rng.random::<f64>();
        let sum = x + pi;
        open = if sum < 1.0 {
            // One is left, the other inherits.
            Some((if u * sum < x { i } else { k }, sum))
        } else {
            // One is taken, the other keeps the rest.
            let (taken, other) = if u * (2.0 - sum) < 1.0 - pi { (i, k) } else { (k, i) };
            chosen.push(taken);
            (sum > 1.0).then_some((other, sum - 1.0))
        };
    }
    // Only rounding keeps the last one from 0 or 1.
    if let Some((i, x)) = open
        && rng.random::<f64>() < x
    {
        chosen.push(i);
    }
    chosen.sort_unstable();
    chosen
}
