//! Runs the trials of a figure on several threads, with a journal, and writes the table.

use crate::config::Config;
use crate::grid::{Figure, Trial, trials};
use crate::journal::{self, Journal};
use crate::progress::Progress;
use crate::table::{self, FAILED, Outcome, Row};
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// Runs one trial.
pub type Solver<'a> = dyn Fn(&Trial) -> Result<Outcome> + Sync + 'a;

/// How to run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder of the results.
    pub out: PathBuf,
    /// Number of trials that run at the same time; 0 takes one a core.
    pub threads: usize,
    /// Whether to go on from the journal of an interrupted run.
    pub resume: bool,
}

/// The place of a figure's table.
pub fn csv_path(out: &Path, figure: Figure) -> PathBuf {
    out.join(format!("{}.csv", figure.stem()))
}

/// The place of a figure's journal.
pub fn journal_path(out: &Path, figure: Figure) -> PathBuf {
    out.join(format!("{}.partial.csv", figure.stem()))
}

/// Runs all trials of the configuration that are not done yet and writes the table, in the order
/// of [`trials`], whatever order they finished in. Returns its rows.
pub fn run(figure: Figure, config: &Config, settings: &Settings, solver: &Solver) -> Result<Vec<Row>> {
    let trials = trials(config);
    fs::create_dir_all(&settings.out)
        .with_context(|| format!("cannot create the folder {}", settings.out.display()))?;
    let (csv, partial) = (csv_path(&settings.out, figure), journal_path(&settings.out, figure));
    if settings.resume
        && !partial.exists()
        && let Some(rows) = complete(figure, &csv, &trials)
    {
        eprintln!("{} is complete: nothing to run", csv.display());
        return Ok(rows);
    }
    let header = journal::header(figure, config)?;
    let (mut journal, mut done) = if partial.exists() && settings.resume {
        let (journal, done) = Journal::resume(&partial, &header, &trials)?;
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

    let mut todo: Vec<Trial> = trials.iter().filter(|t| !done.contains_key(t)).copied().collect();
    todo.sort_by(|a, b| b.cost().total_cmp(&a.cost()));
    work(figure, &todo, settings.threads, solver, |trial, row| {
        journal.push(&row)?;
        done.insert(trial, row);
        Ok(())
    })?;

    let rows: Vec<Row> = trials.iter().map(|t| done[t].clone()).collect();
    table::write_atomically(&csv, table::to_csv(&rows, true)?.as_bytes())?;
    // With failed trials the journal stays, so that --resume tries these alone again.
    if rows.iter().all(|row| row.status != FAILED) {
        fs::remove_file(&partial).with_context(|| format!("cannot remove {}", partial.display()))?;
    }
    Ok(rows)
}

/// The rows of a finished table of exactly these trials, without failed ones.
fn complete(figure: Figure, csv: &Path, trials: &[Trial]) -> Option<Vec<Row>> {
    let rows = table::read(figure, csv).ok()?;
    let same = rows.len() == trials.len()
        && rows.iter().zip(trials).all(|(row, trial)| {
            row.status != FAILED && row.version == table::VERSION && row.trial().is_ok_and(|t| t == *trial)
        });
    same.then_some(rows)
}

/// Works through the trials in their order; `finished` sees each as it finishes, on this thread.
fn work(
    figure: Figure,
    todo: &[Trial],
    threads: usize,
    solver: &Solver,
    mut finished: impl FnMut(Trial, Row) -> Result<()>,
) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if threads == 0 { cores } else { threads }.min(todo.len());
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let mut progress = Progress::new(figure.program(), todo, threads);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next) = (sender.clone(), &next);
            // A trial runs on one core: its pool of one thread keeps it from taking over others.
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
            scope.spawn(move || {
                while let Some(trial) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let clock = std::time::Instant::now();
                    let outcome = pool.install(|| attempt(solver, trial));
                    if sender.send((*trial, outcome, clock.elapsed().as_secs_f64())).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(Duration::from_millis(500)) {
                Ok((trial, outcome, seconds)) => {
                    if outcome.status == FAILED {
                        progress.note(&format!("failed: {trial}"));
                    }
                    let row = Row::new(figure, &trial, outcome);
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

/// A trial's outcome; an error or a panic becomes a failed row, and the other trials go on.
fn attempt(solver: &Solver, trial: &Trial) -> Outcome {
    let failed = || Outcome {
        error: f64::NAN,
        lower_bound: 0.0,
        seconds: 0.0,
        iterations: 0,
        status: FAILED.to_string(),
    };
    match catch_unwind(AssertUnwindSafe(|| solver(trial))) {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => {
            eprintln!("{trial}: {error:#}");
            failed()
        }
        Err(_) => failed(),
    }
}
