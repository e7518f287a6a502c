//! Error against time of variants of the searches, on the same matrices in one run: how the
//! constants of the default method were chosen.

use crate::plot::drawing::Drawing;
use crate::plot::panel::{Curve, Panel};
use crate::plot::sheet::{KeyEntry, Sheet};
use crate::plot::style::{Colour, Marker, Style};
use crate::table::write_atomically;
use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use lowrank::entrywise::{
    AlternatingProjections, Descent, Method, Parameters, Projector, Start, approximate,
};
use lowrank::generated::{Function, GeneratedMatrix, ball};
use std::fs;
use std::path::PathBuf;

/// Sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// n = 256, r = 16: seconds.
    Quick,
    /// n = 512, r = 32 and n = 1024, r = 32: the committed figure.
    Paper,
}

/// The options of the program.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "exp_convergence",
    version,
    about = "Error against time of variants of the entrywise searches, on the Gaussian kernel",
    after_help = "Examples:\n  cargo run --release --bin exp_convergence\n  \
                  cargo run --release --bin exp_convergence -- --preset paper\n  \
                  cargo run --release --bin exp_convergence -- --preset paper --plot-only"
)]
pub struct Options {
    /// Sizes to run
    #[arg(long, value_enum, default_value_t = Preset::Quick)]
    pub preset: Preset,
    /// Folder of the results [default: `figures` for the paper's preset, else `target/figures/quick`]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Draw the figure again from its CSV, without running anything
    #[arg(long)]
    pub plot_only: bool,
}

const HEADER: &str = "variant,n,rank,seed,iteration,seconds,error";
const DIMENSION: usize = 100;

/// A variant: its name in the table, what it is, its colour.
type Variant = (&'static str, &'static str, Colour);

const VARIANTS: [Variant; 6] = [
    ("ap-random", "alternating projections (randomized SVD), random start", (0, 114, 178)),
    ("ap-svd", "alternating projections (randomized SVD), SVD start", (86, 180, 233)),
    ("descent-short", "descent: depth 0.5, patience 15, shrink 0.6, steps up to 8", (0, 158, 115)),
    ("descent-deep", "descent: depth 0.9, patience 25, shrink 0.7, steps up to 1.3", (204, 121, 167)),
    ("descent", "descent, the default: depth 0.5, patience 25, shrink 0.7, steps up to 1.3", (213, 94, 0)),
    ("descent-patient", "descent: depth 0.9, patience 60, shrink 0.85, steps up to 1.3", (60, 60, 60)),
];

fn search<X>(variant: &str) -> (Method, Start<X>) {
    let descent = |depth, patience, shrink, max_step| {
        let constants = Descent { depth, patience, shrink, max_step, ..Default::default() };
        (Method::Descent(constants), Start::Svd)
    };
    let projections = || {
        let projector = Projector::Randomized;
        Method::AlternatingProjections(AlternatingProjections { projector, ..Default::default() })
    };
    match variant {
        "ap-random" => (projections(), Start::Random),
        "ap-svd" => (projections(), Start::Svd),
        "descent-short" => descent(0.5, 15, 0.6, 8.0),
        "descent-deep" => descent(0.9, 25, 0.7, 1.3),
        "descent-patient" => descent(0.9, 60, 0.85, 1.3),
        _ => (Method::default(), Start::Svd),
    }
}

