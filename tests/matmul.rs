//! Sampled and low-rank products: unbiasedness and error bounds over 2,000 seeds, factored
//! products against dense ones, chain orders against all bracketings, costs against hand counts.
//!
//! `cargo test --release --test matmul -- --nocapture` prints the worst cases with their seeds.

use lowrank::faer::{Mat, MatRef};
use lowrank::matmul::*;
use lowrank::matrix::{frobenius, scaled};
use lowrank::random::{gallery, gaussian, with_spectrum};
use lowrank::svd::Rank;
use lowrank::{Error, LowRank, Scalar};
use std::fmt::Debug;

/// A matrix (m, n) whose columns have norms between 1 and `spread`, with a zero column.
fn uneven<T: Scalar>(m: usize, n: usize, spread: f64, zero: usize, seed: u64) -> Mat<T> {
    let a = gaussian::<f64>(m, n, seed, "uneven");
    let size = |k: usize| if k == zero { 0.0 } else { spread.powf(((k * 7) % n) as f64 / n as f64) };
    Mat::from_fn(m, n, |i, k| T::of((a[(i, k)] + 0.5) * size(k)))
}

fn wide<T: Scalar>(a: MatRef<'_, T>) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)].as_f64())
}

fn low_rank<T: Scalar>(m: usize, n: usize, r: usize, seed: u64) -> LowRank<T> {
    LowRank { u: gaussian(m, r, seed, "u"), v: gaussian(n, r, seed, "v") }
}

