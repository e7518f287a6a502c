//! Kronecker sums and perfect shuffles as operators.

use super::*;

fn sums<T: Scalar>() {
    for (seed, sides) in
        [vec![5], vec![3, 4], vec![4, 1, 3], vec![2, 3, 2, 3], vec![40, 30]].iter().enumerate()
    {
        let shapes: Vec<_> = sides.iter().map(|&n| (n, n)).collect();
        let a = KroneckerSum::new(factors::<T>(&shapes, seed as u64)).unwrap();
        let full = kron_sum(a.factors());
        let n = full.nrows();
        let case = format!("{} {sides:?}", T::NAME);
        let entries = Mat::from_fn(n, n, |i, j| a.entry(i, j));
        let norms: f64 = a.factors().iter().map(|f| frobenius(f)).sum();
        close(entries.as_ref(), &full, 2.0, norms * (n as f64).sqrt(), &case);
        for columns in [0, 1, 3] {
            let b = gaussian::<T>(n, columns, 6, "b");
            let slack = 4.0 * sides.iter().sum::<usize>() as f64;
            let size = norms * frobenius(&b);
            close(a.apply(b.as_ref()).unwrap().as_ref(), &(&full * wide(b.as_ref())), slack, size, &case);
            let transposed = full.transpose() * wide(b.as_ref());
            close(a.apply_transpose(b.as_ref()).unwrap().as_ref(), &transposed, slack, size, &case);
            assert_eq!(a.transpose().apply(b.as_ref()).unwrap(), a.apply_transpose(b.as_ref()).unwrap());
        }
        let trace: f64 = (0..n).map(|i| full[(i, i)]).sum();
        assert!((a.trace() - trace).abs() <= 10.0 * n as f64 * T::EPS * norms, "{case}");
        let e = if T::NAME == "f32" { 60 } else { 600 };
        let wild = KroneckerSum::new(a.factors().iter().map(|f| scaled(f, e)).collect()).unwrap();
        let b = gaussian::<T>(n, 2, 7, "b");
        assert_eq!(wild.apply(scaled(&b, -e).as_ref()).unwrap(), a.apply(b.as_ref()).unwrap(), "{case}");
    }
}

#[test]
fn sums_agree_with_dense_matrices() {
    sums::<f64>();
    sums::<f32>();
}

#[test]
fn shuffles_exchange_factors() {
    for ((m1, n1), (m2, n2)) in [((3, 4), (2, 5)), ((1, 3), (4, 1)), ((6, 6), (6, 6)), ((0, 2), (3, 3))] {
        let (a, b) = (gaussian::<f64>(m1, n1, 1, "a"), gaussian::<f64>(m2, n2, 2, "b"));
        let (left, right) = (PerfectShuffle::new(m1, m2).unwrap(), PerfectShuffle::new(n1, n2).unwrap());
        let (ab, ba) = (kron(&[a.clone(), b.clone()]), kron(&[b, a]));
        let rows: Mat<f64> = left.apply(ab.as_ref()).unwrap();
        let both: Mat<f64> = right.apply(rows.transpose()).unwrap(); // S_n (S_m AB)'
        assert_eq!(both.transpose(), ba);
        assert_eq!(left.inverse().apply(rows.as_ref()).unwrap(), ab);
        assert_eq!(left.apply_transpose(rows.as_ref()).unwrap(), ab);
        assert!((0..left.len()).all(|k| left.target(left.source(k)) == k));
        assert_eq!(left.is_empty(), m1 * m2 == 0);
    }
    assert!(matches!(PerfectShuffle::new(usize::MAX, 2), Err(Error::TooLarge { .. })));
    let operator: &dyn Operator<f32> = &PerfectShuffle::new(2, 3).unwrap();
    assert!(operator.apply(Mat::zeros(5, 1).as_ref()).is_err());
}
