//! The rearrangement against its definition, entry by entry, in every layout and at every scale.

use crate::support::*;
use lowrank::faer::{Mat, MatRef};
use lowrank::kronecker::{Kronecker, Rearranged, fold};
use lowrank::matrix::{array_of, array_view, frobenius, nalgebra_of, scaled};
use lowrank::ndarray::{ArrayD, IxDyn, s};
use lowrank::random::gaussian;
use lowrank::{Error, Operator, Scalar};

/// Shapes of one to four factors, some empty, some of size one.
const SHAPES: [&[(usize, usize)]; 13] = [
    &[(3, 4)],
    &[(3, 4), (2, 5)],
    &[(5, 2), (1, 7)],
    &[(1, 1), (4, 6)],
    &[(1, 9), (9, 1)],
    &[(9, 1), (1, 9)],
    &[(32, 24), (24, 32)],
    &[(150, 2), (2, 3)],
    &[(0, 3), (2, 2)],
    &[(2, 3), (0, 0)],
    &[(2, 3), (3, 1), (1, 4)],
    &[(2, 2), (0, 2), (3, 1)],
    &[(2, 1), (1, 2), (3, 2), (2, 3)],
];

fn sizes(shapes: &[(usize, usize)]) -> (usize, usize) {
    (shapes.iter().map(|s| s.0).product(), shapes.iter().map(|s| s.1).product())
}

/// The rearrangement from its definition: every entry of A is put in its place.
fn definition<T: Scalar>(a: MatRef<'_, T>, shapes: &[(usize, usize)]) -> ArrayD<T> {
    let shape: Vec<usize> = shapes.iter().map(|(m, n)| m * n).collect();
    let mut out = ArrayD::zeros(IxDyn(&shape));
    for i in 0..a.nrows() {
        for j in 0..a.ncols() {
            let (mut rows, mut cols, mut index) = (i, j, Vec::new());
            for &(m, n) in shapes.iter().rev() {
                index.insert(0, rows % m + m * (cols % n));
                (rows, cols) = (rows / m, cols / n);
            }
            out[IxDyn(&index)] = a[(i, j)];
        }
    }
    out
}

/// Calls `check` with the same matrix in every layout of the three libraries.
macro_rules! in_every_layout {
    ($a:expr, $check:expr) => {{
        let a: &Mat<_> = $a;
        let (m, n) = a.shape();
        $check("columns", a);
        let turned = a.transpose().to_owned();
        $check("rows", &turned.transpose());
        let upside_down = a.as_ref().reverse_rows_and_cols().to_owned();
        $check("reversed", &upside_down.as_ref().reverse_rows_and_cols());
        let rows = array_of(a);
        $check("ndarray", &rows);
        let mut wide = lowrank::ndarray::Array2::zeros((2 * m, 3 * n));
        wide.slice_mut(s![..;-2, ..;3]).assign(&array_view(a.as_ref()));
        $check("strided, reversed ndarray", &wide.slice(s![..;-2, ..;3]));
        $check("nalgebra", &nalgebra_of(a));
    }};
}

#[test]
fn entries_tiles_and_folds_are_those_of_the_definition() {
    fn check<T: Scalar>() {
        for shapes in SHAPES {
            let (m, n) = sizes(shapes);
            let a = gaussian::<T>(m, n, 1, "a");
            let expected = definition(a.as_ref(), shapes);
            let agrees = |layout: &str, r: &Rearranged<'_, T>| {
                let case = format!("{shapes:?} {layout}");
                assert_eq!(r.shape(), expected.shape(), "{case}");
                let all = r.to_dense().unwrap();
                assert_eq!(all, expected, "{case}");
                assert_eq!(fold(all.view(), shapes).unwrap(), a, "{case}");
                assert_eq!(fold(all.view().reversed_axes().reversed_axes(), shapes).unwrap(), a, "{case}");
                for (index, x) in expected.indexed_iter() {
                    assert_eq!(r.entry(lowrank::ndarray::Dimension::slice(&index)).unwrap(), *x, "{case}");
                }
                let ranges: Vec<_> = r.shape().iter().map(|n| n / 3..*n).collect();
                let part = expected.slice_each_axis(|axis| (axis.len / 3..axis.len).into());
                assert_eq!(r.tile(&ranges).unwrap(), part, "{case}");
            };
            in_every_layout!(&a, |layout, a| agrees(layout, &Rearranged::new(a, shapes).unwrap()));
        }
    }
    check::<f64>();
    check::<f32>();
}

