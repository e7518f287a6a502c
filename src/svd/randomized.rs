//! Randomized truncated singular value decomposition.
//!
//! **Problem.** A (m, n), stored, generated, or only applied to vectors, and a rank k: the k leading singular triplets.
//!
//! **Method.** Halko, Martinsson, Tropp, "Finding structure with randomness", SIAM Review 53
//! (2011), algorithms 4.4 and 5.1: a sketch A Omega with l = k + oversampling columns, Gaussian or
//! another [`Sketch`],
//! q power iterations with every half-step orthonormalised by Householder QR, then the SVD of
//! the small matrix Q'A, truncated.
//!
//! **Cost.** 2 q + 2 products with A of 2 m n l flops each and O((q + 1)(m + n) l^2) more;
//! memory 3 (m + n) l numbers besides A. A generated matrix is evaluated once per product.
//!
//! **Guarantee.** Without power iterations the expected error satisfies
//! E|A - U diag(s) V'|_F <= sqrt(1 + k / (p - 1)) (s_{k+1}^2 + ...)^(1/2) before truncation to
//! rank k, p = oversampling >= 2, for a Gaussian sketch (theorem 10.5); truncation adds at most
//! one tail more. For the other sketches see [`Sketch`]. Power
//! iterations bring it near the optimum wherever the spectrum has a gap. The columns of U and V
//! are orthonormal to 10 max(m, n) eps always. The result depends on the seed and not on the
//! number of threads.
//!
//! **Deviations.** Where l >= 3/4 min(m, n) the dense SVD is taken and truncated; the columns of
//! a warm start replace the first columns of the sketch.

use super::Svd;
use super::blocks::svd_in_span;
use super::source::Source;
use crate::matrix::check_finite;
use crate::random::Sketch;
use crate::{Error, Operator, Result, Scalar};
use faer::{Mat, MatRef};

/// Parameters of [`randomized`].
#[derive(Debug, Clone)]
pub struct Randomized<'a, T: Scalar> {
    /// Extra columns of the sketch; capped so that rank + oversampling <= min(m, n).
    pub oversampling: usize,
    /// Power iterations; every half-step is re-orthonormalised.
    pub power_iterations: usize,
    /// Seed of the sketch.
    pub seed: u64,
    /// Warm start: a basis (n, any number) of approximate right singular vectors, used as the
    /// first columns of the sketch; columns beyond rank + oversampling are left out.
    pub start: Option<MatRef<'a, T>>,
    /// The distribution of the sketch.
    pub sketch: Sketch,
}

impl<T: Scalar> Default for Randomized<'_, T> {
    fn default() -> Self {
        Self { oversampling: 10, power_iterations: 2, seed: 0, start: None, sketch: Sketch::Gaussian }
    }
}

/// Randomized truncated SVD of rank exactly `rank` (k = rank columns), of a stored matrix, of one
/// given by its entries, or of any other [`Operator`].
///
/// Rank 0 gives empty factors. The matrix may be zero or of lower rank: the last singular values
/// are then zero and the vectors still orthonormal.
///
/// # Errors
/// [`Error::Rank`] when `rank` > min(m, n); [`Error::NonFinite`] for NaN and infinities in `a`
/// (of a generated matrix: at rank 0 nothing is evaluated; of an operator with unknown entries:
/// `a b`, the position in the product) or in the warm start;
/// [`Error::Shape`] when the warm start has not n rows; those of [`Sketch::matrix`] and [`dense`](super::dense).
///
/// ```
/// use lowrank::{faer::Mat, svd::{Randomized, dense, randomized}};
/// let a = Mat::from_fn(40, 30, |i, j| 1.0 / (1.0 + i as f64 + j as f64));
/// let svd = randomized(&a, 6, &Randomized::default())?;
/// let best = dense(a.as_ref())?.truncate(6);
/// assert!(svd.error(a.as_ref())? <= 1.001 * best.error(a.as_ref())?);
/// # lowrank::Result::Ok(())
/// ```
pub fn randomized<T: Scalar, K>(
    a: &(impl Operator<T, K> + ?Sized),
    rank: usize,
    parameters: &Randomized<'_, T>,
) -> Result<Svd<T>> {
    let (m, n) = a.shape();
    let width = check(m, n, rank, parameters)?;
    let mut source = Source::new(a)?;
    if rank == 0 {
        return Ok(Svd { u: Mat::zeros(m, 0), s: Vec::new(), v: Mat::zeros(n, 0) });
    }
    if 4 * width >= 3 * m.min(n) {
        return Ok(source.dense()?.truncate(rank));
    }
    let omega = sketch(n, width, parameters)?; // (n, width)
    let mut q = basis(source.first_product(omega.as_ref())?)?; // (m, width)
    for _ in 0..parameters.power_iterations {
        let w = basis(source.transposed_product(q.as_ref())?)?; // (n, width)
        q = basis(source.product(w.as_ref())?)?;
    }
    let b = source.transposed_product(q.as_ref())?; // (n, width), the transpose of Q'A
    let mut svd = svd_in_span(q.as_ref(), b.as_ref(), rank)?;
    source.scale_back(&mut svd.s)?;
    Ok(svd)
}

