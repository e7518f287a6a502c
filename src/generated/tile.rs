//! The hot path: a tile of h(`<x_i, y_j>`) or h(|x_i - y_j|^2) from packed points.
//!
//! - Problem: all entries of a tile, for points of dimension m.
//! - Method: points are packed in panels (a few points side by side, coordinate by coordinate). A
//!   block of a row panel and a column panel is accumulated in registers over the coordinates, then
//!   norms and h are applied while the block is still in the innermost cache.
//! - Cost: 2 m flops an entry and one application of h; nothing is allocated. A tile of a few
//!   columns, and machines without AVX, take a slower loop with the same result in every tile.
//! - Guarantee: an inner product is one chain of multiply-adds in the order of the coordinates,
//!   whatever the tile: entries are bitwise independent of tiles and threads. Norms are the same
//!   chain, hence |x - x|^2 is exactly 0 and the distance is exactly symmetric.
//! - Deviations: where h is sharp at 0, a squared distance below 1/64 of |x|^2 + |y|^2 is computed
//!   again from the differences of the coordinates, since |x|^2 + |y|^2 - 2 `<x, y>` cancels there.

use super::function::Function;
use super::vexp::{exp_block, fused, mul_add, sinh_block};
use crate::Scalar;
use faer::MatRef;
use pulp::{Arch, Simd, WithSimd};
use std::any::Any;
use std::ops::Range;

/// How many points a panel holds, for rows and for columns, on this machine.
pub(super) fn lanes<T: Scalar>() -> (usize, usize) {
    struct Width;
    impl WithSimd for Width {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            size_of::<S::f64s>()
        }
    }
    match (Arch::new().dispatch(Width) == 64, size_of::<T>() == 4) {
        (true, true) => (32, 8),
        (true, false) => (16, 8),
        (false, true) => (16, 6),
        (false, false) => (8, 6),
    }
}

/// Points packed in panels of `lanes`; panel p holds, coordinate by coordinate, `lanes` points.
/// The last panel is filled up with zeros.
#[derive(Debug, Clone)]
pub(super) struct Panels<T> {
    pub(super) data: Vec<T>,
    /// Squared norms, one a point (and 0 for the filling).
    pub(super) norms: Vec<T>,
}

impl<T: Scalar> Panels<T> {
    /// Packs the columns of `points` (m, n).
    pub(super) fn new(points: MatRef<'_, T>, lanes: usize) -> Self {
        let (m, n) = points.shape();
        let count = n.div_ceil(lanes);
        let mut data = vec![T::of(0.0); count * lanes * m];
        for i in 0..n {
            for a in 0..m {
                data[((i / lanes) * m + a) * lanes + i % lanes] = points[(a, i)];
            }
        }
        let mut norms = vec![T::of(0.0); count * lanes];
        Arch::new().dispatch(Norms { data: &data, m, lanes, norms: &mut norms });
        Self { data, norms }
    }
}

struct Norms<'a, T> {
    data: &'a [T],
    m: usize,
    lanes: usize,
    norms: &'a mut [T],
}

impl<T: Scalar> WithSimd for Norms<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        if self.m == 0 {
            return;
        }
        for (norms, panel) in
            self.norms.chunks_exact_mut(self.lanes).zip(self.data.chunks_exact(self.lanes * self.m))
        {
            for coordinates in panel.chunks_exact(self.lanes) {
                for (norm, &x) in norms.iter_mut().zip(coordinates) {
                    *norm = if fused::<S>() {
                        mul_add::<T, true>(x, x, *norm)
                    } else {
                        mul_add::<T, false>(x, x, *norm)
                    };
                }
            }
        }
    }
}

/// One side of a tile: packed points and which of them are asked.
#[derive(Clone)]
pub(super) struct Side<'a, T> {
    /// A vector, so that its type can be told at run time.
    pub(super) data: &'a Vec<T>,
    /// Empty where the function needs no norms.
    pub(super) norms: &'a Vec<T>,
    /// The points themselves (m, n), read where a small distance must be sharp.
    pub(super) points: Option<MatRef<'a, T>>,
    pub(super) range: Range<usize>,
}

/// A tile to be computed: `Arch::dispatch` it.
pub(super) struct Tile<'a, T: Scalar> {
    pub(super) function: &'a Function<T>,
    pub(super) m: usize,
    pub(super) x: Side<'a, T>,
    pub(super) y: Side<'a, T>,
    pub(super) out: &'a mut [T],
}

impl<T: Scalar> WithSimd for Tile<'_, T> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // the panel sizes are those of `lanes`
        if size_of::<S::f64s>() == 64 {
            if size_of::<T>() == 4 {
                self.run::<S, 32, 8, true>(simd);
            } else {
                self.run::<S, 16, 8, true>(simd);
            }
        } else if fused::<S>() {
            if size_of::<T>() == 4 {
                self.run::<S, 16, 6, true>(simd);
            } else {
                self.run::<S, 8, 6, true>(simd);
            }
        } else if size_of::<T>() == 4 {
            self.run::<S, 16, 6, false>(simd);
        } else {
            self.run::<S, 8, 6, false>(simd);
        }
    }
}

