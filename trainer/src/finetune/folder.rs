//! The folder of a run: whether a run may go there, and what one that is replaced leaves.

use super::Summary;
use super::options::Options;
use anyhow::{Context, Result, bail};
use lowrank_experiments::table::{from_csv, to_csv, write_atomically};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const OPTIONS: &str = "options.txt";
const CHECKPOINT: &str = "checkpoint.safetensors";
const LOG: &str = "log.csv";
const SUMMARY: &str = "summary.csv";

/// What a run that is replaced may have left.
const OLD: [&str; 10] = [
    CHECKPOINT,
    LOG,
    SUMMARY,
    "loss.svg",
    "loss.png",
    "adapter/adapter_config.json",
    "adapter/adapter_model.safetensors",
    "adapter/native.safetensors",
    "adapter/head.safetensors",
    "adapter/model.safetensors",
];

/// The files of a run.
pub(super) struct Folder {
    path: PathBuf,
    /// What the run was asked for.
    options: String,
    resume: bool,
}

impl Folder {
    /// The folder for a run of these options; nothing is changed yet.
    ///
    /// # Errors
    /// Where there is something that the options do not say to go on with or to replace.
    pub fn check(options: &Options) -> Result<Self> {
        let folder = Folder { path: options.out.clone(), options: options.text()?, resume: options.resume };
        let shown = folder.path.display();
        if folder.path.exists() && !folder.path.is_dir() {
            bail!("{shown} is no folder: name another --out");
        }
        let old = read(&folder.path.join(OPTIONS))?;
        match old {
            Some(old) if options.resume && old != folder.options => {
                let differ = folder.options.lines().zip(old.lines()).find(|(new, old)| new != old);
                let (new, old) = differ.unwrap_or(("", ""));
                bail!(
                    "--resume: the run in {shown} has other options: `{}` there, `{}` here",
                    old.trim(),
                    new.trim()
                );
            }
            None if options.resume => bail!("--resume: there is no run in {shown}"),
            Some(_) if !options.resume && !options.overwrite => bail!(
                "{shown} holds a run: go on with it (--resume), replace it (--overwrite), or name another --out"
            ),
            _ => {}
        }
        match OLD.iter().find(|name| !options.resume && !options.overwrite && folder.path.join(name).exists())
        {
            Some(name) => bail!("{shown} holds {name}: replace it (--overwrite), or name another --out"),
            None => Ok(folder),
        }
    }

    /// Makes the folder, without what another run left, unless the run goes on.
    ///
    /// # Errors
    /// Where that cannot be done.
    pub fn start(&self) -> Result<()> {
        if self.resume {
            return Ok(());
        }
        let shown = self.path.display();
        std::fs::create_dir_all(&self.path).with_context(|| format!("cannot make {shown}"))?;
        OLD.iter().try_for_each(|name| remove(&self.path.join(name)))?;
        write_atomically(&self.path.join(OPTIONS), self.options.as_bytes())
    }

    /// Whether a run goes on from the checkpoint.
    pub fn goes_on(&self) -> bool {
        self.resume && self.checkpoint().is_file()
    }

    pub fn checkpoint(&self) -> PathBuf {
        self.path.join(CHECKPOINT)
    }

    pub fn log(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// Writes the result, in which what was measured while training stays as it was where no step was done now.
    ///
    /// # Errors
    /// Where the file, or the one before it, cannot be read or written.
    pub fn conclude(&self, mut summary: Summary) -> Result<Summary> {
        let path = self.path.join(SUMMARY);
        if summary.step_seconds.is_nan()
            && let Some(text) = read(&path)?
        {
            let old: Vec<Summary> = from_csv(&text).with_context(|| path.display().to_string())?;
            if let Some(old) = old.into_iter().next() {
                (summary.step_seconds, summary.peak_bytes) = (old.step_seconds, old.peak_bytes);
            }
        }
        write_atomically(&path, to_csv(&[&summary], true)?.as_bytes())?;
        Ok(summary)
    }
}

/// The text of a file that may be there.
fn read(file: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// Removes a file that may be there.
fn remove(file: &Path) -> Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot replace {}", file.display()))
        }
        _ => Ok(()),
    }
}
