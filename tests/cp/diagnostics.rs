//! Core consistency, degeneracy, k-ranks and the matching of terms.

use super::*;
use lowrank::Separated;
use lowrank::faer::mat;
use lowrank::random::orthonormal;
use lowrank::tensor::cp::{congruences, core_consistency, degeneracy, k_rank, kruskal, match_terms};

#[test]
fn the_core_is_that_of_the_kronecker_product() {
    let factors = factors::<f64>(&[5, 4, 6], 2, 3);
    let x = Cp::new(vec![3.0, 0.5], factors).unwrap();
    let a = x.to_dense().unwrap();
    for power in [-900, 0, 900] {
        let c = 2f64.powi(power);
        let scaled = Cp::try_from(Separated::from(x.clone()).scaled(c).unwrap()).unwrap();
        assert!((core_consistency(a.mapv(|x| x * c).view(), &scaled).unwrap() - 100.0).abs() < 1e-9);
    }
    // Tensors with a core of its own, G = D + S with |S|_F^2 = 0.3^2 + 0.4^2, in orthonormal factors.
    let q: Vec<Mat<f64>> = (0..3).map(|i| orthonormal(6, 2, i, "q")).collect();
    let x = Cp::new(vec![1.0, 1.0], q.clone()).unwrap();
    let mut a = x.to_dense().unwrap();
    let extra = |u: [usize; 3]| dense(&[1.0], &[0, 1, 2].map(|i| q[i].subcols(u[i], 1).to_owned()));
    a = a + extra([0, 1, 0]) * 0.3 + extra([1, 1, 0]) * 0.4;
    let wanted = 100.0 * (1.0 - 0.25 / 2.0);
    assert!((core_consistency(a.view(), &x).unwrap() - wanted).abs() < 1e-10);
    // More terms than a mode is long: no NaN.
    let wide = Cp::new(vec![1.0; 5], super::factors::<f64>(&[3, 3, 3], 5, 1)).unwrap();
    assert!(core_consistency(wide.to_dense().unwrap().view(), &wide).unwrap().is_finite());
    let none = Cp::<f64>::zeros(&[6, 6, 6]).unwrap();
    assert!(matches!(core_consistency(a.view(), &none), Err(Error::Parameter { .. })));
    assert!(matches!(core_consistency(a.view(), &wide), Err(Error::Shape { argument: "a", .. })));
    a[[1, 2, 3]] = f64::NAN;
    assert!(matches!(core_consistency(a.view(), &x), Err(Error::NonFinite { .. })));
}

#[test]
fn two_terms_that_cancel_are_degenerate() {
    // a o a o b + a o b o a + b o a o a as the limit of differences.
    let (a, b) = (mat![[1.0], [0.0]], mat![[0.0], [1.0]]);
    let score = |n: f64| {
        let moved = Mat::from_fn(2, 2, |i, k| a[(i, 0)] + if k == 0 { b[(i, 0)] / n } else { 0.0 });
        let x = Cp::new(vec![n, -n], vec![moved; 3]).unwrap();
        let found = degeneracy(&x).unwrap();
        assert_eq!(found.terms, Some((0, 1)));
        assert!((found.score - (1.0 + 1.0 / (n * n)).powf(-1.5)).abs() < 1e-12);
        assert_eq!(found.condition_number, x.condition_number().unwrap());
        found.score
    };
    assert!(score(2.0) < score(10.0) && score(10.0) < score(1000.0) && score(1000.0) > 0.99999);
    let orthogonal = Cp::new(vec![1.0, 2.0], vec![Mat::<f64>::identity(3, 2); 3]).unwrap();
    let found = degeneracy(&orthogonal).unwrap();
    assert_eq!((found.score, found.terms, found.condition_number), (0.0, None, 1.0));
}

