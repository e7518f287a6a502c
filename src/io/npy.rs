//! One array in a file of NumPy's `npy` format (NEP 1), versions 1.0 to 3.0.
//!
//! Floats of 2, 4 and 8 bytes, integers of 1 to 8 bytes, of either byte order, and truth values, 0 and
//! 1, are read; 4- and 8-byte floats are written. What is read keeps its memory order: row-major, or column-major where
//! the file says `fortran_order`.

use super::atomic::atomic_write;
use super::npy_header::{Header, MOST_MODES};
use super::numbers::{Dtype, Kind, read_numbers, write_numbers};
use super::source::{Source, open};
use crate::{Error, Result, Scalar};
use ndarray::{ArrayD, ArrayViewD, IxDyn, ShapeBuilder};
use std::io::{self, Write};
use std::path::Path;

/// An array as a file holds it.
#[derive(Debug, Clone, PartialEq)]
pub enum NpyArray {
    /// From floats of 2 or 4 bytes.
    F32(ArrayD<f32>),
    /// From floats of 8 bytes, and from integers.
    F64(ArrayD<f64>),
}

impl NpyArray {
    /// The sizes of the modes.
    pub fn shape(&self) -> &[usize] {
        match self {
            NpyArray::F32(a) => a.shape(),
            NpyArray::F64(a) => a.shape(),
        }
    }
}

/// Reads an npy file in its own precision.
///
/// Integers become f64, which is exact up to 2^53 in magnitude and rounded above; those of one byte
/// then take eight times the memory. NaN and infinities are kept.
///
/// # Errors
/// [`Error::Io`]; [`Error::Format`] where the header is wrong, the type is not numeric, or the
/// file is not exactly as long as header and shape say. Nothing larger than the file is allocated
/// before that is known.
pub fn read_npy(path: impl AsRef<Path>) -> Result<NpyArray> {
    let path = path.as_ref();
    whole(path, read_array)
}

/// Reads an npy file as f32 or f64, rounding where the file is more precise.
///
/// # Errors
/// As [`read_npy`].
pub fn read_npy_as<T: Scalar>(path: impl AsRef<Path>) -> Result<ArrayD<T>> {
    let path = path.as_ref();
    whole(path, read_array_as)
}

/// Writes an array as an npy file, row-major, little-endian, whole or not at all.
///
/// # Errors
/// [`Error::Io`]; [`Error::Shape`] for more than 64 modes, which NumPy has not. An old
/// file then stays as it was.
///
/// # Example
/// ```
/// use lowrank::io::{read_npy_as, write_npy};
/// use lowrank::ndarray::array;
/// let path = std::env::temp_dir().join(format!("lowrank_doc_{}.npy", std::process::id()));
/// let a = array![[1.0, 2.0], [3.0, 4.0]].into_dyn();
/// write_npy(&path, a.view())?;
/// assert_eq!(read_npy_as::<f64>(&path)?, a);
/// # std::fs::remove_file(&path).ok();
/// # Ok::<(), lowrank::Error>(())
/// ```
pub fn write_npy<T: Scalar>(path: impl AsRef<Path>, a: ArrayViewD<'_, T>) -> Result<()> {
    check_modes("a", a.shape())?;
    atomic_write(path, |writer| write_array(writer, &a))
}

/// Whether a file may hold an array of this shape.
pub(super) fn check_modes(argument: &'static str, shape: &[usize]) -> Result<()> {
    if shape.len() <= MOST_MODES {
        return Ok(());
    }
    let expected = format!("a file holds at most {MOST_MODES} modes");
    Err(Error::Shape { argument, expected, found: shape.to_vec() })
}

fn whole<X>(path: &Path, read: impl FnOnce(&mut Source<'_>) -> Result<X>) -> Result<X> {
    let (mut file, length) = open(path)?;
    read(&mut Source::new(&mut file, path, 0, length)?)
}

/// Reads the array that fills the rest of the source.
pub(super) fn read_array(source: &mut Source<'_>) -> Result<NpyArray> {
    let header = Header::read(source)?;
    match header.dtype {
        Dtype { kind: Kind::Float, size: 2 | 4, .. } => Ok(NpyArray::F32(read_data(source, header)?)),
        _ => Ok(NpyArray::F64(read_data(source, header)?)),
    }
}

/// The same in a given precision.
pub(super) fn read_array_as<T: Scalar>(source: &mut Source<'_>) -> Result<ArrayD<T>> {
    let header = Header::read(source)?;
    read_data(source, header)
}

fn read_data<T: Scalar>(source: &mut Source<'_>, header: Header) -> Result<ArrayD<T>> {
    header.check_length(source)?;
    let length = source.remaining as usize / header.dtype.size;
    let data = read_numbers(source, header.dtype, length)?;
    let shape = IxDyn(&header.shape).set_f(header.fortran_order);
    ArrayD::from_shape_vec(shape, data)
        .map_err(|error| source.error(format!("shape {:?}: {error}", header.shape)))
}

/// Writes header and data.
pub(super) fn write_array<T: Scalar>(writer: &mut dyn Write, a: &ArrayViewD<'_, T>) -> io::Result<()> {
    writer.write_all(&header_bytes::<T>(a.shape()))?;
    write_numbers(writer, a)
}

/// The bytes before the data: their number is a multiple of 64.
pub(super) fn header_bytes<T: Scalar>(shape: &[usize]) -> Vec<u8> {
    let sizes: String = shape.iter().map(|n| format!("{n}, ")).collect();
    let sizes = if shape.len() == 1 { sizes.trim_end() } else { sizes.trim_end_matches(", ") };
    let text = format!("{{'descr': '<f{}', 'fortran_order': False, 'shape': ({sizes}), }}", size_of::<T>());
    // 10 bytes of prefix, the text, spaces, a newline.
    let total = (10 + text.len() + 1).next_multiple_of(64);
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&((total - 10) as u16).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes.resize(total - 1, b' ');
    bytes.push(b'\n');
    bytes
}
