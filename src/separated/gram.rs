//! Inner products of sums of Kronecker products in about twice double precision.
//!
//! **Problem.** X = sum_k x_k X_k^(1) (x) ... (x) X_k^(d) with unit factors, s terms, and Y likewise
//! with t terms: <X, Y> = sum_kl x_k y_l prod_i <X_k^(i), Y_l^(i)>, so accurate that the norm of a
//! difference whose terms cancel almost wholly keeps the digits that its factors have.
//!
//! **Method.** The inner products of the factors are exact but for a last rounding to pairs of
//! doubles: each entry is cut into slices of 22 bits, products of which add up in a matrix product
//! without any rounding (Ozaki, Ogita, Oishi, Rump, Numer. Algorithms 59, 2012). Their products over
//! the modes and the sum over k, l are done in pairs of doubles (Dekker 1971).
//!
//! **Cost.** 18 s t sum p_i flops in matrix products (f32: 8) and 30 d s t others, p_i the size of a
//! factor.
//!
//! **Guarantee.** The result is that for factors which differ from the given ones by 2^-66 an entry
//! (f32: 2^-44), with a relative error of about d 2^-100 in each of its s t summands: |X|_F is found
//! to about eps sum_k |x_k|, even where X is zero. The same bits for any number of threads.
//!
//! **Deviations.** The slices lie on fixed grids, since factors of norm 1 have no entry over 1.

use crate::Scalar;
use crate::matrix::Kernel;
use faer::{Mat, MatRef};
use rayon::prelude::*;
use std::ops::Range;

/// Bits of a slice.
const BITS: i32 = 22;
/// Rows whose products are added up without rounding: 2 BITS and their logarithm stay at 53.
const ROWS: usize = 512;
/// Terms of the second argument that are treated at once.
const BLOCK: usize = 32;

/// A number as an unevaluated sum of two, the second below half a unit of the first's last place.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pair {
    high: f64,
    low: f64,
}

impl Pair {
    /// a + b, exactly.
    #[inline(always)]
    fn sum(a: f64, b: f64) -> Self {
        let high = a + b;
        let c = high - a;
        Self { high, low: (a - (high - c)) + (b - c) }
    }

    /// a b, exactly (Dekker's product: numbers of at most 2^900).
    #[inline(always)]
    fn product(a: f64, b: f64) -> Self {
        let halves = |x: f64| {
            let c = 134_217_729.0 * x; // 2^27 + 1
            let high = c - (c - x);
            (high, x - high)
        };
        let high = a * b;
        let ((a1, a2), (b1, b2)) = (halves(a), halves(b));
        Self { high, low: ((a1 * b1 - high) + a1 * b2 + a2 * b1) + a2 * b2 }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        let (high, low) = (Self::sum(self.high, other.high), Self::sum(self.low, other.low));
        let first = Self::sum(high.high, high.low + low.high);
        Self::sum(first.high, first.low + low.low)
    }

    #[inline(always)]
    fn times(self, other: Self) -> Self {
        let p = Self::product(self.high, other.high);
        Self::sum(p.high, p.low + (self.high * other.low + self.low * other.high))
    }

    /// |X - Y|_F from <X, X>, <X, Y> and <Y, Y>.
    pub(super) fn distance(xx: Self, xy: Self, yy: Self) -> f64 {
        let twice = Self { high: -2.0 * xy.high, low: -2.0 * xy.low };
        xx.plus(twice).plus(yy).root()
    }

    /// The nearest `f64`.
    pub(super) fn value(self) -> f64 {
        self.high
    }

    /// The square root, 0 for what rounding made negative.
    pub(super) fn root(self) -> f64 {
        self.high.max(0.0).sqrt()
    }
}

/// A sum of Kronecker products, cut into slices.
pub(super) struct Sliced {
    weights: Vec<f64>,
    /// (p_i, slices s): the slices of a column stand together.
    modes: Vec<Mat<f64>>,
    slices: usize,
}

impl Sliced {
    /// Of the terms `weights[k]` times the columns k of `modes`, which have entries of at most 1.
    pub(super) fn new<T: Scalar>(weights: Vec<f64>, modes: &[Mat<T>]) -> Self {
        let slices = if T::NAME == "f32" { 2 } else { 3 };
        let cut = |mode: &Mat<T>| {
            let mut out = Mat::<f64>::zeros(mode.nrows(), slices * mode.ncols());
            for k in 0..mode.ncols() {
                for (row, x) in mode.col_as_slice(k).iter().enumerate() {
                    let mut rest = x.as_f64();
                    for slice in 0..slices {
                        // Adding and subtracting rounds to a multiple of 2^(-BITS (slice + 1)).
                        let grid = 1.5 * 2f64.powi(52 - BITS * (slice as i32 + 1));
                        let part = (rest + grid) - grid;
                        out[(row, slices * k + slice)] = part;
                        rest -= part;
                    }
                }
            }
            out
        };
        Self { weights, modes: modes.par_iter().map(cut).collect(), slices }
    }

    /// <X, Y>.
    pub(super) fn inner(&self, other: &Self) -> Pair {
        self.sum(other, |_, _| Some(1.0))
    }

