//! The workloads of tensors: dense ones (n, n, n) and tensor trains.
//!
//! A line is `NAME SCALAR N RANK STEPS` as for matrices; STEPS is the mode of `mttkrp`, the sweeps of `cp`
//! and the order of trains.

use super::Failure;
use lowrank::faer::{Mat, MatRef};
use lowrank::matrix::array_of;
use lowrank::ndarray::ArrayD;
use lowrank::random::gaussian;
use lowrank::tensor::cp::{CpAls, CpStart, cp_als};
use lowrank::tensor::train::{Cross, RandomizedRounding, Truncation, cross};
use lowrank::tensor::tucker::{Hosvd, Ranks, hosvd};
use lowrank::tensor::{Cp, mttkrp};
use lowrank::{Result, Scalar, TensorTrain, io};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::time::Instant;

/// Terms of the dense tensor below its noise, and columns of the factors written beside it.
const TERMS: (usize, usize) = (10, 32);

/// Sizes of a workload: n, rank, steps.
pub type Sizes = (usize, usize, usize);

type Done<T> = std::result::Result<T, Failure>;

/// Ten random terms and a tenth of noise, (n, n, n), and three other factors (n, 32).
pub fn write_tensor(folder: &Path, n: usize) -> Done<()> {
    let terms: Vec<Mat<f64>> = (0..3).map(|k| gaussian(n, TERMS.0, k, "terms")).collect();
    let noise = gaussian::<f64>(n * n, n, 3, "noise");
    let a = ArrayD::from_shape_fn(vec![n; 3], |i| {
        let term = |t: usize| terms[0][(i[0], t)] * terms[1][(i[1], t)] * terms[2][(i[2], t)];
        (0..TERMS.0).map(term).sum::<f64>() + 0.1 * noise[(i[0] * n + i[1], i[2])]
    });
    io::write_npy(folder.join(format!("tensor_f64_{n}.npy")), a.view())?;
    io::write_npy(folder.join(format!("tensor_f32_{n}.npy")), a.mapv(|x| x as f32).view())?;
    for k in 0..3 {
        let factor = gaussian::<f64>(n, TERMS.1, 10 + k, "factor");
        let path = folder.join(format!("factor{k}_{n}.npy"));
        io::write_npy(path, array_of(&factor).view().into_dyn())?;
    }
    Ok(())
}

/// A random train of this order, size and rank, and one whose singular values fall by 3 at each bond.
pub fn write_trains(folder: &Path, (n, rank, order): Sizes) -> Done<()> {
    let x = TensorTrain::<f64>::random(&vec![n; order], &vec![rank; order - 1], 1)?;
    io::save(folder.join(format!("random_{n}_{rank}_{order}.npz")), &x)?;
    let fall = |((_, _, b), x): ((usize, usize, usize), &mut f64)| *x *= 0.3_f64.powi(b as i32);
    let cores = x.into_cores().into_iter().map(|mut core| {
        core.indexed_iter_mut().for_each(fall);
        core
    });
    io::save(folder.join(format!("smooth_{n}_{rank}_{order}.npz")), &TensorTrain::new(cores.collect())?)?;
    Ok(())
}

/// What was read so far, by the name of the file: the other libraries keep theirs too.
pub type Kept<X> = HashMap<String, X>;

/// What is in this file, read once.
fn kept<X>(kept: &mut Kept<X>, file: String, read: impl FnOnce(&str) -> Result<X>) -> Done<&X> {
    Ok(match kept.entry(file) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(entry) => {
            let found = read(entry.key())?;
            entry.insert(found)
        }
    })
}

