//! Factors fitted to data: what a factorized layer can recover on the inputs it really sees.
//!
//! **Problem.** Inputs X (n, N) and wished outputs Y (m, N), a sample a column: U (m, r), V (n, r)
//! with |U V' X - Y|_F small. With Y = W X this asks for a factorized layer that is good where the
//! inputs lie, rather than everywhere.
//!
//! **Method.** With the thin decompositions X' = Q R, R' = L S N' and the coordinates Z = S L' V, the loss is
//! |U Z' - M|_F^2 plus a constant, M = Y Q N. Its minimum is the truncated SVD of M: reduced-rank
//! regression (Izenman 1975). A step of alternating least squares, U for given Z and then Z for
//! given U, is one block power step on M; [`refit`] makes a few from given factors.
//!
//! **Cost.** 2 N n^2 + 2 N m n flops for R and M, once (n <= N); 4 m n r a step, against an SVD of M
//! for the minimum.
//!
//! **Guarantee.** A step never raises the loss, to rounding, and steps converge to the minimum like
//! (s_{r+1} / s_r)^2 in the singular values of M. The error reported is that of the factors
//! returned, from the residual; they are the best ones seen.
//!
//! **Deviations.** Directions in which X has less than max(n, N) eps of its largest singular value
//! are left out: V is zero there.

use crate::matrix::{
    AsMatrix, Moderate, check_finite, exponent, frobenius, max_norm, scale_in_place, scaled,
};
use crate::svd::{dense, orthonormal_basis, qr};
use crate::{Error, LowRank, Progress, Report, Result, Scalar, Status};
use faer::{Mat, MatRef};
use std::time::Instant;

/// Parameters of [`refit`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Refit {
    /// Largest number of steps.
    pub max_iterations: usize,
    /// Converged: a step lowered the error by less than this part of it.
    pub tolerance: f64,
}

impl Default for Refit {
    /// At most 5 steps, until one lowers the error by less than 1e-3 of it.
    fn default() -> Self {
        Self { max_iterations: 5, tolerance: 1e-3 }
    }
}

/// Factors fitted to data.
#[derive(Debug, Clone)]
pub struct Refitted<T: Scalar> {
    /// U (m, r), V (n, r).
    pub factors: LowRank<T>,
    /// How it went; `report.error` is |U V' X - Y|_F.
    pub report: Report,
    /// |Y|_F.
    pub norm: f64,
}

impl<T: Scalar> Refitted<T> {
    /// |U V' X - Y|_F / |Y|_F; 0 for Y = 0.
    pub fn relative_error(&self) -> f64 {
        if self.norm > 0.0 { self.report.error / self.norm } else { 0.0 }
    }
}

/// The data in few numbers.
struct Data<'a, T: Scalar> {
    /// X 2^-ex and Y 2^-ey.
    x: Mat<T>,
    y: Mat<T>,
    ex: i32,
    ey: i32,
    given: (MatRef<'a, T>, MatRef<'a, T>),
    /// L S^-1, (n, k): V from Z.
    back: Mat<T>,
    /// L S, (n, k): Z' from V' by V' L S.
    forth: Mat<T>,
    /// Y Q N, (m, k).
    m: Mat<T>,
}