    /// <X, X>, each product of two terms once.
    pub(super) fn square(&self) -> Pair {
        self.sum(self, |block, k| (k < block.end).then_some(if k < block.start { 2.0 } else { 1.0 }))
    }

    /// Blocks of terms of Y with the first terms k of X, counted as often as `times` says.
    fn sum(&self, other: &Self, times: impl Fn(&Range<usize>, usize) -> Option<f64> + Sync) -> Pair {
        let t = other.weights.len();
        let block = |b: usize| {
            let range = b * BLOCK..(b * BLOCK + BLOCK).min(t);
            let weights = (0..self.weights.len()).map_while(|k| Some(times(&range, k)? * self.weights[k]));
            let weights: Vec<f64> = weights.collect();
            if weights.is_empty() { Pair::default() } else { self.block(other, range, &weights) }
        };
        let sums: Vec<Pair> = (0..t.div_ceil(BLOCK)).into_par_iter().map(block).collect();
        sums.into_iter().fold(Pair::default(), Pair::plus)
    }

    /// The sum over the terms `range` of Y and the first ones of X, with these weights.
    fn block(&self, other: &Self, range: Range<usize>, weights: &[f64]) -> Pair {
        let (s, n) = (weights.len(), self.slices);
        let weight = |l: usize| weights.iter().map(move |x| Pair::product(*x, other.weights[l]));
        let mut products: Vec<Pair> = range.clone().flat_map(weight).collect(); // (s, block)
        let mut gram = vec![Pair::default(); products.len()];
        let mut exact = Mat::<f64>::zeros(n * s, n * range.len());
        for (x, y) in self.modes.iter().zip(&other.modes) {
            gram.fill(Pair::default());
            for first in (0..x.nrows()).step_by(ROWS) {
                let rows = ROWS.min(x.nrows() - first);
                let x = x.as_ref().submatrix(first, 0, rows, n * s).transpose();
                let y = y.as_ref().subrows(first, rows).subcols(n * range.start, n * range.len());
                f64::product(exact.as_mut(), false, x, y);
                for (l, sums) in gram.chunks_exact_mut(s).enumerate() {
                    let columns = exact.as_ref().subcols(n * l, n);
                    match n {
                        2 => add_up::<2>(sums, columns),
                        _ => add_up::<3>(sums, columns),
                    }
                }
            }
            products.iter_mut().zip(&gram).for_each(|(p, g)| *p = p.times(*g));
        }
        products.into_iter().fold(Pair::default(), Pair::plus)
    }
}

/// Adds to `sums[k]` the products of the N slices k with those of one column (N s, N), `columns`.
///
/// Products of one order stand on one grid: their sum is exact; so is that of the two largest.
fn add_up<const N: usize>(sums: &mut [Pair], columns: MatRef<'_, f64>) {
    let columns: [&[f64]; N] =
        std::array::from_fn(|b| columns.col(b).try_as_col_major().map_or(&[][..], |c| c.as_slice()));
    for (k, sum) in sums.iter_mut().enumerate() {
        let order = |order: usize| -> f64 {
            (order.saturating_sub(N - 1)..=order.min(N - 1)).map(|a| columns[order - a][N * k + a]).sum()
        };
        let rest: f64 = (3..2 * N - 1).rev().map(order).sum();
        let (large, small) = (Pair::sum(order(0), order(1)), Pair::sum(order(2), rest));
        *sum = sum.plus(large).plus(small);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::gaussian;

    #[test]
    fn a_difference_of_equal_sums_has_norm_zero_to_rounding() {
        // a (x) b + a (x) c - a (x) (b + c), with b + c of norm 1 within a rounding
        let unit = |mut x: Mat<f64>| {
            let norm = x.norm_l2();
            x.col_as_slice_mut(0).iter_mut().for_each(|x| *x /= norm);
            x
        };
        let (a, b) = (unit(gaussian(700, 1, 1, "a")), unit(gaussian(40, 1, 1, "b")));
        let c = unit(gaussian(40, 1, 1, "c"));
        let third = unit(&b + &c);
        let norm = (&b + &c).norm_l2();
        let first = Mat::from_fn(700, 3, |i, _| a[(i, 0)]);
        let second = Mat::from_fn(40, 3, |i, k| [&b, &c, &third][k][(i, 0)]);
        let sum = Sliced::new(vec![1.0, 1.0, -norm], &[first, second]);
        assert!(sum.square().root() < 4e-16, "{}", sum.square().root());
    }

    #[test]
    fn agrees_with_exact_integers() {
        // Entries k / 2^30 with known sums, which double precision alone would round.
        let x = Mat::from_fn(600, 70, |i, k| ((i * 7919 + k * 104_729) % 1_000_003) as f64 / 2f64.powi(30));
        let sum = Sliced::new(vec![1.0; 70], std::slice::from_ref(&x));
        let exact: i128 =
            (0..600).map(|i| (0..70).map(|k| (x[(i, k)] * 2f64.powi(30)) as i128).sum::<i128>().pow(2)).sum();
        let found = sum.square();
        let scale = 2f64.powi(60);
        assert_eq!((found.high * scale) as i128 + (found.low * scale) as i128, exact);
        let (same, found) = (sum.inner(&sum), sum.square());
        assert_eq!((same.high, same.low), (found.high, found.low));
    }
}
