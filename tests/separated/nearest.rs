//! Nearest sums of two factors against the dense SVD of the rearrangement, built entry by entry.

use crate::support::*;
use lowrank::faer::{Mat, MatRef};
use lowrank::matrix::{array_of, exponent, frobenius, max_norm, nalgebra_of, scale_by_power_of_two, scaled};
use lowrank::random::{gallery, gaussian, with_spectrum};
use lowrank::separated::{Nearest, NearestSum, SeparationRank, nearest};
use lowrank::svd::singular_values;
use lowrank::{Error, Scalar, Separated};

type Shapes = [(usize, usize); 2];

const RANDOMIZED: Nearest = Nearest::Randomized { oversampling: 4, iterations: None, seed: 0 };

/// R(A), row by row a block of A.
pub fn rearranged<T: Scalar>(a: MatRef<'_, T>, [(m1, n1), (m2, n2)]: Shapes) -> Mat<T> {
    Mat::from_fn(m1 * n1, m2 * n2, |x, y| a.submatrix(x % m1 * m2, x / m1 * n2, m2, n2)[(y % m2, y / m2)])
}

/// The matrix whose rearrangement is `r`.
fn folded<T: Scalar>(r: &Mat<T>, [(m1, n1), (m2, n2)]: Shapes) -> Mat<T> {
    Mat::from_fn(m1 * m2, n1 * n2, |i, j| r[(i / m2 + m1 * (j / n2), i % m2 + m2 * (j % n2))])
}

/// The sum in double precision, term by term, over 2^e.
fn multiplied<T: Scalar>(sum: &Separated<T>, e: i32) -> Mat<f64> {
    let (m, n) = sum.shape().unwrap();
    let (m2, n2) = sum.shapes()[1];
    let mut out = Mat::zeros(m, n);
    for k in 0..sum.separation_rank() {
        let lambda = scale_by_power_of_two(sum.lambda()[k].as_f64(), -e);
        let (x, y) = (sum.factor(k, 0), sum.factor(k, 1));
        out +=
            Mat::from_fn(m, n, |i, j| lambda * x[(i / m2, j / n2)].as_f64() * y[(i % m2, j % n2)].as_f64());
    }
    out
}

/// Checks what holds of every answer; gives its error over |A|_F.
fn honest<T: Scalar>(a: MatRef<'_, T>, found: &NearestSum<T>, case: &str) -> f64 {
    let e = exponent(max_norm(a));
    let a = wide(scaled(a, -e).as_ref());
    let (norm, m) = (frobenius(&a), multiplied(&found.separated, e));
    let true_error = frobenius((&a - &m).as_ref());
    let error = scale_by_power_of_two(found.error, -e);
    assert!((error - true_error).abs() <= 50.0 * T::EPS * norm, "{case}: {error:e}, truly {true_error:e}");
    let reported = scale_by_power_of_two(found.norm, -e);
    assert!((reported - norm).abs() <= 50.0 * f64::EPSILON * norm, "{case}: norm {reported} {norm}");
    if found.separated.separation_rank() > 0 {
        let lambda: f64 =
            found.separated.lambda().iter().map(|l| scale_by_power_of_two(l.as_f64(), -e).powi(2)).sum();
        let (gamma, dense) = (found.condition_number, lambda.sqrt() / frobenius(&m));
        assert!((gamma - dense).abs() <= 1e-10, "{case}: gamma {gamma}, truly {dense}");
        assert!((gamma - 1.0).abs() <= 10.0 * g::<T>(a.nrows(), a.ncols()), "{case}: gamma {gamma}");
    }
    true_error / norm
}

/// The smallest error of s terms over |A|_F.
fn optimum(values: &[f64], s: usize) -> f64 {
    tail(&values[s.min(values.len())..]) / tail(values)
}

