//! Linear systems and least squares.

use super::*;
use lowrank::svd::dense;

fn systems<T: Scalar>() {
    for sides in [vec![4], vec![3, 5], vec![1, 6, 2], vec![2, 2, 2, 2, 2], vec![33, 10], vec![5, 5, 5]] {
        for columns in [0, 1, 4] {
            let factors: Vec<Mat<T>> =
                sides.iter().enumerate().map(|(k, &n)| well_conditioned(n, 3 + k as u64)).collect();
            let a = Kronecker::new(factors).unwrap();
            let n = a.shape().0;
            let b = gaussian::<T>(n, columns, 9, "b");
            let x = a.solve(&b).unwrap();
            assert_eq!(x.shape(), (n, columns));
            let full = kron(a.factors());
            let residual = frobenius(&full * wide(x.as_ref()) - wide(b.as_ref()));
            let limit = 10.0 * sides.iter().sum::<usize>() as f64 * T::EPS * frobenius(&full) * frobenius(&x);
            assert!(residual <= limit, "{} {sides:?} {columns}: {residual} over {limit}", T::NAME);
        }
    }
}

#[test]
fn systems_are_solved_backward_stably() {
    systems::<f64>();
    systems::<f32>();
}

fn pseudo_inverse(a: &Mat<f64>, cut: f64) -> Mat<f64> {
    let svd = dense(a).unwrap();
    let rank = svd.s.iter().take_while(|s| **s > cut * svd.s[0]).count();
    Mat::from_fn(a.ncols(), a.nrows(), |i, j| {
        (0..rank).map(|k| svd.v[(i, k)] / svd.s[k] * svd.u[(j, k)]).sum()
    })
}

fn least_squares<T: Scalar>() {
    let deficient = |m, n, r, seed| low_rank::<T>(m, n, r, seed).to_dense();
    for (name, factors) in [
        ("tall", vec![gaussian::<T>(7, 3, 1, "a"), gaussian(5, 4, 2, "a")]),
        ("wide", vec![gaussian::<T>(2, 5, 1, "a"), gaussian(3, 3, 2, "a")]),
        ("tall and wide", vec![gaussian::<T>(6, 2, 1, "a"), gaussian(2, 4, 2, "a"), gaussian(3, 3, 3, "a")]),
        ("deficient", vec![deficient(6, 5, 2, 1), deficient(4, 4, 3, 2)]),
        ("deficient and square", vec![deficient(5, 5, 1, 1), gaussian(3, 3, 2, "a")]),
        ("zero", vec![Mat::zeros(2, 3), gaussian(3, 3, 2, "a")]),
        ("single", vec![deficient(12, 8, 5, 4)]),
    ] {
        let a = Kronecker::new(factors).unwrap();
        let (m, n) = a.shape();
        let full = kron(a.factors());
        let inverse = pseudo_inverse(&full, 20.0 * T::EPS);
        let b = gaussian::<T>(m, 3, 5, "b");
        let x = a.least_squares(&b, None).unwrap();
        assert_eq!(x.shape(), (n, 3));
        let expected = &inverse * wide(b.as_ref());
        let cond = frobenius(&full) * frobenius(&inverse);
        let slack = 20.0 * (m + n) as f64 * cond.max(1.0);
        close(
            x.as_ref(),
            &expected,
            slack,
            frobenius(&inverse) * frobenius(&b),
            &format!("{} {name}", T::NAME),
        );
    }
}

#[test]
fn least_squares_of_least_norm() {
    least_squares::<f64>();
    least_squares::<f32>();
}

