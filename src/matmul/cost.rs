//! What a product costs, before it is computed, and which way is the cheaper one.
//!
//! **Problem.** A (m, n) and B (n, p), of which factors of ranks r_A and r_B are known or could be
//! computed: is C = A B cheaper in full or through the factors?
//!
//! **Method.** A product of (d, e) and (e, f) is 2 d e f flops and reads and writes
//! d e + e f + d f numbers; costs of the steps add up. Time = flops / rate + bytes / bandwidth.
//!
//! **Cost.** O(1).
//!
//! **Guarantee.** The counts are those of the algorithms of this crate, lower-order terms of the
//! factorizations aside. The time is a model: without overlap of arithmetic and memory, hence
//! within twice the roofline (Williams, Waterman, Patterson 2009) of the same machine.
//!
//! **Deviations.** The literature on low-rank products often states N / r as the speedup: the
//! model has the lower-order terms, and the writing of the result, which bounds it for small r.

use super::{Method, factored_order, order};
use crate::{Error, Result, Scalar};

/// Floating-point operations and bytes moved between memory and processor.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Additions and multiplications.
    pub flops: f64,
    /// Bytes read and written, every matrix once a product.
    pub bytes: f64,
}

impl std::ops::Add for Cost {
    type Output = Cost;
    fn add(self, other: Cost) -> Cost {
        Cost { flops: self.flops + other.flops, bytes: self.bytes + other.bytes }
    }
}

impl Cost {
    /// Of the product of a (m, n) and a (n, p) matrix of scalars `T`.
    ///
    /// ```
    /// use lowrank::matmul::Cost;
    /// let cost = Cost::product::<f64>(10, 20, 30);
    /// assert_eq!((cost.flops, cost.bytes), (12_000.0, 8.0 * (200 + 600 + 300) as f64));
    /// ```
    pub fn product<T: Scalar>(m: usize, n: usize, p: usize) -> Self {
        let (m, n, p) = (m as f64, n as f64, p as f64);
        let bytes = size_of::<T>() as f64 * (m * n + n * p + m * p);
        Self { flops: 2.0 * m * n * p, bytes }
    }

    /// Of a factorization of a (m, n) matrix to rank `rank`, leading terms: 22 l^2 max(m, n) flops
    /// with l = min(m, n) for the dense SVD; (2 q + 2) products with the l = rank + oversampling
    /// columns of a sketch and as many orthonormalizations of 4 l^2 flops a row otherwise. The
    /// measurement of the error (2 m n rank flops) is included.
    pub fn factorization<T: Scalar>(method: Method, m: usize, n: usize, rank: usize) -> Self {
        let shorter = m.min(n);
        let rank = rank.min(shorter);
        let check = Self::product::<T>(m, rank, n);
        match method {
            Method::Exact => {
                let (long, short) = (m.max(n) as f64, shorter as f64);
                let bytes = size_of::<T>() as f64 * (3.0 * long * short + 5.0 * short * short);
                check + Self { flops: 22.0 * long * short * short, bytes }
            }
            Method::Randomized { oversampling, power_iterations, .. } => {
                let width = rank.saturating_add(oversampling).min(shorter);
                let passes = power_iterations as f64 + 1.0;
                let one = Self::product::<T>(m, n, width) + Self::product::<T>(n, m, width);
                let l = width as f64;
                let reflectors = 4.0 * (m as f64 + n as f64) * l * l;
                check + Self { flops: passes * (one.flops + reflectors), bytes: passes * one.bytes }
            }
        }
    }

    /// Seconds on a machine: flops / rate + bytes / bandwidth.
    pub fn seconds(&self, machine: &Machine) -> f64 {
        self.flops / machine.flops_per_second + self.bytes / machine.bytes_per_second
    }
}

/// The two rates of a machine, of which the choice needs only the ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machine {
    /// Of a large matrix product, in flops a second.
    pub flops_per_second: f64,
    /// Of memory, in bytes a second.
    pub bytes_per_second: f64,
}

