//! The encoder's passes on a device against those on the CPU: on the emulated device, and on a GPU where there is one.

use super::emulated::Emulated;
use crate::cuda::backend::{Backend, Precision};
use crate::cuda::device::{self, Cuda};
use crate::cuda::encoder::Resident;
use crate::encoder::{Encoder, Loading, Pooling, Training};
use crate::model::{Group, Model};
use crate::text::Tokens;
use lowrank::layers::adapter::Method;
use lowrank::random::gaussian;
use std::path::{Path, PathBuf};

fn load(name: &str, pooling: Pooling) -> Encoder<f32> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/checkpoints").join(name);
    Encoder::load(folder, &Loading { pooling, ..Default::default() }).unwrap()
}

/// Sequences of several lengths.
fn batch() -> (Vec<Tokens>, Vec<usize>) {
    let sequence = |k: u32| {
        let length = [9, 3, 1, 10, 6][k as usize];
        let ids = (0..length).map(|i| (7 * i + 13 * k + 1) % 64).collect();
        Tokens { ids, types: vec![0; length as usize] }
    };
    ((0..5).map(sequence).collect(), vec![0, 1, 2, 1, 0])
}

/// The trained numbers, moved so that no factor is zero.
fn moved(encoder: &Encoder<f32>) -> Vec<Group<f32>> {
    let mut groups = encoder.groups();
    for (k, group) in groups.iter_mut().enumerate() {
        let noise = gaussian::<f32>(group.values.len(), 1, k as u64, "a move");
        group.values.iter_mut().enumerate().for_each(|(i, x)| *x += 0.1 * noise[(i, 0)]);
    }
    groups
}

/// What is trained, in all its kinds.
fn trainings() -> Vec<(&'static str, Training)> {
    let adapter = |method, targets: &[&str], layers| Training::Adapter {
        method,
        scaling: 1.5,
        targets: targets.iter().map(|x| x.to_string()).collect(),
        layers,
    };
    let lsr = Method::Lsr { terms: 3, ranks: (2, 2), shapes: None };
    let all = ["query", "key", "value", "attention.output.dense", "intermediate.dense"];
    let last = Some(1..2);
    vec![
        ("head", Training::Head),
        ("LoRA", adapter(Method::Lora { rank: 3 }, &["query", "value"], None)),
        ("LSR of the last layer", adapter(lsr, &["value"], last)),
        ("LSR", adapter(lsr, &all, None)),
        ("LoRA of the outer layer", adapter(Method::Lora { rank: 9 }, &["output.dense"], None)),
        ("all", Training::Full),
    ]
}

/// The largest difference relative to the largest number, over logits, loss and the groups of gradients.
fn difference<B: Backend>(device: B, encoder: &Encoder<f32>) -> f64 {
    let (sequences, labels) = batch();
    let inputs: Vec<&Tokens> = sequences.iter().collect();
    let (mut host, groups) = (encoder.clone(), moved(encoder));
    let mut there = Resident::new(device, encoder).unwrap();
    host.set(&groups).unwrap();
    there.set(&groups).unwrap();
    let (loss, gradients) = host.gradient(&inputs, &labels).unwrap();
    let (found, pulled) = there.gradient(&inputs, &labels).unwrap();
    let again = there.gradient(&inputs, &labels).unwrap();
    assert!(again == (found, pulled.clone()), "a second pass gives other numbers");
    let (logits, ours) = (host.logits(&inputs).unwrap(), there.logits(&inputs).unwrap());
    let columns = |m: &lowrank::faer::Mat<f32>| -> Vec<f32> {
        (0..m.ncols()).flat_map(|j| m.col_as_slice(j).to_vec()).collect()
    };
    let mut worst = relative(&columns(&ours), &columns(&logits));
    worst = worst.max(relative(&[found as f32], &[loss as f32]));
    assert_eq!(gradients.len(), pulled.len());
    for ((a, b), group) in pulled.iter().zip(&gradients).zip(&groups) {
        // The gradient of the keys' bias is zero but for rounding.
        if !group.name.ends_with("key.bias") {
            worst = worst.max(relative(a, b));
        }
    }
    // One sequence alone, after the larger batch.
    let alone = there.logits(&inputs[1..2]).unwrap();
    worst.max(relative(alone.col_as_slice(0), ours.col_as_slice(1)))
}

fn relative(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let largest = b.iter().fold(1e-30f64, |a, x| a.max(f64::from(*x).abs()));
    let of = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).abs() / largest;
    a.iter().zip(b).map(of).fold(0.0, |a, x| if x.is_nan() { f64::INFINITY } else { a.max(x) })
}

fn emulated(reversed: bool) -> Emulated {
    Emulated { precision: Precision::F32, reversed }
}

