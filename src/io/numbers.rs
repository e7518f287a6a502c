//! Numbers as files store them.

use super::source::Source;
use crate::{Result, Scalar};
use ndarray::ArrayViewD;
use std::io::{self, Write};

/// How a number is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dtype {
    pub kind: Kind,
    /// Bytes of one number: 1, 2, 4 or 8.
    pub size: usize,
    pub big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// IEEE 754, of 2, 4 or 8 bytes.
    Float,
    /// The upper two bytes of a 4-byte float.
    Brain,
    Signed,
    Unsigned,
}

/// The number of entries of an array, if it can be counted.
pub(super) fn entries(shape: &[usize]) -> Option<u64> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1u64, |length, &n| length.checked_mul(n as u64))
}

/// Reads so many numbers; they must be there before anything is allocated.
pub(super) fn read_numbers<T: Scalar>(
    source: &mut Source<'_>,
    dtype: Dtype,
    length: usize,
) -> Result<Vec<T>> {
    let bytes = length.checked_mul(dtype.size).filter(|bytes| *bytes as u64 <= source.remaining);
    let Some(mut bytes) = bytes else {
        return Err(source.error("the numbers are not all there: truncated"));
    };
    let mut data: Vec<T> = Vec::new();
    data.try_reserve_exact(length).map_err(|_| source.error("the array does not fit in memory"))?;
    let mut buffer = vec![0; (1 << 16).min(bytes)];
    while bytes > 0 {
        let part = buffer.len().min(bytes);
        source.read(&mut buffer[..part])?;
        decode(&buffer[..part], dtype, &mut data);
        bytes -= part;
    }
    Ok(data)
}

/// Appends the numbers in `bytes`, a whole number of them.
fn decode<T: Scalar>(bytes: &[u8], dtype: Dtype, out: &mut Vec<T>) {
    let Dtype { kind, size, big_endian } = dtype;
    if (kind, size, big_endian) == (Kind::Float, 8, false) {
        return out.extend(bytes.as_chunks().0.iter().map(|&b| T::of(f64::from_le_bytes(b))));
    }
    if (kind, size, big_endian) == (Kind::Float, 4, false) {
        return out.extend(bytes.as_chunks().0.iter().map(|&b| T::of(f32::from_le_bytes(b).into())));
    }
    out.extend(bytes.chunks_exact(size).map(|chunk| {
        let append = |bits: u64, &byte: &u8| bits << 8 | u64::from(byte);
        let bits = match big_endian {
            true => chunk.iter().fold(0, append),
            false => chunk.iter().rev().fold(0, append),
        };
        let unused = 64 - 8 * size as u32;
        T::of(match (kind, size) {
            (Kind::Float, 2) => half(bits as u16),
            (Kind::Float, 4) => f32::from_bits(bits as u32).into(),
            (Kind::Float, _) => f64::from_bits(bits),
            (Kind::Brain, _) => f32::from_bits((bits as u32) << 16).into(),
            (Kind::Signed, _) => ((bits << unused) as i64 >> unused) as f64,
            (Kind::Unsigned, _) => bits as f64,
        })
    }));
}

/// The number of IEEE 754 half precision with these bits.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
}

/// Writes all numbers of an array, row-major, little-endian.
pub(super) fn write_numbers<T: Scalar>(writer: &mut dyn Write, a: &ArrayViewD<'_, T>) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(1 << 16);
    for &x in a.iter() {
        match size_of::<T>() {
            4 => buffer.extend_from_slice(&(x.as_f64() as f32).to_le_bytes()),
            _ => buffer.extend_from_slice(&x.as_f64().to_le_bytes()),
        }
        if buffer.len() >= 1 << 16 {
            writer.write_all(&buffer)?;
            buffer.clear();
        }
    }
    writer.write_all(&buffer)
}