/// All schemes, with probabilities given for `n` terms.
fn schemes(given: &[f64]) -> Vec<(&'static str, Probabilities<'_>)> {
    let leverage = |exact| Probabilities::Leverage(Leverage { rank: 3, exact, norm_share: 0.2 });
    vec![
        ("uniform", Probabilities::Uniform),
        ("norms", Probabilities::Norms),
        ("exact leverage", leverage(true)),
        ("approximate leverage", leverage(false)),
        ("given", Probabilities::Given(given)),
    ]
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
fn scaling_by_powers_of_two_changes_no_bit() {
    let a = gaussian::<f64>(20, 50, 1, "a");
    let b = gaussian::<f64>(50, 10, 2, "b");
    let x = low_rank::<f64>(30, 40, 3, 3);
    let y = low_rank::<f64>(40, 20, 4, 4);
    let sampling = Sampling { samples: 20, ..Default::default() };
    let base = sampled(a.as_ref(), b.as_ref(), &sampling).unwrap();
    let pair = [Operand::LowRank(&x), Operand::LowRank(&y)];
    let product = chain_dense(&pair).unwrap();
    for (i, j) in [(600, -600), (-1000, 1000), (300, 500), (-500, -400)] {
        let (big, small) = (scaled(a.as_ref(), i), scaled(b.as_ref(), j));
        let c = sampled(big.as_ref(), small.as_ref(), &sampling).unwrap();
        assert!(c.product == scaled(base.product.as_ref(), i + j), "sampled 2^{i} 2^{j}");
        assert!((c.bound.relative - base.bound.relative).abs() <= 1e-12);
        let d = dense(big.as_ref(), small.as_ref()).unwrap();
        let plain = scaled(dense(a.as_ref(), b.as_ref()).unwrap().as_ref(), i + j);
        assert!(d == plain, "dense 2^{i} 2^{j}");
        let u = LowRank { u: scaled(x.u.as_ref(), i), v: x.v.clone() };
        let v = LowRank { u: y.u.clone(), v: scaled(y.v.as_ref(), j) };
        let pair = [Operand::LowRank(&u), Operand::LowRank(&v)];
        assert!(chain_dense(&pair).unwrap() == scaled(product.as_ref(), i + j), "chain 2^{i} 2^{j}");
        let z = multiply(&u, &v).unwrap();
        let z = scaled(z.u.as_ref(), -(i + j)) * z.v.transpose();
        let off = frobenius((&z - &product).as_ref());
        assert!(off <= 1e-13 * frobenius(product.as_ref()), "factored 2^{i} 2^{j}");
    }
    let huge = Mat::<f32>::full(4, 4, 1e30);
    assert!(matches!(dense(huge.as_ref(), huge.as_ref()), Err(Error::Parameter { .. })));
    let huge = LowRank { u: huge.clone(), v: huge };
    assert!(matches!(multiply(&huge, &huge), Err(Error::Parameter { .. })));
    assert!(matches!(chain_dense(&[Operand::LowRank(&huge)]), Err(Error::Parameter { .. })));
}

const SHAPES: &[(usize, usize, usize)] = &[
    (0, 0, 0),
    (0, 5, 3),
    (5, 0, 3),
    (5, 3, 0),
    (1, 1, 1),
    (1, 7, 2),
    (7, 1, 7),
    (16, 10, 5),
    (33, 65, 20),
    (65, 33, 127),
    (300, 200, 100),
    (7, 2000, 9),
    (500, 40, 600),
];

fn products_agree<T: Scalar>() {
    let mut worst = (0.0_f64, String::new());
    for &(m, n, p) in SHAPES {
        for (ra, rb) in [(0, 0), (0, 3), (4, 0), (1, 1), (3, 5), (5, 3), (8, 8), (20, 30)] {
            let seed = (m + 31 * n + 7 * ra) as u64;
            let (x, y) = (low_rank::<T>(m, n, ra, seed), low_rank::<T>(n, p, rb, seed + 1));
            let case = format!("{} ({m}, {n}, {p}) ranks {ra}, {rb} seed {seed}", T::NAME);
            let wide = |x: &LowRank<T>| wide(x.u.as_ref()) * wide(x.v.as_ref()).transpose();
            let reference = wide(&x) * wide(&y);
            let norms = [&x.u, &x.v, &y.u, &y.v].map(|f| frobenius(f.as_ref()));
            let limit = 4.0 * (n + ra + rb) as f64 * T::EPS * norms.iter().product::<f64>();
            let product = multiply(&x, &y).unwrap_or_else(|e| panic!("{e}: {case}"));
            assert_eq!((product.shape(), product.rank()), ((m, p), ra.min(rb).min(n)), "{case}");
            let pair = [Operand::LowRank(&x), Operand::LowRank(&y)];
            let mut into = Mat::full(m, p, T::of(f64::NAN));
            chain_into(into.as_mut(), &pair).unwrap_or_else(|e| panic!("{e}: {case}"));
            let mut rows = Mat::full(p, m, T::of(f64::NAN));
            chain_into(rows.as_mut().transpose_mut(), &pair).unwrap();
            let stored = y.to_dense();
            let mixed = chain_dense(&[Operand::LowRank(&x), Operand::Dense(stored.as_ref())]).unwrap();
            for (what, c) in [
                ("factored", product.to_dense()),
                ("dense", into),
                ("rows", rows.transpose().to_owned()),
                ("mixed", mixed),
            ] {
                let off = frobenius((self::wide(c.as_ref()) - &reference).as_ref());
                assert!(off <= limit, "{what}: {off:e} > {limit:e}: {case}");
                if limit > 0.0 && off / limit > worst.0 {
                    worst = (off / limit, format!("{what} {case}"));
                }
            }
        }
    }
    println!("worst product: {:.4} of the bar, {}", worst.0, worst.1);
}

#[test]
fn low_rank_products_agree_with_dense_ones() {
    products_agree::<f64>();
    products_agree::<f32>();
}

#[test]
fn chains_agree_with_dense_ones() {
    for seed in 0..20 {
        let k = 2 + (seed as usize) % 5;
        let sizes: Vec<usize> = (0..=k).map(|i| 3 + (i * 17 + seed as usize * 5) % 40).collect();
        let parts: Vec<LowRank<f64>> = (0..k)
            .map(|i| low_rank(sizes[i], sizes[i + 1], 1 + (i + seed as usize) % 4, seed * 10 + i as u64))
            .collect();
        let operands: Vec<_> = parts.iter().map(Operand::LowRank).collect();
        let reference = parts[1..].iter().fold(parts[0].to_dense(), |c, x| c * x.to_dense());
        let norms: f64 = parts.iter().map(|x| frobenius(x.u.as_ref()) * frobenius(x.v.as_ref())).product();
        let inner: usize = sizes[1..k].iter().sum::<usize>() + parts.iter().map(|x| x.rank()).sum::<usize>();
        let limit = 4.0 * inner as f64 * f64::EPSILON * norms;
        let factored = chain(&operands).unwrap();
        assert_eq!(Some(factored.rank()), parts.iter().map(|x| x.rank()).min(), "seed {seed}");
        for c in [factored.to_dense(), chain_dense(&operands).unwrap()] {
            assert!(frobenius((c - &reference).as_ref()) <= limit, "seed {seed}");
        }
    }
    // Intermediate products that overflow in f32 are scaled on the way.
    let ones = LowRank { u: Mat::<f32>::full(1000, 1, 1.0), v: Mat::full(1000, 1, 1.0) };
    let tiny = Mat::<f32>::full(1000, 1000, 1e-6);
    let mut operands = vec![Operand::LowRank(&ones); 20];
    operands.extend(vec![Operand::Dense(tiny.as_ref()); 20]);
    let c = chain(&operands).unwrap();
    assert!((c.entry(3, 7) - 1e-3).abs() < 1e-6, "{}", c.entry(3, 7));
    assert!(matches!(chain::<f64>(&[]), Err(Error::Parameter { .. })));
    assert!(matches!(chain_dense::<f64>(&[]), Err(Error::Parameter { .. })));
    assert!(matches!(chain(&[Operand::Dense(tiny.as_ref())]), Err(Error::Parameter { .. })));
    assert!(chain_dense(&[Operand::Dense(tiny.as_ref())]).unwrap() == tiny);
    let too_many = vec![Operand::LowRank(&ones); 600];
    assert!(matches!(chain(&too_many), Err(Error::Parameter { .. })));
}

/// The fewest flops over all bracketings, one by one.
fn enumerate(sizes: &[usize]) -> Vec<f64> {
    let k = sizes.len() - 1;
    if k == 1 {
        return vec![0.0];
    }
    let mut all = Vec::new();
    for split in 1..k {
        let last = 2.0 * (sizes[0] * sizes[split] * sizes[k]) as f64;
        for left in enumerate(&sizes[..=split]) {
            for right in enumerate(&sizes[split..]) {
                all.push(left + right + last);
            }
        }
    }
    all
}

fn least(x: &[f64]) -> f64 {
    x.iter().copied().fold(f64::INFINITY, f64::min)
}

#[test]
fn orders_are_the_cheapest_of_all_bracketings() {
    let catalan = [1, 1, 2, 5, 14, 42, 132, 429];
    for k in 1..=8_usize {
        for seed in 0..40_usize {
            let sizes: Vec<usize> =
                (0..=k).map(|i| (i * 7919 + seed * 104_729 + i * i * seed) % 30).collect();
            let all = enumerate(&sizes);
            assert_eq!(all.len(), catalan[k - 1]);
            let found = order(&sizes).unwrap();
            assert_eq!(found.flops, least(&all), "{sizes:?}");
            assert_eq!(found.cost::<f64>().flops, found.flops, "{sizes:?} {}", found.bracket);
            if k == 1 {
                assert!(factored_order(&sizes).is_err());
                continue;
            }
            let smallest = *sizes[1..k].iter().min().unwrap();
            let splits = (1..k).filter(|j| sizes[*j] == smallest);
            let costs: Vec<f64> =
                splits.map(|j| least(&enumerate(&sizes[..=j])) + least(&enumerate(&sizes[j..]))).collect();
            let found = factored_order(&sizes).unwrap();
            assert_eq!(found.flops, least(&costs), "{sizes:?}");
            assert_eq!(found.cost::<f32>().flops, found.flops, "{sizes:?} {}", found.bracket);
        }
    }
    assert!(order(&[]).is_err() && order(&[3]).is_err() && factored_order(&[3, 4]).is_err());
    assert!(order(&vec![1; 2000]).is_err());
}

#[test]
fn costs_are_those_counted_by_hand() {
    // Dense, N = 2048, r = 64: core 2 N r^2, its product 2 N r^2, result 2 N^2 r.
    let (n, r) = (2048.0, 64.0);
    let plan = Plan::new::<f64>((2048, 2048, 2048), (64, 64), Output::Dense).unwrap();
    assert_eq!(plan.full, Cost { flops: 2.0 * n * n * n, bytes: 24.0 * n * n });
    let bytes = 8.0 * ((2.0 * n * r + r * r) + (2.0 * n * r + r * r) + (2.0 * n * r + n * n));
    assert_eq!(plan.factored, Cost { flops: 4.0 * n * r * r + 2.0 * n * n * r, bytes });
    // Factored, (100, 80, 90) of ranks 5 and 3, f32.
    let plan = Plan::new::<f32>((100, 80, 90), (5, 3), Output::Factored).unwrap();
    let flops = 2.0 * (5 * 80 * 3 + 100 * 5 * 3) as f64;
    let bytes = 4.0 * (5 * 80 + 80 * 3 + 5 * 3 + 100 * 5 + 5 * 3 + 100 * 3) as f64;
    assert_eq!(plan.factored, Cost { flops, bytes });
    // The factorization, rank 10 + 6 of (50, 40), 1 power step: 4 products, 2 times 4 l^2 (m + n),
    // and the residual.
    let method = Method::Randomized { oversampling: 6, power_iterations: 1, seed: 0 };
    let cost = Cost::factorization::<f64>(method, 50, 40, 10);
    let (products, reflectors) = (4.0 * 2.0 * 50.0 * 40.0 * 16.0, 2.0 * 4.0 * 90.0 * 256.0);
    assert_eq!(cost.flops, products + reflectors + 2.0 * 50.0 * 40.0 * 10.0);
    let machine = Machine { flops_per_second: 10.0, bytes_per_second: 5.0 };
    assert_eq!(Cost { flops: 100.0, bytes: 10.0 }.seconds(&machine), 12.0);
    // Break-even: the gain is 8 s a product, the factorization takes 20 s.
    let plan = Plan { full: Cost { flops: 100.0, bytes: 0.0 }, factored: Cost { flops: 20.0, bytes: 0.0 } };
    let offline = Cost { flops: 200.0, bytes: 0.0 };
    assert_eq!(plan.break_even(offline, &machine).unwrap(), Some(3.0));
    for (uses, choice) in [(1, Choice::Full), (2, Choice::Full), (3, Choice::Factored)] {
        assert_eq!(plan.choice_with_factorization(offline, uses, &machine).unwrap(), choice);
    }
    assert_eq!(plan.choice(&machine).unwrap(), Choice::Factored);
    assert_eq!(Plan { full: plan.factored, ..plan }.choice(&machine).unwrap(), Choice::Full);
    assert_eq!(Plan { full: plan.factored, ..plan }.break_even(offline, &machine).unwrap(), None);
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let machine = Machine { flops_per_second: rate, bytes_per_second: 1.0 };
        assert!(plan.choice(&machine).is_err() && plan.break_even(offline, &machine).is_err());
    }
}

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
    let spectrum: Vec<f64> = (0..200).map(|i| 0.9_f64.powi(i)).collect();
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

