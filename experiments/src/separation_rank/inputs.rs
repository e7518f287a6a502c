//! The matrices whose sums of Kronecker products are compared.

use super::{Family, Trial};
use crate::weights::open;
use anyhow::{Result, bail};
use lowrank::faer::Mat;
use lowrank::random::{fill_gaussian, gaussian, stream};

/// Different blocks of a block-structured matrix.
pub const BLOCKS: usize = 4;
/// Relative Frobenius norm of the noise of a block-structured matrix.
pub const NOISE: f64 = 0.01;
/// Half of the length of the diagonal motion, in pixels.
pub const MOTION: isize = 4;
/// Radius of the disk, in pixels.
pub const DISK: f64 = 3.5;
/// Standard deviation of the Gaussian blur, in pixels.
pub const SIGMA: f64 = 1.5;

/// The matrix of a trial.
pub fn matrix(trial: &Trial) -> Result<Mat<f64>> {
    let side = trial.side;
    let n = side * side;
    let place = |i: usize| [(i / side) as f64, (i % side) as f64];
    let shift = |i: usize, j: usize| {
        let (p, q) = (place(i), place(j));
        [p[0] - q[0], p[1] - q[1]]
    };
    let blur = |kernel: &dyn Fn([f64; 2]) -> f64| Mat::from_fn(n, n, |i, j| kernel(shift(i, j)));
    Ok(match trial.family {
        Family::Random => gaussian(n, n, trial.seed, "separation rank random"),
        Family::SmoothKernel => {
            let scale = 4.0 / side as f64; // distances in quarters of the square's side
            blur(&|[y, x]| 1.0 / (1.0 + scale * scale * (x * x + y * y)))
        }
        Family::BlockStructured => blocks(side, trial.seed),
        Family::BlurGaussian => blur(&|[y, x]| (-0.5 * (x * x + y * y) / (SIGMA * SIGMA)).exp()),
        Family::BlurMotion => blur(&|[y, x]| if x == y && x.abs() <= MOTION as f64 { 1.0 } else { 0.0 }),
        Family::BlurDisk => blur(&|[y, x]| if x.hypot(y) <= DISK { 1.0 } else { 0.0 }),
        Family::Weights => {
            let Some((file, name)) = trial.weights.split_once(':') else {
                bail!("`{}` is not of the form FILE:TENSOR", trial.weights);
            };
            open(file)?.matrix(name)?
        }
    })
}

/// (side, side) blocks, each one of a few Gaussian ones at random, and noise.
fn blocks(side: usize, seed: u64) -> Mat<f64> {
    let kinds: Vec<Mat<f64>> = (0..BLOCKS as u64)
        .map(|k| gaussian(side, side, BLOCKS as u64 * seed + k, "separation rank block"))
        .collect();
    let mut draws = vec![0.0_f64; side * side];
    fill_gaussian(&mut stream(seed, "separation rank kinds", 0), &mut draws);
    // Quarters of a Gaussian.
    let kind = |x: f64| usize::from(x > 0.0) + 2 * usize::from(x.abs() > 0.6745);
    let n = side * side;
    let noise: Mat<f64> = gaussian(n, n, seed, "separation rank noise");
    Mat::from_fn(n, n, |i, j| {
        let block = &kinds[kind(draws[i / side * side + j / side])];
        block[(i % side, j % side)] + NOISE * noise[(i, j)]
    })
}

/// Sizes of d factors of `n`, as equal as they get, smaller ones first.
pub fn factors(n: usize, d: usize) -> Vec<usize> {
    if d <= 1 {
        return vec![n];
    }
    let wished = (n as f64).powf(1.0 / d as f64);
    let far = |p: usize| (p as f64 / wished).ln().abs();
    let mut best = 1;
    for p in (1..=n).filter(|p| n.is_multiple_of(*p)) {
        if far(p) < far(best) - 1e-12 {
            best = p;
        }
    }
    let mut rest = factors(n / best, d - 1);
    rest.push(best);
    rest.sort_unstable();
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_as_equal_as_they_get() {
        for (n, d, expected) in [
            (256, 2, vec![16, 16]),
            (256, 3, vec![4, 8, 8]),
            (256, 4, vec![4; 4]),
            (384, 2, vec![16, 24]),
            (384, 3, vec![6, 8, 8]),
            (384, 4, vec![4, 4, 4, 6]),
            (7, 2, vec![1, 7]),
            (1, 3, vec![1; 3]),
        ] {
            assert_eq!(factors(n, d), expected, "{n} {d}");
        }
    }
}
