//! Speed of TT-SVD, rounding, inner products, entrywise products and cross approximation of tensor trains.
//!
//! `cargo bench --bench train -- --quick` takes seconds. The errors are printed once, before the times.

use criterion::{Criterion, criterion_group, criterion_main};
use lowrank::TensorTrain;
use lowrank::ndarray::{ArrayD, IxDyn};
use lowrank::random::gaussian;
use lowrank::tensor::train::{Cross, RandomizedRounding, Truncation, cross, tt_svd};
use std::hint::black_box;
use std::time::Duration;

/// d = 20, n = 16.
fn random(rank: usize, seed: u64) -> TensorTrain<f64> {
    TensorTrain::random(&[16; 20], &[rank; 19], seed).expect("a train")
}

fn rounding(c: &mut Criterion) {
    let mut group = c.benchmark_group("train");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(1000));
    let (a, b) = (random(32, 1), random(32, 2));
    let x = a.plus(&a).expect("a sum"); // rank 64 that is 32
    let y = x.round(Truncation::tolerance(1e-8)).expect("a train");
    println!("rounding 64 to {:?}: error {:e}", y.train.ranks()[9], y.relative_error);
    group
        .bench_function("rounding 64 to 32", |c| c.iter(|| black_box(&x).round(Truncation::tolerance(1e-8))));
    group.bench_function("inner 32 with 32", |c| c.iter(|| black_box(&a).inner(&b)));
    group.bench_function("inner 64 with 32", |c| c.iter(|| black_box(&x).inner(&b)));
    group.bench_function("inner 64 with 64", |c| c.iter(|| black_box(&x).inner(&x)));
    group.bench_function("norm 64", |c| c.iter(|| black_box(&x).norm()));
    let entries = gaussian::<f64>(8_000_000, 1, 0, "bench").col_as_slice(0).to_vec();
    let dense = ArrayD::from_shape_vec(IxDyn(&[200; 3]), entries).expect("as many entries");
    group.bench_function("tt_svd 200^3 to 20", |c| {
        c.iter(|| tt_svd(black_box(dense.view()), Truncation::rank(20)))
    });
    group.finish();
}

fn randomized(c: &mut Criterion) {
    let mut group = c.benchmark_group("train");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(2));
    let truncation = Truncation { max_rank: 32, tolerance: 1e-8 };
    let parameters = RandomizedRounding { truncation, ..Default::default() };
    // A train whose square has ranks near 32: rank 16 with terms that fall.
    for (name, x) in [("random", random(16, 3)), ("smooth", smooth())] {
        let y = x.hadamard_rounded(&x, parameters).expect("a train");
        let exact = x.hadamard(&x).expect("a product").distance(&y.train).expect("a distance");
        println!("{name}: square 256 to {}: error {:e}, exactly {exact:e}", y.train.ranks()[9], y.error);
        group.bench_function(format!("square of 16 to 32, {name}"), |c| {
            c.iter(|| black_box(&x).hadamard_rounded(&x, parameters))
        });
    }
    group.finish();
}

/// A train of rank 16 whose singular values fall by 3 at each bond.
fn smooth() -> TensorTrain<f64> {
    let cores = random(16, 4).into_cores().into_iter().map(|mut core| {
        core.indexed_iter_mut().for_each(|((_, _, b), x)| *x *= 0.3f64.powi(b as i32));
        core
    });
    TensorTrain::new(cores.collect()).expect("a train")
}

/// 1 / (1 + sum of x_k) on a grid of 32 points of [0, 1] in each of ten variables.
fn reciprocal(c: &mut Criterion) {
    let f = |i: &[usize]| 1.0 / (1.0 + i.iter().map(|&i| i as f64 / 31.0).sum::<f64>());
    let run = |seed| cross(f, &[32; 10], Cross { tolerance: 4e-11, seed, ..Default::default() });
    for seed in 0..5 {
        let x = run(seed).expect("a train");
        println!("cross, seed {seed}: {} evaluations, error {:e}", x.evaluations, x.relative_error);
    }
    let mut group = c.benchmark_group("train");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(1000));
    group.bench_function("cross of 1 / (1 + sum)", |c| c.iter(|| run(black_box(0))));
    group.finish();
}

criterion_group!(benches, rounding, randomized, reciprocal);
criterion_main!(benches);
