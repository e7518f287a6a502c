//! Canonical polyadic decompositions: tensors as sums of products of vectors.
//!
//! `X = sum_k lambda_k a_k^(1) o a_k^(2) o ... o a_k^(d)`, k = 1, ..., R, with unit vectors a_k^(i)
//! (n_i) and lambda_1 >= ... >= lambda_R > 0 (Kolda, Bader, Tensor decompositions and applications,
//! SIAM Rev. 51, 2009, section 3). These are the numbers of a [`Separated`](crate::Separated)
//! representation whose modes have one column, and are kept as one.
//!
//! | what | where |
//! | --- | --- |
//! | fit a stored tensor, modes free, nonnegative or given | [`cp_als`] |
//! | the decomposition itself | [`Cp`] |
//! | a fit to some of the entries, by a mask or as a list | [`cp_masked`], [`cp_samples`] |
//! | a fit of a large tensor, stored or computed, from samples | [`cp_sampled`], [`cp_sampled_entries`] |
//! | whether it fits, cancels, is unique | [`core_consistency`], [`degeneracy`], [`kruskal`] |
//! | how many terms | [`choose_rank`] |
//! | which terms of two belong together | [`match_terms`] |

mod als;
mod compressed;
mod constraint;
mod diagnostics;
mod fibres;
mod filled;
mod masked;
mod masked_sweep;
mod matching;
mod observed;
mod rank_choice;
mod representation;
mod residual;
mod sampled;
mod sampled_sweep;
mod tiles;

pub use als::{CpAls, CpFit, CpStart, cp_als};
pub use constraint::Constraint;
pub use diagnostics::{
    Degeneracy, KRank, Kruskal, SUBSETS, congruences, core_consistency, degeneracy, k_rank, kruskal,
};
pub use masked::{Masked, MaskedFit, cp_masked, cp_samples};
pub use matching::{Matching, match_terms};
pub use rank_choice::{RankChoice, RankRow, RankTable, choose_rank};
pub use representation::Cp;
pub use sampled::{Estimate, Sampled, SampledFit, cp_sampled, cp_sampled_entries};
