use crate::{adapters, batch, load};
use lowrank::layers::adapter::Method;
use lowrank::random::gaussian;
use lowrank_trainer::encoder::{Encoder, Loading, Pooling, Training};
use lowrank_trainer::model::Model;
use lowrank_trainer::text::Tokens;

/// All trained numbers moved, so that no factor is zero.
fn moved(mut encoder: Encoder<f64>) -> Encoder<f64> {
    let mut groups = encoder.groups();
    for (k, group) in groups.iter_mut().enumerate() {
        let noise = gaussian::<f64>(group.values.len(), 1, k as u64, "a move");
        group.values.iter_mut().enumerate().for_each(|(i, x)| *x += 0.1 * noise[(i, 0)]);
    }
    encoder.set(&groups).unwrap();
    encoder
}

/// Compares with central differences, in up to `most` numbers of each group.
fn check(what: &str, encoder: Encoder<f64>, sequences: &[Tokens], labels: &[usize], most: usize) {
    let inputs: Vec<&Tokens> = sequences.iter().collect();
    let mut encoder = moved(encoder);
    let (_, gradients) = encoder.gradient(&inputs, labels).unwrap();
    let mut groups = encoder.groups();
    assert_eq!(gradients.len(), groups.len());
    for k in 0..groups.len() {
        let count = groups[k].values.len();
        assert_eq!(gradients[k].len(), count);
        let scale = gradients[k].iter().fold(0.0f64, |a, g| a.max(g.abs()));
        // The entries that matter most, and some others.
        let mut order: Vec<usize> = (0..count).collect();
        order.sort_by(|a, b| gradients[k][*b].abs().total_cmp(&gradients[k][*a].abs()));
        let chosen = order.iter().take(most.div_ceil(2)).chain(order.iter().rev().take(most / 2));
        for &i in chosen {
            let (h, value) = (1e-4, groups[k].values[i]);
            // A difference of fourth order.
            let mut at = |by: f64| {
                groups[k].values[i] = value + by;
                encoder.set(&groups).unwrap();
                encoder.gradient(&inputs, labels).unwrap().0
            };
            let difference = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
            at(0.0);
            let error = (difference - gradients[k][i]).abs();
            assert!(error <= 1e-7 * scale.max(1e-3), "{what}, {}: {error} of {scale}", groups[k].name);
        }
    }
}

#[test]
fn of_all_weights() {
    for name in ["bert", "roberta"] {
        let (sequences, labels) = batch(name);
        check(name, load(name).adapt(&Training::Full, 0).unwrap(), &sequences, &labels, 6);
    }
    let loading = Loading { pooling: Pooling::Mean, ..Default::default() };
    let encoder: Encoder<f64> = Encoder::load(crate::folder("bert"), &loading).unwrap();
    let (sequences, labels) = batch("bert");
    check("mean", encoder.adapt(&Training::Full, 0).unwrap(), &sequences, &labels, 2);
}

#[test]
fn of_every_adapter() {
    let (sequences, labels) = batch("bert");
    for method in [
        Method::Lora { rank: 2 },
        Method::Dora { rank: 2 },
        Method::Lsr { terms: 3, ranks: (2, 1), shapes: None },
        Method::KronA { left: None },
        Method::KAdaptation { terms: 2, rank: 2 },
        Method::LoKr { rank: 2, left: None },
        Method::SvdLora { rank: 6, inner_rank: 2, with_values: true },
    ] {
        check(
            &format!("{method:?}"),
            load("bert").adapt(&adapters(method), 4).unwrap(),
            &sequences,
            &labels,
            8,
        );
    }
}

/// The backward pass ends in the middle of a block.
#[test]
fn of_single_matrices() {
    let (sequences, labels) = batch("bert");
    let names = [
        "query",
        "attention.self.key",
        "value",
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
        "pooler.dense",
    ];
    for name in names {
        for layers in [None, Some(1..2)] {
            if name == "pooler.dense" && layers.is_some() {
                continue;
            }
            let method = Method::Lora { rank: 2 };
            let training = Training::Adapter { method, scaling: 0.7, targets: vec![name.into()], layers };
            check(name, load("bert").adapt(&training, 4).unwrap(), &sequences, &labels, 6);
        }
    }
    check("head", load("roberta").adapt(&Training::Head, 0).unwrap(), &batch("roberta").0, &labels, 6);
}
