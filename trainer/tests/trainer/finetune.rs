//! `train_adapter --model`: a tiny encoder learns a word, is stopped, goes on, and is exported.

use anyhow::{Result, bail};
use clap::Parser;
use lowrank::faer::Mat;
use lowrank::io::{AdapterFile, PeftFolder, Safetensors, write_safetensors};
use lowrank::matrix::{array_of, view_of_array};
use lowrank::random::gaussian;
use lowrank_experiments::plot::drawing::Drawing;
use lowrank_trainer::brain::Brain;
use lowrank_trainer::checkpoint;
use lowrank_trainer::encoder::{Encoder, Loading};
use lowrank_trainer::finetune::log::Row;
use lowrank_trainer::finetune::options::Options;
use lowrank_trainer::finetune::{Summary, figure, run};
use lowrank_trainer::metrics::Metric;
use lowrank_trainer::model::Model;
use lowrank_trainer::text::{Corpus, Tokenizer};
use lowrank_trainer::training::{Event, Trainer};
use ndarray::{ArrayD, Ix2, IxDyn};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const TOKENIZER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tokenizer.json");
const WIDTH: usize = 8;

/// A folder with an encoder of two blocks of width 8 and texts, whose class is whether they say `good`.
fn workplace() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (model, data) = (folder.path().join("model"), folder.path().join("data"));
    fs::create_dir_all(&model).unwrap();
    fs::create_dir_all(&data).unwrap();
    fs::copy(TOKENIZER, model.join("tokenizer.json")).unwrap();
    fs::write(
        model.join("config.json"),
        "{\"model_type\":\"bert\",\"vocab_size\":82,\"hidden_size\":8,\"num_hidden_layers\":2,\
         \"num_attention_heads\":2,\"intermediate_size\":16,\"max_position_embeddings\":16,\"type_vocab_size\":2}",
    )
    .unwrap();
    let mut arrays: Vec<(String, ArrayD<f32>)> = Vec::new();
    let mut put = |name: &str, shape: &[usize], constant: Option<f32>| {
        let count = shape.iter().product();
        let noise = gaussian::<f32>(count, 1, 1, name);
        let values = (0..count).map(|i| constant.unwrap_or(0.3 * noise[(i, 0)])).collect();
        arrays.push((name.to_string(), ArrayD::from_shape_vec(IxDyn(shape), values).unwrap()));
    };
    for (name, count) in [("word", 82), ("position", 16), ("token_type", 2)] {
        put(&format!("embeddings.{name}_embeddings.weight"), &[count, WIDTH], None);
    }
    let mut norms = vec!["embeddings.LayerNorm".to_string()];
    for k in 0..2 {
        let block = format!("encoder.layer.{k}");
        for (name, m, n) in [
            ("attention.self.query", WIDTH, WIDTH),
            ("attention.self.key", WIDTH, WIDTH),
            ("attention.self.value", WIDTH, WIDTH),
            ("attention.output.dense", WIDTH, WIDTH),
            ("intermediate.dense", 16, WIDTH),
            ("output.dense", WIDTH, 16),
        ] {
            put(&format!("{block}.{name}.weight"), &[m, n], None);
            put(&format!("{block}.{name}.bias"), &[m], Some(0.0));
        }
        norms
            .extend(["attention.output.LayerNorm", "output.LayerNorm"].map(|name| format!("{block}.{name}")));
    }
    for norm in norms {
        put(&format!("{norm}.weight"), &[WIDTH], Some(1.0));
        put(&format!("{norm}.bias"), &[WIDTH], Some(0.0));
    }
    put("pooler.dense.weight", &[WIDTH, WIDTH], None);
    put("pooler.dense.bias", &[WIDTH], Some(0.0));
    let views: Vec<_> = arrays.iter().map(|(name, a)| (name.as_str(), a.view())).collect();
    write_safetensors(model.join("model.safetensors"), &views, &[("format", "pt")]).unwrap();

    let words = ["the film is", "it was", "what a film it is", "the cause is", "of the effect it was not"];
    let row = |k: usize| {
        let ends = ["good", "bad", "good!", "dull"];
        format!("{} {}{}\t{}\n", words[k % 5], ["", "the "][k % 2], ends[(k / 2) % 4], 1 - (k / 2) % 2)
    };
    let rows = |range: std::ops::Range<usize>| range.map(row).collect::<String>();
    fs::write(data.join("train.tsv"), format!("sentence\tlabel\n{}", rows(0..160))).unwrap();
    fs::write(data.join("dev.tsv"), format!("sentence\tlabel\n{}", rows(0..20))).unwrap();
    (folder, model, data)
}

