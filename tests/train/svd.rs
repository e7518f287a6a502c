//! TT-SVD, randomized TT-SVD and rounding: errors against bounds, orthogonality, limits, scales.

use super::*;
use lowrank::tensor::train::{
    Limit, RandomizedRounding, RandomizedTt, Truncation, tt_svd, tt_svd_randomized,
};

/// The worst ratios of one kind of number over a gallery.
#[derive(Debug, Default)]
struct Worst {
    /// | reported - true error | / (eps |A|_F)
    report: f64,
    /// (error - root of the sum of the squared tails of A) / (g eps |A|_F)
    bound: f64,
    /// (error - tolerance |A|_F) / (g eps |A|_F), where the rank did not decide
    tolerance: f64,
    /// |Q'Q - I|_F / (g eps)
    omega: f64,
}

/// Error below the bound and the tolerance, an honest report, orthonormal cores.
fn check_tensor<T: Scalar>(name: &str, a: &ArrayD<T>, worst: &mut Worst) {
    let norm = norm(a);
    let unit = if norm > 0.0 { T::EPS * norm } else { 1.0 };
    // The longest side of an unfolding.
    let sides = (1..a.ndim()).map(|k| a.shape()[..k].iter().product::<usize>());
    let longest = sides.map(|rows| rows.max(a.len() / rows)).max().unwrap_or(1) as f64;
    let truncations = [
        Truncation::rank(1),
        Truncation::rank(2),
        Truncation::tolerance(0.0),
        Truncation::tolerance(1e-1),
        Truncation::tolerance(1e-4),
        Truncation { max_rank: 3, tolerance: 1e-3 },
    ];
    for truncation in truncations {
        let case = format!("{name} {} {:?} {truncation:?}", T::NAME, a.shape());
        let direct = tt_svd(a.view(), truncation).expect(&case);
        let whole = tt_svd(a.view(), Truncation::tolerance(0.0)).expect(&case).train;
        let written = whole.to_dense().expect(&case);
        let rounded = whole.round(truncation).expect(&case);
        for (method, a, result) in [("tt_svd", a, direct), ("round", &written, rounded)] {
            let case = format!("{method} {case}");
            let error = distance(a, &result.train.to_dense().expect(&case));
            let own = result.train.error(a.view()).expect(&case);
            assert!((own - error).abs() <= 50.0 * unit, "{case}: {own:e} is not {error:e}");
            let report = (error - result.error).abs() / unit;
            assert!(report <= 50.0, "{case}: {error:e} reported {:e}, {report} eps", result.error);
            let bound = (error - tail_bound(a, &result.train.ranks())) / (longest * unit);
            assert!(bound <= 5.0, "{case}: {bound} g eps above the bound");
            assert!(result.train.ranks().iter().all(|&r| r <= truncation.max_rank), "{case}");
            if result.limit != Limit::Rank {
                let over = (error - truncation.tolerance * norm) / (longest * unit);
                assert!(over <= 1.0, "{case}: {over} g eps above the tolerance");
                worst.tolerance = worst.tolerance.max(over);
            }
            let omega = worst_omega(&result.train);
            assert!(omega <= 10.0, "{case}: omega {omega}");
            worst.report = worst.report.max(report);
            worst.bound = worst.bound.max(bound);
            worst.omega = worst.omega.max(omega);
        }
    }
}

fn check_gallery<T: Scalar>() {
    let shapes: [&[usize]; 9] = [
        &[7],
        &[6, 9],
        &[1, 1, 1],
        &[4, 5, 6],
        &[2, 1, 9, 3],
        &[30, 2, 2],
        &[2, 2, 30],
        &[2; 10],
        &[3, 17, 4],
    ];
    let mut worst = Worst::default();
    for shape in shapes {
        for (name, a) in gallery::<T>(shape) {
            check_tensor(name, &a, &mut worst);
        }
    }
    println!("{}: {worst:.2?}", T::NAME);
}

#[test]
fn errors_stay_below_their_bounds_f64() {
    check_gallery::<f64>();
}

#[test]
fn errors_stay_below_their_bounds_f32() {
    check_gallery::<f32>();
}

#[test]
fn exact_ranks_are_recovered() {
    for seed in 0..5 {
        let x = TensorTrain::<f64>::random(&[6, 7, 5, 8], &[2, 4, 3], seed).unwrap();
        let a = x.to_dense().unwrap();
        let y = tt_svd(a.view(), Truncation::tolerance(1e-10)).unwrap();
        assert_eq!(y.train.ranks(), [2, 4, 3], "seed {seed}");
        assert!(distance(&a, &y.train.to_dense().unwrap()) <= 50.0 * f64::EPSILON * norm(&a), "seed {seed}");
        let z = tt_svd_randomized(a.view(), &[2, 4, 3], RandomizedTt::default()).unwrap();
        assert!(distance(&a, &z.train.to_dense().unwrap()) <= 50.0 * f64::EPSILON * norm(&a), "seed {seed}");
        assert!(worst_omega(&z.train) <= 10.0, "seed {seed}");
    }
}

