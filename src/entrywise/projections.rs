//! Alternating projections with binary search: the reference method.
//!
//! Problem: as in `descent`.
//! Method: Budzinskiy, Quasioptimal alternating projections and their use in low-rank
//! approximation of matrices and tensors (2023), section 7.5, by the rules of the author's
//! program: for a level eps half-way between lo and hi, X is clipped into the max-norm ball of
//! radius eps around F and projected back to rank r (TT-SVD for tensors) while that lowers the
//! error to under 0.999 of the last error that passed this test, be it at an earlier level; hi is
//! the best error ever seen; when the level was missed by over 2/3 of the gap between lo and hi
//! at its start, lo rises by a fiftieth of that gap; the end is hi - lo < hi / 100. Iterates are carried
//! from one level to the next.
//! Cost: a few hundred projections of a dense matrix, O(n1 n2 r) each with a randomized
//! projector, O(n1 n2 min(n1, n2)) with the full one; memory of one dense copy of F.
//! Guarantee: none beyond the start; `lo` is no lower bound of anything.
//! Deviations: the best factors seen are returned, not the last ones.

use super::cores::Cores;
use super::descent::Found;
use super::monitor::Monitor;
use super::source::{Source, flatten};
use crate::matrix::{exponent, max_norm, scaled};
use crate::svd::{self, Randomized};
use crate::tensor::train::{RandomizedTt, Truncation, tt_svd, tt_svd_randomized};
use crate::{LowRank, Result, Scalar, Status};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use ndarray::ArrayViewD;
use rayon::prelude::*;

/// How alternating projections project onto matrices of rank r (tensor trains of ranks r).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Projector {
    /// Truncated SVD, TT-SVD.
    Full,
    /// Randomized SVD, TT-SVD: oversampling 5, one power step.
    #[default]
    Randomized,
    /// One block power step, warm-started with the factors of the iterate. For tensors, as
    /// `Randomized` without a power step.
    BlockPower,
}

/// Constants of the alternating projections; the defaults are the author's.
#[derive(Debug, Clone)]
pub struct AlternatingProjections {
    /// How to project.
    pub projector: Projector,
    /// The search ends when hi - lo is under this part of hi.
    pub gap: f64,
    /// A level is left when a step lowers the error by less than this part of it.
    pub progress: f64,
}

impl Default for AlternatingProjections {
    fn default() -> Self {
        Self { projector: Projector::default(), gap: 1e-2, progress: 1e-3 }
    }
}

/// Runs from `start`; `shape` is that of the tensor (two sizes for a matrix).
pub(crate) fn alternate<T: Scalar>(
    source: &Source<'_, T>,
    shape: &[usize],
    start: Cores<T>,
    floor: T,
    constants: &AlternatingProjections,
    seed: u64,
    monitor: &mut Monitor<'_>,
) -> Result<Found<T>> {
    let rank = start.shapes.iter().map(|c| c.2).max().unwrap_or(0);
    let mut y = Mat::<T>::zeros(source.np, source.nq);
    let mut x = start;
    let mut error = expand(source, &x, &mut y);
    let mut best = Found { cores: x.clone(), error, status: Status::Converged };
    monitor.started(error.as_f64());
    if error > floor
        && let Some(status) = monitor.no_step()
    {
        best.status = status;
        return Ok(best);
    }
    let (mut lo, mut hi) = (0.0, error.as_f64());
    let mut reference = hi; // the last error that counted as progress
    while hi - lo >= constants.gap * hi && best.error > floor {
        let gap = hi - lo;
        let eps = lo + 0.5 * gap;
        loop {
            clip(source, &mut y, T::of(eps));
            let seed = seed.wrapping_add(monitor.iterations as u64);
            x = project(source, shape, &y, &x, rank, constants.projector, seed)?;
            error = expand(source, &x, &mut y);
            if error < best.error && x.interfaces(x.cheapest_cut()).product_is_finite() {
                (best.error, best.cores) = (error, x.clone());
            }
            hi = best.error.as_f64();
            if let Some(status) = monitor.step(hi) {
                best.status = status;
                return Ok(best);
            }
            if best.error <= floor {
                break;
            }
            let error = error.as_f64();
            if error <= (1.0 - constants.progress) * reference {
                reference = error;
                continue;
            }
            if !(error <= lo + 2.0 / 3.0 * gap) {
                lo += 0.02 * gap;
            }
            break;
        }
    }
    Ok(best)
}

