//! Factorized layers: errors against the singular values, bounds that hold for every sample, fits
//! against the closed formula of reduced-rank regression, bad input.

#[path = "../support/mod.rs"]
mod support;

mod adapters;
mod native;
mod peft;

use lowrank::faer::{Mat, Scale};
use lowrank::layers::*;
use lowrank::matrix::{frobenius, scale_by_power_of_two, scaled, spectral};
use lowrank::random::{gallery, gaussian, with_spectrum};
use lowrank::svd::{Rank, dense, singular_values};
use lowrank::{Error, LowRank, Scalar, Status};
use support::*;

fn norm<T: Scalar>(a: &Mat<T>, j: usize) -> f64 {
    frobenius(a.as_ref().subcols(j, 1))
}

/// The error of a layer is that of the truncated SVD, and no input moves its output by more.
fn layers_are_as_good_as_they_say<T: Scalar>() {
    for (m, n, ranks) in [(1, 1, &[0, 1][..]), (1, 7, &[1]), (16, 10, &[0, 3, 10]), (33, 65, &[1, 8])] {
        for family in gallery::families::<T>() {
            let (name, w) = (family.name, (family.make)(m, n, 1));
            let s = singular_values(w.as_ref()).unwrap();
            let top = s.first().map_or(0.0, |s| s.as_f64());
            for &rank in ranks {
                let case = format!("{} {name} {m}x{n} rank {rank}", T::NAME);
                let bias: Vec<T> = (0..m).map(|i| T::of(i as f64 - 2.0)).collect();
                let f = factorize(w.as_ref(), Some(&bias), Rank::Fixed(rank)).unwrap();
                let next = s.get(rank).map_or(0.0, |s| s.as_f64());
                let slack = 20.0 * m.max(n) as f64 * T::EPS * top;
                assert!((f.spectral_error - next).abs() <= slack, "{case}: {} {next}", f.spectral_error);
                assert_eq!((f.rank, f.layer.parameters()), (rank, rank * (m + n) + m), "{case}");
                let x = gaussian::<T>(n, 4, 2, "inputs");
                let y = f.layer.forward(x.as_ref()).unwrap();
                let exact = wide(w.as_ref()) * wide(x.as_ref());
                for j in 0..4 {
                    let moved: f64 = (0..m)
                        .map(|i| (y[(i, j)].as_f64() - bias[i].as_f64() - exact[(i, j)]).powi(2))
                        .sum::<f64>()
                        .sqrt();
                    let rounding = 20.0 * (m + n) as f64 * T::EPS * (top * norm(&x, j) + m as f64);
                    assert!(moved <= f.spectral_error * norm(&x, j) + rounding, "{case}: {moved}");
                }
            }
        }
    }
}

#[test]
fn layers_are_as_good_as_they_say_in_both_precisions() {
    layers_are_as_good_as_they_say::<f64>();
    layers_are_as_good_as_they_say::<f32>();
}

/// The worst input of a layer attains the bound.
#[test]
fn the_bound_of_a_layer_is_attained() {
    let w = with_spectrum::<f64>(20, 15, &[5.0, 3.0, 2.0, 1.0], 1);
    let f = factorize(w.as_ref(), None, Rank::Fixed(2)).unwrap();
    let worst = dense(w.as_ref()).unwrap().v.subcols(2, 1).to_owned();
    let moved = &w * &worst - f.layer.forward(worst.as_ref()).unwrap();
    assert!((frobenius(moved.as_ref()) - 2.0).abs() < 1e-13 && (f.spectral_error - 2.0).abs() < 1e-13);
}

fn network<T: Scalar>(sizes: &[usize], scale: f64, activation: Activation, seed: u64) -> Network<T> {
    let layers = sizes.windows(2).enumerate().map(|(k, pair)| {
        let decay: Vec<f64> = (0..pair[0].min(pair[1])).map(|i| scale / (1.0 + i as f64)).collect();
        let w = with_spectrum::<T>(pair[1], pair[0], &decay, seed + 10 * k as u64);
        let bias = gaussian::<T>(pair[1], 1, seed + 10 * k as u64, "bias").col_as_slice(0).to_vec();
        Linear::dense(w, if k % 2 == 0 { Some(bias) } else { None }).unwrap()
    });
    Network::new(layers.collect(), activation).unwrap()
}

