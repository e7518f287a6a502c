//! Our side of `benches/peers/encoder.py`, which times a training step beside PyTorch's and PEFT's.
//!
//! - `--serve FOLDER DEVICE PRECISION` reads the encoder in a folder and then a line `METHOD SEQUENCES TOKENS STEPS` at
//!   a time, takes so many steps on a batch of so many sequences of so many tokens, and answers with the median of
//!   the seconds a step, the first loss and how many numbers are trained; at `memory` with the largest memory it has
//!   held so far, in MB: the host's and the device's.
//! - otherwise a tiny encoder takes two steps with each method on the CPU.
//!
//! DEVICE PRECISION is `cpu f32`, `cpu bf16` (what is frozen is stored so), or, with the feature `cuda`, `cuda f32`,
//! `cuda tf32`, `cuda bf16`. A method is `head`, `lora-R`, `lsr-S` (r = 2 x 2), `full`. A step is forward, backward,
//! clipping and AdamW on the trained numbers; three that are not timed come first.

use anyhow::{Context, Result, bail, ensure};
use lowrank::layers::adapter::Method;
use lowrank_experiments::measure::{median, peak_memory};
use lowrank_trainer::encoder::{Encoder, Loading, Training};
use lowrank_trainer::model::Model;
use lowrank_trainer::optimizer::AdamW;
use lowrank_trainer::text::Tokens;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

/// Steps that are not timed: a device's memory, for one, is had in them.
const UNTIMED: usize = 3;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--serve", folder, device, precision] => serve(Side::new(folder.as_ref(), device, precision)?),
        [] | ["--quick"] => {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoints/bert");
            for precision in ["f32", "bf16"] {
                let mut side = Side::new(&folder, "cpu", precision)?;
                for method in ["head", "lora-2", "lsr-3", "full"] {
                    println!("{precision} {method}: {}", side.run(&format!("{method} 3 5 2"))?);
                }
            }
            Ok(())
        }
        _ => bail!("no arguments, or --serve FOLDER DEVICE PRECISION"),
    }
}

fn serve(mut side: Side) -> Result<()> {
    for line in std::io::stdin().lock().lines() {
        match line?.as_str() {
            "memory" => {
                let host = peak_memory().context("the system does not tell the memory")?;
                println!("{} {}", host / f64::from(1 << 20), side.held as f64 / f64::from(1 << 20));
            }
            line => println!("{}", side.run(line)?),
        }
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// An encoder and where it is trained.
struct Side {
    base: Encoder<f32>,
    /// The precision of its products on a GPU; none on the CPU.
    gpu: Option<String>,
    /// The most bytes held on the device.
    held: usize,
}

impl Side {
    fn new(folder: &Path, device: &str, precision: &str) -> Result<Self> {
        let gpu = match (device, precision) {
            ("cpu", "f32" | "bf16") => None,
            ("cuda", "f32" | "tf32" | "bf16") => Some(precision.to_string()),
            _ => bail!("{device} {precision}: cpu f32, cpu bf16, cuda f32, cuda tf32 or cuda bf16 is needed"),
        };
        let loading = Loading { rounded: precision == "bf16", ..Default::default() };
        Ok(Self { base: Encoder::load(folder, &loading)?, gpu, held: 0 })
    }

    /// The steps of a line.
    fn run(&mut self, line: &str) -> Result<String> {
        let [method, sequences, length, steps] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            bail!("`{line}` is not METHOD SEQUENCES TOKENS STEPS");
        };
        let training = match method.split_once('-') {
            None if method == "head" => Training::Head,
            None if method == "full" => Training::Full,
            Some(("lora", rank)) => adapters(Method::Lora { rank: rank.parse()? }),
            Some(("lsr", terms)) => {
                adapters(Method::Lsr { terms: terms.parse()?, ranks: (2, 2), shapes: None })
            }
            _ => bail!("`{method}` is no method"),
        };
        let (sequences, length, steps) = (sequences.parse::<u32>()?, length.parse::<u32>()?, steps.parse()?);
        ensure!(steps > 0, "at least one step is needed");
        let mut model = self.base.adapt(&training, 0)?;
        let count = u32::try_from(model.config().vocabulary)? - 10;
        let tokens = |k: u32| {
            // The same numbers on both sides.
            let ids = (0..length).map(|i| 5 + (k * 40_503 + i * 9_973) % count).collect();
            Tokens { ids, types: vec![0; length as usize] }
        };
        let batch: Vec<Tokens> = (0..sequences).map(tokens).collect();
        let labels: Vec<usize> = (0..batch.len()).map(|k| k % model.classes()).collect();
        match &self.gpu {
            None => measure(&mut model, &batch, &labels, steps),
            Some(precision) => {
                let (answer, held) = on_gpu(&model, precision, &batch, &labels, steps)?;
                self.held = self.held.max(held);
                Ok(answer)
            }
        }
    }
}

fn adapters(method: Method) -> Training {
    Training::Adapter { method, scaling: 2.0, targets: vec!["query".into(), "value".into()], layers: None }
}

/// The steps; the median of their seconds, the loss before the first, and how many numbers are trained.
fn measure<M: Model<f32, Input = Tokens>>(
    model: &mut M,
    batch: &[Tokens],
    labels: &[usize],
    steps: usize,
) -> Result<String> {
    let inputs: Vec<&Tokens> = batch.iter().collect();
    let optimizer = AdamW::default();
    let mut state = optimizer.start(&model.groups());
    let (mut seconds, mut first) = (Vec::new(), None);
    for _ in 0..UNTIMED + steps {
        let clock = Instant::now();
        let (loss, gradients) = model.gradient(&inputs, labels)?;
        let mut groups = model.groups();
        optimizer.step(&mut groups, &gradients, &mut state, |_| 1.0)?;
        model.set(&groups)?;
        seconds.push(clock.elapsed().as_secs_f64());
        first.get_or_insert(loss);
    }
    let first = first.context("no step was done")?;
    Ok(format!("{} {first} {}", median(seconds.split_off(UNTIMED)), model.trained()))
}

/// The same on a GPU, and the most bytes that were held there.
#[cfg(feature = "cuda")]
fn on_gpu(
    encoder: &Encoder<f32>,
    precision: &str,
    batch: &[Tokens],
    labels: &[usize],
    steps: usize,
) -> Result<(String, usize)> {
    use lowrank_trainer::cuda::{self, Precision};
    let precision = match precision {
        "tf32" => Precision::Tf32,
        "bf16" => Precision::Bf16,
        _ => Precision::F32,
    };
    let mut model = cuda::Encoder::new(encoder, precision)?;
    let answer = measure(&mut model, batch, labels, steps)?;
    Ok((answer, model.held()))
}

#[cfg(not(feature = "cuda"))]
fn on_gpu(_: &Encoder<f32>, _: &str, _: &[Tokens], _: &[usize], _: usize) -> Result<(String, usize)> {
    bail!("cuda: this program is built without CUDA: build with --features lowrank-trainer/cuda")
}
