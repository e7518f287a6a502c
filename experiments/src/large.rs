//! A matrix that is never stored: generated tile by tile, approximated in the max norm, and where
//! the time goes beside the floor of flops and bytes.

use crate::measure::peak_memory;
use crate::table::write_atomically;
use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use lowrank::Entries;
use lowrank::entrywise::{Parameters, approximate};
use lowrank::faer::{Accum, Mat, Par, linalg::matmul::matmul};
use lowrank::generated::{Function, GeneratedMatrix, ball};
use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

/// Sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// n = 1500, r = 16: seconds.
    Quick,
    /// n = 20000, r = 64: minutes.
    Paper,
}

/// The options of the program.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "exp_large",
    version,
    about = "Entrywise approximation of a matrix generated tile by tile: time, memory, and their floors",
    after_help = "Examples:\n  cargo run --release --bin exp_large\n  \
                  cargo run --release --bin exp_large -- --preset paper\n  \
                  cargo run --release --bin exp_large -- --size 4096 --rank 64 --stored"
)]
pub struct Options {
    /// Sizes to run
    #[arg(long, value_enum, default_value_t = Preset::Quick)]
    pub preset: Preset,
    /// Rows and columns, instead of the preset's
    #[arg(long, value_name = "N")]
    pub size: Option<usize>,
    /// Rank, instead of the preset's
    #[arg(long, value_name = "R")]
    pub rank: Option<usize>,
    /// Dimension of the points
    #[arg(long, default_value_t = 100, value_name = "M")]
    pub dimension: usize,
    /// Store the matrix instead of generating its tiles in every step
    #[arg(long)]
    pub stored: bool,
    /// Stop after so many seconds
    #[arg(long, default_value_t = 840.0, value_name = "S")]
    pub seconds: f64,
    /// Folder of the history
    #[arg(long, default_value = "target/figures/large", value_name = "DIR")]
    pub out: PathBuf,
}

/// Runs the program, in 32-bit floating point.
pub fn execute(options: &Options) -> Result<()> {
    let (n, rank) = match options.preset {
        Preset::Quick => (1500, 16),
        Preset::Paper => (20_000, 64),
    };
    let (n, rank) = (options.size.unwrap_or(n), options.rank.unwrap_or(rank));
    fs::create_dir_all(&options.out)
        .with_context(|| format!("cannot create the folder {}", options.out.display()))?;
    let points = ball::<f32>(n, options.dimension, 1.0, 0, 0)?;
    let generated = GeneratedMatrix::symmetric(Function::Gaussian, points)?;
    let dense = if options.stored { Some(generated.to_dense()?) } else { None };
    let f: &dyn Entries<f32> = match &dense {
        Some(dense) => dense,
        None => &generated,
    };
    let mut last = Instant::now();
    let mut watch = |now: &lowrank::Progress| {
        if last.elapsed().as_secs() >= 10 {
            last = Instant::now();
            eprintln!("step {}: error {:.5} after {:.0} s", now.iteration, now.error, now.seconds);
        }
        ControlFlow::Continue(())
    };
    let parameters =
        Parameters { max_seconds: options.seconds, callback: Some(&mut watch), ..Default::default() };
    let x = approximate(f, rank, parameters)?;

    let entries = (n * n) as f64;
    let start = x.report.history.first().map_or(0.0, |first| first.seconds);
    let steps = x.report.iterations.max(1) as f64;
    let step = (x.report.seconds - start) / steps;
    let generation = if options.stored { 0.0 } else { generation_seconds(f, entries) };
    let rate = product_rate();
    let kind = if options.stored { "stored" } else { "generated" };
    println!("exp(-|x - y|^2), {kind}, n = {n}, rank {rank}, dimension {}, f32", options.dimension);
    println!(
        "error {:.5} (start {:.5}, lower bound {:.5})",
        x.relative_error(),
        x.start_error,
        x.lower_bound
    );
    println!("{}", x.report);
    println!("start                     {start:>9.2} s");
    println!("a step                    {step:>9.4} s, of which");
    println!("  generating the entries  {generation:>9.4} s");
    println!("  product, level, scatter {:>9.4} s", (step - generation).max(0.0));
    let flops = 2.0 * entries * rank as f64;
    let inner = if options.stored { 0.0 } else { 2.0 * entries * options.dimension as f64 };
    println!("floor at {:.0} GFlop/s of a large product on these cores", rate / 1e9);
    println!("  entries (inner products){:>9.4} s", inner / rate);
    println!("  product                 {:>9.4} s", flops / rate);
    let bytes = if options.stored { entries * 4.0 } else { 0.0 };
    println!("  bytes of F read a step  {:>9.3} GB", bytes / 1e9);
    match peak_memory() {
        Some(bytes) => println!("largest memory            {:>9.3} GiB", bytes / (1u64 << 30) as f64),
        None => println!("largest memory            not known on this system"),
    }
    let mut text = String::from("n,rank,iteration,seconds,error\n");
    for step in &x.report.history {
        let error = step.error / x.max_norm;
        text += &format!("{n},{rank},{},{},{error}\n", step.iteration, step.seconds);
    }
    let csv = options.out.join(format!("large_{kind}_{n}_{rank}.csv"));
    write_atomically(&csv, text.as_bytes())?;
    println!("history: {}", csv.display());
    Ok(())
}

/// Seconds for all entries once, from a tenth or more of them, on all cores.
fn generation_seconds(f: &dyn Entries<f32>, entries: f64) -> f64 {
    use rayon::prelude::*;
    let n = f.nrows();
    let columns = (n / 10).max(128).min(n);
    let clock = Instant::now();
    (0..columns.div_ceil(128)).into_par_iter().for_each(|b| {
        let cols = 128 * b..(128 * (b + 1)).min(columns);
        let mut tile = vec![0f32; 240 * cols.len()];
        for i in (0..n).step_by(240) {
            let rows = i..(i + 240).min(n);
            let len = rows.len() * cols.len();
            f.tile(rows, cols.clone(), &mut tile[..len]);
        }
    });
    clock.elapsed().as_secs_f64() * entries / (n * columns) as f64
}

/// Flops a second of a large product in 32-bit floating point.
fn product_rate() -> f64 {
    let n = 2048;
    let a = Mat::<f32>::from_fn(n, n, |i, j| ((i + 3 * j) % 7) as f32);
    let mut c = Mat::<f32>::zeros(n, n);
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let clock = Instant::now();
        matmul(c.as_mut(), Accum::Replace, a.as_ref(), a.as_ref(), 1.0, Par::rayon(0));
        best = best.min(clock.elapsed().as_secs_f64());
    }
    2.0 * (n as f64).powi(3) / best
}
