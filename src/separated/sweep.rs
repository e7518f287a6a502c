//! One sweep of alternating least squares under a bound of the condition number.
//!
//! **Problem.** A (p_1, ..., p_d), known as a [`Target`], and X = sum_k lambda_k v_k^(1) (x) ... : in
//! turn for each mode i, the columns C = (lambda_1 v_1^(i), ..., lambda_s v_s^(i)) that make
//! |A - X|_F^2 + ridge |C|_F^2 least among those with gamma = |C|_F / |X|_F <= bound. As the other
//! columns are of norm 1, |C|_F^2 = sum_k lambda_k^2 in every mode.
//!
//! **Method.** Without the bound the normal equations C (G + ridge I) = B, with B = the matricized tensor
//! times the Khatri-Rao product of the other modes, G = the Hadamard product of their Gram matrices.
//! |X|_F^2 = tr(C G C'), so that the bound is one quadratic inequality, and by Lagrange the columns
//! sought are a multiple of B (G + nu I)^-1: the regularised normal equations of Beylkin and Mohlenkamp
//! (2005, section 3.2). From nu = 0 through infinity and from there to minus the largest eigenvalue
//! of G, gamma falls; nu is found by bisection in the eigenbasis of G. A nonnegative mode takes these
//! columns where they are nonnegative; else each column in turn is made the best one for all others, from
//! the better of the old columns and the positive part of the free ones (Cichocki, Zdunek, Phan, Amari,
//! Nonnegative Matrix and Tensor Factorizations, 2009, chapter 4).
//!
//! **Cost.** The products B (see [`Target`]), 4 s^2 sum p_i flops, d s^3 / 3 (where the bound is
//! active about 20 d s^3).
//!
//! **Guarantee.** Whatever the factors of the others, gamma = 1 can be met, as G has an eigenvalue
//! of at least 1; and columns within the bound are never made worse: the minimum is a global one, that
//! of a quadratic function under one quadratic constraint (strong duality holds). In rounded numbers
//! an update whose equations cannot be solved keeps its columns, as does a nonnegative mode whose new
//! columns would pass the bound.
//!
//! **Deviations.** The source searches nu per mode too but takes the solution as it is; here it is
//! multiplied by the number that makes the error least, which changes no gamma. Directions in which G
//! is below rounding errors stay as they were: the step, not C, is regularised there.

use super::target::{Target, Terms, hadamard};
use crate::matrix::{Kernel, frobenius};
use crate::{Result, Scalar, svd};
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Mat, MatRef, Par};

/// What the columns of a mode obey.
#[derive(Debug, Clone)]
pub(crate) enum Rule<T: Scalar> {
    Free,
    /// No negative entry.
    Nonnegative,
    /// These unit columns, one a term, are kept.
    Fixed(Mat<T>),
}

/// What all updates obey.
#[derive(Debug, Clone)]
pub(crate) struct Rules<T: Scalar> {
    /// One a mode.
    pub modes: Vec<Rule<T>>,
    /// The largest gamma.
    pub bound: f64,
    /// What sum_k lambda_k^2 is multiplied by and added to |A - X|_F^2.
    pub ridge: f64,
}

impl<T: Scalar> Rules<T> {
    /// The bound alone.
    pub fn free(order: usize, bound: f64) -> Self {
        Self { modes: vec![Rule::Free; order], bound, ridge: 0.0 }
    }
    /// Columns put to what their modes demand of them before the first update.
    pub fn imposed(&self, mut modes: Vec<Mat<T>>) -> Vec<Mat<T>> {
        for (mode, rule) in modes.iter_mut().zip(&self.modes) {
            match rule {
                Rule::Free => {}
                Rule::Nonnegative => {
                    *mode = Mat::from_fn(mode.nrows(), mode.ncols(), |i, k| mode[(i, k)].abs())
                }
                Rule::Fixed(fixed) => mode.clone_from(fixed),
            }
        }
        modes
    }
    /// Whether the columns are as their modes demand.
    pub fn hold(&self, modes: &[Mat<T>]) -> bool {
        let held = |(mode, rule): (&Mat<T>, &Rule<T>)| match rule {
            Rule::Free => true,
            Rule::Nonnegative => mode.col_iter().all(|c| c.iter().all(|x| *x >= T::of(0.0))),
            Rule::Fixed(fixed) => mode == fixed,
        };
        modes.iter().zip(&self.modes).all(held)
    }
}

/// What a sweep leads to.
pub(super) struct Swept<T: Scalar> {
    pub terms: Terms<T>,
    /// |A - X|_F^2 as a difference, with its possible error.
    pub square: f64,
    pub doubt: f64,
    /// gamma, from Gram matrices.
    pub gamma: f64,
}

