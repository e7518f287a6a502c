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

/// A row of a table: a trial and what it gave. Made by `row!`.
pub trait Record: Clone + Send + Serialize + DeserializeOwned {
    /// What it is a row of.
    type Trial;
    /// Whether trials are timed: then they run one after the other, each on all threads.
    const TIMED: bool;

    /// The row of a trial that gave no answer.
    fn empty(trial: &Self::Trial) -> Self;
    /// The same with the status `done` and the threads of now: the answers are for the caller to fill in.
    fn done(trial: &Self::Trial) -> Self;
    /// Why the trial ended; [`FAILED`] where it gave no answer.
    fn status(&self) -> &str;
    /// Version of the program.
    fn version(&self) -> &str;
    /// Threads it was timed on; none where trials are not timed.
    fn threads(&self) -> Option<usize>;

    /// Whether the trial gave no answer.
    fn failed(&self) -> bool {
        self.status() == FAILED
    }

    /// Whether it is an answer of this version.
    fn current(&self) -> bool {
        !self.failed() && self.version() == VERSION
    }
}

/// Declares a row and makes it a [`Record`]: of every column its type and what it holds where the trial
/// gave no answer. The columns `threads` (if timed), `status` and `version` come last by themselves.
///
/// ```text
/// row! {
///     /// A row of the table.
///     Row of trial: Trial {
///         /// Size.
///         n: usize = trial.n,
///         /// |A - X|_F / |A|_F.
///         error: f64 = f64::NAN,
///     } timed on threads
/// }
/// ```
#[macro_export]
macro_rules! row {
    ($(#[$about:meta])* $row:ident of $trial:ident: $of:ty {
        $($(#[$meta:meta])* $column:ident: $type:ty = $empty:expr,)+
    } $(timed on $threads:ident)*) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $row {
            $($(#[$meta])* pub $column: $type,)+
            $(/// Threads it was timed on.
            pub $threads: usize,)*
            /// Why the trial ended, or `failed`.
            pub status: String,
            /// Version of the program.
            pub version: String,
        }

        impl $crate::table::Record for $row {
            type Trial = $of;
            const TIMED: bool = {
                let columns: &[&str] = &[$(stringify!($threads)),*];
                !columns.is_empty()
            };

            fn empty($trial: &$of) -> Self {
                $row {
                    $($column: $empty,)+
                    $($threads: 0,)*
                    status: $crate::table::FAILED.to_string(),
                    version: $crate::table::VERSION.to_string(),
                }
            }

            fn done(trial: &$of) -> Self {
                $row {
                    $($threads: rayon::current_num_threads(),)*
                    status: "done".to_string(),
                    ..Self::empty(trial)
                }
            }

            fn status(&self) -> &str {
                &self.status
            }

            fn version(&self) -> &str {
                &self.version
            }

            fn threads(&self) -> Option<usize> {
                let threads: &[usize] = &[$(self.$threads),*];
                threads.first().copied()
            }
        }
    };
}
pub use row;

/// Numbers in one field of a table, parted by spaces: `#[serde(with = "numbers")]`.
pub mod numbers {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes them.
    pub fn serialize<S: Serializer>(numbers: &[f64], to: S) -> Result<S::Ok, S::Error> {
        let words: Vec<String> = numbers.iter().map(|x| format!("{x:e}")).collect();
        to.serialize_str(&words.join(" "))
    }

    /// Reads them back.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
        let text = String::deserialize(from)?;
        text.split_whitespace().map(|word| word.parse().map_err(D::Error::custom)).collect()
    }
}

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