fn bounds_hold<T: Scalar>() {
    for activation in Activation::ALL {
        for (sizes, scale) in [(&[12, 20, 9][..], 1.0), (&[30, 40, 40, 25, 10], 2.0), (&[8, 5], 3.0)] {
            for rank in [Rank::Fixed(2), Rank::Tolerance(0.3), Rank::Tolerance(0.05)] {
                for seed in 0..3 {
                    let case = format!("{} {activation:?} {sizes:?} {rank} seed {seed}", T::NAME);
                    let f = network::<T>(sizes, scale, activation, seed);
                    let small = f.factorized(rank).unwrap();
                    assert!(small.parameters() <= f.parameters(), "{case}");
                    let x = gaussian::<T>(sizes[0], 10, seed, "inputs");
                    let moved = f.moved(&small, x.as_ref()).unwrap();
                    let (y, z) = (f.forward(x.as_ref()).unwrap(), small.forward(x.as_ref()).unwrap());
                    for j in 0..10 {
                        let distance = norm(&(&y - &z), j);
                        assert!((moved.measured[j] - distance).abs() <= 1e-12 * distance, "{case}");
                        let rounding = 1e3 * T::EPS * (1.0 + norm(&y, j));
                        assert!(
                            distance <= moved.bound[j] + rounding,
                            "{case}: {distance} {}",
                            moved.bound[j]
                        );
                    }
                    assert_eq!(f.moved(&f, x.as_ref()).unwrap().bound, vec![0.0; 10], "{case}");
                }
            }
        }
    }
}

#[test]
fn bounds_of_networks_hold() {
    bounds_hold::<f64>();
    bounds_hold::<f32>();
}

/// The error of a layer grows with the norms of the layers before it: |x| alone is no bound.
#[test]
fn the_size_of_a_layers_own_input_counts() {
    let first = Mat::<f64>::from_fn(3, 3, |i, j| if i == j { 10.0 } else { 0.0 });
    let second = Mat::<f64>::from_fn(3, 3, |i, j| if i == j { [3.0, 2.0, 1.0][i] } else { 0.0 });
    let layers = vec![Linear::dense(first.clone(), None).unwrap(), Linear::dense(second, None).unwrap()];
    let f = Network::new(layers, Activation::Relu).unwrap();
    let mut small = f.clone();
    let w = f.layers[1].weight.to_dense();
    small.layers[1] = factorize(w.as_ref(), None, Rank::Fixed(2)).unwrap().layer;
    let x = Mat::<f64>::from_fn(3, 1, |i, _| if i == 2 { 1.0 } else { 0.0 });
    let moved = f.moved(&small, x.as_ref()).unwrap();
    assert!((moved.measured[0] - 10.0).abs() < 1e-12, "{moved:?}"); // s_3 |x| would be 1
    assert!((moved.bound[0] - 10.0).abs() < 1e-12, "{moved:?}");
    assert!(moved.layer_errors[0] == 0.0 && (moved.layer_errors[1] - 1.0).abs() < 1e-14);
}

#[test]
fn spectral_norms_of_factors_are_those_of_the_product() {
    for (m, n, r) in [(20, 30, 4), (5, 40, 5), (3, 3, 0), (1, 1, 1)] {
        let x = low_rank::<f64>(m, n, r, 1);
        let direct = spectral(x.to_dense().as_ref()).unwrap();
        assert!((Weight::Factored(x).spectral().unwrap() - direct).abs() <= 1e-13 * (1.0 + direct));
    }
}

#[test]
fn updates_are_the_nearest_of_their_rank() {
    let w = gaussian::<f64>(30, 20, 1, "w");
    let s = [4.0, 2.0, 1.0, 0.5, 0.25];
    let target = &w + with_spectrum::<f64>(30, 20, &s, 2);
    for rank in 0..=6 {
        let update = optimal_update(w.as_ref(), target.as_ref(), Rank::Fixed(rank)).unwrap();
        let tail = tail(&s[rank.min(5)..]);
        assert!((update.error - tail).abs() < 1e-13, "rank {rank}: {} {tail}", update.error);
        let merged = update.merge(w.as_ref()).unwrap();
        assert!((frobenius((&target - &merged).as_ref()) - tail).abs() < 1e-13);
        assert_eq!((update.b().shape(), update.a().shape()), ((30, rank), (rank, 20)));
        for k in 0..rank.min(5) {
            let (b, a) = (norm(&update.factors.u, k), norm(&update.factors.v, k));
            assert!((b - s[k].sqrt()).abs() < 1e-12 && (a - b).abs() < 1e-12, "halves: {a} {b}");
        }
    }
}

