//! The numbers of an adapter in one slice, and what they are called.

use crate::matrix::{check_finite_array, check_finite_slice};
use crate::random::{fill_gaussian, stream};
use crate::{Error, Result, Scalar};
use faer::{Mat, MatRef};
use ndarray::{ArrayD, IxDyn};
use std::collections::BTreeMap;

/// One array of an adapter: `terms` matrices (rows, cols).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// What the sources call it.
    pub name: &'static str,
    /// How many matrices; 1 where there is just one.
    pub terms: usize,
    /// Rows of each.
    pub rows: usize,
    /// Columns of each.
    pub cols: usize,
}

impl Part {
    /// How many numbers it has.
    pub fn len(&self) -> usize {
        self.terms * self.rows * self.cols
    }
    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// All numbers of an adapter: part after part, term after term, each matrix by columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts<T: Scalar> {
    parts: Vec<Part>,
    values: Vec<T>,
}

impl<T: Scalar> Parts<T> {
    /// Zeros.
    pub(super) fn zeros(parts: Vec<Part>) -> Self {
        let values = vec![T::of(0.0); parts.iter().map(Part::len).sum()];
        Self { parts, values }
    }
    /// Fills part `i` with normally distributed numbers.
    pub(super) fn fill(mut self, i: usize, deviation: f64, seed: u64) -> Self {
        let range = self.range(i);
        let values = &mut self.values[range];
        fill_gaussian(&mut stream(seed, &format!("adapter, {}", self.parts[i].name), 0), values);
        values.iter_mut().for_each(|x| *x *= T::of(deviation));
        self
    }
    /// Puts a matrix in place of term `term` of part `i`, which has its shape.
    pub(super) fn set(&mut self, i: usize, term: usize, matrix: MatRef<'_, T>) {
        let size = matrix.nrows() * matrix.ncols();
        let start = self.range(i).start + term * size;
        let out = &mut self.values[start..start + size];
        for (out, column) in out.chunks_exact_mut(matrix.nrows().max(1)).zip(matrix.col_iter()) {
            out.iter_mut().zip(column.iter()).for_each(|(out, x)| *out = *x);
        }
    }

    fn range(&self, i: usize) -> std::ops::Range<usize> {
        let start = self.parts[..i].iter().map(Part::len).sum();
        start..start + self.parts[i].len()
    }

