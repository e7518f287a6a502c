//! Truncated singular value decomposition to the last digits: block Lanczos bidiagonalization.
//!
//! **Problem.** A (m, n), stored, generated, sparse, or only applied to vectors, and a rank k: the
//! k leading singular triplets with |A v - s u| and |A'u - s v| at most t s_1, t near 1e-10.
//!
//! **Method.** Golub, Luk, Overton, "A block Lanczos method for computing the singular values and
//! corresponding singular vectors of a matrix", ACM Trans. Math. Softw. 7 (1981), with the thick
//! restarts of Baglama, Reichel, "Augmented implicitly restarted Lanczos bidiagonalization
//! methods", SIAM J. Sci. Comput. 27 (2005): orthonormal P and Q grow by blocks of b columns such
//! that A Q = P B and A'P = Q B' + W F with W the next block; from the SVD of the small B come
//! triplets, whose residuals are read off F. When the bases are full, the wanted triplets and half
//! of the others are kept. Both bases are orthogonalized in full, twice. Where nothing but
//! rounding errors is left of a block (a space that A leaves invariant: low rank, few distinct
//! singular values) it goes on with random directions.
//!
//! **Cost.** An iteration is a product with A and one with A', 2 m n b flops each, and
//! O((m + n) d b) for bases of d columns, at most `basis`; an SVD of (d, d) a restart. At the end
//! two products with k columns. Memory 2 (m + n) d numbers besides A. 2048 x 2048 with s_i = 1 / i
//! and k = 64 takes 16 iterations; `benches/peers/results.txt` has its time beside PROPACK's.
//!
//! **Guarantee.** [`Status::Converged`] says that both residuals of each triplet, measured with
//! the operator itself and for the very vectors returned, are at most t s_1; so each s is within
//! t s_1 of a singular value of A. The columns of U and V are orthonormal to 10 max(m, n) eps.
//! That they are the *leading* triplets is not proved, as for any Krylov method, but certain in
//! practice: the start is random, and a value that is found b times or more is suspected to have
//! more copies than a block of b columns can see: then the triplets are locked, and the search goes
//! on with a fresh random block until nothing changes. The result does not depend on the number
//! of threads.
//!
//! **Deviations.** The first block is multiplied by A'A (the shorter side: by A alone), which
//! rids it of the null space. Where the bases would have nearly 3/4 min(m, n) columns, b more
//! counted, the dense SVD is taken, which is cheaper then; its residuals are measured as well.

use super::bidiagonal::Search;
use super::residuals::both_residuals;
use super::source::Source;
use super::{Svd, dense};
use crate::matrix::{scale_by_power_of_two, slice_norm};
use crate::operator::stored_product;
use crate::{Error, Operator, Progress, Report, Result, Scalar, Status};
use faer::{Mat, MatRef};
use std::time::Instant;

/// Parameters of [`lanczos`].
#[derive(Debug, Clone)]
pub struct Lanczos {
    /// t: the residual allowed over s_1, in [0, 1]; 10 sqrt(max(m, n)) eps where it is less.
    pub tolerance: f64,
    /// Columns of a block, at least 1. Few columns need the fewest products with vectors; 8 to 16
    /// cost a stored matrix no more time than one, since it is read from memory once for all.
    pub block: usize,
    /// The most columns of a basis, at least rank + 2 block; `None` for 2 rank + 4 block.
    pub basis: Option<usize>,
    /// The most iterations, each a product with A and one with A'. More are taken while the bases
    /// have fewer columns than the rank.
    pub max_iterations: usize,
    /// Seed of the random directions.
    pub seed: u64,
}

impl Default for Lanczos {
    fn default() -> Self {
        Self { tolerance: 1e-10, block: 16, basis: None, max_iterations: 1000, seed: 0 }
    }
}

/// What [`lanczos`] found.
#[derive(Debug, Clone)]
pub struct LanczosSvd<T: Scalar> {
    /// The decomposition, of the rank asked.
    pub svd: Svd<T>,
    /// The larger of |A v - s u| and |A'u - s v| of each triplet, measured.
    pub residuals: Vec<f64>,
    /// How it went. `error` is the largest of the residuals, the history holds what was expected
    /// of it at each SVD of the small matrix. `Converged`: it is at most t s_1. `Stagnated`:
    /// rounding errors exceed what was expected.
    pub report: Report,
}

