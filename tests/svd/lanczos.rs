//! The exact truncated SVD against the dense one and against spectra that are known.

use lowrank::faer::{Mat, MatRef};
use lowrank::matrix::{exponent, frobenius, scale_by_power_of_two, scaled};
use lowrank::operator::{Csr, Functions};
use lowrank::random::{gallery, gaussian, with_spectrum};
use lowrank::svd::{Lanczos, LanczosSvd, dense, lanczos};
use lowrank::{Entries, Error, LowRank, Operator, Scalar, Status};

fn wide<T: Scalar>(a: MatRef<'_, T>) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)].as_f64())
}

fn tolerance<T: Scalar>(m: usize, n: usize) -> f64 {
    (10.0 * (m.max(n) as f64).sqrt() * T::EPS).max(1e-10)
}

/// |Q'Q - I|_F / (g eps).
fn omega<T: Scalar>(q: &Mat<T>, g: f64) -> f64 {
    let q = wide(q.as_ref());
    frobenius((q.transpose() * &q - Mat::<f64>::identity(q.ncols(), q.ncols())).as_ref()) / (g * T::EPS)
}

/// The worst of both residuals of each triplet, in double precision.
fn residuals(a: &Mat<f64>, u: &Mat<f64>, s: &[f64], v: &Mat<f64>) -> Vec<f64> {
    let (av, atu) = (a * v, a.transpose() * u);
    let gap = |x: &Mat<f64>, y: &Mat<f64>, j: usize| {
        (0..x.nrows()).map(|i| (x[(i, j)] - s[j] * y[(i, j)]).powi(2)).sum::<f64>().sqrt()
    };
    (0..s.len()).map(|j| gap(&av, u, j).max(gap(&atu, v, j))).collect()
}

/// Everything that is promised of a converged result, against the dense SVD in double precision.
fn check<T: Scalar>(case: &str, a: MatRef<'_, T>, found: &LanczosSvd<T>) {
    let (m, n) = a.shape();
    let e = exponent(a.as_ref().norm_max());
    let a = wide(scaled(a, -e).as_ref());
    let s: Vec<f64> = found.svd.s.iter().map(|s| scale_by_power_of_two(*s, -e).as_f64()).collect();
    let best = dense(a.as_ref()).unwrap();
    let allowed = tolerance::<T>(m, n) * best.s[0];
    assert_eq!(found.report.status, Status::Converged, "{case}: {}", found.report);
    assert!(found.svd.s.is_sorted_by(|x, y| x >= y), "{case}");
    for (k, (s, best)) in s.iter().zip(&best.s).enumerate() {
        let gap = (s - best).abs();
        assert!(
            gap <= allowed + 20.0 * T::EPS * best,
            "{case}: s_{k} is off by {gap:e}, {allowed:e} allowed"
        );
    }
    let g = m.max(n) as f64;
    for (name, q) in [("u", &found.svd.u), ("v", &found.svd.v)] {
        assert_eq!(q.ncols(), s.len(), "{case}");
        let omega = omega(q, g);
        assert!(omega <= 10.0, "{case}: {name}, {omega}");
    }
    let (u, v) = (wide(found.svd.u.as_ref()), wide(found.svd.v.as_ref()));
    let rounding = 50.0 * T::EPS * frobenius(a.as_ref());
    let measured = residuals(&a, &u, &s, &v);
    for (k, (measured, reported)) in measured.iter().zip(&found.residuals).enumerate() {
        assert!(*measured <= 1.1 * allowed, "{case}: residual {k} is {measured:e}, {allowed:e} allowed");
        let gap = (measured - scale_by_power_of_two(*reported, -e)).abs();
        assert!(gap <= rounding, "{case}: residual {k} is {measured:e}, {reported:e} reported");
    }
    assert_eq!(found.report.error, found.residuals.iter().fold(0.0, |x: f64, r| x.max(*r)), "{case}");
    for j in 0..s.len() {
        let largest = (0..m).fold(0.0, |x: f64, i| if u[(i, j)].abs() > x.abs() { u[(i, j)] } else { x });
        assert!(largest > 0.0, "{case}: sign of column {j}");
    }
}

#[test]
fn gallery_agrees_with_the_dense_svd() {
    fn run<T: Scalar>() {
        for (m, n) in [(80, 60), (60, 80), (150, 70), (50, 300)] {
            for family in gallery::families::<T>() {
                for (rank, block) in [(1, 2), (7, 3), (6, 1), (7, 16)] {
                    let a = (family.make)(m, n, 2);
                    let parameters = Lanczos { block, ..Default::default() };
                    let found = lanczos(&a, rank, &parameters).unwrap();
                    let case = format!("{} {} {m}x{n} rank {rank} block {block}", T::NAME, family.name);
                    assert_eq!(found.report.iterations == 0, block == 16, "{case}: {}", found.report);
                    check(&case, a.as_ref(), &found);
                }
            }
        }
    }
    run::<f64>();
    run::<f32>();
}

