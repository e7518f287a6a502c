//! Transpose, products, inverse, trace, rank, determinant and norms of a Kronecker product, from
//! those of its factors (Van Loan, The ubiquitous Kronecker product, J. Comput. Appl. Math. 123,
//! 2000).

use super::block::{overflow, with_power};
use super::lu::Lu;
use super::product::{Kronecker, size};
use super::wide::Wide;
use crate::matmul::dense;
use crate::matrix::{check_finite_slice, exponent, frobenius, max_norm, scale_by_power_of_two};
use crate::svd::singular_values;
use crate::{Error, Result, Scalar};
use faer::Mat;

/// A determinant by its sign and logarithm: the number itself is often out of range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Determinant {
    /// 1, -1, or 0 for a singular matrix.
    pub sign: i32,
    /// ln |det A|; minus infinity for a singular matrix.
    pub log_magnitude: f64,
}

impl Determinant {
    /// The number; infinite or zero where it is out of range.
    pub fn value(&self) -> f64 {
        f64::from(self.sign) * self.log_magnitude.exp()
    }
}

impl<T: Scalar> Kronecker<T> {
    /// A' = M1' (x) ... (x) Md'. O(parameters).
    pub fn transpose(&self) -> Self {
        self.map(|_, factor| Ok(factor.transpose().to_owned())).expect("sides that were counted before")
    }

    /// A B = M1 B1 (x) ... (x) Md Bd, the mixed product, for an equally cut `b`. O(sum m_k n_k p_k).
    ///
    /// # Errors
    /// [`Error::Shape`] when `b` has another number of factors or a factor does not fit;
    /// [`Error::Parameter`] when a factor of the product overflows.
    ///
    /// ```
    /// use lowrank::{faer::mat, kronecker::Kronecker};
    /// let a = Kronecker::new(vec![mat![[2.0]], mat![[0.0, 1.0], [1.0, 0.0]]])?;
    /// assert_eq!(a.product(&a)?.entry(1, 1), 4.0);
    /// # lowrank::Result::Ok(())
    /// ```
    pub fn product(&self, b: &Self) -> Result<Self> {
        if b.order() != self.order() {
            let expected = format!("{} factors are needed, as many as the left one has", self.order());
            return Err(Error::Shape { argument: "b", expected, found: vec![b.order()] });
        }
        self.map(|k, factor| {
            let other = &b.factors()[k];
            if factor.ncols() != other.nrows() {
                let expected =
                    format!("its factor {k} needs {} rows, as the left one has columns", factor.ncols());
                return Err(Error::Shape {
                    argument: "b",
                    expected,
                    found: vec![other.nrows(), other.ncols()],
                });
            }
            dense(factor, other)
        })
    }

    /// c A: the factor of smallest magnitude takes a large `c`, that of largest magnitude a small one.
    /// O(parameters).
    ///
    /// # Errors
    /// [`Error::NonFinite`] when `c` is; [`Error::Parameter`] when the factor overflows.
    pub fn scaled(&self, c: T) -> Result<Self> {
        check_finite_slice("c", &[c])?;
        let sizes = || self.factors().iter().map(|f| max_norm(f)).enumerate();
        let by_size = |a: &(usize, f64), b: &(usize, f64)| a.1.total_cmp(&b.1);
        let chosen = if exponent(c) > 0 { sizes().min_by(by_size) } else { sizes().max_by(by_size) };
        let chosen = chosen.map_or(0, |(k, _)| k);
        let times = |f: &Mat<T>| Mat::from_fn(f.nrows(), f.ncols(), |i, j| c * f[(i, j)]);
        self.map(|k, f| Ok(if k == chosen { times(f) } else { f.clone() })).map_err(|_| overflow())
    }

    /// A^-1 = M1^-1 (x) ... (x) Md^-1, by elimination with partial pivoting. O(sum n_k^3). To solve
    /// systems, [`Kronecker::solve`] is as fast and more accurate.
    ///
    /// # Errors
    /// [`Error::Shape`] when a factor is not square (A is then not square or singular);
    /// [`Error::Parameter`], naming the factor, when one is singular to working precision or its
    /// inverse overflows.
    pub fn inverse(&self) -> Result<Self> {
        self.square_factors()?;
        self.map(|k, factor| {
            let (lu, n) = (Lu::of(factor.as_ref()), factor.nrows());
            lu.check(k)?;
            let mut out = Mat::zeros(n, n);
            lu.solve(Mat::identity(n, n).as_ref(), out.as_mut());
            with_power(&mut out, -lu.exponent)?;
            Ok(out)
        })
    }

    /// The trace, the product of those of the factors. O(sum n_k). The digits lost by cancellation
    /// in one factor are lost in the whole. Infinite where it exceeds the largest number.
    ///
    /// # Errors
    /// [`Error::Shape`] when a factor is not square.
    pub fn trace(&self) -> Result<f64> {
        self.square_factors()?;
        let (mut size, mut negative) = (Wide::ONE, false);
        for factor in self.factors() {
            let e = exponent(max_norm(factor));
            let diagonal = (0..factor.nrows()).map(|i| scale_by_power_of_two(factor[(i, i)].as_f64(), -e));
            let sum: f64 = diagonal.sum();
            size = size.times(Wide::of(sum)).times(Wide::power(e));
            negative ^= sum < 0.0;
        }
        Ok(if negative { -size.value() } else { size.value() })
    }

