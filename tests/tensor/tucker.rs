//! HOSVD and HOOI: errors against the singular values of unfoldings, tolerances, ranks, scales.

use super::*;
use lowrank::Tucker;
use lowrank::matrix::frobenius;
use lowrank::svd::singular_values;
use lowrank::tensor::tucker::{Basis, Compressed, Hooi, Hosvd, Ranks, hooi, hosvd};
use lowrank::tensor::{multi_mode_product, unfold};

const RANDOMIZED: Basis = Basis::Randomized { oversampling: 8, power_iterations: 1, seed: 0 };

fn with(basis: Basis, sequential: bool) -> Hosvd {
    Hosvd { sequential, basis, modes: None }
}

/// The four ways without a Gram matrix, which see all digits.
fn accurate() -> [Hosvd; 4] {
    [true, false]
        .map(|sequential| [with(Basis::Orthogonal, sequential), with(RANDOMIZED, sequential)])
        .concat()
        .try_into()
        .unwrap()
}

/// A tensor of these ranks with Gaussian core and factors.
fn of_ranks<T: Scalar>(shape: &[usize], ranks: &[usize], seed: u64) -> ArrayD<T> {
    let core = random::<f64>(ranks, seed);
    let factors: Vec<Mat<f64>> = shape.iter().zip(ranks).map(|(&n, &r)| gaussian(n, r, seed, "u")).collect();
    let pairs: Vec<_> = factors.iter().enumerate().map(|(k, f)| (k, f.as_ref())).collect();
    multi_mode_product(core.view(), &pairs).unwrap().mapv(T::of)
}

/// Named tensors of a shape.
fn gallery<T: Scalar>(shape: &[usize]) -> Vec<(&'static str, ArrayD<T>)> {
    let two: Vec<usize> = shape.iter().map(|n| 2.min(*n)).collect();
    let (thin, full) = (of_ranks::<f64>(shape, &two, 1), random::<f64>(shape, 2));
    let sum = |i: &[usize]| i.iter().sum::<usize>() as f64;
    vec![
        ("zero", tensor(shape, |_| 0.0)),
        ("ones", tensor(shape, |_| 1.0)),
        ("one entry", tensor(shape, |i| if i.iter().all(|&i| i == 0) { 1.0 } else { 0.0 })),
        ("hilbert", tensor(shape, |i| 1.0 / (1.0 + sum(i)))),
        ("diagonal", tensor(shape, |i| if i.iter().all(|&j| j == i[0]) { 1.0 } else { 0.0 })),
        ("graded", tensor(shape, |i| 10f64.powi(-(sum(i) as i32)))),
        ("rank 2", tensor(shape, |i| thin[i])),
        ("ones plus 1e-12", tensor(shape, |i| 1.0 + 1e-12 * full[i])),
        ("rank 2 plus 1e-8", tensor(shape, |i| thin[i] + 1e-8 * full[i])),
        ("random", tensor(shape, |i| full[i])),
    ]
}

/// sqrt of the sum over modes of the squared tails of the unfoldings of A, theorem 5.
fn theorem(a: &ArrayD<f64>, ranks: &[usize]) -> f64 {
    let tails = (0..a.ndim()).map(|mode| {
        let s = singular_values(unfold(a.view(), mode).unwrap()).unwrap();
        tail(&s[ranks[mode].min(s.len())..])
    });
    tails.fold(0.0, f64::hypot)
}

/// |A - X|_F in double precision, from the parts.
fn true_error<T: Scalar>(a: &ArrayD<T>, x: &Tucker<T>) -> f64 {
    let core = x.core().mapv(|x| x.as_f64());
    let factors: Vec<Option<Mat<f64>>> =
        x.factors().iter().map(|f| Some(wide(f.as_ref()?.as_ref()))).collect();
    let pairs: Vec<_> =
        factors.iter().enumerate().filter_map(|(k, f)| Some((k, f.as_ref()?.as_ref()))).collect();
    distance(&a.mapv(|x| x.as_f64()), &multi_mode_product(core.view(), &pairs).unwrap())
}

fn worst_omega<T: Scalar>(x: &Tucker<T>) -> f64 {
    x.factors().iter().flatten().map(|u| omega(u, g::<T>(u.nrows(), u.ncols()))).fold(0.0, f64::max)
}

/// The longest side of an unfolding, as a multiple of eps |A|_F; 1 for a zero tensor.
fn unit<T: Scalar>(a: &ArrayD<T>) -> f64 {
    let longest = a.shape().iter().map(|&n| n.max(a.len() / n)).max().unwrap();
    if norm(a) > 0.0 { longest as f64 * T::EPS * norm(a) } else { 1.0 }
}

