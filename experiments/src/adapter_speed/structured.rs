//! An LSR update applied to tokens without its factors A and B.
//!
//! **Problem.** y_t = sum_k (A1_k (x) A2_k) z_t with z_t = sum_k (B1_k (x) B2_k) x_t for each token t.
//!
//! **Method.** With X_t (n2, n1) the token by columns, (P (x) Q) x_t is Q X_t P'. Of the two orders the one
//! with fewer flops; all terms together, so that each step is a product of matrices: for B first
//! X_t (P_1', ..., P_s') token by token, then (Q_1, ..., Q_s) times all of these at once; for A the same
//! backwards.
//!
//! **Cost.** 2 s (n1 r1 n2 + n2 r2 r1 + m2 r2 r1 + m1 r1 m2) flops a token.
//!
//! **Guarantee.** None beside that of the products.
//!
//! **Deviations.** None: this is how the structure would be used without materialising.

use anyhow::Result;
use lowrank::faer::linalg::matmul::matmul;
use lowrank::faer::{Accum, Mat, MatMut, MatRef, Par};
use lowrank::layers::adapter::{Adapter, Lsr, LsrShapes};
use rayon::prelude::*;

/// The factors side by side.
#[derive(Debug, Clone)]
pub struct Structured {
    shapes: LsrShapes,
    terms: usize,
    /// (n1, s r1): column k + s j is row j of B1_k.
    b1: Mat<f32>,
    /// (r2, n2 s): columns k n2, ... are those of B2_k.
    b2: Mat<f32>,
    /// (m2 s, r2): rows k m2, ... are those of A2_k.
    a2: Mat<f32>,
    /// (s r1, m1): row k + s j is column j of A1_k.
    a1: Mat<f32>,
}

impl Structured {
    /// Copies the factors.
    ///
    /// # Errors
    /// None of an adapter that exists.
    pub fn new(lsr: &Lsr<f32>) -> Result<Self> {
        let shapes @ LsrShapes { outputs: (m1, m2), ranks: (r1, r2), inputs: (n1, n2) } = lsr.shapes();
        let s = lsr.terms();
        let part = |name| -> Result<Vec<f32>> { Ok(lsr.parts().array(name)?.iter().copied().collect()) };
        let [a1, a2, b1, b2] = [part("a1")?, part("a2")?, part("b1")?, part("b2")?];
        // Row by row: entry (i, j) of term k of a part (rows, cols) is at (k rows + i) cols + j.
        Ok(Self {
            shapes,
            terms: s,
            b1: Mat::from_fn(n1, s * r1, |i, col| b1[((col % s) * r1 + col / s) * n1 + i]),
            b2: Mat::from_fn(r2, n2 * s, |i, col| b2[((col / n2) * r2 + i) * n2 + col % n2]),
            a2: Mat::from_fn(m2 * s, r2, |row, j| a2[((row / m2) * m2 + row % m2) * r2 + j]),
            a1: Mat::from_fn(s * r1, m1, |row, j| a1[((row % s) * m1 + j) * r1 + row / s]),
        })
    }

    /// Flops a token.
    pub fn flops(&self) -> f64 {
        let LsrShapes { outputs: (m1, m2), ranks: (r1, r2), inputs: (n1, n2) } = self.shapes;
        (2 * self.terms * (n1 * r1 * n2 + n2 * r2 * r1 + m2 * r2 * r1 + m1 * r1 * m2)) as f64
    }

    /// dW x for tokens x (n, T): (m, T).
    pub fn apply(&self, x: MatRef<'_, f32>) -> Mat<f32> {
        let LsrShapes { outputs: (m1, m2), ranks: (r1, r2), inputs: (n1, n2) } = self.shapes;
        let (s, tokens) = (self.terms, x.ncols());
        let threads = rayon::current_num_threads();
        let par = if threads > 1 { Par::rayon(threads) } else { Par::Seq };
        let mut inner = vec![0.0; n2 * s * r1 * tokens]; // (n2, s, r1, T)
        inner.par_chunks_mut(n2 * s * r1).enumerate().for_each(|(t, out)| {
            let token: Vec<f32> = x.col(t).iter().copied().collect();
            let token = MatRef::from_column_major_slice(&token, n2, n1);
            let out = MatMut::from_column_major_slice_mut(out, n2, s * r1);
            matmul(out, Accum::Replace, token, self.b1.as_ref(), 1.0, Par::Seq);
        });
        let mut z = vec![0.0; r2 * r1 * tokens]; // (r2, r1, T)
        let out = MatMut::from_column_major_slice_mut(&mut z, r2, r1 * tokens);
        let inner = MatRef::from_column_major_slice(&inner, n2 * s, r1 * tokens);
        matmul(out, Accum::Replace, self.b2.as_ref(), inner, 1.0, par);
        let mut outer = vec![0.0; m2 * s * r1 * tokens]; // (m2, s, r1, T)
        let out = MatMut::from_column_major_slice_mut(&mut outer, m2 * s, r1 * tokens);
        let z = MatRef::from_column_major_slice(&z, r2, r1 * tokens);
        matmul(out, Accum::Replace, self.a2.as_ref(), z, 1.0, par);
        let mut y = vec![0.0; m2 * m1 * tokens];
        y.par_chunks_mut(m2 * m1).zip(outer.par_chunks(m2 * s * r1)).for_each(|(out, outer)| {
            let out = MatMut::from_column_major_slice_mut(out, m2, m1);
            let outer = MatRef::from_column_major_slice(outer, m2, s * r1);
            matmul(out, Accum::Replace, outer, self.a1.as_ref(), 1.0, Par::Seq);
        });
        MatRef::from_column_major_slice(&y, m2 * m1, tokens).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lowrank::random::gaussian;

    #[test]
    fn both_ways_give_the_same() {
        let shapes = LsrShapes { outputs: (4, 3), ranks: (2, 3), inputs: (5, 2) };
        let mut lsr = Lsr::<f32>::new(shapes, 3, 0).unwrap();
        let values = gaussian::<f32>(lsr.parts().values().len(), 1, 1, "factors");
        lsr.parts_mut().set_values(values.col_as_slice(0)).unwrap();
        let x = gaussian::<f32>(10, 7, 2, "tokens");
        let whole = lsr.delta().apply(x.as_ref()).unwrap();
        let parts = Structured::new(&lsr).unwrap().apply(x.as_ref());
        assert!((&whole - &parts).norm_l2() <= 1e-5 * whole.norm_l2());
        // The sizes of the paper.
        let shapes = LsrShapes { outputs: (32, 24), ranks: (2, 2), inputs: (32, 24) };
        let paper = Structured::new(&Lsr::new(shapes, 16, 0).unwrap()).unwrap();
        assert_eq!(paper.flops(), 104_448.0);
    }
}
