//! Loops over slices, compiled for the instruction set at hand, and sums in a fixed order.
//!
//! A sum runs in [`LANES`] chains that are added at the end: its bits depend neither on threads nor on
//! the width of the registers.

use lowrank::Scalar;
use lowrank::simd::pulp::{Arch, Simd, WithSimd};
use lowrank::simd::{fused, mul_add};

/// Chains of a sum.
pub(super) const LANES: usize = 32;

/// Something to be compiled for every instruction set; `FUSED` where it has a fused multiply-add.
pub(super) trait Loop {
    /// What it gives.
    type Output;
    /// The loop; to be marked `#[inline(always)]`.
    fn run<const FUSED: bool>(self) -> Self::Output;
}

/// Runs a loop on the best instruction set of this machine.
pub(super) fn fast<L: Loop>(work: L) -> L::Output {
    struct On<L>(L);
    impl<L: Loop> WithSimd for On<L> {
        type Output = L::Output;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> L::Output {
            if fused::<S>() { self.0.run::<true>() } else { self.0.run::<false>() }
        }
    }
    Arch::new().dispatch(On(work))
}

/// The sum of f(x, y) over two slices of one length.
#[inline(always)]
pub(super) fn sum<T: Scalar>(x: &[T], y: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut lanes = [T::of(0.0); LANES];
    let (xs, x) = x.as_chunks::<LANES>();
    let (ys, y) = y.as_chunks::<LANES>();
    for (x, y) in xs.iter().zip(ys) {
        (0..LANES).for_each(|l| lanes[l] += f(x[l], y[l]));
    }
    x.iter().zip(y).zip(&mut lanes).for_each(|((x, y), lane)| *lane += f(*x, *y));
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        (0..width).for_each(|l| lanes[l] += lanes[l + width]);
    }
    lanes[0]
}

/// `y += bias` for each of its columns; whether all of it is finite then.
pub(super) fn add_bias<T: Scalar>(y: &mut [T], bias: &[T]) -> bool {
    struct Add<'a, T>(&'a mut [T], &'a [T]);
    impl<T: Scalar> Loop for Add<'_, T> {
        type Output = bool;
        #[inline(always)]
        fn run<const FUSED: bool>(self) -> bool {
            let mut fine = true;
            for column in self.0.chunks_exact_mut(self.1.len()) {
                column.iter_mut().zip(self.1).for_each(|(y, b)| *y += *b);
                fine &= finite_loop(column);
            }
            fine
        }
    }
    fast(Add(y, bias))
}

/// `x += y`.
pub(super) fn add<T: Scalar>(x: &mut [T], y: &[T]) {
    struct Add<'a, T>(&'a mut [T], &'a [T]);
    impl<T: Scalar> Loop for Add<'_, T> {
        type Output = ();
        #[inline(always)]
        fn run<const FUSED: bool>(self) {
            self.0.iter_mut().zip(self.1).for_each(|(x, y)| *x += *y);
        }
    }
    fast(Add(x, y));
}

/// Whether all numbers are finite.
pub(super) fn finite<T: Scalar>(x: &[T]) -> bool {
    struct Finite<'a, T>(&'a [T]);
    impl<T: Scalar> Loop for Finite<'_, T> {
        type Output = bool;
        #[inline(always)]
        fn run<const FUSED: bool>(self) -> bool {
            finite_loop(self.0)
        }
    }
    fast(Finite(x))
}

/// 0 x is 0 for a finite number, and NaN else.
#[inline(always)]
fn finite_loop<T: Scalar>(x: &[T]) -> bool {
    sum(x, x, |x, _| x * T::of(0.0)) == T::of(0.0)
}

/// a b + c, in one rounding where that is one instruction.
#[inline(always)]
pub(super) fn fma<T: Scalar, const FUSED: bool>(a: T, b: T, c: T) -> T {
    mul_add::<T, FUSED>(a, b, c)
}
