//! The dense SVD, QR and the rank for a tolerance.

use super::*;

const SMALL: &[(usize, usize)] =
    &[(0, 0), (0, 5), (5, 0), (1, 1), (1, 7), (7, 1), (2, 2), (5, 3), (16, 10), (33, 65)];
const LARGE: &[(usize, usize)] = &[(65, 33), (127, 129), (200, 20), (128, 128), (300, 200), (2000, 7)];

/// Bars 1 to 3 for one family and shape, at all sizes.
fn factorizations<T: Scalar>(family: Family<T>, (m, n): (usize, usize), sizes: &[Size], worst: &mut Worst) {
    let seed = 11;
    let base = (family.make)(m, n, seed);
    let (g, mut unscaled) = (g::<T>(m, n), None);
    for size in sizes {
        let case = format!("{} {} {m}x{n} {size:?} seed {seed}", T::NAME, family.name);
        let a = resize(base.as_ref(), *size);
        let a = a.as_ref();
        let fail = |e: Error| -> ! { panic!("{e}: {case}") };
        let svd = dense(a).unwrap_or_else(|e| fail(e));
        worst.see("svd beta", beta_of_svd(a, &svd, g), BETA, &case);
        worst.see("svd omega", omega_of_svd(&svd), OMEGA, &case);
        assert_eq!((svd.rank(), svd.shape()), (m.min(n), (m, n)), "{case}");
        assert!(sorted(&svd), "{case}");
        for k in 0..svd.rank() {
            let column = svd.u.col_as_slice(k);
            let top = column.iter().fold(0.0, |m: f64, x| m.max(x.as_f64().abs()));
            assert!(
                column.iter().find(|x| x.as_f64().abs() == top).unwrap().as_f64() > 0.0,
                "sign {k}: {case}"
            );
        }

        let f = qr(a).unwrap_or_else(|e| fail(e));
        let e = exponent(max_norm(a));
        let (q, r) = (wide(f.q.as_ref()), wide(scaled(f.r.as_ref(), -e).as_ref()));
        worst.see("qr beta", beta(a, &q, r.transpose(), e, g, r.nrows() * r.ncols()), BETA, &case);
        worst.see("qr omega", omega(&f.q, g), OMEGA, &case);
        assert_eq!((f.q.shape(), f.r.shape()), ((m, m.min(n)), (m.min(n), n)), "{case}");
        for j in 0..n {
            assert!((j + 1..m.min(n)).all(|i| f.r[(i, j)] == T::of(0.0)), "R is not triangular: {case}");
        }
        assert_eq!(orthonormal_basis(a).unwrap_or_else(|e| fail(e)), f.q, "{case}");

        let top = svd.s.first().map_or(0.0, |s| s.as_f64());
        for (what, s) in [("values only", singular_values(a)), ("transpose", singular_values(a.transpose()))]
        {
            let s = s.unwrap_or_else(|e| fail(e));
            assert_eq!(s.len(), svd.s.len(), "{case}");
            let gap = s.iter().zip(&svd.s).map(|(x, y)| (x.as_f64() - y.as_f64()).abs()).fold(0.0, f64::max);
            let one = scale_by_power_of_two(1.0, smallest::<T>());
            worst.see(what, if gap <= one { 0.0 } else { gap / top / T::EPS }, 4.0, &case);
        }
        let back = dense(a.transpose()).unwrap_or_else(|e| fail(e));
        assert!(back.s == svd.s, "the transpose has other singular values: {case}");

        match (&unscaled, size) {
            (None, _) => unscaled = Some((svd, f)),
            (Some((first, qr)), Size::Power(e)) if scaled(a, -e) == base => {
                assert!(first.u == svd.u && first.v == svd.v, "scaling changes bits of U or V: {case}");
                let expected: Vec<T> = first.s.iter().map(|s| scale_by_power_of_two(*s, *e)).collect();
                assert!(svd.s == expected, "scaling changes bits of s: {case}");
                assert!(
                    qr.q == f.q && scaled(qr.r.as_ref(), *e) == f.r,
                    "scaling changes bits of QR: {case}"
                );
            }
            _ => {}
        }
    }
}