fn check<T: Scalar>(case: &str, a: &ArrayD<T>, x: &Compressed<T>) {
    let error = true_error(a, &x.tucker);
    let off = (x.error - error).abs() / unit(a);
    assert!(off <= 5.0, "{case}: error {error:e} reported {:e}, {off} n eps", x.error);
    assert!((x.relative_error * norm(a) - x.error).abs() <= 5.0 * unit(a), "{case}");
    assert!(error <= x.bound + 5.0 * unit(a), "{case}: {error:e} above the bound {:e}", x.bound);
    let own = x.tucker.error(a.view()).unwrap();
    assert!((own - error).abs() <= 5.0 * unit(a), "{case}: {own:e} is not {error:e}");
    let omega = worst_omega(&x.tucker);
    assert!(omega <= 10.0, "{case}: omega {omega}");
    assert_eq!(x.tucker.shape(), a.shape(), "{case}");
}

fn check_gallery<T: Scalar>() {
    for &shape in SHAPES.iter().filter(|shape| shape.iter().product::<usize>() <= 5000) {
        for (name, a) in gallery::<T>(shape) {
            let double = a.mapv(|x| x.as_f64());
            for parameters in accurate() {
                for wanted in [1, 2, 4] {
                    let ranks: Vec<usize> = shape.iter().map(|&n| wanted.min(n)).collect();
                    let case = format!("{name} {} {shape:?} ranks {wanted} {parameters:?}", T::NAME);
                    let x = hosvd(a.view(), &Ranks::Fixed(ranks.clone()), &parameters).expect(&case);
                    check(&case, &a, &x);
                    if parameters.basis == Basis::Orthogonal {
                        let theorem = theorem(&double, &ranks) + 5.0 * unit(&a);
                        assert!(x.error <= theorem, "{case}: {:e} above theorem 5, {theorem:e}", x.error);
                    }
                }
            }
            for parameters in
                accurate().into_iter().chain([with(Basis::Gram, true), with(Basis::Gram, false)])
            {
                for t in [0.0, 1e-10, 1e-6, 1e-3, 0.3, 1.0] {
                    let case = format!("{name} {} {shape:?} tolerance {t} {parameters:?}", T::NAME);
                    let x = hosvd(a.view(), &Ranks::Tolerance(t), &parameters).expect(&case);
                    check(&case, &a, &x);
                    let over = (true_error(&a, &x.tucker) - t * norm(&a)) / unit(&a);
                    assert!(over <= 1.0, "{case}: {over} n eps above the tolerance");
                }
            }
        }
    }
}

#[test]
fn errors_stay_below_bounds_and_tolerances_f64() {
    check_gallery::<f64>();
}

#[test]
fn errors_stay_below_bounds_and_tolerances_f32() {
    check_gallery::<f32>();
}

#[test]
fn exact_ranks_are_recovered() {
    for seed in 0..5 {
        let a = of_ranks::<f64>(&[20, 30, 25], &[3, 4, 5], seed);
        for parameters in accurate() {
            let x = hosvd(a.view(), &Ranks::Tolerance(1e-11), &parameters).unwrap();
            assert_eq!(x.tucker.ranks(), [3, 4, 5], "{parameters:?}");
            assert!(x.relative_error <= 50.0 * f64::EPSILON, "{parameters:?} {:e}", x.relative_error);
        }
        // A Gram matrix sees the rank where it is told not to look below its noise.
        let x = hosvd(a.view(), &Ranks::Tolerance(1e-6), &with(Basis::Gram, true)).unwrap();
        assert_eq!(x.tucker.ranks(), [3, 4, 5]);
        let x = hosvd(a.view(), &Ranks::Energy(1.0 - 1e-12), &Hosvd::default()).unwrap();
        assert_eq!(x.tucker.ranks(), [3, 4, 5]);
    }
}

#[test]
fn small_directions_are_seen_but_by_a_gram_matrix() {
    // Ranks (2, 2, 2) with a second direction of relative size 1e-10.
    let (x, y) =
        (of_ranks::<f64>(&[40, 50, 60], &[1, 1, 1], 1), of_ranks::<f64>(&[40, 50, 60], &[1, 1, 1], 2));
    let a = &x + &(&y * 1e-10);
    let ranks = Ranks::Fixed(vec![2, 2, 2]);
    let exact = hosvd(a.view(), &ranks, &Hosvd::default()).unwrap();
    assert!(exact.relative_error < 1e-14, "{:e}", exact.relative_error);
    let gram = hosvd(a.view(), &ranks, &with(Basis::Gram, true)).unwrap();
    assert!(gram.relative_error > 1e-12, "{:e}", gram.relative_error);
    assert!(gram.error <= gram.bound);
}

