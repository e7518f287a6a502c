//! Tensor trains (placeholder: contract only).

use crate::{Result, Scalar};
use ndarray::{Array3, ArrayD, ArrayViewD};

/// The tensor train `X(i1, ..., id) = G1(0, i1, :) G2(:, i2, :) ... Gd(:, id, 0)`.
#[derive(Debug, Clone)]
pub struct TensorTrain<T: Scalar> {
    /// Core k has shape (r_{k-1}, n_k, r_k), with r_0 = r_d = 1, standard (row-major) layout.
    cores: Vec<Array3<T>>,
}

impl<T: Scalar> TensorTrain<T> {
    /// From cores; their shapes must chain: (1, n1, r1), (r1, n2, r2), ..., (r_{d-1}, nd, 1).
    pub fn new(cores: Vec<Array3<T>>) -> Result<Self> {
        Ok(Self { cores })
    }
    /// The cores.
    pub fn cores(&self) -> &[Array3<T>] {
        &self.cores
    }
    /// The cores, given away.
    pub fn into_cores(self) -> Vec<Array3<T>> {
        self.cores
    }
    /// The sizes of the modes.
    pub fn shape(&self) -> Vec<usize> {
        self.cores.iter().map(|c| c.shape()[1]).collect()
    }
    /// The inner ranks r_1, ..., r_{d-1}.
    pub fn ranks(&self) -> Vec<usize> {
        self.cores.iter().skip(1).map(|c| c.shape()[0]).collect()
    }
    /// How many numbers are stored.
    pub fn parameters(&self) -> usize {
        self.cores.iter().map(|c| c.len()).sum()
    }
    /// One entry.
    pub fn entry(&self, _index: &[usize]) -> T {
        todo!()
    }
    /// The whole tensor.
    pub fn to_dense(&self) -> Result<ArrayD<T>> {
        todo!()
    }
}

/// Parameters of truncation: shared by [`tt_svd`] and rounding. Both limits hold together.
#[derive(Debug, Clone, Copy)]
pub struct Truncation {
    /// Largest rank at any bond.
    pub max_rank: usize,
    /// Relative Frobenius tolerance; 0 keeps everything that `max_rank` allows.
    pub tolerance: f64,
}

/// TT-SVD.
pub fn tt_svd<T: Scalar>(_a: ArrayViewD<'_, T>, _truncation: Truncation) -> Result<TensorTrain<T>> {
    todo!()
}
