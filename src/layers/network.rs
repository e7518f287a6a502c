//! A small feed-forward network, to see what factorized layers do to its output.
//!
//! **Problem.** f(x) = W_L phi(... phi(W_1 x + b_1) ...) + b_L and the same network with other
//! weights: how far may the outputs for given inputs lie apart?
//!
//! **Method.** Layer by layer, for each sample: with h the activations of the first network, h^ those
//! of the second, E = W - W^ and phi of Lipschitz constant c,
//!
//! |h_l - h^_l| <= c (|E_l|_2 |h_{l-1}| + |W^_l|_2 |h_{l-1} - h^_{l-1}| + |b_l - b^_l|),
//!
//! without c for the last layer. Written out, every layer adds its error times the size of its own
//! input times the norms of the layers *after* it.
//!
//! **Cost.** A spectral norm (an SVD without vectors) for each changed layer; two runs of the batch.
//!
//! **Guarantee.** A bound, to rounding. It is rarely attained: norms are products of worst cases.
//!
//! **Deviations.** Bounds in the literature that put |x| in place of |h_{l-1}| leave out the norms of
//! the layers before the error; the size of the input of each layer is measured here instead.

use super::{Activation, Linear, Weight, factorize};
use crate::matrix::{AsMatrix, slice_norm, spectral};
use crate::svd::Rank;
use crate::{Error, Result, Scalar};
use faer::{Mat, MatRef};

/// A feed-forward network: linear layers with an activation between them, none after the last.
#[derive(Debug, Clone)]
pub struct Network<T: Scalar> {
    /// The layers, the first one takes the input.
    pub layers: Vec<Linear<T>>,
    /// The activation between layers.
    pub activation: Activation,
}

/// How far the output of a network moves when its layers are replaced.
#[derive(Debug, Clone)]
pub struct Moved {
    /// |f(x) - f^(x)| for each sample, measured.
    pub measured: Vec<f64>,
    /// The bound of it.
    pub bound: Vec<f64>,
    /// |W - W^|_2 for each layer.
    pub layer_errors: Vec<f64>,
}

impl<T: Scalar> Network<T> {
    /// A network of these layers.
    ///
    /// # Errors
    /// [`Error::Shape`] when there is no layer, or one takes another number of inputs than the one
    /// before it gives.
    pub fn new(layers: Vec<Linear<T>>, activation: Activation) -> Result<Self> {
        if layers.is_empty() {
            let expected = "at least one layer is needed".into();
            return Err(Error::Shape { argument: "layers", expected, found: vec![0] });
        }
        for (k, pair) in layers.windows(2).enumerate() {
            let (before, after) = (pair[0].weight.shape(), pair[1].weight.shape());
            if after.1 != before.0 {
                let expected = format!("layer {k} (counted from 0) gives {} numbers", before.0);
                return Err(Error::Shape { argument: "layers", expected, found: vec![after.0, after.1] });
            }
        }
        Ok(Self { layers, activation })
    }

