//! A matrix in an npy file that is read in place and never loaded.
//!
//! Each stretch of the file in use is mapped into memory on its own and unmapped afterwards, so that
//! no more than it counts as memory of the program, however large the file is.
//!
//! Mapping is the one unsafe call, and needed to read in place at all. What the compiler asks of a
//! shared borrow, that its bytes stay the same, no program can force upon a file: another may write
//! to it. Here the bytes become numbers only, of which every pattern of bits is one, and no place or
//! length is computed from them; a file changed meanwhile gives changed numbers. A file cut short
//! while a stretch is in use would end the program, as the documentation of [`MappedNpy`] says; one
//! cut short before is noticed.

use super::npy_header::Header;
use super::numbers::{Dtype, Kind};
use super::source::{Source, format_error, open};
use crate::matrix::{check_rows, slice_norm};
use crate::operator::{check_block, residual_norm, stored_product};
use crate::{Entries, Error, Operator, Result, Scalar};
use faer::{Mat, MatRef};
use memmap2::{Mmap, MmapOptions};
use pulp::bytemuck;
use std::fs::File;
use std::marker::PhantomData;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bytes of a block of rows.
const BLOCK: usize = 1 << 26;

/// A matrix A (m, n) in an npy file, read in place: it may be larger than the memory.
///
/// As an [`Operator`] it takes one pass over the file for a product from either side, in blocks of
/// 64 MiB, each checked for NaN and infinities; not more of the file than that, or one row, is in
/// memory at a time. Of a column-major file (`fortran_order`) the blocks are columns. A randomized
/// SVD takes 2 q + 2 passes (one more where entries are beyond 1e120 or 1e-120, in f32 1e12 and
/// 1e-12), [`crate::svd::StreamingSvd`] one. (Where rank and oversampling together reach 3/4 of the
/// smaller side, the SVDs for a given rank read the whole matrix into memory; the streaming one does
/// not.)
///
/// While blocks are in use nobody may write to the file or shorten it: the numbers would change, or
/// the operating system end the program. Replacing the file, as [`super::atomic_write`] does, is
/// fine: the old one stays until it is closed.
///
/// ```
/// use lowrank::{Operator, faer::mat, io, matrix::array_view};
/// # let path = std::env::temp_dir().join(format!("lowrank_doc_mapped_{}.npy", std::process::id()));
/// io::write_npy(&path, array_view(mat![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]].as_ref()).into_dyn())?;
/// let a = io::MappedNpy::<f64>::open(&path)?;
/// assert_eq!(a.shape(), (3, 2));
/// assert_eq!(a.apply(mat![[1.0], [10.0]].as_ref())?, mat![[21.0], [43.0], [65.0]]);
/// assert_eq!(a.rows(1..3)?.matrix(), mat![[3.0, 4.0], [5.0, 6.0]]);
/// # std::fs::remove_file(&path).ok();
/// # lowrank::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct MappedNpy<T: Scalar> {
    path: PathBuf,
    file: File,
    /// Where the numbers start, and where the file ends.
    start: u64,
    length: u64,
    /// Lanes are what lies in one piece in the file: rows, or columns where `by_columns`.
    lanes: usize,
    width: usize,
    by_columns: bool,
    scalar: PhantomData<T>,
}

/// Consecutive rows of a [`MappedNpy`], in memory as long as this lives.
#[derive(Debug)]
pub struct MappedRows<T: Scalar> {
    lanes: Lanes<T>,
    by_columns: bool,
    rows: Range<usize>,
}

impl<T: Scalar> MappedRows<T> {
    /// The rows (number of rows, n), in place.
    pub fn matrix(&self) -> MatRef<'_, T> {
        match self.by_columns {
            true => self.lanes.matrix().transpose().subrows(self.rows.start, self.rows.len()),
            false => self.lanes.matrix(),
        }
    }
}