/// Checks the parameters; gives the number of columns of the sketch.
fn check<T: Scalar>(m: usize, n: usize, rank: usize, p: &Randomized<'_, T>) -> Result<usize> {
    let largest = m.min(n);
    if rank > largest {
        return Err(Error::Rank { rank, largest });
    }
    if let Some(start) = p.start {
        if start.nrows() != n {
            return Err(Error::Shape {
                argument: "start",
                expected: format!("{n} rows are needed, as many as the matrix has columns"),
                found: vec![start.nrows(), start.ncols()],
            });
        }
        check_finite("start", start)?;
    }
    p.sketch.check()?;
    let width = rank.saturating_add(p.oversampling).min(largest);
    let bytes = m.max(n) as f64 * width as f64 * size_of::<T>() as f64;
    if rank > 0 && bytes > isize::MAX as f64 {
        return Err(Error::TooLarge { what: "the sketch", bytes, remedy: "ask for a smaller rank" });
    }
    Ok(width)
}

/// The columns (n, width) that A is first applied to.
fn sketch<T: Scalar>(n: usize, width: usize, p: &Randomized<'_, T>) -> Result<Mat<T>> {
    let mut omega = p.sketch.matrix(n, width, p.seed, "randomized svd sketch")?;
    if let Some(start) = p.start {
        let known = basis(start.subcols(0, start.ncols().min(width)).to_owned())?;
        omega.as_mut().subcols_mut(0, known.ncols()).copy_from(known);
    }
    Ok(omega)
}

