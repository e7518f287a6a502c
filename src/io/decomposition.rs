//! Decompositions as npz files that `numpy.load` opens.
//!
//! One array names the kind and holds the version of this layout, as `lowrank_tensor_train = [1.]`;
//! the others are the parts, in the decomposition's own precision:
//!
//! | kind | arrays |
//! | --- | --- |
//! | `low_rank` | `u` (m, r), `v` (n, r) |
//! | `svd` | `u` (m, k), `s` (k), `v` (n, k) |
//! | `kronecker` | `factor_0` (m_1, n_1), `factor_1`, ... |
//! | `separated` | `lambda` (s), `mode_0` (s, m_1, n_1), `mode_1`, ...; `mode_i[k]` is mode i of term k |
//! | `tucker` | `core` (r_1, ..., r_d), `factor_k` (n_k, r_k) of each mode k that is compressed |
//! | `tensor_train` | `core_0` (1, n_1, r_1), `core_1`, ... |
//! | `train_operator` | `core_0` (1, m_1, n_1, r_1), `core_1`, ... |

use super::npz::{read_npz_as, write_npz};
use super::source::format_error;
use crate::kronecker::Kronecker;
use crate::matrix::{array_view, check_finite, check_finite_slice};
use crate::svd::Svd;
use crate::tensor::train::TrainOperator;
use crate::{Error, LowRank, Result, Scalar, Separated, TensorTrain, Tucker};
use faer::Mat;
use ndarray::{Array, Array1, Array3, ArrayD, ArrayView, CowArray, Dimension, Ix1, Ix2, Ix3, Ix4, IxDyn};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const PREFIX: &str = "lowrank_";
const VERSION: f64 = 1.0;
/// Largest size of a mode of an array without numbers: no file pays for it, yet loops run over it.
const LARGEST_EMPTY: usize = 1 << 24;

/// What [`save`] keeps in a file and [`load`] brings back.
pub trait Decomposition: Sized {
    /// The numbers it is made of.
    type Scalar: Scalar;
    /// What files call it.
    const KIND: &'static str;
    /// Its arrays, each with its name.
    fn parts(&self) -> Vec<Part<'_, Self::Scalar>>;
    /// From the arrays of a file.
    ///
    /// # Errors
    /// [`Error::Format`] where an array is missing or of another order, and what the type's own
    /// constructor finds wrong.
    fn from_parts(parts: &mut Parts<Self::Scalar>) -> Result<Self>;
}

/// A name and an array.
pub type Part<'a, T> = (String, CowArray<'a, T, IxDyn>);

/// Saves a decomposition in its own precision, whole or not at all.
///
/// ```
/// use lowrank::{Tucker, faer::mat, io, ndarray::ArrayD};
/// # let path = std::env::temp_dir().join(format!("lowrank_doc_tucker_{}.npz", std::process::id()));
/// let x = Tucker::new(ArrayD::from_elem(vec![1, 2], 3.0), vec![Some(mat![[1.0], [10.0]]), None])?;
/// io::save(&path, &x)?;
/// assert_eq!(io::load::<Tucker<f64>>(&path)?, x);
/// let wrong = io::load::<lowrank::TensorTrain<f64>>(&path).unwrap_err().to_string();
/// assert!(wrong.contains("holds `tucker`, not `tensor_train`"), "{wrong}");
/// # std::fs::remove_file(&path).ok();
/// # lowrank::Result::Ok(())
/// ```
///
/// # Errors
/// [`Error::Io`]; [`Error::TooLarge`] from 4 GiB on; [`Error::Shape`] for a core of more than 64 modes.
pub fn save<D: Decomposition>(path: impl AsRef<Path>, x: &D) -> Result<()> {
    let version = Array1::from_elem(1, D::Scalar::of(VERSION)).into_dyn();
    let (header, parts) = (format!("{PREFIX}{}", D::KIND), x.parts());
    let mut arrays = vec![(header.as_str(), version.view())];
    arrays.extend(parts.iter().map(|(name, a)| (name.as_str(), a.view())));
    write_npz(path, &arrays)
}

