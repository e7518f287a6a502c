//! Powers of two kept beside the numbers, so that no intermediate over- or underflows.

use crate::Scalar;
use ndarray::Array3;

/// The j with 2^j <= max |x| < 2^(j + 1), up to rounding; 0 for zeros only.
pub(super) fn exponent<T: Scalar>(x: &[T]) -> i32 {
    let zero = T::of(0.0);
    let larger = |max: T, x: T| if x > max { x } else { max };
    let max = lanes(x, zero, |max, x| larger(max, num_traits::Float::abs(x)));
    let max = max.into_iter().fold(zero, larger).as_f64();
    if max > 0.0 { max.log2().floor() as i32 } else { 0 }
}

/// The root of the sum of squares, of numbers of moderate scale.
pub(super) fn norm<T: Scalar>(x: &[T]) -> f64 {
    lanes(x, 0.0, |sum, x| sum + x.as_f64() * x.as_f64()).into_iter().sum::<f64>().sqrt()
}

/// Folds every eighth number, so that the eight folds proceed at once.
fn lanes<T: Scalar, X: Copy>(x: &[T], start: X, fold: impl Fn(X, T) -> X) -> [X; 8] {
    let mut lanes = [start; 8];
    let (chunks, rest) = x.as_chunks::<8>();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = fold(*lane, x);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane = fold(*lane, x);
    }
    lanes
}

/// Multiplies by 2^j, in steps that are themselves representable.
pub(super) fn shift<T: Scalar>(x: &mut [T], mut j: i32) {
    let largest = T::max_value().as_f64().log2() as i32 - 28;
    while j != 0 {
        let step = j.clamp(-largest, largest);
        let factor = T::of(2f64.powi(step));
        x.iter_mut().for_each(|x| *x *= factor);
        j -= step;
    }
}

/// 2^j x, possibly infinite or zero.
pub(super) fn shifted(x: f64, j: i32) -> f64 {
    let mut value = [x];
    shift(&mut value, j);
    value[0]
}

/// Whether numbers up to 2^j in magnitude may be squared, summed and factorized as they are.
pub(super) fn is_safe<T: Scalar>(j: i32) -> bool {
    j.abs() <= T::max_value().as_f64().log2() as i32 / 4
}

/// Brings each core's largest magnitude to [1, 2); returns the exponent taken out of the train.
pub(super) fn normalize<T: Scalar>(cores: &mut [Array3<T>]) -> i32 {
    let mut taken = 0;
    for core in cores {
        if let Some(data) = core.as_slice_mut() {
            taken += normalize_slice(data);
        }
    }
    taken
}

/// Brings the largest magnitude to [1, 2); returns the exponent taken out.
pub(super) fn normalize_slice<T: Scalar>(data: &mut [T]) -> i32 {
    let j = exponent(data);
    shift(data, -j);
    j
}

/// Multiplies the train by 2^j: all of it goes to core `first` where that neither over- nor
/// underflows there, else the rest to the others.
pub(super) fn restore<T: Scalar>(cores: &mut [Array3<T>], first: usize, mut j: i32) {
    let d = cores.len();
    let largest = T::max_value().as_f64().log2() as i32;
    for step in 0..d {
        let Some(data) = cores[(first + step) % d].as_slice_mut() else { continue };
        // The core's norm is below 2^(own + log2 of the root of its length).
        let own = exponent(data) + 2 + (data.len().max(1).ilog2() / 2) as i32;
        let part = if step + 1 == d { j } else { j.clamp(72 - largest - own, largest - 1 - own) };
        shift(data, part);
        j -= part;
    }
}
