//! Texts: every layout, odd files, splits, tokens counted by hand.

use lowrank_trainer::metrics::Metric;
use lowrank_trainer::text::{Columns, Corpus, Samples, Task, Text, Tokenizer};
use lowrank_trainer::training::batches;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn open(path: &Path) -> anyhow::Result<Corpus> {
    Corpus::open(path, None, &Columns::default(), Samples::default(), 0)
}

/// The corpus of a folder of these files, or the error.
fn folder(files: &[(&str, &str)]) -> Result<Corpus, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    open(folder.path()).map_err(|error| format!("{error:#}"))
}

/// All texts with their classes, in whichever part they are.
fn all(corpus: &Corpus) -> BTreeSet<(String, Option<String>, String)> {
    let split = &corpus.split;
    let sets = [&split.train, &split.dev, &split.test];
    let pairs = sets.into_iter().flat_map(|set| set.inputs.iter().zip(&set.labels));
    pairs.map(|(t, label)| (t.first.clone(), t.second.clone(), corpus.classes[*label].clone())).collect()
}

fn row(first: &str, second: Option<&str>, label: &str) -> (String, Option<String>, String) {
    (first.to_string(), second.map(str::to_string), label.to_string())
}

#[test]
fn the_layouts_of_glue_are_known_by_their_columns() {
    let many = |line: &dyn Fn(usize) -> String| (0..20).map(line).collect::<String>();
    let sst = format!("sentence\tlabel\n{}", many(&|k| format!("he said \" no {k}\t{}\n", k % 2)));
    let corpus = folder(&[("train.tsv", &sst), ("dev.tsv", "sentence\tlabel\nfine\t1\n")]).unwrap();
    assert_eq!((corpus.task, corpus.task.metric()), (Task::Columns, Metric::Accuracy));
    assert!(all(&corpus).contains(&row("he said \" no 3", None, "1")));

    let cola = many(&|k| {
        format!("gj04\t{}\t{}\tA sentence {k}.\n", k % 2, if k.is_multiple_of(2) { "*" } else { "" })
    });
    let unlabelled = "index\tsentence\n0\tNo class here.\n";
    let corpus =
        folder(&[("train.tsv", &cola), ("dev.tsv", "x\t1\t\tLast.\n"), ("test.tsv", unlabelled)]).unwrap();
    assert_eq!((corpus.task, corpus.task.metric()), (Task::Cola, Metric::Matthews));
    assert_eq!(corpus.split.test.inputs, [Text { first: "Last.".into(), second: None }]);
    assert_eq!((corpus.split.train.inputs.len(), corpus.split.dev.inputs.len()), (18, 2));

    let mrpc = many(&|k| format!("{}\t1\t2\tone \"{k}\ttwo\r\n", k % 2));
    let mrpc = format!("\u{feff}Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n{mrpc}");
    let corpus = folder(&[("msr_paraphrase_train.txt", &mrpc), ("msr_paraphrase_test.txt", &mrpc)]).unwrap();
    assert_eq!((corpus.task, corpus.task.metric()), (Task::Mrpc, Metric::F1));
    assert!(all(&corpus).contains(&row("one \"7", Some("two"), "1")));

    let rte = "index\tsentence1\tsentence2\tlabel\n";
    let rte = format!("{rte}{}", many(&|k| format!("{k}\ta\tb{k}\t{}entailment\n", ["", "not_"][k % 2])));
    let corpus = folder(&[("train.tsv", &rte)]).unwrap();
    assert_eq!(corpus.task, Task::Rte);
    assert_eq!(corpus.classes, ["entailment", "not_entailment"]);
    assert!(all(&corpus).contains(&row("a", Some("b4"), "entailment")));
    let split = &corpus.split;
    assert_eq!([&split.train, &split.dev, &split.test].map(|set| set.inputs.len()), [16, 2, 2]);
    assert_eq!(all(&corpus).len(), 20);
}

