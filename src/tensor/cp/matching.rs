//! Which terms of two decompositions belong together.
//!
//! **Problem.** X and Y of one shape, of R and S terms in any order, with factors of any sign: the pairing
//! of terms for which the sum of the cosines between paired terms is largest.
//!
//! **Method.** The assignment problem for the cosines ([`super::congruences`]), by shortest augmenting
//! paths with potentials (Kuhn 1955; Jonker, Volgenant, Computing 38, 1987).
//!
//! **Cost.** R S sum n_i for the cosines, min(R, S)^2 max(R, S) for the pairing.
//!
//! **Guarantee.** The sum is the largest there is.
//!
//! **Deviations.** The cosine of two terms counts with its sign: terms have positive weights, so that
//! factors of any sign that make the same term have cosine 1, and opposite terms -1.

use super::{Cp, congruences};
use crate::{Result, Scalar};
use faer::Mat;

/// Two decompositions X and Y, term by term.
#[derive(Debug, Clone, PartialEq)]
pub struct Matching {
    /// For each term of X that of Y; none where Y has fewer terms.
    pub terms: Vec<Option<usize>>,
    /// For each term of X the cosine between the two; 0 where there is none.
    pub congruences: Vec<f64>,
    /// Their sum over the larger number of terms: 1 where all terms agree but for their weights.
    pub score: f64,
    /// The factor match score: as `score`, each cosine times 1 - |v - w| / max(v, w) for the weights v and w
    /// of the two (Acar, Dunlavy, Kolda, Morup 2011).
    pub factor_match: f64,
}

/// Pairs the terms of `x` and `y`. Two decompositions without terms have score 1.
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) where the shapes differ.
///
/// ```
/// use lowrank::{faer::mat, tensor::cp::{Cp, match_terms}};
/// let (f, g) = (mat![[1.0, 0.0], [0.5, 1.0]], mat![[0.0, -1.0], [-1.0, -0.5]]); // other order and signs
/// let x = Cp::new(vec![1.0, 2.0], vec![f.clone(), f])?;
/// let y = Cp::new(vec![2.0, 1.0], vec![g.clone(), g])?;
/// let matching = match_terms(&x, &y)?;
/// assert!((matching.factor_match - 1.0_f64).abs() < 1e-12);
/// # lowrank::Result::Ok(())
/// ```
pub fn match_terms<T: Scalar>(x: &Cp<T>, y: &Cp<T>) -> Result<Matching> {
    let cosines = congruences(x, y)?; // (R, S)
    let terms = if x.rank() <= y.rank() {
        assign(&cosines).into_iter().map(Some).collect()
    } else {
        let mut terms = vec![None; x.rank()];
        for (l, k) in assign(&cosines.transpose().to_owned()).into_iter().enumerate() {
            terms[k] = Some(l);
        }
        terms
    };
    let found = |(k, l): (usize, &Option<usize>)| l.map_or(0.0, |l| cosines[(k, l)]);
    let congruences: Vec<f64> = terms.iter().enumerate().map(found).collect();
    let kept = |(k, l): (usize, &Option<usize>)| {
        let Some(l) = *l else { return 0.0 };
        let (v, w) = (x.weights()[k].as_f64(), y.weights()[l].as_f64());
        v.min(w) / v.max(w)
    };
    let kept = terms.iter().enumerate().map(kept);
    let weighted: f64 = congruences.iter().zip(kept).map(|(cosine, kept)| cosine * kept).sum();
    let most = x.rank().max(y.rank());
    let mean = |sum: f64| if most == 0 { 1.0 } else { sum / most as f64 };
    let (score, factor_match) = (mean(congruences.iter().sum()), mean(weighted));
    Ok(Matching { terms, congruences, score, factor_match })
}

impl Matching {
    /// The weights and the factors of Y with its terms in the order of X and its factors with the signs of
    /// those of X; zeros where Y has no such term. Where a product of signs differs, the weight is negative.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) where these are not the decompositions that were matched.
    pub fn aligned<T: Scalar>(&self, x: &Cp<T>, y: &Cp<T>) -> Result<(Vec<T>, Vec<Mat<T>>)> {
        let known = self.terms.iter().flatten().all(|l| *l < y.rank());
        if x.shape() != y.shape() || x.rank() != self.terms.len() || !known {
            let expected = "the two decompositions that were matched are needed".into();
            return Err(crate::Error::Shape { argument: "y", expected, found: y.shape() });
        }
        let mut weights = vec![T::of(0.0); x.rank()];
        let mut factors: Vec<Mat<T>> = y.factors().iter().map(|g| Mat::zeros(g.nrows(), x.rank())).collect();
        for (k, l) in self.terms.iter().enumerate().filter_map(|(k, l)| l.map(|l| (k, l))) {
            weights[k] = y.weights()[l];
            for ((out, f), g) in factors.iter_mut().zip(x.factors()).zip(y.factors()) {
                let both = f.col_as_slice(k).iter().zip(g.col_as_slice(l));
                let opposite = both.map(|(x, y)| x.as_f64() * y.as_f64()).sum::<f64>() < 0.0;
                let sign = T::of(if opposite { -1.0 } else { 1.0 });
                weights[k] *= sign;
                out.col_as_slice_mut(k).iter_mut().zip(g.col_as_slice(l)).for_each(|(o, y)| *o = sign * *y);
            }
        }
        Ok((weights, factors))
    }
}

/// For each row of `gains` (m, n), m <= n, a column of its own, so that the sum is largest.
fn assign(gains: &Mat<f64>) -> Vec<usize> {
    let (m, n) = gains.shape();
    let (mut row_price, mut col_price) = (vec![0.0; m], vec![0.0; n + 1]);
    // The row of each column; column n is the one that a new row begins at.
    let mut owner = vec![None; n + 1];
    for row in 0..m {
        owner[n] = Some(row);
        let (mut column, mut before) = (n, vec![n; n]);
        let (mut distance, mut done) = (vec![f64::INFINITY; n], vec![false; n + 1]);
        while let Some(row) = owner[column] {
            done[column] = true;
            let (mut step, mut nearest) = (f64::INFINITY, n);
            for j in (0..n).filter(|&j| !done[j]) {
                let cost = -gains[(row, j)] - row_price[row] - col_price[j];
                if cost < distance[j] {
                    (distance[j], before[j]) = (cost, column);
                }
                if distance[j] < step {
                    (step, nearest) = (distance[j], j);
                }
            }
            for j in 0..=n {
                if done[j] {
                    if let Some(row) = owner[j] {
                        row_price[row] += step;
                    }
                    col_price[j] -= step;
                } else if j < n {
                    distance[j] -= step;
                }
            }
            column = nearest;
        }
        while column != n {
            let previous = before[column];
            owner[column] = owner[previous];
            column = previous;
        }
    }
    let mut out = vec![0; m];
    for (column, row) in owner[..n].iter().enumerate() {
        if let Some(row) = row {
            out[*row] = column;
        }
    }
    out
}
