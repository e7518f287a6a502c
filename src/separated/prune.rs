//! Fewer terms of x without a larger residual.
//!
//! **Problem.** x = sum_k c_k v_k of S unit terms, A and b: a subset of the v_k and new coefficients with
//! |b - A x|_F hardly larger than before. The Frobenius norm of a change of x tells little here: A
//! enlarges it by up to its condition number.
//!
//! **Method.** All in the images w_k = c_k A v_k, through their Gram matrix: a Cholesky factorization
//! with pivoting leaves out images that are combinations of others (an interpolative decomposition:
//! Biagioni, Beylkin, Beylkin, "Randomized interpolative decomposition of separated representations",
//! J. Comput. Phys. 281, 2015); the coefficients of the others are those of least squares for b; then,
//! one after the other, the term goes whose removal raises the residual least (c_k^2 over the diagonal
//! entry of the inverse of the Gram matrix, squared), until an allowance is used up.
//!
//! **Cost.** (s_a S)^2 sum n_i l_i flops in matrix products, d (s_a S)^2 others, O(S^3).
//!
//! **Guarantee.** None of its own: Gram matrices are blind below 1e-8 of the largest image. The caller
//! measures the residual of what comes out.
//!
//! **Deviations.** Gram matrices in place of random projections; the removal by least squares is not in
//! the source.

use super::Separated;
use crate::matrix::Kernel;
use crate::{Result, Scalar};
use faer::Mat;
use rayon::prelude::*;

/// A vector of fewer terms with its residual.
pub(super) struct Pruned<T: Scalar> {
    pub x: Separated<T>,
    /// b - A x.
    pub rest: Separated<T>,
    /// |b - A x|_F.
    pub residual: f64,
}

/// The terms of `x` that count, with the coefficients that make |b - A x|_F least; the square of the
/// residual grows by about `allowance^2`, and coefficients that rounding has spoiled are refined until
/// the residual is at most `goal` or falls no more.
pub(super) fn prune<T: Scalar>(
    a: &Separated<T>,
    b: &Separated<T>,
    x: &Separated<T>,
    allowance: f64,
    goal: f64,
) -> Result<Pruned<T>> {
    let (gram, right) = normal_equations(a, b, x);
    let Chosen { kept, inverse, mut coefficients } = chosen(&gram, &right, allowance);
    let mut best: Option<Pruned<T>> = None;
    for _ in 0..REFINEMENTS {
        let candidate = combined(x, &kept, &coefficients)?;
        let rest = b.minus(&a.times(&candidate)?)?;
        let residual = rest.frobenius()?;
        let before = best.as_ref().map_or(f64::INFINITY, |best| best.residual);
        if residual < before {
            best = Some(Pruned { x: candidate, rest, residual });
        }
        let Some(best) = best.as_ref().filter(|best| best.residual > goal && best.residual < 0.5 * before)
        else {
            break;
        };
        // The gradient, in twice the precision: what least squares do to the residual that is left.
        let slope = |&k: &usize| a.times(&combined(x, &[k], &[1.0])?)?.inner(&best.rest);
        let slopes: Vec<f64> = kept.iter().map(slope).collect::<Result<_>>()?;
        for (i, c) in coefficients.iter_mut().enumerate() {
            *c += slopes.iter().enumerate().map(|(j, g)| inverse[(i, j)] * g).sum::<f64>();
        }
    }
    match best {
        Some(best) => Ok(best),
        None => {
            let rest = b.minus(&a.times(x)?)?;
            Ok(Pruned { x: x.clone(), residual: rest.frobenius()?, rest })
        }
    }
}

/// Times that coefficients are computed.
const REFINEMENTS: usize = 4;

/// The same for b = A x: another vector with nearly the same image, to `tolerance` of its norm.
pub(super) fn prune_direction<T: Scalar>(
    a: &Separated<T>,
    x: &Separated<T>,
    tolerance: f64,
) -> Result<Separated<T>> {
    let nothing = Separated::zeros(x.shapes().to_vec())?;
    let (gram, _) = normal_equations(a, &nothing, x);
    let sum = |k: usize| gram.col_as_slice(k).iter().sum::<f64>();
    let right: Vec<f64> = (0..gram.ncols()).map(sum).collect();
    let norm = right.iter().sum::<f64>().max(0.0).sqrt();
    let chosen = chosen(&gram, &right, tolerance * norm);
    combined(x, &chosen.kept, &chosen.coefficients)
}

