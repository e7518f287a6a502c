//! LU factorization with complete pivoting, of the pivot matrix of a bond.

use crate::Scalar;

/// The part of P (m, n) that its pivots span: `P[rows, cols] = L U`, largest pivots first.
pub(super) struct Pivoted<T> {
    /// Rows of P in the order of the pivots.
    pub rows: Vec<usize>,
    /// Columns of P in the order of the pivots.
    pub cols: Vec<usize>,
    /// L below the diagonal, U on and above it, row-major (rank, rank).
    lu: Vec<T>,
}

/// Pivots below this many eps times the first are taken for zero.
const DROP: f64 = 64.0;

impl<T: Scalar> Pivoted<T> {
    /// Of P (m, n), row-major.
    pub fn new(mut p: Vec<T>, m: usize, n: usize) -> Self {
        let (mut rows, mut cols): (Vec<_>, Vec<_>) = ((0..m).collect(), (0..n).collect());
        let mut rank = 0;
        let mut first = T::of(0.0);
        while rank < m.min(n) {
            let size = |at: usize| num_traits::Float::abs(p[at]);
            let candidates = (rank..m).flat_map(|i| (rank..n).map(move |j| (i, j)));
            let (mut best, mut largest) = ((rank, rank), T::of(-1.0));
            for (i, j) in candidates {
                if size(i * n + j) > largest {
                    (best, largest) = ((i, j), size(i * n + j));
                }
            }
            first = if rank == 0 { largest } else { first };
            if !(largest > first * T::of(DROP * T::EPS)) {
                break;
            }
            let (i, j) = best;
            (0..n).for_each(|c| p.swap(i * n + c, rank * n + c));
            (0..m).for_each(|r| p.swap(r * n + j, r * n + rank));
            rows.swap(i, rank);
            cols.swap(j, rank);
            for r in rank + 1..m {
                let factor = p[r * n + rank] / p[rank * n + rank];
                p[r * n + rank] = factor;
                for c in rank + 1..n {
                    let above = p[rank * n + c];
                    p[r * n + c] -= factor * above;
                }
            }
            rank += 1;
        }
        let lu = (0..rank * rank).map(|at| p[at / rank * n + at % rank]).collect();
        rows.truncate(rank);
        cols.truncate(rank);
        Self { rows, cols, lu }
    }

    pub fn rank(&self) -> usize {
        self.rows.len()
    }

    /// `x <- P[rows, cols]^-1 x`.
    pub fn solve(&self, x: &mut [T]) {
        let n = self.rank();
        for i in 0..n {
            let known: T = (0..i).map(|j| self.lu[i * n + j] * x[j]).sum();
            x[i] -= known;
        }
        for i in (0..n).rev() {
            let known: T = (i + 1..n).map(|j| self.lu[i * n + j] * x[j]).sum();
            x[i] = (x[i] - known) / self.lu[i * n + i];
        }
    }

    /// `x' <- x' P[rows, cols]^-1`.
    pub fn solve_transposed(&self, x: &mut [T]) {
        let n = self.rank();
        for j in 0..n {
            let known: T = (0..j).map(|i| self.lu[i * n + j] * x[i]).sum();
            x[j] = (x[j] - known) / self.lu[j * n + j];
        }
        for j in (0..n).rev() {
            let known: T = (j + 1..n).map(|i| self.lu[i * n + j] * x[i]).sum();
            x[j] -= known;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_what_it_factored_and_drops_the_rest() {
        let hilbert: Vec<f64> = (0..12).map(|at| 1.0 / (1 + at / 4 + at % 4) as f64).collect(); // (3, 4)
        let f = Pivoted::new(hilbert.clone(), 3, 4);
        let part = |i: usize, j: usize| hilbert[f.rows[i] * 4 + f.cols[j]];
        let x = [1.0, -2.0, 0.5];
        let mut right: Vec<f64> = (0..3).map(|i| (0..3).map(|j| part(i, j) * x[j]).sum()).collect();
        let mut left: Vec<f64> = (0..3).map(|j| (0..3).map(|i| x[i] * part(i, j)).sum()).collect();
        f.solve(&mut right);
        f.solve_transposed(&mut left);
        for (a, b) in right.iter().chain(&left).zip(x.iter().chain(&x)) {
            assert!((a - b).abs() < 1e-11, "{a} {b}");
        }
        assert_eq!(Pivoted::new(vec![1.0; 6], 2, 3).rank(), 1);
        assert_eq!(Pivoted::new(vec![0.0; 6], 2, 3).rank(), 0);
    }
}
