//! Low-rank matrices and tensor trains as npz files that `numpy.load` opens.
//!
//! The array `lowrank_version` holds the version of this layout, 1. A low-rank matrix `U V'` is kept
//! as `u` (m, r) and `v` (n, r), a tensor train as `core_0`, `core_1`, ..., each (r_{k-1}, n_k, r_k).

use super::npz::{read_npz_as, write_npz};
use super::source::format_error;
use crate::{LowRank, Result, Scalar, TensorTrain};
use faer::Mat;
use ndarray::{Array1, Array2, Array3, ArrayD, ArrayViewD, Ix2, Ix3};
use std::collections::BTreeMap;
use std::path::Path;

const VERSION: &str = "lowrank_version";
const LATEST: f64 = 1.0;

/// Saves a low-rank matrix in its own precision, whole or not at all.
///
/// # Errors
/// [`crate::Error::Io`]; [`crate::Error::TooLarge`] from 4 GiB on.
pub fn save_low_rank<T: Scalar>(path: impl AsRef<Path>, x: &LowRank<T>) -> Result<()> {
    let array = |a: &Mat<T>| Array2::from_shape_fn((a.nrows(), a.ncols()), |at| a[at]).into_dyn();
    let (u, v) = (array(&x.u), array(&x.v));
    save(path.as_ref(), &[("u", u.view()), ("v", v.view())])
}

/// Loads a low-rank matrix that [`save_low_rank`] wrote, as f32 or f64.
///
/// # Errors
/// As [`super::read_npz`], and [`crate::Error::Format`] where the file holds something else.
pub fn load_low_rank<T: Scalar>(path: impl AsRef<Path>) -> Result<LowRank<T>> {
    let path = path.as_ref();
    let mut arrays = load::<T>(path)?;
    let mut factor = |name: &str| {
        let a = arrays.remove(name)?.into_dimensionality::<Ix2>().ok()?;
        Some(Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)]))
    };
    match (factor("u"), factor("v")) {
        (Some(u), Some(v)) if u.ncols() == v.ncols() && arrays.is_empty() => Ok(LowRank { u, v }),
        _ => Err(format_error(path, 0, "not a low-rank matrix: `u` (m, r) and `v` (n, r) are needed, alone")),
    }
}

/// Saves a tensor train in its own precision, whole or not at all.
///
/// # Errors
/// [`crate::Error::Io`]; [`crate::Error::TooLarge`] from 4 GiB on.
pub fn save_train<T: Scalar>(path: impl AsRef<Path>, x: &TensorTrain<T>) -> Result<()> {
    let names: Vec<String> = (0..x.order()).map(|k| format!("core_{k}")).collect();
    let cores = names.iter().zip(x.cores()).map(|(name, core)| (name.as_str(), core.view().into_dyn()));
    save(path.as_ref(), &cores.collect::<Vec<_>>())
}

/// Loads a tensor train that [`save_train`] wrote, as f32 or f64.
///
/// # Errors
/// As [`super::read_npz`]; [`crate::Error::Format`] where the file holds something else;
/// [`crate::Error::Shape`] and [`crate::Error::NonFinite`] as [`TensorTrain::new`].
pub fn load_train<T: Scalar>(path: impl AsRef<Path>) -> Result<TensorTrain<T>> {
    let path = path.as_ref();
    let mut arrays = load::<T>(path)?;
    let core = |k| arrays.remove(&format!("core_{k}"))?.into_dimensionality::<Ix3>().ok();
    let cores: Vec<Array3<T>> = (0..).map_while(core).collect();
    if cores.is_empty() || !arrays.is_empty() {
        return Err(format_error(
            path,
            0,
            "not a tensor train: `core_0`, `core_1`, ... of order 3 are needed, alone",
        ));
    }
    TensorTrain::new(cores)
}

fn save<T: Scalar>(path: &Path, arrays: &[(&str, ArrayViewD<'_, T>)]) -> Result<()> {
    let version = Array1::from_elem(1, T::of(LATEST)).into_dyn();
    let mut all = vec![(VERSION, version.view())];
    all.extend(arrays.iter().map(|(name, a)| (*name, a.view())));
    write_npz(path, &all)
}

fn load<T: Scalar>(path: &Path) -> Result<BTreeMap<String, ArrayD<T>>> {
    let mut arrays = read_npz_as::<T>(path)?;
    let version = arrays.remove(VERSION).and_then(|a| a.first().map(|x| x.as_f64()));
    match version {
        Some(LATEST) => Ok(arrays),
        Some(version) => {
            Err(format_error(path, 0, format!("layout version {version} is unknown: only 1 is read")))
        }
        None => Err(format_error(path, 0, "not written by this crate: `lowrank_version` is missing")),
    }
}