impl<'a, T: Scalar> Data<'a, T> {
    fn new(given_x: MatRef<'a, T>, given_y: MatRef<'a, T>) -> Result<Self> {
        let (x, y) = (Moderate::within(0, "x", given_x)?, Moderate::within(0, "y", given_y)?);
        if given_x.ncols() != given_y.ncols() {
            let expected = format!("`x` has {} samples (columns)", given_x.ncols());
            let found = vec![given_y.nrows(), given_y.ncols()];
            return Err(Error::Shape { argument: "y", expected, found });
        }
        let (ex, ey) = (x.exponent, y.exponent);
        let (x, y) = (x.into_owned(), y.into_owned());
        let triangle = qr(x.transpose())?; // q (N, k), r (k, n)
        let svd = dense(triangle.r.transpose())?; // L (n, k), S, N (k, k)
        let small = x.nrows().max(x.ncols()) as f64 * T::EPS * svd.s.first().map_or(0.0, |s| s.as_f64());
        let svd = {
            let keep = svd.s.iter().take_while(|s| s.as_f64() > small).count();
            svd.truncate(keep)
        };
        let s = &svd.s;
        let back = Mat::from_fn(x.nrows(), s.len(), |i, k| svd.u[(i, k)] / s[k]);
        let forth = Mat::from_fn(x.nrows(), s.len(), |i, k| svd.u[(i, k)] * s[k]);
        let m = &y * (&triangle.q * &svd.v); // (m, k)
        Ok(Self { x, y, ex, ey, given: (given_x, given_y), back, forth, m })
    }

    /// |U Z' S^-1 L' X - Y|_F of the scaled data, from the residual.
    fn error(&self, u: &Mat<T>, v: &Mat<T>) -> f64 {
        frobenius((u * (v.transpose() * &self.x) - &self.y).as_ref())
    }

    /// The factors and the errors of the unscaled data.
    fn finish(self, (u, mut v): (Mat<T>, Mat<T>), run: Run) -> Result<Refitted<T>> {
        scale_in_place(&mut v, self.ey - self.ex);
        if check_finite("x", v.as_ref()).is_err() {
            let remedy = "the factors exceed the largest number: scale `x` up or `y` down";
            return Err(Error::Parameter { name: "x", value: "(inputs)".into(), remedy });
        }
        let back = |error: f64| crate::matrix::scale_by_power_of_two(error, self.ey);
        let history = run.history.iter().map(|p| Progress { error: back(p.error), ..*p }).collect();
        let report = Report {
            status: run.status,
            iterations: run.iterations,
            error: back(run.error),
            history,
            seconds: run.clock.elapsed().as_secs_f64(),
        };
        Ok(Refitted { factors: LowRank { u, v }, report, norm: frobenius(self.given.1) })
    }
}

/// What becomes a [`Report`], for the scaled data.
struct Run {
    status: Status,
    iterations: usize,
    error: f64,
    history: Vec<Progress>,
    clock: Instant,
}

/// Improves factors U (m, r), V (n, r) on inputs x (n, N) and wished outputs y (m, N).
///
/// # Errors
/// [`Error::NonFinite`]; [`Error::Shape`] when sizes do not fit; [`Error::Parameter`] for a tolerance
/// outside of [0, 1).
///
/// ```
/// use lowrank::{faer::Mat, layers::{Refit, factorize, refit}, svd::Rank};
/// let w = Mat::from_fn(30, 20, |i, j| ((i * 7 + j * 5) % 11) as f64 - 5.0);
/// let x = Mat::from_fn(20, 100, |i, j| ((i * 3 + j * 13) % 17) as f64 / (1.0 + i as f64));
/// let y = &w * &x;
/// let plain = factorize(w.as_ref(), None, Rank::Fixed(3))?;
/// let lowrank::layers::Weight::Factored(start) = &plain.layer.weight else { unreachable!() };
/// let fitted = refit(start, x.as_ref(), y.as_ref(), &Refit::default())?;
/// let before = (plain.layer.forward(x.as_ref())? - &y).norm_l2();
/// assert!(fitted.report.error < 0.7 * before);
/// # lowrank::Result::Ok(())
/// ```
pub fn refit<T: Scalar>(
    start: &LowRank<T>,
    x: impl AsMatrix<T>,
    y: impl AsMatrix<T>,
    parameters: &Refit,
) -> Result<Refitted<T>> {
    improve(start, x.as_matrix(), y.as_matrix(), parameters)
}

