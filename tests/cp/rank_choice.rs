//! Which rank.

use super::*;
use lowrank::tensor::cp::{Masked, RankChoice, choose_rank, cp_masked};

#[test]
fn the_rank_under_noise_is_found() {
    let shape = [15, 14, 13];
    for noise in [0.0, 0.05] {
        let mut a = dense(&[1.0; 3], &factors::<f64>(&shape, 3, 2));
        let e = gaussian::<f64>(a.len(), 1, 1, "noise");
        let size = noise * norm(&a) / (a.len() as f64).sqrt();
        a.iter_mut().zip(e.col_as_slice(0)).for_each(|(x, e)| *x += size * e);
        let mut mask = ArrayD::from_elem(IxDyn(&shape), true);
        mask.iter_mut().step_by(7).for_each(|seen| *seen = false);
        a.zip_mut_with(&mask, |x, seen| *x = if *seen { *x } else { f64::NAN });
        let parameters = RankChoice { ranks: vec![0, 4, 2, 3, 1], ..Default::default() };
        let table = choose_rank(a.view(), Some(mask.view()), &parameters).unwrap();
        assert_eq!(table.recommended, 3, "{table}");
        let row = |rank: usize| table.rows.iter().find(|row| row.rank == rank).unwrap();
        assert!(row(3).core_consistency.unwrap() > 90.0 && row(0).core_consistency.is_none());
        assert!(row(2).cross_validation > 2.0 * row(3).cross_validation);
        assert!((row(0).cross_validation - 1.0).abs() < 1e-12 && (row(0).relative_error - 1.0).abs() < 1e-12);
        let fit = cp_masked(a.view(), mask.view(), &Masked { rank: 3, ..parameters.fit.clone() }).unwrap();
        assert_eq!(row(3).relative_error, fit.relative_error());
        assert_eq!(table, choose_rank(a.view(), Some(mask.view()), &parameters).unwrap());
        assert_eq!(table.to_string().lines().count(), 7);
    }
    let a = dense(&[1.0; 3], &factors::<f64>(&[18, 17, 16], 3, 2)).mapv(|x| x + 0.1);
    let fit = Masked { max_iterations: 12, ..Default::default() };
    let short = RankChoice { ranks: vec![2, 4], folds: 2, fit, ..Default::default() };
    super::support::same_on_any_threads("choose_rank", || choose_rank(a.view(), None, &short).unwrap());
}

#[test]
fn extremes() {
    let zero = ArrayD::<f64>::zeros(IxDyn(&[4, 3, 2]));
    let parameters = RankChoice { ranks: vec![2, 1], ..Default::default() };
    assert_eq!(choose_rank(zero.view(), None, &parameters).unwrap().recommended, 1);
    let large = dense(&[1.0], &factors::<f64>(&[6, 5, 4], 1, 2)).mapv(|x| x * 2f64.powi(900));
    assert_eq!(choose_rank(large.view(), None, &parameters).unwrap().recommended, 1);
    let fails = |p: RankChoice<f64>| choose_rank(zero.view(), None, &p).unwrap_err();
    for parameters in [
        RankChoice { ranks: vec![], ..Default::default() },
        RankChoice { folds: 1, ..Default::default() },
        RankChoice { folds: 25, ..Default::default() },
        RankChoice { tolerance: f64::NAN, ..Default::default() },
    ] {
        assert!(matches!(fails(parameters), Error::Parameter { .. }));
    }
    assert!(matches!(fails(RankChoice { ranks: vec![7], ..Default::default() }), Error::Rank { .. }));
    let wrong = ArrayD::from_elem(IxDyn(&[4, 3]), true);
    let error = choose_rank(zero.view(), Some(wrong.view()), &parameters).unwrap_err();
    assert!(matches!(error, Error::Shape { argument: "mask", .. }));
    let mut spoiled = zero.clone();
    spoiled[[3, 2, 1]] = f64::NAN;
    assert!(matches!(choose_rank(spoiled.view(), None, &parameters), Err(Error::NonFinite { .. })));
}