#[test]
fn products_are_those_of_the_dense_rearrangement() {
    fn check<T: Scalar>() {
        for shapes in SHAPES.into_iter().filter(|s| s.len() == 2) {
            let (m, n) = sizes(shapes);
            let (p, q) = (shapes[0].0 * shapes[0].1, shapes[1].0 * shapes[1].1);
            let a = gaussian::<T>(m, n, 1, "a");
            let flat = definition(a.as_ref(), shapes);
            let dense = Mat::from_fn(p, q, |i, j| flat[[i, j]]);
            let agrees = |layout: &str, r: &Rearranged<'_, T>| {
                let r = r.operator().unwrap();
                let case = format!("{} {shapes:?} {layout}", T::NAME);
                assert_eq!(r.shape(), (p, q), "{case}");
                assert_eq!(r.to_dense().unwrap(), dense, "{case}");
                for l in [0, 1, 7, 33] {
                    let (x, y) = (gaussian::<T>(q, l, 2, "x"), gaussian::<T>(p, l, 3, "y"));
                    let close = |found: Mat<T>, b: &Mat<T>, expected: Mat<f64>| {
                        let gap = frobenius((wide(found.as_ref()) - expected).as_ref());
                        let norms = frobenius(dense.as_ref()) * frobenius(b.as_ref());
                        assert!(gap <= 4.0 * g::<T>(p, q) * norms, "{case}, {l} columns: {gap:e}");
                    };
                    let (wide_r, turned) = (wide(dense.as_ref()), wide(dense.transpose()));
                    close(r.apply(x.as_ref()).unwrap(), &x, wide_r * wide(x.as_ref()));
                    close(r.apply_transpose(y.as_ref()).unwrap(), &y, turned * wide(y.as_ref()));
                    let rows = x.transpose().to_owned();
                    assert_eq!(r.apply(rows.transpose()).unwrap(), r.apply(x.as_ref()).unwrap(), "{case}");
                }
                let long = Mat::<T>::zeros(p.max(q) + 1, 1);
                for result in [r.apply(long.as_ref()), r.apply_transpose(long.as_ref())] {
                    assert!(matches!(result, Err(Error::Shape { argument: "b", .. })), "{case}");
                }
            };
            in_every_layout!(&a, |layout, a| agrees(layout, &Rearranged::new(a, shapes).unwrap()));
        }
    }
    check::<f64>();
    check::<f32>();
}

