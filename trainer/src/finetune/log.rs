//! The log of a run: a row a step, and the progress bar.

use crate::training::Event;
use anyhow::{Context, Result};
use lowrank_experiments::progress::{Bar, duration};
use lowrank_experiments::table::{from_csv, to_csv, write_atomically};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A row of the log: a step, and after the last one of an epoch the metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The step, from 1.
    pub step: u64,
    /// Its epoch, from 1.
    pub epoch: u64,
    /// The mean loss of its samples.
    pub loss: f64,
    /// The learning rate.
    pub rate: f64,
    /// Accuracy on the development set after the epoch.
    pub dev_accuracy: Option<f64>,
    /// F1.
    pub dev_f1: Option<f64>,
    /// Matthews' correlation.
    pub dev_matthews: Option<f64>,
}

/// The log of a run, in a file that is whole after every epoch.
pub struct Log {
    path: PathBuf,
    /// Its rows.
    pub rows: Vec<Row>,
    /// The seconds of the steps done now.
    pub seconds: Vec<f64>,
    bar: Bar,
    steps: u64,
    clock: Instant,
    taken: usize,
    start: Instant,
}

impl Log {
    /// A log that goes on after a step of those in the file, of so many in all.
    ///
    /// # Errors
    /// Where the file cannot be read, or has not all steps so far.
    pub fn open(path: &Path, done: u64, steps: u64) -> Result<Self> {
        let mut rows: Vec<Row> = Vec::new();
        if done > 0 {
            let text = std::fs::read_to_string(path);
            let text = text.with_context(|| format!("cannot read the log {}", path.display()))?;
            rows = from_csv(&text).with_context(|| path.display().to_string())?;
            rows.retain(|row| row.step <= done);
            if rows.len() as u64 != done {
                anyhow::bail!("{}: {} rows of the first {done} steps", path.display(), rows.len());
            }
        }
        let (bar, clock) = (Bar::new("train_adapter"), Instant::now());
        let path = path.to_path_buf();
        Ok(Log { path, rows, seconds: Vec::new(), bar, steps, clock, taken: 0, start: clock })
    }

    /// Takes down what happened.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn take(&mut self, event: Event<'_>) -> Result<()> {
        match event {
            Event::Step { step, epoch, loss, rate, samples } => {
                self.seconds.push(self.clock.elapsed().as_secs_f64());
                self.taken += samples;
                let row =
                    Row { step, epoch, loss, rate, dev_accuracy: None, dev_f1: None, dev_matthews: None };
                self.rows.push(row);
                self.show();
            }
            Event::Epoch { epoch, loss, dev } => {
                if let Some(row) = self.rows.last_mut() {
                    row.dev_accuracy = Some(dev.accuracy());
                    row.dev_f1 = Some(dev.f1());
                    row.dev_matthews = Some(dev.matthews());
                }
                write_atomically(&self.path, to_csv(&self.rows, true)?.as_bytes())?;
                let (accuracy, f1) = (100.0 * dev.accuracy(), 100.0 * dev.f1());
                self.bar.note(&format!(
                    "epoch {epoch}: loss {loss:.4}; dev: accuracy {accuracy:.2} %, F1 {f1:.2} %, Matthews {:.3}",
                    dev.matthews()
                ));
            }
        }
        self.clock = Instant::now();
        Ok(())
    }

    /// Ends the bar.
    pub fn finish(&self) {
        self.bar.finish();
    }

    fn show(&mut self) {
        let last = &self.rows[self.rows.len().saturating_sub(20)..];
        let loss = last.iter().map(|row| row.loss).sum::<f64>() / last.len().max(1) as f64;
        let (done, now) = (self.rows.len() as u64, self.seconds.len() as f64);
        let elapsed = self.start.elapsed().as_secs_f64();
        let left = elapsed / now * self.steps.saturating_sub(done) as f64;
        let message = format!(
            "step {done} of {}, loss {loss:.4}, {:.0} texts/s, about {} left",
            self.steps,
            self.taken as f64 / elapsed,
            duration(left)
        );
        self.bar.show(done as f64 / self.steps.max(1) as f64, &message);
    }
}
