//! AdamW, the learning rate over the steps, and clipping.
//!
//! **Problem.** Trained numbers p in groups and the gradient g of a loss: a step downhill.
//!
//! **Method.** Adam with decoupled decay (Loshchilov, Hutter 2019): m = b1 m + (1 - b1) g,
//! v = b2 v + (1 - b2) g^2, p = p (1 - rate decay) - rate (m / c1) / (sqrt(v / c2) + epsilon) with
//! c = 1 - b^t. The gradient is first scaled to a norm of at most `clip` over all groups. The rate
//! rises linearly over the first steps and falls linearly to zero.
//!
//! **Cost.** Two numbers of state for each trained one.
//!
//! **Guarantee.** The steps of PyTorch's `AdamW`, to rounding; clipping is without the 1e-6 that its
//! `clip_grad_norm_` adds to the norm.
//!
//! **Deviations.** Biases are not decayed.

use crate::model::{Group, NotFinite};
use anyhow::{Result, bail};
use lowrank::Scalar;

/// The constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// The largest learning rate.
    pub rate: f64,
    /// Decay of the weights.
    pub decay: f64,
    /// b1 and b2.
    pub betas: (f64, f64),
    /// Added to the root.
    pub epsilon: f64,
    /// The largest norm of the gradient over all groups; infinite for no clipping.
    pub clip: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { rate: 1e-3, decay: 0.01, betas: (0.9, 0.999), epsilon: 1e-8, clip: 1.0 }
    }
}

/// m and v, a list for each group, and t.
#[derive(Debug, Clone, PartialEq)]
pub struct State<T> {
    /// m and v of each group.
    pub moments: Vec<[Vec<T>; 2]>,
    /// Steps done.
    pub steps: u64,
}

impl AdamW {
    /// # Errors
    /// Where a constant is out of its range, with its name.
    pub fn check(&self) -> Result<()> {
        let positive = [("rate", self.rate), ("epsilon", self.epsilon), ("clip", self.clip)];
        if let Some((name, value)) = positive.into_iter().find(|(_, x)| !(*x > 0.0)) {
            bail!("{name} = {value}: pass a positive number");
        }
        if !(self.rate.is_finite() && self.decay >= 0.0 && self.decay.is_finite()) {
            bail!(
                "rate = {}, decay = {}: pass finite numbers, the decay not negative",
                self.rate,
                self.decay
            );
        }
        if [self.betas.0, self.betas.1].iter().any(|b| !(0.0..1.0).contains(b)) {
            bail!("betas = {:?}: pass numbers from 0 up to, but not, 1", self.betas);
        }
        Ok(())
    }

    /// The state before the first step.
    pub fn start<T: Scalar>(&self, groups: &[Group<T>]) -> State<T> {
        let zeros = |group: &Group<T>| vec![T::of(0.0); group.values.len()];
        State { moments: groups.iter().map(|group| [zeros(group), zeros(group)]).collect(), steps: 0 }
    }

    /// One step, with `factor` times the rate for each group. Gives the norm of the gradient before clipping.
    ///
    /// # Errors
    /// Where there is not one gradient and state of its length for each group, or a gradient is not finite
    /// ([`NotFinite`]), with the name of the group; nothing is changed then.
    pub fn step<T: Scalar>(
        &self,
        groups: &mut [Group<T>],
        gradients: &[Vec<T>],
        state: &mut State<T>,
        factor: impl Fn(&Group<T>) -> f64,
    ) -> Result<f64> {
        if [gradients.len(), state.moments.len()] != [groups.len(); 2] {
            let counts = (gradients.len(), state.moments.len(), groups.len());
            bail!(
                "{} gradients and {} states for {} groups: one each is needed",
                counts.0,
                counts.1,
                counts.2
            );
        }
        for ((group, gradient), [first, second]) in groups.iter().zip(gradients).zip(&state.moments) {
            let (found, count) = ([gradient, first, second].map(Vec::len), group.values.len());
            if found != [count; 3] {
                bail!("{}: {count} numbers, but {found:?} of gradient and moments", group.name);
            }
        }
        let norms: Vec<f64> = gradients.iter().map(|g| lowrank::matrix::slice_norm(g)).collect();
        if let Some(k) = norms.iter().position(|norm| !norm.is_finite()) {
            bail!(NotFinite::of(&groups[k].name, "gradient"));
        }
        let norm = lowrank::matrix::slice_norm(&norms);
        let scale = T::of(if norm > self.clip { self.clip / norm } else { 1.0 });
        state.steps += 1;
        let (b1, b2) = self.betas;
        let power = |b: f64| 1.0 - b.powf(state.steps as f64);
        let (correction, root) = (power(b1), T::of(1.0 / power(b2).sqrt()));
        let (one, epsilon) = (T::of(1.0), T::of(self.epsilon));
        let (b1, b2) = (T::of(b1), T::of(b2));
        for ((group, gradient), [first, second]) in groups.iter_mut().zip(gradients).zip(&mut state.moments) {
            let rate = self.rate * factor(group);
            let size = T::of(rate / correction);
            let kept = T::of(if group.decay { 1.0 - rate * self.decay } else { 1.0 });
            for (((p, g), m), v) in group.values.iter_mut().zip(gradient).zip(first).zip(second) {
                let g = *g * scale;
                *m = b1 * *m + (one - b1) * g;
                *v = b2 * *v + (one - b2) * g * g;
                let root = <T as num_traits::Float>::sqrt(*v) * root;
                *p = *p * kept - size * *m / (root + epsilon);
            }
        }
        Ok(norm)
    }
}

/// The factor of the rate at step `step` (from 0) of `total`: it rises linearly over the first `warm_up` of
/// them (a share), then falls linearly, to zero after the last.
pub fn schedule(step: u64, total: u64, warm_up: f64) -> f64 {
    let (done, total) = (step as f64, total.max(1) as f64);
    let rise = (warm_up * total).max(0.0);
    if done + 1.0 <= rise {
        (done + 1.0) / rise
    } else {
        ((total - done) / (total - rise).max(1.0)).clamp(0.0, 1.0)
    }
}
