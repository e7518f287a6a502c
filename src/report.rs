//! What every iterative algorithm tells about its run.
//!
//! A [`Report`] comes with the factors it speaks of and prints itself as a sentence. That a search
//! ended at a limit is a [`Status`] and no [`Error`](crate::Error): the factors are usable.
//!
//! ```
//! use lowrank::entrywise::{Parameters, approximate};
//! use lowrank::{Status, faer::Mat};
//!
//! let f = Mat::<f64>::identity(40, 40);
//! let x = approximate(&f, 5, Parameters { max_iterations: 10, ..Default::default() })?;
//! assert_eq!(x.report.status, Status::IterationLimit);
//! assert!(x.report.error <= x.start_error); // the best factors seen
//! assert!(x.report.to_string().starts_with("iteration-limit after 10 iterations"));
//! # Ok::<(), lowrank::Error>(())
//! ```

use std::fmt;
use std::ops::ControlFlow;

/// Why an iteration ended. Every status comes with usable factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// The algorithm's own stopping test holds.
    Converged,
    /// The limit of iterations was reached first: a larger one may lower the error.
    IterationLimit,
    /// The limit of time was reached first: the result depends on the machine's speed.
    TimeLimit,
    /// Rounding errors or the landscape stopped all progress before the test held.
    Stagnated,
    /// The caller's callback asked to stop.
    Interrupted,
    /// The terms of a sum grow against each other without end while the error falls ever more
    /// slowly: the problem has no solution. Bound the condition number.
    Degenerate,
}

impl Status {
    /// The name used in CSV files: `converged`, `iteration-limit`, ...
    pub fn name(self) -> &'static str {
        match self {
            Status::Converged => "converged",
            Status::IterationLimit => "iteration-limit",
            Status::TimeLimit => "time-limit",
            Status::Stagnated => "stagnated",
            Status::Interrupted => "interrupted",
            Status::Degenerate => "degenerate",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One point of the history of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Iterations done.
    pub iteration: usize,
    /// Seconds since the start.
    pub seconds: f64,
    /// Error of the best factors seen so far (in the algorithm's norm, absolute).
    pub error: f64,
}

/// Who is told of every iteration and may ask to stop, which ends the run as [`Status::Interrupted`] with
/// the best factors seen; nobody by default.
///
/// ```
/// use lowrank::report::Watch;
/// use lowrank::separated::{Als, SeparationRank, als};
/// use lowrank::{Status, faer::Mat};
/// use std::ops::ControlFlow;
///
/// let a = Mat::from_fn(216, 1, |i, _| (i as f64).sqrt());
/// let enough = |p: &lowrank::Progress| match p.iteration {
///     ..3 => ControlFlow::Continue(()),
///     _ => ControlFlow::Break(()),
/// };
/// let parameters = Als { callback: Watch::new(&enough), ..Default::default() };
/// assert_eq!(als(&a, &[(6, 1); 3], &parameters)?.report.status, Status::Interrupted);
/// # lowrank::Result::Ok(())
/// ```
#[derive(Clone, Copy, Default)]
pub struct Watch<'a>(Option<&'a Told<'a>>);

type Told<'a> = dyn Fn(&Progress) -> ControlFlow<()> + Sync + 'a;

impl<'a> Watch<'a> {
    /// Tells `callback`.
    pub fn new(callback: &'a (dyn Fn(&Progress) -> ControlFlow<()> + Sync)) -> Self {
        Self(Some(callback))
    }

    /// Tells of an iteration; whether to stop.
    pub(crate) fn stops(self, now: &Progress) -> bool {
        self.0.is_some_and(|callback| callback(now).is_break())
    }
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Watch(a callback)" } else { "Watch(nobody)" })
    }
}

/// How a run went: shared by every iterative algorithm.
///
/// `error` is computed from the residual of the returned factors, never from a difference of
/// squared norms, and those factors are the best ones seen. It is known to the rounding of
/// multiplying them out: machine precision times the product of their magnitudes, far more than that
/// times the product itself where large terms cancel.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Why it ended.
    pub status: Status,
    /// Iterations done.
    pub iterations: usize,
    /// Error of the returned factors (in the algorithm's norm, absolute).
    pub error: f64,
    /// The best error so far at each improvement, oldest first; the first entry is the start.
    pub history: Vec<Progress>,
    /// Wall-clock seconds of the whole call.
    pub seconds: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} after {} iterations and {:.3} s with error {:.4e}",
            self.status, self.iterations, self.seconds, self.error
        )
    }
}
