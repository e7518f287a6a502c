//! Sums, multiples and entrywise products of tensor trains: exact, with the ranks they cost.
//!
//! Every result has its cores scaled by powers of two, so that trains whose cores are huge and tiny
//! in turn are combined as well as others. Ranks grow and do not fall by themselves:
//! [`TensorTrain::round`] afterwards.

use super::steps::entries;
use super::{TensorTrain, core_from, dense, scale};
use crate::matrix::check_finite_slice;
use crate::{Error, Result, Scalar};
use ndarray::Array3;

impl<T: Scalar> TensorTrain<T> {
    /// `c X`. O(parameters).
    ///
    /// # Errors
    /// [`Error::NonFinite`] when `c` is NaN or infinite; [`Error::Parameter`] on overflow.
    pub fn scaled(self, c: T) -> Result<Self> {
        check_finite_slice("c", &[c])?;
        let (mut cores, j) = self.into_normalized();
        let mut factor = [c];
        let own = scale::normalize_slice(&mut factor);
        let last = cores.len() - 1;
        cores[last].mapv_inplace(|x| x * factor[0]);
        Self::restored(cores, last, j + own)
    }

    /// `X + Y`, whose ranks are the sums of the ranks. O(parameters).
    ///
    /// # Errors
    /// [`Error::Shape`] for different shapes; [`Error::TooLarge`]; [`Error::Parameter`] on overflow.
    ///
    /// # Example
    /// ```
    /// use lowrank::TensorTrain;
    /// let x = TensorTrain::<f64>::random(&[4, 5, 6], &[2, 3], 1)?;
    /// let y = x.plus(&x.clone().scaled(-1.0)?)?;
    /// assert_eq!(y.ranks(), [4, 6]);
    /// assert!(y.norm()? <= 1e-14 * x.norm()?);
    /// # Ok::<(), lowrank::Error>(())
    /// ```
    pub fn plus(&self, other: &Self) -> Result<Self> {
        self.combined(other, T::of(1.0))
    }

    /// `X - Y`, whose ranks are the sums of the ranks. Cost and errors as [`TensorTrain::plus`].
    ///
    /// # Errors
    /// As for [`TensorTrain::plus`].
    pub fn minus(&self, other: &Self) -> Result<Self> {
        self.combined(other, T::of(-1.0))
    }

    /// The entrywise product of X and Y, whose ranks are the products of the ranks.
    /// O(parameters of the result); [`TensorTrain::hadamard_rounded`] never forms it.
    ///
    /// # Errors
    /// [`Error::Shape`] for different shapes; [`Error::TooLarge`]; [`Error::Parameter`] on overflow.
    pub fn hadamard(&self, other: &Self) -> Result<Self> {
        self.check_same_shape(other)?;
        let ((x, jx), (y, jy)) = (self.clone().into_normalized(), other.clone().into_normalized());
        let mut cores = Vec::with_capacity(x.len());
        for (a, b) in x.iter().zip(&y) {
            let ((l, n, r), (p, _, q)) = (a.dim(), b.dim());
            let mut data = dense::reserve(&[l, p, n, r, q], "a core of the entrywise product")?;
            for (i, j) in (0..l).flat_map(|i| (0..p).map(move |j| (i, j))) {
                for m in 0..n {
                    let from_b = &entries(b)[(j * n + m) * q..][..q];
                    for &s in &entries(a)[(i * n + m) * r..][..r] {
                        data.extend(from_b.iter().map(|&t| s * t));
                    }
                }
            }
            cores.push(core_from((l * p, n, r * q), data));
        }
        let last = cores.len() - 1;
        Self::restored(cores, last, jx + jy)
    }

    /// X + sign Y: blocks side by side, on the diagonal, and above each other.
    fn combined(&self, other: &Self, sign: T) -> Result<Self> {
        self.check_same_shape(other)?;
        let ((mut x, jx), (mut y, jy)) = (self.clone().into_normalized(), other.clone().into_normalized());
        let (d, j) = (x.len(), jx.max(jy));
        // The smaller one's exponent goes to its first core, where it may only lose what is below
        // the other's rounding.
        for (cores, own) in [(&mut x, jx), (&mut y, jy)] {
            cores[0].as_slice_mut().into_iter().for_each(|data| scale::shift(data, own - j));
        }
        y[d - 1].mapv_inplace(|value| sign * value);
        let mut cores = Vec::with_capacity(d);
        for (k, (a, b)) in x.iter().zip(&y).enumerate() {
            let ((l, n, r), (p, _, q)) = (a.dim(), b.dim());
            let (top, left) = (if k == 0 { 0 } else { l }, if k + 1 == d { 0 } else { r });
            let dim = (top + p, n, left + q);
            let mut data = dense::reserve(&[dim.0, dim.1, dim.2], "a core of the sum")?;
            data.resize(dim.0 * dim.1 * dim.2, T::of(0.0));
            for (core, (rows, columns), width) in [(a, (0, 0), r), (b, (top, left), q)] {
                for (line, source) in entries(core).chunks(width).enumerate() {
                    let target = &mut data[(rows * n + line) * dim.2 + columns..][..width];
                    target.iter_mut().zip(source).for_each(|(t, &s)| *t += s);
                }
            }
            cores.push(core_from(dim, data));
        }
        Self::restored(cores, d - 1, j)
    }

    /// The train of these cores times 2^j, the power going to core `first` if it can.
    pub(super) fn restored(mut cores: Vec<Array3<T>>, first: usize, j: i32) -> Result<Self> {
        scale::restore(&mut cores, first, j);
        if cores.iter().any(|core| check_finite_slice("cores", entries(core)).is_err()) {
            return Err(Error::Parameter {
                name: "train",
                value: format!("cores of size 2^{j} in all"),
                remedy: "an entry of the result exceeds the largest number: scale the train down",
            });
        }
        Ok(Self::from_valid(cores))
    }

    pub(super) fn check_same_shape(&self, other: &Self) -> Result<()> {
        if self.shape == other.shape {
            return Ok(());
        }
        let expected = format!("the train has shape {:?}", self.shape);
        Err(Error::Shape { argument: "other", expected, found: other.shape.clone() })
    }
}
