//! The journal of a run: finished trials in the order they finish, so that a killed run resumes.
//!
//! The first line names the configuration; every further line is a row of the table. A line counts
//! only once its end is written, so a torn last line is a trial that is run again.

use crate::study::Study;
use crate::table::{self, Record, VERSION};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// An open journal.
pub struct Journal {
    file: File,
    path: PathBuf,
}

/// The finished trials of a journal.
pub type Done<S> = HashMap<<S as Study>::Trial, <S as Study>::Row>;

/// The first line of a journal of this configuration and, where trials are timed, of as many threads.
pub fn header<S: Study>(study: S, config: &S::Config, threads: usize) -> Result<String> {
    let text = toml::to_string(config)?;
    // FNV-1a
    let hash =
        text.bytes().fold(0xcbf29ce484222325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100000001b3));
    let timed = if study.timed() { format!(", threads {threads}") } else { String::new() };
    Ok(format!("# journal of {}, version {VERSION}, configuration {hash:016x}{timed}\n", study.stem()))
}

impl Journal {
    /// Starts an empty journal.
    pub fn create(path: &Path, header: &str) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut journal = Journal { file, path: path.to_path_buf() };
        journal.append(header)?;
        Ok(journal)
    }

    /// Opens a journal and reads its finished trials; the torn end, if any, is cut off.
    ///
    /// A journal of another configuration, version or number of threads timed is an error. Failed trials count as not done.
    pub fn resume<S: Study>(
        study: S,
        path: &Path,
        header: &str,
        wanted: &[S::Trial],
    ) -> Result<(Self, Done<S>)> {
        let context = || format!("cannot resume from {}", path.display());
        let mut file = OpenOptions::new().read(true).write(true).open(path).with_context(context)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(context)?;
        let mut done = HashMap::new();
        let mut kept = 0;
        let wanted: HashSet<&S::Trial> = wanted.iter().collect();
        for line in bytes.split_inclusive(|&b| b == b'\n') {
            if line.last() != Some(&b'\n') {
                break;
            }
            if kept == 0 {
                if line != header.as_bytes() {
                    bail!(
                        "{} belongs to another configuration, version or number of threads: run without \
                         --resume to start anew, or give the options of the interrupted run (it says `{}`, this run is `{}`)",
                        path.display(),
                        String::from_utf8_lossy(line).trim_end(),
                        header.trim_end()
                    );
                }
            } else {
                let Some((trial, row)) = parse(study, line).filter(|(trial, _)| wanted.contains(trial))
                else {
                    break;
                };
                if row.failed() {
                    done.remove(&trial);
                } else {
                    done.insert(trial, row);
                }
            }
            kept += line.len();
        }
        file.set_len(kept as u64).with_context(context)?;
        file.seek(SeekFrom::End(0)).with_context(context)?;
        let mut journal = Journal { file, path: path.to_path_buf() };
        if kept == 0 {
            journal.append(header)?;
        }
        Ok((journal, done))
    }

    /// Adds a finished trial.
    pub fn push<R: Serialize>(&mut self, row: &R) -> Result<()> {
        let line = table::to_csv(std::slice::from_ref(row), false)?;
        self.append(&line)
    }

    fn append(&mut self, line: &str) -> Result<()> {
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.flush());
        written.with_context(|| format!("cannot write {}", self.path.display()))
    }
}

fn parse<S: Study>(study: S, line: &[u8]) -> Option<(S::Trial, S::Row)> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line);
    let row: S::Row = reader.deserialize().next()?.ok()?;
    Some((study.trial(&row).ok()?, row))
}
