use faer::Mat;
use lowrank::entrywise::*;
use rand::prelude::*;
use rand_distr::StandardNormal;
fn f1(n: usize, m: usize, seed: u64, sym: bool) -> Mat<f64> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut pts = || { Mat::<f64>::from_fn(n, m, |_, _| 0.0f64).to_owned(); let mut x = Mat::zeros(n, m); for i in 0..n { let mut s = 0.0; for k in 0..m { let g: f64 = rng.sample(StandardNormal); x[(i, k)] = g; s += g * g; } let u: f64 = rng.random(); let c = u.powf(1.0 / m as f64) / f64::sqrt(s); for k in 0..m { x[(i, k)] *= c; } } x };
    let x = pts();
    let y = if sym { x.clone() } else { pts() };
    Mat::from_fn(n, n, |i, j| { let d: f64 = (0..m).map(|k| (x[(i, k)] - y[(j, k)]).powi(2)).sum(); (-d).exp() })
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let n: usize = args.get(1).map_or(512, |s| s.parse().unwrap());
    let r: usize = args.get(2).map_or(32, |s| s.parse().unwrap());
    let m: usize = args.get(3).map_or(100, |s| s.parse().unwrap());
    let sym = args.get(4).map_or(true, |s| s == "sym");
    let seeds: u64 = args.get(5).map_or(3, |s| s.parse().unwrap());
    let d = Descent::default();
    let variants: Vec<(&str, Descent)> = vec![
        ("prototype", d.clone()),
        ("slow 40/.8", Descent { patience: 40, shrink: 0.8, ..d.clone() }),
        ("25/.7", Descent { patience: 25, shrink: 0.7, ..d.clone() }),
        ("depth .3", Descent { depth: 0.3, ..d.clone() }),
        ("depth .2 15", Descent { depth: 0.2, ..d.clone() }),
        ("depth .1 20", Descent { depth: 0.1, patience: 20, ..d.clone() }),
        ("mom .99", Descent { momentum: 0.99, ..d.clone() }),
        ("mom .9", Descent { momentum: 0.9, ..d.clone() }),
        ("max step 2", Descent { max_step: 2.0, ..d.clone() }),
        ("max step 20", Descent { max_step: 20.0, ..d.clone() }),
    ];
    let mats: Vec<_> = (0..seeds).map(|s| f1(n, m, s, sym)).collect();
    let svds: Vec<_> = mats.iter().map(|a| lowrank::svd::randomized(a, r, &Default::default()).unwrap().into_low_rank()).collect();
    for (name, d) in variants {
        let (mut e, mut s, mut it, mut t172, mut t168) = (0.0, 0.0, 0, 0.0, 0.0);
        for (a, x) in mats.iter().zip(&svds) {
            let res = approximate(a, r, Parameters { method: Method::Descent(d.clone()), start: Start::Warm(x.clone()), ..Default::default() }).unwrap();
            e += res.report.error / seeds as f64; s += res.report.seconds / seeds as f64; it += res.report.iterations;
            let at = |lim: f64| res.report.history.iter().find(|h| h.error <= lim).map_or(f64::NAN, |h| h.seconds);
            t172 += at(0.172) / seeds as f64; t168 += at(0.168) / seeds as f64;
        }
        println!("{name:14} error {e:.5} steps {:5} seconds {s:.3}  t(.172) {t172:.3} t(.168) {t168:.3}", it / seeds as usize);
    }
}
