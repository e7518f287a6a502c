//! The encoder against Hugging Face's (`tests/checkpoints/make.py`), its gradients against differences, and
//! what it says of inputs that do not fit.

mod errors;
mod gradients;
mod reference;

use lowrank::Scalar;
use lowrank::io::Safetensors;
use lowrank_trainer::encoder::{Encoder, Loading, Training};
use lowrank_trainer::text::Tokens;
use std::path::PathBuf;

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoints").join(name)
}

fn load<T: Scalar>(name: &str) -> Encoder<T> {
    Encoder::load(folder(name), &Loading::default()).unwrap()
}

fn expected(name: &str) -> Safetensors {
    Safetensors::open(folder(name).join("expected.safetensors")).unwrap()
}

/// The sequences and labels that the reference was given.
fn batch(name: &str) -> (Vec<Tokens>, Vec<usize>) {
    let file = expected(name);
    let whole =
        |name: &str| -> Vec<u32> { file.array::<f64>(name).unwrap().iter().map(|x| *x as u32).collect() };
    let labels: Vec<usize> = whole("labels").iter().map(|x| *x as usize).collect();
    let tokens = |k| Tokens { ids: whole(&format!("ids.{k}")), types: whole(&format!("types.{k}")) };
    ((0..labels.len()).map(tokens).collect(), labels)
}

fn adapters(method: lowrank::layers::adapter::Method) -> Training {
    Training::Adapter { method, scaling: 1.5, targets: vec!["query".into(), "value".into()], layers: None }
}
