//! Random Fourier features of shift-invariant positive-definite kernels.
//!
//! - Problem: factors of the matrix kappa(x_i - y_j), kappa(0) = 1, for points x (n1, m), y (n2, m).
//! - Method: kappa is the mean of cos(w'(x - y)) over random frequencies w, so `rho` draws give the
//!   features [cos, sin] / sqrt(rho) (Rahimi and Recht; theorem 5.1 in Budzinskiy, "When big data
//!   actually are low-rank"). Frequencies: N(0, 2 I) for the Gaussian exp(-|x|^2); N(0, 2 s I) with
//!   s exponential for the Cauchy kernel 1 / (1 + |x|^2); z / |g|, z and g Gaussian, for exp(-|x|).
//! - Cost: 2 (n1 + n2) m rho flops, (n1 + n2) rho sines and cosines.
//! - Guarantee: unbiased, each entry with variance at most 1 / rho; rows of norm 1. The rank
//!   2 rho can then be compressed by [`super::random_embedding`] of both factors (theorem 5.2).
//! - Deviations: none.

use super::function::Function;
use super::points::stream;
use super::{check_finite, check_size};
use crate::matrix::AsMatrix;
use crate::{Error, LowRank, Result, Scalar};
use faer::{Mat, MatRef};
use rand::RngExt;
use rand_distr::{Exp1, StandardNormal};

/// `rho` random Fourier features: factors of rank 2 `rho`, the cosines first.
///
/// # Errors
/// [`Error::Parameter`] for another function than [`Function::Gaussian`], [`Function::Cauchy`],
/// [`Function::Exponential`], or `rho` = 0; [`Error::Shape`], [`Error::NonFinite`],
/// [`Error::TooLarge`].
pub fn fourier_features<T: Scalar>(
    function: &Function<T>,
    x: impl AsMatrix<T>,
    y: impl AsMatrix<T>,
    rho: usize,
    seed: u64,
) -> Result<LowRank<T>> {
    let (x, y) = (x.as_matrix(), y.as_matrix());
    let m = x.ncols();
    if y.ncols() != m {
        return Err(Error::Shape {
            argument: "y",
            expected: format!("{m} columns are needed, as many as `x` has"),
            found: vec![y.nrows(), y.ncols()],
        });
    }
    if rho == 0 {
        return Err(Error::Parameter {
            name: "rho",
            value: "0".to_string(),
            remedy: "one frequency is needed at least",
        });
    }
    check_finite("x", x)?;
    check_finite("y", y)?;
    check_size::<T>("the Fourier features", &[x.nrows().max(y.nrows()).max(m), rho, 2])?;
    let mut frequencies = Mat::zeros(m, rho);
    for k in 0..rho {
        let mut generator = stream(seed, "frequencies", k as u64);
        let scale = match function {
            Function::Gaussian => std::f64::consts::SQRT_2,
            Function::Cauchy => (2.0 * generator.sample::<f64, _>(Exp1)).sqrt(),
            Function::Exponential => 1.0 / generator.sample::<f64, _>(StandardNormal).abs(),
            other => {
                return Err(Error::Parameter {
                    name: "function",
                    value: other.name().to_string(),
                    remedy: "its frequencies are not known: use gaussian, cauchy or exponential",
                });
            }
        };
        for a in 0..m {
            let z: f64 = generator.sample(StandardNormal);
            // a frequency beyond the largest number averages to the same, zero
            frequencies[(a, k)] = T::of((z * scale).clamp(-1e30, 1e30));
        }
    }
    let features = |points: MatRef<'_, T>| {
        let angles = points * &frequencies; // (n, rho)
        let weight = T::of(1.0 / (rho as f64).sqrt());
        Mat::from_fn(points.nrows(), 2 * rho, |i, k| {
            let value = if k < rho {
                num_traits::Float::cos(angles[(i, k)])
            } else {
                num_traits::Float::sin(angles[(i, k - rho)])
            };
            value * weight
        })
    };
    Ok(LowRank { u: features(x), v: features(y) })
}
