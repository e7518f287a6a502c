//! Our side of the check with Hugging Face's PEFT; `benches/peers/peft_check.py` runs it.
//!
//! `BASE OUT`: reads the BERT or RoBERTa in the folder BASE, puts each adapter that is of low rank beside its queries
//! and values, with numbers as after a training, moves the head, and writes into `OUT/METHOD` what a training exports
//! and `ours.safetensors`: sequences of tokens `tokens.K`, the logits (sequences, classes) of
//! the encoder with its adapters and with them merged, `logits` and `merged`; for each adapted layer inputs
//! `PATH.x` (samples, n), outputs without bias `PATH.y` (samples, m), and, for SVD-LoRA, the truncated weight
//! `PATH.base` beside which the adapter stands. Without arguments nothing is done.

use anyhow::{Context, Result};
use lowrank::Scalar;
use lowrank::faer::Mat;
use lowrank::io::write_safetensors;
use lowrank::layers::adapter::{Adapted, Method};
use lowrank::matrix::array_of;
use lowrank::ndarray::{Array1, ArrayD};
use lowrank::random::gaussian;
use lowrank_trainer::encoder::{Config, Encoder, Loading, Training};
use lowrank_trainer::finetune;
use lowrank_trainer::layer::Weight;
use lowrank_trainer::model::Model;
use lowrank_trainer::text::Tokens;
use std::path::Path;

const SAMPLES: usize = 32;
const SCALING: f64 = 1.7;
const METHODS: [(&str, Method); 7] = [
    ("lora", Method::Lora { rank: 8 }),
    ("dora", Method::Dora { rank: 4 }),
    ("lsr", Method::Lsr { terms: 3, ranks: (2, 2), shapes: None }),
    // One term: LoRA's factors are Kronecker products.
    ("krona-in-factors", Method::Lsr { terms: 1, ranks: (2, 2), shapes: None }),
    ("kadaptation", Method::KAdaptation { terms: 2, rank: 2 }),
    ("svd-lora", Method::SvdLora { rank: 6, inner_rank: 3, with_values: false }),
    ("svd-lora-with-values", Method::SvdLora { rank: 6, inner_rank: 3, with_values: true }),
];

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let [base, out] = &words[..] else { return Ok(()) };
    let base = Encoder::<f32>::load(base, &Loading::default())?;
    for (name, method) in METHODS {
        export(&base, method, &Path::new(out).join(name))?;
    }
    Ok(())
}

fn export(base: &Encoder<f32>, method: Method, folder: &Path) -> Result<()> {
    let targets = vec!["query".to_string(), "value".to_string()];
    let mut encoder =
        base.adapt(&Training::Adapter { method, scaling: SCALING, targets, layers: None }, 0)?;
    let mut groups = encoder.groups();
    let mut k = 0;
    for (name, layer) in encoder.parts() {
        let Weight::Adapted(adapted) = &layer.weight else { continue };
        let group = groups.iter_mut().find(|group| group.name == format!("{name}.adapter"));
        group.context(name)?.values = trained(adapted.clone(), k)?.values();
        k += 1;
    }
    let head = groups.iter_mut().filter(|group| group.name.starts_with("classifier"));
    head.flat_map(|group| &mut group.values).for_each(|x| *x += 0.25);
    encoder.set(&groups)?;

    let mut arrays: Vec<(String, ArrayD<f32>)> = Vec::new();
    let mut put = |name: String, matrix: Mat<f32>| arrays.push((name, array_of(matrix.as_ref()).into_dyn()));
    for (k, (name, layer)) in encoder.parts().into_iter().enumerate() {
        let Weight::Adapted(adapted) = &layer.weight else { continue };
        let path = finetune::export::path(&encoder, &name);
        let x = gaussian::<f32>(adapted.base().ncols(), SAMPLES, k as u64, "inputs");
        put(format!("{path}.y"), adapted.step().forward(x.as_ref())?.transpose().to_owned());
        put(format!("{path}.x"), x.transpose().to_owned());
        if matches!(method, Method::SvdLora { .. }) {
            put(format!("{path}.base"), adapted.base().to_owned());
        }
    }
    let sequences = sequences(base.config());
    let inputs: Vec<&Tokens> = sequences.iter().collect();
    put("logits".into(), encoder.logits(&inputs)?.transpose().to_owned());
    put("merged".into(), encoder.adapt(&Training::Head, 0)?.logits(&inputs)?.transpose().to_owned());
    for (k, sequence) in sequences.iter().enumerate() {
        let ids: Vec<f32> = sequence.ids.iter().map(|id| *id as f32).collect();
        arrays.push((format!("tokens.{k}"), Array1::from(ids).into_dyn()));
    }
    finetune::export::write(&encoder, "base", folder)?;
    let views: Vec<_> = arrays.iter().map(|(name, array)| (name.as_str(), array.view())).collect();
    Ok(write_safetensors(folder.join("ours.safetensors"), &views, &[])?)
}

/// Sequences of 3 to 12 tokens, none of them the padding, which is 0 or 1.
fn sequences(config: &Config) -> Vec<Tokens> {
    let count = config.vocabulary as u32 - 2;
    let ids = |k: u32| (0..3 + k).map(|t| 2 + (7919 * (k + 1) * (t + 1)) % count).collect::<Vec<_>>();
    (0..10).map(ids).map(|ids| Tokens { types: vec![0; ids.len()], ids }).collect()
}

/// A layer whose update has about a fifth of the norm of its weight, and whose magnitudes have moved.
fn trained(mut layer: Adapted<f32>, seed: u64) -> Result<Adapted<f32>> {
    let parts = layer.adapter().parts().values().len();
    let noise = gaussian::<f32>(parts, 1, seed, "training");
    let mut values = layer.values();
    values[..parts].iter_mut().zip(noise.col_as_slice(0)).for_each(|(x, y)| *x = 0.3 * *y);
    values[parts..].iter_mut().for_each(|x| *x *= 1.1);
    layer.set_values(&values)?;
    // dW is of some degree d in the numbers: a few steps of scaling bring its norm there.
    let wanted = 0.2 * lowrank::matrix::frobenius(layer.base());
    for _ in 0..40 {
        let norm = SCALING * lowrank::matrix::frobenius(layer.adapter().delta().to_dense().as_ref());
        let factor = f32::of((wanted / norm).powf(0.25));
        values[..parts].iter_mut().for_each(|x| *x *= factor);
        layer.set_values(&values)?;
    }
    Ok(layer)
}