/// A mapped stretch of lanes; no map where there are no numbers.
#[derive(Debug)]
struct Lanes<T: Scalar> {
    map: Option<Mmap>,
    count: usize,
    width: usize,
    scalar: PhantomData<T>,
}

impl<T: Scalar> Lanes<T> {
    /// (count, width), row-major.
    fn matrix(&self) -> MatRef<'_, T> {
        // Maps start at a page and the numbers at a multiple of their size: `open` sees to it.
        let values = self.map.as_ref().map_or(&[][..], |map| bytemuck::cast_slice(map));
        MatRef::from_row_major_slice(values, self.count, self.width)
    }
}

impl<T: Scalar> MappedNpy<T> {
    /// Opens a file that holds a matrix of floats of this size, little-endian, as NumPy writes them on
    /// usual machines. Nothing but the header is read.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Format`] where the file is damaged or is not exactly as long as its
    /// header says, where it holds no matrix or other numbers than T, and where the numbers do not
    /// start at a multiple of their size (NumPy's do).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (mut file, length) = open(path)?;
        let mut source = Source::new(&mut file, path, 0, length)?;
        let header = Header::read(&mut source)?;
        header.check_length(&source)?;
        let bad = |reason: String| Err(format_error(path, 0, reason));
        let Dtype { kind, size, big_endian } = header.dtype;
        if kind != Kind::Float || size != size_of::<T>() || big_endian || cfg!(target_endian = "big") {
            let name = T::NAME;
            let sort = match kind {
                Kind::Float if big_endian => "big-endian floats",
                Kind::Float => "floats",
                _ => "integers",
            };
            return bad(format!("{size}-byte {sort} cannot be read in place as {name}: use read_npy_as"));
        }
        let &[m, n] = &header.shape[..] else {
            return bad(format!("a matrix is needed, but the shape is {:?}: use read_npy_as", header.shape));
        };
        if m.max(n) as u64 > length && m.min(n) == 0 {
            return bad(format!("a matrix without numbers cannot be of shape ({m}, {n})"));
        }
        let start = source.offset;
        if !start.is_multiple_of(size as u64) {
            return bad(format!(
                "the numbers start at byte {start}, no multiple of {size}: save again with numpy.save, \
                 or use read_npy_as"
            ));
        }
        let by_columns = header.fortran_order;
        let (lanes, width) = if by_columns { (n, m) } else { (m, n) };
        Ok(Self { path: path.to_owned(), file, start, length, lanes, width, by_columns, scalar: PhantomData })
    }

    /// Rows and columns, (m, n).
    pub fn shape(&self) -> (usize, usize) {
        if self.by_columns { (self.width, self.lanes) } else { (self.lanes, self.width) }
    }

    /// The transpose (n, m), of the same file.
    pub fn transpose(self) -> Self {
        Self { by_columns: !self.by_columns, ..self }
    }

    /// Maps consecutive rows.
    ///
    /// Of a column-major file all columns are mapped, and pages of each of them come into memory: read
    /// rows of its [`MappedNpy::transpose`] instead where you can.
    ///
    /// # Errors
    /// [`Error::Parameter`] for rows that are not there; [`Error::Format`] where the file has changed
    /// its length; [`Error::Io`].
    pub fn rows(&self, rows: Range<usize>) -> Result<MappedRows<T>> {
        let m = self.shape().0;
        if rows.start > rows.end || rows.end > m {
            let (value, remedy) = (format!("{rows:?} of {m}"), "pass a range of existing rows");
            return Err(Error::Parameter { name: "rows", value, remedy });
        }
        let lanes = self.map(if self.by_columns { 0..self.lanes } else { rows.clone() })?;
        Ok(MappedRows { lanes, by_columns: self.by_columns, rows })
    }

    /// All rows in order, in blocks of 64 MiB or of one row.
    pub fn row_blocks(&self) -> impl Iterator<Item = Result<MappedRows<T>>> + '_ {
        let (m, n) = self.shape();
        blocks(m, n, size_of::<T>()).map(|rows| self.rows(rows))
    }

    #[allow(unsafe_code)]
    fn map(&self, lanes: Range<usize>) -> Result<Lanes<T>> {
        let io = |source| Error::Io { path: self.path.clone(), source };
        let found = self.file.metadata().map_err(io)?.len();
        if found != self.length {
            let reason = format!("the file had {} bytes when opened and has {found} now", self.length);
            return Err(format_error(&self.path, found.min(self.length), reason));
        }
        let (count, width) = (lanes.len(), self.width);
        // No overflow: the header was compared with the length of the file.
        let lane = width * size_of::<T>();
        let map = if count * lane == 0 {
            None
        } else {
            let mut options = MmapOptions::new();
            options.offset(self.start + (lanes.start * lane) as u64).len(count * lane);
            // SAFETY: the stretch lies in the file; the head of this file says what remains.
            Some(unsafe { options.map(&self.file) }.map_err(io)?)
        };
        Ok(Lanes { map, count, width, scalar: PhantomData })
    }

    /// Blocks of lanes, checked, with the number of the first.
    fn checked_lanes(&self) -> impl Iterator<Item = Result<(Range<usize>, Lanes<T>)>> + '_ {
        blocks(self.lanes, self.width, size_of::<T>()).map(|range| {
            let lanes = self.map(range.clone())?;
            check_rows("a", lanes.matrix(), range.start).map_err(|error| match error {
                Error::NonFinite { argument, mut index } if self.by_columns => {
                    index.reverse();
                    Error::NonFinite { argument, index }
                }
                other => other,
            })?;
            Ok((range, lanes))
        })
    }

    fn product(&self, b: MatRef<'_, T>, transposed: bool) -> Result<Mat<T>> {
        let (m, n) = self.shape();
        let mut out = Mat::zeros(if transposed { n } else { m }, b.ncols());
        for block in self.checked_lanes() {
            let (range, lanes) = block?;
            if transposed == self.by_columns {
                let part = stored_product(lanes.matrix(), b, false);
                out.as_mut().subrows_mut(range.start, range.len()).copy_from(part);
            } else {
                out += stored_product(lanes.matrix(), b.subrows(range.start, range.len()), true);
            }
        }
        Ok(out)
    }
}

