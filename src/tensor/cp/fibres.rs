//! Fibres and entries of tensors that are stored in any layout, or computed.

use crate::matrix::scale_by_power_of_two;
use crate::{Entries, Error, Result, Scalar, Separated, TensorEntries};
use faer::Mat;
use ndarray::{ArrayViewD, Axis, IxDyn};
use rayon::prelude::*;

/// Fibres that are read at once for the error.
const BLOCK: usize = 1 << 15;

/// A tensor that is read by fibres: all entries that differ in the index of one mode.
pub(super) trait Fibres<T: Scalar>: Sync {
    fn shape(&self) -> &[usize];
    /// Writes the fibre of `mode` at `place`, whose index in that mode is not looked at.
    fn read(&self, mode: usize, place: &[usize], out: &mut [T]);
    /// The entry at `place`.
    fn entry(&self, place: &[usize]) -> T;

    /// Fibres at `places`, d indices each, times 2^-e: (n_mode, count).
    fn fibres(&self, mode: usize, places: &[usize], e: i32) -> Result<Mat<T>> {
        let (d, n) = (self.shape().len(), self.shape()[mode]);
        let mut out = Mat::zeros(n, places.len() / d);
        let read = |(column, mut out): (usize, faer::MatMut<'_, T>)| {
            let place = &places[column * d..][..d];
            let mut values = vec![T::of(0.0); n];
            self.read(mode, place, &mut values);
            for (i, x) in values.into_iter().enumerate() {
                if !num_traits::Float::is_finite(x) {
                    let mut index = place.to_vec();
                    index[mode] = i;
                    return Err(Error::NonFinite { argument: "a", index });
                }
                out[(i, 0)] = if e == 0 { x } else { scale_by_power_of_two(x, -e) };
            }
            Ok(())
        };
        let done: Vec<Result<()>> = out.as_mut().par_col_chunks_mut(1).enumerate().map(read).collect();
        done.into_iter().collect::<Result<()>>()?;
        Ok(out)
    }

    /// The entries at `places`.
    fn entries(&self, places: &[usize]) -> Result<Vec<T>> {
        let entry = |place: &[usize]| {
            let x = self.entry(place);
            match num_traits::Float::is_finite(x) {
                true => Ok(x),
                false => Err(Error::NonFinite { argument: "a", index: place.to_vec() }),
            }
        };
        places.chunks_exact(self.shape().len()).map(entry).collect()
    }
}

/// |2^-e (A - X)|_F and |2^-e A|_F, every entry read once.
pub(super) fn exact_error<T: Scalar>(a: &dyn Fibres<T>, x: &Separated<T>, e: i32) -> Result<(f64, f64)> {
    let (shape, d) = (a.shape(), a.shape().len());
    if shape.contains(&0) {
        return Ok((0.0, 0.0));
    }
    let mode = d - 1;
    let count: usize = shape[..mode].iter().product();
    let height = (BLOCK / shape[mode]).max(1);
    let sums = (0..count.div_ceil(height)).into_par_iter().map(|block| {
        let range = block * height..(block * height + height).min(count);
        let mut places = Vec::with_capacity(range.len() * d);
        for mut at in range.clone() {
            let start = places.len();
            places.resize(start + d, 0);
            for j in (0..mode).rev() {
                (places[start + j], at) = (at % shape[j], at / shape[j]);
            }
        }
        let fibres = a.fibres(mode, &places, e)?; // (n, count)
        let rows = |j: usize| {
            let row = |at: usize, k: usize| x.modes()[j][(places[at * d + j], k)];
            Mat::from_fn(range.len(), x.separation_rank(), row)
        };
        let mut left =
            Mat::from_fn(range.len(), x.separation_rank(), |_, k| scale_by_power_of_two(x.lambda()[k], -e));
        for j in 0..mode {
            let rows = rows(j);
            for k in 0..left.ncols() {
                left.col_as_slice_mut(k).iter_mut().zip(rows.col_as_slice(k)).for_each(|(x, y)| *x *= *y);
            }
        }
        let mut residual = Mat::zeros(shape[mode], range.len());
        T::product(residual.as_mut(), false, x.modes()[mode].as_ref(), left.transpose());
        let norm = crate::matrix::frobenius(&fibres).powi(2);
        residual -= &fibres;
        Ok((crate::matrix::frobenius(&residual).powi(2), norm))
    });
    let sums: Vec<Result<(f64, f64)>> = sums.collect();
    let (mut error, mut norm) = (0.0, 0.0);
    for part in sums {
        let (x, y) = part?;
        (error, norm) = (error + x, norm + y);
    }
    Ok((error.sqrt(), norm.sqrt()))
}

/// A stored tensor, read in place.
pub(super) struct Stored<'a, T: Scalar>(pub ArrayViewD<'a, T>);

impl<T: Scalar> Fibres<T> for Stored<'_, T> {
    fn shape(&self) -> &[usize] {
        self.0.shape()
    }
    fn read(&self, mode: usize, place: &[usize], out: &mut [T]) {
        let mut fibre = self.0.view();
        for (j, &i) in place.iter().enumerate().rev().filter(|(j, _)| *j != mode) {
            fibre = fibre.index_axis_move(Axis(j), i);
        }
        out.iter_mut().zip(fibre).for_each(|(out, x)| *out = *x);
    }
    fn entry(&self, place: &[usize]) -> T {
        self.0[IxDyn(place)]
    }
}

/// A computed tensor of order 2 at least.
pub(super) struct Generated<'a, T: Scalar> {
    shape: Vec<usize>,
    /// The unfoldings at bonds 1, ..., d - 1.
    unfoldings: Vec<Box<dyn Entries<T> + 'a>>,
}

impl<'a, T: Scalar> Generated<'a, T> {
    pub fn new(f: &'a dyn TensorEntries<T>) -> Result<Self> {
        let shape = f.shape().to_vec();
        if shape.len() < 2 {
            let expected = "order 2 at least is needed".into();
            return Err(Error::Shape { argument: "f", expected, found: shape });
        }
        let unfoldings = (1..shape.len()).map(|split| f.unfolding(split)).collect::<Result<_>>()?;
        Ok(Self { shape, unfoldings })
    }

    /// The place in row-major order of an index of the modes in `range`.
    fn flat(&self, place: &[usize], range: std::ops::Range<usize>) -> usize {
        range.fold(0, |flat, j| flat * self.shape[j] + place[j])
    }
}

impl<T: Scalar> Fibres<T> for Generated<'_, T> {
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn read(&self, mode: usize, place: &[usize], out: &mut [T]) {
        let (d, n) = (self.shape.len(), self.shape[mode]);
        if mode + 1 < d {
            let row = self.flat(place, 0..mode) * n;
            let column = self.flat(place, mode + 1..d);
            self.unfoldings[mode].tile(row..row + n, column..column + 1, out);
        } else {
            let row = self.flat(place, 0..mode);
            self.unfoldings[mode - 1].tile(row..row + 1, 0..n, out);
        }
    }
    fn entry(&self, place: &[usize]) -> T {
        let (row, column) = (place[0], self.flat(place, 1..place.len()));
        let mut out = [T::of(0.0)];
        self.unfoldings[0].tile(row..row + 1, column..column + 1, &mut out);
        out[0]
    }
}