#[test]
fn a_gram_matrix_loses_directions_below_the_root_of_eps() {
    let shape = [40, 50, 60];
    let (x, y) = (of_ranks::<f64>(&shape, &[1, 1, 1], 1), of_ranks::<f64>(&shape, &[1, 1, 1], 2));
    let (x, y) = (&x / norm(&x), &y / norm(&y));
    let (mut worst, mut at) = (0.0, 0.0);
    for tenths in (-110..=-30).step_by(5) {
        let size = 10f64.powf(f64::from(tenths) / 10.0);
        let a = &x + &(&y * size);
        let error = |basis| {
            let fit = hosvd(a.view(), &Ranks::Fixed(vec![2; 3]), &with(basis, true)).unwrap();
            assert!(fit.error <= fit.bound + 1e-14, "{basis:?} {size:e}");
            fit.relative_error
        };
        let (exact, gram) = (error(Basis::Orthogonal), error(Basis::Gram));
        println!("a direction of size {size:.1e}: orthogonal {exact:.1e}, Gram {gram:.1e}");
        assert!(exact < 1e-14, "{size:e}: {exact:e}");
        // Its angle is off by eps / size^2: what is lost of it falls as eps / size.
        assert!(gram <= (50.0 * f64::EPSILON / size).min(2.0 * size), "{size:e}: {gram:e}");
        assert!(size > 1e-9 || gram > 0.1 * size, "{size:e}: {gram:e}");
        (worst, at) = if gram > worst { (gram, size) } else { (worst, at) };
    }
    assert!(worst > 1e-9 && worst < 1e-7 && at > 3e-9 && at < 1e-7, "{worst:e} at {at:e}");
}

#[test]
fn large_unfoldings_go_through_a_tree() {
    for shape in [&[30, 90, 500][..], &[20, 300, 40, 7], &[3, 40_000], &[40_000, 3]] {
        let ranks: Vec<usize> = shape.iter().map(|&n| 3.min(n)).collect();
        let a = of_ranks::<f64>(shape, &ranks, 3) + random::<f64>(shape, 4) * 1e-9;
        for (layout, stored, view) in layouts(&a).into_iter().take(2) {
            for parameters in accurate() {
                let x = hosvd(view(&stored), &Ranks::Fixed(ranks.clone()), &parameters).unwrap();
                check(&format!("{shape:?} {layout} {parameters:?}"), &a, &x);
                assert!(x.relative_error < 1e-8 && x.relative_error > 0.0);
            }
        }
    }
}

#[test]
fn chosen_modes_alone_are_compressed() {
    let a = random::<f64>(&[16, 3, 3, 20], 5);
    for parameters in accurate() {
        let parameters = Hosvd { modes: Some(vec![3, 0]), ..parameters };
        let x = hosvd(a.view(), &Ranks::Fixed(vec![7, 5]), &parameters).unwrap();
        check("Tucker-2", &a, &x);
        assert_eq!(x.tucker.ranks(), [5, 3, 3, 7]);
        assert_eq!(x.tucker.parameters(), 5 * 9 * 7 + 16 * 5 + 20 * 7);
        assert!(x.tucker.factors()[1].is_none() && x.tails.len() == 2);
        let dense = x.tucker.to_dense().unwrap();
        for index in [[0, 0, 0, 0], [15, 2, 1, 19], [7, 1, 2, 3]] {
            assert!((x.tucker.entry(&index).unwrap() - dense[&index[..]]).abs() < 1e-13);
        }
    }
    let one = Hosvd { modes: Some(vec![]), ..Default::default() };
    let x = hosvd(a.view(), &Ranks::Tolerance(0.1), &one).unwrap();
    assert_eq!((x.tucker.core(), x.error), (&a, 0.0));
}

