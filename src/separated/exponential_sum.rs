//! Sums of exponentials for 1/x.
//!
//! **Problem.** On [a, b], 0 < a <= b: few positive w_k and t_k with
//! |1 - x sum_k w_k exp(-t_k x)| <= tolerance. An exponential of a sum is a product of exponentials:
//! the sum turns the inverse of a Kronecker sum into a short sum of Kronecker products.
//!
//! **Method.** The trapezoidal rule of step h for 1/x = int exp(u - x exp(u)) du (Beylkin, Monzon,
//! "Approximation by exponential sums revisited", Appl. Comput. Harmon. Anal. 28, 2010). Its relative
//! error is 2 |Gamma(1 + 2 pi i / h)| = 2 sqrt(z / sinh z) at z = 2 pi^2 / h, from which h follows. The
//! nodes decay doubly exponentially on one side and only as exp(u) on the other; there, as in the
//! reference, many terms with small t_k are replaced by few: here by the Gauss rule of the discrete
//! measure with the weights w_k at the t_k (Golub, Welsch, Math. Comp. 23, 1969). The number of its
//! nodes and the terms replaced are those with the fewest terms in all.
//!
//! **Cost.** Milliseconds, whatever the matrices will be.
//!
//! **Guarantee.** `error` is measured on 32 points an oscillation, and at most the tolerance but for
//! what lies between two such points (0.5 % of it). The number of terms is within about 1.3 of the
//! smallest possible; all w_k and t_k are positive, so that the sum of a positive definite matrix is
//! positive definite.
//!
//! **Deviations.** Gauss rules in place of Prony's method: positive by construction.

use crate::matrix::exponent;
use crate::{Error, Result, svd};
use faer::Mat;

/// `1 / x ~ sum_k weights_k exp(-exponents_k x)` on an interval.
#[derive(Debug, Clone, PartialEq)]
pub struct ExponentialSum {
    /// The weights, all positive.
    pub weights: Vec<f64>,
    /// The exponents, all positive, ascending.
    pub exponents: Vec<f64>,
    /// The largest |1 - x sum_k w_k exp(-t_k x)| on the interval, measured.
    pub error: f64,
}

impl ExponentialSum {
    /// For 1/x on [`smallest`, `largest`] with a relative error of at most `tolerance`.
    ///
    /// ```
    /// use lowrank::separated::ExponentialSum;
    /// let sum = ExponentialSum::reciprocal(1.0, 1e3, 1e-8)?;
    /// assert!(sum.weights.len() <= 30);
    /// assert!((sum.value(50.0) * 50.0 - 1.0).abs() <= 1e-8);
    /// # lowrank::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`] unless 0 < smallest <= largest, both finite and their ratio at most 1e15, and
    /// 1e-13 <= tolerance <= 0.5.
    pub fn reciprocal(smallest: f64, largest: f64, tolerance: f64) -> Result<Self> {
        if !(1e-13..=0.5).contains(&tolerance) {
            let remedy = "take one in [1e-13, 0.5]";
            return Err(Error::Parameter { name: "tolerance", value: tolerance.to_string(), remedy });
        }
        let ratio = largest / smallest;
        if !(smallest > 0.0 && (1.0..=1e15).contains(&ratio)) {
            let remedy = "0 < smallest <= largest <= 1e15 smallest is needed";
            return Err(Error::Parameter {
                name: "interval",
                value: format!("[{smallest}, {largest}]"),
                remedy,
            });
        }
        let h = step(tolerance / 4.0);
        // What is cut off: x int below = x exp(u), and int above = exp(-x exp(u)).
        let first = ((tolerance / 8.0 / ratio).ln() / h).floor() as i32;
        let last = ((8.0 / tolerance).ln().ln() / h).ceil() as i32;
        let nodes: Vec<(f64, f64)> =
            (first..=last).map(|j| (f64::from(j) * h).exp()).map(|t| (h * t, t)).collect();
        let points = (32.0 * ratio.ln() / h).ceil() as usize;
        let grid: Vec<f64> = (0..=points).map(|j| ratio.powf(j as f64 / points.max(1) as f64)).collect();
        let mut best = nodes.clone();
        for order in 1..=12 {
            // The most nodes that a rule of this order replaces within the tolerance.
            let (mut enough, mut many) = (order, nodes.len());
            while many > enough + 1 {
                let middle = (enough + many) / 2;
                let fewer = compressed(&nodes, middle, order)?;
                if deviation(&fewer, &grid) <= tolerance {
                    enough = middle;
                } else {
                    many = middle;
                }
            }
            if nodes.len() - enough + order < best.len() {
                best = compressed(&nodes, enough, order)?;
            }
        }
        let error = deviation(&best, &grid);
        let (weights, exponents) = best.into_iter().map(|(w, t)| (w / smallest, t / smallest)).unzip();
        Ok(Self { weights, exponents, error })
    }

    /// `sum_k weights_k exp(-exponents_k x)`.
    pub fn value(&self, x: f64) -> f64 {
        self.weights.iter().zip(&self.exponents).map(|(w, t)| w * (-t * x).exp()).sum()
    }
}

