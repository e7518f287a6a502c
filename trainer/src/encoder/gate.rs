//! The function between the two layers of a feed-forward part, and its slope, over whole slices.
//!
//! **Problem.** x Phi(x) with Phi the distribution function of the normal law, and its slope
//! Phi(x) + x phi(x); the approximation by tanh; max(x, 0).
//!
//! **Method.** Phi(-x) = exp(-x^2 / 2) R(x) for x >= 0, where (x + 4) R(x) is an interpolating polynomial in
//! u = (x - 4) / (x + 4), of degree 22 (f64) or 9 (f32) in the nodes of Chebyshev (in the manner of
//! Shepherd, Laframboise 1981): one exponential serves Phi and phi.
//!
//! **Cost.** About 40 flops an entry, in vector registers.
//!
//! **Guarantee.** Phi within 1e-7 (f32), 4e-16 (f64); no branch, so that the result does not depend on the
//! place in the slice.
//!
//! **Deviations.** The slope of max(x, 0) at 0 is 0.

#![allow(clippy::excessive_precision, reason = "coefficients are written longer than they round")]

use super::config::Gate;
use super::vector::{Loop, fast, fma};
use lowrank::Scalar;

/// y = f(z) of slices of one length.
pub(super) fn apply<T: Scalar>(gate: Gate, z: &[T], y: &mut [T]) {
    match gate {
        Gate::Gelu => fast(Each::<T, 0>(z, y)),
        Gate::GeluTanh => fast(Each::<T, 1>(z, y)),
        Gate::Relu => fast(Each::<T, 2>(z, y)),
    }
}

/// `dy <- f'(z) dy`.
pub(super) fn pull<T: Scalar>(gate: Gate, z: &[T], dy: &mut [T]) {
    match gate {
        Gate::Gelu => fast(Each::<T, 3>(z, dy)),
        Gate::GeluTanh => fast(Each::<T, 4>(z, dy)),
        Gate::Relu => fast(Each::<T, 5>(z, dy)),
    }
}

/// One function, by its number above, over slices.
struct Each<'a, T, const WHAT: u8>(&'a [T], &'a mut [T]);

impl<T: Scalar, const WHAT: u8> Loop for Each<'_, T, WHAT> {
    type Output = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        for (z, y) in self.0.iter().zip(self.1) {
            let (z, zero, one) = (*z, T::of(0.0), T::of(1.0));
            *y = match WHAT {
                0 => z * normal::<T, FUSED>(z).0,
                1 => z * logistic::<T, FUSED>(z).0,
                2 => {
                    if z > zero {
                        z
                    } else {
                        zero
                    }
                }
                3 => {
                    let (below, density) = normal::<T, FUSED>(z);
                    *y * (below + z * density)
                }
                4 => {
                    let (s, slope) = logistic::<T, FUSED>(z);
                    *y * (s + z * s * (one - s) * slope)
                }
                _ => {
                    if z > zero {
                        *y
                    } else {
                        zero
                    }
                }
            };
        }
    }
}

/// Phi(x) and phi(x).
#[inline(always)]
fn normal<T: Scalar, const FUSED: bool>(x: T) -> (T, T) {
    let (zero, one, four) = (T::of(0.0), T::of(1.0), T::of(4.0));
    let size = if x < zero { -x } else { x };
    let inverse = one / (size + four);
    let u = (size - four) * inverse;
    let mut p = zero;
    if T::NAME == "f32" {
        SINGLE.iter().for_each(|c| p = fma::<T, FUSED>(p, u, T::of(*c)));
    } else {
        DOUBLE.iter().for_each(|c| p = fma::<T, FUSED>(p, u, T::of(*c)));
    }
    let power = T::v_exp::<FUSED>(T::of(-0.5) * x * x);
    let tail = power * p * inverse;
    (if x > zero { one - tail } else { tail }, power * T::of(0.398_942_280_401_432_7))
}

/// s = 1 / (1 + exp(-y)) for y = sqrt(8 / pi) (x + 0.044715 x^3), and y'.
#[inline(always)]
fn logistic<T: Scalar, const FUSED: bool>(x: T) -> (T, T) {
    let (one, c, cubic) = (T::of(1.0), T::of(1.595_769_121_605_730_7), T::of(0.044715));
    let square = x * x;
    let y = c * x * fma::<T, FUSED>(cubic, square, one);
    let slope = c * fma::<T, FUSED>(T::of(3.0) * cubic, square, one);
    // Where y is -inf, s is 0; a huge slope times 0 stays 0.
    let s = one / (one + T::v_exp::<FUSED>(-y));
    (s, if slope < T::of(1e30) { slope } else { T::of(1e30) })
}

