//! The matrix to approximate, as the kernels read it: checked, scaled, column by column.

use super::cores::transpose;
use crate::matrix::{exponent, largest_finite, scale_by_power_of_two};
use crate::{Entries, Error, Result, Scalar};
use rayon::prelude::*;
use std::ops::Range;

/// F 2^e, seen so that its columns are contiguous where it is stored.
pub(crate) struct Source<'a, T: Scalar> {
    entries: &'a dyn Entries<T>,
    /// Whether the columns seen here are the rows of `entries`.
    pub transposed: bool,
    /// The columns, where they are stored contiguously and need no scaling.
    columns: Option<Vec<&'a [T]>>,
    /// Rows, as seen here.
    pub np: usize,
    /// Columns, as seen here.
    pub nq: usize,
    /// e: not 0 only where squares of the entries might over- or underflow.
    pub exponent: i32,
    /// |F|_max, unscaled.
    pub max_norm: T,
}

/// A power of two that has left the tame range around one is scaled away.
fn needs_scaling<T: Scalar>(e: i32) -> bool {
    e.abs() > if T::EPS > 1e-10 { 20 } else { 100 }
}

impl<'a, T: Scalar> Source<'a, T> {
    /// Checks every entry and finds the largest, in one sweep.
    ///
    /// # Errors
    /// [`Error::NonFinite`] for `argument` with the row and column of `entries`.
    pub fn new(argument: &'static str, entries: &'a dyn Entries<T>) -> Result<Self> {
        let (np, nq) = (entries.nrows(), entries.ncols());
        let mut source =
            Self { entries, transposed: false, columns: None, np, nq, exponent: 0, max_norm: T::of(0.0) };
        let contiguous = |f: faer::MatRef<'a, T>| -> Option<Vec<&'a [T]>> {
            (0..f.ncols()).map(|j| f.col(j).try_as_col_major().map(|c| c.as_slice())).collect()
        };
        source.max_norm = match entries.stored() {
            Some(f) => {
                source.columns = contiguous(f);
                if source.columns.is_none() {
                    source.columns = contiguous(f.transpose());
                    if source.columns.is_some() {
                        (source.transposed, source.np, source.nq) = (true, nq, np);
                    }
                }
                largest_finite(argument, f)?
            }
            None => source.largest_generated(argument)?,
        };
        let e = exponent(source.max_norm);
        if needs_scaling::<T>(e) {
            source.exponent = -e;
            source.columns = None;
        }
        Ok(source)
    }

    fn largest_generated(&self, argument: &'static str) -> Result<T> {
        const BLOCK: usize = 128;
        let largest = (0..self.nq.div_ceil(BLOCK)).into_par_iter().map(|b| {
            let cols = b * BLOCK..((b + 1) * BLOCK).min(self.nq);
            let mut tile = Vec::new();
            let mut largest = T::of(0.0);
            let mut first: Option<(usize, usize)> = None; // column and row of a bad entry
            for i0 in (0..self.np).step_by(BLOCK) {
                let rows = i0..(i0 + BLOCK).min(self.np);
                tile.resize(rows.len() * cols.len(), T::of(0.0));
                self.entries.tile(rows.clone(), cols.clone(), &mut tile);
                for (k, &x) in tile.iter().enumerate() {
                    let size = num_traits::Float::abs(x);
                    if !(size <= T::max_value()) {
                        let at = (cols.start + k / rows.len(), rows.start + k % rows.len());
                        first = Some(first.map_or(at, |first| first.min(at)));
                        break;
                    }
                    largest = if size > largest { size } else { largest };
                }
            }
            (first, largest)
        });
        // The first block of columns with a bad entry holds the first such entry.
        let found: Vec<_> = largest.collect();
        match found.iter().find_map(|(first, _)| *first) {
            Some((j, i)) => Err(Error::NonFinite { argument, index: vec![i, j] }),
            None => Ok(found.iter().fold(T::of(0.0), |a, &(_, b)| if a > b { a } else { b })),
        }
    }

    /// Rows and columns as they were given.
    pub fn given_shape(&self) -> (usize, usize) {
        (self.entries.nrows(), self.entries.ncols())
    }

    /// F 2^e, the way up it was given; in place where it is stored and e = 0.
    pub fn scaled(&self) -> Scaled<'a, T> {
        Scaled { entries: self.entries, exponent: self.exponent }
    }

    /// The columns in place, where that is possible.
    pub fn columns(&self) -> Option<&[&'a [T]]> {
        self.columns.as_deref()
    }

    /// Writes a tile, column by column, as [`Entries::tile`] does.
    pub fn tile(&self, rows: Range<usize>, cols: Range<usize>, out: &mut [T]) {
        if let Some(columns) = &self.columns {
            for (out, column) in out.chunks_exact_mut(rows.len().max(1)).zip(&columns[cols]) {
                out.copy_from_slice(&column[rows.clone()]);
            }
            return;
        }
        if self.transposed {
            // Only met when the stored rows had to be scaled.
            let f = self.entries.stored().expect("only stored matrices are transposed").transpose();
            Entries::tile(&f, rows, cols, out);
        } else {
            self.entries.tile(rows, cols, out);
        }
        if self.exponent != 0 {
            out.iter_mut().for_each(|x| *x = scale_by_power_of_two(*x, self.exponent));
        }
    }

    /// Room for a dense copy, np nq zeros.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn zeros(&self) -> Result<Vec<T>> {
        let bytes = self.np as f64 * self.nq as f64 * size_of::<T>() as f64;
        let mut room = Vec::new();
        if bytes > isize::MAX as f64 || room.try_reserve_exact(self.np * self.nq).is_err() {
            let remedy = "use the method `Descent` from a warm start, which never stores F";
            return Err(Error::TooLarge { what: "a dense copy of F", bytes, remedy });
        }
        room.resize(self.np * self.nq, T::of(0.0));
        Ok(room)
    }

    /// All of F 2^e as `entries` has it, row by row.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn row_major(&self) -> Result<Vec<T>> {
        let mut flat = self.zeros()?;
        flat.par_chunks_mut(64 * self.np.max(1)).enumerate().for_each(|(b, block)| {
            let cols = 64 * b..64 * b + block.len() / self.np;
            self.tile(0..self.np, cols, block);
        });
        Ok(if self.transposed { flat } else { transpose(&flat, self.nq, self.np) })
    }
}

/// A matrix times a power of two.
pub(crate) struct Scaled<'a, T: Scalar> {
    entries: &'a dyn Entries<T>,
    exponent: i32,
}

impl<T: Scalar> Entries<T> for Scaled<'_, T> {
    fn nrows(&self) -> usize {
        self.entries.nrows()
    }
    fn ncols(&self) -> usize {
        self.entries.ncols()
    }
    fn tile(&self, rows: Range<usize>, cols: Range<usize>, out: &mut [T]) {
        self.entries.tile(rows, cols, out);
        if self.exponent != 0 {
            out.iter_mut().for_each(|x| *x = scale_by_power_of_two(*x, self.exponent));
        }
    }
    fn stored(&self) -> Option<faer::MatRef<'_, T>> {
        if self.exponent == 0 { self.entries.stored() } else { None }
    }
}
