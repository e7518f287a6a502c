//! The tensors that are compressed.

use super::{Config, Family, Trial};
use anyhow::{Result, bail};
use lowrank::faer::Mat;
use lowrank::io::read_npy_as;
use lowrank::ndarray::{ArrayD, IxDyn};
use lowrank::random::{fill_gaussian, gaussian, stream};
use lowrank::tensor::Cp;
use std::f64::consts::PI;
use std::path::{Path, PathBuf};

/// Filters that make up a generated convolution kernel.
pub const FILTERS: usize = 64;
/// Terms of the tensor of low rank.
pub const TERMS: usize = 8;
/// Relative Frobenius norm of the noise of the tensor of low rank, of the kernel and of the simulated
/// fluorescence.
pub const NOISE: f64 = 0.01;
/// Fluorophores of the simulated fluorescence.
pub const FLUOROPHORES: usize = 4;

/// A tensor, and which of its entries were measured where not all of them were.
pub struct Input {
    /// The tensor; 0 where nothing was measured.
    pub a: ArrayD<f64>,
    /// Which entries may be fitted, and which were measured but are held out.
    pub parts: Option<(ArrayD<bool>, ArrayD<bool>)>,
}

/// The tensor of a trial.
pub fn input(config: &Config, trial: &Trial) -> Result<Input> {
    let (n, seed) = (config.side, trial.seed);
    let file = || read(trial.file.split(',').next().unwrap_or_default());
    let a = match trial.family {
        Family::Scene | Family::Fluorescence => file()?,
        Family::Simulated => simulated(seed)?,
        Family::Kernel => kernel(config.channels, seed),
        Family::Newton => ArrayD::from_shape_fn(IxDyn(&[n; 3]), |at| {
            let square = |i: usize| ((at[i] + 1) as f64 / n as f64).powi(2);
            1.0 / (square(0) + square(1) + square(2)).sqrt()
        }),
        Family::LowRank => {
            let factors = (0..3).map(|k| gaussian(n, TERMS, 3 * seed + k, "tensor of low rank")).collect();
            noisy(Cp::new(vec![1.0; TERMS], factors)?.to_dense()?, seed)
        }
        Family::Random => random(&[n; 3], seed, "random tensor"),
    };
    let parts = match trial.family.incomplete() {
        false => None,
        true => {
            let missing = match trial.file.split_once(',') {
                Some((_, file)) => read(file)?.mapv(|x| x != 0.0),
                None => ArrayD::from_elem(a.raw_dim(), false),
            };
            if missing.shape() != a.shape() {
                bail!("{}: the shapes {:?} and {:?} differ", trial.file, a.shape(), missing.shape());
            }
            Some(split(config.held_out, &missing, seed))
        }
    };
    Ok(Input { a, parts })
}

/// Which entries may be fitted, and which are held out.
fn split(held_out: f64, missing: &ArrayD<bool>, seed: u64) -> (ArrayD<bool>, ArrayD<bool>) {
    let mut draws = vec![0.0_f64; 2 * missing.len()];
    fill_gaussian(&mut stream(seed, "held out", 0), &mut draws);
    // The angle of two Gaussian numbers is uniform.
    let mut draws = draws.chunks_exact(2).map(|pair| 0.5 + pair[1].atan2(pair[0]) / (2.0 * PI));
    let held = missing.mapv(|missing| draws.next().is_some_and(|x| x < held_out) && !missing);
    let mut seen = held.clone();
    seen.zip_mut_with(missing, |held, missing| *held = !*held && !missing);
    (seen, held)
}

fn random(shape: &[usize], seed: u64, purpose: &str) -> ArrayD<f64> {
    let mut out = ArrayD::zeros(IxDyn(shape));
    if let Some(entries) = out.as_slice_mut() {
        fill_gaussian(&mut stream(seed, purpose, 0), entries);
    }
    out
}

fn noisy(a: ArrayD<f64>, seed: u64) -> ArrayD<f64> {
    let noise = random(a.shape(), seed, "noise of a tensor");
    let scale = NOISE * super::norm(a.iter()) / super::norm(noise.iter());
    a + scale * noise
}

/// (output channels, input channels, 3, 3): sums of oriented filters of decaying strength, each from a
/// mixture of input channels to one of output channels, and noise.
fn kernel(channels: usize, seed: u64) -> ArrayD<f64> {
    let mixtures = |purpose| -> Mat<f64> { gaussian(channels, FILTERS, seed, purpose) };
    let (from, to) = (mixtures("kernel in"), mixtures("kernel out"));
    let turns: Mat<f64> = gaussian(2, FILTERS, seed, "kernel turn");
    let filter = |k: usize, y: f64, x: f64| {
        let (angle, phase) = (PI * turns[(0, k)], PI * turns[(1, k)]);
        (-0.5 * (x * x + y * y)).exp() * (PI / 2.0 * (x * angle.cos() + y * angle.sin()) + phase).cos()
    };
    let mut out = ArrayD::zeros(IxDyn(&[channels, channels, 3, 3]));
    for k in 0..FILTERS {
        for (at, entry) in out.indexed_iter_mut() {
            let place = filter(k, at[2] as f64 - 1.0, at[3] as f64 - 1.0);
            *entry += to[(at[0], k)] * from[(at[1], k)] * place / (k + 1) as f64;
        }
    }
    noisy(out, seed)
}

/// (12 samples, 8 emission, 6 excitation wavelengths, 10 times): products of concentrations, spectra and
/// decays of a few fluorophores, and noise.
fn simulated(seed: u64) -> Result<ArrayD<f64>> {
    let draws: Mat<f64> = gaussian(12, FLUOROPHORES, seed, "fluorophores");
    let peak = |i: usize, n: usize, k: usize| {
        let centre = (k as f64 + 0.5) / FLUOROPHORES as f64;
        (-0.5 * ((i as f64 / n as f64 - centre) / 0.2).powi(2)).exp()
    };
    let decay = |i: usize, k: usize| (-(i as f64) * (k + 1) as f64 / 10.0).exp();
    let factors = vec![
        Mat::from_fn(12, FLUOROPHORES, |i, k| draws[(i, k)].abs()),
        Mat::from_fn(8, FLUOROPHORES, |i, k| peak(i, 8, k)),
        Mat::from_fn(6, FLUOROPHORES, |i, k| peak(i, 6, (k + 1) % FLUOROPHORES)),
        Mat::from_fn(10, FLUOROPHORES, decay),
    ];
    Ok(noisy(Cp::new(vec![1.0; FLUOROPHORES], factors)?.to_dense()?, seed))
}

/// A file given by a path from here or, where there is none, from the root of the sources.
pub fn find(file: &str) -> Result<PathBuf> {
    let from_root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let path = if Path::new(file).exists() { PathBuf::from(file) } else { from_root };
    if path.exists() {
        return Ok(path);
    }
    match file.starts_with("data/tensors/") {
        true => bail!("{file} is not there: run scripts/fetch_tensors.sh, which fetches it (12.6 MB in all)"),
        false => bail!("{file}: there is no such file, neither here nor from the root of the sources"),
    }
}

fn read(file: &str) -> Result<ArrayD<f64>> {
    Ok(read_npy_as(find(file)?)?.as_standard_layout().into_owned())
}
