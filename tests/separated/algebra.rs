//! Sums, products, traces and inner products against the dense matrices.

use super::support::{same_on_any_threads, wide};
use super::{dense, random, shapes, total};
use lowrank::faer::{Mat, mat};
use lowrank::matrix::frobenius;
use lowrank::separated::laplacian;
use lowrank::{Error, Scalar, Separated};

fn close<T: Scalar>(m: &Separated<T>, exact: &Mat<f64>, size: f64, case: &str) {
    let off = frobenius((dense(m) - exact).as_ref());
    let shapes = m.shapes();
    let inner = shapes.iter().map(|s| s.0.max(s.1)).max().unwrap() + shapes.len();
    assert!(off <= 4.0 * inner as f64 * T::EPS * size, "{} {shapes:?} {case}: {off:e}", T::NAME);
}

fn term_by_term<T: Scalar>() {
    for shapes in shapes() {
        for (s, t) in [(1, 1), (3, 2), (2, 6), (0, 2)] {
            let (a, b) = (random::<T>(&shapes, s, 1), random::<T>(&shapes, t, 2));
            let (x, y) = (dense(&a), dense(&b));
            let size = total(&a) + total(&b);
            close(&a.plus(&b).unwrap(), &(&x + &y), size, "sum");
            close(&a.minus(&b).unwrap(), &(&x - &y), size, "difference");
            close(&a.transpose(), &x.transpose().to_owned(), size, "transpose");
            close(&a.clone().scaled(T::of(-2.5)).unwrap(), &(&x * -2.5), 3.0 * size, "scaled");
            let product = b.transpose().times(&a).unwrap();
            assert_eq!(product.separation_rank(), s * t);
            close(&product, &(y.transpose() * &x), total(&a) * total(&b), "product");
            // Vectors: few columns, many terms.
            let columns: Vec<_> = shapes.iter().map(|&(_, n)| (n, 1)).collect();
            let v = random::<T>(&columns, t, 3);
            close(&a.times(&v).unwrap(), &(&x * dense(&v)), total(&a) * total(&v), "times a vector");
            let whole = a.to_dense().unwrap();
            let off = frobenius((wide(whole.as_ref()) - &x).as_ref());
            assert!(off <= 4.0 * (s + shapes.len()) as f64 * T::EPS * size, "{}: {off:e}", T::NAME);
            // Numbers: from the stored factors in double precision.
            let inner = (0..x.ncols()).map(|j| x.col(j).transpose() * y.col(j)).sum::<f64>();
            let bound = 1e-13 * total(&a) * total(&b);
            assert!((a.inner(&b).unwrap() - inner).abs() <= bound, "inner product");
            let distance = frobenius((&x - &y).as_ref());
            assert!((a.distance(&b).unwrap() - distance).abs() <= 1e-13 * size + 2.0 * T::EPS * size);
            assert!((a.frobenius().unwrap() - frobenius(x.as_ref())).abs() <= 1e-13 * size);
        }
    }
}

#[test]
fn term_by_term_against_dense() {
    term_by_term::<f32>();
    term_by_term::<f64>();
}

fn square_matrices<T: Scalar>() {
    let shapes = [(3, 3), (2, 2), (4, 4)];
    let a = random::<T>(&shapes, 3, 7);
    let x = dense(&a);
    let trace: f64 = (0..24).map(|i| x[(i, i)]).sum();
    assert!((a.trace().unwrap() - trace).abs() <= (8.0 * T::EPS) * 5.0 * total(&a));
    let diagonal = a.diagonal().unwrap();
    close(&diagonal, &Mat::from_fn(24, 1, |i, _| x[(i, i)]), total(&a), "diagonal");
    let spread = Separated::from_diagonal(&diagonal).unwrap();
    close(
        &spread,
        &Mat::from_fn(24, 24, |i, j| if i == j { x[(i, i)] } else { 0.0 }),
        total(&a),
        "from diagonal",
    );
    let identity = Separated::<T>::identity(&[3, 2, 4]).unwrap();
    close(&identity, &Mat::identity(24, 24), 5.0, "identity");
    close(&identity.times(&a).unwrap(), &x, total(&a) * 5.0, "identity times");
    let factors: Vec<Mat<T>> = (0..3).map(|i| a.factor(0, i).to_owned()).collect();
    let sum = Separated::kronecker_sum(&factors).unwrap();
    assert_eq!(sum.separation_rank(), 3);
    let [f, g, h] = [0, 1, 2].map(|i| wide(factors[i].as_ref()));
    let exact = Mat::from_fn(24, 24, |i, j| {
        let ((a, b, c), (k, l, m)) = ((i / 8, i / 4 % 2, i % 4), (j / 8, j / 4 % 2, j % 4));
        let one = |same: bool| if same { 1.0 } else { 0.0 };
        f[(a, k)] * one(b == l && c == m)
            + g[(b, l)] * one(a == k && c == m)
            + h[(c, m)] * one(a == k && b == l)
    });
    close(&sum, &exact, total(&sum), "Kronecker sum");
}

