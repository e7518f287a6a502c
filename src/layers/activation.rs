//! Activation functions, applied to each entry, with what error bounds need to know of them.

use crate::Scalar;

/// A function applied to each entry between the layers of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// x.
    Identity,
    /// max(x, 0).
    #[default]
    Relu,
    /// tanh x.
    Tanh,
    /// 1 / (1 + exp(-x)).
    Sigmoid,
    /// x / (1 + exp(-x)), also called swish.
    Silu,
    /// x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, the usual approximation of x Phi(x).
    Gelu,
}

impl Activation {
    /// Each of them once.
    pub const ALL: [Self; 6] =
        [Self::Identity, Self::Relu, Self::Tanh, Self::Sigmoid, Self::Silu, Self::Gelu];

    /// The function of one number.
    pub fn apply<T: Scalar>(self, x: T) -> T {
        let x = x.as_f64();
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        T::of(match self {
            Activation::Identity => x,
            Activation::Relu => x.max(0.0),
            Activation::Tanh => x.tanh(),
            Activation::Sigmoid => sigmoid(x),
            Activation::Silu => x * sigmoid(x),
            Activation::Gelu => {
                let c = (2.0 / std::f64::consts::PI).sqrt();
                0.5 * x * (1.0 + (c * (x + 0.044715 * x * x * x)).tanh())
            }
        })
    }

    /// The Lipschitz constant: |f(x) - f(y)| <= this |x - y|. For Silu and Gelu the largest slope,
    /// rounded up in the fifth digit.
    pub fn lipschitz(self) -> f64 {
        match self {
            Activation::Identity | Activation::Relu | Activation::Tanh => 1.0,
            Activation::Sigmoid => 0.25,
            Activation::Silu => 1.09985,
            Activation::Gelu => 1.12900,
        }
    }

    /// |f(0)|.
    pub fn at_zero(self) -> f64 {
        if self == Activation::Sigmoid { 0.5 } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest slope of a fine grid is under the constant, and close to it.
    #[test]
    fn lipschitz_constants_are_the_largest_slopes() {
        for f in Activation::ALL {
            let h = 1e-4f64;
            let slope = |k: i32| {
                let x = k as f64 * h;
                ((f.apply(x + h) - f.apply(x)) / h).abs()
            };
            let largest = (-100_000..100_000).map(slope).fold(0.0, f64::max);
            let bound = f.lipschitz();
            assert!(largest <= bound * (1.0 + 1e-9), "{f:?}: {largest} over {bound}");
            assert!(largest >= bound * (1.0 - 2e-5), "{f:?}: {largest} far under {bound}");
            assert_eq!(f.apply(0.0f64).abs(), f.at_zero(), "{f:?}");
        }
    }

    #[test]
    fn far_arguments_give_no_nan() {
        for f in Activation::ALL {
            for x in [-1e300f64, -1e4, 1e4, 1e300] {
                assert!(f.apply(x).is_finite(), "{f:?} {x}");
            }
        }
        assert_eq!(Activation::Gelu.apply(-1e300), 0.0);
    }
}