impl Machine {
    /// Two cores of a desktop or server with wide vectors: 100 Gflop/s in `f64`, 200 in `f32`,
    /// 16 GB/s of memory.
    pub fn typical<T: Scalar>() -> Self {
        Self { flops_per_second: 8e11 / size_of::<T>() as f64, bytes_per_second: 1.6e10 }
    }

    fn check(&self) -> Result<()> {
        let fine = |x: f64| x > 0.0 && x.is_finite();
        if fine(self.flops_per_second) && fine(self.bytes_per_second) {
            return Ok(());
        }
        let remedy = "both rates must be positive and finite";
        Err(Error::Parameter { name: "machine", value: format!("{self:?}"), remedy })
    }
}

impl Default for Machine {
    /// [`Machine::typical`] of `f64`.
    fn default() -> Self {
        Self::typical::<f64>()
    }
}

/// What form the product is wanted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// All its entries.
    Dense,
    /// A low-rank matrix (the full product still gives a dense one).
    Factored,
}

/// Which way is cheaper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Through the factors.
    Factored,
    /// The full product of the stored matrices.
    Full,
}

/// The costs of both ways, in advance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// The full product of A and B.
    pub full: Cost,
    /// The product of their factors.
    pub factored: Cost,
}

impl Plan {
    /// For A (m, n) of rank `ranks.0` and B (n, p) of rank `ranks.1`.
    ///
    /// ```
    /// use lowrank::matmul::{Choice, Machine, Output, Plan};
    /// let machine = Machine::default();
    /// let plan = Plan::new::<f64>((2048, 2048, 2048), (64, 64), Output::Dense)?;
    /// assert_eq!(plan.choice(&machine)?, Choice::Factored);
    /// let plan = Plan::new::<f64>((100, 100, 100), (99, 99), Output::Dense)?;
    /// assert_eq!(plan.choice(&machine)?, Choice::Full);
    /// # lowrank::Result::Ok(())
    /// ```
    ///
    /// # Errors
    /// None is known to happen.
    pub fn new<T: Scalar>(
        (m, n, p): (usize, usize, usize),
        ranks: (usize, usize),
        output: Output,
    ) -> Result<Self> {
        let sizes = [m, ranks.0, n, ranks.1, p];
        let order = match output {
            Output::Dense => order(&sizes)?,
            Output::Factored => factored_order(&sizes)?,
        };
        Ok(Self { full: Cost::product::<T>(m, n, p), factored: order.cost::<T>() })
    }

    /// The cheaper way where the factors are there already; at equal cost the full product, which
    /// has no truncation error.
    ///
    /// # Errors
    /// [`Error::Parameter`] when a rate of the machine is not positive and finite.
    pub fn choice(&self, machine: &Machine) -> Result<Choice> {
        self.choice_with_factorization(Cost::default(), 1, machine)
    }

    /// The cheaper way where the factors must still be computed, at the cost `offline`, and are
    /// then used for `uses` products.
    ///
    /// # Errors
    /// Those of [`Plan::choice`].
    pub fn choice_with_factorization(&self, offline: Cost, uses: usize, machine: &Machine) -> Result<Choice> {
        machine.check()?;
        let uses = uses as f64;
        let factored = offline.seconds(machine) + uses * self.factored.seconds(machine);
        let full = uses * self.full.seconds(machine);
        Ok(if factored < full { Choice::Factored } else { Choice::Full })
    }

    /// How many products the factorization at the cost `offline` must serve before it pays;
    /// `None` when it never does.
    ///
    /// # Errors
    /// Those of [`Plan::choice`].
    pub fn break_even(&self, offline: Cost, machine: &Machine) -> Result<Option<f64>> {
        machine.check()?;
        let gain = self.full.seconds(machine) - self.factored.seconds(machine);
        Ok((gain > 0.0).then(|| (offline.seconds(machine) / gain).ceil()))
    }
}
