//! The entrywise approximation of a user's own array: a small table, factors, a convergence plot.

use crate::grid::MethodName;
use crate::plot::canvas::Place;
use crate::plot::drawing::Drawing;
use crate::plot::panel::{Curve, Panel};
use crate::plot::scale::number;
use crate::plot::sheet::{KeyEntry, Sheet};
use crate::plot::style::{self, BOUND, Marker, Style};
use crate::problem::truncated_svd;
use crate::table::write_atomically;
use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use lowrank::entrywise::{
    AlternatingProjections, Approximation, Method, Parameters, approximate, approximate_tensor,
};
use lowrank::io::{read_npy_as, save};
use lowrank::matrix::AsMatrix;
use lowrank::ndarray::{ArrayD, Ix2};
use lowrank::tensor::train::{Truncation, tt_svd};
use lowrank::{Report, Scalar};
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

/// The options of the program.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "exp_entrywise",
    version,
    about = "Approximates your own array by one of low rank in the max norm, beside the truncated SVD or TT-SVD",
    after_help = "Examples:\n  cargo run --release --bin exp_entrywise -- --input a.npy --rank 32\n  \
                  cargo run --release --bin exp_entrywise -- --input a.npy --rank 32 --seconds 10 --f32 --out results"
)]
pub struct Options {
    /// A NumPy file with an array of 2 dimensions (low-rank matrix) or 3 to 4 (tensor train)
    #[arg(long, value_name = "FILE.npy")]
    pub input: PathBuf,
    /// The rank (every TT rank) of the approximation
    #[arg(long, value_name = "R")]
    pub rank: usize,
    /// The search
    #[arg(long, value_enum, default_value_t = Search::Descent)]
    pub method: Search,
    /// Stop after so many seconds
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub seconds: Option<f64>,
    /// Folder of the results
    #[arg(long, default_value = "target/figures/entrywise", value_name = "DIR")]
    pub out: PathBuf,
    /// Seed of every random choice
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    /// Compute in 32-bit floating point
    #[arg(long)]
    pub f32: bool,
}

/// The searches on offer; both start from the truncated SVD (TT-SVD).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Search {
    /// Factor descent, the default.
    Descent,
    /// Alternating projections.
    Ap,
}

/// What a run found, errors relative to the largest magnitude of the array.
#[derive(Debug, Clone)]
struct Found {
    report: Report,
    error: f64,
    lower_bound: f64,
    scale: f64,
    svd_error: f64,
    svd_seconds: f64,
}

/// Runs the program: prints the table, writes factors, history and plot.
pub fn execute(options: &Options) -> Result<()> {
    if options.rank == 0 {
        bail!("--rank 0: ask for a rank of at least 1");
    }
    fs::create_dir_all(&options.out)
        .with_context(|| format!("cannot create the folder {}", options.out.display()))?;
    if options.f32 { execute_as::<f32>(options) } else { execute_as::<f64>(options) }
}

fn execute_as<T: Scalar>(options: &Options) -> Result<()> {
    let array: ArrayD<T> = said(read_npy_as(&options.input))?;
    let array = array.as_standard_layout().into_owned();
    let shape: Vec<String> = array.shape().iter().map(usize::to_string).collect();
    let shape = shape.join(" × ");
    check(array.shape(), options.rank).with_context(|| options.input.display().to_string())?;
    let name = options.input.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let stem = options.out.join(format!("{name}_rank{}", options.rank));
    let factors = stem.with_file_name(format!("{name}_rank{}_factors.npz", options.rank));
    let found = match array.ndim() {
        2 => matrix(options, array, &factors),
        _ => tensor(options, array, &factors),
    };
    let found = found.with_context(|| options.input.display().to_string())?;

    let svd = if shape.matches('×').count() == 1 { "truncated SVD" } else { "TT-SVD" };
    let search = match options.method {
        Search::Descent => "factor descent",
        Search::Ap => "alternating projections",
    };
    let report = &found.report;
    println!("{}: {shape}, rank {}, {}", options.input.display(), options.rank, T::NAME);
    println!("{:<26}{:>14}{:>12}{:>12}", "", "error", "seconds", "iterations");
    println!("{svd:<26}{:>14.6e}{:>12.3}{:>12}", found.svd_error, found.svd_seconds, "");
    println!("{search:<26}{:>14.6e}{:>12.3}{:>12}", found.error, report.seconds, report.iterations);
    println!("{:<26}{:>14.6e}", "lower bound", found.lower_bound);
    println!("(errors |F - X|max / |F|max, |F|max = {:.6e}; {})", found.scale, report.status);

    let mut text = String::from("iteration,seconds,error\n");
    for step in &report.history {
        text += &format!("{},{},{}\n", step.iteration, step.seconds, step.error / found.scale.max(1e-300));
    }
    write_atomically(&stem.with_extension("csv"), text.as_bytes())?;
    println!("factors: {}\nhistory: {}", factors.display(), stem.with_extension("csv").display());
    if found.error > 0.0 {
        let title = format!("{name}: {shape}, rank {}", options.rank);
        sheet(&title, &found, svd, search, options).write(&stem)?;
        println!("figure:  {0}.svg\nfigure:  {0}.png", stem.display());
    } else {
        println!("the approximation is exact: there is no convergence to draw");
    }
    Ok(())
}

/// The library's error as its message alone, which already names the cause.
fn said<X>(result: lowrank::Result<X>) -> Result<X> {
    result.map_err(|error| anyhow::Error::msg(error.to_string()))
}

