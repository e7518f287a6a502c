//! Exponential and hyperbolic sine of whole slices, vectorised.
//!
//! - Problem: `x <- exp(x)` or `x <- sinh(x)` for every element of a slice of f32 or f64.
//! - Method: x = k ln 2 + r with k the nearest integer (found by adding a large constant), a
//!   near-minimax polynomial of degree 11 (f64) or 6 (f32) in r, then two multiplications by powers
//!   of two assembled from their bits. sinh is an odd polynomial below 1 in magnitude and
//!   e^x/2 - e^-x/2 above. The loops carry no branch, so they vectorise; the instruction set
//!   (AVX-512, AVX2, portable) is chosen at run time.
//! - Cost: about 20 floating-point operations an element.
//! - Guarantee: within 2 units in the last place of the exact value, subnormal results included;
//!   exp(-inf) = 0, exp(inf) = inf, NaN stays NaN. An element's result does not depend on its
//!   neighbours or its place in the slice. It may differ by a unit in the last place between
//!   machines with and without fused multiplication and addition.
//! - Deviations: none.

#![allow(clippy::excessive_precision, reason = "coefficients are written longer than they round")]

use crate::Scalar;
use pulp::{Arch, Simd, WithSimd};
use std::any::Any;

/// `x <- exp(x)` for every element, within 2 units in the last place. Never fails: NaN stays NaN.
pub fn exp_slice<T: Scalar>(values: &mut [T]) {
    Arch::new().dispatch(OnSlice { values, kind: Kind::Exp });
}

/// `x <- sinh(x)` for every element, within 3 units in the last place, also near 0. Never fails:
/// NaN stays NaN.
pub fn sinh_slice<T: Scalar>(values: &mut [T]) {
    Arch::new().dispatch(OnSlice { values, kind: Kind::Sinh });
}

#[derive(Clone, Copy)]
enum Kind {
    Exp,
    Sinh,
}

struct OnSlice<'a, T> {
    values: &'a mut [T],
    kind: Kind,
}

impl<T: Scalar> WithSimd for OnSlice<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        if fused::<S>() {
            on_slice::<T, true>(self.values, self.kind);
        } else {
            on_slice::<T, false>(self.values, self.kind);
        }
    }
}

/// Whether `S` has a fused multiply-add; without one, `mul_add` is a slow library call.
#[inline(always)]
pub fn fused<S: Simd>() -> bool {
    size_of::<S::f64s>() > 8 && !cfg!(target_family = "wasm")
}

const CHUNK: usize = 32;

#[inline(always)]
fn on_slice<T: Scalar, const FUSED: bool>(values: &mut [T], kind: Kind) {
    let (chunks, rest) = values.as_chunks_mut::<CHUNK>();
    for chunk in chunks {
        on_chunk::<T, FUSED>(chunk, kind);
    }
    let mut last = [T::of(0.0); CHUNK];
    last[..rest.len()].copy_from_slice(rest);
    on_chunk::<T, FUSED>(&mut last, kind);
    rest.copy_from_slice(&last[..rest.len()]);
}

#[inline(always)]
fn on_chunk<T: Scalar, const FUSED: bool>(chunk: &mut [T; CHUNK], kind: Kind) {
    match kind {
        Kind::Exp => exp_block::<T, FUSED, CHUNK, 1>(std::array::from_mut(chunk)),
        Kind::Sinh => sinh_block::<T, FUSED, CHUNK, 1>(std::array::from_mut(chunk)),
    }
}

/// exp of a block; to be inlined under a dispatch. One long loop: short ones are unrolled before
/// they can be vectorised.
#[inline(always)]
pub(super) fn exp_block<T: Scalar, const FUSED: bool, const N: usize, const K: usize>(
    block: &mut [[T; N]; K],
) {
    let any: &mut dyn Any = block;
    if let Some(block) = any.downcast_mut::<[[f64; N]; K]>() {
        block.as_flattened_mut().iter_mut().for_each(|x| *x = exp64::<FUSED, false>(*x));
    } else if let Some(block) = any.downcast_mut::<[[f32; N]; K]>() {
        block.as_flattened_mut().iter_mut().for_each(|x| *x = exp32::<FUSED, false>(*x));
    }
}

/// sinh of a block; to be inlined under a dispatch.
#[inline(always)]
pub(super) fn sinh_block<T: Scalar, const FUSED: bool, const N: usize, const K: usize>(
    block: &mut [[T; N]; K],
) {
    let any: &mut dyn Any = block;
    if let Some(block) = any.downcast_mut::<[[f64; N]; K]>() {
        block.as_flattened_mut().iter_mut().for_each(|x| *x = sinh64::<FUSED>(*x));
    } else if let Some(block) = any.downcast_mut::<[[f32; N]; K]>() {
        block.as_flattened_mut().iter_mut().for_each(|x| *x = sinh32::<FUSED>(*x));
    }
}

