//! Softmax attention within each sequence, head by head.
//!
//! **Problem.** For the rows of one head and the columns of one sequence, Q, K, V (h, L):
//! C = V P with column j of P (L, L) the softmax of K' q_j / sqrt(h); and its gradients.
//!
//! **Method.** P is kept. With dC given, dV = dC P', dP = V' dC, dS = P o (dP - 1 (p_j' dp_j)) / sqrt(h),
//! dQ = K dS, dK = Q dS'.
//!
//! **Cost.** 4 L^2 d flops forward, 8 L^2 d backward, L^2 numbers for each head.
//!
//! **Guarantee.** The largest score of a column is subtracted before the exponential: no overflow.
//!
//! **Deviations.** None; there is no mask, since no sequence is padded.

use super::buffer::Buffer;
use super::vector::{Loop, fast, sum};
use lowrank::Scalar;
use lowrank::faer::{MatMut, MatRef};
use std::ops::Range;

/// C (d, tokens), and the P of all sequences and heads one after another, each by columns.
pub(super) fn forward<T: Scalar>(
    [q, k, v]: [&Buffer<T>; 3],
    heads: usize,
    spans: &[Range<usize>],
) -> (Buffer<T>, Buffer<T>) {
    let mut context = q.like(q.nrows(), q.ncols());
    let count = heads * spans.iter().map(|span| span.len() * span.len()).sum::<usize>();
    let mut weights = q.like(count, 1);
    let scale = scale::<T>(q.nrows() / heads);
    for (place, p) in pieces(q.nrows(), heads, spans, weights.values_mut()) {
        let length = place.1.len();
        let mut scores = MatMut::from_column_major_slice_mut(&mut *p, length, length);
        T::product(scores.as_mut(), false, cut(k, &place).transpose(), cut(q, &place));
        p.chunks_exact_mut(length).for_each(|column| fast(Softmax(column, scale)));
        let p = MatRef::from_column_major_slice(p, length, length);
        T::product(cut_mut(&mut context, &place), false, cut(v, &place), p);
    }
    (context, weights)
}

/// dQ, dK and dV.
pub(super) fn backward<T: Scalar>(
    [q, k, v]: [&Buffer<T>; 3],
    heads: usize,
    spans: &[Range<usize>],
    weights: &mut Buffer<T>,
    dc: &Buffer<T>,
) -> [Buffer<T>; 3] {
    let (d, tokens) = (q.nrows(), q.ncols());
    let [mut dq, mut dk, mut dv] = [0; 3].map(|_| q.like(d, tokens));
    let scale = scale::<T>(d / heads);
    let longest = spans.iter().map(|span| span.len()).max().unwrap_or(0);
    let mut scores = q.like(longest, longest);
    for (place, p) in pieces(d, heads, spans, weights.values_mut()) {
        let length = place.1.len();
        let ds = &mut scores.values_mut()[..length * length];
        let square = MatRef::from_column_major_slice(&*p, length, length);
        T::product(cut_mut(&mut dv, &place), false, cut(dc, &place), square.transpose());
        let mut out = MatMut::from_column_major_slice_mut(&mut *ds, length, length);
        T::product(out.as_mut(), false, cut(v, &place).transpose(), cut(dc, &place));
        for (p, ds) in p.chunks_exact(length).zip(ds.chunks_exact_mut(length)) {
            fast(Pull(p, ds, scale));
        }
        let ds = MatRef::from_column_major_slice(&*ds, length, length);
        T::product(cut_mut(&mut dq, &place), false, cut(k, &place), ds);
        T::product(cut_mut(&mut dk, &place), false, cut(q, &place), ds.transpose());
    }
    [dq, dk, dv]
}

/// The rows of a head and the columns of a sequence.
type Place = (Range<usize>, Range<usize>);

/// The rows of each head and the columns of each sequence, with their P.
fn pieces<'a, T>(
    d: usize,
    heads: usize,
    spans: &'a [Range<usize>],
    mut weights: &'a mut [T],
) -> impl Iterator<Item = (Place, &'a mut [T])> {
    let height = d / heads;
    let pairs = spans.iter().flat_map(move |span| (0..heads).map(move |head| (head, span.clone())));
    pairs.map(move |(head, span)| {
        let (p, rest) = std::mem::take(&mut weights).split_at_mut(span.len() * span.len());
        weights = rest;
        ((head * height..(head + 1) * height, span), p)
    })
}

fn scale<T: Scalar>(height: usize) -> T {
    T::of(1.0 / (height as f64).sqrt())
}

fn cut<'a, T: Scalar>(a: &'a Buffer<T>, (rows, cols): &Place) -> MatRef<'a, T> {
    a.as_ref().submatrix(rows.start, cols.start, rows.len(), cols.len())
}

fn cut_mut<'a, T: Scalar>(a: &'a mut Buffer<T>, (rows, cols): &Place) -> MatMut<'a, T> {
    a.as_mut().submatrix_mut(rows.start, cols.start, rows.len(), cols.len())
}

/// `x <- softmax(scale x)`.
struct Softmax<'a, T>(&'a mut [T], T);

impl<T: Scalar> Loop for Softmax<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self(x, scale) = self;
        let largest = x.iter().fold(T::min_value(), |a, x| if *x > a { *x } else { a });
        x.iter_mut().for_each(|x| *x = T::v_exp::<FUSED>((*x - largest) * scale));
        let inverse = T::of(1.0) / sum(x, x, |x, _| x);
        x.iter_mut().for_each(|x| *x *= inverse);
    }
}

/// `dp <- scale p o (dp - p' dp)`.
struct Pull<'a, T>(&'a [T], &'a mut [T], T);

impl<T: Scalar> Loop for Pull<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self(p, dp, scale) = self;
        let along = sum(p, dp, |p, dp| p * dp);
        p.iter().zip(dp).for_each(|(p, dp)| *dp = *p * (*dp - along) * scale);
    }
}
