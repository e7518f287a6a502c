//! `train_adapter --model DIR --data DIR`: an encoder learns to tell texts apart.
//!
//! **Problem.** An encoder ([`crate::encoder`]) and texts with classes ([`crate::text`]): an adapter beside its frozen
//! weights, and a head, that tell the classes.
//!
//! **Method.** [`Trainer::fit`]; the epoch is picked on the development set, the test set is looked at once, at the
//! end.
//!
//! **Guarantee.** The folder holds a checkpoint after each epoch, from which the run goes on bit by bit; its log and
//! figure are the same then. A number that is not finite ends the run, the checkpoint before it stays.
//!
//! | file | what |
//! | --- | --- |
//! | options.txt | what was asked for: a run goes on with the same alone |
//! | checkpoint.safetensors | the run after its last whole epoch |
//! | log.csv | loss and rate of each step, the development metrics of each epoch |
//! | loss.svg, loss.png | the same, drawn |
//! | summary.csv | the result, in a row |
//! | adapter/ | what was trained: see [`export`] |

pub mod export;
pub mod figure;
mod folder;
pub mod log;
pub mod options;

use crate::checkpoint;
use crate::encoder::{Encoder, Loading};
use crate::model::{Model, Set, Split};
use crate::text::{Corpus, Tokenizer, Tokens};
use crate::training::{Event, Settings, Trainer, confusion};
use anyhow::{Context, Result, bail};
use folder::Folder;
use log::{Log, Row};
use lowrank_experiments::measure::{median, peak_memory};
use lowrank_experiments::plot::drawing::Drawing;
use options::{Device, Options};
use serde::{Deserialize, Serialize};

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// What was trained.
    pub method: String,
    /// Trained numbers, those of the head with them.
    pub parameters: usize,
    /// The learning rate.
    pub rate: f64,
    /// The seed.
    pub seed: u64,
    /// The best epoch, from 1.
    pub epoch: u64,
    /// Accuracy on the development set after it.
    pub dev_accuracy: f64,
    /// F1.
    pub dev_f1: f64,
    /// Matthews' correlation.
    pub dev_matthews: f64,
    /// Accuracy on the test set.
    pub test_accuracy: f64,
    /// F1.
    pub test_f1: f64,
    /// Matthews' correlation.
    pub test_matthews: f64,
    /// The median seconds of a step of the last training; NaN where none was done.
    pub step_seconds: f64,
    /// The largest resident memory of the process, in bytes, where the system tells.
    pub peak_bytes: Option<f64>,
}

/// The program. `seen` is told of every step and epoch; an error of it ends the run.
///
/// # Errors
/// Where an option, a file or a row of the data is wrong; where a number is not finite.
pub fn run(options: &Options, seen: impl FnMut(Event<'_>) -> Result<()>) -> Result<Summary> {
    if options.device == Device::Cuda && !cfg!(feature = "cuda") {
        bail!(
            "--device cuda: this program is built without CUDA: leave it out, or build with --features cuda"
        );
    }
    if options.tf32 && options.device == Device::Cpu {
        bail!("--tf32 is for a GPU: add --device cuda, or leave it out");
    }
    // Before all that takes time; nothing is changed until all of it was found right.
    let folder = Folder::check(options)?;
    let corpus =
        Corpus::open(&options.data, options.task, &options.columns(), options.samples(), options.seed)?;
    let loading = Loading {
        classes: Some(corpus.classes.len()),
        pooling: options.pooling(),
        rounded: options.bf16,
        seed: options.seed,
    };
    let base = Encoder::<f32>::load(&options.model, &loading)?;
    if options.max_length > base.config().longest() {
        bail!(
            "--max-length {}: the encoder takes sequences of at most {} tokens",
            options.max_length,
            base.config().longest()
        );
    }
    let sets = Tokenizer::open(&options.model, options.max_length)?.split(&corpus.split)?;
    let encoder = base.adapt(&options.training(base.config().width)?, options.seed)?;
    drop(base);
    let settings = options.settings(corpus.task.metric());
    describe(options, &corpus, &sets, &encoder, &settings);

    let job = Job { options, folder: &folder, sets: &sets, settings };
    let (summary, rows, encoder) = match options.device {
        Device::Cpu => job.run(encoder, seen)?,
        Device::Cuda => job.run_on_gpu(encoder, seen)?,
    };
    let summary = folder.conclude(summary)?;
    let out = &options.out;
    let caption = format!(
        "{} on {}: {} texts to train on, batches of {}, largest learning rate {}. The epoch with the best value on \
         the {} texts of the development set is kept ({}).",
        options.method.name(),
        options.data.display(),
        sets.train.labels.len(),
        options.batch,
        options.rate(),
        sets.dev.labels.len(),
        summary.epoch
    );
    figure::sheet(&rows, settings.metric, "Training an encoder", &caption).write(&out.join("loss"))?;
    let written = export::write(&encoder, &options.model.display().to_string(), &out.join("adapter"))?;
    for (name, text) in summary.lines() {
        println!("{name:8} {text}");
    }
    println!("folder:  {}", out.display());
    println!("adapter: {written}");
    Ok(summary)
}

/// One training.
struct Job<'a> {
    options: &'a Options,
    folder: &'a Folder,
    sets: &'a Split<Tokens>,
    settings: Settings,
}

/// What it gives: the result, the log, and the model with the numbers of the best epoch.
type Trained<M> = (Summary, Vec<Row>, M);

