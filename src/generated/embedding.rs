//! Random embeddings: low-rank factors and tensor trains with a verified entrywise error.
//!
//! - Problem: A (n1, m) and B (n2, m) with m large are given; find factors of rank r with
//!   |A B' - U V'|_max <= eps |A|_{2,inf} |B|_{2,inf}, |A|_{2,inf} being the largest norm of a row.
//!   For a CP tensor of factors A_1, ..., A_d (n_k, m): a tensor train of ranks r.
//! - Method: U V' = (A R)(B R)' with R Gaussian / sqrt(r) (Budzinskiy, "When big data actually are
//!   low-rank", theorem 1.3); the train A_1 R_1; sum_a R_1(a, .) A_2(j, a) R_2(a, .); ...;
//!   R_{d-1}' A_d' (theorem 6.1). The error is computed tile by tile, and R is drawn anew until it
//!   meets eps or the draws are used up; the best draw is returned.
//! - Cost of a draw: 2 (n1 + n2) m r flops, and 2 n1 n2 (m + r) to verify; of a train,
//!   2 n m r^2 a middle core, and 2 (n_1 ... n_d)(m + r) to verify. The product is never stored.
//! - Guarantee: the reported error is that of the returned factors, computed from the residual. A
//!   draw is unbiased. Met with positive probability for r >= c eps^-2 log(2 e n1 n2), c about 2 to
//!   4 in practice ([`crate::entrywise::rank_bounds`]).
//! - Deviations: none.

use super::points::stream;
use super::{check_finite, check_size};
use crate::matrix::AsMatrix;
use crate::{Error, LowRank, Result, Scalar, Status, TensorTrain};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use ndarray::Array3;
use rand::RngExt;
use rand_distr::StandardNormal;
use rayon::prelude::*;

/// Parameters of [`random_embedding`] and [`tensor_embedding`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EmbeddingParameters {
    /// The rank r; 0 gives factors without columns. It may exceed the sizes of the matrix.
    pub rank: usize,
    /// Target eps, relative to the product of the |A_k|_{2,inf}; infinite (the default) accepts the
    /// first draw.
    pub tolerance: f64,
    /// How many times R is drawn anew when the target is missed (20 by default).
    pub redraws: usize,
    /// The seed.
    pub seed: u64,
}

impl Default for EmbeddingParameters {
    fn default() -> Self {
        Self { rank: 32, tolerance: f64::INFINITY, redraws: 20, seed: 0 }
    }
}

/// Factors of a random embedding and their verified error.
#[derive(Debug, Clone)]
pub struct Embedding<X> {
    /// The best factors drawn.
    pub factors: X,
    /// Their largest entrywise error (absolute).
    pub error: f64,
    /// The product of the |A_k|_{2,inf}.
    pub scale: f64,
    /// How many draws were made.
    pub draws: usize,
    /// [`Status::Converged`] where error <= tolerance * scale, else [`Status::IterationLimit`].
    pub status: Status,
}

impl<X> Embedding<X> {
    /// error / scale, to be compared with the tolerance; 0 for a scale of 0.
    pub fn relative_error(&self) -> f64 {
        if self.scale > 0.0 { self.error / self.scale } else { 0.0 }
    }
}

/// Embeds A B', with A = `a` (n1, m) and B = `b` (n2, m), into rank `parameters.rank`.
///
/// # Errors
/// [`Error::Shape`] where the numbers of columns differ; [`Error::NonFinite`];
/// [`Error::Parameter`] for a tolerance that is negative or NaN, or row norms that overflow;
/// [`Error::TooLarge`].
pub fn random_embedding<T: Scalar>(
    a: impl AsMatrix<T>,
    b: impl AsMatrix<T>,
    parameters: &EmbeddingParameters,
) -> Result<Embedding<LowRank<T>>> {
    let (a, b) = (a.as_matrix(), b.as_matrix());
    let (rank, m) = (parameters.rank, a.ncols());
    let scale = check(&[a, b], parameters)?;
    check_size::<T>("the factors of the embedding", &[a.nrows().max(b.nrows()).max(m), rank])?;
    best_of(parameters, scale, |draw| {
        let r = gaussian::<T>(m, rank, parameters.seed, 0, draw); // (m, rank)
        let factors = LowRank { u: a * &r, v: b * &r };
        let error = max_difference(a, b, factors.u.as_ref(), factors.v.as_ref());
        Ok((factors, error))
    })
}

