//! The functions that are approximated, on grids of 32 points a variable.

use lowrank::random::gaussian;
use serde::{Deserialize, Serialize};
use std::f64::consts::{E, TAU};

/// Points a variable.
pub const N: usize = 32;
/// Bits of the quantized function's variable.
pub const BITS: u32 = 20;
/// Width of the peaks of the sum, of the hidden one, and of the quantized one, of a side of length 1.
pub const WIDTHS: [f64; 3] = [0.1, 0.05, 1e-4];
/// Peaks of the sum.
pub const PEAKS: usize = 5;

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Function {
    /// 1 / (1 + x1 + ... + xd) on [0, 1]^10.
    Reciprocal,
    /// 1 / (i1 + ... + id), d = 10, i from 1 to 32.
    Hilbert,
    /// sin(x1 + ... + xd) on [0, 2 pi)^10.
    Sine,
    /// Rosenbrock's on [-2, 2]^10.
    Rosenbrock,
    /// Rastrigin's on [-5, 5]^10.
    Rastrigin,
    /// Ackley's on [-5, 5]^6.
    Ackley,
    /// |x1 + ... + xd - d / 2| on [0, 1]^6.
    Kink,
    /// A sum of Gaussian peaks on [0, 1]^6, random places.
    Peaks,
    /// 1 / (1 + x1 + ... + xd) on [0, 1]^6 and a narrow Gaussian peak at a random place.
    HiddenPeak,
    /// The same; the place of the peak is given to the algorithm.
    KnownPeak,
    /// 1 / (1 + ((x - c) / 1e-4)^2) for 2^20 x of [0, 1), a mode a bit, random c.
    Quantized,
}

impl Function {
    /// All of them.
    pub const ALL: [Function; 11] = [
        Function::Reciprocal,
        Function::Hilbert,
        Function::Sine,
        Function::Rosenbrock,
        Function::Rastrigin,
        Function::Ackley,
        Function::Kink,
        Function::Peaks,
        Function::HiddenPeak,
        Function::KnownPeak,
        Function::Quantized,
    ];
}

/// The values of a function at the indices of a grid.
pub type Values = dyn Fn(&[usize]) -> f64 + Sync;

/// A function on a grid.
pub struct Problem {
    /// Points of each variable.
    pub shape: Vec<usize>,
    /// The values.
    pub f: Box<Values>,
    /// Where its peaks are.
    pub peaks: Vec<Vec<usize>>,
}

fn sum(i: &[usize]) -> f64 {
    i.iter().map(|&i| unit(i)).sum()
}

/// Place i of [0, 1].
fn unit(i: usize) -> f64 {
    i as f64 / (N - 1) as f64
}

/// Place i of [-a, a].
fn place(i: usize, a: f64) -> f64 {
    a * (2.0 * unit(i) - 1.0)
}

fn bump(i: &[usize], peak: &[usize], width: f64) -> f64 {
    let distance: f64 = i.iter().zip(peak).map(|(&i, &c)| (unit(i) - unit(c)).powi(2)).sum();
    (-0.5 * distance / (width * width)).exp()
}

/// Random indices: the far digits of Gaussian numbers.
fn random(shape: &[usize], count: usize, seed: u64, purpose: &str) -> Vec<Vec<usize>> {
    let numbers = gaussian::<f64>(count, shape.len(), seed, purpose);
    let index = |p: usize, k: usize| (1e12 * numbers[(p, k)].abs()) as usize % shape[k];
    (0..count).map(|p| (0..shape.len()).map(|k| index(p, k)).collect()).collect()
}

impl Problem {
    /// The function; where it is random, as this seed says.
    pub fn new(function: Function, seed: u64) -> Self {
        let six = vec![N; 6];
        let random = |shape: &[usize], count: usize| random(shape, count, seed, "places of peaks");
        let plain =
            |d: usize, f: fn(&[usize]) -> f64| Problem { shape: vec![N; d], f: Box::new(f), peaks: vec![] };
        match function {
            Function::Reciprocal => plain(10, |i| 1.0 / (1.0 + sum(i))),
            Function::Hilbert => plain(10, |i| 1.0 / (i.len() + i.iter().sum::<usize>()) as f64),
            Function::Sine => plain(10, |i| (TAU / N as f64 * i.iter().sum::<usize>() as f64).sin()),
            Function::Rosenbrock => plain(10, |i| {
                let term = |x: f64, y: f64| 100.0 * (y - x * x).powi(2) + (1.0 - x).powi(2);
                i.windows(2).map(|pair| term(place(pair[0], 2.0), place(pair[1], 2.0))).sum()
            }),
            Function::Rastrigin => plain(10, |i| {
                let term = |x: f64| 10.0 + x * x - 10.0 * (TAU * x).cos();
                i.iter().map(|&i| term(place(i, 5.0))).sum()
            }),
            Function::Ackley => plain(6, |i| {
                let mean = |f: &dyn Fn(f64) -> f64| {
                    i.iter().map(|&i| f(place(i, 5.0))).sum::<f64>() / i.len() as f64
                };
                let (squares, waves) = (mean(&|x| x * x), mean(&|x| (TAU * x).cos()));
                20.0 - 20.0 * (-0.2 * squares.sqrt()).exp() + E - waves.exp()
            }),
            Function::Kink => plain(6, |i| (sum(i) - 0.5 * i.len() as f64).abs()),
            Function::Peaks => {
                let peaks = random(&six, PEAKS);
                let own = peaks.clone();
                let f = move |i: &[usize]| own.iter().map(|peak| bump(i, peak, WIDTHS[0])).sum();
                Problem { shape: six, f: Box::new(f), peaks }
            }
            Function::HiddenPeak | Function::KnownPeak => {
                let peaks = random(&six, 1);
                let own = peaks[0].clone();
                let f = move |i: &[usize]| 1.0 / (1.0 + sum(i)) + bump(i, &own, WIDTHS[1]);
                Problem { shape: six, f: Box::new(f), peaks }
            }
            Function::Quantized => {
                let n = 1usize << BITS;
                let peaks = random(&[n], 1);
                let centre = peaks[0][0] as f64;
                let f = move |i: &[usize]| {
                    1.0 / (1.0 + ((i[0] as f64 - centre) / (n as f64 * WIDTHS[2])).powi(2))
                };
                Problem { shape: vec![n], f: Box::new(f), peaks }
            }
        }
    }

    /// Random points that have nothing to do with the search.
    pub fn fresh(&self, count: usize, seed: u64) -> Vec<Vec<usize>> {
        random(&self.shape, count, seed, "fresh points of a cross")
    }

    /// The peaks, their neighbours along each variable, and random points within two steps of them.
    pub fn near_peaks(&self, seed: u64) -> Vec<Vec<usize>> {
        let mut out = self.peaks.clone();
        for peak in &self.peaks {
            let moved = |mut point: Vec<usize>, k: usize, by: isize| {
                point[k] = point[k].saturating_add_signed(by).min(self.shape[k] - 1);
                point
            };
            for k in 0..peak.len() {
                out.extend([moved(peak.clone(), k, -1), moved(peak.clone(), k, 1)]);
            }
            for steps in random(&vec![5; peak.len()], 200, seed, "points near peaks") {
                let by = |(k, step): (usize, usize)| (k, step as isize - 2);
                let steps = steps.into_iter().enumerate().map(by);
                out.push(steps.fold(peak.clone(), |point, (k, by)| moved(point, k, by)));
            }
        }
        out
    }
}
