//! A frozen weight with an adapter beside it.
//!
//! **Problem.** y = W' x with W' = W + c dW, or, with a magnitude g_i for each row (DoRA: Liu et al. 2024),
//! row i of W' = g_i (W + c dW)_i / |(W + c dW)_i|; and the gradients of a loss of y.
//!
//! **Cost.** A step materialises dW's cheap form once ([`Adapter::delta`]); then W and the form are
//! applied. Magnitudes need all of W + c dW once a step, and for the gradient one product with it for
//! each side of the update: O(m n r), whatever the number of samples.
//!
//! **Guarantee.** The base is never changed, so that taking an adapter away gives it back bit by bit.
//!
//! **Deviations.** DoRA's source treats the norms as constants in the gradient; here it is the true one.

use super::delta::product;
use super::{Adapter, Delta};
use crate::matrix::{check_finite, check_finite_slice};
use crate::{Error, Result, Scalar};
use faer::{Mat, MatRef};
use rayon::iter::ParallelIterator;

/// Entries of samples that one task looks at, about.
const CHECKED: usize = 1 << 16;

/// A frozen weight W (m, n), an adapter and their scaling c.
#[derive(Debug, Clone)]
pub struct Adapted<T: Scalar> {
    base: Mat<T>,
    adapter: Box<dyn Adapter<T>>,
    scaling: f64,
    magnitude: Option<Vec<T>>,
}

/// The gradients of a loss.
#[derive(Debug, Clone)]
pub struct Gradient<T: Scalar> {
    /// With respect to the input, (n, N).
    pub input: Mat<T>,
    /// With respect to the numbers, in the order of [`Adapted::values`].
    pub values: Vec<T>,
}

