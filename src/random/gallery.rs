//! Named test matrices: the easy, the structured, and those that are known to break algorithms.
//!
//! Every matrix has entries of moderate size (at most about max(m, n)^3 in magnitude); multiply
//! by a power of two to move it. The same (name, shape, seed) gives the same matrix.

use super::{gaussian, stream, with_spectrum};
use crate::Scalar;
use faer::Mat;
use rand::RngExt;

/// A family of test matrices: its name and how to make a member.
#[derive(Clone, Copy)]
pub struct Family<T: Scalar> {
    /// The name: lower case, words joined by `-`.
    pub name: &'static str,
    /// Makes the matrix (m, n) of a seed.
    pub make: fn(usize, usize, u64) -> Mat<T>,
}

impl<T: Scalar> std::fmt::Debug for Family<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Family({})", self.name)
    }
}

/// All families.
///
/// With k = min(m, n) and indices from 0 the prescribed spectra are: `even` s_i = 1 - i/k,
/// `geometric` s_i = 1e-12^(i/(k-1)), `polynomial` s_i = (i + 1)^-2, `staircase` s_i =
/// 10^-(3 floor(4 i / k)), `clustered` s_i = 1 + 1e-9 i for the first half and 1e-6 (1 + 1e-9 i)
/// beyond, `tiny-last` all 1 and the last 1e-14.
///
/// ```
/// use lowrank::random::gallery;
/// for family in gallery::families::<f64>() {
///     let a = (family.make)(6, 4, 0);
///     assert_eq!(a.shape(), (6, 4), "{}", family.name);
/// }
/// ```
pub fn families<T: Scalar>() -> Vec<Family<T>> {
    macro_rules! families {
        ($($name:literal => $make:expr,)*) => {
            vec![$(Family { name: $name, make: $make }),*]
        };
    }
    families![
        "zero" => |m, n, _| Mat::zeros(m, n),
        "identity" => |m, n, _| Mat::identity(m, n),
        "ones" => |m, n, _| Mat::full(m, n, T::of(1.0)),
        "zero-column" => |m, n, seed| cut(m, n, seed, |_, j| j != n / 2),
        "zero-row" => |m, n, seed| cut(m, n, seed, |i, _| i != m / 2),
        "equal-columns" => |m, n, seed| {
            let a = gaussian::<T>(m, 1, seed, "gallery");
            Mat::from_fn(m, n, |i, _| a[(i, 0)])
        },
        "rank-1" => |m, n, seed| noisy(m, n, 1, 0.0, seed),
        "rank-3" => |m, n, seed| noisy(m, n, 3, 0.0, seed),
        "rank-half" => |m, n, seed| noisy(m, n, m.min(n).div_ceil(2), 0.0, seed),
        "rank-1-noise-1e-8" => |m, n, seed| noisy(m, n, 1, 1e-8, seed),
        "rank-1-noise-1e-12" => |m, n, seed| noisy(m, n, 1, 1e-12, seed),
        "rank-3-noise-1e-10" => |m, n, seed| noisy(m, n, 3, 1e-10, seed),
        "rank-3-noise-1e-14" => |m, n, seed| noisy(m, n, 3, 1e-14, seed),
        "rank-3-noise-1e-16" => |m, n, seed| noisy(m, n, 3, 1e-16, seed),
        "ones-noise-1e-12" => |m, n, seed| {
            let noise = gaussian::<T>(m, n, seed, "gallery");
            Mat::from_fn(m, n, |i, j| T::of(1.0) + T::of(1e-12) * noise[(i, j)])
        },
        "even" => |m, n, seed| spectrum(m, n, seed, |i, k| 1.0 - i / k),
        "geometric" => |m, n, seed| spectrum(m, n, seed, |i, k| 1e-12_f64.powf(i / (k - 1.0).max(1.0))),
        "polynomial" => |m, n, seed| spectrum(m, n, seed, |i, _| (i + 1.0).powi(-2)),
        "staircase" => |m, n, seed| spectrum(m, n, seed, |i, k| 10.0_f64.powf(-3.0 * (4.0 * i / k).floor())),
        "clustered" => |m, n, seed| spectrum(m, n, seed, |i, k| {
            (if 2.0 * i < k { 1.0 } else { 1e-6 }) * (1.0 + 1e-9 * i)
        }),
        "tiny-last" => |m, n, seed| spectrum(m, n, seed, |i, k| if i + 1.0 < k { 1.0 } else { 1e-14 }),
        "hilbert" => |m, n, _| entries(m, n, |i, j| 1.0 / (i + j + 1.0)),
        "kahan" => |m, n, _| entries(m, n, |i, j| {
            let (sine, cosine) = 1.2_f64.sin_cos();
            let below = if i == j { 1.0 } else if i < j { -cosine } else { 0.0 };
            sine.powf(i) * below
        }),
        "cauchy" => |m, n, _| entries(m, n, |i, j| 1.0 / ((i + 1.0) * 0.7 + (j + 1.0) * 1.3 - 0.35)),
        "hadamard" => |m, n, _| Mat::from_fn(m, n, |i, j| {
            T::of(if (i & j).count_ones() % 2 == 0 { 1.0 } else { -1.0 })
        }),
        "graded-rows" => |m, n, seed| weighted(m, n, seed, |i, _| 10.0_f64.powf(-12.0 * i / m as f64)),
        "graded-columns" => |m, n, seed| weighted(m, n, seed, |_, j| 10.0_f64.powf(-12.0 * j / n as f64)),
        "graded-up" => |m, n, seed| weighted(m, n, seed, |i, j| {
            10.0_f64.powf(-6.0 * ((m as f64 - i) / m as f64 + (n as f64 - j) / n as f64))
        }),
        "high-coherence" => |m, n, seed| {
            let noise = gaussian::<T>(m, n, seed, "gallery");
            Mat::from_fn(m, n, |i, j| T::of(if i == j { 1.0 } else { 1e-3 }) * noise[(i, j)])
        },
        "sparse-spikes" => |m, n, seed| {
            let mut rng = stream(seed, "gallery spikes", 0);
            let mut a = Mat::zeros(m, n);
            for _ in 0..m.min(n) {
                a[(rng.random_range(0..m), rng.random_range(0..n))] = T::of(rng.random_range(-1.0..1.0));
            }
            a
        },
        "lower-triangle" => |m, n, _| entries(m, n, |i, j| if i >= j { 1.0 } else { 0.0 }),
        "random" => |m, n, seed| gaussian(m, n, seed, "gallery"),
    ]
}

