//! Sampled products and leverage scores.

use super::*;

/// A matrix (m, n) whose columns have norms between 1 and `spread`, with a zero column.
fn uneven<T: Scalar>(m: usize, n: usize, spread: f64, zero: usize, seed: u64) -> Mat<T> {
    let a = gaussian::<f64>(m, n, seed, "uneven");
    let size = |k: usize| if k == zero { 0.0 } else { spread.powf(((k * 7) % n) as f64 / n as f64) };
    Mat::from_fn(m, n, |i, k| T::of((a[(i, k)] + 0.5) * size(k)))
}

#[test]
fn sampled_products_are_unbiased_and_obey_their_bounds() {
    const SEEDS: u64 = 2000;
    let n = 40;
    let mut given: Vec<f64> = (0..n).map(|k| 1.0 + (k % 5) as f64).collect();
    given[3] = 0.0; // a zero column needs no probability
    for samples in [1, 12, 30] {
        for (name, probabilities) in schemes(&given) {
            // Large enough for the sketch to be smaller than the matrices.
            let (m, p) = if name == "approximate leverage" { (24, 20) } else { (6, 5) };
            if (m, samples) == (24, 30) {
                continue;
            }
            let a = uneven::<f64>(m, n, 8.0, 3, 1);
            let b = uneven::<f64>(p, n, 4.0, 17, 2).transpose().to_owned();
            let exact = &a * &b;
            for replacement in [true, false] {
                let sampling = Sampling { samples, probabilities, replacement, seed: 0 };
                let case = format!("{name}, {samples} samples, replacement {replacement}");
                let (mut sum, mut squares) = (Mat::<f64>::zeros(m, p), Mat::<f64>::zeros(m, p));
                let (mut mean_square, mut fourth, mut bound_square, mut expected) = (0.0, 0.0, 0.0, 0.0);
                let mut known = true;
                for seed in 0..SEEDS {
                    let sampling = Sampling { seed, ..sampling };
                    let c = sampled(a.as_ref(), b.as_ref(), &sampling).unwrap();
                    if replacement {
                        assert!(c.indices.len() <= samples, "{case}, seed {seed}");
                    } else {
                        assert_eq!(c.indices.len(), samples, "{case}, seed {seed}");
                    }
                    assert!(c.indices.is_sorted_by(|x, y| x < y), "{case}, seed {seed}");
                    if probabilities != Probabilities::Uniform {
                        assert!(!c.indices.contains(&3) && !c.indices.contains(&17), "{case}, seed {seed}");
                    }
                    let residual = &c.product - &exact;
                    let square = frobenius(residual.as_ref()).powi(2);
                    mean_square += square / SEEDS as f64;
                    fourth += square * square / SEEDS as f64;
                    bound_square += c.bound.absolute.powi(2) / SEEDS as f64;
                    if seed == 0 || name == "approximate leverage" {
                        let e = expected_error(a.as_ref(), b.as_ref(), &sampling).unwrap();
                        known = e.exact;
                        let times = if name == "approximate leverage" { SEEDS as f64 } else { 1.0 };
                        expected += e.absolute.powi(2) / times;
                        assert!(e.absolute <= c.bound.absolute * (1.0 + 1e-12), "{case}, seed {seed}");
                    }
                    for j in 0..p {
                        for i in 0..m {
                            sum[(i, j)] += residual[(i, j)];
                            squares[(i, j)] += residual[(i, j)].powi(2);
                        }
                    }
                }
                let mut worst = 0.0_f64;
                for j in 0..p {
                    for i in 0..m {
                        let mean = sum[(i, j)] / SEEDS as f64;
                        let variance = squares[(i, j)] / SEEDS as f64 - mean * mean;
                        let deviation = mean.abs() / (variance / SEEDS as f64).sqrt();
                        worst = worst.max(deviation);
                    }
                }
                let (ratio, exactly) = (mean_square / bound_square, mean_square / expected);
                println!(
                    "{case:<50} {worst:.2} standard errors; of bound {ratio:.3}, of expected {exactly:.3}"
                );
                assert!(worst <= 4.5, "{case}: {worst} standard errors");
                assert!(ratio <= 1.1, "{case}: {ratio} of the bound");
                assert_eq!(known, replacement || name == "uniform", "{case}");
                if known {
                    let error = ((fourth - mean_square * mean_square) / SEEDS as f64).sqrt();
                    let off = (mean_square - expected).abs() / error;
                    assert!(off <= 4.5, "{case}: {off} standard errors off the expected error");
                }
            }
        }
    }
}

/// The draws have exactly the inclusion probabilities that the weights divide by.
#[test]
fn sampling_without_replacement_has_its_inclusion_probabilities() {
    let given = [0.05, 3.0, 1.0, 0.2, 0.2, 5.0, 1.0, 0.01];
    let n = given.len();
    let ones = Mat::<f64>::full(1, n, 1.0);
    const SEEDS: u64 = 20_000;
    for samples in [1, 2, 3, 5, 7] {
        let mut counts = vec![0.0; n];
        let mut weights = vec![0.0; n];
        for seed in 0..SEEDS {
            let probabilities = Probabilities::Given(&given);
            let sampling = Sampling { samples, probabilities, replacement: false, seed };
            let c = sampled(ones.as_ref(), ones.transpose(), &sampling).unwrap();
            assert_eq!(c.indices.len(), samples);
            for (k, w) in c.indices.iter().zip(&c.weights) {
                counts[*k] += 1.0;
                weights[*k] = *w;
            }
        }
        for k in (0..n).filter(|k| counts[*k] > 0.0) {
            let pi: f64 = 1.0 / weights[k];
            let error = (pi * (1.0 - pi) / SEEDS as f64).sqrt();
            let off = (counts[k] / SEEDS as f64 - pi).abs();
            assert!(
                off <= 4.5 * error + 1e-12,
                "index {k} of {samples} samples: off by {off}, error {error}"
            );
        }
    }
}