#[test]
fn the_layouts_of_superglue_are_known_by_their_keys() {
    let many = |line: &dyn Fn(usize) -> String| (0..20).map(line).collect::<String>();
    let labels = ["neutral", "entailment", "contradiction"];
    let line = |k: usize| {
        format!(
            "{{\"premise\": \"p{k}\", \"hypothesis\": \"h\", \"label\": \"{}\", \"idx\": {k}}}\n",
            labels[k % 3]
        )
    };
    let corpus = folder(&[("train.jsonl", &many(&line)), ("val.jsonl", &line(5))]).unwrap();
    assert_eq!((corpus.task, corpus.classes.len()), (Task::Cb, 3));
    assert!(all(&corpus).contains(&row("p5", Some("h"), "contradiction")));
    let line = |k: usize| line(k).replace("neutral", "not_entailment").replace("contradiction", "entailment");
    assert_eq!(folder(&[("train.jsonl", &many(&line))]).unwrap().task, Task::Rte);
    let qnli = "index\tquestion\tsentence\tlabel\n0\tq\ts\t1\n";
    assert!(format!("{:#}", folder(&[("train.tsv", qnli)]).unwrap_err()).contains("QNLI"));

    let line = |k: usize| {
        format!(
            "{{\"premise\":\"It rained.\",\"choice1\":\"One {k}.\",\"choice2\":\"Two.\",\"question\":\"{}\",\
             \"label\":{}}}\r\n",
            ["cause", "effect"][k % 2],
            k % 2
        )
    };
    let corpus = folder(&[("train.jsonl", &many(&line))]).unwrap();
    assert_eq!(corpus.task, Task::Copa);
    assert!(all(&corpus).contains(&row("It rained. What was the effect?", Some("One 3. Two."), "1")));

    let line = |k: usize| {
        format!(
            "{{\"text\":\"Ann  thanked Sue because she helped {k}.\",\"target\":{{\"span1_text\":\"Sue\",\
             \"span1_index\":2,\"span2_text\":\"she\",\"span2_index\":4}},\"label\":{}}}\n",
            k.is_multiple_of(2)
        )
    };
    let corpus = folder(&[("train.jsonl", &many(&line))]).unwrap();
    assert_eq!((corpus.task, &corpus.classes[..]), (Task::Wsc, &["false".to_string(), "true".into()][..]));
    assert!(all(&corpus).contains(&row("Ann thanked Sue because *she* helped 8.", Some("Sue"), "true")));
    let far = many(&line).replace("\"span2_index\":4", "\"span2_index\":40");
    let error = folder(&[("train.jsonl", &far)]).unwrap_err();
    assert!(error.contains("train.jsonl, line 1") && error.contains("word 40"), "{error}");

    let line =
        |k: usize| format!("{{\"question\":\"q{k}\",\"passage\":\"p\",\"label\":{}}}\n", k.is_multiple_of(2));
    let unlabelled = "{\"question\":\"q\",\"passage\":\"p\",\"idx\":0}";
    let files = [("train.jsonl", &many(&line)[..]), ("dev.jsonl", &line(1)[..]), ("test.jsonl", unlabelled)];
    let corpus = folder(&files).unwrap();
    assert_eq!((corpus.task, corpus.split.test.inputs.len()), (Task::BoolQ, 1));
    assert!(all(&corpus).contains(&row("q3", Some("p"), "false")));
}

