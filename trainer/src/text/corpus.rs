//! A folder or file of texts, split in three.
//!
//! A folder has a training file, `train.tsv`, `.csv` or `.jsonl` (MRPC also `msr_paraphrase_train.txt`), and perhaps
//! a development file (`dev`, `val`, `valid`, `validation`) and a test file (`test`;
//! `msr_paraphrase_test.txt`). What is reported is never what the epoch is picked by:
//!
//! | there are | dev | test |
//! | --- | --- | --- |
//! | dev and a test file with classes | the dev file | the test file |
//! | dev alone, or a test file without classes | a tenth of train | the dev file |
//! | a test file with classes, no dev | a tenth of train | the test file |
//! | train alone, or one file | a tenth of it | another tenth |
//!
//! The tenth is drawn from a stream named by the seed. Classes are the different labels in sorted order, as numbers
//! where all are numbers.

use super::table::{ENDINGS, Table};
use super::{Columns, Task, Text};
use crate::model::{Set, Split};
use anyhow::{Context, Result, bail};
use lowrank::random::stream;
use rand::seq::SliceRandom;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Texts to train on, to choose by and to report.
#[derive(Debug, Clone, PartialEq)]
pub struct Corpus {
    /// The texts.
    pub split: Split<Text>,
    /// The labels of the classes.
    pub classes: Vec<String>,
    /// What they are.
    pub task: Task,
    /// Where the three parts come from, in words.
    pub origin: String,
}

/// The largest number of samples of each part; drawn from a stream named by the seed where there are more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Samples {
    /// Of the training set.
    pub train: Option<usize>,
    /// Of the development set.
    pub dev: Option<usize>,
    /// Of the test set.
    pub test: Option<usize>,
}

/// Texts with their labels.
type Labelled = Vec<(Text, String)>;

impl Corpus {
    /// Reads a folder or a file. The task is recognised by the columns of the training file where it is not
    /// given.
    ///
    /// # Errors
    /// Where a file is missing, cannot be read or does not fit the task, with the line; where there are fewer
    /// than two classes, or a class that no training sample has.
    pub fn open(
        path: &Path,
        task: Option<Task>,
        columns: &Columns,
        samples: Samples,
        seed: u64,
    ) -> Result<Self> {
        let files = Files::find(path)?;
        let table = Table::read(&files.train)?;
        let task = task.map_or_else(|| Task::recognise(&table, columns), Ok)?;
        let mut train = labelled(&table, task, columns)?
            .with_context(|| format!("{}: no classes to train on", table.path.display()))?;
        let open = |path: &Option<PathBuf>| match path {
            Some(path) => labelled(&Table::read(path)?, task, columns),
            None => Ok(None),
        };
        let (dev, test) = (open(&files.dev)?, open(&files.test)?);
        let tenth = train.len().div_ceil(10);
        let mut part = |name| take(&mut train, tenth, seed, name);
        let (dev, test, origin) = match (dev, test) {
            (Some(dev), Some(test)) => (dev, test, "dev and test are files of their own"),
            (Some(dev), None) => (
                part("the development set"),
                dev,
                "dev is a tenth of the training file, test is the dev file",
            ),
            (None, Some(test)) => (part("the development set"), test, "dev is a tenth of the training file"),
            (None, None) => {
                let test = part("the test set");
                (part("the development set"), test, "dev and test are a tenth of the file each")
            }
        };
        let classes = sorted(train.iter().map(|(_, label)| label.as_str()));
        if classes.len() < 2 {
            bail!(
                "{}: one class only ({}): at least two are needed",
                files.train.display(),
                classes.join("")
            );
        }
        let set = |name: &str, mut texts: Labelled, limit: Option<usize>| -> Result<Set<Text>> {
            if let Some(limit) = limit.filter(|limit| *limit < texts.len()) {
                texts = take(&mut texts, limit, seed, &format!("some of the {name} set"));
            }
            let class = |label: &String| {
                classes.iter().position(|class| class == label).with_context(|| {
                    format!("the {name} set has the class `{label}`, but no training sample has it")
                })
            };
            let labels = texts.iter().map(|(_, label)| class(label)).collect::<Result<_>>()?;
            let inputs = texts.into_iter().map(|(text, _)| text).collect();
            let set = Set { inputs, labels, classes: classes.len() };
            set.check(name)?;
            Ok(set)
        };
        let split = Split {
            train: set("training", train, samples.train)?,
            dev: set("development", dev, samples.dev)?,
            test: set("test", test, samples.test)?,
        };
        if let Some(class) = (0..classes.len()).find(|class| !split.train.labels.contains(class)) {
            bail!("no training sample is left of the class `{}`: take more samples", classes[class]);
        }
        Ok(Corpus { split, classes, task, origin: origin.to_string() })
    }
}

fn labelled(table: &Table, task: Task, columns: &Columns) -> Result<Option<Labelled>> {
    let (texts, classes) = task.read(table, columns)?;
    Ok(classes.map(|classes| texts.into_iter().zip(classes).collect()))
}

/// Takes some samples out; both parts keep their order.
fn take(from: &mut Labelled, count: usize, seed: u64, purpose: &str) -> Labelled {
    let mut order: Vec<usize> = (0..from.len()).collect();
    order.shuffle(&mut stream(seed, purpose, 0));
    let taken: BTreeSet<usize> = order.into_iter().take(count).collect();
    let (mut out, mut rest) = (Vec::new(), Vec::new());
    for (k, sample) in from.drain(..).enumerate() {
        if taken.contains(&k) { out.push(sample) } else { rest.push(sample) }
    }
    *from = rest;
    out
}

fn sorted<'a>(labels: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut out: Vec<String> = labels.collect::<BTreeSet<_>>().into_iter().map(str::to_string).collect();
    if let Ok(numbers) = out.iter().map(|label| label.parse()).collect::<Result<Vec<i64>, _>>() {
        let mut pairs: Vec<_> = numbers.into_iter().zip(out).collect();
        pairs.sort();
        out = pairs.into_iter().map(|(_, label)| label).collect();
    }
    out
}

struct Files {
    train: PathBuf,
    dev: Option<PathBuf>,
    test: Option<PathBuf>,
}

impl Files {
    fn find(path: &Path) -> Result<Self> {
        if path.is_file() {
            return Ok(Files { train: path.to_path_buf(), dev: None, test: None });
        }
        if !path.is_dir() {
            bail!("{}: no such folder or file", path.display());
        }
        let find = |stems: &[&str]| {
            let names = stems.iter().flat_map(|stem| ENDINGS.map(|ending| format!("{stem}.{ending}")));
            names.map(|name| path.join(name)).find(|file| file.is_file())
        };
        let train = find(&["train", "msr_paraphrase_train"]).with_context(|| {
            format!("{}: no train.tsv, train.csv or train.jsonl (or name a file instead)", path.display())
        })?;
        let dev = find(&["dev", "val", "valid", "validation"]);
        Ok(Files { train, dev, test: find(&["msr_paraphrase_test", "test"]) })
    }
}
