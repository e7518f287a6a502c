//! The few vector operations that the crate's own kernels need, for both scalars, over
//! [`pulp`]'s run-time choice of instruction set. Not part of the public interface.

pub use crate::generated::{fused, mul_add};
pub use pulp;
use pulp::{Simd, bytemuck};

/// Vector operations of a scalar on the instruction set `S`; a scalar is any pattern of its bits.
#[doc(hidden)]
pub trait Vectors: bytemuck::Pod {
    /// A register of this scalar.
    type V<S: Simd>: Copy;
    /// Views a slice as registers; the tail that does not fill one is left out.
    fn v_registers<S: Simd>(x: &[Self]) -> &[Self::V<S>];
    /// Views a mutable slice as registers; the tail that does not fill one is left out.
    fn v_registers_mut<S: Simd>(x: &mut [Self]) -> &mut [Self::V<S>];
    /// All lanes equal to `x`.
    fn v_splat<S: Simd>(simd: S, x: Self) -> Self::V<S>;
    /// a b + c, fused where the machine can.
    fn v_mul_add<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>, c: Self::V<S>) -> Self::V<S>;
    /// a - b.
    fn v_sub<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S>;
    /// |a|.
    fn v_abs<S: Simd>(simd: S, a: Self::V<S>) -> Self::V<S>;
    /// The larger of two, lane by lane.
    fn v_max<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S>;
    /// The smaller of two, lane by lane.
    fn v_min<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S>;
    /// The sum of the lanes.
    fn v_reduce_sum<S: Simd>(simd: S, a: Self::V<S>) -> Self;
    /// The largest lane.
    fn v_reduce_max<S: Simd>(simd: S, a: Self::V<S>) -> Self;
    /// The lanes in which a > b, as bits.
    fn v_greater<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>) -> u32;
    /// e^x of one number within 2 units in the last place, without a branch; to be inlined under a dispatch.
    fn v_exp<const FUSED: bool>(x: Self) -> Self;
    /// The numbers in a register.
    fn v_lanes<S: Simd>(a: &Self::V<S>) -> &[Self];
}

/// The bits of a comparison: masks are either bit sets already (AVX-512, scalars) or lanes of
/// all ones.
#[inline(always)]
fn mask_bits<M: bytemuck::NoUninit>(mask: &M, lanes: usize) -> u32 {
    let bytes = bytemuck::bytes_of(mask);
    match bytes.len() {
        1 => bytes[0] as u32,
        2 => u16::from_le_bytes([bytes[0], bytes[1]]) as u32,
        n => (0..lanes).map(|l| ((bytes[l * (n / lanes)] & 1) as u32) << l).sum(),
    }
}

macro_rules! vectors {
    ($t:ty, $v:ident, $as:ident, $as_mut:ident, $splat:ident, $fma:ident, $sub:ident, $abs:ident,
     $max:ident, $min:ident, $rsum:ident, $rmax:ident, $gt:ident, $exp:ident) => {
        impl Vectors for $t {
            type V<S: Simd> = S::$v;
            #[inline(always)]
            fn v_registers<S: Simd>(x: &[Self]) -> &[Self::V<S>] {
                S::$as(x).0
            }
            #[inline(always)]
            fn v_registers_mut<S: Simd>(x: &mut [Self]) -> &mut [Self::V<S>] {
                S::$as_mut(x).0
            }
            #[inline(always)]
            fn v_splat<S: Simd>(simd: S, x: Self) -> Self::V<S> {
                simd.$splat(x)
            }
            #[inline(always)]
            fn v_mul_add<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>, c: Self::V<S>) -> Self::V<S> {
                simd.$fma(a, b, c)
            }
            #[inline(always)]
            fn v_sub<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S> {
                simd.$sub(a, b)
            }
            #[inline(always)]
            fn v_abs<S: Simd>(simd: S, a: Self::V<S>) -> Self::V<S> {
                simd.$abs(a)
            }
            #[inline(always)]
            fn v_max<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S> {
                simd.$max(a, b)
            }
            #[inline(always)]
            fn v_min<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>) -> Self::V<S> {
                simd.$min(a, b)
            }
            #[inline(always)]
            fn v_reduce_sum<S: Simd>(simd: S, a: Self::V<S>) -> Self {
                simd.$rsum(a)
            }
            #[inline(always)]
            fn v_reduce_max<S: Simd>(simd: S, a: Self::V<S>) -> Self {
                simd.$rmax(a)
            }
            #[inline(always)]
            fn v_greater<S: Simd>(simd: S, a: Self::V<S>, b: Self::V<S>) -> u32 {
                mask_bits(&simd.$gt(a, b), size_of::<S::$v>() / size_of::<$t>())
            }
            #[inline(always)]
            fn v_exp<const FUSED: bool>(x: Self) -> Self {
                crate::generated::$exp::<FUSED, false>(x)
            }
            #[inline(always)]
            fn v_lanes<S: Simd>(a: &Self::V<S>) -> &[Self] {
                bytemuck::cast_slice(std::slice::from_ref(a))
            }
        }
    };
}

vectors!(
    f32,
    f32s,
    as_simd_f32s,
    as_mut_simd_f32s,
    splat_f32s,
    mul_add_e_f32s,
    sub_f32s,
    abs_f32s,
    max_f32s,
    min_f32s,
    reduce_sum_f32s,
    reduce_max_f32s,
    greater_than_f32s,
    exp32
);
vectors!(
    f64,
    f64s,
    as_simd_f64s,
    as_mut_simd_f64s,
    splat_f64s,
    mul_add_e_f64s,
    sub_f64s,
    abs_f64s,
    max_f64s,
    min_f64s,
    reduce_sum_f64s,
    reduce_max_f64s,
    greater_than_f64s,
    exp64
);