/// Inputs (n, N) whose directions have very different sizes.
fn inputs<T: Scalar>(n: usize, samples: usize, seed: u64) -> Mat<T> {
    let x = gaussian::<f64>(n, samples, seed, "inputs");
    let spread = gaussian::<f64>(n, n, seed, "directions");
    let sized = Mat::from_fn(n, samples, |i, j| x[(i, j)] / (1.0 + i as f64).powf(1.5));
    let x = spread * sized;
    Mat::from_fn(n, samples, |i, j| T::of(x[(i, j)]))
}

/// The closed formula of the best error: what no linear map reaches, and the tail of Y Q.
fn best_error(x: &Mat<f64>, y: &Mat<f64>, rank: usize) -> f64 {
    let svd = dense(x.transpose()).unwrap(); // U (N, k): the row space of X
    let keep = svd.s.iter().take_while(|&&s| s > 1e-12 * svd.s[0]).count();
    let q = svd.u.subcols(0, keep);
    let inside = y * q;
    let outside = y - &inside * q.transpose();
    let s = singular_values(inside.as_ref()).unwrap();
    tail(&s[rank.min(s.len())..]).hypot(frobenius(outside.as_ref()))
}

#[test]
fn regression_reaches_the_closed_formula() {
    for (m, n, samples) in [(12, 9, 60), (5, 20, 12), (1, 1, 1), (8, 6, 6), (20, 10, 300)] {
        for noise in [0.0, 0.3] {
            let x = inputs::<f64>(n, samples, 3);
            let w = gaussian::<f64>(m, n, 4, "w");
            let y = &w * &x + gaussian::<f64>(m, samples, 5, "noise") * Scale(noise);
            for rank in [0, 1, 3, m.min(n)] {
                let rank = rank.min(m).min(n);
                let case = format!("{m}x{n}, {samples} samples, rank {rank}, noise {noise}");
                let fit = reduced_rank_regression(x.as_ref(), y.as_ref(), rank).unwrap();
                let best = best_error(&x, &y, rank);
                let again = frobenius((fit.factors.to_dense() * &x - &y).as_ref());
                assert!(fit.factors.rank() <= rank, "{case}");
                assert!((fit.report.error - again).abs() <= 1e-11 * frobenius(y.as_ref()), "{case}");
                assert!(
                    (fit.report.error - best).abs() <= 1e-10 * frobenius(y.as_ref()),
                    "{case}: {} {best}",
                    fit.report.error
                );
                // Steps from the truncated SVD come to the same.
                let start = dense(w.as_ref()).unwrap().truncate(rank).into_low_rank();
                let many = Refit { max_iterations: 2000, tolerance: 0.0 };
                let refitted = refit(&start, x.as_ref(), y.as_ref(), &many).unwrap();
                assert!(
                    refitted.report.error <= best * (1.0 + 1e-6) + 1e-10 * frobenius(y.as_ref()),
                    "{case}: {:?} best {best}",
                    refitted.report
                );
                let falls = refitted.report.history.windows(2).all(|p| p[1].error <= p[0].error);
                assert!(falls, "{case}");
            }
        }
    }
}

