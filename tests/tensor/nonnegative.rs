//! Nonnegative Tucker decompositions: signs, errors that fall, exact ranks.

use super::*;
use lowrank::Status;
use lowrank::tensor::multi_mode_product;
use lowrank::tensor::tucker::{Hosvd, Nonnegative, Ranks, hosvd, nonnegative};

/// A tensor of a nonnegative core and nonnegative factors.
fn planted<T: Scalar>(shape: &[usize], ranks: &[usize], seed: u64) -> ArrayD<T> {
    let core = random::<f64>(ranks, seed).mapv(|x| x.abs());
    let factor = |(k, (&n, &r)): (usize, (&usize, &usize))| {
        let random = gaussian::<f64>(n, r, seed + k as u64, "factor");
        Mat::from_fn(n, r, |i, j| random[(i, j)].max(0.0))
    };
    let factors: Vec<Mat<f64>> = shape.iter().zip(ranks).enumerate().map(factor).collect();
    let pairs: Vec<_> = factors.iter().enumerate().map(|(k, f)| (k, f.as_ref())).collect();
    multi_mode_product(core.view(), &pairs).unwrap().mapv(T::of)
}

fn check<T: Scalar>() {
    let mut near = 0;
    for seed in 0..5 {
        let a = planted::<T>(&[12, 13, 14], &[2, 3, 2], seed);
        let x = nonnegative(a.view(), &[2, 3, 2], &Nonnegative { seed, ..Default::default() }).unwrap();
        let nonnegative = |x: &T| *x >= T::of(0.0);
        assert!(x.tucker.core().iter().all(nonnegative), "seed {seed}");
        for factor in x.tucker.factors().iter().flatten() {
            assert!((0..factor.ncols()).all(|r| factor.col_as_slice(r).iter().all(nonnegative)));
        }
        let error = distance(&a, &x.tucker.to_dense().unwrap());
        assert!((error - x.report.error).abs() <= 100.0 * T::EPS * norm(&a), "seed {seed}");
        assert!(x.report.history.is_sorted_by(|x, y| x.error >= y.error));
        near += usize::from(x.relative_error < 0.02);
        println!("{} seed {seed}: {:.1e}, {}", T::NAME, x.relative_error, x.report);
    }
    assert!(near >= 3, "{near} of 5");
}

#[test]
fn planted_parts_are_fitted() {
    check::<f64>();
    check::<f32>();
}

#[test]
fn the_error_is_above_the_largest_tail_and_not_always_below_the_orthogonal_bound() {
    // Signs everywhere: nonnegative parts are far from the orthogonal ones.
    for (name, a) in [("signed", random::<f64>(&[7, 8, 9], 5)), ("planted", planted(&[7, 8, 9], &[4; 3], 5))]
    {
        let whole = Hosvd { sequential: false, ..Default::default() };
        let free = hosvd(a.view(), &Ranks::Fixed(vec![3; 3]), &whole).unwrap();
        let x = nonnegative(a.view(), &[3; 3], &Nonnegative::default()).unwrap();
        // Whatever has these ranks loses as much in each mode.
        let least = free.tails.iter().fold(0.0, |x: f64, y| x.max(*y));
        assert!(x.report.error >= least * (1.0 - 1e-12), "{name}");
        println!("{name}: {:.3}, tails {least:.3}, bound {:.3}", x.report.error, free.bound);
        assert!(x.report.error > free.error && (name == "signed" || x.report.error > free.bound), "{name}");
    }
}

#[test]
fn scales_threads_and_odd_arguments() {
    let a = planted::<f64>(&[12, 1, 13, 4], &[2, 1, 2, 2], 1);
    let short = Nonnegative { max_iterations: 5, modes: Some(vec![0, 2]), ..Default::default() };
    let plain = nonnegative(a.view(), &[2, 3], &short).unwrap();
    assert_eq!((plain.tucker.ranks(), plain.report.status), (vec![2, 1, 3, 4], Status::IterationLimit));
    for e in [600, -600] {
        let x = nonnegative(shifted(&a, e).view(), &[2, 3], &short).unwrap();
        assert!((x.relative_error - plain.relative_error).abs() <= 1e-10, "2^{e}");
    }
    same_on_any_threads("nonnegative", || nonnegative(a.view(), &[2, 3], &short).unwrap().tucker);
    // The best nonnegative approximation of a negative tensor is zero; zero stays zero.
    for b in [a.mapv(|x| -1.0 - x), a.mapv(|_| 0.0)] {
        let x = nonnegative(b.view(), &[2, 3], &short).unwrap();
        assert!((x.report.error - norm(&b)).abs() <= 1e-12 * norm(&b));
        assert!(x.tucker.core().iter().all(|x| *x == 0.0));
    }
    let all = Nonnegative::default();
    assert!(matches!(nonnegative(a.view(), &[2, 2], &all), Err(Error::Shape { argument: "ranks", .. })));
    assert!(matches!(nonnegative(a.view(), &[13, 1, 1, 1], &all), Err(Error::Rank { .. })));
    let wrong = Nonnegative { sweeps: 0, ..all.clone() };
    assert!(matches!(nonnegative(a.view(), &[1; 4], &wrong), Err(Error::Parameter { name: "sweeps", .. })));
    let wrong = Nonnegative { tolerance: f64::NAN, ..all.clone() };
    assert!(matches!(
        nonnegative(a.view(), &[1; 4], &wrong),
        Err(Error::Parameter { name: "tolerance", .. })
    ));
    let empty = ArrayD::<f64>::zeros(IxDyn(&[3, 0]));
    assert_eq!(nonnegative(empty.view(), &[1, 1], &all).unwrap().report.error, 0.0);
    for (bad, at) in bad_places([3, 4, 5]) {
        let mut a = ArrayD::<f64>::ones(IxDyn(&[3, 4, 5]));
        a[&at[..]] = bad;
        non_finite(nonnegative(a.view(), &[1, 1, 1], &all), "a", &at, "nonnegative");
    }
}
