//! NaN and infinities wherever they are, sizes that overflow, tensors of odd shapes and values.

use super::support::{bad_places, non_finite};
use super::*;
use lowrank::ndarray::Array2;
use lowrank::tensor::cp::*;

const SHAPE: [usize; 3] = [3, 4, 5];

#[test]
fn non_finite_numbers_are_found_wherever_they_are() {
    let x = Cp::new(vec![1.0; 2], factors::<f64>(&SHAPE, 2, 1)).unwrap();
    let all = ArrayD::from_elem(IxDyn(&SHAPE), true);
    for (bad, at) in bad_places(SHAPE) {
        let mut a = x.to_dense().unwrap();
        a[&at[..]] = bad;
        for start in [CpStart::Leading, CpStart::Random, CpStart::Compressed, CpStart::Warm(x.clone())] {
            let parameters = CpAls { start, ..Default::default() };
            non_finite(cp_als(a.view(), 2, &parameters), "a", &at, "cp_als");
        }
        non_finite(cp_masked(a.view(), all.view(), &Masked::default()), "a", &at, "cp_masked");
        non_finite(cp_sampled(a.view(), &Sampled::default()), "a", &at, "cp_sampled");
        non_finite(cp_sampled_entries(&a, &Sampled::default()), "a", &at, "cp_sampled_entries");
        non_finite(choose_rank(a.view(), None, &RankChoice::default()), "a", &at, "choose_rank");
        non_finite(core_consistency(a.view(), &x), "a", &at, "core_consistency");
        non_finite(x.error(a.view()), "a", &at, "error");
    }
    let a = x.to_dense().unwrap();
    for (bad, at) in bad_places([4, 2]) {
        let mut spoiled = factors::<f64>(&SHAPE, 2, 1);
        spoiled[1][(at[0], at[1])] = bad;
        non_finite(k_rank(&spoiled[1], 0.0), "a", &at, "k_rank");
        let fixed = Constraint::Fixed(spoiled[1].clone());
        let parameters =
            CpAls { constraints: vec![Constraint::Free, fixed, Constraint::Free], ..Default::default() };
        non_finite(cp_als(a.view(), 2, &parameters), "constraints", &[1, at[0], at[1]], "fixed");
        assert!(matches!(Cp::new(vec![1.0; 2], spoiled), Err(Error::NonFinite { .. })));
    }
    let points = Array2::from_shape_fn((5, 3), |(s, k)| s % SHAPE[k]);
    for (bad, at) in bad_places([5]) {
        let mut values = [1.0; 5];
        values[at[0]] = bad;
        let fit = cp_samples(&SHAPE, points.view(), &values, &Masked::default());
        non_finite(fit, "values", &at, "cp_samples");
    }
}

#[test]
fn what_no_memory_holds_is_too_large() {
    let points = Array2::zeros((1, 2));
    for shape in [[usize::MAX, 2], [1 << 50, 2], [usize::MAX, usize::MAX]] {
        let fit = cp_samples(&shape, points.view(), &[1.0], &Masked::default());
        assert!(matches!(fit, Err(Error::TooLarge { .. })), "{shape:?} {fit:?}");
    }
    let fit = cp_samples(
        &[1 << 40, 1 << 40],
        points.view(),
        &[1.0],
        &Masked { rank: 1 << 39, ..Default::default() },
    );
    assert!(matches!(fit, Err(Error::TooLarge { .. })), "{fit:?}");
    assert!(matches!(Cp::<f32>::zeros(&[3, usize::MAX]), Err(Error::TooLarge { .. })));
    // One number, seen as a tensor whose rank may be a million; its factors would take 8 TB.
    let one = ArrayD::<f64>::ones(IxDyn(&[1, 1, 1]));
    let many = one.broadcast(IxDyn(&[1 << 20, 1 << 20, 1])).unwrap();
    assert!(matches!(cp_als(many.view(), 1 << 20, &CpAls::default()), Err(Error::TooLarge { .. })));
}

