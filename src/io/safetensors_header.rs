//! The header of a safetensors file: a JSON object that names each tensor's type, shape and place.

use super::json::Json;
use super::numbers::{Dtype, Kind, entries};
use super::parser::{Bad, Parsed, Parser};
use super::source::Source;
use crate::Result;
use std::collections::BTreeMap;
use std::ops::Range;

/// What a file says of one tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorInfo {
    pub(super) stored: &'static Stored,
    pub(super) shape: Vec<usize>,
    /// Its bytes, counted from the end of the header.
    pub(super) place: Range<u64>,
}

impl TensorInfo {
    /// How its numbers are stored, in the words of the format: `F32`, `BF16`, `I64`.
    pub fn dtype(&self) -> &'static str {
        self.stored.name
    }
    /// The sizes of its modes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }
    /// How many bytes it takes in the file.
    pub fn bytes(&self) -> u64 {
        self.place.end - self.place.start
    }
}

/// A type of the format.
#[derive(Debug, PartialEq)]
pub(super) struct Stored {
    pub name: &'static str,
    pub bits: u64,
    /// How to read it; `None` for a type that is known but not read.
    pub dtype: Option<Dtype>,
}

const fn read(name: &'static str, kind: Kind, size: usize) -> Stored {
    Stored { name, bits: 8 * size as u64, dtype: Some(Dtype { kind, size, big_endian: false }) }
}

const fn known(name: &'static str, bits: u64) -> Stored {
    Stored { name, bits, dtype: None }
}

static TYPES: [Stored; 22] = [
    read("F64", Kind::Float, 8),
    read("F32", Kind::Float, 4),
    read("F16", Kind::Float, 2),
    read("BF16", Kind::Brain, 2),
    read("I64", Kind::Signed, 8),
    read("I32", Kind::Signed, 4),
    read("I16", Kind::Signed, 2),
    read("I8", Kind::Signed, 1),
    read("U64", Kind::Unsigned, 8),
    read("U32", Kind::Unsigned, 4),
    read("U16", Kind::Unsigned, 2),
    read("U8", Kind::Unsigned, 1),
    known("BOOL", 8),
    known("C64", 64),
    known("F8_E4M3", 8),
    known("F8_E5M2", 8),
    known("F8_E8M0", 8),
    known("F8_E4M3FNUZ", 8),
    known("F8_E5M2FNUZ", 8),
    known("F6_E2M3", 6),
    known("F6_E3M2", 6),
    known("F4", 4),
];

/// The name that holds the texts about the file.
pub(super) const METADATA: &str = "__metadata__";
/// Longest header read and written, that of the reference implementation.
pub(super) const LONGEST: u64 = 100_000_000;
/// Most modes of a tensor.
const MOST_MODES: usize = 64;
/// What reading may allocate beyond the size of the file; a part is left for what is not counted.
const SPARE: u64 = (1 << 20) - (1 << 16);

/// What a header says.
pub(super) struct Header {
    pub tensors: BTreeMap<String, TensorInfo>,
    pub metadata: BTreeMap<String, String>,
}

impl Header {
    /// Reads length and text of the header; `source`, a whole file, then stands at the data.
    ///
    /// The tensors fill the data without holes and overlaps. What is allocated is at most the size
    /// of the file and 1 MiB: a header of ever so many tensors of next to no data is refused.
    pub fn read(source: &mut Source<'_>) -> Result<Self> {
        let length = u64::from_le_bytes(source.bytes()?);
        if length > source.remaining {
            let reason = format!(
                "the header claims {length} bytes, {} are left: truncated, or not a safetensors file",
                source.remaining
            );
            return Err(source.error_at(0, reason));
        }
        if length > LONGEST {
            return Err(source.error_at(0, "the header claims more than 100 MB: not a safetensors file"));
        }
        let mut text = vec![0; length as usize];
        source.read(&mut text)?;
        let start = source.offset - length;
        let bad = |Bad { at, reason }| source.error_at(start + at as u64, reason);
        if text.first() != Some(&b'{') {
            return Err(bad(Bad { at: 0, reason: "not a safetensors file: no header".into() }));
        }
        if let Err(error) = str::from_utf8(&text) {
            return Err(bad(Bad { at: error.valid_up_to(), reason: "the header is no UTF-8".into() }));
        }
        let budget = source.remaining + SPARE;
        let header = Json { parser: Parser { text: &text, at: 0 }, budget }.header().map_err(bad)?;
        header.check(source.remaining).map_err(|reason| source.error_at(start, reason))?;
        Ok(header)
    }

