//! Inner products of separated representations in twice the precision of `f64`.
//!
//! **Problem.** <A, B> = sum_kl lambda_k mu_l prod_i <A_k^(i), B_l^(i)> where the terms cancel: the
//! norm of a residual is 1e-8 of its terms and less, and its square 1e-16, which a sum of rounded
//! products does not hold.
//!
//! **Method.** Every unit column is cut without an error into a head (multiples of 2^-26), a middle
//! and a rest, so that products of heads, and of heads with middles, are sums of multiples of one
//! power of two that fit into 53 bits: ordinary matrix products compute them exactly, in any order
//! (Ozaki, Ogita, Oishi, Rump, "Error-free transformations of matrix multiplication by using fast
//! routines of matrix multiplication and its applications", Numer. Algorithms 59, 2012). What is left
//! is 2^-48 of the whole and needs no care. The products over the modes and the sums over the terms
//! are taken of pairs of numbers (Dekker, "A floating-point technique for extending the available
//! precision", Numer. Math. 18, 1971).
//!
//! **Cost.** For s and t terms, 12 s t sum m_i n_i flops in matrix products and about 30 s t d others;
//! memory for blocks of 64 columns.
//!
//! **Guarantee.** The error is at most about n 2^-96 sum lambda_k sum mu_l, n = max m_i n_i, for the
//! very numbers stored: norms are good to 1e-14 of the sum of the lambdas whatever cancels. The
//! result does not depend on the number of threads.
//!
//! **Deviations.** The heads need no exponent of their own and fewer parts are needed than in general,
//! since the columns are unit vectors: by Cauchy and Schwarz no partial sum exceeds 2.

use super::Separated;
use crate::matrix::{Kernel, exponent, scale_by_power_of_two};
use crate::{Error, Result, Scalar};
use faer::{Mat, MatRef};
use rayon::prelude::*;
use std::ops::{Add, Mul, Range};

/// A number as the sum of two, the second below the rounding error of the first.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Pair {
    pub high: f64,
    pub low: f64,
}

impl Pair {
    pub fn new(high: f64) -> Self {
        Self { high, low: 0.0 }
    }

    /// a + b where |a| >= |b| or a = 0.
    fn of_sorted(a: f64, b: f64) -> Self {
        let high = a + b;
        Self { high, low: b - (high - a) }
    }

    /// a + b, exactly.
    fn of_sum(a: f64, b: f64) -> Self {
        let high = a + b;
        let part = high - a;
        Self { high, low: (a - (high - part)) + (b - part) }
    }

    /// a b, exactly short of overflow and underflow.
    fn of_product(a: f64, b: f64) -> Self {
        let halves = |x: f64| {
            let shifted = 134_217_729.0 * x; // 2^27 + 1
            let high = shifted - (shifted - x);
            (high, x - high)
        };
        let (high, (a, a_low), (b, b_low)) = (a * b, halves(a), halves(b));
        Self { high, low: ((a * b - high) + a * b_low + a_low * b) + a_low * b_low }
    }
}

impl Add for Pair {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let (high, low) = (Self::of_sum(self.high, other.high), Self::of_sum(self.low, other.low));
        let sum = Self::of_sorted(high.high, high.low + low.high);
        Self::of_sorted(sum.high, sum.low + low.low)
    }
}

impl Mul for Pair {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let product = Self::of_product(self.high, other.high);
        Self::of_sorted(product.high, product.low + (self.high * other.low + self.low * other.high))
    }
}

/// Columns (n, k) of norm 1 as `head + middle + rest` without an error; `tail = middle + rest`.
struct Cut {
    head: Mat<f64>,
    middle: Mat<f64>,
    rest: Mat<f64>,
    tail: Mat<f64>,
}

impl Cut {
    fn new<T: Scalar>(columns: MatRef<'_, T>) -> Self {
        let (n, k) = columns.shape();
        // Adding 1.5 2^(52 - b) rounds to multiples of 2^-b. Heads: b = 26. Middles: sums of products
        // with two heads stay below 2^-24 sqrt(n), in multiples of 2^-(26 + b), b below.
        let width = 26 + 25 - (exponent(n.max(1) as f64) + 1) / 2;
        let round = |x: f64, bits: i32| (x + 1.5 * 2f64.powi(52 - bits)) - 1.5 * 2f64.powi(52 - bits);
        let head = Mat::from_fn(n, k, |i, j| round(columns[(i, j)].as_f64(), 26));
        let tail = Mat::from_fn(n, k, |i, j| columns[(i, j)].as_f64() - head[(i, j)]);
        let middle = Mat::from_fn(n, k, |i, j| round(tail[(i, j)], width));
        let rest = &tail - &middle;
        Self { head, middle, rest, tail }
    }

