//! A stretch of a file that is read front to back, knows where it is and never reads beyond its end.

use crate::{Error, Result};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A stretch of a file: what is left of it, and a checksum of what was read.
pub(super) struct Source<'a> {
    file: &'a mut File,
    path: &'a Path,
    /// Position in the file.
    pub offset: u64,
    /// Bytes left.
    pub remaining: u64,
    /// CRC-32 of the bytes read so far, where it is wanted.
    pub crc: Option<Crc>,
}

impl<'a> Source<'a> {
    /// The stretch of `length` bytes from `offset`, which must lie inside the file.
    pub fn new(file: &'a mut File, path: &'a Path, offset: u64, length: u64) -> Result<Self> {
        file.seek(SeekFrom::Start(offset)).map_err(|source| Error::Io { path: path.to_owned(), source })?;
        Ok(Self { file, path, offset, remaining: length, crc: None })
    }

    /// Fills `buffer`; an error where the stretch ends before.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<()> {
        if buffer.len() as u64 > self.remaining {
            let reason =
                format!("{} bytes are needed but {} are left: truncated", buffer.len(), self.remaining);
            return Err(self.error(reason));
        }
        self.file.read_exact(buffer).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => self.error("the file ends too early: truncated"),
            _ => Error::Io { path: self.path.to_owned(), source },
        })?;
        if let Some(crc) = &mut self.crc {
            crc.update(buffer);
        }
        self.offset += buffer.len() as u64;
        self.remaining -= buffer.len() as u64;
        Ok(())
    }

    /// The next N bytes.
    pub fn bytes<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    /// A format error at the present position.
    pub fn error(&self, reason: impl Into<String>) -> Error {
        self.error_at(self.offset, reason)
    }

    /// A format error at another position.
    pub fn error_at(&self, offset: u64, reason: impl Into<String>) -> Error {
        format_error(self.path, offset, reason)
    }
}

/// A format error.
pub(super) fn format_error(path: &Path, offset: u64, reason: impl Into<String>) -> Error {
    Error::Format { path: path.to_owned(), offset, reason: reason.into() }
}

/// Opens a regular file; returns its length too.
pub(super) fn open(path: &Path) -> Result<(File, u64)> {
    let io = |source| Error::Io { path: PathBuf::from(path), source };
    // Asked before opening: opening a pipe would wait for a writer.
    let metadata = std::fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        return Err(io(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
    }
    let file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    Ok((file, length))
}

/// The CRC-32 of zip files (polynomial 0xEDB88320, reflected), a byte at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crc(u32);

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let (mut c, mut bit) = (i as u32, 0);
        while bit < 8 {
            c = if c & 1 == 1 { 0xEDB8_8320 ^ (c >> 1) } else { c >> 1 };
            bit += 1;
        }
        table[i] = c;
        i += 1;
    }
    table
};

impl Crc {
    pub fn new() -> Self {
        Self(!0)
    }
    pub fn update(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |c, &b| TABLE[(c as u8 ^ b) as usize] ^ (c >> 8));
    }
    pub fn value(self) -> u32 {
        !self.0
    }
}

impl io::Write for Crc {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Crc;

    #[test]
    fn crc_of_the_check_string() {
        let mut crc = Crc::new();
        crc.update(b"123456789");
        assert_eq!(crc.value(), 0xCBF4_3926);
    }
}