fn position<R: Debug>(argument: &str, expected: &[usize], result: Result<R, Error>) {
    match result {
        Err(Error::NonFinite { argument: name, index }) => {
            assert_eq!((name, &index[..]), (argument, expected))
        }
        other => panic!("{argument} {expected:?}: {other:?}"),
    }
}

#[test]
fn what_is_not_finite_is_found() {
    let (m, n, p) = (12, 11, 10);
    let good = gaussian::<f64>(n, p, 1, "b");
    let factors = low_rank::<f64>(n, p, 4, 2);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for (i, j) in [(0, 0), (m / 2, n / 2), (m - 1, n - 1)] {
            let mut a = gaussian::<f64>(m, n, 1, "a");
            a[(i, j)] = bad;
            let (a, t) = (a.as_ref(), a.transpose());
            let at = [i, j];
            position("a", &at, dense(a, good.as_ref()));
            position("b", &[j, i], dense(good.transpose(), t));
            for (_, probabilities) in schemes(&[1.0; 11]) {
                for replacement in [true, false] {
                    let s = Sampling { samples: 3, probabilities, replacement, seed: 0 };
                    position("a", &at, sampled(a, good.as_ref(), &s));
                    position("b", &[j, i], sampled(good.transpose(), t, &s));
                    position("a", &at, expected_error(a, good.as_ref(), &s));
                }
            }
            for exact in [true, false] {
                position("a", &at, leverage_scores(a, &Leverage { rank: 2, exact, norm_share: 0.1 }, 0));
            }
            for method in
                [Method::Exact, Method::Randomized { oversampling: 2, power_iterations: 1, seed: 0 }]
            {
                for rank in [Rank::Fixed(2), Rank::Fixed(0), Rank::Tolerance(0.1)] {
                    position("a", &at, factorize(a, &Factorization { rank, method }));
                }
            }
            position("a", &at, measure(a, good.as_ref(), &low_rank(m, p, 2, 1)));
            let mut out = Mat::zeros(m, p);
            let pair = [Operand::Dense(a), Operand::LowRank(&factors)];
            position("operands", &[0, i, j], chain_into(out.as_mut(), &pair));
            position("operands", &[0, i, j], chain(&pair));
        }
        for (i, j) in [(0, 0), (5, 2), (10, 3)] {
            let mut broken = low_rank::<f64>(n, n, 4, 3);
            broken.u[(i, j)] = bad;
            position("a.u", &[i, j], multiply(&broken, &factors));
            std::mem::swap(&mut broken.u, &mut broken.v);
            position("a.v", &[i, j], multiply(&broken, &factors));
            let fine = low_rank::<f64>(n, n, 4, 3);
            position("b.v", &[i, j], multiply(&fine, &broken));
            let three = [Operand::LowRank(&fine), Operand::LowRank(&broken), Operand::LowRank(&fine)];
            position("operands.v", &[1, i, j], chain_dense(&three));
        }
    }
}