fn check(shape: &[usize], rank: usize) -> Result<()> {
    if !(2..=4).contains(&shape.len()) {
        bail!("an array of {} dimensions: 2 to 4 are needed", shape.len());
    }
    if shape.contains(&0) {
        bail!("the array is empty");
    }
    let sizes = |part: &[usize]| part.iter().fold(1_usize, |all, &n| all.saturating_mul(n));
    let bonds = (1..shape.len()).map(|k| sizes(&shape[..k]).min(sizes(&shape[k..])));
    let largest = bonds.max().unwrap_or(0);
    if rank > largest {
        bail!("rank {rank} was asked, but the largest possible is {largest}: ask for at most {largest}");
    }
    Ok(())
}

fn parameters<X>(options: &Options) -> Parameters<'static, X> {
    let method = match options.method {
        Search::Descent => Method::default(),
        Search::Ap => Method::AlternatingProjections(AlternatingProjections::default()),
    };
    let max_seconds = options.seconds.unwrap_or(f64::INFINITY);
    Parameters { method, seed: options.seed, max_seconds, ..Default::default() }
}

fn matrix<T: Scalar>(options: &Options, array: ArrayD<T>, factors: &std::path::Path) -> Result<Found> {
    let f = array.view().into_dimensionality::<Ix2>()?.as_matrix().to_owned();
    let x = approximate(&f, options.rank, parameters(options))?;
    said(save(factors, &x.factors))?;
    let clock = Instant::now();
    let svd = truncated_svd(&f, options.rank, options.seed)?;
    let svd_seconds = clock.elapsed().as_secs_f64();
    let svd_error = lowrank::matrix::max_norm((&svd.to_dense() - &f).as_ref());
    Ok(found(x, svd_error, svd_seconds))
}

fn tensor<T: Scalar>(options: &Options, f: ArrayD<T>, factors: &std::path::Path) -> Result<Found> {
    let x = approximate_tensor(&f, options.rank, parameters(options))?;
    said(save(factors, &x.factors))?;
    let clock = Instant::now();
    let svd = tt_svd(f.view(), Truncation::rank(options.rank))?.train;
    let svd_seconds = clock.elapsed().as_secs_f64();
    let differences =
        f.iter().zip(&svd.to_dense()?).map(|(f, x)| (*f - *x).as_f64().abs()).fold(0.0, f64::max);
    Ok(found(x, differences, svd_seconds))
}

fn found<X>(x: Approximation<X>, svd_error: f64, svd_seconds: f64) -> Found {
    let scale = x.max_norm;
    let relative = |error: f64| if scale > 0.0 { error / scale } else { 0.0 };
    Found {
        error: x.relative_error(),
        lower_bound: relative(x.lower_bound),
        scale,
        svd_error: relative(svd_error),
        svd_seconds,
        report: x.report,
    }
}

/// The convergence plot: the best error so far against the seconds.
fn sheet(title: &str, found: &Found, svd: &str, search: &str, options: &Options) -> Sheet {
    let look = match options.method {
        Search::Descent => style::method(MethodName::Descent),
        Search::Ap => style::method(MethodName::Ap),
    };
    let look = Style { marker: Marker::None, width: 2.0, ..look };
    let svd_look = Style { marker: Marker::None, dash: Some((8.0, 3.0)), ..style::method(MethodName::Svd) };
    let end = found.report.seconds.max(1e-4);
    let mut best: Vec<Place> = Vec::new();
    for step in &found.report.history {
        let at = (step.seconds.clamp(1e-4, end), step.error / found.scale);
        // The best error stays until the next is found.
        best.extend(best.last().map(|last| (at.0, last.1)));
        best.push(at);
    }
    best.extend(best.last().map(|last| (end, last.1)));
    let start = best.first().map_or(end / 2.0, |p| p.0);
    let level = |error: f64| vec![(start, error), (end, error)];
    let curve = |points, style| Curve { points, range: Vec::new(), style, fitted: true };
    let mut curves = vec![curve(level(found.svd_error), svd_look)];
    let mut key = vec![
        KeyEntry { style: look, shaded: false, text: format!("{search}, best error so far") },
        KeyEntry { style: svd_look, shaded: false, text: format!("{svd} ({})", number(found.svd_error, 3)) },
    ];
    if found.lower_bound > 0.0 {
        let near = found.lower_bound * 100.0 > found.error;
        curves.push(Curve { fitted: near, ..curve(level(found.lower_bound), BOUND) });
        let text = format!("lower bound ({})", number(found.lower_bound, 3));
        key.push(KeyEntry { style: BOUND, shaded: false, text });
    }
    curves.push(curve(best, look));
    let panel = Panel {
        map: None,
        title: format!("{search}: {} after {} s", number(found.error, 3), number(found.report.seconds, 2)),
        notes: Vec::new(),
        x_label: "seconds".to_string(),
        x_ticks: Vec::new(),
        y_label: "relative max-norm error".to_string(),
        curves,
    };
    let caption = format!(
        "‖F − X‖ₘₐₓ / ‖F‖ₘₐₓ of the best X so far; {} iterations, {}; {} floating point; seed {}.",
        found.report.iterations,
        found.report.status,
        if options.f32 { "32-bit" } else { "64-bit" },
        options.seed
    );
    Sheet { title: title.to_string(), panels: vec![panel], key, caption }
}