/// An orthonormal basis of the columns.
fn basis<T: Scalar>(a: Mat<T>) -> Result<Mat<T>> {
    super::orthonormal_basis(a.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Entries;
    use crate::matrix::scale_by_power_of_two;
    use crate::random::with_spectrum;
    use crate::svd::dense;
    use std::ops::Range;

    /// The same matrix, given by its entries.
    struct Generated<'a, T: Scalar>(MatRef<'a, T>);

    impl<T: Scalar> Entries<T> for Generated<'_, T> {
        fn nrows(&self) -> usize {
            self.0.nrows()
        }
        fn ncols(&self) -> usize {
            self.0.ncols()
        }
        fn tile(&self, rows: Range<usize>, cols: Range<usize>, out: &mut [T]) {
            Entries::tile(&self.0, rows, cols, out);
        }
    }

    #[test]
    fn two_power_steps_reach_the_optimum_in_single_precision() {
        let spectrum: Vec<f64> = (0..200).map(|i| 0.93_f64.powi(i)).collect();
        let a = with_spectrum::<f32>(300, 200, &spectrum, 3);
        let tail = spectrum[20..].iter().map(|s| s * s).sum::<f64>().sqrt();
        for seed in 0..5 {
            let svd = randomized(&a, 20, &Randomized { seed, ..Default::default() }).unwrap();
            let ratio = svd.error(a.as_ref()).unwrap() / tail;
            assert!(ratio <= 1.006, "seed {seed}: {ratio}");
        }
    }

    #[test]
    fn stored_and_generated_agree_and_threads_do_not_matter() {
        let spectrum: Vec<f64> = (0..60).map(|i| 0.7_f64.powi(i)).collect();
        for scale in [0, 300, -600, 1000] {
            let a = crate::matrix::scaled(with_spectrum::<f64>(1300, 700, &spectrum, 3).as_ref(), scale);
            for entries in [&a as &dyn Entries<f64>, &Generated(a.as_ref())] {
                let run = || randomized(entries, 12, &Randomized::default()).unwrap();
                let one = run();
                assert!(one.error(a.as_ref()).unwrap() < 1e-1 * one.s[0]);
                for threads in [1, 2, 3, 8] {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    let other = pool.install(run);
                    assert!(one.u == other.u && one.v == other.v && one.s == other.s, "{threads} threads");
                }
                for (k, (s, found)) in spectrum.iter().zip(&one.s).enumerate() {
                    let found = scale_by_power_of_two(*found, -scale);
                    assert!((found - s).abs() < 1e-2 * s, "scale 2^{scale}, value {k}: {found} against {s}");
                }
            }
        }
    }

    #[test]
    fn edges_are_answers_or_errors() {
        let zero = Mat::<f64>::zeros(50, 40);
        let svd = randomized(&zero, 5, &Randomized::default()).unwrap();
        assert_eq!(svd.s, [0.0; 5]);
        assert!(((svd.u.transpose() * &svd.u) - Mat::<f64>::identity(5, 5)).norm_l2() < 1e-13);
        assert_eq!(randomized(&zero, 0, &Randomized::default()).unwrap().rank(), 0);
        assert!(matches!(
            randomized(&zero, 41, &Randomized::default()),
            Err(Error::Rank { rank: 41, largest: 40 })
        ));
        let start = Mat::<f64>::zeros(39, 2);
        let wrong = Randomized { start: Some(start.as_ref()), ..Default::default() };
        assert!(matches!(randomized(&zero, 5, &wrong), Err(Error::Shape { argument: "start", .. })));
        let start = Mat::<f64>::full(40, 70, 1e300);
        let useless = Randomized { start: Some(start.as_ref()), ..Default::default() };
        assert!(randomized(&zero, 5, &useless).is_ok());
        for (i, j) in [(0, 0), (25, 20), (49, 39)] {
            for bad in [f64::NAN, f64::INFINITY] {
                let mut a = Mat::<f64>::zeros(50, 40);
                a[(i, j)] = bad;
                for entries in [&a as &dyn Entries<f64>, &Generated(a.as_ref())] {
                    for rank in [5, 35] {
                        let Err(Error::NonFinite { index, .. }) =
                            randomized(entries, rank, &Randomized::default())
                        else {
                            panic!("entry ({i}, {j}) = {bad}")
                        };
                        assert_eq!(index, [i, j]);
                    }
                }
            }
        }
        let huge = Randomized { oversampling: usize::MAX, ..Default::default() };
        assert_eq!(randomized(&Mat::<f32>::identity(9, 5), 2, &huge).unwrap().s, [1.0; 2]);
        assert!(randomized(&Mat::<f64>::zeros(0, 5), 0, &Randomized::default()).is_ok());
    }

    #[test]
    fn a_warm_start_helps() {
        let spectrum: Vec<f64> = (0..200).map(|i| 1.0 / (1.0 + i as f64)).collect();
        let a = with_spectrum::<f64>(300, 200, &spectrum, 3);
        let exact = dense(a.as_ref()).unwrap().truncate(10);
        let cold = Randomized { oversampling: 2, power_iterations: 0, seed: 1, ..Default::default() };
        let warm = Randomized { start: Some(exact.v.as_ref()), ..cold.clone() };
        let best = exact.error(a.as_ref()).unwrap();
        let error = |p| randomized(&a, 10, p).unwrap().error(a.as_ref()).unwrap() / best;
        assert!(error(&cold) > 1.02);
        assert!(error(&warm) < 1.0 + 1e-12);
    }
}
