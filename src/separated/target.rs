//! What the alternating least squares of [`super::sweep`] fit: a stored tensor ([`super::stored`]), a sum
//! of Kronecker products, or either less a fit of it. Only sizes p_i = m_i n_i are known here, no shapes.

use super::Separated;
use super::gram::{Pair, Sliced};
use crate::Scalar;
use crate::matrix::{product_by_rows, scale_by_power_of_two};
use faer::Mat;

/// `sum_k lambda_k v_k^(1) (x) ... (x) v_k^(d)`, v_k^(i) the unit column k of mode i (p_i, s).
#[derive(Debug, Clone)]
pub(crate) struct Terms<T: Scalar> {
    pub lambda: Vec<f64>,
    pub modes: Vec<Mat<T>>,
}

impl<T: Scalar> Terms<T> {
    pub fn zeros(sizes: &[usize]) -> Self {
        Self { lambda: Vec::new(), modes: sizes.iter().map(|&p| Mat::zeros(p, 0)).collect() }
    }
    /// The first `count` terms of `m` times 2^e.
    pub fn of(m: &Separated<T>, count: usize, e: i32) -> Self {
        let count = count.min(m.separation_rank());
        let lambda = m.lambda()[..count].iter().map(|x| scale_by_power_of_two(x.as_f64(), e)).collect();
        let modes = m.modes().iter().map(|mode| mode.subcols(0, count).to_owned()).collect();
        Self { lambda, modes }
    }
    /// The number of terms.
    pub fn len(&self) -> usize {
        self.lambda.len()
    }
    /// The terms of largest lambda, so many.
    pub fn largest(&self, count: usize) -> Self {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by(|&a, &b| self.lambda[b].total_cmp(&self.lambda[a]));
        order.truncate(count);
        let mode = |mode: &Mat<T>| Mat::from_fn(mode.nrows(), order.len(), |i, k| mode[(i, order[k])]);
        Self {
            lambda: order.iter().map(|&k| self.lambda[k]).collect(),
            modes: self.modes.iter().map(mode).collect(),
        }
    }
    fn sliced(&self) -> Sliced {
        Sliced::new(self.lambda.clone(), &self.modes)
    }
    /// gamma, accurate to |lambda|_2 eps / |X|_F.
    pub fn condition_number(&self) -> f64 {
        gamma(&self.lambda, self.sliced().square())
    }
    /// These terms and those of `other`.
    pub fn joined(mut self, other: Self) -> Self {
        self.lambda.extend(other.lambda);
        let join = |(a, b): (Mat<T>, Mat<T>)| {
            Mat::from_fn(a.nrows(), a.ncols() + b.ncols(), |i, k| {
                if k < a.ncols() { a[(i, k)] } else { b[(i, k - a.ncols())] }
            })
        };
        self.modes = self.modes.into_iter().zip(other.modes).map(join).collect();
        self
    }
}

/// sqrt(sum lambda^2) / |X|_F, 1 for no terms.
fn gamma(lambda: &[f64], square: Pair) -> f64 {
    if lambda.is_empty() { 1.0 } else { lambda.iter().map(|x| x * x).sum::<f64>().sqrt() / square.root() }
}

/// A tensor A (p_1, ..., p_d) that can be fitted by [`Terms`].
pub(crate) trait Target<T: Scalar>: Sync {
    /// p_1, ..., p_d.
    fn sizes(&self) -> &[usize];
    /// |A|_F.
    fn norm(&self) -> f64;
    /// `sum A[i_1, ..., i_d] prod_{j != mode} V_j[i_j, k]` (p_mode, s): the unfolding of `mode` times
    /// the Khatri-Rao product of the other modes.
    ///
    /// Asked for modes in rising order, over and over: what was computed for one serves the next, so
    /// modes before `mode` may have changed since the first of a round, and later ones may not. None is
    /// left out of a round but in fits of a stored tensor.
    fn mttkrp(&mut self, mode: usize, modes: &[Mat<T>]) -> Mat<T>;
    /// |A - X|_F, from the residual.
    fn error(&self, x: &Terms<T>) -> f64;
}

