//! Tensor trains: a tensor of order d kept as d cores of order three.
//!
//! `X(i1, ..., id) = G1(:, i1, :) G2(:, i2, :) ... Gd(:, id, :)`, where core k has shape
//! `(r_{k-1}, n_k, r_k)` and `r_0 = r_d = 1` (Oseledets, Tensor-train decomposition, SIAM J. Sci.
//! Comput. 33, 2011). Bond k is the place between the first k modes and the rest; the unfolding at
//! bond k has the first k indices as its rows and the others as its columns, both in row-major
//! order (last index fastest), and a rank of at most `r_k`.
//!
//! | what | where |
//! | --- | --- |
//! | decompose a stored tensor, optimal up to sqrt(d - 1) | [`tt_svd`] |
//! | the same, faster, for given ranks | [`tt_svd_randomized`] |
//! | a function of an index, from few of its values | [`cross`] |
//! | scattered entries, by least squares | [`fit_samples`], [`TensorTrain::error_at`] |
//! | bits as modes (QTT): tensors and functions on grids of 2^k points | [`quantize`], [`quantized_cross`] |
//! | lower the ranks of a train | [`TensorTrain::round`], [`TensorTrain::round_randomized`] |
//! | sums, multiples, entrywise products | [`TensorTrain::plus`], [`TensorTrain::minus`], [`TensorTrain::scaled`], [`TensorTrain::hadamard`] |
//! | the same rounded, without forming them | [`TensorTrain::sum_rounded`], [`TensorTrain::hadamard_rounded`] |
//! | inner product, norm, distance | [`TensorTrain::inner`], [`TensorTrain::norm`], [`TensorTrain::distance`] |
//! | fewer modes | [`TensorTrain::fix`], [`TensorTrain::contract`], [`TensorTrain::sum_over`], [`TensorTrain::mode_product`] |
//! | the largest entries | [`TensorTrain::largest_entry`], [`TensorTrain::extremes`] |
//! | linear operators ("TT-matrices") | [`TrainOperator`] |
//!
//! Every truncation obeys a tolerance and a largest rank together and says which one cut
//! ([`Truncation`], [`Limit`]).

mod algebra;
mod at_points;
mod contract;
mod cross;
mod dense;
mod extreme;
mod implicit;
mod inner;
mod operator;
mod orthogonal;
mod quantized;
mod randomized;
mod rounding;
mod samples;
mod scale;
mod steps;
mod truncation;
mod tt_svd;
mod tt_svd_randomized;

pub(super) use at_points::check_samples;
pub use cross::{Cross, CrossTrain, Missed, cross};
pub use extreme::Extreme;
pub use operator::TrainOperator;
pub use quantized::{quantize, quantized_cross};
pub use randomized::RandomizedRounding;
pub use samples::{Fitted, SampleFit, fit_samples};
pub use truncation::{Limit, Truncated, Truncation};
pub use tt_svd::tt_svd;
pub(crate) use tt_svd::tt_svd_whole;
pub use tt_svd_randomized::{RandomizedTt, tt_svd_randomized};

use crate::{Error, Result, Scalar};
use ndarray::Array3;
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

/// The tensor train `X(i1, ..., id) = G1(:, i1, :) G2(:, i2, :) ... Gd(:, id, :)`.
///
/// Its cores are finite and their shapes chain; ranks are at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorTrain<T: Scalar> {
    /// Core k has shape (r_{k-1}, n_k, r_k), with r_0 = r_d = 1, standard (row-major) layout.
    cores: Vec<Array3<T>>,
    /// The sizes of the modes, n_1, ..., n_d.
    shape: Vec<usize>,
}

impl<T: Scalar> TensorTrain<T> {
    /// From cores; their shapes must chain: (1, n1, r1), (r1, n2, r2), ..., (r_{d-1}, nd, 1).
    ///
    /// Cores in another layout than row-major are copied. O(parameters).
    ///
    /// # Errors
    /// [`Error::Shape`] where there is no core, the shapes do not chain or a rank is zero;
    /// [`Error::NonFinite`] with the position `[core, a, i, b]` of a NaN or an infinity.
    pub fn new(cores: Vec<Array3<T>>) -> Result<Self> {
        let found = |core: &Array3<T>| core.shape().to_vec();
        let (Some(first), Some(last)) = (cores.first(), cores.last()) else {
            return Err(shape_error("at least one core is needed".into(), vec![0]));
        };
        if first.dim().0 != 1 {
            return Err(shape_error("the first core must have shape (1, n, r)".into(), found(first)));
        }
        if last.dim().2 != 1 {
            return Err(shape_error("the last core must have shape (r, n, 1)".into(), found(last)));
        }
        for (k, pair) in cores.windows(2).enumerate() {
            let rank = pair[0].dim().2;
            if rank == 0 {
                let expected =
                    format!("core {k} needs a rank of at least 1: use zero entries for a zero tensor");
                return Err(shape_error(expected, found(&pair[0])));
            }
            if pair[1].dim().0 != rank {
                let expected = format!("core {} must have shape ({rank}, n, r) to follow core {k}", k + 1);
                return Err(shape_error(expected, found(&pair[1])));
            }
        }
        for (k, core) in cores.iter().enumerate() {
            if let Some(((a, i, b), _)) =
                core.indexed_iter().find(|(_, x)| !num_traits::Float::is_finite(**x))
            {
                return Err(Error::NonFinite { argument: "cores", index: vec![k, a, i, b] });
            }
        }
        Ok(Self::from_valid(cores))
    }

