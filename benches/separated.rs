//! Speed of nearest sums of Kronecker products, and of the rearrangement they rest on.
//!
//! `cargo bench --bench separated -- --quick` takes seconds.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use lowrank::kronecker::Rearranged;
use lowrank::matrix::array_of;
use lowrank::random::gaussian;
use lowrank::separated::{Nearest, SeparationRank, best_shapes, nearest, splits};
use lowrank::{Operator, Scalar};
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

criterion_group!(benches, nearest_sums::<f64>, nearest_sums::<f32>, shape_search);
criterion_main!(benches);
