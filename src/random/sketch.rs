//! Random matrices that vectors are sketched with.

use super::{gaussian, stream};
use crate::{Error, Result, Scalar};
use faer::Mat;
use rand::RngExt;

/// A distribution of random matrices Omega (n, l).
///
/// All have E Omega Omega' = l I or a multiple of it; none needs more than a seed. The bound of
/// theorem 10.5 of Halko, Martinsson, Tropp (2011) is proved for `Gaussian`; for the others mean
/// errors up to 1.1 times (`SparseSign`) and 1.25 times (`Hadamard`) that bound are accepted in the
/// tests over this crate's gallery. Worst seen at 60 x 40: 1.06 for `Hadamard`, graded columns.
///
/// All are applied as dense matrices: at n = 2048 and 4096, l = 74, adding up the places of the signs
/// and a fast Hadamard transform were tried, and did not pay overall for a whole decomposition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sketch {
    /// Independent standard Gaussian entries.
    #[default]
    Gaussian,
    /// In each row this many entries +-1 at random places, at least 1 and at most l are taken;
    /// 8 are usual (Clarkson, Woodruff 2013; Nelson, Nguyen 2013; Martinsson, Tropp, "Randomized
    /// numerical linear algebra", Acta Numerica 29 (2020), section 9.2).
    SparseSign {
        /// Nonzero entries in a row.
        nonzeros: usize,
    },
    /// D H S: random signs, the Hadamard matrix of the next power of two, l of its columns
    /// without repetition (Ailon, Chazelle 2006; Tropp, "Improved analysis of the subsampled
    /// randomized Hadamard transform", Adv. Adapt. Data Anal. 3 (2011)). l is at most n.
    Hadamard,
}

impl Sketch {
    /// The matrix (n, l), of entries of size about 1.
    ///
    /// Streams are named (seed, purpose, column) or, where rows or signs are drawn, (seed,
    /// purpose, row); nothing depends on the number of threads. O(n l).
    ///
    /// # Errors
    /// [`Error::Parameter`] for a sparse sketch of no entries or a Hadamard sketch with l > n;
    /// [`Error::TooLarge`] when n l numbers exceed the address space.
    ///
    /// ```
    /// use lowrank::random::Sketch;
    /// let omega = Sketch::SparseSign { nonzeros: 2 }.matrix::<f64>(50, 5, 0, "example")?;
    /// assert!((0..50).all(|i| (0..5).filter(|j| omega[(i, *j)] != 0.0).count() == 2));
    /// # lowrank::Result::Ok(())
    /// ```
    pub fn matrix<T: Scalar>(self, n: usize, l: usize, seed: u64, purpose: &str) -> Result<Mat<T>> {
        let bytes = n as f64 * l.max(1) as f64 * size_of::<T>() as f64;
        if bytes > isize::MAX as f64 {
            return Err(Error::TooLarge { what: "the sketch", bytes, remedy: "ask for fewer columns" });
        }
        self.check()?;
        if n == 0 || l == 0 {
            return Ok(Mat::zeros(n, l));
        }
        match self {
            Sketch::Gaussian => Ok(gaussian(n, l, seed, purpose)),
            Sketch::SparseSign { nonzeros } => Ok(sparse_sign(n, l, nonzeros.min(l), seed, purpose)),
            Sketch::Hadamard if l > n => Err(Error::Parameter {
                name: "l",
                value: l.to_string(),
                remedy: "a Hadamard sketch has at most n columns",
            }),
            Sketch::Hadamard => Ok(hadamard(n, l, seed, purpose)),
        }
    }

    /// Checks the parameters alone.
    pub(crate) fn check(self) -> Result<()> {
        if self != (Sketch::SparseSign { nonzeros: 0 }) {
            return Ok(());
        }
        let remedy = "a row has at least one entry";
        Err(Error::Parameter { name: "nonzeros", value: "0".into(), remedy })
    }
}

fn sparse_sign<T: Scalar>(n: usize, l: usize, nonzeros: usize, seed: u64, purpose: &str) -> Mat<T> {
    let mut out = Mat::zeros(n, l);
    let mut places: Vec<usize> = (0..l).collect();
    for i in 0..n {
        let mut rng = stream(seed, purpose, i as u64);
        places.iter_mut().enumerate().for_each(|(j, place)| *place = j);
        for k in 0..nonzeros {
            let pick = rng.random_range(k..l);
            places.swap(k, pick);
            out[(i, places[k])] = T::of(if rng.random::<bool>() { 1.0 } else { -1.0 });
        }
    }
    out
}

fn hadamard<T: Scalar>(n: usize, l: usize, seed: u64, purpose: &str) -> Mat<T> {
    let mut rng = stream(seed, purpose, 0);
    let mut columns: Vec<usize> = (0..n.next_power_of_two()).collect();
    for k in 0..l {
        let pick = rng.random_range(k..columns.len());
        columns.swap(k, pick);
    }
    let mut rng = stream(seed, purpose, 1);
    let signs: Vec<bool> = (0..n).map(|_| rng.random()).collect();
    Mat::from_fn(n, l, |i, j| {
        let negative = (i & columns[j]).count_ones() % 2 == 1;
        T::of(if negative == signs[i] { 1.0 } else { -1.0 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_edges() {
        for sketch in [Sketch::Gaussian, Sketch::SparseSign { nonzeros: 4 }, Sketch::Hadamard] {
            let (n, l) = (40, 10);
            let mut mean = Mat::<f64>::zeros(n, n);
            for seed in 0..2000 {
                let omega = sketch.matrix::<f64>(n, l, seed, "moments").unwrap();
                mean += &omega * omega.transpose() * faer::Scale(1.0 / 2000.0);
            }
            let scale = mean[(0, 0)];
            let worst = (mean * faer::Scale(1.0 / scale) - Mat::<f64>::identity(n, n)).norm_max();
            assert!(worst < 0.15, "{sketch:?}: {worst}");
            for (n, l) in [(0, 0), (5, 0), (1, 1), (7, 7)] {
                assert_eq!(sketch.matrix::<f32>(n, l, 0, "edges").unwrap().shape(), (n, l));
            }
            assert!(sketch.matrix::<f32>(usize::MAX / 2, usize::MAX / 2, 0, "edges").is_err());
            assert!(sketch.matrix::<f32>(1 << 62, 0, 0, "edges").is_err());
            assert_eq!(sketch.matrix::<f32>(1 << 40, 0, 0, "edges").unwrap().ncols(), 0);
        }
        assert!(Sketch::SparseSign { nonzeros: 0 }.matrix::<f64>(3, 2, 0, "edges").is_err());
        assert!(Sketch::Hadamard.matrix::<f64>(2, 3, 0, "edges").is_err());
    }
}
