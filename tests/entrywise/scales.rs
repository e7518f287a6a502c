//! Powers of two, and the ends of the range.

use super::*;

// The square root of an odd power of two is none: factors scale exactly with even powers only.
fn exponents<T: Scalar>() -> &'static [i32] {
    if T::NAME == "f32" {
        &[-40, 40, -80, 80, -110, 100]
    } else {
        &[-300, 300, -600, 600, -1000, 1000, -101, 101, -99]
    }
}

/// Powers of two change no digit of the search, and the ends of the range do not break it.
#[test]
fn errors_scale() {
    fn check<T: Scalar>() {
        let (seed, mut exact) = (3, 0);
        for family in gallery::families::<T>() {
            if !["rank-3", "even", "geometric", "cauchy", "identity", "random", "zero"].contains(&family.name)
            {
                continue;
            }
            for (m, n, rank) in [(16, 10, 3), (40, 60, 4)] {
                let f = (family.make)(m, n, seed);
                for (name, method) in &methods()[..2] {
                    let case = format!("{} {} {m}x{n} rank {rank} seed {seed} {name}", T::NAME, family.name);
                    let whole = run(f.as_ref(), rank, with(method), &case);
                    for &e in exponents::<T>() {
                        let case = format!("{case} times 2^{e}");
                        let g = scaled(f.as_ref(), e);
                        if scaled(g.as_ref(), -e) != f {
                            continue; // the small entries left the range
                        }
                        let x = run(g.as_ref(), rank, with(method), &case);
                        let (error, bound) = (
                            scale_by_power_of_two(x.report.error, -e),
                            scale_by_power_of_two(x.lower_bound, -e),
                        );
                        let grain = 50.0 * T::EPS * max_norm(f.as_ref());
                        if e % 2 == 0 && exponent(max_norm(f.as_ref())) % 2 == 0 {
                            exact += 1;
                            assert_eq!(error, whole.report.error, "{case}");
                            assert_eq!(bound, whole.lower_bound, "{case}");
                        } else {
                            assert!((error - whole.report.error).abs() <= 0.1 * error + grain, "{case}");
                            assert!((bound - whole.lower_bound).abs() <= 1e-12 * bound + grain, "{case}");
                        }
                    }
                }
            }
        }
        assert!(exact > 50, "{} only {exact} cases compared bit by bit", T::NAME);
    }
    check::<f64>();
    check::<f32>();
}

/// Subnormal entries, and the largest ones there are.
#[test]
fn the_ends_of_the_range_are_safe() {
    fn check<T: Scalar>() {
        let (smallest, largest) = (smallest::<T>(), if T::NAME == "f32" { 127 } else { 1023 });
        for (m, n, rank) in [(1, 1, 1), (16, 10, 3), (60, 70, 4)] {
            let base = gaussian::<T>(m, n, 4, "case");
            let unit = scaled(base.as_ref(), -exponent(max_norm(base.as_ref())) - 1); // under 1
            for (name, method) in methods() {
                let plain = run(unit.as_ref(), rank, with(&method), name).relative_error();
                for e in
                    [smallest, smallest + 1, smallest + 3, smallest + 12, smallest + 20, largest, largest + 1]
                {
                    let f = scaled(unit.as_ref(), e);
                    let case = format!("{} {m}x{n} rank {rank} seed 4 {name} times 2^{e}", T::NAME);
                    let x = run(f.as_ref(), rank, with(&method), &case);
                    if e == smallest + 20 || e >= largest {
                        let error = x.relative_error();
                        assert!(
                            (error - plain).abs() <= 0.1 * plain + 1e-5,
                            "{case}: {error}, plain {plain}"
                        );
                    }
                }
                let f = Mat::<T>::full(m, n, T::max_value());
                let case = format!("{} {m}x{n} rank {rank} {name} all the largest number", T::NAME);
                run(f.as_ref(), rank, with(&method), &case);
            }
        }
        for e in [smallest + 3, smallest + 20, largest - 4] {
            let base = random_tensor::<T>(&[6, 5, 7], 4);
            let f = base.mapv(|x| scale_by_power_of_two(x, e));
            for (name, method) in methods() {
                let case = format!("{} tensor 6x5x7 rank 2 seed 4 {name} times 2^{e}", T::NAME);
                let x = approximate_tensor(&f, 2, with(&method)).unwrap_or_else(|e| panic!("{e}: {case}"));
                let fine = x.factors.cores().iter().all(|c| c.iter().all(|x| finite(*x)));
                assert!(fine && x.report.error <= x.start_error && x.lower_bound <= x.report.error, "{case}");
                assert!(
                    x.relative_error() > 0.05 && x.relative_error() < 1.1,
                    "{case} {}",
                    x.relative_error()
                );
            }
        }
    }
    check::<f64>();
    check::<f32>();
}
