//! Gradients against differences, the optimizer against PyTorch, the metrics against scikit-learn, resuming,
//! and what happens when numbers are not finite; texts (text.rs).

mod adapter_table;
mod finetune;
mod text;

use lowrank::Scalar;
use lowrank::layers::Activation;
use lowrank::layers::adapter::Method;
use lowrank::random::gaussian;
use lowrank_trainer::checkpoint;
use lowrank_trainer::digits::{self, Task};
use lowrank_trainer::encoder::{Encoder, Loading, Training};
use lowrank_trainer::loss::cross_entropy;
use lowrank_trainer::metrics::Confusion;
use lowrank_trainer::model::{Group, Model, Set};
use lowrank_trainer::network::{Network, Weight};
use lowrank_trainer::optimizer::{AdamW, schedule};
use lowrank_trainer::training::{Event, Settings, Trainer, confusion};

fn methods() -> Vec<Option<Method>> {
    let methods = [
        Method::Lora { rank: 2 },
        Method::Dora { rank: 2 },
        Method::Lsr { terms: 3, ranks: (2, 1), shapes: None },
        Method::KronA { left: None },
        Method::KAdaptation { terms: 2, rank: 2 },
        Method::LoKr { rank: 2, left: None },
        Method::SvdLora { rank: 4, inner_rank: 2, with_values: true },
    ];
    methods.into_iter().map(Some).chain([None]).collect()
}

fn small_set(seed: u64) -> Set<Vec<f64>> {
    Set { inputs: samples(8, 5, seed), labels: vec![0, 2, 1, 2, 0], classes: 3 }
}

fn samples<T: Scalar>(n: usize, count: usize, seed: u64) -> Vec<Vec<T>> {
    let x = gaussian::<T>(n, count, seed, "samples");
    (0..count).map(|j| x.col(j).iter().copied().collect()).collect()
}

/// All trained numbers moved, so that no factor is zero.
fn moved(mut network: Network<f64>, seed: u64) -> Network<f64> {
    let mut groups = network.groups();
    for (k, group) in groups.iter_mut().enumerate() {
        let noise = gaussian::<f64>(group.values.len(), 1, seed + k as u64, "a move");
        group.values.iter_mut().enumerate().for_each(|(i, x)| *x += 0.2 * noise[(i, 0)]);
    }
    network.set(&groups).unwrap();
    network
}

#[test]
fn gradients_are_those_of_differences() {
    let set = small_set(1);
    let inputs: Vec<&Vec<f64>> = set.inputs.iter().collect();
    let loss = |network: &Network<f64>| {
        cross_entropy(network.logits(&inputs).unwrap().as_ref(), &set.labels).unwrap().0
    };
    for activation in
        [Activation::Relu, Activation::Gelu, Activation::Silu, Activation::Tanh, Activation::Sigmoid]
    {
        let full = Network::<f64>::new(&[8, 12, 6, 3], activation, 3);
        let adapted =
            methods().into_iter().map(|m| (format!("{m:?}"), full.adapt(m.as_ref(), 0.7, 5).unwrap()));
        for (name, network) in adapted.chain([("full".into(), full.clone())]) {
            let network = moved(network, 9);
            let (_, gradients) = Model::gradient(&network, &inputs, &set.labels).unwrap();
            let groups = network.groups();
            assert_eq!(gradients.len(), groups.len());
            for (k, group) in groups.iter().enumerate() {
                for i in 0..group.values.len() {
                    let h = 1e-5;
                    let at = |by: f64| {
                        let (mut network, mut groups) = (network.clone(), groups.clone());
                        groups[k].values[i] += by;
                        network.set(&groups).unwrap();
                        loss(&network)
                    };
                    let difference = (at(h) - at(-h)) / (2.0 * h);
                    let error = (difference - gradients[k][i]).abs();
                    assert!(
                        error <= 1e-7 * difference.abs().max(1.0),
                        "{activation:?} {name} {}: {error}",
                        group.name
                    );
                }
            }
        }
    }
}

