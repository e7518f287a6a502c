//! Rank choice and spectrum analysis against random matrices, sampled tails and the gallery.

use super::support::bad_places;
use lowrank::faer::Mat;
use lowrank::matrix::{exponent, frobenius, scale_by_power_of_two, spectral};
use lowrank::random::{gallery, gaussian, stream, with_spectrum};
use lowrank::svd::spectrum::{
    MarchenkoPastur, NoiseParameters, TailParameters, eigenvalue_tail, fit_noise, hard_threshold, power_tail,
};
use lowrank::svd::{Rank, Svd, compare_ranks, dense, singular_values, truncated};
use lowrank::{Error, Scalar};
use rand::RngExt;

/// Noise of a standard deviation, plus a signal of given singular values.
fn spiked<T: Scalar>(m: usize, n: usize, noise: f64, signal: &[f64], seed: u64) -> (Mat<T>, Mat<T>) {
    let x = with_spectrum::<T>(m, n, signal, seed);
    let z = gaussian::<T>(m, n, seed, "noise");
    let a = Mat::from_fn(m, n, |i, j| x[(i, j)] + T::of(noise) * z[(i, j)]);
    (x, a)
}

/// Planted singular values at 2 to 5 times the level sqrt(max(m, n)) noise are all found, and
/// nothing else; the noise level is right; the hard threshold keeps just them.
#[test]
fn planted_values_are_found() {
    fn check<T: Scalar>() {
        for (m, n) in [(150, 150), (80, 240), (240, 80), (60, 61)] {
            for noise in [1.0, 1e-3, 2e5] {
                for seed in 0..3 {
                    let unit = noise * (m.max(n) as f64).sqrt();
                    let signal = [5.0, 4.0, 3.0, 2.0].map(|x| x * unit);
                    let (_, a) = spiked::<T>(m, n, noise, &signal, seed);
                    let s = singular_values(a.as_ref()).unwrap();
                    let case = format!("{} {m}x{n} noise {noise} seed {seed}", T::NAME);
                    let fit = fit_noise(&s, (m, n), Default::default()).unwrap();
                    assert_eq!(fit.outliers, 4, "{case}: {fit:?}");
                    assert!((fit.noise / noise - 1.0).abs() < 0.05, "{case}: {fit:?}");
                    assert!(fit.distance < 0.05, "{case}: {fit:?}");
                    let known = Rank::HardThreshold { noise: Some(noise) }.choose_for(&s, (m, n)).unwrap();
                    // With m = n the smallest one, 2 + 1/2 units after noise, is above 4/sqrt(3) = 2.31.
                    assert_eq!(known, 4, "{case}");
                    let unknown = Rank::HardThreshold { noise: None }.choose_for(&s, (m, n)).unwrap();
                    assert!((3..=4).contains(&unknown), "{case}: {unknown}");
                    let ratio = hard_threshold(&s, (m, n), None).unwrap()
                        / hard_threshold(&s, (m, n), Some(noise)).unwrap();
                    // The four signals move the median up, by less than 4 of the 30 or more below it.
                    assert!((0.96..1.15).contains(&ratio), "{case}: {ratio}");
                }
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

/// Of 200 matrices of noise about one in a hundred shows an outlier at the 99 % margin, about ten
/// at the 95 % one; the largest eigenvalue is where Tracy and Widom put it.
#[test]
fn noise_alone_has_no_outliers() {
    let (m, n, trials) = (60, 90, 200);
    let (mut false_99, mut false_95, mut mean, mut square) = (0, 0, 0.0, 0.0);
    let (mut levels, mut distance) = (0.0, 0.0);
    let law = MarchenkoPastur::of_shape((m, n), 1.0).unwrap();
    for seed in 0..trials {
        let s = singular_values(gaussian::<f64>(m, n, seed, "noise").as_ref()).unwrap();
        let fit = fit_noise(&s, (m, n), Default::default()).unwrap();
        assert!(fit.distance < 5.0 / m as f64, "seed {seed}: {fit:?}");
        distance += fit.distance * m as f64 / trials as f64;
        false_99 += usize::from(fit.outliers > 0);
        false_95 += fit_noise(&s, (m, n), NoiseParameters { margin: 0.9793 }).unwrap().outliers.min(1);
        levels += fit.noise / trials as f64;
        let x = (s[0] * s[0] / n as f64 - law.edges().1) / law.edge_width(n);
        mean += x / trials as f64;
        square += x * x / trials as f64;
    }
    let deviation = (square - mean * mean).sqrt();
    println!(
        "outliers {false_99} {false_95}, level {levels}, distance {distance} / p, edge {mean} +- {deviation}"
    );
    assert!(false_99 <= 8 && (2..=25).contains(&false_95), "{false_99} {false_95}");
    assert!((levels - 1.0).abs() < 0.005, "{levels}");
    // -1.2065 and 1.268, with 200 trials (4 standard errors: 0.36) and a correction of finite size.
    assert!((mean + 1.2065).abs() < 0.45 && (deviation - 1.268).abs() < 0.3, "{mean} {deviation}");
}

/// What the hard threshold keeps has nearly the smallest error any rank could have.
#[test]
fn hard_threshold_is_near_the_best_rank() {
    for (m, n) in [(100, 100), (60, 180)] {
        for seed in 0..5 {
            let unit = (m.max(n) as f64).sqrt();
            let signal = [8.0, 6.0, 4.0, 3.0, 0.6, 0.4].map(|x| x * unit);
            let (x, a) = spiked::<f64>(m, n, 1.0, &signal, seed);
            let svd = dense(a.as_ref()).unwrap();
            let error = |k: usize| {
                let kept: Svd<f64> = svd.clone().truncate(k);
                frobenius((&x - kept.to_dense()).as_ref())
            };
            let best = (0..=12).map(error).fold(f64::INFINITY, f64::min);
            for wish in [Rank::HardThreshold { noise: Some(1.0) }, Rank::HardThreshold { noise: None }] {
                let rank = wish.choose_for(&svd.s, (m, n)).unwrap();
                assert!(error(rank) <= 1.01 * best, "{wish} {m}x{n} seed {seed}: rank {rank}");
            }
        }
    }
}

fn pareto(exponent: f64, minimum: f64, count: usize, seed: u64) -> Vec<f64> {
    let mut rng = stream(seed, "pareto", 0);
    (0..count).map(|_| minimum * (1.0 - rng.random::<f64>()).powf(-1.0 / (exponent - 1.0))).collect()
}

/// Sampled tails give their exponent back within 3 standard errors (1 of 100 may miss), with errors
/// of mean 0 and variance 1 in these; with a body below as well, where the minimum is chosen.
#[test]
fn sampled_tails_are_recovered() {
    let (mut mean, mut square, mut beyond, mut within, mut trials, mut far) = (0.0, 0.0, 0, 0, 0, 0);
    let (mut least, mut fewest) = (f64::INFINITY, usize::MAX);
    for exponent in [1.5, 2.0, 2.5, 3.5, 6.0] {
        for trial in 0..20 {
            let (n, seed) = (1000, trial + 100 * (10.0 * exponent) as u64);
            let x = pareto(exponent, 0.7, n, seed);
            let given = TailParameters { minimum: Some(0.7), ..Default::default() };
            let tail = power_tail(&x, given).unwrap();
            // In true standard errors: 1 of 370 may lie beyond 3.
            let errors = (tail.exponent - exponent) / ((exponent - 1.0) / (n as f64).sqrt());
            assert!(errors.abs() < 4.0 && tail.values == n, "{exponent} seed {seed}: {tail:?}");
            beyond += usize::from(errors.abs() > 3.0);
            mean += errors / 100.0;
            square += errors * errors / 100.0;
            within += usize::from(tail.distance < 1.09 / (n as f64).sqrt());
            trials += 1;
            // The same numbers as squares of singular values, in single precision.
            let roots: Vec<f32> = x.iter().map(|x| x.sqrt() as f32).collect();
            let root = TailParameters { minimum: Some(0.7_f64.sqrt() * (1.0 - 1e-6)), ..given };
            let same = eigenvalue_tail(&roots, root).unwrap();
            assert!((same.exponent - tail.exponent).abs() < 1e-4 * exponent, "{same:?} {tail:?}");
            // A body of as many uniform numbers below the minimum, which is to be found.
            let mut rng = stream(seed, "body", 0);
            let mut both = x;
            both.extend((0..n).map(|_| 0.7 * rng.random::<f64>()));
            let found = power_tail(&both, Default::default()).unwrap();
            least = least.min(found.minimum);
            fewest = fewest.min(found.values);
            far += usize::from((found.exponent - exponent).abs() > 3.0 * found.standard_error);
        }
    }
    println!(
        "{mean} +- {square} (mean square) standard errors, {beyond} beyond 3; {within} of {trials} distances within; chosen minima from \
         {least}, {fewest} values at least, {far} beyond 3 standard errors"
    );
    assert!(beyond <= 1 && mean.abs() < 0.4 && (0.6..1.5).contains(&square), "{beyond} {mean} {square}");
    assert!(within * 100 >= trials * 90, "{within} of {trials}");
    assert!(far * 20 <= trials, "{far} of {trials}");
}

/// Every criterion chooses the same rank at every scale, over the gallery, and none fails.
#[test]
fn ranks_do_not_depend_on_the_scale() {
    fn check<T: Scalar>() {
        for family in gallery::families::<T>() {
            for (m, n) in [(12, 12), (9, 20), (20, 9), (1, 5)] {
                let s = singular_values((family.make)(m, n, 3).as_ref()).unwrap();
                let table = compare_ranks(&s, (m, n), &Rank::usual()).unwrap();
                let first = exponent(s[0]);
                let largest = if T::NAME == "f32" { 120 } else { 1000 };
                for e in [-60, 60, largest - first] {
                    let scaled: Vec<T> = s.iter().map(|x| scale_by_power_of_two(*x, e)).collect();
                    let back: Vec<T> = scaled.iter().map(|x| scale_by_power_of_two(*x, -e)).collect();
                    if back != s {
                        continue; // a value became subnormal
                    }
                    let again = compare_ranks(&scaled, (m, n), &Rank::usual()).unwrap();
                    assert_eq!(again, table, "{} {} {m}x{n} 2^{e}", T::NAME, family.name);
                }
                for row in &table.rows {
                    assert!(row.rank <= m.min(n) && (0.0..=1.0).contains(&row.energy));
                    assert_eq!(row.rank, row.wish.choose_for(&s, (m, n)).unwrap());
                }
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

/// The errors of a truncated SVD are those that were asked for and that the table states.
#[test]
fn truncated_keeps_the_promises_of_every_wish() {
    fn check<T: Scalar>() {
        for name in ["geometric", "polynomial", "even", "hilbert", "random", "rank-3-noise-1e-10"] {
            let family = gallery::families::<T>().into_iter().find(|f| f.name == name).unwrap();
            let (m, n) = (40, 30);
            let a = (family.make)(m, n, 1);
            let s = singular_values(a.as_ref()).unwrap();
            let slack = m as f64 * T::EPS;
            for row in compare_ranks(&s, (m, n), &Rank::usual()).unwrap().rows {
                let kept = truncated(a.as_ref(), row.wish).unwrap();
                assert_eq!(kept.rank(), row.rank, "{name} {}", row.wish);
                let residual = &a - kept.to_dense();
                let error = frobenius(residual.as_ref()).as_f64() / frobenius(a.as_ref()).as_f64();
                let two = spectral(residual.as_ref()).unwrap().as_f64() / s[0].as_f64();
                assert!((error - row.error).abs() <= 5.0 * slack, "{name} {}: {error} {row:?}", row.wish);
                assert!(
                    (two - row.spectral_error).abs() <= 5.0 * slack,
                    "{name} {}: {two} {row:?}",
                    row.wish
                );
                let asked = match row.wish {
                    Rank::Tolerance(t) => error <= t + slack,
                    Rank::Spectral(t) => two <= t + slack,
                    Rank::Energy(e) => error * error <= 1.0 - e + slack,
                    Rank::Compression(ratio) => ratio * (row.parameters as f64) < (m * n) as f64,
                    _ => true,
                };
                assert!(asked, "{name} {}: {row:?}", row.wish);
            }
        }
    }
    check::<f64>();
    check::<f32>();
}

/// A NaN or infinity at any place, and an unsorted spectrum, is an error at once everywhere.
#[test]
fn bad_spectra_are_refused_everywhere() {
    use lowrank::svd::spectrum::{effective_rank, exponential_decay, power_decay, spectral_gap, stable_rank};
    let all = |s: &[f64]| -> Vec<Option<Error>> {
        let shape = (s.len(), s.len());
        vec![
            stable_rank(s).err(),
            effective_rank(s).err(),
            spectral_gap(s).err(),
            hard_threshold(s, shape, None).err(),
            hard_threshold(s, shape, Some(1.0)).err(),
            fit_noise(s, shape, Default::default()).err(),
            power_decay(s, ..).err(),
            exponential_decay(s, ..).err(),
            compare_ranks(s, shape, &[]).err(),
            Rank::Tolerance(0.1).choose(s).err(),
            Rank::Gap.choose_for(s, shape).err(),
            power_tail(s, TailParameters { fewest: 2, ..Default::default() }).err(),
            eigenvalue_tail(s, TailParameters { fewest: 2, ..Default::default() }).err(),
        ]
    };
    let good = [5.0, 4.0, 3.0, 2.0, 1.0];
    assert!(all(&good).iter().all(Option::is_none));
    for (bad, [place]) in bad_places([5]) {
        let mut s = good;
        s[place] = bad;
        for error in all(&s) {
            assert!(matches!(error, Some(Error::NonFinite { index, .. }) if index == [place]));
        }
    }
    // The tails take values in any order; all others do not.
    let unsorted = all(&[4.0, 5.0, 3.0, 2.0, 1.0]);
    assert!(unsorted[..11].iter().all(|e| matches!(e, Some(Error::Parameter { name: "s", .. }))));
    assert!(unsorted[11..].iter().all(Option::is_none));
    let negative = all(&[5.0, 4.0, 3.0, 2.0, -1.0]);
    assert!(negative.iter().all(|e| matches!(e, Some(Error::Parameter { .. }))));
}
