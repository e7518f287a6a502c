//! Runs the trials of an experiment, with a journal, and writes the table.

use crate::journal::{self, Journal};
use crate::progress::Progress;
use crate::study::Study;
use crate::table::{self, Record};
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// Runs one trial.
pub type Solver<'a, S> = dyn Fn(&<S as Study>::Trial) -> Result<<S as Study>::Row> + Sync + 'a;

/// How to run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder of the results.
    pub out: PathBuf,
    /// Number of trials that run at the same time, or threads of each where trials are timed; 0
    /// takes one a core.
    pub threads: usize,
    /// Whether to go on from the journal of an interrupted run.
    pub resume: bool,
}

impl Settings {
    /// The number of threads, one a core for 0.
    fn threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}

/// The place of an experiment's table.
pub fn csv_path<S: Study>(out: &Path, study: S) -> PathBuf {
    out.join(format!("{}.csv", study.stem()))
}

/// The place of an experiment's journal.
pub fn journal_path<S: Study>(out: &Path, study: S) -> PathBuf {
    out.join(format!("{}.partial.csv", study.stem()))
}

/// Runs all trials of the configuration that are not done yet and writes the table, in the order
/// of [`Study::trials`], whatever order they finished in. Returns its rows.
pub fn run<S: Study>(
    study: S,
    config: &S::Config,
    settings: &Settings,
    solver: &Solver<S>,
) -> Result<Vec<S::Row>> {
    let (trials, threads) = (study.trials(config), settings.threads());
    fs::create_dir_all(&settings.out)
        .with_context(|| format!("cannot create the folder {}", settings.out.display()))?;
    let (csv, partial) = (csv_path(&settings.out, study), journal_path(&settings.out, study));
    if settings.resume
        && !partial.exists()
        && let Some(rows) = complete(study, &csv, &trials, threads)
    {
        let timed = if study.timed() { " (without --resume all trials are timed anew)" } else { "" };
        eprintln!("{} is complete: nothing to run{timed}", csv.display());
        return Ok(rows);
    }
    let header = journal::header(study, config, threads)?;
    let (mut journal, mut done) = if partial.exists() && settings.resume {
        let (journal, done) = Journal::resume(study, &partial, &header, &trials)?;
        eprintln!("resuming from {}: {} of {} trials are done", partial.display(), done.len(), trials.len());
        (journal, done)
    } else {
        if settings.resume {
            eprintln!("no journal {}: starting anew", partial.display());
        } else if partial.exists() {
            eprintln!(
                "starting anew over the journal {} of an interrupted run (--resume would go on from it)",
                partial.display()
            );
        }
        (Journal::create(&partial, &header)?, HashMap::new())
    };

    let mut todo: Vec<S::Trial> = trials.iter().filter(|t| !done.contains_key(t)).copied().collect();
    if !study.timed() {
        todo.sort_by(|a, b| study.cost(b).total_cmp(&study.cost(a)));
    }
    work(study, &todo, threads, solver, |trial, row| {
        journal.push(&row)?;
        done.insert(trial, row);
        Ok(())
    })?;

    let rows: Vec<S::Row> = trials.iter().map(|t| done[t].clone()).collect();
    table::write_atomically(&csv, table::to_csv(&rows, true)?.as_bytes())?;
    // With failed trials the journal stays, so that --resume tries these alone again.
    if rows.iter().all(|row| !row.failed()) {
        fs::remove_file(&partial).with_context(|| format!("cannot remove {}", partial.display()))?;
    }
    Ok(rows)
}

/// The rows of a finished table of exactly these trials, without failed ones and, where they are
/// timed, on as many threads. How often each was timed, a table does not tell.
fn complete<S: Study>(study: S, csv: &Path, trials: &[S::Trial], threads: usize) -> Option<Vec<S::Row>> {
    let rows = table::read(study, csv).ok()?;
    let mut pairs = rows.iter().zip(trials);
    let same = rows.len() == trials.len()
        && rows.iter().all(|row| row.current() && row.threads().is_none_or(|t| t == threads))
        && pairs.all(|(row, trial)| study.trial(row).is_ok_and(|t| t == *trial));
    same.then_some(rows)
}

/// Works through the trials in their order; `finished` sees each as it finishes, on this thread.
///
/// Many at a time, each on one thread; timed ones one after the other, each on all threads.
fn work<S: Study>(
    study: S,
    todo: &[S::Trial],
    threads: usize,
    solver: &Solver<S>,
    mut finished: impl FnMut(S::Trial, S::Row) -> Result<()>,
) -> Result<()> {
    let (workers, each) = if study.timed() { (1, threads) } else { (threads.min(todo.len()), 1) };
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let mut progress = Progress::new(study, todo, workers);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (sender, next) = (sender.clone(), &next);
            // A trial's own pool keeps it from taking over the cores of others.
            let pool = rayon::ThreadPoolBuilder::new().num_threads(each).build()?;
            scope.spawn(move || {
                while let Some(trial) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let clock = std::time::Instant::now();
                    let row = pool.install(|| attempt(study, solver, trial));
                    if sender.send((*trial, row, clock.elapsed().as_secs_f64())).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(Duration::from_millis(500)) {
                Ok((trial, row, seconds)) => {
                    if row.failed() {
                        progress.note(&format!("failed: {trial}"));
                    }
                    if let Err(error) = finished(trial, row) {
                        next.store(todo.len(), Ordering::Relaxed);
                        return Err(error);
                    }
                    progress.advance(&trial, seconds);
                }
                Err(RecvTimeoutError::Timeout) => progress.tick(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        progress.finish();
        Ok(())
    })
}

/// A trial's row; an error or a panic becomes a failed row, and the other trials go on.
fn attempt<S: Study>(study: S, solver: &Solver<S>, trial: &S::Trial) -> S::Row {
    match catch_unwind(AssertUnwindSafe(|| solver(trial))) {
        Ok(Ok(row)) => row,
        Ok(Err(error)) => {
            eprintln!("{trial}: {error:#}");
            study.failed(trial)
        }
        Err(_) => study.failed(trial),
    }
}