/// a b + c, in one rounding where that is one instruction.
#[inline(always)]
pub fn mul_add<T: num_traits::Float, const FUSED: bool>(a: T, b: T, c: T) -> T {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

macro_rules! exp_and_sinh {
    (
        $exp:ident, $sinh:ident, $float:ty, $bits:ty, mantissa $mantissa:expr, bias $bias:expr,
        range ($lowest:expr, $highest:expr), ln2 ($ln2_high:expr, $ln2_low:expr),
        exp [$($exp_coefficient:expr),* $(,)?], sinh [$($sinh_coefficient:expr),* $(,)?]
    ) => {
        /// e^x, or e^x / 2 where `HALVED` (which overflows later).
        #[inline(always)]
        pub(crate) fn $exp<const FUSED: bool, const HALVED: bool>(x: $float) -> $float {
            // 1.5 2^mantissa: a number in this binade has its integer part in its lowest bits.
            const ANCHOR: $float = (3 * ((1 as $bits) << ($mantissa - 1))) as $float;
            const SHIFT: $float = 2.0 * ($bias + 1) as $float;
            let x = if x < $lowest { $lowest } else { x };
            let x = if x > $highest { $highest } else { x };
            let shifted = mul_add::<$float, FUSED>(x, std::f64::consts::LOG2_E as $float, ANCHOR + SHIFT);
            let k = shifted - (ANCHOR + SHIFT);
            let r = mul_add::<$float, FUSED>(k, -$ln2_high, x);
            let r = mul_add::<$float, FUSED>(k, -$ln2_low, r);
            let mut q: $float = 0.0;
            $(q = mul_add::<$float, FUSED>(q, r, $exp_coefficient);)*
            let p = 1.0 + mul_add::<$float, FUSED>(q, r * r, r);
            // k + 2 (bias + 1), cut in two halves that are normal exponents
            let mut exponent = shifted.to_bits().wrapping_sub(ANCHOR.to_bits());
            if HALVED {
                exponent = exponent.wrapping_sub(1);
            }
            let half = exponent >> 1;
            let first = <$float>::from_bits(half.wrapping_sub(1) << $mantissa);
            let second = <$float>::from_bits(exponent.wrapping_sub(half).wrapping_sub(1) << $mantissa);
            p * first * second
        }

        #[inline(always)]
        fn $sinh<const FUSED: bool>(x: $float) -> $float {
            let size = x.abs();
            let e = $exp::<FUSED, true>(size);
            let large = e - 0.25 / e;
            let square = x * x;
            let mut q: $float = 0.0;
            $(q = mul_add::<$float, FUSED>(q, square, $sinh_coefficient);)*
            let small = mul_add::<$float, FUSED>(q * square, size, size);
            (if size < 1.0 { small } else { large }).copysign(x)
        }
    };
}

exp_and_sinh!(
    exp64, sinh64, f64, u64, mantissa 52, bias 1023,
    range (-746.0, 711.0), ln2 (0.693_147_180_559_208_2, 7.371_002_565_016_779_890_1e-13),
    exp [
        2.510_049_478_890_504e-8, 2.762_023_056_750_689_8e-7, 2.755_726_822_996_322_6e-6,
        2.480_152_099_682_569_6e-5, 1.984_126_986_320_182_8e-4, 1.388_888_891_740_644_6e-3,
        8.333_333_333_330_032_1e-3, 4.166_666_666_662_374_2e-2, 1.666_666_666_666_666_7e-1, 0.5,
    ],
    sinh [
        2.811_457_254_345_520_6e-15, 7.647_163_731_819_816e-13, 1.605_904_383_682_161_5e-10,
        2.505_210_838_544_172e-8, 2.755_731_922_398_589e-6, 1.984_126_984_126_984e-4,
        8.333_333_333_333_333e-3, 1.666_666_666_666_666_6e-1,
    ]
);

exp_and_sinh!(
    exp32, sinh32, f32, u32, mantissa 23, bias 127,
    range (-104.5, 90.0), ln2 (0.693_115_234_375, 3.194_618_494_53e-5),
    exp [1.392_626_81e-3, 8.363_246_67e-3, 4.166_655_41e-2, 1.666_657_66e-1, 0.5],
    sinh [2.505_210_8e-8, 2.755_732e-6, 1.984_127e-4, 8.333_334e-3, 1.666_666_7e-1]
);

#[cfg(test)]
mod tests {
    use super::*;

    /// Distance in units of the last place of the exact value.
    fn ulps64(found: f64, exact: f64) -> f64 {
        if found == exact || (found.is_nan() && exact.is_nan()) {
            return 0.0;
        }
        (found.to_bits() as i64 - exact.to_bits() as i64).abs() as f64
    }

    fn ulps32(found: f32, exact: f64) -> f64 {
        let rounded = exact as f32;
        if found == rounded || (found.is_nan() && exact.is_nan()) {
            return 0.0;
        }
        let ulp = f64::from(f32::from_bits(rounded.to_bits() & !(1 << 31)).next_up()) - exact.abs();
        let ulp = ulp.max(f64::from(f32::from_bits(1)));
        let spacing = f64::from(rounded.abs().next_up()) - f64::from(rounded.abs());
        (f64::from(found) - exact).abs() / spacing.max(ulp.min(spacing))
    }

    fn range(low: f64, high: f64, count: usize) -> impl Iterator<Item = f64> {
        (0..=count).map(move |i| low + (high - low) * i as f64 / count as f64)
    }

    #[test]
    fn exp_and_sinh_are_within_two_units_f64() {
        let points: Vec<f64> = range(-750.0, 715.0, 400_001)
            .chain(range(-2.0, 2.0, 200_001))
            .chain(range(-1e-9, 1e-9, 1001))
            .collect();
        let (mut exp, mut sinh) = (points.clone(), points.clone());
        exp_slice(&mut exp);
        sinh_slice(&mut sinh);
        let (mut worst_exp, mut worst_sinh) = (0.0_f64, 0.0_f64);
        for (i, &x) in points.iter().enumerate() {
            worst_exp = worst_exp.max(ulps64(exp[i], x.exp()));
            if x.abs() < 710.4 {
                worst_sinh = worst_sinh.max(ulps64(sinh[i], x.sinh()));
            }
        }
        println!("exp {worst_exp} ulp, sinh {worst_sinh} ulp");
        assert!(worst_exp <= 2.0 && worst_sinh <= 3.0, "exp {worst_exp}, sinh {worst_sinh}");
    }

    #[test]
    fn exp_and_sinh_are_within_two_units_f32() {
        let points: Vec<f32> = range(-105.0, 91.0, 400_001)
            .chain(range(-2.0, 2.0, 200_001))
            .chain(range(-1e-5, 1e-5, 1001))
            .map(|x| x as f32)
            .collect();
        let (mut exp, mut sinh) = (points.clone(), points.clone());
        exp_slice(&mut exp);
        sinh_slice(&mut sinh);
        let (mut worst_exp, mut worst_sinh) = (0.0_f64, 0.0_f64);
        for (i, &x) in points.iter().enumerate() {
            worst_exp = worst_exp.max(ulps32(exp[i], f64::from(x).exp()));
            if x.abs() < 89.4 {
                worst_sinh = worst_sinh.max(ulps32(sinh[i], f64::from(x).sinh()));
            }
        }
        println!("exp {worst_exp} ulp, sinh {worst_sinh} ulp");
        assert!(worst_exp <= 2.0 && worst_sinh <= 3.0, "exp {worst_exp}, sinh {worst_sinh}");
    }

    fn extremes<T: Scalar>() {
        let inf = T::infinity();
        let mut exp = [inf, -inf, T::nan(), T::of(0.0), T::of(-0.0), T::max_value(), T::min_value()];
        let mut sinh = exp;
        exp_slice(&mut exp);
        sinh_slice(&mut sinh);
        let one = T::of(1.0);
        assert_eq!(
            (exp[0], exp[1], exp[3], exp[4], exp[5], exp[6]),
            (inf, T::of(0.0), one, one, inf, T::of(0.0))
        );
        assert_eq!((sinh[0], sinh[1], sinh[5], sinh[6]), (inf, -inf, inf, -inf));
        assert!(exp[2].as_f64().is_nan() && sinh[2].as_f64().is_nan());
        assert_eq!(sinh[3].as_f64().to_bits(), 0.0_f64.to_bits());
        assert_eq!(sinh[4].as_f64().to_bits(), (-0.0_f64).to_bits());
    }

    #[test]
    fn extremes_are_right() {
        extremes::<f32>();
        extremes::<f64>();
        exp_slice::<f64>(&mut []);
    }

    #[test]
    fn place_in_the_slice_does_not_matter() {
        let mut all: Vec<f64> = range(-30.0, 3.0, 100).collect();
        let single: Vec<f64> = all
            .iter()
            .map(|&x| {
                let mut one = [x];
                exp_slice(&mut one);
                one[0]
            })
            .collect();
        exp_slice(&mut all);
        assert_eq!(all, single);
    }

    #[test]
    fn portable_path_is_as_accurate() {
        for x in range(-745.0, 709.0, 100_001) {
            assert!(ulps64(exp64::<false, false>(x), x.exp()) <= 2.0, "exp({x})");
            assert!(ulps64(sinh64::<false>(x), x.sinh()) <= 3.0, "sinh({x})");
        }
    }
}
