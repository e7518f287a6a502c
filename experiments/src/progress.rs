//! A progress bar with the time left, or a line now and then where there is no terminal.

use crate::study::Study;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

const LINE_EVERY: Duration = Duration::from_secs(10);

/// A bar on stderr, or a line now and then where that is no terminal.
pub struct Bar {
    name: &'static str,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Bar {
    /// A bar with a name before it.
    pub fn new(name: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(1000);
            let style = ProgressStyle::with_template("{prefix} [{bar:30}] {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
            bar.set_prefix(name);
            bar
        });
        Bar { name, bar, last_line: Instant::now() }
    }

    /// Shows the share that is done, with a message behind.
    pub fn show(&mut self, share: f64, message: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position((1000.0 * share) as u64);
            bar.set_message(message.to_string());
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            eprintln!("{}: {message}", self.name);
        }
    }

    /// Says something between the updates.
    pub fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What the user sees while trials run.
///
/// The bar advances by estimated cost, not by count; the time left scales the estimates of each
/// kind of trial by what its finished trials really took.
pub struct Progress<S: Study> {
    study: S,
    bar: Bar,
    threads: usize,
    start: Instant,
    trials: usize,
    done: usize,
    // Per kind: estimated cost done, seconds it took, estimated cost left.
    kinds: BTreeMap<usize, (f64, f64, f64)>,
}

impl<S: Study> Progress<S> {
    /// Starts the display for these trials, so many at a time.
    pub fn new(study: S, todo: &[S::Trial], threads: usize) -> Self {
        let mut kinds: BTreeMap<usize, (f64, f64, f64)> = BTreeMap::new();
        for trial in todo {
            kinds.entry(study.kind(trial)).or_default().2 += study.cost(trial);
        }
        let bar = Bar::new(study.program().name);
        Progress { study, bar, threads, start: Instant::now(), trials: todo.len(), done: 0, kinds }
    }

    /// A trial has finished.
    pub fn advance(&mut self, trial: &S::Trial, seconds: f64) {
        let (kind, cost) = (self.kinds.entry(self.study.kind(trial)).or_default(), self.study.cost(trial));
        kind.0 += cost;
        kind.1 += seconds;
        kind.2 -= cost;
        self.done += 1;
        self.tick();
    }

    /// Refreshes the display.
    pub fn tick(&mut self) {
        let message =
            format!("{} of {} trials, about {} left", self.done, self.trials, duration(self.seconds_left()));
        let (done, left): (f64, f64) =
            self.kinds.values().fold((0.0, 0.0), |sum, m| (sum.0 + m.0, sum.1 + m.2));
        self.bar.show(done / (done + left).max(1e-300), &message);
    }

    /// Says something between the updates.
    pub fn note(&self, text: &str) {
        self.bar.note(text);
    }

    /// Ends the display.
    pub fn finish(self) {
        self.bar.finish();
        let took = duration(self.start.elapsed().as_secs_f64());
        eprintln!("{}: {} trials in {took}", self.study.program().name, self.done);
    }

    fn seconds_left(&self) -> f64 {
        let (cost, seconds) = self.kinds.values().fold((0.0, 0.0), |sum, m| (sum.0 + m.0, sum.1 + m.1));
        let overall = if cost > 0.0 { seconds / cost } else { 1.0 };
        let left: f64 =
            self.kinds.values().map(|m| m.2.max(0.0) * if m.0 > 0.0 { m.1 / m.0 } else { overall }).sum();
        left / self.threads.max(1) as f64
    }
}

/// Seconds as a short phrase: `4.2 s`, `3 min 20 s`, `1 h 5 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(0.25), "0.2 s");
        assert_eq!(duration(59.9), "1 min 0 s");
        assert_eq!(duration(200.0), "3 min 20 s");
        assert_eq!(duration(3900.0), "1 h 5 min");
    }
}