/// A sum of Kronecker products.
///
/// With the products C_j (S, s) of its modes with those of the fit, mode i needs the Hadamard
/// product of all C_j but C_i: that of the later ones is known from the start of a sweep, that of
/// the earlier ones grows. A sweep costs 6 S s sum p_i flops and 2 d S s others.
pub(super) struct Sum<T: Scalar> {
    sizes: Vec<usize>,
    terms: Terms<T>,
    sliced: Sliced,
    square: Pair,
    /// lambda times the products of the modes before the one asked last.
    earlier: Mat<T>,
    /// The products of the modes after i, for each i.
    later: Vec<Mat<T>>,
}

impl<T: Scalar> Sum<T> {
    /// Of `terms` of moderate lambda.
    pub fn new(terms: Terms<T>) -> Self {
        let sizes = terms.modes.iter().map(|mode| mode.nrows()).collect();
        let sliced = terms.sliced();
        let square = sliced.square();
        Self { sizes, terms, sliced, square, earlier: Mat::new(), later: Vec::new() }
    }

    pub fn terms(&self) -> &Terms<T> {
        &self.terms
    }
    /// Its gamma.
    pub fn condition_number(&self) -> f64 {
        gamma(&self.terms.lambda, self.square)
    }

    /// The inner products (S, s) of the columns of mode i.
    fn products(&self, i: usize, mode: &Mat<T>) -> Mat<T> {
        let own = &self.terms.modes[i];
        let mut out = Mat::zeros(own.ncols(), mode.ncols());
        product_by_rows(out.as_mut(), own.transpose(), mode.as_ref());
        out
    }
}

impl<T: Scalar> Target<T> for Sum<T> {
    fn sizes(&self) -> &[usize] {
        &self.sizes
    }
    fn norm(&self) -> f64 {
        self.square.root()
    }
    fn mttkrp(&mut self, mode: usize, modes: &[Mat<T>]) -> Mat<T> {
        let (d, s) = (modes.len(), modes[mode].ncols());
        if mode == 0 {
            self.earlier = Mat::from_fn(self.terms.len(), s, |k, _| T::of(self.terms.lambda[k]));
            let mut product = Mat::from_fn(self.terms.len(), s, |_, _| T::of(1.0));
            self.later = vec![Mat::new(); d];
            for i in (1..d).rev() {
                let next = hadamard(self.products(i, &modes[i]), &product);
                self.later[i] = std::mem::replace(&mut product, next);
            }
            self.later[0] = product;
        } else {
            self.earlier = hadamard(self.products(mode - 1, &modes[mode - 1]), &self.earlier);
        }
        let weights = hadamard(std::mem::replace(&mut self.later[mode], Mat::new()), &self.earlier);
        let mut out = Mat::zeros(self.sizes[mode], s);
        product_by_rows(out.as_mut(), self.terms.modes[mode].as_ref(), weights.as_ref());
        out
    }
    fn error(&self, x: &Terms<T>) -> f64 {
        let x = x.sliced();
        Pair::distance(self.square, self.sliced.inner(&x), x.square())
    }
}

/// A target less the terms X.
pub(super) struct Less<'a, T: Scalar> {
    target: &'a mut dyn Target<T>,
    x: Sum<T>,
    norm: f64,
    sizes: Vec<usize>,
}

impl<'a, T: Scalar> Less<'a, T> {
    /// `norm` is |A - X|_F.
    pub fn new(target: &'a mut dyn Target<T>, x: Terms<T>, norm: f64) -> Self {
        let sizes = target.sizes().to_vec();
        Self { target, x: Sum::new(x), norm, sizes }
    }
}

impl<T: Scalar> Target<T> for Less<'_, T> {
    fn sizes(&self) -> &[usize] {
        &self.sizes
    }
    fn norm(&self) -> f64 {
        self.norm
    }
    fn mttkrp(&mut self, mode: usize, modes: &[Mat<T>]) -> Mat<T> {
        self.target.mttkrp(mode, modes) - self.x.mttkrp(mode, modes)
    }
    fn error(&self, y: &Terms<T>) -> f64 {
        self.target.error(&self.x.terms.clone().joined(y.clone()))
    }
}

pub(super) fn hadamard<T: Scalar>(mut a: Mat<T>, b: &Mat<T>) -> Mat<T> {
    for k in 0..a.ncols() {
        a.col_as_slice_mut(k).iter_mut().zip(b.col_as_slice(k)).for_each(|(a, b)| *a *= *b);
    }
    a
}