fn encoders() -> Vec<(String, Encoder<f32>)> {
    let mut out = Vec::new();
    for (name, pooling) in [("bert", Pooling::First), ("bert", Pooling::Mean), ("roberta", Pooling::First)] {
        for (what, training) in trainings() {
            let encoder = load(name, pooling).adapt(&training, 3).unwrap();
            out.push((format!("{name}, {pooling:?}, {what}"), encoder));
        }
    }
    out
}

#[test]
fn on_the_emulated_device_as_on_the_cpu() {
    for (k, (name, encoder)) in encoders().iter().enumerate() {
        let found = difference(emulated(k % 2 == 1), encoder);
        assert!(found <= 1e-5, "{name}: {found}");
    }
}

/// The largest difference of logits, losses and gradients, relative to the largest of their numbers.
///
/// F32: as everywhere. The others: about 32 products stand in a row here, two blocks and a head forward and backward.
/// Rounding moves each of their two operands by up to the unit roundoff u, 2^-11 for 10 bits of the fraction and 2^-9
/// for 7, which makes 64 u; twice that, since tensor cores may cut instead, and since some gradients are small
/// differences of larger numbers. Emulated, the largest of all are 47 u and 87 u.
fn tolerance(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 1e-5,
        Precision::Tf32 => 128.0 * 2f64.powi(-11),
        Precision::Bf16 => 128.0 * 2f64.powi(-9),
    }
}

/// Whether this machine has a GPU: a file of the driver's, or one that the driver finds without it.
fn gpu_is_there() -> bool {
    ["/dev/nvidia0", "/dev/nvidiactl"].iter().any(|file| Path::new(file).exists()) || device::count() > 0
}

#[test]
fn on_a_gpu_as_on_the_cpu() {
    if !gpu_is_there() {
        println!("not run: this machine has no NVIDIA GPU");
        return;
    }
    for precision in [Precision::F32, Precision::Tf32, Precision::Bf16] {
        for (name, encoder) in encoders() {
            let device = match Cuda::new(precision) {
                Err(error) if error.to_string().contains("8.0 for bf16") => break, // an older GPU has none
                device => device.unwrap_or_else(|error| panic!("{precision:?}: {error:#}")),
            };
            let found = difference(device, &encoder);
            assert!(found <= tolerance(precision), "{precision:?}, {name}: {found}");
        }
    }
}

#[test]
fn rounded_products_change_little() {
    for precision in [Precision::Tf32, Precision::Bf16] {
        for (name, encoder) in encoders() {
            let found = difference(Emulated { precision, reversed: false }, &encoder);
            assert!(found > 1e-5 && found <= tolerance(precision), "{precision:?}, {name}: {found}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let (sequences, labels) = batch();
    let encoder = load("bert", Pooling::First).adapt(&trainings()[1].1, 3).unwrap();
    let mut there = Resident::new(emulated(false), &encoder).unwrap();
    let text = |error: anyhow::Error| format!("{error:#}");
    let inputs: Vec<&Tokens> = sequences.iter().collect();
    assert!(text(there.logits(&[]).unwrap_err()).contains("empty batch"));
    assert!(text(there.gradient(&inputs, &labels[1..]).unwrap_err()).contains("4 labels for 5"));
    let foreign = Tokens { ids: vec![64], types: vec![0] };
    assert!(text(there.logits(&[&foreign]).unwrap_err()).contains("vocabulary"));
    let mut groups = there.groups();
    groups[0].values[0] = f32::NAN;
    assert!(there.set(&groups).is_err());

    // Numbers that are finite, but too large for what follows.
    let mut groups = there.groups();
    groups[2].values.iter_mut().for_each(|x| *x = 1e30);
    there.set(&groups).unwrap();
    let error = text(there.gradient(&inputs, &labels).unwrap_err());
    assert!(error.contains("encoder.layer.1"), "{error}");

    for method in [Method::KronA { left: None }, Method::Dora { rank: 2 }] {
        let targets = vec!["query".into()];
        let training = Training::Adapter { method, scaling: 1.0, targets, layers: None };
        let encoder = load("bert", Pooling::First).adapt(&training, 3).unwrap();
        let error = text(Resident::new(emulated(false), &encoder).err().unwrap());
        assert!(error.contains("query") && error.contains("cpu"), "{error}");
    }
}

#[test]
fn without_a_gpu_the_error_says_what_is_missing() {
    if !gpu_is_there() {
        let text = format!("{:#}", Cuda::new(Precision::F32).err().unwrap());
        let missing = if device::driver_is_there() { "opens no GPU" } else { "libcuda.so" };
        assert!(text.contains("the device cpu works everywhere") && text.contains(missing), "{text}");
    }
}
