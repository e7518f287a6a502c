use crate::{adapters, batch, expected, folder, load};
use lowrank::io::{Safetensors, write_safetensors};
use lowrank::layers::adapter::Method;
use lowrank::ndarray::ArrayD;
use lowrank_trainer::encoder::{Encoder, Loading, Training};
use lowrank_trainer::model::Model;
use lowrank_trainer::text::Tokens;

fn text<T>(found: anyhow::Result<T>) -> String {
    format!("{:#}", found.err().expect("an error"))
}

#[test]
fn inputs_that_do_not_fit() {
    let encoder = load::<f64>("bert");
    let tokens = |ids: Vec<u32>, kind: u32| Tokens { types: vec![kind; ids.len()], ids };
    let says = |tokens: &Tokens, what: &str| {
        let said = text(encoder.logits(&[&batch("bert").0[0], tokens]));
        assert!(said.contains("sequence 1") && said.contains(what), "{said}");
        assert_eq!(said, text(encoder.gradient(&[&batch("bert").0[0], tokens], &[0, 1])));
    };
    says(&tokens(vec![3, 64], 0), "token 1: id 64, but the vocabulary has 64");
    says(&tokens(vec![3; 13], 0), "13 tokens, but there are 12 positions: cut it");
    says(&tokens(vec![], 0), "at least one");
    says(&Tokens { ids: vec![3, 4], types: vec![0] }, "2 ids and 1 types");
    says(&tokens(vec![3], 2), "type 2");
    assert!(text(encoder.logits(&[])).contains("empty batch"));
    assert!(text(encoder.gradient(&[&tokens(vec![3], 0)], &[])).contains("0 labels"));
    assert!(text(encoder.gradient(&[&tokens(vec![3], 0)], &[3])).contains("3 classes"));
    // RoBERTa's positions start after the padding.
    let roberta = load::<f64>("roberta");
    assert_eq!((roberta.config().longest(), roberta.config().first_position()), (12, 2));
    assert!(roberta.logits(&[&tokens(vec![3; 12], 0)]).is_ok());
    assert!(text(roberta.logits(&[&tokens(vec![3; 13], 0)])).contains("12 positions"));
}

#[test]
fn targets_that_are_not_there() {
    let encoder = load::<f32>("bert");
    let with = |targets: &[&str], layers| {
        let targets = targets.iter().map(|name| name.to_string()).collect();
        encoder
            .adapt(&Training::Adapter { method: Method::Lora { rank: 2 }, scaling: 1.0, targets, layers }, 0)
    };
    assert!(text(with(&["query", "q_proj"], None)).contains("\"q_proj\""));
    assert!(text(with(&["ery"], None)).contains("\"ery\""));
    assert!(text(with(&["LayerNorm"], None)).contains("\"LayerNorm\""));
    assert!(text(with(&["word_embeddings"], None)).contains("\"word_embeddings\""));
    assert!(text(with(&["classifier"], None)).contains("\"classifier\""));
    assert!(text(with(&[], None)).contains("empty"));
    assert!(text(with(&["query"], Some(1..3))).contains("1..3"));
    let found = with(&["attention.self.query", "output.dense"], Some(1..2)).unwrap();
    let names: Vec<String> = found.groups().into_iter().map(|group| group.name).collect();
    let expected = [
        "encoder.layer.1.attention.self.query.adapter",
        "encoder.layer.1.attention.output.dense.adapter",
        "encoder.layer.1.output.dense.adapter",
        "classifier.weight",
        "classifier.bias",
    ];
    assert_eq!(names, expected);
    assert!(
        text(encoder.adapt(&adapters(Method::Lora { rank: 40 }), 0)).contains("layer.0.attention.self.query")
    );
}

/// A copy of a checkpoint with some tensors changed.
fn changed(name: &str, change: impl Fn(&mut Vec<(String, ArrayD<f32>)>)) -> tempfile::TempDir {
    let target = tempfile::tempdir().unwrap();
    std::fs::copy(folder(name).join("config.json"), target.path().join("config.json")).unwrap();
    let file = Safetensors::open(folder(name).join("model.safetensors")).unwrap();
    let mut arrays: Vec<_> =
        file.tensors().keys().map(|k| (k.clone(), file.array::<f32>(k).unwrap())).collect();
    change(&mut arrays);
    let views: Vec<_> = arrays.iter().map(|(name, array)| (name.as_str(), array.view())).collect();
    write_safetensors(target.path().join("model.safetensors"), &views, &[]).unwrap();
    target
}

