//! The cheapest order of a chain of matrix products.
//!
//! **Problem.** Matrices M_1 (d_0, d_1), ..., M_k (d_{k-1}, d_k): the bracketing of M_1 ... M_k
//! with the fewest flops; or that of a factored result, U = M_1 ... M_j and V' = M_{j+1} ... M_k,
//! where d_j is the smallest inner size.
//!
//! **Method.** Dynamic programming over the parts of the chain (Godbole, "On efficient computation
//! of matrix chain products", IEEE Transactions on Computers 22, 1973). A low-rank matrix U V'
//! counts as its two factors, so the r x r cores V_i' U_{i+1} come out wherever they pay.
//!
//! **Cost.** O(k^3) operations on k^2 numbers.
//!
//! **Guarantee.** No bracketing has fewer flops, counting 2 d e f for (d, e) times (e, f). Of equal
//! ones the first split is taken.
//!
//! **Deviations.** None.

use super::Cost;
use crate::{Error, Result, Scalar};
use std::fmt;

/// The largest number of matrices in a chain.
const LONGEST: usize = 1024;

/// A bracketing of a chain of matrices, printed as `((0 1) 2)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bracket {
    /// The matrix of this position, from 0.
    Matrix(usize),
    /// The product of two bracketed parts.
    Product(Box<Bracket>, Box<Bracket>),
}

impl fmt::Display for Bracket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bracket::Matrix(k) => write!(f, "{k}"),
            Bracket::Product(left, right) => write!(f, "({left} {right})"),
        }
    }
}

impl Bracket {
    /// Number of rows, number of columns and cost of the part, for the sizes of the chain.
    fn cost<T: Scalar>(&self, sizes: &[usize]) -> (usize, usize, Cost) {
        match self {
            Bracket::Matrix(k) => (sizes[*k], sizes[k + 1], Cost::default()),
            Bracket::Product(left, right) => {
                let (m, n, first) = left.cost::<T>(sizes);
                let (_, p, second) = right.cost::<T>(sizes);
                (m, p, first + second + Cost::product::<T>(m, n, p))
            }
        }
    }
}

/// The cheapest order of a chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The bracketing. Of a factored result the outermost product is not carried out: its two
    /// parts are the factors U and V'.
    pub bracket: Bracket,
    /// Flops, 2 d e f a product; as a floating-point number since they may overflow.
    pub flops: f64,
    /// Whether the outermost product is left as two factors.
    pub factored: bool,
    sizes: Vec<usize>,
}

impl Order {
    /// Flops, and bytes when every product reads its two matrices and writes one.
    pub fn cost<T: Scalar>(&self) -> Cost {
        match (&self.bracket, self.factored) {
            (Bracket::Product(left, right), true) => {
                left.cost::<T>(&self.sizes).2 + right.cost::<T>(&self.sizes).2
            }
            _ => self.bracket.cost::<T>(&self.sizes).2,
        }
    }
}

/// The cheapest bracketing of the dense product of k matrices of sizes (d_0, d_1), (d_1, d_2), ...;
/// `sizes` = [d_0, ..., d_k]. O(k^3).
///
/// # Errors
/// [`Error::Parameter`] for fewer than 1 or more than 1,024 matrices.
///
/// ```
/// // (U1 V1')(U2 V2') of 100 x 100 matrices of rank 5: the small core V1' U2 comes first.
/// let order = lowrank::matmul::order(&[100, 5, 100, 5, 100])?;
/// assert_eq!(order.bracket.to_string(), "(0 ((1 2) 3))");
/// assert_eq!(order.flops, 2.0 * (5 * 100 * 5 + 5 * 5 * 100 + 100 * 5 * 100) as f64);
/// # lowrank::Result::Ok(())
/// ```
pub fn order(sizes: &[usize]) -> Result<Order> {
    let table = Table::new(sizes, 1)?;
    let k = sizes.len() - 1;
    let bracket = table.bracket(0, k);
    Ok(Order { bracket, flops: table.flops(0, k), factored: false, sizes: sizes.to_vec() })
}

/// The cheapest bracketing of the factored product: it is left as two factors whose common size
/// is the smallest inner size d_j, 0 < j < k (of equal ones the cheapest). O(k^3).
///
/// # Errors
/// [`Error::Parameter`] for fewer than 2 or more than 1,024 matrices.
///
/// ```
/// // Ranks 5 and 3: the result has rank 3, so the core goes to the left.
/// let order = lowrank::matmul::factored_order(&[100, 5, 80, 3, 90])?;
/// assert_eq!(order.bracket.to_string(), "((0 (1 2)) 3)");
/// assert_eq!(order.flops, 2.0 * (5 * 80 * 3 + 100 * 5 * 3) as f64);
/// # lowrank::Result::Ok(())
/// ```
pub fn factored_order(sizes: &[usize]) -> Result<Order> {
    let table = Table::new(sizes, 2)?;
    let k = sizes.len() - 1;
    let smallest = sizes[1..k].iter().min();
    let mut best: Option<(f64, usize)> = None;
    for j in (1..k).filter(|j| Some(&sizes[*j]) == smallest) {
        let flops = table.flops(0, j) + table.flops(j, k);
        if best.is_none_or(|(least, _)| flops < least) {
            best = Some((flops, j));
        }
    }
    let (flops, j) = best.unwrap_or((0.0, 1));
    let bracket = Bracket::Product(Box::new(table.bracket(0, j)), Box::new(table.bracket(j, k)));
    Ok(Order { bracket, flops, factored: true, sizes: sizes.to_vec() })
}

/// For every part i..j of the chain the fewest flops and the split that gives them.
struct Table {
    side: usize,
    best: Vec<(f64, usize)>,
}

impl Table {
    fn new(sizes: &[usize], least: usize) -> Result<Self> {
        let side = sizes.len();
        if side < least + 1 || side > LONGEST + 1 {
            return Err(Error::Parameter {
                name: "sizes",
                value: format!("chain of {} matrices", side.saturating_sub(1)),
                remedy: "a dense result needs at least one matrix, a factored one two; multiply \
                         parts of a chain of more than 1,024 first",
            });
        }
        let mut table = Self { side, best: vec![(0.0, 0); side * side] };
        for length in 2..side {
            for i in 0..side - length {
                let j = i + length;
                let outer = 2.0 * sizes[i] as f64 * sizes[j] as f64;
                let mut best = (f64::INFINITY, i + 1);
                for k in i + 1..j {
                    let flops = table.flops(i, k) + table.flops(k, j) + outer * sizes[k] as f64;
                    if flops < best.0 {
                        best = (flops, k);
                    }
                }
                table.best[i * side + j] = best;
            }
        }
        Ok(table)
    }

    fn flops(&self, i: usize, j: usize) -> f64 {
        self.best[i * self.side + j].0
    }

    fn bracket(&self, i: usize, j: usize) -> Bracket {
        if j == i + 1 {
            return Bracket::Matrix(i);
        }
        let k = self.best[i * self.side + j].1;
        Bracket::Product(Box::new(self.bracket(i, k)), Box::new(self.bracket(k, j)))
    }
}
