//! Truncated SVDs of rows that are seen once: the error told against the true one and the optimum,
//! every way of cutting.
//!
//! `cargo test --release --test svd streaming -- --nocapture` prints the ratios.

use lowrank::faer::{Mat, MatRef};
use lowrank::matrix::{frobenius, scaled};
use lowrank::random::{gallery, gaussian, orthonormal, with_spectrum};
use lowrank::svd::{Streamed, Streaming, StreamingSvd, dense};
use lowrank::{Error, Scalar};

fn g<T: Scalar>(m: usize, n: usize) -> f64 {
    m.max(n).max(1) as f64 * T::EPS
}

fn wide<T: Scalar>(a: MatRef<'_, T>) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)].as_f64())
}

/// |Q'Q - I|_F / g.
fn omega<T: Scalar>(q: &Mat<T>, g: f64) -> f64 {
    let q = wide(q.as_ref());
    frobenius((q.transpose() * &q - Mat::<f64>::identity(q.ncols(), q.ncols())).as_ref()) / g
}

/// |A - U diag(s) V'|_F in double precision.
fn true_error<T: Scalar>(a: MatRef<'_, T>, found: &Streamed<T>) -> f64 {
    let mut left = wide(found.svd.u.as_ref());
    for (k, s) in found.svd.s.iter().enumerate() {
        left.col_as_slice_mut(k).iter_mut().for_each(|x| *x *= s.as_f64());
    }
    frobenius((wide(a) - left * wide(found.svd.v.as_ref()).transpose()).as_ref())
}

/// The rows of `a` in blocks of these heights, over and over.
fn stream<T: Scalar>(a: MatRef<'_, T>, rank: usize, p: &Streaming, heights: &[usize]) -> Streamed<T> {
    let mut stream = StreamingSvd::new(a.ncols(), rank, p).unwrap();
    let (mut first, mut heights) = (0, heights.iter().cycle());
    while first < a.nrows() {
        let height = (*heights.next().unwrap()).min(a.nrows() - first);
        stream.push(a.subrows(first, height)).unwrap();
        first += height;
    }
    stream.finish().unwrap()
}

fn same<T: Scalar>(x: &Streamed<T>, y: &Streamed<T>) -> bool {
    x.svd.u == y.svd.u && x.svd.s == y.svd.s && x.svd.v == y.svd.v && (x.error, x.norm) == (y.error, y.norm)
}

/// The error told is the true one; values are below the true ones; bases are orthonormal. Gives the
/// error over the optimum.
fn check<T: Scalar>(name: &str, a: MatRef<'_, T>, best: &[T], rank: usize, p: &Streaming) -> f64 {
    let (m, n) = a.shape();
    let found = &stream(a, rank, p, &[7, 64]);
    let (g, norm) = (g::<T>(m, n), frobenius(a));
    let case = format!("{} {name} {m}x{n} rank {rank}, steps of {}", T::NAME, p.block);
    assert_eq!((found.svd.shape(), found.svd.rank()), ((m, n), rank.min(m).min(n)), "{case}");
    assert!((found.norm - norm).abs() <= 50.0 * T::EPS * norm, "{case}: {} {norm}", found.norm);
    let error = true_error(a, found);
    let slack = (50.0 + 10.0 * (m / p.block) as f64) * T::EPS * norm;
    assert!((found.error - error).abs() <= slack, "{case}: told {:e}, true {error:e}", found.error);
    for (q, side) in [(&found.svd.u, "U"), (&found.svd.v, "V")] {
        assert!(omega(q, g) <= 10.0, "{case}: {side} is off by {}", omega(q, g));
    }
    assert!(found.svd.s.is_sorted_by(|x, y| x >= y), "{case}");
    for (k, s) in found.svd.s.iter().enumerate() {
        assert!(s.as_f64() <= best[k].as_f64() + slack, "{case}: value {k}");
    }
    let tail = best[found.svd.rank()..].iter().map(|s| s.as_f64().powi(2)).sum::<f64>().sqrt();
    error / (tail + 5.0 * g * norm).max(f64::MIN_POSITIVE)
}

/// Named spectra, near the optimum after one pass whatever the steps.
#[test]
fn one_pass_is_near_the_optimum() {
    fn run<T: Scalar>() {
        let (m, n, rank) = (1500, 300, 20);
        type Value = fn(i32) -> f64;
        let spectra: [(&str, Value, f64); 6] = [
            ("1/i", |i| 1.0 / (1.0 + f64::from(i)), 1.02),
            ("1/i^2", |i| (1.0 + f64::from(i)).powi(-2), 1.01),
            ("1/sqrt(i)", |i| (1.0 + f64::from(i)).powf(-0.5), 1.03),
            ("0.8^i", |i| 0.8_f64.powi(i), 1.001),
            ("staircase", |i| 10.0_f64.powi(-(i / 8)), 1.001),
            ("flat", |_| 1.0, 1.02),
        ];
        for (name, value, bar) in spectra {
            let spectrum: Vec<f64> = (0..n).map(value).collect();
            let a = with_spectrum::<T>(m, n as usize, &spectrum, 1);
            let best = dense(a.as_ref()).unwrap().s;
            for block in [100, 400, 1500] {
                let p = Streaming { block, ..Default::default() };
                let ratio = check(name, a.as_ref(), &best, rank, &p);
                println!("{} {name}, steps of {block}: {ratio:.5} of the optimum", T::NAME);
                assert!(ratio <= bar, "{} {name}, steps of {block}: {ratio}", T::NAME);
            }
        }
    }
    run::<f64>();
    run::<f32>();
}