/// The `rank` leading singular triplets, to the tolerance.
///
/// Rank 0 gives empty factors. The matrix may be zero or of lower rank: the last singular values
/// are then zero, to rounding, and the vectors still orthonormal.
///
/// # Errors
/// [`Error::Rank`] when `rank` > min(m, n); [`Error::Parameter`] for a tolerance outside [0, 1], a
/// block of no columns, a basis of fewer than rank + 2 block; [`Error::TooLarge`] when the bases
/// exceed the address space; [`Error::NonFinite`] as for [`randomized`](super::randomized).
///
/// ```
/// use lowrank::{Status, random::with_spectrum, svd::{Lanczos, lanczos}};
/// let spectrum: Vec<f64> = (0..300).map(|i| 1.0 / (1.0 + i as f64)).collect();
/// let a = with_spectrum::<f64>(400, 300, &spectrum, 0);
/// let found = lanczos(&a, 10, &Lanczos::default())?;
/// assert_eq!(found.report.status, Status::Converged);
/// assert!(found.residuals.iter().all(|r| *r <= 1e-10));
/// assert!((found.svd.s[9] - 0.1).abs() < 1e-10);
/// # lowrank::Result::Ok(())
/// ```
pub fn lanczos<T: Scalar, K>(
    a: &(impl Operator<T, K> + ?Sized),
    rank: usize,
    parameters: &Lanczos,
) -> Result<LanczosSvd<T>> {
    let start = Instant::now();
    let (m, n) = a.shape();
    let limit = check::<T>(m, n, rank, parameters)?;
    let tolerance = parameters.tolerance.max(10.0 * (m.max(n) as f64).sqrt() * T::EPS);
    let mut source = Source::new(a)?;
    let mut history = Vec::new();
    let (svd, mut status, iterations) = if rank == 0 {
        (Svd { u: Mat::zeros(m, 0), s: Vec::new(), v: Mat::zeros(n, 0) }, Status::Converged, 0)
    } else if 4.0 * (limit as f64 + parameters.block as f64) >= 3.0 * m.min(n) as f64 {
        (source.dense()?.truncate(rank), Status::Converged, 0)
    } else {
        iterate(&mut source, rank, limit, tolerance, parameters, |iteration, error| {
            history.push(Progress { iteration, seconds: start.elapsed().as_secs_f64(), error })
        })?
    };
    let mut residuals = Vec::new();
    if rank > 0 {
        let av = source.first_product(svd.v.as_ref())?; // (m, rank)
        let both = both_residuals(&source, av.as_ref(), &svd)?;
        let allowed = tolerance * scale_by_power_of_two(svd.s[0], -source.shift()).as_f64();
        let worst = both.iter().flatten().fold(0.0, |x: f64, r| x.max(*r));
        if status == Status::Converged && worst > allowed {
            status = Status::Stagnated;
        }
        let back = |[left, right]: [f64; 2]| scale_by_power_of_two(left.max(right), source.shift());
        residuals = both.into_iter().map(back).collect();
    }
    let error = residuals.iter().fold(0.0, |x: f64, r| x.max(*r));
    let report = Report { status, iterations, error, history, seconds: start.elapsed().as_secs_f64() };
    Ok(LanczosSvd { svd, residuals, report })
}

/// Checks the parameters; gives the most columns of a basis.
fn check<T: Scalar>(m: usize, n: usize, rank: usize, p: &Lanczos) -> Result<usize> {
    let bad = |name, value: String, remedy| Err(Error::Parameter { name, value, remedy });
    if rank > m.min(n) {
        return Err(Error::Rank { rank, largest: m.min(n) });
    }
    if !(0.0..=1.0).contains(&p.tolerance) {
        return bad("tolerance", p.tolerance.to_string(), "pass a number between 0 and 1");
    }
    if p.block == 0 {
        return bad("block", "0".into(), "a block has at least one column");
    }
    let least = rank.saturating_add(p.block.saturating_mul(2));
    let limit = p.basis.unwrap_or(least.saturating_mul(2));
    if limit < least {
        return bad("basis", limit.to_string(), "at least rank + 2 block columns are needed");
    }
    let bytes = (m as f64 + n as f64) * limit.min(m.min(n)) as f64 * size_of::<T>() as f64;
    if rank > 0 && bytes > isize::MAX as f64 {
        return Err(Error::TooLarge { what: "the Lanczos bases", bytes, remedy: "ask for a smaller basis" });
    }
    Ok(limit)
}

