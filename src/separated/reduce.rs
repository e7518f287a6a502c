//! Fewer terms for a sum of Kronecker products.
//!
//! **Problem.** M of S terms: R of s < S terms with |M - R|_F <= tolerance |M|_F, or of a given s, and
//! gamma(R) <= bound.
//!
//! **Method.** Alternating least squares (see [`super::als`]) on M as it is, never formed: all products
//! needed are those of factors. For a tolerance the search starts with as many terms as the matrix
//! ranks of the unfoldings demand, which are read from Gram matrices. A matrix of one or two modes is
//! reduced directly: one term, or the QR factorizations of both modes and the singular value
//! decomposition of the product of their triangles.
//!
//! **Cost.** A sweep: 6 S s sum p_i flops in matrix products, 2 d S s others, O(s^2 sum p_i + d s^3 / 3),
//! p_i = m_i n_i; the error 18 S (S + s) sum p_i once and 18 S s sum p_i where it is small.
//!
//! **Guarantee.** As for [`super::als()`]: the error is that of the difference, to about
//! eps sqrt(sum lambda^2), and the bound is always met. For at most two modes R is optimal and gamma = 1.
//!
//! **Deviations.** The source starts with the largest terms of M; they often point the same way.

use super::als::{Als, Fitted};
use super::descent;
use super::sweep::{Rules, product};
use super::target::{Sum, Target, Terms, hadamard};
use super::{Separated, SeparationRank};
use crate::matrix::{exponent, scale_by_power_of_two, slice_norm};
use crate::{Progress, Report, Result, Scalar, Status, svd};
use faer::Mat;
use std::time::Instant;

/// The matrix `m` by fewer terms: a given number, as few as are found for |M - R|_F <= t |M|_F, or as
/// many as a budget allows.
///
/// Where `m` meets the wish already and no term can be saved, the result is as good a representation.
///
/// # Errors
/// Those of [`super::als()`] for the parameters.
///
/// ```
/// use lowrank::separated::{Als, Separated, SeparationRank, reduce};
/// use lowrank::random::gaussian;
/// let factors = |i: usize| gaussian::<f64>(20, 3, i as u64, "factors");
/// let modes: Vec<_> = (0..6).map(|i| factors(i)).collect();
/// let m = Separated::new(vec![(20, 1); 6], vec![1.0; 3], modes)?;
/// // every term twice
/// let lambda: Vec<f64> = m.lambda().iter().chain(m.lambda()).copied().collect();
/// let twice = m.modes().iter().map(|x| lowrank::faer::Mat::from_fn(20, 6, |i, k| x[(i, k % 3)]));
/// let double = Separated::new(vec![(20, 1); 6], lambda, twice.collect())?;
/// let r = reduce(&double, &Als { rank: SeparationRank::Tolerance(1e-10), ..Default::default() })?;
/// assert_eq!(r.separated.separation_rank(), 3);
/// # lowrank::Result::Ok(())
/// ```
pub fn reduce<T: Scalar>(m: &Separated<T>, parameters: &Als<'_, T>) -> Result<Fitted<T>> {
    parameters.check()?;
    let started = Instant::now();
    let mut limit = parameters.rank.limit(m.shapes())?;
    let e = m.lambda().first().map_or(0, |&x| exponent(x));
    let mut target = Sum::new(Terms::of(m, usize::MAX, -e));
    // More terms than those of M can only help where M itself is not allowed.
    let allowed = target.condition_number() <= parameters.condition_bound;
    if allowed {
        limit = limit.min(m.separation_rank());
    }
    let fitted = if m.order() <= 2 {
        let found = direct(&target, limit, parameters.rank)?;
        done(m.shapes(), found, &target, e, started)?
    } else {
        let first = match parameters.rank {
            SeparationRank::Tolerance(t) => unfolding_rank(&target, t)?,
            _ => limit,
        };
        let rules = Rules::free(m.order(), parameters.condition_bound);
        descent::fit(&mut target, m.shapes(), parameters, &rules, limit, first, e)?
    };
    let wished = matches!(parameters.rank, SeparationRank::Tolerance(_));
    let missed = wished && fitted.report.status != Status::Converged;
    let saved = fitted.separated.separation_rank() < m.separation_rank();
    if allowed && limit == m.separation_rank() && (missed || !saved) {
        return done(m.shapes(), target.terms().clone(), &target, e, started);
    }
    Ok(fitted)
}

