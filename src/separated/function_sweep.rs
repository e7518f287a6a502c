//! The least-squares problems of [`super::from_function`].

use super::fibres::Fibres;
use crate::matrix::{Kernel, slice_norm};
use crate::random::{fill_gaussian, stream};
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

    /// One term of random factors, of the sizes of another model.
    fn random(like: &Self, seed: u64, purpose: &str) -> Self {
        let column = |(i, mode): (usize, &Mat<f64>)| {
            let mut column = Mat::zeros(mode.nrows(), 1);
            fill_gaussian(&mut stream(seed, purpose, i as u64), column.col_as_slice_mut(0));
            column
        };
        let mut out = Self { modes: like.modes.iter().enumerate().map(column).collect(), lambda: vec![1.0] };
        for i in 0..out.modes.len() {
            out.set(i, out.modes[i].clone());
        }
        out
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
            f64::product(gram.as_mut(), false, mode.transpose(), mode.as_ref());
            let n = mode.nrows() as f64;
            for l in 0..s {
                for k in 0..s {
                    out[(k, l)] *= gram[(k, l)] / n;
                }
            }
        }
        out
    }

    /// Mode i with the lambdas in its columns.
    fn weighted(&self, i: usize) -> Mat<f64> {
        let mode = &self.modes[i];
        Mat::from_fn(mode.nrows(), mode.ncols(), |row, k| self.lambda[k] * mode[(row, k)])
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

/// The samples of all modes, the bound of gamma, and the relative error reached so far.
pub(super) struct Sweep<'a> {
    pub(super) fibres: &'a [Fibres],
    pub(super) bound: f64,
    pub(super) noise: f64,
}

/// The normal equations of one mode, `matrix step' = right`, for a step from its present factors.
struct Equations {
    /// (s, s).
    matrix: Mat<f64>,
    /// Residuals times weights, (s, n_i).
    right: Mat<f64>,
}

impl Sweep<'_> {
    /// Solves for the factors of every mode in turn.
    pub(super) fn run(&self, model: &mut Model) {
        for i in 0..model.modes.len() {
            let c = self.solve(model, i);
            model.set(i, c);
        }
    }

    /// Mode i with its lambdas, C (n_i, s), for the least ridge for which gamma keeps to the bound.
    fn solve(&self, model: &Model, i: usize) -> Mat<f64> {
        let (gram, old) = (model.gram(i), model.weighted(i));
        let equations = self.equations(model, i, &old);
        let top = (0..old.ncols()).map(|k| equations.matrix[(k, k)]).fold(0.0, f64::max);
        if top == 0.0 {
            return old;
        }
        // Directions that the samples do not tell from the error are not worth a large gamma; a single
        // term has none.
        let mut ridge = if old.ncols() > 1 { self.noise * self.noise } else { 0.0 };
        loop {
            let c = equations.solution(&old, ridge, 1e-15 * top);
            let size: f64 = c.col_iter().map(|x| x.squared_norm_l2()).sum();
            let mut product = Mat::zeros(c.nrows(), c.ncols());
            f64::product(product.as_mut(), false, c.as_ref(), gram.as_ref());
            let norm: f64 = c.col_iter().zip(product.col_iter()).map(|(x, y)| x.transpose() * y).sum();
            if size <= self.bound * self.bound * norm || ridge > 1e4 * top {
                return c;
            }
            ridge = (4.0 * ridge).max(1e-16 * top);
        }
    }

    /// The equations for a step from C = `old`. In terms of the residual they are accurate to the
    /// last digit however ill-conditioned they are, sweep after sweep.
    fn equations(&self, model: &Model, i: usize, old: &Mat<f64>) -> Equations {
        let fibres = &self.fibres[i];
        let (weights, s) = (self.weights(model, i), old.ncols());
        let mut residual = Mat::zeros(fibres.values.nrows(), fibres.values.ncols());
        f64::product(residual.as_mut(), false, old.as_ref(), weights.transpose());
        for j in 0..residual.ncols() {
            let (residual, values) = (residual.col_as_slice_mut(j), fibres.values.col_as_slice(j));
            residual.iter_mut().zip(values).for_each(|(r, f)| *r = f - *r);
        }
        let mut out = Equations { matrix: Mat::zeros(s, s), right: Mat::zeros(s, old.nrows()) };
        f64::product(out.matrix.as_mut(), false, weights.transpose(), weights.as_ref());
        f64::product(out.right.as_mut(), false, weights.transpose(), residual.transpose());
        out
    }

    /// The products of the other modes' factors on the fibres of mode i, (fibres, s).
    fn weights(&self, model: &Model, i: usize) -> Mat<f64> {
        let (d, places) = (model.modes.len(), &self.fibres[i].places);
        Mat::from_fn(places.len() / d, model.lambda.len(), |j, k| {
            (0..d).filter(|l| *l != i).map(|l| model.modes[l][(places[j * d + l], k)]).product()
        })
    }

    /// Adds a term fitted to the residual by a few sweeps of its own.
    pub(super) fn add_term(&self, model: &mut Model, seed: u64, rank: usize) {
        let mut term = Model::random(model, seed, &format!("term {rank}"));
        let residual = |(i, fibres): (usize, &Fibres)| {
            let mut values = fibres.values.clone();
            values -= model.weighted(i) * self.weights(model, i).transpose();
            Fibres { places: fibres.places.clone(), values }
        };
        let residuals: Vec<Fibres> = self.fibres.iter().enumerate().map(residual).collect();
        let sweep = Sweep { fibres: &residuals, bound: f64::INFINITY, noise: 0.0 };
        (0..STARTING_SWEEPS).for_each(|_| sweep.run(&mut term));
        for (old, new) in model.modes.iter_mut().zip(term.modes) {
            let known = old.ncols();
            old.resize_with(new.nrows(), known + 1, |i, _| new[(i, 0)]);
        }
        model.lambda.extend(term.lambda);
    }
}

impl Equations {
    /// `old` and the step from it that minimises the squared residuals and ridge |C|^2; `floor` keeps
    /// the step short where the equations are singular.
    fn solution(&self, old: &Mat<f64>, ridge: f64, floor: f64) -> Mat<f64> {
        let (n, s) = old.shape();
        let mut matrix = self.matrix.clone();
        (0..s).for_each(|k| matrix[(k, k)] += ridge + floor);
        let (packed, rows, _) = f64::lu(matrix.as_ref());
        let mut step = Mat::from_fn(s, n, |k, row| self.right[(rows[k], row)] - ridge * old[(row, rows[k])]);
        f64::lu_solve(packed.as_ref(), step.as_mut());
        old + step.transpose()
    }
}
