//! The time of a training step of an encoder with adapters, on the CPU or a GPU, as one line of JSON:
//! `benches/peers/encoder_cuda.py` runs it beside PyTorch.

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use lowrank::layers::adapter::Method;
use lowrank_trainer::cuda::{self, Precision};
use lowrank_trainer::encoder::{Encoder, Loading, Training};
use lowrank_trainer::model::{Model, Set};
use lowrank_trainer::text::Tokens;
use lowrank_trainer::training::{Settings, Trainer};
use std::path::PathBuf;
use std::time::Instant;

/// Times training steps of an encoder with adapters on query and value.
#[derive(Debug, Parser)]
struct Options {
    /// A folder with config.json and model.safetensors.
    #[arg(long)]
    model: PathBuf,
    #[arg(long, value_enum, default_value_t = Device::Cuda)]
    device: Device,
    /// How products are computed on a GPU; the CPU takes f32, and bf16 as a way to store.
    #[arg(long, value_enum, default_value_t = Number::F32)]
    precision: Number,
    /// Sequences a step.
    #[arg(long, default_value_t = 16)]
    sequences: usize,
    /// Tokens a sequence.
    #[arg(long, default_value_t = 64)]
    length: usize,
    /// The rank of LoRA.
    #[arg(long, default_value_t = 8)]
    rank: usize,
    /// The terms of LSR of rank 2 x 2, instead of LoRA.
    #[arg(long)]
    terms: Option<usize>,
    /// Steps that are timed, after three that are not.
    #[arg(long, default_value_t = 20)]
    steps: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Device {
    Cpu,
    Cuda,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Number {
    F32,
    Tf32,
    Bf16,
}

fn main() -> Result<()> {
    let options = Options::parse();
    ensure!(
        options.steps > 0 && options.sequences > 0 && options.length > 0,
        "sizes and steps from 1 on are needed"
    );
    let rounded = options.precision == Number::Bf16;
    let base = Encoder::<f32>::load(&options.model, &Loading { rounded, ..Default::default() })?;
    let method = match options.terms {
        Some(terms) => Method::Lsr { terms, ranks: (2, 2), shapes: None },
        None => Method::Lora { rank: options.rank },
    };
    let targets = ["query", "value"].map(String::from).to_vec();
    let encoder = base.adapt(&Training::Adapter { method, scaling: 2.0, targets, layers: None }, 0)?;
    let precision = match options.precision {
        Number::F32 => Precision::F32,
        Number::Tf32 => Precision::Tf32,
        Number::Bf16 => Precision::Bf16,
    };
    let vocabulary = encoder.config().vocabulary;
    match options.device {
        Device::Cpu => measure(&options, vocabulary, encoder, "cpu"),
        Device::Cuda => {
            let encoder = cuda::Encoder::new(&encoder, precision)?;
            let name = encoder.device()?;
            measure(&options, vocabulary, encoder, &name)
        }
    }
}

fn measure<M: Model<f32, Input = Tokens>>(
    options: &Options,
    vocabulary: usize,
    model: M,
    device: &str,
) -> Result<()> {
    // The same tokens as in encoder_cuda.py; the first five of a vocabulary are special.
    let id = |k: usize, i: usize| (5 + (7 * i + 13 * k) % (vocabulary - 5)) as u32;
    let sequence = |k: usize| Tokens {
        ids: (0..options.length).map(|i| id(k, i)).collect(),
        types: vec![0; options.length],
    };
    let inputs: Vec<Tokens> = (0..options.sequences).map(sequence).collect();
    let labels = (0..options.sequences).map(|k| k % 2).collect();
    let (set, batch) = (Set { inputs, labels, classes: 2 }, (0..options.sequences).collect::<Vec<_>>());
    let mut trainer = Trainer::new(model, Settings::default())?;
    let loss = trainer.step(&set, &batch)?; // before anything was trained
    (0..2).try_for_each(|_| trainer.step(&set, &batch).map(drop))?;
    let mut seconds = Vec::new();
    for _ in 0..options.steps {
        let start = Instant::now();
        trainer.step(&set, &batch)?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let (median, trained) = (seconds[seconds.len() / 2], trainer.model.trained());
    println!("{{\"device\": \"{device}\", \"loss\": {loss}, \"seconds\": {median}, \"trained\": {trained}}}");
    Ok(())
}
