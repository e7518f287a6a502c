//! Products of low-rank matrices and chains of them.

use super::*;

#[test]
fn scaling_by_powers_of_two_changes_no_bit() {
    let a = gaussian::<f64>(20, 50, 1, "a");
    let b = gaussian::<f64>(50, 10, 2, "b");
    let x = low_rank::<f64>(30, 40, 3, 3);
    let y = low_rank::<f64>(40, 20, 4, 4);
    let sampling = Sampling { samples: 20, ..Default::default() };
    let base = sampled(a.as_ref(), b.as_ref(), &sampling).unwrap();
    let pair = [Operand::LowRank(&x), Operand::LowRank(&y)];
    let product = chain_dense(&pair).unwrap();
    for (i, j) in [(600, -600), (-1000, 1000), (300, 500), (-500, -400)] {
        let (big, small) = (scaled(a.as_ref(), i), scaled(b.as_ref(), j));
        let c = sampled(big.as_ref(), small.as_ref(), &sampling).unwrap();
        assert!(c.product == scaled(base.product.as_ref(), i + j), "sampled 2^{i} 2^{j}");
        assert!((c.bound.relative - base.bound.relative).abs() <= 1e-12);
        let d = dense(big.as_ref(), small.as_ref()).unwrap();
        let plain = scaled(dense(a.as_ref(), b.as_ref()).unwrap().as_ref(), i + j);
        assert!(d == plain, "dense 2^{i} 2^{j}");
        let u = LowRank { u: scaled(x.u.as_ref(), i), v: x.v.clone() };
        let v = LowRank { u: y.u.clone(), v: scaled(y.v.as_ref(), j) };
        let pair = [Operand::LowRank(&u), Operand::LowRank(&v)];
        assert!(chain_dense(&pair).unwrap() == scaled(product.as_ref(), i + j), "chain 2^{i} 2^{j}");
        let z = multiply(&u, &v).unwrap();
        let z = scaled(z.u.as_ref(), -(i + j)) * z.v.transpose();
        let off = frobenius((&z - &product).as_ref());
        assert!(off <= 1e-13 * frobenius(product.as_ref()), "factored 2^{i} 2^{j}");
    }
    let huge = Mat::<f32>::full(4, 4, 1e30);
    assert!(matches!(dense(huge.as_ref(), huge.as_ref()), Err(Error::Parameter { .. })));
    let huge = LowRank { u: huge.clone(), v: huge };
    assert!(matches!(multiply(&huge, &huge), Err(Error::Parameter { .. })));
    assert!(matches!(chain_dense(&[Operand::LowRank(&huge)]), Err(Error::Parameter { .. })));
}

const SHAPES: &[(usize, usize, usize)] = &[
    (0, 0, 0),
    (0, 5, 3),
    (5, 0, 3),
    (5, 3, 0),
    (1, 1, 1),
    (1, 7, 2),
    (7, 1, 7),
    (16, 10, 5),
    (33, 65, 20),
    (65, 33, 127),
    (300, 200, 100),
    (7, 2000, 9),
    (500, 40, 600),
];