const SINGLE: [f64; 10] = [
    -0.000_162_616_316,
    0.000_129_340_123,
    0.001_575_752_08,
    -0.003_476_196_46,
    -0.007_521_255_53,
    0.060_395_313_4,
    -0.186_524_184,
    0.387_137_559,
    -0.607_896_596,
    0.755_285_127,
];

const DOUBLE: [f64; 23] = [
    -1.773_740_625_124_509_8e-9,
    -1.284_581_994_186_264_3e-9,
    1.653_604_537_452_613_5e-8,
    1.960_833_967_279_887_5e-8,
    -7.989_850_878_888_184_3e-8,
    -1.623_191_779_263_619_5e-7,
    2.662_327_913_655_539_4e-7,
    1.027_094_882_023_012_8e-6,
    -6.262_068_777_441_789_3e-7,
    -5.922_979_828_605_456_5e-6,
    7.152_737_513_953_018_4e-7,
    3.514_564_458_623_619_7e-5,
    -1.907_907_488_521_085_5e-6,
    -0.000_231_095_150_787_800_55,
    0.000_133_344_258_903_749_12,
    0.001_630_818_487_882_382_8,
    -0.003_479_692_362_890_357_6,
    -0.007_540_188_969_137_314_6,
    0.060_396_574_890_762_4,
    -0.186_521_857_959_567_2,
    0.387_137_400_742_216_52,
    -0.607_896_641_971_893_12,
    0.755_285_130_415_751_49,
];

#[cfg(test)]
mod tests {
    use super::*;

    /// x, x Phi(x) and its slope, from 40 digits.
    const GELU: [(f64, f64, f64); 11] = [
        (-9.0, -1.015_729_565_358_456_6e-18, -9.138_937_373_906_639e-18),
        (-6.0, -5.919_525_870_226_189e-9, -3.546_870_945_390_2e-8),
        (-3.0, -0.004_049_694_094_890_284, -0.011_945_647_204_183_927),
        (-1.0, -0.158_655_253_931_457_05, -0.083_315_470_587_686_3),
        (-0.5, -0.154_268_769_362_993_45, 0.132_504_875_343_837_16),
        (-0.001, -0.000_499_601_057_786_088_95, 0.499_202_115_705_158_6),
        (0.0, 0.0, 0.5),
        (0.3, 0.185_373_426_656_685_78, 0.732_327_766_827_109_9),
        (1.0, 0.841_344_746_068_542_9, 1.083_315_470_587_686_3),
        (2.5, 2.484_475_836_685_56, 1.037_611_085_908_145_2),
        (6.0, 5.999_999_994_080_474, 1.000_000_035_468_709_5),
    ];

    fn value<T: Scalar>(gate: Gate, x: f64) -> (f64, f64) {
        let (mut y, mut slope) = ([T::of(0.0)], [T::of(1.0)]);
        apply(gate, &[T::of(x)], &mut y);
        pull(gate, &[T::of(x)], &mut slope);
        (y[0].as_f64(), slope[0].as_f64())
    }

    #[test]
    fn gelu_is_exact() {
        fn check<T: Scalar>(bound: f64) {
            for (x, y, slope) in GELU {
                let found = value::<T>(Gate::Gelu, x);
                assert!((found.0 - y).abs() <= bound * y.abs(), "{x}: {} {y}", found.0);
                assert!((found.1 - slope).abs() <= 4.0 * bound * slope.abs(), "{x}: {} {slope}", found.1);
            }
        }
        check::<f32>(4e-6);
        check::<f64>(4e-15);
    }

    #[test]
    fn slopes_are_those_of_differences_and_far_arguments_finite() {
        for gate in [Gate::Gelu, Gate::GeluTanh, Gate::Relu] {
            for k in -59..60 {
                let (x, h) = (f64::from(k) / 8.0 + 0.01, 1e-5);
                let at = |x| value::<f64>(gate, x).0;
                let difference = (at(x + h) - at(x - h)) / (2.0 * h);
                assert!((difference - value::<f64>(gate, x).1).abs() < 1e-9, "{gate:?} {x}");
            }
            for x in [-1e38, -1e4, 1e4, 1e38] {
                let (y, slope) = value::<f32>(gate, x);
                let expected = if x > 0.0 { (f64::from(x as f32), 1.0) } else { (0.0, 0.0) };
                assert!((y, slope) == expected, "{gate:?} {x}: {y}, {slope}");
            }
        }
    }
}