/// The step whose trapezoidal rule has this relative error.
fn step(error: f64) -> f64 {
    let z = |h: f64| 2.0 * std::f64::consts::PI.powi(2) / h;
    // sinh(z) without its negligible half
    let of = |h: f64| 2.0 * (2.0 * z(h) * (-z(h)).exp()).sqrt();
    let (mut low, mut high) = (0.01, 4.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        (low, high) = if of(middle) <= error { (middle, high) } else { (low, middle) };
    }
    low
}

/// The largest |1 - x sum| on a grid.
fn deviation(nodes: &[(f64, f64)], grid: &[f64]) -> f64 {
    let at = |x: &f64| (1.0 - x * nodes.iter().map(|(w, t)| w * (-t * x).exp()).sum::<f64>()).abs();
    grid.iter().map(at).fold(0.0, f64::max)
}

/// The first `count` nodes replaced by a Gauss rule of `order` nodes.
fn compressed(nodes: &[(f64, f64)], count: usize, order: usize) -> Result<Vec<(f64, f64)>> {
    let mut out = gauss(&nodes[..count], order)?;
    out.extend_from_slice(&nodes[count..]);
    Ok(out)
}

/// The Gauss rule of a discrete measure, by the eigenvalues of its Jacobi matrix, which comes from the
/// Lanczos process with full orthogonalization.
fn gauss(nodes: &[(f64, f64)], order: usize) -> Result<Vec<(f64, f64)>> {
    let total: f64 = nodes.iter().map(|n| n.0).sum();
    let scale = 2f64.powi(exponent(nodes[nodes.len() - 1].1));
    let mut basis = vec![nodes.iter().map(|(w, _)| (w / total).sqrt()).collect::<Vec<f64>>()];
    let mut jacobi = Mat::<f64>::zeros(order, order);
    for k in 0..order {
        let mut next: Vec<f64> = basis[k].iter().zip(nodes).map(|(q, (_, t))| q * t / scale).collect();
        for round in 0..2 {
            for (j, q) in basis.iter().enumerate() {
                let along: f64 = q.iter().zip(&next).map(|(a, b)| a * b).sum();
                next.iter_mut().zip(q).for_each(|(x, q)| *x -= along * q);
                if round == 0 && j == k {
                    jacobi[(k, k)] = along;
                }
            }
        }
        let norm = next.iter().map(|x| x * x).sum::<f64>().sqrt();
        if k + 1 == order || norm == 0.0 {
            break;
        }
        (jacobi[(k, k + 1)], jacobi[(k + 1, k)]) = (norm, norm);
        next.iter_mut().for_each(|x| *x /= norm);
        basis.push(next);
    }
    // Positive definite: its singular vectors are its eigenvectors.
    let f = svd::dense(&jacobi)?;
    let mut out: Vec<_> = (0..order).map(|k| (total * f.u[(0, k)].powi(2), scale * f.s[k])).collect();
    out.reverse(); // ascending
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positive_short_and_as_good_as_said() {
        for ratio in [1.0, 2.0, 1.7e3, 1e6, 1e10] {
            for tolerance in [0.3, 1e-2, 1e-5, 1e-8, 1e-12] {
                let case = format!("ratio {ratio:e}, tolerance {tolerance:e}");
                let sum = ExponentialSum::reciprocal(3.0, 3.0 * ratio, tolerance).unwrap();
                assert!(sum.error <= tolerance, "{case}: {:e}", sum.error);
                assert!(sum.weights.iter().chain(&sum.exponents).all(|x| *x > 0.0), "{case}");
                assert!(sum.exponents.is_sorted(), "{case}");
                let points = 7919;
                for j in 0..=points {
                    let x = 3.0 * ratio.powf(f64::from(j) / f64::from(points));
                    let error = (1.0 - x * sum.value(x)).abs();
                    assert!(error <= 1.01 * sum.error + 1e-14, "{case}: {error:e} at {x}");
                }
                // Braess, Hackbusch: about ln(1/tolerance) ln(8 ratio) / pi^2 terms are needed where the
                // tolerance is small.
                let least = (1.0_f64 / tolerance).ln().max(3.0) * (8.0 * ratio).ln() / 9.87;
                assert!(sum.weights.len() as f64 <= 1.6 * least + 6.0, "{case}: {}", sum.weights.len());
            }
        }
    }

    #[test]
    fn refuses_what_has_no_sum() {
        for (a, b, t) in [
            (0.0, 1.0, 0.1),
            (-1.0, 1.0, 0.1),
            (2.0, 1.0, 0.1),
            (1.0, f64::INFINITY, 0.1),
            (f64::NAN, 1.0, 0.1),
            (1.0, 2.0, f64::NAN),
            (1.0, 2.0, 0.0),
            (1.0, 2.0, 0.9),
        ] {
            assert!(matches!(ExponentialSum::reciprocal(a, b, t), Err(Error::Parameter { .. })));
        }
    }
}
