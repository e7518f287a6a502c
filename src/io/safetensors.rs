//! The named tensors of a network in one file of the format `safetensors`.
//!
//! A file is 8 bytes with the length of its header, the header, and the numbers of all tensors,
//! row-major and little-endian, without holes. Only the header is read when a file is opened; each
//! tensor is read when it is asked for.

use super::atomic::atomic_write;
use super::numbers::{read_numbers, write_numbers};
use super::safetensors_header::{Header, LONGEST, METADATA, TensorInfo};
use super::source::{Source, open};
use crate::matrix::view_of_array;
use crate::{Error, Result, Scalar};
use faer::Mat;
use ndarray::{ArrayD, ArrayViewD, Ix2, IxDyn};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// An open safetensors file.
///
/// ```
/// use lowrank::io::{Safetensors, write_safetensors};
/// use lowrank::ndarray::array;
/// let path = std::env::temp_dir().join(format!("lowrank_doc_{}.safetensors", std::process::id()));
/// let weight = array![[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]].into_dyn();
/// write_safetensors(&path, &[("query.weight", weight.view())], &[("format", "pt")])?;
/// let file = Safetensors::open(&path)?;
/// for (name, tensor) in file.tensors() {
///     println!("{name}: {} {:?}", tensor.dtype(), tensor.shape()); // query.weight: F32 [2, 3]
/// }
/// assert_eq!(file.matrix::<f64>("query.weight")?[(1, 0)], 4.0);
/// # std::fs::remove_file(&path).ok();
/// # Ok::<(), lowrank::Error>(())
/// ```
#[derive(Debug)]
pub struct Safetensors {
    path: PathBuf,
    file: Mutex<File>,
    /// Where the data start.
    start: u64,
    tensors: BTreeMap<String, TensorInfo>,
    metadata: BTreeMap<String, String>,
}

impl Safetensors {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Format`] where the header is damaged, has a name twice, or names a
    /// type nobody knows, where a shape does not fit its bytes, and where the tensors do not fill
    /// the file exactly. What is allocated is at most the size of the file and 1 MiB.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let (mut file, length) = open(&path)?;
        let mut source = Source::new(&mut file, &path, 0, length)?;
        let Header { tensors, metadata } = Header::read(&mut source)?;
        let start = source.offset;
        Ok(Self { path, file: Mutex::new(file), start, tensors, metadata })
    }

    /// The tensors by name, of any type: what is said of them, not their numbers.
    pub fn tensors(&self) -> &BTreeMap<String, TensorInfo> {
        &self.tensors
    }

    /// The texts the writer added (`format`: `pt`).
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// A tensor as f32 or f64, rounding where the file is more precise.
    ///
    /// Read are `F64`, `F32`, `F16`, `BF16` and integers of 1 to 8 bytes. NaN and infinities are
    /// kept.
    ///
    /// # Errors
    /// [`Error::Parameter`] when there is no tensor of this name; [`Error::Format`] when its type
    /// is not read, or the file was cut since it was opened; [`Error::Io`].
    pub fn array<T: Scalar>(&self, name: &str) -> Result<ArrayD<T>> {
        let info = self.tensors.get(name).ok_or_else(|| Error::Parameter {
            name: "name",
            value: format!("{name:?} ({})", self.path.display()),
            remedy: "ask for a name that `tensors` lists",
        })?;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut source = Source::new(&mut file, &self.path, self.start + info.place.start, info.bytes())?;
        let Some(dtype) = info.stored.dtype else {
            let reason = format!("{name:?} is {}: convert it to F32 first", info.dtype());
            return Err(source.error(reason));
        };
        let data = read_numbers(&mut source, dtype, info.bytes() as usize / dtype.size)?;
        ArrayD::from_shape_vec(IxDyn(&info.shape), data)
            .map_err(|error| source.error(format!("{name:?}, shape {:?}: {error}", info.shape)))
    }

    /// A tensor with two modes as a matrix (m, n).
    ///
    /// # Errors
    /// Those of [`Safetensors::array`], and [`Error::Shape`] when it has not two modes.
    pub fn matrix<T: Scalar>(&self, name: &str) -> Result<Mat<T>> {
        let array = self.array::<T>(name)?.into_dimensionality::<Ix2>().map_err(|_| Error::Shape {
            argument: "name",
            expected: "a matrix has two modes: use `array`".into(),
            found: self.tensors[name].shape.clone(),
        })?;
        Ok(view_of_array(array.view()).to_owned())
    }
}

/// Writes named arrays and texts about them as a safetensors file, whole or not at all.
///
/// The arrays stand in the order given, all in the precision of T (`F32` or `F64`); the first starts
/// at a multiple of 8 bytes.
///
/// # Errors
/// [`Error::Parameter`] for a name used twice or `__metadata__`; [`Error::TooLarge`] for a header
/// above 100 MB, which no reader takes; [`Error::Io`]. An old file then stays as it was.
pub fn write_safetensors<T: Scalar>(
    path: impl AsRef<Path>,
    arrays: &[(&str, ArrayViewD<'_, T>)],
    metadata: &[(&str, &str)],
) -> Result<()> {
    let twice =
        |name: &str, remedy| Err(Error::Parameter { name: "name", value: format!("{name:?}"), remedy });
    let mut seen = BTreeSet::from([METADATA]);
    if let Some((name, _)) = arrays.iter().find(|(name, _)| !seen.insert(name)) {
        return twice(name, "use each name once, and `__metadata__` for no array");
    }
    seen.clear();
    if let Some((name, _)) = metadata.iter().find(|(name, _)| !seen.insert(name)) {
        return twice(name, "use each name of a text once");
    }
    let header = header_text(arrays, metadata);
    if header.len() as u64 > LONGEST {
        return Err(Error::TooLarge {
            what: "the header of a safetensors file",
            bytes: header.len() as f64,
            remedy: "write several files",
        });
    }
    atomic_write(path, |writer| {
        writer.write_all(&(header.len() as u64).to_le_bytes())?;
        writer.write_all(header.as_bytes())?;
        arrays.iter().try_for_each(|(_, a)| write_numbers(writer, a))
    })
}

/// The header, filled up with spaces to a multiple of 8 bytes.
fn header_text<T: Scalar>(arrays: &[(&str, ArrayViewD<'_, T>)], metadata: &[(&str, &str)]) -> String {
    let mut members = Vec::with_capacity(1 + arrays.len());
    if !metadata.is_empty() {
        let texts = metadata.iter().map(|(name, text)| format!("{}:{}", quoted(name), quoted(text)));
        members.push(format!("{}:{{{}}}", quoted(METADATA), texts.collect::<Vec<_>>().join(",")));
    }
    let (dtype, mut begin) = (T::NAME.to_uppercase(), 0);
    for (name, a) in arrays {
        let (name, shape, end) = (quoted(name), a.shape(), begin + a.len() * size_of::<T>());
        let shape = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        members.push(format!(
            "{name}:{{\"dtype\":\"{dtype}\",\"shape\":[{shape}],\"data_offsets\":[{begin},{end}]}}"
        ));
        begin = end;
    }
    let mut text = format!("{{{}}}", members.join(","));
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
    text
}

/// A string of JSON.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\0'..' ' => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            _ => out.push(letter),
        }
    }
    out.push('"');
    out
}
