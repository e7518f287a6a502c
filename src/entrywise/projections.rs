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

use super::cores::{Cores, multiply, transpose};
use super::descent::Found;
use super::monitor::Monitor;
use super::source::Source;
use crate::matrix::{exponent, max_norm, scaled};
use crate::svd::{self, Randomized};
use crate::tensor::train::{RandomizedTt, Truncation, tt_svd_randomized, tt_svd_whole};
use crate::{Error, Result, Scalar, Status};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use ndarray::ArrayViewD;
use pulp::Arch;
use rayon::prelude::*;

/// How alternating projections project onto matrices of rank r (tensor trains of ranks r).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Projector {
    /// Truncated SVD, TT-SVD.
    Full,
    /// Randomized SVD, TT-SVD: oversampling 5, one power step.
    #[default]
    Randomized,
    /// One block power step a bond, warm-started with the factors of the iterate.
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

impl AlternatingProjections {
    /// # Errors
    /// [`Error::Parameter`] for a constant that would make the search endless or senseless.
    pub(crate) fn check(&self) -> Result<()> {
        for (name, value) in [("gap", self.gap), ("progress", self.progress)] {
            if !(value > 0.0 && value < 1.0) {
                let remedy = "take a number between 0 and 1";
                return Err(Error::Parameter { name, value: value.to_string(), remedy });
            }
        }
        Ok(())
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
    let mut y = source.zeros()?;
    let mut x = start;
    let mut error = clip(source, &x, T::infinity(), &mut y);
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
        clip(source, &x, T::of(eps), &mut y);
        loop {
            let seed = seed.wrapping_add(monitor.iterations as u64);
            x = project(source, shape, &y, &x, rank, constants.projector, seed)?;
            error = clip(source, &x, T::of(eps), &mut y); // for the next step, should it keep the level
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

/// y = F + clip(X - F, -eps, eps) (np, nq), column by column, as the source is seen; |F - X|_max.
fn clip<T: Scalar>(source: &Source<'_, T>, x: &Cores<T>, eps: T, y: &mut [T]) -> T {
    const COLS: usize = 64;
    const ROWS: usize = 512;
    let cut = x.cheapest_cut();
    let faces = x.interfaces(cut);
    let (p, q) = if source.transposed { (faces.q(), faces.p()) } else { (faces.p(), faces.q()) };
    let (np, r) = (source.np, x.rank(cut));
    let p = MatRef::from_row_major_slice(p, np, r);
    let q = MatRef::from_row_major_slice(q, source.nq, r);
    let largest = y.par_chunks_mut(COLS * np).enumerate().map(|(b, y)| {
        let cols = COLS * b..COLS * b + y.len() / np;
        let q = q.subrows(cols.start, cols.len()).transpose();
        let mut buffer = Vec::new();
        let mut largest = [T::of(0.0); LANES];
        for i in (0..np).step_by(ROWS) {
            let rows = i..(i + ROWS).min(np);
            if source.columns().is_none() {
                buffer.resize(rows.len() * cols.len(), T::of(0.0));
                source.tile(rows.clone(), cols.clone(), &mut buffer);
            }
            let block = MatMut::from_column_major_slice_mut(&mut *y, np, cols.len());
            let block = block.subrows_mut(rows.start, rows.len());
            matmul(block, Accum::Replace, p.subrows(rows.start, rows.len()), q, T::of(1.0), Par::Seq);
            for (j, y) in y.chunks_exact_mut(np).enumerate() {
                let f = match source.columns() {
                    Some(columns) => &columns[cols.start + j][rows.clone()],
                    None => &buffer[j * rows.len()..][..rows.len()],
                };
                Arch::new().dispatch(|| clip_column(&mut y[rows.clone()], f, eps, &mut largest));
            }
        }
        largest.into_iter().fold(T::of(0.0), larger)
    });
    largest.reduce(|| T::of(0.0), larger)
}

/// Running maxima kept side by side, so that they fill the registers of any machine.
const LANES: usize = 16;

fn larger<T: Scalar>(a: T, b: T) -> T {
    if b > a { b } else { a }
}

/// y = f + clip(y - f, -eps, eps); `largest` takes in |y - f|.
#[inline(always)]
fn clip_column<T: Scalar>(y: &mut [T], f: &[T], eps: T, largest: &mut [T; LANES]) {
    for (y, f) in y.chunks_mut(LANES).zip(f.chunks(LANES)) {
        for ((y, &f), largest) in y.iter_mut().zip(f).zip(largest.iter_mut()) {
            let d = *y - f;
            *largest = larger(*largest, num_traits::Float::abs(d));
            let d = if d > eps { eps } else { d };
            *y = f + if d < -eps { -eps } else { d };
        }
    }
}

/// P_r(y): the cores of a nearly best approximation of rank r in the Frobenius norm.
fn project<T: Scalar>(
    source: &Source<'_, T>,
    shape: &[usize],
    y: &[T],
    x: &Cores<T>,
    rank: usize,
    projector: Projector,
    seed: u64,
) -> Result<Cores<T>> {
    if shape.len() > 2 {
        let flat = if source.transposed { y } else { &transpose(y, source.nq, source.np) };
        return project_tensor(shape, flat, x, rank, projector, seed);
    }
    let y = MatRef::from_column_major_slice(y, source.np, source.nq);
    let y = if source.transposed { y.transpose() } else { y };
    let x = match projector {
        Projector::Full => svd::dense(y)?.truncate(rank).into_low_rank(),
        Projector::Randomized => {
            let parameters = Randomized { oversampling: 5, power_iterations: 1, seed, ..Default::default() };
            svd::randomized(&y, rank, &parameters)?.into_low_rank()
        }
        Projector::BlockPower => return block_power(shape, y, x),
    };
    Ok(Cores::from_low_rank(&x))
}

/// TT-SVD of the tensor with the row-major entries `flat`.
fn project_tensor<T: Scalar>(
    shape: &[usize],
    flat: &[T],
    x: &Cores<T>,
    rank: usize,
    projector: Projector,
    seed: u64,
) -> Result<Cores<T>> {
    let y = ArrayViewD::from_shape(shape, flat).expect("as many entries as the tensor has");
    let train = match projector {
        Projector::Full => tt_svd_whole(y, Truncation::rank(rank))?.train,
        Projector::Randomized => {
            let ranks = vec![rank; shape.len() - 1];
            let parameters = RandomizedTt { oversampling: 5, power_iterations: 1, seed };
            tt_svd_randomized(y, &ranks, parameters)?.train
        }
        Projector::BlockPower => {
            let rest = flat.len() / shape[0].max(1);
            return block_power(shape, MatRef::from_row_major_slice(flat, shape[0], rest), x);
        }
    };
    Ok(Cores::from_train(&train))
}

/// One sweep over the bonds of the tensor `y`, given by its first unfolding: each basis of
/// columns is that of the remainder times the right interface of `x`.
fn block_power<T: Scalar>(shape: &[usize], y: MatRef<'_, T>, x: &Cores<T>) -> Result<Cores<T>> {
    let mut out = Cores { shapes: Vec::new(), data: Vec::new() };
    let faces = x.interfaces(1);
    let mut carried: Vec<T> = Vec::new(); // (l n, rest), row-major
    let mut l = 1;
    for (k, &n) in shape[..shape.len() - 1].iter().enumerate() {
        let r = x.shapes[k].2;
        let rest = shape[k + 1..].iter().product();
        let c = if k == 0 { y } else { MatRef::from_row_major_slice(&carried, l * n, rest) };
        let v = MatRef::from_row_major_slice(faces.right(k + 1), rest, r);
        let v = scaled(v, -exponent(T::of(max_norm(v)))); // a basis: its scale does not matter
        let cv = multiply(c, v.as_ref());
        let u = svd::orthonormal_basis(MatRef::from_row_major_slice(&cv, l * n, r))?; // (l n, min(l n, r))
        let r = u.ncols();
        let next = multiply(u.transpose(), c);
        out.shapes.push((l, n, r));
        out.data.push((0..l * n * r).map(|k| u[(k / r, k % r)]).collect());
        (carried, l) = (next, r);
    }
    out.shapes.push((l, shape[shape.len() - 1], 1));
    out.data.push(carried);
    Ok(out)
}