/// The leading triplets, how it ended, and the number of iterations; `progress` is told them and
/// the error expected.
fn iterate<T: Scalar, K, O: Operator<T, K> + ?Sized>(
    source: &mut Source<'_, T, K, O>,
    rank: usize,
    limit: usize,
    tolerance: f64,
    parameters: &Lanczos,
    mut progress: impl FnMut(usize, f64),
) -> Result<(Svd<T>, Status, usize)> {
    let block = parameters.block;
    let mut search = Search::new(source, limit, block, parameters.seed)?;
    let mut wanted = rank; // and one more, once triplets are locked
    let mut locked: Option<Vec<T>> = None;
    let (mut iterations, mut next_check, mut before) = (0, 0, (0, 1.0));
    let (small, status) = loop {
        let coupling = search.step()?; // (block, block)
        iterations += 1;
        let full = search.known + block > limit;
        let last = iterations >= parameters.max_iterations && search.known >= rank;
        if !(full || last || iterations >= next_check && search.known >= wanted + 2 * block) {
            continue;
        }
        let small = dense(search.b.submatrix(0, 0, search.known, search.known))?;
        let largest = small.s[0].as_f64();
        let error = expected_residual(&small, coupling.as_ref(), wanted);
        progress(iterations, scale_by_power_of_two(error, search.source.shift()));
        let converged = error <= 0.5 * tolerance * largest;
        let s = &small.s[..rank];
        if converged && !copies_may_be_missing(s, locked.as_deref(), block, tolerance * largest) {
            break (small, Status::Converged);
        }
        if last {
            break (small, Status::IterationLimit);
        }
        if converged {
            (wanted, locked) = (rank + 1, Some(s.to_vec()));
            search.restart(&small, rank);
            search.forget_next()?;
            before = (iterations, 1.0);
        } else {
            let relative = error / largest;
            let slope = (before.1 / relative).ln() / (iterations - before.0) as f64;
            let steps = (relative / (0.5 * tolerance)).ln() / slope;
            next_check = iterations + if steps > 0.0 { steps.ceil() as usize } else { limit }.min(limit);
            before = (iterations, relative);
            if full {
                search.restart(&small, ((wanted + limit) / 2).min(limit - block));
            }
        }
    };
    Ok((search.triplets(&small, rank)?, status, iterations))
}

/// The largest residual of the first `wanted` triplets: columns of F times the last rows of P's
/// rotation.
fn expected_residual<T: Scalar>(small: &Svd<T>, coupling: MatRef<'_, T>, wanted: usize) -> f64 {
    let width = coupling.ncols();
    let wanted = wanted.min(small.rank());
    let last = small.u.submatrix(small.rank() - width, 0, width, wanted);
    let gaps = stored_product(coupling, last, false); // (block, wanted)
    (0..wanted).fold(0.0, |worst: f64, j| worst.max(slice_norm(gaps.col_as_slice(j))))
}

/// Whether a value above the last one was found as often as a block has columns, so that there may
/// be more copies of it; once triplets were locked, whether the search found others since.
fn copies_may_be_missing<T: Scalar>(s: &[T], locked: Option<&[T]>, block: usize, slack: f64) -> bool {
    let apart = |x: T, y: T| (x - y).as_f64() > slack;
    match locked {
        Some(locked) => s.iter().zip(locked).any(|(x, y)| apart(*x, *y)),
        None => s.windows(block).any(|w| !apart(w[0], w[block - 1]) && apart(w[0], s[s.len() - 1])),
    }
}