#[test]
fn wrong_shapes_are_named() {
    let (x, y) = (low_rank::<f64>(5, 4, 2, 1), low_rank::<f64>(3, 5, 2, 1));
    let shape = |e: Option<Error>| matches!(e, Some(Error::Shape { .. }));
    assert!(shape(multiply(&x, &y).err()));
    let lame = LowRank { u: Mat::<f64>::zeros(4, 2), v: Mat::zeros(4, 3) };
    assert!(shape(multiply(&x, &lame).err()));
    let a = Mat::<f64>::zeros(5, 4);
    assert!(shape(dense(a.as_ref(), a.as_ref()).err()));
    let mut out = Mat::<f64>::zeros(5, 4);
    assert!(shape(dense_into(out.as_mut(), a.as_ref(), a.transpose()).err()));
    assert!(shape(chain_into(out.as_mut(), &[Operand::LowRank(&y)]).err()));
    assert!(shape(measure(a.as_ref(), a.transpose(), &x).err()));
    let rank = Rank::Fixed(5);
    let too_much = factorize(a.as_ref(), &Factorization { rank, method: Method::Exact });
    assert!(matches!(too_much, Err(Error::Rank { rank: 5, largest: 4 })));
    let f = factorize(a.as_ref(), &Factorization::default()).unwrap();
    assert!(shape(two_sided(&f, &f).err()));
    let machine = Machine::default();
    let t = a.transpose();
    assert!(shape(automatic_into(out.as_mut(), (a.as_ref(), &f), (t, &f), &machine).err()));
    // Never allocated: 2^40 x 2^40 numbers.
    let wide = LowRank { u: Mat::<f64>::zeros(1 << 30, 0), v: Mat::zeros(1 << 31, 0) };
    let failed = chain_dense(&[Operand::LowRank(&wide)]);
    assert!(matches!(failed, Err(Error::TooLarge { .. })));
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

fn threads_do_not_matter<T: Scalar>() {
    let a = gaussian::<T>(300, 700, 1, "a");
    let b = gaussian::<T>(700, 500, 2, "b");
    let (x, y) = (low_rank::<T>(900, 700, 40, 3), low_rank::<T>(700, 800, 50, 4));
    let run = || {
        let pair = [Operand::LowRank(&x), Operand::LowRank(&y)];
        let mut all = vec![dense(a.as_ref(), b.as_ref()).unwrap(), chain_dense(&pair).unwrap()];
        let z = multiply(&x, &y).unwrap();
        all.extend([z.u, z.v]);
        for (_, probabilities) in schemes(&vec![1.0; 700]) {
            for replacement in [true, false] {
                let s = Sampling { samples: 200, probabilities, replacement, seed: 9 };
                all.push(sampled(a.as_ref(), b.as_ref(), &s).unwrap().product);
            }
        }
        let method = Method::Randomized { oversampling: 10, power_iterations: 1, seed: 0 };
        let with = Factorization { rank: Rank::Fixed(20), method };
        let (f, g) = (factorize(a.as_ref(), &with).unwrap(), factorize(b.as_ref(), &with).unwrap());
        let c = two_sided(&f, &g).unwrap();
        all.extend([c.product.u, c.product.v]);
        (all, c.bound.to_bits())
    };
    let one = run();
    for threads in [1, 2, 3, 8] {
        let pool = rayon_pool(threads);
        assert!(pool.install(run) == one, "{} on {threads} threads", T::NAME);
    }
}

fn rayon_pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    threads_do_not_matter::<f64>();
    threads_do_not_matter::<f32>();
}