    /// The inner products (s, columns) of these columns (n, s) with the others.
    fn gram(&self, other: &Cut) -> impl Fn(usize, usize) -> Pair + use<> {
        let product = |pairs: &[(&Mat<f64>, &Mat<f64>)]| {
            let mut out = Mat::zeros(self.head.ncols(), other.head.ncols());
            for (k, (a, b)) in pairs.iter().enumerate() {
                f64::product(out.as_mut(), k > 0, a.transpose(), b.as_ref());
            }
            out
        };
        let first = product(&[(&self.head, &other.head)]); // exact
        let second = product(&[(&self.head, &other.middle), (&self.middle, &other.head)]); // exact
        let third =
            product(&[(&self.head, &other.rest), (&self.rest, &other.head), (&self.tail, &other.tail)]);
        move |k, l| {
            let sum = Pair::of_sum(first[(k, l)], second[(k, l)]);
            Pair::of_sorted(sum.high, sum.low + third[(k, l)])
        }
    }
}

/// Columns that one task takes.
const BLOCK: usize = 64;

/// The lambdas times 2^-e, exactly, and e: the first is moderate.
fn weights<T: Scalar>(m: &Separated<T>) -> (Vec<f64>, i32) {
    let e = m.lambda().first().map_or(0, |x| exponent(*x));
    (m.lambda().iter().map(|x| scale_by_power_of_two(x.as_f64(), -e)).collect(), e)
}

/// The inner products of the unit terms of `a` with those of `b` (same shapes), block after block of
/// the terms of `b`, each handed to `visit` as an array (s, block) by columns.
fn blocks<T: Scalar, R: Send>(
    a: &Separated<T>,
    b: &Separated<T>,
    visit: impl Fn(Range<usize>, Vec<Pair>) -> R + Sync,
) -> Vec<R> {
    let (s, t) = (a.separation_rank(), b.separation_rank());
    let block = |start: usize| {
        let range = start..(start + BLOCK).min(t);
        let mut products = vec![Pair::new(1.0); s * range.len()];
        for (left, right) in a.modes().iter().zip(b.modes()) {
            let right = Cut::new(right.subcols(start, range.len()));
            let gram = Cut::new(left.as_ref()).gram(&right);
            for (l, column) in products.chunks_exact_mut(s.max(1)).enumerate() {
                column.iter_mut().enumerate().for_each(|(k, x)| *x = *x * gram(k, l));
            }
        }
        visit(range, products)
    };
    (0..t.div_ceil(BLOCK)).into_par_iter().map(|k| block(k * BLOCK)).collect()
}

/// `<a, b> = x 2^e` for representations of the same shapes: `(x, e)`.
pub(super) fn inner<T: Scalar>(a: &Separated<T>, b: &Separated<T>) -> (f64, i32) {
    let ((left, e), (right, f)) = (weights(a), weights(b));
    let sums = blocks(a, b, |range, products| {
        let mut sum = Pair::default();
        for (column, l) in products.chunks_exact(left.len().max(1)).zip(range) {
            let mut own = Pair::default();
            for (x, w) in column.iter().zip(&left) {
                own = own + *x * Pair::new(*w);
            }
            sum = sum + own * Pair::new(right[l]);
        }
        sum
    });
    (sums.into_iter().fold(Pair::default(), Add::add).high, e + f)
}

/// `x 2^e`, or the error that it overflows.
pub(super) fn finite(what: &'static str, x: f64, e: i32) -> Result<f64> {
    let value = scale_by_power_of_two(x, e);
    if value.is_finite() {
        return Ok(value);
    }
    let value = format!("{x:e} times 2^{e}");
    Err(Error::Parameter { name: what, value, remedy: "it exceeds the largest number: scale down first" })
}
