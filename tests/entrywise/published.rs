//! The published numbers, and those of the descent.

use super::*;

/// The published program's numbers (n = 512, r = 32, m = 100, from random factors): 0.26 after
/// some 460 steps; and the descent's from the truncated SVD.
#[test]
fn alternating_projections_reproduce_the_published_error() {
    let (n, m, rank) = (512, 100, 32);
    let (mut sum, seeds) = (0.0, 2);
    for seed in 0..seeds {
        let f = ball_matrix::<f64>(n, m, seed);
        let method = projections(Projector::Randomized);
        let x = approximate(
            &f,
            rank,
            Parameters { start: Start::Random, seed, lower_bound: false, ..with(&method) },
        )
        .unwrap();
        println!("projections, seed {seed}: {}", x.report);
        assert_eq!(x.report.status, Status::Converged, "seed {seed}");
        assert!((400..=520).contains(&x.report.iterations), "seed {seed}: {} steps", x.report.iterations);
        sum += x.relative_error();
    }
    let mean = sum / seeds as f64;
    assert!((mean - 0.26).abs() <= 0.015, "mean of seeds 0..{seeds}: {mean}");
}

#[test]
fn descent_keeps_its_error() {
    let (n, m, rank, seeds) = (512, 100, 32, 5);
    let errors: Vec<f64> = (0..seeds)
        .map(|seed| {
            let x =
                approximate(&ball_matrix::<f64>(n, m, seed), rank, Parameters { seed, ..Default::default() })
                    .unwrap();
            println!("descent, seed {seed}: {}", x.report);
            x.relative_error()
        })
        .collect();
    let mean = errors.iter().sum::<f64>() / seeds as f64;
    assert!(mean <= 0.168, "mean {mean} of seeds 0..{seeds}: {errors:?}");
}

#[test]
fn descent_keeps_its_error_on_tensors() {
    let mut errors: Vec<f64> = (0..3)
        .map(|seed| {
            let f = sinh_tensor::<f64>(&[48, 48, 48], 10, seed);
            let x = approximate_tensor(&f, 12, Parameters { seed, lower_bound: false, ..Default::default() })
                .unwrap();
            println!("tensor, seed {seed}: {} relative {:.6}", x.report, x.relative_error());
            x.relative_error()
        })
        .collect();
    errors.sort_by(f64::total_cmp);
    assert!(errors[1] <= 0.0019, "seeds 0..3: {errors:?}");
}
