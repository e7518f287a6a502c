//! Conjugate gradients with truncation.

use lowrank::Separated;
use lowrank::faer::Mat;
use lowrank::separated::*;

#[test]
#[ignore]
fn measure() {
    let get = |name: &str, default: f64| std::env::var(name).ok().map_or(default, |x| x.parse().unwrap());
    let (n, d) = (get("N", 64.0) as usize, get("D", 10.0) as usize);
    let a = laplacian::<f64>(&vec![n; d]).unwrap();
    let a = if get("V", 0.0) > 0.0 {
        // a potential V prod (2 x_i)
        let line = Mat::from_fn(n, 1, |i, _| 2.0 * (i + 1) as f64 / (n + 1) as f64);
        let v = Separated::from_terms(vec![vec![line; d]]).unwrap().scaled(get("V", 0.0)).unwrap();
        a.plus(&Separated::from_diagonal(&v).unwrap()).unwrap()
    } else {
        a
    };
    let b = Separated::from_terms(vec![vec![Mat::full(n, 1, 1.0); d]]).unwrap();
    let start = std::time::Instant::now();
    let p = inverse_of_kronecker_sum(&vec![second_difference(n); d], get("P", 0.1)).unwrap();
    println!("P: {} terms, error {:e}, {:?}", p.inverse.separation_rank(), p.error, start.elapsed());
    let parameters = ConjugateGradients {
        preconditioner: Some(&p.inverse),
        tolerance: get("TOL", 1e-6),
        direction_terms: get("DIR", 16.0) as usize,
        max_iterations: get("ITER", 20.0) as usize,
        max_seconds: get("SEC", 60.0),
        ..Default::default()
    };
    let s = conjugate_gradients(&a, &b, &parameters).unwrap();
    println!("{} residual {:e}, gamma {}, terms {:?}", s.report, s.residual, s.condition_number, s.terms);
    for h in &s.report.history {
        println!("{:?}", h);
    }
}
