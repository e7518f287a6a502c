//! Sampled and low-rank products: unbiasedness and error bounds over 2,000 seeds, factored
//! products against dense ones, chain orders against all bracketings, costs against hand counts.
//!
//! `cargo test --release --test matmul -- --nocapture` prints the worst cases with their seeds.

mod costs;
mod inputs;
mod products;
mod sampled;
#[path = "../support/mod.rs"]
mod support;
mod threads;
mod two_sided;

use lowrank::faer::Mat;
use lowrank::matmul::*;
use lowrank::matrix::{frobenius, scaled};
use lowrank::random::{gallery, gaussian, with_spectrum};
use lowrank::svd::Rank;
use lowrank::{Error, LowRank, Scalar};
use support::*;

/// All schemes, with probabilities given for `n` terms.
fn schemes(given: &[f64]) -> Vec<(&'static str, Probabilities<'_>)> {
    let leverage = |exact| Probabilities::Leverage(Leverage { rank: 3, exact, norm_share: 0.2 });
    vec![
        ("uniform", Probabilities::Uniform),
        ("norms", Probabilities::Norms),
        ("exact leverage", leverage(true)),
        ("approximate leverage", leverage(false)),
        ("given", Probabilities::Given(given)),
    ]
}