#[test]
fn iteration_never_increases_the_error_and_reports_honestly() {
    for (name, a) in gallery::<f64>(&[9, 10, 11]) {
        for start in [Hosvd::default(), with(RANDOMIZED, false), with(Basis::Gram, true)] {
            let ranks = Ranks::Fixed(vec![3, 2, 4]);
            let x = hooi(a.view(), &ranks, &Hooi { start: start.clone(), ..Default::default() }).unwrap();
            let error = true_error(&a, &x.tucker);
            assert!((error - x.report.error).abs() <= 50.0 * f64::EPSILON * norm(&a), "{name}");
            assert!(x.report.error <= x.start_error && x.start_error <= x.bound + 5.0 * unit(&a), "{name}");
            assert!(x.report.history.is_sorted_by(|x, y| x.error >= y.error), "{name}");
            assert!(worst_omega(&x.tucker) <= 10.0);
            if name != "random" {
                continue;
            }
            assert!(x.report.error < 0.999 * x.start_error, "{:e} {:e}", x.report.error, x.start_error);
            // Converged: another run from there gains no more than the tolerance.
            assert_eq!(x.report.status, lowrank::Status::Converged);
            let once = Hooi { max_iterations: 1, start, ..Default::default() };
            let y = hooi(a.view(), &ranks, &once).unwrap();
            assert_eq!(y.report.status, lowrank::Status::IterationLimit);
            assert!(y.report.error >= x.report.error);
        }
    }
    let a = random::<f64>(&[9, 10, 11], 6);
    let x = hooi(a.view(), &Ranks::Tolerance(0.5), &Hooi::default()).unwrap();
    assert!(x.relative_error <= 0.5);
    let modes = Hosvd { modes: Some(vec![2]), ..Default::default() };
    let x = hooi(a.view(), &Ranks::Fixed(vec![4]), &Hooi { start: modes, ..Default::default() }).unwrap();
    assert!((x.report.error - x.start_error).abs() <= 50.0 * f64::EPSILON * norm(&a), "one mode is optimal");
}