/// For three and more factors: every unfolding, in every layout.
#[test]
fn unfoldings_are_those_of_the_definition() {
    fn check<T: Scalar>() {
        for shapes in SHAPES.into_iter().filter(|s| s.len() > 1) {
            let (m, n) = sizes(shapes);
            let a = gaussian::<T>(m, n, 1, "a");
            let flat = definition(a.as_ref(), shapes);
            let entries: Vec<T> = flat.iter().copied().collect();
            for cut in 1..shapes.len() {
                let p: usize = flat.shape()[..cut].iter().product();
                let q: usize = flat.shape()[cut..].iter().product();
                let dense = Mat::from_fn(p, q, |i, j| entries[i * q + j]);
                let (x, y) = (gaussian::<T>(q, 3, 2, "x"), gaussian::<T>(p, 3, 3, "y"));
                let agrees = |layout: &str, r: &Rearranged<'_, T>| {
                    let r = r.unfolding(cut).unwrap();
                    let case = format!("{} {shapes:?} {layout}, cut {cut}", T::NAME);
                    assert_eq!((r.shape(), r.to_dense().unwrap()), ((p, q), dense.clone()), "{case}");
                    let close = |found: Mat<T>, b: &Mat<T>, expected: Mat<f64>| {
                        let gap = frobenius((wide(found.as_ref()) - expected).as_ref());
                        let norms = frobenius(dense.as_ref()) * frobenius(b.as_ref());
                        assert!(gap <= 4.0 * g::<T>(p, q) * norms, "{case}: {gap:e}");
                    };
                    let (wide_r, turned) = (wide(dense.as_ref()), wide(dense.transpose()));
                    close(r.apply(x.as_ref()).unwrap(), &x, wide_r * wide(x.as_ref()));
                    close(r.apply_transpose(y.as_ref()).unwrap(), &y, turned * wide(y.as_ref()));
                };
                in_every_layout!(&a, |layout, a| agrees(layout, &Rearranged::new(a, shapes).unwrap()));
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

#[test]
fn a_kronecker_product_becomes_an_outer_product() {
    let factors: Vec<Mat<f64>> = (0..3).map(|k| gaussian(3 - k as usize, 2 + k as usize, k, "m")).collect();
    let shapes: Vec<_> = factors.iter().map(|f| f.shape()).collect();
    let product = Kronecker::new(factors.clone()).unwrap();
    let (m, n) = product.shape();
    let a = Mat::from_fn(m, n, |i, j| product.entry(i, j));
    let r = Rearranged::new(&a, &shapes).unwrap().to_dense().unwrap();
    for (index, found) in r.indexed_iter() {
        let vec = |k: usize| factors[k][(index[k] % shapes[k].0, index[k] / shapes[k].0)];
        let expected = vec(0) * vec(1) * vec(2);
        assert!((found - expected).abs() <= 4.0 * f64::EPSILON * expected.abs(), "{index:?}");
    }
}

#[test]
fn bad_input_is_an_error_that_names_it() {
    let shapes = [(3, 2), (2, 4)];
    for (bad, at) in bad_places([6, 8]) {
        let mut a = gaussian::<f64>(6, 8, 1, "a");
        a[(at[0], at[1])] = bad;
        non_finite(Rearranged::new(&a, &shapes), "a", &at, "rearranged");
        non_finite(Rearranged::new(&array_of(&a), &shapes), "a", &at, "rearranged ndarray");
    }
    for (bad, at) in bad_places([6, 8]) {
        let mut tensor = ArrayD::<f64>::zeros(IxDyn(&[6, 8]));
        tensor[IxDyn(&at)] = bad;
        non_finite(fold(tensor.view(), &shapes), "tensor", &at, "fold");
    }
    let a = gaussian::<f64>(6, 8, 1, "a");
    let shape_error = |result: Result<(), Error>, argument: &str| match result {
        Err(Error::Shape { argument: named, .. }) => assert_eq!(named, argument),
        other => panic!("{argument}: {other:?}"),
    };
    shape_error(Rearranged::new(&a, &[(3, 2), (2, 3)]).map(|_| ()), "a");
    shape_error(Rearranged::new(&a, &[]).map(|_| ()), "shapes");
    let three = [(3, 2), (2, 2), (1, 2)];
    shape_error(Rearranged::new(&a, &three).unwrap().operator().map(|_| ()), "shapes");
    let r = Rearranged::new(&a, &shapes).unwrap();
    for cut in [0, 2] {
        shape_error(r.unfolding(cut).map(|_| ()), "cut");
    }
    let operator = r.operator().unwrap();
    for (bad, at) in bad_places([6, 2]) {
        let (mut x, mut y) = (Mat::<f64>::zeros(8, 2), Mat::<f64>::zeros(6, 2));
        (x[(at[0], at[1])], y[(at[0], at[1])]) = (bad, bad);
        non_finite(operator.apply(x.as_ref()), "b", &at, "apply");
        non_finite(operator.apply_transpose(y.as_ref()), "b", &at, "apply_transpose");
    }
    let top = Mat::<f64>::full(8, 1, f64::MAX);
    let ones = Mat::<f64>::full(6, 8, 1.0);
    let r_of_ones = Rearranged::new(&ones, &shapes).unwrap().operator().unwrap();
    assert!(matches!(r_of_ones.apply(top.as_ref()), Err(Error::Parameter { name: "product", .. })));
    shape_error(r.entry(&[6, 0]).map(|_| ()), "index");
    shape_error(r.entry(&[0]).map(|_| ()), "index");
    shape_error(r.tile(&[0..6, 3..9]).map(|_| ()), "ranges");
    shape_error(r.tile(std::slice::from_ref(&(0..6))).map(|_| ()), "ranges");
    #[allow(clippy::reversed_empty_ranges)]
    shape_error(r.tile(&[0..6, 3..2]).map(|_| ()), "ranges");
    shape_error(fold(ArrayD::<f64>::zeros(IxDyn(&[8, 6])).view(), &shapes).map(|_| ()), "tensor");
    shape_error(fold(ArrayD::<f64>::zeros(IxDyn(&[6])).view(), &shapes).map(|_| ()), "tensor");
    // Sizes that overflow are seen before anything is allocated.
    let huge = [(1 << 40, 1), (1 << 40, 1)];
    assert!(matches!(Rearranged::new(&a, &huge), Err(Error::TooLarge { .. })));
    let empty = ArrayD::<f64>::zeros(IxDyn(&[0, 0]));
    assert!(matches!(fold(empty.view(), &huge), Err(Error::TooLarge { .. })));
}

#[test]
fn products_are_the_same_on_any_threads_and_at_any_scale() {
    let shapes = [(32, 24), (24, 32)];
    let a = gaussian::<f64>(768, 768, 1, "a");
    let x = gaussian::<f64>(768, 20, 2, "x");
    let both = |a: &Mat<f64>| {
        let r = Rearranged::new(a, &shapes).unwrap().operator().unwrap();
        (r.apply(x.as_ref()).unwrap(), r.apply_transpose(x.as_ref()).unwrap())
    };
    same_on_any_threads("rearranged products", || both(&a));
    let (forward, backward) = both(&a);
    for e in [-900, -300, 300, 900] {
        let (up, down) = both(&scaled(a.as_ref(), e));
        assert_eq!((scaled(up.as_ref(), -e), scaled(down.as_ref(), -e)), (forward.clone(), backward.clone()));
    }
}