#[test]
fn sampling_edges_are_answers_or_errors() {
    let a = gaussian::<f32>(7, 9, 1, "a");
    let b = gaussian::<f32>(9, 4, 2, "b");
    let exact = dense(a.as_ref(), b.as_ref()).unwrap();
    let all = vec![1.0; 9];
    for (name, probabilities) in schemes(&all) {
        for samples in [9, 10, 1000] {
            let sampling = Sampling { samples, probabilities, replacement: false, seed: 5 };
            let c = sampled(a.as_ref(), b.as_ref(), &sampling).unwrap();
            assert_eq!((c.bound.absolute, c.indices.len()), (0.0, 9), "{name}");
            assert!(c.weights.iter().all(|w| *w == 1.0), "{name}");
            let off = frobenius((&c.product - &exact).as_ref());
            assert!(off <= 4.0 * 9.0 * f32::EPS * frobenius(a.as_ref()) * frobenius(b.as_ref()), "{name}");
            let many = Sampling { replacement: true, ..sampling };
            assert!(sampled(a.as_ref(), b.as_ref(), &many).is_ok(), "{name}");
        }
        for replacement in [false, true] {
            let sampling = Sampling { samples: 3, probabilities, replacement, seed: 5 };
            let zero = Mat::<f32>::zeros(7, 9);
            let c = sampled(zero.as_ref(), b.as_ref(), &sampling).unwrap();
            assert!(c.product == Mat::<f32>::zeros(7, 4) && c.bound.absolute == 0.0, "{name}");
            let none = Sampling { samples: 0, ..sampling };
            let failed = sampled(a.as_ref(), b.as_ref(), &none);
            assert!(matches!(failed, Err(Error::Parameter { name: "samples", .. })), "{name}");
            for (m, n, p) in [(0, 9, 4), (7, 9, 0), (0, 9, 0)] {
                let (a, b) = (Mat::<f32>::zeros(m, n), Mat::<f32>::zeros(n, p));
                assert_eq!(sampled(a.as_ref(), b.as_ref(), &sampling).unwrap().product.shape(), (m, p));
            }
            let shape = sampled(a.as_ref(), a.as_ref(), &sampling);
            assert!(matches!(shape, Err(Error::Shape { argument: "b", .. })), "{name}");
        }
    }
    for (name, probabilities) in schemes(&[]) {
        let sampling = Sampling { samples: 3, probabilities, ..Default::default() };
        let (a, b) = (Mat::<f64>::zeros(7, 0), Mat::<f64>::zeros(0, 4));
        let c = sampled(a.as_ref(), b.as_ref(), &sampling).unwrap();
        assert!(c.product == Mat::<f64>::zeros(7, 4) && c.indices.is_empty(), "{name}");
    }
    fn given<'a>(
        (a, b): (&Mat<f32>, &Mat<f32>),
        probabilities: Probabilities<'a>,
    ) -> Result<Sampled<f32>, Error> {
        sampled(a.as_ref(), b.as_ref(), &Sampling { samples: 3, probabilities, ..Default::default() })
    }
    let pair = (&a, &b);
    assert!(matches!(given(pair, Probabilities::Given(&[1.0; 8])), Err(Error::Shape { .. })));
    let mut wrong = vec![1.0; 9];
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        wrong[4] = bad;
        assert!(given(pair, Probabilities::Given(&wrong)).is_err(), "{bad}");
    }
    let tiny = [1.0, 1e-300, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
    assert!(given(pair, Probabilities::Given(&tiny)).is_ok());
    for norm_share in [0.0, -1.0, 2.0, f64::NAN] {
        let leverage = Leverage { norm_share, ..Default::default() };
        assert!(given(pair, Probabilities::Leverage(leverage)).is_err(), "{norm_share}");
    }
    let alone = Mat::<f64>::full(2, 1, 3.0);
    for (name, probabilities) in schemes(&[2.0]) {
        let c = sampled(
            alone.as_ref(),
            alone.transpose(),
            &Sampling { samples: 1, probabilities, ..Default::default() },
        );
        assert!(c.unwrap().product == Mat::<f64>::full(2, 2, 9.0), "{name}");
    }
}

#[test]
fn leverage_scores_are_those_of_the_subspace() {
    for family in gallery::families::<f64>() {
        let a = (family.make)(40, 25, 2);
        for rank in [0, 1, 5, 25] {
            let exact =
                leverage_scores(a.as_ref(), &Leverage { rank, exact: true, norm_share: 0.1 }, 0).unwrap();
            let sum: f64 = exact.iter().sum();
            assert!(
                (sum - sum.round()).abs() < 1e-12 && sum.round() <= rank as f64,
                "{} {rank}",
                family.name
            );
            assert!(exact.iter().all(|x| *x >= 0.0 && *x <= 1.0 + 1e-12), "{} {rank}", family.name);
        }
    }
    let a = with_spectrum::<f64>(100, 60, &[5.0, 4.0, 3.0, 1e-3], 1);
    let leverage = |exact| Leverage { rank: 3, exact, norm_share: 0.1 };
    let exact = leverage_scores(a.as_ref(), &leverage(true), 0).unwrap();
    let close = leverage_scores(a.as_ref(), &leverage(false), 0).unwrap();
    assert!(exact.iter().zip(&close).all(|(x, y)| (x - y).abs() < 1e-8));
    let asked = leverage_scores(a.as_ref(), &Leverage { rank: 61, ..leverage(true) }, 0);
    assert!(matches!(asked, Err(Error::Rank { rank: 61, largest: 60 })));
}
