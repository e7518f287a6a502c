//! The tensor train as a container: validation, entries, interfaces, norms, overflowing sizes.

use super::*;

fn interfaces_and_entries<T: Scalar>() {
    for shape in [&[5][..], &[3, 4], &[2, 1, 5, 3], &[2; 10]] {
        let x = TensorTrain::<T>::random(shape, &vec![3; shape.len() - 1], 7).unwrap();
        let a = x.to_dense().unwrap();
        let scale = norm(&a);
        for (index, &value) in a.indexed_iter() {
            let entry = x.entry(lowrank::ndarray::Dimension::slice(&index)).unwrap();
            assert!(
                (entry - value).as_f64().abs() <= 8.0 * T::EPS * scale,
                "{} {shape:?} {index:?}",
                T::NAME
            );
        }
        for k in 0..=shape.len() {
            let (left, right) = (x.left_interface(k).unwrap(), x.right_interface(k).unwrap());
            let product = &left * right.transpose();
            let flat = a.as_slice().unwrap();
            let off = (0..product.nrows())
                .flat_map(|i| (0..product.ncols()).map(move |j| (i, j)))
                .map(|(i, j)| (product[(i, j)] - flat[i * right.nrows() + j]).as_f64().powi(2))
                .sum::<f64>()
                .sqrt();
            assert!(off <= 50.0 * T::EPS * scale, "{} {shape:?} bond {k}: {off:e}", T::NAME);
        }
        assert!((x.norm().unwrap() - scale).abs() <= 50.0 * T::EPS * scale);
        let left = x.clone().orthogonalize_left().unwrap();
        assert!(worst_omega(&left) <= 10.0);
        assert!(distance(&a, &left.to_dense().unwrap()) <= 50.0 * T::EPS * scale);
        let right = x.clone().orthogonalize_right().unwrap();
        assert!(distance(&a, &right.to_dense().unwrap()) <= 50.0 * T::EPS * scale);
        let reversed = right.into_cores().into_iter().rev().map(|core| core.reversed_axes()).collect();
        assert!(worst_omega(&TensorTrain::new(reversed).unwrap()) <= 10.0);
    }
}

#[test]
fn interfaces_and_entries_match_the_dense_tensor() {
    interfaces_and_entries::<f32>();
    interfaces_and_entries::<f64>();
}

#[test]
fn unfoldings_give_tiles() {
    let x = TensorTrain::<f64>::random(&[3, 4, 5], &[2, 2], 1).unwrap();
    let a = x.to_dense().unwrap();
    let unfolding = x.unfolding(1).unwrap();
    assert_eq!((unfolding.nrows(), unfolding.ncols()), (3, 20));
    let mut tile = vec![0.0; 2 * 3];
    unfolding.tile(1..3, 5..8, &mut tile);
    assert!((tile[1 + 2 * 2] - a[[2, 1, 2]]).abs() <= 1e-14);
}

#[test]
fn random_trains_have_entries_of_variance_one() {
    let a = TensorTrain::<f64>::random(&[20, 20, 20], &[8, 8], 3).unwrap().to_dense().unwrap();
    let variance = norm(&a).powi(2) / a.len() as f64;
    assert!((0.5..2.0).contains(&variance), "{variance}");
    assert_eq!(
        TensorTrain::<f64>::random(&[3, 3], &[2], 9).unwrap(),
        TensorTrain::random(&[3, 3], &[2], 9).unwrap()
    );
}

#[test]
fn cores_are_validated() {
    let zeros = |shape| Array3::<f64>::zeros(shape);
    let shape_error = |cores| matches!(TensorTrain::new(cores), Err(Error::Shape { .. }));
    assert!(shape_error(vec![]));
    assert!(shape_error(vec![zeros((2, 3, 1))]));
    assert!(shape_error(vec![zeros((1, 3, 2))]));
    assert!(shape_error(vec![zeros((1, 3, 2)), zeros((3, 3, 1))]));
    assert!(shape_error(vec![zeros((1, 3, 0)), zeros((0, 3, 1))]));
    let mut bad = zeros((2, 3, 1));
    bad[(1, 2, 0)] = f64::NAN;
    let error = TensorTrain::new(vec![zeros((1, 3, 2)), bad]).unwrap_err();
    assert!(matches!(error, Error::NonFinite { index, .. } if index == [1, 1, 2, 0]));
    let x = TensorTrain::new(vec![zeros((1, 3, 2)), zeros((2, 4, 1))]).unwrap();
    assert_eq!((x.shape(), x.ranks(), x.parameters(), x.order()), (vec![3, 4], vec![2], 14, 2));
    for index in [&[][..], &[0], &[3, 0], &[0, 4], &[0, 0, 0]] {
        assert!(matches!(x.entry(index), Err(Error::Shape { .. })), "{index:?}");
    }
    assert!(matches!(x.error(ArrayD::zeros(vec![4, 3]).view()), Err(Error::Shape { .. })));
    let nan = ArrayD::from_elem(vec![3, 4], f64::NAN);
    assert!(matches!(x.error(nan.view()), Err(Error::NonFinite { .. })));
    assert!(matches!(x.left_interface(3), Err(Error::Parameter { .. })));
    assert!(matches!(x.right_interface(3), Err(Error::Parameter { .. })));
    assert!(matches!(TensorTrain::<f64>::random(&[3, 3], &[0], 1), Err(Error::Shape { .. })));
    assert!(matches!(TensorTrain::<f64>::random(&[], &[], 1), Err(Error::Shape { .. })));
    assert!(matches!(TensorTrain::<f64>::zeros(&[]), Err(Error::Shape { .. })));
    // A core in another layout is brought to row-major.
    let other = Array3::from_shape_fn((1, 4, 3), |(_, i, b)| (i * 3 + b) as f64).reversed_axes();
    let y = TensorTrain::new(vec![zeros((1, 2, 3)), other]).unwrap();
    assert!(y.cores().iter().all(|core| core.is_standard_layout()));
}

#[test]
fn overflowing_sizes_are_errors() {
    for d in [20, 70, 2000] {
        let x = TensorTrain::<f64>::random(&vec![1000; d], &vec![1; d - 1], 1).unwrap();
        assert!(matches!(x.to_dense(), Err(Error::TooLarge { .. })), "order {d}");
        assert!(matches!(x.left_interface(d), Err(Error::TooLarge { .. })), "order {d}");
        assert!(matches!(x.right_interface(0), Err(Error::TooLarge { .. })), "order {d}");
        assert!(x.norm().unwrap() > 0.0);
    }
    let huge = TensorTrain::<f64>::random(&[usize::MAX, 2], &[2], 1);
    assert!(matches!(huge, Err(Error::TooLarge { .. })));
    let x = TensorTrain::<f64>::zeros(&[1000; 5]).unwrap();
    assert!(matches!(x.to_dense(), Err(Error::TooLarge { .. })), "8e15 bytes");
}

#[test]
fn a_zero_mode_beats_an_overflowing_one() {
    let x = TensorTrain::<f64>::zeros(&[1 << 20, 1 << 20, 1 << 20, 1 << 20, 0]).unwrap();
    match x.to_dense() {
        Ok(a) => assert_eq!(a, ArrayD::<f64>::zeros(vec![1 << 20, 1 << 20, 1 << 20, 1 << 20, 0])),
        Err(error) => assert!(matches!(error, Error::TooLarge { .. } | Error::Shape { .. }), "{error}"),
    }
}