    /// From the arrays of a file, each as [`Parts::array`] gives it, taken out of `arrays`.
    pub(super) fn take(names: &[&'static str], arrays: &mut BTreeMap<String, ArrayD<T>>) -> Result<Self> {
        let (mut parts, mut values) = (Vec::new(), Vec::new());
        for &name in names {
            let array = arrays.remove(name);
            let shape = array.as_ref().map_or(Vec::new(), |array| array.shape().to_vec());
            let (terms, rows, cols) = match shape[..] {
                [rows, cols] => (1, rows, cols),
                [terms, rows, cols] if terms > 1 => (terms, rows, cols),
                _ => {
                    let expected = format!(
                        "`{name}` (rows, columns) or, for several terms, (terms, rows, columns) is needed"
                    );
                    return Err(Error::Shape { argument: "arrays", expected, found: shape });
                }
            };
            parts.push(Part { name, terms, rows, cols });
            let mut array = array.unwrap_or_default();
            check_finite_array("arrays", array.view())?;
            array.swap_axes(shape.len() - 2, shape.len() - 1); // each matrix by columns
            values.extend(array.iter().copied());
        }
        Ok(Self { parts, values })
    }
    /// Checks terms, rows and columns of all parts.
    pub(super) fn check(&self, expected: &[[usize; 3]]) -> Result<()> {
        for (i, expected) in expected.iter().enumerate() {
            if self.sizes(i) != *expected {
                let [terms, rows, cols] = expected;
                let expected =
                    format!("{terms} x ({rows}, {cols}) numbers for part {} are needed", self.parts[i].name);
                return Err(Error::Shape { argument: "arrays", expected, found: self.sizes(i).to_vec() });
            }
        }
        Ok(())
    }
    /// Terms, rows and columns of part `i`.
    pub(super) fn sizes(&self, i: usize) -> [usize; 3] {
        let Part { terms, rows, cols, .. } = self.parts[i];
        [terms, rows, cols]
    }

    /// What the parts are, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter()
    }
    /// All numbers.
    pub fn values(&self) -> &[T] {
        &self.values
    }
    /// All numbers, to be changed.
    pub fn values_mut(&mut self) -> &mut [T] {
        &mut self.values
    }
    /// The only matrix of part `i`, or all of them beside each other: (rows, terms cols).
    pub(super) fn matrix(&self, i: usize) -> MatRef<'_, T> {
        let Part { terms, rows, cols, .. } = self.parts[i];
        MatRef::from_column_major_slice(&self.values[self.range(i)], rows, terms * cols)
    }
    /// Part `i` as (rows cols, terms): a matrix a column.
    pub(super) fn stack(&self, i: usize) -> MatRef<'_, T> {
        let Part { terms, rows, cols, .. } = self.parts[i];
        MatRef::from_column_major_slice(&self.values[self.range(i)], rows * cols, terms)
    }
    /// Matrix `term` of part `i`.
    pub(super) fn term(&self, i: usize, term: usize) -> MatRef<'_, T> {
        let cols = self.parts[i].cols;
        self.matrix(i).subcols(term * cols, cols)
    }

    /// The part of this name as a row-major array, (rows, cols) or, for more than one term,
    /// (terms, rows, cols).
    ///
    /// # Errors
    /// [`Error::Parameter`] where there is none.
    pub fn array(&self, name: &str) -> Result<ArrayD<T>> {
        let i = self.find(name)?;
        let Part { terms, rows, cols, .. } = self.parts[i];
        let stacked = self.matrix(i);
        let full = |at: &[usize]| stacked[(at[1], at[0] * cols + at[2])];
        Ok(match terms {
            1 => ArrayD::from_shape_fn(IxDyn(&[rows, cols]), |at| full(&[0, at[0], at[1]])),
            _ => ArrayD::from_shape_fn(IxDyn(&[terms, rows, cols]), |at| full(&[at[0], at[1], at[2]])),
        })
    }

    /// Replaces the part of this name by an array shaped as [`Parts::array`] gives it.
    ///
    /// # Errors
    /// [`Error::Parameter`] where there is none; [`Error::Shape`]; [`Error::NonFinite`].
    pub fn set_array(&mut self, name: &str, array: &ArrayD<T>) -> Result<()> {
        let i = self.find(name)?;
        let Part { terms, rows, cols, .. } = self.parts[i];
        let shape = if terms == 1 { vec![rows, cols] } else { vec![terms, rows, cols] };
        if array.shape() != shape {
            let expected = format!("part {name} has shape {shape:?}");
            return Err(Error::Shape { argument: "array", expected, found: array.shape().to_vec() });
        }
        check_finite_array("array", array.view())?;
        let range = self.range(i);
        for (place, x) in self.values[range].iter_mut().enumerate() {
            let (term, at) = (place / (rows * cols), place % (rows * cols));
            let index = [term, at % rows, at / rows];
            *x = array[&index[if terms == 1 { 1 } else { 0 }..]];
        }
        Ok(())
    }

    /// Replaces all numbers.
    ///
    /// # Errors
    /// [`Error::Shape`] for another count; [`Error::NonFinite`].
    pub fn set_values(&mut self, values: &[T]) -> Result<()> {
        if values.len() != self.values.len() {
            let expected = format!("{} numbers are needed", self.values.len());
            return Err(Error::Shape { argument: "values", expected, found: vec![values.len()] });
        }
        check_finite_slice("values", values)?;
        self.values.copy_from_slice(values);
        Ok(())
    }

    fn find(&self, name: &str) -> Result<usize> {
        self.parts.iter().position(|part| part.name == name).ok_or_else(|| {
            let remedy = "ask for one of the names that `iter` lists";
            Error::Parameter { name: "name", value: name.into(), remedy }
        })
    }
}

/// One matrix as a part.
pub(super) fn single(name: &'static str, rows: usize, cols: usize) -> Part {
    Part { name, terms: 1, rows, cols }
}

/// The numbers of matrices one after another, each by columns.
pub(super) fn joined<T: Scalar>(matrices: &[&Mat<T>]) -> Vec<T> {
    let columns = matrices.iter().flat_map(|m| (0..m.ncols()).map(|j| m.col_as_slice(j)));
    columns.collect::<Vec<_>>().concat()
}
