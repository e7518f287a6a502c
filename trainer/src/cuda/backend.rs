//! What the encoder asks of a device: memory, copies, kernels by name, products.
//!
//! Places in memory are plain numbers, with which one reckons as with pointers. Everything is carried out in the
//! order in which it was asked for. The tests have a second implementation, which runs the kernels' source on
//! the CPU.

use anyhow::{Result, anyhow};
use std::ffi::c_void;

/// A place in the device's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At(pub u64);

impl At {
    /// No place.
    pub const NULL: At = At(0);

    /// So many floats on.
    pub fn floats(self, count: usize) -> At {
        At(self.0 + 4 * count as u64)
    }
}

/// A number that a kernel is given.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    Int(i32),
    Float(f32),
    /// A size that is no `Int`: an error when it is handed over.
    TooLarge(usize),
}

impl From<usize> for Number {
    fn from(size: usize) -> Self {
        int(size).map_or(Number::TooLarge(size), Number::Int)
    }
}

/// A size or a count as kernels and cuBLAS take it.
///
/// # Errors
/// From 2^31 on.
pub(crate) fn int(size: usize) -> Result<i32> {
    i32::try_from(size).map_err(|_| {
        anyhow!(
            "a size of {size}, but the device cuda counts to 2^31 - 1: pass fewer or shorter sequences at once, or \
             train fewer numbers"
        )
    })
}

/// Where the arguments of a kernel lie: first the places in memory, then the numbers, as all kernels take them.
///
/// # Errors
/// Where a number is too large.
pub(crate) fn arguments(places: &[At], numbers: &[Number]) -> Result<Vec<*mut c_void>> {
    let places = places.iter().map(|at| Ok(std::ptr::from_ref(&at.0).cast_mut().cast()));
    let numbers = numbers.iter().map(|number| match number {
        Number::Int(x) => Ok(std::ptr::from_ref(x).cast_mut().cast()),
        Number::Float(x) => Ok(std::ptr::from_ref(x).cast_mut().cast()),
        Number::TooLarge(size) => int(*size).map(|_| std::ptr::null_mut()),
    });
    places.chain(numbers).collect()
}

/// How the products of an encoder are computed; everything else is in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// f32 throughout: the CPU's results to 1e-5.
    F32,
    /// Tensor cores on f32 numbers, of which they take the first 10 bits of the fraction; sums in f32.
    Tf32,
    /// Weights and the inner factors of adapters stored in bf16, their inputs rounded to it (7 bits of the fraction),
    /// sums in f32; attention, the outer factors, gradients of factors and the head as with `Tf32`.
    Bf16,
}

/// A matrix by columns, or one of a batch of them, `stride` numbers apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operand {
    pub at: At,
    /// From one column to the next.
    pub ld: usize,
    pub stride: usize,
    /// Whether its transpose is meant.
    pub transposed: bool,
    /// Whether it is stored in bf16.
    pub narrow: bool,
}

impl Operand {
    pub fn new(at: At, ld: usize) -> Self {
        Self { at, ld, stride: 0, transposed: false, narrow: false }
    }
    pub fn t(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }
    pub fn every(self, stride: usize) -> Self {
        Self { stride, ..self }
    }
    pub fn narrow(self, narrow: bool) -> Self {
        Self { narrow, ..self }
    }
}

/// C = alpha A B + beta C for f32 C (m, n), `count` times. With beta = 0 what was in C does not matter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Product {
    /// (m, n, k).
    pub shape: (usize, usize, usize),
    pub a: Operand,
    pub b: Operand,
    pub c: Operand,
    pub alpha: f32,
    pub beta: f32,
    pub count: usize,
}

impl Product {
    pub fn new(shape: (usize, usize, usize), a: Operand, b: Operand, c: Operand) -> Self {
        Self { shape, a, b, c, alpha: 1.0, beta: 0.0, count: 1 }
    }
}

/// A device. Addresses must be those of its memory that is still there, and large enough for what is asked.
pub(crate) trait Backend: Send + Sync {
    /// Memory, given back when dropped.
    type Memory: Send + Sync;

    /// Memory with anything in it; at least one byte.
    fn allocate(&self, bytes: usize) -> Result<Self::Memory>;
    fn at(memory: &Self::Memory) -> At;
    fn upload(&self, to: At, bytes: &[u8]) -> Result<()>;
    /// Waits until it is there.
    fn download(&self, from: At, floats: &mut [f32]) -> Result<()>;
    /// Runs the blocks (block, part) of a grid (blocks, parts), of which there may be none.
    fn launch(
        &self,
        kernel: &'static str,
        grid: (usize, usize),
        places: &[At],
        numbers: &[Number],
    ) -> Result<()>;
    fn multiply(&self, product: &Product) -> Result<()>;
    fn precision(&self) -> Precision;

    /// New memory with these numbers.
    fn store(&self, bytes: &[u8]) -> Result<Self::Memory> {
        let memory = self.allocate(bytes.len().max(1))?;
        self.upload(Self::at(&memory), bytes)?;
        Ok(memory)
    }
}

/// The bytes of numbers as a device stores them.
pub(crate) fn bytes_of(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_ne_bytes()).collect()
}

/// The bytes of whole numbers as a device stores them.
pub(crate) fn bytes_of_ints(numbers: &[i32]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_ne_bytes()).collect()
}
