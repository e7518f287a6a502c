//! One sequence, as the encoder takes it.

/// Tokens of one sequence with its special tokens, without padding.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tokens {
    /// Their places in the vocabulary.
    pub ids: Vec<u32>,
    /// 0, or 1 for the second of two sentences; one for each id.
    pub types: Vec<u32>,
}
