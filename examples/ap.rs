use lowrank::entrywise::*;
use lowrank::generated::*;
fn main() {
    for (n, r, m) in [(512, 32, 100), (256, 16, 100), (256, 16, 5)] {
        let x = ball::<f64>(n, m, 1.0, 1, 0).unwrap();
        let f = GeneratedMatrix::symmetric(Function::Gaussian, x).unwrap().to_dense().unwrap();
        for s in [Start::Random, Start::Svd] {
            let ap = Method::AlternatingProjections(AlternatingProjections {
                projector: Projector::BlockPower,
                ..Default::default()
            });
            let d = approximate(
                &f,
                r,
                Parameters { method: ap, start: s, lower_bound: false, ..Default::default() },
            )
            .unwrap();
            println!("AP {n} {r} {m} {:.4} steps {}", d.relative_error(), d.report.iterations);
        }
    }
}