fn options(words: &str, model: &Path, data: &Path, out: &Path) -> Options {
    let length = if words.contains("--max-length") { "" } else { "--max-length=16" };
    let small = [length, "--batch=8"].into_iter().filter(|word| !word.is_empty()).map(str::to_string);
    let words = words.split_whitespace().map(str::to_string);
    let paths = [("--model", model), ("--data", data), ("--out", out)];
    let paths = paths.into_iter().flat_map(|(name, path)| [name.to_string(), path.display().to_string()]);
    let all = ["train_adapter".to_string()].into_iter().chain(words).chain(paths).chain(small);
    Options::try_parse_from(all).unwrap()
}

fn quiet(options: &Options) -> Result<Summary> {
    run(options, |_| Ok(()))
}

#[test]
fn an_encoder_learns_and_a_stopped_run_goes_on_bit_by_bit() {
    let (folder, model, data) = workplace();
    let words = "--method lsr --terms 2 --ranks 2x1 --rate 2e-2 --head-rate 2e-2 --epochs 4";
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    let summary = quiet(&options(words, &model, &data, &whole)).unwrap();
    assert!(summary.test_accuracy >= 0.9, "{summary:?}");
    // LSR with s = 2, r = 2 x 1, (4, 2) x (4, 2): 2 (4 2 + 2 1) 2 numbers a matrix, four of them; a head of 2 x 8 + 2.
    assert_eq!(summary.parameters, 4 * 2 * (4 * 2 + 2) * 2 + 18);
    let read = |folder: &Path, name: &str| fs::read(folder.join(name)).unwrap();
    let log = String::from_utf8(read(&whole, "log.csv")).unwrap();
    assert_eq!(log.lines().count(), 1 + 4 * 18);
    assert!(log.starts_with("step,epoch,loss,rate,dev_accuracy,dev_f1,dev_matthews"));

    let stopped = run(&options(words, &model, &data, &broken), |event| match event {
        Event::Step { step: 40, .. } => bail!("stopped here"),
        _ => Ok(()),
    });
    let text = format!("{:#}", stopped.unwrap_err());
    assert!(text.contains("checkpoint.safetensors") && text.contains("stopped here"), "{text}");
    let again = quiet(&options(&format!("{words} --resume"), &model, &data, &broken)).unwrap();
    assert_eq!(
        Summary { step_seconds: 0.0, peak_bytes: None, ..again },
        Summary { step_seconds: 0.0, peak_bytes: None, ..summary.clone() }
    );
    for name in [
        "log.csv",
        "checkpoint.safetensors",
        "adapter/adapter_model.safetensors",
        "adapter/native.safetensors",
        "loss.svg",
    ] {
        assert!(read(&whole, name) == read(&broken, name), "{name}");
    }

    // What PEFT reads: LoRA of rank 2, and the head.
    let peft = PeftFolder::<f32>::read(whole.join("adapter")).unwrap();
    let paths: Vec<&str> = peft.layers.keys().map(String::as_str).collect();
    assert_eq!(paths.len(), 4);
    assert_eq!(paths[0], "bert.encoder.layer.0.attention.self.query");
    assert!(peft.layers.values().all(|layer| layer.factors.rank() == 2 && layer.scaling == 4.0));
    assert_eq!(peft.heads["classifier.weight"].shape(), [2, WIDTH]);
    let native = AdapterFile::<f32>::read(whole.join("adapter/native.safetensors")).unwrap();
    assert_eq!(native.layers.len(), 4);

    // A finished run says the same again, the seconds of its steps too; other options are another run.
    let old = read(&whole, "summary.csv");
    let finished = quiet(&options(&format!("{words} --resume"), &model, &data, &whole)).unwrap();
    assert!(summary.step_seconds > 0.0);
    assert_eq!(finished, summary);
    assert!(read(&whole, "summary.csv") == old);
    for (words, expected) in [
        (format!("{words} --seed 1 --resume"), "other options: `seed: 0,` there, `seed: 1,` here"),
        (words.to_string(), "holds a run"),
    ] {
        let error = format!("{:#}", quiet(&options(&words, &model, &data, &whole)).unwrap_err());
        assert!(error.contains(expected), "{error}");
    }
    let error = quiet(&options(&format!("{words} --resume"), &model, &data, &folder.path().join("none")));
    assert!(error.unwrap_err().to_string().contains("no run"));
}

