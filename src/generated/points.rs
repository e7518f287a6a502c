//! Random points in a ball or on a sphere.
//!
//! - Problem: n points of dimension m, uniform in the ball |x| <= R or on the sphere |x| = R.
//! - Method: a Gaussian vector divided by its norm is uniform on the sphere; times U^(1/m) it is
//!   uniform in the ball (the sampling of section 7.2 in Budzinskiy, "When big data actually are
//!   low-rank").
//! - Cost: n m Gaussian numbers.
//! - Guarantee: |x| <= R up to rounding. Point i of set s depends on (seed, s, i) alone: asking for
//!   more points keeps the first ones, and no thread count changes them. f32 points are the f64
//!   ones, rounded.
//! - Deviations: none.

use crate::{Error, Result, Scalar};
use faer::Mat;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// The generator named (seed, purpose, index): equal names give equal numbers, and different names
/// give unrelated ones.
pub(super) fn stream(seed: u64, purpose: &str, index: u64) -> ChaCha8Rng {
    // FNV-1a of the purpose
    let hash = purpose
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&hash.to_le_bytes());
    let mut generator = ChaCha8Rng::from_seed(key);
    generator.set_stream(index);
    generator
}

/// `n` points uniform in the ball of `radius` in dimension `m`: a matrix (n, m), a point a row.
///
/// `set` names the set: use 0 for X, 1 for Y, ... `n` = 0 gives a matrix without rows.
///
/// # Errors
/// [`Error::Parameter`] for `m` = 0 or a radius that is not positive and finite;
/// [`Error::TooLarge`] when the points do not fit in memory.
pub fn ball<T: Scalar>(n: usize, m: usize, radius: f64, seed: u64, set: u64) -> Result<Mat<T>> {
    sample(n, m, radius, seed, set, true)
}

/// `n` points uniform on the sphere of `radius` in dimension `m`: a matrix (n, m), a point a row.
///
/// The directions are those of [`ball`] for the same seed and set. Errors as there.
pub fn sphere<T: Scalar>(n: usize, m: usize, radius: f64, seed: u64, set: u64) -> Result<Mat<T>> {
    sample(n, m, radius, seed, set, false)
}

fn sample<T: Scalar>(n: usize, m: usize, radius: f64, seed: u64, set: u64, fill: bool) -> Result<Mat<T>> {
    if m == 0 {
        return Err(Error::Parameter {
            name: "m",
            value: m.to_string(),
            remedy: "the dimension of the points is at least 1",
        });
    }
    if !(radius > 0.0 && radius.is_finite()) {
        return Err(Error::Parameter {
            name: "radius",
            value: radius.to_string(),
            remedy: "pass a positive finite radius",
        });
    }
    super::check_size::<T>("the matrix of points", &[n, m])?;
    let purpose = format!("points of set {set}");
    let mut points = Mat::zeros(n, m); // (n, m)
    let mut direction = vec![0.0_f64; m];
    for i in 0..n {
        let mut generator = stream(seed, &purpose, i as u64);
        let mut norm = 0.0;
        while norm == 0.0 {
            direction.iter_mut().for_each(|x| *x = generator.sample(StandardNormal));
            norm = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
        }
        let distance = if fill { generator.random::<f64>().powf(1.0 / m as f64) } else { 1.0 };
        for (a, x) in direction.iter().enumerate() {
            points[(i, a)] = T::of(x / norm * distance * radius);
        }
    }
    Ok(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn norm<T: Scalar>(x: &Mat<T>, i: usize) -> f64 {
        (0..x.ncols()).map(|a| x[(i, a)].as_f64().powi(2)).sum::<f64>().sqrt()
    }

    #[test]
    fn radial_law_is_uniform_in_volume() {
        for m in [1, 2, 10, 100] {
            let n = 4000;
            let x = ball::<f64>(n, m, 2.0, 3, 0).unwrap();
            let volumes: Vec<f64> = (0..n).map(|i| (norm(&x, i) / 2.0).powi(m as i32)).collect();
            let mean = volumes.iter().sum::<f64>() / n as f64;
            let second = volumes.iter().map(|v| v * v).sum::<f64>() / n as f64;
            // standard errors: 0.29 / sqrt(n), 0.30 / sqrt(n)
            assert!((mean - 0.5).abs() < 4.5 * 0.29 / (n as f64).sqrt(), "m = {m}: mean {mean}");
            assert!((second - 1.0 / 3.0).abs() < 4.5 * 0.30 / (n as f64).sqrt(), "m = {m}: {second}");
            assert!(volumes.iter().all(|&v| v <= 1.0 + 1e-12));
            let first = (0..n).map(|i| x[(i, 0)]).sum::<f64>() / n as f64;
            assert!(first.abs() < 4.5 * 2.0 / (n as f64).sqrt(), "m = {m}: mean of a coordinate {first}");
        }
    }

    #[test]
    fn sphere_has_the_radius() {
        let x = sphere::<f32>(50, 7, 3.0, 1, 0).unwrap();
        assert!((0..50).all(|i| (norm(&x, i) - 3.0).abs() < 1e-5));
    }

    #[test]
    fn names_fix_the_points() {
        let x = ball::<f64>(20, 5, 1.0, 7, 0).unwrap();
        assert_eq!(x, ball::<f64>(20, 5, 1.0, 7, 0).unwrap());
        assert_eq!(x.as_ref().subrows(0, 6), ball::<f64>(6, 5, 1.0, 7, 0).unwrap());
        assert_ne!(x, ball::<f64>(20, 5, 1.0, 7, 1).unwrap());
        assert_ne!(x, ball::<f64>(20, 5, 1.0, 8, 0).unwrap());
    }

    #[test]
    fn wrong_parameters_are_errors() {
        assert!(matches!(ball::<f64>(3, 0, 1.0, 0, 0), Err(Error::Parameter { name: "m", .. })));
        for radius in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(
                sphere::<f64>(3, 2, radius, 0, 0),
                Err(Error::Parameter { name: "radius", .. })
            ));
        }
        assert!(matches!(ball::<f64>(usize::MAX, 2, 1.0, 0, 0), Err(Error::TooLarge { .. })));
        assert_eq!(ball::<f64>(0, 2, 1.0, 0, 0).unwrap().nrows(), 0);
    }
}
