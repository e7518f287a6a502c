//! Files that are written whole or not at all.

use crate::{Error, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes a file whole or not at all.
///
/// `write` fills a temporary file in the same folder, which is brought to the disk and then renamed
/// to `path`. A reader sees the old file or the new one; on an error the old file stays as it was
/// and the temporary one is removed. The permissions of an old file are kept. A symbolic link keeps pointing where it did: its target is
/// replaced.
///
/// # Errors
/// [`Error::Io`] where the folder is missing or read-only, the disk is full, `path` is a folder, or
/// `write` failed.
pub fn atomic_write(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    replace(path, write).map_err(|source| Error::Io { path: path.to_owned(), source })
}

fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path does not name a file"));
    };
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let (file, temporary) = create_beside(&folder, &name.to_string_lossy())?;
    if let Ok(old) = fs::metadata(&path) {
        // Where a file system knows no permissions, there is nothing to keep.
        let _ = file.set_permissions(old.permissions());
    }
    let done = fill(file, write).and_then(|()| fs::rename(&temporary, &path));
    if done.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
        return done;
    }
    // The rename itself reaches the disk with the folder; not every system can be asked for that.
    if let Ok(folder) = File::open(&folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

fn fill(file: File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut writer = BufWriter::with_capacity(1 << 16, file);
    write(&mut writer)?;
    writer.into_inner().map_err(|error| error.into_error())?.sync_all()
}

/// A new file beside the one to replace, under a name nobody uses.
fn create_beside(folder: &Path, name: &str) -> io::Result<(File, PathBuf)> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let short: String = name.chars().take(40).collect();
    loop {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let temporary = folder.join(format!(".{short}.{}.{number}.tmp", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|file| (file, temporary)),
        }
    }
}
