use crate::{adapters, batch, expected, folder, load};
use lowrank::Scalar;
use lowrank::faer::Mat;
use lowrank::io::{PeftFolder, Safetensors};
use lowrank::layers::adapter::Method;
use lowrank_trainer::encoder::{Encoder, Loading, Pooling, Training};
use lowrank_trainer::model::{Group, Model, Set};
use lowrank_trainer::text::Tokens;
use lowrank_trainer::training::{Event, Settings, Trainer};

const FAMILIES: [&str; 2] = ["bert", "roberta"];

/// The largest difference, over the largest magnitude.
fn distance<T: Scalar>(found: &[T], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0f64, |a, x| a.max(x.abs()));
    found.iter().zip(expected).fold(0.0f64, |a, (x, y)| a.max((x.as_f64() - y).abs())) / largest
}

fn columns<T: Scalar>(a: &Mat<T>) -> Vec<T> {
    (0..a.ncols()).flat_map(|j| a.col_as_slice(j).to_vec()).collect()
}

#[test]
fn hidden_states_and_logits_are_those_of_hugging_face() {
    fn check<T: Scalar>(bound: f64) {
        for name in FAMILIES {
            let (encoder, file) = (load::<T>(name), expected(name));
            let (sequences, _) = batch(name);
            let inputs: Vec<&Tokens> = sequences.iter().collect();
            let hidden = encoder.hidden_states(&inputs).unwrap();
            assert_eq!(hidden.len(), 3);
            for (layer, hidden) in hidden.iter().enumerate() {
                let parts =
                    (0..inputs.len()).map(|k| file.array::<f64>(&format!("hidden.{layer}.{k}")).unwrap());
                let expected: Vec<f64> = parts.flatten().collect();
                let error = distance(&columns(hidden), &expected);
                assert!(error <= bound, "{name} {} layer {layer}: {error}", T::NAME);
            }
            let logits = columns(&encoder.logits(&inputs).unwrap());
            let error = distance(&logits, &file.array::<f64>("logits").unwrap().into_raw_vec_and_offset().0);
            assert!(error <= bound, "{name} {} logits: {error}", T::NAME);
            println!("{name} {}: {error:e}", T::NAME);
        }
    }
    check::<f32>(1e-5);
    check::<f64>(1e-10);
}

/// The LoRA adapter that PEFT wrote, its logits, loss and gradients.
#[test]
fn gradients_are_those_of_peft() {
    for name in FAMILIES {
        let (file, (sequences, labels)) = (expected(name), batch(name));
        let adapter = Safetensors::open(folder(name).join("adapter/adapter_model.safetensors")).unwrap();
        let read = PeftFolder::<f32>::read(folder(name).join("adapter")).unwrap();
        assert_eq!((read.layers.len(), read.heads.len()), (4, if name == "bert" { 2 } else { 4 }));
        let mut encoder = load::<f64>(name).adapt(&adapters(Method::Lora { rank: 2 }), 0).unwrap();
        // B by columns, then A by columns.
        let factors = |file: &Safetensors, start: &str, layer: &str| -> Vec<f64> {
            let factor =
                |which: &str| columns(&file.matrix(&format!("{start}{layer}.{which}.weight")).unwrap());
            [factor("lora_B"), factor("lora_A")].concat()
        };
        let mut groups = encoder.groups();
        for group in &mut groups {
            if let Some(layer) = group.name.strip_suffix(".adapter") {
                group.values = factors(&adapter, &format!("base_model.model.{name}."), layer);
            }
        }
        encoder.set(&groups).unwrap();
        let inputs: Vec<&Tokens> = sequences.iter().collect();
        let logits = columns(&encoder.logits(&inputs).unwrap());
        let expected_logits = file.array::<f64>("adapted.logits").unwrap().into_raw_vec_and_offset().0;
        assert!(distance(&logits, &expected_logits) < 1e-10);
        let (loss, gradients) = encoder.gradient(&inputs, &labels).unwrap();
        assert!((loss - file.array::<f64>("adapted.loss").unwrap()[[0]]).abs() < 1e-10);
        for (group, gradient) in groups.iter().zip(&gradients) {
            let expected = match group.name.strip_suffix(".adapter") {
                Some(layer) => factors(&file, &format!("gradient.{name}."), layer),
                None => {
                    let name = group.name.replace("classifier.", "classifier.modules_to_save.");
                    let array = file.array::<f64>(&format!("gradient.{name}")).unwrap();
                    array.t().iter().copied().collect()
                }
            };
            let error = distance(gradient, &expected);
            assert!(error < 1e-10, "{name} {}: {error}", group.name);
        }
    }
}

#[test]
fn a_ragged_batch_is_its_sequences_one_by_one() {
    for name in FAMILIES {
        let encoder = load::<f64>(name);
        let (sequences, labels) = batch(name);
        let inputs: Vec<&Tokens> = sequences.iter().collect();
        let together = encoder.logits(&inputs).unwrap();
        let mut mean = 0.0;
        for (k, input) in inputs.iter().enumerate() {
            let alone = encoder.logits(&[input]).unwrap();
            assert!(distance(alone.col_as_slice(0), together.col_as_slice(k)) < 1e-13);
            mean += encoder.gradient(&[input], &labels[k..k + 1]).unwrap().0 / 5.0;
        }
        assert!((mean - encoder.gradient(&inputs, &labels).unwrap().0).abs() < 1e-13);
    }
}