fn improve<T: Scalar>(
    start: &LowRank<T>,
    x: MatRef<'_, T>,
    y: MatRef<'_, T>,
    parameters: &Refit,
) -> Result<Refitted<T>> {
    let clock = Instant::now();
    if !(parameters.tolerance >= 0.0 && parameters.tolerance < 1.0) {
        let value = parameters.tolerance.to_string();
        return Err(Error::Parameter { name: "tolerance", value, remedy: "take a number in [0, 1)" });
    }
    check_finite("start", start.u.as_ref())?;
    check_finite("start", start.v.as_ref())?;
    if start.shape() != (y.nrows(), x.nrows()) || start.u.ncols() != start.v.ncols() {
        let expected = format!("factors ({}, r) and ({}, r) are needed", y.nrows(), x.nrows());
        let found = vec![start.u.nrows(), start.u.ncols(), start.v.nrows(), start.v.ncols()];
        return Err(Error::Shape { argument: "start", expected, found });
    }
    let data = Data::new(x, y)?;
    let mut best = (start.u.clone(), scaled(start.v.as_ref(), data.ex - data.ey));
    let error = data.error(&best.0, &best.1);
    let note = |iteration, error| Progress { iteration, seconds: clock.elapsed().as_secs_f64(), error };
    let mut run =
        Run { status: Status::IterationLimit, iterations: 0, error, history: vec![note(0, error)], clock };
    let ev = exponent(T::of(max_norm(best.1.as_ref())));
    let mut z = data.forth.transpose() * scaled(best.1.as_ref(), -ev); // (k, r): its scale does not matter
    while run.iterations < parameters.max_iterations {
        let basis = orthonormal_basis(z.as_ref())?; // (k, min(k, r))
        let u = orthonormal_basis((&data.m * &basis).as_ref())?; // (m, min(m, k, r))
        z = data.m.transpose() * &u;
        let v = &data.back * &z; // (n, ..)
        run.iterations += 1;
        let error = data.error(&u, &v);
        let before = run.error;
        if error < run.error {
            run.error = error;
            run.history.push(note(run.iterations, error));
            best = (u, v);
        }
        if error >= before * (1.0 - parameters.tolerance) {
            run.status = Status::Converged;
            break;
        }
    }
    data.finish(best, run)
}

/// The factors of rank at most `rank` with the smallest |U V' X - Y|_F for inputs x (n, N) and
/// outputs y (m, N).
///
/// # Errors
/// [`Error::NonFinite`]; [`Error::Shape`] when the numbers of samples differ; [`Error::Rank`] for
/// `rank` > min(m, n).
///
/// ```
/// use lowrank::{faer::Mat, layers::reduced_rank_regression};
/// let x = Mat::from_fn(4, 50, |i, j| ((i + 1) * (j + 3) % 7) as f64);
/// let y = Mat::from_fn(3, 50, |i, j| (i + 1) as f64 * (x[(0, j)] - 2.0 * x[(2, j)]));
/// let fit = reduced_rank_regression(x.as_ref(), y.as_ref(), 1)?; // y has rank one
/// assert!(fit.relative_error() < 1e-13);
/// # lowrank::Result::Ok(())
/// ```
pub fn reduced_rank_regression<T: Scalar>(
    x: impl AsMatrix<T>,
    y: impl AsMatrix<T>,
    rank: usize,
) -> Result<Refitted<T>> {
    minimum(x.as_matrix(), y.as_matrix(), rank)
}

fn minimum<T: Scalar>(x: MatRef<'_, T>, y: MatRef<'_, T>, rank: usize) -> Result<Refitted<T>> {
    let clock = Instant::now();
    let largest = x.nrows().min(y.nrows());
    if rank > largest {
        return Err(Error::Rank { rank, largest });
    }
    let data = Data::new(x, y)?;
    let svd = dense(data.m.as_ref())?;
    let rank = rank.min(svd.rank());
    let pair = svd.truncate(rank).into_low_rank();
    let (u, v) = (pair.u, &data.back * &pair.v);
    let error = data.error(&u, &v);
    let history = vec![Progress { iteration: 0, seconds: clock.elapsed().as_secs_f64(), error }];
    let run = Run { status: Status::Converged, iterations: 0, error, history, clock };
    data.finish((u, v), run)
}
