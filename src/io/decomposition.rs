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
//! | `cp` | `weights` (R), `factor_0` (n_1, R), `factor_1`, ... |
//! | `tensor_train` | `core_0` (1, n_1, r_1), `core_1`, ... |
//! | `train_operator` | `core_0` (1, m_1, n_1, r_1), `core_1`, ... |

use super::npz::{read_npz_as, write_npz};
use super::source::format_error;
use crate::{Error, Result, Scalar};
use faer::Mat;
use ndarray::{Array, Array1, ArrayD, CowArray, Dimension, Ix1, Ix2, IxDyn};
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
/// A [`Separated`](crate::Separated) or [`Cp`](crate::tensor::Cp) that is not in its normal form, as one written in NumPy or one of f32 read
/// as f64, is brought there.
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
    /// Whether there is an array of this name.
    pub fn has(&self, name: &str) -> bool {
        self.arrays.contains_key(name)
    }

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
            if !self.has(&name) {
                return Ok(list);
            }
            list.push(take(self, &name)?);
        }
    }

    /// A format error.
    pub(super) fn error(&self, reason: impl Into<String>) -> Error {
        format_error(&self.path, 0, reason)
    }
}
