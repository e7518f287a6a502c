//! Our side of the comparison with the Python packages of the same kind; `benches/peers/compare.py`
//! runs it, and the others on the same inputs, and prints the table.
//!
//! - `--inputs DIR WORD..` writes inputs to a folder, as npy and npz files: `N` matrices, `tensor:N` a
//!   tensor, `train:N:RANK:ORDER` tensor trains, `adapter:N:TOKENS` a layer's weight and tokens.
//! - `--serve DIR` reads a workload a line, runs it once, and answers with its seconds. A line is
//!   `NAME SCALAR N RANK STEPS`, with `seed K` where the seed is not 0, and with `keep` at its end where
//!   the result is to go to `DIR/ours.npy`.
//! - otherwise every workload runs once in small, in a temporary folder.

#[path = "peers/adapters.rs"]
mod adapters;
#[path = "peers/tensors.rs"]
mod tensors;

use lowrank::faer::Mat;
use lowrank::kronecker::Kronecker;
use lowrank::matmul::{Factorization, Method, Operand, chain_into, dense_into, factorize};
use lowrank::matrix::array_of;
use lowrank::ndarray::{Array2, ArrayD, Ix2};
use lowrank::random::with_spectrum;
use lowrank::separated::{Nearest, SeparationRank, nearest};
use lowrank::svd::{Lanczos, Randomized, Rank, Svd, dense, lanczos, randomized};
use lowrank::{LowRank, Result, Scalar, TensorTrain, io};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Rank of the factors that the two-sided product is given.
const RANK: usize = 64;

type Failure = Box<dyn std::error::Error>;

fn main() -> std::result::Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--bench")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["--inputs", folder, ref words @ ..] => {
            for word in words {
                write(Path::new(folder), word)?;
            }
        }
        ["--serve", folder] => {
            let mut bench = Bench::new(folder);
            for line in std::io::stdin().lock().lines() {
                println!("{}", bench.run(&line?)?);
                std::io::stdout().flush()?;
            }
        }
        _ => small()?,
    }
    Ok(())
}

/// The inputs of a word.
fn write(folder: &Path, word: &str) -> std::result::Result<(), Failure> {
    match word.split(':').collect::<Vec<_>>()[..] {
        ["tensor", n] => tensors::write_tensor(folder, n.parse()?),
        ["adapter", n, tokens] => adapters::write(folder, (n.parse()?, tokens.parse()?)),
        ["train", n, rank, order] => {
            tensors::write_trains(folder, (n.parse()?, rank.parse()?, order.parse()?))
        }
        _ => Ok(write_matrices(folder, word.parse()?)?),
    }
}

/// Two matrices (n, n) with the singular values 1, 1/2, 1/3, ..., and factors of both.
fn write_matrices(folder: &Path, n: usize) -> Result<()> {
    let spectrum: Vec<f64> = (1..=n).map(|i| 1.0 / i as f64).collect();
    for (name, seed) in [("a", 1), ("b", 2)] {
        let a = with_spectrum::<f64>(n, n, &spectrum, seed);
        let single = Mat::from_fn(n, n, |i, j| a[(i, j)] as f32);
        io::write_npy(folder.join(format!("{name}_f64_{n}.npy")), array_of(&a).view().into_dyn())?;
        io::write_npy(folder.join(format!("{name}_f32_{n}.npy")), array_of(&single).view().into_dyn())?;
        let method = Method::Randomized { oversampling: 10, power_iterations: 2, seed: 0 };
        let factors = factorize(&a, &Factorization { rank: Rank::Fixed(RANK.min(n)), method })?.factors;
        io::save(folder.join(format!("{name}_factors_f64_{n}.npz")), &factors)?;
    }
    Ok(())
}

