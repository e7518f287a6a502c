//! Entries that are not finite, shapes that do not fit.

use super::*;

#[test]
fn what_is_not_finite_is_found() {
    let (m, n, p) = (12, 11, 10);
    let good = gaussian::<f64>(n, p, 1, "b");
    let factors = low_rank::<f64>(n, p, 4, 2);
    for (bad, [i, j]) in bad_places([m, n]) {
        let mut a = gaussian::<f64>(m, n, 1, "a");
        a[(i, j)] = bad;
        let (a, t) = (a.as_ref(), a.transpose());
        let at = [i, j];
        non_finite(dense(a, good.as_ref()), "a", &at, "dense");
        non_finite(dense(good.transpose(), t), "b", &[j, i], "dense");
        for (_, probabilities) in schemes(&[1.0; 11]) {
            for replacement in [true, false] {
                let s = Sampling { samples: 3, probabilities, replacement, seed: 0 };
                non_finite(sampled(a, good.as_ref(), &s), "a", &at, "sampled");
                non_finite(sampled(good.transpose(), t, &s), "b", &[j, i], "sampled");
                non_finite(expected_error(a, good.as_ref(), &s), "a", &at, "expected_error");
            }
        }
        for exact in [true, false] {
            non_finite(
                leverage_scores(a, &Leverage { rank: 2, exact, norm_share: 0.1 }, 0),
                "a",
                &at,
                "leverage_scores",
            );
        }
        for method in [Method::Exact, Method::Randomized { oversampling: 2, power_iterations: 1, seed: 0 }] {
            for rank in [Rank::Fixed(2), Rank::Fixed(0), Rank::Tolerance(0.1)] {
                non_finite(factorize(a, &Factorization { rank, method }), "a", &at, "factorize");
            }
        }
        non_finite(measure(a, good.as_ref(), &low_rank(m, p, 2, 1)), "a", &at, "measure");
        let mut out = Mat::zeros(m, p);
        let pair = [Operand::Dense(a), Operand::LowRank(&factors)];
        non_finite(chain_into(out.as_mut(), &pair), "operands", &[0, i, j], "chain_into");
        non_finite(chain(&pair), "operands", &[0, i, j], "chain");
    }
    for (bad, [i, j]) in bad_places([n, 4]) {
        let mut broken = low_rank::<f64>(n, n, 4, 3);
        broken.u[(i, j)] = bad;
        non_finite(multiply(&broken, &factors), "a.u", &[i, j], "multiply");
        std::mem::swap(&mut broken.u, &mut broken.v);
        non_finite(multiply(&broken, &factors), "a.v", &[i, j], "multiply");
        let fine = low_rank::<f64>(n, n, 4, 3);
        non_finite(multiply(&fine, &broken), "b.v", &[i, j], "multiply");
        let three = [Operand::LowRank(&fine), Operand::LowRank(&broken), Operand::LowRank(&fine)];
        non_finite(chain_dense(&three), "operands.v", &[1, i, j], "chain_dense");
    }
}

#[test]
fn wrong_shapes_are_named() {
    let (x, y) = (low_rank::<f64>(5, 4, 2, 1), low_rank::<f64>(3, 5, 2, 1));
    let shape = |e: Option<Error>| matches!(e, Some(Error::Shape { .. }));
    assert!(shape(multiply(&x, &y).err()));
    let lame = LowRank { u: Mat::<f64>::zeros(4, 2), v: Mat::zeros(4, 3) };
    assert!(shape(multiply(&x, &lame).err()));
    let a = Mat::<f64>::zeros(5, 4);
    assert!(shape(dense(a.as_ref(), a.as_ref()).err()));
    let mut out = Mat::<f64>::zeros(5, 4);
    assert!(shape(dense_into(out.as_mut(), a.as_ref(), a.transpose()).err()));
    assert!(shape(chain_into(out.as_mut(), &[Operand::LowRank(&y)]).err()));
    assert!(shape(measure(a.as_ref(), a.transpose(), &x).err()));
    let rank = Rank::Fixed(5);
    let too_much = factorize(a.as_ref(), &Factorization { rank, method: Method::Exact });
    assert!(matches!(too_much, Err(Error::Rank { rank: 5, largest: 4 })));
    let f = factorize(a.as_ref(), &Factorization::default()).unwrap();
    assert!(shape(two_sided(&f, &f).err()));
    let machine = Machine::default();
    let t = a.transpose();
    assert!(shape(automatic_into(out.as_mut(), (a.as_ref(), &f), (t, &f), &machine).err()));
    // Never allocated: 2^40 x 2^40 numbers.
    let wide = LowRank { u: Mat::<f64>::zeros(1 << 30, 0), v: Mat::zeros(1 << 31, 0) };
    let failed = chain_dense(&[Operand::LowRank(&wide)]);
    assert!(matches!(failed, Err(Error::TooLarge { .. })));
}
