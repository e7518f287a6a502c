//! Non-finite entries, degenerate shapes, warm factors: bad input is a clear error.

use super::*;

/// Bar 4.
#[test]
fn non_finite_entries_are_named() {
    fn check<T: Scalar>() {
        for (m, n) in [(1, 1), (7, 1), (20, 30), (150, 140)] {
            for (bad, at) in bad_places([m, n]) {
                let mut f = gaussian::<T>(m, n, 1, "case");
                f[(at[0], at[1])] = T::of(bad);
                let transposed = f.transpose().to_owned();
                let spread = ArrayD::from_shape_fn(vec![2 * m, 3 * n], |k| f[(k[0] / 2, k[1] / 3)]);
                let apart = every(&spread, 2, 3);
                let closure = Closure { shape: (m, n), entry: |a, b| f[(a, b)] };
                for (name, method) in methods() {
                    let case = format!("{} {bad} of {m}x{n} {name}", T::NAME);
                    non_finite(approximate(&f, 1, with(&method)), "f", &at, &case);
                    non_finite(approximate(&transposed.transpose(), 1, with(&method)), "f", &at, &case);
                    non_finite(approximate(&apart, 1, with(&method)), "f", &at, &case);
                    non_finite(approximate(&closure, 1, with(&method)), "f", &at, &case);
                    non_finite(approximate(&closure, 0, with(&method)), "f", &at, &case);
                }
            }
        }
        let shape = [4, 3, 5, 2];
        for (bad, at) in bad_places(shape) {
            let mut f = random_tensor::<T>(&shape, 1);
            f[at.as_slice()] = T::of(bad);
            let permuted = f.view().permuted_axes(vec![3, 1, 0, 2]).to_owned();
            let permuted = permuted.permuted_axes(vec![2, 1, 3, 0]); // f in another memory order
            for (name, method) in methods() {
                let case = format!("{} {bad} {name}", T::NAME);
                non_finite(approximate_tensor(&f, 2, with(&method)), "f", &at, &case);
                non_finite(approximate_tensor(&permuted, 2, with(&method)), "f", &at, &case);
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

/// Of several bad entries of a generated matrix the first is named, every time.
#[test]
fn the_first_non_finite_entry_is_named() {
    let f = Closure {
        shape: (300, 1500),
        entry: |i: usize, j: usize| if (i + j) % 257 == 256 { f64::NAN } else { 1.0 },
    };
    for _ in 0..20 {
        non_finite(approximate(&f, 1, Parameters::default()), "f", &[256, 0], "every 257th");
    }
}

/// Bar 5.
#[test]
fn degenerate_shapes_have_a_documented_result() {
    fn check<T: Scalar>() {
        for (name, method) in methods() {
            for start in ["svd", "random"] {
                for (m, n) in [(0, 0), (0, 5), (5, 0), (1, 1), (1, 7), (7, 1), (6, 4)] {
                    let f = gaussian::<T>(m, n, 2, "case");
                    for rank in 0..=m.min(n) {
                        let case = format!("{} {m}x{n} rank {rank} seed 2 {name} from {start}", T::NAME);
                        let start = if start == "svd" { Start::Svd } else { Start::Random };
                        let x = run(f.as_ref(), rank, Parameters { start, ..with(&method) }, &case);
                        if rank == 0 || m * n == 0 {
                            assert_eq!(x.report.error, max_norm(f.as_ref()), "{case}");
                            assert_eq!(
                                (x.report.status, x.report.iterations),
                                (Status::Converged, 0),
                                "{case}"
                            );
                        }
                    }
                    for rank in [m.min(n) + 1, usize::MAX] {
                        let start = if start == "svd" { Start::Svd } else { Start::Random };
                        let result = approximate(&f, rank, Parameters { start, ..with(&method) });
                        let largest = m.min(n);
                        assert!(
                            matches!(result, Err(Error::Rank { rank: r, largest: l }) if r == rank && l == largest),
                            "{m}x{n} rank {rank}: {result:?}"
                        );
                    }
                }
                let start = || if start == "svd" { Start::Svd } else { Start::Random };
                for shape in
                    [&[0usize, 3][..], &[3, 0, 2], &[2, 3, 0], &[1, 1], &[1, 1, 1, 1], &[3, 1, 2], &[1, 5, 1]]
                {
                    let f = random_tensor::<T>(shape, 2);
                    let case = format!("{} {shape:?} rank 2 seed 2 {name}", T::NAME);
                    let x = run_tensor(&f, 2, Parameters { start: start(), ..with(&method) }, &case);
                    if f.is_empty() {
                        assert_eq!((x.report.error, x.report.status), (0.0, Status::Converged), "{case}");
                    }
                    let result = approximate_tensor(&f, 0, Parameters { start: start(), ..with(&method) });
                    assert!(
                        matches!(result, Err(Error::Parameter { name: "rank", .. })),
                        "{case}: {result:?}"
                    );
                    run_tensor(&f, usize::MAX, Parameters { start: start(), ..with(&method) }, &case);
                }
                for shape in [&[][..], &[0], &[1], &[5]] {
                    let f = ArrayD::from_elem(IxDyn(shape), T::of(1.0));
                    let result = approximate_tensor(&f, 1, Parameters { start: start(), ..with(&method) });
                    assert!(
                        matches!(result, Err(Error::Shape { argument: "f", .. })),
                        "{shape:?}: {result:?}"
                    );
                }
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

/// Warm factors that do not fit are errors; those that fit only just are used.
#[test]
fn warm_factors_are_checked() {
    let f = gaussian::<f64>(8, 6, 1, "case");
    let factors = |m, n, r, s| LowRank { u: gaussian(m, r, 1, "warm"), v: gaussian::<f64>(n, s, 2, "warm") };
    let go = |x| approximate(&f, 3, Parameters { start: Start::Warm(x), ..Default::default() });
    for (m, n, r, s) in [(7, 6, 3, 3), (8, 5, 3, 3), (6, 8, 3, 3), (8, 6, 4, 4), (8, 6, 3, 2), (0, 0, 0, 0)] {
        let result = go(factors(m, n, r, s));
        assert!(matches!(result, Err(Error::Shape { argument: "start", .. })), "{m} {n} {r} {s}: {result:?}");
    }
    for (bad, [i, k]) in bad_places([6, 3]) {
        let mut x = factors(8, 6, 3, 3);
        x.u[(i, k)] = bad;
        non_finite(go(x), "start", &[i, k], "left");
        let mut x = factors(8, 6, 3, 3);
        x.v[(i, k)] = bad;
        non_finite(go(x), "start", &[i, k], "right");
    }
    let t = random_tensor::<f64>(&[4, 3, 5], 1);
    let go = |x| approximate_tensor(&t, 2, Parameters { start: Start::Warm(x), ..Default::default() });
    let train = |shape: &[usize], r| TensorTrain::<f64>::random(shape, &vec![r; shape.len() - 1], 3).unwrap();
    for (shape, r) in
        [(&[4usize, 3, 4][..], 2), (&[4, 15], 2), (&[4, 3, 5], 3), (&[4, 3, 5, 1], 2), (&[60], 1)]
    {
        let result = go(train(shape, r));
        assert!(matches!(result, Err(Error::Shape { argument: "start", .. })), "{shape:?} {r}: {result:?}");
    }
    let mut cores = train(&[4, 3, 5], 2).into_cores();
    cores[1][(1, 2, 0)] = f64::NAN;
    if let Ok(train) = TensorTrain::new(cores) {
        let result = go(train);
        assert!(matches!(result, Err(Error::NonFinite { argument: "start", .. })), "{result:?}");
    }
}

/// Factors of any size and balance are a start: none makes NaN of the result.
#[test]
fn any_finite_start_is_survived() {
    fn check<T: Scalar>() {
        let (m, n, rank) = (30, 20, 4);
        let f = gaussian::<T>(m, n, 1, "case");
        let zero = Mat::<T>::zeros(m, n);
        let big = if T::NAME == "f32" { 40 } else { 400 };
        for (left, right) in
            [(0, 0), (-big, -big), (big, -big), (-big, big), (-2 * big, -2 * big), (big, big), (-big, 0)]
        {
            for (name, method) in methods() {
                for (what, f) in [("random", &f), ("zero", &zero)] {
                    let case =
                        format!("{} {what} {m}x{n} rank {rank} {name} from 2^{left}, 2^{right}", T::NAME);
                    let u = scaled(gaussian::<T>(m, rank, 1, "left").as_ref(), left);
                    let v = scaled(gaussian::<T>(n, rank, 1, "right").as_ref(), right);
                    let start = Start::Warm(LowRank { u, v });
                    let x = run(f.as_ref(), rank, Parameters { start, ..with(&method) }, &case);
                    if what == "zero" {
                        assert_eq!((x.report.error, x.report.status), (0.0, Status::Converged), "{case}");
                    }
                    if name == "descent" {
                        assert_eq!(x.report.status, Status::Converged, "{case}: {:?}", x.report);
                    }
                    if what == "random" && name == "descent" && (left, right) == (0, 0) {
                        assert!(x.report.error < 0.8 * x.start_error, "{case}: {:?}", x.report);
                    }
                }
                let start = Start::Warm(LowRank { u: Mat::zeros(m, rank), v: Mat::zeros(n, rank) });
                run(
                    f.as_ref(),
                    rank,
                    Parameters { start, ..with(&method) },
                    &format!("{} {name} from zero", T::NAME),
                );
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

/// Factors whose product overflows are no start.
#[test]
fn an_overflowing_start_is_an_error() {
    let f = gaussian::<f64>(6, 5, 1, "case");
    for (name, method) in methods() {
        let huge = |n| scaled(gaussian::<f64>(n, 2, 1, "huge").as_ref(), 600);
        let start = Start::Warm(LowRank { u: huge(6), v: huge(5) });
        let result = approximate(&f, 2, Parameters { start, ..with(&method) });
        assert!(matches!(result, Err(Error::Parameter { name: "start", .. })), "{name}: {result:?}");
    }
}