#[test]
fn odd_files_are_read() {
    // A byte order mark, CRLF, quoted commas, quotes and line breaks, an empty text, no last line end.
    let rows: String = (0..20).map(|k| format!("\"a, \"\"{k}\"\"\r\nb\",{}\r\n", 10 - k % 3)).collect();
    let csv = format!("\u{feff}text,label\r\n{rows},9\r\n\"last\",8");
    let corpus = folder(&[("train.csv", &csv)]).unwrap();
    assert_eq!(corpus.classes, ["8", "9", "10"]); // as numbers
    let found = all(&corpus);
    assert_eq!(found.len(), 22);
    for expected in [row("a, \"4\"\r\nb", None, "9"), row("", None, "9"), row("last", None, "8")] {
        assert!(found.contains(&expected), "{expected:?}");
    }
    // Other names.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.csv");
    let rows: String = (0..20).map(|k| format!("{},x{k},y\n", ["no", "yes"][k % 2])).collect();
    fs::write(&path, format!("verdict,claim,proof\n{rows}")).unwrap();
    let name = |name: &str| Some(name.to_string());
    let columns = Columns { text: name("claim"), pair: name("proof"), label: name("verdict") };
    let corpus = Corpus::open(&path, None, &columns, Samples::default(), 0).unwrap();
    assert!(all(&corpus).contains(&row("x3", Some("y"), "yes")));
    let columns = Columns { text: name("body"), ..columns };
    let error = Corpus::open(&path, None, &columns, Samples::default(), 0).unwrap_err().to_string();
    assert!(error.contains("`body`") && error.contains("`verdict`, `claim`, `proof`"), "{error}");
    let columns = Columns { text: name("claim"), label: name("class"), ..Default::default() };
    let error = Corpus::open(&path, None, &columns, Samples::default(), 0).unwrap_err().to_string();
    assert!(error.contains("`class`") && error.contains("`proof`"), "{error}");
    let error = open(&path).unwrap_err().to_string();
    assert!(error.contains("`verdict`, `claim`, `proof`"), "{error}");
}

#[test]
fn bad_files_are_named_with_their_line() {
    let good: String = (0..20).map(|k| format!("a {k}\t{}\n", k % 2)).collect();
    let cases = [
        (format!("sentence\tlabel\n{good}b\tc\t1\n"), "line 22"),
        (format!("sentence\tlabel\n{good}b\t\n"), "line 22"),
        (format!("sentence\tlabel\n{}", good.replace("\t1", "\t0")), "one class only (0)"),
        ("sentence\tlabel\n".to_string(), "no row"),
        (String::new(), "no row"),
        ("sentence\nonly\n".to_string(), "no classes"),
        (format!("content\tlabel\n{good}"), "`content`, `label`"),
    ];
    for (text, expected) in cases {
        let error = folder(&[("train.tsv", &text)]).unwrap_err();
        assert!(error.contains("train.tsv") && error.contains(expected), "{expected}: {error}");
    }
    let train = format!("sentence\tlabel\n{good}");
    let error = folder(&[("train.tsv", &train), ("dev.tsv", "sentence\tlabel\na\t2\n")]).unwrap_err();
    assert!(error.contains("the class `2`"), "{error}");
    for (name, text, expected) in [
        ("train.jsonl", "{\"text\": 1\n", "line 1"),
        ("train.jsonl", "[1]\n", "object"),
        ("x", "", "no train.tsv"),
    ] {
        let error = folder(&[(name, text)]).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    let missing = "{\"text\":\"a\",\"label\":1}\n{\"label\":0}\n";
    assert!(folder(&[("train.jsonl", missing)]).unwrap_err().contains("line 2: `text` is missing"));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("train.tsv"), b"sentence\tlabel\nok\t1\n\xff\t0\n").unwrap();
    assert!(open(folder.path()).unwrap_err().to_string().contains("line 3: not UTF-8"));
    assert!(open(&folder.path().join("none")).is_err());
}

