//! The table of an experiment: one row a trial, as CSV; and files that are replaced whole or not at all.

use crate::study::Study;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The version written to every row.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The status of a trial that gave no answer.
pub const FAILED: &str = "failed";

/// The rows as CSV text, with the line of column names if `header`.
pub fn to_csv<R: Serialize>(rows: &[R], header: bool) -> Result<String> {
    let mut writer = csv::WriterBuilder::new().has_headers(header).from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// Reads rows back from CSV text with a line of column names.
pub fn from_csv<R: DeserializeOwned>(text: &str) -> Result<Vec<R>> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(|row| Ok(row?)).collect()
}

/// Reads an experiment's table and checks that it is that experiment's.
pub fn read<S: Study>(study: S, path: &Path) -> Result<Vec<S::Row>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let rows: Vec<S::Row> = from_csv(&text).with_context(|| path.display().to_string())?;
    if rows.is_empty() {
        bail!("{}: the table has no rows", path.display());
    }
    for (i, row) in rows.iter().enumerate() {
        study.trial(row).with_context(|| format!("{}, line {}", path.display(), i + 2))?;
    }
    Ok(rows)
}

/// Replaces a file whole: writes a neighbour, flushes it to the disk, renames it. On an error the
/// old file stays as it was.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = temporary(path);
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, path)) {
        let _ = fs::remove_file(&temporary);
        return Err(error).with_context(|| format!("cannot write {}", path.display()));
    }
    Ok(())
}

/// The neighbour that [`write_atomically`] writes first.
pub fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        write_atomically(&path, b"old").unwrap();
        // The neighbour lies on a full device, then cannot be created at all.
        std::os::unix::fs::symlink("/dev/full", temporary(&path)).unwrap();
        let error = write_atomically(&path, b"new").unwrap_err();
        assert!(format!("{error:#}").contains("table.csv"), "{error:#}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        fs::create_dir(temporary(&path)).unwrap();
        assert!(write_atomically(&path, b"new").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}
