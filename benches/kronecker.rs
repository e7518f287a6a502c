//! Speed of the products of a Kronecker product with a block of vectors, into memory that is there,
//! and of its entries.
//!
//! `cargo bench --bench kronecker -- --quick` takes seconds.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lowrank::faer::Mat;
use lowrank::kronecker::Kronecker;
use lowrank::random::gaussian;
use lowrank::{Operator, Scalar};
use std::hint::black_box;
use std::time::Duration;

/// Factors (n, n), how many of them, columns.
const CASES: [(usize, u32, usize); 6] =
    [(64, 3, 16), (32, 4, 16), (512, 2, 16), (8, 6, 16), (64, 3, 1), (1024, 2, 1)];

fn products<T: Scalar>(c: &mut Criterion) {
    let mut group = c.benchmark_group(format!("kronecker_{}", T::NAME));
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(1000));
    for (n, d, columns) in CASES {
        let factors = (0..d).map(|k| gaussian::<T>(n, n, k.into(), "bench")).collect();
        let a = Kronecker::new(factors).expect("small sizes");
        let rows = n.pow(d);
        let b = gaussian::<T>(rows, columns, 9, "bench");
        let mut out = Mat::<T>::full(rows, columns, T::of(1.0));
        group.throughput(Throughput::Elements((2 * n * d as usize * rows * columns) as u64)); // flops
        group.bench_function(BenchmarkId::new("apply", format!("{n}^{d} x {columns}")), |bench| {
            bench.iter(|| a.apply_into(out.as_mut(), black_box(&b)))
        });
        if (n, columns) == (64, 16) {
            group.bench_function(
                BenchmarkId::new("apply_transpose", format!("{n}^{d} x {columns}")),
                |bench| bench.iter(|| a.apply_transpose_into(out.as_mut(), black_box(&b))),
            );
            group.bench_function(
                BenchmarkId::new("apply_allocating", format!("{n}^{d} x {columns}")),
                |bench| bench.iter(|| a.apply(black_box(b.as_ref()))),
            );
        }
    }
    let a = Kronecker::new((0..3).map(|k| gaussian::<T>(12, 12, k, "bench")).collect()).expect("small sizes");
    group.throughput(Throughput::Elements(12u64.pow(6))); // entries
    group.bench_function(BenchmarkId::new("to_dense", "12^3"), |bench| {
        bench.iter(|| black_box(&a).to_dense())
    });
    group.finish();
}

fn both(c: &mut Criterion) {
    products::<f64>(c);
    products::<f32>(c);
}

criterion_group!(benches, both);
criterion_main!(benches);