#[test]
fn k_ranks_of_known_matrices() {
    let rank = |a: &Mat<f64>| k_rank(a, 1e-10).map(|k| (k.value, k.exact)).unwrap();
    assert_eq!(rank(&lowrank::random::gaussian(6, 4, 0, "k")), (4, true));
    assert_eq!(rank(&lowrank::random::gaussian(3, 7, 0, "k")), (3, true));
    assert_eq!(rank(&Mat::zeros(3, 2)), (0, true));
    assert_eq!(rank(&Mat::zeros(3, 0)), (0, true));
    assert_eq!(rank(&mat![[2.0, 0.0, 1e-200], [0.0, 3.0, 0.0]]), (1, true)); // a column and a multiple
    // The third column is the sum of the first two; the fourth is free.
    let f = mat![[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
    assert_eq!(rank(&f), (2, true));
    let scaled = Mat::from_fn(3, 4, |i, k| f[(i, k)] * [1e300, 1.0, 1e-300, 7.0][k]);
    assert_eq!(rank(&scaled), (2, true));
    // Too many sets: a lower bound.
    let (value, exact) = rank(&lowrank::random::gaussian(20, 40, 0, "k"));
    assert!(!exact && (2..20).contains(&value));
    let mut spoiled = f;
    spoiled[(2, 3)] = f64::INFINITY;
    assert!(matches!(k_rank(&spoiled, 0.0), Err(Error::NonFinite { .. })));
    assert!(matches!(k_rank(&scaled, f64::NAN), Err(Error::Parameter { .. })));
}

#[test]
fn kruskals_condition() {
    let of = |shape: &[usize], rank: usize| {
        kruskal(&Cp::new(vec![1.0; rank], factors::<f64>(shape, rank, 1)).unwrap(), 1e-10).unwrap()
    };
    let found = of(&[4, 5, 6], 4);
    assert_eq!((found.sum, found.needed, found.unique), (12, 10, true));
    // 3 x 3 x 3: 9 >= 2 R + 2 up to R = 3.
    assert!(of(&[3; 3], 3).unique && !of(&[3; 3], 4).unique);
    // 2 x 2 x 2 x 2: 8 >= 2 R + 3 up to R = 2; matrices are never unique but at rank one.
    assert!(of(&[2; 4], 2).unique && !of(&[2; 4], 3).unique);
    assert!(!of(&[5, 5], 2).unique && of(&[5, 5], 1).unique);
    // Two terms that share a vector of one mode: k-ranks 1, 2, 2.
    let mut f = factors::<f64>(&[4; 3], 2, 2);
    f[0] = Mat::from_fn(4, 2, |i, _| f[0][(i, 0)]);
    let shared = kruskal(&Cp::new(vec![1.0; 2], f).unwrap(), 1e-10).unwrap();
    assert!(shared.k_ranks[0].value == 1 && !shared.unique);
}

#[test]
fn matching_finds_order_signs_and_scales() {
    let f = factors::<f64>(&[7, 6, 5], 5, 4);
    let weights = [5.0, 4.0, 3.0, 2.0, 1.0];
    let x = Cp::new(weights.to_vec(), f.clone()).unwrap();
    let order = [3, 0, 4, 1, 2];
    let signs = [[1.0, -1.0, -1.0], [-1.0, 1.0, -1.0], [1.0, 1.0, 1.0], [-1.0, -1.0, 1.0], [-1.0, 1.0, -1.0]];
    let moved = |i: usize| Mat::from_fn(f[i].nrows(), 5, |row, k| signs[k][i] * f[i][(row, order[k])]);
    let other: Vec<f64> = order.iter().map(|&k| 2.0 * weights[k]).collect();
    let y = Cp::new(other, (0..3).map(moved).collect()).unwrap();
    let found = match_terms(&x, &y).unwrap();
    assert!(found.congruences.iter().all(|c| (c - 1.0).abs() < 1e-12));
    assert!((found.score - 1.0).abs() < 1e-12 && (found.factor_match - 0.5).abs() < 1e-12);
    let (weights, aligned) = found.aligned(&x, &y).unwrap();
    for (g, f) in aligned.iter().zip(x.factors()) {
        assert!((g - f).norm_max() < 1e-12);
    }
    assert!(weights.iter().zip(x.weights()).all(|(w, v)| (w - 2.0 * v).abs() < 1e-12 * v));
    // Fewer terms on one side.
    let part =
        Cp::new(vec![3.0, 4.0], f.iter().map(|f| Mat::from_fn(f.nrows(), 2, |i, k| f[(i, 2 - k)])).collect());
    let part = part.unwrap();
    let (less, more) = (match_terms(&part, &x).unwrap(), match_terms(&x, &part).unwrap());
    assert!((less.score - 0.4).abs() < 1e-12 && (more.score - 0.4).abs() < 1e-12);
    assert_eq!(more.terms.iter().flatten().count(), 2);
    assert!(less.terms.iter().enumerate().all(|(k, l)| more.terms[l.unwrap()] == Some(k)));
    // An opposite term.
    let one = |weight| Cp::new(vec![weight], super::factors::<f64>(&[7, 6, 5], 1, 4)).unwrap();
    let opposite = match_terms(&one(1.0), &one(-2.0)).unwrap();
    assert!((opposite.score + 1.0).abs() < 1e-12);
    assert!(opposite.aligned(&one(1.0), &one(-2.0)).unwrap().0[0] < 0.0);
    assert!(matches!(match_terms(&x, &Cp::zeros(&[7, 6]).unwrap()), Err(Error::Shape { .. })));
    let zero = Cp::<f64>::zeros(&[7, 6, 5]).unwrap();
    assert_eq!(match_terms(&zero, &zero).unwrap().score, 1.0);
    assert_eq!(match_terms(&zero, &x).unwrap().score, 0.0);
}

#[test]
fn matching_is_the_best_of_all_pairings() {
    fn best(gains: &Mat<f64>, row: usize, taken: &mut Vec<bool>) -> f64 {
        if row == gains.nrows() {
            return 0.0;
        }
        let mut most = f64::NEG_INFINITY;
        for j in 0..gains.ncols() {
            if !std::mem::replace(&mut taken[j], true) {
                most = most.max(gains[(row, j)] + best(gains, row + 1, taken));
                taken[j] = false;
            }
        }
        most
    }
    for seed in 0..30 {
        // Short modes: cosines of every size and sign.
        let cp = |rank: usize, seed| Cp::new(vec![1.0; rank], factors::<f64>(&[2, 3], rank, seed)).unwrap();
        let (x, y) = (cp(5, seed), cp(6, seed + 100));
        let gains = congruences(&x, &y).unwrap();
        let found = match_terms(&x, &y).unwrap();
        let sum: f64 = found.congruences.iter().sum();
        assert!((sum - best(&gains, 0, &mut vec![false; 6])).abs() < 1e-12, "seed {seed}");
        assert!((match_terms(&y, &x).unwrap().score - found.score).abs() < 1e-12);
    }
}