#[test]
fn small_and_full_ranks_go_through_the_dense_svd() {
    for (m, n) in [(1, 1), (1, 7), (7, 1), (2, 2), (5, 3), (16, 10), (40, 33), (0, 0), (0, 4), (4, 0)] {
        let a = gaussian::<f64>(m, n, 1, "small");
        for rank in [0, 1, m.min(n)] {
            if rank > m.min(n) {
                let refused = lanczos(&a, rank, &Lanczos::default());
                assert!(matches!(refused, Err(Error::Rank { rank: 1, largest: 0 })));
                continue;
            }
            let found = lanczos(&a, rank, &Lanczos::default()).unwrap();
            assert_eq!((found.svd.rank(), found.report.iterations), (rank, 0));
            if rank > 0 {
                check(&format!("{m}x{n} rank {rank}"), a.as_ref(), &found);
            }
        }
    }
}

#[test]
fn scales_and_forms() {
    fn run<T: Scalar>(scales: &[i32]) {
        let spectrum: Vec<f64> = (0..90).map(|i| 1.0 / (1.0 + i as f64)).collect();
        for (m, n) in [(140, 90), (90, 140)] {
            let base = with_spectrum::<T>(m, n, &spectrum, 3);
            for &scale in scales {
                let a = scaled(base.as_ref(), scale);
                let times = |transposed: bool| {
                    let a = a.clone();
                    move |b: MatRef<'_, T>| {
                        let a = if transposed { a.transpose() } else { a.as_ref() };
                        let mut out = Mat::zeros(a.nrows(), b.ncols());
                        out.as_mut().copy_from(&(a * b));
                        out
                    }
                };
                let functions =
                    Functions { shape: (m, n), apply: times(false), apply_transpose: times(true) };
                let low = LowRank { u: a.clone(), v: Mat::identity(n, n) };
                let p = Lanczos { block: 4, ..Default::default() };
                let forms = [
                    ("stored", lanczos(&a, 8, &p)),
                    ("csr", lanczos(&Csr::from_dense(a.as_ref()).unwrap(), 8, &p)),
                    ("functions", lanczos(&functions, 8, &p)),
                    ("low rank", lanczos(&low, 8, &p)),
                ];
                for (name, found) in forms {
                    let case = format!("{} {name} {m}x{n} scale 2^{scale}", T::NAME);
                    let found = found.unwrap_or_else(|e| panic!("{case}: {e}"));
                    assert!(found.report.iterations > 1, "{case}");
                    check(&case, a.as_ref(), &found);
                }
            }
        }
    }
    run::<f64>(&[0, 300, -300, 600, -600, 1000, -1000]);
    run::<f32>(&[0, 80, -80, 110, -110]);
}

/// Values repeated more often than a block has columns, above others that are not.
#[test]
fn every_copy_is_found() {
    let n = 600;
    for copies in [1, 3, 20, 37] {
        for block in [1, 2, 8, 16] {
            let values: Vec<f64> = (0..n)
                .map(|i| if i < copies { 2.0 } else { 1.0 / (1.0 + 0.01 * (i - copies) as f64) })
                .collect();
            let triplets: Vec<_> = values.iter().enumerate().map(|(i, s)| (i * 7 % n, i, *s)).collect();
            let a = Csr::from_triplets(n, n, &triplets).unwrap();
            let parameters = Lanczos { block, ..Default::default() };
            let found = lanczos(&a, 40, &parameters).unwrap();
            let case = format!("{copies} copies, blocks of {block}");
            assert_eq!(found.report.status, Status::Converged, "{case}");
            for (k, (found, s)) in found.svd.s.iter().zip(&values).enumerate() {
                assert!((found - s).abs() <= 2e-10, "{case}: s_{k} = {found}, not {s}");
            }
        }
    }
    // Few distinct values: the spaces are invariant at once.
    let levels: Vec<_> = (0..n).map(|i| (i, i, [3.0, 2.0, 1.0][(i / 25).min(2)])).collect();
    let a = Csr::from_triplets(n, n, &levels).unwrap();
    for block in [1, 4, 16] {
        let found = lanczos(&a, 60, &Lanczos { block, ..Default::default() }).unwrap();
        check(&format!("levels, blocks of {block}"), a.to_dense().unwrap().as_ref(), &found);
    }
}

#[test]
fn lower_rank_than_asked_and_zero() {
    for rank in [0, 1, 5] {
        let a = with_spectrum::<f64>(300, 200, &vec![1.0; rank], 1);
        let found = lanczos(&a, 12, &Lanczos { block: 4, ..Default::default() }).unwrap();
        check(&format!("rank {rank}"), a.as_ref(), &found);
        assert!(found.svd.s[rank..].iter().all(|s| *s <= 1e-14));
    }
    let zero = Mat::<f32>::zeros(500, 700);
    let found = lanczos(&zero, 20, &Lanczos::default()).unwrap();
    assert_eq!(found.svd.s, [0.0; 20]);
    assert_eq!((found.report.status, found.report.error), (Status::Converged, 0.0));
    assert!(omega(&found.svd.u, 700.0) <= 10.0 && omega(&found.svd.v, 700.0) <= 10.0);
}