#[test]
fn parts_are_drawn_from_the_seed_and_never_overlap() {
    let text: String = (0..200).map(|k| format!("a {k}\t{}\n", k % 2)).collect();
    let text = format!("sentence\tlabel\n{text}");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("train.tsv"), &text).unwrap();
    fs::write(folder.path().join("dev.tsv"), "sentence\tlabel\nreported\t1\n").unwrap();
    let samples = Samples { train: Some(50), ..Default::default() };
    let read = |samples, seed| Corpus::open(folder.path(), None, &Columns::default(), samples, seed).unwrap();
    let (a, b) = (read(samples, 3), read(samples, 3));
    assert_eq!(a, b);
    assert_ne!(a.split.dev, read(samples, 4).split.dev);
    let sizes = |c: &Corpus| [&c.split.train, &c.split.dev, &c.split.test].map(|set| set.inputs.len());
    assert_eq!((sizes(&a), sizes(&read(Samples::default(), 3))), ([50, 20, 1], [180, 20, 1]));
    assert_eq!(a.split.test.inputs[0].first, "reported");
    assert!(a.split.train.inputs.iter().all(|text| !a.split.dev.inputs.contains(text)));
    let none = Samples { train: Some(1), ..Default::default() };
    let error = Corpus::open(folder.path(), None, &Columns::default(), none, 0).unwrap_err().to_string();
    assert!(error.contains("no training sample is left"), "{error}");
}

#[test]
fn tokens_are_those_counted_by_hand() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tokenizer.json"));
    let text = |first: &str, second: Option<&str>| Text {
        first: first.to_string(),
        second: second.map(str::to_string),
    };
    let open = |length| Tokenizer::open(path, length).unwrap();
    // [CLS] the film was good ##ly ! [SEP], lower case, no padding.
    let found = open(128).encode(&text("The FILM was goodly!", None)).unwrap();
    assert_eq!((found.ids, found.types), (vec![2, 64, 65, 67, 70, 81, 5, 3], vec![0; 8]));
    let found = open(128).encode(&text("the film", Some("it was dulling"))).unwrap();
    assert_eq!(found.ids, [2, 64, 65, 3, 69, 67, 72, 78, 3]);
    assert_eq!(found.types, [0, 0, 0, 0, 1, 1, 1, 1, 1]);
    assert_eq!(open(128).encode(&text("", None)).unwrap().ids, [2, 3]);
    // Of a pair the longer text is cut.
    let found = open(7).encode(&text("the film is not good", Some("it is"))).unwrap();
    assert_eq!(found.ids, [2, 64, 65, 3, 69, 66, 3]);
    let error = Tokenizer::open(path, 4).unwrap_err().to_string();
    assert!(error.contains("at least 5"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let error = Tokenizer::open(folder.path(), 128).unwrap_err();
    assert!(format!("{error:#}").contains("tokenizer.json"));
    fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
    assert!(Tokenizer::open(folder.path(), 128).unwrap_err().to_string().contains("tokenizer.json"));
}

#[test]
fn batches_hold_like_lengths() {
    let lengths: Vec<usize> = (0..1000).map(|k| 5 + (k * 37) % 60).collect();
    let found = batches(&lengths, 16, 1, 0);
    assert_eq!(found, batches(&lengths, 16, 1, 0));
    assert_ne!(found, batches(&lengths, 16, 1, 1));
    assert_ne!(found, batches(&lengths, 16, 2, 0));
    let mut every: Vec<usize> = found.concat();
    every.sort();
    assert_eq!((every, found.len()), ((0..1000).collect(), 63));
    // The lengths of a batch lie in a thirtieth of the range or so, not in all of it.
    let spread = |batch: &Vec<usize>| {
        let lengths: Vec<usize> = batch.iter().map(|at| lengths[*at]).collect();
        lengths.iter().max().unwrap() - lengths.iter().min().unwrap()
    };
    let mean = found.iter().map(spread).sum::<usize>() as f64 / found.len() as f64;
    assert!(mean < 6.0, "{mean}");
    // Long ones do not all come last.
    let first: usize = found[..8].iter().map(|batch| lengths[batch[0]]).sum();
    let last: usize = found[55..].iter().map(|batch| lengths[batch[0]]).sum();
    assert!(first.abs_diff(last) < 8 * 30, "{first} {last}");
}
