//! How much sooner the descent reaches the final error of alternating projections.
//!
//! Alternating projections run by their author's rules (random start, randomized projector) to
//! their end; the descent runs from the truncated SVD, and its history tells when it was as good.
//! The matrix is exp(-|x - y|^2) of points in the unit ball of dimension 100, stored, on two
//! threads; both times include the start.
//!
//! `cargo bench --bench ap_ratio` prints n = 512, 1024 and 2048; with `-- --quick` 512 only.

use lowrank::entrywise::{AlternatingProjections, Method, Parameters, Projector, Start, approximate};
use lowrank::generated::{Function, GeneratedMatrix, ball};

const RANK: usize = 32;
const DIMENSION: usize = 100;

fn measure(n: usize) -> lowrank::Result<()> {
    let f = GeneratedMatrix::symmetric(Function::Gaussian, ball(n, DIMENSION, 1.0, 0, 0)?)?.to_dense()?;
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
    println!(
        "{:>6} {:>10} {:>8} {:>10} {:>14} {:>8} {:>8} {:>12} {:>10}",
        "n", "AP error", "steps", "seconds", "descent to it", "steps", "ratio", "final error", "seconds"
    );
    let sizes: &[usize] = if quick { &[512] } else { &[512, 1024, 2048] };
    pool.install(|| sizes.iter().try_for_each(|&n| measure(n)))
}
