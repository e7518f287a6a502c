//! Where a search starts: factors of the scaled F.

use super::Start;
use super::cores::Cores;
use super::source::Source;
use crate::matrix::{check_finite, check_finite_array};
use crate::tensor::train::{Truncation, tt_svd_whole};
use crate::{Error, LowRank, Result, Scalar, TensorEntries, TensorTrain, random, svd};
use faer::Mat;
use ndarray::{Array3, ArrayD};

/// The factors (m, rank) and (n, rank) that the search for a matrix starts from.
pub(crate) fn of_matrix<T: Scalar>(
    start: Start<LowRank<T>>,
    source: &Source<'_, T>,
    rank: usize,
    seed: u64,
) -> Result<Cores<T>> {
    let (m, n) = source.given_shape();
    Ok(match start {
        Start::Svd => {
            let parameters = svd::Randomized { seed, ..Default::default() };
            Cores::from_low_rank(&svd::randomized(&source.scaled(), rank, &parameters)?.into_low_rank())
        }
        Start::Random => Cores::from_low_rank(&random_factors(m, n, rank, seed)),
        Start::Warm(x) => scaled(Cores::from_low_rank(&warm_factors(x, m, n, rank)?), source),
    })
}

/// The cores that the search for a tensor train starts from.
pub(crate) fn of_tensor<T: Scalar>(
    start: Start<TensorTrain<T>>,
    f: &dyn TensorEntries<T>,
    source: &Source<'_, T>,
    shape: &[usize],
    rank: usize,
    seed: u64,
) -> Result<Cores<T>> {
    Ok(match start {
        Start::Svd => scaled(Cores::from_train(&svd_train(f, source, shape, rank, seed)?), source),
        Start::Random => {
            // The largest rank is 0 for empty tensors, whose trains have rank 1.
            let ranks: Vec<usize> = largest_ranks(shape).iter().map(|&r| r.min(rank).max(1)).collect();
            Cores::from_train(&TensorTrain::random(shape, &ranks, seed)?)
        }
        Start::Warm(x) => scaled(Cores::from_train(&warm_train(x, shape, rank)?), source),
    })
}

fn scaled<T: Scalar>(mut x: Cores<T>, source: &Source<'_, T>) -> Cores<T> {
    x.scale_by_power_of_two(source.exponent);
    x
}

/// The largest rank that the shape permits at each bond.
fn largest_ranks(shape: &[usize]) -> Vec<usize> {
    let product = |s: &[usize]| s.iter().fold(1usize, |p, &n| p.saturating_mul(n));
    (1..shape.len()).map(|k| product(&shape[..k]).min(product(&shape[k..]))).collect()
}

fn random_factors<T: Scalar>(m: usize, n: usize, rank: usize, seed: u64) -> LowRank<T> {
    let scaled = |rows, purpose| {
        let scale = T::of(1.0 / (rank.max(1) as f64).sqrt());
        let g: Mat<T> = random::gaussian(rows, rank, seed, purpose);
        Mat::from_fn(rows, rank, |i, j| g[(i, j)] * scale)
    };
    LowRank { u: scaled(m, "entrywise start, left"), v: scaled(n, "entrywise start, right") }
}

/// Warm factors, once they are known to fit.
fn warm_factors<T: Scalar>(x: LowRank<T>, m: usize, n: usize, rank: usize) -> Result<LowRank<T>> {
    if x.shape() != (m, n) || x.u.ncols() != x.v.ncols() || x.rank() > rank {
        let expected = format!("factors ({m}, r) and ({n}, r) with r <= {rank} are needed");
        let found = vec![x.u.nrows(), x.u.ncols(), x.v.nrows(), x.v.ncols()];
        return Err(Error::Shape { argument: "start", expected, found });
    }
    check_finite("start", x.u.as_ref())?;
    check_finite("start", x.v.as_ref())?;
    Ok(x)
}

fn warm_train<T: Scalar>(x: TensorTrain<T>, shape: &[usize], rank: usize) -> Result<TensorTrain<T>> {
    if x.shape() != shape || x.ranks().iter().any(|&r| r > rank) {
        let expected = format!("a train of shape {shape:?} and ranks of at most {rank} is needed");
        return Err(Error::Shape { argument: "start", expected, found: x.shape() });
    }
    for core in x.cores() {
        check_finite_array("start", core.view().into_dyn())?;
    }
    Ok(x)
}

/// TT-SVD, on a dense copy where that is not too large.
fn svd_train<T: Scalar>(
    f: &dyn TensorEntries<T>,
    source: &Source<'_, T>,
    shape: &[usize],
    rank: usize,
    seed: u64,
) -> Result<TensorTrain<T>> {
    const LARGEST_COPY: usize = 1 << 27;
    if shape.len() == 2 || source.np * source.nq <= LARGEST_COPY || source.columns().is_some() {
        let a = ArrayD::from_shape_vec(shape, source.row_major()?).expect("as many entries");
        let mut train = Cores::from_train(&tt_svd_whole(a.view(), Truncation::rank(rank))?.train);
        train.scale_by_power_of_two(-source.exponent);
        return train.to_train();
    }
    // Core 1 from the first unfolding, never stored; the rest is small.
    let first = f.unfolding(1)?;
    let r = rank.min(first.nrows()).min(first.ncols());
    let svd = svd::randomized(&*first, r, &svd::Randomized { seed, ..Default::default() })?;
    let rest: usize = first.ncols();
    let carried: Vec<T> = (0..r * rest).map(|k| svd.s[k / rest] * svd.v[(k % rest, k / rest)]).collect();
    let mut shape_after = shape[1..].to_vec();
    shape_after[0] *= r;
    let carried = ArrayD::from_shape_vec(shape_after, carried).expect("as many entries");
    let mut cores = vec![Array3::from_shape_fn((1, shape[0], r), |(_, i, k)| svd.u[(i, k)])];
    for (k, core) in
        tt_svd_whole(carried.view(), Truncation::rank(rank))?.train.into_cores().into_iter().enumerate()
    {
        let (l, n, after) = core.dim();
        let dim = if k == 0 { (r, shape[1], after) } else { (l, n, after) };
        cores.push(core.into_shape_with_order(dim).expect("same number of entries"));
    }
    TensorTrain::new(cores)
}
