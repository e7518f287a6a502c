//! Any matrix and tensor.

use super::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// The same cases in every run; others by the environment: `PROPTEST_RNG_SEED=7 PROPTEST_CASES=1000`.
fn cases() -> ProptestConfig {
    let default = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { 60 };
    let rng_seed = if default.rng_seed == RngSeed::Random { RngSeed::Fixed(1) } else { default.rng_seed };
    ProptestConfig { cases, rng_seed, ..default }
}

proptest! {
    #![proptest_config(cases())]

    /// Any matrix, any scale, any part of it zero, any start: what always holds does.
    #[test]
    fn matrices(
        m in 1usize..14, n in 1usize..14, part in 0.0f64..=1.0, seed in 0u64..1000, e in -1000i32..1000,
        sparsity in 0usize..4, method in 0usize..4, random in proptest::bool::ANY,
    ) {
        let rank = ((m.min(n) as f64) * part).round() as usize;
        let (name, method) = &methods()[method];
        let case = format!("{m}x{n} rank {rank} seed {seed} times 2^{e} sparsity {sparsity} {name} random {random}");
        let mut f = scaled(gaussian::<f64>(m, n, seed, "case").as_ref(), e);
        for j in 0..n {
            for i in 0..m {
                if (i * 7 + j * 3) % (sparsity + 1) != 0 {
                    f[(i, j)] = 0.0;
                }
            }
        }
        let start = if random { Start::Random } else { Start::Svd };
        let x = run(f.as_ref(), rank, Parameters { start, seed, ..with(method) }, &case);
        if !random && *name == "descent" {
            never_worse(scaled(f.as_ref(), -e).as_ref(), rank, method, &case);
        }
        let narrow = Mat::from_fn(m, n, |i, j| scale_by_power_of_two(f[(i, j)], -e) as f32);
        let start = if random { Start::Random } else { Start::Svd };
        run(narrow.as_ref(), rank, Parameters { start, seed, ..with(method) }, &case);
        if rank == m.min(n) && !random {
            prop_assert!(x.relative_error() <= 1e-13, "{}: {}", case, x.relative_error());
        }
    }

    /// The same for tensors of orders 2 to 4.
    #[test]
    fn tensors_of_any_order(
        shape in proptest::collection::vec(1usize..6, 2..5), rank in 1usize..7, seed in 0u64..1000,
        method in 0usize..4, random in proptest::bool::ANY,
    ) {
        let (name, method) = &methods()[method];
        let case = format!("{shape:?} rank {rank} seed {seed} {name} random {random}");
        let f = random_tensor::<f64>(&shape, seed);
        let start = if random { Start::Random } else { Start::Svd };
        run_tensor(&f, rank, Parameters { start, seed, ..with(method) }, &case);
    }
}

/// Cores of a search from a random start may be far larger than their tensor: what they multiply out
/// to is then known to the rounding of the large terms only.
#[test]
fn terms_that_cancel() {
    let f = random_tensor::<f64>(&[3, 3, 3], 482);
    for rank in [3, 5] {
        let parameters = Parameters { start: Start::Random, seed: 482, ..with(&Method::default()) };
        run_tensor(&f, rank, parameters, &format!("rank {rank}"));
    }
}
