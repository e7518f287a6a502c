//! Sparse random signs, and the product of a matrix with them that looks at nonzeros alone.

use super::stream;
use crate::Scalar;
use faer::{Mat, MatMut, MatRef};
use pulp::{Arch, Simd, WithSimd};
use rand::RngExt;
use rayon::prelude::*;

/// A matrix (n, l) with `nonzeros` entries +-1 in each row, kept by rows.
pub(crate) struct Signs<T: Scalar> {
    columns: usize,
    nonzeros: usize,
    /// (column, sign) of the entries, row after row.
    entries: Vec<(usize, T)>,
    rows: usize,
}

/// Rows of A that a task works on.
const PIECE: usize = 256;
/// Columns of A whose parts are used together: few enough for the translation buffer.
const TOGETHER: usize = 32;

impl<T: Scalar> Signs<T> {
    /// Row i is drawn from the stream (seed, purpose, i); at most l entries a row.
    pub(crate) fn new(n: usize, l: usize, nonzeros: usize, seed: u64, purpose: &str) -> Self {
        let nonzeros = nonzeros.min(l);
        let mut entries = Vec::with_capacity(n * nonzeros);
        let mut places: Vec<usize> = (0..l).collect();
        for i in 0..n {
            let mut rng = stream(seed, purpose, i as u64);
            places.iter_mut().enumerate().for_each(|(j, place)| *place = j);
            for k in 0..nonzeros {
                let pick = rng.random_range(k..l);
                places.swap(k, pick);
                entries.push((places[k], T::of(if rng.random::<bool>() { 1.0 } else { -1.0 })));
            }
        }
        Self { columns: l, nonzeros, entries, rows: n }
    }

    /// The matrix (n, l).
    pub(crate) fn to_dense(&self) -> Mat<T> {
        let mut out = Mat::zeros(self.rows, self.columns);
        for (k, (j, sign)) in self.entries.iter().enumerate() {
            out[(k / self.nonzeros, *j)] = *sign;
        }
        out
    }

    /// The product (m, l) of `a` (m, n) with this matrix, where `a` is stored by columns.
    /// m n `nonzeros` additions; nothing depends on the number of threads.
    pub(crate) fn left_product(&self, a: MatRef<'_, T>) -> Option<Mat<T>> {
        a.try_as_col_major()?;
        // Parts of 256 bytes: four registers, and sums that stay in the cache nearest to the core.
        Some(if size_of::<T>() == 4 { self.in_parts::<64>(a) } else { self.in_parts::<32>(a) })
    }

    fn in_parts<const PART: usize>(&self, a: MatRef<'_, T>) -> Mat<T> {
        let mut out: Mat<T> = Mat::zeros(a.nrows(), self.columns);
        let work = |(piece, mut out): (usize, MatMut<'_, T>)| {
            let a = a.subrows(piece * PIECE, out.nrows());
            let mut sums = vec![[T::of(0.0); PART]; out.nrows().div_ceil(PART) * self.columns];
            Arch::new().dispatch(Add { a, signs: self, sums: &mut sums });
            for j in 0..self.columns {
                let Some(column) = out.as_mut().col_mut(j).try_as_col_major_mut() else { continue };
                for (part, x) in column.as_slice_mut().chunks_mut(PART).enumerate() {
                    x.copy_from_slice(&sums[part * self.columns + j][..x.len()]);
                }
            }
        };
        if self.columns > 0 {
            out.as_mut().par_row_chunks_mut(PIECE).enumerate().for_each(work);
        }
        out
    }
}

/// Adds the products of rows of A, part after part.
struct Add<'a, T: Scalar, const PART: usize> {
    a: MatRef<'a, T>,
    signs: &'a Signs<T>,
    sums: &'a mut [[T; PART]],
}

impl<T: Scalar, const PART: usize> WithSimd for Add<'_, T, PART> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { a, signs, sums } = self;
        let (m, n) = a.shape();
        let mut padded = [T::of(0.0); PART];
        for first in (0..n).step_by(TOGETHER) {
            for (part, sums) in sums.chunks_exact_mut(signs.columns).enumerate() {
                let rows = part * PART..m.min((part + 1) * PART);
                for i in first..n.min(first + TOGETHER) {
                    let Some(column) = a.col(i).try_as_col_major() else { continue };
                    let mut x = &column.as_slice()[rows.clone()];
                    if x.len() < PART {
                        padded[..x.len()].copy_from_slice(x);
                        x = &padded;
                    }
                    let x = T::v_registers::<S>(x);
                    for (j, sign) in &signs.entries[i * signs.nonzeros..(i + 1) * signs.nonzeros] {
                        let sign = T::v_splat(simd, *sign);
                        for (sum, x) in T::v_registers_mut::<S>(&mut sums[*j]).iter_mut().zip(x) {
                            *sum = T::v_mul_add(simd, sign, *x, *sum);
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::frobenius;
    use crate::random::gaussian;

    #[test]
    fn product_is_that_of_the_dense_form() {
        fn check<T: Scalar>() {
            let shapes = [(0, 0), (0, 5), (5, 0), (1, 1), (1, 7), (7, 1), (31, 33), (64, 32), (300, 100)];
            for (m, n) in shapes.into_iter().chain([(257, 65), (600, 40)]) {
                for (l, nonzeros) in [(0, 1), (1, 1), (5, 2), (9, 20), (74, 8)] {
                    let a = gaussian::<T>(m, n, 1, "a");
                    let signs = Signs::<T>::new(n, l, nonzeros, 1, "signs");
                    let omega = signs.to_dense();
                    let fast = signs.left_product(a.as_ref()).unwrap();
                    let gap = frobenius((&fast - &a * &omega).as_ref());
                    let allowed = 4.0 * T::EPS * frobenius(a.as_ref()) * frobenius(omega.as_ref());
                    assert!(fast.shape() == (m, l) && gap <= allowed, "{m}x{n}, {l}: {gap:e}");
                    for threads in [1, 2, 3, 8] {
                        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                        assert!(pool.install(|| signs.left_product(a.as_ref())).unwrap() == fast);
                    }
                }
            }
            let a = gaussian::<T>(6, 9, 1, "a");
            assert!(Signs::<T>::new(6, 4, 2, 1, "signs").left_product(a.transpose()).is_none());
        }
        check::<f64>();
        check::<f32>();
    }
}