/// Bar 4.
#[test]
fn bad_input_is_an_error() {
    struct Generated(Mat<f64>);
    impl Entries<f64> for Generated {
        fn nrows(&self) -> usize {
            self.0.nrows()
        }
        fn ncols(&self) -> usize {
            self.0.ncols()
        }
        fn tile(&self, rows: std::ops::Range<usize>, cols: std::ops::Range<usize>, out: &mut [f64]) {
            Entries::tile(&self.0, rows, cols, out);
        }
    }
    for (m, n) in [(120, 90), (90, 120)] {
        for (i, j) in [(0, 0), (m / 2, n / 2), (m - 1, n - 1)] {
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let mut a = gaussian::<f64>(m, n, 1, "bad");
                a[(i, j)] = bad;
                for rank in [3, 80] {
                    let generated = Generated(a.clone());
                    let p = Lanczos { block: 4, ..Default::default() };
                    for refused in [lanczos(&a, rank, &p), lanczos(&generated, rank, &p)] {
                        match refused {
                            Err(Error::NonFinite { argument: "a", index }) => assert_eq!(index, [i, j]),
                            other => panic!("{other:?}"),
                        }
                    }
                }
                let apply = |b: MatRef<'_, f64>| &a * b;
                let apply_transpose = |b: MatRef<'_, f64>| a.transpose() * b;
                let functions = Functions { shape: (m, n), apply, apply_transpose };
                let refused = lanczos(&functions, 3, &Lanczos { block: 4, ..Default::default() });
                assert!(matches!(refused, Err(Error::NonFinite { argument: "a b", .. })), "{refused:?}");
            }
        }
    }
    let a = Mat::<f64>::identity(50, 40);
    assert!(matches!(lanczos(&a, 41, &Lanczos::default()), Err(Error::Rank { rank: 41, largest: 40 })));
    let p = Lanczos::default;
    for (name, wrong) in [
        ("tolerance", Lanczos { tolerance: f64::NAN, ..p() }),
        ("tolerance", Lanczos { tolerance: -1e-10, ..p() }),
        ("block", Lanczos { block: 0, ..p() }),
        ("basis", Lanczos { basis: Some(36), ..p() }),
    ] {
        let refused = lanczos(&a, 5, &wrong);
        assert!(matches!(&refused, Err(Error::Parameter { name: found, .. }) if *found == name), "{name}");
    }
    let huge = Lanczos { block: usize::MAX, max_iterations: usize::MAX, ..p() };
    assert_eq!(lanczos(&a, 5, &huge).unwrap().svd.s, [1.0; 5]);
}

#[test]
fn an_early_end_is_told() {
    let spectrum: Vec<f64> = (0..300).map(|i| 1.0 - i as f64 / 400.0).collect();
    let a = with_spectrum::<f64>(400, 300, &spectrum, 1);
    for max_iterations in [0, 1, 5] {
        let parameters = Lanczos { block: 5, max_iterations, ..Default::default() };
        let found = lanczos(&a, 20, &parameters).unwrap();
        assert_eq!(found.report.status, Status::IterationLimit);
        assert_eq!((found.report.iterations, found.svd.rank()), (max_iterations.max(4), 20));
        assert!(found.report.error > 1e-6);
        let measured = residuals(&a, &found.svd.u, &found.svd.s, &found.svd.v);
        for (measured, reported) in measured.iter().zip(&found.residuals) {
            assert!((measured - reported).abs() <= 1e-13, "{measured} against {reported}");
        }
        let last = found.report.history.last().unwrap();
        assert!((last.error - found.report.error).abs() <= 1e-12, "what was expected is what is measured");
    }
    let found = lanczos(&a, 20, &Lanczos { block: 5, ..Default::default() }).unwrap();
    check("slow decay", a.as_ref(), &found);
}

/// Bar 16.
#[test]
fn bits_do_not_depend_on_threads() {
    let spectrum: Vec<f64> = (0..400).map(|i| 1.0 / (1.0 + i as f64)).collect();
    let a = with_spectrum::<f64>(700, 400, &spectrum, 1);
    let sparse = Csr::from_dense(a.as_ref()).unwrap();
    let run = || {
        let (x, y) = (lanczos(&a, 20, &Lanczos::default()), lanczos(&sparse, 20, &Lanczos::default()));
        let (x, y) = (x.unwrap(), y.unwrap());
        (x.svd.u, x.svd.s, x.svd.v, x.residuals, y.svd.u, y.svd.s, y.svd.v)
    };
    let first = run();
    for threads in [1, 2, 3, 8] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert!(pool.install(run) == first, "{threads} threads");
    }
}
