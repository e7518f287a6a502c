//! Rounding to 16 and 32 bits against independent decodings, and the test of admissibility.

use super::*;
use lowrank::Error;
use lowrank::matrix::frobenius;
use lowrank::separated::Precision;

/// A half-precision number from its bits, by the definition of the format.
fn half(bits: u16) -> f64 {
    let (sign, e, fraction) = (bits >> 15, (bits >> 10) & 31, f64::from(bits & 1023));
    let size = match e {
        0 => fraction * 2f64.powi(-24),
        31 => f64::INFINITY,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(i32::from(e) - 15),
    };
    if sign == 1 { -size } else { size }
}

/// A bfloat16 number: the upper half of a single.
fn brain(bits: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bits) << 16))
}

#[test]
fn every_sixteen_bit_number_and_every_tie() {
    for (precision, decode, infinity) in
        [(Precision::F16, half as fn(u16) -> f64, 0x7c00), (Precision::Bf16, brain, 0x7f80)]
    {
        for bits in 0..infinity {
            let (x, next) = (decode(bits), decode(bits + 1));
            assert_eq!(precision.round(x), x, "{precision} {bits:#x}");
            // The next number beyond the largest, were there one.
            let beyond = if next.is_finite() { next } else { 2.0 * x - decode(bits - 1) };
            let tie = 0.5 * (x + beyond);
            let even = if bits % 2 == 0 { x } else { next };
            for sign in [1.0, -1.0] {
                assert_eq!(precision.round(sign * tie), sign * even, "{precision} tie over {bits:#x}");
                assert_eq!(precision.round(sign * tie.next_down()), sign * x, "{precision} {bits:#x}");
                assert_eq!(precision.round(sign * tie.next_up()), sign * next, "{precision} {bits:#x}");
            }
        }
        assert_eq!(precision.largest(), decode(infinity - 1));
        assert_eq!(2.0 * precision.absolute_roundoff(), decode(1));
    }
    assert_eq!(Precision::F16.unit_roundoff(), 2f64.powi(-11));
    assert_eq!(Precision::Bf16.unit_roundoff(), 2f64.powi(-8));
}

#[test]
fn single_is_the_hardware_s() {
    let mut x = 1.000_000_1_f64;
    for k in 0..4000 {
        x = (x * 1.618_033_988_749).fract() + 0.1;
        let y = x * 2f64.powi(k % 280 - 150);
        assert_eq!(Precision::F32.round(y), f64::from(y as f32), "{y:e}");
        assert_eq!(Precision::F32.round(-y), f64::from(-y as f32), "{y:e}");
        assert_eq!(Precision::F64.round(y), y);
    }
    assert_eq!(Precision::F32.round(f64::MAX), f64::INFINITY);
    assert_eq!(Precision::F32.largest(), f64::from(f32::MAX));
    assert_eq!(Precision::F64.largest(), f64::MAX);
}

#[test]
fn what_is_admissible_is_as_good_as_promised() {
    for shapes in shapes() {
        let m = random::<f64>(&shapes, 5, 3).scaled(1e-3).unwrap();
        let whole = dense(&m);
        let (gamma, norm) = (m.condition_number().unwrap(), m.frobenius().unwrap());
        for precision in Precision::ALL {
            let rule = gamma * precision.unit_roundoff() * norm;
            assert!(m.admissible(precision, 1.001 * rule.max(1e-7)), "{precision}");
            assert!(!m.admissible(precision, 0.999 * rule), "{precision}");
            let rounded = m.rounded(precision).unwrap();
            let error = frobenius(&(&whole - dense(&rounded)));
            let most = (m.order() + 1) as f64 * precision.unit_roundoff() * total(&m) * 1.01 + 1e-6 * norm;
            assert!(error <= most, "{precision}: {error:e} over {most:e}");
        }
        let rule = gamma * norm;
        assert_eq!(m.smallest_precision(rule / 200.0), Some(Precision::Bf16));
        assert_eq!(m.smallest_precision(rule / 2000.0), Some(Precision::F16));
        assert_eq!(m.smallest_precision(rule / 1e6), Some(Precision::F32));
        assert_eq!(m.smallest_precision(rule / 1e9), Some(Precision::F64));
        assert_eq!(m.smallest_precision(rule / 1e17), None);
    }
}

#[test]
fn what_is_out_of_range_is_not_admissible() {
    let m = random::<f64>(&[(3, 4), (5, 2)], 2, 1);
    let large = m.clone().scaled(1e6).unwrap();
    assert_eq!(large.smallest_precision(0.0015 * large.frobenius().unwrap()), Some(Precision::F32));
    assert!(matches!(large.rounded(Precision::F16), Err(Error::Parameter { name: "lambda", .. })));
    assert!(large.rounded(Precision::Bf16).is_ok());
    let huge = m.clone().scaled(1e300).unwrap();
    assert_eq!(huge.smallest_precision(1e299), Some(Precision::F64));
    // Everything is lost below the smallest number.
    let tiny = m.scaled(1e-12).unwrap();
    assert!(!tiny.admissible(Precision::F16, 1e-14) && tiny.admissible(Precision::Bf16, 1e-12));
    assert_eq!(tiny.rounded(Precision::F16).unwrap().separation_rank(), 0);
    let zero = Separated::<f32>::zeros(vec![(2, 2)]).unwrap();
    assert_eq!(zero.smallest_precision(0.0), Some(Precision::Bf16));
    assert!(!zero.admissible(Precision::F64, f64::NAN));
}