fn products_agree<T: Scalar>() {
    let mut worst = (0.0_f64, String::new());
    for &(m, n, p) in SHAPES {
        for (ra, rb) in [(0, 0), (0, 3), (4, 0), (1, 1), (3, 5), (5, 3), (8, 8), (20, 30)] {
            let seed = (m + 31 * n + 7 * ra) as u64;
            let (x, y) = (low_rank::<T>(m, n, ra, seed), low_rank::<T>(n, p, rb, seed + 1));
            let case = format!("{} ({m}, {n}, {p}) ranks {ra}, {rb} seed {seed}", T::NAME);
            let stored = |x: &LowRank<T>| wide(x.u.as_ref()) * wide(x.v.as_ref()).transpose();
            let reference = stored(&x) * stored(&y);
            let norms = [&x.u, &x.v, &y.u, &y.v].map(|f| frobenius(f.as_ref()));
            let limit = 4.0 * (n + ra + rb) as f64 * T::EPS * norms.iter().product::<f64>();
            let product = multiply(&x, &y).unwrap_or_else(|e| panic!("{e}: {case}"));
            assert_eq!((product.shape(), product.rank()), ((m, p), ra.min(rb).min(n)), "{case}");
            let pair = [Operand::LowRank(&x), Operand::LowRank(&y)];
            let mut into = Mat::full(m, p, T::of(f64::NAN));
            chain_into(into.as_mut(), &pair).unwrap_or_else(|e| panic!("{e}: {case}"));
            let mut rows = Mat::full(p, m, T::of(f64::NAN));
            chain_into(rows.as_mut().transpose_mut(), &pair).unwrap();
            let stored = y.to_dense();
            let mixed = chain_dense(&[Operand::LowRank(&x), Operand::Dense(stored.as_ref())]).unwrap();
            for (what, c) in [
                ("factored", product.to_dense()),
                ("dense", into),
                ("rows", rows.transpose().to_owned()),
                ("mixed", mixed),
            ] {
                let off = frobenius((wide(c.as_ref()) - &reference).as_ref());
                assert!(off <= limit, "{what}: {off:e} > {limit:e}: {case}");
                if limit > 0.0 && off / limit > worst.0 {
                    worst = (off / limit, format!("{what} {case}"));
                }
            }
        }
    }
    println!("worst product: {:.4} of the bar, {}", worst.0, worst.1);
}

#[test]
fn low_rank_products_agree_with_dense_ones() {
    products_agree::<f64>();
    products_agree::<f32>();
}

#[test]
fn chains_agree_with_dense_ones() {
    for seed in 0..20 {
        let k = 2 + (seed as usize) % 5;
        let sizes: Vec<usize> = (0..=k).map(|i| 3 + (i * 17 + seed as usize * 5) % 40).collect();
        let parts: Vec<LowRank<f64>> = (0..k)
            .map(|i| low_rank(sizes[i], sizes[i + 1], 1 + (i + seed as usize) % 4, seed * 10 + i as u64))
            .collect();
        let operands: Vec<_> = parts.iter().map(Operand::LowRank).collect();
        let reference = parts[1..].iter().fold(parts[0].to_dense(), |c, x| c * x.to_dense());
        let norms: f64 = parts.iter().map(|x| frobenius(x.u.as_ref()) * frobenius(x.v.as_ref())).product();
        let inner: usize = sizes[1..k].iter().sum::<usize>() + parts.iter().map(|x| x.rank()).sum::<usize>();
        let limit = 4.0 * inner as f64 * f64::EPSILON * norms;
        let factored = chain(&operands).unwrap();
        assert_eq!(Some(factored.rank()), parts.iter().map(|x| x.rank()).min(), "seed {seed}");
        for c in [factored.to_dense(), chain_dense(&operands).unwrap()] {
            assert!(frobenius((c - &reference).as_ref()) <= limit, "seed {seed}");
        }
    }
    // Intermediate products that overflow in f32 are scaled on the way.
    let ones = LowRank { u: Mat::<f32>::full(1000, 1, 1.0), v: Mat::full(1000, 1, 1.0) };
    let tiny = Mat::<f32>::full(1000, 1000, 1e-6);
    let mut operands = vec![Operand::LowRank(&ones); 20];
    operands.extend(vec![Operand::Dense(tiny.as_ref()); 20]);
    let c = chain(&operands).unwrap();
    assert!((c.entry(3, 7) - 1e-3).abs() < 1e-6, "{}", c.entry(3, 7));
    assert!(matches!(chain::<f64>(&[]), Err(Error::Parameter { .. })));
    assert!(matches!(chain_dense::<f64>(&[]), Err(Error::Parameter { .. })));
    assert!(matches!(chain(&[Operand::Dense(tiny.as_ref())]), Err(Error::Parameter { .. })));
    assert!(chain_dense(&[Operand::Dense(tiny.as_ref())]).unwrap() == tiny);
    let too_many = vec![Operand::LowRank(&ones); 600];
    assert!(matches!(chain(&too_many), Err(Error::Parameter { .. })));
}