impl<T: Scalar> Adapted<T> {
    /// Joins a weight and an adapter of the same shape.
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::NonFinite`] for the weight; [`Error::Parameter`] for a scaling that is
    /// 0 or not finite, and for an adapter whose gradient is zero whatever the loss, as when both factors
    /// of a product are zero: nothing would train.
    pub fn new(base: Mat<T>, adapter: Box<dyn Adapter<T>>, scaling: f64) -> Result<Self> {
        if base.shape() != adapter.shape() {
            let (m, n) = adapter.shape();
            let expected = format!("the adapter is for a weight ({m}, {n})");
            return Err(Error::Shape { argument: "base", expected, found: vec![base.nrows(), base.ncols()] });
        }
        check_finite("base", base.as_ref())?;
        if !scaling.is_finite() || scaling == 0.0 {
            let remedy = "pass a finite number other than 0, such as 1";
            return Err(Error::Parameter { name: "scaling", value: scaling.to_string(), remedy });
        }
        let (m, n) = base.shape();
        let probe = crate::random::gaussian::<T>(m, n, 0, "a loss that looks at all entries");
        let gradient = adapter.pull_back(&adapter.delta().pull_dense(probe.as_ref()));
        if gradient.iter().all(|g| *g == T::of(0.0)) && !gradient.is_empty() {
            let remedy = "both factors of a product are zero and so is every gradient: \
                          start exactly one of them at zero";
            return Err(Error::Parameter { name: "adapter", value: "a stationary point".into(), remedy });
        }
        Ok(Self { base, adapter, scaling, magnitude: None })
    }

    /// The same with a trained magnitude for each row, at first the norms of the rows of W (DoRA).
    ///
    /// # Errors
    /// [`Error::Parameter`] for a row of zeros, which has no direction.
    pub fn with_magnitude(mut self) -> Result<Self> {
        let norms = row_norms(self.base.as_ref());
        if let Some(row) = norms.iter().position(|x| !(*x > 0.0 && x.is_finite())) {
            let remedy = "each row of the weight needs a norm that is positive and finite: scale it";
            return Err(Error::Parameter {
                name: "base",
                value: format!("|row {row}| = {}", norms[row]),
                remedy,
            });
        }
        self.magnitude = Some(norms.into_iter().map(T::of).collect());
        Ok(self)
    }

    /// The frozen weight W, (m, n).
    pub fn base(&self) -> MatRef<'_, T> {
        self.base.as_ref()
    }
    /// The adapter.
    pub fn adapter(&self) -> &dyn Adapter<T> {
        &*self.adapter
    }
    /// c.
    pub fn scaling(&self) -> f64 {
        self.scaling
    }
    /// The magnitudes of the rows, where they are trained.
    pub fn magnitude(&self) -> Option<&[T]> {
        self.magnitude.as_deref()
    }
    /// How many numbers are trained.
    pub fn parameters(&self) -> usize {
        self.adapter.parts().values().len() + self.magnitude.as_ref().map_or(0, Vec::len)
    }
    /// All trained numbers: those of the adapter, then the magnitudes.
    pub fn values(&self) -> Vec<T> {
        [self.adapter.parts().values(), self.magnitude.as_deref().unwrap_or(&[])].concat()
    }
    /// The same, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.adapter.parts_mut().values_mut().iter_mut().chain(self.magnitude.iter_mut().flatten())
    }
    /// Replaces all trained numbers.
    ///
    /// # Errors
    /// [`Error::Shape`] for another count; [`Error::NonFinite`]; nothing is changed then.
    pub fn set_values(&mut self, values: &[T]) -> Result<()> {
        if values.len() != self.parameters() {
            let expected = format!("{} numbers are needed", self.parameters());
            return Err(Error::Shape { argument: "values", expected, found: vec![values.len()] });
        }
        check_finite_slice("values", values)?;
        let (own, magnitude) = values.split_at(self.adapter.parts().values().len());
        self.adapter.parts_mut().values_mut().copy_from_slice(own);
        if let Some(out) = &mut self.magnitude {
            out.copy_from_slice(magnitude);
        }
        Ok(())
    }

    /// What a training step needs, computed from the numbers as they are now.
    pub fn step(&self) -> Step<'_, T> {
        let delta = self.adapter.delta().scaled(T::of(self.scaling));
        let rows = self.magnitude.as_ref().map(|magnitude| {
            let weight = &self.base + delta.to_dense(); // (m, n)
            let norms = row_norms(weight.as_ref());
            let ratios = magnitude.iter().zip(&norms).map(|(g, norm)| g.as_f64() / norm).collect();
            Rows { weight, norms, ratios }
        });
        Step { layer: self, delta, rows }
    }

    /// W', (m, n): the layer without an adapter that computes the same. W stays as it is: to unmerge is to take
    /// [`Adapted::base`], bit by bit.
    ///
    /// The same to rounding, that is, of the type W' is stored in: in bf16, of 8 digits, it is off by up to
    /// 2^-8 = 0.4 % of its entries, and of dW what is smaller is lost. PEFT's outputs in bf16 change by 0.6 to
    /// 1 % of the largest one on merging a dW of a fifth of the norm of W (`benches/peers/peft_check.py`).
    /// So keep an adapter that is small beside W unmerged, or merge in f32.
    pub fn merged(&self) -> Mat<T> {
        let Step { delta, rows, .. } = self.step();
        match rows {
            None => &self.base + delta.to_dense(),
            Some(rows) => Mat::from_fn(self.base.nrows(), self.base.ncols(), |i, j| {
                T::of(rows.weight[(i, j)].as_f64() * rows.ratios[i])
            }),
        }
    }
}

/// W + c dW of a layer with magnitudes, the norms of its rows, and the magnitudes over them.
struct Rows<T: Scalar> {
    weight: Mat<T>,
    norms: Vec<f64>,
    ratios: Vec<f64>,
}

/// The layer as it is in one training step.
pub struct Step<'a, T: Scalar> {
    layer: &'a Adapted<T>,
    delta: Delta<T>,
    rows: Option<Rows<T>>,
}

impl<T: Scalar> Step<'_, T> {
    /// c dW, in the form in which it is cheap.
    pub fn delta(&self) -> &Delta<T> {
        &self.delta
    }

    /// W' x for samples x (n, N): (m, N).
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::NonFinite`].
    pub fn forward(&self, x: MatRef<'_, T>) -> Result<Mat<T>> {
        check_samples("x", x, self.layer.base.ncols())?;
        Ok(match &self.rows {
            None => self.delta.onto(product(self.layer.base.as_ref(), x), x, false)?,
            Some(rows) => scaled_rows(product(rows.weight.as_ref(), x), &rows.ratios),
        })
    }

    /// The gradients of a loss at the inputs x (n, N), from its gradient dy (m, N) at the outputs.
    ///
    /// # Errors
    /// [`Error::Shape`]; [`Error::NonFinite`].
    pub fn backward(&self, x: MatRef<'_, T>, dy: MatRef<'_, T>) -> Result<Gradient<T>> {
        let base = self.layer.base.as_ref();
        check_samples("x", x, base.ncols())?;
        check_samples("dy", dy, base.nrows())?;
        check_count(x, dy)?;
        let Some(Rows { weight, norms, ratios }) = &self.rows else {
            let input = self.delta.onto(product(base.transpose(), dy), dy, true)?;
            return Ok(Gradient { input, values: self.values(self.delta.gradient(x, dy)) });
        };
        let dz = scaled_rows(dy.to_owned(), ratios); // (m, N)
        let input = product(weight.transpose(), dz.as_ref());
        // <dY_i, Z_i> with Z = (W + c dW) X.
        let z = product(weight.as_ref(), x);
        let sums: Vec<f64> = (0..z.nrows())
            .map(|i| (0..z.ncols()).map(|t| z[(i, t)].as_f64() * dy[(i, t)].as_f64()).sum())
            .collect();
        let magnitude: Vec<T> = sums.iter().zip(norms).map(|(sum, norm)| T::of(sum / norm)).collect();
        // The norms depend on dW too: row i of the gradient loses its part along the row.
        let along = (0..sums.len()).map(|i| -sums[i] * ratios[i] / (norms[i] * norms[i])).collect::<Vec<_>>();
        let through_norms = self.delta.pull_dense(scaled_rows(weight.clone(), &along).as_ref());
        let mut values = self.values(self.delta.gradient(x, dz.as_ref()).plus(through_norms));
        values.extend(magnitude);
        Ok(Gradient { input, values })
    }

    /// The gradient of the adapter's numbers, from that of the form of c dW.
    fn values(&self, gradient: Delta<T>) -> Vec<T> {
        // The form of c dW has c in its left factors: U' = c U, so that dU = c dU', and V as it is.
        self.layer.adapter.pull_back(&gradient.scaled(T::of(self.layer.scaling)))
    }
}