fn small() -> std::result::Result<(), Failure> {
    let folder = std::env::temp_dir().join(format!("lowrank-peers-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let run = || -> std::result::Result<(), Failure> {
        for word in ["200", "tensor:20", "train:4:4:6", "adapter:48:32"] {
            write(&folder, word)?;
        }
        let mut bench = Bench::new(&folder);
        for line in [
            "randomized f64 200 16 1 seed 1",
            "randomized f32 200 16 1",
            "truncated f64 200 16 0",
            "svd f64 200 0 0",
            "nearest f64 200 8 2",
            "two_sided f64 200 0 0",
            "product f64 200 0 0",
            "product f32 200 0 0",
            "kronecker f64 200 3 2",
            "hosvd f32 20 4 0",
            "cp f64 20 3 2",
            "mttkrp f64 20 5 1",
            "round f64 4 4 6",
            "inner f64 4 4 6",
            "hadamard f64 4 4 6",
            "cross f64 8 0 3",
            "frozen f32 48 0 32",
            "lora f32 48 4 32",
            "lsr f32 48 2 32",
            "dora f32 48 4 32",
            "lokr f32 48 4 32",
        ] {
            println!("{line}: {} s", bench.run(line)?);
        }
        Ok(())
    };
    let done = run();
    std::fs::remove_dir_all(&folder)?;
    done
}

/// The matrices read so far, as they are in the files, row by row.
type Kept<T> = HashMap<String, Array2<T>>;

struct Bench {
    folder: PathBuf,
    double: Kept<f64>,
    single: Kept<f32>,
    tensors: (HashMap<String, ArrayD<f32>>, HashMap<String, ArrayD<f64>>),
    trains: HashMap<String, TensorTrain<f64>>,
}

impl Bench {
    fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            double: HashMap::new(),
            single: HashMap::new(),
            tensors: Default::default(),
            trains: HashMap::new(),
        }
    }

    /// Runs one workload; the seconds it took.
    fn run(&mut self, line: &str) -> std::result::Result<f64, Failure> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (words, keep) = match words[..] {
            [ref words @ .., "keep"] => (words, true),
            ref words => (words, false),
        };
        let (words, seed) = match *words {
            [ref words @ .., "seed", seed] => (words, seed.parse()?),
            ref words => (words, 0),
        };
        let [name, scalar, n, rank, steps] = *words else {
            return Err(format!("`{line}` is not NAME SCALAR N RANK STEPS").into());
        };
        let sizes @ (n, rank, steps) = (n.parse()?, rank.parse()?, steps.parse()?);
        let dense = match scalar {
            "f32" => tensors::dense(name, (&self.folder, &mut self.tensors.0), sizes, keep)?,
            _ => tensors::dense(name, (&self.folder, &mut self.tensors.1), sizes, keep)?,
        };
        if let Some(seconds) = dense {
            return Ok(seconds);
        }
        if let Some(seconds) = tensors::train(name, (&self.folder, &mut self.trains), sizes, keep)? {
            return Ok(seconds);
        }
        if let Some(seconds) = adapters::step(name, &self.folder, sizes, keep)? {
            return Ok(seconds);
        }
        let sizes = (n, rank, steps, seed);
        let folder = keep.then_some(self.folder.as_path());
        match scalar {
            "f64" => {
                read(&mut self.double, &self.folder, sizes.0)?;
                one(name, &self.folder, &self.double, sizes, folder)
            }
            "f32" => {
                read(&mut self.single, &self.folder, sizes.0)?;
                one(name, &self.folder, &self.single, sizes, folder)
            }
            _ => Err(format!("`{scalar}` is neither f32 nor f64").into()),
        }
    }
}

/// Reads both matrices of a size, once.
fn read<T: Scalar>(kept: &mut Kept<T>, folder: &Path, n: usize) -> std::result::Result<(), Failure> {
    for name in ["a", "b"] {
        if let Entry::Vacant(place) = kept.entry(format!("{name}{n}")) {
            let array = io::read_npy_as::<T>(folder.join(format!("{name}_{}_{n}.npy", T::NAME)))?;
            place.insert(array.into_dimensionality::<Ix2>()?);
        }
    }
    Ok(())
}

