//! Sentences and pairs of sentences with classes: read from the usual files, split in three, tokenized.
//!
//! ```no_run
//! use lowrank_trainer::text::{Columns, Corpus, Samples, Tokenizer};
//!
//! let corpus = Corpus::open("data/rotten_tomatoes".as_ref(), None, &Columns::default(), Samples::default(), 0)?;
//! let tokenizer = Tokenizer::open("data/minilm/tokenizer.json".as_ref(), 128)?;
//! let sets = tokenizer.split(&corpus.split)?; // Split<Tokens>
//! println!("{} sentences to train on, {} classes", sets.train.inputs.len(), sets.train.classes);
//! # anyhow::Ok(())
//! ```

mod corpus;
mod table;
mod task;
mod tokenizer;

pub use corpus::{Corpus, Samples};
pub use task::{Columns, Task};
pub use tokenizer::Tokenizer;

/// A sentence, or a pair of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The sentence; it may be empty.
    pub first: String,
    /// The other one of a pair.
    pub second: Option<String>,
}

/// One sequence with its special tokens; no padding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// The numbers of the tokens.
    pub ids: Vec<u32>,
    /// For each token 0 in the first sentence of a pair, 1 in the second.
    pub types: Vec<u32>,
}
