//! The library's algorithms as solvers of trials.

use crate::figure::Row;
use crate::grid::{Function, MethodName, Sampling, Trial};
use crate::table::Record;
use anyhow::Result;
use lowrank::entrywise::{
    AlternatingProjections, Approximation, Method, Parameters, Projector, Start, approximate,
    approximate_tensor, lower_bound, lower_bound_tensor,
};
use lowrank::faer::{Mat, MatRef};
use lowrank::generated::{self, GeneratedMatrix, GeneratedTensor, ball};
use lowrank::matrix::max_norm;
use lowrank::ndarray::ArrayD;
use lowrank::svd::{self, Randomized};
use lowrank::tensor::train::{Truncation, tt_svd};
use lowrank::{LowRank, Scalar};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Instant;

/// Sizes up to this have their truncated SVD from a dense one, larger ones from a randomized one
/// with so many power iterations that its error in the Frobenius norm agrees to 1e-3 or better.
const LARGEST_DENSE_SVD: usize = 2048;

/// Generates the matrix or tensor of a trial and approximates it: its row, but for the figure's name.
pub fn solve(trial: &Trial) -> Result<Row> {
    if trial.function.is_tensor() { solve_tensor(trial) } else { solve_matrix(trial) }
}

fn solve_matrix(trial: &Trial) -> Result<Row> {
    let f = matrix(trial)?;
    let scale = max_norm(f.as_ref());
    let lower_bound = once(trial, || Ok(lower_bound(&f, trial.rank)? / scale))?;
    let Some((method, start)) = method(trial) else {
        let clock = Instant::now();
        let x = truncated_svd(&f, trial.rank, trial.seed)?;
        let error = max_difference(&x, &f) / scale;
        return Ok(direct(trial, error, lower_bound, clock));
    };
    let parameters = Parameters { method, start, seed: trial.seed, lower_bound: false, ..Default::default() };
    Ok(searched(trial, &approximate(&f, trial.rank, parameters)?, lower_bound))
}

fn solve_tensor(trial: &Trial) -> Result<Row> {
    let f = tensor(trial)?;
    let scale = f.iter().fold(0f64, |a, x| a.max(x.abs()));
    let lower_bound = once(trial, || Ok(lower_bound_tensor(&f, trial.rank)? / scale))?;
    let Some((method, start)) = method(trial) else {
        let clock = Instant::now();
        let x = tt_svd(f.view(), Truncation::rank(trial.rank))?.train.to_dense()?;
        let error = f.iter().zip(&x).fold(0f64, |a, (f, x)| a.max((f - x).abs())) / scale;
        return Ok(direct(trial, error, lower_bound, clock));
    };
    let parameters = Parameters { method, start, seed: trial.seed, lower_bound: false, ..Default::default() };
    Ok(searched(trial, &approximate_tensor(&f, trial.rank, parameters)?, lower_bound))
}

/// The row of a search.
fn searched<X>(trial: &Trial, x: &Approximation<X>, lower_bound: f64) -> Row {
    Row {
        error: x.relative_error(),
        lower_bound,
        seconds: x.report.seconds,
        iterations: x.report.iterations,
        status: x.report.status.name().into(),
        ..Row::empty(trial)
    }
}

/// The lower bound of a trial's matrix or tensor, computed for the first method that meets it.
fn once(trial: &Trial, bound: impl FnOnce() -> Result<f64>) -> Result<f64> {
    static KNOWN: LazyLock<Mutex<HashMap<Trial, f64>>> = LazyLock::new(Mutex::default);
    let problem = Trial { method: MethodName::Svd, ..*trial };
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(&bound) = known().get(&problem) {
        return Ok(bound);
    }
    let bound = bound()?;
    known().insert(problem, bound);
    Ok(bound)
}

/// The row of a method without iterations.
fn direct(trial: &Trial, error: f64, lower_bound: f64, clock: Instant) -> Row {
    let seconds = clock.elapsed().as_secs_f64();
    Row { error, lower_bound, seconds, status: "converged".into(), ..Row::empty(trial) }
}

/// The library's method and start; `None` for the truncated SVD.
fn method<X>(trial: &Trial) -> Option<(Method, Start<X>)> {
    match trial.method {
        MethodName::Svd => None,
        MethodName::Descent => Some((Method::default(), Start::Svd)),
        MethodName::Ap => {
            // Ends up to about a tenth above the full SVD, which takes over 20 times as long.
            let constants = AlternatingProjections { projector: Projector::BlockPower, ..Default::default() };
            Some((Method::AlternatingProjections(constants), Start::Random))
        }
    }
}

/// The matrix of a trial.
pub fn matrix(trial: &Trial) -> Result<Mat<f64>> {
    let points = |set| ball(trial.n, trial.m, 1.0, trial.seed, set);
    let function = match trial.function {
        Function::F1 => generated::Function::Gaussian,
        _ => generated::Function::Quartic,
    };
    let f = match trial.sampling {
        Sampling::Symmetric => GeneratedMatrix::symmetric(function, points(0)?)?,
        Sampling::Independent => GeneratedMatrix::independent(function, points(0)?, points(1)?)?,
    };
    Ok(f.to_dense()?)
}

/// The third-order tensor of a trial.
pub fn tensor(trial: &Trial) -> Result<ArrayD<f64>> {
    let points =
        (0..3).map(|set| ball(trial.n, trial.m, 1.0, trial.seed, set)).collect::<Result<Vec<_>, _>>()?;
    let views: Vec<MatRef<'_, f64>> = points.iter().map(|x| x.as_ref()).collect();
    Ok(GeneratedTensor::new(generated::Function::Sinh, &views)?.to_dense()?)
}

/// The truncated SVD of a matrix.
pub fn truncated_svd<T: Scalar>(f: &Mat<T>, rank: usize, seed: u64) -> Result<LowRank<T>> {
    let rank = rank.min(f.nrows()).min(f.ncols());
    if f.nrows().min(f.ncols()) <= LARGEST_DENSE_SVD {
        return Ok(svd::dense(f.as_ref())?.truncate(rank).into_low_rank());
    }
    let parameters = Randomized { oversampling: 32, power_iterations: 10, seed, ..Default::default() };
    Ok(svd::randomized(f, rank, &parameters)?.into_low_rank())
}

/// |X - F|_max.
pub fn max_difference(x: &LowRank<f64>, f: &Mat<f64>) -> f64 {
    max_norm((&x.to_dense() - f).as_ref())
}