/// The terms `kept` of x, multiplied by coefficients.
fn combined<T: Scalar>(x: &Separated<T>, kept: &[usize], coefficients: &[f64]) -> Result<Separated<T>> {
    let lambda = kept.iter().zip(coefficients).map(|(&k, c)| T::of(x.lambda()[k].as_f64() * c)).collect();
    let take = |mode: &Mat<T>| Mat::from_fn(mode.nrows(), kept.len(), |i, k| mode[(i, kept[k])]);
    Separated::from_unit(x.shapes().to_vec(), lambda, x.modes().iter().map(take).collect())
}

/// Terms, the inverse of their Gram matrix, and the coefficients of least squares.
struct Chosen {
    kept: Vec<usize>,
    inverse: Mat<f64>,
    coefficients: Vec<f64>,
}

fn chosen(gram: &Mat<f64>, right: &[f64], allowance: f64) -> Chosen {
    let mut kept = independent(gram, 0.3 * allowance);
    let mut inverse = inverse(gram, &kept);
    let mut rest = 0.5 * allowance * allowance;
    loop {
        let coefficient = |i: usize| kept.iter().enumerate().map(|(j, &k)| inverse[(i, j)] * right[k]).sum();
        let coefficients: Vec<f64> = (0..kept.len()).map(coefficient).collect();
        let raise = |i: usize| coefficients[i] * coefficients[i] / inverse[(i, i)];
        let least = (0..kept.len()).min_by(|&i, &j| raise(i).total_cmp(&raise(j)));
        match least {
            Some(least) if raise(least) <= rest && kept.len() > 1 => {
                rest -= raise(least);
                inverse = without(&inverse, least);
                kept.remove(least);
            }
            _ => return Chosen { kept, inverse, coefficients },
        }
    }
}

/// The Gram matrix (S, S) of the images of the terms of x, and their inner products with b.
fn normal_equations<T: Scalar>(a: &Separated<T>, b: &Separated<T>, x: &Separated<T>) -> (Mat<f64>, Vec<f64>) {
    let (count, s) = (a.separation_rank(), x.separation_rank());
    let wide = |m: &Mat<T>| Mat::from_fn(m.nrows(), m.ncols(), |i, j| m[(i, j)].as_f64());
    // Mode i of the images: the product with term p in the columns p s + k.
    let image = |i: usize| {
        let ((m, n), l) = (a.shapes()[i], x.shapes()[i].1);
        let own = wide(&x.modes()[i]);
        let mut out = Mat::<f64>::zeros(m * l, count * s);
        for p in 0..count {
            let factor = Mat::from_fn(m, n, |r, c| a.factor(p, i)[(r, c)].as_f64());
            let mut terms = out.as_mut().subcols_mut(p * s, s);
            for j in 0..l {
                let columns = own.as_ref().subrows(j * n, n);
                f64::product(terms.as_mut().subrows_mut(j * m, m), false, factor.as_ref(), columns);
            }
        }
        out
    };
    let images: Vec<Mat<f64>> = (0..a.order()).into_par_iter().map(image).collect();
    let sides: Vec<Mat<f64>> = b.modes().iter().map(wide).collect();
    let own: Vec<f64> = x.lambda().iter().map(|c| c.as_f64()).collect();
    let weight = |p: usize| a.lambda()[p].as_f64();
    // What term p of A adds, for its own images against all.
    let part = |p: usize| {
        let mut products = Mat::<f64>::full(s, count * s, 1.0);
        let mut right = Mat::<f64>::full(s, b.separation_rank(), 1.0);
        for (image, side) in images.iter().zip(&sides) {
            let block = image.as_ref().subcols(p * s, s).transpose();
            multiply(&mut products, block, image.as_ref());
            multiply(&mut right, block, side.as_ref());
        }
        let sum = Mat::from_fn(s, s, |j, k| {
            weight(p)
                * (0..count).map(|q| weight(q) * products[(j, q * s + k)]).sum::<f64>()
                * own[j]
                * own[k]
        });
        let right: Vec<f64> = (0..s)
            .map(|k| {
                let sides = b.lambda().iter().enumerate();
                weight(p) * own[k] * sides.map(|(l, mu)| mu.as_f64() * right[(k, l)]).sum::<f64>()
            })
            .collect();
        (sum, right)
    };
    let parts: Vec<(Mat<f64>, Vec<f64>)> = (0..count).into_par_iter().map(part).collect();
    let mut total = (Mat::zeros(s, s), vec![0.0; s]);
    for (sum, right) in parts {
        total.0 += sum;
        total.1.iter_mut().zip(right).for_each(|(x, y)| *x += y);
    }
    total
}

