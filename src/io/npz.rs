//! Named arrays in one file of NumPy's `npz` format: a zip archive of npy files, not compressed.
//!
//! Archives are written as `numpy.savez` does and read from their central directory. Compressed
//! members, encryption and archives of 4 GiB and more (zip64) are refused with advice. Members may
//! not overlap, so what is read is never more than the file.

use super::atomic::atomic_write;
use super::npy::{NpyArray, check_modes, header_bytes, read_array, read_array_as, write_array};
use super::source::{Crc, Source, format_error, open};
use crate::{Error, Result, Scalar};
use ndarray::{ArrayD, ArrayViewD};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_LENGTH: u64 = 22;

/// Reads all arrays of an npz file, each in its own precision as [`super::read_npy`] does.
///
/// # Errors
/// [`Error::Io`]; [`Error::Format`] where the archive is damaged, truncated, compressed, encrypted
/// or of 4 GiB and more, where a checksum is wrong, a name occurs twice, has no `.npy` at its end
/// or leads out of its folder, and where a member is no proper npy file.
pub fn read_npz(path: impl AsRef<Path>) -> Result<BTreeMap<String, NpyArray>> {
    read_members(path.as_ref(), read_array)
}

/// Reads all arrays of an npz file as f32 or f64, rounding where the file is more precise.
///
/// # Errors
/// As [`read_npz`].
pub fn read_npz_as<T: Scalar>(path: impl AsRef<Path>) -> Result<BTreeMap<String, ArrayD<T>>> {
    read_members(path.as_ref(), read_array_as)
}