fn all_factorizations<T: Scalar>(shapes: &[(usize, usize)], sizes: &[Size]) {
    let mut worst = Worst::default();
    for family in gallery::families::<T>() {
        for shape in shapes {
            factorizations(family, *shape, sizes, &mut worst);
        }
    }
    worst.print(T::NAME);
}

#[test]
fn factorizations_meet_the_bars_small_shapes() {
    all_factorizations::<f64>(SMALL, &sizes::<f64>());
    all_factorizations::<f32>(SMALL, &sizes::<f32>());
}

#[test]
fn factorizations_meet_the_bars_large_shapes_at_unit_scale() {
    let sizes = [Size::Power(0)];
    all_factorizations::<f64>(&[(65, 33), (200, 20), (127, 129)], &sizes);
    all_factorizations::<f32>(&[(65, 33), (200, 20), (127, 129)], &sizes);
}

#[test]
#[ignore = "the whole product of families, shapes and scales takes 40 s"]
fn factorizations_meet_the_bars_everywhere() {
    for shapes in [SMALL, LARGE] {
        all_factorizations::<f64>(shapes, &sizes::<f64>());
        all_factorizations::<f32>(shapes, &sizes::<f32>());
    }
}

/// A rank-one matrix plus noise of 1e-12: a QR with a threshold of 16 m eps zeroes the trailing
/// diagonal of R, and the second singular value comes out wrong in its first digit.
#[test]
fn rank_one_plus_noise_keeps_its_small_singular_values() {
    for (m, n) in [(200, 20), (60, 20), (40, 40)] {
        let noise = gaussian::<f64>(m, n, 1, "case");
        let a = Mat::from_fn(m, n, |i, j| 1.0 + 1e-12 * noise[(i, j)]);
        let scale = (m as f64 * n as f64).sqrt();
        let r = qr(a.as_ref()).unwrap().r;
        for i in 1..n {
            assert!(r[(i, i)] > 1e-13, "{m}x{n}: R({i}, {i}) = {:e}", r[(i, i)]);
        }
        // Centred columns and rows carry the noise alone, in full precision.
        let mean_row: Vec<f64> =
            (0..n).map(|j| (0..m).map(|i| a[(i, j)] - 1.0).sum::<f64>() / m as f64).collect();
        let centred = Mat::from_fn(m, n, |i, j| a[(i, j)] - 1.0 - mean_row[j]);
        let mean_col: Vec<f64> =
            (0..m).map(|i| (0..n).map(|j| centred[(i, j)]).sum::<f64>() / n as f64).collect();
        let centred = Mat::from_fn(m, n, |i, j| centred[(i, j)] - mean_col[i]);
        let expected = spectral(centred.as_ref()).unwrap();
        let s = singular_values(a.as_ref()).unwrap();
        assert!((s[1] - expected).abs() < 8.0 * f64::EPSILON * scale, "{m}x{n}: {} against {expected}", s[1]);
    }
}

#[test]
fn full_svd_completes_the_bases() {
    for family in gallery::families::<f64>() {
        for (m, n) in [(0, 3), (4, 0), (1, 1), (9, 4), (4, 9), (12, 11), (40, 6)] {
            let a = (family.make)(m, n, 3);
            let svd = full(a.as_ref()).unwrap();
            let case = format!("{} {m}x{n} seed 3", family.name);
            assert_eq!((svd.u.shape(), svd.v.shape(), svd.s.len()), ((m, m), (n, n), m.min(n)), "{case}");
            assert!(omega_of_svd(&svd) <= OMEGA, "{case}");
            let thin = svd.truncate(m.min(n));
            assert!(beta_of_svd(a.as_ref(), &thin, g::<f64>(m, n)) <= BETA, "{case}");
        }
    }
}

