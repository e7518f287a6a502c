use lowrank::entrywise::*;
use lowrank::generated::*;
use lowrank::*;
fn main() {
    let only = std::env::args().nth(1).unwrap_or("all".into());
    if only == "all" || only == "ap" {
        for seed in 0..2u64 {
            let x = ball::<f64>(512, 100, 1.0, seed, 0).unwrap();
            let f = GeneratedMatrix::symmetric(Function::Gaussian, x).unwrap().to_dense().unwrap();
            let d = approximate(&f, 32, Default::default()).unwrap();
            println!(
                "descent {:.5} start {:.4} lower {:.4} {}",
                d.relative_error(),
                d.start_error,
                d.lower_bound,
                d.report
            );
            for p in [Projector::Randomized, Projector::BlockPower, Projector::Full] {
                if p == Projector::Full && seed > 0 {
                    continue;
                }
                let ap = || {
                    Method::AlternatingProjections(AlternatingProjections {
                        projector: p,
                        ..Default::default()
                    })
                };
                let d = approximate(
                    &f,
                    32,
                    Parameters {
                        method: ap(),
                        start: Start::Random,
                        lower_bound: false,
                        ..Default::default()
                    },
                )
                .unwrap();
                println!("AP {p:?} random {:.5} start {:.3} {}", d.relative_error(), d.start_error, d.report);
                if p != Projector::Full {
                    let d = approximate(
                        &f,
                        32,
                        Parameters { method: ap(), lower_bound: false, ..Default::default() },
                    )
                    .unwrap();
                    println!(
                        "AP {p:?} svd {:.5} start {:.3} {}",
                        d.relative_error(),
                        d.start_error,
                        d.report
                    );
                }
            }
        }
    }
    if only == "all" || only == "tensor" {
        for (n, m, r) in [(48, 10, 12), (64, 100, 16), (100, 100, 20)] {
            let pts: Vec<_> = (0..3).map(|k| ball::<f64>(n, m, 1.0, 1, k).unwrap()).collect();
            let f = ndarray::ArrayD::from_shape_fn(vec![n, n, n], |i| {
                let s: f64 = (0..m).map(|a| pts[0][(i[0], a)] * pts[1][(i[1], a)] * pts[2][(i[2], a)]).sum();
                s.sinh()
            });
            let d = approximate_tensor(&f, r, Default::default()).unwrap();
            println!(
                "tensor {n} {m} {r}: descent {:.5} start {:.5} lower {:.5} {}",
                d.relative_error(),
                d.start_error / d.max_norm,
                d.lower_bound / d.max_norm,
                d.report
            );
            let d = approximate_tensor(
                &f,
                r,
                Parameters {
                    method: Method::AlternatingProjections(AlternatingProjections {
                        projector: Projector::BlockPower,
                        ..Default::default()
                    }),
                    start: Start::Random,
                    lower_bound: false,
                    ..Default::default()
                },
            )
            .unwrap();
            println!("   AP {:.5} start {:.5} {}", d.relative_error(), d.start_error / d.max_norm, d.report);
        }
    }
}
