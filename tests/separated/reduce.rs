//! Rank reduction: nothing lost beyond the tolerance, gamma held, as few terms as there are.

use super::*;
use lowrank::matrix::frobenius;
use lowrank::separated::{Als, Fitted, SeparationRank, reduce};
use lowrank::{Status, svd};

fn tolerance<T: Scalar>(t: f64) -> Als<'static, T> {
    Als { rank: SeparationRank::Tolerance(t), ..Default::default() }
}

/// `m` with its terms `copies` times, each perturbed by about `noise`.
fn copied<T: Scalar>(m: &Separated<T>, copies: usize, noise: f64) -> Separated<T> {
    let s = m.separation_rank();
    let lambda = (0..s * copies).map(|k| m.lambda()[k % s] * T::of(1.0 + (k / s) as f64)).collect();
    let mode = |(i, mode): (usize, &Mat<T>)| {
        let error = lowrank::random::gaussian::<T>(mode.nrows(), s * copies, i as u64, "noise");
        Mat::from_fn(mode.nrows(), s * copies, |r, k| mode[(r, k % s)] + error[(r, k)] * T::of(noise))
    };
    Separated::new(m.shapes().to_vec(), lambda, m.modes().iter().enumerate().map(mode).collect()).unwrap()
}

fn check<T: Scalar>(case: &str, m: &Separated<T>, r: &Fitted<T>, bound: f64) {
    let (whole, reduced) = (dense(m), dense(&r.separated));
    let error = frobenius(&(&whole - &reduced));
    let slack = 50.0 * T::EPS * (total(m) + total(&r.separated));
    assert!((r.report.error - error).abs() <= slack, "{case}: {:e}, not {error:e}", r.report.error);
    assert!((r.norm - frobenius(&whole)).abs() <= slack, "{case}");
    assert!(r.condition_number <= bound, "{case}: gamma {}", r.condition_number);
}

fn duplicates<T: Scalar>() {
    for shapes in shapes() {
        let s = SeparationRank::largest(&shapes).min(2);
        let m = random::<T>(&shapes, s, 4);
        let many = copied(&m, 5, 0.0);
        let t = 100.0 * T::EPS;
        let r = reduce(&many, &tolerance(t)).unwrap();
        let case = format!("{shapes:?}, {}", T::NAME);
        check(&case, &many, &r, 1000.0);
        assert!(r.relative_error() <= t && r.report.status == Status::Converged, "{case}: {}", r.report);
        assert_eq!(r.separated.separation_rank(), s, "{case}");
        let fixed = Als { rank: SeparationRank::Fixed(1), ..Default::default() };
        check(&case, &many, &reduce(&many, &fixed).unwrap(), 1000.0);
    }
}

#[test]
fn terms_that_occur_often_are_joined() {
    duplicates::<f64>();
    duplicates::<f32>();
}

#[test]
fn two_modes_are_reduced_optimally() {
    let m = random::<f64>(&[(3, 4), (5, 2)], 9, 1);
    // Rows: the entries of the first factor.
    let whole = dense(&m);
    let rearranged = Mat::from_fn(12, 10, |r, c| whole[(5 * (r % 3) + c % 5, 2 * (r / 3) + c / 5)]);
    let s = svd::singular_values(&rearranged).unwrap();
    for rank in 1..9 {
        let best = s[rank..].iter().map(|s| s * s).sum::<f64>().sqrt();
        let r = reduce(&m, &Als { rank: SeparationRank::Fixed(rank), ..Default::default() }).unwrap();
        check("fixed", &m, &r, 1.0 + 1e-12);
        assert!((r.report.error - best).abs() < 1e-12 * s[0], "{rank}");
        let t = 1.001 * best / frobenius(&whole);
        assert_eq!(reduce(&m, &tolerance(t)).unwrap().separated.separation_rank(), rank);
    }
}