impl<T: Scalar> Tile<'_, T> {
    #[inline(always)]
    fn run<S: Simd, const MR: usize, const NR: usize, const FUSED: bool>(self, simd: S) {
        let Self { function, m, x, y, out } = self;
        let height = x.range.len();
        if height == 0 || y.range.is_empty() {
            return;
        }
        let narrow = y.range.len() <= NR / 4;
        let distance = function.of_distance();
        let (x_data, y_data) = (x.data.as_chunks::<MR>().0, y.data.as_chunks::<NR>().0);
        for p in x.range.start / MR..x.range.end.div_ceil(MR) {
            let x_panel = &x_data[p * m..(p + 1) * m];
            let rows = x.range.start.max(p * MR)..x.range.end.min((p + 1) * MR);
            for q in y.range.start / NR..y.range.end.div_ceil(NR) {
                let y_panel = &y_data[q * m..(q + 1) * m];
                let cols = y.range.start.max(q * NR)..y.range.end.min((q + 1) * NR);
                let mut block = [[T::of(0.0); MR]; NR];
                if narrow
                    || !(multiply_f64(simd, &x, &y, (p, q), m, distance, &mut block)
                        || multiply_f32(simd, &x, &y, (p, q), m, distance, &mut block))
                {
                    let asked = cols.start - q * NR..cols.end - q * NR;
                    multiply::<T, MR, NR, FUSED>(x_panel, y_panel, asked, &mut block);
                    if distance {
                        squared_distances(&mut block, &x, &y, p, q);
                    }
                }
                if function.sharp_at_zero() {
                    sharpen(&mut block, &x, &y, p, q);
                }
                apply::<T, MR, NR, FUSED>(function, &mut block);
                for j in cols {
                    let column = &block[j - q * NR];
                    let place = (j - y.range.start) * height + rows.start - x.range.start;
                    if rows.len() == MR {
                        out[place..place + MR].copy_from_slice(column);
                    } else {
                        out[place..place + rows.len()]
                            .copy_from_slice(&column[rows.start - p * MR..rows.end - p * MR]);
                    }
                }
            }
        }
    }
}

macro_rules! explicit_multiply {
    (
        $name:ident, $float:ty, $as_simd:ident, $as_mut_simd:ident,
        $splat:ident, $mul_add:ident, $add:ident, $sub:ident, $max:ident
    ) => {
        /// Inner products (or squared distances) of a panel of rows and a panel of columns, with the accumulators kept in
        /// registers; false, and nothing done, where this is not the type or a panel is not two
        /// vectors high.
        #[inline(always)]
        fn $name<S: Simd, T: Scalar, const MR: usize, const NR: usize>(
            simd: S,
            x: &Side<'_, T>,
            y: &Side<'_, T>,
            (p, q): (usize, usize),
            m: usize,
            distance: bool,
            block: &mut [[T; MR]; NR],
        ) -> bool {
            let block: &mut dyn Any = block;
            let all: [&dyn Any; 4] = [x.data, y.data, x.norms, y.norms];
            let (Some(block), [Some(x), Some(y), Some(x_norms), Some(y_norms)]) = (
                block.downcast_mut::<[[$float; MR]; NR]>(),
                all.map(|numbers| numbers.downcast_ref::<Vec<$float>>()),
            ) else {
                return false;
            };
            let (x, y) = (&x[p * m * MR..(p + 1) * m * MR], &y[q * m * NR..(q + 1) * m * NR]);
            let (x, rest) = S::$as_simd(x);
            if !rest.is_empty() || size_of::<S::f64s>() / size_of::<$float>() * 2 != MR {
                return false;
            }
            let mut sums = [[simd.$splat(0.0); 2]; NR];
            for (x, y) in x.as_chunks::<2>().0.iter().zip(y.as_chunks::<NR>().0) {
                let [low, high] = *x;
                for j in 0..NR {
                    let factor = simd.$splat(y[j]);
                    sums[j][0] = simd.$mul_add(low, factor, sums[j][0]);
                    sums[j][1] = simd.$mul_add(high, factor, sums[j][1]);
                }
            }
            if distance {
                let x_norms = S::$as_simd(&x_norms[p * MR..(p + 1) * MR]).0;
                let (low, high) = (x_norms[0], x_norms[1]);
                let zero = simd.$splat(0.0);
                for j in 0..NR {
                    let norm = simd.$splat(y_norms[q * NR + j]);
                    for (sum, x_norm) in sums[j].iter_mut().zip([low, high]) {
                        let norms = simd.$add(x_norm, norm);
                        *sum = simd.$max(simd.$sub(norms, simd.$add(*sum, *sum)), zero);
                    }
                }
            }
            for j in 0..NR {
                let column = S::$as_mut_simd(&mut block[j]).0;
                column[0] = sums[j][0];
                column[1] = sums[j][1];
            }
            true
        }
    };
}