#[test]
fn singular_factors_are_named() {
    let count = Mat::from_fn(3, 3, |i, j| (3 * i + j) as f64 + 1.0); // singular, though no pivot is zero
    let zero_row = Mat::from_fn(2, 2, |i, _| i as f64);
    let near = Mat::from_fn(2, 2, |i, j| if i == j { 1.0 } else { 1.0 - 1e-16 });
    for (k, bad) in [count.clone(), zero_row, near, Mat::zeros(4, 4)].into_iter().enumerate() {
        for at in [0, 1] {
            let mut factors = vec![Mat::<f64>::identity(3, 3), Mat::identity(2, 2)];
            factors[at] = bad.clone();
            let a = Kronecker::new(factors).unwrap();
            let b = gaussian(a.shape().0, 1, 1, "b");
            for error in [a.solve(&b).unwrap_err(), a.inverse().unwrap_err()] {
                let text = error.to_string();
                assert!(text.contains(&format!("factor {at}")) && text.contains("singular"), "{k}: {text}");
            }
            assert!(a.least_squares(&b, None).is_ok());
            assert!(a.condition_number().unwrap() > 1e15);
        }
    }
    // Rows and columns of other scales are not singular.
    let graded = Mat::from_fn(2, 2, |i, j| [[1.0, 1.0], [1e-20, 2e-20]][i][j]);
    for a in [
        graded.clone(),
        graded.transpose().to_owned(),
        Mat::from_fn(2, 2, |i, j| if i == j { [1.0, 1e-30][i] } else { 0.0 }),
    ] {
        let a = Kronecker::new(vec![a, Mat::identity(2, 2)]).unwrap();
        let b = gaussian::<f64>(4, 1, 1, "b");
        let x = a.solve(&b).unwrap();
        let full = kron(a.factors());
        assert!(frobenius(&full * &x - &b) <= 1e-15 * frobenius(&full) * frobenius(&x));
    }
    let rectangular = Kronecker::new(vec![Mat::<f64>::zeros(2, 3), Mat::zeros(3, 2)]).unwrap(); // (6, 6)
    for error in [rectangular.solve(Mat::zeros(6, 1)).unwrap_err(), rectangular.determinant().unwrap_err()] {
        assert!(matches!(error, Error::Shape { argument: "factors", .. }));
    }
}

#[test]
fn condition_numbers() {
    let spectrum = |n, smallest: f64, seed| {
        let s: Vec<f64> = (0..n).map(|k| if k + 1 == n { smallest } else { 1.0 }).collect();
        with_spectrum::<f64>(n, n, &s, seed)
    };
    let a = Kronecker::new(vec![spectrum(3, 1e-3, 1), spectrum(4, 1e-2, 2)]).unwrap();
    assert!((a.condition_number().unwrap() / 1e5 - 1.0).abs() < 1e-10);
    let s = singular_values(kron(a.factors())).unwrap();
    assert!((a.condition_number().unwrap() / (s[0] / s[11]) - 1.0).abs() < 1e-9);
    // (2, 3) (x) (3, 2) is square and never of full rank.
    let a = product::<f64>(&[(2, 3), (3, 2)], 1);
    assert_eq!(a.condition_number().unwrap(), f64::INFINITY);
    assert!(product::<f64>(&[(3, 2), (3, 2)], 1).condition_number().unwrap() < 1e3);
    assert_eq!(product::<f64>(&[(3, 0), (3, 2)], 1).condition_number().unwrap(), 1.0);
}

#[test]
fn vec_turns_matrix_equations_into_systems() {
    let (a, b) = (gaussian::<f64>(3, 4, 1, "a"), gaussian::<f64>(5, 2, 2, "b"));
    let x = gaussian::<f64>(4, 5, 3, "x");
    let k = two_sided(&a, &b).unwrap();
    let expected = vec_of(&a * &x * &b);
    assert!(frobenius(kron(k.factors()) * vec_of(&x) - &expected) <= 1e-13 * frobenius(&expected));
    // Sylvester's equation A X + X B for symmetric A and B.
    let (a, b) = (symmetric::<f64>(&[1.0, 2.0, 5.0], 1), symmetric::<f64>(&[3.0, 4.0], 2));
    let c = gaussian::<f64>(3, 2, 4, "c");
    let sum = KroneckerSum::new(vec![b.transpose().to_owned(), a.clone()]).unwrap();
    let x = sum.symmetric_eigen().unwrap().apply_function(vec_of(&c), |l| 1.0 / l).unwrap();
    let x = unvec(x.col_as_slice(0), 3, 2).unwrap();
    assert!(frobenius(&a * x + x * &b - &c) < 1e-14);
    // Views where the columns follow each other, and only there.
    let numbers: Vec<f64> = (0..12).map(f64::from).collect();
    let whole = unvec(&numbers, 3, 4).unwrap();
    assert_eq!(vec_view(whole).unwrap().as_ptr(), numbers.as_ptr());
    assert_eq!(vec_view(whole).unwrap(), vec_of(whole));
    assert!(vec_view(whole.transpose()).is_none() && vec_view(whole.subrows(0, 2)).is_none());
    assert_eq!(vec_view(whole.subcols(1, 2)).unwrap().shape(), (6, 1));
    assert_eq!(vec_of(whole.transpose())[(1, 0)], 3.0);
    assert!(unvec(&numbers, 5, 2).is_err());
}