/// Loads a decomposition that [`save`] wrote, bit by bit, or rounded where it asks for f32 and the
/// file holds f64. Memory of the numbers, and once more of the largest array.
///
/// A [`Separated`] that is not in its normal form, as one written in NumPy or one of f32 read as f64,
/// is brought there.
///
/// # Errors
/// As [`super::read_npz`]; [`Error::Format`] where the file holds another kind or version, lacks an
/// array, has one too many or one of another order; [`Error::Shape`], [`Error::NonFinite`] and others
/// as the constructor of `D` for arrays that do not fit each other, NaN and infinities.
pub fn load<D: Decomposition>(path: impl AsRef<Path>) -> Result<D> {
    let path = path.as_ref();
    let mut parts = Parts { path: path.to_owned(), arrays: read_npz_as::<D::Scalar>(path)? };
    let header = parts.arrays.keys().find(|name| name.starts_with(PREFIX)).cloned();
    let Some(header) = header else {
        return Err(parts.error("not a decomposition of this crate: no array `lowrank_...` names its kind"));
    };
    let kind = &header[PREFIX.len()..];
    if kind != D::KIND {
        return Err(parts.error(format!("the file holds `{kind}`, not `{}`", D::KIND)));
    }
    let version = parts.array::<Ix1>(&header)?;
    if version.len() != 1 || version[0].as_f64() != VERSION {
        return Err(parts.error(format!("version {version} of the layout is unknown: only 1 is read")));
    }
    let x = D::from_parts(&mut parts)?;
    match parts.arrays.keys().next() {
        None => Ok(x),
        Some(name) => Err(parts.error(format!("the array `{name}` is no part of `{kind}`"))),
    }
}

/// The arrays of a file that are not yet taken.
#[derive(Debug)]
pub struct Parts<T> {
    path: PathBuf,
    arrays: BTreeMap<String, ArrayD<T>>,
}

impl<T: Scalar> Parts<T> {
    /// Takes an array.
    ///
    /// # Errors
    /// [`Error::Format`] where it is missing, its order is not that of `D`, or it has no numbers and a
    /// mode of more than 2^24.
    pub fn array<D: Dimension>(&mut self, name: &str) -> Result<Array<T, D>> {
        let Some(array) = self.arrays.remove(name) else {
            return Err(self.error(format!("the array `{name}` is missing")));
        };
        let shape = array.shape().to_vec();
        if array.is_empty() && shape.iter().any(|&n| n > LARGEST_EMPTY) {
            return Err(self.error(format!("the array `{name}` has shape {shape:?}, but no numbers")));
        }
        array.into_dimensionality().map_err(|_| {
            let order = D::NDIM.unwrap_or_default();
            self.error(format!("the array `{name}` has shape {shape:?}, but {order} modes are needed"))
        })
    }

    /// Takes an array of order 2 as a matrix.
    ///
    /// # Errors
    /// As [`Parts::array`].
    pub fn matrix(&mut self, name: &str) -> Result<Mat<T>> {
        let array = self.array::<Ix2>(name)?;
        Ok(Mat::from_fn(array.nrows(), array.ncols(), |i, j| array[(i, j)]))
    }

    /// Takes `<stem>_0`, `<stem>_1`, ... as far as they go, each as `take` does.
    ///
    /// # Errors
    /// Those of `take`.
    pub fn list<X>(
        &mut self,
        stem: &str,
        mut take: impl FnMut(&mut Self, &str) -> Result<X>,
    ) -> Result<Vec<X>> {
        let mut list = Vec::new();
        loop {
            let name = format!("{stem}_{}", list.len());
            if !self.arrays.contains_key(&name) {
                return Ok(list);
            }
            list.push(take(self, &name)?);
        }
    }

    /// A format error.
    fn error(&self, reason: impl Into<String>) -> Error {
        format_error(&self.path, 0, reason)
    }
}

fn view<'a, T, D: Dimension>(name: impl Into<String>, a: ArrayView<'a, T, D>) -> Part<'a, T> {
    (name.into(), a.into_dyn().into())
}

fn matrix<'a, T: Scalar>(name: impl Into<String>, a: &'a Mat<T>) -> Part<'a, T> {
    view(name, array_view(a.as_ref()))
}

impl<T: Scalar> Decomposition for LowRank<T> {
    type Scalar = T;
    const KIND: &'static str = "low_rank";
    fn parts(&self) -> Vec<Part<'_, T>> {
        vec![matrix("u", &self.u), matrix("v", &self.v)]
    }
    fn from_parts(parts: &mut Parts<T>) -> Result<Self> {
        let (u, v) = (parts.matrix("u")?, parts.matrix("v")?);
        columns("v", &v, u.ncols())?;
        check_finite("u", &u)?;
        check_finite("v", &v)?;
        Ok(LowRank { u, v })
    }
}

impl<T: Scalar> Decomposition for Svd<T> {
    type Scalar = T;
    const KIND: &'static str = "svd";
    fn parts(&self) -> Vec<Part<'_, T>> {
        vec![matrix("u", &self.u), view("s", ArrayView::from(&self.s)), matrix("v", &self.v)]
    }
    fn from_parts(parts: &mut Parts<T>) -> Result<Self> {
        let (u, s, v) = (parts.matrix("u")?, parts.array::<Ix1>("s")?.to_vec(), parts.matrix("v")?);
        columns("u", &u, s.len())?;
        columns("v", &v, s.len())?;
        check_finite("u", &u)?;
        check_finite_slice("s", &s)?;
        check_finite("v", &v)?;
        Ok(Svd { u, s, v })
    }
}