/// Updates every mode that is not fixed once, starting at `x`.
pub(super) fn sweep<T: Scalar>(
    target: &mut dyn Target<T>,
    x: &Terms<T>,
    rules: &Rules<T>,
) -> Result<Swept<T>> {
    let Terms { mut lambda, mut modes } = x.clone();
    let (d, s, bound) = (modes.len(), lambda.len(), rules.bound);
    // Rounding the factors moves gamma by about this much.
    let margin = (4.0 * T::EPS * d as f64 * (s as f64).sqrt() * bound).min(0.5);
    let within = if bound.is_finite() { bound * (1.0 - margin) } else { bound };
    let mut grams: Vec<Mat<f64>> = modes.iter().map(|mode| gram(mode.as_ref())).collect();
    let norm = target.norm();
    let mut swept = (norm * norm, 0.0, 1.0);
    for (i, rule) in rules.modes.iter().enumerate().filter(|(_, rule)| !matches!(rule, Rule::Fixed(_))) {
        let b = wide(target.mttkrp(i, &modes).as_ref()); // (p, s)
        let mut g = Mat::from_fn(s, s, |_, _| 1.0);
        for (_, gram) in grams.iter().enumerate().filter(|(j, _)| *j != i) {
            g = hadamard(g, gram);
        }
        let old = Mat::from_fn(modes[i].nrows(), s, |row, k| modes[i][(row, k)].as_f64() * lambda[k]);
        let mut raised = g.clone();
        (0..s).for_each(|k| raised[(k, k)] += rules.ridge);
        let mut c = least_squares(&b, &raised, &old, T::EPS)?;
        let signed = matches!(rule, Rule::Nonnegative);
        if signed {
            c = nonnegative(&b, &raised, c, &old);
        }
        let mut square = square_of(&c, &g);
        if within.is_finite() && !(frobenius(&c).powi(2) <= within * within * square) {
            let best = if signed { None } else { constrained(&b, &g, within, rules.ridge)? };
            c = best.unwrap_or(old);
            square = square_of(&c, &g);
        }
        for k in 0..s {
            let column = c.col_as_slice(k);
            lambda[k] = frobenius(c.col(k).as_mat());
            if lambda[k] > 0.0 {
                let out = modes[i].col_as_slice_mut(k).iter_mut();
                out.zip(column).for_each(|(out, x)| *out = T::of(x / lambda[k]));
            }
        }
        grams[i] = gram(modes[i].as_ref());
        let inner = inner(&b, &c);
        let size = frobenius(&c);
        let doubt = 16.0 * T::EPS * norm * lambda.iter().sum::<f64>();
        swept =
            (norm * norm - 2.0 * inner + square, doubt, if size > 0.0 { size / square.sqrt() } else { 1.0 });
    }
    Ok(Swept { terms: Terms { lambda, modes }, square: swept.0, doubt: swept.1, gamma: swept.2 })
}

/// Sweeps over the columns of a nonnegative mode.
const COLUMN_SWEEPS: usize = 50;

/// Nonnegative C with |A - X|_F no larger than at the positive part of `old`; the best where `free`, with
/// `free` G = B, is nonnegative.
fn nonnegative(b: &Mat<f64>, g: &Mat<f64>, mut free: Mat<f64>, old: &Mat<f64>) -> Mat<f64> {
    let (p, s) = free.shape();
    if free.col_iter().all(|column| column.iter().all(|x| *x >= 0.0)) {
        return free;
    }
    let positive = |c: &mut Mat<f64>| {
        (0..s).for_each(|k| c.col_as_slice_mut(k).iter_mut().for_each(|x| *x = x.max(0.0)));
        square_of(c, g) - 2.0 * inner(b, c)
    };
    let mut c = old.clone();
    if positive(&mut free) < positive(&mut c) {
        c = free;
    }
    let mut first = 0.0;
    for round in 0..COLUMN_SWEEPS {
        let mut moved = 0.0;
        for k in 0..s {
            let own = g[(k, k)];
            if !(own > 0.0) {
                continue;
            }
            let image = product(c.as_ref(), g.as_ref().subcols(k, 1)); // (p, 1)
            for i in 0..p {
                let next = (c[(i, k)] + (b[(i, k)] - image[(i, 0)]) / own).max(0.0);
                moved += (next - c[(i, k)]).powi(2);
                c[(i, k)] = next;
            }
        }
        first = if round == 0 { moved } else { first };
        if moved <= 1e-4 * first {
            break;
        }
    }
    c
}