impl Job<'_> {
    fn run<M: Model<f32, Input = Tokens>>(
        &self,
        model: M,
        mut seen: impl FnMut(Event<'_>) -> Result<()>,
    ) -> Result<Trained<M>> {
        let Job { options, folder, sets, settings } = self;
        let mut trainer = Trainer::new(model, *settings)?;
        folder.start()?;
        let path = folder.checkpoint();
        if folder.goes_on() {
            checkpoint::load(&mut trainer, &path)?;
            eprintln!("going on after epoch {}", trainer.epoch);
        }
        let mut log = Log::open(&folder.log(), trainer.state.steps, trainer.steps(&sets.train))?;
        let done = trainer.fit(&sets.train, &sets.dev, Some(&path), |event| {
            log.take(event)?;
            seen(event)
        });
        log.finish();
        done.with_context(|| match path.is_file() {
            true => format!("the run ended early; its last whole epoch is kept in {}", path.display()),
            false => "the run ended in its first epoch".to_string(),
        })?;
        let dev = confusion(&trainer.model, &sets.dev)?;
        let test = confusion(&trainer.model, &sets.test)?;
        let summary = Summary {
            method: options.method.name(),
            parameters: trainer.model.trained(),
            rate: options.rate(),
            seed: options.seed,
            epoch: trainer.best.as_ref().map_or(0, |best| best.epoch),
            dev_accuracy: dev.accuracy(),
            dev_f1: dev.f1(),
            dev_matthews: dev.matthews(),
            test_accuracy: test.accuracy(),
            test_f1: test.f1(),
            test_matthews: test.matthews(),
            step_seconds: median(log.seconds),
            peak_bytes: peak_memory(),
        };
        Ok((summary, log.rows, trainer.model))
    }

    #[cfg(feature = "cuda")]
    fn run_on_gpu(
        &self,
        encoder: Encoder<f32>,
        seen: impl FnMut(Event<'_>) -> Result<()>,
    ) -> Result<Trained<Encoder<f32>>> {
        use crate::cuda::{self, Precision};
        let precision = match self.options {
            Options { bf16: true, .. } => Precision::Bf16,
            Options { tf32: true, .. } => Precision::Tf32,
            _ => Precision::F32,
        };
        let encoder = cuda::Encoder::new(&encoder, precision)?;
        eprintln!("device:  {}", encoder.device()?);
        let (summary, rows, encoder) = self.run(encoder, seen)?;
        eprintln!("device:  {:.0} MiB of its memory held at most", mebibytes(encoder.held() as f64));
        Ok((summary, rows, encoder.host().clone()))
    }

    #[cfg(not(feature = "cuda"))]
    fn run_on_gpu(
        &self,
        _: Encoder<f32>,
        _: impl FnMut(Event<'_>) -> Result<()>,
    ) -> Result<Trained<Encoder<f32>>> {
        bail!("--device cuda: this program is built without CUDA")
    }
}

impl Summary {
    /// In words.
    fn lines(&self) -> Vec<(&'static str, String)> {
        let metrics = |accuracy: f64, f1: f64, matthews: f64| {
            format!("accuracy {:.2} %, F1 {:.2} %, Matthews {matthews:.3}", 100.0 * accuracy, 100.0 * f1)
        };
        let dev = metrics(self.dev_accuracy, self.dev_f1, self.dev_matthews);
        let mut out = vec![
            ("dev:", format!("{dev} (epoch {})", self.epoch)),
            ("test:", metrics(self.test_accuracy, self.test_f1, self.test_matthews)),
            ("trained:", format!("{} numbers, the head's with them", self.parameters)),
        ];
        if self.step_seconds.is_finite() {
            out.push(("step:", format!("{:.4} s, the median", self.step_seconds)));
        }
        out.extend(
            self.peak_bytes.map(|b| ("memory:", format!("{:.0} MiB of the host at most", mebibytes(b)))),
        );
        out
    }
}

fn mebibytes(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}

/// Says what is about to be done.
fn describe(
    options: &Options,
    corpus: &Corpus,
    sets: &Split<Tokens>,
    encoder: &Encoder<f32>,
    settings: &Settings,
) {
    let Split { train, dev, test } = sets;
    let count = |set: &Set<Tokens>| set.labels.len();
    eprintln!(
        "data:    {}, {} texts to train on, {} to pick the epoch by ({:?}), {} to report; {}",
        options.data.display(),
        count(train),
        count(dev),
        settings.metric,
        count(test),
        corpus.origin
    );
    let share = |class: usize| {
        let own = corpus.split.train.labels.iter().filter(|label| **label == class).count();
        format!("{} {:.1} %", corpus.classes[class], 100.0 * own as f64 / count(train) as f64)
    };
    let shares: Vec<String> = (0..train.classes).map(share).collect();
    let tokens: usize = train.inputs.iter().map(|tokens| tokens.ids.len()).sum();
    let cut = train.inputs.iter().filter(|tokens| tokens.ids.len() == options.max_length).count();
    eprintln!(
        "classes: {}; {:.1} tokens a text, {cut} of {} texts at the limit of {}",
        shares.join(", "),
        tokens as f64 / count(train) as f64,
        count(train),
        options.max_length
    );
    eprintln!(
        "method:  {}, {} numbers trained, the head's with them",
        options.method.name(),
        encoder.trained()
    );
}