#[test]
fn ranks_are_chosen_for_many_short_modes_and_sparse_tensors() {
    // A core of 6^12 numbers would be asked for, and parts held out that are all zero.
    let a = dense(&[1.0], &factors::<f64>(&[2; 12], 1, 1));
    let parameters = RankChoice { ranks: vec![1, 6], ..Default::default() };
    let table = choose_rank(a.view(), None, &parameters).unwrap();
    assert!(table.recommended == 1 && table.rows[1].core_consistency.is_none(), "{table}");
    let mut spike = ArrayD::<f64>::zeros(IxDyn(&[5, 4, 3]));
    spike[[1, 2, 0]] = 1e200;
    let table = choose_rank(spike.view(), None, &RankChoice { ranks: vec![0, 1, 2], ..Default::default() });
    let table = table.unwrap();
    let finite = |row: &RankRow| row.cross_validation.is_finite() && row.standard_error.is_finite();
    assert!(table.rows.iter().all(finite), "{table}");
}

#[test]
fn empty_tensors_are_fitted_by_no_terms() {
    for shape in [&[0][..], &[3, 0, 2], &[0, 3], &[2, 2, 0]] {
        let a = ArrayD::<f64>::zeros(IxDyn(shape));
        let all = ArrayD::from_elem(IxDyn(shape), true);
        let none = Masked { rank: 0, ..Default::default() };
        let x = cp_masked(a.view(), all.view(), &none).unwrap();
        assert!(x.cp.shape() == shape && x.report.error == 0.0 && x.observed == 0, "{shape:?}");
        let x = cp_sampled(a.view(), &Sampled { rank: 0, ..Default::default() }).unwrap();
        assert!(x.cp.shape() == shape && x.report.error == 0.0, "{shape:?}");
        assert_eq!(cp_als(a.view(), 0, &CpAls::default()).unwrap().cp.shape(), shape);
        assert!(matches!(choose_rank(a.view(), None, &RankChoice::default()), Err(Error::Parameter { .. })));
    }
}

#[test]
fn norms_over_the_largest_number_are_named() {
    let a = ArrayD::from_elem(IxDyn(&SHAPE), f64::MAX);
    let all = ArrayD::from_elem(IxDyn(&SHAPE), true);
    let points = Array2::zeros((3, 3));
    for rank in [0, 1, 12] {
        let masked = Masked { rank, ..Default::default() };
        for error in [
            cp_als(a.view(), rank, &CpAls::default()).unwrap_err(),
            cp_masked(a.view(), all.view(), &masked).unwrap_err(),
            cp_samples(&SHAPE, points.view(), &[f64::MAX; 3], &masked).unwrap_err(),
            cp_sampled(a.view(), &Sampled { rank, ..Default::default() }).unwrap_err(),
        ] {
            assert!(matches!(error, Error::Parameter { name: "a", .. }), "{rank} {error}");
        }
    }
}

#[test]
fn one_observed_entry_and_long_modes_of_few_fibres() {
    let a = dense(&[1.0; 3], &factors::<f64>(&SHAPE, 3, 4));
    let mut seen = ArrayD::from_elem(IxDyn(&SHAPE), false);
    seen[[1, 2, 3]] = true;
    let x = cp_masked(a.view(), seen.view(), &Masked { rank: 3, ..Default::default() }).unwrap();
    assert!(x.relative_error() < 1e-12 && x.unobserved.len() == 9 && x.cp.entry(&[0, 2, 3]).unwrap() == 0.0);
    // A start of 1024 fibres each 30000 long would take a hundred times the tensor.
    let a = dense(&[1.0], &factors::<f64>(&[30_000, 3, 2], 1, 4));
    let x = cp_sampled(a.view(), &Sampled { rank: 1, samples: 64, ..Default::default() }).unwrap();
    assert!(x.relative_error() < 1e-10, "{}", x.report);
}
