//! Khatri-Rao and face-splitting products.

use super::*;

/// The product column by column, in double precision.
fn columns<T: Scalar>(factors: &[Mat<T>]) -> Mat<f64> {
    let r = factors[0].ncols();
    let rows = factors.iter().map(|f| f.nrows()).product();
    let mut out = Mat::zeros(rows, r);
    for j in 0..r {
        let column: Vec<Mat<T>> = factors.iter().map(|f| f.subcols(j, 1).to_owned()).collect();
        out.as_mut().subcols_mut(j, 1).copy_from(kron(&column));
    }
    out
}

fn products<T: Scalar>() {
    for (rows, r) in [
        (vec![4], 3),
        (vec![3, 5], 2),
        (vec![2, 1, 6], 4),
        (vec![3, 2, 2, 3], 1),
        (vec![2, 2, 2, 2, 2, 2], 7),
        (vec![40, 30], 20),
        (vec![3, 0, 2], 2),
        (vec![3, 2], 0),
    ] {
        let shapes: Vec<_> = rows.iter().map(|&m| (m, r)).collect();
        let a = KhatriRao::new(factors::<T>(&shapes, 4)).unwrap();
        let full = columns(a.factors());
        let (m, case) = (full.nrows(), format!("{} {rows:?} {r}", T::NAME));
        assert_eq!(Operator::<T>::shape(&a), (m, r));
        let d = rows.len() as f64;
        close(a.to_dense().unwrap().as_ref(), &full, d, frobenius(&full), &case);
        assert!((0..m).all(|i| {
            (0..r).all(|j| (a.entry(i, j).as_f64() - full[(i, j)]).abs() <= d * T::EPS * full[(i, j)].abs())
        }));
        let norms: f64 = a.factors().iter().map(|f| frobenius(f)).product();
        for l in [0, 1, 3] {
            let (y, x) = (gaussian::<T>(r, l, 5, "y"), gaussian::<T>(m, l, 6, "x"));
            let slack = |inner: usize| 4.0 * (inner as f64 + d);
            close(
                a.apply(y.as_ref()).unwrap().as_ref(),
                &(&full * wide(y.as_ref())),
                slack(r),
                norms * frobenius(&y),
                &case,
            );
            let expected = full.transpose() * wide(x.as_ref());
            close(
                a.apply_transpose(x.as_ref()).unwrap().as_ref(),
                &expected,
                slack(m),
                norms * frobenius(&x),
                &case,
            );
        }
        let sum: usize = rows.iter().sum();
        close(
            a.gram().unwrap().as_ref(),
            &(full.transpose() * &full),
            4.0 * (sum as f64 + d),
            norms * norms,
            &case,
        );

        // The transposes: row by row.
        let f = FaceSplitting::new(&a.factors().iter().map(|f| f.transpose().to_owned()).collect::<Vec<_>>())
            .unwrap();
        assert_eq!(Operator::<T>::shape(&f), (r, m));
        assert_eq!(f.transpose(), &a);
        assert_eq!(f.to_dense().unwrap(), a.to_dense().unwrap().transpose());
        assert_eq!(f.row_gram().unwrap(), a.gram().unwrap());
        let x = gaussian::<T>(m, 2, 6, "x");
        assert_eq!(f.apply(x.as_ref()).unwrap(), a.apply_transpose(x.as_ref()).unwrap());
        if r > 0 && m > 0 {
            assert_eq!(f.entry(r - 1, m / 2), a.entry(m / 2, r - 1));
        }
    }
}

#[test]
fn products_agree_with_dense_ones() {
    products::<f64>();
    products::<f32>();
}

/// Columns whose scales are far apart, and factors that cancel each other's.
fn scales<T: Scalar>(big: i32) {
    let plain = factors::<T>(&[(3, 4), (2, 4), (5, 4)], 1);
    let a = KhatriRao::new(plain.clone()).unwrap();
    let moved = |e: [i32; 3]| plain.iter().zip(e).map(|(f, e)| scaled(f, e)).collect::<Vec<_>>();
    let wild = KhatriRao::new(moved([big, -2 * big, big])).unwrap();
    let (y, x) = (gaussian::<T>(4, 2, 2, "y"), gaussian::<T>(30, 2, 3, "x"));
    assert_eq!(wild.apply(y.as_ref()).unwrap(), a.apply(y.as_ref()).unwrap());
    assert_eq!(wild.apply_transpose(x.as_ref()).unwrap(), a.apply_transpose(x.as_ref()).unwrap());
    assert_eq!(wild.to_dense().unwrap(), a.to_dense().unwrap());
    assert_eq!(wild.gram().unwrap(), a.gram().unwrap());
    let huge = KhatriRao::new(moved([big, big, 2 * big])).unwrap();
    assert!(matches!(huge.to_dense(), Err(Error::Parameter { .. })));
    assert!(matches!(huge.apply(y.as_ref()), Err(Error::Parameter { .. })));
    assert_eq!(huge.apply(scaled(&y, -4 * big).as_ref()).unwrap().shape(), (30, 2));
}

#[test]
fn columns_of_any_scale() {
    scales::<f64>(300);
    scales::<f32>(33);
}
