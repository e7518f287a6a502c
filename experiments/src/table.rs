//! The table of a figure: one row a trial, as CSV; and files that are replaced whole or not at all.

use crate::grid::{Figure, Function, MethodName, Sampling, Trial};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The version written to every row.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The status of a trial that gave no answer.
pub const FAILED: &str = "failed";

/// What a trial gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// |F - X|_max / |F|_max.
    pub error: f64,
    /// A lower bound of it over all X of the rank; 0 when none is known.
    pub lower_bound: f64,
    /// Wall-clock seconds of the method alone.
    pub seconds: f64,
    /// Its iterations.
    pub iterations: usize,
    /// Why it ended.
    pub status: String,
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The figure's file name.
    pub figure: String,
    /// The generating function.
    pub function: Function,
    /// How the points are drawn.
    pub sampling: Sampling,
    /// Size.
    pub n: usize,
    /// Dimension of the points.
    pub m: usize,
    /// Rank (TT ranks).
    pub rank: usize,
    /// The method's name: `svd`, `tt-svd`, `ap` or `descent`.
    pub method: String,
    /// Seed.
    pub seed: u64,
    /// Relative max-norm error.
    pub error: f64,
    /// Relative lower bound.
    pub lower_bound: f64,
    /// Seconds of the method.
    pub seconds: f64,
    /// Iterations.
    pub iterations: usize,
    /// Why it ended.
    pub status: String,
    /// Version of the program.
    pub version: String,
}

impl Row {
    /// The row of a finished trial.
    pub fn new(figure: Figure, trial: &Trial, outcome: Outcome) -> Self {
        Row {
            figure: figure.stem().to_string(),
            function: trial.function,
            sampling: trial.sampling,
            n: trial.n,
            m: trial.m,
            rank: trial.rank,
            method: trial.method_name().to_string(),
            seed: trial.seed,
            error: outcome.error,
            lower_bound: outcome.lower_bound,
            seconds: outcome.seconds,
            iterations: outcome.iterations,
            status: outcome.status,
            version: VERSION.to_string(),
        }
    }

    /// The trial it belongs to, if its method is known.
    pub fn trial(&self) -> Result<Trial> {
        let tensor = self.function.is_tensor();
        let Some(method) = MethodName::ALL.into_iter().find(|m| m.name(tensor) == self.method) else {
            bail!("unknown method `{}`", self.method);
        };
        Ok(Trial {
            function: self.function,
            sampling: self.sampling,
            n: self.n,
            m: self.m,
            rank: self.rank,
            method,
            seed: self.seed,
        })
    }
}

/// The rows as CSV text, with the line of column names if `header`.
pub fn to_csv(rows: &[Row], header: bool) -> Result<String> {
    let mut writer = csv::WriterBuilder::new().has_headers(header).from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// Reads rows back from CSV text with a line of column names.
pub fn from_csv(text: &str) -> Result<Vec<Row>> {
    csv::Reader::from_reader(text.as_bytes()).deserialize().map(|row| Ok(row?)).collect()
}

/// Reads a figure's table and checks that it is that figure's.
pub fn read(figure: Figure, path: &Path) -> Result<Vec<Row>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let rows = from_csv(&text).with_context(|| path.display().to_string())?;
    if rows.is_empty() {
        bail!("{}: the table has no rows", path.display());
    }
    for (i, row) in rows.iter().enumerate() {
        let line = i + 2;
        row.trial().with_context(|| format!("{}, line {line}", path.display()))?;
        if row.figure != figure.stem() {
            bail!(
                "{}, line {line}: a row of {}, but {} was expected",
                path.display(),
                row.figure,
                figure.stem()
            );
        }
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
