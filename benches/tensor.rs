//! Speed of products along modes, of MTTKRP, of the Tucker and of the CP decomposition of a 200 x 200 x 200 tensor.
//!
//! `cargo bench --bench tensor -- --quick` takes seconds.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lowrank::Scalar;
use lowrank::faer::{Mat, MatRef};
use lowrank::ndarray::{ArrayD, IxDyn};
use lowrank::random::gaussian;
use lowrank::tensor::cp::{Cp, CpAls, Masked, cp_als, cp_masked};
use lowrank::tensor::tucker::{Basis, Hooi, Hosvd, Ranks, hooi, hosvd};
use lowrank::tensor::{mode_product, mttkrp};
use std::hint::black_box;
use std::time::Duration;

const N: usize = 200;
const MTTKRP_RANK: usize = 32;
const TUCKER_RANK: usize = 20;
const CP_RANK: usize = 10;

fn tensor<T: Scalar>() -> ArrayD<T> {
    let entries = gaussian::<T>(N * N, N, 0, "bench");
    let rows = (0..N * N).flat_map(|i| (0..N).map(move |j| (i, j)));
    ArrayD::from_shape_vec(IxDyn(&[N; 3]), rows.map(|at| entries[at]).collect()).expect("as many entries")
}

fn modes<T: Scalar>(c: &mut Criterion) {
    let mut group = c.benchmark_group(format!("tensor_200_{}", T::NAME));
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500));
    let a = tensor::<T>();
    let factors: Vec<Mat<T>> = (0..3).map(|k| gaussian(N, MTTKRP_RANK, k, "factor")).collect();
    let views: Vec<MatRef<'_, T>> = factors.iter().map(|f| f.as_ref()).collect();
    for mode in 0..3 {
        group.bench_function(BenchmarkId::new("mttkrp_32", mode), |bench| {
            bench.iter(|| mttkrp(black_box(a.view()), &views, mode))
        });
        let narrow = views[mode].subcols(0, TUCKER_RANK).transpose();
        group.bench_function(BenchmarkId::new("mode_product_20", mode), |bench| {
            bench.iter(|| mode_product(black_box(a.view()), narrow, mode))
        });
    }
    let ranks = Ranks::Fixed(vec![TUCKER_RANK; 3]);
    let randomized = Basis::Randomized { oversampling: 10, power_iterations: 1, seed: 0 };
    for (name, sequential, basis) in [
        ("st_hosvd_orthogonal", true, Basis::Orthogonal),
        ("st_hosvd_gram", true, Basis::Gram),
        ("st_hosvd_randomized", true, randomized),
        ("hosvd_orthogonal", false, Basis::Orthogonal),
    ] {
        let parameters = Hosvd { sequential, basis, modes: None };
        group.bench_function(BenchmarkId::new(name, TUCKER_RANK), |bench| {
            bench.iter(|| hosvd(black_box(a.view()), &ranks, &parameters))
        });
    }
    let parameters = Hooi { max_iterations: 1, ..Default::default() };
    group.bench_function(BenchmarkId::new("hooi_one_iteration", TUCKER_RANK), |bench| {
        bench.iter(|| hooi(black_box(a.view()), &ranks, &parameters))
    });
    // Sweeps alone: the difference of two fits is divided by that of their numbers of sweeps.
    for sweeps in [1, 11] {
        let parameters = CpAls { max_iterations: sweeps, progress: 0.0, ..Default::default() };
        group.bench_function(BenchmarkId::new("cp_als_10", format!("{sweeps}_sweeps")), |bench| {
            bench.iter(|| cp_als(black_box(a.view()), CP_RANK, &parameters))
        });
    }
    group.finish();
}

/// An exact tensor of rank 5 with all of its entries and with seven tenths of them.
fn masked(c: &mut Criterion) {
    let mut group = c.benchmark_group("cp_60_f64");
    group.sample_size(10).measurement_time(Duration::from_millis(1500));
    let factors = (0..3).map(|k| gaussian::<f64>(60, 5, k, "factor")).collect();
    let a = Cp::new(vec![1.0; 5], factors).and_then(|x| x.to_dense()).expect("three factors");
    let order = gaussian::<f64>(a.len(), 1, 0, "mask");
    let mask = ArrayD::from_shape_fn(a.raw_dim(), |i| order[((i[0] * 60 + i[1]) * 60 + i[2], 0)] > -0.5244);
    group.bench_function("full_5", |bench| bench.iter(|| cp_als(black_box(a.view()), 5, &CpAls::default())));
    let parameters = Masked { rank: 5, ..Default::default() };
    group.bench_function("masked_5", |bench| {
        bench.iter(|| cp_masked(black_box(a.view()), mask.view(), &parameters))
    });
    group.finish();
}

fn both(c: &mut Criterion) {
    modes::<f64>(c);
    modes::<f32>(c);
}

criterion_group!(benches, both, masked);
criterion_main!(benches);