/// A few steps recover most of what the truncated SVD of the weight loses on the inputs.
#[test]
fn a_few_steps_recover_most() {
    let (m, n, rank) = (60, 50, 8);
    for seed in 0..5 {
        let w = with_spectrum::<f64>(m, n, &(1..=50).map(|i| 1.0 / i as f64).collect::<Vec<_>>(), seed);
        let x = inputs::<f64>(n, 400, seed);
        let y = &w * &x;
        let start = dense(w.as_ref()).unwrap().truncate(rank).into_low_rank();
        let run = |max_iterations| {
            refit(&start, x.as_ref(), y.as_ref(), &Refit { max_iterations, tolerance: 0.0 })
                .unwrap()
                .relative_error()
        };
        let (before, one, five) = (run(0), run(1), run(5));
        let best = reduced_rank_regression(x.as_ref(), y.as_ref(), rank).unwrap().relative_error();
        println!("seed {seed}: truncated SVD {before:.4}, one step {one:.4}, five {five:.4}, best {best:.4}");
        assert!(one < before && five <= one && best <= five * (1.0 + 1e-12));
        assert!(before - five >= 0.9 * (before - best), "seed {seed}: {before} {five} {best}");
    }
}

/// Scale, f32, degenerate data: an answer that is as good as at a moderate scale, or an error.
#[test]
fn scales_and_degenerate_data() {
    let (x, w) = (inputs::<f64>(7, 30, 1), gaussian::<f64>(5, 7, 1, "w"));
    let y = &w * &x;
    let plain = reduced_rank_regression(x.as_ref(), y.as_ref(), 2).unwrap();
    for e in [-900, -300, 300, 900] {
        let (bx, by) = (scaled(x.as_ref(), e), scaled(y.as_ref(), e));
        let fit = reduced_rank_regression(bx.as_ref(), by.as_ref(), 2).unwrap();
        assert_eq!(fit.report.error, scale_by_power_of_two(plain.report.error, e), "2^{e}");
        assert!(fit.factors.v == plain.factors.v, "2^{e}");
    }
    let far = reduced_rank_regression(scaled(x.as_ref(), -900).as_ref(), scaled(y.as_ref(), 900).as_ref(), 2);
    assert!(matches!(far, Err(Error::Parameter { name: "x", .. })), "{far:?}");
    let zero = Mat::<f64>::zeros(7, 30);
    let fit = reduced_rank_regression(zero.as_ref(), y.as_ref(), 2).unwrap();
    assert!((fit.relative_error() - 1.0).abs() < 1e-14 && fit.factors.shape() == (5, 7));
    let nothing = reduced_rank_regression(x.as_ref(), (&y * Scale(0.0)).as_ref(), 2).unwrap();
    assert_eq!(nothing.relative_error(), 0.0);
    for (n, m, samples) in [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0)] {
        let (x, y) = (Mat::<f32>::zeros(n, samples), Mat::<f32>::zeros(m, samples));
        let fit = reduced_rank_regression(x.as_ref(), y.as_ref(), 0).unwrap();
        assert_eq!(fit.factors.shape(), (m, n));
        let start = LowRank { u: Mat::<f32>::zeros(m, 2), v: Mat::zeros(n, 2) };
        assert_eq!(refit(&start, x.as_ref(), y.as_ref(), &Refit::default()).unwrap().report.error, 0.0);
    }
    let (x, w) = (inputs::<f32>(7, 30, 1), gaussian::<f32>(5, 7, 1, "w"));
    let y = &w * &x;
    let fit = reduced_rank_regression(x.as_ref(), y.as_ref(), 2).unwrap();
    let best = best_error(&wide(x.as_ref()), &wide(y.as_ref()), 2);
    assert!((fit.report.error - best).abs() <= 1e-4 * fit.norm, "{} {best}", fit.report.error);
}

#[test]
fn the_status_is_true() {
    let (x, w) = (inputs::<f64>(10, 80, 2), gaussian::<f64>(12, 10, 2, "w"));
    let y = &w * &x;
    let start = dense(w.as_ref()).unwrap().truncate(3).into_low_rank();
    let go = |parameters| refit(&start, x.as_ref(), y.as_ref(), &parameters).unwrap().report;
    let short = go(Refit { max_iterations: 1, tolerance: 0.0 });
    assert_eq!((short.status, short.iterations), (Status::IterationLimit, 1));
    let none = go(Refit { max_iterations: 0, tolerance: 0.0 });
    let residual = start.to_dense() * &x - &y;
    assert_eq!((none.status, none.iterations), (Status::IterationLimit, 0));
    assert!((none.error - frobenius(residual.as_ref())).abs() <= 1e-12 * none.error);
    let long = go(Refit { max_iterations: 500, tolerance: 1e-3 });
    assert_eq!(long.status, Status::Converged);
    let errors: Vec<f64> = long.history.iter().map(|p| p.error).collect();
    for (k, pair) in errors.windows(2).enumerate().take(errors.len().saturating_sub(2)) {
        assert!(pair[1] < pair[0] * (1.0 - 1e-3), "step {k}");
    }
}