/// The logits of the development texts: of the encoder before training, as its checkpoint has it, and as the
/// exported files do, whose adapters are merged into the weights of the file.
fn logits(options: &Options) -> [Mat<f32>; 3] {
    let Options { model, data, out, .. } = options;
    let corpus = Corpus::open(data, None, &options.columns(), options.samples(), 0).unwrap();
    let loading =
        Loading { classes: Some(2), pooling: options.pooling(), rounded: options.bf16, ..Default::default() };
    let base = Encoder::<f32>::load(model, &loading).unwrap();
    let encoder = base.adapt(&options.training(WIDTH).unwrap(), 0).unwrap();
    let mut trainer = Trainer::new(encoder, options.settings(corpus.task.metric())).unwrap();
    checkpoint::load(&mut trainer, &out.join("checkpoint.safetensors")).unwrap();
    trainer.model.set(&trainer.best.unwrap().groups).unwrap();

    let mut tensors: BTreeMap<String, ArrayD<f32>> = BTreeMap::new();
    let mut read = |path: &Path, start: &str| {
        let file = Safetensors::open(path).unwrap();
        let names = file.tensors().keys();
        tensors.extend(names.map(|name| (format!("{start}{name}"), file.array(name).unwrap())));
    };
    read(&model.join("model.safetensors"), "bert.");
    let exported = out.join("adapter");
    let plain = ["model", "head"].map(|name| exported.join(format!("{name}.safetensors")));
    plain.iter().filter(|path| path.is_file()).for_each(|path| read(path, ""));
    if options.bf16 {
        let bf16 = |x: f32| Brain::new(Mat::full(1, 1, x).as_ref()).to_mat::<f32>()[(0, 0)];
        tensors.values_mut().filter(|array| array.ndim() == 2).for_each(|array| array.mapv_inplace(bf16));
    }
    let native = exported.join("native.safetensors");
    if native.is_file() {
        let native = AdapterFile::<f32>::read(native).unwrap();
        for (path, layer) in &native.layers {
            let weight = tensors.get_mut(&format!("{path}.weight")).unwrap();
            let w = weight.view().into_dimensionality::<Ix2>().unwrap();
            *weight = array_of(layer.beside(view_of_array(w)).unwrap().merged()).into_dyn();
        }
        tensors.extend(native.heads);
    }
    let merged = tempfile::tempdir().unwrap();
    fs::copy(model.join("config.json"), merged.path().join("config.json")).unwrap();
    let views: Vec<_> = tensors.iter().map(|(name, array)| (name.as_str(), array.view())).collect();
    write_safetensors(merged.path().join("model.safetensors"), &views, &[]).unwrap();
    let loading = Loading { classes: None, rounded: false, ..loading };
    let loaded = Encoder::<f32>::load(merged.path(), &loading).unwrap();

    let sets = Tokenizer::open(model, options.max_length).unwrap().split(&corpus.split).unwrap();
    let inputs: Vec<_> = sets.dev.inputs.iter().collect();
    [&base, &trainer.model, &loaded].map(|encoder| encoder.logits(&inputs).unwrap())
}

#[test]
fn all_is_exported_under_the_names_of_the_file() {
    let (folder, model, data) = workplace();
    for (words, file) in [
        ("--method full --rate 1e-3", "model.safetensors"),
        ("--method head", "head.safetensors"),
        ("--method kron-a --pooling mean", "native.safetensors"),
        ("--method svd-lora --inner-rank 2 --bf16", "adapter_model.safetensors"),
        ("--method dora --rank 2", "adapter_model.safetensors"),
    ] {
        let out = folder.path().join(words.replace(' ', "_"));
        let asked = options(&format!("{words} --epochs 1"), &model, &data, &out);
        quiet(&asked).unwrap();
        // Loaded again it says the same.
        let [base, trained, loaded] = logits(&asked);
        let (moved, error) = ((&trained - &base).norm_max(), (&trained - &loaded).norm_max());
        assert!(moved > 1e-3 && error < 1e-5, "{words}: {moved} {error}");
        let written = Safetensors::open(out.join("adapter").join(file)).unwrap();
        assert!(fs::exists(out.join("adapter/native.safetensors")).unwrap() == file.starts_with(['n', 'a']));
        assert_eq!(file == "head.safetensors", written.tensors().len() == 2, "{words}");
        if file == "model.safetensors" {
            let old = Safetensors::open(model.join("model.safetensors")).unwrap();
            for (name, info) in old.tensors() {
                assert_eq!(written.tensors()[&format!("bert.{name}")].shape(), info.shape(), "{name}");
            }
            assert_eq!(written.tensors().len(), old.tensors().len() + 2);
            // A run that takes this one's place leaves nothing of it.
            quiet(&options("--method head --epochs 1 --overwrite", &model, &data, &out)).unwrap();
            assert!(!out.join("adapter/model.safetensors").exists());
        }
    }
}

