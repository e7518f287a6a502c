//! The lower bounds.

use super::*;

/// The bounds, by hand.
#[test]
fn lower_bounds_are_right() {
    // diag(3, 2, 1) with rank 1: the tail is sqrt((4 + 1) / 9); any |X|_max error is at least it.
    let f = Mat::from_fn(3, 3, |i, j| if i == j { 3.0 - i as f64 } else { 0.0 });
    let bound = bound_alone(&f, 1);
    let tail = (5.0f64 / 9.0).sqrt();
    // The trace bound, Q = I: 6 - 3 eps > |F| + eps in the Frobenius norm.
    let violated = |eps: f64| {
        let norm = (0..3).map(|i| (3.0 - i as f64 + eps).powi(2)).sum::<f64>() + 6.0 * eps * eps;
        6.0 - 3.0 * eps > norm.sqrt()
    };
    let (mut lo, mut hi) = (0.0, 3.0);
    for _ in 0..60 {
        let eps = 0.5 * (lo + hi);
        if violated(eps) { lo = eps } else { hi = eps }
    }
    let expected = tail.max(lo);
    assert!((bound - expected).abs() <= 1e-9, "{bound} where {expected} is right (tail {tail}, trace {lo})");
    // Ones: the rank is one, nothing is left. A Hadamard matrix: all of the tail.
    assert_eq!(bound_alone(&Mat::<f64>::full(9, 7, 1.0), 1), 0.0);
    let h = Mat::from_fn(
        16,
        16,
        |i: usize, j: usize| if (i & j).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 },
    );
    let (bound, tail) = (bound_alone(&h, 4), (12.0f64 * 16.0 / 256.0).sqrt());
    assert!(bound >= tail - 1e-9 && bound <= 1.0, "{bound}, tail {tail}");
    // Switched off.
    let x = approximate(&h, 4, Parameters { lower_bound: false, ..Default::default() }).unwrap();
    assert_eq!(x.lower_bound, 0.0);
}

/// Identity: the best error of rank r is at least sqrt((n - r) / (r (n - 1))) over one plus that
/// (Welch), 0.1185 here.
#[test]
fn identity_lies_between_its_bounds() {
    let (n, rank) = (512, 50);
    let f = Mat::<f64>::identity(n, n);
    let coherence = ((n - rank) as f64 / (rank * (n - 1)) as f64).sqrt();
    let best = coherence / (1.0 + coherence);
    let x = run(f.as_ref(), rank, Parameters::default(), "identity 512 rank 50");
    println!("identity: bound {:.4} (best {best:.4}), error {:.4}", x.lower_bound, x.report.error);
    assert!(x.lower_bound >= 0.11 && x.lower_bound <= best + 1e-9, "{}, best {best}", x.lower_bound);
    assert!(x.report.error <= 0.172, "{}", x.report.error);
}
