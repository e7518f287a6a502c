use faer::Mat;
use lowrank::entrywise::pass::*;
use std::time::Instant;
fn go<T: lowrank::Scalar>(n: usize, r: usize, frac: f64) {
    let g = |k: u64| {
        let mut x = k.wrapping_mul(0x9E3779B97F4A7C15);
        x ^= x >> 31;
        x = x.wrapping_mul(0xBF58476D1CE4E5B9);
        x ^= x >> 27;
        (x >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    };
    let a = Mat::<T>::from_fn(n, n, |i, j| T::of(g((i * n + j) as u64)));
    let p: Vec<T> = (0..n * r).map(|k| T::of(0.01 * g(k as u64 + 7))).collect();
    let q = p.clone();
    let s = Source::new(&a);
    let eps = T::of(0.5 * (1.0 - frac));
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut best = f64::INFINITY;
            let mut nnz = 0; let mut w = Workspace::<T>::default();
            let mut w = Workspace::<T>::default();
            for _ in 0..20 {
                let t = Instant::now();
                residual(&s, &p, &q, r, eps, &mut w);
                nnz = w.found.nnz;
                best = best.min(t.elapsed().as_secs_f64());
            }
            let mut b2 = f64::INFINITY;
            for _ in 0..20 {
                let t = Instant::now();
                residual(&s, &p, &q, r, T::of(10.0), &mut w);
                b2 = b2.min(t.elapsed().as_secs_f64());
            }
            let fl = 2.0 * (n * n * r) as f64;
            println!(
                "{} n={n} r={r} threads={threads} density {:.3}: {:.3} ms  (no hits {:.3} ms = {:.1} GF/s)",
                T::NAME,
                nnz as f64 / (n * n) as f64,
                best * 1e3,
                b2 * 1e3,
                fl / b2 / 1e9
            );
        });
    }
    let u = Mat::<T>::from_fn(n, r, |i, j| p[i * r + j]);
    let mut c = Mat::<T>::zeros(n, n);
    for (name, par) in [("seq", faer::Par::Seq), ("par", faer::Par::rayon(2))] {
        let mut best = f64::INFINITY;
        for _ in 0..10 {
            let t = Instant::now();
            faer::linalg::matmul::matmul(
                c.as_mut(),
                faer::Accum::Replace,
                u.as_ref(),
                u.transpose(),
                T::of(1.0),
                par,
            );
            best = best.min(t.elapsed().as_secs_f64());
        }
        println!(
            "   faer product {name}: {:.3} ms {:.1} GF/s",
            best * 1e3,
            2.0 * (n * n * r) as f64 / best / 1e9
        );
    }
}
fn main() { for _ in 0..2 { go::<f64>(512, 32, 0.05); }
    go::<f64>(512, 32, 0.05);
    go::<f64>(1024, 32, 0.05);
    go::<f32>(512, 32, 0.05);
    go::<f32>(2048, 64, 0.05);
    go::<f64>(2048, 64, 0.1);
}