explicit_multiply!(
    multiply_f64,
    f64,
    as_simd_f64s,
    as_mut_simd_f64s,
    splat_f64s,
    mul_add_f64s,
    add_f64s,
    sub_f64s,
    max_f64s
);
explicit_multiply!(
    multiply_f32,
    f32,
    as_simd_f32s,
    as_mut_simd_f32s,
    splat_f32s,
    mul_add_f32s,
    add_f32s,
    sub_f32s,
    max_f32s
);

/// Inner products of a panel of rows and the columns `asked` of a panel, one by one.
#[inline(always)]
fn multiply<T: Scalar, const MR: usize, const NR: usize, const FUSED: bool>(
    x: &[[T; MR]],
    y: &[[T; NR]],
    asked: Range<usize>,
    block: &mut [[T; MR]; NR],
) {
    for j in asked {
        let mut column = [T::of(0.0); MR];
        for (x, y) in x.iter().zip(y) {
            for i in 0..MR {
                column[i] = mul_add::<T, FUSED>(x[i], y[j], column[i]);
            }
        }
        block[j] = column;
    }
}

/// Inner products become max(0, |x|^2 + |y|^2 - 2 `<x, y>`).
#[inline(always)]
fn squared_distances<T: Scalar, const MR: usize, const NR: usize>(
    block: &mut [[T; MR]; NR],
    x: &Side<'_, T>,
    y: &Side<'_, T>,
    p: usize,
    q: usize,
) {
    let zero = T::of(0.0);
    for (column, &y_norm) in block.iter_mut().zip(&y.norms[q * NR..]) {
        for (d, &x_norm) in column.iter_mut().zip(&x.norms[p * MR..]) {
            let difference = (x_norm + y_norm) - (*d + *d);
            *d = if difference > zero { difference } else { zero };
        }
    }
}

/// Computes small squared distances again, from the differences of the coordinates.
#[inline(never)]
fn sharpen<T: Scalar, const MR: usize, const NR: usize>(
    block: &mut [[T; MR]; NR],
    x: &Side<'_, T>,
    y: &Side<'_, T>,
    p: usize,
    q: usize,
) {
    let (Some(x_points), Some(y_points)) = (x.points, y.points) else { return };
    let small = T::of(1.0 / 64.0);
    for (j, column) in block.iter_mut().enumerate().take(y_points.ncols() - q * NR) {
        let y_norm = y.norms[q * NR + j];
        let x_norms = &x.norms[p * MR..];
        let close = column.iter().zip(x_norms).fold(false, |c, (&d, &n)| c | (d < (n + y_norm) * small));
        if !close {
            continue;
        }
        for (i, d) in column.iter_mut().enumerate().take(x_points.ncols() - p * MR) {
            if *d < (x_norms[i] + y_norm) * small {
                let difference = |a| x_points[(a, p * MR + i)] - y_points[(a, q * NR + j)];
                *d = (0..x_points.nrows()).map(|a| difference(a) * difference(a)).sum();
            }
        }
    }
}

/// The function of the inner products or squared distances of a block.
#[inline(always)]
fn apply<T: Scalar, const MR: usize, const NR: usize, const FUSED: bool>(
    function: &Function<T>,
    block: &mut [[T; MR]; NR],
) {
    match function {
        Function::Gaussian => {
            block.as_flattened_mut().iter_mut().for_each(|d| *d = -*d);
            exp_block::<T, FUSED, MR, NR>(block);
        }
        Function::Quartic => {
            block.as_flattened_mut().iter_mut().for_each(|d| *d = -(*d * *d));
            exp_block::<T, FUSED, MR, NR>(block);
        }
        Function::Exponential => {
            block.as_flattened_mut().iter_mut().for_each(|d| *d = -num_traits::Float::sqrt(*d));
            exp_block::<T, FUSED, MR, NR>(block);
        }
        Function::Cauchy => {
            let one = T::of(1.0);
            block.as_flattened_mut().iter_mut().for_each(|d| *d = one / (one + *d));
        }
        Function::Linear | Function::Pair(_) => {}
        Function::Sinh => sinh_block::<T, FUSED, MR, NR>(block),
        Function::ExpInnerProduct { scale } => {
            block.as_flattened_mut().iter_mut().for_each(|d| *d *= *scale);
            exp_block::<T, FUSED, MR, NR>(block);
        }
        Function::InnerProduct(h) | Function::SquaredDistance(h) => {
            block.as_flattened_mut().iter_mut().for_each(|d| *d = h(*d));
        }
    }
}
