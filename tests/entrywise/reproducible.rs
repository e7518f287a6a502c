//! The same bits for any number of threads; the same errors for any layout.

use super::*;

/// Bar 16.
#[test]
fn bits_do_not_depend_on_threads() {
    fn check<T: Scalar>() {
        let matrix = ball_matrix::<T>(210, 30, 1);
        let stored = gaussian::<T>(130, 270, 9, "case");
        let generated = sinh_tensor::<T>(&[14, 12, 16], 10, 1);
        let tensor = random_tensor::<T>(&[7, 6, 5, 8], 9);
        for (name, method) in methods() {
            let go = || {
                let parameters = || Parameters { max_iterations: 25, ..with(&method) };
                let a = approximate(&matrix, 9, parameters()).unwrap();
                let b = approximate(&stored.transpose(), 9, parameters()).unwrap();
                let random = Parameters { start: Start::Random, seed: 4, ..parameters() };
                let c = approximate(&stored, 9, random).unwrap();
                let parameters = || Parameters { max_iterations: 25, ..with(&method) };
                let d = approximate_tensor(&generated, 5, parameters()).unwrap();
                let e = approximate_tensor(&tensor, 3, parameters()).unwrap();
                let matrices: Vec<_> =
                    [a, b, c].map(|x| (x.factors.u, x.factors.v, x.lower_bound, errors(&x.report))).into();
                let trains: Vec<_> =
                    [d, e].map(|x| (x.factors.cores().to_vec(), x.lower_bound, errors(&x.report))).into();
                (matrices, trains)
            };
            same_on_any_threads(&format!("{} {name}", T::NAME), go);
        }
    }
    check::<f64>();
    check::<f32>();
}

fn errors(report: &lowrank::Report) -> Vec<(usize, f64)> {
    report.history.iter().map(|p| (p.iteration, p.error)).chain([(report.iterations, report.error)]).collect()
}

/// The memory layout changes the order of sums at most.
#[test]
fn layouts_agree() {
    fn check<T: Scalar>() {
        for seed in 0..2 {
            let generated = GeneratedMatrix::independent(
                Function::Gaussian,
                ball::<T>(150, 30, 1.0, seed, 0).unwrap(),
                ball::<T>(180, 30, 1.0, seed, 1).unwrap(),
            )
            .unwrap();
            let f = generated.to_dense().unwrap();
            let rows = f.transpose().to_owned();
            let spread = ArrayD::from_shape_fn(vec![300, 540], |k| f[(k[0] / 2, k[1] / 3)]);
            let case = format!("{} 150x180 rank 10 seed {seed}", T::NAME);
            let error = run(f.as_ref(), 10, Parameters::default(), &case).report.error;
            let row_major = run(rows.transpose(), 10, Parameters::default(), &case).report.error;
            let strided = run(every(&spread, 2, 3), 10, Parameters::default(), &case).report.error;
            let tiles = approximate(&generated, 10, Parameters::default()).unwrap();
            let tiles = honest_error(f.as_ref(), &tiles, &case);
            for (name, bar, other) in
                [("row-major", 0.05, row_major), ("strided", 0.05, strided), ("generated", 0.01, tiles)]
            {
                assert!((other - error).abs() <= bar * error, "{case} {name}: {other}, column-major {error}");
            }
        }
        let generated = sinh_tensor::<T>(&[15, 20, 12], 8, 3);
        let f = generated.to_dense().unwrap();
        let permuted = f.view().permuted_axes(vec![2, 0, 1]).as_standard_layout().to_owned();
        let permuted = permuted.permuted_axes(vec![1, 2, 0]);
        assert!(permuted == f && !permuted.is_standard_layout());
        let case = format!("{} sinh 15x20x12 rank 5 seed 3", T::NAME);
        let error = run_tensor(&f, 5, Parameters::default(), &case).report.error;
        let other = run_tensor(&permuted, 5, Parameters::default(), &case).report.error;
        let tiles = approximate_tensor(&generated, 5, Parameters::default()).unwrap();
        honest::<T, _>(&tiles, tensor_error(f.view(), &tiles.factors), &case);
        for (name, bar, other) in [("permuted", 0.05, other), ("generated", 0.02, tiles.report.error)] {
            assert!((other - error).abs() <= bar * error, "{case} {name}: {other}, row-major {error}");
        }
    }
    check::<f64>();
    check::<f32>();
}

fn honest_error<T: Scalar>(f: MatRef<'_, T>, x: &Matrix<T>, case: &str) -> f64 {
    honest::<T, _>(x, matrix_error(f, &x.factors), case);
    x.report.error
}