fn columns<T: Scalar>(argument: &'static str, a: &Mat<T>, needed: usize) -> Result<()> {
    if a.ncols() == needed {
        return Ok(());
    }
    let expected = format!("{needed} columns are needed, as the other arrays have");
    Err(Error::Shape { argument, expected, found: vec![a.nrows(), a.ncols()] })
}

impl<T: Scalar> Decomposition for Kronecker<T> {
    type Scalar = T;
    const KIND: &'static str = "kronecker";
    fn parts(&self) -> Vec<Part<'_, T>> {
        self.factors().iter().enumerate().map(|(k, a)| matrix(format!("factor_{k}"), a)).collect()
    }
    fn from_parts(parts: &mut Parts<T>) -> Result<Self> {
        Kronecker::new(parts.list("factor", Parts::matrix)?)
    }
}

impl<T: Scalar> Decomposition for Separated<T> {
    type Scalar = T;
    const KIND: &'static str = "separated";
    fn parts(&self) -> Vec<Part<'_, T>> {
        let mut parts = vec![view("lambda", ArrayView::from(self.lambda()))];
        for (i, (mode, &(m, n))) in self.modes().iter().zip(self.shapes()).enumerate() {
            let terms = Array3::from_shape_fn((mode.ncols(), m, n), |(k, row, j)| mode[(row + m * j, k)]);
            parts.push((format!("mode_{i}"), terms.into_dyn().into()));
        }
        parts
    }
    fn from_parts(parts: &mut Parts<T>) -> Result<Self> {
        let lambda = parts.array::<Ix1>("lambda")?.to_vec();
        let modes = parts.list("mode", |parts, name| {
            let terms = parts.array::<Ix3>(name)?;
            let (s, m, n) = terms.dim();
            Ok(((m, n), Mat::from_fn(m * n, s, |row, k| terms[(k, row % m, row / m)])))
        })?;
        let (shapes, modes) = modes.into_iter().unzip();
        Separated::from_stored(shapes, lambda, modes)
    }
}

impl<T: Scalar> Decomposition for Tucker<T> {
    type Scalar = T;
    const KIND: &'static str = "tucker";
    fn parts(&self) -> Vec<Part<'_, T>> {
        let factors = self.factors().iter().enumerate();
        let factors = factors.filter_map(|(k, a)| Some(matrix(format!("factor_{k}"), a.as_ref()?)));
        std::iter::once(view("core", self.core().view())).chain(factors).collect()
    }
    fn from_parts(parts: &mut Parts<T>) -> Result<Self> {
        let core = parts.array::<IxDyn>("core")?;
        let names = (0..core.ndim()).map(|k| format!("factor_{k}"));
        let factor = |name: String| parts.arrays.contains_key(&name).then(|| parts.matrix(&name)).transpose();
        Tucker::new(core, names.map(factor).collect::<Result<_>>()?)
    }
}

impl<T: Scalar> Decomposition for TensorTrain<T> {
    type Scalar = T;
    const KIND: &'static str = "tensor_train";
    fn parts(&self) -> Vec<Part<'_, T>> {
        let cores = self.cores().iter().enumerate();
        cores.map(|(k, core)| view(format!("core_{k}"), core.view())).collect()
    }
    fn from_parts(parts: &mut Parts<T>) -> Result<Self> {
        TensorTrain::new(parts.list("core", Parts::array::<Ix3>)?)
    }
}

impl<T: Scalar> Decomposition for TrainOperator<T> {
    type Scalar = T;
    const KIND: &'static str = "train_operator";
    fn parts(&self) -> Vec<Part<'_, T>> {
        let mut parts = Vec::with_capacity(self.rows().len());
        for (k, core) in self.train().cores().iter().enumerate() {
            let (left, _, right) = core.dim();
            let shape = (left, self.rows()[k], self.columns()[k], right);
            let parted = core.view().into_shape_with_order(shape);
            parts.push(view(format!("core_{k}"), parted.expect("a row-major core, rows times columns")));
        }
        parts
    }
    fn from_parts(parts: &mut Parts<T>) -> Result<Self> {
        let cores = parts.list("core", |parts, name| {
            let core = parts.array::<Ix4>(name)?;
            let (left, m, n, right) = core.dim();
            let joined = Array3::from_shape_vec((left, m * n, right), core.iter().copied().collect());
            Ok((joined.map_err(|error| parts.error(format!("the array `{name}`: {error}")))?, (m, n)))
        })?;
        let (cores, sizes): (Vec<_>, Vec<_>) = cores.into_iter().unzip();
        let (rows, columns) = sizes.into_iter().unzip();
        TrainOperator::new(TensorTrain::new(cores)?, rows, columns)
    }
}
