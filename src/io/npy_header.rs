//! The header of an npy file: a Python dictionary of `descr`, `fortran_order` and `shape`.

use super::numbers::{Dtype, Kind, entries};
use super::parser::{Bad, Parsed, Parser};
use super::source::Source;
use crate::Result;

/// What a header says of the array that follows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    pub dtype: Dtype,
    pub fortran_order: bool,
    pub shape: Vec<usize>,
}

/// Longest header read; NumPy itself stops at 10,000 bytes.
const LONGEST: u64 = 1 << 16;
/// Most modes of an array, as in NumPy 2.
pub(super) const MOST_MODES: usize = 64;

impl Header {
    /// Reads the magic string, the version and the dictionary; `source` then stands at the data.
    pub fn read(source: &mut Source<'_>) -> Result<Self> {
        if &source.bytes::<6>()? != b"\x93NUMPY" {
            return Err(source.error_at(source.offset - 6, "not an npy file: the first bytes are wrong"));
        }
        let [major, minor] = source.bytes::<2>()?;
        let length = match (major, minor) {
            (1, 0) => u64::from(u16::from_le_bytes(source.bytes()?)),
            (2 | 3, 0) => u64::from(u32::from_le_bytes(source.bytes()?)),
            _ => {
                let reason =
                    format!("npy version {major}.{minor} is unknown: versions 1.0, 2.0 and 3.0 are read");
                return Err(source.error(reason));
            }
        };
        if length > source.remaining.min(LONGEST) {
            let reason = format!("the header claims {length} bytes, {} are left", source.remaining);
            return Err(source.error(reason));
        }
        let start = source.offset;
        let mut text = vec![0; length as usize];
        source.read(&mut text)?;
        Parser { text: &text, at: 0 }
            .dictionary()
            .map_err(|Bad { at, reason }| source.error_at(start + at as u64, reason))
    }

    /// Checks that exactly the numbers promised are left in `source`.
    pub fn check_length(&self, source: &Source<'_>) -> Result<()> {
        let (shape, size) = (&self.shape, self.dtype.size);
        let bytes = entries(shape).and_then(|length| length.checked_mul(size as u64));
        if bytes == Some(source.remaining) {
            return Ok(());
        }
        let bytes = bytes.map_or("more than 2^64".into(), |bytes| bytes.to_string());
        let there = source.remaining;
        let needs = format!("shape {shape:?} of {size}-byte numbers needs {bytes} bytes of data");
        Err(source.error(format!("{needs}, but {there} are there")))
    }
}

impl<'a> Parser<'a> {
    fn dictionary(mut self) -> Parsed<Header> {
        let (mut dtype, mut fortran_order, mut shape) = (None, None, None);
        self.expect(b'{')?;
        while !self.accept(b'}') {
            let key = self.string()?;
            self.expect(b':')?;
            let repeated = match key {
                b"descr" => dtype.replace(self.descr()?).is_some(),
                b"fortran_order" => fortran_order.replace(self.boolean()?).is_some(),
                b"shape" => shape.replace(self.shape()?).is_some(),
                _ => return self.bad("the header has an unknown key"),
            };
            if repeated {
                return self.bad("the header has a key twice");
            }
            if !self.accept(b',') && self.peek() != Some(b'}') {
                return self.bad("`,` or `}` is missing in the header");
            }
        }
        if self.peek().is_some() {
            return self.bad("something follows the dictionary of the header");
        }
        match (dtype, fortran_order, shape) {
            (Some(dtype), Some(fortran_order), Some(shape)) => Ok(Header { dtype, fortran_order, shape }),
            _ => self.bad("the header lacks one of `descr`, `fortran_order` and `shape`"),
        }
    }

    fn string(&mut self) -> Parsed<&'a [u8]> {
        let quote = match self.peek() {
            Some(quote @ (b'\'' | b'"')) => quote,
            _ => return self.bad("a quoted string is missing in the header"),
        };
        let start = self.at + 1;
        match self.text[start..].iter().position(|&byte| byte == quote) {
            Some(length) => {
                self.at = start + length + 1;
                Ok(&self.text[start..start + length])
            }
            None => self.bad("a string in the header does not end"),
        }
    }

    fn descr(&mut self) -> Parsed<Dtype> {
        if self.peek() == Some(b'[') {
            return self.bad("structured arrays are not read: save each field on its own");
        }
        let at = self.at;
        let text = self.string()?;
        let (order, kind, size) = match text {
            [order @ (b'<' | b'>' | b'|' | b'='), kind, size] => (*order, *kind, size.wrapping_sub(b'0')),
            _ => (0, text.iter().copied().find(u8::is_ascii_alphabetic).unwrap_or(b'?'), 0),
        };
        let kind = match (kind, size) {
            (b'f', 2 | 4 | 8) => Kind::Float,
            (b'i', 1 | 2 | 4 | 8) => Kind::Signed,
            (b'u', 1 | 2 | 4 | 8) | (b'b', 1) => Kind::Unsigned,
            _ => {
                let advice = match kind {
                    b'O' => "Python objects are not read: save a numeric array",
                    b'c' => "complex numbers are not read: save real and imaginary parts",
                    _ => "this type is not read: save with .astype('f8')",
                };
                let text = String::from_utf8_lossy(text).into_owned();
                return Err(Bad { at, reason: format!("dtype {text:?}: {advice}") });
            }
        };
        if order == b'|' && size > 1 {
            return Err(Bad { at, reason: "the dtype has no byte order".into() });
        }
        Ok(Dtype { kind, size: size.into(), big_endian: order == b'>' })
    }

    fn boolean(&mut self) -> Parsed<bool> {
        self.peek();
        for (word, value) in [(&b"True"[..], true), (b"False", false)] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        self.bad("`fortran_order` is neither True nor False")
    }

    fn shape(&mut self) -> Parsed<Vec<usize>> {
        self.expect(b'(')?;
        let mut shape = Vec::new();
        while !self.accept(b')') {
            if shape.len() == MOST_MODES {
                return self.bad(format!("the shape has more than {MOST_MODES} modes"));
            }
            shape.push(self.size()?);
            // Python 2 marked long integers.
            self.at += usize::from(self.text.get(self.at) == Some(&b'L'));
            let comma = self.accept(b',');
            // (5) is a number and not a shape.
            if !comma && (shape.len() == 1 || self.peek() != Some(b')')) {
                return self.bad("`,` is missing in the shape");
            }
        }
        Ok(shape)
    }
}
