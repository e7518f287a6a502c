//! Files: round trips, the reference implementations' word, and files that are not what they claim to be.

mod decompositions;
mod files;
mod mapped;
mod safetensors;
#[path = "../support/spoil.rs"]
mod spoil;

use lowrank::ndarray::{ArrayD, IxDyn};
use lowrank::{Error, Scalar};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let (id, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("lowrank_io_{name}_{id}_{count}"));
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
