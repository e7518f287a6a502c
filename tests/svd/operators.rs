//! Truncated SVDs of what is stored, sparse, factored, or only applied to vectors.

use super::*;

/// Every operator agrees with its dense form, from both sides.
#[test]
fn operators_agree_with_their_dense_forms() {
    fn agrees<T: Scalar, K>(name: &str, op: &(impl Operator<T, K> + ?Sized), expected: MatRef<'_, T>) {
        let (m, n) = expected.shape();
        assert_eq!(op.shape(), (m, n), "{name}");
        let a = wide(expected);
        let close = |x: &Mat<T>, y: Mat<f64>, bound: f64| {
            let gap = frobenius((wide(x.as_ref()) - y).as_ref());
            assert!(gap <= 4.0 * g::<T>(m, n) * bound, "{} {name} {m}x{n}: {gap:e}", T::NAME);
        };
        let norm = frobenius(expected);
        close(&op.to_dense().unwrap(), a.clone(), norm);
        let (b, c) = (gaussian::<T>(n, 3, 1, "b"), gaussian::<T>(m, 3, 1, "c"));
        close(&op.apply(b.as_ref()).unwrap(), &a * wide(b.as_ref()), norm * frobenius(b.as_ref()));
        let product = a.transpose() * wide(c.as_ref());
        close(&op.apply_transpose(c.as_ref()).unwrap(), product, norm * frobenius(c.as_ref()));
        let long = Mat::<T>::zeros(m.max(n) + 1, 1);
        for result in [op.apply(long.as_ref()), op.apply_transpose(long.as_ref())] {
            assert!(matches!(result, Err(Error::Shape { argument: "b", .. })), "{name}");
        }
    }
    fn check<T: Scalar>() {
        for (m, n) in [(0, 0), (0, 5), (5, 0), (1, 1), (7, 1), (5, 3), (33, 65), (700, 300)] {
            for family in ["random", "sparse-spikes", "zero", "graded-rows"] {
                if m * n == 0 && family != "zero" {
                    continue;
                }
                let family = gallery::families::<T>().into_iter().find(|f| f.name == family).unwrap();
                let a = (family.make)(m, n, 1);
                let sparse = Csr::from_dense(a.as_ref()).unwrap();
                assert_eq!(sparse.to_dense().unwrap(), a);
                agrees("stored", &a, a.as_ref());
                agrees("csr", &sparse, a.as_ref());
                let applied = functions(a.as_ref());
                agrees("functions", &applied, a.as_ref());
                agrees("dyn", &applied as &dyn Operator<T>, a.as_ref());
                let low = LowRank { u: a.clone(), v: gaussian(4, n, 1, "v") };
                let product = low.to_dense();
                agrees("low rank", &low, product.as_ref());
                let right = low.v.transpose().to_owned();
                agrees("product", &Product::new(&sparse, &right).unwrap(), product.as_ref());
                let sum = Sum::new(&sparse, &applied).unwrap();
                agrees("sum", &sum, (&a + &a).as_ref());
                let nested = Sum::new(&sum, &a).unwrap();
                agrees("nested", &nested, (&a + &a + &a).as_ref());
            }
        }
    }
    check::<f64>();
    check::<f32>();
    let (a, b) = (Mat::<f64>::zeros(3, 4), Mat::<f64>::zeros(4, 3));
    assert!(matches!(Sum::new(&a, &b), Err(Error::Shape { argument: "b", .. })));
    assert!(matches!(Product::new(&a, &a), Err(Error::Shape { argument: "b", .. })));
}

