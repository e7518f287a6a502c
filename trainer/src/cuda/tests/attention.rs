//! Attention over sequences without padding, and the adapters' launches.

use super::kernels::{agree, at, either_way, random};
use crate::cuda::adapter::Job;
use crate::cuda::backend::{At, Backend, Number};
use crate::cuda::kernels::{GROUPS, THREADS};
use lowrank::LowRank;
use lowrank::faer::Mat;
use lowrank::layers::adapter::{Adapter, Delta, Lora, Lsr, LsrShapes};

const LENGTHS: [i32; 4] = [40, 1, 70, 13];
const FIRST: [i32; 4] = [0, 40, 41, 111];
const LONGEST: usize = 70;

#[test]
fn heads_are_split_and_joined() {
    let (heads, size, ld, tokens, n) = (3, 5, 60, 124, LENGTHS.len());
    let (d, whole) = (heads * size, heads * size * LONGEST * n);
    let rows = [2, 20, 40];
    let (y, bias) = (random(ld * tokens, 1), random(3 * d, 2));
    let found = either_way(|b| {
        let [y, bias, out, back] =
            [b.floats(&y), b.floats(&bias), b.empty(3 * whole), b.floats(&vec![7.0; ld * tokens])];
        let [first, lengths] = [b.ints(&FIRST), b.ints(&LENGTHS)];
        let sizes = [rows[0], rows[1], rows[2], heads, size, LONGEST, ld, n].map(Number::from);
        let (grid, [first, lengths]) = ((n * LONGEST, 3), [at(&first), at(&lengths)]);
        b.run("split_heads", grid, &[at(&out), at(&y), at(&bias), first, lengths], &sizes);
        b.run("join_heads", grid, &[at(&back), at(&out), first, lengths], &sizes);
        let split = b.get(&out, 3 * whole);
        b.run("split_heads", grid, &[at(&out), at(&y), At::NULL, first, lengths], &sizes);
        [split, b.get(&out, 3 * whole), b.get(&back, ld * tokens)].concat()
    });
    let token = |n: usize, l: usize| (l < LENGTHS[n] as usize).then(|| FIRST[n] as usize + l);
    let mut expected = Vec::new();
    for bias in [Some(&bias), None] {
        for (p, row) in rows.iter().enumerate() {
            for (n, h, l, i) in places(n, heads, LONGEST, size) {
                let value = |t| {
                    let bias = bias.map_or(0.0, |b| f64::from(b[p * d + h * size + i]));
                    f64::from(y[t * ld + row + h * size + i]) + bias
                };
                expected.push(token(n, l).map_or(0.0, value));
            }
        }
    }
    agree(&found[..6 * whole], &expected, 1e-6);
    // Back with the biases; other rows are left alone.
    let back = (0..ld * tokens).map(|at| {
        let row = at % ld;
        let p = rows.iter().position(|first| (*first..first + d).contains(&row));
        p.map_or(7.0, |p| f64::from(y[at]) + f64::from(bias[p * d + row - rows[p]]))
    });
    agree(&found[6 * whole..], &back.collect::<Vec<_>>(), 1e-6);
}

fn places(n: usize, heads: usize, longest: usize, size: usize) -> Vec<(usize, usize, usize, usize)> {
    let mut out = Vec::new();
    for (n, h) in (0..n).flat_map(|n| (0..heads).map(move |h| (n, h))) {
        out.extend((0..longest).flat_map(|l| (0..size).map(move |i| (n, h, l, i))));
    }
    out
}

#[test]
fn softmax_over_sequences_of_several_lengths() {
    let (heads, scale) = (3, 0.5_f32);
    let queries = LONGEST * heads * LENGTHS.len();
    let (scores, dp) = (random(LONGEST * queries, 1), random(LONGEST * queries, 2));
    let scores: Vec<f32> = scores.iter().map(|x| 300.0 * x).collect(); // exponentials that would overflow
    let found = either_way(|b| {
        let (p, ds, lengths) = (b.floats(&scores), b.floats(&dp), b.ints(&LENGTHS));
        let [p_at, ds_at, lengths] = [&p, &ds, &lengths].map(at);
        let sizes = [heads.into(), LONGEST.into(), queries.into(), Number::Float(scale)];
        let grid = (queries.div_ceil(GROUPS), 1);
        b.run("softmax", grid, &[p_at, lengths], &sizes);
        b.run("softmax_backward", grid, &[ds_at, p_at, lengths], &sizes);
        [b.get(&p, LONGEST * queries), b.get(&ds, LONGEST * queries)].concat()
    });
    let (mut p, mut ds) = (Vec::new(), Vec::new());
    for (query, column) in scores.chunks(LONGEST).enumerate() {
        let keys = LENGTHS[query / (heads * LONGEST)] as usize;
        let used = query % LONGEST < keys;
        let of = |i: usize| f64::from(scale) * f64::from(column[i]);
        let top = (0..keys).map(of).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = (0..keys).map(|i| (of(i) - top).exp()).sum();
        let q: Vec<f64> =
            (0..LONGEST).map(|i| if used && i < keys { (of(i) - top).exp() / sum } else { 0.0 }).collect();
        let g = |i: usize| f64::from(dp[query * LONGEST + i]);
        let inner: f64 = (0..keys).map(|i| q[i] * g(i)).sum();
        ds.extend((0..LONGEST).map(|i| f64::from(scale) * q[i] * (g(i) - inner)));
        p.extend(q);
    }
    agree(&found[..p.len()], &p, 2e-5);
    agree(&found[p.len()..], &ds, 2e-5);
}