#[test]
fn steps_are_those_of_pytorch() {
    // torch.optim.AdamW(lr=0.1, weight_decay=0.01) in double precision.
    let gradients = [[0.5, -1.0, 0.0], [0.1, 2.0, -3.0], [-0.2, 0.0, 1e-3], [4.0, -0.5, 0.25]];
    let expected = [
        [0.899000002, -1.898000001, 0.4995],
        [0.8177969063826518, -1.9327123534710748, 0.5734141820059965],
        [0.7825437349271064, -1.9590795496464593, 0.6303414519885789],
        [0.7203625168066812, -1.9670476144279168, 0.671818343980082],
    ];
    let adam = AdamW { rate: 0.1, clip: f64::INFINITY, ..Default::default() };
    let group = |name: &str, decay, values| Group {
        name: name.to_string(),
        form: String::new(),
        decay,
        head: false,
        values,
    };
    let mut groups = [group("p", true, vec![1.0f64, -2.0, 0.5])];
    let mut state = adam.start(&groups);
    for (gradient, expected) in gradients.iter().zip(expected) {
        adam.step(&mut groups, &[gradient.to_vec()], &mut state, |_| 1.0).unwrap();
        for (p, e) in groups[0].values.iter().zip(expected) {
            assert!((p - e).abs() < 1e-14, "{p} {e}");
        }
    }
    // Clipped at 1 the gradient (3, 0, 4) is (0.6, 0, 0.8), over all groups together.
    let adam = AdamW { clip: 1.0, ..adam };
    let mut groups = [2, 1].map(|count| group("g", false, vec![0.0f64; count]));
    let mut state = adam.start(&groups);
    assert_eq!(adam.step(&mut groups, &[vec![3.0, 0.0], vec![4.0]], &mut state, |_| 1.0).unwrap(), 5.0);
    let first: Vec<f64> = state.moments.iter().flat_map(|[m, _]| m.clone()).collect();
    assert!(first.iter().zip([0.06, 0.0, 0.08]).all(|(m, e)| (m - e).abs() < 1e-15), "{first:?}");
    let before = (groups.clone(), state.clone());
    let error = adam.step(&mut groups, &[vec![3.0, f64::NAN], vec![4.0]], &mut state, |_| 1.0).unwrap_err();
    assert!(error.to_string().starts_with("g:"), "{error}");
    assert_eq!((&groups, &state), (&before.0, &before.1));
    // What does not fit the groups is refused, and changes nothing.
    let few = adam.start(&groups[..1]);
    let mut short = state.clone();
    short.moments[1][0].clear();
    let fitting = [vec![3.0, 0.0], vec![4.0]];
    for (gradients, mut wrong, expected) in [
        (&fitting[..1], state.clone(), "1 gradients and 2 states for 2 groups"),
        (&fitting[..], few, "2 gradients and 1 states for 2 groups"),
        (&[vec![3.0], vec![4.0]][..], state.clone(), "g: 2 numbers, but [1, 2, 2]"),
        (&[vec![3.0, 0.0], vec![4.0, 0.0]][..], state.clone(), "g: 1 numbers, but [2, 1, 1]"),
        (&fitting[..], short, "g: 1 numbers, but [1, 0, 1]"),
    ] {
        let before = wrong.clone();
        let error = adam.step(&mut groups, gradients, &mut wrong, |_| 1.0).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
        assert_eq!(wrong, before);
    }
    assert_eq!(groups, before.0);
}

#[test]
fn the_rate_rises_and_falls() {
    let rates: Vec<f64> = (0..10).map(|step| schedule(step, 10, 0.2)).collect();
    let expected = [0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125];
    assert!(rates.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15), "{rates:?}");
    assert_eq!((schedule(10, 10, 0.2), schedule(0, 10, 0.0)), (0.0, 1.0));
}

#[test]
fn metrics_are_those_of_scikit_learn() {
    let found = Confusion::new(3, &[0, 0, 1, 1, 2, 2, 2, 0, 1, 2], &[0, 1, 1, 1, 2, 0, 2, 0, 2, 2]);
    assert!((found.accuracy() - 0.7).abs() < 1e-15);
    assert!((found.macro_f1() - 0.6944444444444443).abs() < 1e-15);
    assert!((found.matthews() - 0.5454545454545454).abs() < 1e-15);
    assert_eq!(Confusion::new(2, &[0, 1], &[1, 1]).matthews(), 0.0);
}

