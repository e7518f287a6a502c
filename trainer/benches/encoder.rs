//! Our side of `benches/peers/encoder.py`, which times a training step beside PyTorch's and PEFT's.
//!
//! - `--serve FOLDER` reads a line `METHOD SEQUENCES TOKENS STEPS` at a time, takes so many steps on a batch of
//!   so many sequences of so many tokens, and answers with the median of the seconds a step and the first loss;
//!   at `memory` with the largest memory it has held so far, in MB.
//! - otherwise a tiny encoder takes two steps with each method.
//!
//! A step is forward, backward, clipping and AdamW on the trained numbers. A method is `head`, `lora-R`,
//! `lsr-S` (r = 2 x 2), `full`; at `bf16` the
//! encoder is read again and its frozen matrices are stored so.

use anyhow::{Context, Result, bail};
use lowrank::layers::adapter::Method;
use lowrank_trainer::encoder::{Encoder, Loading, Training};
use lowrank_trainer::model::Model;
use lowrank_trainer::optimizer::AdamW;
use lowrank_trainer::text::Tokens;
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--bench")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if let ["--serve", folder] = words[..] {
        let mut base = load(folder.as_ref(), false)?;
        for line in std::io::stdin().lock().lines() {
            let line = line?;
            match line.as_str() {
                "memory" => println!("{}", memory()?),
                "bf16" => {
                    base = load(folder.as_ref(), true)?;
                    println!("{}", memory()?);
                }
                line => println!("{}", run(&base, line)?),
            }
            std::io::stdout().flush()?;
        }
        return Ok(());
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoints/bert");
    for rounded in [false, true] {
        let base = load(&folder, rounded)?;
        for method in ["head", "lora-2", "lsr-3", "full"] {
            println!("{method}: {}", run(&base, &format!("{method} 3 5 2"))?);
        }
    }
    Ok(())
}

fn load(folder: &Path, rounded: bool) -> Result<Encoder<f32>> {
    Encoder::load(folder, &Loading { rounded, ..Default::default() })
}

/// Steps of a line; the median of their seconds, and the loss before the first.
fn run(base: &Encoder<f32>, line: &str) -> Result<String> {
    let [method, sequences, length, steps] = line.split_whitespace().collect::<Vec<_>>()[..] else {
        bail!("`{line}` is not METHOD SEQUENCES TOKENS STEPS");
    };
    let (sequences, length, steps) = (sequences.parse::<u32>()?, length.parse::<u32>()?, steps.parse()?);
    let training = match method.split_once('-') {
        None if method == "head" => Training::Head,
        None if method == "full" => Training::Full,
        Some(("lora", rank)) => adapters(Method::Lora { rank: rank.parse()? }),
        Some(("lsr", terms)) => adapters(Method::Lsr { terms: terms.parse()?, ranks: (2, 2), shapes: None }),
        _ => bail!("`{method}` is no method"),
    };
    let mut model = base.adapt(&training, 0)?;
    let ids = u32::try_from(model.config().vocabulary)? - 10;
    let tokens = |k: u32| {
        // The same numbers on both sides.
        let ids = (0..length).map(|i| 5 + (k * 40_503 + i * 9_973) % ids).collect();
        Tokens { ids, types: vec![0; length as usize] }
    };
    let batch: Vec<Tokens> = (0..sequences).map(tokens).collect();
    let inputs: Vec<&Tokens> = batch.iter().collect();
    let labels: Vec<usize> = (0..inputs.len()).map(|k| k % model.classes()).collect();
    let optimizer = AdamW::default();
    let mut state = optimizer.start(&model.groups());
    let (mut seconds, mut first) = (Vec::new(), None);
    for _ in 0..steps {
        let clock = Instant::now();
        let (loss, gradients) = model.gradient(&inputs, &labels)?;
        let mut groups = model.groups();
        optimizer.step(&mut groups, &gradients, &mut state, |_| 1.0)?;
        model.set(&groups)?;
        seconds.push(clock.elapsed().as_secs_f64());
        first.get_or_insert(loss);
    }
    seconds.sort_by(f64::total_cmp);
    let first = first.context("at least one step")?;
    Ok(format!("{} {first}", seconds[seconds.len() / 2]))
}

fn adapters(method: Method) -> Training {
    Training::Adapter { method, scaling: 2.0, targets: vec!["query".into(), "value".into()], layers: None }
}

/// The largest memory held so far, MB (Linux).
fn memory() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:")).context("VmHWM")?;
    let kilobytes: f64 = line.split_whitespace().nth(1).context("VmHWM")?.parse()?;
    Ok(kilobytes / 1024.0)
}
