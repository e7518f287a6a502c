//! Plain descent with the gradient of all samples.

use super::networks::columns;
use crate::loss::cross_entropy;
use crate::model::{Group, Model, Set};
use crate::network::Network;
use anyhow::Result;
use lowrank::faer::Mat;
use lowrank::matrix::slice_norm;

/// Steps of the power method for K.
const POWER: usize = 12;

/// What a descent did.
pub struct Descent {
    /// The step.
    pub eta: f64,
    /// The largest eta |g_{t+1} - g_t| / |p_{t+1} - p_t|.
    pub smoothness: f64,
    /// The loss before the first step and after each.
    pub losses: Vec<f64>,
    /// |g_t|^2 before each step.
    pub gradients: Vec<f64>,
}

/// The loss of a network as a function of its trained numbers.
struct Loss<'a> {
    network: Network<f64>,
    groups: Vec<Group<f64>>,
    x: Mat<f64>,
    labels: &'a [usize],
}

impl Loss<'_> {
    /// The loss and its gradient at these numbers.
    fn at(&mut self, numbers: &[f64]) -> Result<(f64, Vec<f64>)> {
        let mut rest = numbers;
        for group in &mut self.groups {
            let (own, others) = rest.split_at(group.values.len());
            group.values.copy_from_slice(own);
            rest = others;
        }
        self.network.set(&self.groups)?;
        let labels = self.labels;
        let (loss, gradients) = self.network.gradient(self.x.as_ref(), |y| cross_entropy(y, labels))?;
        Ok((loss, gradients.concat()))
    }
}

/// Descends `count` steps with eta = `fraction` / K, where K is the largest eigenvalue, by absolute value, of the
/// second derivatives at the start, from differences of gradients. A step too large may end in numbers that
/// are not finite: there the descent ends.
///
/// # Errors
/// Where a number is not finite at the start, with the layer.
pub fn run(network: &Network<f64>, set: &Set<Vec<f64>>, fraction: f64, count: u64) -> Result<Descent> {
    let groups = network.groups();
    let mut point: Vec<f64> = groups.iter().flat_map(|g| g.values.iter().copied()).collect();
    let mut f = Loss { network: network.clone(), groups, x: columns(set), labels: &set.labels };
    let (mut loss, mut gradient) = f.at(&point)?;
    let (mut direction, mut curvature) = (gradient.clone(), 0.0);
    for _ in 0..POWER {
        let (norm, small) = (slice_norm(&direction).max(f64::MIN_POSITIVE), 1e-4);
        let moved: Vec<f64> = point.iter().zip(&direction).map(|(p, d)| p + small * d / norm).collect();
        let (_, other) = f.at(&moved)?;
        direction = other.iter().zip(&gradient).map(|(a, b)| (a - b) / small).collect();
        curvature = slice_norm(&direction);
    }
    let eta = fraction / curvature;
    let (mut losses, mut gradients, mut smoothness) = (vec![loss], Vec::new(), 0.0_f64);
    for _ in 0..count {
        point.iter_mut().zip(&gradient).for_each(|(p, g)| *p -= eta * g);
        let Ok((after, next)) = f.at(&point) else { break };
        let difference: Vec<f64> = next.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let norm = slice_norm(&gradient);
        // p_{t+1} - p_t = -eta g_t.
        smoothness = smoothness.max(slice_norm(&difference) / norm);
        gradients.push(norm * norm);
        (loss, gradient) = (after, next);
        losses.push(loss);
    }
    Ok(Descent { eta, smoothness, losses, gradients })
}
