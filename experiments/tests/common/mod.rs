//! A solver that takes no time, and small configurations.

use anyhow::Result;
use lowrank_experiments::config::Config;
use lowrank_experiments::figure::Row;
use lowrank_experiments::grid::{Figure, MethodName, Trial};
use lowrank_experiments::study::Study;

/// Plausible errors as a formula of the trial.
pub fn solver(figure: Figure, trial: &Trial) -> Result<Row> {
    let (n, m, r) = (trial.n as f64, trial.m as f64, trial.rank as f64);
    let method = match trial.method {
        MethodName::Svd => 1.0,
        MethodName::Ap => 0.4,
        MethodName::Descent => 0.3,
    };
    let wobble = 1.0 + 0.02 * (trial.seed as f64 - 1.0) * (1.0 + (m * r).sin());
    let error = method * (1.0 / r).sqrt() * ((n - r) / n).powf(0.6) * (1.0 - 1.0 / m) * wobble;
    Ok(Row {
        error,
        lower_bound: 0.1 * error,
        seconds: 0.25 + error,
        iterations: trial.rank * 7,
        status: "converged".to_string(),
        ..figure.failed(trial)
    })
}

/// Sixteen trials.
#[allow(dead_code)]
pub fn small() -> Config {
    let text = "seeds = 2\nmethods = [\"svd\", \"descent\"]\n\
                [matrices]\nfunctions = [\"f1\"]\nsamplings = [\"symmetric\"]\nn = [16]\nm = [3]\nrank = [2, 4]\n\
                [tensors]\nfunctions = [\"f3\"]\nsamplings = [\"independent\"]\nn = [8]\nm = [3]\nrank = [2, 4]\n";
    Figure::VaryingRank.parse(text).unwrap()
}
