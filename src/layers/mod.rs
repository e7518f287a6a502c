//! Factorized linear layers of neural networks, y = U (V' x) + b in place of y = W x + b: from a
//! weight by a wished rank, refitted to data, with bounds of what they change in the output of a
//! layer and of a whole network; and the best low-rank update of a weight.
//!
//! A sample is a column: a batch of N inputs is a matrix (n, N), and a weight is (m, n).
//!
//! | what you want | function |
//! | --- | --- |
//! | a factorized layer from a weight | [`factorize`] |
//! | the factors best for given inputs and outputs | [`reduced_rank_regression`] |
//! | given factors improved on data, a few cheap steps | [`refit`] |
//! | a small network, factorized, and how far its output may move | [`Network`] |
//! | few trained numbers beside a frozen weight | [`adapter`] |
//! | the best low-rank update W + B A of a weight | [`optimal_update`] |
//!
//! ```
//! use lowrank::faer::Mat;
//! use lowrank::{layers, svd::Rank};
//!
//! let w = Mat::from_fn(40, 30, |i, j| 1.0 / (1.0 + i as f64 + j as f64));
//! let x = Mat::from_fn(30, 5, |i, j| ((i + 3 * j) % 4) as f64);
//! let fast = layers::factorize(w.as_ref(), None, Rank::Tolerance(1e-3))?;
//! assert!(fast.layer.parameters() < 40 * 30 / 2);
//! let y = fast.layer.forward(x.as_ref())?; // (40, 5)
//! let moved = (&w * &x - &y).norm_l2();
//! assert!(moved <= fast.spectral_error * x.norm_l2()); // |W x - U V' x| <= |W - U V'|_2 |x|
//! # lowrank::Result::Ok(())
//! ```

mod activation;
pub mod adapter;
mod linear;
mod network;
mod refit;
mod update;

pub use activation::Activation;
pub use linear::{Factorized, Linear, Weight, factorize};
pub use network::{Moved, Network};
pub use refit::{Refit, Refitted, reduced_rank_regression, refit};
pub use update::{Update, optimal_update};
