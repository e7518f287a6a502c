//! Normalization of each token: y = g x^ + b, x^ = (x - mean) / sqrt(variance + epsilon) (Ba, Kiros, Hinton
//! 2016); variance over all d entries.

use super::buffer::Buffer;
use super::vector::{Loop, fast, finite, sum};
use crate::layer::Layer;
use lowrank::Scalar;

/// What the backward pass needs.
pub(super) struct Normed<T: Scalar> {
    /// x^, (d, tokens).
    scaled: Buffer<T>,
    /// 1 / sqrt(variance + epsilon) of each token.
    inverse: Vec<T>,
}

/// y (d, tokens) of x, with the layer's weight g (d, 1) and bias b.
pub(super) fn forward<T: Scalar>(layer: &Layer<T>, epsilon: f64, mut x: Buffer<T>) -> (Buffer<T>, Normed<T>) {
    struct Column<'a, T>(&'a mut [T], &'a mut [T], &'a [T], &'a [T], T);
    impl<T: Scalar> Loop for Column<'_, T> {
        type Output = T;
        #[inline(always)]
        fn run<const FUSED: bool>(self) -> T {
            let Self(x, y, weight, bias, epsilon) = self;
            let count = T::of(x.len() as f64);
            let mean = sum(x, x, |x, _| x) / count;
            x.iter_mut().for_each(|x| *x -= mean);
            let variance = sum(x, x, |x, _| x * x) / count;
            let inverse = T::of(1.0) / num_traits::Float::sqrt(variance + epsilon);
            for (((x, y), g), b) in x.iter_mut().zip(y).zip(weight).zip(bias) {
                *x *= inverse;
                *y = *x * *g + *b;
            }
            inverse
        }
    }
    let mut space = vec![T::of(0.0); x.nrows()];
    let weight = layer.column(0, &mut space);
    let mut y = x.like(x.nrows(), x.ncols());
    let each = x.columns_mut().zip(y.columns_mut());
    let inverse = each.map(|(x, y)| fast(Column(x, y, weight, &layer.bias, T::of(epsilon)))).collect();
    (y, Normed { scaled: x, inverse })
}

impl<T: Scalar> Normed<T> {
    /// `dy <- dx`, with the gradients of g and b where they are asked; whether dx is finite.
    pub fn backward(&self, layer: &Layer<T>, dy: &mut Buffer<T>, trained: Option<&mut [Vec<T>; 2]>) -> bool {
        struct Column<'a, T>(&'a [T], &'a mut [T], &'a [T], T);
        impl<T: Scalar> Loop for Column<'_, T> {
            type Output = ();
            #[inline(always)]
            fn run<const FUSED: bool>(self) {
                let Self(x, dy, weight, inverse) = self;
                let count = T::of(x.len() as f64);
                dy.iter_mut().zip(weight).for_each(|(dy, g)| *dy *= *g);
                let mean = sum(dy, x, |dy, _| dy) / count;
                let along = sum(dy, x, |dy, x| dy * x) / count;
                dy.iter_mut().zip(x).for_each(|(dy, x)| *dy = (*dy - mean - *x * along) * inverse);
            }
        }
        if let Some([dg, db]) = trained {
            for (dy, x) in dy.columns().zip(self.scaled.columns()) {
                let entries = dy.iter().zip(x);
                for ((dg, db), (dy, x)) in dg.iter_mut().zip(db.iter_mut()).zip(entries) {
                    *dg += *dy * *x;
                    *db += *dy;
                }
            }
        }
        let mut space = vec![T::of(0.0); dy.nrows()];
        let (weight, mut fine) = (layer.column(0, &mut space), true);
        for (j, dy) in dy.columns_mut().enumerate() {
            fast(Column(self.scaled.column(j), dy, weight, self.inverse[j]));
            fine &= finite(dy);
        }
        fine
    }
}
