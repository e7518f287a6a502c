//! Adapters against dense updates and differences.

use lowrank::faer::{Mat, MatRef};
use lowrank::layers::adapter::*;
use lowrank::layers::optimal_update;
use lowrank::matrix::scaled;
use lowrank::random::gaussian;
use lowrank::svd::Rank;
use lowrank::{Error, LowRank, Scalar};

pub const METHODS: [Method; 9] = [
    Method::Lora { rank: 3 },
    Method::Dora { rank: 2 },
    Method::Lsr { terms: 3, ranks: (2, 1), shapes: None },
    Method::Lsr { terms: 2, ranks: (1, 2), shapes: Some([(2, 6), (8, 1)]) },
    Method::KronA { left: None },
    Method::LoKr { rank: 2, left: Some((3, 2)) },
    Method::KAdaptation { terms: 2, rank: 2 },
    Method::SvdLora { rank: 5, inner_rank: 2, with_values: false },
    Method::SvdLora { rank: 5, inner_rank: 2, with_values: true },
];
const SHAPE: (usize, usize) = (12, 8);

pub fn weight<T: Scalar>() -> Mat<T> {
    gaussian(SHAPE.0, SHAPE.1, 3, "weight")
}

/// A layer in the midst of training: no part is zero.
pub fn trained<T: Scalar>(method: Method) -> Adapted<T> {
    let mut layer = method.adapt(weight::<T>(), 0.5, 1).unwrap();
    let noise = gaussian::<T>(layer.parameters(), 1, 5, "training");
    let values: Vec<T> =
        layer.values().iter().zip(noise.col_as_slice(0)).map(|(x, y)| *x + *y * T::of(0.5)).collect();
    layer.set_values(&values).unwrap();
    layer
}

pub fn samples<T: Scalar>() -> (Mat<T>, Mat<T>) {
    (gaussian(SHAPE.1, 7, 6, "inputs"), gaussian(SHAPE.0, 7, 6, "gradients"))
}

pub fn relative<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> f64 {
    let norm = |m: &dyn Fn(usize, usize) -> f64| {
        let entries = (0..a.ncols()).flat_map(|j| (0..a.nrows()).map(move |i| (i, j)));
        entries.map(|(i, j)| m(i, j).powi(2)).sum::<f64>().sqrt()
    };
    norm(&|i, j| (a[(i, j)] - b[(i, j)]).as_f64()) / norm(&|i, j| b[(i, j)].as_f64())
}

#[test]
fn parameters_are_counted_as_published() {
    let w = gaussian::<f32>(768, 768, 0, "weight");
    let lsr = |ranks| Method::Lsr { terms: 16, ranks, shapes: None };
    for (method, expected) in [
        (Method::Lora { rank: 8 }, 12_288),
        (Method::Lora { rank: 2 }, 3_072),
        (lsr((2, 2)), 3_584),
        (lsr((4, 4)), 7_168),
        (Method::KronA { left: None }, 1_600),
        (Method::LoKr { rank: 8, left: None }, 1_088),
        (Method::Dora { rank: 8 }, 13_056),
        (Method::KAdaptation { terms: 4, rank: 1 }, 64 + 768 * 2),
    ] {
        let layer = method.adapt(w.as_ref(), 1.0, 0).unwrap();
        assert_eq!(layer.parameters(), expected, "{method:?}");
        assert_eq!(layer.values().len(), expected);
        assert_eq!(
            layer.adapter().parts().iter().map(Part::len).sum::<usize>()
                + layer.magnitude().map_or(0, |m| m.len()),
            expected
        );
    }
}

