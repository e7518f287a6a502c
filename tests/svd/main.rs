//! Singular value decompositions and QR over the gallery of test matrices, many shapes and the whole
//! range of exponents, in ratios of machine precision; what singular values tell.
//!
//! A slice runs by default. The whole product takes about a minute:
//! `cargo test --release --test svd -- --ignored`. With `--nocapture` the worst ratios are printed.

mod adaptive;
mod factorizations;
#[cfg(target_os = "linux")]
mod file;
mod krylov;
mod lanczos;
mod operators;
mod sketches;
mod spectrum;
mod streaming;
#[path = "../support/mod.rs"]
mod support;

use lowrank::faer::{Mat, MatRef};
use lowrank::matrix::{exponent, frobenius, max_norm, scale_by_power_of_two, scaled, spectral};
use lowrank::operator::{Csr, Functions, Product, Sum};
use lowrank::random::gallery::{self, Family};
use lowrank::random::{Sketch, gaussian, with_spectrum};
use lowrank::svd::{
    Adaptive, AdaptiveSvd, Certificate, Krylov, Randomized, Rank, Svd, adaptive, dense, full, krylov,
    orthonormal_basis, qr, randomized, residuals, singular_values, truncated,
};
use lowrank::{Entries, Error, LowRank, Operator, Result, Scalar, Status};
use std::fmt::Display;
use support::*;

/// Accepted |A - U S V'|_F / (|A|_F max(m, n) eps).
const BETA: f64 = 5.0;
/// Accepted |Q'Q - I|_F / (max(m, n) eps).
const OMEGA: f64 = 10.0;

/// By how much the entries are scaled.
#[derive(Debug, Clone, Copy)]
enum Size {
    /// A power of two.
    Power(i32),
    /// The largest entry is subnormal.
    Subnormal,
    /// The Frobenius norm is just representable.
    Largest,
}

fn sizes<T: Scalar>() -> Vec<Size> {
    let powers: &[i32] = if T::NAME == "f32" {
        &[0, -40, 40, -80, 80, -115, 100]
    } else {
        &[0, -300, 300, -600, 600, -1000, 1000]
    };
    powers.iter().map(|e| Size::Power(*e)).chain([Size::Subnormal, Size::Largest]).collect()
}

fn resize<T: Scalar>(a: MatRef<'_, T>, size: Size) -> Mat<T> {
    let e = match size {
        Size::Power(e) => e,
        Size::Subnormal => smallest::<T>() + 12 - exponent(max_norm(a)),
        Size::Largest => (if T::NAME == "f32" { 126 } else { 1022 }) - exponent(frobenius(a)),
    };
    scaled(a, e)
}

/// The largest ratio seen, and where.
#[derive(Default)]
struct Worst(Vec<(&'static str, f64, String)>);

impl Worst {
    fn see(&mut self, what: &'static str, ratio: f64, bar: f64, case: &dyn Display) {
        assert!(ratio <= bar, "{what} = {ratio:.3} > {bar}: {case}");
        match self.0.iter_mut().find(|w| w.0 == what) {
            Some(w) if w.1 >= ratio => {}
            Some(w) => (w.1, w.2) = (ratio, case.to_string()),
            None => self.0.push((what, ratio, case.to_string())),
        }
    }

    fn print(&self, name: &str) {
        for (what, ratio, case) in &self.0 {
            println!("{name} {what:<22} {ratio:8.3}  {case}");
        }
    }
}
