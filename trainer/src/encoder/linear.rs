//! One layer y = W x + b in a training step: a product with its weight and, beside it, its adapter.
//!
//! **Problem.** y for tokens x (n, tokens); dx, and the gradient of the trained numbers, from dy.
//!
//! **Method.** An update of low rank c dW = U V' is materialised once a step and applied as U (V' x). The
//! gradient of U and V is summed over the pieces of a batch and pulled back to the adapter's numbers once
//! ([`Linear::finish`]). Other adapters run through [`Step`].
//!
//! **Cost.** 2 m n flops a token each way, 2 r (m + n) more forward and 4 r (m + n) + 2 r (m + n) backward.
//!
//! **Guarantee.** Frozen numbers have no gradient; what is not finite is named.
//!
//! **Deviations.** None.

use super::buffer::Buffer;
use super::vector::{add, add_bias, finite};
use crate::layer::{Layer, Weight, entries};
use crate::model::NotFinite;
use anyhow::{Context, Result, bail};
use lowrank::faer::{Mat, MatRef};
use lowrank::layers::adapter::{Delta, Step};
use lowrank::{LowRank, Scalar};

/// A layer, its name and what its adapter needs in this step.
pub(super) struct Linear<'a, T: Scalar> {
    pub name: String,
    pub layer: &'a Layer<T>,
    step: Option<Step<'a, T>>,
}

impl<'a, T: Scalar> Linear<'a, T> {
    pub fn new(name: String, layer: &'a Layer<T>) -> Self {
        let step = match &layer.weight {
            Weight::Adapted(adapted) => Some(adapted.step()),
            _ => None,
        };
        Self { name, layer, step }
    }

    /// Whether some of its numbers are trained.
    pub fn trained(&self) -> bool {
        self.layer.trained()
    }

    /// The frozen weight and the update's factors, where the update is U V' and nothing more.
    fn low_rank(&self) -> Option<(MatRef<'a, T>, &LowRank<T>)> {
        match (&self.layer.weight, self.step.as_ref().map(Step::delta)) {
            (Weight::Adapted(adapted), Some(Delta::LowRank(x))) if adapted.magnitude().is_none() => {
                Some((adapted.base(), x))
            }
            _ => None,
        }
    }

    /// W x + b.
    ///
    /// # Errors
    /// Where an entry is not finite, with the layer's name.
    pub fn forward(&self, x: &Buffer<T>) -> Result<Buffer<T>> {
        let mut y = x.like(self.layer.weight.shape().0, x.ncols());
        match (&self.layer.weight, self.low_rank(), &self.step) {
            (_, Some((base, LowRank { u, v })), _) => {
                T::product(y.as_mut(), false, base, x.as_ref());
                let inner = product(v.transpose(), x.as_ref()); // (r, tokens)
                T::product(y.as_mut(), true, u.as_ref(), inner.as_ref());
            }
            (_, None, Some(step)) => {
                let found = step.forward(x.as_ref()).with_context(|| self.not_finite("output"))?;
                y.as_mut().copy_from(found);
            }
            (Weight::Frozen(w) | Weight::Full(w), ..) => {
                T::product(y.as_mut(), false, w.as_ref(), x.as_ref())
            }
            (weight, ..) => T::product(y.as_mut(), false, weight.merged().as_ref(), x.as_ref()),
        }
        match add_bias(y.values_mut(), &self.layer.bias) {
            true => Ok(y),
            false => bail!(self.not_finite("output")),
        }
    }

