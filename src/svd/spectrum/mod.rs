//! What a spectrum tells: its noise level, its decay, its tail, how many values matter.
//!
//! | question | function |
//! | --- | --- |
//! | how many values matter, as one number that need not be whole | [`stable_rank`], [`effective_rank`] |
//! | where is the largest gap | [`spectral_gap`] |
//! | which spectrum does pure noise have | [`MarchenkoPastur`] |
//! | how large is the noise, and which values stick out of it | [`fit_noise`] |
//! | below which value is everything noise | [`hard_threshold`] |
//! | how fast do the values decay | [`power_decay`], [`exponential_decay`] |
//! | is the density of the eigenvalues heavy-tailed, and how much | [`eigenvalue_tail`], [`power_tail`] |
//!
//! All take nonincreasing, nonnegative, finite singular values (see [`crate::svd::singular_values`])
//! of either precision, compute in double precision, and do not change (or scale exactly) when
//! the values are multiplied by a power of two. [`crate::svd::Rank`] turns most into a rank.
//!
//! ```
//! use lowrank::svd::{singular_values, spectrum};
//! let a = lowrank::random::gaussian::<f64>(200, 100, 0, "example"); // entries of variance 1
//! let s = singular_values(a.as_ref())?;
//! let fit = spectrum::fit_noise(&s, (200, 100), Default::default())?;
//! assert!((fit.noise - 1.0).abs() < 0.05 && fit.outliers == 0);
//! # lowrank::Result::Ok(())
//! ```

mod checked;
mod decay;
mod hard_threshold;
mod marchenko_pastur;
mod noise;
mod numbers;
mod tail;

pub(crate) use checked::{Checked, check_shape};
pub use decay::{Decay, exponential_decay, power_decay};
pub(crate) use hard_threshold::scaled_threshold;
pub use hard_threshold::{hard_threshold, lambda, omega};
pub use marchenko_pastur::MarchenkoPastur;
pub use noise::{NoiseFit, NoiseParameters, fit_noise};
pub use numbers::{Gap, effective_rank, spectral_gap, stable_rank};
pub(crate) use numbers::{effective_rank_of, gap_of, stable_rank_of};
pub use tail::{PowerTail, TailParameters, eigenvalue_tail, power_tail};