/// Sequences of 1 to 12 tokens.
fn ragged(count: u32) -> Vec<Tokens> {
    let sequence = |k: u32| {
        let ids: Vec<u32> = (0..1 + (k * 7) % 12).map(|i| 2 + (i * 5 + k) % 60).collect();
        Tokens { types: vec![k % 2; ids.len()], ids }
    };
    (0..count).map(sequence).collect()
}

#[test]
fn threads_change_no_bit() {
    let sequences = ragged(130);
    let inputs: Vec<&Tokens> = sequences.iter().collect();
    let labels: Vec<usize> = (0..inputs.len()).map(|k| k % 3).collect();
    for training in [Training::Full, adapters(Method::Lsr { terms: 3, ranks: (2, 1), shapes: None })] {
        let encoder = load::<f32>("bert").adapt(&training, 3).unwrap();
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| (encoder.logits(&inputs).unwrap(), encoder.gradient(&inputs, &labels).unwrap()))
        };
        let first = run(1);
        assert!(run(2) == first && run(3) == first && run(8) == first);
    }
}

#[test]
fn threads_change_no_bit_of_a_training() {
    let sequences = ragged(320); // two batches of several pieces, each for one thread
    let labels = (0..sequences.len()).map(|k| k % 3).collect();
    let set = Set { inputs: sequences, labels, classes: 3 };
    for training in [Training::Full, adapters(Method::Lora { rank: 2 })] {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let model = load::<f32>("bert").adapt(&training, 3).unwrap();
                let settings = Settings { epochs: 2, batch: 160, ..Default::default() };
                let (mut trainer, mut losses) = (Trainer::new(model, settings).unwrap(), Vec::new());
                let seen = |event: Event<'_>| {
                    if let Event::Step { loss, .. } = event {
                        losses.push(loss.to_bits());
                    }
                    Ok(())
                };
                trainer.fit(&set, &set, None, seen).unwrap();
                (losses, trainer.model.groups())
            })
        };
        let (losses, groups) = run(1);
        assert!(losses.len() == 4 && losses[3] != losses[0]);
        for threads in [2, 3] {
            let (found, others) = run(threads);
            assert_eq!(found, losses, "{threads} threads");
            let bits = |group: &Group<f32>| group.values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert!(others.iter().map(bits).eq(groups.iter().map(bits)), "{threads} threads");
        }
    }
}

#[test]
fn a_rounded_base_is_near() {
    for name in FAMILIES {
        let (sequences, _) = batch(name);
        let inputs: Vec<&Tokens> = sequences.iter().collect();
        let exact = load::<f64>(name).logits(&inputs).unwrap();
        let rounded: Encoder<f64> =
            Encoder::load(folder(name), &Loading { rounded: true, ..Default::default() }).unwrap();
        let error = distance(&columns(&rounded.logits(&inputs).unwrap()), &columns(&exact));
        println!("{name}: bf16 {error:e}");
        assert!(error > 0.0 && error < 2e-2, "{name}: {error}");
        // Adapters stand beside the rounded numbers.
        let adapted = rounded.adapt(&adapters(Method::Lora { rank: 2 }), 1).unwrap();
        assert!(
            distance(
                &columns(&adapted.logits(&inputs).unwrap()),
                &columns(&rounded.logits(&inputs).unwrap())
            ) < 1e-13
        );
    }
}

#[test]
fn the_mean_of_tokens_is_pooled() {
    let loading = Loading { pooling: Pooling::Mean, ..Default::default() };
    let encoder: Encoder<f64> = Encoder::load(folder("bert"), &loading).unwrap();
    let (sequences, _) = batch("bert");
    let logits = encoder.logits(&[&sequences[1]]).unwrap();
    let hidden = encoder.hidden_states(&[&sequences[1]]).unwrap().pop().unwrap();
    let file = Safetensors::open(folder("bert").join("model.safetensors")).unwrap();
    let (w, b) =
        (file.matrix::<f64>("classifier.weight").unwrap(), file.array::<f64>("classifier.bias").unwrap());
    for i in 0..3 {
        let mean = |k: usize| (0..5).map(|j| hidden[(k, j)]).sum::<f64>() / 5.0;
        let expected = b[[i]] + (0..32).map(|k| w[(i, k)] * mean(k)).sum::<f64>();
        assert!((logits[(i, 0)] - expected).abs() < 1e-13);
    }
}

#[test]
fn what_was_trained_in_full_is_exported_and_read_again() {
    for name in FAMILIES {
        let encoder = load::<f32>(name).adapt(&Training::Full, 0).unwrap();
        let place = tempfile::tempdir().unwrap();
        lowrank_trainer::finetune::export::write(&encoder, "base", place.path()).unwrap();
        std::fs::copy(folder(name).join("config.json"), place.path().join("config.json")).unwrap();
        let again: Encoder<f32> = Encoder::load(place.path(), &Loading::default()).unwrap();
        let (sequences, _) = batch(name);
        let inputs: Vec<&Tokens> = sequences.iter().collect();
        assert_eq!(again.logits(&inputs).unwrap(), encoder.logits(&inputs).unwrap(), "{name}");
    }
}
