//! Orders of chains against all bracketings, costs against hand counts.

use super::*;

/// The fewest flops over all bracketings, one by one.
fn enumerate(sizes: &[usize]) -> Vec<f64> {
    let k = sizes.len() - 1;
    if k == 1 {
        return vec![0.0];
    }
    let mut all = Vec::new();
    for split in 1..k {
        let last = 2.0 * (sizes[0] * sizes[split] * sizes[k]) as f64;
        for left in enumerate(&sizes[..=split]) {
            for right in enumerate(&sizes[split..]) {
                all.push(left + right + last);
            }
        }
    }
    all
}

fn least(x: &[f64]) -> f64 {
    x.iter().copied().fold(f64::INFINITY, f64::min)
}

#[test]
fn orders_are_the_cheapest_of_all_bracketings() {
    let catalan = [1, 1, 2, 5, 14, 42, 132, 429];
    for k in 1..=8_usize {
        for seed in 0..40_usize {
            let sizes: Vec<usize> =
                (0..=k).map(|i| (i * 7919 + seed * 104_729 + i * i * seed) % 30).collect();
            let all = enumerate(&sizes);
            assert_eq!(all.len(), catalan[k - 1]);
            let found = order(&sizes).unwrap();
            assert_eq!(found.flops, least(&all), "{sizes:?}");
            assert_eq!(found.cost::<f64>().flops, found.flops, "{sizes:?} {}", found.bracket);
            if k == 1 {
                assert!(factored_order(&sizes).is_err());
                continue;
            }
            let smallest = *sizes[1..k].iter().min().unwrap();
            let splits = (1..k).filter(|j| sizes[*j] == smallest);
            let costs: Vec<f64> =
                splits.map(|j| least(&enumerate(&sizes[..=j])) + least(&enumerate(&sizes[j..]))).collect();
            let found = factored_order(&sizes).unwrap();
            assert_eq!(found.flops, least(&costs), "{sizes:?}");
            assert_eq!(found.cost::<f32>().flops, found.flops, "{sizes:?} {}", found.bracket);
        }
    }
    assert!(order(&[]).is_err() && order(&[3]).is_err() && factored_order(&[3, 4]).is_err());
    assert!(order(&vec![1; 2000]).is_err());
}

#[test]
fn costs_are_those_counted_by_hand() {
    // Dense, N = 2048, r = 64: core 2 N r^2, its product 2 N r^2, result 2 N^2 r.
    let (n, r) = (2048.0, 64.0);
    let plan = Plan::new::<f64>((2048, 2048, 2048), (64, 64), Output::Dense).unwrap();
    assert_eq!(plan.full, Cost { flops: 2.0 * n * n * n, bytes: 24.0 * n * n });
    let bytes = 8.0 * ((2.0 * n * r + r * r) + (2.0 * n * r + r * r) + (2.0 * n * r + n * n));
    assert_eq!(plan.factored, Cost { flops: 4.0 * n * r * r + 2.0 * n * n * r, bytes });
    // Factored, (100, 80, 90) of ranks 5 and 3, f32.
    let plan = Plan::new::<f32>((100, 80, 90), (5, 3), Output::Factored).unwrap();
    let flops = 2.0 * (5 * 80 * 3 + 100 * 5 * 3) as f64;
    let bytes = 4.0 * (5 * 80 + 80 * 3 + 5 * 3 + 100 * 5 + 5 * 3 + 100 * 3) as f64;
    assert_eq!(plan.factored, Cost { flops, bytes });
    // The factorization, rank 10 + 6 of (50, 40), 1 power step: 4 products, 2 times 4 l^2 (m + n),
    // and the residual.
    let method = Method::Randomized { oversampling: 6, power_iterations: 1, seed: 0 };
    let cost = Cost::factorization::<f64>(method, 50, 40, 10);
    let (products, reflectors) = (4.0 * 2.0 * 50.0 * 40.0 * 16.0, 2.0 * 4.0 * 90.0 * 256.0);
    assert_eq!(cost.flops, products + reflectors + 2.0 * 50.0 * 40.0 * 10.0);
    let machine = Machine { flops_per_second: 10.0, bytes_per_second: 5.0 };
    assert_eq!(Cost { flops: 100.0, bytes: 10.0 }.seconds(&machine), 12.0);
    // Break-even: the gain is 8 s a product, the factorization takes 20 s.
    let plan = Plan { full: Cost { flops: 100.0, bytes: 0.0 }, factored: Cost { flops: 20.0, bytes: 0.0 } };
    let offline = Cost { flops: 200.0, bytes: 0.0 };
    assert_eq!(plan.break_even(offline, &machine).unwrap(), Some(3.0));
    for (uses, choice) in [(1, Choice::Full), (2, Choice::Full), (3, Choice::Factored)] {
        assert_eq!(plan.choice_with_factorization(offline, uses, &machine).unwrap(), choice);
    }
    assert_eq!(plan.choice(&machine).unwrap(), Choice::Factored);
    assert_eq!(Plan { full: plan.factored, ..plan }.choice(&machine).unwrap(), Choice::Full);
    assert_eq!(Plan { full: plan.factored, ..plan }.break_even(offline, &machine).unwrap(), None);
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let machine = Machine { flops_per_second: rate, bytes_per_second: 1.0 };
        assert!(plan.choice(&machine).is_err() && plan.break_even(offline, &machine).is_err());
    }
}
