//! What alternating least squares note of their course, and what it tells: progress, swamps, degeneracy.

use crate::matrix::scale_by_power_of_two;
use crate::{Progress, Status};
use std::time::Instant;

/// Sweeps over which progress is judged.
pub(super) const WINDOW: usize = 10;
/// Progress a sweep below which it is slow.
pub(super) const SLOW: f64 = 0.01;
/// gamma from which its growth counts as degenerate.
const GROWN: f64 = 3.0;

/// The course so far, of errors of A times 2^-e.
pub(super) struct Record {
    exponent: i32,
    started: Instant,
    /// Sweeps so far.
    pub iterations: usize,
    /// The best value after each sweep.
    values: Vec<f64>,
    /// Where in `values` the number of terms became what it is.
    stage: usize,
    /// The sweeps that were the best so far, with errors of A.
    pub history: Vec<Progress>,
    /// gamma after each of them.
    pub gammas: Vec<f64>,
    /// The value at the end of the history.
    noted: f64,
}

impl Record {
    pub fn new(exponent: i32) -> Self {
        Self {
            exponent,
            started: Instant::now(),
            iterations: 0,
            values: Vec::new(),
            stage: 0,
            history: Vec::new(),
            gammas: Vec::new(),
            noted: f64::INFINITY,
        }
    }

    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Notes error, value and gamma of the best terms after a sweep, or at the start.
    pub fn note(&mut self, error: f64, value: f64, gamma: f64) {
        self.values.push(value);
        if value < self.noted {
            self.noted = value;
            let error = scale_by_power_of_two(error, self.exponent);
            self.history.push(Progress { iteration: self.iterations, seconds: self.seconds(), error });
            self.gammas.push(gamma);
        }
    }

    /// The number of terms is another one from here on.
    pub fn begin_stage(&mut self) {
        self.stage = self.values.len();
    }

    /// How many values are noted; [`Record::forget`] takes back those since.
    pub fn mark(&self) -> usize {
        self.values.len()
    }
    pub fn forget(&mut self, mark: usize) {
        self.values.truncate(mark);
    }

    /// Notes terms of a larger error than some before, which leave the history.
    pub fn note_larger(&mut self, error: f64, value: f64, gamma: f64) {
        let limit = scale_by_power_of_two(error, self.exponent);
        let larger = self.history.partition_point(|p| p.error > limit);
        self.history.truncate(larger);
        self.gammas.truncate(larger);
        self.noted = f64::INFINITY;
        self.note(error, value, gamma);
    }

    /// Whether the value has fallen by less than this fraction a sweep, over so many sweeps of the stage.
    pub fn slow(&self, window: usize, progress: f64) -> bool {
        let n = self.values.len();
        n > self.stage + window
            && self.values[n - 1 - window] - self.values[n - 1]
                <= window as f64 * progress * self.values[n - 1]
    }

    /// Whether gamma, far below the bound, was still growing, with the same terms and at slow progress.
    pub fn is_degenerate(&self, gamma: f64, bound: f64) -> bool {
        let first = self.history.iter().position(|p| p.iteration >= self.stage).unwrap_or(0);
        let last = self.history.len() - 1;
        let middle = (first + last) / 2;
        let sweeps = (self.history[last].iteration - self.history[middle].iteration) as f64;
        last >= first + 2 * WINDOW
            && gamma >= GROWN
            && gamma <= 0.5 * bound
            && gamma >= 1.1 * self.gammas[middle]
            && self.history[last].error >= (1.0 - SLOW).powf(sweeps) * self.history[middle].error
    }

    /// The longest stretch of slow progress that was left, or at whose end a limit came.
    pub fn swamp(&self, status: Status) -> usize {
        let (mut longest, mut begin) = (0, 0);
        let end = *self.values.last().unwrap_or(&0.0);
        let cut_off = matches!(status, Status::IterationLimit | Status::TimeLimit);
        for (i, pair) in self.values.windows(2).enumerate() {
            if pair[1] < (1.0 - SLOW) * pair[0] {
                begin = i + 1;
            } else if end < 0.5 * pair[1] || cut_off {
                longest = longest.max(i + 1 - begin);
            }
        }
        longest
    }
}