#[test]
fn wrong_options_and_broken_runs_are_explained() {
    let (folder, model, data) = workplace();
    let out = folder.path().join("out");
    for (words, expected) in [
        ("--terms 3", "--terms is no option of lora, which takes --rank"),
        ("--method head --rank 3", "nothing of the kind"),
        ("--method head --rate 1e-2", "--head-rate is"),
        ("--method full --layers 0", "--layers is no option"),
        ("--method head --targets query,value", "--targets is no option of head"),
        ("--method full --scaling 2", "--scaling is no option of full"),
        ("--rank 9", "rank 9"),
        ("--targets nothing", "nothing"),
        ("--layers 1-2", "layers"),
        ("--max-length 17", "at most 16"),
        ("--text body", "`sentence`, `label`"),
        ("--task cb", "premise"),
        ("--rate 0", "rate"),
        ("--device cuda", "CUDA"),
        ("--tf32", "--device cuda"),
        ("--model none", "none"),
    ] {
        let mut options = options(&words.replace("--model none", ""), &model, &data, &out);
        if words == "--model none" {
            options.model = "none".into();
        }
        let error = format!("{:#}", quiet(&options).unwrap_err());
        assert!(error.contains(expected), "{words}: {error}");
        assert!(!out.exists(), "{words}");
    }
    let error = quiet(&options("--rate 1e30 --head-rate 1e30 --clip inf", &model, &data, &out)).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("step ") && text.contains("(epoch 1)") && text.contains("not finite"), "{text}");
    assert!(!out.join("checkpoint.safetensors").exists());
    for words in [["--ranks", "2"], ["--layers", "5-3"], ["--method", "lor"]] {
        let all = ["train_adapter", "--model", "m", "--data", "d"].into_iter().chain(words);
        assert!(Options::try_parse_from(all).is_err(), "{words:?}");
    }
}

#[test]
fn the_folder_is_looked_at_before_all_else_and_nothing_in_it_is_lost() {
    let (folder, model, data) = workplace();
    let (out, other) = (folder.path().join("out"), folder.path().join("other"));
    let words = "--method head --epochs 1";
    quiet(&options(words, &model, &data, &out)).unwrap();
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("log.csv"), "mine").unwrap();
    fs::write(folder.path().join("file"), "mine").unwrap();
    fs::write(data.join("train.tsv"), "no\ttable").unwrap();
    let kept = |folder: &Path| {
        let names =
            ["options.txt", "checkpoint.safetensors", "log.csv", "summary.csv", "adapter/head.safetensors"];
        names.map(|name| fs::read(folder.join(name)).ok())
    };
    let before = [kept(&out), kept(&other)];
    for (words, out, expected) in [
        (words.to_string(), &out, "holds a run"),
        (format!("{words} --seed 1 --resume"), &out, "other options"),
        (format!("{words} --resume"), &other, "no run"),
        (words.to_string(), &other, "holds log.csv"),
        (words.to_string(), &folder.path().join("file"), "no folder"),
        // Only then the texts.
        (format!("{words} --overwrite"), &out, "train.tsv"),
        (format!("{words} --resume"), &out, "train.tsv"),
    ] {
        let error = format!("{:#}", quiet(&options(&words, &model, &data, out)).unwrap_err());
        assert!(error.contains(expected), "{words}: {error}");
    }
    assert!([kept(&out), kept(&other)] == before && before[0].iter().all(Option::is_some));
}

#[test]
fn an_epoch_without_errors_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let svg = |errors: &[f64]| {
        let row = |k: usize| Row {
            step: k as u64 + 1,
            epoch: k as u64 / 10 + 1,
            loss: 1.0 / (k + 1) as f64,
            rate: 1e-3,
            dev_accuracy: (k % 10 == 9).then(|| 1.0 - errors[k / 10] / 100.0),
            dev_f1: None,
            dev_matthews: None,
        };
        let rows: Vec<Row> = (0..10 * errors.len()).map(row).collect();
        figure::sheet(&rows, Metric::Accuracy, "title", "caption")
            .write(&folder.path().join("loss"))
            .unwrap();
        fs::read_to_string(folder.path().join("loss.svg")).unwrap()
    };
    // A disc for each epoch and one in the key.
    for errors in [&[20.0, 5.0, 0.0, 1.0][..], &[0.0], &[0.0, 0.0], &[100.0, 150.0]] {
        assert_eq!(svg(errors).matches("<circle").count(), errors.len() + 1, "{errors:?}");
    }
}