/// The error told is right for every family of the gallery, at shapes of every kind.
#[test]
fn the_error_told_is_the_true_one() {
    fn run<T: Scalar>() {
        let mut worst = (0.0, String::new());
        for family in gallery::families::<T>() {
            for (m, n) in [(1, 1), (7, 1), (1, 7), (5, 3), (33, 65), (200, 20), (260, 64)] {
                let a = (family.make)(m, n, 1);
                let best = dense(a.as_ref()).unwrap().s;
                for (rank, block) in [(0, 10), (1, 1), (5, 8), (12, 50)] {
                    let p = Streaming { block, oversampling: 10, ..Default::default() };
                    let rank = rank.min(n);
                    let ratio = check(family.name, a.as_ref(), &best, rank, &p);
                    if ratio > worst.0 {
                        worst = (ratio, format!("{} {m}x{n} rank {rank} in steps of {block}", family.name));
                    }
                }
            }
        }
        println!("{}: at most {:.3} of the optimum, {}", T::NAME, worst.0, worst.1);
        assert!(worst.0 <= 1.1, "{worst:?}");
    }
    run::<f64>();
    run::<f32>();
}

/// Rows of any cut, any layout, on any number of threads give the same bits.
#[test]
fn cuts_and_threads_do_not_matter() {
    let spectrum: Vec<f64> = (0..120).map(|i| 0.9_f64.powi(i)).collect();
    let a = with_spectrum::<f64>(900, 700, &spectrum, 3);
    let rows = a.transpose().to_owned();
    let p = Streaming { block: 150, ..Default::default() };
    let one = stream(a.as_ref(), 12, &p, &[900]);
    for heights in [&[1][..], &[150], &[170], &[171], &[7, 0, 300, 1], &[899]] {
        assert!(same(&one, &stream(a.as_ref(), 12, &p, heights)), "{heights:?}");
        assert!(same(&one, &stream(rows.transpose(), 12, &p, heights)), "by rows, {heights:?}");
    }
    for threads in [1, 2, 3, 8] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert!(same(&one, &pool.install(|| stream(a.as_ref(), 12, &p, &[64]))), "{threads} threads");
    }
    assert!(!same(&one, &stream(a.as_ref(), 12, &Streaming { seed: 1, ..p }, &[64])));
}

#[test]
fn edges_are_answers() {
    let p = Streaming::default();
    for (m, n, rank) in [(0, 5, 3), (0, 0, 0), (5, 0, 0), (3, 8, 6), (30, 4, 4), (6, 6, 0)] {
        let a = gaussian::<f64>(m, n, 1, "edges");
        let found = stream(a.as_ref(), rank, &p, &[2]);
        assert_eq!((found.svd.shape(), found.svd.rank()), ((m, n), rank.min(m)));
        let expected = if rank == 0 { frobenius(a.as_ref()) } else { 0.0 };
        assert!(
            (found.error - expected).abs() < 1e-13
                && (true_error(a.as_ref(), &found) - expected).abs() < 1e-13
        );
    }
    let zero = stream(Mat::<f32>::zeros(300, 40).as_ref(), 3, &Streaming { block: 50, ..p.clone() }, &[9]);
    assert_eq!((zero.svd.s.as_slice(), zero.error, zero.norm), (&[0.0_f32; 3][..], 0.0, 0.0));
    assert!(omega(&zero.svd.u, g::<f32>(300, 40)) <= 10.0);
    assert!(matches!(StreamingSvd::<f64>::new(5, 6, &p), Err(Error::Rank { rank: 6, largest: 5 })));
    let none = Streaming { block: 0, ..p.clone() };
    assert!(matches!(StreamingSvd::<f64>::new(5, 2, &none), Err(Error::Parameter { name: "block", .. })));
    for (n, block) in [(usize::MAX, 1), (1 << 40, 1 << 40), (10, usize::MAX)] {
        let huge = Streaming { block, ..p.clone() };
        assert!(matches!(StreamingSvd::<f64>::new(n, 2, &huge), Err(Error::TooLarge { .. })), "{n} {block}");
    }
}