/// Gaussian entries where `keep(i, j)`, zeros elsewhere.
fn cut<T: Scalar>(m: usize, n: usize, seed: u64, keep: impl Fn(usize, usize) -> bool) -> Mat<T> {
    let a = gaussian::<T>(m, n, seed, "gallery");
    Mat::from_fn(m, n, |i, j| if keep(i, j) { a[(i, j)] } else { T::of(0.0) })
}

/// Product of Gaussian factors of rank k, divided by sqrt(k), plus `level` times Gaussian noise.
fn noisy<T: Scalar>(m: usize, n: usize, k: usize, level: f64, seed: u64) -> Mat<T> {
    let left = gaussian::<T>(m, k, seed, "gallery left");
    let right = gaussian::<T>(n, k, seed, "gallery right");
    let noise = gaussian::<T>(m, n, seed, "gallery noise");
    let scale = T::of(1.0 / (k.max(1) as f64).sqrt());
    Mat::from_fn(m, n, |i, j| {
        let x: T = (0..k).map(|l| left[(i, l)] * right[(j, l)]).sum();
        x * scale + T::of(level) * noise[(i, j)]
    })
}

fn spectrum<T: Scalar>(m: usize, n: usize, seed: u64, s: impl Fn(f64, f64) -> f64) -> Mat<T> {
    let k = m.min(n);
    let values: Vec<f64> = (0..k).map(|i| s(i as f64, k as f64)).collect();
    with_spectrum(m, n, &values, seed)
}

fn weighted<T: Scalar>(m: usize, n: usize, seed: u64, weight: impl Fn(f64, f64) -> f64) -> Mat<T> {
    let a = gaussian::<T>(m, n, seed, "gallery");
    Mat::from_fn(m, n, |i, j| T::of(weight(i as f64, j as f64)) * a[(i, j)])
}

fn entries<T: Scalar>(m: usize, n: usize, entry: impl Fn(f64, f64) -> f64) -> Mat<T> {
    Mat::from_fn(m, n, |i, j| T::of(entry(i as f64, j as f64)))
}
