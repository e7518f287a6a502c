//! A killed run resumes to the table of an uninterrupted one; a failed write leaves old files whole.

mod common;

use anyhow::Result;
use common::small;
use lowrank_experiments::figure::Row;
use lowrank_experiments::grid::{Figure, Trial, trials};
use lowrank_experiments::run::{Settings, csv_path, journal_path, run};
use lowrank_experiments::{cli, journal, table};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

const FIGURE: Figure = Figure::VaryingRank;

fn solver(trial: &Trial) -> Result<Row> {
    common::solver(FIGURE, trial)
}

fn settings(out: &Path, resume: bool) -> Settings {
    Settings { out: out.to_path_buf(), threads: 2, resume }
}

/// The journal of a whole run, its rows in a scrambled order, and the table of the whole run.
fn whole() -> (String, String) {
    let config = small();
    let folder = tempfile::tempdir().unwrap();
    let rows = run(FIGURE, &config, &settings(folder.path(), false), &solver).unwrap();
    let csv = fs::read_to_string(csv_path(folder.path(), FIGURE)).unwrap();
    assert_eq!(csv, table::to_csv(&rows, true).unwrap());
    assert!(!journal_path(folder.path(), FIGURE).exists());
    let scrambled: Vec<Row> = (0..rows.len()).map(|i| rows[(i * 5 + 3) % rows.len()].clone()).collect();
    let text = journal::header(FIGURE, &config, 2).unwrap() + &table::to_csv(&scrambled, false).unwrap();
    (text, csv)
}

#[test]
fn resumes_from_every_byte_of_the_journal() {
    let (journal, csv) = whole();
    let header = journal.find('\n').unwrap() + 1;
    let total = trials(&small()).len();
    let folder = tempfile::tempdir().unwrap();
    for cut in (0..=journal.len()).filter(|c| c % 3 == 0 || journal[..*c].ends_with('\n')) {
        fs::write(journal_path(folder.path(), FIGURE), &journal[..cut]).unwrap();
        let calls = AtomicUsize::new(0);
        let counting = |trial: &Trial| {
            calls.fetch_add(1, Ordering::Relaxed);
            solver(trial)
        };
        run(FIGURE, &small(), &settings(folder.path(), true), &counting).unwrap();
        assert_eq!(fs::read_to_string(csv_path(folder.path(), FIGURE)).unwrap(), csv, "cut at byte {cut}");
        let done = if cut < header { 0 } else { journal[header..cut].matches('\n').count() };
        assert_eq!(calls.into_inner(), total - done, "cut at byte {cut}");
    }
}

#[test]
fn garbage_after_a_crash_is_run_again() {
    let (journal, csv) = whole();
    let folder = tempfile::tempdir().unwrap();
    let end = journal[..journal.len() / 2].rfind('\n').unwrap() + 1;
    let mut bytes = journal.as_bytes()[..end].to_vec();
    bytes.extend([0, 0, 0, b'\n', 0xff, b'\n']);
    fs::write(journal_path(folder.path(), FIGURE), bytes).unwrap();
    run(FIGURE, &small(), &settings(folder.path(), true), &solver).unwrap();
    assert_eq!(fs::read_to_string(csv_path(folder.path(), FIGURE)).unwrap(), csv);
}

#[test]
fn another_configuration_is_refused_and_the_journal_kept() {
    let (journal, _) = whole();
    let folder = tempfile::tempdir().unwrap();
    let path = journal_path(folder.path(), FIGURE);
    fs::write(&path, &journal).unwrap();
    let mut other = small();
    other.seeds = 3;
    let error = run(FIGURE, &other, &settings(folder.path(), true), &solver).unwrap_err();
    assert!(format!("{error:#}").contains("without --resume"), "{error:#}");
    assert_eq!(fs::read_to_string(&path).unwrap(), journal);
}

#[test]
fn a_complete_table_is_not_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(FIGURE, &small(), &settings(folder.path(), false), &solver).unwrap();
    let never = |_: &Trial| panic!("ran again");
    assert_eq!(run(FIGURE, &small(), &settings(folder.path(), true), &never).unwrap(), first);
}

#[test]
fn failed_trials_are_kept_apart_and_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let failing = |trial: &Trial| match trial.seed {
        0 => solver(trial),
        _ => anyhow::bail!("no answer"),
    };
    let rows = run(FIGURE, &small(), &settings(folder.path(), false), &failing).unwrap();
    assert_eq!(rows.iter().filter(|r| r.status == table::FAILED).count(), rows.len() / 2);
    cli::draw(FIGURE, &rows, folder.path()).unwrap();
    run(FIGURE, &small(), &settings(folder.path(), true), &solver).unwrap();
    assert_eq!(fs::read_to_string(csv_path(folder.path(), FIGURE)).unwrap(), whole().1);
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "kept").unwrap();
    let error = run(FIGURE, &small(), &settings(&file, false), &solver).unwrap_err();
    assert!(format!("{error:#}").contains("cannot create the folder"), "{error:#}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    assert!(run(FIGURE, &small(), &settings(Path::new("/proc/nowhere"), false), &solver).is_err());
}

#[test]
fn a_full_disk_is_an_error_and_old_files_stay() {
    let folder = tempfile::tempdir().unwrap();
    run(FIGURE, &small(), &settings(folder.path(), false), &solver).unwrap();
    let csv = csv_path(folder.path(), FIGURE);
    let old = fs::read_to_string(&csv).unwrap();
    // First the journal, then the table lies on a full device.
    let journal = journal_path(folder.path(), FIGURE);
    for target in [&journal, &table::temporary(&csv)] {
        std::os::unix::fs::symlink("/dev/full", target).unwrap();
        let error = run(FIGURE, &small(), &settings(folder.path(), false), &solver).unwrap_err();
        assert!(format!("{error:#}").contains("cannot write"), "{error:#}");
        assert_eq!(fs::read_to_string(&csv).unwrap(), old);
        let _ = fs::remove_file(target);
    }
}