#[test]
fn all_adapters_in_one_launch_and_its_adjoint() {
    let shapes = |outputs, ranks, inputs| LsrShapes { outputs, ranks, inputs };
    let mut adapters: Vec<Box<dyn Adapter<f32>>> = vec![
        Box::new(Lsr::new(shapes((6, 8), (2, 2), (4, 8)), 5, 1).unwrap()),
        Box::new(Lora::new((30, 50), 3, 2).unwrap()),
        Box::new(Lsr::new(shapes((32, 24), (4, 1), (7, 3)), 16, 3).unwrap()),
    ];
    for (k, adapter) in adapters.iter_mut().enumerate() {
        let values = adapter.parts_mut().values_mut();
        let count = values.len();
        values.copy_from_slice(&random(count, 10 + k as u64));
    }
    let numbers: Vec<f32> = adapters.iter().flat_map(|a| a.parts().values().to_vec()).collect();
    // U (m, r) and V' (r, n) in places with rows of something else beneath.
    let sizes: Vec<(usize, usize, usize)> = adapters.iter().map(|a| sizes(&**a)).collect();
    let (below, gradients) = (3, |k: usize, count: usize| random(count, 20 + k as u64));
    let found = either_way(|b| {
        let (all, out) = (b.floats(&numbers), b.empty(numbers.len()));
        let (mut jobs, mut memories, mut first) = (Vec::new(), Vec::new(), 0);
        for (k, (adapter, (m, n, r))) in adapters.iter().zip(&sizes).enumerate() {
            let [u, v] = [(m + below) * r, (r + below) * n].map(|count| b.floats(&vec![9.0; count]));
            let [du, dv] =
                [(0, m * r), (5, r * n)].map(|(more, count)| b.floats(&gradients(k + more, count)));
            let [one, two] = Job::pair(&**adapter, first).unwrap();
            jobs.push(Job {
                sum: at(&u).0,
                ld: (m + below) as i32,
                gradient: at(&du).0,
                gradient_ld: *m as i32,
                ..one
            });
            jobs.push(Job {
                sum: at(&v).0,
                ld: (r + below) as i32,
                gradient: at(&dv).0,
                gradient_ld: *r as i32,
                ..two
            });
            memories.extend([u, v, du, dv]);
            first += adapter.parts().values().len();
        }
        let table = b.device.store(&Job::bytes(&jobs)).unwrap();
        let (entries, values) = Job::largest(&jobs);
        let [table, all, back] = [&table, &all, &out].map(at);
        b.run("materialise", (entries.div_ceil(THREADS), jobs.len()), &[table, all], &[]);
        b.run("pull_back", (values.div_ceil(THREADS), jobs.len()), &[table, all, back], &[]);
        let mut found = b.get(&out, numbers.len());
        for (four, (m, n, r)) in memories.chunks(4).zip(&sizes) {
            found.extend(b.get(&four[0], (m + below) * r));
            found.extend(b.get(&four[1], (r + below) * n));
        }
        found
    });
    let (mut expected, mut sums) = (Vec::new(), Vec::new());
    for (k, (adapter, (m, n, r))) in adapters.iter().zip(&sizes).enumerate() {
        let Delta::LowRank(delta) = adapter.delta() else { unreachable!() };
        let entry = |a: &Mat<f32>, i: usize, j: usize| if i < a.nrows() { f64::from(a[(i, j)]) } else { 9.0 };
        let v = delta.v.transpose().to_owned();
        for (matrix, rows) in [(&delta.u, m + below), (&v, r + below)] {
            sums.extend((0..rows * matrix.ncols()).map(|at| entry(matrix, at % rows, at / rows)));
        }
        let (du, dv) = (gradients(k, m * r), gradients(k + 5, r * n));
        let u = Mat::from_fn(*m, *r, |i, j| du[j * m + i]);
        let v = Mat::from_fn(*n, *r, |i, j| dv[i * r + j]);
        expected.extend(adapter.pull_back(&Delta::LowRank(LowRank { u, v })).iter().map(|x| f64::from(*x)));
    }
    expected.extend(sums);
    agree(&found, &expected, 1e-6);
}

fn sizes(adapter: &dyn Adapter<f32>) -> (usize, usize, usize) {
    let Delta::LowRank(delta) = adapter.delta() else { unreachable!() };
    (delta.u.nrows(), delta.v.nrows(), delta.u.ncols())
}
