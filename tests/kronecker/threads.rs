//! The same bits on any number of threads.

use super::*;
use lowrank::kronecker::hadamard;

fn threads_do_not_matter<T: Scalar>() {
    let square = Kronecker::new((0..3).map(|k| well_conditioned::<T>(20 + k, k as u64)).collect()).unwrap();
    let b = gaussian::<T>(square.shape().0, 3, 1, "b");
    let wide = product::<T>(&[(12, 20), (30, 20), (15, 18)], 3);
    let c = gaussian::<T>(wide.shape().0, 3, 2, "c");
    let values = |n: usize| (0..n).map(|k| k as f64 - 3.5).collect::<Vec<_>>();
    let sum = KroneckerSum::new(vec![symmetric::<T>(&values(30), 1), symmetric(&values(200), 2)]).unwrap();
    let s = gaussian::<T>(6000, 2, 3, "s");
    let khatri_rao = KhatriRao::new(factors::<T>(&[(60, 30), (50, 30), (4, 30)], 5)).unwrap();
    let (x, y) = (gaussian::<T>(12000, 2, 6, "x"), gaussian::<T>(30, 2, 7, "y"));
    same_on_any_threads(T::NAME, || {
        let eigen = sum.symmetric_eigen().unwrap();
        let low = low_rank::<T>(300, 200, 5, 8);
        let z = hadamard(&[&low, &low]).unwrap();
        vec![
            square.solve(&b).unwrap(),
            wide.least_squares(&c, None).unwrap(),
            square.svd().unwrap().truncated(5).unwrap().u,
            sum.apply(s.as_ref()).unwrap(),
            eigen.apply_function(&s, |l| (-l * l).exp()).unwrap(),
            khatri_rao.apply(y.as_ref()).unwrap(),
            khatri_rao.apply_transpose(x.as_ref()).unwrap(),
            khatri_rao.gram().unwrap(),
            lowrank::svd::recompress(&z, lowrank::svd::Rank::Fixed(15)).unwrap().u,
        ]
    });
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    threads_do_not_matter::<f64>();
    threads_do_not_matter::<f32>();
}