/// C with C G = B, but for directions of G below s eps, where it stays at `old`.
fn least_squares(b: &Mat<f64>, g: &Mat<f64>, old: &Mat<f64>, eps: f64) -> Result<Mat<f64>> {
    let s = g.nrows();
    let mut step = b - product(old.as_ref(), g.as_ref()); // (p, s)
    let mut shift = 4.0 * s as f64 * eps;
    while shift < 1.0 {
        if let Some(l) = cholesky(g, shift) {
            let mut right = step.as_mut().transpose_mut(); // (s, p)
            solve_lower_triangular_in_place(l.as_ref(), right.as_mut(), Par::Seq);
            solve_upper_triangular_in_place(l.transpose(), right.as_mut(), Par::Seq);
            step += old;
            if step.is_all_finite() {
                return Ok(step);
            }
            break;
        }
        shift *= 16.0;
    }
    Ok(old.clone())
}

/// The lower triangle of a Cholesky factor of G + shift I.
fn cholesky(g: &Mat<f64>, shift: f64) -> Option<Mat<f64>> {
    let s = g.nrows();
    let mut l = Mat::<f64>::zeros(s, s);
    for j in 0..s {
        // Column j of G less the part of the columns before.
        let mut column: Vec<f64> = g.col_as_slice(j)[j..].to_vec();
        column[0] += shift;
        for k in 0..j {
            let before = &l.col_as_slice(k)[j..];
            let factor = before[0];
            column.iter_mut().zip(before).for_each(|(x, y)| *x -= factor * y);
        }
        if !(column[0] > 0.25 * shift) {
            return None;
        }
        let root = column[0].sqrt();
        l.col_as_slice_mut(j)[j..].iter_mut().zip(&column).for_each(|(out, x)| *out = x / root);
    }
    Some(l)
}

/// The best C with |C|_F^2 <= bound^2 tr(C G C'), where there is one in rounded numbers.
fn constrained(b: &Mat<f64>, g: &Mat<f64>, bound: f64, ridge: f64) -> Result<Option<Mat<f64>>> {
    let eigen = svd::dense(g)?;
    let (values, vectors) = (eigen.s, eigen.v); // s, (s, s)
    let top = values.first().copied().unwrap_or(1.0);
    let rotated = product(b.as_ref(), vectors.as_ref()); // (p, s)
    let squares: Vec<f64> = (0..values.len()).map(|j| frobenius(rotated.col(j).as_mat()).powi(2)).collect();
    // On the way from nu = 0 (x = -infinity) through infinity to minus the largest eigenvalue.
    let weights = |x: f64| -> Vec<f64> {
        let (a, b) = if x < 0.0 { (1.0, 10f64.powf(x)) } else { (2.0 * 10f64.powf(-x) - 1.0, 1.0) };
        values.iter().map(|g| 1.0 / (a * (g / top) + b)).collect()
    };
    let sum = |f: &dyn Fn(usize) -> f64| (0..values.len()).map(f).sum::<f64>();
    let square = |w: &[f64]| sum(&|j| values[j] * squares[j] * w[j] * w[j]);
    let fits = |w: &[f64]| sum(&|j| squares[j] * w[j] * w[j]) <= bound * bound * square(w);
    let (mut low, mut high) = (-16.0, 15.0);
    if !fits(&weights(high)) {
        return Ok(None);
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        *(if fits(&weights(middle)) { &mut high } else { &mut low }) = middle;
    }
    let w = weights(high);
    let scale = sum(&|j| squares[j] * w[j]) / (square(&w) + ridge * sum(&|j| squares[j] * w[j] * w[j]));
    let scaled = Mat::from_fn(b.nrows(), values.len(), |i, j| rotated[(i, j)] * (w[j] * scale));
    let c = product(scaled.as_ref(), vectors.transpose());
    Ok(c.is_all_finite().then_some(c))
}

/// tr(C G C').
fn square_of(c: &Mat<f64>, g: &Mat<f64>) -> f64 {
    inner(&product(c.as_ref(), g.as_ref()), c).max(0.0)
}

fn inner(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    let column = |k: usize| a.col_as_slice(k).iter().zip(b.col_as_slice(k)).map(|(a, b)| a * b).sum::<f64>();
    (0..a.ncols()).map(column).sum()
}

pub(super) fn product(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    f64::product(out.as_mut(), false, a, b);
    out
}

/// V'V in double precision.
fn gram<T: Scalar>(mode: MatRef<'_, T>) -> Mat<f64> {
    let mode = wide(mode);
    product(mode.transpose(), mode.as_ref())
}

fn wide<T: Scalar>(a: MatRef<'_, T>) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)].as_f64())
}