#[test]
fn files_that_are_not_an_encoder() {
    let read = |folder: &tempfile::TempDir| Encoder::<f64>::load(folder.path(), &Loading::default());
    let key = "bert.encoder.layer.1.attention.self.key.bias";
    let said = text(read(&changed("bert", |all| all.retain(|(name, _)| name != key))));
    assert!(said.contains(&format!("{key} is missing")), "{said}");
    let add = |name: &str| changed("bert", |all| all.push((name.into(), ArrayD::zeros(vec![2]))));
    assert!(
        text(read(&add("bert.encoder.layer.2.output.dense.bias")))
            .contains("layer.2.output.dense.bias is unexpected")
    );
    for name in ["bert.embeddings.position_ids", "cls.predictions.bias"] {
        assert!(read(&add(name)).is_ok());
    }
    let cut = changed("bert", |all| {
        all.iter_mut().filter(|(name, _)| name == key).for_each(|a| a.1 = ArrayD::zeros(vec![31]))
    });
    assert!(text(read(&cut)).contains("has shape [31], but [32] is needed"));
    let nan = changed("bert", |all| {
        all.iter_mut().filter(|(name, _)| name == key).for_each(|a| a.1[[3]] = f32::NAN)
    });
    assert!(text(read(&nan)).contains(key));
    let bad = tempfile::tempdir().unwrap();
    std::fs::write(bad.path().join("config.json"), r#"{"model_type": "gpt2"}"#).unwrap();
    assert!(text(read(&bad)).contains("gpt2"));
    assert!(text(Encoder::<f32>::load("none", &Loading::default())).contains("config.json"));
    // Without prefix, and without a head: it is drawn.
    let base = changed("bert", |all| {
        all.retain(|(name, _)| !name.starts_with("classifier"));
        all.iter_mut().for_each(|(name, _)| *name = name.trim_start_matches("bert.").into());
    });
    assert!(text(read(&base)).contains("classes"));
    let loading = Loading { classes: Some(2), ..Default::default() };
    let found = Encoder::<f64>::load(base.path(), &loading).unwrap();
    assert_eq!(found.classes(), 2);
    let inputs = batch("bert").0;
    let states = found.hidden_states(&[&inputs[1]]).unwrap().pop().unwrap();
    let expected = expected("bert").array::<f64>("hidden.2.1").unwrap();
    assert!((0..32).all(|i| (states[(i, 4)] - expected[[4, i]]).abs() < 1e-10));
    let classes = Loading { classes: Some(2), ..Default::default() };
    assert!(
        text(Encoder::<f64>::load(folder("bert"), &classes)).contains("classifier.weight has shape [3, 32]")
    );
}

#[test]
fn numbers_that_are_not_finite_are_named() {
    let large = |name: &'static str| {
        let folder = changed("bert", |all| {
            all.iter_mut().filter(|(n, _)| n.contains(name)).for_each(|a| a.1.fill(3e38));
        });
        let (inputs, labels) = batch("bert");
        let inputs: Vec<&Tokens> = inputs.iter().collect();
        let encoder = Encoder::<f32>::load(folder.path(), &Loading::default()).unwrap();
        let encoder = encoder.adapt(&adapters(Method::Lora { rank: 2 }), 0).unwrap();
        let said = text(encoder.gradient(&inputs, &labels));
        assert!(said.starts_with(&text(encoder.logits(&inputs))), "{said}");
        said
    };
    for name in ["encoder.layer.1.attention.self.value", "encoder.layer.0.output.dense", "pooler.dense"] {
        assert_eq!(large(name), format!("{name}: its output is not finite"));
    }
    // What is not finite does not get in.
    let mut encoder = load::<f32>("bert").adapt(&Training::Head, 0).unwrap();
    let mut groups = encoder.groups();
    groups[0].values.iter_mut().for_each(|x| *x = f32::NAN);
    assert!(text(encoder.set(&groups)).contains("classifier.weight"));
    groups[0].values[0] = 1.0;
    groups[0].values.truncate(3);
    assert!(text(encoder.set(&groups)).contains("3 numbers, but 96"));
}
