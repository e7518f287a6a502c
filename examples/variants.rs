use faer::Mat;
use lowrank::entrywise::*;
use lowrank::generated::*;
use lowrank::*;
fn main() {
    let d = Descent::default();
    let mut variants: Vec<(String, Descent)> = vec![];
    for (p, s, m, ms, st) in [
        (25, 0.7, 0.97, 1.3, 0.7),
        (30, 0.75, 0.97, 1.25, 0.7),
        (40, 0.8, 0.97, 1.4, 0.7),
        (60, 0.85, 0.97, 1.25, 0.7),
        (100, 0.9, 0.97, 1.25, 0.7),
    ] {
        variants.push((
            format!("d p{p} s{s} m{m} ms{ms} st{st}"),
            Descent { depth: 0.9, patience: p, shrink: s, momentum: m, max_step: ms, step: st, ..d.clone() },
        ));
    }
    let t3 = |n: usize, m: usize, seed| {
        let pts: Vec<_> = (0..3).map(|k| ball::<f64>(n, m, 1.0, seed, k).unwrap()).collect();
        ndarray::ArrayD::from_shape_fn(vec![n, n, n], |i| {
            let s: f64 = (0..m).map(|a| pts[0][(i[0], a)] * pts[1][(i[1], a)] * pts[2][(i[2], a)]).sum();
            s.sinh()
        })
    };
    let sym = |n, m, s| {
        GeneratedMatrix::symmetric(Function::Gaussian, ball::<f64>(n, m, 1.0, s, 0).unwrap())
            .unwrap()
            .to_dense()
            .unwrap()
    };
    let ind = |f: Function<f64>, n, m, s| {
        GeneratedMatrix::independent(
            f,
            ball::<f64>(n, m, 1.0, s, 0).unwrap(),
            ball::<f64>(n, m, 1.0, s, 1).unwrap(),
        )
        .unwrap()
        .to_dense()
        .unwrap()
    };
    let cases: Vec<(&str, usize, Vec<Mat<f64>>)> = vec![
        ("f1sym512", 32, (0..3).map(|s| sym(512, 100, s)).collect()),
        ("f1ind256m10", 16, (0..3).map(|s| ind(Function::Gaussian, 256, 10, s)).collect()),
        ("f2ind256m100", 16, (0..3).map(|s| ind(Function::Quartic, 256, 100, s)).collect()),
        ("f1sym256m5", 16, (0..3).map(|s| sym(256, 5, s)).collect()),
    ];
    let tensors: Vec<_> = (0..3).map(|s| t3(48, 10, s)).collect();
    for (name, d) in variants {
        print!("{name:20}");
        for (_, r, mats) in &cases {
            let (mut e, mut s, mut it) = (0.0, 0.0, 0);
            for a in mats {
                let res = approximate(
                    a,
                    *r,
                    Parameters {
                        method: Method::Descent(d.clone()),
                        lower_bound: false,
                        ..Default::default()
                    },
                )
                .unwrap();
                e += res.relative_error() / mats.len() as f64;
                s += res.report.seconds / mats.len() as f64;
                it += res.report.iterations / mats.len();
            }
            print!(" | {e:.5} {it:5} {s:.2}");
        }
        let (mut e, mut s) = (0.0, 0.0);
        print!(" | ");
        for a in &tensors {
            let res = approximate_tensor(
                a,
                12,
                Parameters { method: Method::Descent(d.clone()), lower_bound: false, ..Default::default() },
            )
            .unwrap();
            print!("{:.5} ", res.relative_error());
            e += res.relative_error() / 3.0;
            s += res.report.seconds / 3.0;
        }
        println!(" | T {e:.5} {s:.2}");
    }
}