/// `out = out * (left right)`, entry by entry.
fn multiply(out: &mut Mat<f64>, left: faer::MatRef<'_, f64>, right: faer::MatRef<'_, f64>) {
    let mut product = Mat::zeros(out.nrows(), out.ncols());
    f64::product(product.as_mut(), false, left, right);
    for k in 0..out.ncols() {
        out.col_as_slice_mut(k).iter_mut().zip(product.col_as_slice(k)).for_each(|(x, y)| *x *= *y);
    }
}

/// Indices whose images span all images up to `loss`, the sum of what is left of the others, ascending.
fn independent(gram: &Mat<f64>, loss: f64) -> Vec<usize> {
    let s = gram.nrows();
    let mut left: Vec<f64> = (0..s).map(|k| gram[(k, k)].max(0.0)).collect();
    let noise = left.iter().fold(0.0, |x: f64, y| x.max(*y)) * f64::EPSILON * 8.0;
    let (mut columns, mut kept): (Vec<Vec<f64>>, Vec<usize>) = (Vec::new(), Vec::new());
    while kept.len() < s {
        let pivot = (0..s).fold(0, |best, k| if left[k] > left[best] { k } else { best });
        if left[pivot] <= noise || left.iter().map(|x| x.sqrt()).sum::<f64>() <= loss {
            break;
        }
        let root = left[pivot].sqrt();
        let entry = |k: usize| {
            let known: f64 = columns.iter().map(|column| column[k] * column[pivot]).sum();
            (gram[(k, pivot)] - known) / root
        };
        let column: Vec<f64> = (0..s).map(entry).collect();
        left.iter_mut().zip(&column).for_each(|(x, c)| *x = (*x - c * c).max(0.0));
        left[pivot] = 0.0;
        columns.push(column);
        kept.push(pivot);
    }
    kept.sort_unstable();
    kept
}

/// The inverse of a part of the Gram matrix, by its Cholesky factor; scaled to a unit diagonal for it.
fn inverse(gram: &Mat<f64>, kept: &[usize]) -> Mat<f64> {
    let s = kept.len();
    let size: Vec<f64> = kept.iter().map(|&k| gram[(k, k)].sqrt()).collect();
    let mut lower = Mat::<f64>::zeros(s, s);
    for j in 0..s {
        for i in j..s {
            let known: f64 = (0..j).map(|k| lower[(i, k)] * lower[(j, k)]).sum();
            let value = gram[(kept[i], kept[j])] / (size[i] * size[j]) - known;
            lower[(i, j)] = if i == j { value.max(f64::EPSILON).sqrt() } else { value / lower[(j, j)] };
        }
    }
    let mut root = Mat::<f64>::zeros(s, s); // the inverse of the factor
    for j in 0..s {
        root[(j, j)] = 1.0 / lower[(j, j)];
        for i in j + 1..s {
            let known: f64 = (j..i).map(|k| lower[(i, k)] * root[(k, j)]).sum();
            root[(i, j)] = -known / lower[(i, i)];
        }
    }
    let product = root.transpose() * &root;
    Mat::from_fn(s, s, |i, j| product[(i, j)] / (size[i] * size[j]))
}

/// The inverse of the matrix without row and column k, from the inverse of the whole.
fn without(inverse: &Mat<f64>, k: usize) -> Mat<f64> {
    let s = inverse.nrows();
    let old = |i: usize| if i < k { i } else { i + 1 };
    Mat::from_fn(s - 1, s - 1, |i, j| {
        let (i, j) = (old(i), old(j));
        inverse[(i, j)] - inverse[(i, k)] * inverse[(k, j)] / inverse[(k, k)]
    })
}
