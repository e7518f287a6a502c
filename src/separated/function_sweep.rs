//! The least-squares problems of [`super::from_function`].

use super::fibres::Fibres;
use crate::Result;
use crate::matrix::{Kernel, slice_norm};
use crate::random::{fill_gaussian, stream};
use crate::svd::dense;
use faer::Mat;

/// Sweeps of a new term by itself.
const STARTING_SWEEPS: usize = 5;

/// Factors of mean square 1 over their mode, and the lambdas to them.
#[derive(Clone)]
pub(super) struct Model {
    pub(super) modes: Vec<Mat<f64>>,
    pub(super) lambda: Vec<f64>,
}

impl Model {
    /// No terms.
    pub(super) fn zero(sizes: &[usize]) -> Self {
        Self { modes: sizes.iter().map(|&n| Mat::zeros(n, 0)).collect(), lambda: Vec::new() }
    }

    /// The factors moved on by `step` times their way from an `earlier` model of as many terms.
    pub(super) fn beyond(&self, earlier: &Self, step: f64) -> Self {
        let mut out = self.clone();
        for (i, (new, old)) in self.modes.iter().zip(&earlier.modes).enumerate() {
            let moved = |r, k| (1.0 + step) * new[(r, k)] - step * old[(r, k)];
            out.modes[i] = Mat::from_fn(new.nrows(), new.ncols(), moved);
        }
        out
    }

    pub(super) fn value(&self, index: &[usize]) -> f64 {
        let term = |k: usize| self.modes.iter().zip(index).fold(self.lambda[k], |x, (m, &i)| x * m[(i, k)]);
        (0..self.lambda.len()).map(term).sum()
    }

    /// gamma; 1 for no terms. Its digits are those of Gram matrices: enough for a bound below 1e7.
    pub(super) fn condition_number(&self) -> f64 {
        let s = self.lambda.len();
        if s == 0 {
            return 1.0;
        }
        let gram = self.gram(usize::MAX);
        let pairs = (0..s).flat_map(|k| (0..s).map(move |l| (k, l)));
        let square: f64 = pairs.map(|(k, l)| self.lambda[k] * self.lambda[l] * gram[(k, l)]).sum();
        slice_norm(&self.lambda) / square.max(0.0).sqrt()
    }

    /// Mean products of the terms over all modes but `skipped`, (s, s).
    fn gram(&self, skipped: usize) -> Mat<f64> {
        let s = self.lambda.len();
        let mut out = Mat::from_fn(s, s, |_, _| 1.0);
        for (_, mode) in self.modes.iter().enumerate().filter(|(i, _)| *i != skipped) {
            let mut gram = Mat::zeros(s, s);
            <f64 as Kernel>::product(gram.as_mut(), false, mode.transpose(), mode.as_ref());
            let n = mode.nrows() as f64;
            for l in 0..s {
                for k in 0..s {
                    out[(k, l)] *= gram[(k, l)] / n;
                }
            }
        }
        out
    }

    /// Replaces mode i by `c` (n_i, s), whose columns carry the lambdas.
    fn set(&mut self, i: usize, mut c: Mat<f64>) {
        let root = (c.nrows() as f64).sqrt();
        for (k, lambda) in self.lambda.iter_mut().enumerate() {
            *lambda = slice_norm(c.col_as_slice(k)) / root;
            let scale = if *lambda > 0.0 { 1.0 / *lambda } else { 1.0 };
            c.col_as_slice_mut(k).iter_mut().for_each(|x| *x *= scale);
        }
        self.modes[i] = c;
    }
}

/// The samples of all modes, and the bound of gamma.
pub(super) struct Sweep<'a> {
    pub(super) fibres: &'a [Fibres],
    pub(super) bound: f64,
}

impl Sweep<'_> {
    /// Solves for the factors of every mode in turn.
    pub(super) fn run(&self, model: &mut Model) -> Result<()> {
        for i in 0..model.modes.len() {
            let c = self.solve(model, i, &self.fibres[i].values)?;
            model.set(i, c);
        }
        Ok(())
    }

    /// The products of the other modes' factors on the fibres of mode i, (fibres, s).
    fn weights(&self, model: &Model, i: usize) -> Mat<f64> {
        let (d, places) = (model.modes.len(), &self.fibres[i].places);
        Mat::from_fn(places.len() / d, model.lambda.len(), |j, k| {
            let others = (0..d).filter(|l| *l != i);
            others.map(|l| model.modes[l][(places[j * d + l], k)]).product()
        })
    }

    /// The C (n_i, s) that minimises |C W' - values|^2 + ridge |C|^2, with the least ridge for which
    /// gamma keeps to the bound.
    fn solve(&self, model: &Model, i: usize, values: &Mat<f64>) -> Result<Mat<f64>> {
        let svd = dense(self.weights(model, i))?; // U (fibres, s), V (s, s)
        let inside = values * &svd.u; // (n_i, s)
        let gram = model.gram(i);
        let top = svd.s.first().copied().unwrap_or(0.0);
        let attempt = |ridge: f64| {
            let shrink = |s: f64| if s > 1e-13 * top { s / (s * s + ridge) } else { 0.0 };
            let shrunk = Mat::from_fn(inside.nrows(), svd.s.len(), |r, k| inside[(r, k)] * shrink(svd.s[k]));
            let c = shrunk * svd.v.transpose(); // (n_i, s)
            let size: f64 = c.col_iter().map(|x| x.squared_norm_l2()).sum();
            let product = &c * &gram;
            let norm: f64 = c.col_iter().zip(product.col_iter()).map(|(x, y)| x.transpose() * y).sum();
            (c, size <= self.bound * self.bound * norm)
        };
        let (mut c, mut fine) = attempt(0.0);
        let mut ridge = 1e-16 * top * top;
        while !fine && ridge <= 1e4 * top * top {
            (c, fine) = attempt(ridge);
            ridge *= 4.0;
        }
        Ok(c)
    }

    /// Adds a term fitted to the residual by a few sweeps of its own.
    pub(super) fn add_term(&self, model: &mut Model, sizes: &[usize], seed: u64, rank: usize) -> Result<()> {
        let d = sizes.len();
        let random = |i: usize| {
            let mut column = vec![0.0; sizes[i]];
            fill_gaussian(&mut stream(seed, &format!("term {rank}"), i as u64), &mut column);
            Mat::from_fn(sizes[i], 1, |row, _| column[row])
        };
        let mut term = Model { modes: (0..d).map(random).collect(), lambda: vec![1.0] };
        for i in 0..d {
            term.set(i, term.modes[i].clone());
        }
        let residual = |i: usize| {
            let values = &self.fibres[i].values;
            if model.lambda.is_empty() {
                return values.clone();
            }
            let scaled =
                Mat::from_fn(sizes[i], model.lambda.len(), |r, k| model.lambda[k] * model.modes[i][(r, k)]);
            values - scaled * self.weights(model, i).transpose()
        };
        let residuals: Vec<Mat<f64>> = (0..d).map(residual).collect();
        for _ in 0..STARTING_SWEEPS {
            for i in 0..d {
                let c = self.solve(&term, i, &residuals[i])?;
                term.set(i, c);
            }
        }
        for (old, new) in model.modes.iter_mut().zip(term.modes) {
            let known = old.ncols();
            old.resize_with(new.nrows(), known + 1, |i, _| new[(i, 0)]);
        }
        model.lambda.extend(term.lambda);
        Ok(())
    }
}