#[test]
fn the_start_is_the_base_bit_by_bit() {
    fn check<T: Scalar>() {
        let (x, _) = samples::<T>();
        for method in METHODS {
            let layer = method.adapt(weight::<T>(), 2.0, 4).unwrap();
            let y = layer.step().forward(x.as_ref()).unwrap();
            let base = layer.base() * &x;
            if matches!(method, Method::Dora { .. }) {
                assert!(relative(y.as_ref(), base.as_ref()) <= 8.0 * T::EPS);
            } else {
                assert_eq!(y, base, "{method:?}");
            }
            if !matches!(method, Method::SvdLora { .. }) {
                assert_eq!(layer.base(), weight::<T>()); // also after any training: it is never changed
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

#[test]
fn forward_is_that_of_the_merged_weight() {
    fn check<T: Scalar>() {
        let (x, dy) = samples::<T>();
        for method in METHODS {
            let layer = trained::<T>(method);
            let (step, merged) = (layer.step(), layer.merged());
            let y = step.forward(x.as_ref()).unwrap();
            assert!(relative(y.as_ref(), (&merged * &x).as_ref()) <= 50.0 * T::EPS, "{method:?}");
            let input = step.backward(x.as_ref(), dy.as_ref()).unwrap().input;
            assert!(relative(input.as_ref(), (merged.transpose() * &dy).as_ref()) <= 50.0 * T::EPS);
            let dense = step.delta().to_dense();
            assert!(
                relative(step.delta().apply(x.as_ref()).unwrap().as_ref(), (&dense * &x).as_ref())
                    <= 50.0 * T::EPS
            );
            if layer.magnitude().is_none() {
                assert!(relative(merged.as_ref(), (layer.base() + &dense).as_ref()) <= 4.0 * T::EPS);
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

#[test]
fn gradients_agree_with_central_differences() {
    let (x, dy) = samples::<f64>();
    for method in METHODS {
        let mut layer = trained::<f64>(method);
        let values = layer.values();
        let gradient = layer.step().backward(x.as_ref(), dy.as_ref()).unwrap().values;
        assert_eq!(gradient.len(), values.len());
        let size = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        for k in 0..values.len() {
            let h = 1e-4;
            let mut loss = |h: f64| {
                let mut moved = values.clone();
                moved[k] += h;
                layer.set_values(&moved).unwrap();
                let y = layer.step().forward(x.as_ref()).unwrap();
                (0..y.ncols())
                    .map(|t| (0..y.nrows()).map(|i| y[(i, t)] * dy[(i, t)]).sum::<f64>())
                    .sum::<f64>()
            };
            // Of fourth order: the update is a polynomial, a magnitude's norm is not.
            let slope = (8.0 * (loss(h) - loss(-h)) - (loss(2.0 * h) - loss(-2.0 * h))) / (12.0 * h);
            assert!((slope - gradient[k]).abs() <= 1e-7 * size, "{method:?} {k}: {slope} {}", gradient[k]);
        }
    }
}

#[test]
fn every_start_trains_and_stationary_ones_are_refused() {
    let (x, dy) = samples::<f64>();
    for method in METHODS {
        let layer = method.adapt(weight::<f64>(), 1.0, 0).unwrap();
        let gradient = layer.step().backward(x.as_ref(), dy.as_ref()).unwrap().values;
        assert!(gradient.iter().any(|g| *g != 0.0), "{method:?}");
        assert_eq!(layer.values(), method.adapt(weight::<f64>(), 1.0, 0).unwrap().values());
        assert_ne!(layer.values(), method.adapt(weight::<f64>(), 1.0, 1).unwrap().values());
        let mut zero = layer.adapter().boxed();
        zero.parts_mut().values_mut().fill(0.0);
        let error = Adapted::new(weight::<f64>(), zero, 1.0);
        let trains = matches!(method, Method::SvdLora { with_values: true, .. }); // its D is linear
        assert_eq!(error.is_ok(), trains, "{method:?}");
    }
}

#[test]
fn bad_input_is_refused() {
    let w = weight::<f64>();
    let wrong = |method: Method| method.adapt(w.as_ref(), 1.0, 0).unwrap_err();
    assert!(matches!(wrong(Method::Lora { rank: 0 }), Error::Rank { .. }));
    assert!(matches!(wrong(Method::Lora { rank: 9 }), Error::Rank { rank: 9, largest: 8 }));
    assert!(matches!(wrong(Method::Lsr { terms: 0, ranks: (1, 1), shapes: None }), Error::Rank { .. }));
    assert!(matches!(wrong(Method::Lsr { terms: 1, ranks: (0, 1), shapes: None }), Error::Shape { .. }));
    let large = Method::Lsr { terms: 1, ranks: (100_000, 100_000), shapes: None };
    assert!(matches!(wrong(large), Error::Rank { largest: 8, .. }));
    assert!(matches!(wrong(Method::Lsr { terms: 1 << 60, ranks: (1, 1), shapes: None }), Error::Rank { .. }));
    let shapes = Some([(5, 2), (4, 2)]);
    assert!(matches!(wrong(Method::Lsr { terms: 1, ranks: (1, 1), shapes }), Error::Shape { .. }));
    assert!(matches!(wrong(Method::KronA { left: Some((5, 2)) }), Error::Shape { .. }));
    assert!(matches!(wrong(Method::KronA { left: Some((0, 2)) }), Error::Shape { .. }));
    assert!(matches!(
        wrong(Method::KAdaptation { terms: 3, rank: 1 }),
        Error::Parameter { name: "terms", .. }
    ));
    assert!(matches!(
        wrong(Method::SvdLora { rank: 3, inner_rank: 4, with_values: false }),
        Error::Rank { .. }
    ));
    for scaling in [0.0, f64::NAN, f64::INFINITY] {
        let error = Method::Lora { rank: 1 }.adapt(w.as_ref(), scaling, 0).unwrap_err();
        assert!(matches!(error, Error::Parameter { name: "scaling", .. }));
    }
    let mut flat = w.clone();
    flat.row_mut(3).fill(0.0);
    let error = Method::Dora { rank: 1 }.adapt(flat.as_ref(), 1.0, 0).unwrap_err();
    assert!(matches!(error, Error::Parameter { name: "base", .. }));
    for bad in [f64::NAN, f64::INFINITY] {
        let mut spoiled = w.clone();
        spoiled[(2, 5)] = bad;
        for method in METHODS {
            assert!(matches!(method.adapt(spoiled.as_ref(), 1.0, 0), Err(Error::NonFinite { .. })));
            let layer = trained::<f64>(method);
            let mut x = samples::<f64>().0;
            x[(7, 6)] = bad;
            assert!(matches!(layer.step().forward(x.as_ref()), Err(Error::NonFinite { .. })));
            let dy = samples::<f64>().1;
            assert!(matches!(layer.step().backward(x.as_ref(), dy.as_ref()), Err(Error::NonFinite { .. })));
            assert!(matches!(layer.step().backward(dy.as_ref(), dy.as_ref()), Err(Error::Shape { .. })));
        }
    }
}

#[test]
fn parts_are_arrays_with_names() {
    let mut layer = trained::<f64>(METHODS[2]);
    let before = layer.values();
    let mut adapter = layer.adapter().boxed();
    let a1 = adapter.parts().array("a1").unwrap();
    assert_eq!(a1.shape(), [3, 4, 2]);
    // dW from the arrays, by the definition.
    let array = |name: &str| adapter.parts().array(name).unwrap();
    let (a2, b1, b2) = (array("a2"), array("b1"), array("b2"));
    let a = |i: usize, c: usize| (0..3).map(|k| a1[[k, i / 3, c]] * a2[[k, i % 3, 0]]).sum::<f64>();
    let b = |c: usize, j: usize| (0..3).map(|k| b1[[k, c, j / 2]] * b2[[k, 0, j % 2]]).sum::<f64>();
    let dense = Mat::from_fn(12, 8, |i, j| 0.5 * (a(i, 0) * b(0, j) + a(i, 1) * b(1, j)));
    assert!(relative(layer.step().delta().to_dense().as_ref(), dense.as_ref()) < 1e-14);
    for name in ["a1", "a2", "b1", "b2"] {
        let array = adapter.parts().array(name).unwrap();
        adapter.parts_mut().set_array(name, &array).unwrap();
    }
    assert_eq!(adapter.parts().values(), before);
    assert!(matches!(adapter.parts().array("c"), Err(Error::Parameter { name: "name", .. })));
    assert!(adapter.parts_mut().set_array("a2", &a1).is_err());
    assert!(layer.set_values(&before[1..]).is_err());
}

#[test]
fn a_lora_update_is_compressed_as_far_as_it_goes() {
    // A generic 768 x 4 factor has separation rank 48 with factors 32 x 2 and 24 x 2.
    let u = gaussian::<f64>(768, 4, 0, "u");
    let v = gaussian::<f64>(768, 4, 0, "v");
    let shapes = LsrShapes { outputs: (32, 24), ranks: (2, 2), inputs: (32, 24) };
    let factors = LowRank { u, v };
    for (terms, expected) in [(10, 0.71), (16, 0.57), (32, 0.24), (48, 0.0)] {
        let fit = Lsr::compress(&factors, shapes, terms).unwrap();
        assert!((fit.relative_errors.0 - expected).abs() < 0.02, "{terms}: {:?}", fit.relative_errors);
        let dense = fit.adapter.delta().to_dense();
        let error = relative(dense.as_ref(), factors.to_dense().as_ref());
        assert!((error - fit.relative_error).abs() < 1e-13, "{error} {}", fit.relative_error);
    }
    // Near 1e200 and 1e-200 the same.
    fn far<T: Scalar>(seed: u64, exponents: [(i32, i32); 3]) {
        let shapes = LsrShapes { outputs: (4, 3), ranks: (2, 2), inputs: (4, 2) };
        let (u, v) = (gaussian::<T>(12, 4, seed, "u"), gaussian::<T>(8, 4, seed, "v"));
        let fit = |left, right| {
            let factors = LowRank { u: scaled(u.as_ref(), left), v: scaled(v.as_ref(), right) };
            let fit = Lsr::compress(&factors, shapes, 2).unwrap();
            [fit.relative_errors.0, fit.relative_errors.1, fit.relative_error]
        };
        let near = fit(0, 0);
        assert!(near.iter().all(|error| (0.1..1.0).contains(error)), "{near:?}");
        for (left, right) in exponents {
            for (far, near) in fit(left, right).iter().zip(near) {
                assert!((far - near).abs() < 1e-5, "{left} {right}: {far} {near}");
            }
        }
    }
    far::<f64>(0, [(664, 664), (-664, -664), (-900, 900)]);
    far::<f32>(0, [(100, 100), (-100, -100), (-80, 110)]);
    // And back: an LSR update is a LoRA update of rank r.
    let fit = Lsr::compress(&factors, shapes, 5).unwrap();
    let Delta::LowRank(x) = fit.adapter.delta() else { panic!("not of low rank") };
    let lora = Lora::from_factors(&x).unwrap();
    assert_eq!(lora.delta().to_dense(), fit.adapter.delta().to_dense());
    // The update of a trained weight.
    let w = gaussian::<f64>(30, 20, 1, "w");
    let target = &w + gaussian::<f64>(30, 20, 2, "change");
    let best = optimal_update(w.as_ref(), target.as_ref(), Rank::Fixed(4)).unwrap();
    let lora = Lora::from_factors(&best.factors).unwrap();
    let layer = Adapted::new(w.clone(), Box::new(lora), 1.0).unwrap();
    assert!(
        (relative(layer.merged().as_ref(), target.as_ref()) * target.norm_l2() - best.error).abs() < 1e-12
    );
}