/// Bar 4, and lists that make no sparse matrix.
#[test]
fn sparse_matrices_are_checked_when_made() {
    for (bad, [i, j]) in bad_places([7, 5]) {
        let triplets = [(0, 1, 1.0), (i, j, bad), (6, 0, 2.0)];
        non_finite(Csr::from_triplets(7, 5, &triplets), "a", &[i, j], "triplets");
    }
    let new = |starts: &[usize], columns: &[usize]| {
        Csr::new(2, 3, starts.to_vec(), columns.to_vec(), vec![1.0_f64; columns.len()])
    };
    assert!(new(&[0, 1, 2], &[2, 0]).is_ok());
    for (starts, columns) in [
        (&[0, 1][..], &[0][..]),
        (&[], &[]),
        (&[1, 1, 1], &[0]),
        (&[0, 2, 1], &[0]),
        (&[0, 1, 3], &[0, 1]),
        (&[0, 2, 2], &[1, 0]),
        (&[0, 2, 2], &[1, 1]),
        (&[0, 1, 1], &[3]),
    ] {
        assert!(new(starts, columns).is_err(), "{starts:?} {columns:?}");
    }
    assert!(Csr::new(1, 1, vec![0, 1], vec![0], Vec::<f64>::new()).is_err());
    assert!(Csr::from_triplets(2, 2, &[(2, 0, 1.0)]).is_err());
    assert!(Csr::<f64>::from_triplets(usize::MAX, 1, &[]).is_err());
    assert!(Csr::<f64>::from_triplets(1, usize::MAX, &[]).is_err());
    let overflow = Csr::from_triplets(1, 1, &[(0, 0, f64::MAX), (0, 0, f64::MAX)]);
    assert!(matches!(overflow, Err(Error::NonFinite { .. })));
}

/// The same SVD, to rounding, through every form of the matrix, at every scale.
#[test]
fn randomized_svd_of_every_form_is_the_same() {
    fn check<T: Scalar>(scales: &[i32]) {
        let base = with_spectrum::<T>(130, 90, &geometric(0.6, 60), 3);
        for &scale in scales {
            let a = scaled(base.as_ref(), scale);
            let parameters = Randomized::default();
            let stored = randomized(&a, 8, &parameters).unwrap();
            let sparse = Csr::from_dense(a.as_ref()).unwrap();
            let low = LowRank { u: a.clone(), v: Mat::identity(90, 90) };
            let forms = [
                ("csr", randomized(&sparse, 8, &parameters)),
                ("functions", randomized(&functions(a.as_ref()), 8, &parameters)),
                ("low rank", randomized(&low, 8, &parameters)),
                ("sum", randomized(&Sum::new(&sparse, &Mat::zeros(130, 90)).unwrap(), 8, &parameters)),
                ("product", randomized(&Product::new(&a, &low.v).unwrap(), 8, &parameters)),
            ];
            for (name, svd) in forms {
                let svd = svd.unwrap_or_else(|e| panic!("{} {name} 2^{scale}: {e}", T::NAME));
                let case = format!("{} {name} scale 2^{scale}", T::NAME);
                assert!(omega_of_svd(&svd) <= OMEGA, "{case}");
                let largest = stored.s[0];
                for (s, expected) in svd.s.iter().zip(&stored.s) {
                    let gap = ((*s - *expected) / largest).as_f64().abs();
                    assert!(gap <= g::<T>(130, 90), "{case}: {gap:e}");
                }
            }
        }
    }
    check::<f64>(&[0, 300, -300, 600, -600, 1000, -1000]);
    check::<f32>(&[0, 80, -80, 110, -115]);
}