    /// Whether the tensors fill the data.
    fn check(&self, data: u64) -> std::result::Result<(), String> {
        for (name, TensorInfo { stored, shape, place }) in &self.tensors {
            let bits = entries(shape).and_then(|length| length.checked_mul(stored.bits));
            if bits.map(|bits| (bits / 8, bits % 8)) != Some((place.end - place.start, 0)) {
                return Err(format!(
                    "tensor {:?}: shape {shape:?} of {} does not take the {} bytes it is given",
                    short(name),
                    stored.name,
                    place.end - place.start
                ));
            }
        }
        let mut places: Vec<_> =
            self.tensors.iter().map(|(name, t)| (t.place.start, t.place.end, name)).collect();
        places.sort_unstable();
        let mut free = 0;
        for (begin, end, name) in places {
            if begin != free {
                return Err(format!(
                    "tensor {:?} starts at byte {begin} of the data, not {free}",
                    short(name)
                ));
            }
            free = end;
        }
        if free != data {
            return Err(format!("the tensors take {free} bytes of data, but {data} are there: truncated?"));
        }
        Ok(())
    }
}

impl Json<'_> {
    fn header(mut self) -> Parsed<Header> {
        let (mut tensors, mut metadata) = (BTreeMap::new(), None);
        self.object(|json, name| {
            if name == METADATA {
                return Ok(metadata.replace(json.texts()?).is_none());
            }
            // The nodes of a map may be half empty; a list of places is made of it.
            json.spend(3 * size_of::<(String, TensorInfo)>() + size_of::<(u64, u64, &String)>())?;
            Ok(tensors.insert(name, json.tensor()?).is_none())
        })?;
        if self.parser.peek().is_some() {
            return self.parser.bad("something follows the object of the header");
        }
        Ok(Header { tensors, metadata: metadata.unwrap_or_default() })
    }

    fn texts(&mut self) -> Parsed<BTreeMap<String, String>> {
        let mut texts = BTreeMap::new();
        self.object(|json, name| {
            json.spend(3 * size_of::<(String, String)>())?;
            Ok(texts.insert(name, json.string()?).is_none())
        })?;
        Ok(texts)
    }

    fn tensor(&mut self) -> Parsed<TensorInfo> {
        let (mut stored, mut shape, mut place) = (None, None, None);
        self.object(|json, key| match key.as_str() {
            "dtype" => {
                let name = json.string()?;
                match TYPES.iter().find(|stored| stored.name == name) {
                    Some(found) => Ok(stored.replace(found).is_none()),
                    None => json.parser.bad(format!("dtype {:?} is unknown", short(&name))),
                }
            }
            "shape" => {
                let sizes = json.sizes(MOST_MODES)?;
                json.spend(sizes.capacity() * size_of::<usize>())?;
                Ok(shape.replace(sizes).is_none())
            }
            "data_offsets" => match json.sizes(2)?[..] {
                [begin, end] if begin <= end => Ok(place.replace(begin as u64..end as u64).is_none()),
                _ => json.parser.bad("`data_offsets` are not a begin and an end"),
            },
            _ => json.parser.bad("a tensor of the header has an unknown key"),
        })?;
        match (stored, shape, place) {
            (Some(stored), Some(shape), Some(place)) => Ok(TensorInfo { stored, shape, place }),
            _ => self.parser.bad("a tensor of the header lacks one of `dtype`, `shape` and `data_offsets`"),
        }
    }
}

/// The start of a name, for the text of an error.
fn short(name: &str) -> String {
    name.chars().take(80).collect()
}