    /// The numerical rank: the product of those of the factors, each the number of singular values
    /// above `tolerance` times the largest of that factor; `None` is max(m_k, n_k) eps for factor
    /// k. O(sum of the factors' SVDs).
    ///
    /// Each factor has a tolerance of its own because its small singular values are known to the
    /// precision of that factor: ten well-conditioned factors may have a product whose smallest
    /// value is below eps times the largest, and it is of full rank all the same. To count the
    /// values of the product above one threshold take [`super::KroneckerSvd::count_above`].
    ///
    /// # Errors
    /// [`Error::Parameter`] for a tolerance outside [0, 1); those of [`singular_values`].
    pub fn rank(&self, tolerance: Option<f64>) -> Result<usize> {
        let ranks = self.factors().iter().map(|f| Ok(rank_of(&singular_values(f)?, cut(f, tolerance)?)));
        size(ranks.collect::<Result<Vec<_>>>()?.into_iter())
    }

    /// The determinant, the product of det(Mk)^(N / n_k), N = n_1 ... n_d. O(sum n_k^3). That of an
    /// empty matrix is 1.
    ///
    /// # Errors
    /// [`Error::Shape`] when a factor is not square.
    ///
    /// ```
    /// use lowrank::{faer::mat, kronecker::Kronecker};
    /// let a = Kronecker::new(vec![mat![[-2.0]], mat![[3.0, 0.0], [0.0, 1.0]]])?;
    /// assert!((a.determinant()?.value() - 12.0).abs() < 1e-13);
    /// # lowrank::Result::Ok(())
    /// ```
    pub fn determinant(&self) -> Result<Determinant> {
        self.square_factors()?;
        let rows = self.shape().0;
        let mut all = Determinant { sign: 1, log_magnitude: 0.0 };
        for factor in self.factors().iter().filter(|_| rows > 0) {
            let (lu, power) = (Lu::of(factor.as_ref()), rows / factor.nrows());
            all.sign *= if power % 2 == 0 { lu.sign().abs() } else { lu.sign() };
            all.log_magnitude += power as f64 * lu.log_magnitude();
        }
        Ok(all)
    }

    /// |A|_F, the product of the factors' norms; infinite where it exceeds the largest number.
    /// O(parameters).
    pub fn frobenius(&self) -> f64 {
        Wide::product(self.factors().iter().map(|f| frobenius(f))).value()
    }
    /// |A|_max, the product of the factors' largest magnitudes; infinite where it exceeds the
    /// largest number. O(parameters).
    pub fn max_norm(&self) -> f64 {
        Wide::product(self.factors().iter().map(|f| max_norm(f))).value()
    }
    /// |A|_2, the product of the factors' largest singular values; infinite where it exceeds the
    /// largest number.
    ///
    /// # Errors
    /// Those of [`singular_values`].
    pub fn spectral(&self) -> Result<f64> {
        let norms: Vec<f64> = self.factors().iter().map(crate::matrix::spectral).collect::<Result<_>>()?;
        Ok(Wide::product(norms.into_iter()).value())
    }

    /// The product of `work(k, Mk)`.
    pub(super) fn map(&self, work: impl Fn(usize, &Mat<T>) -> Result<Mat<T>>) -> Result<Self> {
        let factors = self.factors().iter().enumerate().map(|(k, factor)| work(k, factor));
        Self::new(factors.collect::<Result<_>>()?)
    }

    /// Checks that every factor is square.
    pub(super) fn square_factors(&self) -> Result<()> {
        let expected = |k| format!("factor {k} (counted from 0) must be square");
        match self.factors().iter().enumerate().find(|(_, f)| f.nrows() != f.ncols()) {
            None => Ok(()),
            Some((k, f)) => Err(Error::Shape {
                argument: "factors",
                expected: expected(k),
                found: vec![f.nrows(), f.ncols()],
            }),
        }
    }
}

/// The tolerance of a factor, checked.
pub(super) fn cut<T: Scalar>(factor: &Mat<T>, tolerance: Option<f64>) -> Result<f64> {
    let t = tolerance.unwrap_or(factor.nrows().max(factor.ncols()) as f64 * T::EPS);
    if (0.0..1.0).contains(&t) || tolerance.is_none() {
        return Ok(t);
    }
    let remedy = "pass a number from 0 to below 1, or None";
    Err(Error::Parameter { name: "tolerance", value: t.to_string(), remedy })
}

/// How many of nonincreasing singular values are above `cut` times the largest.
pub(super) fn rank_of<T: Scalar>(s: &[T], cut: f64) -> usize {
    let top = s.first().map_or(0.0, |s| s.as_f64());
    s.iter().take_while(|s| Wide::of(s.as_f64()) > Wide::of(cut).times(Wide::of(top))).count()
}