/// What comes out of an operator is checked: shape, NaN, its own errors.
#[test]
fn bad_operators_are_errors() {
    let zeros = |m: usize| move |b: MatRef<'_, f64>| Mat::zeros(m, b.ncols());
    let wrong = Functions { shape: (40, 30), apply: zeros(39), apply_transpose: zeros(30) };
    assert!(matches!(
        randomized(&wrong, 3, &Randomized::default()),
        Err(Error::Shape { argument: "a b", .. })
    ));
    for bad in [f64::NAN, f64::INFINITY] {
        for row in [0, 20, 39] {
            let apply = move |b: MatRef<'_, f64>| {
                Mat::from_fn(40, b.ncols(), |i, _| if i == row { bad } else { 1.0 })
            };
            let op = Functions { shape: (40, 30), apply, apply_transpose: zeros(30) };
            non_finite(randomized(&op, 3, &Randomized::default()), "a b", &[row, 0], "functions");
            for (shape, argument) in [((40, 30), "u"), ((30, 40), "v")] {
                let mut low = LowRank { u: Mat::zeros(shape.0, 2), v: Mat::zeros(shape.1, 2) };
                if argument == "u" {
                    low.u[(row, 1)] = bad
                } else {
                    low.v[(row, 1)] = bad
                }
                non_finite(randomized(&low, 3, &Randomized::default()), argument, &[row, 1], "low rank");
            }
        }
    }
    struct Refusing;
    impl Operator<f64> for Refusing {
        fn shape(&self) -> (usize, usize) {
            (50, 40)
        }
        fn apply(&self, _: MatRef<'_, f64>) -> Result<Mat<f64>> {
            Err(Error::NonFinite { argument: "mine", index: vec![7] })
        }
        fn apply_transpose(&self, b: MatRef<'_, f64>) -> Result<Mat<f64>> {
            Ok(b.to_owned())
        }
    }
    let refused = randomized(&Refusing, 3, &Randomized::default());
    assert!(matches!(refused, Err(Error::NonFinite { argument: "mine", .. })));
}

/// Factors of very unequal sizes whose product is moderate: no digits are lost between them.
#[test]
fn uneven_factors_lose_no_digits() {
    fn check<T: Scalar>(e: i32, down: i32) {
        let low = LowRank::<T> { u: gaussian(60, 5, 1, "u"), v: gaussian(40, 5, 1, "v") };
        let uneven = LowRank { u: scaled(&low.u, e), v: scaled(&low.v, -e) };
        let (b, c) =
            (scaled(gaussian::<T>(40, 3, 1, "b"), -down), scaled(gaussian::<T>(60, 3, 1, "c"), -down));
        let swapped = LowRank { u: uneven.v.clone(), v: uneven.u.clone() };
        for (x, b) in [(&uneven, &b), (&swapped, &c)] {
            let dense = wide(x.to_dense().as_ref());
            let gap = wide(Operator::apply(x, b.as_ref()).unwrap().as_ref()) - &dense * wide(b.as_ref());
            let bound = 4.0 * g::<T>(60, 40) * frobenius(&dense) * frobenius(b);
            assert!(frobenius(&gap) <= bound, "{}: {:e} over {bound:e}", T::NAME, frobenius(&gap));
        }
    }
    check::<f32>(115, 20);
    check::<f64>(1000, 60);
}

/// Bar 16.
#[test]
fn bits_do_not_depend_on_threads() {
    let a = gaussian::<f64>(600, 400, 9, "case");
    let sparse = Csr::from_dense(a.as_ref()).unwrap();
    let low = LowRank { u: a.clone(), v: gaussian(500, 400, 9, "right") };
    let run = || {
        let parameters = Randomized::default();
        let (x, y) =
            (randomized(&sparse, 7, &parameters).unwrap(), randomized(&low, 7, &parameters).unwrap());
        (x.u, x.s, x.v, y.u, y.s, y.v)
    };
    same_on_any_threads("sparse and low rank, seed 9", run);
}

/// The dense SVD bounds the randomized one from below, over the gallery.
#[test]
fn sparse_gallery_is_near_the_optimum() {
    for family in gallery::families::<f64>() {
        let a = (family.make)(80, 50, 4);
        let sparse = Csr::from_dense(a.as_ref()).unwrap();
        let parameters = Randomized { power_iterations: 3, ..Default::default() };
        let svd = randomized(&sparse, 6, &parameters).unwrap();
        let best = dense(a.as_ref()).unwrap().truncate(6);
        let floor = g::<f64>(80, 50) * frobenius(a.as_ref());
        let (found, optimal) = (error(a.as_ref(), &svd), error(a.as_ref(), &best));
        assert!(found <= 1.05 * optimal + floor, "{}: {found:e} against {optimal:e}", family.name);
    }
}