/// Runs a workload on a dense tensor; its seconds, and the result in `ours.npy`. None if there is no such one.
pub fn dense<T: Scalar>(
    name: &str,
    (folder, arrays): (&Path, &mut Kept<ArrayD<T>>),
    (n, rank, steps): Sizes,
    keep: bool,
) -> Done<Option<f64>> {
    if !["hosvd", "cp", "mttkrp"].contains(&name) {
        return Ok(None);
    }
    let read = |file: &str| io::read_npy_as::<T>(folder.join(file));
    let mut factor = |k: usize| -> Done<Mat<T>> {
        let factor = kept(arrays, format!("factor{k}_{n}.npy"), read)?;
        Ok(Mat::from_fn(n, rank, |i, j| factor[[i, j]]))
    };
    let factors = match name {
        "hosvd" => vec![],
        _ => vec![factor(0)?, factor(1)?, factor(2)?],
    };
    let a = kept(arrays, format!("tensor_{}_{n}.npy", T::NAME), read)?;
    let out = folder.join("ours.npy");
    let clock;
    match name {
        "hosvd" => {
            let ranks = Ranks::Fixed(vec![rank; 3]);
            clock = Instant::now();
            let found = hosvd(a.view(), &ranks, &Hosvd::default())?;
            let seconds = clock.elapsed().as_secs_f64();
            if keep {
                io::write_npy(out, found.tucker.to_dense()?.view())?;
            }
            Ok(Some(seconds))
        }
        "cp" => {
            let parameters = CpAls {
                condition_bound: f64::INFINITY,
                progress: 0.0,
                max_iterations: steps,
                start: CpStart::Warm(Cp::new(vec![T::of(1.0); rank], factors)?),
                extrapolate: false,
                ..Default::default()
            };
            clock = Instant::now();
            let found = cp_als(a.view(), rank, &parameters)?;
            let seconds = clock.elapsed().as_secs_f64();
            if keep {
                io::write_npy(out, found.cp.to_dense()?.view())?;
            }
            Ok(Some(seconds))
        }
        _ => {
            let views: Vec<MatRef<'_, T>> = factors.iter().map(|f| f.as_ref()).collect();
            clock = Instant::now();
            let found = mttkrp(a.view(), &views, steps)?;
            let seconds = clock.elapsed().as_secs_f64();
            if keep {
                io::write_npy(out, array_of(&found).view().into_dyn())?;
            }
            Ok(Some(seconds))
        }
    }
}

/// Runs a workload on trains; its seconds, and the result in `ours.npz`, or of `inner` in `ours.npy`. None
/// if there is no such one.
pub fn train(
    name: &str,
    (folder, trains): (&Path, &mut Kept<TensorTrain<f64>>),
    (n, rank, order): Sizes,
    keep: bool,
) -> Done<Option<f64>> {
    let file = |kind: &str| format!("{kind}_{n}_{rank}_{order}.npz");
    let needed: &[&str] = match name {
        "round" => &["random"],
        "hadamard" => &["smooth"],
        "inner" => &["random", "smooth"],
        _ => &[],
    };
    for kind in needed {
        kept(trains, file(kind), |file| io::load(folder.join(file)))?;
    }
    let ready = |kind| &trains[&file(kind)];
    let clock;
    let (seconds, found) = match name {
        "round" => {
            let x = ready("random");
            let x = x.plus(x)?; // of twice the rank
            clock = Instant::now();
            let found = x.round(Truncation::tolerance(1e-8))?;
            (clock.elapsed().as_secs_f64(), found.train)
        }
        "hadamard" => {
            let x = ready("smooth");
            let truncation = Truncation { max_rank: 2 * rank, tolerance: 1e-8 };
            let parameters = RandomizedRounding { truncation, ..Default::default() };
            clock = Instant::now();
            let found = x.hadamard_rounded(x, parameters)?;
            (clock.elapsed().as_secs_f64(), found.train)
        }
        "inner" => {
            let (x, y) = (ready("random"), ready("smooth"));
            clock = Instant::now();
            let found = x.inner(y)?;
            let seconds = clock.elapsed().as_secs_f64();
            if keep {
                io::write_npy(folder.join("ours.npy"), array_of(Mat::full(1, 1, found)).view().into_dyn())?;
            }
            return Ok(Some(seconds));
        }
        "cross" => {
            let step = 1.0 / (n - 1) as f64;
            let f = |i: &[usize]| 1.0 / (1.0 + i.iter().map(|&i| i as f64 * step).sum::<f64>());
            clock = Instant::now();
            let found = cross(f, &vec![n; order], Cross { tolerance: 4e-11, ..Default::default() })?;
            let seconds = clock.elapsed().as_secs_f64();
            if keep {
                eprintln!("ours: {} evaluations", found.evaluations);
            }
            (seconds, found.train)
        }
        _ => return Ok(None),
    };
    if keep {
        io::save(folder.join("ours.npz"), &found)?;
    }
    Ok(Some(seconds))
}
