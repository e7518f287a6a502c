//! The arrays of each kind of decomposition; see [`super::save`].

use super::decomposition::{Decomposition, Part, Parts};
use crate::kronecker::Kronecker;
use crate::matrix::{array_view, check_finite, check_finite_slice};
use crate::svd::Svd;
use crate::tensor::Cp;
use crate::tensor::train::TrainOperator;
use crate::{Error, LowRank, Result, Scalar, Separated, TensorTrain, Tucker};
use faer::Mat;
use ndarray::{Array3, ArrayView, Dimension, Ix1, Ix3, Ix4, IxDyn};

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
        let factor = |name: String| parts.has(&name).then(|| parts.matrix(&name)).transpose();
        Tucker::new(core, names.map(factor).collect::<Result<_>>()?)
    }
}

impl<T: Scalar> Decomposition for Cp<T> {
    type Scalar = T;
    const KIND: &'static str = "cp";
    fn parts(&self) -> Vec<Part<'_, T>> {
        let factors = self.factors().iter().enumerate().map(|(k, a)| matrix(format!("factor_{k}"), a));
        std::iter::once(view("weights", ArrayView::from(self.weights()))).chain(factors).collect()
    }
    fn from_parts(parts: &mut Parts<T>) -> Result<Self> {
        let weights = parts.array::<Ix1>("weights")?.to_vec();
        let factors = parts.list("factor", Parts::matrix)?;
        let shapes = factors.iter().map(|a| (a.nrows(), 1)).collect();
        Separated::from_stored(shapes, weights, factors)?.try_into()
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
