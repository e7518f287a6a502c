//! Singular value and eigendecompositions from the factors.

use super::*;
use lowrank::svd::symmetric_eigen;

fn svds<T: Scalar>() {
    for (seed, shapes) in SHAPES.into_iter().enumerate() {
        let case = format!("{} {shapes:?}", T::NAME);
        let a = product::<T>(shapes, 20 + seed as u64);
        let full = kron(a.factors());
        let exact = singular_values(&full).unwrap();
        let svd = a.svd().unwrap();
        let found: Vec<(T, Vec<usize>)> = svd.triplets().collect();
        let count: usize = shapes.iter().map(|s| s.0.min(s.1)).product();
        assert_eq!((found.len(), svd.count().unwrap()), (count, count), "{case}");
        assert!(found.is_sorted_by(|x, y| x.0 >= y.0), "{case}");
        let g = g::<T>(full.nrows(), full.ncols());
        for (k, (s, index)) in found.iter().enumerate() {
            assert!((s.as_f64() - exact[k]).abs() <= 20.0 * g * exact[0], "{case} value {k}");
            let (u, v) = (kron(svd.left(index).factors()), kron(svd.right(index).factors()));
            let gap = frobenius(&full * &v - &u * lowrank::faer::Scale(s.as_f64()));
            assert!(gap <= 20.0 * g * exact[0], "{case} vectors {k}: {gap}");
        }
        for k in [0, 1, count / 2, count] {
            let cut = svd.truncated(k).unwrap();
            assert!(omega_of_svd(&cut) <= 10.0, "{case}");
            let tail = tail(&exact[k..]);
            let error = frobenius(wide(cut.to_dense().as_ref()) - &full);
            assert!((error - tail).abs() <= 20.0 * g * exact[0], "{case} rank {k}: {error} {tail}");
        }
        assert!(svd.truncated(count + 1).is_err());
        for threshold in [0.0, 0.01, 0.3, 0.9] {
            let expected =
                found.iter().filter(|(s, _)| s.as_f64() > threshold * exact[0] * (1.0 + g)).count();
            let counted = svd.count_above(threshold).unwrap();
            assert!(
                counted.abs_diff(expected) <= usize::from(threshold > 0.0),
                "{case} {threshold}: {counted}"
            );
        }
    }
}

#[test]
fn singular_triplets_are_those_of_the_dense_matrix() {
    svds::<f64>();
    svds::<f32>();
}

#[test]
fn leading_triplets_of_a_matrix_that_nobody_can_store() {
    // (8^20, 8^20), singular values 2^-(i_1 + ... + i_20).
    let factor = Mat::<f64>::from_fn(8, 8, |i, j| if i == j { 2f64.powi(-(i as i32)) } else { 0.0 });
    let a = Kronecker::new(vec![factor; 20]).unwrap();
    let svd = a.svd().unwrap();
    let values: Vec<f64> = svd.triplets().take(231).map(|(s, _)| s).collect();
    // 1 of 1, 20 of 1/2, then 20 + 190 of 1/4.
    assert_eq!(values[0], 1.0);
    assert!(values[1..21].iter().all(|s| *s == 0.5) && values[21..231].iter().all(|s| *s == 0.25));
    assert_eq!(svd.count_above(0.3).unwrap(), 21);
    assert_eq!(svd.count_above(0.01).unwrap(), 230_230); // C(26, 6): all with a sum of at most 6
    assert!(matches!(svd.count_above(0.0), Err(Error::TooLarge { .. })));
    assert!(matches!(svd.truncated(3), Err(Error::TooLarge { .. })));
    assert_eq!(svd.left(&[0; 20]).shape(), (1 << 60, 1));
}

fn eigen_of_dense<T: Scalar>() {
    for n in [0, 1, 2, 5, 33, 150] {
        let values: Vec<f64> = (0..n).map(|k| (k as f64 - n as f64 / 3.0) / n as f64).collect();
        let mut cases = vec![("even", symmetric::<T>(&values, 1)), ("zero", Mat::zeros(n, n))];
        cases.push(("clustered", symmetric(&values.iter().map(|x| x.signum()).collect::<Vec<_>>(), 2)));
        cases.push((
            "rank one",
            symmetric(
                &values.iter().enumerate().map(|(k, _)| if k == 0 { 1.0 } else { 0.0 }).collect::<Vec<_>>(),
                3,
            ),
        ));
        cases.push((
            "tridiagonal",
            Mat::from_fn(n, n, |i, j| {
                T::of(if i == j {
                    2.0
                } else if i.abs_diff(j) == 1 {
                    -1.0
                } else {
                    0.0
                })
            }),
        ));
        for (name, a) in cases {
            for e in
                [0, if T::NAME == "f32" { 100 } else { 1000 }, if T::NAME == "f32" { -120 } else { -1000 }]
            {
                let eigen = symmetric_eigen(scaled(&a, e)).unwrap();
                let case = format!("{} {name} {n} 2^{e}", T::NAME);
                let l: Vec<f64> = eigen
                    .values
                    .iter()
                    .map(|x| lowrank::matrix::scale_by_power_of_two(x.as_f64(), -e))
                    .collect();
                let v = wide(eigen.vectors.as_ref());
                let vl = Mat::from_fn(n, n, |i, j| v[(i, j)] * l[j]);
                assert!(
                    frobenius(wide(a.as_ref()) * &v - vl) <= 10.0 * g::<T>(n, n) * frobenius(&a),
                    "{case}"
                );
                assert!(omega(&eigen.vectors, g::<T>(n, n)) <= 10.0, "{case}");
                assert!(l.is_sorted(), "{case}");
            }
        }
    }
}

