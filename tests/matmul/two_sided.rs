//! Products of matrices that are approximately of low rank.

use super::*;

fn bounds_hold<T: Scalar>() {
    let mut tightest = (f64::INFINITY, String::new());
    for family in gallery::families::<T>() {
        for (m, n, p) in [(40, 30, 50), (12, 60, 12), (0, 5, 4), (70, 70, 70)] {
            let (a, b) = ((family.make)(m, n, 3), (family.make)(n, p, 4));
            let largest = |x: usize, y: usize| x.min(y);
            for rank in [0, 1, 5, 12] {
                for method in
                    [Method::Exact, Method::Randomized { oversampling: 4, power_iterations: 0, seed: 7 }]
                {
                    let case = format!("{} {} ({m}, {n}, {p}) rank {rank} {method:?}", T::NAME, family.name);
                    let factor = |x: &Mat<T>| {
                        let rank = Rank::Fixed(rank.min(largest(x.nrows(), x.ncols())));
                        factorize(x.as_ref(), &Factorization { rank, method })
                            .unwrap_or_else(|e| panic!("{e}: {case}"))
                    };
                    let (fa, fb) = (factor(&a), factor(&b));
                    let again = frobenius((wide(a.as_ref()) - wide(fa.factors.to_dense().as_ref())).as_ref());
                    assert!((again - fa.error).abs() <= 50.0 * T::EPS * fa.norm, "honest error: {case}");
                    let c = two_sided(&fa, &fb).unwrap_or_else(|e| panic!("{e}: {case}"));
                    let error = measure(a.as_ref(), b.as_ref(), &c.product).unwrap();
                    assert!(
                        error.absolute
                            <= c.bound * (1.0 + 1e-3) + 4.0 * n as f64 * T::EPS * fa.norm * fb.norm,
                        "{:e} > {:e}: {case}",
                        error.absolute,
                        c.bound
                    );
                    if error.absolute > 1e-3 * fa.norm * fb.norm && c.bound / error.absolute < tightest.0 {
                        tightest = (c.bound / error.absolute, case);
                    }
                }
            }
        }
    }
    println!("tightest bound over error: {:.3}, {}", tightest.0, tightest.1);
}

#[test]
fn error_bounds_of_two_sided_products_hold() {
    bounds_hold::<f64>();
    bounds_hold::<f32>();
}

#[test]
fn wished_tolerances_are_met() {
    let spectrum = geometric(0.9, 200);
    let a = with_spectrum::<f64>(300, 200, &spectrum, 1);
    for tolerance in [0.5, 0.1, 1e-2, 1e-4, 1e-8] {
        for method in [Method::Exact, Method::Randomized { oversampling: 10, power_iterations: 1, seed: 0 }] {
            let f =
                factorize(a.as_ref(), &Factorization { rank: Rank::Tolerance(tolerance), method }).unwrap();
            assert!(f.relative_error() <= tolerance * (1.0 + 1e-10), "{tolerance} {method:?}");
            assert!((f.norm * tolerance - f.error) >= 0.0 || tolerance < 1e-7);
            let best = Rank::Tolerance(tolerance).choose(&spectrum).unwrap();
            assert!(f.factors.rank() <= best + 3, "{tolerance}: rank {} best {best}", f.factors.rank());
            let energy = Rank::Energy(1.0 - tolerance * tolerance);
            let g = factorize(a.as_ref(), &Factorization { rank: energy, method }).unwrap();
            assert!(g.relative_error() <= tolerance * (1.0 + 1e-7) || tolerance < 1e-7);
        }
    }
    let wrong = Factorization { rank: Rank::Tolerance(-1.0), ..Default::default() };
    assert!(factorize(a.as_ref(), &wrong).is_err());
}

/// Every wish is met by both decompositions: the same rank where the values tell it clearly.
#[test]
fn every_wish_is_understood() {
    let s: Vec<f64> = (0..40).map(|i| if i < 6 { 2f64.powi(-i) } else { 1e-9 / (i + 1) as f64 }).collect();
    let a = with_spectrum::<f64>(60, 40, &s, 3);
    let wishes =
        Rank::usual().into_iter().chain([Rank::Parameters(450), Rank::Spectral(1e-3), Rank::Fixed(3)]);
    for rank in wishes {
        let by = |method| factorize(a.as_ref(), &Factorization { rank, method }).unwrap();
        let exact = by(Method::Exact);
        let randomized = by(Method::Randomized { oversampling: 10, power_iterations: 2, seed: 1 });
        assert_eq!(exact.factors.rank(), randomized.factors.rank(), "{rank}");
        assert!(
            randomized.error <= 1.01 * exact.error + 1e-12,
            "{rank}: {} {}",
            randomized.error,
            exact.error
        );
    }
    for rank in [Rank::Energy(2.0), Rank::Tolerance(f64::NAN), Rank::Compression(0.0), Rank::Spectral(-1.0)] {
        assert!(factorize(a.as_ref(), &Factorization { rank, ..Default::default() }).is_err(), "{rank}");
    }
}

#[test]
fn the_automatic_choice_writes_what_it_says() {
    let a = with_spectrum::<f64>(200, 200, &[3.0, 1.0, 0.5], 1);
    let reference = &a * &a;
    for (rank, expected) in [(3, Choice::Factored), (190, Choice::Full)] {
        let with = Factorization { rank: Rank::Fixed(rank), method: Method::Exact };
        let f = factorize(a.as_ref(), &with).unwrap();
        let mut out = Mat::full(200, 200, f64::NAN);
        let machine = Machine::default();
        let (choice, bound) =
            automatic_into(out.as_mut(), (a.as_ref(), &f), (a.as_ref(), &f), &machine).unwrap();
        assert_eq!(choice, expected);
        let off = frobenius((&out - &reference).as_ref());
        assert!(off <= 2.0 * bound && bound <= 1e-10, "{off:e} {bound:e}");
    }
}
