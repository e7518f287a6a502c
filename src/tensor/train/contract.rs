//! Fewer or smaller modes: indices fixed, vectors contracted, modes summed over, matrices applied.

use super::steps::{entries, matrix, times};
use super::{TensorTrain, core_from, dense, scale};
use crate::matrix::{AsMatrix, check_finite, check_finite_slice};
use crate::{Error, Result, Scalar};
use ndarray::{Array3, Axis};

/// What becomes of a mode.
#[derive(Clone, Copy)]
enum Mode<'a, T> {
    Kept,
    Fixed(usize),
    Contracted(&'a [T]),
    Summed,
}

impl<T: Scalar> TensorTrain<T> {
    /// The train of order d - 1 with the index of `mode` fixed, in O(parameters + r^2 n).
    ///
    /// # Errors
    /// [`Error::Parameter`] for a mode or an index that does not exist; [`Error::Shape`] for order 1,
    /// which leaves a number: [`TensorTrain::entry`].
    pub fn fix(&self, mode: usize, index: usize) -> Result<Self> {
        self.check_mode(mode)?;
        if index >= self.shape[mode] {
            let remedy = "indices are counted from 0 to the size of the mode less 1";
            return Err(Error::Parameter { name: "index", value: index.to_string(), remedy });
        }
        self.without(&[mode], Mode::Fixed(index))
    }

    /// The train of order d - 1 whose entries are sums over `mode` with the weights `v`, in
    /// O(parameters + r^2 n).
    ///
    /// # Errors
    /// [`Error::Parameter`] for a mode that does not exist; [`Error::Shape`] for a vector of another
    /// size or order 1 (see [`TensorTrain::contract_all`]); [`Error::NonFinite`].
    pub fn contract(&self, mode: usize, v: &[T]) -> Result<Self> {
        self.check_mode(mode)?;
        self.check_vector("v", mode, v)?;
        self.without(&[mode], Mode::Contracted(v))
    }

    /// The number that is left when every mode is contracted with its vector, in O(parameters).
    ///
    /// # Errors
    /// [`Error::Shape`] for another number or size of vectors; [`Error::NonFinite`] with (mode, index).
    pub fn contract_all(&self, vectors: &[&[T]]) -> Result<f64> {
        if vectors.len() != self.order() {
            let expected = format!("one vector a mode, {} in all, is needed", self.order());
            return Err(Error::Shape { argument: "vectors", expected, found: vec![vectors.len()] });
        }
        for (k, v) in vectors.iter().enumerate() {
            self.check_vector("vectors", k, v).map_err(|e| e.within(k))?;
        }
        let modes: Vec<_> = vectors.iter().map(|v| Mode::Contracted(v)).collect();
        Ok(self.reduced(&modes).1)
    }

    /// The train of the sums over these modes, each named once, in O(parameters).
    ///
    /// # Errors
    /// [`Error::Parameter`] for a mode that does not exist or comes twice; [`Error::Shape`] where no mode
    /// is left: [`TensorTrain::sum`].
    ///
    /// # Example
    /// ```
    /// use lowrank::TensorTrain;
    /// let x = TensorTrain::<f64>::random(&[4, 5, 6], &[2, 3], 1)?;
    /// let y = x.sum_over(&[0, 2])?;
    /// assert_eq!(y.shape(), [5]);
    /// assert!((y.sum()? - x.sum()?).abs() < 1e-12);
    /// # Ok::<(), lowrank::Error>(())
    /// ```
    pub fn sum_over(&self, modes: &[usize]) -> Result<Self> {
        for (k, &mode) in modes.iter().enumerate() {
            self.check_mode(mode)?;
            if modes[..k].contains(&mode) {
                let remedy = "name each mode once";
                return Err(Error::Parameter { name: "modes", value: format!("{modes:?}"), remedy });
            }
        }
        self.without(modes, Mode::Summed)
    }

    /// The sum of all entries, in O(parameters).
    ///
    /// # Errors
    /// None for finite cores.
    pub fn sum(&self) -> Result<f64> {
        Ok(self.reduced(&vec![Mode::Summed; self.order()]).1)
    }