/// Bars 4 and 5: a bad block is refused with its place in A, and the stream goes on as if it had not
/// come.
#[test]
fn bad_blocks_are_refused_and_forgotten() {
    let a = gaussian::<f64>(90, 13, 1, "a");
    let p = Streaming { block: 20, oversampling: 3, ..Default::default() };
    let clean = stream(a.as_ref(), 4, &p, &[30]);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for (i, j) in [(0, 0), (14, 6), (29, 12)] {
            let mut stream = StreamingSvd::new(13, 4, &p).unwrap();
            for first in [0, 30, 60] {
                let mut block = a.subrows(first, 30).to_owned();
                block[(i, j)] = bad;
                match stream.push(block.as_ref()) {
                    Err(Error::NonFinite { argument: "block", index }) => assert_eq!(index, [first + i, j]),
                    other => panic!("{other:?}"),
                }
                match stream.push(Mat::zeros(30, 12).as_ref()) {
                    Err(Error::Shape { argument: "block", expected, found }) => {
                        assert_eq!(found, [30, 12]);
                        let words = format!("block {} (from row {first} on) needs 13 columns", first / 30);
                        assert_eq!(expected, words);
                    }
                    other => panic!("{other:?}"),
                }
                stream.push(a.subrows(first, 30)).unwrap();
            }
            assert!(same(&clean, &stream.finish().unwrap()));
        }
    }
}

/// Powers of two change no digit; blocks of very different sizes come in any order.
#[test]
fn scales_are_free() {
    fn run<T: Scalar>(scales: &[i32], apart: i32) {
        let spectrum: Vec<f64> = (0..60).map(|i| 0.7_f64.powi(i)).collect();
        let base = with_spectrum::<T>(300, 60, &spectrum, 3);
        let p = Streaming { block: 40, oversampling: 5, ..Default::default() };
        let one = stream(base.as_ref(), 8, &p, &[30]);
        for &scale in scales {
            let a = scaled(base.as_ref(), scale);
            let found = stream(a.as_ref(), 8, &p, &[30]);
            let back = |x: f64| lowrank::matrix::scale_by_power_of_two(x, -scale);
            for (x, y) in [(found.error, one.error), (found.norm, one.norm)] {
                assert!((back(x) - y).abs() <= 50.0 * T::EPS * one.norm, "2^{scale}: {} {y}", back(x));
            }
            for (x, y) in found.svd.s.iter().zip(&one.svd.s) {
                let gap = (back(x.as_f64()) - y.as_f64()).abs();
                assert!(gap <= 50.0 * T::EPS * one.norm, "2^{scale}: {x} {y}");
            }
            assert!(omega(&found.svd.u, g::<T>(300, 60)) <= 10.0, "2^{scale}");
        }
        // Rows of the second half far larger, then far smaller, than those of the first.
        for first in [-apart, apart] {
            let top = scaled(base.subrows(0, 150), first);
            let low = scaled(base.subrows(150, 150), -first);
            let mut stream = StreamingSvd::new(60, 8, &p).unwrap();
            stream.push(top.as_ref()).unwrap();
            stream.push(low.as_ref()).unwrap();
            let found = stream.finish().unwrap();
            let large = if first > 0 { &top } else { &low };
            let best = dense(large.as_ref()).unwrap().truncate(8);
            assert!(((found.svd.s[0] - best.s[0]) / best.s[0]).as_f64().abs() < 1e-3, "apart by {apart}");
            let error = best.error(large.as_ref()).unwrap();
            assert!(found.error <= 1.05 * error && found.error >= 0.999 * error, "apart by {apart}");
        }
    }
    run::<f64>(&[300, -300, 600, -600, 1000, -1000], 450);
    run::<f32>(&[60, -60, 100, -90], 50);
    let mut stream = StreamingSvd::<f64>::new(30, 2, &Streaming::default()).unwrap();
    stream.push(Mat::full(30, 30, f64::MAX).as_ref()).unwrap();
    assert!(matches!(stream.finish(), Err(Error::Parameter { name: "a", .. })));
}

/// How far from the optimum a stream made against the method gets, and that it says so.
#[test]
fn a_stream_made_against_it_is_told_truly() {
    let (m, n, rank) = (1200, 400, 20);
    let v = orthonormal::<f64>(n, n, 1, "v");
    let early =
        orthonormal::<f64>(200, 40, 1, "early") * v.subcols(0, 40).transpose() * lowrank::faer::Scale(20.0);
    let late =
        gaussian::<f64>(m - 200, 20, 1, "late") * v.subcols(40, 20).transpose() * lowrank::faer::Scale(0.7);
    let a = Mat::from_fn(m, n, |i, j| if i < 200 { early[(i, j)] } else { late[(i - 200, j)] });
    let best = dense(a.as_ref()).unwrap().s;
    for (oversampling, bar) in [(10, 1.4), (40, 1.001)] {
        let p = Streaming { block: 40, oversampling, ..Default::default() };
        let ratio = check("drifting", a.as_ref(), &best, rank, &p);
        println!("oversampling {oversampling}: {ratio:.4} of the optimum");
        assert!(ratio <= bar, "{ratio}");
    }
}