    /// How many numbers are stored.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(Linear::parameters).sum()
    }

    /// The outputs for a batch x, a sample a column.
    ///
    /// # Errors
    /// Those of [`Linear::forward`]; [`Error::NonFinite`] (argument `x`) also when an activation
    /// overflows.
    pub fn forward(&self, x: impl AsMatrix<T>) -> Result<Mat<T>> {
        let mut h = self.layers[0].forward(x)?;
        for layer in &self.layers[1..] {
            self.activate(&mut h);
            h = layer.forward(h.as_ref())?;
        }
        Ok(h)
    }

    fn activate(&self, h: &mut Mat<T>) {
        for j in 0..h.ncols() {
            h.col_as_slice_mut(j).iter_mut().for_each(|x| *x = self.activation.apply(*x));
        }
    }

    /// The network with every layer factorized, its rank by `rank`; layers whose factors would not
    /// be smaller are left as they are.
    ///
    /// # Errors
    /// Those of [`factorize`].
    pub fn factorized(&self, rank: Rank) -> Result<Self> {
        let layers = self.layers.iter().map(|layer| {
            let w = layer.weight.to_dense();
            let small = factorize(w.as_ref(), layer.bias.as_deref(), rank)?.layer;
            Ok(if small.parameters() < layer.parameters() { small } else { layer.clone() })
        });
        Self::new(layers.collect::<Result<_>>()?, self.activation)
    }

    /// How far the outputs of `other` lie from those of this network for a batch x, and a bound.
    ///
    /// # Errors
    /// [`Error::Shape`] when `other` has other layers; those of [`Network::forward`].
    ///
    /// ```
    /// use lowrank::faer::Mat;
    /// use lowrank::layers::{Activation, Linear, Network};
    /// use lowrank::svd::Rank;
    ///
    /// let layer = |m, n| {
    ///     Linear::dense(Mat::from_fn(m, n, |i, j| 1.0 / (1.0 + i as f64 + j as f64)), None)
    /// };
    /// let network = Network::new(vec![layer(50, 40)?, layer(30, 50)?], Activation::Relu)?;
    /// let small = network.factorized(Rank::Tolerance(1e-2))?;
    /// let x = Mat::from_fn(40, 7, |i, j| ((i * j) % 5) as f64 - 2.0);
    /// let moved = network.moved(&small, x.as_ref())?;
    /// assert!(moved.measured.iter().zip(&moved.bound).all(|(m, b)| m <= b));
    /// assert!(small.parameters() < network.parameters() / 2);
    /// # lowrank::Result::Ok(())
    /// ```
    pub fn moved(&self, other: &Self, x: impl AsMatrix<T>) -> Result<Moved> {
        self.moved_for(other, x.as_matrix())
    }

    fn moved_for(&self, other: &Self, x: MatRef<'_, T>) -> Result<Moved> {
        let shapes = |network: &Self| -> Vec<_> { network.layers.iter().map(|l| l.weight.shape()).collect() };
        if shapes(self) != shapes(other) || self.activation != other.activation {
            let expected = "layers of the same shapes and the same activation are needed".into();
            return Err(Error::Shape { argument: "other", expected, found: vec![other.layers.len()] });
        }
        let norms =
            |a: &Mat<T>| -> Vec<f64> { (0..a.ncols()).map(|j| slice_norm(a.col_as_slice(j))).collect() };
        let (mut h, mut h_other) = (x.to_owned(), x.to_owned());
        let (mut bound, mut layer_errors) = (vec![0.0; x.ncols()], Vec::new());
        for (l, (layer, new)) in self.layers.iter().zip(&other.layers).enumerate() {
            if l > 0 {
                self.activate(&mut h);
                self.activate(&mut h_other);
                bound.iter_mut().for_each(|b| *b *= self.activation.lipschitz());
            }
            let error = difference(&layer.weight, &new.weight)?;
            let (norm, bias) = (new.weight.spectral()?, bias_difference(layer, new));
            for (b, size) in bound.iter_mut().zip(norms(&h)) {
                *b = error * size + norm * *b + bias;
            }
            layer_errors.push(error);
            (h, h_other) = (layer.forward(h.as_ref())?, new.forward(h_other.as_ref())?);
        }
        Ok(Moved { measured: norms(&(&h - &h_other)), bound, layer_errors })
    }
}

/// |W - W^|_2.
fn difference<T: Scalar>(w: &Weight<T>, new: &Weight<T>) -> Result<f64> {
    spectral((w.to_dense() - new.to_dense()).as_ref())
}

/// |b - b^|.
fn bias_difference<T: Scalar>(layer: &Linear<T>, new: &Linear<T>) -> f64 {
    let at = |l: &Linear<T>, i: usize| l.bias.as_ref().map_or(T::of(0.0), |b| b[i]);
    let change: Vec<T> = (0..layer.weight.shape().0).map(|i| at(layer, i) - at(new, i)).collect();
    slice_norm(&change)
}