/// Bar 8: the true error never exceeds the tolerance by more than rounding.
#[test]
fn rank_by_tolerance_keeps_its_promise() {
    fn check<T: Scalar>() {
        for family in gallery::families::<T>() {
            for (m, n) in [(16, 10), (33, 65), (1, 7), (60, 12)] {
                for size in sizes::<T>() {
                    let a = resize((family.make)(m, n, 5).as_ref(), size);
                    let svd = dense(a.as_ref()).unwrap();
                    let norm = frobenius(a.as_ref());
                    for t in [0.0, 1e-14, 1e-10, 1e-7, 1e-4, 0.01, 0.1, 0.5, 1.0] {
                        let case =
                            format!("{} {} {m}x{n} {size:?} seed 5 tolerance {t}", T::NAME, family.name);
                        let rank = Rank::Tolerance(t).choose(&svd.s).unwrap();
                        let kept = svd.clone().truncate(rank);
                        assert!(
                            kept.rank() == rank && kept.u.ncols() == rank && kept.v.ncols() == rank,
                            "{case}"
                        );
                        let ratio = beta_of_svd(a.as_ref(), &kept, 1.0);
                        assert!(ratio <= t + g::<T>(m, n), "{case}: rank {rank}, error {ratio:e} |A|_F");
                        let same = Rank::Energy(1.0 - t * t).choose(&svd.s).unwrap();
                        assert!(
                            t < 0.01 || same.abs_diff(rank) <= 1,
                            "{case}: {same} by energy, {rank} by tolerance"
                        );
                    }
                    assert!(norm >= 0.0);
                }
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

/// Bar 4: every public function names the first non-finite entry at once.
#[test]
fn non_finite_entries_are_named() {
    fn check<T: Scalar>() {
        for (m, n) in [(1, 1), (7, 1), (30, 20), (20, 30), (3, 3)] {
            for (bad, [i, j]) in bad_places([m, n]) {
                let mut a = gaussian::<T>(m, n, 1, "case");
                a[(i, j)] = T::of(bad);
                let r = a.as_ref();
                let sketched = Randomized { oversampling: 1, ..Default::default() };
                let results = [
                    ("dense", dense(r).map(drop)),
                    ("full", full(r).map(drop)),
                    ("singular_values", singular_values(r).map(drop)),
                    ("truncated", truncated(r, Rank::Fixed(1)).map(drop)),
                    ("qr", qr(r).map(drop)),
                    ("orthonormal_basis", orthonormal_basis(r).map(drop)),
                    ("spectral", spectral(r).map(drop)),
                    ("randomized", randomized(&a, 1, &sketched).map(drop)),
                    ("randomized rank 0", randomized(&a, 0, &Randomized::default()).map(drop)),
                ];
                for (name, result) in results {
                    non_finite(result, "a", &[i, j], &format!("{name} {m}x{n} {bad}"));
                }
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

/// A norm above the largest number is an error that says so, not an infinity.
#[test]
fn unrepresentable_results_are_errors() {
    for (m, n) in [(4, 4), (30, 4), (4, 30)] {
        let a = Mat::full(m, n, f64::MAX);
        assert!(matches!(dense(a.as_ref()), Err(Error::Parameter { .. })));
        assert!(matches!(singular_values(a.as_ref()), Err(Error::Parameter { .. })));
        assert!(matches!(qr(a.as_ref()), Err(Error::Parameter { .. })));
        assert!(matches!(
            randomized(&a, 1, &Randomized { oversampling: 1, ..Default::default() }),
            Err(Error::Parameter { .. })
        ));
        assert!(orthonormal_basis(a.as_ref()).is_ok());
    }
}

/// Bar 16: the same bits in every run and on any number of threads.
#[test]
fn bits_do_not_depend_on_threads() {
    fn check<T: Scalar>(m: usize, n: usize) {
        let a = gaussian::<T>(m, n, 9, "case");
        let run = || {
            let svd = dense(a.as_ref()).unwrap();
            let f = qr(a.as_ref()).unwrap();
            let entries: &dyn Entries<T> = &a;
            let sketched = randomized(entries, 7, &Randomized::default()).unwrap();
            let values = singular_values(a.as_ref()).unwrap();
            (svd.u, svd.s, svd.v, f.q, f.r, sketched.u, sketched.s, sketched.v, values)
        };
        same_on_any_threads(&format!("{} {m}x{n} seed 9", T::NAME), run);
    }
    check::<f64>(500, 170);
    check::<f32>(170, 500);
}