    /// From cores known to chain and to be finite.
    fn from_valid(cores: Vec<Array3<T>>) -> Self {
        let shape = cores.iter().map(|core| core.dim().1).collect();
        let standard = |core: Array3<T>| match core.is_standard_layout() {
            true => core,
            false => core.as_standard_layout().into_owned(),
        };
        Self { cores: cores.into_iter().map(standard).collect(), shape }
    }

    /// The zero tensor of this shape, with ranks one.
    ///
    /// # Errors
    /// [`Error::Shape`] for the empty shape (order 0).
    pub fn zeros(shape: &[usize]) -> Result<Self> {
        Self::new(shape.iter().map(|&n| Array3::zeros((1, n, 1))).collect())
    }

    /// A train of Gaussian cores of the given inner ranks `r_1, ..., r_{d-1}`, each divided by the
    /// square root of its right rank, so that the entries have mean 0 and variance 1.
    ///
    /// Core k draws from stream k of the generator seeded with `seed`. O(parameters).
    ///
    /// # Errors
    /// [`Error::Shape`] for the empty shape, for a number of ranks other than d - 1 and for a rank
    /// of zero; [`Error::TooLarge`].
    pub fn random(shape: &[usize], ranks: &[usize], seed: u64) -> Result<Self> {
        let d = shape.len();
        if d == 0 || ranks.len() != d - 1 || ranks.contains(&0) {
            let expected = format!("{} ranks of at least 1 are needed for order {d}", d.saturating_sub(1));
            return Err(Error::Shape { argument: "ranks", expected, found: ranks.to_vec() });
        }
        let rank = |bond: usize| if bond == 0 || bond == d { 1 } else { ranks[bond - 1] };
        let mut cores = Vec::with_capacity(d);
        for (k, &n) in shape.iter().enumerate() {
            let dim = (rank(k), n, rank(k + 1));
            let mut generator = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            generator.set_stream(k as u64);
            let mut data = dense::reserve(&[dim.0, dim.1, dim.2], "a core of the tensor train")?;
            let scale = 1.0 / (dim.2 as f64).sqrt();
            data.extend((0..dim.0 * dim.1 * dim.2).map(|_| {
                let x: f64 = StandardNormal.sample(&mut generator);
                T::of(x * scale)
            }));
            cores.push(core_from(dim, data));
        }
        Ok(Self::from_valid(cores))
    }

    /// The cores; core k has shape (r_{k-1}, n_k, r_k) in row-major layout.
    pub fn cores(&self) -> &[Array3<T>] {
        &self.cores
    }
    /// The cores, given away.
    pub fn into_cores(self) -> Vec<Array3<T>> {
        self.cores
    }
    /// The number of modes, d.
    pub fn order(&self) -> usize {
        self.cores.len()
    }
    /// The sizes of the modes.
    pub fn shape(&self) -> Vec<usize> {
        self.shape.clone()
    }
    /// The inner ranks r_1, ..., r_{d-1}.
    pub fn ranks(&self) -> Vec<usize> {
        self.cores.iter().skip(1).map(|core| core.dim().0).collect()
    }
    /// How many numbers are stored.
    pub fn parameters(&self) -> usize {
        self.cores.iter().map(|core| core.len()).sum()
    }

    /// One entry, in O(d r^2).
    ///
    /// # Errors
    /// [`Error::Shape`] where `index` has not one number a mode, each below the mode's size.
    pub fn entry(&self, index: &[usize]) -> Result<T> {
        if index.len() != self.order() || index.iter().zip(&self.shape).any(|(i, n)| i >= n) {
            let expected = format!("one index a mode, each below its size in {:?}, is needed", self.shape);
            return Err(Error::Shape { argument: "index", expected, found: index.to_vec() });
        }
        let mut row = vec![T::of(1.0)]; // (1, r_{k-1})
        for (core, &i) in self.cores.iter().zip(index) {
            let (_, n, rank) = core.dim();
            let data = core.as_slice().unwrap_or(&[]);
            let mut next = vec![T::of(0.0); rank];
            for (a, &x) in row.iter().enumerate() {
                let line = &data[(a * n + i) * rank..][..rank];
                next.iter_mut().zip(line).for_each(|(y, &g)| *y += x * g);
            }
            row = next;
        }
        Ok(row[0])
    }
}

fn shape_error(expected: String, found: Vec<usize>) -> Error {
    Error::Shape { argument: "cores", expected, found }
}

/// A core from its entries in row-major order.
fn core_from<T: Scalar>(dim: (usize, usize, usize), data: Vec<T>) -> Array3<T> {
    Array3::from_shape_vec(dim, data).expect("a core has as many entries as its shape says")
}