/// Writes X to `y` (np, nq), as the source is seen; |F - X|_max.
fn expand<T: Scalar>(source: &Source<'_, T>, x: &Cores<T>, y: &mut Mat<T>) -> T {
    let cut = x.cheapest_cut();
    let faces = x.interfaces(cut);
    let (p, q) = if source.transposed { (faces.q(), faces.p()) } else { (faces.p(), faces.q()) };
    let r = x.rank(cut);
    let p = MatRef::from_row_major_slice(p, source.np, r);
    let q = MatRef::from_row_major_slice(q, source.nq, r);
    blocks(source, y, |mut block, f, first| {
        let q = q.subrows(first, block.ncols()).transpose();
        matmul(block.as_mut(), Accum::Replace, p, q, T::of(1.0), Par::Seq);
        let mut largest = T::of(0.0);
        for (j, f) in f.chunks_exact(source.np.max(1)).enumerate() {
            for (&mut y, &f) in column(&mut block, j).iter_mut().zip(f) {
                let d = num_traits::Float::abs(y - f);
                largest = if d > largest { d } else { largest };
            }
        }
        largest
    })
}

/// y = F + clip(y - F, -eps, eps).
fn clip<T: Scalar>(source: &Source<'_, T>, y: &mut Mat<T>, eps: T) {
    blocks(source, y, |mut block, f, _| {
        for (j, f) in f.chunks_exact(source.np.max(1)).enumerate() {
            for (y, &f) in column(&mut block, j).iter_mut().zip(f) {
                let d = *y - f;
                let d = if d > eps { eps } else { d };
                *y = f + if d < -eps { -eps } else { d };
            }
        }
        T::of(0.0)
    });
}

fn column<'a, T: Scalar>(block: &'a mut MatMut<'_, T>, j: usize) -> &'a mut [T] {
    block.as_mut().col_mut(j).try_as_col_major_mut().expect("columns are contiguous").as_slice_mut()
}

/// Calls `work` with each block of columns of `y`, those of F and the first one's number; the
/// largest value returned.
fn blocks<T: Scalar>(
    source: &Source<'_, T>,
    y: &mut Mat<T>,
    work: impl Fn(MatMut<'_, T>, &[T], usize) -> T + Sync,
) -> T {
    const WIDTH: usize = 64;
    let largest = y.par_col_chunks_mut(WIDTH).enumerate().map(|(b, block)| {
        let cols = WIDTH * b..WIDTH * b + block.ncols();
        let mut f = vec![T::of(0.0); source.np * cols.len()];
        source.tile(0..source.np, cols.clone(), &mut f);
        work(block, &f, cols.start)
    });
    largest.reduce(|| T::of(0.0), |a, b| if b > a { b } else { a })
}

/// P_r(y): the cores of a nearly best approximation of rank r in the Frobenius norm.
fn project<T: Scalar>(
    source: &Source<'_, T>,
    shape: &[usize],
    y: &Mat<T>,
    x: &Cores<T>,
    rank: usize,
    projector: Projector,
    seed: u64,
) -> Result<Cores<T>> {
    if shape.len() > 2 {
        return project_tensor(shape, &flatten(y, source.transposed), rank, projector, seed);
    }
    let y = if source.transposed { y.transpose() } else { y.as_ref() };
    let x = match projector {
        Projector::Full => svd::dense(y)?.truncate(rank).into_low_rank(),
        Projector::Randomized => {
            let parameters = Randomized { oversampling: 5, power_iterations: 1, seed, start: None };
            svd::randomized(&y, rank, &parameters)?.into_low_rank()
        }
        Projector::BlockPower => {
            let v = x.to_low_rank().v;
            let v = scaled(v.as_ref(), -exponent(T::of(max_norm(v.as_ref()))));
            let u = svd::orthonormal_basis((y * &v).as_ref())?; // (m, rank)
            let v = y.transpose() * &u; // (n, rank)
            LowRank { u, v }
        }
    };
    Ok(Cores::from_low_rank(&x))
}

/// TT-SVD of the tensor with the row-major entries `flat`.
fn project_tensor<T: Scalar>(
    shape: &[usize],
    flat: &[T],
    rank: usize,
    projector: Projector,
    seed: u64,
) -> Result<Cores<T>> {
    let y = ArrayViewD::from_shape(shape, flat).expect("as many entries as the tensor has");
    let ranks = vec![rank; shape.len() - 1];
    let randomized = |oversampling, power_iterations| {
        tt_svd_randomized(y.view(), &ranks, RandomizedTt { oversampling, power_iterations, seed })
    };
    let train = match projector {
        Projector::Full => tt_svd(y.view(), Truncation::rank(rank))?.train,
        Projector::Randomized => randomized(5, 1)?.train,
        Projector::BlockPower => randomized(5, 0)?.train,
    };
    Ok(Cores::from_train(&train))
}