#[test]
fn frozen_numbers_stay_and_counts_are_exact() {
    let full = Network::<f32>::new(&[64, 128, 128, 10], Activation::Relu, 0);
    assert_eq!(full.trained(), 65 * 128 + 129 * 128 + 1290);
    let counts = [896, 1152, 432, 512, 912, 240, 40];
    for (method, count) in methods().iter().flatten().zip(counts) {
        let mut trainer =
            Trainer::new(full.adapt(Some(method), 1.0, 0).unwrap(), Settings::default()).unwrap();
        assert_eq!(trainer.model.trained(), count + 1290, "{method:?}");
        let base = |network: &Network<f32>| match &network.layers[1].weight {
            Weight::Adapted(adapted) => adapted.base().to_owned(),
            _ => panic!(),
        };
        let before = (base(&trainer.model), trainer.model.groups());
        let set = Set { inputs: samples(64, 7, 1), labels: vec![1; 7], classes: 10 };
        trainer.step(&set, &[0, 1, 2, 3]).unwrap();
        assert_eq!(base(&trainer.model), before.0);
        assert_ne!(trainer.model.groups(), before.1);
    }
    assert_eq!(full.adapt(None, 1.0, 0).unwrap().trained(), 1290);
}

fn trainer<T: Scalar>(method: Option<&Method>) -> Trainer<T, Network<T>> {
    let network = Network::new(&[64, 16, 10], Activation::Relu, 1).adapt(method, 1.0, 2).unwrap();
    Trainer::new(network, Settings { epochs: 4, ..Default::default() }).unwrap()
}

fn same<T: Scalar>(a: &Trainer<T, Network<T>>, b: &Trainer<T, Network<T>>) -> bool {
    a.model.groups() == b.model.groups() && a.state == b.state && a.best == b.best && a.epoch == b.epoch
}

#[test]
fn a_stopped_run_goes_on_bit_by_bit() {
    fn check<T: Scalar>() {
        let data = digits::load::<T>(digits::FILE, Task::Inverted).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.safetensors");
        let method = Method::Dora { rank: 2 };
        let mut whole = trainer::<T>(Some(&method));
        // What the file holds after two epochs of four.
        let mut half = Vec::new();
        whole
            .fit(&data.train, &data.dev, Some(&path), |event| {
                if let Event::Epoch { .. } = event {
                    half.push(std::fs::read(&path).unwrap_or_default()); // that of the epoch before
                }
                Ok(())
            })
            .unwrap();
        std::fs::write(&path, &half[2]).unwrap();
        let mut resumed = trainer::<T>(Some(&method));
        checkpoint::load(&mut resumed, &path).unwrap();
        assert_eq!(resumed.epoch, 2);
        resumed.fit(&data.train, &data.dev, None, |_| Ok(())).unwrap();
        assert!(same(&resumed, &whole));
        // Nothing is taken from the file of another run.
        let mut other = trainer::<T>(Some(&method));
        other.settings.seed = 1;
        assert!(format!("{:#}", checkpoint::load(&mut other, &path).unwrap_err()).contains("settings"));
        let network =
            Network::<T>::new(&[64, 16, 10], Activation::Relu, 7).adapt(Some(&method), 1.0, 2).unwrap();
        let mut other = Trainer::new(network, resumed.settings).unwrap();
        assert!(format!("{:#}", checkpoint::load(&mut other, &path).unwrap_err()).contains("frozen"));
        std::fs::write(&path, &half[2][..half[2].len() / 2]).unwrap();
        let before = other.clone();
        assert!(checkpoint::load(&mut other, &path).is_err() && same(&other, &before));
    }
    check::<f32>();
    check::<f64>();
}

/// Models with the same sizes, the same frozen numbers and settings, that compute something else.
#[test]
fn a_checkpoint_of_another_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    let network = |activation, method: Method, scaling| {
        let full = Network::<f32>::new(&[64, 16, 10], activation, 1);
        Trainer::new(full.adapt(Some(&method), scaling, 2).unwrap(), Settings::default()).unwrap()
    };
    let lora = Method::Lora { rank: 2 };
    let krona = |left| Method::KronA { left: Some(left) };
    for (written, mut other, expected) in [
        (
            network(Activation::Relu, lora, 1.0),
            network(Activation::Relu, lora, 2.0),
            "`group.0` is layer 1, adapter (lora, b 16x2, a 2x64, scaling 1) there and layer 1, adapter (lora, b \
             16x2, a 2x64, scaling 2) here",
        ),
        (
            network(Activation::Relu, krona((4, 8)), 1.0),
            network(Activation::Relu, krona((2, 16)), 1.0),
            "`group.0` is layer 1, adapter (kron-a, a 4x8, b 4x8, scaling 1) there",
        ),
        (network(Activation::Relu, lora, 1.0), network(Activation::Tanh, lora, 1.0), "`frozen` is "),
    ] {
        assert_eq!(written.model.trained(), other.model.trained());
        checkpoint::save(&written, &path).unwrap();
        let before = other.clone();
        let error = format!("{:#}", checkpoint::load(&mut other, &path).unwrap_err());
        assert!(error.contains(expected) && error.contains("run.safetensors"), "{error}");
        assert!(same(&other, &before));
    }
    // Other matrices of an encoder.
    let bert = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/checkpoints/bert");
    let bert = Encoder::<f32>::load(bert, &Loading::default()).unwrap();
    let [written, mut other] = ["query", "key"].map(|name| {
        let targets = vec![name.to_string()];
        let training = Training::Adapter { method: lora, scaling: 1.0, targets, layers: None };
        Trainer::new(bert.adapt(&training, 0).unwrap(), Settings::default()).unwrap()
    });
    checkpoint::save(&written, &path).unwrap();
    let error = format!("{:#}", checkpoint::load(&mut other, &path).unwrap_err());
    assert!(error.contains("`group.0` is encoder.layer.0.attention.self.query.adapter"), "{error}");
    assert!(error.contains("there and encoder.layer.0.attention.self.key.adapter"), "{error}");
}