/// The result of a search that took no steps.
fn done<T: Scalar>(
    shapes: &[(usize, usize)],
    terms: Terms<T>,
    target: &Sum<T>,
    e: i32,
    started: Instant,
) -> Result<Fitted<T>> {
    let back = |x: f64| scale_by_power_of_two(x, e);
    let sizes = terms.lambda.iter().map(|x| (*x, e)).collect();
    let separated = Separated::normalized(shapes.to_vec(), sizes, terms.modes)?;
    let error = back(target.error(&Terms::of(&separated, usize::MAX, -e)));
    let condition_number = separated.condition_number()?;
    let seconds = started.elapsed().as_secs_f64();
    let history = vec![Progress { iteration: 0, seconds, error }];
    Ok(Fitted {
        separated,
        norm: back(target.norm()),
        condition_number,
        condition_history: vec![condition_number],
        swamp: 0,
        report: Report { status: Status::Converged, iterations: 0, error, history, seconds },
    })
}

/// The best terms for one or two modes.
fn direct<T: Scalar>(target: &Sum<T>, limit: usize, rank: SeparationRank) -> Result<Terms<T>> {
    let Terms { lambda, modes } = target.terms();
    if target.norm() == 0.0 {
        return Ok(Terms::zeros(target.sizes()));
    }
    let first = svd::qr(&modes[0])?; // (p, <= s), (<= s, s)
    let ones = Mat::from_fn(1, lambda.len(), |_, _| T::of(1.0));
    let second = svd::qr(modes.get(1).unwrap_or(&ones))?;
    let left = Mat::from_fn(first.r.nrows(), lambda.len(), |i, k| first.r[(i, k)] * T::of(lambda[k]));
    let mut core = Mat::zeros(left.nrows(), second.r.nrows());
    T::product(core.as_mut(), false, left.as_ref(), second.r.transpose());
    let small = svd::dense(&core)?;
    let count = match rank {
        SeparationRank::Tolerance(t) => svd::smallest_rank(&small.s, 0.0, t * slice_norm(&small.s)).0,
        _ => limit.min(small.s.len()),
    };
    let small = small.truncate(count);
    let times = |q: &Mat<T>, x: &Mat<T>| {
        let mut out = Mat::zeros(q.nrows(), count);
        T::product(out.as_mut(), false, q.as_ref(), x.as_ref());
        out
    };
    let mut own = vec![times(&first.q, &small.u)];
    match modes.get(1) {
        Some(_) => own.push(times(&second.q, &small.v)),
        None => own[0] *= faer::Scale(if count > 0 { small.v[(0, 0)] } else { T::of(1.0) }),
    }
    Ok(Terms { lambda: small.s.iter().map(|s| s.as_f64()).collect(), modes: own })
}

/// The largest rank of an unfolding, to the tolerance or 1e-6: fewer terms do not suffice.
fn unfolding_rank<T: Scalar>(target: &Sum<T>, tolerance: f64) -> Result<usize> {
    let Terms { lambda, modes } = target.terms();
    let s = lambda.len();
    let wide: Vec<Mat<f64>> =
        modes.iter().map(|x| Mat::from_fn(x.nrows(), s, |i, k| x[(i, k)].as_f64())).collect();
    let grams: Vec<Mat<f64>> = wide.iter().map(|x| product(x.transpose(), x.as_ref())).collect();
    // Products of the later Gram matrices, then, going on, of the earlier ones with lambda.
    let mut later = vec![Mat::from_fn(s, s, |_, _| 1.0)];
    for gram in grams[1..].iter().rev() {
        later.push(hadamard(gram.clone(), &later[later.len() - 1]));
    }
    let mut earlier = Mat::from_fn(s, s, |k, l| lambda[k] * lambda[l]);
    let mut largest = 0;
    for (x, gram) in wide.iter().zip(&grams) {
        let weights = hadamard(later.pop().unwrap_or_else(Mat::new), &earlier); // (s, s)
        earlier = hadamard(earlier, gram);
        let factor = if x.nrows() > s { svd::qr(x)?.r } else { x.clone() }; // (<= s, s)
        let own = product(product(factor.as_ref(), weights.as_ref()).as_ref(), factor.transpose());
        let squares = svd::singular_values(&own)?;
        let roots: Vec<f64> = squares.iter().map(|x| x.sqrt()).collect();
        let allowed = tolerance.max(1e-6) * slice_norm(&roots);
        largest = largest.max(svd::smallest_rank(&roots, 0.0, allowed).0);
    }
    Ok(largest)
}