#[test]
fn square_matrices_against_dense() {
    square_matrices::<f32>();
    square_matrices::<f64>();
}

#[test]
fn sizes_that_cannot_be_counted() {
    let sizes = [64; 20];
    let identity = Separated::<f64>::identity(&sizes).unwrap();
    assert!((identity.trace().unwrap() / 64f64.powi(20) - 1.0).abs() < 1e-13);
    assert!((identity.frobenius().unwrap() / 8f64.powi(20) - 1.0).abs() < 1e-13);
    let ones = Separated::from_terms(vec![vec![Mat::<f64>::full(64, 1, 1.0); 20]]).unwrap();
    assert!(identity.times(&ones).unwrap().distance(&ones).unwrap() <= 1e-13 * 8f64.powi(20));
    assert!(matches!(identity.to_dense(), Err(Error::TooLarge { .. })));
    let wide = Separated::<f64>::identity(&[1 << 11; 3]).unwrap();
    assert!(matches!(wide.to_dense(), Err(Error::TooLarge { .. })));
    // Factors that can be addressed, but that no memory holds.
    for n in [1 << 22, 1 << 32, usize::MAX] {
        assert!(matches!(Separated::<f64>::identity(&[n]), Err(Error::TooLarge { .. })));
        assert!(matches!(laplacian::<f64>(&[4, n]), Err(Error::TooLarge { .. })));
    }
}

#[test]
fn entries_that_overflow_are_errors() {
    let top = Separated::new(vec![(1, 1)], vec![1.5e308, 1.5e308], vec![mat![[1.0, 1.0]]]).unwrap();
    assert!(matches!(top.to_dense(), Err(Error::Parameter { .. })));
    assert!(matches!(top.entry(&[0], &[0]), Err(Error::Parameter { .. })));
    assert!(matches!(top.apply(mat![[1.0]]), Err(Error::Parameter { .. })));
}

#[test]
fn inner_products_of_nearly_orthogonal_matrices_keep_their_digits() {
    // <a (x) a - b (x) b, a (x) a + b (x) b> = |a|^4 - |b|^4, with b = a but for one entry.
    for e in [1e-4, 1e-8, 1e-12] {
        let a = mat![[1.0, 0.5], [0.25, 0.125]];
        let mut b = a.clone();
        b[(0, 0)] += e;
        let pair =
            |sign: f64| Separated::new(vec![(2, 2); 2], vec![1.0, sign], vec![columns(&a, &b); 2]).unwrap();
        let change = 2.0 * e + e * e; // |b|^2 - |a|^2
        let exact = -change * (2.0 * frobenius(&a).powi(2) + change);
        let found = pair(-1.0).inner(&pair(1.0)).unwrap();
        assert!((found - exact).abs() <= 1e-15, "{e:e}: {found:e} for {exact:e}"); // rounding of the lambdas
    }
}

fn columns(a: &Mat<f64>, b: &Mat<f64>) -> Mat<f64> {
    Mat::from_fn(4, 2, |i, k| if k == 0 { a[(i % 2, i / 2)] } else { b[(i % 2, i / 2)] })
}

#[test]
fn refusals() {
    let (a, b) = (random::<f64>(&[(3, 2), (2, 2)], 2, 1), random::<f64>(&[(3, 2), (2, 3)], 2, 1));
    fn shape<R>(r: Result<R, Error>) {
        assert!(matches!(r, Err(Error::Shape { .. })));
    }
    shape(a.plus(&b));
    shape(a.minus(&b));
    shape(a.inner(&b));
    shape(a.distance(&b));
    shape(a.times(&b));
    shape(a.times(&random(&[(2, 1)], 1, 1)));
    shape(a.trace());
    shape(a.diagonal());
    shape(Separated::from_diagonal(&a));
    shape(Separated::<f64>::identity(&[]));
    shape(Separated::kronecker_sum(&[Mat::<f64>::zeros(2, 3)]));
    let bad = Mat::from_fn(2, 2, |i, j| if i + j == 2 { f64::NAN } else { 1.0 });
    match Separated::kronecker_sum(&[Mat::identity(3, 3), bad]) {
        Err(Error::NonFinite { argument: "factors", index }) => assert_eq!(index, [1, 1, 1]),
        other => panic!("{other:?}"),
    }
    let top = Separated::new(vec![(1, 1)], vec![1e300], vec![mat![[1.0]]]).unwrap();
    assert!(matches!(top.times(&top), Err(Error::Parameter { .. })));
    assert!(matches!(top.inner(&top), Err(Error::Parameter { .. })));
}

#[test]
fn the_same_on_any_number_of_threads() {
    let shapes = [(6, 5), (4, 4), (7, 3)];
    let (a, b) = (random::<f64>(&shapes, 130, 1), random::<f64>(&shapes, 70, 2));
    same_on_any_threads("inner product", || a.inner(&b).unwrap().to_bits());
    same_on_any_threads("norm", || a.frobenius().unwrap().to_bits());
    same_on_any_threads("product", || a.transpose().times(&b).unwrap());
}
