//! Speed of the dense and the randomized SVD and of QR.
//!
//! `cargo bench --bench svd -- --quick` takes seconds; with `--features lapack` OpenBLAS runs beside.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lowrank::random::{gaussian, with_spectrum};
use lowrank::svd::{
    Lanczos, Randomized, Streaming, StreamingSvd, dense, lanczos, qr, randomized, singular_values,
};
use std::hint::black_box;
use std::time::Duration;

fn svd_dense(c: &mut Criterion) {
    let mut group = c.benchmark_group("svd_dense");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    for (m, n) in [(256, 256), (2048, 74)] {
        let a = gaussian::<f64>(m, n, 1, "bench");
        let shape = format!("{m}x{n}");
        group.bench_function(BenchmarkId::new("vectors_f64", &shape), |b| {
            b.iter(|| dense(black_box(a.as_ref())))
        });
        group.bench_function(BenchmarkId::new("values_f64", &shape), |b| {
            b.iter(|| singular_values(black_box(a.as_ref())))
        });
        group.bench_function(BenchmarkId::new("qr_f64", &shape), |b| b.iter(|| qr(black_box(a.as_ref()))));
        group.bench_function(BenchmarkId::new("faer_qr_f64", &shape), |b| {
            b.iter(|| black_box(a.as_ref()).qr().compute_thin_Q())
        });
        #[cfg(feature = "lapack")]
        {
            use lowrank::svd::lapack;
            group.bench_function(BenchmarkId::new("lapack_vectors_f64", &shape), |b| {
                b.iter(|| lapack::dense(black_box(&a)))
            });
            group.bench_function(BenchmarkId::new("lapack_values_f64", &shape), |b| {
                b.iter(|| lapack::singular_values(black_box(&a)))
            });
            group.bench_function(BenchmarkId::new("lapack_qr_f64", &shape), |b| {
                b.iter(|| lapack::qr(black_box(&a)))
            });
        }
    }
    group.finish();
}

fn svd_randomized(c: &mut Criterion) {
    let mut group = c.benchmark_group("svd_randomized");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    let parameters = Randomized { power_iterations: 1, ..Default::default() };
    let a = gaussian::<f64>(2048, 2048, 1, "bench");
    group.bench_function(BenchmarkId::new("f64", "2048x2048 rank 64"), |b| {
        b.iter(|| randomized(black_box(&a), 64, &parameters))
    });
    let a = gaussian::<f32>(2048, 2048, 1, "bench");
    let parameters = Randomized { power_iterations: 1, ..Default::default() };
    group.bench_function(BenchmarkId::new("f32", "2048x2048 rank 64"), |b| {
        b.iter(|| randomized(black_box(&a), 64, &parameters))
    });
    group.finish();
}

fn svd_lanczos(c: &mut Criterion) {
    let mut group = c.benchmark_group("svd_lanczos");
    group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(2));
    let spectrum: Vec<f64> = (1..=2048).map(|i| 1.0 / i as f64).collect();
    let a = with_spectrum::<f64>(2048, 2048, &spectrum, 0);
    group.bench_function(BenchmarkId::new("f64", "2048x2048 rank 64, 1/i"), |b| {
        b.iter(|| lanczos(black_box(&a), 64, &Lanczos::default()))
    });
    group.finish();
}

fn svd_streaming(c: &mut Criterion) {
    let mut group = c.benchmark_group("svd_streaming");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800));
    let a = gaussian::<f64>(4000, 1000, 1, "bench");
    group.bench_function(BenchmarkId::new("f64", "4000x1000 rank 32"), |b| {
        b.iter(|| {
            let mut stream = StreamingSvd::new(1000, 32, &Streaming::default())?;
            stream.push(black_box(a.as_ref()))?;
            stream.finish()
        })
    });
    group.finish();
}

criterion_group!(benches, svd_dense, svd_randomized, svd_lanczos, svd_streaming);
criterion_main!(benches);
