//! How much sooner the descent reaches the final error of alternating projections.
//!
//! Alternating projections run by their author's rules (random start, randomized projector) to
//! their end; the descent runs from the truncated SVD, and its history tells when it was as good.
//! The matrix is exp(-|x - y|^2) of points in the unit ball of dimension 100, stored, on two
//! threads; both times include the start.
//!
//! Before that, the errors of five seeds at n = 512 after half a second and after three.
//!
//! `cargo bench --bench ap_ratio` prints n = 512, 1024 and 2048; with `-- --quick` all of it at n = 128
//! and with one seed, in seconds, to see that it runs.

use lowrank::entrywise::{AlternatingProjections, Method, Parameters, Projector, Start, approximate};
use lowrank::faer::Mat;
use lowrank::generated::{Function, GeneratedMatrix, ball};

const RANK: usize = 32;
const DIMENSION: usize = 100;

fn matrix(n: usize, seed: u64) -> lowrank::Result<Mat<f64>> {
    GeneratedMatrix::symmetric(Function::Gaussian, ball(n, DIMENSION, 1.0, seed, 0)?)?.to_dense()
}

/// The errors of the descent against time, means over seeds.
fn error_in_time(n: usize, seeds: u64) -> lowrank::Result<()> {
    let (mut half, mut three, mut end, mut seconds) = (0.0, 0.0, 0.0, 0.0);
    for seed in 0..seeds {
        let x =
            approximate(&matrix(n, seed)?, RANK, Parameters { lower_bound: false, ..Default::default() })?;
        let by = |limit: f64| {
            let reached = x.report.history.iter().rev().find(|p| p.seconds <= limit);
            reached.map_or(f64::INFINITY, |p| p.error / x.max_norm)
        };
        half += by(0.5) / seeds as f64;
        three += by(3.0) / seeds as f64;
        end += x.relative_error() / seeds as f64;
        seconds += x.report.seconds / seeds as f64;
    }
    println!(
        "n = {n}, means of {seeds} seeds: error {half:.4} after 0.5 s (bar at 512: 0.172), {three:.4} after"
    );
    println!("3 s (bar at 512: 0.168), {end:.4} at the end, after {seconds:.2} s");
    Ok(())
}

fn measure(n: usize) -> lowrank::Result<()> {
    let f = matrix(n, 0)?;
    let constants = AlternatingProjections { projector: Projector::Randomized, ..Default::default() };
    let method = Method::AlternatingProjections(constants);
    let reference = Parameters { method, start: Start::Random, lower_bound: false, ..Default::default() };
    let reference = approximate::<f64>(&f, RANK, reference)?;
    let (goal, seconds) = (reference.relative_error(), reference.report.seconds);

    let descent = approximate(&f, RANK, Parameters { lower_bound: false, ..Default::default() })?;
    let reached = descent.report.history.iter().find(|p| p.error <= reference.report.error);
    print!("{n:>6} {goal:>10.4} {:>8} {seconds:>10.3}", reference.report.iterations);
    match reached {
        Some(p) => print!(" {:>14.4} {:>8} {:>8.1}", p.seconds, p.iteration, seconds / p.seconds),
        None => print!(" {:>14} {:>8} {:>8}", "never", "", ""),
    }
    println!(" {:>12.4} {:>10.3}", descent.relative_error(), descent.report.seconds);
    Ok(())
}

fn main() -> lowrank::Result<()> {
    let quick = std::env::args().any(|a| a == "--quick");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("two threads can be started");
    println!("rank {RANK}, dimension {DIMENSION}, two threads; the bar for the ratio is 20");
    let (sizes, seeds): (&[usize], _) = if quick { (&[128], 1) } else { (&[512, 1024, 2048], 5) };
    pool.install(|| error_in_time(sizes[0], seeds))?;
    println!(
        "{:>6} {:>10} {:>8} {:>10} {:>14} {:>8} {:>8} {:>12} {:>10}",
        "n", "AP error", "steps", "seconds", "descent to it", "steps", "ratio", "final error", "seconds"
    );
    pool.install(|| sizes.iter().try_for_each(|&n| measure(n)))
}
