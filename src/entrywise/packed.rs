//! The memory that the register kernel reads and writes: aligned, packed, padded.

use crate::Scalar;

/// Numbers that start on a cache line: registers loaded from them never straddle two.
#[derive(Default)]
pub(crate) struct Aligned<T> {
    data: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Scalar> Aligned<T> {
    /// Becomes `len` zeros.
    pub fn clear(&mut self, len: usize) {
        let spare = 64 / size_of::<T>();
        self.data.clear();
        self.data.resize(len + spare, T::of(0.0));
        self.start = self.data.as_ptr().align_offset(64).min(spare);
        self.len = len;
    }
}

impl<T> std::ops::Deref for Aligned<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.data[self.start..self.start + self.len]
    }
}

impl<T> std::ops::DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data[self.start..self.start + self.len]
    }
}

/// A factor in the two layouts that the kernel reads.
#[derive(Default)]
pub(crate) struct Packed<T> {
    /// Panels of `width` rows: entry (i, k) of panel b at [b r width + k width + i].
    pub panels: Aligned<T>,
    /// Rows padded to a whole number of registers.
    pub rows: Aligned<T>,
}

impl<T: Scalar> Packed<T> {
    pub fn pack(&mut self, x: &[T], n: usize, r: usize, width: usize, stride: usize) {
        self.panels.clear(n.div_ceil(width) * width * r);
        self.rows.clear(n * stride);
        for (i, row) in x.chunks_exact(r).enumerate() {
            self.rows[i * stride..i * stride + r].copy_from_slice(row);
            let panel = &mut self.panels[i / width * width * r..];
            for (k, &value) in row.iter().enumerate() {
                panel[k * width + i % width] = value;
            }
        }
    }
}