/// Embeds the CP tensor of the factors `factors` (n_k, m), of order 2 or more, into a tensor train
/// of ranks `parameters.rank`.
///
/// # Errors
/// Those of [`random_embedding`], and [`Error::Parameter`] for fewer than two factors.
pub fn tensor_embedding<T: Scalar>(
    factors: &[impl AsMatrix<T>],
    parameters: &EmbeddingParameters,
) -> Result<Embedding<TensorTrain<T>>> {
    let views: Vec<_> = factors.iter().map(|a| a.as_matrix()).collect();
    embed_tensor(&views, parameters)
}

fn embed_tensor<T: Scalar>(
    factors: &[MatRef<'_, T>],
    parameters: &EmbeddingParameters,
) -> Result<Embedding<TensorTrain<T>>> {
    let order = factors.len();
    if order < 2 {
        return Err(Error::Parameter {
            name: "factors",
            value: format!("({order} factors)"),
            remedy: "pass two factors at least",
        });
    }
    let (rank, m) = (parameters.rank, factors[0].ncols());
    let scale = check(factors, parameters)?;
    let largest = factors.iter().map(|a| a.nrows()).max().unwrap_or(0);
    check_size::<T>("a core of the embedding", &[rank, largest.max(1), rank])?;
    check_size::<T>("a random matrix of the embedding", &[m, rank])?;
    best_of(parameters, scale, |draw| {
        let random: Vec<Mat<T>> =
            (1..order).map(|bond| gaussian(m, rank, parameters.seed, bond, draw)).collect();
        let first = factors[0] * &random[0]; // (n_1, rank)
        let last = factors[order - 1] * &random[order - 2]; // (n_d, rank)
        // slices[k][j]: core k + 2 at index j, (rank, rank)
        let slices: Vec<Vec<Mat<T>>> = (1..order - 1)
            .map(|k| {
                let (left, right) = (&random[k - 1], &random[k]);
                let slice = |j| {
                    let scaled = Mat::from_fn(rank, m, |s, a| left[(a, s)] * factors[k][(j, a)]);
                    product(scaled.as_ref(), right.as_ref())
                };
                (0..factors[k].nrows()).into_par_iter().map(slice).collect()
            })
            .collect();
        let error = max_train_difference(factors, &first, &slices, &last);
        let mut cores = vec![Array3::from_shape_fn((1, first.nrows(), rank), |(_, j, s)| first[(j, s)])];
        cores.extend(
            slices.iter().map(|slices| {
                Array3::from_shape_fn((rank, slices.len(), rank), |(s, j, t)| slices[j][(s, t)])
            }),
        );
        cores.push(Array3::from_shape_fn((rank, last.nrows(), 1), |(s, j, _)| last[(j, s)]));
        Ok((TensorTrain::new(cores)?, error))
    })
}

/// Checks the arguments; gives the product of the |A_k|_{2,inf}.
fn check<T: Scalar>(factors: &[MatRef<'_, T>], parameters: &EmbeddingParameters) -> Result<f64> {
    if parameters.tolerance.is_nan() || parameters.tolerance < 0.0 {
        return Err(Error::Parameter {
            name: "tolerance",
            value: parameters.tolerance.to_string(),
            remedy: "pass a nonnegative number, or infinity to accept the first draw",
        });
    }
    let m = factors[0].ncols();
    let mut scale = 1.0;
    for a in factors {
        if a.ncols() != m {
            return Err(Error::Shape {
                argument: "factors",
                expected: format!("{m} columns are needed, as in the first factor"),
                found: vec![a.nrows(), a.ncols()],
            });
        }
        check_finite("factors", *a)?;
        let norm = |i| (0..m).map(|k| a[(i, k)].as_f64().powi(2)).sum::<f64>().sqrt();
        scale *= (0..a.nrows()).map(norm).fold(0.0, f64::max);
    }
    if !T::of(scale).as_f64().is_finite() {
        return Err(Error::Parameter {
            name: "factors",
            value: format!("(product of the largest row norms {scale:e})"),
            remedy: "scale the factors down: their product overflows",
        });
    }
    Ok(scale)
}

/// Draws until the target is met; keeps the best.
fn best_of<X>(
    parameters: &EmbeddingParameters,
    scale: f64,
    mut draw: impl FnMut(u64) -> Result<(X, f64)>,
) -> Result<Embedding<X>> {
    let (mut factors, mut error) = draw(0)?;
    let met = |error: f64| error <= parameters.tolerance * scale || parameters.tolerance == f64::INFINITY;
    let mut draws = 1;
    while !met(error) && draws <= parameters.redraws {
        let (next, its) = draw(draws as u64)?;
        draws += 1;
        if its < error {
            (factors, error) = (next, its);
        }
    }
    let status = if met(error) { Status::Converged } else { Status::IterationLimit };
    Ok(Embedding { factors, error, scale, draws, status })
}

/// Gaussian / sqrt(rank), (m, rank).
fn gaussian<T: Scalar>(m: usize, rank: usize, seed: u64, bond: usize, draw: u64) -> Mat<T> {
    let mut generator = stream(seed, &format!("embedding at bond {bond}"), draw);
    let mut r = Mat::zeros(m, rank);
    for s in 0..rank {
        for a in 0..m {
            r[(a, s)] = T::of(generator.sample::<f64, _>(StandardNormal) / (rank as f64).sqrt());
        }
    }
    r
}

fn product<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> Mat<T> {
    let mut c = Mat::zeros(a.nrows(), b.ncols());
    matmul(c.as_mut(), Accum::Replace, a, b, T::of(1.0), Par::Seq);
    c
}

/// max |A B' - U V'|, tile by tile; NaN counts as infinite.
fn max_difference<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>, u: MatRef<'_, T>, v: MatRef<'_, T>) -> f64 {
    const SIDE: usize = 256;
    let (n1, n2) = (a.nrows(), b.nrows());
    let of_columns = |start: usize| {
        let width = SIDE.min(n2 - start);
        let mut tile = vec![T::of(0.0); SIDE.min(n1) * width];
        let mut largest = 0.0_f64;
        for top in (0..n1).step_by(SIDE) {
            let height = SIDE.min(n1 - top);
            let tile = &mut tile[..height * width];
            let mut out = MatMut::from_column_major_slice_mut(&mut *tile, height, width);
            let rows = |x: MatRef<'_, T>| Mat::from_fn(height, x.ncols(), |i, k| x[(top + i, k)]);
            let cols = |x: MatRef<'_, T>| Mat::from_fn(x.ncols(), width, |k, j| x[(start + j, k)]);
            let (one, minus) = (T::of(1.0), T::of(-1.0));
            matmul(out.as_mut(), Accum::Replace, &rows(a), &cols(b), one, Par::Seq);
            matmul(out, Accum::Add, &rows(u), &cols(v), minus, Par::Seq);
            for x in tile {
                let size = x.as_f64().abs();
                largest = if size.is_nan() { f64::INFINITY } else { largest.max(size) };
            }
        }
        largest
    };
    let starts: Vec<usize> = (0..n2).step_by(SIDE).collect();
    starts.into_par_iter().map(of_columns).reduce(|| 0.0, f64::max)
}

/// The largest entry of the CP tensor minus the train: a matrix (n_1, n_d) for each index of the
/// modes between.
fn max_train_difference<T: Scalar>(
    factors: &[MatRef<'_, T>],
    first: &Mat<T>,
    slices: &[Vec<Mat<T>>],
    last: &Mat<T>,
) -> f64 {
    let middle: usize = slices.iter().map(Vec::len).product();
    let order = factors.len();
    let of_middle = |index: usize| {
        let mut rest = index;
        let mut weights = vec![T::of(1.0); factors[0].ncols()];
        let mut train = first.clone(); // (n_1, rank)
        for (k, slices) in slices.iter().enumerate() {
            let j = rest % slices.len();
            rest /= slices.len();
            weights.iter_mut().enumerate().for_each(|(a, w)| *w *= factors[k + 1][(j, a)]);
            train = product(train.as_ref(), slices[j].as_ref());
        }
        let cp = Mat::from_fn(factors[0].nrows(), weights.len(), |i, a| factors[0][(i, a)] * weights[a]);
        max_difference(cp.as_ref(), factors[order - 1], train.as_ref(), last.as_ref())
    };
    (0..middle).into_par_iter().map(of_middle).reduce(|| 0.0, f64::max)
}
