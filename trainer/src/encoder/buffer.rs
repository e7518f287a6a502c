//! Matrices whose memory is used again: fresh memory costs a step a tenth of its time in page faults.
//!
//! A [`Buffer`] goes back to its pool when it is dropped; a new one is made from an old one's pool
//! ([`Buffer::like`]) and holds whatever was there. Pools wait in the encoder between steps.

use lowrank::Scalar;
use lowrank::faer::{Mat, MatMut, MatRef};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

/// Numbers to which the memory of a buffer is rounded up, so that it fits the next one.
const STEP: usize = 1 << 13;
/// Bytes to which a buffer is aligned: a line of the cache.
const LINE: usize = 64;

type Pool<T> = Rc<RefCell<Vec<Vec<T>>>>;

/// A matrix by columns, without gaps.
pub(super) struct Buffer<T: Scalar> {
    memory: Vec<T>,
    start: usize,
    rows: usize,
    columns: usize,
    pool: Pool<T>,
}

impl<T: Scalar> Buffer<T> {
    /// A matrix (rows, columns) of the same pool, with any numbers in it.
    pub fn like(&self, rows: usize, columns: usize) -> Self {
        Self::of(&self.pool, rows, columns)
    }

    fn of(pool: &Pool<T>, rows: usize, columns: usize) -> Self {
        let line = LINE / size_of::<T>();
        let needed = (rows * columns + line).next_multiple_of(STEP);
        let mut free = pool.borrow_mut();
        let fits = free.iter().enumerate().filter(|(_, memory)| memory.len() >= needed);
        let best = fits.min_by_key(|(_, memory)| memory.len()).map(|(at, _)| at);
        let memory = best.map_or_else(|| vec![T::of(0.0); needed], |at| free.swap_remove(at));
        let start = memory.as_ptr().align_offset(LINE).min(line);
        Self { memory, start, rows, columns, pool: pool.clone() }
    }

    pub fn nrows(&self) -> usize {
        self.rows
    }
    pub fn ncols(&self) -> usize {
        self.columns
    }
    /// All numbers, by columns.
    pub fn values(&self) -> &[T] {
        &self.memory[self.start..self.start + self.rows * self.columns]
    }
    pub fn values_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.start..self.start + self.rows * self.columns]
    }
    pub fn column(&self, j: usize) -> &[T] {
        &self.values()[j * self.rows..(j + 1) * self.rows]
    }
    pub fn columns(&self) -> impl Iterator<Item = &[T]> {
        self.values().chunks_exact(self.rows)
    }
    pub fn columns_mut(&mut self) -> impl Iterator<Item = &mut [T]> {
        let rows = self.rows;
        self.values_mut().chunks_exact_mut(rows)
    }
    pub fn as_ref(&self) -> MatRef<'_, T> {
        MatRef::from_column_major_slice(self.values(), self.rows, self.columns)
    }
    pub fn as_mut(&mut self) -> MatMut<'_, T> {
        let (rows, columns) = (self.rows, self.columns);
        MatMut::from_column_major_slice_mut(self.values_mut(), rows, columns)
    }
    pub fn to_mat(&self) -> Mat<T> {
        self.as_ref().to_owned()
    }
    /// All numbers zero.
    pub fn zeroed(mut self) -> Self {
        self.values_mut().fill(T::of(0.0));
        self
    }
    /// The same numbers.
    pub fn copy(&self) -> Self {
        let mut out = self.like(self.rows, self.columns);
        out.values_mut().copy_from_slice(self.values());
        out
    }
}

impl<T: Scalar> Drop for Buffer<T> {
    fn drop(&mut self) {
        self.pool.borrow_mut().push(std::mem::take(&mut self.memory));
    }
}

/// Memory that waits for the next step. A copy of an encoder starts with none.
#[derive(Debug)]
pub(super) struct Spare<T>(Arc<Mutex<Vec<Vec<Vec<T>>>>>);

impl<T> Default for Spare<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Clone for Spare<T> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<T: Scalar> Spare<T> {
    /// Does some work with the memory of a pool that nobody else uses; it is handed an empty buffer.
    pub fn lend<R>(&self, work: impl FnOnce(Buffer<T>) -> R) -> R {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free = lock().pop().unwrap_or_default();
        let pool = Rc::new(RefCell::new(free));
        let empty = Buffer { memory: Vec::new(), start: 0, rows: 0, columns: 0, pool: pool.clone() };
        let out = work(empty);
        let mut free = pool.take();
        free.retain(|memory| !memory.is_empty());
        lock().push(free);
        out
    }
}
