//! Folders that PEFT 0.21.2 wrote: tests/layers/peft, made of a BERT with one layer of width 12, a LoRA
//! (and a DoRA) adapter with r = 2, alpha = 8 for queries, r = 3, alpha = 6 for values, and a head.

use lowrank::Error;
use lowrank::io::{PeftFolder, Safetensors, write_safetensors};
use lowrank::layers::adapter::{Adapted, Adapter, Lora, Method};
use lowrank::random::gaussian;
use std::path::{Path, PathBuf};

const QUERY: &str = "bert.encoder.layer.0.attention.self.query";
const VALUE: &str = "bert.encoder.layer.0.attention.self.value";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layers/peft").join(name)
}

/// A folder of its own, removed at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lowrank_peft_{name}_{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
    /// With the files of a fixture, one of them changed.
    fn changed(name: &str, of: &str, change: impl Fn(&str) -> String) -> Self {
        let folder = Self::new(name);
        std::fs::create_dir_all(&folder.0).unwrap();
        std::fs::copy(
            fixture(of).join("adapter_model.safetensors"),
            folder.0.join("adapter_model.safetensors"),
        )
        .unwrap();
        let text = std::fs::read_to_string(fixture(of).join("adapter_config.json")).unwrap();
        std::fs::write(folder.0.join("adapter_config.json"), change(&text)).unwrap();
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn tensors(folder: &Path) -> Vec<(String, Vec<usize>, Vec<u32>)> {
    let file = Safetensors::open(folder.join("adapter_model.safetensors")).unwrap();
    let tensor = |name: &String| {
        let array = file.array::<f32>(name).unwrap();
        (name.clone(), array.shape().to_vec(), array.iter().map(|x| x.to_bits()).collect())
    };
    file.tensors().keys().map(tensor).collect()
}

#[test]
fn folders_of_peft_are_read_and_written_bit_by_bit() {
    for name in ["lora", "dora"] {
        let read = PeftFolder::<f32>::read(fixture(name)).unwrap();
        assert_eq!((read.base_model.as_str(), read.task.as_deref()), ("base", Some("SEQ_CLS")));
        assert_eq!(read.layers.keys().collect::<Vec<_>>(), [QUERY, VALUE]);
        assert_eq!(read.heads.keys().collect::<Vec<_>>(), ["classifier.bias", "classifier.weight"]);
        let (query, value) = (&read.layers[QUERY], &read.layers[VALUE]);
        assert_eq!((query.factors.rank(), query.scaling), (2, 4.0));
        assert_eq!((value.factors.rank(), value.scaling), (3, 2.0));
        assert_eq!(query.magnitude.as_ref().map(Vec::len), (name == "dora").then_some(12));
        let file = Safetensors::open(fixture(name).join("adapter_model.safetensors")).unwrap();
        let b = file.matrix::<f32>(&format!("base_model.model.{VALUE}.lora_B.weight")).unwrap();
        assert_eq!(value.factors.u, b);

        let folder = Folder::new(&format!("written_{name}"));
        read.write(&folder.0).unwrap();
        assert_eq!(tensors(&folder.0), tensors(&fixture(name)));
        let again = PeftFolder::<f32>::read(&folder.0).unwrap();
        assert_eq!(again.layers[VALUE].scaling, 2.0);
        assert_eq!(again.heads, read.heads);
        read.write(&folder.0).unwrap(); // over itself
    }
}

/// PEFT saves a classifier as a whole: `modules_to_save` must not name a part of it, such as RoBERTa's.
#[test]
fn a_classifier_of_several_layers_is_saved_as_a_whole() {
    let mut written = PeftFolder::<f32>::read(fixture("lora")).unwrap();
    let head = written.heads.remove("classifier.weight").unwrap();
    written.heads =
        ["dense", "out_proj"].map(|name| (format!("classifier.{name}.weight"), head.clone())).into();
    let folder = Folder::new("classifier");
    for (task, modules) in [
        (Some("SEQ_CLS"), "\"modules_to_save\":[\"classifier\"]"),
        (None, "\"modules_to_save\":[\"classifier.dense\",\"classifier.out_proj\"]"),
    ] {
        written.task = task.map(String::from);
        written.write(&folder.0).unwrap();
        let text = std::fs::read_to_string(folder.0.join("adapter_config.json")).unwrap();
        let text: String = text.split_whitespace().collect();
        assert!(text.contains(modules), "{text}");
        assert_eq!(PeftFolder::<f32>::read(&folder.0).unwrap().heads, written.heads);
    }
    // Within what is trained in full nothing is adapted.
    written.task = Some("SEQ_CLS".into());
    written.layers.insert("classifier.inner".into(), written.layers[QUERY].clone());
    assert!(matches!(written.write(&folder.0), Err(Error::Parameter { name: "heads", .. })));
}

#[test]
fn an_adapter_goes_there_and_back() {
    let w = gaussian::<f64>(12, 8, 0, "w");
    let layer = Method::Lsr { terms: 2, ranks: (2, 2), shapes: None }.adapt(w.as_ref(), 0.1, 0).unwrap();
    let lowrank::layers::adapter::Delta::LowRank(factors) = layer.adapter().delta() else { panic!() };
    let exported = lowrank::io::PeftLayer { factors, scaling: layer.scaling(), magnitude: None };
    let layers = [("model.q".to_string(), exported)].into();
    let written = PeftFolder { base_model: "m".into(), task: None, layers, heads: [].into() };
    let folder = Folder::new("there");
    written.write(&folder.0).unwrap();
    let read = PeftFolder::<f64>::read(&folder.0).unwrap();
    let lora = Lora::from_factors(&read.layers["model.q"].factors).unwrap();
    assert_eq!(lora.delta().to_dense(), layer.adapter().delta().to_dense());
    let back = Adapted::new(w, Box::new(lora), read.layers["model.q"].scaling).unwrap();
    assert!((back.merged() - layer.merged()).norm_max() < 1e-15);
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |name: &str, of: &str, from: &str, to: &str| {
        let folder = Folder::changed(name, of, |text| {
            assert!(text.contains(from), "{from}");
            text.replace(from, to)
        });
        match PeftFolder::<f32>::read(&folder.0).unwrap_err() {
            Error::Format { reason, .. } => reason,
            other => panic!("{other}"),
        }
    };
    assert!(refused("kind", "lora", "\"LORA\"", "\"LOKR\"").contains("LOKR"));
    assert!(refused("bias", "lora", "\"bias\": \"none\"", "\"bias\": \"all\"").contains("bias"));
    assert!(refused("rank", "lora", "\"r\": 2", "\"r\": 4").contains("rank 4"));
    assert!(refused("zero", "lora", "\"r\": 2", "\"r\": 0").contains("\"r\""));
    assert!(refused("text", "lora", "{", "[").contains("expected"));
    assert!(refused("target", "lora", "\"query\"", "\"key\"").contains("missing keys"));
    assert!(refused("extra", "lora", "\"query\"", "\"value\"").contains("unexpected keys"));
    assert!(refused("head", "lora", "\"classifier\"", "\"pooler\"").contains("classifier"));
    assert!(refused("dora", "lora", "\"use_dora\": false", "\"use_dora\": true").contains("missing key"));
    assert!(refused("lora", "dora", "\"use_dora\": true", "\"use_dora\": false").contains("unexpected key"));

    assert!(refused("regex", "lora", "\"value\": 6", "\"layer.0.*value\": 6").contains("names no layer"));
    assert!(refused("number", "lora", "\"value\": 6", "\"value\": \"6\"").contains("alpha_pattern"));
    assert!(refused("flag", "lora", "\"lora_bias\": false", "\"lora_bias\": 1").contains("lora_bias"));
    let twice = "\"value\": 6, \"self.value\": 8";
    assert!(refused("twice", "lora", "\"value\": 6", twice).contains("more than one key"));

    // A key that is one too many, and one that is not there.
    let file = Safetensors::open(fixture("lora").join("adapter_model.safetensors")).unwrap();
    let arrays: Vec<_> = file.tensors().keys().map(|k| (k.as_str(), file.array::<f32>(k).unwrap())).collect();
    for (drop, add) in
        [(None, Some("base_model.model.bert.pooler.dense.weight")), (Some(1), None), (Some(0), None)]
    {
        let mut some = arrays.clone();
        drop.map(|k| some.remove(k));
        some.extend(add.map(|name| (name, arrays[0].1.clone())));
        let folder = Folder::changed("keys", "lora", str::to_owned);
        let views: Vec<_> = some.iter().map(|(name, a)| (*name, a.view())).collect();
        write_safetensors(folder.0.join("adapter_model.safetensors"), &views, &[]).unwrap();
        assert!(matches!(PeftFolder::<f32>::read(&folder.0), Err(Error::Format { .. })), "{drop:?} {add:?}");
    }
    let good = PeftFolder::<f32>::read(fixture("lora")).unwrap();
    let mut spoiled = good.clone();
    spoiled.layers.get_mut(QUERY).unwrap().factors.u[(3, 1)] = f32::NAN;
    let folder = Folder::new("spoiled");
    assert!(matches!(spoiled.write(&folder.0), Err(Error::NonFinite { .. })));
    assert!(!folder.0.exists());
    let mut half = PeftFolder::<f32>::read(fixture("dora")).unwrap();
    half.layers.get_mut(QUERY).unwrap().magnitude = None;
    assert!(matches!(half.write(&folder.0), Err(Error::Parameter { name: "magnitude", .. })));
    let empty = PeftFolder { layers: [].into(), ..good };
    assert!(matches!(empty.write(&folder.0), Err(Error::Parameter { name: "layers", .. })));
    assert!(matches!(PeftFolder::<f32>::read(&folder.0), Err(Error::Io { .. })));
}