#[test]
fn scales_do_not_matter() {
    fn check<T: Scalar>() {
        let a = of_ranks::<T>(&[8, 9, 10], &[4, 4, 4], 7);
        let norm_a = norm(&a);
        let start = [with(Basis::Gram, true), with(Basis::Gram, false)];
        for parameters in accurate().into_iter().chain(start) {
            let ranks = Ranks::Fixed(vec![2, 3, 2]);
            let plain = hosvd(a.view(), &ranks, &parameters).unwrap();
            let dense = plain.tucker.to_dense().unwrap();
            for e in [far::<T>(), -far::<T>(), far::<T>() / 2 * 3, -far::<T>() / 2 * 3] {
                let big = shifted(&a, e);
                let x = hosvd(big.view(), &ranks, &parameters).unwrap();
                let off = distance(&shifted(&x.tucker.to_dense().unwrap(), -e), &dense) / norm_a;
                assert!(off <= 1e3 * T::EPS, "{} {parameters:?} 2^{e}: {off:e}", T::NAME);
                let off = (x.relative_error - plain.relative_error).abs();
                assert!(
                    off <= 1e3 * T::EPS,
                    "{} {parameters:?} 2^{e}: relative error off by {off:e}",
                    T::NAME
                );
                let own = x.tucker.error(big.view()).unwrap();
                assert!((own - x.error).abs() <= 1e3 * T::EPS * x.error, "{} 2^{e} {own:e}", T::NAME);
                let fit = hooi(big.view(), &ranks, &Hooi::default()).unwrap();
                assert!(
                    fit.report.error <= fit.start_error && fit.relative_error <= plain.relative_error * 1.01
                );
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

#[test]
fn bits_do_not_depend_on_threads() {
    let a = random::<f64>(&[70, 80, 90], 8);
    let bases = [Basis::Orthogonal, Basis::Gram, RANDOMIZED];
    for parameters in bases.map(|basis| with(basis, true)) {
        let run = || {
            let x = hosvd(a.view(), &Ranks::Fixed(vec![10, 11, 12]), &parameters).unwrap();
            (x.tucker, x.error, x.bound)
        };
        same_on_any_threads(&format!("{parameters:?}"), run);
    }
    let short = Hooi { max_iterations: 2, ..Default::default() };
    same_on_any_threads("hooi", || {
        let x = hooi(a.view(), &Ranks::Fixed(vec![10, 11, 12]), &short).unwrap();
        (x.tucker, x.report.error)
    });
}

#[test]
fn non_finite_entries_are_found_at_once() {
    for (bad, at) in bad_places([3, 4, 5]) {
        let mut a = ArrayD::<f64>::ones(IxDyn(&[3, 4, 5]));
        let x = hosvd(a.view(), &Ranks::Tolerance(0.1), &Hosvd::default()).unwrap().tucker;
        a[&at[..]] = bad;
        for parameters in accurate() {
            non_finite(hosvd(a.view(), &Ranks::Tolerance(0.1), &parameters), "a", &at, "hosvd");
        }
        non_finite(hooi(a.view(), &Ranks::Tolerance(0.1), &Hooi::default()), "a", &at, "hooi");
        non_finite(x.error(a.view()), "a", &at, "error");
        non_finite(Tucker::new(a, vec![None, None, None]), "core", &at, "new");
    }
}

#[test]
fn odd_arguments_are_documented_results() {
    let a = random::<f64>(&[3, 4, 5], 9);
    let fixed = |ranks: &[usize]| hosvd(a.view(), &Ranks::Fixed(ranks.to_vec()), &Hosvd::default());
    assert!(matches!(fixed(&[3, 4, 6]), Err(Error::Rank { rank: 6, largest: 5 })));
    assert!(matches!(fixed(&[3, 0, 5]), Err(Error::Parameter { name: "ranks", .. })));
    assert!(matches!(fixed(&[3, 4]), Err(Error::Shape { argument: "ranks", .. })));
    assert!(fixed(&[3, 4, 5]).unwrap().relative_error <= 1e-14);
    for x in [-0.1, 1.1, f64::NAN] {
        for ranks in [Ranks::Tolerance(x), Ranks::Energy(x)] {
            assert!(matches!(hosvd(a.view(), &ranks, &Hosvd::default()), Err(Error::Parameter { .. })));
        }
        let parameters = Hooi { tolerance: if x > 0.0 { f64::INFINITY } else { x }, ..Default::default() };
        assert!(matches!(
            hooi(a.view(), &Ranks::Tolerance(0.1), &parameters),
            Err(Error::Parameter { name: "tolerance", .. })
        ));
    }
    for modes in [vec![3], vec![1, 1]] {
        let parameters = Hosvd { modes: Some(modes), ..Default::default() };
        assert!(matches!(hosvd(a.view(), &Ranks::Tolerance(0.1), &parameters), Err(Error::Parameter { .. })));
    }
    let scalar = ArrayD::<f64>::ones(IxDyn(&[]));
    assert!(matches!(
        hosvd(scalar.view(), &Ranks::Tolerance(0.1), &Hosvd::default()),
        Err(Error::Shape { argument: "a", .. })
    ));
    let long = random::<f64>(&[50, 2, 2], 9);
    let x = hosvd(long.view(), &Ranks::Fixed(vec![50, 2, 2]), &Hosvd::default()).unwrap();
    assert_eq!(x.tucker.ranks(), [4, 2, 2], "lowered to the product of the others");
    for shape in [&[0][..], &[3, 0, 2], &[0, 0]] {
        let empty = ArrayD::<f64>::zeros(IxDyn(shape));
        for parameters in accurate() {
            let x = hosvd(empty.view(), &Ranks::Tolerance(0.1), &parameters).unwrap();
            assert_eq!((x.tucker.to_dense().unwrap(), x.error), (empty.clone(), 0.0), "{shape:?}");
        }
        assert_eq!(hooi(empty.view(), &Ranks::Tolerance(0.1), &Hooi::default()).unwrap().report.error, 0.0);
    }
    let x = fixed(&[1, 2, 3]).unwrap().tucker;
    assert!(matches!(x.entry(&[0, 0]), Err(Error::Shape { argument: "index", .. })));
    assert!(matches!(x.entry(&[3, 0, 0]), Err(Error::Shape { argument: "index", .. })));
    assert!(matches!(x.error(long.view()), Err(Error::Shape { argument: "a", .. })));
    let (core, mut factors) = x.into_parts();
    factors[1] = Some(Mat::zeros(4, 3));
    assert!(matches!(Tucker::new(core.clone(), factors), Err(Error::Shape { argument: "factors", .. })));
    assert!(matches!(Tucker::new(core, vec![None]), Err(Error::Shape { argument: "factors", .. })));
    let wide =
        vec![Some(Mat::<f64>::ones(1 << 22, 1)), Some(Mat::ones(1 << 22, 1)), Some(Mat::ones(1 << 22, 1))];
    let huge = Tucker::new(ArrayD::ones(IxDyn(&[1, 1, 1])), wide).unwrap();
    assert!(matches!(huge.to_dense(), Err(Error::TooLarge { .. })));
    assert_eq!(frobenius(Mat::<f64>::from_fn(1, 1, |_, _| huge.entry(&[5, 6, 7]).unwrap())), 1.0);
}
