//! Limits, history and callback of a search: the same for every method.

use super::Callback;
use crate::matrix::scale_by_power_of_two;
use crate::{Error, Progress, Result, Status};
use std::time::Instant;

/// Watches a search.
pub(crate) struct Monitor<'a> {
    start: Instant,
    max_iterations: usize,
    max_seconds: f64,
    callback: Callback<'a>,
    /// The search works on F 2^exponent.
    pub exponent: i32,
    pub iterations: usize,
    pub history: Vec<Progress>,
}

impl<'a> Monitor<'a> {
    pub fn new(max_iterations: usize, max_seconds: f64, callback: Callback<'a>) -> Result<Self> {
        if !(max_seconds >= 0.0) {
            let remedy = "give a number of seconds that is not negative (infinity for no limit)";
            return Err(Error::Parameter { name: "max_seconds", value: max_seconds.to_string(), remedy });
        }
        let start = Instant::now();
        Ok(Self {
            start,
            max_iterations,
            max_seconds,
            callback,
            exponent: 0,
            iterations: 0,
            history: Vec::new(),
        })
    }

    pub fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// An error of the search as one of F.
    pub fn unscaled(&self, error: f64) -> f64 {
        scale_by_power_of_two(error, -self.exponent)
    }

    /// Notes the start's error.
    pub fn started(&mut self, error: f64) {
        self.history.push(Progress { iteration: 0, seconds: self.seconds(), error: self.unscaled(error) });
    }

    /// Why to stop before the first step, if so.
    pub fn no_step(&self) -> Option<Status> {
        (self.max_iterations == 0).then_some(Status::IterationLimit)
    }

    /// Counts one step with the best error so far; why to stop, if so.
    pub fn step(&mut self, best: f64) -> Option<Status> {
        self.iterations += 1;
        let now =
            Progress { iteration: self.iterations, seconds: self.seconds(), error: self.unscaled(best) };
        if self.history.last().is_none_or(|last| now.error < last.error) {
            self.history.push(now);
        }
        if let Some(callback) = &mut self.callback
            && callback(&now).is_break()
        {
            return Some(Status::Interrupted);
        }
        if now.seconds >= self.max_seconds {
            return Some(Status::TimeLimit);
        }
        (self.iterations >= self.max_iterations).then_some(Status::IterationLimit)
    }
}