#[test]
fn order_two_is_the_truncated_svd() {
    let (_, a) = gallery::<f64>(&[20, 31]).pop().unwrap();
    for rank in [1, 3, 20] {
        let x = tt_svd(a.view(), Truncation::rank(rank)).unwrap();
        let best = tail_bound(&a, &[rank]);
        assert!((x.error - best).abs() <= 50.0 * f64::EPSILON * norm(&a), "rank {rank}");
    }
}

#[test]
fn rank_one_plus_noise_keeps_small_singular_values() {
    // Unpivoted QR of such unfoldings may lose what lies at 1e-12.
    for (shape, noise) in
        [([40, 40, 40], 1e-12), ([5, 60, 7], 1e-12), ([64, 8, 9], 1e-13), ([8, 9, 64], 1e-14)]
    {
        let ones = ArrayD::<f64>::ones(IxDyn(&shape));
        let e = TensorTrain::<f64>::random(&shape, &[3, 3], 5).unwrap().to_dense().unwrap();
        let a = &ones + &(&e * noise);
        for rank in [1, 2, 3] {
            let x = tt_svd(a.view(), Truncation::rank(rank)).unwrap();
            let error = distance(&a, &x.train.to_dense().unwrap());
            let ratio = (error - x.error).abs() / (f64::EPSILON * norm(&a));
            assert!(ratio <= 50.0, "{shape:?} {noise:e} rank {rank}: off by {ratio} eps");
            let y = tt_svd(a.view(), Truncation::tolerance(0.0))
                .unwrap()
                .train
                .round(Truncation::rank(rank))
                .unwrap();
            let ratio = (x.error - y.error).abs() / (f64::EPSILON * norm(&a));
            assert!(ratio <= 50.0, "rounding {shape:?} {noise:e} rank {rank}: off by {ratio} eps");
        }
    }
}

#[test]
fn scales_do_not_matter() {
    let (_, a) = gallery::<f64>(&[4, 5, 6]).pop().unwrap();
    let plain = tt_svd(a.view(), Truncation::rank(2)).unwrap();
    let (lo, hi) = (2f64.powi(-1000), 2f64.powi(1000));
    let max = a.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    let factors = [1e-200, 1e200, 2f64.powi(-600), 2f64.powi(600), lo, hi, f64::MAX / max / 2.0];
    for factor in factors {
        let scaled = a.mapv(|x| x * factor);
        let check = |what: &str, x: &TensorTrain<f64>, relative: f64| {
            let back = x.to_dense().unwrap().mapv(|x| x / factor);
            let off = distance(&back, &plain.train.to_dense().unwrap()) / norm(&a);
            assert!(off <= 1e-13, "{what} {factor:e}: {off:e}");
            assert!((relative - plain.relative_error).abs() <= 1e-13, "{what} {factor:e}");
        };
        let x = tt_svd(scaled.view(), Truncation::rank(2)).unwrap();
        check("tt_svd", &x.train, x.relative_error);
        let z = tt_svd(scaled.view(), Truncation::tolerance(0.0)).unwrap().train;
        let y = z.round(Truncation::rank(2)).unwrap();
        check("round", &y.train, y.relative_error);
        let r = tt_svd_randomized(scaled.view(), &[4, 4], RandomizedTt::default()).unwrap();
        assert!(r.relative_error <= 0.9 && r.train.to_dense().unwrap().iter().all(|x| x.is_finite()));
    }
    // Subnormal entries keep what precision they have; an entry is a sum of six products, each rounded.
    let tiny = a.mapv(|x| (x * 1e3).round() * 5e-324);
    let x = tt_svd(tiny.view(), Truncation::tolerance(0.0)).unwrap();
    let back = x.train.to_dense().unwrap();
    let units = tiny.iter().zip(&back).map(|(x, y)| (x - y).abs() / 5e-324).fold(0.0, f64::max);
    assert!(units <= 2.0, "{units} of the least numbers");
}

#[test]
fn randomized_is_near_the_exact_one_and_honest() {
    let (_, a) = gallery::<f64>(&[12, 13, 14]).pop().unwrap();
    let exact = tt_svd(a.view(), Truncation::rank(4)).unwrap();
    for seed in 0..20 {
        let x = tt_svd_randomized(a.view(), &[4, 4], RandomizedTt { seed, ..Default::default() }).unwrap();
        let error = distance(&a, &x.train.to_dense().unwrap());
        assert!((error - x.error).abs() <= 50.0 * f64::EPSILON * norm(&a), "seed {seed}");
        assert!(error <= 1.5 * exact.error, "seed {seed}: {error:e} against {:e}", exact.error);
        assert!(worst_omega(&x.train) <= 10.0, "seed {seed}");
    }
    let x = tt_svd_randomized(a.view(), &[900, 900], RandomizedTt { oversampling: 99, ..Default::default() })
        .unwrap();
    assert_eq!(x.train.ranks(), [12, 14]);
}

#[test]
fn any_strides_give_the_same_train() {
    let (_, a) = gallery::<f64>(&[5, 6, 7]).pop().unwrap();
    let x = tt_svd(a.view(), Truncation::rank(3)).unwrap();
    let transposed = a.t().as_standard_layout().into_owned();
    let y = tt_svd(transposed.t(), Truncation::rank(3)).unwrap();
    assert_eq!(x.train, y.train);
}