#[test]
fn symmetric_matrices() {
    eigen_of_dense::<f64>();
    eigen_of_dense::<f32>();
    assert!(symmetric_eigen(Mat::<f64>::zeros(2, 3)).is_err());
    assert!(matches!(
        symmetric_eigen(Mat::<f64>::from_fn(2, 2, |i, _| i as f64)),
        Err(Error::Parameter { name: "a", .. })
    ));
}

fn eigen<T: Scalar>() {
    let spectra = [vec![-2.0, 0.5, 1.0], vec![0.1, 3.0], vec![-1.0, -0.2, 0.4, 2.0]];
    let factors: Vec<Mat<T>> = spectra.iter().enumerate().map(|(k, s)| symmetric(s, k as u64)).collect();
    let a = Kronecker::new(factors.clone()).unwrap();
    let sum = KroneckerSum::new(factors).unwrap();
    for (name, e, full) in [
        ("product", a.symmetric_eigen().unwrap(), kron(a.factors())),
        ("sum", sum.symmetric_eigen().unwrap(), kron_sum(sum.factors())),
    ] {
        let size = frobenius(&full);
        let down: Vec<(T, Vec<usize>)> = e.pairs(Order::Descending).collect();
        let up: Vec<(T, Vec<usize>)> = e.pairs(Order::Ascending).collect();
        assert_eq!((down.len(), up.len()), (24, 24));
        let key = |x: &(T, Vec<usize>)| if name == "sum" { x.0.as_f64() } else { x.0.as_f64().abs() };
        assert!(down.is_sorted_by(|x, y| key(x) >= key(y)), "{name}");
        assert!(up.is_sorted_by(|x, y| key(x) <= key(y)), "{name}");
        let mut values: Vec<f64> = down.iter().map(|x| x.0.as_f64()).collect();
        values.sort_by(f64::total_cmp);
        let exact = symmetric_eigen(&full).unwrap().values;
        for (x, y) in values.iter().zip(&exact) {
            assert!((x - y).abs() <= 50.0 * T::EPS * size, "{name} {x} {y}");
        }
        for (value, index) in &up {
            let v = kron(e.vector(index).factors());
            let gap = frobenius(&full * &v - &v * lowrank::faer::Scale(value.as_f64()));
            assert!(gap <= 50.0 * T::EPS * size, "{name} {index:?} {gap}");
        }
        let b = gaussian::<T>(24, 3, 8, "b");
        let shift = 13.0;
        let x = e.apply_function(&b, |l| 1.0 / (l + shift)).unwrap();
        let shifted = &full + Mat::<f64>::identity(24, 24) * lowrank::faer::Scale(shift);
        close(
            (&shifted * wide(x.as_ref())).as_ref(),
            &wide(b.as_ref()),
            100.0 * T::EPS / f64::EPSILON,
            20.0,
            name,
        );
        let log = e.trace_function(|l| (l + shift).ln()).unwrap();
        let expected: f64 = exact.iter().map(|l| (l + shift).ln()).sum();
        assert!((log - expected).abs() <= 100.0 * T::EPS * expected.abs(), "{name}");
        assert!(matches!(e.apply_function(&b, |_| f64::NAN), Err(Error::Parameter { name: "f", .. })));
    }
    let exponential = sum.symmetric_exponential(T::of(0.5)).unwrap();
    let exact = symmetric_eigen(kron_sum(sum.factors())).unwrap();
    let v = &exact.vectors;
    let expected = Mat::from_fn(24, 24, |i, j| {
        (0..24).map(|k| v[(i, k)] * (0.5 * exact.values[k]).exp() * v[(j, k)]).sum()
    });
    let found = Mat::from_fn(24, 24, |i, j| exponential.entry(i, j));
    close(found.as_ref(), &expected, 100.0, frobenius(&expected), T::NAME);
}

#[test]
fn eigenvalues_functions_and_exponentials() {
    eigen::<f64>();
    eigen::<f32>();
}

#[test]
fn the_laplacian_in_ten_dimensions() {
    let n = 64;
    let second = Mat::<f64>::from_fn(n, n, |i, j| {
        if i == j {
            2.0
        } else if i.abs_diff(j) == 1 {
            -1.0
        } else {
            0.0
        }
    });
    let sum = KroneckerSum::new(vec![second; 10]).unwrap(); // (2^60, 2^60)
    let e = sum.symmetric_eigen().unwrap();
    let one = |k: usize| 2.0 - 2.0 * (std::f64::consts::PI * k as f64 / (n as f64 + 1.0)).cos();
    let smallest: Vec<f64> = e.pairs(Order::Ascending).take(12).map(|x| x.0).collect();
    assert!((smallest[0] - 10.0 * one(1)).abs() < 1e-12);
    assert!(smallest[1..11].iter().all(|x| (x - 9.0 * one(1) - one(2)).abs() < 1e-12));
    assert!((sum.trace() / (20.0 * 2f64.powi(60)) - 1.0).abs() < 1e-15);
    let largest = e.pairs(Order::Descending).next().unwrap().0;
    assert!((largest - 10.0 * one(64)).abs() < 1e-12);
}