/// The nearest sum of `rank` Kronecker products of the shapes (p, q), (q, p), p the smallest divisor of n
/// from sqrt(n) on, as the decomposition of the rearranged matrix.
fn nearest_sum<T: Scalar>(a: &Array2<T>, n: usize, rank: usize) -> Result<Svd<T>> {
    let p = (n.isqrt()..=n).find(|&p| p * p >= n && n.is_multiple_of(p)).unwrap_or(n);
    let (shapes, rank) = ([(p, n / p), (n / p, p)], SeparationRank::Fixed(rank));
    let found = nearest(a, shapes, rank, Nearest::default())?.separated;
    let [u, v] = [0, 1].map(|i| found.modes()[i].clone());
    Ok(Svd { u, s: found.lambda().to_vec(), v })
}

/// The product of d factors, A, B, A, ..., each (n, n), with a block of this many columns, into memory that
/// is there: the seconds and the result.
fn kronecker<T: Scalar>(
    factors: [&Array2<T>; 2],
    n: usize,
    columns: usize,
    d: usize,
) -> std::result::Result<(f64, Mat<T>), Failure> {
    let a = Kronecker::new((0..d).map(|k| Mat::from_fn(n, n, |i, j| factors[k % 2][[i, j]])).collect())?;
    let rows = a.shape().1;
    // Whole numbers over 512, the same on both sides.
    let b = Mat::from_fn(rows, columns, |i, j| {
        T::of(((i * 2_654_435_761 + j * 40_503) % 1024) as f64 / 512.0 - 1.0)
    });
    let mut out = Mat::full(rows, columns, T::of(1.0));
    let clock = Instant::now();
    a.apply_into(out.as_mut(), &b)?;
    Ok((clock.elapsed().as_secs_f64(), out))
}

/// Runs one workload of size n, rank, power steps and seed; writes the result where it is to be kept.
fn one<T: Scalar>(
    name: &str,
    folder: &Path,
    kept: &Kept<T>,
    (n, rank, steps, seed): (usize, usize, usize, u64),
    keep: Option<&Path>,
) -> std::result::Result<f64, Failure> {
    let (a, b) = (&kept[&format!("a{n}")], &kept[&format!("b{n}")]);
    if name == "kronecker" {
        let (seconds, result) = kronecker([a, b], n, rank, steps)?;
        save(&result, keep)?;
        return Ok(seconds);
    }
    let mut out = Mat::<T>::full(n, n, T::of(1.0)); // memory that is there
    let mut pair = Vec::new();
    if name == "two_sided" {
        for name in ["a", "b"] {
            pair.push(io::load::<LowRank<T>>(folder.join(format!("{name}_factors_f64_{n}.npz")))?);
        }
    }
    let clock = Instant::now();
    let found: Option<Svd<T>> = match name {
        "randomized" => {
            let parameters = Randomized { power_iterations: steps, seed, ..Default::default() };
            Some(randomized(a, rank, &parameters)?)
        }
        "truncated" => Some(lanczos(a, rank, &Lanczos { tolerance: 1e-12, ..Default::default() })?.svd),
        "svd" => Some(dense(a)?),
        "nearest" => Some(nearest_sum(a, n, rank)?),
        "two_sided" => {
            chain_into(out.as_mut(), &[Operand::LowRank(&pair[0]), Operand::LowRank(&pair[1])])?;
            None
        }
        "product" => {
            dense_into(out.as_mut(), a, b)?;
            None
        }
        _ => return Err(format!("no workload `{name}`").into()),
    };
    let seconds = clock.elapsed().as_secs_f64();
    save(&found.map_or(out, |svd| svd.to_dense()), keep)?;
    Ok(seconds)
}

fn save<T: Scalar>(result: &Mat<T>, folder: Option<&Path>) -> Result<()> {
    match folder {
        Some(folder) => io::write_npy(folder.join("ours.npy"), array_of(result).view().into_dyn()),
        None => Ok(()),
    }
}