#[test]
fn bad_input_is_named() {
    for (bad, at) in bad_places([5, 6]) {
        let mut w = gaussian::<f64>(5, 6, 1, "w");
        let fine = w.clone();
        w[(at[0], at[1])] = bad;
        let (w, fine) = (w.as_ref(), fine.as_ref());
        non_finite(factorize(w, None, Rank::Fixed(1)), "w", &at, "factorize");
        non_finite(Linear::dense(w.to_owned(), None), "weight", &at, "dense");
        non_finite(optimal_update(w, fine, Rank::Fixed(1)), "w", &at, "update");
        non_finite(optimal_update(fine, w, Rank::Fixed(1)), "target", &at, "update");
        non_finite(reduced_rank_regression(w, fine, 1), "x", &at, "regression");
        non_finite(reduced_rank_regression(fine, w, 1), "y", &at, "regression");
        non_finite(refit(&low_rank(5, 5, 1, 1), w, fine, &Refit::default()), "x", &at, "refit");
        let layer = Linear::dense(gaussian::<f64>(3, 5, 1, "w"), None).unwrap();
        non_finite(layer.forward(w), "x", &at, "layer");
        let network = Network::new(vec![layer], Activation::Relu).unwrap();
        non_finite(network.forward(w), "x", &at, "network");
    }
    let w = Mat::<f64>::zeros(2, 2);
    non_finite(factorize(w.as_ref(), Some(&[0.0, f64::NAN]), Rank::Fixed(1)), "bias", &[1], "factorize");
    let zeros = |m, n| Mat::<f64>::zeros(m, n);
    let shape = |result: Result<(), Error>, name: &str| match result {
        Err(Error::Shape { argument, .. }) => assert_eq!(argument, name),
        other => panic!("{name}: {other:?}"),
    };
    let layer = |m, n| Linear::dense(zeros(m, n), None).unwrap();
    shape(layer(3, 4).forward(zeros(3, 1).as_ref()).map(drop), "x");
    shape(Linear::dense(zeros(3, 4), Some(vec![0.0; 4])).map(drop), "bias");
    shape(Network::<f64>::new(vec![], Activation::Relu).map(drop), "layers");
    shape(Network::new(vec![layer(3, 4), layer(2, 4)], Activation::Relu).map(drop), "layers");
    shape(optimal_update(zeros(3, 4).as_ref(), zeros(4, 3).as_ref(), Rank::Fixed(1)).map(drop), "target");
    shape(reduced_rank_regression(zeros(3, 4).as_ref(), zeros(3, 5).as_ref(), 1).map(drop), "y");
    let start = LowRank { u: zeros(3, 1), v: zeros(2, 1) };
    shape(refit(&start, zeros(3, 4).as_ref(), zeros(3, 4).as_ref(), &Refit::default()).map(drop), "start");
    let too_much = factorize(zeros(3, 4).as_ref(), None, Rank::Fixed(4));
    assert!(matches!(too_much, Err(Error::Rank { rank: 4, largest: 3 })));
    assert!(matches!(
        reduced_rank_regression(zeros(3, 4).as_ref(), zeros(2, 4).as_ref(), 3),
        Err(Error::Rank { .. })
    ));
    let start = LowRank { u: zeros(3, 1), v: zeros(3, 1) };
    for tolerance in [-1.0, 1.0, f64::NAN] {
        let wrong = refit(
            &start,
            zeros(3, 4).as_ref(),
            zeros(3, 4).as_ref(),
            &Refit { tolerance, ..Default::default() },
        );
        assert!(matches!(wrong, Err(Error::Parameter { name: "tolerance", .. })));
    }
    let huge = Mat::<f64>::full(2, 2, f64::MAX);
    let overflow = optimal_update((&huge * Scale(-1.0)).as_ref(), huge.as_ref(), Rank::Fixed(1));
    assert!(matches!(overflow, Err(Error::Parameter { name: "target", .. })), "{overflow:?}");
}
