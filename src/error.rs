//! The one error type of the crate: what was wrong, with the numbers, and what to do about it.
//!
//! ```
//! use lowrank::{Error, faer::Mat, svd};
//!
//! let mut a = Mat::<f64>::identity(3, 3);
//! a[(2, 1)] = f64::NAN;
//! let error = svd::dense(a.as_ref()).unwrap_err();
//! assert!(matches!(&error, Error::NonFinite { index, .. } if index == &[2, 1]));
//! assert!(error.to_string().starts_with("`a` has a non-finite entry at [2, 1]"));
//! ```

use std::path::PathBuf;

/// Why a function could not give a usable answer.
///
/// An iteration that stopped early is not an error: see [`crate::Status`]. Variants may be added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An entry is NaN or infinite.
    #[error("`{argument}` has a non-finite entry at {index:?}: remove or replace NaN and infinities first")]
    NonFinite {
        /// Name of the argument.
        argument: &'static str,
        /// Zero-based position of the first such entry (row, column for a matrix).
        index: Vec<usize>,
    },
    /// Shapes do not fit.
    #[error("`{argument}` has shape {found:?}, but {expected}")]
    Shape {
        /// Name of the argument.
        argument: &'static str,
        /// What was expected, as a phrase ("8 rows are needed").
        expected: String,
        /// The shape found.
        found: Vec<usize>,
    },
    /// A rank that does not exist for this input.
    #[error("rank {rank} was asked, but the largest possible is {largest}: ask for at most {largest}")]
    Rank {
        /// The rank asked.
        rank: usize,
        /// The largest possible.
        largest: usize,
    },
    /// A parameter outside its range.
    #[error("parameter `{name}` = {value} is out of range: {remedy}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// The value found.
        value: String,
        /// What to pass instead.
        remedy: &'static str,
    },
    /// The result or a workspace would not fit in memory or in the address space.
    #[error("{what} would need {bytes:.3e} bytes: {remedy}")]
    TooLarge {
        /// What would be allocated.
        what: &'static str,
        /// How many bytes, as a floating-point number since it may overflow.
        bytes: f64,
        /// What to do instead.
        remedy: &'static str,
    },
    /// A file that is not what it claims to be.
    #[error("{}: {reason} (at byte {offset})", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A factorization did not converge. Not known to happen on finite input; please report it.
    #[error("the {what} of a {rows} x {cols} matrix did not converge: please report this matrix")]
    NoConvergence {
        /// Which factorization.
        what: &'static str,
        /// Rows.
        rows: usize,
        /// Columns.
        cols: usize,
    },
}

impl Error {
    /// The same, for part `k` of a list: the position of an entry that is not finite starts with k.
    pub(crate) fn within(self, k: usize) -> Self {
        match self {
            Error::NonFinite { argument, mut index } => {
                index.insert(0, k);
                Error::NonFinite { argument, index }
            }
            other => other,
        }
    }
}

/// `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
