//! Speed of the entrywise approximation: twenty steps, and a whole search.
//!
//! `cargo bench --bench entrywise -- --quick` takes seconds.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lowrank::entrywise::{Descent, Method, Parameters, Start, approximate};
use lowrank::generated::{Function, GeneratedMatrix, ball};
use lowrank::svd::{Randomized, randomized};
use lowrank::{Entries, LowRank, Scalar};
use std::hint::black_box;
use std::time::Duration;

fn matrix<T: Scalar>(n: usize) -> GeneratedMatrix<T> {
    let x = ball(n, 100, 1.0, 0, 0).expect("the points fit in memory");
    GeneratedMatrix::symmetric(Function::Gaussian, x).expect("the points are finite")
}

/// A search of at most `steps` steps from the factors `x`, without a lower bound.
fn search<T: Scalar>(f: &dyn Entries<T>, x: &LowRank<T>, steps: usize) -> f64 {
    let parameters = Parameters {
        method: Method::Descent(Descent { final_depth: 1e-6, ..Default::default() }),
        start: Start::Warm(x.clone()),
        max_iterations: steps,
        lower_bound: false,
        ..Default::default()
    };
    approximate(f, x.rank(), parameters).expect("the factors fit").report.error
}

/// Twenty steps at the level that most of a search is spent at; checking F once is included.
fn steps<T: Scalar>(c: &mut Criterion, n: usize, rank: usize) {
    let mut group = c.benchmark_group("entrywise_20_steps");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    let generated = matrix::<T>(n);
    let stored = generated.to_dense().expect("it fits in memory");
    let start = randomized(&stored, rank, &Randomized::default()).expect("finite entries").into_low_rank();
    let name = |kind: &str| BenchmarkId::new(format!("{kind}_{}", T::NAME), format!("n {n} rank {rank}"));
    group.bench_function(name("stored"), |b| b.iter(|| search(black_box(&stored), &start, 20)));
    group.bench_function(name("generated"), |b| b.iter(|| search(black_box(&generated), &start, 20)));
    group.finish();
}

fn step(c: &mut Criterion) {
    steps::<f64>(c, 512, 32);
    steps::<f32>(c, 512, 32);
    steps::<f64>(c, 2048, 32);
}

/// Start, search and lower bound.
fn whole<T: Scalar>(c: &mut Criterion) {
    let mut group = c.benchmark_group("entrywise_approximate");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    let f = matrix::<T>(512).to_dense().expect("it fits in memory");
    group.bench_function(BenchmarkId::new(T::NAME, "n 512 rank 32"), |b| {
        b.iter(|| approximate(black_box(&f), 32, Parameters::default()))
    });
    group.finish();
}

fn search_whole(c: &mut Criterion) {
    whole::<f64>(c);
    whole::<f32>(c);
}

criterion_group!(benches, step, search_whole);
criterion_main!(benches);
