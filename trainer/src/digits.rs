//! Handwritten digits of 8 x 8 pixels, upright, rotated or inverted, split in three.

use crate::model::{Set, Split};
use anyhow::{Context, Result, bail};
use lowrank::random::stream;
use lowrank::{Scalar, io};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The file that ships with the repository.
pub const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits.npy");

/// The number of classes.
pub const CLASSES: usize = 10;

const PIXELS: usize = 64;
const BLACK: f64 = 16.0;

/// What is done to the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Nothing.
    Upright,
    /// A quarter turn, counter-clockwise.
    Rotated,
    /// Black for white.
    Inverted,
}

impl Task {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Task::Upright => "upright",
            Task::Rotated => "rotated",
            Task::Inverted => "inverted",
        }
    }

    /// The pixel of the new image at (i, j), from the old one by rows.
    fn pixel(self, image: &[f64], i: usize, j: usize) -> f64 {
        match self {
            Task::Upright => image[8 * i + j],
            Task::Rotated => image[8 * j + 7 - i],
            Task::Inverted => BLACK - image[8 * i + j],
        }
    }
}

/// Reads the images of a file ([`FILE`]), each a sample of its 64 entries by rows, from -1, white, to 1,
/// black, and splits them: 60 % to train on, 20 % to choose by, 20 % to report. The parts of all tasks are the
/// same images. Entries from 0 to 1 would give inverted images, which are nearly all black, so large a mean that
/// the first steps along it can shut every rectifier of a layer, and nothing trains from there on.
///
/// # Errors
/// Where the file cannot be read or is not of bytes (N, 65) in their ranges.
pub fn load<T: Scalar>(path: impl AsRef<Path>, task: Task) -> Result<Split<Vec<T>>> {
    let path = path.as_ref();
    let array = io::read_npy_as::<f64>(path).context("the handwritten digits")?;
    let &[count, columns] = array.shape() else { bail!("{}: not a matrix", path.display()) };
    if columns != PIXELS + 1 || count < 10 {
        bail!("{}: shape ({count}, {columns}), but 64 pixels and a digit a row are needed", path.display());
    }
    let values: Vec<f64> = array.iter().copied().collect();
    let images: Vec<&[f64]> = values.chunks_exact(columns).collect();
    let bad = |image: &&[f64]| image.iter().any(|x| !(0.0..=BLACK).contains(x)) || image[PIXELS] > 9.0;
    if let Some(row) = images.iter().position(bad) {
        bail!("{}: row {row}: pixels from 0 to 16 and a digit are needed", path.display());
    }
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut stream(0, "the split of the digits", 0));
    let sample = |image: &[f64]| -> Vec<T> {
        (0..PIXELS).map(|i| T::of(2.0 * task.pixel(image, i / 8, i % 8) / BLACK - 1.0)).collect()
    };
    let set = |rows: &[usize]| Set {
        inputs: rows.iter().map(|row| sample(images[*row])).collect(),
        labels: rows.iter().map(|row| images[*row][PIXELS] as usize).collect(),
        classes: CLASSES,
    };
    let (train, rest) = order.split_at(count * 3 / 5);
    let (dev, test) = rest.split_at(rest.len() / 2);
    Ok(Split { train: set(train), dev: set(dev), test: set(test) })
}