/// Ranges of `count` lanes of `width` numbers that make blocks of the usual size.
fn blocks(count: usize, width: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    let height = (BLOCK / (width * size).max(1)).max(1);
    (0..count).step_by(height).map(move |first| first..(first + height).min(count))
}

impl<T: Scalar> Operator<T> for MappedNpy<T> {
    fn shape(&self) -> (usize, usize) {
        self.shape()
    }
    fn apply(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        check_block(self.shape().1, b)?;
        self.product(b, false)
    }
    fn apply_transpose(&self, b: MatRef<'_, T>) -> Result<Mat<T>> {
        check_block(self.shape().0, b)?;
        self.product(b, true)
    }
    fn to_dense(&self) -> Result<Mat<T>> {
        Ok(self.rows(0..self.shape().0)?.matrix().to_owned())
    }
    fn residual_norm(&self, left: MatRef<'_, T>, right: MatRef<'_, T>, shift: i32) -> Result<Option<f64>> {
        let (along, across) = if self.by_columns { (right, left) } else { (left, right) };
        let mut norms = Vec::new();
        for block in self.checked_lanes() {
            let (range, lanes) = block?;
            let columns = lanes.matrix().transpose(); // (width, lanes), column by column
            let along = along.subrows(range.start, range.len());
            let tile = |rows, cols, out: &mut [T]| Entries::tile(&columns, rows, cols, out);
            norms.push(residual_norm(across, along, shift, tile));
        }
        Ok(Some(slice_norm(&norms)))
    }
}
