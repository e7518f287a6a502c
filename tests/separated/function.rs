//! Separated representations of functions from samples: known ranks, honest errors.

use super::support::*;
use lowrank::Status;
use lowrank::separated::{FromFunction, SeparationRank, from_function};

fn sum(index: &[usize], n: usize) -> f64 {
    index.iter().map(|&i| i as f64 / (n - 1) as f64).sum()
}

#[test]
fn probe() {
    for d in [1, 2, 3, 5, 8, 12, 20] {
        let n = 20;
        let fs: Vec<(&str, Box<dyn Fn(&[usize]) -> f64 + Sync>)> = vec![
            (
                "gauss",
                Box::new(move |i: &[usize]| {
                    (-i.iter().map(|&i| (2.0 * i as f64 / 19.0 - 1.0).powi(2)).sum::<f64>()).exp()
                }),
            ),
            ("inverse", Box::new(move |i: &[usize]| 1.0 / (1.0 + sum(i, n)))),
            ("sin", Box::new(move |i: &[usize]| sum(i, n).sin())),
            ("cos", Box::new(move |i: &[usize]| (3.0 * sum(i, n)).cos())),
            ("sum", Box::new(move |i: &[usize]| sum(i, n))),
            (
                "sqrt",
                Box::new(move |i: &[usize]| i.iter().map(|&i| (i as f64 / 19.0).powi(2)).sum::<f64>().sqrt()),
            ),
        ];
        for (name, f) in fs {
            let fit = from_function(
                &vec![n; d],
                |i: &[usize]| f(i),
                &FromFunction {
                    max_rank: 12,
                    max_iterations: 20000,
                    progress: std::env::var("P").unwrap().parse().unwrap(),
                    fibres_per_term: std::env::var("F").unwrap().parse().unwrap(),
                    max_seconds: 1.5,
                    ..Default::default()
                },
            )
            .unwrap();
            println!(
                "{name:8} d {d:2} s {:2} error {:.2e} +- {:.1e} gamma {:.2e} evals {} {}",
                fit.separated.separation_rank(),
                fit.error,
                fit.standard_error,
                fit.condition_number,
                fit.evaluations,
                fit.report
            );
        }
    }
}