#[test]
fn non_finite_entries_are_found_at_once() {
    for (bad, at) in bad_places([3, 4, 5]) {
        let mut a = ArrayD::<f64>::ones(IxDyn(&[3, 4, 5]));
        a[&at[..]] = bad;
        non_finite(tt_svd(a.view(), Truncation::rank(2)), "a", &at, "tt_svd");
        non_finite(tt_svd_randomized(a.view(), &[2, 2], RandomizedTt::default()), "a", &at, "randomized");
    }
}

#[test]
fn odd_arguments_are_documented_results() {
    let a = ArrayD::<f64>::ones(IxDyn(&[3, 4]));
    assert!(matches!(tt_svd(a.view(), Truncation::rank(0)), Err(Error::Parameter { .. })));
    for tolerance in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(tt_svd(a.view(), Truncation::tolerance(tolerance)), Err(Error::Parameter { .. })));
    }
    assert!(matches!(
        tt_svd_randomized(a.view(), &[0], RandomizedTt::default()),
        Err(Error::Parameter { .. })
    ));
    assert!(matches!(
        tt_svd_randomized(a.view(), &[1, 1], RandomizedTt::default()),
        Err(Error::Shape { .. })
    ));
    let scalar = ArrayD::<f64>::ones(IxDyn(&[]));
    assert!(matches!(tt_svd(scalar.view(), Truncation::rank(1)), Err(Error::Shape { .. })));
    for shape in [&[0][..], &[0, 0], &[0, 3], &[3, 0], &[2, 0, 3]] {
        let empty = ArrayD::<f64>::ones(IxDyn(shape));
        let x = tt_svd(empty.view(), Truncation::rank(2)).unwrap();
        assert_eq!(x.train.shape(), shape);
        assert_eq!(x.train.to_dense().unwrap(), empty);
        assert_eq!(x.train.round(Truncation::rank(1)).unwrap().train.shape(), shape);
        assert_eq!(x.train.norm().unwrap(), 0.0);
        assert_eq!(x.train.clone().orthogonalize_left().unwrap().shape(), shape);
        tt_svd_randomized(empty.view(), &vec![2; shape.len() - 1], RandomizedTt::default()).unwrap();
    }
    let zero = tt_svd(ArrayD::<f64>::zeros(IxDyn(&[3, 4, 5])).view(), Truncation::default()).unwrap();
    assert_eq!((zero.train.ranks(), zero.error, zero.limit), (vec![1, 1], 0.0, Limit::Nothing));
    // Broadcast from one number: far more entries than memory.
    let one = ArrayD::<f64>::ones(IxDyn(&[1]));
    let broadcast = one.broadcast(IxDyn(&[3, 4, 5])).unwrap();
    assert_eq!(tt_svd(broadcast, Truncation::rank(9)).unwrap().train.shape(), [3, 4, 5]);
}

#[test]
fn bits_do_not_depend_on_threads() {
    let a = TensorTrain::<f64>::random(&[40, 41, 42], &[30, 30], 3).unwrap().to_dense().unwrap();
    let run = || {
        let x = tt_svd(a.view(), Truncation::rank(12)).unwrap().train;
        let y = tt_svd_randomized(a.view(), &[12, 12], RandomizedTt::default()).unwrap().train;
        let z = y.round(Truncation::rank(5)).unwrap().train;
        (x, y, z.to_dense().unwrap(), z)
    };
    same_on_any_threads("40x41x42 seed 3", run);
}

#[test]
fn tolerance_and_rank_hold_together_and_the_first_is_named() {
    // Every bond of sum_k 2^-k e_k o e_k o e_k has the singular values 1, 1/2, 1/4, ...
    let a = ArrayD::from_shape_fn(IxDyn(&[12, 12, 12]), |i| match i[0] == i[1] && i[1] == i[2] {
        true => 2f64.powi(-(i[0] as i32)),
        false => 0.0,
    });
    let whole = tt_svd(a.view(), Truncation::tolerance(0.0)).unwrap().train;
    for (tolerance, wanted) in [(0.0, 12), (0.007, 8), (0.1, 4), (0.5, 2)] {
        for max_rank in [1, 3, 7, 12, usize::MAX] {
            let truncation = Truncation { max_rank, tolerance };
            let limit = match (max_rank < wanted, wanted) {
                (true, _) => Limit::Rank,
                (_, 12) => Limit::Nothing,
                _ => Limit::Tolerance,
            };
            let randomized = RandomizedRounding { truncation, ..Default::default() };
            for (method, x) in [
                ("tt_svd", tt_svd(a.view(), truncation)),
                ("round", whole.round(truncation)),
                ("round_randomized", whole.round_randomized(randomized)),
            ] {
                let (case, x) = (format!("{method} {truncation:?}"), x.unwrap());
                assert_eq!((x.train.ranks(), x.limit), (vec![wanted.min(max_rank); 2], limit), "{case}");
                assert!(limit == Limit::Rank || x.relative_error <= tolerance + 1e-14, "{case}");
            }
        }
    }
}
