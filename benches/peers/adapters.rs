//! A training step of one layer with an adapter: the update materialised, outputs, gradients of the inputs and of
//! the trained numbers.
//!
//! A line is `NAME f32 N RANK TOKENS`, NAME one of `frozen`, `lora`, `dora`, `lsr` (RANK terms of r = 2 x 2) and
//! `lokr`; the result is the gradient of the inputs, (N, TOKENS).

use super::Failure;
use lowrank::faer::Mat;
use lowrank::io;
use lowrank::layers::adapter::Method;
use lowrank::matmul::dense_into;
use lowrank::matrix::array_of;
use lowrank::random::gaussian;
use std::path::Path;
use std::time::Instant;

type Done<T> = std::result::Result<T, Failure>;

/// A weight (n, n), inputs and gradients of outputs (n, tokens), each entry of variance 1 / n.
pub fn write(folder: &Path, (n, tokens): (usize, usize)) -> Done<()> {
    for (name, columns, seed) in [("weight", n, 1), ("inputs", tokens, 2), ("outputs", tokens, 3)] {
        let scale = (n as f32).sqrt().recip();
        let matrix = gaussian::<f32>(n, columns, seed, name);
        let matrix = Mat::from_fn(n, columns, |i, j| scale * matrix[(i, j)]);
        let path = folder.join(format!("adapter_{name}_{n}_{tokens}.npy"));
        io::write_npy(path, array_of(&matrix).view().into_dyn())?;
    }
    Ok(())
}

/// Runs a workload; its seconds. None if there is no such one.
pub fn step(
    name: &str,
    folder: &Path,
    (n, rank, tokens): (usize, usize, usize),
    keep: bool,
) -> Done<Option<f64>> {
    let method = match name {
        "frozen" => None,
        "lora" => Some(Method::Lora { rank }),
        "dora" => Some(Method::Dora { rank }),
        "lsr" => Some(Method::Lsr { terms: rank, ranks: (2, 2), shapes: None }),
        "lokr" => Some(Method::LoKr { rank, left: None }),
        _ => return Ok(None),
    };
    let read = |name: &str| -> Done<Mat<f32>> {
        let array = io::read_npy_as::<f32>(folder.join(format!("adapter_{name}_{n}_{tokens}.npy")))?;
        Ok(Mat::from_fn(array.shape()[0], array.shape()[1], |i, j| array[[i, j]]))
    };
    let (w, x, dy) = (read("weight")?, read("inputs")?, read("outputs")?);
    let (seconds, gradient) = match method {
        None => {
            let clock = Instant::now();
            let (mut y, mut dx) = (Mat::zeros(n, tokens), Mat::zeros(n, tokens));
            dense_into(y.as_mut(), &w, &x)?;
            dense_into(dx.as_mut(), w.transpose(), &dy)?;
            (clock.elapsed().as_secs_f64(), dx)
        }
        Some(method) => {
            let layer = method.adapt(w.as_ref(), 1.0, 0)?;
            let clock = Instant::now();
            let step = layer.step();
            step.forward(x.as_ref())?;
            let found = step.backward(x.as_ref(), dy.as_ref())?;
            (clock.elapsed().as_secs_f64(), found.input)
        }
    };
    if keep {
        io::write_npy(folder.join("ours.npy"), array_of(&gradient).view().into_dyn())?;
    }
    Ok(Some(seconds))
}
