//! Separated representations against dense matrices, exact solutions and known norms.

#[path = "../support/mod.rs"]
mod support;

mod algebra;
mod als;
mod apply;
mod function;
mod laplacian;
mod nearest;
mod precision;
mod reduce;
mod representation;
mod shapes;
mod solve;

use lowrank::faer::Mat;
use lowrank::random::gaussian;
use lowrank::{Scalar, Separated};

/// Gaussian factors, `s` terms.
fn random<T: Scalar>(shapes: &[(usize, usize)], s: usize, seed: u64) -> Separated<T> {
    let mode = |(i, &(m, n)): (usize, &(usize, usize))| gaussian::<T>(m * n, s, seed, &format!("mode {i}"));
    let modes = shapes.iter().enumerate().map(mode).collect();
    Separated::new(shapes.to_vec(), vec![T::of(1.0); s], modes).unwrap()
}

/// The whole matrix in double precision, entry by entry from the terms.
fn dense<T: Scalar>(m: &Separated<T>) -> Mat<f64> {
    let (rows, cols) = m.shape().unwrap();
    Mat::from_fn(rows, cols, |row, col| {
        let term = |k: usize| {
            let (mut row, mut col, mut x) = (row, col, m.lambda()[k].as_f64());
            for i in (0..m.order()).rev() {
                let factor = m.factor(k, i);
                x *= factor[(row % factor.nrows(), col % factor.ncols())].as_f64();
                (row, col) = (row / factor.nrows(), col / factor.ncols());
            }
            x
        };
        (0..m.separation_rank()).map(term).sum()
    })
}

/// The sum of the lambdas: what rounding errors are measured by.
fn total<T: Scalar>(m: &Separated<T>) -> f64 {
    m.lambda().iter().map(|x| x.as_f64()).sum()
}

/// A few lists of shapes of matrices.
fn shapes() -> Vec<Vec<(usize, usize)>> {
    vec![
        vec![(5, 4)],
        vec![(3, 4), (5, 2)],
        vec![(1, 1), (4, 3)],
        vec![(2, 3), (3, 2), (4, 4)],
        vec![(2, 2), (3, 1), (1, 3), (2, 3)],
    ]
}
