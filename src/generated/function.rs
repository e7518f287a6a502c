//! Generating functions: what turns points into entries.

use crate::Scalar;
use std::fmt;
use std::sync::Arc;

/// A function of one number, shared between threads.
pub type ScalarFunction<T> = Arc<dyn Fn(T) -> T + Send + Sync>;
/// A function of two points, shared between threads.
pub type PairFunction<T> = Arc<dyn Fn(&[T], &[T]) -> T + Send + Sync>;

/// A function f(x, y) of two points of dimension m.
///
/// The named ones are vectorised; a closure costs a call an entry.
#[derive(Clone)]
#[non_exhaustive]
pub enum Function<T: Scalar> {
    /// exp(-|x - y|^2): f1 of Budzinskiy, "When big data actually are low-rank", section 7.
    Gaussian,
    /// exp(-|x - y|^4): f2 there; not positive-definite.
    Quartic,
    /// exp(-|x - y|).
    Exponential,
    /// 1 / (1 + |x - y|^2).
    Cauchy,
    /// `<x, y>` itself.
    Linear,
    /// sinh `<x, y>`: f3 there, for two points.
    Sinh,
    /// exp(scale `<x, y>`); the matrix of attention has scale 1 / sqrt(m).
    ExpInnerProduct {
        /// The factor of the inner product.
        scale: T,
    },
    /// h(`<x, y>`).
    InnerProduct(ScalarFunction<T>),
    /// h(|x - y|^2).
    SquaredDistance(ScalarFunction<T>),
    /// f(x, y) of the coordinates.
    Pair(PairFunction<T>),
}

impl<T: Scalar> Function<T> {
    /// h(`<x, y>`).
    pub fn inner_product(h: impl Fn(T) -> T + Send + Sync + 'static) -> Self {
        Self::InnerProduct(Arc::new(h))
    }
    /// h(|x - y|^2). The squared distance is never negative, and 0 for equal points.
    pub fn squared_distance(h: impl Fn(T) -> T + Send + Sync + 'static) -> Self {
        Self::SquaredDistance(Arc::new(h))
    }
    /// f(x, y) of the coordinates of both points.
    pub fn pair(f: impl Fn(&[T], &[T]) -> T + Send + Sync + 'static) -> Self {
        Self::Pair(Arc::new(f))
    }
    /// A short name for tables: `gaussian`, `quartic`, ...
    pub fn name(&self) -> &'static str {
        match self {
            Self::Gaussian => "gaussian",
            Self::Quartic => "quartic",
            Self::Exponential => "exponential",
            Self::Cauchy => "cauchy",
            Self::Linear => "linear",
            Self::Sinh => "sinh",
            Self::ExpInnerProduct { .. } => "exp-inner-product",
            Self::InnerProduct(_) => "inner-product",
            Self::SquaredDistance(_) => "squared-distance",
            Self::Pair(_) => "pair",
        }
    }
    /// Whether the function depends on the distance alone.
    pub(super) fn of_distance(&self) -> bool {
        matches!(
            self,
            Self::Gaussian | Self::Quartic | Self::Exponential | Self::Cauchy | Self::SquaredDistance(_)
        )
    }
    /// Whether small distances must be known to high relative accuracy.
    pub(super) fn sharp_at_zero(&self) -> bool {
        matches!(self, Self::Exponential | Self::SquaredDistance(_))
    }
}

impl<T: Scalar> fmt::Debug for Function<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExpInnerProduct { scale } => write!(f, "exp-inner-product({scale})"),
            _ => f.write_str(self.name()),
        }
    }
}
