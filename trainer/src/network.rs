//! A plain network: affine layers with an activation between them, and its gradients by hand.
//!
//! **Problem.** y = W_L f(... f(W_1 x + b_1) ...) + b_L for samples x (n, N), a sample a column; and the
//! gradients of a loss of y with respect to the trained numbers alone.
//!
//! **Method.** Reverse mode: with dy the gradient at a layer's output, dW = dy x', db = dy 1,
//! dx = W' dy, and through the activation f'(z) entry by entry. An adapter pulls dy back to its own
//! numbers ([`lowrank::layers::adapter::Step::backward`]). The pass ends at the first layer that is trained.
//!
//! **Cost.** 2 m n N flops a layer forward and 4 m n N backward; 2 less m n N where W is frozen.
//!
//! **Guarantee.** Frozen numbers never change. The first layer whose output or gradient is not finite is
//! named in the error.
//!
//! **Deviations.** None.

pub use crate::layer::{Layer, Weight};
use crate::layer::{entries, set_layers};
use crate::loss::cross_entropy;
use crate::model::{Checksum, Group, Model, NotFinite};
use anyhow::{Context, Result, anyhow, bail};
use lowrank::Scalar;
use lowrank::faer::{Mat, MatRef};
use lowrank::layers::Activation;
use lowrank::layers::adapter::Method;
use lowrank::matrix::check_finite;
use lowrank::random::gaussian;

/// The network.
#[derive(Debug, Clone)]
pub struct Network<T: Scalar> {
    /// The layers, the first one takes the input.
    pub layers: Vec<Layer<T>>,
    /// Between the layers; none after the last.
    pub activation: Activation,
}

impl<T: Scalar> Network<T> {
    /// A network of these widths, inputs first, all of it trained: weights of variance 2 / n (He et al.
    /// 2015), biases zero.
    pub fn new(widths: &[usize], activation: Activation, seed: u64) -> Self {
        let layer = |(k, pair): (usize, &[usize])| {
            let (n, m) = (pair[0], pair[1]);
            let deviation = T::of((2.0 / n.max(1) as f64).sqrt());
            let weight = gaussian::<T>(m, n, seed, &format!("weights of layer {}", k + 1));
            let weight = Mat::from_fn(m, n, |i, j| weight[(i, j)] * deviation);
            Layer { weight: Weight::Full(weight), bias: vec![T::of(0.0); m] }
        };
        Self { layers: widths.windows(2).enumerate().map(layer).collect(), activation }
    }

    /// The network as it is now with its last layer, the head, trained and the others frozen; with an
    /// adapter beside each of these where a method is given.
    ///
    /// # Errors
    /// Those of [`Method::adapt`], with the layer.
    pub fn adapt(&self, method: Option<&Method>, scaling: f64, seed: u64) -> Result<Self> {
        let last = self.layers.len().saturating_sub(1);
        let layer = |(k, layer): (usize, &Layer<T>)| {
            let weight = match (layer.weight.merged(), method) {
                (merged, _) if k == last => Weight::Full(merged),
                (merged, None) => Weight::Frozen(merged),
                (merged, Some(method)) => {
                    // Streams are named by the seed: one for each layer.
                    let seed = seed.wrapping_mul(1000).wrapping_add(k as u64);
                    let adapted = method.adapt(merged.as_ref(), scaling, seed);
                    Weight::Adapted(adapted.with_context(|| format!("the adapter of layer {}", k + 1))?)
                }
            };
            Ok(Layer { weight, bias: layer.bias.clone() })
        };
        let layers = self.layers.iter().enumerate().map(layer).collect::<Result<_>>()?;
        Ok(Self { layers, activation: self.activation })
    }

    /// The outputs for samples x (n, N): (m, N).
    ///
    /// # Errors
    /// Where the shapes do not fit, or x or the output of a layer is not finite.
    pub fn forward(&self, x: MatRef<'_, T>) -> Result<Mat<T>> {
        Ok(self.run(x)?.pop().ok_or_else(|| anyhow!("a network without layers"))?.output)
    }