    /// The train with the matrix `m` (p, n_k) applied to mode k, which then has size p. O(p n r^2).
    ///
    /// # Errors
    /// [`Error::Parameter`] for a mode that does not exist, or on overflow; [`Error::Shape`] for a
    /// matrix of other than n_k columns; [`Error::NonFinite`]; [`Error::TooLarge`].
    pub fn mode_product(&self, mode: usize, m: impl AsMatrix<T>) -> Result<Self> {
        self.check_mode(mode)?;
        let m = m.as_matrix();
        let (l, n, r) = self.cores[mode].dim();
        if m.ncols() != n {
            let expected = format!("mode {mode} of size {n} needs a matrix of {n} columns");
            return Err(Error::Shape { argument: "m", expected, found: vec![m.nrows(), m.ncols()] });
        }
        check_finite("m", m)?;
        let p = m.nrows();
        dense::reserve::<T>(&[l, p, r], "a core")?;
        let (mut cores, j) = self.clone().into_normalized();
        let own = crate::matrix::exponent(crate::matrix::max_norm(m));
        let m = crate::matrix::scaled(m, -own);
        let slices = entries(&cores[mode]).chunks((n * r).max(1)).take(l);
        let data = slices.flat_map(|slice| times(m.as_ref(), matrix(slice, n, r))).collect::<Vec<T>>();
        let data = if n == 0 { vec![T::of(0.0); l * p * r] } else { data };
        cores[mode] = core_from((l, p, r), data);
        Self::restored(cores, mode, j + own)
    }

    /// `what` happens to these modes; at least one mode must be left.
    fn without(&self, modes: &[usize], what: Mode<'_, T>) -> Result<Self> {
        if modes.len() == self.order() {
            let expected = "a mode must be left: the result would be a number".into();
            return Err(Error::Shape { argument: "train", expected, found: self.shape() });
        }
        let mut all = vec![Mode::Kept; self.order()];
        modes.iter().for_each(|&mode| all[mode] = what);
        let (cores, _, j) = self.reduced(&all);
        let last = cores.len() - 1;
        Self::restored(cores, last, j)
    }

    /// The cores of the modes kept, or the number left where none is, and the exponent of the cores.
    fn reduced(&self, modes: &[Mode<'_, T>]) -> (Vec<Array3<T>>, f64, i32) {
        let (all, mut j) = self.clone().into_normalized();
        let mut cores: Vec<Array3<T>> = Vec::new();
        let mut pending: Option<Vec<T>> = None; // (p, l): matrices since the last core kept
        let mut p = 1;
        for (core, mode) in all.into_iter().zip(modes) {
            let (l, n, r) = core.dim();
            let step = match *mode {
                Mode::Kept => {
                    let mut kept = [match pending.take() {
                        None => core,
                        Some(m) => {
                            let product = times(matrix(&m, p, l), matrix(entries(&core), l, n * r));
                            core_from((p, n, r), product)
                        }
                    }];
                    j += scale::normalize(&mut kept);
                    cores.extend(kept);
                    p = r;
                    continue;
                }
                Mode::Fixed(i) => core.index_axis(Axis(1), i).iter().copied().collect(), // (l, r)
                Mode::Contracted(v) => {
                    let mut v = v.to_vec();
                    j += scale::normalize_slice(&mut v);
                    weighted(&core, |i| v[i])
                }
                Mode::Summed => weighted(&core, |_| T::of(1.0)),
            };
            let mut product = match pending {
                None => step,
                Some(m) => times(matrix(&m, p, l), matrix(&step, l, r)),
            };
            j += scale::normalize_slice(&mut product);
            pending = Some(product);
        }
        let Some(m) = pending else { return (cores, 1.0, j) };
        let Some(core) = cores.last_mut() else { return (cores, scale::shifted(m[0].as_f64(), j), j) };
        let (l, n, r) = core.dim();
        *core = core_from((l, n, 1), times(matrix(entries(core), l * n, r), matrix(&m, r, 1)));
        (cores, 1.0, j)
    }

    pub(super) fn check_mode(&self, mode: usize) -> Result<()> {
        if mode < self.order() {
            return Ok(());
        }
        let remedy = "modes are counted from 0 to the order of the train less 1";
        Err(Error::Parameter { name: "mode", value: mode.to_string(), remedy })
    }

    fn check_vector(&self, argument: &'static str, mode: usize, v: &[T]) -> Result<()> {
        if v.len() != self.shape[mode] {
            let expected = format!("mode {mode} needs {} numbers", self.shape[mode]);
            return Err(Error::Shape { argument, expected, found: vec![v.len()] });
        }
        check_finite_slice(argument, v)
    }
}

/// The sum over the middle index with weights: (l, r), row-major.
fn weighted<T: Scalar>(core: &Array3<T>, weight: impl Fn(usize) -> T) -> Vec<T> {
    let (l, n, r) = core.dim();
    let mut sums = vec![T::of(0.0); l * r];
    for (line, values) in entries(core).chunks(r).enumerate() {
        let (a, w) = (line / n, weight(line % n));
        sums[a * r..][..r].iter_mut().zip(values).for_each(|(sum, &x)| *sum += w * x);
    }
    sums
}
