//! Sentences as sequences of tokens.

/// One sequence with its special tokens; no padding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// The numbers of the tokens.
    pub ids: Vec<u32>,
    /// For each token 0 in the first sentence of a pair, 1 in the second.
    pub types: Vec<u32>,
}