#[test]
fn the_condition_number_is_held() {
    // T ((a + b/T) (a + b/T) (a + b/T) - a a a) = a a b + a b a + b a a + O(1/T): gamma = T sqrt(2/3).
    let (a, b, t) = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], 1e4);
    let mode = Mat::from_fn(3, 2, |i, k| if k == 0 { a[i] + b[i] / t } else { a[i] });
    let m = Separated::new(vec![(3, 1); 3], vec![t, -t], vec![mode; 3]).unwrap();
    assert!(m.condition_number().unwrap() > 8000.0);
    for bound in [1.01, 3.0, 10.0, 100.0] {
        let parameters = Als { condition_bound: bound, ..tolerance(1e-3) };
        let r = reduce(&m, &parameters).unwrap();
        check(&format!("bound {bound}"), &m, &r, bound);
        assert!(r.relative_error() <= 1e-3, "{bound}: {}", r.report);
    }
}

#[test]
fn ten_modes_of_sixty_four() {
    let m = random::<f64>(&[(64, 1); 10], 8, 2);
    let many = copied(&m, 10, 1e-6);
    for t in [1e-4, 1e-9] {
        let r = reduce(&many, &tolerance(t)).unwrap();
        assert!(r.report.status == Status::Converged && r.relative_error() <= t, "{}", r.report);
        assert!(r.separated.separation_rank() <= if t == 1e-4 { 8 } else { 80 }, "{t}");
        // |M - R|^2 at a few entries as a check that does not share code: both by `entry`.
        let size = many.entry(&[0; 10], &[0; 10]).unwrap().abs().max(r.norm * 1e-9);
        for i in 0..20 {
            let at: Vec<usize> = (0..10).map(|k| (i * 7 + k * 11) % 64).collect();
            let gap = many.entry(&at, &[0; 10]).unwrap() - r.separated.entry(&at, &[0; 10]).unwrap();
            assert!(gap.abs() <= r.report.error + 1e-12 * size, "{t}");
        }
    }
}

#[test]
fn zero_single_terms_budgets_and_scales() {
    let zero = Separated::<f64>::zeros(vec![(3, 2); 4]).unwrap();
    let r = reduce(&zero, &tolerance(0.1)).unwrap();
    assert_eq!((r.separated.separation_rank(), r.report.error, r.report.status), (0, 0.0, Status::Converged));
    let one = random::<f64>(&[(3, 2); 4], 1, 1);
    assert_eq!(reduce(&one, &tolerance(1e-12)).unwrap().separated.separation_rank(), 1);
    assert_eq!(reduce(&one, &tolerance(1.0)).unwrap().separated.separation_rank(), 0);
    let m = copied(&random::<f64>(&[(3, 2); 4], 3, 1), 3, 1e-3);
    let budget = Als { rank: SeparationRank::Parameters(60), ..Default::default() }; // 25 a term
    let plain = reduce(&m, &budget).unwrap();
    assert_eq!(plain.separated.separation_rank(), 2);
    for e in [-600, 600] {
        let far = m.clone().scaled(2f64.powi(e)).unwrap();
        let r = reduce(&far, &budget).unwrap();
        assert_eq!(r.separated.modes(), plain.separated.modes());
        assert_eq!(r.report.error, plain.report.error * 2f64.powi(e));
    }
    // Nothing to save: M itself.
    let full = random::<f64>(&[(3, 2); 4], 5, 9);
    let r = reduce(&full, &tolerance(1e-13)).unwrap();
    assert_eq!(r.separated.separation_rank(), 5);
    assert!(r.relative_error() <= 1e-13);
    for d in 1..5 {
        let m = random::<f64>(&vec![(3, 2); d], 1, 4);
        for parameters in [tolerance(1e-6), Als { rank: SeparationRank::Fixed(1), ..Default::default() }] {
            let r = reduce(&m.minus(&m).unwrap(), &parameters).unwrap();
            assert_eq!((r.separated.separation_rank(), r.report.error, r.norm), (0, 0.0, 0.0), "d = {d}");
        }
    }
}

#[test]
fn the_same_on_any_number_of_threads() {
    let m = copied(&random::<f64>(&[(20, 1); 6], 10, 3), 5, 1e-3);
    support::same_on_any_threads("reduce", || {
        let r = reduce(&m, &tolerance(1e-2)).unwrap();
        (r.separated, r.report.error)
    });
}
