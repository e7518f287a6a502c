//! Speed of nearest sums of Kronecker products and of the rearrangement they rest on; of products of sums
//! with blocks, and of their reduction.
//!
//! `cargo bench --bench separated -- --quick` takes seconds.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lowrank::kronecker::Rearranged;
use lowrank::matrix::array_of;
use lowrank::random::gaussian;
use lowrank::separated::{Als, Nearest, SeparationRank, best_shapes, laplacian, nearest, reduce, splits};
use lowrank::{Operator, Scalar, Separated};
use std::hint::black_box;
use std::time::Duration;

/// The shapes of the factors of a matrix 768 x 768.
const SHAPES: [(usize, usize); 2] = [(32, 24), (24, 32)];

fn nearest_sums<T: Scalar>(c: &mut Criterion) {
    let mut group = c.benchmark_group(format!("nearest_{}", T::NAME));
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500));
    let a = gaussian::<T>(768, 768, 1, "bench");
    let rows = array_of(&a);
    for terms in [4, 16, 64] {
        let rank = SeparationRank::Fixed(terms);
        group.bench_function(BenchmarkId::new("768x768 by columns, terms", terms), |b| {
            b.iter(|| nearest(black_box(&a), SHAPES, rank, Nearest::default()))
        });
        group.bench_function(BenchmarkId::new("768x768 by rows, terms", terms), |b| {
            b.iter(|| nearest(black_box(&rows), SHAPES, rank, Nearest::default()))
        });
    }
    let view = Rearranged::new(&a, &SHAPES).expect("finite");
    let r = view.operator().expect("two factors");
    let copy = r.to_dense().expect("finite");
    let x = gaussian::<T>(768, 20, 2, "bench");
    group.bench_function("product in place, 20 columns", |b| b.iter(|| r.apply(black_box(x.as_ref()))));
    group.bench_function("transposed product in place, 20 columns", |b| {
        b.iter(|| r.apply_transpose(black_box(x.as_ref())))
    });
    group.bench_function("product of a copy, 20 columns", |b| b.iter(|| copy.apply(black_box(x.as_ref()))));
    group.bench_function("the copy", |b| b.iter(|| black_box(&r).to_dense()));
    group.finish();
}

fn shape_search(c: &mut Criterion) {
    let mut group = c.benchmark_group("best_shapes");
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    let a = gaussian::<f64>(128, 128, 1, "bench");
    let (all, budget) = (splits(128, 128), SeparationRank::Parameters(4096));
    group.bench_function("128x128, all 62 pairs, 4096 numbers", |b| {
        b.iter(|| best_shapes(black_box(&a), &all, budget, Nearest::default(), |_, _| true))
    });
    group.finish();
}

/// Gaussian factors, unit terms.
fn random<T: Scalar>(shapes: &[(usize, usize)], terms: usize) -> Separated<T> {
    let mode = |(i, &(m, n)): (usize, &(usize, usize))| gaussian(m * n, terms, i as u64, "bench");
    let modes = shapes.iter().enumerate().map(mode).collect();
    Separated::new(shapes.to_vec(), vec![T::of(1.0); terms], modes).expect("finite")
}

fn products<T: Scalar>(c: &mut Criterion) {
    let mut group = c.benchmark_group(format!("apply_{}", T::NAME));
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    let m = random::<T>(&SHAPES, 16);
    let dense = m.to_dense().expect("small");
    for columns in [1, 64] {
        let x = gaussian::<T>(768, columns, 2, "bench");
        group.bench_function(BenchmarkId::new("768x768, 16 terms, columns", columns), |b| {
            b.iter(|| m.apply(black_box(&x)))
        });
        group.bench_function(BenchmarkId::new("768x768 dense, columns", columns), |b| {
            b.iter(|| Operator::apply(&dense, black_box(x.as_ref())))
        });
    }
    let a = laplacian::<T>(&[64; 3]).expect("small");
    let x = gaussian::<T>(64 * 64 * 64, 1, 2, "bench");
    group.bench_function("Laplacian of 64^3 points, 1 column", |b| b.iter(|| a.apply(black_box(&x))));
    group.finish();
}

fn reductions(c: &mut Criterion) {
    let mut group = c.benchmark_group("reduce");
    group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    // The residual of a step in ten dimensions: many terms of which few are needed.
    let x = random::<f64>(&[(64, 1); 10], 10);
    let double = x.plus(&x).expect("equal shapes");
    let parameters = Als { rank: SeparationRank::Tolerance(1e-8), ..Default::default() };
    group.bench_function("20 terms to 10, d = 10, n = 64", |b| {
        b.iter(|| reduce(black_box(&double), &parameters))
    });
    group.finish();
}

criterion_group!(
    benches,
    nearest_sums::<f64>,
    nearest_sums::<f32>,
    shape_search,
    products::<f64>,
    products::<f32>,
    reductions
);
criterion_main!(benches);
