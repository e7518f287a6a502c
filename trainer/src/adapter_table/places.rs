//! Where encoder and texts are, and the texts as tokens.

use super::Trial;
use crate::metrics::Metric;
use crate::model::Split;
use crate::text::{Columns, Corpus, Samples, Tokenizer, Tokens};
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};

/// A task's texts as tokens, and what it is judged by.
pub(super) struct Texts {
    /// The texts.
    pub sets: Split<Tokens>,
    /// The metric.
    pub metric: Metric,
}

impl Texts {
    /// `tokenizer` is where the tokenizer is, if not beside the encoder.
    pub fn read(tokenizer: Option<&str>, trial: &Trial) -> Result<Self> {
        let [train, dev, test] = trial.texts.map(Some);
        let samples = Samples { train, dev, test };
        let corpus = Corpus::open(&place(trial.task), None, &Columns::default(), samples, 0)?;
        let tokenizer = place(tokenizer.unwrap_or(trial.model));
        let sets = Tokenizer::open(&tokenizer, trial.length)?.split(&corpus.split)?;
        Ok(Texts { sets, metric: corpus.task.metric() })
    }
}

/// The name of a folder.
pub(super) fn short(path: &str) -> String {
    let name = Path::new(path).file_name();
    name.map_or_else(|| path.to_string(), |name| name.to_string_lossy().into_owned())
}

/// A path from here or, where there is none, from the root of the sources.
pub(super) fn place(path: &str) -> PathBuf {
    let from_root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    if Path::new(path).exists() { PathBuf::from(path) } else { from_root }
}

/// Where a path is; an error says what brings it, or the option that names another.
pub(super) fn present(path: &str, option: &str) -> Result<PathBuf> {
    let found = place(path);
    match path {
        _ if found.exists() => Ok(found),
        "data/minilm" | "data/rotten_tomatoes" => {
            bail!(
                "{path} is not there: run scripts/fetch_text.sh, which fetches it, or name another by {option}"
            )
        }
        _ => bail!(
            "{path} is not there, neither here nor from the root of the sources: put it there, or name what you \
             have by {option} (folders of GLUE are not fetched by a script)"
        ),
    }
}
