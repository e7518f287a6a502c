//! Adapters: few trainable numbers beside a frozen weight W (m, n), y = W x + c dW x.
//!
//! | method | dW | numbers |
//! | --- | --- | --- |
//! | [`Lora`] | B A, B (m, r), A (r, n) (Hu et al. 2021) | r (m + n) |
//! | [`Lsr`] | the same, A and B sums of s Kronecker products (Li, Sarwate 2025) | s (r1 (m1 + n1) + r2 (m2 + n2)) |
//! | [`KronA`] | A (x) B (Edalati et al. 2022) | m1 n1 + m2 n2 |
//! | [`LoKr`] | C (x) (D E) (Yeh et al. 2023) | m1 n1 + r (m2 + n2) |
//! | [`KAdaptation`] | sum_k A_k (x) (U_k V_k) (He et al. 2023) | t (t^2 + r (m + n) / t) |
//! | [`SvdLora`] | U_r X Y V_r', W truncated to rank r | r' 2 r, and r for the singular values |
//!
//! An adapter keeps its numbers in one slice, which an optimizer steps through, and knows three
//! things: the update dW in the form in which it is cheap ([`Adapter::delta`], asked once a step, at a
//! cost that does not depend on the number of samples), the gradient of its own numbers from that of
//! this form ([`Adapter::pull_back`]), and what its numbers are called ([`Adapter::parts`]).
//! [`Adapted`] joins one with its weight and scaling c, and, for DoRA (Liu et al. 2024), with a
//! magnitude for each row. [`Method`] makes the usual ones with starts that train well.
//!
//! ```
//! use lowrank::faer::Mat;
//! use lowrank::layers::adapter::Method;
//!
//! let w = Mat::from_fn(48, 32, |i, j| ((i * j) as f64).cos() / 8.0);
//! let mut layer = Method::Lsr { terms: 4, ranks: (2, 2), shapes: None }.adapt(w.as_ref(), 1.0, 0)?;
//! assert_eq!(layer.parameters(), 4 * 2 * (8 + 6 + 8 + 4)); // 48 = 8 x 6, 32 = 8 x 4
//!
//! let (x, target) = (Mat::from_fn(32, 10, |i, j| ((i + j) as f64).sin()), Mat::<f64>::zeros(48, 10));
//! let loss = |y: &Mat<f64>| 0.5 * (y - &target).squared_norm_l2();
//! let step = layer.step();
//! let y = step.forward(x.as_ref())?;
//! assert_eq!(y, &w * &x); // at the start dW = 0
//! let gradient = step.backward(x.as_ref(), (&y - &target).as_ref())?.values;
//! layer.values_mut().zip(&gradient).for_each(|(v, g)| *v -= 1e-3 * g);
//! assert!(loss(&layer.step().forward(x.as_ref())?) < loss(&y));
//! # lowrank::Result::Ok(())
//! ```
//!
//! Files of adapters, and what of them PEFT reads: [`crate::io::AdapterFile`]. A weight that was trained in full
//! becomes an adapter by [`crate::layers::optimal_update`], the best of a rank:
//!
//! ```
//! use lowrank::io::{AdapterFile, AdapterLayer};
//! use lowrank::layers::{adapter::Lora, optimal_update};
//! use lowrank::{random::gaussian, svd::Rank};
//! # let folder = std::env::temp_dir().join(format!("lowrank_doc_full_{}", std::process::id()));
//! # let (before, after) = (gaussian::<f32>(48, 32, 0, "w"), gaussian::<f32>(48, 32, 1, "w"));
//!
//! let update = optimal_update(before.as_ref(), after.as_ref(), Rank::Fixed(8))?; // `update.error` is left
//! let layer = AdapterLayer { adapter: Box::new(Lora::from_factors(&update.factors)?), scaling: 1.0, magnitude: None };
//! AdapterFile { layers: [("encoder.query".into(), layer)].into(), ..AdapterFile::new("a model") }.write_peft(&folder)?;
//! # std::fs::remove_dir_all(&folder).ok();
//! # lowrank::Result::Ok(())
//! ```

/// The methods of [`Adapter`] that are alike where `self.parts` has all numbers.
macro_rules! by_parts {
    ($name:literal) => {
        fn name(&self) -> &'static str {
            $name
        }
        by_parts!();
    };
    () => {
        fn parts(&self) -> &Parts<T> {
            &self.parts
        }
        fn parts_mut(&mut self) -> &mut Parts<T> {
            &mut self.parts
        }
        fn boxed(&self) -> Box<dyn Adapter<T>> {
            Box::new(self.clone())
        }
    };
}

mod adapted;
mod delta;
mod kadaptation;
mod krona;
mod lokr;
mod lora;
mod lsr;
mod method;
mod parts;
mod restore;
mod svd_lora;

pub use adapted::{Adapted, Gradient, Step};
pub use delta::Delta;
pub use kadaptation::KAdaptation;
pub use krona::KronA;
pub use lokr::LoKr;
pub use lora::Lora;
pub use lsr::{Compressed, Lsr, LsrShapes};
pub use method::{Method, balanced};
pub use parts::{Part, Parts};
pub use restore::restore;
pub use svd_lora::SvdLora;

use crate::Scalar;
use faer::{Mat, MatRef};

/// Trainable numbers that make an update dW (m, n) of a weight.
pub trait Adapter<T: Scalar>: std::fmt::Debug + Send + Sync {
    /// What files call the method, as `lora` or `lsr`.
    fn name(&self) -> &'static str;
    /// The numbers, by parts.
    fn parts(&self) -> &Parts<T>;
    /// The same, to be changed.
    fn parts_mut(&mut self) -> &mut Parts<T>;
    /// Matrices that are not trained and without which the numbers mean nothing: the singular vectors and values
    /// of [`SvdLora`], none for the others.
    fn fixed(&self) -> Vec<(&'static str, MatRef<'_, T>)> {
        Vec::new()
    }
    /// The frozen weight beside which the adapter stands, made of the network's weight W: W itself but for
    /// [`SvdLora`], which truncates it.
    fn base(&self, w: MatRef<'_, T>) -> Mat<T> {
        w.to_owned()
    }
    /// The shape (m, n) of dW.
    fn shape(&self) -> (usize, usize);
    /// dW, in the form in which it is cheap to apply.
    fn delta(&self) -> Delta<T>;
    /// The gradient of the numbers, from that of [`Adapter::delta`], which has the same form; in the order of the
    /// numbers.
    fn pull_back(&self, gradient: &Delta<T>) -> Vec<T>;
    /// A copy.
    fn boxed(&self) -> Box<dyn Adapter<T>>;
}

impl<T: Scalar> Clone for Box<dyn Adapter<T>> {
    fn clone(&self) -> Self {
        self.boxed()
    }
}