    /// Puts W' dy into dx or adds it, where one is given, and appends the gradients of the trained numbers, the
    /// last group first. The input x is needed where numbers are trained.
    ///
    /// # Errors
    /// Where an entry is not finite, with the layer's name.
    pub fn backward(
        &self,
        x: Option<&Buffer<T>>,
        dy: &Buffer<T>,
        mut dx: Dx<'_, T>,
        gradients: &mut Vec<Vec<T>>,
    ) -> Result<()> {
        let before = gradients.len();
        match (&self.layer.weight, self.low_rank(), &self.step, x) {
            (_, Some((base, LowRank { u, v })), _, Some(x)) => {
                let inner = product(v.transpose(), x.as_ref()); // (r, tokens)
                let outer = product(u.transpose(), dy.as_ref()); // (r, tokens)
                dx.put(base.transpose(), dy.as_ref());
                dx.add(v.as_ref(), outer.as_ref());
                let du = product(dy.as_ref(), inner.transpose());
                let dv = product(x.as_ref(), outer.transpose());
                gradients.push([entries(du.as_ref()), entries(dv.as_ref())].concat());
            }
            (_, None, Some(step), Some(x)) => {
                let found = step.backward(x.as_ref(), dy.as_ref());
                let found = found.with_context(|| self.not_finite("gradient"))?;
                gradients.push(found.values);
                dx.take(found.input);
            }
            (Weight::Full(w), _, _, Some(x)) => {
                dx.put(w.transpose(), dy.as_ref());
                let mut db = vec![T::of(0.0); dy.nrows()];
                dy.columns().for_each(|dy| add(&mut db, dy));
                gradients.push(db);
                gradients.push(entries(product(dy.as_ref(), x.as_ref().transpose()).as_ref()));
            }
            (Weight::Frozen(w), ..) => dx.put(w.transpose(), dy.as_ref()),
            (_, _, _, _) if matches!(dx, Dx::None) => {}
            (weight, ..) => dx.put(weight.merged().transpose(), dy.as_ref()),
        }
        let fine = gradients[before..].iter().all(|g| finite(g)) && dx.finite();
        if fine { Ok(()) } else { bail!(self.not_finite("gradient")) }
    }

    /// How many groups its trained numbers are.
    pub fn group_count(&self) -> usize {
        match &self.layer.weight {
            Weight::Frozen(_) | Weight::Rounded(_) => 0,
            Weight::Full(_) => 2,
            Weight::Adapted(_) => 1,
        }
    }

    /// The gradient of the adapter's numbers from that which [`Linear::backward`] appended, summed over all
    /// pieces.
    pub fn finish(&self, gradient: Vec<T>) -> Vec<T> {
        let (Some((_, factors)), Weight::Adapted(adapted)) = (self.low_rank(), &self.layer.weight) else {
            return gradient;
        };
        let ((m, n), rank) = (factors.shape(), factors.rank());
        let (u, v) = gradient.split_at(m * rank);
        let matrix = |values, rows| MatRef::from_column_major_slice(values, rows, rank).to_owned();
        // The scaling c stands in U.
        let delta = Delta::LowRank(LowRank { u: matrix(u, m), v: matrix(v, n) });
        adapted.adapter().pull_back(&delta.scaled(T::of(adapted.scaling())))
    }

    fn not_finite(&self, what: &str) -> NotFinite {
        NotFinite::of(&self.name, what)
    }
}

/// Where the gradient of an input goes.
pub(super) enum Dx<'a, T: Scalar> {
    /// Nowhere: nothing is trained below.
    None,
    /// In place of what is there.
    Set(&'a mut Buffer<T>),
    /// On top of what is there.
    Add(&'a mut Buffer<T>),
}

impl<'a, T: Scalar> Dx<'a, T> {
    /// Set, where there is a buffer.
    pub fn set(buffer: Option<&'a mut Buffer<T>>) -> Self {
        buffer.map_or(Dx::None, Dx::Set)
    }
    /// Add, where it is needed.
    pub fn add_if(needed: bool, buffer: &'a mut Buffer<T>) -> Self {
        if needed { Dx::Add(buffer) } else { Dx::None }
    }
    /// a b.
    fn put(&mut self, a: MatRef<'_, T>, b: MatRef<'_, T>) {
        match self {
            Dx::None => {}
            Dx::Set(out) => T::product(out.as_mut(), false, a, b),
            Dx::Add(out) => T::product(out.as_mut(), true, a, b),
        }
    }
    /// a b on top of what was put.
    fn add(&mut self, a: MatRef<'_, T>, b: MatRef<'_, T>) {
        if let Dx::Set(out) | Dx::Add(out) = self {
            T::product(out.as_mut(), true, a, b);
        }
    }
    /// A matrix that is there.
    fn take(&mut self, a: Mat<T>) {
        match self {
            Dx::None => {}
            Dx::Set(out) => out.as_mut().copy_from(a),
            Dx::Add(out) => out.columns_mut().enumerate().for_each(|(j, out)| add(out, a.col_as_slice(j))),
        }
    }
    fn finite(&self) -> bool {
        match self {
            Dx::None => true,
            Dx::Set(out) | Dx::Add(out) => finite(out.values()),
        }
    }
}

/// `a b`, on one thread.
pub(super) fn product<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> Mat<T> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    T::product(out.as_mut(), false, a, b);
    out
}