/// Writes named arrays as an npz file, not compressed, whole or not at all; `numpy.load` opens it.
///
/// A name is made of printable ASCII characters but `\` and `:`; `/` may part it, without empty
/// parts, `.` and `..`.
///
/// # Errors
/// [`Error::Parameter`] for a bad name or one used twice; [`Error::Shape`] for an array of more than
/// 64 modes; [`Error::TooLarge`] from 4 GiB or 65,535 arrays on; [`Error::Io`]. An old file then stays
/// as it was.
pub fn write_npz<T: Scalar>(path: impl AsRef<Path>, arrays: &[(&str, ArrayViewD<'_, T>)]) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    let mut bytes = END_LENGTH as f64;
    for (name, a) in arrays {
        check_modes("arrays", a.shape())?;
        let remedy = match (is_good_name(name), seen.insert(name)) {
            (true, true) => {
                let header = header_bytes::<T>(a.shape()).len();
                bytes += (a.len() as f64) * size_of::<T>() as f64 + (header + 2 * name.len() + 84) as f64;
                continue;
            }
            (false, _) => "use printable ASCII but `\\` and `:`, and no empty, `.` or `..` part",
            (_, false) => "use each name once",
        };
        return Err(Error::Parameter { name: "name of an array", value: (*name).into(), remedy });
    }
    if bytes >= f64::from(u32::MAX) || arrays.len() >= usize::from(u16::MAX) {
        return Err(Error::TooLarge {
            what: "an npz file",
            bytes,
            remedy: "write each array as an npy file",
        });
    }
    atomic_write(path, |writer| write_archive(writer, arrays))
}

fn is_good_name(name: &str) -> bool {
    let good = |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && byte != b'\\' && byte != b':';
    name.len() <= 1000
        && name.bytes().all(good)
        && !name.split('/').any(|part| matches!(part, "" | "." | ".."))
}

fn write_archive<T: Scalar>(writer: &mut dyn Write, arrays: &[(&str, ArrayViewD<'_, T>)]) -> io::Result<()> {
    let (mut directory, mut offset) = (Vec::new(), 0);
    for (name, a) in arrays {
        let name = format!("{name}.npy");
        let mut crc = Crc::new();
        write_array(&mut crc, a)?;
        let size = (header_bytes::<T>(a.shape()).len() + a.len() * size_of::<T>()) as u32;
        // Version 2.0, no flags, stored, 1980-01-01 00:00.
        let mut fields = Vec::new();
        for field in [20u16, 0, 0, 0, 0x21] {
            fields.extend_from_slice(&field.to_le_bytes());
        }
        for field in [crc.value(), size, size, name.len() as u32] {
            // The last is two fields: the lengths of the name and of what follows it, which is 0.
            fields.extend_from_slice(&field.to_le_bytes());
        }
        writer.write_all(&LOCAL.to_le_bytes())?;
        writer.write_all(&fields)?;
        writer.write_all(name.as_bytes())?;
        write_array(writer, a)?;
        directory.extend_from_slice(&CENTRAL.to_le_bytes());
        directory.extend_from_slice(&20u16.to_le_bytes());
        directory.extend_from_slice(&fields);
        directory.extend_from_slice(&[0; 10]); // comment, disk, attributes
        directory.extend_from_slice(&(offset as u32).to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
        offset += 30 + name.len() + size as usize;
    }
    writer.write_all(&directory)?;
    writer.write_all(&END.to_le_bytes())?;
    writer.write_all(&[0; 4])?;
    writer.write_all(&(arrays.len() as u16).to_le_bytes())?;
    writer.write_all(&(arrays.len() as u16).to_le_bytes())?;
    writer.write_all(&(directory.len() as u32).to_le_bytes())?;
    writer.write_all(&(offset as u32).to_le_bytes())?;
    writer.write_all(&[0; 2])
}

/// What the central directory says of one member.
struct Member {
    name: String,
    crc: u32,
    size: u64,
    /// Where its local header starts, and where in the file the directory says so.
    offset: u64,
    told_at: u64,
}

fn read_members<X>(
    path: &Path,
    mut read: impl FnMut(&mut Source<'_>) -> Result<X>,
) -> Result<BTreeMap<String, X>> {
    let (mut file, length) = open(path)?;
    let (start, mut members) = read_directory(&mut file, path, length)?;
    members.sort_unstable_by_key(|member| member.offset);
    let (mut arrays, mut free) = (BTreeMap::new(), 0);
    for Member { name, crc, size, offset, told_at } in members {
        let bad = |reason: &str| format_error(path, told_at, format!("member {name:?}: {reason}"));
        if offset < free || offset >= start {
            return Err(bad("overlaps with another or lies outside"));
        }
        let mut source = Source::new(&mut file, path, offset, start - offset)?;
        let head: [u8; 30] = source.bytes()?;
        if u32_at(&head, 0) != LOCAL || u16_at(&head, 8) != 0 {
            return Err(bad("its local header is damaged"));
        }
        let mut own = vec![0; usize::from(u16_at(&head, 26))];
        source.read(&mut own)?;
        source.read(&mut vec![0; usize::from(u16_at(&head, 28))])?;
        let stem = own.strip_suffix(b".npy").map(|stem| stem == name.as_bytes());
        if stem != Some(true) {
            return Err(bad("its local header has another name"));
        }
        if size > source.remaining {
            return Err(bad("is larger than the file: truncated"));
        }
        (source.remaining, source.crc) = (size, Some(Crc::new()));
        let array = read(&mut source)?;
        if source.crc.map(Crc::value) != Some(crc) {
            return Err(bad("the checksum is wrong: damaged"));
        }
        free = source.offset;
        if arrays.insert(name.clone(), array).is_some() {
            return Err(bad("occurs twice"));
        }
    }
    Ok(arrays)
}

/// The start of the central directory and its members.
fn read_directory(file: &mut File, path: &Path, length: u64) -> Result<(u64, Vec<Member>)> {
    let bad = |offset, reason: &str| Err(format_error(path, offset, reason));
    let end = length.saturating_sub(END_LENGTH);
    let mut source = Source::new(file, path, end, length - end)?;
    if length < END_LENGTH {
        return bad(0, "not an npz file: too short");
    }
    let record: [u8; END_LENGTH as usize] = source.bytes()?;
    if u32_at(&record, 0) != END {
        return bad(
            end,
            "not an npz file, or truncated: no end record (archives with a comment are not read)",
        );
    }
    let (count, size, start) =
        (u16_at(&record, 10), u64::from(u32_at(&record, 12)), u64::from(u32_at(&record, 16)));
    if count == u16::MAX || start == u64::from(u32::MAX) {
        return bad(end, "zip64 archives are not read: save each array with numpy.save");
    }
    if u32_at(&record, 4) != 0 || u16_at(&record, 8) != count || start + size != end {
        return bad(
            end,
            "the end record does not fit the file: damaged, or something stands before the archive",
        );
    }
    let mut source = Source::new(file, path, start, size)?;
    let mut members = Vec::with_capacity(usize::from(count).min(size as usize / 46));
    for _ in 0..count {
        let told_at = source.offset;
        let head: [u8; 46] = source.bytes()?;
        let (flags, method) = (u16_at(&head, 8), u16_at(&head, 10));
        if u32_at(&head, 0) != CENTRAL {
            return bad(told_at, "the central directory is damaged");
        }
        let mut name = vec![0; usize::from(u16_at(&head, 28))];
        source.read(&mut name)?;
        source.read(&mut vec![0; usize::from(u16_at(&head, 30)) + usize::from(u16_at(&head, 32))])?;
        if flags & 1 != 0 {
            return bad(told_at, "encrypted members are not read");
        }
        if method != 0 {
            return bad(
                told_at,
                "compressed members are not read: save with numpy.savez, not numpy.savez_compressed",
            );
        }
        let (packed, size) = (u32_at(&head, 20), u32_at(&head, 24));
        if packed == u32::MAX || size == u32::MAX {
            return bad(told_at, "zip64 members are not read: save each array with numpy.save");
        }
        if packed != size {
            return bad(told_at, "a stored member has two sizes");
        }
        let name = String::from_utf8(name).ok().and_then(|name| Some(name.strip_suffix(".npy")?.to_owned()));
        let Some(name) = name.filter(|name| is_safe_name(name)) else {
            return bad(told_at, "a member's name does not end in .npy or leads out of its folder");
        };
        let (crc, size, offset) = (u32_at(&head, 16), size.into(), u32_at(&head, 42).into());
        members.push(Member { name, crc, size, offset, told_at });
    }
    if source.remaining != 0 {
        return bad(source.offset, "the central directory has more bytes than members");
    }
    Ok((start, members))
}

/// Names read may have any letters, as NumPy allows, but must stay in their folder.
fn is_safe_name(name: &str) -> bool {
    !name.contains(|c: char| c.is_control() || c == '\\' || c == ':')
        && !name.split('/').any(|part| matches!(part, "" | "." | ".."))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
