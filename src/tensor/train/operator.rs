//! Linear operators in the tensor-train format ("TT-matrices").

use super::randomized::{RandomizedRounding, apply_rounded};
use super::steps::{entries, matrix, times};
use super::{TensorTrain, Truncated, Truncation, core_from, dense, tt_svd};
use crate::kronecker::Kronecker;
use crate::matrix::{AsMatrix, check_finite};
use crate::{Error, Result, Scalar};
use faer::Mat;
use ndarray::{Array3, ArrayViewD, IxDyn};

/// A matrix (m_1 ... m_d, n_1 ... n_d) as a train whose mode k is (m_k, n_k), row-major:
/// `M(i, j) = G1(:, (i1, j1), :) ... Gd(:, (id, jd), :)`, where i and j are row-major multi-indices
/// (Oseledets, Tensor-train decomposition, SIAM J. Sci. Comput. 33, 2011, section 4.3).
///
/// ```
/// use lowrank::TensorTrain;
/// use lowrank::tensor::train::TrainOperator;
/// let identity = TrainOperator::<f64>::identity(&[4, 5, 6])?;
/// let x = TensorTrain::random(&[4, 5, 6], &[2, 3], 1)?;
/// assert!(identity.apply(&x)?.distance(&x)? <= 1e-14);
/// # Ok::<(), lowrank::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TrainOperator<T: Scalar> {
    train: TensorTrain<T>,
    rows: Vec<usize>,
    columns: Vec<usize>,
}

impl<T: Scalar> TrainOperator<T> {
    /// From a train of shape (m_1 n_1, ..., m_d n_d).
    ///
    /// # Errors
    /// [`Error::Shape`] where the sizes do not fit.
    pub fn new(train: TensorTrain<T>, rows: Vec<usize>, columns: Vec<usize>) -> Result<Self> {
        let sizes = rows.iter().zip(&columns).map(|(m, n)| m.checked_mul(*n));
        if rows.len() != columns.len() || !sizes.eq(train.shape.iter().map(|n| Some(*n))) {
            let expected = format!("rows {rows:?} times columns {columns:?}, mode by mode, are needed");
            return Err(Error::Shape { argument: "train", expected, found: train.shape });
        }
        Ok(Self { train, rows, columns })
    }

    /// The identity on tensors of this shape, of ranks one.
    ///
    /// # Errors
    /// [`Error::Shape`] for the empty shape; [`Error::TooLarge`].
    pub fn identity(shape: &[usize]) -> Result<Self> {
        let core = |&n: &usize| -> Result<Array3<T>> {
            dense::reserve::<T>(&[n, n], "a core of the identity")?;
            Ok(Array3::from_shape_fn((1, n * n, 1), |(_, at, _)| T::of(f64::from(at / n == at % n))))
        };
        let train = TensorTrain::new(shape.iter().map(core).collect::<Result<_>>()?)?;
        Self::new(train, shape.to_vec(), shape.to_vec())
    }

    /// A Kronecker product, of ranks one; its first factor is mode 1.
    ///
    /// # Errors
    /// None for finite factors.
    pub fn from_kronecker(product: &Kronecker<T>) -> Result<Self> {
        let factors = product.factors();
        let core = |factor: &Mat<T>| {
            let (m, n) = factor.shape();
            Array3::from_shape_fn((1, m * n, 1), |(_, at, _)| factor[(at / n, at % n)])
        };
        let train = TensorTrain::new(factors.iter().map(core).collect())?;
        let (rows, columns) = factors.iter().map(|f| f.shape()).unzip();
        Self::new(train, rows, columns)
    }

    /// The operator near a stored matrix (m_1 ... m_d, n_1 ... n_d), by TT-SVD; with the error.
    ///
    /// # Errors
    /// [`Error::Shape`] where the sizes do not fit; those of [`tt_svd`](super::tt_svd()).
    pub fn from_dense(
        a: impl AsMatrix<T>,
        rows: &[usize],
        columns: &[usize],
        truncation: Truncation,
    ) -> Result<(Self, Truncated<T>)> {
        let (a, d) = (a.as_matrix(), rows.len());
        let product = |sizes: &[usize]| sizes.iter().try_fold(1usize, |all, &n| all.checked_mul(n));
        if d == 0
            || columns.len() != d
            || product(rows) != Some(a.nrows())
            || product(columns) != Some(a.ncols())
        {
            let expected = format!("rows {rows:?} and columns {columns:?} are its sizes");
            return Err(Error::Shape { argument: "a", expected, found: vec![a.nrows(), a.ncols()] });
        }
        check_finite("a", a)?;
        let data = super::orthogonal::rows(a);
        let shape: Vec<usize> = rows.iter().chain(columns).copied().collect();
        let order: Vec<usize> = (0..d).flat_map(|k| [k, d + k]).collect();
        let sizes: Vec<usize> = rows.iter().zip(columns).map(|(m, n)| m * n).collect();
        let wrong =
            |_| Error::Shape { argument: "a", expected: "its size overflows".into(), found: sizes.clone() };
        let view = ArrayViewD::from_shape(IxDyn(&shape), &data).map_err(wrong)?;
        let paired = view.permuted_axes(IxDyn(&order)).as_standard_layout().into_owned();
        let paired = paired.into_shape_with_order(IxDyn(&sizes)).map_err(wrong)?;
        let found = tt_svd(paired.view(), truncation)?;
        Ok((Self::new(found.train.clone(), rows.to_vec(), columns.to_vec())?, found))
    }