/// Runs the program.
pub fn execute(options: &Options) -> Result<()> {
    let (folder, cases): (_, &[(usize, usize)]) = match options.preset {
        Preset::Quick => ("target/figures/quick", &[(256, 16)]),
        Preset::Paper => ("figures", &[(512, 32), (1024, 32)]),
    };
    let folder = options.out.clone().unwrap_or_else(|| PathBuf::from(folder));
    fs::create_dir_all(&folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
    let stem = folder.join("convergence");
    let csv = stem.with_extension("csv");
    if !options.plot_only {
        write_atomically(&csv, run(cases)?.as_bytes())?;
    }
    let text = fs::read_to_string(&csv)
        .with_context(|| format!("cannot read {}: run without --plot-only first", csv.display()))?;
    let sheet = draw(&read(&text).with_context(|| csv.display().to_string())?);
    sheet.write(&stem)?;
    write_atomically(
        &stem.with_extension("txt"),
        format!("{}\n\n{}\n", sheet.title, sheet.caption).as_bytes(),
    )?;
    println!("table:  {}\nfigure: {1}.svg\nfigure: {1}.png", csv.display(), stem.display());
    if options.preset == Preset::Quick && !options.plot_only {
        println!("the committed sizes: cargo run --release --bin exp_convergence -- --preset paper");
    }
    Ok(())
}

fn run(cases: &[(usize, usize)]) -> Result<String> {
    let mut text = format!("{HEADER}\n");
    for &(n, rank) in cases {
        let seed = 0;
        let points = ball::<f64>(n, DIMENSION, 1.0, seed, 0)?;
        let f = GeneratedMatrix::symmetric(Function::Gaussian, points)?.to_dense()?;
        for (name, _, _) in VARIANTS {
            let (method, start) = search(name);
            let parameters = Parameters { method, start, seed, lower_bound: false, ..Default::default() };
            let x = approximate(&f, rank, parameters)?;
            eprintln!("n = {n}, {name}: {}", x.report);
            for step in &x.report.history {
                let error = step.error / x.max_norm;
                text += &format!("{name},{n},{rank},{seed},{},{},{error}\n", step.iteration, step.seconds);
            }
        }
    }
    Ok(text)
}

/// One row: variant, n, rank, seconds, error.
type Row = (String, usize, usize, f64, f64);

fn read(text: &str) -> Result<Vec<Row>> {
    let mut lines = text.lines();
    if lines.next() != Some(HEADER) {
        bail!("the first line is not `{HEADER}`");
    }
    lines
        .enumerate()
        .map(|(k, line)| {
            let cells: Vec<&str> = line.split(',').collect();
            let &[name, n, rank, _, _, seconds, error] = &cells[..] else {
                bail!("line {}: not 7 cells", k + 2)
            };
            let context = || format!("line {}", k + 2);
            Ok((
                name.to_string(),
                n.parse().with_context(context)?,
                rank.parse().with_context(context)?,
                seconds.parse().with_context(context)?,
                error.parse().with_context(context)?,
            ))
        })
        .collect()
}

fn draw(rows: &[Row]) -> Sheet {
    let style = |colour| Style { colour, marker: Marker::None, width: 1.7, dash: None };
    let mut cases: Vec<(usize, usize)> = rows.iter().map(|r| (r.1, r.2)).collect();
    cases.dedup();
    let panel = |&(n, rank): &(usize, usize)| {
        let end = rows.iter().filter(|r| r.1 == n).fold(1e-3, |a: f64, r| a.max(r.3));
        let curve = |&(name, _, colour): &Variant| {
            let mut points: Vec<(f64, f64)> = Vec::new();
            for row in rows.iter().filter(|r| r.0 == name && r.1 == n) {
                points.extend(points.last().map(|last| (row.3, last.1)));
                points.push((row.3.max(1e-4), row.4));
            }
            points.extend(points.last().map(|last| (end, last.1)));
            Curve { points, range: Vec::new(), style: style(colour), fitted: true }
        };
        Panel {
            map: None,
            title: format!("n = {n}, r = {rank}"),
            notes: Vec::new(),
            x_label: "seconds".to_string(),
            x_ticks: Vec::new(),
            y_label: "relative max-norm error".to_string(),
            curves: VARIANTS.iter().map(curve).collect(),
        }
    };
    let key = VARIANTS.iter().map(|&(_, text, colour)| KeyEntry {
        style: style(colour),
        shaded: false,
        text: text.to_string(),
    });
    Sheet {
        title: "Error against time of the entrywise searches".to_string(),
        panels: cases.iter().map(panel).collect(),
        key: key.collect(),
        caption: format!(
            "‖F − X‖ₘₐₓ / ‖F‖ₘₐₓ of the best X so far against wall-clock seconds, the start included; \
             F(i, j) = exp(−‖xᵢ − xⱼ‖²), points uniform in the unit ball of dimension {DIMENSION}, seed 0, \
             64-bit floating point, all cores, one search at a time. Depth, patience, shrink and largest \
             step are the constants of the descent."
        ),
    }
}
