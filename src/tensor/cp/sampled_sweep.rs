//! The steps of [`super::sampled`]: a start, and sweeps of least-squares problems that are sampled by
//! leverage scores.

use super::fibres::Fibres;
use super::sampled::Sampled;
use crate::matrix::frobenius;
use crate::random::{gaussian, stream};
use crate::separated::target::Terms;
use crate::svd::{self, Qr, qr};
use crate::{Result, Scalar};
use faer::Mat;
use rand::Rng;

/// A uniform number below n.
pub(super) fn below(rng: &mut impl Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

/// Most fibres that the start of a mode is made of.
const FIBRES: usize = 1024;

/// Random combinations of fibres, orthonormal as far as they are independent. No more are read than a mode
/// has.
pub(super) fn begin<T: Scalar>(a: &dyn Fibres<T>, parameters: &Sampled, e: i32) -> Result<Terms<T>> {
    let (shape, s) = (a.shape(), parameters.rank);
    let mut modes = Vec::new();
    for (mode, &n) in shape.iter().enumerate() {
        let mut rng = stream(parameters.seed, "fibres of the start", mode as u64);
        let others = shape.iter().enumerate().filter(|(j, _)| *j != mode).map(|(_, n)| *n);
        let count = parameters.samples.min(FIBRES).min(others.fold(1, usize::saturating_mul));
        let places: Vec<usize> =
            (0..count * shape.len()).map(|at| below(&mut rng, shape[at % shape.len()])).collect();
        let weights = gaussian::<T>(count, s, parameters.seed, &format!("start of mode {mode}"));
        let fibres = a.fibres(mode, &places, e)?; // (n, count)
        let mut sample = Mat::zeros(n, s);
        T::product(sample.as_mut(), false, fibres.as_ref(), weights.as_ref());
        let Qr { q, r } = qr(&sample)?;
        let top = (0..r.nrows()).fold(0.0, |top: f64, k| top.max(r[(k, k)].as_f64()));
        let rank = (0..r.nrows()).take_while(|&k| r[(k, k)].as_f64() > 1e4 * T::EPS * top).count();
        let column = |k: usize| if k < rank { q.col(k) } else { sample.col(k) };
        let other = gaussian::<T>(n, s, parameters.seed, &format!("other start of mode {mode}"));
        let norm = |k: usize| frobenius(column(k).as_mat());
        modes.push(Mat::from_fn(n, s, |i, k| match norm(k) {
            0.0 => other[(i, k)],
            norm => T::of(column(k)[i].as_f64() / norm),
        }));
    }
    Ok(Terms { lambda: vec![0.0; s], modes })
}

/// Updates every mode once.
pub(super) fn sweep<T: Scalar>(
    a: &dyn Fibres<T>,
    x: Terms<T>,
    parameters: &Sampled,
    e: i32,
    iteration: usize,
) -> Result<Terms<T>> {
    let Terms { mut lambda, mut modes } = x;
    let (d, s) = (modes.len(), lambda.len());
    let mut scores = modes.iter().map(leverage).collect::<Result<Vec<_>>>()?;
    for mode in 0..d {
        let index = (iteration * d + mode) as u64;
        let (places, weights) = draw(&scores, mode, parameters.samples, parameters.seed, index);
        let rows = weights.len();
        let product = |row: usize, k: usize| {
            let others = (0..d).filter(|&j| j != mode);
            others.fold(weights[row], |z, j| z * modes[j][(places[row * d + j], k)].as_f64())
        };
        let design = Mat::from_fn(rows, s, |row, k| T::of(product(row, k)));
        let mut fibres = a.fibres(mode, &places, e)?; // (n, rows)
        for (row, weight) in weights.iter().enumerate() {
            fibres.col_as_slice_mut(row).iter_mut().for_each(|x| *x = T::of(x.as_f64() * weight));
        }
        let Qr { q, r } = qr(&design)?; // (rows, k), (k, s)
        let mut projected = Mat::zeros(fibres.nrows(), q.ncols());
        T::product(projected.as_mut(), false, fibres.as_ref(), q.as_ref());
        // C = P (R^+)', with singular values below rounding errors taken as zero.
        let inner = svd::dense(&r)?;
        let top = inner.s.first().map_or(0.0, |s| s.as_f64());
        let kept = inner.s.iter().take_while(|x| x.as_f64() > 4.0 * s as f64 * T::EPS * top).count();
        let mut rotated = Mat::<T>::zeros(projected.nrows(), kept);
        T::product(rotated.as_mut(), false, projected.as_ref(), inner.u.subcols(0, kept));
        for k in 0..kept {
            let value = inner.s[k].as_f64();
            rotated.col_as_slice_mut(k).iter_mut().for_each(|x| *x = T::of(x.as_f64() / value));
        }
        let mut c = Mat::<T>::zeros(rotated.nrows(), s);
        T::product(c.as_mut(), false, rotated.as_ref(), inner.v.subcols(0, kept).transpose());
        for k in 0..s {
            lambda[k] = frobenius(c.col(k).as_mat());
            if lambda[k] > 0.0 {
                let out = modes[mode].col_as_slice_mut(k).iter_mut();
                out.zip(c.col_as_slice(k)).for_each(|(out, x)| *out = T::of(x.as_f64() / lambda[k]));
            }
        }
        scores[mode] = leverage(&modes[mode])?;
    }
    Ok(Terms { lambda, modes })
}

/// Sums of the leverage scores of the first rows of a factor, the last one 1.
fn leverage<T: Scalar>(mode: &Mat<T>) -> Result<Vec<f64>> {
    let Qr { q, r } = qr(mode)?;
    let inner = svd::dense(&r)?;
    let top = inner.s.first().map_or(0.0, |s| s.as_f64());
    let limit = mode.nrows() as f64 * T::EPS * top;
    let rank = inner.s.iter().take_while(|s| s.as_f64() > limit).count().max(1);
    let mut basis = Mat::<T>::zeros(mode.nrows(), rank);
    T::product(basis.as_mut(), false, q.as_ref(), inner.u.subcols(0, rank));
    let score = |i: usize| (0..rank).map(|k| basis[(i, k)].as_f64().powi(2)).sum::<f64>();
    let mut sums: Vec<f64> = (0..mode.nrows()).map(score).collect();
    (1..sums.len()).for_each(|i| sums[i] += sums[i - 1]);
    let total = sums.last().copied().unwrap_or(1.0);
    sums.iter_mut().for_each(|x| *x /= total);
    Ok(sums)
}

/// The places drawn (0 in `mode`), each once and in order, and the roots of their weights.
fn draw(scores: &[Vec<f64>], mode: usize, samples: usize, seed: u64, index: u64) -> (Vec<usize>, Vec<f64>) {
    let d = scores.len();
    let mut rng = stream(seed, "sampled fibres", index);
    let mut drawn: Vec<Vec<usize>> = Vec::with_capacity(samples);
    for _ in 0..samples {
        let row = |(j, sums): (usize, &Vec<f64>)| {
            if j == mode {
                return 0;
            }
            let u = (rng.next_u64() >> 11) as f64 / 2f64.powi(53);
            sums.partition_point(|sum| *sum <= u).min(sums.len() - 1)
        };
        drawn.push(scores.iter().enumerate().map(row).collect());
    }
    drawn.sort_unstable();
    let (mut places, mut weights) = (Vec::with_capacity(samples * d), Vec::new());
    for equal in drawn.chunk_by(|x, y| x == y) {
        let share = |(j, &i): (usize, &usize)| match (j == mode, i) {
            (true, _) => 1.0,
            (_, 0) => scores[j][0],
            (_, i) => scores[j][i] - scores[j][i - 1],
        };
        let probability: f64 = equal[0].iter().enumerate().map(share).product();
        places.extend(&equal[0]);
        weights.push((equal.len() as f64 / (samples as f64 * probability.max(f64::MIN_POSITIVE))).sqrt());
    }
    (places, weights)
}