    /// The train, of shape (m_1 n_1, ..., m_d n_d).
    pub fn train(&self) -> &TensorTrain<T> {
        &self.train
    }
    /// The sizes m_1, ..., m_d.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }
    /// The sizes n_1, ..., n_d.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// `M x`, whose ranks are the products of the ranks. O(d m n r^2 s^2).
    ///
    /// # Errors
    /// [`Error::Shape`] for a train of another shape than the columns; [`Error::TooLarge`];
    /// [`Error::Parameter`] on overflow.
    pub fn apply(&self, x: &TensorTrain<T>) -> Result<TensorTrain<T>> {
        self.check_columns("x", &x.shape)?;
        self.contracted(x, &vec![1; x.order()])
    }

    /// `M x` rounded without forming it; see [`TensorTrain::round_randomized`].
    ///
    /// # Errors
    /// Those of [`TrainOperator::apply`] and [`TensorTrain::round_randomized`].
    pub fn apply_rounded(&self, x: &TensorTrain<T>, parameters: RandomizedRounding) -> Result<Truncated<T>> {
        self.check_columns("x", &x.shape)?;
        if x.shape.contains(&0) {
            return self.apply(x)?.round(parameters.truncation);
        }
        let ((a, ja), (x, jx)) = (self.train.clone().into_normalized(), x.clone().into_normalized());
        apply_rounded(&a, &x, ja + jx, parameters)
    }

    /// The product `M N` of two operators, whose ranks are the products of the ranks.
    ///
    /// # Errors
    /// As for [`TrainOperator::apply`].
    pub fn product(&self, other: &Self) -> Result<Self> {
        self.check_columns("other", &other.rows)?;
        Self::new(self.contracted(&other.train, &other.columns)?, self.rows.clone(), other.columns.clone())
    }

    /// The transpose. O(parameters).
    pub fn transpose(&self) -> Self {
        let sizes = self.rows.iter().zip(&self.columns);
        let cores = self.train.cores.iter().zip(sizes).map(|(core, (&m, &n))| {
            let dim = core.dim();
            Array3::from_shape_fn(dim, |(a, at, b)| core[(a, at % m.max(1) * n + at / m.max(1), b)])
        });
        let train = TensorTrain::from_valid(cores.collect());
        Self { train, rows: self.columns.clone(), columns: self.rows.clone() }
    }

    /// The matrix written out.
    ///
    /// # Errors
    /// [`Error::TooLarge`] before anything is allocated.
    pub fn to_dense(&self) -> Result<Mat<T>> {
        let d = self.rows.len();
        let paired: Vec<usize> = self.rows.iter().zip(&self.columns).flat_map(|(&m, &n)| [m, n]).collect();
        let order: Vec<usize> = (0..d).map(|k| 2 * k).chain((0..d).map(|k| 2 * k + 1)).collect();
        let found = self.train.shape();
        let wrong = |_| Error::Shape { argument: "train", expected: "its size overflows".into(), found };
        let a = self.train.to_dense()?.into_shape_with_order(IxDyn(&paired)).map_err(wrong)?;
        let a = a.permuted_axes(IxDyn(&order)).as_standard_layout().into_owned();
        let (m, n) = (self.rows.iter().product(), self.columns.iter().product());
        Ok(matrix(a.as_slice().unwrap_or(&[]), m, n).to_owned())
    }

    /// Mode k of `x` is (n_k, z_k), row-major; its first part is summed over with the columns.
    fn contracted(&self, x: &TensorTrain<T>, z: &[usize]) -> Result<TensorTrain<T>> {
        let ((a, ja), (x, jx)) = (self.train.clone().into_normalized(), x.clone().into_normalized());
        let mut cores = Vec::with_capacity(a.len());
        for (k, (a, x)) in a.iter().zip(&x).enumerate() {
            let ((l, _, r), (p, _, q)) = (a.dim(), x.dim());
            let (m, n, z) = (self.rows[k], self.columns[k], z[k]);
            let mut data = dense::reserve(&[l, p, m, z, r, q], "a core of the product")?;
            data.resize(l * p * m * z * r * q, T::of(0.0));
            // For each right rank of x and left ranks: (m r, n) times (n, z), summed by one product.
            let moved = a.view().into_shape_with_order((l, m, n, r)).ok();
            let moved: Vec<T> =
                moved.map(|a| a.permuted_axes([0, 1, 3, 2]).iter().copied().collect()).unwrap_or_default(); // (l m r, n)
            for b in 0..p {
                let right = matrix(&entries(x)[b * n * z * q..], n, z * q);
                let product = times(matrix(&moved, l * m * r, n), right); // (l, m, r, z, q)
                for (line, values) in product.chunks((z * q).max(1)).enumerate() {
                    let (i, row, c) = (line / (m * r), line / r % m, line % r);
                    for (w, values) in values.chunks(q).enumerate() {
                        let at = ((((i * p + b) * m + row) * z + w) * r + c) * q;
                        data[at..][..q].copy_from_slice(values);
                    }
                }
            }
            cores.push(core_from((l * p, m * z, r * q), data));
        }
        let last = cores.len() - 1;
        TensorTrain::restored(cores, last, ja + jx)
    }

    fn check_columns(&self, argument: &'static str, sizes: &[usize]) -> Result<()> {
        if self.columns == sizes {
            return Ok(());
        }
        let expected = format!("the operator needs sizes {:?}", self.columns);
        Err(Error::Shape { argument, expected, found: sizes.to_vec() })
    }
}