    /// The loss of the outputs for samples x (n, N) and its gradients with respect to the trained numbers, one
    /// list for each of [`Model::groups`]. `loss` gives the loss of outputs and its gradient.
    ///
    /// # Errors
    /// Those of [`Network::forward`] and of the loss; where a gradient is not finite.
    pub fn gradient(
        &self,
        x: MatRef<'_, T>,
        loss: impl Fn(MatRef<'_, T>) -> Result<(f64, Mat<T>)>,
    ) -> Result<(f64, Vec<Vec<T>>)> {
        let passed = self.run(x)?;
        let last = passed.last().ok_or_else(|| anyhow!("a network without layers"))?;
        let (loss, mut dy) = loss(last.output.as_ref())?;
        if !loss.is_finite() {
            bail!(NotFinite(format!("the loss is {loss}")));
        }
        let first = self.layers.iter().position(Layer::trained).unwrap_or(self.layers.len());
        let mut gradients = Vec::new(); // the last one first
        for (k, (layer, pass)) in self.layers.iter().zip(&passed).enumerate().skip(first).rev() {
            let before = if k == 0 { x } else { pass.input.as_ref() };
            let dx = match (&layer.weight, &pass.step) {
                (Weight::Frozen(w), _) => w.transpose() * &dy,
                (Weight::Rounded(w), _) => w.to_mat::<T>().transpose() * &dy,
                (Weight::Full(w), _) => {
                    gradients.push((0..dy.nrows()).map(|i| dy.row(i).iter().copied().sum()).collect());
                    gradients.push(entries((&dy * before.transpose()).as_ref()));
                    if k == first { Mat::zeros(0, 0) } else { w.transpose() * &dy }
                }
                (Weight::Adapted(_), Some(step)) => {
                    let found = step.backward(before, dy.as_ref());
                    let found = found.with_context(|| not_finite("gradient", k))?;
                    gradients.push(found.values);
                    found.input
                }
                (Weight::Adapted(_), None) => unreachable!("`run` prepares every adapter"),
            };
            if gradients.iter().rev().take(2).flatten().any(|g: &T| !num_finite(*g)) {
                bail!(not_finite("gradient", k));
            }
            if k > first {
                let z = &passed[k - 1].output;
                dy = Mat::from_fn(z.nrows(), z.ncols(), |i, j| {
                    dx[(i, j)] * T::of(slope(self.activation, z[(i, j)].as_f64()))
                });
            }
        }
        gradients.reverse();
        Ok((loss, gradients))
    }

    fn run(&self, x: MatRef<'_, T>) -> Result<Vec<Pass<'_, T>>> {
        check_finite("x", x)?;
        let mut out: Vec<Pass<'_, T>> = Vec::with_capacity(self.layers.len());
        for (k, layer) in self.layers.iter().enumerate() {
            let input = match out.last() {
                None => Mat::zeros(0, 0), // x itself
                Some(Pass { output: z, .. }) => {
                    Mat::from_fn(z.nrows(), z.ncols(), |i, j| self.activation.apply(z[(i, j)]))
                }
            };
            let x = if k == 0 { x } else { input.as_ref() };
            let (m, n) = layer.weight.shape();
            if x.nrows() != n {
                bail!("layer {} takes {n} inputs, but gets {}", k + 1, x.nrows());
            }
            let (mut output, step) = match &layer.weight {
                Weight::Frozen(w) | Weight::Full(w) => (w * x, None),
                Weight::Rounded(w) => (w.to_mat::<T>() * x, None),
                Weight::Adapted(adapted) => {
                    let step = adapted.step();
                    (step.forward(x).with_context(|| not_finite("output", k))?, Some(step))
                }
            };
            for j in 0..output.ncols() {
                let column = output.col_as_slice_mut(j);
                (0..m).for_each(|i| column[i] += layer.bias[i]);
            }
            check_finite("output", output.as_ref()).with_context(|| not_finite("output", k))?;
            out.push(Pass { input, output, step });
        }
        Ok(out)
    }
}

/// A sample is the list of its n numbers.
impl<T: Scalar> Model<T> for Network<T> {
    type Input = Vec<T>;

    fn groups(&self) -> Vec<Group<T>> {
        let last = self.layers.len().saturating_sub(1);
        let groups =
            |(k, layer): (usize, &Layer<T>)| layer.groups(&format!("layer {}, ", k + 1), k == last, true);
        self.layers.iter().enumerate().flat_map(groups).collect()
    }

    fn set(&mut self, groups: &[Group<T>]) -> Result<()> {
        set_layers(self.layers.iter_mut(), groups)
    }

    fn logits(&self, inputs: &[&Vec<T>]) -> Result<Mat<T>> {
        self.forward(columns(inputs)?.as_ref())
    }

    fn gradient(&self, inputs: &[&Vec<T>], labels: &[usize]) -> Result<(f64, Vec<Vec<T>>)> {
        self.gradient(columns(inputs)?.as_ref(), |y| cross_entropy(y, labels))
    }

    fn frozen(&self) -> u64 {
        let mut sum = Checksum::default();
        sum.add_text(&format!("{:?}", self.activation));
        self.layers.iter().for_each(|layer| layer.checksum(&mut sum));
        sum.0
    }
}

/// Samples as columns, (n, N).
fn columns<T: Scalar>(inputs: &[&Vec<T>]) -> Result<Mat<T>> {
    let n = inputs.first().map_or(0, |input| input.len());
    if let Some(at) = inputs.iter().position(|input| input.len() != n) {
        bail!("sample {at} has {} numbers, but the first one has {n}", inputs[at].len());
    }
    Ok(Mat::from_fn(n, inputs.len(), |i, j| inputs[j][i]))
}

/// What the backward pass needs of a layer: its input (empty for the first layer), its output before
/// the activation, and its adapter's step.
struct Pass<'a, T: Scalar> {
    input: Mat<T>,
    output: Mat<T>,
    step: Option<lowrank::layers::adapter::Step<'a, T>>,
}

/// f'(x); 0 at the corner of max(x, 0).
pub fn slope(activation: Activation, x: f64) -> f64 {
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    match activation {
        Activation::Identity => 1.0,
        Activation::Relu => f64::from(x > 0.0),
        Activation::Tanh => 1.0 - x.tanh() * x.tanh(),
        Activation::Sigmoid => sigmoid * (1.0 - sigmoid),
        Activation::Silu => sigmoid * (1.0 + x * (1.0 - sigmoid)),
        Activation::Gelu => {
            let c = (2.0 / std::f64::consts::PI).sqrt();
            let t = (c * (x + 0.044715 * x * x * x)).tanh();
            0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * c * (1.0 + 3.0 * 0.044715 * x * x)
        }
    }
}

fn num_finite<T: Scalar>(x: T) -> bool {
    x.as_f64().is_finite()
}

fn not_finite(what: &str, k: usize) -> NotFinite {
    NotFinite::of(&format!("layer {} (counted from 1)", k + 1), what)
}