fn row_norms<T: Scalar>(a: MatRef<'_, T>) -> Vec<f64> {
    (0..a.nrows()).map(|i| crate::matrix::frobenius(a.row(i).as_mat())).collect()
}

fn scaled_rows<T: Scalar>(mut a: Mat<T>, factors: &[f64]) -> Mat<T> {
    for j in 0..a.ncols() {
        a.col_as_slice_mut(j).iter_mut().zip(factors).for_each(|(x, f)| *x = T::of(x.as_f64() * f));
    }
    a
}

/// Checks that samples have `rows` rows and are finite.
pub(super) fn check_samples<T: Scalar>(argument: &'static str, x: MatRef<'_, T>, rows: usize) -> Result<()> {
    if x.nrows() != rows {
        let expected = format!("{rows} rows are needed, a sample a column");
        return Err(Error::Shape { argument, expected, found: vec![x.nrows(), x.ncols()] });
    }
    // A few columns a task; where the first bad entry is tells the pass over all.
    let width = (CHECKED / rows.max(1)).max(1);
    if x.par_col_chunks(width).all(|columns| check_finite(argument, columns).is_ok()) {
        return Ok(());
    }
    check_finite(argument, x)
}

/// Checks that inputs and gradients are of the same samples.
pub(super) fn check_count<T: Scalar>(x: MatRef<'_, T>, dy: MatRef<'_, T>) -> Result<()> {
    if x.ncols() == dy.ncols() {
        return Ok(());
    }
    let expected = format!("x has {} samples", x.ncols());
    Err(Error::Shape { argument: "dy", expected, found: vec![dy.nrows(), dy.ncols()] })
}