#[test]
fn a_run_that_breaks_names_layer_and_step_and_keeps_the_checkpoint() {
    let mut data = digits::load::<f32>(digits::FILE, Task::Upright).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    let mut run = trainer::<f32>(Some(&Method::Lora { rank: 2 }));
    run.epoch(&data.train, |_| Ok(())).unwrap();
    checkpoint::save(&run, &path).unwrap();
    let (kept, good) = (std::fs::read(&path).unwrap(), run.clone());
    // Samples so large that the first layer overflows.
    data.train.inputs.iter_mut().flatten().for_each(|x| *x *= 3e38);
    let error = run.fit(&data.train, &data.dev, Some(&path), |_| Ok(())).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("step 35 (epoch 2)") && text.contains("layer 1"), "{text}");
    assert!(text.contains("a smaller learning rate than 0.001 may help"), "{text}");
    assert_eq!(std::fs::read(&path).unwrap(), kept);
    checkpoint::load(&mut run, &path).unwrap();
    assert!(same(&run, &good));
    // What is no matter of the learning rate.
    let set = digits::load::<f32>(digits::FILE, Task::Upright).unwrap().train;
    let (mut missing, mut long) = (set.clone(), set);
    missing.inputs[7][3] = f32::NAN;
    long.inputs[7].push(0.0);
    for (set, expected) in [(missing, "non-finite entry"), (long, "65 numbers")] {
        let text = format!("{:#}", run.clone().epoch(&set, |_| Ok(())).unwrap_err());
        assert!(text.starts_with("step ") && text.contains(expected), "{text}");
        assert!(!text.contains("learning rate"), "{text}");
    }
    let bad = Settings { optimizer: AdamW { rate: f64::NAN, ..Default::default() }, ..Default::default() };
    assert!(Trainer::new(run.model, bad).unwrap_err().to_string().contains("rate"));
}

#[test]
fn digits_are_split_and_turned() {
    let upright = digits::load::<f64>(digits::FILE, Task::Upright).unwrap();
    let sizes = [&upright.train, &upright.dev, &upright.test].map(|set| (set.inputs.len(), set.labels.len()));
    assert_eq!(sizes, [(1078, 1078), (359, 359), (360, 360)]);
    let rotated = digits::load::<f64>(digits::FILE, Task::Rotated).unwrap();
    let inverted = digits::load::<f64>(digits::FILE, Task::Inverted).unwrap();
    assert_eq!(rotated.test.labels, upright.test.labels);
    for (i, j) in [(0, 0), (2, 5), (7, 1)] {
        let old = upright.test.inputs[3][8 * i + j];
        // Counter-clockwise: the right edge becomes the top.
        assert_eq!(rotated.test.inputs[3][8 * (7 - j) + i], old);
        assert_eq!(inverted.test.inputs[3][8 * i + j], -old);
    }
    // A network learns them.
    let network = Network::new(&[64, 32, 10], Activation::Relu, 0);
    let mut run = Trainer::new(network, Settings { epochs: 10, ..Default::default() }).unwrap();
    run.settings.optimizer.rate = 1e-2;
    run.fit(&upright.train, &upright.dev, None, |_| Ok(())).unwrap();
    assert!(confusion(&run.model, &upright.test).unwrap().accuracy() > 0.94);
    assert!(digits::load::<f64>("none.npy", Task::Upright).is_err());
}
