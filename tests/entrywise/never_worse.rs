//! Never worse than the truncated SVD and TT-SVD; exact ranks come back.

use super::*;

/// Bars 14 and 15 over the gallery; the bound holds for the best error of all methods.
fn gallery_bars<T: Scalar>(shapes: &[(usize, usize, &[usize])], methods: &[(&str, Method)]) {
    let seed = 5;
    for family in gallery::families::<T>() {
        for &(m, n, ranks) in shapes {
            let f = (family.make)(m, n, seed);
            for &rank in ranks {
                let name = format!("{} {} {m}x{n} rank {rank} seed {seed}", T::NAME, family.name);
                let mut best = f64::INFINITY;
                for (method, m) in methods {
                    let x = never_worse(f.as_ref(), rank, m, &format!("{name} {method}"));
                    best = best.min(x.report.error);
                }
                let bound = bound_alone(&f, rank);
                let grain = 4.0 * T::EPS * max_norm(f.as_ref());
                assert!(bound <= best + grain, "{name}: bound {bound:e} over the error {best:e}");
            }
        }
    }
}

const SMALL: &[(usize, usize, &[usize])] =
    &[(1, 1, &[0, 1]), (1, 7, &[1]), (5, 3, &[1, 3]), (16, 10, &[0, 2, 7]), (33, 65, &[3])];

#[test]
fn never_worse_than_the_truncated_svd_small_shapes() {
    gallery_bars::<f64>(SMALL, &methods()[..1]);
    gallery_bars::<f32>(SMALL, &methods()[..1]);
}

#[test]
fn never_worse_than_the_truncated_svd_larger_shapes() {
    gallery_bars::<f64>(&[(127, 129, &[6])], &methods()[..1]);
    gallery_bars::<f32>(&[(200, 20, &[4])], &methods()[..1]);
}

#[test]
fn projections_are_never_worse_than_the_truncated_svd() {
    gallery_bars::<f64>(&[(16, 10, &[2]), (40, 30, &[5])], &methods()[1..]);
    gallery_bars::<f32>(&[(16, 10, &[2])], &methods()[1..]);
}

#[test]
#[ignore = "the whole product of families, shapes and methods takes minutes"]
fn never_worse_than_the_truncated_svd_everywhere() {
    const LARGE: &[(usize, usize, &[usize])] = &[
        (65, 33, &[1, 8, 20]),
        (127, 129, &[1, 5, 40]),
        (200, 20, &[1, 5, 19]),
        (128, 128, &[3, 16, 64]),
        (300, 200, &[10, 50]),
        (2000, 7, &[2]),
    ];
    for shapes in [SMALL, LARGE] {
        gallery_bars::<f64>(shapes, &methods());
        gallery_bars::<f32>(shapes, &methods());
    }
}

/// A matrix of exactly the asked rank comes back, for every method.
#[test]
fn exact_rank_is_reproduced() {
    fn check<T: Scalar>(tolerance: f64) {
        for (m, n, rank) in [(1, 1, 1), (7, 1, 1), (16, 10, 3), (33, 65, 5), (127, 129, 8), (300, 40, 20)] {
            for (name, method) in methods() {
                for seed in 0..3 {
                    let u = gaussian::<T>(m, rank, seed, "left");
                    let v = gaussian::<T>(n, rank, seed, "right");
                    let f = &u * v.transpose();
                    let case = format!("{} {m}x{n} rank {rank} seed {seed} {name}", T::NAME);
                    let error = run(f.as_ref(), rank, with(&method), &case).relative_error();
                    assert!(error <= tolerance, "{case}: {error:e}");
                }
            }
        }
    }
    check::<f64>(1e-10);
    check::<f32>(1e-5);
}

/// Named tensors, and the rank to ask for.
fn tensors<T: Scalar>(shape: &[usize], seed: u64) -> Vec<(&'static str, ArrayD<T>, usize)> {
    let full = |x: f64| ArrayD::from_elem(IxDyn(shape), T::of(x));
    let mut delta = full(0.0);
    for k in 0..*shape.iter().min().unwrap() {
        delta[vec![k; shape.len()].as_slice()] = T::of(1.0);
    }
    let train = TensorTrain::<T>::random(shape, &vec![2; shape.len() - 1], seed).unwrap();
    vec![
        ("random", random_tensor(shape, seed), 2),
        ("exact rank", train.to_dense().unwrap(), 2),
        ("ones", full(1.0), 2),
        ("zeros", full(0.0), 3),
        ("delta", delta, 2),
        ("sinh", sinh_tensor(shape, 3, seed).to_dense().unwrap(), 2),
    ]
}

/// Bars 14 and 15 for tensors of orders 2, 3 and 4.
#[test]
fn tensors_are_never_worse_than_tt_svd() {
    fn check<T: Scalar>() {
        for shape in [&[6usize, 5][..], &[5, 4, 6], &[12, 9, 10], &[3, 4, 5, 2], &[2, 6, 1, 5]] {
            for seed in 0..2 {
                for (name, f, rank) in tensors::<T>(shape, seed) {
                    let start = tt_svd(f.view(), Truncation::rank(rank)).unwrap().train;
                    let (svd_error, _, _) = tensor_error(f.view(), &start);
                    let largest = f.iter().fold(0.0, |m: f64, x| m.max(x.as_f64().abs()));
                    for (method_name, method) in methods() {
                        let case =
                            format!("{} {name} {shape:?} rank {rank} seed {seed} {method_name}", T::NAME);
                        let error = run_tensor(&f, rank, with(&method), &case).report.error;
                        let rounding = 100.0 * T::EPS * largest;
                        assert!(
                            error <= svd_error + rounding,
                            "{case}: error {error:e}, TT-SVD {svd_error:e}"
                        );
                        if ["exact rank", "ones", "zeros"].contains(&name) {
                            let bar = if T::NAME == "f32" { 1e-5 } else { 1e-10 };
                            assert!(error <= bar * largest, "{case}: {error:e}");
                        }
                    }
                }
            }
        }
    }
    check::<f64>();
    check::<f32>();
}
