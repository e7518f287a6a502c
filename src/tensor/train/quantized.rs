//! Quantized tensor trains (QTT): vectors and functions of 2^k points as trains of modes of size 2.
//!
//! # Problem
//! A vector v of length 2^k, or a function on a grid of 2^k points a variable, in far fewer numbers.
//! # Method
//! The index is written in binary, first bit slowest, and every bit is a mode (Oseledets, Approximation
//! of 2^d x 2^d matrices using tensor decomposition, SIAM J. Matrix Anal. Appl. 31, 2010; Khoromskij,
//! O(d log N)-quantics approximation, Constr. Approx. 34, 2011). TT-SVD for a stored tensor, cross
//! approximation for a function. With several variables the bits of the first come first.
//! # Cost
//! As TT-SVD and [`cross`](super::cross()) with d k modes of size 2.
//! # Guarantee
//! That of TT-SVD and of cross. Exponentials have ranks 1, sines 2, polynomials of degree p at most
//! p + 1.
//! # Deviations
//! None.

use super::{Cross, CrossTrain, TensorTrain, Truncated, Truncation, cross, dense, tt_svd};
use crate::matrix::check_finite_array;
use crate::{Error, Result, Scalar};
use ndarray::{ArrayD, ArrayViewD, IxDyn};

/// The quantized train of a stored tensor whose sizes are powers of two, by TT-SVD.
///
/// # Errors
/// [`Error::Shape`] for a size that is no power of two, or where all sizes are 1; those of
/// [`tt_svd`](super::tt_svd()).
///
/// # Example
/// ```
/// use lowrank::ndarray::{Array, ArrayD};
/// use lowrank::tensor::train::{Truncation, quantize};
/// let v: ArrayD<f64> = Array::from_shape_fn(1 << 12, |i| (0.01 * i as f64).sin()).into_dyn();
/// let x = quantize(v.view(), Truncation::tolerance(1e-12))?;
/// assert_eq!(x.train.ranks(), [2; 11]); // 88 numbers for 4096
/// # Ok::<(), lowrank::Error>(())
/// ```
pub fn quantize<T: Scalar>(a: ArrayViewD<'_, T>, truncation: Truncation) -> Result<Truncated<T>> {
    let bits: u32 = bits_of("a", a.shape())?.iter().sum();
    check_finite_array("a", a.view())?;
    let bits = IxDyn(&vec![2; bits as usize]);
    let wrong =
        || Error::Shape { argument: "a", expected: "its size overflows".into(), found: a.shape().to_vec() };
    match a.view().into_shape_with_order(bits.clone()) {
        Ok(a) if a.is_standard_layout() => tt_svd(a, truncation),
        _ => {
            let mut data = dense::reserve(a.shape(), "a row-major copy of the tensor")?;
            data.extend(a.iter().copied());
            let a = ArrayD::from_shape_vec(bits, data).map_err(|_| wrong())?;
            tt_svd(a.view(), truncation)
        }
    }
}

/// The quantized train of a function on a grid of these sizes, powers of two, by cross approximation;
/// `f` is called with the index on the grid, and the points known are such indices.
///
/// # Errors
/// [`Error::Shape`] for a size that is no power of two, or where all sizes are 1; those of
/// [`cross`](super::cross()), whose positions are bits.
pub fn quantized_cross<T: Scalar>(
    f: impl Fn(&[usize]) -> T + Sync,
    shape: &[usize],
    parameters: Cross<'_>,
) -> Result<CrossTrain<T>> {
    let bits = bits_of("shape", shape)?;
    let known = parameters.points.iter().map(|point| to_bits("points", shape, &bits, point));
    let known = known.collect::<Result<Vec<_>>>()?;
    let modes = bits.iter().sum::<u32>() as usize;
    let of_bits = |index: &[usize]| {
        let mut index = index.iter();
        let grid =
            bits.iter().map(|&k| index.by_ref().take(k as usize).fold(0, |value, bit| 2 * value + bit));
        f(&grid.collect::<Vec<usize>>())
    };
    cross(of_bits, &vec![2; modes], Cross { points: &known, ..parameters })
}

impl<T: Scalar> TensorTrain<T> {
    /// The tensor of this shape, sizes powers of two, that a quantized train stands for, written out.
    ///
    /// # Errors
    /// [`Error::Shape`] where the modes are not the bits of this shape; [`Error::TooLarge`].
    pub fn to_dense_quantized(&self, shape: &[usize]) -> Result<ArrayD<T>> {
        self.check_bits(shape)?;
        let wrong = |_| Error::Shape {
            argument: "shape",
            expected: "its size overflows".into(),
            found: shape.to_vec(),
        };
        self.to_dense()?.into_shape_with_order(IxDyn(shape)).map_err(wrong)
    }

    /// The entry of a quantized train at an index of the grid of this shape. O(k r^2) for k bits.
    ///
    /// # Errors
    /// [`Error::Shape`] where the modes are not the bits of this shape, or the index is outside.
    pub fn entry_quantized(&self, shape: &[usize], index: &[usize]) -> Result<T> {
        let bits = self.check_bits(shape)?;
        self.entry(&to_bits("index", shape, &bits, index)?)
    }

    fn check_bits(&self, shape: &[usize]) -> Result<Vec<u32>> {
        let bits = bits_of("shape", shape)?;
        if self.shape.iter().any(|&n| n != 2) || bits.iter().sum::<u32>() as usize != self.order() {
            let expected =
                format!("the train has shape {:?}, and one mode of size 2 a bit is needed", self.shape);
            return Err(Error::Shape { argument: "shape", expected, found: shape.to_vec() });
        }
        Ok(bits)
    }
}

/// The logarithms of the sizes.
fn bits_of(argument: &'static str, shape: &[usize]) -> Result<Vec<u32>> {
    if !shape.iter().all(|n| n.is_power_of_two()) || shape.iter().all(|&n| n == 1) {
        let expected = "sizes that are powers of two, not all of them 1, are needed".into();
        return Err(Error::Shape { argument, expected, found: shape.to_vec() });
    }
    Ok(shape.iter().map(|n| n.ilog2()).collect())
}

/// The bits of an index on the grid.
fn to_bits(argument: &'static str, shape: &[usize], bits: &[u32], index: &[usize]) -> Result<Vec<usize>> {
    if index.len() != shape.len() || index.iter().zip(shape).any(|(i, n)| i >= n) {
        let expected = format!("one index a variable, each below its size in {shape:?}, is needed");
        return Err(Error::Shape { argument, expected, found: index.to_vec() });
    }
    Ok(index.iter().zip(bits).flat_map(|(&i, &k)| (0..k).rev().map(move |bit| i >> bit & 1)).collect())
}