#[test]
fn the_dense_path_is_optimal_over_the_gallery() {
    fn check<T: Scalar>() {
        for shapes in [[(4, 3), (3, 4)], [(1, 5), (6, 2)], [(16, 1), (1, 10)], [(7, 2), (2, 2)]] {
            let (m, n) = (shapes[0].0 * shapes[1].0, shapes[0].1 * shapes[1].1);
            for family in gallery::families::<T>() {
                let a = (family.make)(m, n, 1);
                if frobenius(&a) == 0.0 {
                    continue;
                }
                let values = singular_values(wide(rearranged(a.as_ref(), shapes).as_ref())).unwrap();
                for s in [0, 1, 3, values.len().min(8)] {
                    let s = s.min(values.len());
                    let case = format!("{} {} {shapes:?} s={s}", T::NAME, family.name);
                    for method in [Nearest::Dense, RANDOMIZED] {
                        let found = nearest(&a, shapes, SeparationRank::Fixed(s), method).unwrap();
                        let error = honest(a.as_ref(), &found, &case);
                        // Where the space would have most dimensions the randomized path is dense too.
                        let slack = 10.0 * g::<T>(values.len(), m.max(n));
                        assert!(error <= (1.0 + 1e-12) * optimum(&values, s) + slack, "{case}: {error:e}");
                        if let Some(best) = found.optimum {
                            let reported = best / found.norm;
                            assert!((reported - optimum(&values, s)).abs() <= slack, "{case}: {reported:e}");
                        }
                        assert!(found.separated.separation_rank() <= s, "{case}");
                    }
                }
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

/// Gaussian matrices are the worst case: their singular values do not decay.
#[test]
fn the_randomized_path_is_within_half_a_percent_of_the_optimum() {
    fn check<T: Scalar>(seeds: u64) {
        let mut worst = (0.0, String::new());
        let ranges: [(Shapes, &[usize]); 3] = [
            ([(16, 24), (24, 16)], &[1, 4, 8, 9, 32, 64]),
            ([(8, 16), (40, 30)], &[1, 2, 4, 20]),
            ([(60, 10), (16, 16)], &[2, 5, 16, 40]),
        ];
        for (shapes, ranks) in ranges {
            let (p, q) = (shapes[0].0 * shapes[0].1, shapes[1].0 * shapes[1].1);
            let spectrum = |decay: &dyn Fn(i32) -> f64| (0..p.min(q) as i32).map(decay).collect::<Vec<f64>>();
            let inputs = [
                ("gaussian", gaussian::<T>(p, q, 7, "r")),
                ("0.9^i", with_spectrum(p, q, &spectrum(&|i| 0.9f64.powi(i)), 7)),
                ("1/i", with_spectrum(p, q, &spectrum(&|i| 1.0 / f64::from(i + 1)), 7)),
                ("flat", with_spectrum(p, q, &spectrum(&|_| 1.0), 7)),
            ];
            for (name, r) in inputs {
                let values = singular_values(wide(r.as_ref())).unwrap();
                let a = folded(&r, shapes);
                for (&s, seed) in ranks.iter().flat_map(|s| (0..seeds).map(move |seed| (s, seed))) {
                    let case = format!("{} {name} {shapes:?} s={s} seed {seed}", T::NAME);
                    let method = Nearest::Randomized { oversampling: 4, iterations: None, seed };
                    let found = nearest(&a, shapes, SeparationRank::Fixed(s), method).unwrap();
                    let ratio = honest(a.as_ref(), &found, &case) / optimum(&values, s);
                    assert!(ratio <= 1.005, "{case}: {ratio}");
                    if ratio > worst.0 {
                        worst = (ratio, case);
                    }
                }
            }
        }
        println!("{:.5} times the optimum: {}", worst.0, worst.1);
    }
    check::<f64>(2);
    check::<f32>(1);
}

#[test]
fn tolerances_are_kept_and_budgets_too() {
    fn check<T: Scalar>() {
        let shapes = [(12, 9), (10, 14)];
        let spectrum: Vec<f64> = (0..108).map(|i| 0.8f64.powi(i)).collect();
        for (name, r) in
            [("0.8^i", with_spectrum::<T>(108, 140, &spectrum, 3)), ("gaussian", gaussian(108, 140, 3, "r"))]
        {
            let a = folded(&r, shapes);
            let values = singular_values(wide(r.as_ref())).unwrap();
            for t in [1.0, 0.7, 0.1, 1e-3, 1e-6, 0.0] {
                let fewest = (0..=108).find(|&s| optimum(&values, s) <= t).unwrap_or(108);
                for method in [Nearest::Dense, RANDOMIZED] {
                    let case = format!("{} {name} t={t} {method:?}", T::NAME);
                    let found = nearest(&a, shapes, SeparationRank::Tolerance(t), method).unwrap();
                    let error = honest(a.as_ref(), &found, &case);
                    assert!(error <= t + 2.0 * g::<T>(108, 140), "{case}: {error:e}");
                    let s = found.separated.separation_rank();
                    if t > 100.0 * T::EPS {
                        assert!(s >= fewest && s <= fewest + 2, "{case}: {s} terms, {fewest} suffice");
                    }
                }
            }
            for budget in [0, 248, 249, 5000, usize::MAX] {
                for method in [Nearest::Dense, RANDOMIZED] {
                    let found = nearest(&a, shapes, SeparationRank::Parameters(budget), method).unwrap();
                    assert_eq!(found.separated.separation_rank(), (budget / 249).min(108), "{name} {budget}");
                    assert!(found.separated.parameters() <= budget);
                }
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

#[test]
fn layouts_threads_and_scales_change_nothing() {
    fn check<T: Scalar>(scales: &[i32]) {
        let shapes = [(9, 8), (7, 10)];
        let a = gaussian::<T>(63, 80, 1, "a");
        for method in [Nearest::Dense, RANDOMIZED] {
            let rank = SeparationRank::Fixed(5);
            let expected = nearest(&a, shapes, rank, method).unwrap();
            let same = |case: &str, found: NearestSum<T>| {
                let gap = honest(a.as_ref(), &found, case) - expected.error / expected.norm;
                assert!(gap.abs() <= 50.0 * T::EPS, "{case}: {gap:e}");
            };
            let turned = a.transpose().to_owned();
            same("rows", nearest(&turned.transpose(), shapes, rank, method).unwrap());
            same("ndarray", nearest(&array_of(&a), shapes, rank, method).unwrap());
            same("nalgebra", nearest(&nalgebra_of(&a), shapes, rank, method).unwrap());
            let flipped = a.as_ref().reverse_rows().to_owned();
            same("reversed", nearest(&flipped.as_ref().reverse_rows(), shapes, rank, method).unwrap());
            same_on_any_threads("nearest", || {
                let found = nearest(&a, shapes, rank, method).unwrap();
                (found.separated, found.error, found.singular_values)
            });
            for &e in scales {
                let found = nearest(&scaled(a.as_ref(), e), shapes, rank, method).unwrap();
                honest(scaled(a.as_ref(), e).as_ref(), &found, &format!("{} 2^{e}", T::NAME));
                for (x, y) in found.separated.lambda().iter().zip(expected.separated.lambda()) {
                    let ratio = scale_by_power_of_two(x.as_f64(), -e) / y.as_f64();
                    assert!((ratio - 1.0).abs() <= 50.0 * T::EPS, "2^{e}: {ratio}");
                }
            }
        }
    }
    check::<f64>(&[-1000, -600, -300, 300, 600, 1000]);
    check::<f32>(&[-110, -60, 60, 110]);
}

#[test]
fn exact_sums_are_found_and_edges_are_answers_or_errors() {
    let shapes = [(4, 3), (5, 2)];
    let term = |seed| vec![gaussian::<f64>(4, 3, seed, "x"), gaussian::<f64>(5, 2, seed, "y")];
    let planted = Separated::from_terms(vec![term(1), term(2)]).unwrap();
    let a = multiplied(&planted, 0);
    for method in [Nearest::Dense, RANDOMIZED] {
        let found = nearest(&a, shapes, SeparationRank::Fixed(2), method).unwrap();
        assert!(honest(a.as_ref(), &found, "planted") < 1e-14);
        assert!(
            honest(a.as_ref(), &nearest(&a, shapes, SeparationRank::Fixed(5), method).unwrap(), "5") < 1e-14
        );
        let tolerant = nearest(&a, shapes, SeparationRank::Tolerance(1e-12), method).unwrap();
        assert_eq!(tolerant.separated.separation_rank(), 2);
        let none = nearest(&a, shapes, SeparationRank::Fixed(0), method).unwrap();
        assert_eq!(none.separated.separation_rank(), 0);
        assert!((none.relative_error() - 1.0).abs() < 1e-15 && none.condition_number == 1.0);
        let zero = nearest(&Mat::<f64>::zeros(20, 6), shapes, SeparationRank::Fixed(3), method).unwrap();
        assert_eq!((zero.separated.separation_rank(), zero.error, zero.relative_error()), (0, 0.0, 0.0));
        for empty in [[(0, 3), (2, 2)], [(2, 2), (3, 0)], [(0, 0), (0, 0)]] {
            let a = Mat::<f64>::zeros(empty[0].0 * empty[1].0, empty[0].1 * empty[1].1);
            for rank in
                [SeparationRank::Fixed(0), SeparationRank::Tolerance(0.1), SeparationRank::Parameters(10)]
            {
                let found = nearest(&a, empty, rank, method).unwrap();
                assert_eq!((found.separated.separation_rank(), found.error, found.norm), (0, 0.0, 0.0));
            }
        }
        let ask = |rank| nearest(&a, shapes, rank, method);
        assert!(matches!(ask(SeparationRank::Fixed(11)), Err(Error::Rank { rank: 11, largest: 10 })));
        for t in [-0.1, 1.1, f64::NAN] {
            let found = ask(SeparationRank::Tolerance(t));
            assert!(matches!(found, Err(Error::Parameter { name: "tolerance", .. })));
        }
        let wrong = nearest(&a, [(4, 3), (5, 3)], SeparationRank::Fixed(1), method);
        assert!(matches!(wrong, Err(Error::Shape { argument: "a", .. })));
        for (bad, at) in bad_places([20, 6]) {
            let mut a = a.clone();
            a[(at[0], at[1])] = bad;
            non_finite(nearest(&a, shapes, SeparationRank::Fixed(1), method), "a", &at, "nearest");
        }
    }
}
