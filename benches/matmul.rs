//! Speed of the full, the low-rank and the sampled product, 2048 x 2048, into memory that is there.
//!
//! `cargo bench --bench matmul -- --quick` takes seconds.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lowrank::faer::Mat;
use lowrank::matmul::{Operand, Sampling, chain_into, dense_into, multiply, sampled};
use lowrank::random::gaussian;
use lowrank::{LowRank, Scalar};
use std::hint::black_box;
use std::time::Duration;

const N: usize = 2048;

fn products<T: Scalar>(c: &mut Criterion) {
    let mut group = c.benchmark_group(format!("matmul_2048_{}", T::NAME));
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500));
    let (a, b) = (gaussian::<T>(N, N, 1, "bench"), gaussian::<T>(N, N, 2, "bench"));
    let mut out = Mat::<T>::zeros(N, N);
    group.bench_function("full", |bench| {
        bench.iter(|| dense_into(out.as_mut(), black_box(a.as_ref()), black_box(b.as_ref())))
    });
    for rank in [16, 64, 256] {
        let factors =
            |seed| LowRank::<T> { u: gaussian(N, rank, seed, "u"), v: gaussian(N, rank, seed, "v") };
        let (x, y) = (factors(1), factors(2));
        let pair = [Operand::LowRank(&x), Operand::LowRank(&y)];
        group.bench_function(BenchmarkId::new("low_rank_dense", rank), |bench| {
            bench.iter(|| chain_into(out.as_mut(), black_box(&pair)))
        });
        group.bench_function(BenchmarkId::new("low_rank_factored", rank), |bench| {
            bench.iter(|| multiply(black_box(&x), black_box(&y)))
        });
    }
    let sampling = Sampling { samples: 256, ..Default::default() };
    group.bench_function(BenchmarkId::new("sampled_by_norms", 256), |bench| {
        bench.iter(|| sampled(black_box(a.as_ref()), black_box(b.as_ref()), &sampling))
    });
    group.finish();
}

fn both(c: &mut Criterion) {
    products::<f64>(c);
    products::<f32>(c);
}

criterion_group!(benches, both);
criterion_main!(benches);
