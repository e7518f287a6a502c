//! Files: round trips, and files that are not what they claim to be.

mod decompositions;
mod files;
#[path = "../support/spoil.rs"]
mod spoil;

use lowrank::ndarray::{ArrayD, IxDyn};
use lowrank::{Error, Scalar};
use std::path::PathBuf;

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lowrank_io_{name}_{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
    fn with(&self, name: &str, bytes: &[u8]) -> PathBuf {
        std::fs::write(self.file(name), bytes).unwrap();
        self.file(name)
    }
    fn names(&self) -> Vec<String> {
        let names = std::fs::read_dir(&self.0).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn counting<T: Scalar>(shape: &[usize]) -> ArrayD<T> {
    let length: usize = shape.iter().product();
    ArrayD::from_shape_vec(IxDyn(shape), (0..length).map(|i| T::of(i as f64 / 7.0 - 3.0)).collect()).unwrap()
}

fn is_format<X: std::fmt::Debug>(result: Result<X, Error>) -> bool {
    match result {
        Err(Error::Format { .. }) => true,
        other => panic!("not a format error: {other:?}"),
    }
}
